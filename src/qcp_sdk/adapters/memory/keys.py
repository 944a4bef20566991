"""Keys from a seed: the same in every run, and quick. For tests and simulations, never for a person's data."""

from __future__ import annotations

import hmac
from hashlib import blake2b, shake_256
from itertools import count
from typing import ClassVar, Final

from qcp_sdk.errors import Rejected

_SIZE: Final = 32
_GENERATION: Final = 2
_NUMBER: Final = 8
_TAG: Final = 16


class MemoryKeys:
    """Gives keys for a purpose, and wraps data keys, all derived from a seed and a count.

    One seed is one installation. What it seals opens nowhere else and cannot be changed or moved, but nonces
    are counted in this process: two processes with one seed would use the same ones.
    """

    simulated: ClassVar[bool] = True

    def __init__(self, seed: str = "qcp_sdk") -> None:
        self._root = blake2b(seed.encode(), digest_size=_SIZE, person=b"qcp root").digest()
        self._derived: dict[str, bytes] = {}
        self._numbers = count(1)
        self._generation = 1

    def derive(self, *, purpose: str) -> bytes:
        """Give the 32-byte key of this purpose (`codes`, `index` …); always the same for one installation."""
        if (key := self._derived.get(purpose)) is None:
            text = purpose.encode("utf-8", "surrogatepass")
            key = self._derived[purpose] = blake2b(text, key=self._root, digest_size=_SIZE, person=b"derive").digest()
        return key

    @property
    def current(self) -> str:
        """The id of the key that wraps new data keys."""
        return f"memory-{self._generation}"

    def new_data_key(self) -> bytes:
        """Make a data key and give it wrapped, to be stored beside what it seals."""
        return self._wrapped(self._number())

    def wrapped_by(self, *, data_key: bytes) -> str:
        """Give the id of the key that wrapped a data key.

        Raises:
            Rejected: `unknown_key`: it is no data key.
        """
        if len(data_key) != _GENERATION + _NUMBER + _TAG:
            raise _unknown_key()
        return f"memory-{int.from_bytes(data_key[:_GENERATION], 'big')}"

    def rewrap(self, *, data_key: bytes) -> bytes:
        """Give a data key wrapped by the current key; what it sealed opens as before.

        Raises:
            Rejected: `unknown_key`: it is not one of these.
        """
        self._unwrap(data_key)
        return self._wrapped(data_key[_GENERATION : _GENERATION + _NUMBER])

    def rotate(self) -> str:
        """Make a new current key, and give its id; what older ones wrapped still opens."""
        self._generation += 1
        return self.current

    def _wrapped(self, number: bytes) -> bytes:
        named = self._generation.to_bytes(_GENERATION, "big") + number
        return named + self._tag(self._root, b"wrapped", named)

    def seal(self, *, data_key: bytes, place: str, payload: bytes) -> bytes:
        """Encrypt and authenticate the payload for this place (`table/id/sequence`), under a wrapped data key.

        Raises:
            Rejected: `unknown_key`: the data key was wrapped by a key that the ring no longer holds.
        """
        key, number = self._unwrap(data_key), self._number()
        hidden = _mix(key, number, payload)
        return number + self._tag(key, place.encode("utf-8", "surrogatepass"), number + hidden) + hidden

    def open(self, *, data_key: bytes, place: str, sealed: bytes) -> bytes:
        """Give the payload back.

        Raises:
            Rejected: `unknown_key`, or `not_authentic`: changed, or moved from another place.
        """
        key = self._unwrap(data_key)
        number, tag, hidden = sealed[:_NUMBER], sealed[_NUMBER : _NUMBER + _TAG], sealed[_NUMBER + _TAG :]
        if not hmac.compare_digest(tag, self._tag(key, place.encode("utf-8", "surrogatepass"), number + hidden)):
            raise Rejected(
                "it was changed, or moved from another place", reason="not_authentic", where="sealed payload"
            )
        return _mix(key, number, hidden)

    def _number(self) -> bytes:
        return next(self._numbers).to_bytes(_NUMBER, "big")

    def _unwrap(self, wrapped: bytes) -> bytes:
        named, tag = wrapped[: _GENERATION + _NUMBER], wrapped[_GENERATION + _NUMBER :]
        if not hmac.compare_digest(tag, self._tag(self._root, b"wrapped", named)):
            raise _unknown_key()
        return blake2b(named[_GENERATION:], key=self._root, digest_size=_SIZE, person=b"data key").digest()

    def _tag(self, key: bytes, about: bytes, content: bytes) -> bytes:
        length = len(about).to_bytes(8, "big")
        return blake2b(length + about + content, key=key, digest_size=_TAG, person=b"tag").digest()

    def __repr__(self) -> str:
        return "MemoryKeys(…)"


def _unknown_key() -> Rejected:
    return Rejected("no key that is held wrapped it", reason="unknown_key", where="data key")


def _mix(key: bytes, number: bytes, content: bytes) -> bytes:
    stream = shake_256(key + number).digest(len(content))
    return (int.from_bytes(content, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(content), "big")
