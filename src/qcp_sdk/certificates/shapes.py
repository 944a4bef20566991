"""What an X.509 certificate says, and what is known about its status, as values."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from qcp_sdk.levels import POLICY_OIDS, CertificateLevel
from qcp_sdk.values import EmailAddress, Fingerprint, PersonName, PhoneNumber


class StatusKind(StrEnum):
    """What the issuer said of a certificate. Expiry is not a status: it is read from the certificate."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class CertificateStatus:
    """What the issuer said of a certificate, and when it was asked."""

    kind: StatusKind
    checked_at: datetime
    revoked_at: datetime | None = None
    reason: str = ""


@frozen(kw_only=True)
class QcStatements:
    """The statements of ETSI EN 319 412-5 § 4 that a certificate makes. Absent means not stated."""

    compliance: bool = False
    """QcCompliance, § 4.2.1: issued as a qualified certificate."""
    qscd: bool = False
    """QcSSCD, § 4.2.2: the private key is in a qualified device."""
    types: tuple[str, ...] = ()
    """QcType, § 4.2.3, as dotted identifiers; `0.4.0.1862.1.6.1` is eSignature."""
    legislation: tuple[str, ...] = ()
    """QcCClegislation, § 4.2.4: countries; absent for the European Union."""
    disclosure: tuple[tuple[str, str], ...] = ()
    """QcPDS, § 4.3.4: (language, https address) of each disclosure statement."""
    others: tuple[str, ...] = ()
    """Statements that are not read here, as dotted identifiers."""


QC_TYPE_ESIGN = "0.4.0.1862.1.6.1"
QC_TYPE_ESEAL = "0.4.0.1862.1.6.2"


@frozen(kw_only=True)
class Certificate:
    """What one X.509 certificate says of itself."""

    der: bytes = field(repr=False)
    fingerprint: Fingerprint
    serial: int
    issuer: str
    """The issuer's distinguished name, RFC 4514."""
    issuer_organisation: str = ""
    subject: str = field(repr=False)
    """The subject's distinguished name, RFC 4514."""
    name: PersonName | None = None
    """givenName and surname, when both are there."""
    common_name: str = field(default="", repr=False)
    subject_serial: str = field(default="", repr=False)
    """serialNumber of the subject, EN 319 412-1 § 5.1.3, for example `IDCFR-…`."""
    country: str = ""
    emails: tuple[EmailAddress, ...] = ()
    policies: tuple[str, ...] = ()
    qc: QcStatements = QcStatements()
    key_usage: frozenset[str] = frozenset()
    """asn1crypto's names: `digital_signature`, `non_repudiation` …"""
    not_before: datetime
    not_after: datetime
    is_ca: bool = False

    @property
    def level(self) -> CertificateLevel | None:
        """The highest level that its policies *and* its statements support, or None.

        A qualified level needs the policy (EN 319 411-2 § 5.3), QcCompliance and QcType esign
        (EN 319 412-5 § 4.2.1, § 4.2.3); with QSCD it needs QcSSCD too. A qualified policy without the
        statements is worth NCP, on which QCP-n builds.
        """
        stated = {POLICY_OIDS[oid] for oid in self.policies if oid in POLICY_OIDS}
        if not stated:
            return None
        highest = max(stated)
        qualified = self.qc.compliance and QC_TYPE_ESIGN in self.qc.types
        if highest is CertificateLevel.QCP_N_QSCD and not (qualified and self.qc.qscd):
            highest = CertificateLevel.QCP_N
        if highest is CertificateLevel.QCP_N and not qualified:
            highest = CertificateLevel.NCP
        return highest


@frozen(kw_only=True)
class Holding:
    """A certificate that somebody holds, with what its issuer registered and last said of it."""

    certificate: Certificate
    status: CertificateStatus
    email: EmailAddress | None = None
    """The address registered with the issuer (it may also stand in the certificate)."""
    mobile: PhoneNumber | None = None
    """The mobile registered with the issuer; X.509 does not carry one."""


def fingerprint(der: bytes) -> Fingerprint:
    """Give the name by which a certificate is known here: SHA-256 of its DER."""
    return Fingerprint(hashlib.sha256(der).hexdigest())
