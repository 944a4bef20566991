"""Reading a signed PDF: the level that each signature reached, by the trusted lists, and why.

    trust = TrustStore.load(Path("trust"))
    report = verify(Path("contract-signed.pdf"), trust=trust, now=clock.now())
    report.signatures[0].level_reached            # SignatureLevel.NIVEAU_3
    json.dumps(report.to_json())

Importing this loads attrs and asn1crypto; pyHanko is loaded by the first `verify`, signxml by the first list read.
"""

from qcp_sdk.verification.report import (
    Changes,
    Indication,
    ListOfListsUsed,
    ListUsed,
    Qualification,
    QualifiedAt,
    Reason,
    Report,
    SignatureReport,
    TimeSource,
    TimestampKind,
    TimestampReport,
)
from qcp_sdk.verification.revocation import RevocationSource
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

__all__ = [
    "Changes",
    "Indication",
    "ListOfListsUsed",
    "ListUsed",
    "Qualification",
    "QualifiedAt",
    "Reason",
    "Report",
    "RevocationSource",
    "SignatureReport",
    "TimeSource",
    "TimestampKind",
    "TimestampReport",
    "TrustStore",
    "verify",
]
