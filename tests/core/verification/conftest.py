"""A small public-key infrastructure of the tests' own, PDFs signed with pyHanko directly, and trust directories.

Nothing here comes from our adapters but the publisher of the local trusted list: what signs must not be what verifies.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from asn1crypto import core, keys  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from attrs import evolve, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from qcp_sdk.adapters.local_scheme import ListedService, Purpose, ServiceStatus, ServiceType, publish
from qcp_sdk.verification import Report, RevocationSource, TrustStore, verify

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIGNED = NOW - timedelta(hours=1)
LCP, NCP, QCP_N, QCP_N_QSCD = "0.4.0.2042.1.3", "0.4.0.2042.1.1", "0.4.0.194112.1.0", "0.4.0.194112.1.2"
ESIGN, ESEAL, WEB = "0.4.0.1862.1.6.1", "0.4.0.1862.1.6.2", "0.4.0.1862.1.6.3"


USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
LONG = NOW + timedelta(days=4_000)


@frozen(kw_only=True)
class Party:
    """Someone with a key and a certificate."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def _name(common: str, *, organisation: str = "", person: tuple[str, str] | None = None) -> x509.Name:
    given_last = [(NameOID.GIVEN_NAME, person[0]), (NameOID.SURNAME, person[1])] if person else []
    parts = [(NameOID.COUNTRY_NAME, "FR"), (NameOID.COMMON_NAME, common), *given_last]
    if organisation:
        parts.append((NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def statements(*, compliance: bool = True, types: Sequence[str] = (ESIGN,), qscd: bool = False) -> bytes:
    """DER of the QCStatements extension (EN 319 412-5)."""

    class Statement(core.Sequence):  # type: ignore[misc]
        _fields = [("id", core.ObjectIdentifier), ("info", core.Any, {"optional": True})]  # noqa: RUF012

    class Statements(core.SequenceOf):  # type: ignore[misc]
        _child_spec = Statement

    class Types(core.SequenceOf):  # type: ignore[misc]
        _child_spec = core.ObjectIdentifier

    made = [{"id": "0.4.0.1862.1.1"}] if compliance else []
    made += [{"id": "0.4.0.1862.1.4"}] if qscd else []
    made += [{"id": "0.4.0.1862.1.6", "info": Types(list(types))}] if types else []
    return bytes(Statements([Statement(one) for one in made]).dump())


def issue(
    subject: x509.Name,
    issuer: Party | None,
    *,
    start: datetime = NOW - timedelta(days=400),
    end: datetime = NOW + timedelta(days=1_400),
    authority: bool = False,
    policies: Sequence[str] = (),
    qc: bytes | None = None,
    purpose: x509.ObjectIdentifier | None = None,
    no_check: bool = False,
) -> Party:
    """Issue a certificate; self-signed without an issuer."""
    # pyHanko's own time-stamping unit signs with RSA only
    stamps = purpose == ExtendedKeyUsageOID.TIME_STAMPING
    key = rsa.generate_private_key(65_537, 2_048) if stamps else ec.generate_private_key(ec.SECP256R1())
    above = issuer.certificate if issuer else None
    usage = dict.fromkeys(USAGES, False)
    usage |= {"key_cert_sign": authority, "crl_sign": authority}
    usage |= {"content_commitment": not authority and not purpose, "digital_signature": purpose is not None}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above.subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if policies:  # a holder's: EN 319 412-2 § 4.4.1 wants to know where the OCSP responder is
        where = x509.UniformResourceIdentifier("http://ocsp.test.invalid")
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        builder = builder.add_extension(
            x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in policies]),
            critical=False,
        )
    if qc is not None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.5.5.7.1.3"), qc)
        builder = builder.add_extension(extension, critical=False)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
    if no_check:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    certificate = builder.sign((issuer.key if issuer else key), hashes.SHA256())
    chain = (issuer.certificate, *issuer.chain) if issuer else ()
    return Party(key=key, certificate=certificate, chain=chain)


def crl(
    authority: Party,
    *,
    revoked: dict[int, datetime] | None = None,
    at: datetime = NOW - timedelta(hours=2),
    reason: x509.ReasonFlags | None = None,
) -> bytes:
    """A revocation list of an authority, valid for a week."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(at)
        .next_update(at + timedelta(days=7))
        .add_extension(x509.CRLNumber(int(at.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    )
    for serial, when in (revoked or {}).items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(when)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


def ocsp_answer(
    party: Party,
    authority: Party,
    responder: Party,
    *,
    revoked: datetime | None = None,
    at: datetime = SIGNED,
    reason: x509.ReasonFlags | None = None,
) -> bytes:
    """An OCSP answer by a delegated responder, valid for a day."""
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=party.certificate,
            issuer=authority.certificate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=at,
            next_update=at + timedelta(days=1),
            revocation_time=revoked,
            revocation_reason=reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([responder.certificate])
        .sign(responder.key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


def _loaded(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _key(party: Party) -> keys.PrivateKeyInfo:
    der = party.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return keys.PrivateKeyInfo.load(der)


def blank() -> bytes:
    """A PDF of one page with some text."""
    writer = PdfFileWriter()  # type: ignore[no-untyped-call]
    content = writer.add_object(generic.StreamObject(stream_data=b"BT /F1 12 Tf 72 720 Td (Lettre de mission) Tj ET"))
    writer.insert_page(PageObject(contents=content, media_box=(0, 0, 595, 842)))  # type: ignore[no-untyped-call]
    out = BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


@frozen(kw_only=True)
class World:
    """Authorities, a time-stamping unit and a scheme operator."""

    operator: Party
    qc_ca: Party
    lcp_ca: Party
    responder: Party
    tsu: Party
    tsa_ca: Party
    jeanne: Party
    """Holds a QCP-n certificate."""
    paul: Party
    """Holds an LCP certificate."""
    directory: Path = field(repr=False)

    def person(self, **changes: object) -> Party:
        """Issue a QCP-n certificate, or another one."""
        options: dict[str, object] = {"issuer": self.qc_ca, "policies": (QCP_N,), "qc": statements(), **changes}
        return issue(_name("Ada Claire", person=("Ada", "Claire")), **options)  # type: ignore[arg-type]

    def seal(self) -> Party:
        """Issue an organisation's certificate."""
        return issue(_name("Cabinet Martin", organisation="Cabinet Martin"), self.lcp_ca, policies=(LCP,))

    def sign(
        self,
        pdf: bytes,
        party: Party,
        *,
        name: str = "Signature1",
        at: datetime | None = SIGNED,
        tsu: Party | None = None,
        pades: bool = True,
    ) -> bytes:
        """Sign with pyHanko: B-T, or B-B where `at` is None."""
        store = SimpleCertificateStore.from_certs([_loaded(one) for one in party.chain])  # type: ignore[no-untyped-call]
        signer = signers.SimpleSigner(_loaded(party.certificate), _key(party), store)
        stamper = None
        if at is not None:
            unit = tsu or self.tsu
            chain = SimpleCertificateStore.from_certs([_loaded(one) for one in (unit.certificate, *unit.chain)])  # type: ignore[no-untyped-call]
            stamper = DummyTimeStamper(_loaded(unit.certificate), _key(unit), certs_to_embed=chain, fixed_dt=at)
        metadata = signers.PdfSignatureMetadata(
            field_name=name,
            md_algorithm="sha256",
            subfilter=SigSeedSubFilter.PADES if pades else SigSeedSubFilter.ADOBE_PKCS7_DETACHED,
        )
        out = BytesIO()
        signers.PdfSigner(metadata, signer, timestamper=stamper, new_field_spec=SigFieldSpec(name)).sign_pdf(
            IncrementalPdfFileWriter(BytesIO(pdf)), bytes_reserved=16_384, output=out
        )
        return out.getvalue()

    def stamp(self, pdf: bytes, *, at: datetime) -> bytes:
        """Add a document timestamp."""
        stamper = DummyTimeStamper(_loaded(self.tsu.certificate), _key(self.tsu), fixed_dt=at)
        out = BytesIO()
        signers.PdfTimeStamper(stamper).timestamp_pdf(
            IncrementalPdfFileWriter(BytesIO(pdf)), "sha256", bytes_reserved=16_384, output=out
        )
        return out.getvalue()

    def augment(
        self, pdf: bytes, *, ocsps: Sequence[bytes] = (), crls: Sequence[bytes] = (), others: Sequence[bytes] = ()
    ) -> bytes:
        """Add a document security store: B-LT."""
        out = BytesIO(pdf)
        from asn1crypto import crl as asn1_crl
        from asn1crypto import ocsp as asn1_ocsp

        DocumentSecurityStore.add_dss(
            out,
            sig_contents=None,
            certs=[
                *(asn1_x509.Certificate.load(one) for one in others),
                *(_loaded(one) for one in (self.qc_ca.certificate, self.responder.certificate)),
            ],
            ocsps=[asn1_ocsp.OCSPResponse.load(one) for one in ocsps],
            crls=[asn1_crl.CertificateList.load(one) for one in crls],
        )
        return out.getvalue()

    def signed(self, party: Party | None = None, **options: object) -> bytes:
        """A B-LT document: signed, timestamped, with an OCSP answer of its issuer."""
        who = party or self.jeanne
        pdf = self.sign(blank(), who, **options)  # type: ignore[arg-type]
        return self.augment(pdf, ocsps=[ocsp_answer(who, self.qc_ca, self.responder)])

    def blank(self) -> bytes:
        """An unsigned PDF."""
        return blank()

    def encrypted(self) -> bytes:
        """An unsigned PDF that opens with a password only."""
        writer = PdfFileWriter()  # type: ignore[no-untyped-call]
        content = writer.add_object(generic.StreamObject(stream_data=b""))
        writer.insert_page(PageObject(contents=content, media_box=(0, 0, 9, 9)))  # type: ignore[no-untyped-call]
        writer.encrypt("secret", "secret")  # type: ignore[no-untyped-call]
        out = BytesIO()
        writer.write(out)  # type: ignore[no-untyped-call]
        return out.getvalue()

    def statements(self, *, compliance: bool = True, types: Sequence[str] = (ESIGN,), qscd: bool = False) -> bytes:
        """DER of the QCStatements extension."""
        return statements(compliance=compliance, types=types, qscd=qscd)

    def ocsp_answer(
        self,
        party: Party,
        authority: Party,
        responder: Party,
        *,
        revoked: datetime | None = None,
        at: datetime = SIGNED,
        reason: x509.ReasonFlags | None = None,
    ) -> bytes:
        """An OCSP answer."""
        return ocsp_answer(party, authority, responder, revoked=revoked, at=at, reason=reason)

    def crl(
        self,
        authority: Party,
        *,
        revoked: dict[int, datetime] | None = None,
        at: datetime = NOW - timedelta(hours=2),
        reason: x509.ReasonFlags | None = None,
    ) -> bytes:
        """A revocation list."""
        return crl(authority, revoked=revoked, at=at, reason=reason)

    def crls(
        self, revoked: dict[Party, datetime] | None = None, *, at: datetime = NOW - timedelta(hours=2)
    ) -> list[bytes]:
        """The lists of both authorities; who is revoked is on the qualified one's."""
        serials = {party.certificate.serial_number: when for party, when in (revoked or {}).items()}
        return [crl(self.qc_ca, revoked=serials, at=at), crl(self.lcp_ca)]

    def intermediate(self) -> Party:
        """An authority below the listed one."""
        return issue(_name("TEST sub CA", organisation="TEST"), self.qc_ca, authority=True, policies=("2.5.29.32.0",))

    def impostor(self) -> Party:
        """Another authority of the same name."""
        return issue(self.qc_ca.certificate.subject, None, authority=True)

    def unknown_tsu(self) -> Party:
        """A time-stamping unit that no list knows."""
        return issue(_name("Unknown TSU"), None, purpose=ExtendedKeyUsageOID.TIME_STAMPING)

    def young_responder(self, *, since: datetime) -> Party:
        """A responder whose certificate is younger than the signature: they get new ones every few weeks."""
        return issue(
            _name("TEST OCSP 2"), self.qc_ca, purpose=ExtendedKeyUsageOID.OCSP_SIGNING, no_check=True, start=since
        )

    def short_lived_tsu(self, *, until: datetime) -> Party:
        """A time-stamping unit under an authority of its own, which ends soon."""
        return issue(_name("TEST TSU 2"), self.tsa_ca, purpose=ExtendedKeyUsageOID.TIME_STAMPING, end=until)

    def trust_units(
        self, unit: Party, *, status: ServiceStatus = ServiceStatus.GRANTED, now: datetime = NOW - timedelta(days=1)
    ) -> TrustStore:
        """Publish and load, with this time-stamping unit (or its authority) listed besides."""
        listed = self.tsa_ca.der if self.tsa_ca.certificate in unit.chain else unit.der
        mine = ListedService(
            name="Other timestamps",
            type=ServiceType.QTST,
            certificate=listed,
            history=((status, NOW - timedelta(days=500)),),
        )
        others = [one for one in self.services() if one.certificate != listed]
        return TrustStore.load(self.publish([*others, mine], now=now, next_update=now + timedelta(days=30)))

    def services(self) -> list[ListedService]:
        """The three services as they are listed by default, granted for 500 days."""
        since = NOW - timedelta(days=500)
        return [
            ListedService(
                name="Qualified CA",
                type=ServiceType.CA_QC,
                certificate=self.qc_ca.der,
                history=((ServiceStatus.GRANTED, since),),
                purposes=(Purpose.SIGNATURES,),
            ),
            ListedService(
                name="LCP CA",
                type=ServiceType.CA_PKC,
                certificate=self.lcp_ca.der,
                history=((ServiceStatus.RECOGNISED_NATIONALLY, since),),
            ),
            ListedService(
                name="Timestamps",
                type=ServiceType.QTST,
                certificate=self.tsu.der,
                history=((ServiceStatus.GRANTED, since),),
            ),
        ]

    def publish(
        self,
        services: Sequence[ListedService] | None = None,
        *,
        next_update: datetime = NOW + timedelta(days=30),
        now: datetime = NOW - timedelta(days=1),
        crls: Sequence[bytes] | None = None,
    ) -> Path:
        """Publish the scheme into a fresh directory."""
        directory = self.directory / str(len(list(self.directory.iterdir())))
        publish(
            directory,
            operator_key=self.operator.key,
            operator_certificate=self.operator.der,
            services=self.services() if services is None else services,
            now=now,
            next_update=next_update,
            sequence=7,
            crls=[crl(self.lcp_ca)] if crls is None else crls,
        )
        return directory

    def trust(self, **changes: object) -> TrustStore:
        """Publish and load; `changes` are those of the qualified service, or `next_update`, `crls`."""
        outer = {key: changes.pop(key) for key in ("next_update", "crls", "now") if key in changes}
        qualified, *others = self.services()
        services = [evolve(qualified, **changes), *others]  # type: ignore[arg-type]
        return TrustStore.load(self.publish(services, **outer))  # type: ignore[arg-type]

    def verify(
        self,
        pdf: bytes,
        trust: TrustStore | None = None,
        *,
        now: datetime = NOW,
        revocation: RevocationSource | None = None,
    ) -> Report:
        """Verify by the default lists."""
        return verify(pdf, trust=self.trust() if trust is None else trust, now=now, revocation=revocation)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Everybody, made once."""
    operator = issue(_name("TEST operator"), None, end=LONG, purpose=x509.ObjectIdentifier("0.4.0.2231.3.0"))
    root = issue(_name("TEST root", organisation="TEST"), None, end=LONG, authority=True)  # on no list, as is usual
    qc_ca = issue(_name("TEST QC CA", organisation="TEST"), root, end=LONG, authority=True)
    lcp_ca = issue(_name("TEST LCP CA", organisation="TEST"), root, end=LONG, authority=True)
    return World(
        operator=operator,
        qc_ca=qc_ca,
        lcp_ca=lcp_ca,
        responder=issue(_name("TEST OCSP"), qc_ca, purpose=ExtendedKeyUsageOID.OCSP_SIGNING, no_check=True),
        tsu=issue(_name("TEST TSU"), root, end=LONG, purpose=ExtendedKeyUsageOID.TIME_STAMPING),
        tsa_ca=issue(_name("TEST TSA CA", organisation="TEST"), None, end=LONG, authority=True),
        jeanne=issue(_name("Jeanne Moreau", person=("Jeanne", "Moreau")), qc_ca, policies=(QCP_N,), qc=statements()),
        paul=issue(_name("Paul Durand", person=("Paul", "Durand")), lcp_ca, policies=(LCP,)),
        directory=tmp_path_factory.mktemp("trust"),
    )


@pytest.fixture(scope="session")
def trusted(world: World) -> TrustStore:
    """The default lists, loaded once."""
    return world.trust()


@pytest.fixture(scope="session")
def contract(world: World) -> bytes:
    """A B-LT document of one signature, QCP-n."""
    return world.signed()
