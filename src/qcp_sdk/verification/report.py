"""What a verification found, as plain frozen values. `Report.to_json()` is what `verification.json` holds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.values import ContentHash, Fingerprint
from qcp_sdk.verification.texts import say

SCHEMA = 1
"""The version of the JSON form; keys are added under one version, never renamed."""


class Indication(StrEnum):
    """The main status of ETSI EN 319 102-1 § 5.1.3."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    INDETERMINATE = "INDETERMINATE"


class Qualification(StrEnum):
    """What the signature is under eIDAS (ETSI TS 119 172-4 § 4.4, in the words of the EU validator)."""

    QESIG = "QESig"
    """Qualified: a certificate qualified for eSignature whose key is in a QSCD."""
    ADESIG_QC = "AdESig-QC"
    """Advanced, based on a certificate qualified for eSignature: niveau 3."""
    ADESIG = "AdESig"
    """Advanced, with a certificate that is not qualified for eSignature."""
    NONE = "N/A"
    """Not shown to be an advanced signature of a person."""


class TimeSource(StrEnum):
    """How the best signature time is known (EN 319 102-1 § 5.5)."""

    SIGNATURE_TIMESTAMP = "signature_timestamp"
    DOCUMENT_TIMESTAMP = "document_timestamp"
    VERIFICATION = "verification"
    """No valid timestamp: the signature certainly exists now, and nothing proves more."""


class Changes(StrEnum):
    """The most serious kind of change that was made to the document after it was signed."""

    NONE = "none"
    VALIDATION_DATA = "validation_data"
    """A document security store or a document timestamp."""
    SIGNATURES_OR_FORMS = "signatures_or_forms"
    ANNOTATIONS = "annotations"
    CONTENT = "content"
    """Something that no one may change: the signature does not vouch for what is shown."""
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Reason:
    """One thing that explains a verdict: a stable identifier, with its text in each language."""

    id: str
    details: tuple[tuple[str, str], ...] = ()

    def text(self, language: str) -> str:
        """Say it in `fr` or `en`."""
        return say(self.id, language, **dict(self.details))

    def to_json(self) -> dict[str, object]:
        """Give id, French and English text."""
        return {"id": self.id, "fr": self.text("fr"), "en": self.text("en")}


def reason(id: str, **details: str) -> Reason:
    """Make a reason; the details fill the braces of its text, `date` being an ISO 8601 instant."""
    return Reason(id=id, details=tuple(sorted(details.items())))


class TimestampKind(StrEnum):
    """What a timestamp is over."""

    SIGNATURE = "signature"
    DOCUMENT = "document"


@frozen(kw_only=True)
class TimestampReport:
    """One RFC 3161 timestamp. `time` is what it says; believe it only when `indication` is PASSED."""

    kind: TimestampKind
    time: datetime
    authority: str
    """The time-stamping unit's common name."""
    indication: Indication
    sub_indication: str = ""
    qualified: bool = False
    """By a qualified service (TSA/QTST, granted on a trusted list) at that time."""
    reasons: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "kind": self.kind.value,
            "time": self.time.isoformat(),
            "authority": self.authority,
            "indication": self.indication.value,
            "sub_indication": self.sub_indication or None,
            "qualified": self.qualified,
            "reasons": [one.to_json() for one in self.reasons],
        }


@frozen(kw_only=True)
class QualifiedAt:
    """What the trusted lists say of the certificate at one instant (TS 119 615 § 4.4 and § 4.5)."""

    at: datetime
    qualified: bool
    """Qualified for electronic signatures."""
    qscd: bool
    """And its key is in a qualified device."""
    service: str = ""
    territory: str = ""
    reasons: tuple[Reason, ...] = ()
    """Why it is not qualified."""

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "at": self.at.isoformat(),
            "qualified": self.qualified,
            "qscd": self.qscd,
            "service": self.service or None,
            "territory": self.territory or None,
            "reasons": [one.to_json() for one in self.reasons],
        }


@frozen(kw_only=True)
class SignatureReport:
    """One signature of the document, and the level that it reached."""

    field_name: str
    """The name of the signature field."""
    indication: Indication
    sub_indication: str = ""
    """A word of EN 319 102-1 § 5.1.3, for example `REVOKED_NO_POE`; empty when PASSED."""
    qualification: Qualification = Qualification.NONE
    level_reached: SignatureLevel | None = None
    """None: not even a simple signature can be relied upon."""
    signer: str = field(default="", repr=False)
    """The name in the certificate. Established only when PASSED."""
    certificate: Fingerprint | None = None
    certificate_level: CertificateLevel | None = None
    """What the certificate says of itself; the trusted list has the last word."""
    issuer: str = ""
    at_issuance: QualifiedAt | None = None
    """When the certificate was issued; None where no path leads to a list."""
    at_signing: QualifiedAt | None = None
    """At the best signature time; the same."""
    format: str = ""
    """`PAdES-B-B`, `-B-T`, `-B-LT`, `-B-LTA`, or `CMS` for a signature that is not PAdES."""
    best_signature_time: datetime | None = None
    time_source: TimeSource = TimeSource.VERIFICATION
    claimed_time: datetime | None = None
    """What the signer's own computer wrote. Proves nothing."""
    covers_whole_document: bool = False
    changes: Changes = Changes.UNKNOWN
    later_revisions: int = 0
    trust_path: tuple[str, ...] = ()
    """Names of the certificates above the signer's, its issuer first, the listed service's last."""
    timestamps: tuple[TimestampReport, ...] = ()
    reasons: tuple[Reason, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "field": self.field_name,
            "level_reached": self.level_reached.name if self.level_reached else None,
            "indication": self.indication.value,
            "sub_indication": self.sub_indication or None,
            "qualification": self.qualification.value,
            "signer": self.signer or None,
            "certificate": self.certificate,
            "certificate_level": self.certificate_level.name if self.certificate_level else None,
            "issuer": self.issuer or None,
            "at_issuance": self.at_issuance.to_json() if self.at_issuance else None,
            "at_signing": self.at_signing.to_json() if self.at_signing else None,
            "format": self.format or None,
            "best_signature_time": self.best_signature_time.isoformat() if self.best_signature_time else None,
            "time_source": self.time_source.value,
            "claimed_time": self.claimed_time.isoformat() if self.claimed_time else None,
            "covers_whole_document": self.covers_whole_document,
            "changes": self.changes.value,
            "later_revisions": self.later_revisions,
            "trust_path": list(self.trust_path),
            "timestamps": [one.to_json() for one in self.timestamps],
            "reasons": [one.to_json() for one in self.reasons],
        }


@frozen(kw_only=True)
class ListUsed:
    """A trusted list that was at hand. One that is `expired` was left out of every judgement."""

    territory: str
    operator: str
    sequence: int
    issued_at: datetime
    next_update: datetime
    sha256: str
    expired: bool

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "territory": self.territory,
            "operator": self.operator,
            "sequence": self.sequence,
            "issued_at": self.issued_at.isoformat(),
            "next_update": self.next_update.isoformat(),
            "sha256": self.sha256,
            "expired": self.expired,
        }


@frozen(kw_only=True)
class ListOfListsUsed(ListUsed):
    """The list of lists through which the lists were found. Where it is `expired`, so are they all."""

    signed_by: Fingerprint
    """The certificate that verified it."""
    pinned_on_first_use: bool
    """True: that certificate was taken from the list itself, and nobody compared it with the Official Journal."""

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        own = {"signed_by": self.signed_by, "pinned_on_first_use": self.pinned_on_first_use}
        return {**ListUsed.to_json(self), **own}


@frozen(kw_only=True)
class Report:
    """What was found in one document, at one moment, by one set of trusted lists."""

    document: ContentHash
    verified_at: datetime
    trust_snapshot: str
    """SHA-256 over the trusted lists that were at hand: the same name, the same lists."""
    lists: tuple[ListUsed, ...] = ()
    list_of_lists: ListOfListsUsed | None = None
    """None where the lists were given one by one."""
    signatures: tuple[SignatureReport, ...] = ()
    """In the order in which they were applied."""
    timestamps: tuple[TimestampReport, ...] = ()
    """Document timestamps."""
    reasons: tuple[Reason, ...] = ()

    @property
    def level_reached(self) -> SignatureLevel | None:
        """The level of the weakest signature; None when there is none, or one that reaches none."""
        return weakest(one.level_reached for one in self.signatures)

    def to_json(self) -> dict[str, object]:
        """Give the JSON form: nothing but dictionaries, lists, text, numbers, booleans and None."""
        return {
            "schema": SCHEMA,
            "document": self.document,
            "verified_at": self.verified_at.isoformat(),
            "trust_snapshot": self.trust_snapshot,
            "lists": [one.to_json() for one in self.lists],
            "list_of_lists": self.list_of_lists.to_json() if self.list_of_lists else None,
            "level_reached": self.level_reached.name if self.level_reached else None,
            "signatures": [one.to_json() for one in self.signatures],
            "timestamps": [one.to_json() for one in self.timestamps],
            "reasons": [one.to_json() for one in self.reasons],
        }


def weakest(levels: Iterable[SignatureLevel | None]) -> SignatureLevel | None:
    """Give the lowest level, None being lower than any, and the answer to nothing."""
    found = list(levels)
    present = [level for level in found if level is not None]
    return min(present) if found and len(present) == len(found) else None
