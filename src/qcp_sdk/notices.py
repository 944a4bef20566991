"""Every message that the SDK writes to a person, as data; the words are in `templates/`.

One class a message, its fields are what its template may use, its template is
`templates/notices/<language>/<template>.j2`.
Links are made by whoever sends (the host's addresses are configuration), from the ids in here.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from attrs import field, frozen

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import check_language
from qcp_sdk.values import (
    Cents,
    CeremonyId,
    ContentHash,
    EmailAddress,
    PersonName,
    PhoneNumber,
    SubscriptionId,
)


@frozen(kw_only=True)
class Recipient:
    """Who is written to. `mobile` is used by the messages that go by SMS."""

    name: PersonName
    email: EmailAddress
    mobile: PhoneNumber | None = None
    language: str = field(default="fr", validator=check_language)


@frozen(kw_only=True)
class Attachment:
    """A kept document that goes with a message, under this file name."""

    name: str
    content: ContentHash


@frozen(kw_only=True)
class Notice:
    """The root of every message. `template` names its files."""

    template: ClassVar[str] = ""
    by_sms: ClassVar[bool] = False


@frozen(kw_only=True)
class IdentityHandOff(Notice):
    """C1: the link that opens the verification on a smartphone."""

    template = "identity_hand_off"
    by_sms = True
    subscription: SubscriptionId
    url: str = field(repr=False)


@frozen(kw_only=True)
class IdentityApproved(Notice):
    """C5: approved; come back to go on."""

    template = "identity_approved"
    subscription: SubscriptionId


@frozen(kw_only=True)
class IdentityToRetry(Notice):
    """C5: refused, but may retry. `reason` is the provider's, translated by the template."""

    template = "identity_to_retry"
    subscription: SubscriptionId
    reason: str
    tries_left: int


@frozen(kw_only=True)
class SubscriptionClosed(Notice):
    """Every end without a certificate: `reason` is a value of `subscription.stages.Ending`; nothing was charged."""

    template = "subscription_closed"
    subscription: SubscriptionId
    reason: str


@frozen(kw_only=True)
class RequestSubmitted(Notice):
    """D4: the request is final and is being processed."""

    template = "request_submitted"
    subscription: SubscriptionId


@frozen(kw_only=True)
class CertificateIssued(Notice):
    """D4: the certificate is issued."""

    template = "certificate_issued"
    subscription: SubscriptionId
    holder: str = field(repr=False)
    issuer: str
    not_after: datetime | None
    """None when a provider attests a certificate without showing it."""
    price: Cents


@frozen(kw_only=True)
class CertificateRevoked(Notice):
    """A5: the certificate is revoked, and since when."""

    template = "certificate_revoked"
    subscription: SubscriptionId
    revoked_at: datetime
    reason: str


@frozen(kw_only=True)
class CertificateRevocationRefused(Notice):
    """A5: the issuer did not revoke; the certificate stays as it was."""

    template = "certificate_revocation_refused"
    subscription: SubscriptionId
    reason: str


@frozen(kw_only=True)
class CertificateExpiring(Notice):
    """The certificate ends soon; renew it."""

    template = "certificate_expiring"
    subscription: SubscriptionId
    not_after: datetime


@frozen(kw_only=True)
class CertificateExpired(Notice):
    """The certificate has ended."""

    template = "certificate_expired"
    subscription: SubscriptionId
    not_after: datetime


@frozen(kw_only=True)
class SigningNotice(Notice):
    """What every message about a ceremony says."""

    ceremony: CeremonyId
    title: str
    """The collecte's title."""
    sender: str
    documents: tuple[str, ...]
    """Names of the documents."""
    level: SignatureLevel
    deadline: datetime


@frozen(kw_only=True)
class Invitation(SigningNotice):
    """Invited to sign; in a sequential collecte the turn may come later (`now` is False)."""

    template = "invitation"
    now: bool


@frozen(kw_only=True)
class TurnCame(SigningNotice):
    """E2: it is this signatory's turn."""

    template = "turn_came"


@frozen(kw_only=True)
class SigningReminder(SigningNotice):
    """Still to be signed."""

    template = "signing_reminder"


@frozen(kw_only=True)
class SignedCopy(SigningNotice):
    """All signed: the copy is attached."""

    template = "signed_copy"


@frozen(kw_only=True)
class SigningRefused(SigningNotice):
    """A signatory declined, which ends the collecte."""

    template = "signing_refused"
    by: str = field(repr=False)
    reason: str


@frozen(kw_only=True)
class SigningLapsed(SigningNotice):
    """The deadline passed, or the host ended the collecte (`cause` is `deadline`, `cancelled` or `refused`)."""

    template = "signing_lapsed"
    cause: str


@frozen(kw_only=True)
class SigningFailed(SigningNotice):
    """No document, or not every document, could be signed; `failed` names those that were not."""

    template = "signing_failed"
    failed: tuple[str, ...]
    reason: str


NOTICES: tuple[type[Notice], ...] = (
    IdentityHandOff,
    IdentityApproved,
    IdentityToRetry,
    SubscriptionClosed,
    RequestSubmitted,
    CertificateIssued,
    CertificateRevoked,
    CertificateRevocationRefused,
    CertificateExpiring,
    CertificateExpired,
    Invitation,
    TurnCame,
    SigningReminder,
    SignedCopy,
    SigningRefused,
    SigningLapsed,
    SigningFailed,
)
"""Every message, for the codec, the templates' test and the documentation."""
