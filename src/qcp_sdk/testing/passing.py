"""Packing that packs nothing: for simulations of many years in a few minutes, on the store in memory only."""

from __future__ import annotations

from itertools import count
from typing import Any, Final

from qcp_sdk.codec import Written
from qcp_sdk.effects import Effect
from qcp_sdk.errors import Rejected
from qcp_sdk.facts import Fact


class _Carried(bytes):
    """Bytes that carry what they stand for: a store that keeps payloads as they come keeps it too."""

    value: object
    place: str


class Passing:
    """Passes values on as they are, bound to their place like sealed ones.

    Codec and seals cost nine tenths of a step in memory and have exams of their own. A store that copies, pickles or
    writes down its payloads loses what they carry, and the first reading says so.
    """

    def pack_state(self, kind: str, state: object, *, data_key: bytes, place: str, written: Written) -> bytes:  # noqa: ARG002 - a `Packing`
        """Carry the state of a stream."""
        return _carry(state, place)

    def unpack_state(self, packed: bytes, *, data_key: bytes, place: str) -> Any:  # noqa: ARG002 - a `Packing`
        """Give the state of a stream."""
        return _carried(packed, place)

    def pack_fact(self, fact: Fact, *, data_key: bytes, place: str) -> bytes:  # noqa: ARG002 - a `Packing`
        """Carry a fact."""
        return _carry(fact, place)

    def unpack_fact(self, packed: bytes, *, data_key: bytes, place: str) -> Fact:  # noqa: ARG002 - a `Packing`
        """Give a fact."""
        fact: Fact = _carried(packed, place)
        return fact

    def pack_effect(self, effect: Effect, *, data_key: bytes, place: str) -> bytes:  # noqa: ARG002 - a `Packing`
        """Carry an effect."""
        return _carry(effect, place)

    def unpack_effect(self, packed: bytes, *, data_key: bytes, place: str) -> Effect:  # noqa: ARG002 - a `Packing`
        """Give an effect."""
        effect: Effect = _carried(packed, place)
        return effect


_NUMBERS: Final = count()


def _carry(value: object, place: str) -> bytes:
    # Numbered, because no two packings are ever alike (two attempts at the same version of one place).
    carried = _Carried(b"%d" % next(_NUMBERS))
    carried.value, carried.place = value, place
    return carried


def _carried(packed: bytes, place: str) -> Any:
    if type(packed) is not _Carried or packed.place != place:
        raise Rejected("it was moved from another place, or copied", reason="not_authentic", where=place)
    return packed.value
