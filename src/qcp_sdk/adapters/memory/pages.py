"""A hosted signing page in memory: the durable one's rules on a book that is forgotten."""

from __future__ import annotations

from datetime import timedelta

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked
from qcp_sdk.adapters.shared.simulation.book import MemoryBook
from qcp_sdk.adapters.shared.simulation.pages import (
    FAIL,
    SIGN,
    SILENCE,
    TRANSACTION_LIFE,
    PageScript,
    PagesDesk,
    PageTransaction,
)
from qcp_sdk.adapters.shared.simulation.pens import FunctionPen, Pen, PortsPen
from qcp_sdk.ceremony.facts import TransactionOpened
from qcp_sdk.collectes import Collecte
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.pages import TransactionResult
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Key, SessionId, SignatoryId

__all__ = [
    "FAIL",
    "SIGN",
    "SILENCE",
    "FunctionPen",
    "MemoryPages",
    "PageScript",
    "PageTransaction",
    "Pen",
    "PortsPen",
]


class MemoryPages(Fake, PagesDesk):
    """As `SimulatedSigningPages`, without a file: `ask_code`, `sign`, `decline`, `script`, `transactions`."""

    port = "pages"

    def __init__(
        self,
        *,
        pen: Pen,
        clock: Clock,
        transaction_life: timedelta = TRANSACTION_LIFE,
        faults: Faults | None = None,
    ) -> None:
        self._prepare(faults)
        PagesDesk.__init__(self, MemoryBook(), pen=pen, clock=clock, transaction_life=transaction_life)

    @asked
    def open(
        self,
        *,
        key: Key,
        ceremony: CeremonyId,
        collecte: Collecte,
        signatory: SignatoryId,
        documents: tuple[tuple[DocumentId, ContentHash], ...],
    ) -> TransactionOpened:
        """Open a transaction. As `PagesDesk.open`."""
        return PagesDesk.open(
            self, key=key, ceremony=ceremony, collecte=collecte, signatory=signatory, documents=documents
        )

    @asked
    def ask(self, *, session: SessionId) -> TransactionResult | Pending:
        """Say how the transaction stands. As `PagesDesk.ask`."""
        return PagesDesk.ask(self, session=session)

    @asked
    def close(self, *, key: Key, session: SessionId) -> None:
        """End the transaction. As `PagesDesk.close`."""
        PagesDesk.close(self, key=key, session=session)
