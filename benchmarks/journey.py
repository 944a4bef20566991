"""A whole happy journey as facts: what the machines of the comparison fold, opening to captured price."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, QcStatements, StatusKind
from qcp_sdk.facts import CodeEntered, CodeRequested, Fact
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription import facts
from qcp_sdk.values import (
    AccountId,
    BirthDate,
    CabinetId,
    Cents,
    ChallengeId,
    ContentHash,
    EmailAddress,
    Fingerprint,
    HoldId,
    PersonName,
    PhoneNumber,
    SessionId,
    SubscriptionId,
)

NOW: Final = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
NAME: Final = PersonName(given="Jeanne Marie", last="Lefèvre-Dubois")
EMAIL: Final = EmailAddress("jeanne.lefevre@example.org")
MOBILE: Final = PhoneNumber("+33 6 39 98 13 16")
PLACE: Final = Cabinet(id=CabinetId("cab-1"), name="Cabinet Exemple")
SHOWN: Final = ContentHash("sha256:" + "ab" * 32)
SEALED: Final = ContentHash("sha256:" + "cd" * 32)
SESSION: Final = SessionId("session-1")


def _certificate(policy: str, qc: QcStatements) -> Certificate:
    return Certificate(
        der=b"\x30\x82" + bytes(1_400),
        fingerprint=Fingerprint("12" * 32),
        serial=0x1234_5678_9ABC,
        issuer="CN=Local CA TEST,O=qcp_sdk,C=FR",
        issuer_organisation="qcp_sdk",
        subject="CN=Jeanne Marie Lefèvre-Dubois,C=FR",
        name=NAME,
        common_name=NAME.full,
        subject_serial="IDCFR-880692310285",
        country="FR",
        policies=(policy,),
        qc=qc,
        key_usage=frozenset({"non_repudiation"}),
        not_before=NOW - timedelta(hours=1),
        not_after=NOW + timedelta(days=5 * 365),
    )


def journey() -> tuple[Fact, ...]:
    """Give the facts of one subscription, in the order in which they come."""
    lcp = _certificate("0.4.0.2042.1.3", QcStatements())
    qcp = _certificate("0.4.0.194112.1.0", QcStatements(compliance=True, types=("0.4.0.1862.1.6.1",)))
    return (
        facts.SubscriptionOpened(
            id=SubscriptionId("sub-1"),
            account=Account(id=AccountId("acc-1"), name=NAME, email=EMAIL, mobile=MOBILE, cabinets=(PLACE,)),
            cabinet=PLACE,
            price=Cents(2_000),
            balance=Cents(8_220),
            lcp=Holding(
                certificate=lcp,
                status=CertificateStatus(kind=StatusKind.GOOD, checked_at=NOW),
                email=EMAIL,
                mobile=MOBILE,
            ),
            issuer="Local CA TEST",
        ),
        CodeRequested(),
        CodeEntered(challenge=ChallengeId("sub-1/open/1"), matched=True),
        facts.FundsHeld(attempt=1, hold=HoldId("hold-1")),
        facts.DetailsConfirmed(),
        facts.ConsentGiven(text="identity_processing", version="1", hash=SHOWN),
        facts.ConsentGiven(text="personal_data", version="1", hash=SEALED),
        facts.IdentityOpened(attempt=1, session=SESSION, url="https://id.example/1", expires=NOW + timedelta(days=1)),
        facts.CaptureFinished(session=SESSION),
        facts.IdentityApproved(
            session=SESSION,
            identity=ProvenIdentity(
                name=NAME,
                birth_date=BirthDate(date(1980, 2, 29)),
                document=DocumentKind.PASSPORT,
                issuing_country="FR",
                valid_until=date(2031, 1, 1),
            ),
            evidence=IdentityEvidence(provider="simulated", reference="case-1", proofing=Proofing.EXTENDED),
        ),
        facts.IdentityConfirmed(),
        facts.RequestPrepared(document=SHOWN),
        facts.RequestAccepted(hash=SHOWN),
        CodeRequested(),
        CodeEntered(challenge=ChallengeId("sub-1/request/2"), matched=True),
        facts.RequestSealed(shown=SHOWN, sealed=SEALED),
        facts.CertificateIssued(certificate=qcp),
        facts.FundsCaptured(hold=HoldId("hold-1")),
    )
