"""What every part of the ceremony machine shares."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from attrs import frozen

from qcp_sdk import notices
from qcp_sdk.ceremony.effects import CloseTransaction, EndCollecte, PassTurn
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.ceremony.state import Ceremony, at
from qcp_sdk.effects import Alert, Effect, Notify
from qcp_sdk.facts import Fact

Stage = CeremonyStage
DECLINED = "declined"
"""`Ceremony.ended` when the signatory refused while the provider's page was open."""
Moved: TypeAlias = tuple[Ceremony, tuple[Effect, ...]]
Apply: TypeAlias = Callable[[Ceremony, Fact, datetime], Moved]


@frozen
class Row:
    """What one fact does at one stage, and every stage it may lead to."""

    apply: Apply
    to: tuple[CeremonyStage, ...]
    note: str = ""


def ignored(c: Ceremony, _fact: Fact, _now: datetime) -> Moved:
    """Change nothing."""
    return c, ()


def about(c: Ceremony) -> dict[str, object]:
    """What every message about the ceremony says."""
    collecte = c.opened.collecte
    return {
        "ceremony": c.id,
        "title": collecte.title,
        "sender": collecte.sender,
        "documents": tuple(document.name for document in collecte.documents),
        "level": c.signatory.level,
        "deadline": collecte.deadline,
    }


def tell(
    c: Ceremony,
    notice: type[notices.SigningNotice],
    attachments: tuple[notices.Attachment, ...] = (),
    **more: object,
) -> Notify:
    """Write to the signatory."""
    person = c.signatory
    to = notices.Recipient(name=person.name, email=person.email, mobile=person.mobile, language=person.language)
    fields = {**about(c), **more}
    return Notify(to=to, notice=notice(**fields), attachments=attachments)  # type: ignore[arg-type]


def lapse(c: Ceremony, cause: str) -> Moved:
    """End without a signature: the deadline passed, or the collecte was ended."""
    effects: tuple[Effect, ...] = (tell(c, notices.SigningLapsed, cause=cause),)
    if c.session is not None:
        effects += (CloseTransaction(session=c.session),)
    return at(c, Stage.LAPSED, reason=cause, lease_until=None, challenge=None), effects


def refuse(c: Ceremony, reason: str) -> Moved:
    """The signatory declines, which ends the collecte for everybody."""
    name = c.signatory.name.full
    effects: tuple[Effect, ...] = (
        EndCollecte(collecte=c.opened.collecte.id, cause="refused"),
        tell(c, notices.SigningRefused, by=name, reason=reason),
    )
    if c.session is not None:
        effects += (CloseTransaction(session=c.session),)
    return at(c, Stage.REFUSED, reason=reason, lease_until=None, challenge=None), effects


def end(c: Ceremony) -> Moved:
    """End as was decided while an answer was out."""
    return refuse(c, c.reason) if c.ended == DECLINED else lapse(c, c.ended)


def fail(c: Ceremony, reason: str) -> Moved:
    """Nothing could be signed: the others cannot complete the collecte either."""
    failed = tuple(one.document.name for one in c.documents)
    effects = (
        EndCollecte(collecte=c.opened.collecte.id, cause="failed"),
        tell(c, notices.SigningFailed, failed=failed, reason=reason),
        Alert(what="signing_failed", about=f"{c.id}: {reason}"),
    )
    return at(c, Stage.FAILED, reason=reason, lease_until=None, challenge=None), effects


def conclude(c: Ceremony) -> Moved:
    """Every document is settled: say how it ended, and pass the turn when something was signed."""
    failed = tuple(one for one in c.documents if one.failed)
    if len(failed) == len(c.documents):
        return fail(c, failed[0].failed)
    effects: tuple[Effect, ...] = (PassTurn(collecte=c.opened.collecte.id),)
    if not failed:
        return at(c, Stage.SIGNED, lease_until=None, challenge=None), effects
    names = tuple(one.document.name for one in failed)
    reason = failed[0].failed
    effects += (
        tell(c, notices.SigningFailed, failed=names, reason=reason),
        Alert(what="partly_signed", about=f"{c.id}: {reason}"),
    )
    return at(c, Stage.PARTLY_SIGNED, reason=reason, lease_until=None, challenge=None), effects
