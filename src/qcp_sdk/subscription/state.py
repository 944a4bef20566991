"""What is known of one subscription at one moment. Everything is frozen and hashable.

`Subscription` keeps its fields in a dictionary, not in slots: `moves.moved` copies them in one go, which makes a step
twice as fast (docs/decisions/0010). The small records are built by position for the same reason.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Final

from attrs import field, frozen

from qcp_sdk.certificates import Certificate
from qcp_sdk.identity import IdentityEvidence, ProvenIdentity
from qcp_sdk.otp import Codes
from qcp_sdk.people import Account
from qcp_sdk.subscription.facts import CertificateAdopted, CertificateAttested, ConsentGiven, SubscriptionOpened
from qcp_sdk.subscription.money import NO_MONEY, Money
from qcp_sdk.subscription.stages import FINAL, Ending, Stage
from qcp_sdk.values import ChallengeId, ContentHash, Key, SessionId, SubscriptionId, joined

CONSENTS: Final = ("identity_processing", "personal_data")
"""B3: processing of identity data with the terms of use; the personal-data policy. Both are required."""


@frozen
class Deadline:
    """The wait that ends the present stage. A fact at or after `at` comes too late."""

    id: str
    at: datetime


@frozen(slots=False)
class Identity:
    """What the identity stages gathered."""

    attempt: int = 0
    retries: int = 0
    session: SessionId | None = None
    url: str = field(default="", repr=False)
    expires: datetime | None = None
    captured: bool = False
    proven: ProvenIdentity | None = None
    evidence: IdentityEvidence | None = None
    allowances: tuple[str, ...] = ()
    """Names of the listed transformations by which account and document are the same person; empty: exact."""
    confirmed_at: datetime | None = None
    links: int = 0
    """How often the link was sent to the mobile, for this session."""


@frozen
class Request:
    """What became of the certificate request."""

    shown: ContentHash | None = None
    accepted_at: datetime | None = None
    challenge: ChallengeId | None = None
    verified_at: datetime | None = None
    sealed: ContentHash | None = None
    reference: str = ""
    """The authority's word for a request that is pending."""


@frozen
class Registration:
    """Hosted: the provider's session."""

    opened_by: Key
    session: SessionId | None = None
    url: str = field(default="", repr=False)
    expires: datetime | None = None


@frozen(slots=False)
class Subscription:
    """One subscription. `sequence` counts the facts that were folded into it."""

    id: SubscriptionId
    sequence: int
    stage: Stage
    terms: SubscriptionOpened | CertificateAdopted
    money: Money = NO_MONEY
    codes: Codes = Codes()
    consents: tuple[ConsentGiven, ...] = ()
    identity: Identity = Identity()
    request: Request = Request()
    registration: Registration | None = None
    certificate: Certificate | None = None
    attestation: CertificateAttested | None = None
    deadline: Deadline | None = None
    ending: Ending | None = None
    """Why it closed or is being revoked; while hosted, why it is being left."""
    settled: frozenset[str] = frozenset()
    """Late certificates and sessions that were dealt with, so that a repeat does nothing more."""

    @property
    def account(self) -> Account:
        """The account as it was when the subscription was opened."""
        return self.terms.account


def claims(s: Subscription) -> frozenset[str]:
    """Give what this subscription alone may own (invariant 4): kept by the store, checked at every commit.

    One open subscription a person; one usable certificate a person and issuer, with a second slot for the
    90 days of a renewal. The slot is taken at the opening: a conflict must come before anything costs.
    """
    if s.stage in FINAL:
        return frozenset()
    terms = s.terms
    held, opened = _claimed(terms.tenant, terms.account.id, terms.issuer, terms.slot)
    return held if s.stage in (Stage.ACTIVE, Stage.REVOKING) else opened


@lru_cache(maxsize=1_024)  # asked for before and after every fact, and always the same for one subscription
def _claimed(tenant: str, account: str, issuer: str, slot: int) -> tuple[frozenset[str], frozenset[str]]:
    """Give what is claimed with a certificate, and while a subscription is open."""
    certificate = joined("certificate", tenant, account, issuer, str(slot))
    return frozenset({certificate}), frozenset({certificate, joined("subscription", tenant, account)})
