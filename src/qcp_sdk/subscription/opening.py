"""From the opening to the last consent (features A3, A4, B1, B2, B3)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from qcp_sdk import matching, otp
from qcp_sdk.certificates import Certificate, StatusKind
from qcp_sdk.effects import SendCode, Wake
from qcp_sdk.errors import FactRefused, SubscriptionRefused
from qcp_sdk.facts import CodeEntered, CodesLocked, CodeUndeliverable, Fact, ReminderDue
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.otp import Channel, Codes, Purpose
from qcp_sdk.subscription.effects import OpenIdentity, OpenRegistration
from qcp_sdk.subscription.facts import CertificateAdopted, CertificateExpired, ConsentGiven, SubscriptionOpened
from qcp_sdk.subscription.money import answered, hold
from qcp_sdk.subscription.moves import Moved, close, deadline, moved
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.subscription.state import CONSENTS, Identity, Registration, Subscription
from qcp_sdk.values import Key

PURPOSES: Final = {
    Stage.VERIFYING_EMAIL: Purpose.OPEN,
    Stage.SIGNING_REQUEST: Purpose.REQUEST,
    Stage.ACTIVE: Purpose.REVOKE,
}
"""What a code entered at each stage is for."""


OPENING_MEND: Final = "correct what each reason names, then open again"


def refusals(fact: SubscriptionOpened, now: datetime) -> tuple[str, ...]:
    """Give every reason why this subscription may not be opened; empty when it may."""
    reasons: list[str] = []
    lcp, qcp = fact.lcp, fact.qcp
    if lcp is None:
        reasons.append("no_lcp_certificate")
    else:
        if lcp.certificate.level is None or lcp.certificate.level < CertificateLevel.LCP:
            reasons.append("lcp_level_too_low")
        if lcp.status.kind is not StatusKind.GOOD or not lcp.certificate.not_before <= now < lcp.certificate.not_after:
            reasons.append("lcp_not_usable")
        reasons += [f"differs_from_lcp:{field}" for field in matching.differing_fields(fact.account, lcp)]
    if fact.price < 0:
        reasons.append("price_negative")
    if fact.cabinet not in fact.account.cabinets:
        reasons.append("not_a_member_of_the_cabinet")
    if fact.balance < fact.price:
        reasons.append("balance_too_small")
    if (
        qcp is not None
        and qcp.status.kind is not StatusKind.REVOKED
        and now < qcp.certificate.not_after - fact.waits.reminder
    ) or fact.attested_held:
        reasons.append("qualified_certificate_held")
    return tuple(reasons)


def opened(fact: SubscriptionOpened, now: datetime) -> Moved:
    """Open, or refuse with every reason.

    Raises:
        SubscriptionRefused: With the reasons of `refusals`; nothing was started, nothing was charged.
    """
    reasons = refusals(fact, now)
    if reasons:
        raise SubscriptionRefused(reasons, mend=OPENING_MEND)
    born = Subscription(fact.id, 0, Stage.VERIFYING_EMAIL, fact)
    limit, wake = deadline(born, "opening", now + fact.waits.opening)
    return moved(born, Stage.VERIFYING_EMAIL, deadline=limit), (wake,)


def adopted(fact: CertificateAdopted, now: datetime) -> Moved:
    """Take a certificate into care that somebody holds already (A1): active from here, nothing charged.

    Raises:
        FactRefused: `certificate_ended`: it is revoked or expired.
    """
    certificate, status = fact.holding.certificate, fact.holding.status
    if status.kind is StatusKind.REVOKED or now >= certificate.not_after:
        raise FactRefused("the certificate has ended", reason="certificate_ended", mend="adopt one that is in use")
    born = Subscription(fact.id, 0, Stage.ACTIVE, fact)
    return moved(born, Stage.ACTIVE, certificate=certificate), followed(born, certificate, now)


def followed(s: Subscription, certificate: Certificate, now: datetime) -> tuple[Wake, ...]:
    """Give the waits that follow a certificate to its end: the reminder, unless it is too late for one, and the end."""
    reminder = certificate.not_after - s.terms.waits.reminder
    ended = Wake(at=certificate.not_after, fact=CertificateExpired(fingerprint=certificate.fingerprint))
    return (Wake(at=reminder, fact=ReminderDue(reminder="expiry")), ended) if now < reminder else (ended,)


# --- codes, at three stages -------------------------------------------------------------------------------


def code_requested(s: Subscription, _fact: Fact, now: datetime) -> Moved:
    """Replace the challenge and send its code to the address of record."""
    purpose = PURPOSES[s.stage]
    codes = otp.requested(s.codes, stream=s.id, purpose=purpose, now=now)
    challenge = codes.challenge
    assert challenge is not None
    account = s.terms.account
    send = SendCode(
        challenge=challenge.id,
        purpose=purpose,
        subject=account.id,
        to=account.email if otp.CHANNELS[purpose] is Channel.EMAIL else account.mobile,
        language=account.language,
        not_after=challenge.not_after,
    )
    return moved(s, s.stage, codes=codes), (send,)


def code_undeliverable(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Note that the code did not leave, so that the page can say so."""
    assert isinstance(fact, CodeUndeliverable)
    codes = otp.undeliverable(s.codes, challenge=fact.challenge, reason=fact.reason)
    return (moved(s, s.stage, codes=codes), ()) if codes is not s.codes else (s, ())


def enter(s: Subscription, fact: Fact, now: datetime) -> Codes:
    """Count the entry; raises CodeRefused when no entry is accepted now."""
    assert isinstance(fact, CodeEntered)
    return otp.entered(s.codes, challenge=fact.challenge, purpose=PURPOSES[s.stage], matched=fact.matched, now=now)


def is_right(codes: Codes) -> bool:
    """Say whether the entry just counted was right."""
    return codes.challenge is not None and codes.challenge.matched


def codes_locked(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """Wait until the lock ends."""
    assert isinstance(fact, CodesLocked)
    return moved(s, s.stage, codes=otp.locked(s.codes, fact.until)), ()


def email_code_entered(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """B1: the right code sets the price aside; a wrong one counts."""
    codes = enter(s, fact, now)
    if not is_right(codes):
        return moved(s, s.stage, codes=codes), ()
    money, effects = hold(s.money, s.terms)
    return moved(s, Stage.HOLDING_FUNDS, codes=Codes(issued=codes.issued), money=money), effects


# --- funds, details, consents -------------------------------------------------------------------------------


def funds_held(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The price is aside: show the details."""
    money, effects = answered(s.money, fact, s.terms)
    return (moved(s, Stage.CONFIRMING_DETAILS, money=money), effects) if money is not s.money else (s, ())


def funds_refused(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """A3: the credit no longer suffices."""
    money, effects = answered(s.money, fact, s.terms)
    if money is s.money:
        return s, ()
    closed, more = close(s, Ending.INSUFFICIENT_FUNDS, money=money)
    return closed, effects + more


def details_confirmed(s: Subscription, _fact: Fact, _now: datetime) -> Moved:
    """B2: the data are right: show the consents."""
    return moved(s, Stage.CONSENTING), ()


def consent_given(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """B3: with both texts agreed to, the identity (or the hosted registration) is opened.

    Raises:
        FactRefused: `unknown_text`: not one of the texts that are asked for.
    """
    assert isinstance(fact, ConsentGiven)
    if fact.text not in CONSENTS:
        raise FactRefused(
            f"`{fact.text}` is not a text that is asked for", reason="unknown_text", mend=f"use one of {CONSENTS}"
        )
    consents = (*(given for given in s.consents if given.text != fact.text), fact)
    if len(consents) < len(CONSENTS):
        return moved(s, Stage.CONSENTING, consents=consents), ()
    limit, wake = deadline(s, "identity", now + s.terms.waits.identity)
    if s.terms.plan is Plan.HOSTED:
        effect = OpenRegistration(subscription=s.id, person=s.terms.account)
        registration = Registration(opened_by=Key(f"{s.id}/{s.sequence + 1}/0"))
        following = moved(s, Stage.OPENING_REGISTRATION, consents=consents, registration=registration, deadline=limit)
        return following, (effect, wake)
    following = moved(s, Stage.OPENING_IDENTITY, consents=consents, identity=Identity(1), deadline=limit)
    return following, (OpenIdentity(attempt=1, subscription=s.id, person=s.terms.account), wake)
