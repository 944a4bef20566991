"""Revocation lists from addresses that the configuration names, for authorities whose certificates it names too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import field, frozen
from cryptography import x509

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.revocation import RevocationSource
from qcp_sdk.adapters.shared.x509 import UNREADABLE
from qcp_sdk.errors import ConfigurationError


@frozen
class FixedLists:
    """Implements `RevocationSource` for `authorities`, by certificate (DER): where each one's list is; "" for none.

    Raises:
        ConfigurationError: A certificate cannot be read.
    """

    authorities: Sequence[tuple[bytes, Http | None]]
    _names: dict[x509.Name, bytes] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        try:
            named = {x509.load_der_x509_certificate(one).subject: one for one, _ in self.authorities}
        except UNREADABLE as error:
            raise ConfigurationError("it is no certificate", where="chain", mend="give PEM or DER") from error
        object.__setattr__(self, "_names", named)

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:  # noqa: ARG002
        """Answer none: lists are what was configured."""
        return None

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:  # noqa: ARG002
        """Fetch the issuer's present list; None for another's.

        Raises:
            Unavailable: Its address does not answer.
        """
        for authority, http in self.authorities:
            if authority == issuer and http is not None:
                return http.ask("GET", "", acts=False).body
        return None

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the authority above a certificate; None for a root, and where it is another's."""
        try:
            found = self._names.get(x509.load_der_x509_certificate(certificate).issuer)
        except UNREADABLE:
            return None
        return found if found != certificate else None


@frozen
class FirstOf:
    """Several sources: the first that has an answer gives it."""

    sources: tuple[RevocationSource, ...]

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSPResponse, or None."""
        return _first(one.ocsp(certificate=certificate, issuer=issuer) for one in self.sources)

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        """Give a list, or None."""
        return _first(one.crl(issuer=issuer, certificate=certificate) for one in self.sources)

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the issuing certificate, or None."""
        return _first(one.issuer(certificate=certificate) for one in self.sources)


def _first(answers: Iterable[bytes | None]) -> bytes | None:
    return next((one for one in answers if one is not None), None)
