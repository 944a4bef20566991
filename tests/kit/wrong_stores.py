"""Stores and ledgers that pass every journey without a crash, and lose or double something with one.

Each is what somebody might well write; `tests/journeys/test_crashes.py` sees that real crashes find it.
"""

from __future__ import annotations

from datetime import datetime
from itertools import count
from pathlib import Path

from attrs import evolve

from qcp_sdk.adapters.sql.database import ticks
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.ledger import SqlLedger
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.store import FIRST_TOKEN, Batch, LeasedEffect
from qcp_sdk.values import CabinetId, Cents, HoldId, Key


class OutboxLater(SqlStore):
    """Writes the state in one transaction, and what is to be done about it in another."""

    def commit(self, *, batch: Batch) -> None:
        super().commit(batch=evolve(batch, outbox=()))
        if batch.outbox:
            super().commit(batch=Batch(at=batch.at, outbox=batch.outbox))


class JournalLater(SqlStore):
    """Writes the state in one transaction, and the journal in another."""

    def commit(self, *, batch: Batch) -> None:
        super().commit(batch=evolve(batch, journal=()))
        if batch.journal:
            super().commit(batch=Batch(at=batch.at, journal=batch.journal))


class DoneTooEarly(SqlStore):
    """Marks an effect done when it is taken, not when it is answered: at most once instead of at least once."""

    def commit(self, *, batch: Batch) -> None:
        super().commit(batch=evolve(batch, answered=tuple(one for one in batch.answered if _polls(one[0], self))))
        for row in batch.outbox:
            if row.leased_until is not None and not _is_poll(row.kind):
                super().commit(batch=Batch(at=batch.at, answered=((row.key, FIRST_TOKEN),)))

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        taken = super().lease(now=now, until=until, limit=limit, stream=stream)
        for one in taken:
            if not _is_poll(one.kind):
                super().commit(batch=Batch(at=now, answered=((one.key, one.token),)))
        return taken


def _is_poll(kind: str) -> bool:
    return kind.startswith("ask_")


def _polls(key: Key, store: SqlStore) -> bool:
    rows = store.outstanding(stream=key.split("/")[0])
    return any(row.key == key for row in rows)


class ForgetsKeys(SqlLedger):
    """Takes the key for a label: asked again, it holds and captures again."""

    _numbers = count()

    def hold(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> HoldId:
        return super().hold(key=self._another(key), cabinet=cabinet, amount=amount, memo=memo)

    def _another(self, key: Key) -> Key:
        return Key(f"{key}#{ticks(self._clock.now())}-{next(self._numbers)}")


def outbox_later(folder: Path) -> SqlStore:
    return _made(OutboxLater, folder)


def journal_later(folder: Path) -> SqlStore:
    return _made(JournalLater, folder)


def done_too_early(folder: Path) -> SqlStore:
    return _made(DoneTooEarly, folder)


def forgets_keys(folder: Path, clock: Clock) -> SqlLedger:
    ledger = ForgetsKeys(sqlite_engine(folder / "ledger.sqlite"), clock=clock)
    ledger.create_schema()
    return ledger


def _made(kind: type[SqlStore], folder: Path) -> SqlStore:
    store = kind(sqlite_engine(folder / "store.sqlite"))
    store.create_schema()
    return store
