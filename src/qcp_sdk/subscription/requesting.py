"""The certificate request, from its making to the authority's decision (features D1 to D5)."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve

from qcp_sdk import matching, notices
from qcp_sdk.certificates import Certificate, conformity
from qcp_sdk.effects import Alert, Wake
from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import Fact
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.otp import Codes
from qcp_sdk.subscription.effects import AskCertificate, RevokeCertificate, SealRequest, SubmitRequest
from qcp_sdk.subscription.facts import (
    CertificateExpired,
    CertificateIssued,
    CertificatePending,
    RequestAccepted,
    RequestPrepared,
    RequestSealed,
    SettledByOperator,
)
from qcp_sdk.subscription.money import Wish, wish
from qcp_sdk.subscription.moves import Moved, close, moved, tell
from qcp_sdk.subscription.opening import enter, followed, is_right
from qcp_sdk.subscription.proving import application
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.subscription.state import Request, Subscription
from qcp_sdk.values import PersonName

NOT_CONFORMING = "superseded"
"""Reason given to the authority for a certificate that is not what was asked for (RFC 5280 § 5.3.1)."""


def request_prepared(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """D1: show these exact bytes."""
    assert isinstance(fact, RequestPrepared)
    return moved(s, Stage.READING_REQUEST, request=Request(fact.document)), ()


def request_accepted(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """D1: "read and accepted", of the bytes that were shown.

    Raises:
        FactRefused: `hash_differs`: the accepted bytes are not those that were shown.
    """
    assert isinstance(fact, RequestAccepted)
    if fact.hash != s.request.shown:
        raise FactRefused(
            "the accepted document is not the one that was shown", reason="hash_differs", mend="show it again"
        )
    return moved(s, Stage.SIGNING_REQUEST, request=Request(fact.hash, now)), ()


def request_code_entered(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """D3: the right code signs the request; a wrong one counts."""
    codes = enter(s, fact, now)
    if not is_right(codes):
        return moved(s, s.stage, codes=codes), ()
    challenge, shown = codes.challenge, s.request.shown
    assert challenge is not None
    assert shown is not None
    seal = SealRequest(document=shown, signatory=s.terms.account.name.full, challenge=challenge.id, verified_at=now)
    request = evolve(s.request, challenge=challenge.id, verified_at=now)
    return moved(s, Stage.SEALING_REQUEST, codes=Codes(issued=codes.issued), request=request), (seal,)


def request_sealed(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """D3: the first recorded seal is submitted. From here on nothing but the authority decides."""
    assert isinstance(fact, RequestSealed)
    if fact.shown != s.request.shown:
        return s, ()
    request = evolve(s.request, sealed=fact.sealed)
    submit = SubmitRequest(application=application(s), request=fact.sealed)
    told = tell(s, notices.RequestSubmitted(subscription=s.id))
    return moved(s, Stage.AWAITING_CERTIFICATE, request=request, deadline=None), (submit, told)


def pending(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The authority has not decided: ask again under its reference. Also when an operator has settled it meanwhile:
    a certificate that it then issues must be heard of, to be revoked.
    """
    assert isinstance(fact, CertificatePending)
    if s.request.reference or s.request.sealed is None:
        return s, ()
    request = evolve(s.request, reference=fact.reference)
    return moved(s, s.stage, request=request), (AskCertificate(reference=fact.reference),)


def issued(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """D4, D5: a conforming certificate is the subscriber's, and is paid for."""
    assert isinstance(fact, CertificateIssued)
    return received(s, fact.certificate, now)


def received(s: Subscription, certificate: Certificate, now: datetime) -> Moved:
    """Take a certificate: active when it is what was asked for, revoked at once when it is not."""
    reasons = _faults(s, certificate, now)
    if reasons:
        return _given_up(s, certificate, Ending.CERTIFICATE_NOT_CONFORMING, ", ".join(reasons))
    if s.ending is Ending.FRAUD_SUSPECTED:
        return _given_up(s, certificate, Ending.FRAUD_SUSPECTED, "suspected before it was issued")
    money, effects = wish(s.money, Wish.CAPTURE)
    told = tell(
        s,
        notices.CertificateIssued(
            subscription=s.id,
            holder=s.terms.account.name.full,
            issuer=s.terms.issuer,
            not_after=certificate.not_after,
            price=s.terms.price,
        ),
    )
    following = moved(s, Stage.ACTIVE, certificate=certificate, money=money, deadline=None, ending=None)
    return following, (*effects, told, *followed(s, certificate, now))


def _faults(s: Subscription, certificate: Certificate, now: datetime) -> tuple[str, ...]:
    """Why a certificate is not what was asked for: level, validity, use, and the subscriber's own name and e-mail."""
    account = s.terms.account

    def same_name(certified: PersonName, _account: PersonName) -> bool:
        # By the same allowances as the identity document: an authority may certify all its given names.
        return matching.match_identity(account.name, certified).accepted(s.terms.accepted_close)

    reasons = conformity(certificate, name=account.name, level=CertificateLevel.QCP_N, now=now, same_name=same_name)
    if certificate.emails and account.email not in certificate.emails:
        reasons += ("email_differs",)
    return reasons


def _given_up(s: Subscription, certificate: Certificate, ending: Ending, why: str) -> Moved:
    money, effects = wish(s.money, Wish.RELEASE)
    revoke = RevokeCertificate(fingerprint=certificate.fingerprint, reason=NOT_CONFORMING)
    expired = Wake(at=certificate.not_after, fact=CertificateExpired(fingerprint=certificate.fingerprint))
    told = tell(s, notices.SubscriptionClosed(subscription=s.id, reason=ending.value))
    alert = Alert(what=ending.value, about=f"{s.id}: {why}")
    following = moved(s, Stage.REVOKING, certificate=certificate, money=money, deadline=None, ending=ending)
    return following, (*effects, revoke, expired, told, alert)


def fraud_while_awaiting(s: Subscription, _fact: Fact, _now: datetime) -> Moved:
    """Too late to stop the request: remember, and revoke what is issued."""
    if s.ending is Ending.FRAUD_SUSPECTED:
        return s, ()
    alert = Alert(what=Ending.FRAUD_SUSPECTED.value, about=s.id)
    return moved(s, s.stage, ending=Ending.FRAUD_SUSPECTED), (alert,)


def settled_by_operator(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """A person found out what the silent authority did.

    Raises:
        FactRefused: `no_evidence`: neither evidence nor name may be empty.
    """
    assert isinstance(fact, SettledByOperator)
    if not fact.evidence.strip() or not fact.by.strip():
        raise FactRefused(
            "settling by hand needs evidence and a name", reason="no_evidence", mend="give `evidence` and `by`"
        )
    if fact.certificate is not None:
        return received(s, fact.certificate, now)
    return close(s, Ending.CA_REFUSED)
