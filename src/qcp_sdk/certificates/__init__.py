"""What an X.509 certificate says, and what is known about its status.

Reading is pure: DER or PEM in, a frozen `Certificate` out. Nothing here trusts anything: whether the issuer is
recognised is for the policy and for the trusted lists.
"""

from qcp_sdk.certificates.conformity import conformity
from qcp_sdk.certificates.reading import read
from qcp_sdk.certificates.shapes import (
    QC_TYPE_ESEAL,
    QC_TYPE_ESIGN,
    Certificate,
    CertificateStatus,
    Holding,
    QcStatements,
    StatusKind,
    fingerprint,
)

__all__ = [
    "QC_TYPE_ESEAL",
    "QC_TYPE_ESIGN",
    "Certificate",
    "CertificateStatus",
    "Holding",
    "QcStatements",
    "StatusKind",
    "conformity",
    "fingerprint",
    "read",
]
