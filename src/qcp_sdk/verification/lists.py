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
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from qcp_sdk.errors import TrustListError
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

LARGEST: Final = 64 * 1024 * 1024
"""Bytes. The largest national list has some 10 million."""

_TSL: Final = "{http://uri.etsi.org/02231/v2#}"
_SIE: Final = "{http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#}"
_ADDITIONAL: Final = "{http://uri.etsi.org/02231/v2/additionaltypes#}"
_XADES: Final = "{http://uri.etsi.org/01903/v1.3.2#}"
_TYPES: Final = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/"
_MEND: Final = "fetch the list again from its scheme operator, and its operator's certificate from where it is pinned"

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
    if len(content) > LARGEST:
        raise TrustListError(f"it has more than {LARGEST} bytes", where=where, mend=_MEND)
    from lxml import etree

    try:
        claimed = _parse(content)
        issued_at = _moment(_scheme(claimed), "ListIssueDateTime")
        root = _verified(content, operators, where, issued_at)
        return _list(root, hashlib.sha256(content).hexdigest(), where)
    except TrustListError as error:
        if error.where:
            raise
        raise TrustListError(error.what, where=where, mend=error.mend or _MEND) from error
    except (etree.LxmlError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TrustListError("it is not a trusted list that can be read", where=where, mend=_MEND) from error


def _parse(content: bytes) -> _Element:
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    root = etree.fromstring(content, parser)
    if root.getroottree().docinfo.doctype:
        raise TrustListError("it holds a document type declaration", mend="fetch it again from its scheme operator")
    if root.tag != f"{_TSL}TrustServiceStatusList":
        raise TrustListError("it is not a trusted list", mend="fetch it again from its scheme operator")
    return root


def _verified(content: bytes, operators: tuple[bytes, ...], where: str, issued_at: datetime) -> _Element:
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import load_der_x509_certificate
    from signxml.exceptions import SignXMLException
    from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

    # The operator's certificate must have been valid when the list was issued; lists outlive it (TS 119 612 § 5.7).
    configuration = XAdESSignatureConfiguration(
        require_x509=True, expect_references=True, verification_time=issued_at, location="./"
    )
    failure: Exception | None = None
    for operator in operators:
        try:
            found = XAdESVerifier().verify(
                content, x509_cert=load_der_x509_certificate(operator), expect_config=configuration
            )
        except (SignXMLException, InvalidSignature, ValueError, TypeError, KeyError, AttributeError) as error:
            failure = error
            continue
        for result in found:
            if result.signed_xml is not None and result.signed_xml.tag == f"{_TSL}TrustServiceStatusList":
                return _parse(result.signed_data)
    raise TrustListError(
        "its signature does not verify with the certificate of any pinned scheme operator", where=where, mend=_MEND
    ) from failure


def _list(root: _Element, sha256: str, where: str) -> TrustedList:
    scheme = _scheme(root)
    version, kind, territory = (_text(scheme, tag) for tag in ("TSLVersionIdentifier", "TSLType", "SchemeTerritory"))
    if version not in {"5", "6"}:
        raise TrustListError(
            f"version `{version[:16]}` of the format is not known", mend="lists of version 5 and 6 are read"
        )
    if kind not in {f"{_TYPES}EUgeneric", f"{_TYPES}{territory}list"}:
        raise TrustListError(
            "it is not a list of one territory's trust services",
            where=where,
            mend="a list of lists only points to them: put the lists themselves into the directory",
        )
    if not (len(territory) == 2 and territory.isascii() and territory.isalpha() and territory.isupper()):
        raise TrustListError(
            "its territory is not an ISO 3166-1 code of two letters", mend="fetch it again from its scheme operator"
        )
    return TrustedList(
        territory=territory,
        operator=_name(scheme, "SchemeOperatorName"),
        sequence=int(_text(scheme, "TSLSequenceNumber")),
        issued_at=_moment(scheme, "ListIssueDateTime"),
        next_update=_next_update(scheme),
        sha256=sha256,
        services=tuple(
            _service(service, provider=_name(_need(provider, "TSPInformation"), "TSPName"), territory=territory)
            for provider in root.iterfind(f"{_TSL}TrustServiceProviderList/{_TSL}TrustServiceProvider")
            for service in provider.iterfind(f"{_TSL}TSPServices/{_TSL}TSPService")
        ),
    )


def _service(element: _Element, *, provider: str, territory: str) -> Service:
    present = _need(element, "ServiceInformation")
    entries = [present, *element.iterfind(f"{_TSL}ServiceHistory/{_TSL}ServiceHistoryInstance")]
    # A history entry describes the same service: it may name it without repeating its certificate (§ 5.6.3).
    identities = tuple(
        dict.fromkeys(
            base64.b64decode("".join((certificate.text or "").split()), validate=True)
            for entry in entries
            for certificate in entry.iterfind(f"{_TSL}ServiceDigitalIdentity/{_TSL}DigitalId/{_TSL}X509Certificate")
        )
    )
    started = sorted(((_moment(entry, "StatusStartingTime"), entry) for entry in entries), key=lambda one: one[0])
    ends: list[datetime | None] = [*(moment for moment, _ in started[1:]), None]
    periods = tuple(_period(entry, starts=starts, ends=end) for (starts, entry), end in zip(started, ends, strict=True))
    return Service(
        name=_name(present, "ServiceName"),
        provider=provider,
        territory=territory,
        identities=identities,
        periods=periods[::-1],
    )


def _period(entry: _Element, *, starts: datetime, ends: datetime | None) -> Period:
    purposes: list[str] = []
    qualifications: list[QualificationElement] = []
    incomprehensible = False
    for extension in entry.iterfind(f"{_TSL}ServiceInformationExtensions/{_TSL}Extension"):
        known = False
        for content in extension:
            if content.tag == f"{_SIE}Qualifications":
                known = True
                qualifications.extend(_qualifications(content))
            elif content.tag == f"{_TSL}AdditionalServiceInformation":
                known = True
                purposes.append(_text(content, "URI"))
            elif content.tag in {f"{_TSL}ExpiredCertsRevocationInfo", f"{_ADDITIONAL}TakenOverBy"}:
                known = True  # they change nothing in what is concluded here
        incomprehensible |= not known and extension.get("Critical") in {"true", "1"}
    return Period(
        type=_text(entry, "ServiceTypeIdentifier"),
        status=_text(entry, "ServiceStatus"),
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
            case tag if tag == f"{_ADDITIONAL}CertSubjectDNAttribute":
                yield SubjectAttributes(oids=_oids(part, f"{_ADDITIONAL}AttributeOID"))
            case tag if tag == f"{_ADDITIONAL}ExtendedKeyUsage":
                yield ExtendedKeyUsage(oids=_oids(part, f"{_ADDITIONAL}KeyPurposeId"))
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


def _scheme(root: _Element) -> _Element:
    return _need(root, "SchemeInformation")


def _need(element: _Element, tag: str) -> _Element:
    found = element.find(f"{_TSL}{tag}")
    if found is None:
        raise TrustListError(f"`{tag}` is missing", mend="fetch it again from its scheme operator")
    return found


def _text(element: _Element, tag: str) -> str:
    return (_need(element, tag).text or "").strip()


def _name(element: _Element, tag: str) -> str:
    """Give the English name, or the first one."""
    names = list(_need(element, tag).iterfind(f"{_TSL}Name"))
    english = (one for one in names if one.get("{http://www.w3.org/XML/1998/namespace}lang") == "en")
    chosen = next(english, names[0] if names else None)
    return " ".join((chosen.text or "").split()) if chosen is not None else ""


def _moment(element: _Element, tag: str) -> datetime:
    return _instant(_text(element, tag), tag)


def _next_update(scheme: _Element) -> datetime | None:
    moment = _need(scheme, "NextUpdate").find(f"{_TSL}dateTime")
    return None if moment is None else _instant((moment.text or "").strip(), "NextUpdate")


def _instant(text: str, tag: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:  # TS 119 612 § 5.1.4: times are UTC, written with Z
        raise TrustListError(f"`{tag}` has no time zone", mend="fetch it again from its scheme operator")
    return moment.astimezone(UTC)
