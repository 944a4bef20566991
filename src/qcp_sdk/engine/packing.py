"""How what is stored becomes bytes, and back."""

from __future__ import annotations

from typing import Any, Protocol

from qcp_sdk import codec
from qcp_sdk.codec import Written
from qcp_sdk.effects import Effect
from qcp_sdk.facts import Fact
from qcp_sdk.ports.keys import Keys


class Packing(Protocol):
    """Writes states, facts and effects for their place, under a stream's data key, and reads them there."""

    def pack_state(self, kind: str, state: object, *, data_key: bytes, place: str, written: Written) -> bytes:
        """Write the state of a stream. `written` is its own: what was written last, to be brought up to date."""

    def unpack_state(self, packed: bytes, *, data_key: bytes, place: str) -> Any:
        """Read the state of a stream."""

    def pack_fact(self, fact: Fact, *, data_key: bytes, place: str) -> bytes:
        """Write a fact for the journal."""

    def unpack_fact(self, packed: bytes, *, data_key: bytes, place: str) -> Fact:
        """Read a fact from the journal."""

    def pack_effect(self, effect: Effect, *, data_key: bytes, place: str) -> bytes:
        """Write an effect for the outbox."""

    def unpack_effect(self, packed: bytes, *, data_key: bytes, place: str) -> Effect:
        """Read an effect from the outbox."""


class Sealing:
    """JSON with schema versions (`codec`), sealed for its place: what every installation uses.

    Reading raises `InvalidInput` for what is no record of ours, and `Rejected` for what was changed, or moved.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def pack_state(self, kind: str, state: object, *, data_key: bytes, place: str, written: Written) -> bytes:
        """Write the state of a stream."""
        return self._keys.seal(data_key=data_key, place=place, payload=codec.pack_state(kind, state, written))

    def unpack_state(self, packed: bytes, *, data_key: bytes, place: str) -> Any:
        """Read the state of a stream."""
        return codec.unpack_state(self._keys.open(data_key=data_key, place=place, sealed=packed))

    def pack_fact(self, fact: Fact, *, data_key: bytes, place: str) -> bytes:
        """Write a fact for the journal."""
        return self._keys.seal(data_key=data_key, place=place, payload=codec.pack_fact(fact))

    def unpack_fact(self, packed: bytes, *, data_key: bytes, place: str) -> Fact:
        """Read a fact from the journal."""
        return codec.unpack_fact(self._keys.open(data_key=data_key, place=place, sealed=packed))

    def pack_effect(self, effect: Effect, *, data_key: bytes, place: str) -> bytes:
        """Write an effect for the outbox."""
        return self._keys.seal(data_key=data_key, place=place, payload=codec.pack_effect(effect))

    def unpack_effect(self, packed: bytes, *, data_key: bytes, place: str) -> Effect:
        """Read an effect from the outbox."""
        return codec.unpack_effect(self._keys.open(data_key=data_key, place=place, sealed=packed))
