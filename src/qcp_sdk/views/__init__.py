"""What a host shows of a subscription or ceremony: plain frozen data, masked where a page masks it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from qcp_sdk import otp
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.errors import CodeRefused
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Cabinet
from qcp_sdk.subscription.opening import PURPOSES
from qcp_sdk.subscription.proving import MOST_LINKS, MOST_RETRIES
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription
from qcp_sdk.values import Cents, ContentHash, DocumentId
from qcp_sdk.views.certificates import (
    AttestedShown,
    CabinetShown,
    CertificateShown,
    CertificatesShown,
    show_attested,
    show_holding,
    show_own,
)

__all__ = [
    "LAST_STEP",
    "STEPS",
    "AttestedShown",
    "CabinetShown",
    "CeremonyShown",
    "CertificateShown",
    "CertificatesShown",
    "CodeShown",
    "DocumentShown",
    "IdentityShown",
    "SubscriptionShown",
    "next_request",
    "show_attested",
    "show_ceremony",
    "show_holding",
    "show_own",
    "show_subscription",
]

STEPS: Final[Mapping[Stage, int]] = MappingProxyType(
    {
        Stage.VERIFYING_EMAIL: 1,
        Stage.HOLDING_FUNDS: 1,
        Stage.CONFIRMING_DETAILS: 2,
        Stage.CONSENTING: 3,
        Stage.OPENING_IDENTITY: 4,
        Stage.PROVING_IDENTITY: 4,
        Stage.OPENING_REGISTRATION: 4,
        Stage.REGISTERING: 4,
        Stage.CONFIRMING_IDENTITY: 5,
        Stage.PREPARING_REQUEST: 6,
        Stage.READING_REQUEST: 6,
        Stage.SIGNING_REQUEST: 7,
        Stage.SEALING_REQUEST: 7,
        Stage.AWAITING_CERTIFICATE: 8,
    }
)
"""Which of the journey's eight steps a stage belongs to; later stages are past them."""
LAST_STEP: Final = 8


@frozen(kw_only=True)
class CodeShown:
    """The one-time code that is waited for."""

    to: str
    """Where it went, masked."""
    not_after: datetime | None = None
    tries_left: int = 0
    problem: str = ""
    """Why it could not be sent, or why the last one did not work; empty when nothing is wrong."""
    next_request: datetime | None = None
    """When another may be asked for; None: now."""


@frozen(kw_only=True)
class IdentityShown:
    """The identity check: where to go, and what was read."""

    url: str = field(default="", repr=False)
    expires: datetime | None = None
    captured: bool = False
    attempt: int = 1
    """Which session this is, the first being 1."""
    retries: int = 0
    """How many verdicts asked for another try."""
    tries_left: int = 0
    """How many tries remain, this one included."""
    links_left: int = 0
    """How often the link may still be sent to the mobile."""
    given_names: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    birth_date: date | None = field(default=None, repr=False)


@frozen(kw_only=True)
class SubscriptionShown:
    """Everything that the present page may show."""

    step: int
    steps: int
    name: str = field(repr=False)
    email: str
    mobile: str
    """Masked: `*****1316`."""
    cabinet: Cabinet
    price: Cents
    issuer: str
    code: CodeShown | None = None
    consents_needed: tuple[str, ...] = ()
    identity: IdentityShown | None = None
    registration_url: str = field(default="", repr=False)
    request: ContentHash | None = None
    certificate: CertificateShown | None = None
    attested_by: str = ""
    ending: str = ""
    deadline: datetime | None = None
    money: str = ""


def show_subscription(s: Subscription, now: datetime) -> SubscriptionShown:
    """Lay out what the page of the present stage shows."""
    account, i = s.terms.account, s.identity
    given = {consent.text for consent in s.consents}
    return SubscriptionShown(
        step=STEPS.get(s.stage, LAST_STEP),
        steps=LAST_STEP,
        name=account.name.full,
        email=account.email.masked,
        mobile=account.mobile.masked,
        cabinet=s.terms.cabinet,
        price=s.terms.price,
        issuer=s.terms.issuer,
        code=_code(s, now) if s.stage in PURPOSES else None,
        consents_needed=tuple(text for text in CONSENTS if text not in given),
        identity=IdentityShown(
            url=i.url,
            expires=i.expires,
            captured=i.captured,
            attempt=i.attempt,
            retries=i.retries,
            tries_left=MOST_RETRIES + 1 - i.retries,
            links_left=MOST_LINKS - i.links,
            given_names=i.proven.name.given if i.proven else "",
            last_name=i.proven.name.last if i.proven else "",
            birth_date=i.proven.birth_date.day if i.proven else None,
        )
        if i.attempt
        else None,
        registration_url=s.registration.url if s.registration else "",
        request=s.request.shown,
        certificate=show_own(s, now) if s.certificate else None,
        attested_by=s.attestation.provider if s.attestation else "",
        ending=s.ending.value if s.ending else "",
        deadline=s.deadline.at if s.deadline else None,
        money=s.money.state.value,
    )


def _code(s: Subscription, now: datetime) -> CodeShown:
    account = s.terms.account
    purpose = PURPOSES[s.stage]
    to = account.email.masked if otp.CHANNELS[purpose] is otp.Channel.EMAIL else account.mobile.masked
    challenge = s.codes.challenge
    return CodeShown(
        to=to,
        not_after=challenge.not_after if challenge else None,
        tries_left=otp.WRONG_PER_CHALLENGE - challenge.wrong if challenge else 0,
        problem=challenge.undeliverable if challenge else "",
        next_request=next_request(s.codes, now),
    )


def next_request(codes: otp.Codes, now: datetime) -> datetime | None:
    """Say when another code may be asked for; None: now."""
    try:
        otp.may_request(codes, now)
    except CodeRefused as refused:
        return refused.until
    return None


@frozen(kw_only=True)
class DocumentShown:
    """One document of a ceremony."""

    id: DocumentId
    name: str
    validated: ContentHash
    signed: ContentHash | None
    failed: str


@frozen(kw_only=True)
class CeremonyShown:
    """Everything that the signing page may show."""

    title: str
    sender: str
    signatory: str = field(repr=False)
    level: SignatureLevel
    documents: tuple[DocumentShown, ...]
    deadline: datetime
    code: CodeShown | None = None
    url: str = field(default="", repr=False)
    reason: str = ""


def show_ceremony(c: Ceremony, now: datetime) -> CeremonyShown:
    """Lay out what the signing page shows."""
    collecte, challenge = c.opened.collecte, c.challenge
    return CeremonyShown(
        title=collecte.title,
        sender=collecte.sender,
        signatory=c.signatory.name.full,
        level=c.signatory.level,
        documents=tuple(
            DocumentShown(
                id=one.document.id,
                name=one.document.name,
                validated=one.document.content,
                signed=one.signed,
                failed=one.failed,
            )
            for one in c.documents
        ),
        deadline=collecte.deadline,
        code=CodeShown(
            to=challenge.masked if challenge else c.signatory.mobile.masked,
            not_after=challenge.not_after if challenge else None,
            tries_left=otp.WRONG_PER_CHALLENGE - challenge.wrong if challenge else 0,
            problem=c.problem,
            next_request=next_request(c.codes, now),
        )
        if c.consented_at is not None
        else None,
        url=c.url,
        reason=c.reason,
    )
