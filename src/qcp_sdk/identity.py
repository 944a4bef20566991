"""What an identity provider read from a document, as values. Images and biometrics are never received (C3)."""

from __future__ import annotations

from datetime import date
from enum import IntEnum, StrEnum

from attrs import frozen

from qcp_sdk.values import BirthDate, PersonName


class DocumentKind(StrEnum):
    """Documents that the journey accepts (feature C2)."""

    IDENTITY_CARD = "identity_card"
    PASSPORT = "passport"
    RESIDENCE_PERMIT = "residence_permit"


class Proofing(IntEnum):
    """Level of identity proofing of ETSI TS 119 461: baseline (V1.1.1) and extended (V2.1.1, Annex C)."""

    NONE = 0
    BASELINE = 1
    EXTENDED = 2


@frozen(kw_only=True)
class ProvenIdentity:
    """The data read from an identity document by a provider that vouches for them."""

    name: PersonName
    birth_date: BirthDate
    document: DocumentKind
    issuing_country: str
    """ISO 3166-1 alpha-2."""
    valid_until: date | None = None


@frozen(kw_only=True)
class IdentityEvidence:
    """Where the provider keeps its proof file, and what it is worth."""

    provider: str
    reference: str
    proofing: Proofing
