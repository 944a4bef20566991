"""A collecte: documents, ordered signatories, a level for each. The host owns it; the SDK takes snapshots."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from qcp_sdk.errors import InvalidValue
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import check_language
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    PersonName,
    PhoneNumber,
    SignatoryId,
    TenantId,
    utc,
)


class Order(StrEnum):
    """How signatories are invited (feature E2)."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class Role(StrEnum):
    """Who a signatory is to the cabinet (feature E2)."""

    ONESELF = "oneself"
    MEMBER = "member"
    THIRD_PARTY = "third_party"


@frozen(kw_only=True)
class Document:
    """One PDF of a collecte, named by its exact bytes when the collecte was validated."""

    id: DocumentId
    name: str
    content: ContentHash
    kind: str = "other"
    """The host's word for what it is (`accounts`, `engagement_letter` …); policies set floors by it."""


@frozen(kw_only=True)
class Stamp:
    """Where a person's signature is shown on a document: name, level, instant, and `url` as a QR code.

    `page` counts from 0; `box` is left, bottom, right and top in points from the page's lower left corner. `url` is
    the host's page that verifies the document.

    Raises:
        InvalidValue: There is no such page or box.
    """

    document: DocumentId
    page: int
    box: tuple[int, int, int, int]
    url: str = ""

    def __attrs_post_init__(self) -> None:
        left, bottom, right, top = self.box
        if self.page < 0:
            raise InvalidValue(f"{self.page} is no page", where="page", mend="count pages from 0")
        if left >= right or bottom >= top:
            raise InvalidValue(f"{self.box} is no box", where="box", mend="give left, bottom, right, top")


@frozen(kw_only=True)
class Signatory:
    """One person who is to sign, and the level chosen for them. Without a stamp, a signature is invisible."""

    id: SignatoryId
    name: PersonName
    email: EmailAddress
    mobile: PhoneNumber
    level: SignatureLevel
    role: Role = Role.THIRD_PARTY
    account: AccountId | None = None
    language: str = field(default="fr", validator=check_language)
    stamps: tuple[Stamp, ...] = ()
    """Where the signature is shown: at most once a document."""


def _deadline(moment: datetime) -> datetime:
    return utc(moment, "deadline")


@frozen(kw_only=True)
class Collecte:
    """A signature collection. `signatories` are in signing order.

    Raises:
        InvalidValue: No document or signatory, an id used twice, a stamp on no document of these or two on one, or a
            deadline without time zone.
    """

    id: CollecteId
    title: str
    sender: str
    """Who invites, as signatories read it."""
    documents: tuple[Document, ...]
    signatories: tuple[Signatory, ...]
    deadline: datetime = field(converter=_deadline)
    order: Order = Order.SEQUENTIAL
    cabinet: CabinetId | None = None
    tenant: TenantId = TenantId("")

    def __attrs_post_init__(self) -> None:
        for where, ids in (
            ("documents", [document.id for document in self.documents]),
            ("signatories", [signatory.id for signatory in self.signatories]),
        ):
            if not ids:
                raise InvalidValue("there is none", where=where, mend="a collecte needs at least one")
            if len(set(ids)) != len(ids):
                raise InvalidValue("an id stands twice", where=where, mend="give each its own id")
        for signatory in self.signatories:
            stamped = [stamp.document for stamp in signatory.stamps]
            if len(set(stamped)) != len(stamped) or not {one.id for one in self.documents}.issuperset(stamped):
                raise InvalidValue(
                    f"the stamps of `{signatory.id}` do not fit the documents",
                    where="signatories",
                    mend="give at most one stamp for each document of the collecte",
                )
