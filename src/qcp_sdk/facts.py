"""What every fact is, whichever machine folds it, and the facts that both machines share.

A fact is frozen, happened, holds no secret and no clock of its own: the instant is an argument of `step`
and a column of the journal.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen

from qcp_sdk.values import ChallengeId, utc


class Origin(StrEnum):
    """Who says a fact; decides what happens when no row accepts it."""

    PERSON = "person"
    """The person at the screen: refused with an error, nothing is recorded."""
    ANSWER = "answer"
    """A collaborator answered, perhaps late or twice: settled by SETTLEMENTS, never an error."""
    TIME = "time"
    """A wait ended, perhaps one that no longer matters."""
    HOST = "host"
    """The host or an operator; like a person's, refused with an error."""


@frozen(kw_only=True)
class Fact:
    """The root of every fact. `kind` is its stored name: never rename one."""

    kind: ClassVar[str] = ""
    origin: ClassVar[Origin] = Origin.ANSWER
    schema: ClassVar[int] = 1
    """Version of the stored shape; older ones are lifted by `qcp_sdk.codec.UPCASTERS`."""


@frozen(kw_only=True)
class CodeRequested(Fact):
    """The person asked for a one-time code; the machine numbers the challenge."""

    kind = "code_requested"
    origin = Origin.PERSON


@frozen(kw_only=True)
class CodeSent(Fact):
    """The code of this challenge left for the address of record."""

    kind = "code_sent"
    challenge: ChallengeId


@frozen(kw_only=True)
class CodeUndeliverable(Fact):
    """The code of this challenge could not be sent, or nobody can say whether it was."""

    kind = "code_undeliverable"
    challenge: ChallengeId
    reason: str


@frozen(kw_only=True)
class CodeEntered(Fact):
    """A code was typed for this challenge; whether it was right is recorded before it is answered."""

    kind = "code_entered"
    origin = Origin.PERSON
    challenge: ChallengeId
    matched: bool


@frozen(kw_only=True)
class CodesLocked(Fact):
    """Too many wrong codes over a day for this person and purpose, wherever they were typed."""

    kind = "codes_locked"
    until: datetime = field(converter=utc)


@frozen(kw_only=True)
class Cancelled(Fact):
    """The person gave up, or the host on their behalf."""

    kind = "cancelled"
    origin = Origin.PERSON


@frozen(kw_only=True)
class DeadlinePassed(Fact):
    """The wait with this id ended. A stale id changes nothing."""

    kind = "deadline_passed"
    origin = Origin.TIME
    deadline: str


@frozen(kw_only=True)
class SilenceNoted(Fact):
    """A collaborator has not answered for long; alerted on, and asked again."""

    kind = "silence_noted"
    origin = Origin.TIME
    about: str
    """The kind of the effect that waits for an answer."""


@frozen(kw_only=True)
class ReminderDue(Fact):
    """It is time to remind; `reminder` says of what."""

    kind = "reminder_due"
    origin = Origin.TIME
    reminder: str
