"""What a host shows of a subscription or ceremony: plain frozen data, masked where a page masks it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from attrs import evolve, field, frozen

from qcp_sdk import otp
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.certificates import Certificate, Holding
from qcp_sdk.errors import CodeRefused
from qcp_sdk.levels import SignatureLevel, highest_signature
from qcp_sdk.people import Cabinet
from qcp_sdk.subscription.facts import CertificateAdopted
from qcp_sdk.subscription.opening import PURPOSES
from qcp_sdk.subscription.proving import MOST_LINKS, MOST_RETRIES
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription
from qcp_sdk.values import Cents, ContentHash, DocumentId

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
class CertificateShown:
    """One certificate, as the certificates page shows it (A1, A2)."""

    level: str
    issuer: str
    holder: str = field(repr=False)
    not_before: datetime
    not_after: datetime
    fingerprint: str
    state: str
    """`usable`, `revoking`, `revoked`, `expired` or `unknown`."""
    subscription: str = ""
    """The subscription in whose care it is; empty: in none's, `adopt` it first."""
    origin: str = "held"
    """`issued` by a subscription here, `adopted` (it existed before), or `held`: its authority alone knows of it."""
    allows: SignatureLevel | None = None
    """The highest signature level that it serves now; None: none, as long as it is in this state."""


@frozen(kw_only=True)
class AttestedShown:
    """A certificate that a provider says exists, and that nobody here has seen (hosted plan)."""

    provider: str
    level: str
    issuer: str
    at: datetime
    """When the provider said so."""
    matched: tuple[str, ...]
    """Fields that the provider compared with the account: `name`, `email`, `mobile`."""
    allows: SignatureLevel
    """The highest signature level that it serves, signed on the provider's page; a policy may want to see it."""
    subscription: str


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


def _state(s: Subscription, now: datetime) -> str:
    if s.stage in (Stage.REVOKED, Stage.REVOKING):
        return s.stage.value
    if s.certificate is not None and now >= s.certificate.not_after:
        return "expired"
    return "usable" if s.stage is Stage.ACTIVE else "unknown"


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


def show_certificate(certificate: Certificate, state: str, subscription: str = "") -> CertificateShown:
    """Lay out a certificate, and the subscription in whose care it is."""
    return CertificateShown(
        level=certificate.level.name if certificate.level else "",
        issuer=certificate.issuer_organisation or certificate.issuer,
        holder=certificate.common_name or certificate.subject,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        fingerprint=certificate.fingerprint,
        state=state,
        subscription=subscription,
        origin="issued" if subscription else "held",
        allows=highest_signature(certificate.level) if state == "usable" else None,
    )


def show_own(s: Subscription, now: datetime) -> CertificateShown:
    """Lay out the certificate in a subscription's care; it has one."""
    assert s.certificate is not None
    shown = show_certificate(s.certificate, _state(s, now), s.id)
    return evolve(shown, origin="adopted") if isinstance(s.terms, CertificateAdopted) else shown


def show_attested(s: Subscription) -> AttestedShown | None:
    """Lay out what a provider attests; None where it attests nothing."""
    said = s.attestation
    if said is None:
        return None
    return AttestedShown(
        provider=said.provider,
        level=said.level.name,
        issuer=s.terms.issuer,
        at=said.at,
        matched=said.matched,
        allows=highest_signature(said.level),
        subscription=s.id,
    )


def show_holding(holding: Holding, now: datetime) -> CertificateShown:
    """Lay out a certificate with what its issuer says of it."""
    if now >= holding.certificate.not_after:
        state = "expired"
    else:
        state = {"good": "usable"}.get(holding.status.kind.value, holding.status.kind.value)
    return show_certificate(holding.certificate, state)


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


@frozen(kw_only=True)
class CabinetShown:
    """A cabinet that may pay, and whether its credit suffices (A3)."""

    cabinet: Cabinet
    balance: Cents
    suffices: bool


@frozen(kw_only=True)
class CertificatesShown:
    """The certificates page, "my personal signature" (A1 to A5)."""

    lcp: CertificateShown | None
    qcp: CertificateShown | None
    in_progress: str | None
    """Id of the subscription to resume."""
    price: Cents
    cabinets: tuple[CabinetShown, ...]
    differences: tuple[str, ...] = ()
    """Fields in which the account differs from the LCP certificate: to be corrected before subscribing (A4)."""
    others: tuple[CertificateShown, ...] = ()
    """Every other certificate of the account's, the longest valid first."""
    attested: tuple[AttestedShown, ...] = ()
    held_unseen: bool = False
    """Whether an attested certificate of the same issuer stands against another subscription."""
    renewable: bool = False
    """Whether the qualified certificate that is held ends so soon that another may be subscribed to."""
