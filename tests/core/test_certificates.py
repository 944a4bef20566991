"""Certificates made by `cryptography`, which is none of ours, and what reading them says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from asn1crypto import core  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier
from hypothesis import example, given
from hypothesis import strategies as st

from qcp_sdk.certificates import QC_TYPE_ESIGN, Certificate, QcStatements, conformity, fingerprint, read
from qcp_sdk.errors import CertificateError
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.values import EmailAddress, PersonName

START = datetime(2026, 1, 31, 8, 30, 15, tzinfo=UTC)
END = START + timedelta(days=5 * 365)
STATEMENTS = ObjectIdentifier("1.3.6.1.5.5.7.1.3")
PERSON: tuple[tuple[ObjectIdentifier, str], ...] = (
    (NameOID.COUNTRY_NAME, "FR"),
    (NameOID.COMMON_NAME, "Élodie Lefèvre"),
    (NameOID.GIVEN_NAME, "Élodie"),
    (NameOID.SURNAME, "Lefèvre"),
    (NameOID.SERIAL_NUMBER, "IDCFR-opaque"),
)
ISSUER = ((NameOID.COUNTRY_NAME, "FR"), (NameOID.ORGANIZATION_NAME, "Exemple SA"), (NameOID.COMMON_NAME, "CA"))


@cache
def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def a_name(attributes: tuple[tuple[ObjectIdentifier, str], ...]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes])


def tlv(tag: int, content: bytes) -> bytes:
    assert len(content) < 256
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def oid(dotted: str) -> bytes:
    return bytes(core.ObjectIdentifier(dotted).dump())


def statement(dotted: str, info: bytes = b"") -> bytes:
    return tlv(0x30, oid(dotted) + info)


COMPLIANCE = statement("0.4.0.1862.1.1")
QSCD = statement("0.4.0.1862.1.4")
ESIGN = statement("0.4.0.1862.1.6", tlv(0x30, oid("0.4.0.1862.1.6.1")))
ESEAL = statement("0.4.0.1862.1.6", tlv(0x30, oid("0.4.0.1862.1.6.2")))
PDS = statement("0.4.0.1862.1.5", tlv(0x30, tlv(0x30, tlv(0x16, b"https://ca.example.org/pds") + tlv(0x13, b"EN"))))
SWISS = statement("0.4.0.1862.1.7", tlv(0x30, tlv(0x13, b"CH")))
UNKNOWN = statement("1.2.3.4", tlv(0x0C, b"whatever"))


def make(
    *,
    subject: tuple[tuple[ObjectIdentifier, str], ...] | x509.Name = PERSON,
    issuer: tuple[tuple[ObjectIdentifier, str], ...] = ISSUER,
    policies: tuple[str, ...] = ("0.4.0.194112.1.0",),
    statements: bytes | None = COMPLIANCE + ESIGN + PDS,
    emails: tuple[str, ...] = ("elodie@example.org",),
    non_repudiation: bool = True,
    authority: bool = False,
    key_usage: bool = True,
    behind_statements: bytes = b"",
) -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject if isinstance(subject, x509.Name) else a_name(subject))
        .issuer_name(a_name(issuer))
        .public_key(a_key().public_key())
        .serial_number(0x1234)
        .not_valid_before(START)
        .not_valid_after(END)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if key_usage:
        usage = x509.KeyUsage(not non_repudiation, non_repudiation, False, False, False, False, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    if policies:
        told = [x509.PolicyInformation(ObjectIdentifier(policy), None) for policy in policies]
        builder = builder.add_extension(x509.CertificatePolicies(told), critical=False)
    if emails:
        names = [x509.DNSName("example.org"), *(x509.RFC822Name(email) for email in emails)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if statements is not None:
        opaque = x509.UnrecognizedExtension(STATEMENTS, tlv(0x30, statements) + behind_statements)
        builder = builder.add_extension(opaque, critical=False)
    return builder.sign(a_key(), hashes.SHA256()).public_bytes(Encoding.DER)


@cache
def qualified() -> bytes:
    return make()


def test_what_a_qualified_certificate_says_is_read() -> None:
    der = qualified()
    certificate = read(der)
    assert certificate == Certificate(
        der=der,
        fingerprint=fingerprint(der),
        serial=0x1234,
        issuer="CN=CA,O=Exemple SA,C=FR",
        issuer_organisation="Exemple SA",
        subject="serialNumber=IDCFR-opaque,SN=Lefèvre,givenName=Élodie,CN=Élodie Lefèvre,C=FR",
        name=PersonName(given="Élodie", last="Lefèvre"),
        common_name="Élodie Lefèvre",
        subject_serial="IDCFR-opaque",
        country="FR",
        emails=(EmailAddress("elodie@example.org"),),
        policies=("0.4.0.194112.1.0",),
        qc=certificate.qc,
        key_usage=frozenset({"non_repudiation"}),
        not_before=START,
        not_after=END,
        is_ca=False,
    )
    assert certificate.qc.compliance
    assert certificate.qc.types == (QC_TYPE_ESIGN,)
    assert certificate.qc.disclosure == (("en", "https://ca.example.org/pds"),)
    assert not certificate.qc.qscd
    assert certificate.level is CertificateLevel.QCP_N
    assert certificate.fingerprint == hashlib.sha256(der).hexdigest()
    assert certificate.not_before.tzinfo is certificate.not_after.tzinfo is UTC


def test_what_is_not_said_is_empty() -> None:
    bare = ((NameOID.LOCALITY_NAME, "Lyon"),)
    certificate = read(make(subject=bare, issuer=bare, policies=(), statements=None, emails=(), key_usage=False))
    assert (certificate.issuer, certificate.subject) == ("L=Lyon", "L=Lyon")
    assert (certificate.issuer_organisation, certificate.common_name) == ("", "")
    assert (certificate.subject_serial, certificate.country) == ("", "")
    assert (certificate.emails, certificate.policies, certificate.key_usage) == ((), (), frozenset())
    assert certificate.qc == QcStatements()
    assert certificate.name is None


def test_names_in_parts_are_put_together() -> None:
    parts = ((NameOID.GIVEN_NAME, "Élodie"), (NameOID.GIVEN_NAME, "Marie"), (NameOID.SURNAME, "Lefèvre"))
    assert read(make(subject=parts)).name == PersonName(given="Élodie Marie", last="Lefèvre")


def test_pem_says_what_der_says() -> None:
    pem = x509.load_der_x509_certificate(qualified()).public_bytes(Encoding.PEM)
    assert read(b"Bag Attributes: none\r\n" + pem.replace(b"\n", b"\r\n")) == read(qualified())


def test_a_chain_is_not_one_certificate() -> None:
    pem = x509.load_der_x509_certificate(qualified()).public_bytes(Encoding.PEM)
    with pytest.raises(CertificateError, match="2 certificates"):
        read(pem + pem)


def test_nothing_of_the_holder_is_printed() -> None:
    told = repr(read(qualified()))
    assert not re.search(r"Lefèvre|elodie@|opaque", told)


@pytest.mark.parametrize(
    ("statements", "check"),
    [
        pytest.param(COMPLIANCE + COMPLIANCE + ESIGN, lambda c: c.level is CertificateLevel.QCP_N, id="said twice"),
        pytest.param(ESIGN + ESEAL, lambda c: len(c.qc.types) == 2 and not c.qc.compliance, id="types in two"),
        pytest.param(COMPLIANCE + ESEAL, lambda c: c.level is CertificateLevel.NCP, id="for seals"),
        pytest.param(COMPLIANCE, lambda c: c.level is CertificateLevel.NCP, id="for nothing"),
        pytest.param(UNKNOWN + UNKNOWN, lambda c: c.qc.others == ("1.2.3.4",), id="unknown"),
        pytest.param(SWISS, lambda c: c.qc.legislation == ("CH",), id="legislation"),
        pytest.param(QSCD, lambda c: c.qc.qscd, id="qscd"),
        pytest.param(None, lambda c: not c.qc.compliance and c.level is CertificateLevel.NCP, id="none"),
        pytest.param(b"", lambda c: not c.qc.compliance, id="an empty list"),
    ],
)
def test_statements(statements: bytes | None, check: Callable[[Certificate], bool]) -> None:
    assert check(read(make(statements=statements)))


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(statement("0.4.0.1862.1.6"), id="a type without its value"),
        pytest.param(statement("0.4.0.1862.1.6", tlv(0x0C, b"esign")), id="a type that is text"),
        pytest.param(statement("0.4.0.1862.1.5", tlv(0x30, tlv(0x30, b""))), id="an empty disclosure"),
        pytest.param(statement("0.4.0.1862.1.7", tlv(0x30, tlv(0x30, b""))), id="a country that is a list"),
        pytest.param(b"\x30\x7f", id="cut off"),
        pytest.param(b"\x04\x01a", id="not a statement"),
    ],
)
def test_a_broken_statement_is_an_error_and_never_left_out(statements: bytes) -> None:
    with pytest.raises(CertificateError):
        read(make(statements=statements))


def test_the_qscd_level_needs_its_statement() -> None:
    policies = ("0.4.0.194112.1.2", "0.4.0.2042.1.3")
    assert read(make(policies=policies)).level is CertificateLevel.QCP_N
    assert read(make(policies=policies, statements=COMPLIANCE + ESIGN + QSCD)).level is CertificateLevel.QCP_N_QSCD
    assert read(make(policies=("1.2.3",))).level is None


def test_a_company_has_no_given_name() -> None:
    company = read(make(subject=(*ISSUER, (NameOID.ORGANIZATION_IDENTIFIER, "NTRFR-1"))))
    assert company.name is None
    assert "organizationIdentifier=NTRFR-1" in company.subject


def test_addresses_that_nobody_could_write_to_are_passed_over() -> None:
    assert read(make(emails=("no-at-sign", "b@example.org", "b@EXAMPLE.org"))).emails == (
        EmailAddress("b@example.org"),
    )


def _altered(change: Callable[[Any], None]) -> bytes:
    certificate = asn1_x509.Certificate.load(qualified())
    change(certificate["tbs_certificate"])
    return bytes(
        certificate.dump()
    )  # what was not changed stays as it is: names that others teach asn1crypto may not lead back


def test_nothing_may_follow_within_an_extension() -> None:
    with pytest.raises(CertificateError):
        read(make(behind_statements=b"\x05\x00"))


def test_a_certificate_is_no_longer_than_it_can_be() -> None:
    pem = x509.load_der_x509_certificate(qualified()).public_bytes(Encoding.PEM)
    longest = b"\n" * (65_536 - len(pem)) + pem
    assert read(longest) == read(qualified())
    with pytest.raises(CertificateError):
        read(b"\n" + longest)


def test_an_extension_that_stands_twice_is_refused() -> None:
    with pytest.raises(CertificateError, match=r"1\.3\.6\.1\.5\.5\.7\.1\.3"):
        read(_altered(lambda body: body["extensions"].append(body["extensions"][-1])))


def test_what_other_libraries_teach_asn1crypto_changes_nothing() -> None:
    # pyHanko registers its own, stricter shape for the statements in the process.
    der = make(statements=ESIGN + ESEAL + statement("0.4.0.1862.1.6", tlv(0x30, oid("1.2.3"))))
    before = read(der)
    pytest.importorskip("pyhanko.sign.ades.qualified_asn1")
    assert read(der) == before


@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
@example(text=' #,+"\\<>;= ')
@example(text="#")
@example(text=" ")
def test_names_are_written_as_rfc_4514_says(text: str) -> None:
    name = a_name((*ISSUER, (NameOID.LOCALITY_NAME, text)))
    subject = read(make(subject=tuple((part.oid, str(part.value)) for part in name))).subject
    assert subject == name.rfc4514_string()


@pytest.mark.parametrize("text", ["X", "XX0", "a ", "ab ", "  ", "00"])
def test_letters_that_need_no_escape_get_none(text: str) -> None:
    written = x509.Name([x509.NameAttribute(NameOID.LOCALITY_NAME, text)])
    assert read(make(subject=written)).subject == written.rfc4514_string()


def test_a_nul_in_a_name_is_written_by_its_number() -> None:
    """RFC 4514 § 2.4: what is cut at a NUL by others is told from the name that ends there."""
    der = make(subject=((NameOID.LOCALITY_NAME, "good.example"),)).replace(b"good.example", b"good\x00example")
    assert read(der).subject == "L=good\\00example"


def test_several_attributes_of_one_part_and_those_without_a_short_name() -> None:
    name = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]),
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(NameOID.COMMON_NAME, "CA"), x509.NameAttribute(ObjectIdentifier("1.2.3.4"), "x")]
            ),
        ]
    )
    first, second = read(make(subject=name)).subject.rsplit(",", 1)
    assert set(first.split("+")) == {"CN=CA", "1.2.3.4=#0c0178"}
    assert second == "C=FR"


@given(content=st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_this_error(content: bytes) -> None:
    for attempt in (content, b"\x30" + content, b"-----BEGIN CERTIFICATE-----\n" + content):
        with pytest.raises(CertificateError):
            read(attempt)


@given(
    at=st.integers(min_value=0, max_value=2000),
    byte=st.integers(min_value=0, max_value=255),
    cut=st.integers(min_value=0, max_value=3),
)
def test_any_damage_gives_a_certificate_or_this_error(at: int, byte: int, cut: int) -> None:
    der = bytearray(qualified())
    at %= len(der)
    der[at : at + cut] = bytes([byte])
    try:
        told = read(bytes(der))
    except CertificateError as error:
        assert not re.search(r"Lefèvre|elodie", str(error))
    else:
        assert told.fingerprint == fingerprint(bytes(der))


@pytest.mark.parametrize("content", [b"", b"0", b"\x30\x80" * 20_000, b"\x30" * 70_000, qualified() + b"\x00"])
def test_oddities_are_refused(content: bytes) -> None:
    with pytest.raises(CertificateError):
        read(content)


def test_text_is_refused_with_the_same_error() -> None:
    with pytest.raises(CertificateError):
        read("-----BEGIN CERTIFICATE-----")  # type: ignore[arg-type]


NAME = PersonName(given="Élodie", last="Lefèvre")


@pytest.mark.parametrize(
    ("der", "name", "now", "reasons"),
    [
        pytest.param(qualified(), NAME, START, (), id="it conforms"),
        pytest.param(qualified(), PersonName(given="ELODIE", last="le-fevre"), END, (), id="folded, last second"),
        pytest.param(qualified(), PersonName(given="Elsa", last="Lefèvre"), START, ("name_differs",), id="given"),
        pytest.param(qualified(), PersonName(given="Élodie", last="Martin"), START, ("name_differs",), id="last"),
        pytest.param(qualified(), NAME, START - timedelta(minutes=5), (), id="its clock is ahead of ours"),
        pytest.param(qualified(), NAME, START - timedelta(minutes=6), ("not_yet_valid",), id="too early"),
        pytest.param(qualified(), NAME, END + timedelta(seconds=1), ("expired",), id="too late"),
        pytest.param(make(statements=None), NAME, START, ("wrong_level",), id="not qualified"),
        pytest.param(make(policies=()), NAME, START, ("wrong_level",), id="no policy"),
        pytest.param(make(non_repudiation=False), NAME, START, ("key_usage",), id="not for signatures"),
        pytest.param(make(authority=True), NAME, START, ("is_ca",), id="an authority"),
        pytest.param(make(subject=ISSUER), NAME, START, ("name_missing",), id="a company"),
        pytest.param(
            make(statements=None, non_repudiation=False),
            PersonName(given="Elsa", last="Martin"),
            END + timedelta(days=1),
            ("wrong_level", "expired", "key_usage", "name_differs"),
            id="every reason at once",
        ),
    ],
)
def test_conformity(der: bytes, name: PersonName, now: datetime, reasons: tuple[str, ...]) -> None:
    assert conformity(read(der), name=name, level=CertificateLevel.QCP_N, now=now, same_name=same_name) == reasons


def test_a_higher_level_conforms_and_a_lower_one_does_not() -> None:
    certificate = evolve(read(qualified()), policies=("0.4.0.2042.1.3",))
    assert conformity(certificate, name=NAME, level=CertificateLevel.LCP, now=START, same_name=same_name) == ()
    assert conformity(read(qualified()), name=NAME, level=CertificateLevel.LCP, now=START, same_name=same_name) == ()
    assert conformity(
        read(qualified()), name=NAME, level=CertificateLevel.QCP_N_QSCD, now=START, same_name=same_name
    ) == ("wrong_level",)


def test_the_comparison_of_names_is_the_callers_choice() -> None:
    other = PersonName(given="Elsa", last="Martin")
    certificate = read(qualified())
    assert not conformity(certificate, name=other, level=CertificateLevel.QCP_N, now=START, same_name=lambda *_: True)
