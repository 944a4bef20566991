"""A trusted-list scheme of one's own, for tests and demonstrations: writes a real, signed list (ETSI TS 119 612 v6).

What is written is read back by the very path that a European list takes: XML, XAdES signature, pinned operator,
services with their history. Its territory is `ZZ`, a code that ISO 3166-1 leaves to users, and its names say TEST:
nobody can take it for a list of the Union, and production refuses a trust directory that holds it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from qcp_sdk.errors import InvalidValue
from qcp_sdk.values import utc

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from lxml.etree import _Element

TERRITORY: Final = "ZZ"
LONGEST: Final = timedelta(days=183)
"""A list is replaced at least every six months (TS 119 612 § 5.3.15)."""

_URI: Final = "http://uri.etsi.org/TrstSvc/"
_TSL: Final = "http://uri.etsi.org/02231/v2#"
_SIE: Final = "http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#"
_XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
_XML: Final = "http://www.w3.org/XML/1998/namespace"


class ServiceType(Enum):
    """The services of TS 119 612 § 5.5.1 that a local centre has."""

    CA_QC = f"{_URI}Svctype/CA/QC"
    """Issues qualified certificates."""
    CA_PKC = f"{_URI}Svctype/CA/PKC"
    """Issues certificates that are not qualified."""
    QTST = f"{_URI}Svctype/TSA/QTST"
    """Stamps time, qualified."""


class ServiceStatus(Enum):
    """The statuses of TS 119 612 § 5.5.4: the first two for qualified services, the others for those that are not."""

    GRANTED = f"{_URI}TrustedList/Svcstatus/granted"
    WITHDRAWN = f"{_URI}TrustedList/Svcstatus/withdrawn"
    RECOGNISED_NATIONALLY = f"{_URI}TrustedList/Svcstatus/recognisedatnationallevel"
    DEPRECATED_NATIONALLY = f"{_URI}TrustedList/Svcstatus/deprecatedatnationallevel"


class Purpose(Enum):
    """What a CA/QC service's certificates are for (additionalServiceInformation, § 5.5.9.4)."""

    SIGNATURES = f"{_URI}TrustedList/SvcInfoExt/ForeSignatures"
    SEALS = f"{_URI}TrustedList/SvcInfoExt/ForeSeals"
    WEBSITES = f"{_URI}TrustedList/SvcInfoExt/ForWebSiteAuthentication"


@frozen(kw_only=True)
class Qualifier:
    """A qualifier (`NotQualified`, `QCWithQSCD` …, § 5.5.9.2.3) for certificates under all of these policies."""

    word: str
    policies: tuple[str, ...]
    """Object identifiers, as they shall be written: `1.2.3` or `urn:oid:1.2.3`."""


@frozen(kw_only=True)
class ListedService:
    """One service to be listed, with its history."""

    name: str
    type: ServiceType
    certificate: bytes = field(repr=False)
    """DER: what identifies the service."""
    history: tuple[tuple[ServiceStatus, datetime], ...]
    """(status, since), oldest first; the last one stands now."""
    purposes: tuple[Purpose, ...] = ()
    """For CA/QC; empty means electronic signatures."""
    qualifiers: tuple[Qualifier, ...] = ()


def publish(
    directory: Path,
    *,
    operator_key: EllipticCurvePrivateKey | RSAPrivateKey,
    operator_certificate: bytes,
    services: Sequence[ListedService],
    now: datetime,
    next_update: datetime,
    sequence: int,
    crls: Sequence[bytes] = (),
    provider: str = "qcp_sdk local trust centre (TEST)",
) -> Path:
    """Write a trust directory: the signed list, the operator's certificate, revocation lists. Gives the list's path.

    Publishing again replaces what was there, file by file, whole or not at all. The XAdES signature is made by the
    key of `operator_certificate` (DER) at `now`; `crls` are DER, with any number of issuers.

    Raises:
        InvalidValue: No service, no history, a period longer than six months, or a sequence below 1.
    """
    now, next_update = utc(now, "now"), utc(next_update, "next_update")
    if not services or not all(service.history for service in services):
        raise InvalidValue("a list without services, or a service without a status", where="services", mend="give both")
    if sequence < 1 or not timedelta() < next_update - now <= LONGEST:
        raise InvalidValue(
            "a list has a sequence number from 1 and lives at most six months",
            where="next_update",
            mend="choose an earlier instant, after `now`",
        )
    root = _list(services, now=now, next_update=next_update, sequence=sequence, provider=provider)
    content = _signed(root, operator_key, operator_certificate, now)
    path = directory / "lists" / f"{TERRITORY.lower()}-test.xml"
    _write(path, content)
    _write(directory / "operators" / f"{TERRITORY.lower()}-test.pem", _pem(operator_certificate))
    kept = {f"{TERRITORY.lower()}-test-{number}.crl": crl for number, crl in enumerate(crls, start=1)}
    for name, crl in kept.items():
        _write(directory / "revocation" / name, crl)
    for old in (directory / "revocation").glob(f"{TERRITORY.lower()}-test-*.crl"):
        if old.name not in kept:
            old.unlink()
    return path


def _signed(root: _Element, key: EllipticCurvePrivateKey | RSAPrivateKey, certificate: bytes, now: datetime) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import load_der_x509_certificate
    from lxml import etree
    from signxml.algorithms import SignatureMethod
    from signxml.xades.xades import XAdESDataObjectFormat, XAdESSigner

    class Signer(XAdESSigner):
        """Says the time that it is given: the library's own reads the computer's clock."""

        def add_signing_time(
            self,
            signed_signature_properties: _Element,
            sig_root: _Element,  # noqa: ARG002  # the library passes it by name
            signing_settings: object,  # noqa: ARG002  # same
        ) -> None:
            element = etree.SubElement(signed_signature_properties, f"{{{_XADES}}}SigningTime")
            element.text = _time(now)

    elliptic = isinstance(key, EllipticCurvePrivateKey)
    # The default canonicalisation, not the exclusive one: with it the library's references do not verify.
    signer = Signer(
        signature_algorithm=SignatureMethod.ECDSA_SHA256 if elliptic else SignatureMethod.RSA_SHA256,
        data_object_format=XAdESDataObjectFormat(Description="Trusted list (TEST)", MimeType="text/xml"),
    )
    signed = signer.sign(root, key=key, cert=[load_der_x509_certificate(certificate)])
    return etree.tostring(signed, xml_declaration=True, encoding="UTF-8")


def _list(
    services: Sequence[ListedService], *, now: datetime, next_update: datetime, sequence: int, provider: str
) -> _Element:
    from lxml import etree

    root = etree.Element(
        f"{{{_TSL}}}TrustServiceStatusList",
        {"TSLTag": "http://uri.etsi.org/19612/TSLTag", "Id": f"TEST-{sequence}"},
        nsmap={None: _TSL, "sie": _SIE, "xades": _XADES},
    )
    scheme = _add(root, "SchemeInformation")
    _add(scheme, "TSLVersionIdentifier", "6")
    _add(scheme, "TSLSequenceNumber", str(sequence))
    _add(scheme, "TSLType", f"{_URI}TrustedList/TSLType/EUgeneric")
    _names(scheme, "SchemeOperatorName", "qcp_sdk local scheme operator (TEST)")
    _address(scheme, "SchemeOperatorAddress")
    _names(scheme, "SchemeName", f"{TERRITORY}:TEST trusted list, of no legal value")
    _uris(scheme, "SchemeInformationURI", "https://test.invalid/scheme")
    _add(scheme, "StatusDeterminationApproach", f"{_URI}TrustedList/StatusDetn/EUappropriate")
    _uris(scheme, "SchemeTypeCommunityRules", "https://test.invalid/rules")
    _add(scheme, "SchemeTerritory", TERRITORY)
    notice = _add(_add(scheme, "PolicyOrLegalNotice"), "TSLLegalNotice", "For tests and demonstrations only.")
    notice.set(f"{{{_XML}}}lang", "en")
    _add(scheme, "HistoricalInformationPeriod", "65535")
    _add(scheme, "ListIssueDateTime", _time(now))
    _add(_add(scheme, "NextUpdate"), "dateTime", _time(next_update))
    listed = _add(_add(root, "TrustServiceProviderList"), "TrustServiceProvider")
    information = _add(listed, "TSPInformation")
    _names(information, "TSPName", provider)
    _names(information, "TSPTradeName", provider)
    _address(information, "TSPAddress")
    _uris(information, "TSPInformationURI", "https://test.invalid/provider")
    entries = _add(listed, "TSPServices")
    for service in services:
        _service(_add(entries, "TSPService"), service)
    return root


def _service(entry: _Element, service: ListedService) -> None:
    *past, (status, since) = sorted(service.history, key=lambda one: one[1])
    _period(_add(entry, "ServiceInformation"), service, status, since)
    if past:
        history = _add(entry, "ServiceHistory")
        for earlier, when in reversed(past):
            _period(_add(history, "ServiceHistoryInstance"), service, earlier, when)


def _period(element: _Element, service: ListedService, status: ServiceStatus, since: datetime) -> None:
    _add(element, "ServiceTypeIdentifier", service.type.value)
    _names(element, "ServiceName", service.name)
    identity = _add(_add(element, "ServiceDigitalIdentity"), "DigitalId")
    _add(identity, "X509Certificate", base64.b64encode(service.certificate).decode("ascii"))
    _add(element, "ServiceStatus", status.value)
    _add(element, "StatusStartingTime", _time(utc(since, "history")))
    if service.type is not ServiceType.CA_QC:
        return
    extensions = _add(element, "ServiceInformationExtensions")
    if service.qualifiers:
        holder = _add(extensions, "Extension")
        holder.set("Critical", "false")
        _qualifications(holder, service.qualifiers)
    for purpose in service.purposes or (Purpose.SIGNATURES,):
        holder = _add(extensions, "Extension")
        holder.set("Critical", "true")
        _uris(holder, "AdditionalServiceInformation", purpose.value)


def _qualifications(holder: _Element, qualifiers: Sequence[Qualifier]) -> None:
    from lxml import etree

    qualifications = etree.SubElement(holder, f"{{{_SIE}}}Qualifications")
    for qualifier in qualifiers:
        element = etree.SubElement(qualifications, f"{{{_SIE}}}QualificationElement")
        words = etree.SubElement(element, f"{{{_SIE}}}Qualifiers")
        uri = f"{_URI}TrustedList/SvcInfoExt/{qualifier.word}"
        etree.SubElement(words, f"{{{_SIE}}}Qualifier", {"uri": uri})
        criteria = etree.SubElement(element, f"{{{_SIE}}}CriteriaList", {"assert": "all"})
        policies = etree.SubElement(criteria, f"{{{_SIE}}}PolicySet")
        for oid in qualifier.policies:
            identifier = etree.SubElement(policies, f"{{{_SIE}}}PolicyIdentifier")
            attributes = {"Qualifier": "OIDAsURN"} if oid.startswith("urn:oid:") else {}
            etree.SubElement(identifier, f"{{{_XADES}}}Identifier", attributes).text = oid


def _address(parent: _Element, tag: str) -> None:
    address = _add(parent, tag)
    postal = _add(_add(address, "PostalAddresses"), "PostalAddress")
    postal.set(f"{{{_XML}}}lang", "en")
    _add(postal, "StreetAddress", "nowhere")
    _add(postal, "Locality", "nowhere")
    _add(postal, "CountryName", TERRITORY)
    _uris(address, "ElectronicAddress", "mailto:nobody@test.invalid")


def _names(parent: _Element, tag: str, name: str) -> None:
    element = _add(_add(parent, tag), "Name", name)
    element.set(f"{{{_XML}}}lang", "en")


def _uris(parent: _Element, tag: str, uri: str) -> None:
    element = _add(_add(parent, tag), "URI", uri)
    element.set(f"{{{_XML}}}lang", "en")


def _add(parent: _Element, tag: str, text: str | None = None) -> _Element:
    from lxml import etree

    element = etree.SubElement(parent, f"{{{_TSL}}}{tag}")
    element.text = text
    return element


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pem(der: bytes) -> bytes:
    from asn1crypto import pem  # type: ignore[import-untyped]

    return bytes(pem.armor("CERTIFICATE", der))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    os.replace(beside, path)  # noqa: PTH105  # a reader sees the old file or the new one
