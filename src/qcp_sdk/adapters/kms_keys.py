"""The keys of an installation whose wrapping keys are held by a key management service.

Data keys are drawn here and wrapped by the service; so is the root secret, from which the keys of purposes are
derived. The wrapped root is a short text for the configuration: worthless without the service. A data key that was
unwrapped is kept in memory for a while, so that the service is asked once for each stream that a process works on.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections import OrderedDict
from typing import Final

from qcp_sdk.adapters.shared import sealed as forms
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.ports.kms import Kms, Wrapped

MOST_KEPT: Final = 4_096


class KmsKeys:
    """Gives keys for a purpose, and wraps data keys by a `Kms`. Never prints one.

    `root` is what `new_root` gave once for this installation. `most_kept`: how many unwrapped data keys a process
    keeps in memory; 0 asks the service each time.

    Raises:
        ConfigurationError: `root` is no such text, or the service refuses to unwrap it.
        Unavailable: The service does not answer.
    """

    def __init__(self, kms: Kms, *, root: str, most_kept: int = MOST_KEPT) -> None:
        self._kms, self._most = kms, most_kept
        try:
            data = json.loads(root)
            held = Wrapped(key=str(data["key"]), content=base64.b64decode(str(data["root"]), validate=True))
            known = data["version"] == 1
        except (ValueError, KeyError, TypeError, RecursionError):
            known, held = False, Wrapped(key="", content=b"")
        if not known:
            raise ConfigurationError("it cannot be read", where="root", mend="give the text that `new_root` made")
        try:
            self._root = kms.unwrap(wrapped=held)
        except Rejected as refusal:
            raise ConfigurationError(
                f"the service does not unwrap it (`{refusal.reason}`)", where="root", mend="look at its key and policy"
            ) from refusal
        self._derived: dict[str, bytes] = {}
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def new_root(kms: Kms) -> str:
        """Draw the root secret of a new installation, and give it wrapped, as a text for its configuration.

        Raises:
            Unavailable: The service does not answer.
        """
        return _text(kms.wrap(secret=secrets.token_bytes(forms.SIZE)))

    def rewrapped_root(self) -> str:
        """Give the same root secret wrapped by the service's current key: before an older one is disabled there."""
        return _text(self._kms.wrap(secret=self._root))

    @property
    def simulated(self) -> bool:
        """Whether the service is not fit for production."""
        return bool(getattr(self._kms, "simulated", False))

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys."""
        return self._kms.current

    def derive(self, *, purpose: str) -> bytes:
        """Give the 32-byte key of this purpose (`codes`, `index` …); always the same for one installation."""
        if (key := self._derived.get(purpose)) is None:
            key = self._derived[purpose] = forms.derived(self._root, purpose)
        return key

    def new_data_key(self) -> bytes:
        """Make a data key and give it wrapped by the current key, to be stored beside what it seals."""
        return self._wrap(secrets.token_bytes(forms.SIZE))

    def wrapped_by(self, *, data_key: bytes) -> str:
        """Give the id of the key that wrapped a data key, whether the service still has that key or not.

        Raises:
            Rejected: `unknown_key`: it is no data key.
        """
        return forms.wrapped(data_key)[0]

    def rewrap(self, *, data_key: bytes) -> bytes:
        """Give a data key wrapped by the current key; what it sealed opens as before.

        Raises:
            Rejected: `unknown_key`: the service does not unwrap it.
        """
        return self._wrap(self._unwrap(data_key))

    def seal(self, *, data_key: bytes, place: str, payload: bytes) -> bytes:
        """Encrypt and authenticate the payload for this place (`table/id/sequence`), under a wrapped data key.

        Raises:
            Rejected: `unknown_key`: the service does not unwrap the data key.
        """
        return forms.seal(self._unwrap(data_key), place, payload)

    def open(self, *, data_key: bytes, place: str, sealed: bytes) -> bytes:
        """Give the payload back.

        Raises:
            Rejected: `unknown_key`, or `not_authentic`: changed, or moved from another place.
        """
        return forms.unseal(self._unwrap(data_key), place, sealed)

    def _wrap(self, key: bytes) -> bytes:
        wrapped = self._kms.wrap(secret=key)
        data_key = forms.data_key(wrapped.key, wrapped.content)
        self._keep(data_key, key)
        return data_key

    def _unwrap(self, data_key: bytes) -> bytes:
        with self._lock:
            if (key := self._kept.get(data_key)) is not None:
                self._kept.move_to_end(data_key)
                return key
        id, content = forms.wrapped(data_key)
        try:
            key = self._kms.unwrap(wrapped=Wrapped(key=id, content=content))
        except Rejected as refusal:
            raise forms.unknown_key() from refusal
        self._keep(data_key, key)
        return key

    def _keep(self, data_key: bytes, key: bytes) -> None:
        with self._lock:
            self._kept[data_key] = key
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def __repr__(self) -> str:
        return f"KmsKeys({type(self._kms).__name__})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("keys are never serialised")


def _text(root: Wrapped) -> str:
    return json.dumps({"version": 1, "key": root.key, "root": base64.b64encode(root.content).decode("ascii")})
