"""How a subscription moves: the next record, and what every part of the machine shares.

A new field of `Subscription` that a row may replace gets a line in `Changes` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias, TypedDict, Unpack

from attrs import frozen

from qcp_sdk import notices
from qcp_sdk.certificates import Certificate
from qcp_sdk.effects import Alert, Effect, Notify, Wake
from qcp_sdk.facts import DeadlinePassed, Fact, SilenceNoted
from qcp_sdk.otp import Codes
from qcp_sdk.subscription.effects import CancelIdentity
from qcp_sdk.subscription.facts import CertificateAttested, ConsentGiven
from qcp_sdk.subscription.money import Money, Wish, answered, wish
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.subscription.state import Deadline, Identity, Registration, Request, Subscription

Effects: TypeAlias = tuple[Effect, ...]
Moved: TypeAlias = tuple[Subscription, Effects]
Apply: TypeAlias = Callable[[Subscription, Fact, datetime], Moved]


@frozen
class Row:
    """What one fact does at one stage: the function that folds it, and every stage it may lead to."""

    apply: Apply
    to: tuple[Stage, ...]
    note: str = ""
    """Why the row is there, where its name does not say it; shown in the generated tables."""


class Changes(TypedDict, total=False):
    """The parts of a subscription that a row may replace; those that are not named stay."""

    money: Money
    codes: Codes
    consents: tuple[ConsentGiven, ...]
    identity: Identity
    request: Request
    registration: Registration
    certificate: Certificate
    attestation: CertificateAttested
    deadline: Deadline | None
    ending: Ending | None
    settled: frozenset[str]


def moved(s: Subscription, stage: Stage, **changes: Unpack[Changes]) -> Subscription:
    """Give the record that follows: one fact later, at this stage, with these parts replaced."""
    # The machine's hot path. The fields are copied as one dictionary, which costs a third of constructing anew and
    # a tenth of `attrs.evolve`; Subscription has no validator or converter that this would pass by (a test says so).
    following = object.__new__(Subscription)
    fields = following.__dict__
    fields.update(s.__dict__)
    fields.update(changes)
    fields["sequence"] = s.sequence + 1
    fields["stage"] = stage
    return following


def recipient(s: Subscription) -> notices.Recipient:
    """Whom messages about this subscription go to."""
    account = s.terms.account
    return notices.Recipient(name=account.name, email=account.email, mobile=account.mobile, language=account.language)


def tell(s: Subscription, notice: notices.Notice) -> Notify:
    """Write to the subscriber."""
    return Notify(to=recipient(s), notice=notice)


def deadline(s: Subscription, part: str, at: datetime) -> tuple[Deadline, Wake]:
    """Start a wait; the id carries the sequence, so that an older wait is told from this one."""
    started = Deadline(f"{part}/{s.sequence + 1}", at)
    return started, Wake(at=at, fact=DeadlinePassed(deadline=started.id))


ALERTED: Final = frozenset({Ending.FRAUD_SUSPECTED, Ending.SEAL_REFUSED, Ending.CERTIFICATE_NOT_CONFORMING})
"""Endings that a person at the host should look at."""


def close(s: Subscription, ending: Ending, *, money: Money | None = None, session_ended: bool = False) -> Moved:
    """End without a certificate: give the money back, close what is open elsewhere, say so."""
    money, effects = wish(money or s.money, Wish.RELEASE)
    session = s.identity.session
    if session is not None and s.stage is Stage.PROVING_IDENTITY and not session_ended:
        effects += (CancelIdentity(session=session),)
    effects += (tell(s, notices.SubscriptionClosed(subscription=s.id, reason=ending.value)),)
    if ending in ALERTED:
        effects += (Alert(what=ending.value, about=s.id),)
    return moved(s, Stage.CLOSED, money=money, deadline=None, ending=ending), effects


def closing(ending: Ending) -> Apply:
    """Give the row function that ends for this reason."""

    def apply(s: Subscription, _fact: Fact, _now: datetime) -> Moved:
        return close(s, ending)

    return apply


VERDICT: Final = "verdict"
"""`SilenceNoted.about` for an identity provider that has the capture and does not decide."""


def silence(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Stay, and tell an operator who is not answering. A verdict that has come meanwhile is not waited for."""
    assert isinstance(fact, SilenceNoted)
    if fact.about == VERDICT and (s.identity.proven is not None or not s.identity.captured):
        return s, ()
    return moved(s, s.stage), (Alert(what="silence", about=f"{s.id}: {fact.about}"),)


def ignored(s: Subscription, _fact: Fact, _now: datetime) -> Moved:
    """Change nothing: the fact is late, repeated, or reveals nothing to settle."""
    return s, ()


def money_answered(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Fold an answer of the ledger and stay."""
    money, effects = answered(s.money, fact, s.terms)
    return (moved(s, s.stage, money=money), effects) if money is not s.money else (s, ())
