"""The ceremony machine: one signatory, one or more documents, one level. Same rules as the subscription's.

Documents are reserved (`claims`) from the request for a code until the signature is in, or the lease ends: of
two signatories invited in parallel, the second to ask waits. Once a code was shown to the signer, nothing but its
answer ends the ceremony; an end of the collecte that comes meanwhile takes effect afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from qcp_sdk import notices
from qcp_sdk.ceremony import facts, hosted, signing
from qcp_sdk.ceremony.effects import OpenTransaction
from qcp_sdk.ceremony.facts import CeremonyOpened
from qcp_sdk.ceremony.hosted import THE_DEADLINE
from qcp_sdk.ceremony.moves import Apply, Moved, Row, Stage, ignored, lapse, refuse, tell
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyPlan
from qcp_sdk.ceremony.state import Ceremony, Progress, at, unprepared
from qcp_sdk.effects import Alert, Wake
from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import CodeRequested, DeadlinePassed, Fact, Origin, ReminderDue, SilenceNoted
from qcp_sdk.values import joined


def opened(fact: CeremonyOpened, now: datetime) -> Moved:
    """Invite the signatory; in a sequential collecte their turn may come later.

    Raises:
        FactRefused: `deadline_passed`, `no_certificate` (we sign only with one), or `unknown_signatory`.
    """
    if now >= fact.collecte.deadline:
        raise FactRefused("the collecte's deadline has passed", reason="deadline_passed", mend="set a later one")
    if fact.plan is CeremonyPlan.OURS and fact.certificate is None:
        raise FactRefused(
            "there is no certificate to sign with",
            reason="no_certificate",
            mend="niveau 1 needs no ceremony of ours; from niveau 2 give the certificate that the decision chose",
        )
    if all(one.id != fact.signatory for one in fact.collecte.signatories):
        raise FactRefused("this signatory is not in the collecte", reason="unknown_signatory", mend="use its id")
    documents = tuple(Progress(document=document) for document in fact.collecte.documents)
    born = Ceremony(id=fact.id, sequence=0, stage=Stage.WAITING_TURN, opened=fact, documents=documents)
    waits: tuple[Wake, ...] = (Wake(at=fact.collecte.deadline, fact=DeadlinePassed(deadline=THE_DEADLINE)),)
    reminder = fact.collecte.deadline - fact.waits.reminder
    if now < reminder:
        waits += (Wake(at=reminder, fact=ReminderDue(reminder="sign")),)
    invited = tell(born, notices.Invitation, now=fact.my_turn)
    if not fact.my_turn:
        return at(born, Stage.WAITING_TURN), (invited, *waits)
    following, effects = _begin(born)
    return following, (invited, *effects, *waits)


def _begin(c: Ceremony) -> Moved:
    if c.opened.plan is CeremonyPlan.HOSTED:
        # The provider's page is over the present revisions, so they stay reserved until it has ended.
        following = at(c, Stage.SIGNING_AT_PROVIDER, lease_until=c.opened.collecte.deadline)
        return following, (OpenTransaction(ceremony=c.id),)
    return at(c, Stage.CONSENTING), ()


def turn_arrived(c: Ceremony, _fact: Fact, _now: datetime) -> Moved:
    """E2: everybody before has signed."""
    following, effects = _begin(c)
    return following, (tell(c, notices.TurnCame), *effects)


def declined(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The signatory refuses to sign."""
    assert isinstance(fact, facts.Declined)
    return refuse(c, fact.reason)


def collecte_ended(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The host, or another signatory, ended it."""
    assert isinstance(fact, facts.CollecteEnded)
    return lapse(c, fact.cause)


def deadline_passed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """The collecte's deadline ends the ceremony; the lease's gives the documents back."""
    assert isinstance(fact, DeadlinePassed)
    if fact.deadline == THE_DEADLINE:
        return lapse(c, "deadline")
    if fact.deadline != f"lease/{c.round}" or c.lease_until is None:
        return c, ()
    # An activation that was lost goes with what it was to sign: nobody waits for those digests any more.
    documents = unprepared(c)
    following = at(c, c.stage, lease_until=None, challenge=None, lost=None, problem="lease_ended", documents=documents)
    return following, ()


def remember_end(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """An answer of the signer is out: the end takes effect if it is no."""
    if isinstance(fact, facts.CollecteEnded):
        cause = fact.cause
    elif isinstance(fact, DeadlinePassed) and fact.deadline == THE_DEADLINE:
        cause = "deadline"
    else:
        return c, ()
    return (c, ()) if c.ended else (at(c, c.stage, ended=cause), ())


def remind(c: Ceremony, _fact: Fact, _now: datetime) -> Moved:
    """Still to be signed."""
    return at(c, c.stage), (tell(c, notices.SigningReminder),)


def silence(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """Stay, and tell an operator who is not answering."""
    assert isinstance(fact, SilenceNoted)
    return at(c, c.stage), (Alert(what="silence", about=f"{c.id}: {fact.about}"),)


def completed(c: Ceremony, fact: Fact, _now: datetime) -> Moved:
    """Everybody has signed: send the copy, once."""
    assert isinstance(fact, facts.CollecteCompleted)
    if c.copied:
        return c, ()
    attachments = tuple(notices.Attachment(name=name, content=content) for name, content in fact.documents)
    return at(c, c.stage, copied=True), (tell(c, notices.SignedCopy, attachments),)


S = Stage
OPEN: Final[Mapping[type[Fact], Row]] = {
    facts.CollecteEnded: Row(collecte_ended, (S.LAPSED,)),
    DeadlinePassed: Row(deadline_passed, (S.LAPSED,), "a stale id changes nothing"),
    ReminderDue: Row(remind, ()),
    SilenceNoted: Row(silence, ()),
}
"""What every stage accepts while nothing was shown to the signer."""
REFUSABLE: Final[Mapping[type[Fact], Row]] = {facts.Declined: Row(declined, (S.REFUSED,)), **OPEN}
ENDS: Final = (S.SIGNED, S.PARTLY_SIGNED, S.FAILED)

CEREMONY_TRANSITIONS: Final[Mapping[Stage, Mapping[type[Fact], Row]]] = MappingProxyType(
    {
        S.WAITING_TURN: {
            facts.TurnArrived: Row(turn_arrived, (S.CONSENTING, S.SIGNING_AT_PROVIDER)),
            **REFUSABLE,
            ReminderDue: Row(ignored, (), "nobody is reminded before their turn"),
        },
        S.CONSENTING: {
            facts.DocumentsConsented: Row(signing.consented, (S.AWAITING_CODE,), "every document, by its exact hash"),
            **REFUSABLE,
        },
        S.AWAITING_CODE: {
            CodeRequested: Row(signing.code_requested, ()),
            facts.DocumentPrepared: Row(signing.prepared, ()),
            facts.DocumentFailed: Row(signing.document_failed, ENDS, "the others go on"),
            facts.ChallengeOpened: Row(signing.challenge_opened, ()),
            facts.ChallengeRefused: Row(signing.challenge_refused, (S.FAILED,)),
            facts.ActivationAsked: Row(signing.activation_asked, (S.SIGNING, S.FAILED), "the policy was asked again"),
            facts.HashesAnswered: Row(
                signing.answered, (S.SIGNING, *ENDS), "late: an activation that was given up for lost"
            ),
            facts.SigningDelayed: Row(signing.delayed_late, (S.SIGNING,), "late, likewise"),
            **REFUSABLE,
        },
        # No Declined: the code was shown to the signer, who may have signed.
        S.SIGNING: {
            facts.ActivationRefused: Row(signing.activation_refused, (S.AWAITING_CODE, S.LAPSED, S.FAILED)),
            facts.ActivationLost: Row(signing.activation_lost, (S.AWAITING_CODE, S.LAPSED)),
            facts.SigningDelayed: Row(signing.delayed, ()),
            facts.HashesAnswered: Row(signing.answered, ENDS),
            facts.DocumentSigned: Row(signing.signed, ENDS),
            facts.EmbeddingFailed: Row(signing.embedding_failed, ENDS),
            facts.CollecteEnded: Row(remember_end, (), "takes effect when the signer's answer is no"),
            DeadlinePassed: Row(remember_end, (), "takes effect when the signer's answer is no"),
            SilenceNoted: Row(silence, ()),
        },
        S.SIGNING_AT_PROVIDER: {
            facts.TransactionOpened: Row(hosted.transaction_opened, ()),
            facts.TransactionRejected: Row(hosted.transaction_rejected, (S.FAILED,)),
            facts.TransactionSigned: Row(hosted.transaction_signed, ENDS),
            facts.TransactionEnded: Row(hosted.transaction_ended, (S.REFUSED, S.LAPSED, S.FAILED)),
            facts.Declined: Row(hosted.leave_provider, (S.REFUSED,), "after the provider's last word"),
            facts.CollecteEnded: Row(hosted.leave_provider, (S.LAPSED,), "after the provider's last word"),
            DeadlinePassed: Row(hosted.leave_provider, (S.REFUSED, S.LAPSED), "after the provider's last word"),
            ReminderDue: Row(remind, ()),
            SilenceNoted: Row(silence, ()),
        },
        S.SIGNED: {},
        S.PARTLY_SIGNED: {},
        S.REFUSED: {},
        S.LAPSED: {},
        S.FAILED: {},
    }
)
"""What each stage accepts. Final stages keep an empty row."""

CEREMONY_SETTLEMENTS: Final[Mapping[Stage, Mapping[type[Fact], Apply]]] = MappingProxyType(
    {
        stage: {
            facts.TransactionOpened: hosted.late_transaction if stage in CEREMONY_FINAL else ignored,
            facts.CollecteCompleted: completed if stage in (S.SIGNED, S.PARTLY_SIGNED) else ignored,
        }
        for stage in Stage
    }
)
"""What an answer without a row reveals, and how it is settled; the stage stays."""


def step(c: Ceremony | None, fact: Fact, now: datetime) -> Moved:
    """Fold one fact: give the record that follows, and what to do about it.

    Raises:
        FactRefused: Somebody says what may not be said now (CodeRefused: about a code).
    """
    if c is None:
        if not isinstance(fact, CeremonyOpened):
            raise FactRefused(f"`{fact.kind}` comes before the opening", reason="not_open", mend="open it first")
        return opened(fact, now)
    row = CEREMONY_TRANSITIONS[c.stage].get(type(fact))
    if row is not None:
        if now >= c.opened.collecte.deadline and fact.origin is Origin.PERSON:
            # What a person says at or after the deadline is void: the deadline is said in its place.
            fact = DeadlinePassed(deadline=THE_DEADLINE)
            row = CEREMONY_TRANSITIONS[c.stage][DeadlinePassed]
        return row.apply(c, fact, now)
    settle = CEREMONY_SETTLEMENTS[c.stage].get(type(fact))
    if settle is not None:
        return settle(c, fact, now)
    if fact.origin in (Origin.ANSWER, Origin.TIME):
        return c, ()
    raise FactRefused(
        f"`{fact.kind}` may not be said at `{c.stage}`",
        where=c.id,
        mend=f"at this stage: {', '.join(kind.kind for kind in sayable(c)) or 'nothing'}",
    )


def sayable(c: Ceremony) -> tuple[type[Fact], ...]:
    """Give what the signatory may say at this stage, in the order of the table."""
    return tuple(kind for kind in CEREMONY_TRANSITIONS[c.stage] if kind.origin is Origin.PERSON)


def claims(c: Ceremony) -> frozenset[str]:
    """Give the documents that are reserved for this signatory: one signature at a time on each."""
    if c.lease_until is None or c.stage in CEREMONY_FINAL:
        return frozenset()
    collecte = c.opened.collecte
    return frozenset(
        joined("signing", collecte.tenant, collecte.id, one.document.id) for one in c.documents if not one.settled
    )
