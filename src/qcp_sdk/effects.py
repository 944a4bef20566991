"""What every effect is, whichever machine asks for it, and the effects that both machines share.

An effect is data: what to do, not how. The engine stores it with the fact that asked for it, gives it the
key `<stream>/<sequence>/<n>`, and performs it through a port until it has an answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from attrs import field, frozen

from qcp_sdk.facts import Fact
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.otp import Purpose
from qcp_sdk.values import ChallengeId, EmailAddress, PhoneNumber


class Nature(StrEnum):
    """What may be done when nobody knows whether an effect happened (behaviour § 7.4)."""

    REPEATABLE = "repeatable"
    """Asked again with the same key, it does nothing more and answers the same."""
    QUERYABLE = "queryable"
    """The port can say how that key ended."""
    NEITHER = "neither"
    """Neither: superseded by something new, or parked for a person to settle."""


@frozen(kw_only=True)
class Effect:
    """The root of every effect. `kind` is its stored name: never rename one."""

    kind: ClassVar[str] = ""
    nature: ClassVar[Nature] = Nature.REPEATABLE
    schema: ClassVar[int] = 1
    after: ClassVar[timedelta] = timedelta(0)
    """How long after the commit it is first tried; a poll waits before it asks."""


@frozen(kw_only=True)
class SendCode(Effect):
    """Send the code of this challenge to the address of record, unless it has expired."""

    kind = "send_code"
    nature = Nature.NEITHER
    challenge: ChallengeId
    purpose: Purpose
    subject: str
    """Whom the code is bound to."""
    to: EmailAddress | PhoneNumber
    language: str
    not_after: datetime


@frozen(kw_only=True)
class Notify(Effect):
    """Write to a person."""

    kind = "notify"
    to: Recipient
    notice: Notice
    attachments: tuple[Attachment, ...] = ()


@frozen(kw_only=True)
class Wake(Effect):
    """Say this fact when that instant has come."""

    kind = "wake"
    at: datetime
    fact: Fact = field()


@frozen(kw_only=True)
class Alert(Effect):
    """Tell an operator what needs a person."""

    kind = "alert"
    what: str
    about: str = ""
