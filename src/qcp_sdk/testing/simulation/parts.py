"""What a town is built of. Each part is made afresh for each town: a failure is replayed in a new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.engine import Engine
from qcp_sdk.people import Cabinet
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.store import Store
from qcp_sdk.values import CabinetId, Cents, Key

RICH: Final = Cabinet(id=CabinetId("rich"), name="Cabinet Freyssinet")
"""The cabinet that pays for most; its credit should suffice for everybody."""
POOR: Final = Cabinet(id=CabinetId("poor"), name="Cabinet Sans-le-Sou")
"""A cabinet with credit for few subscriptions, and more members than that."""
CREDIT: Final = Cents(10_000_000)
LITTLE: Final = Cents(5_000)
"""Two subscriptions and a half."""


def funded(clock: Clock) -> MemoryLedger:
    """Give our ledger in memory, with credit for both cabinets."""
    ledger = MemoryLedger(clock=clock)
    for cabinet, credit in ((RICH, CREDIT), (POOR, LITTLE)):
        ledger.credit(key=Key(f"credit/{cabinet.id}"), cabinet=cabinet.id, amount=credit, memo="prepaid credit")
    return ledger


@frozen(kw_only=True)
class Parts:
    """How each part is made. A `ledger` must hold credit for the cabinets `RICH` and `POOR`."""

    ledger: Callable[[Clock], Ledger] = funded
    store: Callable[[], Store] = MemoryStore
    documents: Callable[[], Documents] = MemoryDocuments
    codes: Callable[[], Codes] = MemoryCodes
    notices: Callable[[], Notices] = MemoryNotices
    engine: type[Engine] = Engine
    sealed: bool = False
    """Whether payloads are written and sealed as in production; several times slower."""
