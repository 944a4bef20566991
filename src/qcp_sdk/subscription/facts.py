"""What can happen to a subscription. Facts shared with the ceremony are in `qcp_sdk.facts`."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import Attribute, field, frozen

from qcp_sdk.certificates import Certificate, Holding
from qcp_sdk.errors import InvalidValue
from qcp_sdk.facts import (
    Cancelled,
    CodeEntered,
    CodeRequested,
    CodeSent,
    CodesLocked,
    CodeUndeliverable,
    DeadlinePassed,
    Fact,
    Origin,
    ReminderDue,
    SilenceNoted,
)
from qcp_sdk.identity import IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.values import (
    Cents,
    ContentHash,
    Fingerprint,
    HoldId,
    SessionId,
    SubscriptionId,
    TenantId,
    content_hash,
    utc,
)


def _not_empty(_instance: object, attribute: Attribute[str], text: str) -> None:
    if not text.strip():
        raise InvalidValue("it is empty", where=attribute.name, mend="say which version, or who")


@frozen(kw_only=True)
class Routes:
    """Which configured collaborator serves each part; kept for life, so that a new configuration redirects nothing."""

    ledger: str = "default"
    codes: str = "default"
    notices: str = "default"
    identity: str = "default"
    documents: str = "default"
    authority: str = "default"
    registration: str = "default"


@frozen(kw_only=True)
class Waits:
    """How long each part may take (behaviour § 1, Deadlines). Configurable for each subscription."""

    opening: timedelta = timedelta(hours=24)
    """From the opening to the last consent."""
    identity: timedelta = timedelta(days=7)
    """The longest that an identity or registration session lives, whatever the provider says."""
    finishing: timedelta = timedelta(days=30)
    """From the identity's approval to the signed request."""
    leaving: timedelta = timedelta(hours=1)
    """Hosted plan: how long the provider is asked how a registration ended before we close without its answer."""
    reminder: timedelta = timedelta(days=90)
    """How long before its end a certificate may be renewed, and its holder is reminded."""
    status: timedelta | None = timedelta(days=1)
    """How often the authority is asked for the status of a certificate that is held, give or take a fifth: every five
    minutes at most, every year at least; None: not at all."""


@frozen(kw_only=True)
class SubscriptionOpened(Fact):
    """Everything that is decided once: who, who pays, how much, by which plan and providers.

    `lcp` is the certificate that the account must match (A4); `qcp` the usable qualified one that it
    already holds, if any; `slot` keeps a renewal beside the certificate that it replaces.
    """

    kind = "subscription_opened"
    origin = Origin.HOST
    id: SubscriptionId
    tenant: TenantId = TenantId("")
    account: Account
    cabinet: Cabinet
    price: Cents
    balance: Cents
    lcp: Holding | None
    qcp: Holding | None = None
    attested_held: bool = False
    """Whether an earlier subscription is active with a certificate that nobody here has seen (hosted plan)."""
    plan: Plan = Plan.ASSEMBLED
    issuer: str = ""
    """The issuer's name, as the certificates page shows it; one usable certificate for each."""
    slot: int = 0
    routes: Routes = Routes()
    waits: Waits = Waits()
    minimum_proofing: Proofing = Proofing.BASELINE
    accepted_close: frozenset[str] = frozenset()
    """Names of the CLOSE transformations (matching.Transformation) that count as the same person."""
    attestation_suffices: bool = True
    """Hosted: whether "yes, one exists" from the provider is enough evidence."""


@frozen(kw_only=True)
class CertificateAdopted(SubscriptionOpened):
    """A certificate that somebody held before, or that was issued elsewhere (an LCP certificate, A1), is taken into
    care: shown, revoked with a code, followed to its end. Nothing is charged.
    """

    kind = "certificate_adopted"
    origin = Origin.HOST
    holding: Holding


@frozen(kw_only=True)
class FundsHeld(Fact):
    """The price is set aside. `attempt` is that of the hold's effect."""

    kind = "funds_held"
    attempt: int
    hold: HoldId


@frozen(kw_only=True)
class FundsRefused(Fact):
    """The price could not be set aside."""

    kind = "funds_refused"
    attempt: int
    reason: str


@frozen(kw_only=True)
class FundsCaptured(Fact):
    """What was held is taken."""

    kind = "funds_captured"
    hold: HoldId


@frozen(kw_only=True)
class FundsReleased(Fact):
    """What was held is given back."""

    kind = "funds_released"
    hold: HoldId


@frozen(kw_only=True)
class CaptureRefused(Fact):
    """The hold is gone and nothing was taken."""

    kind = "capture_refused"
    hold: HoldId
    reason: str


@frozen(kw_only=True)
class DetailsConfirmed(Fact):
    """B2: holds a valid document in the shown name, and the shown mobile is theirs."""

    kind = "details_confirmed"
    origin = Origin.PERSON


@frozen(kw_only=True)
class DetailsContested(Fact):
    """B2: "there is an error in these data"; `fields` names which."""

    kind = "details_contested"
    origin = Origin.PERSON
    fields: tuple[str, ...] = ()


@frozen(kw_only=True)
class ConsentGiven(Fact):
    """B3: one text was agreed to, in the version and exact bytes that were shown."""

    kind = "consent_given"
    origin = Origin.PERSON
    text: str
    """A name in `subscription.state.CONSENTS`."""
    version: str = field(validator=_not_empty)
    hash: ContentHash = field(converter=content_hash)


@frozen(kw_only=True)
class IdentityOpened(Fact):
    """A session waits at the provider. `attempt` is that of the effect which opened it."""

    kind = "identity_opened"
    attempt: int
    session: SessionId
    url: str = field(repr=False)
    expires: datetime = field(converter=utc)


@frozen(kw_only=True)
class IdentityOpeningRejected(Fact):
    """The provider opens no session for this person."""

    kind = "identity_opening_rejected"
    attempt: int
    reason: str


@frozen(kw_only=True)
class CaptureFinished(Fact):
    """C4: the phone is done; the verdict is being worked out."""

    kind = "capture_finished"
    session: SessionId


@frozen(kw_only=True)
class IdentityApproved(Fact):
    """C5: the provider vouches for these data."""

    kind = "identity_approved"
    session: SessionId
    identity: ProvenIdentity
    evidence: IdentityEvidence


@frozen(kw_only=True)
class IdentityRetryable(Fact):
    """C5: refused, but the person may try again (unreadable document …)."""

    kind = "identity_retryable"
    session: SessionId
    reason: str


@frozen(kw_only=True)
class IdentityRefused(Fact):
    """C5: refused for good."""

    kind = "identity_refused"
    session: SessionId
    reason: str


@frozen(kw_only=True)
class IdentityAbandoned(Fact):
    """C5: the person left the session, or it ran out at the provider."""

    kind = "identity_abandoned"
    session: SessionId


@frozen(kw_only=True)
class FraudSuspected(Fact):
    """C5, or later: somebody has reason to doubt the identity."""

    kind = "fraud_suspected"
    reason: str


@frozen(kw_only=True)
class FraudReported(Fact):
    """Somebody at the host has reason to doubt the identity, and says so in their own name."""

    kind = "fraud_reported"
    origin = Origin.HOST
    reason: str
    by: str = field(validator=_not_empty)


@frozen(kw_only=True)
class LinkRequested(Fact):
    """C1: the person wants the link to the verification sent to their mobile."""

    kind = "link_requested"
    origin = Origin.PERSON


@frozen(kw_only=True)
class NoDocument(Fact):
    """C2: "I have none"."""

    kind = "no_document"
    origin = Origin.PERSON


@frozen(kw_only=True)
class IdentityConfirmed(Fact):
    """C6: the data read from the document are right."""

    kind = "identity_confirmed"
    origin = Origin.PERSON


@frozen(kw_only=True)
class IdentityContested(Fact):
    """C6: they are wrong; `fields` names which."""

    kind = "identity_contested"
    origin = Origin.PERSON
    fields: tuple[str, ...] = ()


@frozen(kw_only=True)
class RequestPrepared(Fact):
    """D1: the certificate request is made; these exact bytes are shown."""

    kind = "request_prepared"
    document: ContentHash


@frozen(kw_only=True)
class RequestRejected(Fact):
    """D1: the request could not be made from these data."""

    kind = "request_rejected"
    reason: str


@frozen(kw_only=True)
class RequestAccepted(Fact):
    """D1: "read and accepted", of the bytes with this hash."""

    kind = "request_accepted"
    origin = Origin.PERSON
    hash: ContentHash


@frozen(kw_only=True)
class RequestSealed(Fact):
    """D3: the request is really signed. `shown` is what was accepted, `sealed` what it became."""

    kind = "request_sealed"
    shown: ContentHash
    sealed: ContentHash


@frozen(kw_only=True)
class SealRefused(Fact):
    """D3: the request could not be signed."""

    kind = "seal_refused"
    reason: str


@frozen(kw_only=True)
class CertificatePending(Fact):
    """The authority has the request and has not decided; ask again under this reference."""

    kind = "certificate_pending"
    reference: str


@frozen(kw_only=True)
class CertificateIssued(Fact):
    """The authority issued this certificate."""

    kind = "certificate_issued"
    certificate: Certificate


@frozen(kw_only=True)
class CertificateAttested(Fact):
    """Hosted: the provider says that a certificate of this level exists, under these constraints, unseen."""

    kind = "certificate_attested"
    provider: str
    level: CertificateLevel
    matched: tuple[str, ...]
    """Fields that the provider compared: `name`, `email`, `mobile`."""
    at: datetime = field(converter=utc)


@frozen(kw_only=True)
class CertificateRefused(Fact):
    """The authority refuses to issue."""

    kind = "certificate_refused"
    reason: str


@frozen(kw_only=True)
class SettledByOperator(Fact):
    """A person at the host found out what the silent authority did, and says so in their own name."""

    kind = "settled_by_operator"
    origin = Origin.HOST
    evidence: str
    by: str
    certificate: Certificate | None
    """The certificate that was issued, or None: none was, and none will be."""


@frozen(kw_only=True)
class RegistrationOpened(Fact):
    """Hosted: the provider's pages wait at this address."""

    kind = "registration_opened"
    session: SessionId
    url: str = field(repr=False)
    expires: datetime = field(converter=utc)


@frozen(kw_only=True)
class RegistrationRejected(Fact):
    """Hosted: the provider opens no registration for this person."""

    kind = "registration_rejected"
    reason: str


@frozen(kw_only=True)
class RegistrationRefused(Fact):
    """Hosted: the provider refused the person."""

    kind = "registration_refused"
    session: SessionId
    reason: str


@frozen(kw_only=True)
class RegistrationExpired(Fact):
    """Hosted: the registration ended without a certificate."""

    kind = "registration_expired"
    session: SessionId


@frozen(kw_only=True)
class RevocationRequested(Fact):
    """A5: the holder wants the certificate revoked, after entering the code sent for that."""

    kind = "revocation_requested"
    origin = Origin.PERSON
    reason: str


@frozen(kw_only=True)
class RevocationOrdered(Fact):
    """The host wants the certificate revoked, in the name of `by`; no code of the holder's is needed."""

    kind = "revocation_ordered"
    origin = Origin.HOST
    reason: str
    by: str


@frozen(kw_only=True)
class CertificateRevoked(Fact):
    """The certificate is revoked since `at`, whoever asked."""

    kind = "certificate_revoked"
    fingerprint: Fingerprint
    at: datetime = field(converter=utc)
    reason: str = ""


@frozen(kw_only=True)
class RevocationRefused(Fact):
    """The authority does not revoke."""

    kind = "revocation_refused"
    fingerprint: Fingerprint
    reason: str


@frozen(kw_only=True)
class CertificateExpired(Fact):
    """The certificate's validity ended."""

    kind = "certificate_expired"
    origin = Origin.TIME
    fingerprint: Fingerprint


@frozen(kw_only=True)
class EndReported(Fact):
    """Somebody at the host found out that the certificate has ended: revoked elsewhere, or expired unseen."""

    kind = "end_reported"
    origin = Origin.HOST
    revoked: bool
    """Revoked, or else expired."""
    at: datetime = field(converter=utc)
    evidence: str = field(validator=_not_empty)
    by: str = field(validator=_not_empty)


@frozen(kw_only=True)
class AccountChanged(Fact):
    """The account no longer says what the subscription was opened with."""

    kind = "account_changed"
    origin = Origin.HOST
    fields: tuple[str, ...]


@frozen(kw_only=True)
class LcpRevoked(Fact):
    """The LCP certificate that the subscription rests on was revoked."""

    kind = "lcp_revoked"
    origin = Origin.HOST
    at: datetime = field(converter=utc)


FACTS: tuple[type[Fact], ...] = (
    SubscriptionOpened,
    CertificateAdopted,
    CodeRequested,
    CodeSent,
    CodeUndeliverable,
    CodeEntered,
    CodesLocked,
    FundsHeld,
    FundsRefused,
    FundsCaptured,
    FundsReleased,
    CaptureRefused,
    DetailsConfirmed,
    DetailsContested,
    ConsentGiven,
    IdentityOpened,
    IdentityOpeningRejected,
    CaptureFinished,
    IdentityApproved,
    IdentityRetryable,
    IdentityRefused,
    IdentityAbandoned,
    FraudSuspected,
    FraudReported,
    LinkRequested,
    NoDocument,
    IdentityConfirmed,
    IdentityContested,
    RequestPrepared,
    RequestRejected,
    RequestAccepted,
    RequestSealed,
    SealRefused,
    CertificatePending,
    CertificateIssued,
    CertificateAttested,
    CertificateRefused,
    SettledByOperator,
    RegistrationOpened,
    RegistrationRejected,
    RegistrationRefused,
    RegistrationExpired,
    RevocationRequested,
    RevocationOrdered,
    CertificateRevoked,
    RevocationRefused,
    CertificateExpired,
    EndReported,
    AccountChanged,
    LcpRevoked,
    Cancelled,
    DeadlinePassed,
    SilenceNoted,
    ReminderDue,
)
"""Every fact of a subscription."""
