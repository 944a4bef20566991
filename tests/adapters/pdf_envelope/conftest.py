"""A small PKI made with `cryptography`, documents made with typst, and a shelf: nothing of ours judges ours."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
import typst
from asn1crypto import algos, cms, keys, tsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.keystore import algorithm, sign_digest
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.ports.signer import Credential
from qcp_sdk.values import Fingerprint

NOW = datetime(2026, 1, 15, 14, 5, tzinfo=UTC)
# In the past of every machine: pyHanko's long-term algorithm reads the wall clock besides the time it is given.
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class StoppedClock:
    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def _name(common: str, organisation: str = "QCP SDK TEST") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


@frozen(kw_only=True)
class Holder:
    """Somebody with a key and a chain."""

    key: PrivateKey = field(repr=False)
    chain: tuple[bytes, ...] = field(repr=False)

    @property
    def credential(self) -> Credential:
        return Credential(
            fingerprint=Fingerprint(hashlib.sha256(self.chain[0]).hexdigest()),
            chain=self.chain,
            algorithm=algorithm(self.key),
        )

    def sign(self, digest: bytes) -> bytes:
        return sign_digest(self.key, digest)


class Pki:
    """A root, an issuing CA, a delegated OCSP responder, a timestamping unit; counts what is asked of it."""

    def __init__(self) -> None:
        self._serials = itertools.count(1000)
        self.revoked: set[int] = set()
        self.silent = False
        self.tokens = 0
        self.asked = 0
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._issue("TEST root", self.root_key, None, ca=True)
        self.ca_key = ec.generate_private_key(ec.SECP256R1())
        self.ca = self._issue("TEST issuing CA", self.ca_key, (self.root, self.root_key), ca=True)
        self.responder_key = ec.generate_private_key(ec.SECP256R1())
        self.responder = self._issue(
            "TEST OCSP",
            self.responder_key,
            (self.ca, self.ca_key),
            extra=[
                (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
                (x509.OCSPNoCheck(), False),
            ],
        )
        self.tsu_key = an_rsa_key()  # pyHanko's test authority signs with RSA only
        self.tsu = self._issue(
            "TEST TSU",
            self.tsu_key,
            (self.ca, self.ca_key),
            extra=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True)],
        )

    def holder(self, name: str, key: PrivateKey | None = None) -> Holder:
        key = key or ec.generate_private_key(ec.SECP256R1())
        certificate = self._issue(
            name, key, (self.ca, self.ca_key), usage="non_repudiation", organisation="Cabinet Žofie & Łódź"
        )
        return Holder(key=key, chain=(der(certificate), der(self.ca), der(self.root)))

    # --- ports.timestamps.Timestamps

    def timestamp(self, *, digest: bytes) -> bytes:
        self.tokens += 1
        stamper = DummyTimeStamper(
            tsa_cert=asn1_x509.Certificate.load(der(self.tsu)),
            tsa_key=keys.PrivateKeyInfo.load(_pkcs8(self.tsu_key)),
            fixed_dt=NOW,
            include_nonce=False,
        )
        request = tsp.TimeStampReq(
            {
                "version": 1,
                "message_imprint": tsp.MessageImprint(
                    {"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}), "hashed_message": digest}
                ),
                "cert_req": True,
            }
        )
        token: cms.ContentInfo = stamper.request_tsa_response(request)["time_stamp_token"]
        encoded: bytes = token.dump()
        return encoded

    # --- adapters.shared.revocation.RevocationSource

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        self.asked += 1
        if self.silent or issuer != der(self.ca):
            return None
        subject = x509.load_der_x509_certificate(certificate)
        revoked = subject.serial_number in self.revoked
        answer = (
            ocsp.OCSPResponseBuilder()
            .add_response(
                cert=subject,
                issuer=self.ca,
                algorithm=hashes.SHA1(),  # the usual CertID of RFC 6960
                cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
                this_update=NOW - timedelta(seconds=1),
                next_update=NOW + timedelta(hours=1),
                revocation_time=NOW - timedelta(hours=1) if revoked else None,
                revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.responder)
            .certificates([self.responder])
            .sign(self.responder_key, hashes.SHA256())
        )
        return answer.public_bytes(serialization.Encoding.DER)

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        self.asked += 1
        if self.silent:
            return None
        authority, key = (self.root, self.root_key) if issuer == der(self.root) else (self.ca, self.ca_key)
        listed = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.subject)
            .last_update(NOW - timedelta(days=1))
            .next_update(NOW + timedelta(days=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(1), critical=False)
            .sign(key, hashes.SHA256())
        )
        return listed.public_bytes(serialization.Encoding.DER)

    def issuer(self, *, certificate: bytes) -> bytes | None:
        wanted = x509.load_der_x509_certificate(certificate).issuer
        return next((der(one) for one in (self.ca, self.root) if one.subject == wanted), None)

    # ---

    def _issue(
        self,
        common: str,
        key: PrivateKey,
        issuer: tuple[x509.Certificate, PrivateKey] | None,
        *,
        ca: bool = False,
        usage: str = "digital_signature",
        organisation: str = "QCP SDK TEST",
        extra: list[tuple[x509.ExtensionType, bool]] | None = None,
    ) -> x509.Certificate:
        name = _name(common, organisation)
        flags = dict.fromkeys(
            (
                "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
                "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
            ),
            False,
        )  # fmt: skip
        if ca:
            flags |= {"key_cert_sign": True, "crl_sign": True}
        else:
            flags["content_commitment" if usage == "non_repudiation" else "digital_signature"] = True
        signing_key = issuer[1] if issuer else key
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer[0].subject if issuer else name)
            .public_key(key.public_key())
            .serial_number(next(self._serials))
            .not_valid_before(NOW - timedelta(days=30))
            .not_valid_after(NOW + timedelta(days=7300 if ca else 365))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**flags), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        )
        if issuer:
            url = x509.UniformResourceIdentifier("http://ocsp.qcp-sdk.test")
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)]),
                critical=False,
            )
        for extension, critical in extra or ():
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signing_key, hashes.SHA256())


def _pkcs8(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@cache
def contract() -> bytes:
    """A two-page PDF/A-2b and PDF/UA-1 document, as a platform would have one signed."""
    source = b"""
    #set document(title: "Lettre de mission", date: datetime(year: 2026, month: 11, day: 20))
    #set text(lang: "fr")
    = Lettre de mission
    Le cabinet tient la comptabilit\xc3\xa9 de la soci\xc3\xa9t\xc3\xa9.
    #pagebreak()
    == Signatures
    """
    made = typst.compile(source, format="pdf", pdf_standards=["a-2b", "ua-1"], ignore_system_fonts=True)
    assert isinstance(made, bytes)
    return made


@cache
def an_rsa_key(size: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=size)


@pytest.fixture
def pki() -> Pki:
    return Pki()


@pytest.fixture
def shelf(tmp_path: Path) -> FileShelf:
    return FileShelf(tmp_path / "shelf")


@pytest.fixture
def pdf() -> bytes:
    return contract()


Make = Callable[..., PdfEnvelope]


@pytest.fixture
def envelope(pki: Pki, shelf: FileShelf) -> Iterator[Make]:
    """Make an envelope of a level over the PKI and the shelf; a new object each time, as a new process would."""

    def make(level: PadesLevel = PadesLevel.B_LT, answers: KeptAnswers | None = None) -> PdfEnvelope:
        return PdfEnvelope(
            documents=shelf, timestamps=pki, revocation=pki, level=level, clock=StoppedClock(), answers=answers
        )

    yield make


@pytest.fixture
def rsa_key() -> Callable[[int], rsa.RSAPrivateKey]:
    """Give the key of so many bits; always the same one."""
    return an_rsa_key


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def large() -> Callable[[int], bytes]:
    """Make a document with an attachment of so many bytes that do not compress."""

    def make(size: int) -> bytes:
        out = BytesIO()
        out.write(b"%PDF-1.7\n%\xc3\xa9\xc3\xa9\n")
        offsets = []
        for body in (
            b"<< /Type /Catalog /Pages 2 0 R /Blob 4 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
            b"<< /Length %d >>\nstream\n%s\nendstream" % (size, bytes(size)),
        ):
            offsets.append(out.tell())
            out.write(b"%d 0 obj\n%s\nendobj\n" % (len(offsets), body))
        xref = out.tell()
        out.write(b"xref\n0 5\n0000000000 65535 f \n")
        out.write(b"".join(b"%010d 00000 n \n" % offset for offset in offsets))
        out.write(b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % xref)
        return out.getvalue()

    return make


@pytest.fixture
def moment() -> datetime:
    return NOW
