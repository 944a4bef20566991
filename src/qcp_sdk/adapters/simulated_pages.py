"""A simulated hosted signing page whose transactions outlive the process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

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
from qcp_sdk.adapters.shared.simulation.sql_book import SqlBook
from qcp_sdk.ports.clock import Clock

__all__ = [
    "FAIL",
    "SIGN",
    "SILENCE",
    "FunctionPen",
    "PageScript",
    "PageTransaction",
    "Pen",
    "PortsPen",
    "SimulatedSigningPages",
]


class SimulatedSigningPages(PagesDesk):
    """Shows documents on a page of its own and signs with `pen`. Needs the extra `sql`.

    `place` is its SQLite file, a folder for one, or an engine. `pen` is a `PortsPen` (an envelope and a signer) or a
    `FunctionPen` (any function). `ask_code`, `sign` and `decline` are what the person does at the page, which waits
    at `base_url/<session>`.
    """

    def __init__(
        self,
        place: sa.Engine | Path,
        *,
        pen: Pen,
        clock: Clock,
        transaction_life: timedelta = TRANSACTION_LIFE,
        base_url: str = "https://signing.simulated.invalid",
    ) -> None:
        super().__init__(SqlBook(place), pen=pen, clock=clock, transaction_life=transaction_life, base_url=base_url)
