"""The certificate's life after it was issued, and what is settled late (features A2, A5)."""

from __future__ import annotations

from datetime import datetime

from qcp_sdk import notices
from qcp_sdk.effects import Alert, Effect
from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import CodeEntered, Fact, ReminderDue
from qcp_sdk.otp import LIFETIME, Codes, Purpose
from qcp_sdk.subscription.effects import RevokeCertificate
from qcp_sdk.subscription.facts import (
    CertificateExpired,
    CertificateIssued,
    CertificateRevoked,
    EndReported,
    FraudReported,
    FraudSuspected,
    RevocationOrdered,
    RevocationRefused,
    RevocationRequested,
)
from qcp_sdk.subscription.moves import Moved, moved, tell
from qcp_sdk.subscription.opening import enter
from qcp_sdk.subscription.requesting import NOT_CONFORMING
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.subscription.state import Subscription


def revocation_code_entered(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """A5: count the entry; a right one allows the revocation for some minutes."""
    assert isinstance(fact, CodeEntered)
    return moved(s, s.stage, codes=enter(s, fact, now)), ()


def revocation_requested(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """A5: the holder revokes, on the strength of the code just entered.

    Raises:
        FactRefused: `code_needed`: no right code for this purpose was entered in the last minutes.
    """
    assert isinstance(fact, RevocationRequested)
    challenge = s.codes.challenge
    allowed = (
        challenge is not None
        and challenge.matched
        and challenge.purpose is Purpose.REVOKE
        and now < challenge.not_after + LIFETIME
    )
    if not allowed:
        raise FactRefused("revoking needs a code", reason="code_needed", mend="ask for a code and enter it first")
    return _revoking(s, Ending.REQUESTED_BY_HOLDER, fact.reason)


def revocation_ordered(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The host revokes in somebody's name."""
    assert isinstance(fact, RevocationOrdered)
    if not fact.by.strip():
        raise FactRefused("an order to revoke needs a name", reason="no_name", mend="give `by`")
    return _revoking(s, Ending.ORDERED_BY_HOST, fact.reason)


def fraud_on_active(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Doubt about the identity after issuance: stop using the certificate, and revoke it."""
    assert isinstance(fact, FraudSuspected | FraudReported)
    following, effects = _revoking(s, Ending.FRAUD_SUSPECTED, "affiliation_changed")
    return following, (*effects, Alert(what=Ending.FRAUD_SUSPECTED.value, about=s.id))


def fraud_while_revoking(s: Subscription, _fact: Fact, _now: datetime) -> Moved:
    """Doubt about the identity while a mere wish stood behind the revocation: a refusal no longer revives it."""
    if s.ending is Ending.FRAUD_SUSPECTED:
        return s, ()
    return moved(s, s.stage, ending=Ending.FRAUD_SUSPECTED), (Alert(what=Ending.FRAUD_SUSPECTED.value, about=s.id),)


def end_reported(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Somebody found out that it has ended: the way out for a certificate that only its provider sees."""
    assert isinstance(fact, EndReported)
    notice: notices.Notice
    if fact.revoked:
        notice = notices.CertificateRevoked(subscription=s.id, revoked_at=fact.at, reason="")
        return moved(s, Stage.REVOKED, ending=s.ending or Ending.REVOKED_BY_ISSUER), (tell(s, notice),)
    notice = notices.CertificateExpired(subscription=s.id, not_after=fact.at)
    return moved(s, Stage.EXPIRED), (tell(s, notice),)


def _revoking(s: Subscription, ending: Ending, reason: str) -> Moved:
    effect: Effect
    if s.certificate is not None:
        effect = RevokeCertificate(fingerprint=s.certificate.fingerprint, reason=reason)
    else:
        # An attested certificate was never seen: only a person can have it revoked at the provider.
        effect = Alert(what="revoke_at_provider", about=s.id)
    return moved(s, Stage.REVOKING, ending=ending, codes=Codes(issued=s.codes.issued)), (effect,)


def _is_ours(s: Subscription, fingerprint: str) -> bool:
    # An attested certificate has no fingerprint here; what its provider says of it is about it.
    return s.certificate.fingerprint == fingerprint if s.certificate is not None else s.attestation is not None


def revoked(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """A5: it is revoked, whoever asked."""
    assert isinstance(fact, CertificateRevoked)
    if not _is_ours(s, fact.fingerprint):
        return s, ()
    told = tell(s, notices.CertificateRevoked(subscription=s.id, revoked_at=fact.at, reason=fact.reason))
    return moved(s, Stage.REVOKED, ending=s.ending or Ending.REVOKED_BY_ISSUER, deadline=None), (told,)


STANDS_AGAIN = frozenset({Ending.REQUESTED_BY_HOLDER, Ending.ORDERED_BY_HOST})
"""Causes after which a refused revocation leaves a certificate that is as good as before."""


def revocation_refused(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The authority does not revoke: as before if only a wish stood behind it, never usable if a fault did."""
    assert isinstance(fact, RevocationRefused)
    if not _is_ours(s, fact.fingerprint):
        return late_revocation_refused(s, fact, _now)
    alert = Alert(what="revocation_refused", about=f"{s.id}: {fact.reason}")
    if s.ending not in STANDS_AGAIN:
        return moved(s, s.stage), (alert,)
    told = tell(s, notices.CertificateRevocationRefused(subscription=s.id, reason=fact.reason))
    return moved(s, Stage.ACTIVE, ending=None), (told, alert)


def expired(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Its validity ended."""
    assert isinstance(fact, CertificateExpired)
    if s.certificate is None or s.certificate.fingerprint != fact.fingerprint:
        return s, ()
    told = tell(s, notices.CertificateExpired(subscription=s.id, not_after=s.certificate.not_after))
    return moved(s, Stage.EXPIRED, deadline=None), (told,)


def reminder(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """It ends soon: say so, once."""
    assert isinstance(fact, ReminderDue)
    mark = f"reminder:{fact.reminder}"
    if s.certificate is None or mark in s.settled:
        return s, ()
    told = tell(s, notices.CertificateExpiring(subscription=s.id, not_after=s.certificate.not_after))
    return moved(s, s.stage, settled=s.settled | {mark}), (told,)


def late_certificate(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """A certificate that nobody waits for: revoke it, once, and tell an operator."""
    assert isinstance(fact, CertificateIssued)
    fingerprint = fact.certificate.fingerprint
    ours = s.certificate is not None and s.certificate.fingerprint == fingerprint
    if ours or fingerprint in s.settled:
        return s, ()
    revoke = RevokeCertificate(fingerprint=fingerprint, reason=NOT_CONFORMING)
    alert = Alert(what="late_certificate", about=f"{s.id}: {fingerprint}")
    return moved(s, s.stage, settled=s.settled | {fingerprint}), (revoke, alert)


def late_revocation_refused(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """A late certificate stays valid, though nobody is to have it: tell an operator, once."""
    assert isinstance(fact, RevocationRefused)
    mark = f"refused:{fact.fingerprint}"
    if fact.fingerprint not in s.settled or mark in s.settled:
        return s, ()
    alert = Alert(what="revocation_refused", about=f"{s.id}: {fact.reason}")
    return moved(s, s.stage, settled=s.settled | {mark}), (alert,)
