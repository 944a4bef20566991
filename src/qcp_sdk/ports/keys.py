"""Keys of the installation: codes are derived from one, sealed payloads are wrapped by another.

A `Sealer` turns a payload into opaque bytes bound to the place where it is stored, so that neither a copied row
nor a swapped one opens. Each stream has a data key of its own, wrapped by the key ring: destroying it erases
the stream (behaviour § 8). A wrapped data key names the key that wrapped it, so that an operator can see which
keys are still needed; `rewrap` brings it under the current one and leaves what it sealed as it is.
"""

from __future__ import annotations

from typing import Protocol


class Keys(Protocol):
    """Gives keys for a purpose, and wraps data keys. Never prints one."""

    def derive(self, *, purpose: str) -> bytes:
        """Give the 32-byte key of this purpose (`codes`, `index` …); always the same for one installation."""

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys: 1 to 255 printable ASCII characters."""

    def new_data_key(self) -> bytes:
        """Make a data key and give it wrapped by the current key, to be stored beside what it seals."""

    def wrapped_by(self, *, data_key: bytes) -> str:
        """Give the id of the key that wrapped a data key, whether that key is still held or not.

        Raises:
            Rejected: `unknown_key`: it is no data key.
        """

    def rewrap(self, *, data_key: bytes) -> bytes:
        """Give a data key wrapped by the current key; what it sealed opens as before.

        Raises:
            Rejected: `unknown_key`: it was wrapped by a key that is no longer held.
        """

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
