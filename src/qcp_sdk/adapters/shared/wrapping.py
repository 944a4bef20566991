"""Data keys under wrapping keys: what a key ring and a key management service have in common.

A data key that was unwrapped is kept in memory for a while, ready for use: a stream is sealed and opened several times
for each thing that happens to it.
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from qcp_sdk.adapters.shared import sealed as forms
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.kms import Wrapped

MOST_KEPT: Final = 4_096
_Kept: TypeAlias = tuple[bytes, AESGCM]


class WrappingKeys(ABC):
    """Gives keys for a purpose from a root secret, and wraps data keys as `wrap` and `unwrap` say. Never prints one.

    `most_kept`: how many unwrapped data keys are kept; 0 unwraps each time.
    """

    __slots__ = ("_derived", "_kept", "_lock", "_most", "_root")

    def __init__(self, root: bytes, most_kept: int = MOST_KEPT) -> None:
        self._root, self._most = root, most_kept
        self._derived: dict[str, bytes] = {}
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def _wrapped(self, secret: bytes) -> Wrapped:
        """Wrap a secret under the current key."""

    @abstractmethod
    def _unwrapped(self, wrapped: Wrapped) -> bytes:
        """Give the secret back, or raise `Rejected`."""

    def derive(self, *, purpose: str) -> bytes:
        """Give the 32-byte key of this purpose (`codes`, `index` …); always the same for one installation."""
        if (key := self._derived.get(purpose)) is None:
            key = self._derived[purpose] = forms.derived(self._root, purpose)
        return key

    def new_data_key(self) -> bytes:
        """Make a data key and give it wrapped by the current key, to be stored beside what it seals."""
        return self._wrap(secrets.token_bytes(forms.SIZE))

    def wrapped_by(self, *, data_key: bytes) -> str:
        """Give the id of the key that wrapped a data key, whether that key is still held or not.

        Raises:
            Rejected: `unknown_key`: it is no data key.
        """
        return forms.wrapped(data_key)[0]

    def rewrap(self, *, data_key: bytes) -> bytes:
        """Give a data key wrapped by the current key; what it sealed opens as before.

        Raises:
            Rejected: `unknown_key`: it was wrapped by a key that is held no longer.
        """
        return self._wrap(self._unwrap(data_key)[0])

    def seal(self, *, data_key: bytes, place: str, payload: bytes) -> bytes:
        """Encrypt and authenticate the payload for this place (`table/id/sequence`), under a wrapped data key.

        Raises:
            Rejected: `unknown_key`: the data key was wrapped by a key that is held no longer.
        """
        return forms.seal_by(self._unwrap(data_key)[1], place, payload)

    def open(self, *, data_key: bytes, place: str, sealed: bytes) -> bytes:
        """Give the payload back.

        Raises:
            Rejected: `unknown_key`, or `not_authentic`: changed, or moved from another place.
        """
        return forms.unseal_by(self._unwrap(data_key)[1], place, sealed)

    def _wrap(self, key: bytes) -> bytes:
        wrapped = self._wrapped(key)
        data_key = forms.data_key(wrapped.key, wrapped.content)
        self._keep(data_key, key)
        return data_key

    def _unwrap(self, data_key: bytes) -> _Kept:
        kept = self._kept.get(data_key)
        if kept is not None:
            return kept
        id, content = forms.wrapped(data_key)
        try:
            key = self._unwrapped(Wrapped(key=id, content=content))
        except Rejected as refusal:  # whichever it is: a damaged data key opens nothing either
            raise forms.unknown_key() from refusal
        return self._keep(data_key, key)

    def _keep(self, data_key: bytes, key: bytes) -> _Kept:
        kept = (key, AESGCM(key))
        with self._lock:
            self._kept[data_key] = kept
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return kept
