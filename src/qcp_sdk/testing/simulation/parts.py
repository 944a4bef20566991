"""What a town is built of. Each part is made afresh for each town: a failure is replayed in a new one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from attrs import frozen

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.identity import MemoryIdentity
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.adapters.memory.registration import MemoryRegistration
from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.engine import Engine
from qcp_sdk.people import Cabinet
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.store import Store
from qcp_sdk.testing.simulation.hands import PlayedAuthority, PlayedIdentity, PlayedRegistration
from qcp_sdk.values import CabinetId, Cents, Key

RICH: Final = Cabinet(id=CabinetId("rich"), name="Cabinet Freyssinet")
"""The cabinet that pays for most; its credit should suffice for everybody."""
POOR: Final = Cabinet(id=CabinetId("poor"), name="Cabinet Sans-le-Sou")
"""A cabinet with credit for few subscriptions, and more members than that."""
CREDIT: Final = Cents(10_000_000)
LITTLE: Final = Cents(5_000)
"""Two subscriptions and a half."""

VERDICT_AFTER: Final = timedelta(seconds=40)
"""How long providers think about what they were shown."""
SESSION_LIFE: Final = timedelta(hours=1)
VALIDITY: Final = timedelta(days=730)
"""How long a certificate lives here: it is asked after twice."""


def funded(clock: Clock) -> MemoryLedger:
    """Give our ledger in memory, with credit for both cabinets."""
    ledger = MemoryLedger(clock=clock)
    for cabinet, credit in ((RICH, CREDIT), (POOR, LITTLE)):
        ledger.credit(key=Key(f"credit/{cabinet.id}"), cabinet=cabinet.id, amount=credit, memo="prepaid credit")
    return ledger


def authority(clock: Clock) -> MemoryAuthority:
    """Give our authority in memory."""
    return MemoryAuthority(clock=clock, validity=VALIDITY)


def identity(clock: Clock) -> MemoryIdentity:
    """Give our identity provider in memory."""
    return MemoryIdentity(clock=clock, verdict_after=VERDICT_AFTER, session_life=SESSION_LIFE)


def registration(clock: Clock, issuing: PlayedAuthority) -> MemoryRegistration:
    """Give our trust provider of the hosted plan in memory; `issuing` makes its certificates."""
    return MemoryRegistration(authority=issuing, clock=clock, verdict_after=VERDICT_AFTER, session_life=SESSION_LIFE)


@frozen(kw_only=True)
class Parts:
    """How each part is made. A `ledger` must hold credit for the cabinets `RICH` and `POOR`; providers have hands that
    play the person there (`hands`), and decide about a minute after they were shown something.
    """

    ledger: Callable[[Clock], Ledger] = funded
    store: Callable[[], Store] = MemoryStore
    documents: Callable[[], Documents] = MemoryDocuments
    codes: Callable[[], Codes] = MemoryCodes
    notices: Callable[[], Notices] = MemoryNotices
    identity: Callable[[Clock], PlayedIdentity] = identity
    authority: Callable[[Clock], PlayedAuthority] = authority
    registration: Callable[[Clock, PlayedAuthority], PlayedRegistration] = registration
    engine: type[Engine] = Engine
    sealed: bool = False
    """Whether payloads are written and sealed as in production; several times slower."""
