"""People, requests and messages that the suites use; made up, and of nobody."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Final

from qcp_sdk import notices
from qcp_sdk.collectes import Collecte, Document, Signatory
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import (
    AccountId,
    BirthDate,
    CabinetId,
    Cents,
    CeremonyId,
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    PersonName,
    PhoneNumber,
    SignatoryId,
    SubscriptionId,
)

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""When every suite begins."""

_PEOPLE: Final = (
    ("Élodie", "Lefèvre"),
    ("Jean-Baptiste", "N'Guyen"),
    ("Müge", "Øster Ångström"),
    ("Anaïs Marie", "de La Tour d'Aigues"),
)


def account(number: int = 0) -> Account:
    """Give one of some people; the same number is the same person."""
    given, last = _PEOPLE[number % len(_PEOPLE)]
    return Account(
        id=AccountId(f"account-{number}"),
        name=PersonName(given=given, last=last),
        email=EmailAddress(f"person{number}@example.org"),
        mobile=PhoneNumber(f"+3363998{number:04d}"),  # a range that ARCEP keeps for fiction
        language=("fr", "en")[number % 2],
        cabinets=(Cabinet(id=CabinetId(f"cabinet-{number}"), name="Cabinet Exemple"),),
    )


def identity(person: Account) -> ProvenIdentity:
    """Give what this person's passport says."""
    return ProvenIdentity(
        name=person.name,
        birth_date=BirthDate(date(1979, 12, 31)),
        document=DocumentKind.PASSPORT,
        issuing_country="FR",
        valid_until=date(2033, 1, 15),
    )


def application(number: int = 0) -> Application:
    """Give everything that this person's certificate request states."""
    person = account(number)
    return Application(
        subscription=SubscriptionId(f"subscription-{number}"),
        account=person,
        identity=identity(person),
        evidence=IdentityEvidence(provider="Exemple", reference=f"proof-{number}", proofing=Proofing.EXTENDED),
    )


def name_of(content: bytes) -> ContentHash:
    """Give the name of these exact bytes."""
    return ContentHash(f"sha256:{hashlib.sha256(content).hexdigest()}")


def digest(text: str) -> bytes:
    """Give a SHA-256 digest to sign."""
    return hashlib.sha256(text.encode()).digest()


def collecte(content: ContentHash, *, number: int = 0) -> Collecte:
    """Give a collecte of one document and one signatory at niveau 3."""
    person = account(number)
    return Collecte(
        id=CollecteId(f"collecte-{number}"),
        title="Lettre de mission",
        sender="Cabinet Exemple",
        documents=(Document(id=DocumentId("letter"), name="lettre.pdf", content=content),),
        signatories=(
            Signatory(
                id=SignatoryId("signatory"),
                name=person.name,
                email=person.email,
                mobile=person.mobile,
                level=SignatureLevel.NIVEAU_3,
                account=person.id,
            ),
        ),
        deadline=START + timedelta(days=15),
    )


def recipient(number: int = 0, *, language: str | None = None) -> notices.Recipient:
    """Give this person as somebody who is written to."""
    person = account(number)
    return notices.Recipient(
        name=person.name, email=person.email, mobile=person.mobile, language=language or person.language
    )


def messages() -> tuple[notices.Notice, ...]:
    """Give one message of each shape: about a subscription, about money, about a ceremony, by SMS."""
    return (
        notices.IdentityApproved(subscription=SubscriptionId("subscription-0")),
        notices.CertificateIssued(
            subscription=SubscriptionId("subscription-0"),
            holder="Élodie Lefèvre",
            issuer="Autorité Exemple",
            not_after=START + timedelta(days=5 * 365),
            price=Cents(2_000),
        ),
        notices.SignedCopy(
            ceremony=CeremonyId("ceremony-0"),
            title="Lettre de mission",
            sender="Cabinet Exemple",
            documents=("lettre.pdf",),
            level=SignatureLevel.NIVEAU_3,
            deadline=START + timedelta(days=15),
        ),
        sms(),
    )


def sms() -> notices.Notice:
    """Give a message that goes by SMS."""
    return notices.IdentityHandOff(
        subscription=SubscriptionId("subscription-0"), url="https://identity.example.org/session-0"
    )
