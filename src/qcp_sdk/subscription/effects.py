"""What a subscription asks of the world. Shared effects are in `qcp_sdk.effects`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from attrs import field, frozen

from qcp_sdk.effects import Alert, Effect, Nature, Notify, SendCode, Wake
from qcp_sdk.identity import IdentityEvidence, ProvenIdentity
from qcp_sdk.people import Account
from qcp_sdk.values import (
    CabinetId,
    Cents,
    ContentHash,
    Fingerprint,
    HoldId,
    Key,
    SessionId,
    SubscriptionId,
)


@frozen(kw_only=True)
class HoldFunds(Effect):
    """Set the price aside on the cabinet's credit."""

    kind = "hold_funds"
    nature = Nature.QUERYABLE
    attempt: int
    cabinet: CabinetId
    amount: Cents
    memo: str


@frozen(kw_only=True)
class CaptureFunds(Effect):
    """Take what is held."""

    kind = "capture_funds"
    nature = Nature.QUERYABLE
    hold: HoldId


@frozen(kw_only=True)
class ReleaseFunds(Effect):
    """Give back what is held."""

    kind = "release_funds"
    nature = Nature.QUERYABLE
    hold: HoldId


@frozen(kw_only=True)
class OpenIdentity(Effect):
    """Open a verification session for this person."""

    kind = "open_identity"
    attempt: int
    subscription: SubscriptionId
    person: Account


@frozen(kw_only=True)
class AskIdentity(Effect):
    """Ask how a session stands, until it has a verdict."""

    kind = "ask_identity"
    after = timedelta(seconds=30)
    session: SessionId


@frozen(kw_only=True)
class CancelIdentity(Effect):
    """Close a session that is no longer wanted."""

    kind = "cancel_identity"
    session: SessionId


@frozen(kw_only=True)
class Application:
    """Everything that a certificate request states."""

    subscription: SubscriptionId
    account: Account
    identity: ProvenIdentity
    evidence: IdentityEvidence


@frozen(kw_only=True)
class PrepareRequest(Effect):
    """Make the certificate request PDF."""

    kind = "prepare_request"
    application: Application


@frozen(kw_only=True)
class SealRequest(Effect):
    """Sign the accepted request electronically, with the evidence of the code that allowed it."""

    kind = "seal_request"
    document: ContentHash
    signatory: str = field(repr=False)
    challenge: str
    verified_at: datetime


@frozen(kw_only=True)
class SubmitRequest(Effect):
    """Ask the authority for the certificate: the point of no return."""

    kind = "submit_request"
    nature = Nature.QUERYABLE
    application: Application
    request: ContentHash
    """The sealed request."""


@frozen(kw_only=True)
class AskCertificate(Effect):
    """Ask whether the certificate is issued, until the authority has decided."""

    kind = "ask_certificate"
    after = timedelta(seconds=30)
    reference: str


@frozen(kw_only=True)
class OpenRegistration(Effect):
    """Hosted: open a registration at the provider for this person."""

    kind = "open_registration"
    subscription: SubscriptionId
    person: Account


@frozen(kw_only=True)
class AskRegistration(Effect):
    """Hosted: ask how a registration stands, until it has ended."""

    kind = "ask_registration"
    after = timedelta(seconds=30)
    session: SessionId


@frozen(kw_only=True)
class CloseRegistration(Effect):
    """Hosted: close the registration that was opened under this key, and say how it ended."""

    kind = "close_registration"
    opened_by: Key
    session: SessionId | None


@frozen(kw_only=True)
class RevokeCertificate(Effect):
    """Revoke, for this reason (RFC 5280 § 5.3.1 words: `key_compromise`, `cessation_of_operation` …)."""

    kind = "revoke_certificate"
    nature = Nature.QUERYABLE
    fingerprint: Fingerprint
    reason: str


@frozen(kw_only=True)
class CheckStatus(Effect):
    """Ask the authority what it says of the certificate, again and again until the certificate has ended.

    No row asks for it: `qcp_sdk.engine.following` does, beside the row that receives the certificate.
    """

    kind = "check_status"
    at: datetime
    """When it is first asked."""
    fingerprint: Fingerprint


SubscriptionEffect: TypeAlias = (
    HoldFunds
    | CaptureFunds
    | ReleaseFunds
    | OpenIdentity
    | AskIdentity
    | CancelIdentity
    | PrepareRequest
    | SealRequest
    | SubmitRequest
    | AskCertificate
    | OpenRegistration
    | AskRegistration
    | CloseRegistration
    | RevokeCertificate
    | CheckStatus
    | SendCode
    | Notify
    | Wake
    | Alert
)
