"""Reading X.509 (RFC 5280) and its European statements (EN 319 412-5): bytes in, a `Certificate` or an error out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, ClassVar, Final

from asn1crypto import core, pem, x509  # type: ignore[import-untyped]

from qcp_sdk.certificates.shapes import Certificate, QcStatements, fingerprint
from qcp_sdk.errors import CertificateError, InvalidValue
from qcp_sdk.values import EmailAddress, PersonName

LONGEST: Final = 65_536
"""Bytes. Certificates of persons have some 2,000; more than this is not one."""

_SHORT_NAMES: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.42": "givenName",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
"""RFC 4514 § 2.3: registered short names; what has none is written by its number."""

_COMPLIANCE: Final = "0.4.0.1862.1.1"
_QSCD: Final = "0.4.0.1862.1.4"
_PDS: Final = "0.4.0.1862.1.5"
_TYPE: Final = "0.4.0.1862.1.6"
_LEGISLATION: Final = "0.4.0.1862.1.7"
_READ_STATEMENTS: Final = frozenset({_COMPLIANCE, _QSCD, _PDS, _TYPE, _LEGISLATION})


class _Statement(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[object]] = [("id", core.ObjectIdentifier), ("info", core.Any, {"optional": True})]


class _Statements(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Statement


class _Types(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.ObjectIdentifier


class _Countries(core.SequenceOf):  # type: ignore[misc]
    _child_spec = core.PrintableString


class _Location(core.Sequence):  # type: ignore[misc]
    _fields: ClassVar[list[object]] = [("url", core.IA5String), ("language", core.PrintableString)]


class _Locations(core.SequenceOf):  # type: ignore[misc]
    _child_spec = _Location


def read(content: bytes) -> Certificate:
    """Read one certificate, DER or PEM. Whatever the bytes are, the answer is a `Certificate` or this error.

    Raises:
        CertificateError: These bytes are not exactly one X.509 certificate, or a part that is read here is broken.
    """
    given: object = content  # callers without a type checker exist
    if not isinstance(given, bytes) or len(given) > LONGEST:
        raise CertificateError("it is not a certificate", mend=f"pass at most {LONGEST} bytes, DER or PEM")
    try:
        return _certificate(content if content[:1] == b"\x30" else _unarmoured(content))
    except CertificateError:
        raise
    # asn1crypto reads lazily and says what is wrong with all of these; the input is the only thing that varies.
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise CertificateError("it is not a certificate that can be read", mend="pass DER or PEM") from error


def holder(der: bytes) -> str:
    """Say whom a certificate names, without reading the rest: by the common name, or the whole name without one.

    Raises:
        CertificateError: It cannot be read so far.
    """
    try:
        subject = x509.Certificate.load(der)["tbs_certificate"]["subject"]
        return _attributes(subject).get("CN", "") or _text(subject)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise CertificateError("it is not a certificate that can be read", mend="pass DER") from error


def _unarmoured(content: bytes) -> bytes:
    found = [der for kind, _, der in pem.unarmor(content, multiple=True) if kind == "CERTIFICATE"]
    if len(found) != 1:
        raise CertificateError(f"it holds {len(found)} certificates", mend="pass one at a time")
    return bytes(found[0])


def _certificate(der: bytes) -> Certificate:
    body = x509.Certificate.load(der, strict=True)["tbs_certificate"]
    extensions: dict[str, bytes] = {}
    for extension in body["extensions"] or ():
        oid = extension["extn_id"].dotted
        if oid in extensions:  # RFC 5280 § 4.2: at most one of each
            raise CertificateError(f"extension `{oid}` stands twice", mend="have its issuer make it anew")
        extensions[oid] = bytes(extension["extn_value"])
    subject, issuer = _attributes(body["subject"]), _attributes(body["issuer"])
    usage = _extension(extensions, "2.5.29.15", x509.KeyUsage)
    policies = _extension(extensions, "2.5.29.32", x509.CertificatePolicies)
    constraints = _extension(extensions, "2.5.29.19", x509.BasicConstraints)
    return Certificate(
        der=der,
        fingerprint=fingerprint(der),
        serial=body["serial_number"].native,
        issuer=_text(body["issuer"]),
        issuer_organisation=issuer.get("O", ""),
        subject=_text(body["subject"]),
        name=_person(subject),
        common_name=subject.get("CN", ""),
        subject_serial=subject.get("serialNumber", ""),
        country=subject.get("C", ""),
        emails=tuple(dict.fromkeys(_emails(_extension(extensions, "2.5.29.17", x509.GeneralNames)))),
        policies=tuple(policy["policy_identifier"].dotted for policy in policies or ()),
        qc=_statements(_extension(extensions, "1.3.6.1.5.5.7.1.3", _Statements) or ()),
        key_usage=frozenset(bit for bit in usage.native if isinstance(bit, str)) if usage else frozenset(),
        not_before=body["validity"]["not_before"].native.astimezone(UTC),
        not_after=body["validity"]["not_after"].native.astimezone(UTC),
        is_ca=bool(constraints and constraints["ca"].native),
    )


def _extension(extensions: Mapping[str, bytes], oid: str, shape: type[Any]) -> Any:
    # By number and from its bytes: other libraries in the process change what asn1crypto makes of `.parsed`.
    return shape.load(extensions[oid], strict=True) if oid in extensions else None


def _attributes(name: Any) -> dict[str, str]:
    """Give the first-level attributes of a name that have a short name; repeated ones are joined by a space."""
    found: dict[str, str] = {}
    for rdn in name.chosen:
        for attribute in rdn:
            short = _SHORT_NAMES.get(attribute["type"].dotted)
            value = attribute["value"].native
            if short and isinstance(value, str):
                found[short] = f"{found[short]} {value}" if short in found else value
    return found


def _text(name: Any) -> str:
    """Write a distinguished name: RFC 4514, most specific part first."""
    return ",".join("+".join(_pair(attribute) for attribute in rdn) for rdn in reversed(list(name.chosen)))


def _pair(attribute: Any) -> str:
    oid = attribute["type"].dotted
    value = attribute["value"].native if oid in _SHORT_NAMES else None
    if not isinstance(value, str):
        return f"{oid}=#{attribute['value'].dump().hex()}"
    escaped = "".join(f"\\{letter}" if letter in ',+"\\<>;' else letter for letter in value).replace("\0", "\\00")
    if escaped.startswith((" ", "#")):
        escaped = f"\\{escaped}"
    if escaped.endswith(" ") and len(value) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return f"{_SHORT_NAMES[oid]}={escaped}"


def _person(subject: Mapping[str, str]) -> PersonName | None:
    try:
        return PersonName(given=subject["givenName"], last=subject["SN"])
    except (KeyError, InvalidValue):  # a company, or a name that nobody could type: it names no person
        return None


def _emails(names: Any) -> Iterator[EmailAddress]:
    for name in names or ():
        if name.name == "rfc822_name":
            try:
                # The octets as they stand: asn1crypto's `.native` turns an IDNA domain (xn--…) into Unicode.
                yield EmailAddress(bytes(name.chosen.contents).decode("ascii"))
            except (InvalidValue, UnicodeDecodeError):  # an address that we could not write to either
                continue


def _statements(statements: Any) -> QcStatements:
    """Read the statements. One that stands twice says what both say together; an unknown one is kept by number."""
    told: dict[str, list[Any]] = {}
    for statement in statements:
        told.setdefault(statement["id"].dotted, []).append(statement["info"])

    def each(oid: str, shape: type[Any]) -> Iterator[Any]:
        for info in told.get(oid, ()):
            yield from info.parse(shape)  # a statement without its value has no `parse`: it is broken

    locations = ((place["language"].native.lower(), place["url"].native) for place in each(_PDS, _Locations))
    return QcStatements(
        compliance=_COMPLIANCE in told,
        qscd=_QSCD in told,
        types=tuple(dict.fromkeys(kind.dotted for kind in each(_TYPE, _Types))),
        legislation=tuple(dict.fromkeys(country.native for country in each(_LEGISLATION, _Countries))),
        disclosure=tuple(dict.fromkeys(locations)),
        others=tuple(oid for oid in told if oid not in _READ_STATEMENTS),
    )
