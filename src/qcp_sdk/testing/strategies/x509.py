"""Writing X.509: what was asked for becomes DER, by `cryptography` and, for QCStatements, octet by octet.

Nothing of the reader's is used here. Keys are the same every time and Ed25519 signatures are deterministic, so what is
asked for twice is the same certificate twice.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cache
from random import Random
from typing import Final

from attrs import evolve, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from qcp_sdk.certificates import Certificate, QcStatements, fingerprint
from qcp_sdk.values import EmailAddress, PersonName

KEY_USAGES: Final = (
    "digital_signature", "non_repudiation", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
    "crl_sign",
)  # fmt: skip
"""Bits of RFC 5280 § 4.2.1.3, in `Certificate.key_usage`'s names; the last two bits need a third to mean anything."""

_OIDS: Final = {
    "CN": NameOID.COMMON_NAME, "SN": NameOID.SURNAME, "givenName": NameOID.GIVEN_NAME, "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "serialNumber": NameOID.SERIAL_NUMBER,
    "pseudonym": NameOID.PSEUDONYM, "organizationIdentifier": NameOID.ORGANIZATION_IDENTIFIER,
}  # fmt: skip
_SHORT: Final = {oid: short for short, oid in _OIDS.items()}
_QC_STATEMENTS: Final = ObjectIdentifier("1.3.6.1.5.5.7.1.3")

_COMPLIANCE, _QSCD = "0.4.0.1862.1.1", "0.4.0.1862.1.4"
_PDS, _TYPE, _LEGISLATION = "0.4.0.1862.1.5", "0.4.0.1862.1.6", "0.4.0.1862.1.7"

Statement = tuple[str, bytes]
"""A statement's number and the DER of its value, which may be empty."""


@frozen(kw_only=True)
class Asked:
    """What a certificate is to say."""

    serial: int
    issuer: tuple[tuple[str, str], ...]
    subject: tuple[tuple[str, str], ...]
    holder: PersonName | None
    emails: tuple[str, ...]
    policies: tuple[str, ...]
    qc: QcStatements
    key_usage: frozenset[str]
    not_before: datetime
    not_after: datetime
    is_ca: bool


@cache
def _key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(b"a key that protects nothing 32 b")


# --- octets -------------------------------------------------------------------------------------------------------


def tlv(tag: int, *contents: bytes) -> bytes:
    """Give a DER value: tag, definite length, content (X.690 § 8.1, § 10.1)."""
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 128 | len(length))) + length + content


def oid(dotted: str) -> bytes:
    """Give an object identifier (X.690 § 8.19)."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    octets = b""
    for arc in (first * 40 + second, *rest):
        groups = [arc & 127]
        while arc := arc >> 7:
            groups.append(arc & 127 | 128)
        octets += bytes(reversed(groups))
    return tlv(6, octets)


def sequence(*contents: bytes) -> bytes:
    """Give a SEQUENCE."""
    return tlv(0x30, *contents)


def statements(told: Iterable[Statement]) -> bytes:
    """Give the content of the extension: SEQUENCE OF QCStatement (RFC 3739 § 3.2.6)."""
    return sequence(*(sequence(oid(number), value) for number, value in told))


def _types(numbers: Iterable[str]) -> bytes:
    return sequence(*(oid(number) for number in numbers))


def _countries(names: Iterable[str]) -> bytes:
    return sequence(*(tlv(0x13, name.encode()) for name in names))


def _locations(places: Iterable[tuple[str, str]]) -> bytes:
    return sequence(*(sequence(tlv(0x16, url.encode()), tlv(0x13, language.encode())) for language, url in places))


def _told(qc: QcStatements) -> list[Statement]:
    told: list[Statement] = [(number, b"") for number in qc.others]
    if qc.compliance:
        told.append((_COMPLIANCE, b""))
    if qc.qscd:
        told.append((_QSCD, b""))
    if qc.types:
        told.append((_TYPE, _types(qc.types)))
    if qc.legislation:
        told.append((_LEGISLATION, _countries(qc.legislation)))
    if qc.disclosure:
        told.append((_PDS, _locations((language.upper(), url) for language, url in qc.disclosure)))
    return told


def _shared_out(qc: QcStatements, shared: int) -> list[Statement]:
    """Give the statements with some of them standing twice, each with a part of what both say, or all of it."""
    told = _told(qc)
    if shared & 1:
        told += [(number, b"") for number in (*qc.others, *((_COMPLIANCE,) if qc.compliance else ()))]
    if shared & 2 and qc.types:
        half = (len(qc.types) + 1) // 2
        told = [(number, _types(qc.types[:half]) if number == _TYPE else value) for number, value in told]
        told.append((_TYPE, _types(qc.types[half - 1 :])))
    return told


# --- certificates -------------------------------------------------------------------------------------------------


def issued(asked: Asked, *, order: Random, shared: int = 0) -> Certificate:
    """Issue what was asked for, with statements in any order; `shared` makes some of them stand twice."""
    told = _shared_out(asked.qc, shared)
    if not shared:  # parts of what stands twice are in their order
        order.shuffle(told)
    others = tuple(dict.fromkeys(number for number, _ in told if number in asked.qc.others))
    certificate = _signed(asked, statements(told) if told or order.random() < 0.1 else None)
    der = certificate.public_bytes(Encoding.DER)
    subject: dict[str, str] = {}
    for short, text in asked.subject:
        subject[short] = f"{subject[short]} {text}" if short in subject else text
    return Certificate(
        der=der,
        fingerprint=fingerprint(der),
        serial=asked.serial,
        issuer=certificate.issuer.rfc4514_string(_SHORT),
        issuer_organisation=dict(asked.issuer)["O"],
        subject=certificate.subject.rfc4514_string(_SHORT),
        name=asked.holder,
        common_name=subject.get("CN", ""),
        subject_serial=subject.get("serialNumber", ""),
        country=subject.get("C", ""),
        emails=tuple(dict.fromkeys(EmailAddress(text) for text in asked.emails)),
        policies=asked.policies,
        qc=evolve(asked.qc, others=others),
        key_usage=asked.key_usage,
        not_before=asked.not_before,
        not_after=asked.not_after,
        is_ca=asked.is_ca,
    )


def _signed(asked: Asked, qc: bytes | None) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(asked.subject))
        .issuer_name(_name(asked.issuer))
        .public_key(_key().public_key())
        .serial_number(asked.serial)
        .not_valid_before(asked.not_before)
        .not_valid_after(asked.not_after)
    )
    if asked.key_usage:
        bits = {_CRYPTOGRAPHY.get(bit, bit): bit in asked.key_usage for bit in KEY_USAGES}
        builder = builder.add_extension(x509.KeyUsage(**bits, encipher_only=False, decipher_only=False), critical=True)
    if asked.is_ca:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if asked.policies:
        policies = [x509.PolicyInformation(ObjectIdentifier(number), None) for number in asked.policies]
        builder = builder.add_extension(x509.CertificatePolicies(policies), critical=False)
    if asked.emails:
        names: list[x509.GeneralName] = [x509.RFC822Name(email) for email in asked.emails]
        names.insert(1, x509.DNSName("example.org"))
        names.append(x509.IPAddress(ipaddress.ip_address("192.0.2.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if qc is not None:
        builder = builder.add_extension(x509.UnrecognizedExtension(_QC_STATEMENTS, qc), critical=False)
    client = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return builder.add_extension(client, critical=False).sign(_key(), None)


_CRYPTOGRAPHY: Final = {"non_repudiation": "content_commitment"}
"""Where `cryptography` has another word for a bit."""


def _name(attributes: Iterable[tuple[str, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(_OIDS[short], text) for short, text in attributes])


# --- what is no certificate -----------------------------------------------------------------------------------------

_MALFORMED: Final[tuple[bytes, ...]] = (
    statements([(_TYPE, b"")]),  # a statement without the value that it must have
    statements([(_PDS, b"")]),
    statements([(_LEGISLATION, b"")]),
    statements([(_TYPE, tlv(4, b"esign"))]),  # of another type
    statements([(_TYPE, sequence(tlv(2, b"\x01")))]),
    statements([(_PDS, sequence(sequence(tlv(0x16, b"https://ca.example.org"))))]),  # no language
    statements([(_LEGISLATION, sequence(tlv(2, b"\x07")))]),
    sequence(sequence(tlv(2, b"\x01"))),  # a statement without a number
    sequence(oid(_COMPLIANCE)),
    tlv(4, b"statements"),
    b"",
    statements([(_COMPLIANCE, b"")])[:-1],
    statements([(_COMPLIANCE, b"")]) + b"\x00",
)


def broken(certificate: Certificate, how: Random) -> bytes:
    """Give what is left of a certificate when something was done to it that must not go unnoticed."""
    return how.choice(_DAMAGES)(certificate, how)


def _with_statements(certificate: Certificate, how: Random) -> bytes:
    found = x509.load_der_x509_certificate(certificate.der)
    kept = (extension for extension in found.extensions if extension.oid != _QC_STATEMENTS)
    builder = (
        x509.CertificateBuilder()
        .subject_name(found.subject)
        .issuer_name(found.issuer)
        .public_key(_key().public_key())
        .serial_number(found.serial_number)
        .not_valid_before(found.not_valid_before_utc)
        .not_valid_after(found.not_valid_after_utc)
    )
    for extension in kept:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    malformed = x509.UnrecognizedExtension(_QC_STATEMENTS, how.choice(_MALFORMED))
    return builder.add_extension(malformed, critical=False).sign(_key(), None).public_bytes(Encoding.DER)


_DAMAGES: Final[tuple[Callable[[Certificate, Random], bytes], ...]] = (
    _with_statements,
    _with_statements,
    lambda certificate, how: certificate.der[: how.randrange(len(certificate.der))],
    lambda certificate, how: certificate.der + how.randbytes(how.randint(1, 9)),
    lambda certificate, _: _pem(certificate) * 2,
    lambda certificate, _: _pem(certificate).replace(b"CERTIFICATE", b"PRIVATE KEY"),
    lambda _, how: how.randbytes(how.randint(0, 99)),
)


def _pem(certificate: Certificate) -> bytes:
    return x509.load_der_x509_certificate(certificate.der).public_bytes(Encoding.PEM)
