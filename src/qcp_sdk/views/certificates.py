"""What a host shows of certificates: those that are held, in care, or attested. Pure."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve, field, frozen

from qcp_sdk.certificates import Certificate, Holding
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import Cabinet
from qcp_sdk.subscription.facts import CertificateAdopted
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Cents


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
    """The highest level that its holder may sign at with it now, by the policy; None: none that needs a certificate.
    On the certificates page alone."""


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
    subscription: str
    allows: SignatureLevel | None = None
    """The highest level that its holder may sign at with it now, on the provider's page; None: none."""


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
    )


def show_holding(holding: Holding, now: datetime) -> CertificateShown:
    """Lay out a certificate with what its issuer says of it."""
    if now >= holding.certificate.not_after:
        state = "expired"
    else:
        state = {"good": "usable"}.get(holding.status.kind.value, holding.status.kind.value)
    return show_certificate(holding.certificate, state)


def show_own(s: Subscription, now: datetime) -> CertificateShown:
    """Lay out the certificate in a subscription's care; it has one."""
    assert s.certificate is not None
    shown = show_certificate(s.certificate, _state(s, now), s.id)
    return evolve(shown, origin="adopted") if isinstance(s.terms, CertificateAdopted) else shown


def show_attested(s: Subscription) -> AttestedShown:
    """Lay out what a provider attests; it attests something."""
    said = s.attestation
    assert said is not None
    return AttestedShown(
        provider=said.provider,
        level=said.level.name,
        issuer=s.terms.issuer,
        at=said.at,
        matched=said.matched,
        subscription=s.id,
    )


def _state(s: Subscription, now: datetime) -> str:
    if s.stage in (Stage.REVOKED, Stage.REVOKING):
        return s.stage.value
    if s.certificate is not None and now >= s.certificate.not_after:
        return "expired"
    return "usable" if s.stage is Stage.ACTIVE else "unknown"
