"""What operators did by hand: a stream of its own, chained and sealed like every other.

It has no rows and no stages to speak of: whatever an operator does is recorded, in order, for good.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final

from attrs import field, frozen

from qcp_sdk.effects import Effect
from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import Fact, Origin
from qcp_sdk.values import ContentHash

AUDIT: Final = "audit"
"""Kind of the stream, and its id: there is one for each installation."""


@frozen(kw_only=True)
class OperatorActed(Fact):
    """An operator did something by hand, and says why."""

    kind = "operator_acted"
    origin = Origin.HOST
    what: str
    """What was done: `effect_retried`, `effect_settled` …"""
    about: str
    """The key or id that it was done to."""
    by: str = field(repr=False)
    reason: str = field(repr=False)
    approved_by: str = field(default="", repr=False)
    """Whoever approved it, where a second person has to."""


@frozen(kw_only=True)
class ForgetDocument(Effect):
    """Take a document from the shelf: whom it is about was erased. Asked for with the erasure, in its transaction."""

    kind = "forget_document"
    document: ContentHash
    route: str


@frozen(kw_only=True)
class ForgetStream(Effect):
    """Have every adapter that remembers something beside the store forget it: the stream was erased. As above."""

    kind = "forget_stream"
    stream: str


def need_approval(by: str, approved_by: str) -> None:
    """Return when somebody else approves what `by` does.

    Raises:
        FactRefused: Nobody does, or the same person.
    """
    if approved_by.strip().casefold() in ("", by.strip().casefold()):
        raise FactRefused(
            "somebody else has to approve it", reason="not_approved", mend="give the name of a second person"
        )


class AuditStage(StrEnum):
    """There is but one."""

    OPEN = "open"


@frozen(kw_only=True)
class Audit:
    """How many acts are on record."""

    sequence: int
    stage: AuditStage = AuditStage.OPEN


def step(audit: Audit | None, fact: Fact, _now: datetime) -> tuple[Audit, tuple[Effect, ...]]:
    """Record an act.

    Raises:
        FactRefused: It is no act of an operator, or nobody says who did it, or why.
    """
    if not isinstance(fact, OperatorActed):
        raise FactRefused(f"`{fact.kind}` is no act of an operator", reason="not_an_act", mend="say `OperatorActed`")
    for name in ("by", "reason"):
        if not getattr(fact, name).strip():
            raise FactRefused(f"an act needs `{name}`", reason=f"no_{name}", mend="say who does it, and why")
    return Audit(sequence=1 if audit is None else audit.sequence + 1), ()
