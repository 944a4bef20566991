"""What a trusted list says, as plain frozen values (ETSI TS 119 612), and whether a qualifier applies.

A criterion answers True, False or None: None when the list asks something that cannot be read here. A qualifier that
takes something away then applies, one that gives something does not: ignorance never passes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, TypeAlias

from attrs import field, frozen

from qcp_sdk.errors import CertificateError
from qcp_sdk.verification import own

_SVC: Final = "http://uri.etsi.org/TrstSvc/Svctype/"
_STATUS: Final = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/"
INFORMATION: Final = "http://uri.etsi.org/TrstSvc/TrustedList/SvcInfoExt/"

CA_QC: Final = f"{_SVC}CA/QC"
"""Issues qualified certificates (TS 119 612 § 5.5.1.1)."""
CA_PKC: Final = f"{_SVC}CA/PKC"
"""Issues certificates that are not qualified (§ 5.5.1.2)."""
QTST: Final = f"{_SVC}TSA/QTST"
"""Issues qualified timestamps (§ 5.5.1.1)."""
_TSA: Final = f"{_SVC}TSA"

GRANTED: Final = f"{_STATUS}granted"
WITHDRAWN: Final = f"{_STATUS}withdrawn"
FOR_SIGNATURES: Final = f"{INFORMATION}ForeSignatures"

EIDAS: Final = datetime(2016, 6, 30, 22, 0, tzinfo=UTC)
"""1 July 2016, midnight in Brussels: before it the statuses of Directive 1999/93/EC counted."""
_BEFORE_EIDAS: Final = frozenset(
    {f"{_STATUS}{word}" for word in ("undersupervision", "supervisionincessation", "accredited")}
)
_NATIONAL: Final = frozenset({f"{_STATUS}{word}" for word in ("recognisedatnationallevel", "setbynationallaw")})


@frozen(kw_only=True)
class CertificateFacts:
    """What qualifiers ask of a certificate."""

    policies: frozenset[str] = frozenset()
    key_usage: frozenset[str] = frozenset()
    """asn1crypto's names: `non_repudiation` …"""
    extended_key_usage: frozenset[str] = frozenset()
    subject_attributes: frozenset[str] = frozenset()


@lru_cache(maxsize=512)
def facts(der: bytes) -> CertificateFacts:
    """Read from a certificate what qualifiers may ask of it.

    Raises:
        CertificateError: It cannot be read.
    """
    try:
        certificate = own.certificate(der)
        usage, extended = certificate.key_usage_value, certificate.extended_key_usage_value
        return CertificateFacts(
            policies=frozenset(one["policy_identifier"].dotted for one in certificate.certificate_policies_value or ()),
            key_usage=frozenset(usage.native) if usage is not None else frozenset(),
            extended_key_usage=frozenset(one.dotted for one in extended or ()),
            subject_attributes=frozenset(pair["type"].dotted for rdn in certificate.subject.chosen for pair in rdn),
        )
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise CertificateError("it is not a certificate that can be read", mend="fetch the list again") from error


@frozen(kw_only=True)
class KeyUsage:
    """Bits that must stand and bits that must not."""

    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()


@frozen(kw_only=True)
class Policies:
    """Certificate policies that must all stand."""

    oids: frozenset[str]


@frozen(kw_only=True)
class ExtendedKeyUsage:
    """Key purposes that must all stand."""

    oids: frozenset[str]


@frozen(kw_only=True)
class SubjectAttributes:
    """Attributes that the subject must all have."""

    oids: frozenset[str]


@frozen(kw_only=True)
class Unreadable:
    """A criterion of a kind that is not known here."""

    name: str


class Assertion(StrEnum):
    """How a list's criteria combine (TS 119 612 § 5.5.9.2.2.1)."""

    ALL = "all"
    AT_LEAST_ONE = "atLeastOne"
    NONE = "none"


@frozen(kw_only=True)
class Criteria:
    """Several criteria as one."""

    assertion: Assertion
    parts: tuple[Criterion, ...]


Criterion: TypeAlias = "KeyUsage | Policies | ExtendedKeyUsage | SubjectAttributes | Unreadable | Criteria"


def holds(criterion: Criterion, of: CertificateFacts) -> bool | None:
    """Say whether the criterion holds of a certificate; None: it cannot be known."""
    match criterion:
        case KeyUsage():
            return criterion.required <= of.key_usage and not criterion.forbidden & of.key_usage
        case Policies():
            return criterion.oids <= of.policies
        case ExtendedKeyUsage():
            return criterion.oids <= of.extended_key_usage
        case SubjectAttributes():
            return criterion.oids <= of.subject_attributes
        case Unreadable():
            return None
        case Criteria(assertion=Assertion.ALL):
            return _all(tuple(holds(part, of) for part in criterion.parts))
        case Criteria(assertion=Assertion.AT_LEAST_ONE):
            return _any(tuple(holds(part, of) for part in criterion.parts))
        case Criteria():
            some = _any(tuple(holds(part, of) for part in criterion.parts))
            return None if some is None else not some


def _all(answers: tuple[bool | None, ...]) -> bool | None:
    if False in answers:
        return False
    return True if answers and None not in answers else None


def _any(answers: tuple[bool | None, ...]) -> bool | None:
    if True in answers:
        return True
    return False if answers and None not in answers else None


@frozen(kw_only=True)
class QualificationElement:
    """Qualifiers (the last word of their URI: `NotQualified` …) for the certificates that meet the criteria."""

    qualifiers: frozenset[str]
    criteria: Criteria


@frozen(kw_only=True)
class Period:
    """What the list says of a service from one instant to another."""

    type: str
    status: str
    starts: datetime
    ends: datetime | None = None
    """None: until now."""
    purposes: frozenset[str] = frozenset()
    """additionalServiceInformation URIs: `…/ForeSignatures` …"""
    qualifications: tuple[QualificationElement, ...] = ()
    incomprehensible: bool = False
    """A critical extension is not known here: nothing may be concluded from this period."""

    def covers(self, at: datetime) -> bool:
        """Say whether this is what the list says of that instant."""
        return self.starts <= at and (self.ends is None or at < self.ends)

    @property
    def status_word(self) -> str:
        """The last word of the status: `granted`, `withdrawn` …"""
        return self.status.rpartition("/")[2]

    @property
    def in_force(self) -> bool:
        """Whether the status means that the service is recognised, by the Union or nationally."""
        if self.incomprehensible:
            return False
        return (
            self.status == GRANTED or self.status in _NATIONAL or (self.status in _BEFORE_EIDAS and self.starts < EIDAS)
        )

    def granted(self, at: datetime) -> bool:
        """Whether the status is that of a qualified service at an instant within the period."""
        return self.in_force and (self.status == GRANTED or (self.status in _BEFORE_EIDAS and at < EIDAS))


@frozen(kw_only=True)
class Service:
    """One trust service, with everything that the list says of it over time, newest first."""

    name: str
    provider: str
    territory: str
    identities: tuple[bytes, ...] = field(repr=False)
    """Its certificates, DER."""
    periods: tuple[Period, ...]

    def at(self, moment: datetime) -> Period | None:
        """Give what the list says of an instant; None before the service was listed."""
        return next((period for period in self.periods if period.covers(moment)), None)

    @property
    def issues_certificates(self) -> bool:
        """Whether it ever was a certification authority."""
        return any(period.type.startswith(f"{_SVC}CA/") for period in self.periods)

    @property
    def stamps_time(self) -> bool:
        """Whether it ever was a time-stamping authority."""
        return any(period.type == _TSA or period.type.startswith(f"{_TSA}/") for period in self.periods)


@frozen(kw_only=True)
class TrustedList:
    """One trusted list whose signature was verified."""

    territory: str
    type: str
    """The URI of its TSLType."""
    operator: str
    sequence: int
    issued_at: datetime
    next_update: datetime | None
    """None: the scheme has ended and its list is closed (TS 119 612 § 5.3.15); it counts as expired."""
    sha256: str
    services: tuple[Service, ...] = field(repr=False)

    def expired(self, now: datetime) -> bool:
        """Whether a newer list should have replaced it."""
        return self.next_update is None or now >= self.next_update

    @property
    def is_test(self) -> bool:
        """Whether its territory is a code that ISO 3166-1 leaves to users (`AA`, `QM`–`QZ`, `XA`–`XZ`, `ZZ`)."""
        code = self.territory
        return code in {"AA", "ZZ"} or ("QM" <= code <= "QZ") or ("XA" <= code <= "XZ")
