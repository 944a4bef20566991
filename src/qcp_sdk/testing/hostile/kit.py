"""An authority that a trust store knows, people with certificates of it, and documents that they sign."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Final

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from qcp_sdk.verification.services import CA_QC, FOR_SIGNATURES, GRANTED, Period, Service, TrustedList
from qcp_sdk.verification.trust import TrustStore

if TYPE_CHECKING:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

NOW: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
QCP_N: Final = "0.4.0.194112.1.0"
_QC_STATEMENTS: Final = "1.3.6.1.5.5.7.1.3"
COMPLIANCE: Final = "0.4.0.1862.1.1"
QSCD: Final = "0.4.0.1862.1.4"
TYPE: Final = "0.4.0.1862.1.6"
ESIGN: Final = "0.4.0.1862.1.6.1"


def oid(dotted: str) -> bytes:
    """Encode an object identifier."""
    from asn1crypto import core  # type: ignore[import-untyped]

    return bytes(core.ObjectIdentifier(dotted).dump())


def der(tag: int, *parts: bytes) -> bytes:
    """Encode a value from its parts."""
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def statement(identifier: str, *info: bytes) -> bytes:
    """Encode one QCStatement."""
    return der(0x30, oid(identifier), *info)


def esign(*types: str) -> bytes:
    """Encode a QcType statement."""
    return statement(TYPE, der(0x30, *(oid(one) for one in types or (ESIGN,))))


@frozen(kw_only=True)
class Signatory:
    """Somebody with a key and a certificate."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)
    """DER, their own first."""


class Kit:
    """Makes signatories and documents; its keys are its own."""

    def __init__(self) -> None:
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca = self._issue("TEST hostile CA", self.ca_key, authority=True)
        self.honest = self.signatory()

    def signatory(
        self,
        name: str = "Jeanne Moreau",
        *,
        statements: Sequence[bytes] | None = None,
        raw: bytes | None = None,
        days: int = 1_000,
        self_signed: bool = False,
    ) -> Signatory:
        """Give somebody with a QCP-n certificate; `raw` replaces the value of its QCStatements extension."""
        key = ec.generate_private_key(ec.SECP256R1())
        value = raw if raw is not None else der(0x30, *(statements or (statement(COMPLIANCE), esign())))
        certificate = self._issue(name, key, qc=value, days=days, by=key if self_signed else None)
        chain = (_der(certificate),) if self_signed else (_der(certificate), _der(self.ca))
        return Signatory(key=key, chain=chain)

    def sign(
        self,
        pdf: bytes,
        who: Signatory | None = None,
        *,
        name: str = "one",
        box: tuple[int, int, int, int] | None = None,
        shows: bytes = b"",
    ) -> bytes:
        """Sign as PAdES B-B; with a `box` visibly there on the first page, `shows` being a page of that size (PDF)."""
        from qcp_sdk.adapters.shared import pades
        from qcp_sdk.adapters.shared.keystore import sign_digest

        signing = who or self.honest
        return pades.sign(
            pdf=pdf,
            name=name,
            signing=lambda digest: sign_digest(signing.key, digest),
            chain=signing.chain,
            algorithm="sha256_ecdsa",
            at=NOW - timedelta(hours=1),
            clock=_Clock(),
            stamp=None if box is None else pades.Stamp(page=0, box=box, pdf=shows),
        )

    def signed(self) -> bytes:
        """Give a document that is in order."""
        return self.sign(plain())

    def crl(self, *revoked: Signatory) -> bytes:
        """Give the authority's list, DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.ca.subject)
            .last_update(NOW - timedelta(hours=2))
            .next_update(NOW + timedelta(days=7))
        )
        for one in revoked:
            serial = x509.load_der_x509_certificate(one.chain[0]).serial_number
            when = NOW - timedelta(days=1)
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.ca_key, hashes.SHA256()).public_bytes(Encoding.DER)

    def trust(self) -> TrustStore:
        """Give a store that trusts the authority for qualified certificates, and knows that nobody is revoked."""
        since = NOW - timedelta(days=2_000)
        period = Period(type=CA_QC, status=GRANTED, starts=since, purposes=frozenset({FOR_SIGNATURES}))
        service = Service(
            name="TEST hostile CA", provider="TEST", territory="ZZ", identities=(_der(self.ca),), periods=(period,)
        )
        return TrustStore(
            lists=(
                TrustedList(
                    territory="ZZ",
                    type="",
                    operator="TEST",
                    sequence=1,
                    issued_at=NOW - timedelta(days=1),
                    next_update=NOW + timedelta(days=30),
                    sha256="00" * 32,
                    services=(service,),
                ),
            ),
            crls=(self.crl(),),
        )

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        qc: bytes | None = None,
        days: int = 1_000,
        by: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        subject = _name(name, organisation="TEST" if authority else "")
        issuer = subject if authority or by is not None else self.ca.subject
        start = NOW - timedelta(days=1_500)
        usage = dict.fromkeys(_USAGES, False) | (
            {"key_cert_sign": True, "crl_sign": True} if authority else {"content_commitment": True}
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=3_000 if authority else 1_500 + days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if not authority:
            policies = [x509.PolicyInformation(x509.ObjectIdentifier(QCP_N), None)]
            builder = builder.add_extension(x509.CertificatePolicies(policies), critical=False)
        if qc is not None:
            extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(_QC_STATEMENTS), qc)
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(by or self.ca_key, hashes.SHA256())


_USAGES: Final = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def _name(common: str, *, organisation: str) -> x509.Name:
    parts = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.COMMON_NAME, common)]
    given, _, last = common.partition(" ")
    parts += [(NameOID.ORGANIZATION_NAME, organisation)] if organisation else [
        (NameOID.GIVEN_NAME, given), (NameOID.SURNAME, last or given)
    ]  # fmt: skip
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in parts])


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


class _Clock:
    def now(self) -> datetime:
        return NOW


CATALOG, PAGES, PAGE, CONTENT, FONT = 1, 2, 3, 4, 5
OBJECTS: Final[Mapping[int, bytes]] = {
    CATALOG: b"<< /Type /Catalog /Pages 2 0 R >>",
    PAGES: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
    b"/Resources << /Font << /F1 5 0 R >> >> >>",
    FONT: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
}


def stream(content: bytes, extra: bytes = b"") -> bytes:
    """Write a stream object."""
    return b"<< /Length %d %s>>\nstream\n%s\nendstream" % (len(content), extra, content)


def plain(changes: Mapping[int, bytes] | None = None, *, trailer: bytes = b"", root: bool = True) -> bytes:
    """Write a document of one page, object by object; `changes` replaces or adds objects by number."""
    text = stream(b"BT /F1 12 Tf 72 720 Td (The buyer pays 100 euros.) Tj ET")
    return appended(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", {**OBJECTS, CONTENT: text, **(changes or {})}, trailer, root=root)


def appended(
    before: bytes, objects: Mapping[int, bytes], trailer: bytes = b"", *, root: bool = True, previous: int | None = None
) -> bytes:
    """Append objects with a cross-reference table and a trailer."""
    out = BytesIO()
    out.write(before)
    places: dict[int, int] = {}
    for number, body in sorted(objects.items()):
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n")
    if previous is None:
        out.write(b"0 1\n0000000000 65535 f \n")
    for number, place in sorted(places.items()):
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place))
    more = b"" if previous is None else b"/Prev %d " % previous
    more += b"/Root 1 0 R " if root and b"/Root" not in trailer else b""
    sizes = [int(one) for one in re.findall(rb"/Size (\d+)", before)]
    size = max([5, *places, *(one - 1 for one in sizes)]) + 1
    out.write(b"trailer\n<< /Size %d %s%s >>\nstartxref\n%d\n%%%%EOF\n" % (size, more, trailer, table))
    return out.getvalue()


def last_table(pdf: bytes) -> int:
    """Give where the last cross-reference section begins."""
    return int(pdf[pdf.rindex(b"startxref") + 9 :].split()[0])


def writer(pdf: bytes) -> IncrementalPdfFileWriter:
    """Give pyHanko's writer of an incremental update."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    return IncrementalPdfFileWriter(BytesIO(pdf))


def written(update: IncrementalPdfFileWriter) -> bytes:
    """Give the document with the update."""
    out = BytesIO()
    update.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()
