"""A trust centre in a folder: authorities, remote signing, timestamps and revocation, with real cryptography.

Its certificates say TEST in every subject and issuer name; nothing outside trusts them, and nothing should.
"""

from qcp_sdk.adapters.local_trust_centre.authority import LocalAuthority
from qcp_sdk.adapters.local_trust_centre.centre import CentreCertificates, LocalTrustCentre, Operator
from qcp_sdk.adapters.local_trust_centre.signer import LocalSigner
from qcp_sdk.adapters.local_trust_centre.timestamps import LocalTimestamps

__all__ = [
    "CentreCertificates",
    "LocalAuthority",
    "LocalSigner",
    "LocalTimestamps",
    "LocalTrustCentre",
    "Operator",
]
