"""The list of trusted lists (LOTL): who may sign which national list, and how its own signers changed (pivots).

The Official Journal publishes the certificates of those who may sign it. When they change before the Journal says
so again, a *pivot* does: a list of lists signed by the old ones that names the new ones in its pointer to itself.
The present list names its pivots, newest first, before the Journal's address (ETSI TS 119 615 § 4.2; the order and
form of these addresses are as the European list has them, and as the EU's own validator reads them [known]).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from qcp_sdk.errors import TrustListError
from qcp_sdk.verification import signed_xml as xml

if TYPE_CHECKING:
    from lxml.etree import _Element

EUROPEAN: Final = "https://ec.europa.eu/tools/lotl/eu-lotl.xml"
"""Where the European Commission publishes it (Decision (EU) 2015/1505)."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes. That of 2019 has four hundred thousand."""
MOST_PIVOTS: Final = 40
MOST_POINTERS: Final = 200

_LISTS: Final = f"{xml.TYPES}EUlistofthelists"
_LIST: Final = f"{xml.TYPES}EUgeneric"
_XML: Final = "application/vnd.etsi.tsl+xml"
_JOURNAL: Final = "eur-lex.europa.eu/"


@frozen(kw_only=True)
class Pointer:
    """Where one territory's list is, of which type it must be, and who may sign it."""

    territory: str
    type: str
    location: str
    operators: tuple[bytes, ...] = field(repr=False)
    """Certificates, DER."""


@frozen(kw_only=True)
class ListOfLists:
    """A list of lists whose signature was verified."""

    territory: str
    operator: str
    sequence: int
    issued_at: datetime
    next_update: datetime | None
    """None: closed; it counts as expired."""
    sha256: str
    pointers: tuple[Pointer, ...] = field(repr=False)
    signers: tuple[bytes, ...] = field(repr=False)
    """DER: who may sign the next one, by its pointer to itself."""
    signed_by: bytes = field(repr=False)
    """DER: the certificate that verified this one."""
    pivots: tuple[str, ...] = ()
    """Addresses, newest first."""
    publication: str = ""
    """Where the Official Journal publishes the first signers."""

    def expired(self, now: datetime) -> bool:
        """Whether a newer one should have replaced it."""
        return self.next_update is None or now >= self.next_update

    def pointer(self, territory: str) -> Pointer | None:
        """Give what it says of a territory's list; of several pointers to one, all signers."""
        found = [one for one in self.pointers if one.territory == territory]
        if not found:
            return None
        operators = tuple(dict.fromkeys(der for one in found for der in one.operators))
        return Pointer(territory=territory, type=found[0].type, location=found[0].location, operators=operators)


def read(content: bytes, signers: tuple[bytes, ...], where: str) -> ListOfLists:
    """Give what a list of lists says, once one of these certificates (DER) verifies its signature.

    Raises:
        TrustListError: It is no list of lists, none of these signed it, or it was changed.
    """
    from lxml import etree

    try:
        return _read(content, signers, where)
    except TrustListError as error:
        raise TrustListError(error.what, where=where, mend=error.mend or xml.MEND) from error
    except (etree.LxmlError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TrustListError("it is not a list of lists that can be read", where=where, mend=xml.MEND) from error


def claimed(content: bytes, where: str) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    """Give the pivots that an unverified list names, and the certificates in its signature. Hints, nothing more.

    Raises:
        TrustListError: It cannot be read.
    """
    from lxml import etree

    try:
        root = xml.parse(content)
        pivots, _ = _history(xml.scheme(root))
        certificates = tuple(
            _decoded(one.text)
            for one in root.iterfind(
                "{http://www.w3.org/2000/09/xmldsig#}Signature/{http://www.w3.org/2000/09/xmldsig#}KeyInfo//"
                "{http://www.w3.org/2000/09/xmldsig#}X509Certificate"
            )
        )
        return pivots, certificates[:1]
    except TrustListError as error:
        raise TrustListError(error.what, where=where, mend=error.mend or xml.MEND) from error
    except (etree.LxmlError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise TrustListError("it is not a list of lists that can be read", where=where, mend=xml.MEND) from error


def anchored(content: bytes, *, pivots: Sequence[bytes], pinned: tuple[bytes, ...], where: str) -> ListOfLists:
    """Give the list of lists, verified from the pinned signers through its pivots (oldest first).

    The walk begins at the first step that a pinned certificate signed, and after that no step may fail: each is
    signed by whom the one before it names. Pivots that are older than the pinned certificates are passed over.

    Raises:
        TrustListError: No way leads from the pinned signers to this list.
    """
    trusted, before = pinned, 0
    for number, pivot in enumerate(pivots, start=1):
        try:
            step = read(pivot, trusted, f"pivot {number}")
        except TrustListError:
            if before:
                raise
            continue
        if step.sequence <= before:
            raise TrustListError("the pivots are not in order", where=f"pivot {number}", mend=xml.MEND)
        trusted, before = step.signers, step.sequence
    found = read(content, trusted, where)
    if found.sequence < before:
        raise TrustListError("it is older than its own pivot", where=where, mend=xml.MEND)
    return found


@lru_cache(maxsize=64)
def _read(content: bytes, signers: tuple[bytes, ...], where: str) -> ListOfLists:
    root, signed_by = xml.verified(content, signers, where)
    scheme = xml.scheme(root)
    xml.check_version(scheme)
    territory = xml.text(scheme, "SchemeTerritory")
    if xml.text(scheme, "TSLType") != _LISTS:
        raise TrustListError("it is not a list of lists", mend="give the address of the European list of lists")
    pointers = list(_pointers(scheme))
    own = [one for kind, one in pointers if kind == _LISTS and one.territory == territory]
    if not own:
        raise TrustListError("it does not say who may sign the next one", mend=xml.MEND)
    pivots, publication = _history(scheme)
    return ListOfLists(
        territory=territory,
        operator=xml.name(scheme, "SchemeOperatorName"),
        sequence=int(xml.text(scheme, "TSLSequenceNumber")),
        issued_at=xml.moment(scheme, "ListIssueDateTime"),
        next_update=xml.next_update(scheme),
        sha256=hashlib.sha256(content).hexdigest(),
        pointers=tuple(one for kind, one in pointers if kind == _LIST),
        signers=tuple(dict.fromkeys(der for one in own for der in one.operators)),
        signed_by=signed_by,
        pivots=pivots,
        publication=publication,
    )


def _pointers(scheme: _Element) -> list[tuple[str, Pointer]]:
    found = []
    listed = xml.need(scheme, "PointersToOtherTSL").iterfind(f"{xml.TSL}OtherTSLPointer")
    for element in listed:
        said = {
            child.tag: (child.text or "").strip()
            for information in element.iterfind(f"{xml.TSL}AdditionalInformation/{xml.TSL}OtherInformation")
            for child in information
        }
        kind, territory = said.get(f"{xml.TSL}TSLType", ""), said.get(f"{xml.TSL}SchemeTerritory", "")
        if said.get(f"{xml.ADDITIONAL}MimeType") != _XML:
            continue  # the same list for people to read, as PDF
        identities = f"{xml.TSL}ServiceDigitalIdentities/{xml.TSL}ServiceDigitalIdentity/{xml.TSL}DigitalId"
        operators = tuple(_decoded(one.text) for one in element.iterfind(f"{identities}/{xml.TSL}X509Certificate"))
        location = xml.text(element, "TSLLocation")
        found.append((kind, Pointer(territory=territory, type=kind, location=location, operators=operators)))
    if len(found) > MOST_POINTERS:
        raise TrustListError(f"it points to more than {MOST_POINTERS} lists", mend=xml.MEND)
    return found


def _history(scheme: _Element) -> tuple[tuple[str, ...], str]:
    """Give the pivots, newest first, and the Official Journal's address, which ends them."""
    pivots: list[str] = []
    for element in xml.need(scheme, "SchemeInformationURI").iterfind(f"{xml.TSL}URI"):
        address = (element.text or "").strip()
        if _JOURNAL in address:
            return tuple(pivots), address
        if address.endswith(".xml"):
            pivots.append(address)
        if len(pivots) > MOST_PIVOTS:
            raise TrustListError(f"it names more than {MOST_PIVOTS} pivots", mend=xml.MEND)
    return tuple(pivots), ""


def _decoded(text: str | None) -> bytes:
    return base64.b64decode("".join((text or "").split()), validate=True)
