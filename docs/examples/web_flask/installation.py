"""The platform's `Qcp`. This one is local, for development: in production, adapters of yours take the place of ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from qcp_sdk import (
    Account,
    AccountId,
    Cabinet,
    CabinetId,
    Cents,
    Collecte,
    CollecteId,
    Document,
    DocumentId,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    Qcp,
)
from qcp_sdk.collectes import Order, Signatory
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.web.links import links

CABINET = Cabinet(id=CabinetId("cab-1"), name="Cabinet Exemple")
ADDRESS = "http://127.0.0.1:5000/signature/"


def build(folder: str = "qcp-data") -> Qcp:
    """Give the installation of a folder, with two people who hold an LCP certificate, and credit."""
    qcp = Qcp.local(folder, verdict_after=timedelta(0), links=links(ADDRESS))
    for id, given, last, mobile in (("ada", "Ada", "Martin", "+33639981316"), ("leo", "Léo", "Petit", "+33639987720")):
        account = Account(
            id=AccountId(id),
            name=PersonName(given=given, last=last),
            email=EmailAddress(f"{id}@example.org"),
            mobile=PhoneNumber(mobile),
            cabinets=(CABINET,),
        )
        qcp.accounts.put(account)
        if qcp.subscriptions.page(account=account.id).lcp is None:
            qcp.centre.enrol(account)
    qcp.ledger.credit(key=Key("credit-1"), cabinet=CABINET.id, amount=Cents(8_220), memo="prepaid credit")
    return qcp


def members(qcp: Qcp) -> list[Account]:
    """Give the people of the cabinet, for the signatories' menu."""
    return [qcp.ports.accounts.account(id=AccountId(id)) for id in ("ada", "leo")]


def collecte_of(qcp: Qcp) -> Callable[[tuple[Signatory, ...], Order], Collecte]:
    """Give what makes a collecte of its signatories: here, over one engagement letter."""

    def build(signatories: tuple[Signatory, ...], order: Order) -> Collecte:
        now = datetime.now(UTC)
        letter = qcp.collectes.keep(demo_contract(at=now))
        return Collecte(
            id=CollecteId(str(uuid4())),
            title="Lettre de mission",
            sender=CABINET.name,
            documents=(Document(id=DocumentId("letter"), name="lettre-de-mission.pdf", content=letter),),
            signatories=signatories,
            deadline=now + timedelta(days=15),
            order=order,
        )

    return build
