"""The portal's installation and its people: three persons, two cabinets. It lasts as long as the process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

from attrs import define, field

from qcp_sdk.collectes import Collecte, Document, Order, Signatory
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.effects import Alert
from qcp_sdk.local import LocalQcp
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    Cents,
    CollecteId,
    DocumentId,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
)
from qcp_sdk.web.links import links

RICH: Final = Cabinet(id=CabinetId("freyssinet"), name="Cabinet Freyssinet & Associés")
POOR: Final = Cabinet(id=CabinetId("lenoir"), name="Cabinet Lenoir")
CREDITS: Final[Mapping[CabinetId, Cents]] = {RICH.id: Cents(8_220), POOR.id: Cents(500)}


def _account(id: str, given: str, last: str, mobile: str, *cabinets: Cabinet) -> Account:
    return Account(
        id=AccountId(id),
        name=PersonName(given=given, last=last),
        email=EmailAddress(f"{id}@cabinet.example"),
        mobile=PhoneNumber(mobile),
        cabinets=cabinets,
    )


PEOPLE: Final = (
    _account("jessica", "Jessica", "Poussart", "+33639981316", POOR, RICH),
    _account("irene", "Irène", "Faron", "+33639987720", RICH),
    _account("paul", "Paul", "Lenoir", "+33639984412", POOR),
)
"""The last one holds no LCP certificate."""


@define
class World:
    """What one portal holds besides its `Qcp`: the collectes, which are the host's, and what operators were told."""

    qcp: LocalQcp
    collectes: dict[str, Collecte] = field(factory=dict)
    alerts: list[Alert] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock)

    def collecte_of(self, signatories: tuple[Signatory, ...], order: Order) -> Collecte:
        """Make a collecte over one engagement letter."""
        now = self.qcp.clock.now()
        letter = self.qcp.collectes.keep(demo_contract(at=now))
        return Collecte(
            id=CollecteId(str(uuid4())),
            title="Lettre de mission",
            sender=RICH.name,
            documents=(Document(id=DocumentId("letter"), name="lettre-de-mission.pdf", content=letter),),
            signatories=signatories,
            deadline=now + timedelta(days=15),
            order=order,
        )


_worlds: list[World] = []


def world() -> World:
    """Give this process's world.

    Raises:
        LookupError: `begin` was not called.
    """
    return _worlds[-1]


def installation() -> Qcp:
    """Give its `Qcp`: the backend of the portal's settings."""
    return world().qcp


def begin(folder: Path, address: str, *, patience: timedelta) -> World:
    """Make the world in an empty folder. `address` is where the portal is reached, without a slash at its end;
    `patience` is what the simulated provider, and the authority, ask for.
    """
    alerts: list[Alert] = []
    opened = Qcp.local(
        folder,
        platform="Portail",
        verdict_after=patience,
        decision_after=patience,
        links=links(f"{address}/signature/", verify=f"{address}/"),
        identity_url=f"{address}/phone",
        on_alert=alerts.append,
    )
    for person in PEOPLE:
        opened.accounts.put(person)
    for person in PEOPLE[:2]:
        opened.centre.enrol(person)
    for cabinet, amount in CREDITS.items():
        opened.ledger.credit(key=Key(f"credit/{cabinet}"), cabinet=cabinet, amount=amount, memo="prepaid credit")
    made = World(opened, alerts=alerts)
    _worlds.append(made)
    return made
