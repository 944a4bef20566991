"""Signatories' keys in a PKCS#11 token: an HSM of the host's own, activated by codes that the SDK sends."""

from qcp_sdk.adapters.pkcs11_signer.signer import Pkcs11Signer
from qcp_sdk.adapters.pkcs11_signer.token import Pkcs11Token

__all__ = ["Pkcs11Signer", "Pkcs11Token"]
