"""The XML of ETSI TS 119 612: parsed without doors or windows, its XAdES signature verified, its common parts read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from qcp_sdk.errors import TrustListError

if TYPE_CHECKING:
    from lxml.etree import _Element

LARGEST: Final = 64 * 1024 * 1024
"""Bytes. The largest national list has some 10 million."""
TSL: Final = "{http://uri.etsi.org/02231/v2#}"
ADDITIONAL: Final = "{http://uri.etsi.org/02231/v2/additionaltypes#}"
TYPES: Final = "http://uri.etsi.org/TrstSvc/TrustedList/TSLType/"
MEND: Final = "fetch the list again from its scheme operator, and its operator's certificate from where it is pinned"

_AGAIN: Final = "fetch it again from its scheme operator"
_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"


def parse(content: bytes) -> _Element:
    """Read the XML: no entity is resolved, nothing is loaded, a document type declaration is refused.

    Raises:
        TrustListError: It is not a trusted list, or larger than any.
        lxml.etree.LxmlError: It is not well-formed, or nested deeper than libxml2 follows (256).
    """
    from lxml import etree

    if len(content) > LARGEST:
        raise TrustListError(f"it has more than {LARGEST} bytes", mend=MEND)
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    root = etree.fromstring(content, parser)
    if root.getroottree().docinfo.doctype:
        raise TrustListError("it holds a document type declaration", mend=_AGAIN)
    if root.tag != f"{TSL}TrustServiceStatusList":
        raise TrustListError("it is not a trusted list", mend=_AGAIN)
    return root


def verified(content: bytes, operators: tuple[bytes, ...], where: str) -> tuple[_Element, bytes]:
    """Give what the signature of a list covers, and which operator's certificate (DER) verifies it.

    Raises:
        TrustListError: None of these operators signed it, or it was changed.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import InvalidVersion, load_der_x509_certificate
    from signxml.exceptions import SignXMLException
    from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

    # The operator's certificate must have been valid when the list was issued; lists outlive it (TS 119 612 § 5.7).
    issued_at = moment(scheme(parse(content)), "ListIssueDateTime")
    configuration = XAdESSignatureConfiguration(
        require_x509=True, expect_references=True, verification_time=issued_at, location="./"
    )
    failure: Exception | None = None
    for operator in operators:
        try:
            found = XAdESVerifier().verify(
                content, x509_cert=load_der_x509_certificate(operator), expect_config=configuration
            )
        except (
            SignXMLException,
            InvalidSignature,
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            InvalidVersion,
        ) as error:
            failure = error
            continue
        for result in found:
            if result.signed_xml is not None and result.signed_xml.tag == f"{TSL}TrustServiceStatusList":
                return parse(result.signed_data), operator
    raise TrustListError(
        "its signature does not verify with the certificate of any pinned scheme operator", where=where, mend=MEND
    ) from failure


def check_version(scheme: _Element) -> None:
    """Refuse a format that is not known.

    Raises:
        TrustListError: Neither version 5 nor 6.
    """
    version = text(scheme, "TSLVersionIdentifier")
    if version not in {"5", "6"}:
        raise TrustListError(
            f"version `{version[:16]}` of the format is not known", mend="lists of version 5 and 6 are read"
        )


def scheme(root: _Element) -> _Element:
    """Give the part that speaks of the list itself."""
    return need(root, "SchemeInformation")


def need(element: _Element, tag: str) -> _Element:
    """Give a child.

    Raises:
        TrustListError: It is missing.
    """
    found = element.find(f"{TSL}{tag}")
    if found is None:
        raise TrustListError(f"`{tag}` is missing", mend=_AGAIN)
    return found


def text(element: _Element, tag: str) -> str:
    """Give a child's text."""
    return (need(element, tag).text or "").strip()


def name(element: _Element, tag: str) -> str:
    """Give the English name, or the first one."""
    names = list(need(element, tag).iterfind(f"{TSL}Name"))
    english = (one for one in names if one.get(_LANGUAGE) == "en")
    chosen = next(english, names[0] if names else None)
    return " ".join((chosen.text or "").split()) if chosen is not None else ""


def moment(element: _Element, tag: str) -> datetime:
    """Give a child's instant."""
    return _instant(text(element, tag), tag)


def next_update(scheme: _Element) -> datetime | None:
    """Give until when the list counts; None where its scheme has ended (§ 5.3.15)."""
    found = need(scheme, "NextUpdate").find(f"{TSL}dateTime")
    return None if found is None else _instant((found.text or "").strip(), "NextUpdate")


def _instant(text: str, tag: str) -> datetime:
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:  # TS 119 612 § 5.1.4: times are UTC, written with Z
        raise TrustListError(f"`{tag}` has no time zone", mend=_AGAIN)
    return read.astimezone(UTC)
