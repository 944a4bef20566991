"""The hosted plan: one registration at the trust provider instead of identity, request and authority.

Leaving is never sudden: the provider is asked once how the registration ended, because it may have issued a
certificate that we have not heard of. `ending` says meanwhile why we leave; a short deadline ends the asking.
"""

from __future__ import annotations

from datetime import datetime

from qcp_sdk import notices
from qcp_sdk.effects import Alert
from qcp_sdk.facts import DeadlinePassed, Fact
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.subscription.effects import AskRegistration, CloseRegistration
from qcp_sdk.subscription.facts import (
    CertificateAttested,
    RegistrationExpired,
    RegistrationOpened,
    RegistrationRefused,
)
from qcp_sdk.subscription.money import Wish, wish
from qcp_sdk.subscription.moves import Apply, Moved, close, deadline, moved, tell
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.subscription.state import Registration, Subscription

MATCHED_FIELDS = frozenset({"name", "email", "mobile"})
"""What a provider must have compared before its word is taken for a certificate that it does not show."""


def registration_opened(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The provider's pages wait; follow how it goes."""
    assert isinstance(fact, RegistrationOpened)
    assert s.registration is not None
    registration = Registration(s.registration.opened_by, fact.session, fact.url, fact.expires)
    effects = () if s.ending is not None else (AskRegistration(session=fact.session),)
    return moved(s, Stage.REGISTERING, registration=registration), effects


def attested(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The provider says that a certificate exists; the policy's data says whether its word suffices."""
    assert isinstance(fact, CertificateAttested)
    enough = (
        s.terms.attestation_suffices
        and fact.level >= CertificateLevel.QCP_N
        and MATCHED_FIELDS.issubset(fact.matched)
        and s.ending is not Ending.FRAUD_SUSPECTED
    )
    if not enough:
        return close(s, s.ending or Ending.CERTIFICATE_NOT_CONFORMING)
    money, effects = wish(s.money, Wish.CAPTURE)
    told = tell(
        s,
        notices.CertificateIssued(
            subscription=s.id,
            holder=s.terms.account.name.full,
            issuer=s.terms.issuer,
            not_after=None,
            price=s.terms.price,
        ),
    )
    following = moved(s, Stage.ACTIVE, attestation=fact, money=money, deadline=None, ending=None)
    return following, (*effects, told)


def registration_refused(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The provider refused the person."""
    assert isinstance(fact, RegistrationRefused)
    if s.registration is None or fact.session != s.registration.session:
        return s, ()
    return close(s, s.ending or Ending.REGISTRATION_REFUSED)


def registration_expired(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The registration ended without a certificate."""
    assert isinstance(fact, RegistrationExpired)
    known = s.registration is not None and s.registration.session is not None
    if known and s.registration is not None and fact.session != s.registration.session:
        return s, ()
    return close(s, s.ending or Ending.REGISTRATION_EXPIRED)


def leaving(ending: Ending) -> Apply:
    """Give the row function that leaves for this reason, after asking the provider once more."""

    def apply(s: Subscription, _fact: Fact, now: datetime) -> Moved:
        if s.ending is not None:
            return s, ()
        return _leave(s, ending, now)

    return apply


def _leave(s: Subscription, ending: Ending, now: datetime) -> Moved:
    assert s.registration is not None
    ask = CloseRegistration(opened_by=s.registration.opened_by, session=s.registration.session)
    limit, wake = deadline(s, "leaving", now + s.terms.waits.leaving)
    return moved(s, s.stage, ending=ending, deadline=limit), (ask, wake)


def hosted_deadline(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """The registration's time is over: ask once more; that answer's time is over too: close."""
    assert isinstance(fact, DeadlinePassed)
    if s.deadline is None or fact.deadline != s.deadline.id:
        return s, ()
    if s.ending is None:
        return _leave(s, Ending.DEADLINE_PASSED, now)
    return close(s, s.ending)


def late_attestation(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Somebody holds a certificate that nobody paid for, and nobody showed it: tell an operator, once."""
    assert isinstance(fact, CertificateAttested)
    mark = f"attested:{fact.provider}"
    if s.attestation is not None or mark in s.settled:
        return s, ()
    alert = Alert(what="late_attestation", about=f"{s.id}: {fact.provider}")
    return moved(s, s.stage, settled=s.settled | {mark}), (alert,)
