"""A signer over a PKCS#11 token. The token's PIN is the installation's, not the signatory's (`CodeSigner`)."""

from __future__ import annotations

from qcp_sdk.adapters.shared.code_signer import CodeSigner


class Pkcs11Signer(CodeSigner):
    """Implements the `Signer` port for every certificate of a `Pkcs11Token`."""
