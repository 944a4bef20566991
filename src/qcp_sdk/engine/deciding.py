"""What becomes of an effect once it was tried. Pure: the engine obeys it over a store, exploration over every world.

A try ends in an answer (a fact, `Pending`, `Later`, or None for "done"), or in an exception. `decide` says what
follows, and `unrecorded` what follows when the fact that answers it is not taken.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypeAlias

from attrs import frozen

from qcp_sdk.effects import Effect, Nature
from qcp_sdk.engine import schedule
from qcp_sdk.engine.performers import REFUSALS, UNCONFIRMED, Later
from qcp_sdk.errors import Conflict, FactRefused, NewerRecord, Rejected, Unavailable, Unconfirmed
from qcp_sdk.facts import Fact
from qcp_sdk.ports.answers import Pending
from qcp_sdk.values import Key

POLLS: Final = frozenset(
    {"ask_identity", "ask_certificate", "ask_registration", "ask_transaction", "check_status", "poll_signing"}
)
"""Effects that only ask; asking once more harms nothing."""
UNHURRIED: Final = frozenset({"ask_identity", "ask_registration", "ask_transaction"})
"""Polls that wait for a person, for days: "not yet" is no silence there, and their deadline ends them."""
NOTED: Final = frozenset({"capture_finished"})
"""Answers that are news, but not the answer: they are recorded, and the asking goes on."""


@frozen
class Record:
    """Record the fact; the mark on its effect goes with it."""

    fact: Fact


@frozen
class Note:
    """Record the fact, and try the effect again after a while: this was not the answer yet."""

    fact: Fact
    then: Again


@frozen
class Done:
    """Nothing is to be said: mark it."""


@frozen
class Again:
    """Put it back, to be tried after `wait`; `silent`: tell the stream first that nobody answers."""

    note: str
    wait: timedelta
    silent: bool = False
    fault: bool = False
    """An adapter did what it should not; its class is in `note`."""


@frozen
class Park:
    """Set it aside for a person, and raise an alert."""

    reason: str
    fault: bool = False


Decision: TypeAlias = Record | Note | Done | Again | Park


def decide(effect: Effect, result: object, *, key: Key, attempts: int) -> Decision:
    """Say what becomes of an effect whose try number `attempts` (from 1) ended so, in an answer or an exception."""
    match result:
        case Fact():
            if result.kind in NOTED:
                return Note(result, Again("captured", schedule.poll(attempts)))
            return Record(result)
        case None:
            return Done()
        case Pending():
            silent = attempts in schedule.SILENT_AFTER and effect.kind not in UNHURRIED
            return Again(result.note or "pending", schedule.poll(attempts), silent)
        case Later():
            return Again(result.note, schedule.spread(result.wait, key, attempts))
        case Rejected():
            row = REFUSALS.get(type(effect))
            fact = row(effect, result) if row is not None else None
            return Park(result.reason) if fact is None else Record(fact)
        case Unavailable():
            return _later(key, attempts, result.code)
        case Unconfirmed():
            if effect.nature is not Nature.NEITHER:
                return _later(key, attempts, result.code)
            superseded = UNCONFIRMED.get(type(effect))
            return Park("unconfirmed") if superseded is None else Record(superseded(effect))
        case NewerRecord():
            return left(key, attempts)
        case Exception():
            return fault(result, key=key, kind=effect.kind, attempts=attempts)
        case _:
            # Neither a fact, nor pending, nor nothing: an adapter that is typed otherwise than it behaves.
            return fault(TypeError(), key=key, kind=effect.kind, attempts=attempts)


def fault(error: Exception, *, key: Key, kind: str, attempts: int) -> Decision:
    """Say what becomes of an effect whose adapter failed in a way it should not."""
    # Only the class is kept: a foreign message may hold what must not be logged.
    name = type(error).__name__
    # A poll has many tries behind it that were no faults, and asking on harms nothing: silence will alert.
    if attempts >= schedule.MOST_FAULTS and kind not in POLLS:
        return Park(name, fault=True)
    return Again(name, schedule.backoff(key, attempts), attempts in schedule.SILENT_AFTER, fault=True)


def left(key: Key, attempts: int) -> Again:
    """Say what becomes of an effect that a newer release wrote, or whose stream it moved: a worker that knows it does
    it, this one leaves it alone.
    """
    return Again(NewerRecord.code, schedule.spread(schedule.LEFT, key, attempts))


def unrecorded(error: FactRefused | Conflict) -> Park | None:
    """Say what becomes of an effect whose answer was not taken; None: somebody else has it by now."""
    if isinstance(error, FactRefused):
        return Park(f"its answer was refused: {error.reason}")
    if error.kind == "claim":
        # Somebody else has what this answer would take, perhaps for years: a person must look.
        return Park("its answer claims what another stream owns")
    return None  # fenced off: another worker holds the effect now, and its answer will be the same


def _later(key: Key, attempts: int, note: str) -> Again:
    return Again(note, schedule.backoff(key, attempts), attempts in schedule.SILENT_AFTER)
