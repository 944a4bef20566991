"""Remote signing and issuance over the API of the Cloud Signature Consortium (v1.0.4, v2 and v2.2).

`CscClient` speaks the API; `CscSigner`, `CscTimestamps` and `CscAuthority` are our ports over it.
"""

from qcp_sdk.adapters.csc.access import Access, ClientCredentials, Fixed, Login, OAuth, Token
from qcp_sdk.adapters.csc.authority import CscAuthority
from qcp_sdk.adapters.csc.client import CscClient
from qcp_sdk.adapters.csc.shapes import (
    Authentication,
    Authorization,
    AuthorizationPending,
    CredentialInfo,
    Factor,
    ServiceInfo,
    SignaturesPending,
)
from qcp_sdk.adapters.csc.signer import CscSigner
from qcp_sdk.adapters.csc.timestamps import CscTimestamps

__all__ = [
    "Access",
    "Authentication",
    "Authorization",
    "AuthorizationPending",
    "ClientCredentials",
    "CredentialInfo",
    "CscAuthority",
    "CscClient",
    "CscSigner",
    "CscTimestamps",
    "Factor",
    "Fixed",
    "Login",
    "OAuth",
    "ServiceInfo",
    "SignaturesPending",
    "Token",
]
