"""Building X.509 certificates from profiles, which are data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, TypeAlias

from asn1crypto import core  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ObjectIdentifier

from qcp_sdk.adapters.shared.keystore import PrivateKey

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

UNREADABLE: Final = (
    ValueError, TypeError, KeyError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.ExtensionNotFound, x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What the library raises on reading what a stranger calls a certificate, a request or a list: not all of its errors
are `ValueError`s."""

COMMON_NAME_LENGTH: Final = 64
"""RFC 5280, ub-common-name: characters; counted in bytes of UTF-8 here, as some libraries do."""

KEY_USAGES: Final = (
    "digital_signature",
    "content_commitment",  # what RFC 5280 also calls nonRepudiation
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)

POLICY_ANY: Final = "2.5.29.32.0"
TSL_SIGNING: Final = "0.4.0.2231.3.0"
"""id-tsl-kp-tslSigning, TS 119 612 § 5.7.1: this key signs trusted lists."""


@frozen(kw_only=True)
class Profile:
    """One kind of certificate: what it may do, how long, and what it states. The rest belongs to each."""

    years: int = 0
    days: int = 0
    usage: frozenset[str]
    """Names of KEY_USAGES; critical."""
    extended_usage: str = ""
    """One purpose, by its number."""
    extended_usage_critical: bool = False
    authority: bool = False
    path_length: int | None = None
    policies: tuple[str, ...] = ()
    qualified: bool = False
    """States what EN 319 412-5 asks of a qualified certificate for eSignature."""
    no_check: bool = False
    """id-pkix-ocsp-nocheck, RFC 6960 § 4.2.2.2.1: this responder's own status is not asked for."""


@frozen(kw_only=True)
class Addresses:
    """Where relying parties find what a certificate points to; an empty one is left out."""

    issuer: str = ""
    """The issuer's certificate, DER."""
    ocsp: str = ""
    crl: str = ""
    disclosure: tuple[tuple[str, str], ...] = ()
    """(language, https address) of each disclosure statement."""
    registration: str = ""
    """Who hands out the subjects' serial numbers."""


@frozen(kw_only=True)
class Issuer:
    """Who signs: a certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey


class _Info(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[object]] = [("id", core.ObjectIdentifier), ("info", core.Any, {"optional": True})]


class _Statements(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Info


class _Semantics(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[object]] = [("id", core.ObjectIdentifier), ("authorities", asn1_x509.GeneralNames)]


class _Identifiers(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.ObjectIdentifier


class _Location(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[object]] = [("url", core.IA5String), ("language", core.PrintableString)]


class _Locations(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Location


def qualified_statements(*, disclosure: tuple[tuple[str, str], ...], registration: str) -> bytes:
    """Give the DER of the statements of a QCP-n certificate: compliance, eSignature, disclosure, natural person.

    No QcSSCD: the key is not in a qualified device. No legislation: absent means the Union (EN 319 412-5 § 4.2.4).
    """
    locations = [{"url": url, "language": language} for language, url in disclosure]
    authority = asn1_x509.GeneralName(name="uniform_resource_identifier", value=registration)
    statements = _Statements(
        [
            {"id": "0.4.0.1862.1.1"},
            {"id": "0.4.0.1862.1.6", "info": _Identifiers(["0.4.0.1862.1.6.1"])},
            {"id": "0.4.0.1862.1.5", "info": _Locations(locations)},
            # pkixQCSyntax-v2, RFC 3739 § 3.2.6.1, with the natural person semantics of EN 319 412-1 § 5.1.3; the
            # authority must be named because the subject's serial number is of a scheme of its own.
            {"id": "1.3.6.1.5.5.7.11.2", "info": _Semantics({"id": "0.4.0.194121.1.1", "authorities": [authority]})},
        ]
    )
    return bytes(statements.dump())


def name(*attributes: tuple[ObjectIdentifier, str]) -> x509.Name:
    """Give a distinguished name, in this order; empty attributes are left out."""
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in attributes if text])


def common_name(text: str, ending: str = "") -> str:
    """Give the text with its ending, the text cut where both would be too long for a common name."""
    room = COMMON_NAME_LENGTH - len(ending.encode())
    return text.encode()[:room].decode(errors="ignore").rstrip() + ending


def later(moment: datetime, *, years: int = 0, days: int = 0) -> datetime:
    """Give the same day so many years later (29 February becomes the 28th), then so many days."""
    try:
        moved = moment.replace(year=moment.year + years)
    except ValueError:
        moved = moment.replace(year=moment.year + years, day=28)
    return moved + timedelta(days=days)


def build(
    profile: Profile,
    *,
    subject: x509.Name,
    key: PublicKey,
    issuer: Issuer | PrivateKey,
    serial: int,
    not_before: datetime,
    addresses: Addresses = Addresses(),
    emails: tuple[str, ...] = (),
) -> x509.Certificate:
    """Make a certificate. With a bare private key as issuer it is self-signed; it never outlives its issuer."""
    start = not_before.astimezone(UTC).replace(microsecond=0)
    # Both ends belong to the validity (RFC 5280 § 4.1.2.5): five years end a second before the anniversary.
    end = later(start, years=profile.years, days=profile.days) - timedelta(seconds=1)
    if isinstance(issuer, Issuer):
        end = min(end, issuer.certificate.not_valid_after_utc)
        issuer_name, signing_key = issuer.certificate.subject, issuer.key
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
            issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        )
    else:
        issuer_name, signing_key = subject, issuer
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    extensions = [
        (authority_key, False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        *_stated(profile, addresses, emails),
    ]
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA256())


def _stated(profile: Profile, addresses: Addresses, emails: tuple[str, ...]) -> list[tuple[x509.ExtensionType, bool]]:
    usages = {usage: usage in profile.usage for usage in KEY_USAGES}
    found: list[tuple[x509.ExtensionType, bool]] = [(x509.KeyUsage(**usages), True)]
    if profile.authority:
        found.append((x509.BasicConstraints(ca=True, path_length=profile.path_length), True))
    if profile.policies:
        policies = [x509.PolicyInformation(ObjectIdentifier(oid), None) for oid in profile.policies]
        found.append((x509.CertificatePolicies(policies), False))
    if profile.extended_usage:
        purposes = x509.ExtendedKeyUsage([ObjectIdentifier(profile.extended_usage)])
        found.append((purposes, profile.extended_usage_critical))
    if emails:
        found.append((x509.SubjectAlternativeName([x509.RFC822Name(email) for email in emails]), False))
    places = [
        x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
        for method, url in (
            (AuthorityInformationAccessOID.OCSP, addresses.ocsp),
            (AuthorityInformationAccessOID.CA_ISSUERS, addresses.issuer),
        )
        if url
    ]
    if places:
        found.append((x509.AuthorityInformationAccess(places), False))
    if addresses.crl:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(addresses.crl)], None, None, None)
        found.append((x509.CRLDistributionPoints([point]), False))
    if profile.qualified:
        statements = qualified_statements(disclosure=addresses.disclosure, registration=addresses.registration)
        found.append((x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.5.5.7.1.3"), statements), False))
    if profile.no_check:
        found.append((x509.OCSPNoCheck(), False))
    return found


def der(certificate: x509.Certificate) -> bytes:
    """Give the certificate's bytes."""
    return certificate.public_bytes(Encoding.DER)


OCSP_SIGNING: Final = ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string
TIME_STAMPING: Final = ExtendedKeyUsageOID.TIME_STAMPING.dotted_string
