"""Reading a trusted list (ETSI TS 119 612) and verifying its signature (XAdES, enveloped).

We read the lists ourselves rather than with pyHanko's `eutl_parse`, for what was found by running it: it keeps
neither CA/PKC services nor any status but `granted`; a `urn:oid:` policy never matches; of two Qualifications
extensions the last wins; a history entry without a certificate (every one of the French list) is lost; NextUpdate,
TSLType and territory are not looked at. The signature is verified by the same library (signxml), against pinned
certificates only, and nothing is read but what that signature covers.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from qcp_sdk.errors import TrustListError
from qcp_sdk.verification import signed_xml as xml
from qcp_sdk.verification.services import (
    INFORMATION,
    Assertion,
    Criteria,
    Criterion,
    ExtendedKeyUsage,
    KeyUsage,
    Period,
    Policies,
    QualificationElement,
    Service,
    SubjectAttributes,
    TrustedList,
    Unreadable,
)

if TYPE_CHECKING:
    from lxml.etree import _Element

_SIE: Final = "{http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#}"
_XADES: Final = "{http://uri.etsi.org/01903/v1.3.2#}"

_IDENTITY: Final = f"{xml.TSL}ServiceDigitalIdentity/{xml.TSL}DigitalId/{xml.TSL}X509Certificate"
_BITS: Final = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "non_repudiation",
    "keyEncipherment": "key_encipherment",
    "dataEncipherment": "data_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "crlSign": "crl_sign",
    "encipherOnly": "encipher_only",
    "decipherOnly": "decipher_only",
}


@lru_cache(maxsize=64)
def read(content: bytes, operators: tuple[bytes, ...], where: str) -> TrustedList:
    """Give what a list says, once one of the operators' certificates (DER) verifies its signature. Remembered.

    Raises:
        TrustListError: It is not a trusted list of services, it is not signed by one of these, or it was changed.
    """
    from lxml import etree

    try:
        root, _ = xml.verified(content, operators, where)
        return _list(root, hashlib.sha256(content).hexdigest(), where)
    except TrustListError as error:
        if error.where:
            raise
        raise TrustListError(error.what, where=where, mend=error.mend or xml.MEND) from error
    except (etree.LxmlError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TrustListError("it is not a trusted list that can be read", where=where, mend=xml.MEND) from error


def _list(root: _Element, sha256: str, where: str) -> TrustedList:
    scheme = xml.scheme(root)
    xml.check_version(scheme)
    kind, territory = (xml.text(scheme, tag) for tag in ("TSLType", "SchemeTerritory"))
    if kind not in {f"{xml.TYPES}EUgeneric", f"{xml.TYPES}{territory}list"}:
        raise TrustListError(
            "it is not a list of one territory's trust services",
            where=where,
            mend="a list of lists only points to them: `qcp-sdk trust update` fetches what it points to",
        )
    if not (len(territory) == 2 and territory.isascii() and territory.isalpha() and territory.isupper()):
        raise TrustListError(
            "its territory is not an ISO 3166-1 code of two letters", mend="fetch it again from its scheme operator"
        )
    return TrustedList(
        territory=territory,
        type=kind,
        operator=xml.name(scheme, "SchemeOperatorName"),
        sequence=int(xml.text(scheme, "TSLSequenceNumber")),
        issued_at=xml.moment(scheme, "ListIssueDateTime"),
        next_update=xml.next_update(scheme),
        sha256=sha256,
        services=tuple(
            _service(service, provider=xml.name(xml.need(provider, "TSPInformation"), "TSPName"), territory=territory)
            for provider in root.iterfind(f"{xml.TSL}TrustServiceProviderList/{xml.TSL}TrustServiceProvider")
            for service in provider.iterfind(f"{xml.TSL}TSPServices/{xml.TSL}TSPService")
        ),
    )


def _service(element: _Element, *, provider: str, territory: str) -> Service:
    present = xml.need(element, "ServiceInformation")
    entries = [present, *element.iterfind(f"{xml.TSL}ServiceHistory/{xml.TSL}ServiceHistoryInstance")]
    # A history entry describes the same service: it may name it without repeating its certificate (§ 5.6.3).
    identities = tuple(
        dict.fromkeys(
            base64.b64decode("".join((certificate.text or "").split()), validate=True)
            for entry in entries
            for certificate in entry.iterfind(
                f"{xml.TSL}ServiceDigitalIdentity/{xml.TSL}DigitalId/{xml.TSL}X509Certificate"
            )
        )
    )
    started = sorted(((xml.moment(entry, "StatusStartingTime"), entry) for entry in entries), key=lambda one: one[0])
    ends: list[datetime | None] = [*(moment for moment, _ in started[1:]), None]
    periods = tuple(_period(entry, starts=starts, ends=end) for (starts, entry), end in zip(started, ends, strict=True))
    return Service(
        name=xml.name(present, "ServiceName"),
        provider=provider,
        territory=territory,
        identities=identities,
        periods=periods[::-1],
    )


def _period(entry: _Element, *, starts: datetime, ends: datetime | None) -> Period:
    purposes: list[str] = []
    qualifications: list[QualificationElement] = []
    incomprehensible = False
    for extension in entry.iterfind(f"{xml.TSL}ServiceInformationExtensions/{xml.TSL}Extension"):
        known = False
        for content in extension:
            if content.tag == f"{_SIE}Qualifications":
                known = True
                qualifications.extend(_qualifications(content))
            elif content.tag == f"{xml.TSL}AdditionalServiceInformation":
                known = True
                purposes.append(xml.text(content, "URI"))
            elif content.tag in {f"{xml.TSL}ExpiredCertsRevocationInfo", f"{xml.ADDITIONAL}TakenOverBy"}:
                known = True  # they change nothing in what is concluded here
        incomprehensible |= not known and extension.get("Critical") in {"true", "1"}
    return Period(
        type=xml.text(entry, "ServiceTypeIdentifier"),
        status=xml.text(entry, "ServiceStatus"),
        starts=starts,
        ends=ends,
        purposes=frozenset(purpose for purpose in purposes if purpose.startswith(INFORMATION)),
        qualifications=tuple(qualifications),
        incomprehensible=incomprehensible,
    )


def _qualifications(element: _Element) -> Iterator[QualificationElement]:
    for one in element.iterfind(f"{_SIE}QualificationElement"):
        criteria = one.find(f"{_SIE}CriteriaList")
        yield QualificationElement(
            qualifiers=frozenset(
                qualifier.get("uri", "").rpartition("/")[2]
                for qualifier in one.iterfind(f"{_SIE}Qualifiers/{_SIE}Qualifier")
            ),
            criteria=Criteria(assertion=Assertion.ALL, parts=(Unreadable(name="no criteria"),))
            if criteria is None
            else _criteria(criteria),
        )


def _criteria(element: _Element) -> Criteria:
    assertion = element.get("assert", "")
    if assertion not in set(Assertion):
        return Criteria(assertion=Assertion.ALL, parts=(Unreadable(name="assertion"),))
    return Criteria(assertion=Assertion(assertion), parts=tuple(_parts(element)))


def _parts(element: Iterable[_Element]) -> Iterator[Criterion]:
    for part in element:
        match part.tag:
            case tag if tag == f"{_SIE}KeyUsage":
                bits = [(_BITS.get(bit.get("name", "")), (bit.text or "").strip()) for bit in part]
                if any(name is None for name, _ in bits):
                    yield Unreadable(name="key usage")
                yield KeyUsage(
                    required=frozenset(name for name, value in bits if name and value in {"true", "1"}),
                    forbidden=frozenset(name for name, value in bits if name and value in {"false", "0"}),
                )
            case tag if tag == f"{_SIE}PolicySet":
                yield Policies(oids=_oids(part, f"{_SIE}PolicyIdentifier"))
            case tag if tag == f"{_SIE}CriteriaList":
                yield _criteria(part)
            case tag if tag == f"{_SIE}otherCriteriaList":
                yield from _parts(part)
            case tag if tag == f"{xml.ADDITIONAL}CertSubjectDNAttribute":
                yield SubjectAttributes(oids=_oids(part, f"{xml.ADDITIONAL}AttributeOID"))
            case tag if tag == f"{xml.ADDITIONAL}ExtendedKeyUsage":
                yield ExtendedKeyUsage(oids=_oids(part, f"{xml.ADDITIONAL}KeyPurposeId"))
            case tag if tag == f"{_SIE}Description":
                continue
            case _:
                yield Unreadable(name=str(part.tag)[:80])


def _oids(element: _Element, tag: str) -> frozenset[str]:
    """Read object identifiers; both `1.2.3` and `urn:oid:1.2.3` are in use (XAdES § 5.1.2 allows either)."""
    return frozenset(
        "".join((identifier.text or "").split()).lower().removeprefix("urn:oid:")
        for identifier in element.iterfind(f"{tag}/{_XADES}Identifier")
    )
