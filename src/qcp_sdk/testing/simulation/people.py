"""Who lives in a town, and what goes to and fro: people, processes of the installation, messages of providers."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import define, field, frozen

from qcp_sdk.engine import Engine
from qcp_sdk.facts import Fact
from qcp_sdk.host.operations import Operations
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import Subscriptions
from qcp_sdk.people import Account
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.simulation.parts import POOR, RICH
from qcp_sdk.values import AccountId, CabinetId, EmailAddress, PersonName, PhoneNumber, SessionId, SubscriptionId


@define
class Person:
    """One person, and how far they have come."""

    number: int
    account: Account
    plan: Plan
    cabinet: CabinetId = RICH.id
    subscription: SubscriptionId | None = None
    openings: int = 0
    acts: int = 0
    gone: bool = False
    """They do nothing any more; deadlines do the rest."""
    turn: int = 0
    """Numbers their plans: only the newest counts."""
    said: Fact | Code | None = field(default=None, repr=False)
    """What they said last."""
    revoking: bool = False
    wrong: int = 0
    """Wrong codes still to be typed."""

    def waits(self, turn: int) -> bool:
        """Say whether they are still there, and nothing newer was planned."""
        return self.turn == turn and not self.gone

    @property
    def name(self) -> str:
        """How the script calls them."""
        return f"p{self.number}"


@define
class Message:
    """What a provider sends to the host's webhook: a hint under an id, about a session or a request."""

    id: str
    subject: str
    session: SessionId | None = None
    reference: str = ""
    subscription: str = ""
    """Whose request it is."""
    tries: int = 0


@frozen
class Process:
    """One process of the installation; it keeps nothing that a crash may not take."""

    engine: Engine
    subscriptions: Subscriptions
    operations: Operations


@define
class Told:
    """One line of the trace."""

    at: datetime
    who: str
    what: str


def person(number: int) -> Person:
    """Give the person of this number: the same in every town."""
    account = Account(
        id=AccountId(f"p{number}"),
        name=_NAMES[number % len(_NAMES)],
        email=EmailAddress(f"p{number}@cabinet.example"),
        mobile=PhoneNumber(f"+336{number % 100_000_000:08d}"),
        cabinets=(RICH, POOR),
    )
    return Person(number, account, Plan.HOSTED if number % 3 == 2 else Plan.ASSEMBLED)


_NAMES: Final = tuple(
    PersonName(given=given, last=last)
    for given in ("Jessica", "Irène", "Jean-Noël", "Camille", "Maëlle")
    for last in ("Poussart", "Faron", "Le Goff", "d'Aboville", "Martin", "Müller")
)
