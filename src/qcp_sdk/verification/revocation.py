"""Revocation data for a verification: what the document brings, the trust directory's lists, and a source, if given."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

from attrs import field, frozen

from qcp_sdk.errors import PortError
from qcp_sdk.verification import own
from qcp_sdk.verification.errors_border import foreign

if TYPE_CHECKING:
    from asn1crypto import x509  # type: ignore[import-untyped]
    from pyhanko.pdf_utils.reader import PdfFileReader

MOST: Final = 500
"""Of each kind in one document: a document that brings more is not made for being verified."""


MOST_ASKED: Final = 20
"""Certificates of one document about which a source is asked: whoever made it chose whom we ask."""
LONGEST_ASKING: Final = 60.0
"""Seconds for one document, after which nothing more is asked."""


class RevocationSource(Protocol):
    """Gives revocation data for a certificate; DER in and out. `adapters.shared.revocation` has the same shape."""

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        """Give an OCSPResponse (RFC 6960) for the certificate, or None where its issuer answers none."""

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        """Give the issuer's present CertificateList (RFC 5280 § 5), or None where it publishes none.

        `certificate` is whom it shall speak of: that is where the addresses of lists stand.
        """

    def issuer(self, *, certificate: bytes) -> bytes | None:
        """Give the certificate that issued this one, or None for a root or an unknown one."""


@frozen(kw_only=True)
class Knowledge:
    """Certificates, OCSP answers and revocation lists at hand, DER. Nothing of it is trusted yet."""

    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    ocsps: tuple[bytes, ...] = field(default=(), repr=False)
    crls: tuple[bytes, ...] = field(default=(), repr=False)
    silent: bool = False
    """A source was asked and could not answer."""

    def plus(self, other: Knowledge) -> Knowledge:
        """Give both together, each thing once."""
        return Knowledge(
            certificates=tuple(dict.fromkeys((*self.certificates, *other.certificates))),
            ocsps=tuple(dict.fromkeys((*self.ocsps, *other.ocsps))),
            crls=tuple(dict.fromkeys((*self.crls, *other.crls))),
            silent=self.silent or other.silent,
        )


def in_document(reader: PdfFileReader) -> Knowledge:
    """Give what the document security store holds (EN 319 142-1 § 5.4.2); nothing where there is none.

    Read here, because pyHanko's own reader parses every certificate, and one that is broken hides all others.
    """
    if "/DSS" not in reader.root:
        return Knowledge()
    store = reader.root["/DSS"]

    def held(kind: str) -> tuple[bytes, ...]:
        return tuple(bytes(one.get_object().data) for one in list(store.get(kind, ()))[:MOST])

    return Knowledge(certificates=held("/Certs"), ocsps=held("/OCSPs"), crls=held("/CRLs"))


def asked(
    source: RevocationSource,
    leaves: Iterable[x509.Certificate],
    pool: Iterable[x509.Certificate],
    listed: Collection[bytes],
) -> Knowledge:
    """Ask a source about each of these certificates and those above them, up to a listed one.

    All leaves come before what is above them. Issuers are in the pool, or the source knows them.

    An issuer is who bears the name and whose key verifies the certificate; of several, the first in the pool.

    No more than `MOST_ASKED` certificates and `LONGEST_ASKING` seconds: what is left out counts as silence.
    """
    ends = frozenset(listed)
    known: dict[str, dict[bytes, None]] = {}  # whoever made the document may bring others of the same name
    for one in pool:
        known.setdefault(one.subject.hashable, {})[one.dump()] = None
    certificates: list[bytes] = []
    ocsps: list[bytes] = []
    crls: list[bytes] = []
    silent = False
    until = time.monotonic() + LONGEST_ASKING
    waiting = deque(leaves)
    seen = {one.dump() for one in waiting}
    for number in count():
        if not waiting:
            break
        leaf = waiting.popleft()
        if number >= MOST_ASKED or time.monotonic() > until:
            silent = True
            break
        try:
            der = leaf.dump()
            above = (one for one in known.get(leaf.issuer.hashable, ()) if _issued(der, one))
            issuer = next(above, None) or source.issuer(certificate=der)
            if issuer is None or issuer == der:
                continue
            certificates.append(issuer)
            if not ends & {der, issuer} and issuer not in seen and _issued(der, issuer) and _readable(issuer):
                seen.add(issuer)
                waiting.append(own.certificate(issuer))
            answer = source.ocsp(certificate=der, issuer=issuer)
            if answer is not None:
                ocsps.append(answer)
                continue
            revoked = source.crl(issuer=issuer, certificate=der)
            if revoked is not None:
                crls.append(revoked)
        except PortError:
            silent = True
    return Knowledge(certificates=tuple(certificates), ocsps=tuple(ocsps), crls=tuple(crls), silent=silent)


def _readable(certificate: bytes) -> bool:
    try:
        own.certificate(certificate).issuer.hashable  # noqa: B018
    except foreign():
        return False
    return True


def _issued(certificate: bytes, issuer: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import load_der_x509_certificate

    others: tuple[type[Exception], ...] = (InvalidSignature, *foreign())
    try:
        load_der_x509_certificate(certificate).verify_directly_issued_by(load_der_x509_certificate(issuer))
    except others:
        return False
    return True
