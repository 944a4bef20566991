"""Keys of the installation: codes are derived from one, sealed payloads are wrapped by another.

A `Sealer` turns a payload into opaque bytes bound to the place where it is stored, so that neither a copied row
nor a swapped one opens. Each stream has a data key of its own, wrapped by the key ring: destroying it erases
the stream (behaviour § 8).
"""

from __future__ import annotations

from typing import Protocol


class Keys(Protocol):
    """Gives keys for a purpose, and wraps data keys. Never prints one."""

    def derive(self, *, purpose: str) -> bytes:
        """Give the 32-byte key of this purpose (`codes`, `index` …); always the same for one installation."""

    def new_data_key(self) -> bytes:
        """Make a data key and give it wrapped, to be stored beside what it seals."""

    def seal(self, *, data_key: bytes, place: str, payload: bytes) -> bytes:
        """Encrypt and authenticate the payload for this place (`table/id/sequence`), under a wrapped data key.

        Raises:
            Rejected: `unknown_key`: the data key was wrapped by a key that the ring no longer holds.
        """

    def open(self, *, data_key: bytes, place: str, sealed: bytes) -> bytes:
        """Give the payload back.

        Raises:
            Rejected: `unknown_key`, or `not_authentic`: changed, or moved from another place.
        """
