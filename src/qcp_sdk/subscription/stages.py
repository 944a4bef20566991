"""Stages of a subscription, its two plans, and the ways it can end. Values are stored: never rename one."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Plan(StrEnum):
    """Who does what between the consents and the certificate (behaviour § 1)."""

    ASSEMBLED = "assembled"
    """Our ports do each part: identity, request, sealing, authority."""
    HOSTED = "hosted"
    """The trust provider does it all on its own pages, behind one address."""


class Stage(StrEnum):
    """Where a subscription stands."""

    VERIFYING_EMAIL = "verifying_email"
    HOLDING_FUNDS = "holding_funds"
    CONFIRMING_DETAILS = "confirming_details"
    CONSENTING = "consenting"
    OPENING_IDENTITY = "opening_identity"
    PROVING_IDENTITY = "proving_identity"
    CONFIRMING_IDENTITY = "confirming_identity"
    PREPARING_REQUEST = "preparing_request"
    READING_REQUEST = "reading_request"
    SIGNING_REQUEST = "signing_request"
    SEALING_REQUEST = "sealing_request"
    AWAITING_CERTIFICATE = "awaiting_certificate"
    OPENING_REGISTRATION = "opening_registration"
    REGISTERING = "registering"
    ACTIVE = "active"
    REVOKING = "revoking"
    REVOKED = "revoked"
    EXPIRED = "expired"
    CLOSED = "closed"


FINAL: Final = frozenset({Stage.REVOKED, Stage.EXPIRED, Stage.CLOSED})
"""Stages that nothing leaves."""


class Ending(StrEnum):
    """Why a subscription closed without a certificate, or why its certificate is being revoked."""

    TOO_MANY_CODES = "too_many_codes"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    DETAILS_WRONG = "details_wrong"
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    IDENTITY_MISMATCH = "identity_mismatch"
    IDENTITY_REFUSED = "identity_refused"
    IDENTITY_CONTESTED = "identity_contested"
    TOO_MANY_RETRIES = "too_many_retries"
    PROOFING_TOO_LOW = "proofing_too_low"
    FRAUD_SUSPECTED = "fraud_suspected"
    NO_DOCUMENT = "no_document"
    REQUEST_REJECTED = "request_rejected"
    SEAL_REFUSED = "seal_refused"
    CA_REFUSED = "ca_refused"
    CERTIFICATE_NOT_CONFORMING = "certificate_not_conforming"
    REGISTRATION_UNAVAILABLE = "registration_unavailable"
    REGISTRATION_REFUSED = "registration_refused"
    REGISTRATION_EXPIRED = "registration_expired"
    ACCOUNT_CHANGED = "account_changed"
    LCP_REVOKED = "lcp_revoked"
    CANCELLED = "cancelled"
    DEADLINE_PASSED = "deadline_passed"
    REQUESTED_BY_HOLDER = "requested_by_holder"
    """Only a cause of revoking: the holder asked for it (feature A5)."""
    ORDERED_BY_HOST = "ordered_by_host"
    REVOKED_BY_ISSUER = "revoked_by_issuer"
