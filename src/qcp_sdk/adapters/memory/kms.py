"""A key management service in memory: the same keys for a seed, rotated and disabled as its operator would."""

from __future__ import annotations

import threading
from hashlib import blake2b
from typing import ClassVar

from qcp_sdk.adapters.shared import sealed as forms
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.kms import Wrapped


class MemoryKms:
    """Wraps secrets under keys that it keeps to itself. `rotate` and `disable` are for whoever writes the script."""

    simulated: ClassVar[bool] = True

    def __init__(self, seed: str = "qcp_sdk") -> None:
        self._seed = seed.encode()
        self._version = 1
        self._disabled: set[str] = set()
        self._lock = threading.Lock()

    @property
    def current(self) -> str:
        """The id of the key that `wrap` uses now."""
        return f"memory/{self._version}"

    def wrap(self, *, secret: bytes) -> Wrapped:
        """Wrap a secret under the current key."""
        id = self.current
        return Wrapped(key=id, content=forms.encrypted(self._key(id), secret, id.encode()))

    def unwrap(self, *, wrapped: Wrapped) -> bytes:
        """Give the secret back, under whichever of its keys it was wrapped.

        Raises:
            Rejected: `unknown_key`, or `not_authentic`.
        """
        known = {f"memory/{version}" for version in range(1, self._version + 1)} - self._disabled
        if wrapped.key not in known:
            raise Rejected("there is no such key", reason="unknown_key")
        secret = forms.decrypted(self._key(wrapped.key), wrapped.content, wrapped.key.encode())
        if secret is None:
            raise Rejected("what was wrapped has changed", reason="not_authentic")
        return secret

    def _key(self, id: str) -> bytes:
        return blake2b(id.encode(), key=blake2b(self._seed, digest_size=32).digest(), digest_size=32).digest()

    # Whoever writes the script.

    def rotate(self) -> str:
        """Make a new current key, and give its id."""
        with self._lock:
            self._version += 1
            return self.current

    def disable(self, id: str) -> None:
        """Unwrap nothing any more that was wrapped under this key."""
        self._disabled.add(id)

    def __repr__(self) -> str:
        return "MemoryKms(…)"
