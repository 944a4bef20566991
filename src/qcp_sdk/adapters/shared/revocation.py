"""Where the proof that a certificate was not revoked comes from."""

from __future__ import annotations

from typing import Protocol


class RevocationSource(Protocol):
    """Gives revocation data for a certificate; DER in and out, no network type in between."""

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSPResponse (RFC 6960) for the certificate, or None where its issuer answers none."""

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        """Give the issuer's present CertificateList (RFC 5280 § 5), or None where it publishes none.

        `certificate` is whom it shall speak of: that is where the addresses of lists stand.
        """

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the certificate that issued this one (AIA caIssuers), or None for a root or an unknown one."""
