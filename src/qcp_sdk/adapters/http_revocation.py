"""Revocation data from where certificates say that they are: OCSP, revocation lists, issuers (RFC 5280, RFC 6960)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from qcp_sdk.adapters.shared.fetching import Fetcher
from qcp_sdk.adapters.shared.x509 import UNREADABLE
from qcp_sdk.errors import PortError, Unavailable

_T = TypeVar("_T")

LARGEST_OCSP: Final = 100_000
LARGEST_ISSUER: Final = 100_000
_ADDRESSES: Final = 3
"""Of each kind in one certificate: the others are passed over."""


class HttpRevocation:
    """Asks the addresses in certificates, through a bounded `Fetcher`; implements `RevocationSource`.

    OCSP answers are not kept: what goes into a document must not be older than its signature. Revocation lists and
    issuers' certificates are kept for `keep`. Where every address fails it is `Unavailable`, where there is none,
    None. The answer is not believed here: whoever uses it verifies it.
    """

    def __init__(self, fetcher: Fetcher | None = None, *, keep: timedelta = timedelta(minutes=5)) -> None:
        self._fetcher = fetcher or Fetcher()
        self._keep = keep

    def __repr__(self) -> str:
        return f"HttpRevocation({self._fetcher!r})"

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSPResponse for the certificate, or None where it names no responder.

        Raises:
            Unavailable: No responder that it names answers.
        """
        subject = _loaded(certificate)
        addresses = _access(subject, AuthorityInformationAccessOID.OCSP)
        if not addresses:
            return None
        try:
            # SHA-1 only names the issuer here; responders know little else (RFC 6960 § 4.3, [known]).
            builder = ocsp.OCSPRequestBuilder().add_certificate(subject, _loaded(issuer), hashes.SHA1())  # noqa: S303
            request = builder.build().public_bytes(Encoding.DER)
        except UNREADABLE as error:
            raise Unavailable("no question can be made about this certificate") from error
        return _first(
            addresses,
            lambda address: _whole(
                self._fetcher.post(address, request, content_type="application/ocsp-request", most=LARGEST_OCSP)
            ),
        )

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:  # noqa: ARG002  # see below
        """Give the list that `certificate` names, or None where it names none.

        A list's address stands in the certificates that it speaks of, not in their issuer's.

        Raises:
            Unavailable: No address that it names answers.
        """
        if certificate is None:
            return None
        addresses = _distribution_points(_loaded(certificate))
        if not addresses:
            return None
        return _first(addresses, lambda address: _der(self._fetcher.get(address, keep=self._keep)))

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the certificate that issued this one, or None for a root, or where it does not say where it is.

        Raises:
            Unavailable: No address that it names answers.
        """
        subject = _loaded(certificate)
        addresses = _access(subject, AuthorityInformationAccessOID.CA_ISSUERS)
        if subject.issuer == subject.subject or not addresses:
            return None
        return _first(
            addresses,
            lambda address: _issuing(self._fetcher.get(address, most=LARGEST_ISSUER, keep=self._keep), subject),
        )


def _first(addresses: Iterable[str], ask: Callable[[str], _T]) -> _T:
    failure: Exception | None = None
    for address in addresses:
        try:
            return ask(address)
        except (PortError, *UNREADABLE) as error:
            failure = error
    raise Unavailable("no address that the certificate names answers", mend="ask again later") from failure


def _loaded(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise Unavailable("the certificate cannot be read") from error


def _access(certificate: x509.Certificate, kind: x509.ObjectIdentifier) -> list[str]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except UNREADABLE:
        return []
    return _web(one.access_location for one in access if one.access_method == kind)


def _distribution_points(certificate: x509.Certificate) -> list[str]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except UNREADABLE:
        return []
    return _web(name for point in points for name in point.full_name or ())


def _web(names: Iterable[x509.GeneralName]) -> list[str]:
    found = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return [one for one in found if one.lower().startswith(("http://", "https://"))][:_ADDRESSES]


def _whole(answer: bytes) -> bytes:
    if ocsp.load_der_ocsp_response(answer).response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Unavailable("the responder does not answer the question")
    return answer


def _der(content: bytes) -> bytes:
    armoured = content.lstrip().startswith(b"-----BEGIN")
    found = x509.load_pem_x509_crl(content) if armoured else x509.load_der_x509_crl(content)
    return found.public_bytes(Encoding.DER)


def _issuing(content: bytes, subject: x509.Certificate) -> bytes:
    """Find the issuer in what was fetched: one certificate, or a bag of them (RFC 5280 § 4.2.2.1)."""
    if content.lstrip().startswith(b"-----BEGIN"):
        found = x509.load_pem_x509_certificates(content)
    else:
        try:
            found = [x509.load_der_x509_certificate(content)]
        except UNREADABLE:
            found = pkcs7.load_der_pkcs7_certificates(content)
    issuer = next((one for one in found if one.subject == subject.issuer), None)
    if issuer is None:
        raise Unavailable("what is there is not the issuer")
    return issuer.public_bytes(Encoding.DER)
