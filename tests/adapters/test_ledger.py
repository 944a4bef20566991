from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import Engine

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.faults import Call, Faults, When
from qcp_sdk.adapters.memory.faulty_ledger import FaultyLedger
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.adapters.shared.books import Movement, prove
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.ledger import SqlLedger
from qcp_sdk.errors import ConfigurationError, InvalidValue, Rejected, Unavailable
from qcp_sdk.ports.answers import OutcomeKind
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.testing.conformance.histories import LONG, run_any_history
from qcp_sdk.testing.conformance.ledger import LedgerConformance
from qcp_sdk.testing.conformance.ledger_history import Asked, LedgerHistory
from qcp_sdk.testing.postgres import PostgresServer, fresh_names
from qcp_sdk.values import CabinetId, Cents, HoldId, Key

Books: TypeAlias = MemoryLedger | SqlLedger
NOW = datetime(2031, 5, 1, tzinfo=UTC)
CABINET = CabinetId("cab-1")


class _OurLedger(LedgerConformance):
    """What both of our ledgers do beyond the port."""

    numbers: Iterator[int]
    clock: ManualClock

    @pytest.fixture(autouse=True)
    def _fresh(self, tmp_path: Path) -> Iterator[None]:
        self.numbers, self.clock = count(), ManualClock(NOW)
        yield

    def empty(self) -> Books:
        return MemoryLedger(clock=self.clock)

    def make_ledger(self, credit: Mapping[CabinetId, Cents]) -> Books:
        ledger = self.empty()
        for cabinet, amount in credit.items():
            self.pay_in(ledger, cabinet, amount)
        return ledger

    def pay_in(self, ledger: Ledger, cabinet: CabinetId, amount: Cents) -> bool:
        assert isinstance(ledger, MemoryLedger | SqlLedger)
        ledger.credit(key=Key(f"paid/{next(self.numbers)}"), cabinet=cabinet, amount=amount, memo="transfer")
        return True

    def audit(self, ledger: Ledger) -> None:
        assert isinstance(ledger, MemoryLedger | SqlLedger)
        books = ledger.check()
        assert books.faults == ()
        assert books.balanced
        assert sum(int(amount) for _, amount in books.accounts) == 0

    def expire(self, ledger: Ledger, hold: HoldId) -> None:
        assert isinstance(ledger, MemoryLedger | SqlLedger)
        ledger.expire(key=Key(f"expired/{next(self.numbers)}"), hold=hold)

    def test_credit_is_paid_in_once_a_key(self) -> None:
        ledger = self.empty()
        for _ in range(2):
            ledger.credit(key=Key("k-1"), cabinet=CABINET, amount=Cents(100), memo="transfer")
        with pytest.raises(Rejected) as told:
            ledger.credit(key=Key("k-1"), cabinet=CABINET, amount=Cents(101), memo="transfer")
        assert told.value.reason == "key_reused"
        with pytest.raises(InvalidValue):
            ledger.credit(key=Key("k-2"), cabinet=CABINET, amount=Cents(-1), memo="transfer")
        assert ledger.balance(cabinet=CABINET) == 100
        self.audit(ledger)

    def test_a_statement_tells_every_movement(self) -> None:
        ledger = self.make_ledger({CabinetId("cab-2"): Cents(1), CABINET: Cents(5_000)})
        first, second, third = (
            ledger.hold(key=Key(f"h/{n}"), cabinet=CABINET, amount=Cents(n), memo=f"QCP {n}") for n in (1, 20, 300)
        )
        self.clock.advance(timedelta(hours=1))
        ledger.capture(key=Key("c"), hold=first)
        ledger.release(key=Key("r"), hold=second)
        ledger.expire(key=Key("e"), hold=third)
        statement = ledger.statement(cabinet=CABINET)
        assert [(line.movement, line.amount, line.memo, line.available, line.held) for line in statement] == [
            (Movement.CREDIT, 5_000, "transfer", 5_000, 0),
            (Movement.HOLD, 1, "QCP 1", 4_999, 1),
            (Movement.HOLD, 20, "QCP 20", 4_979, 21),
            (Movement.HOLD, 300, "QCP 300", 4_679, 321),
            (Movement.CAPTURE, 1, "QCP 1", 4_679, 320),
            (Movement.RELEASE, 20, "QCP 20", 4_699, 300),
            (Movement.EXPIRY, 300, "QCP 300", 4_999, 0),
        ]
        assert [line.at for line in statement] == [NOW] * 4 + [NOW + timedelta(hours=1)] * 3
        assert [line.key for line in statement][-3:] == ["c", "r", "e"]
        assert dict(ledger.check().accounts) == {
            "available:cab-1": 4_999,
            "available:cab-2": 1,
            "funding": -5_001,
            "held:cab-1": 0,
            "revenue": 1,
        }
        with pytest.raises(Rejected) as told:
            ledger.statement(cabinet=CabinetId("cab-404"))
        assert told.value.reason == "unknown_cabinet"

    def test_an_expired_hold_is_gone_and_counts_as_given_back(self) -> None:
        ledger = self.make_ledger({CABINET: Cents(5_000)})
        hold = ledger.hold(key=Key("h"), cabinet=CABINET, amount=Cents(2_000), memo="QCP")
        ledger.expire(key=Key("e"), hold=hold)
        ledger.expire(key=Key("e/2"), hold=hold)
        assert ledger.balance(cabinet=CABINET) == 5_000
        with pytest.raises(Rejected) as told:
            ledger.capture(key=Key("c"), hold=hold)
        assert told.value.reason == "hold_gone"
        ledger.release(key=Key("r"), hold=hold)
        assert ledger.balance(cabinet=CABINET) == 5_000
        assert ledger.outcome(key=Key("r")).kind is OutcomeKind.DONE
        self.audit(ledger)


class TestMemoryLedger(_OurLedger):
    pass


class _BadDays(TestMemoryLedger):
    """The same ledger, of whose calls every third fails, before it acts or after."""

    def make_ledger(self, credit: Mapping[CabinetId, Cents]) -> Ledger:  # type: ignore[override]
        self.beneath, calls = super().make_ledger(credit), count()

        def decide(_call: Call) -> When | None:
            return {1: When.BEFORE, 4: When.AFTER}.get(next(calls) % 6)

        return FaultyLedger(self.beneath, faults=Faults(decide))

    def pay_in(self, ledger: Ledger, cabinet: CabinetId, amount: Cents) -> bool:
        return super().pay_in(self.beneath if isinstance(ledger, FaultyLedger) else ledger, cabinet, amount)

    def audit(self, ledger: Ledger) -> None:
        super().audit(self.beneath)


def test_any_history_of_bad_days_keeps_the_books() -> None:
    """What failed is sent again under its key: nothing is held, taken or given back twice."""
    suite = _BadDays()
    suite.numbers, suite.clock, kinds = count(), ManualClock(NOW), set[str]()

    class Watched(LedgerHistory):
        def make(self, key: Key, asked: Asked, *, lost: bool = False) -> None:
            super().make(key, asked, lost=lost)
            kinds.add(asked.call)

    run_any_history(partial(Watched, suite, True), examples=20, steps=LONG)
    assert kinds == {"hold", "capture", "release"}


class TestSqliteLedger(_OurLedger):
    examples = 8
    folder: Path
    engines: list[Engine]

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.engines = tmp_path, []
        yield
        for engine in self.engines:
            engine.dispose()

    def empty(self) -> SqlLedger:
        engine = sqlite_engine(self.folder / f"{len(self.engines)}.db")
        self.engines.append(engine)
        ledger = SqlLedger(engine, clock=self.clock)
        ledger.create_schema()
        return ledger

    def reopened(self, ledger: Ledger) -> SqlLedger:
        path = self.engines[-1].url.database
        assert path is not None
        self.engines[-1].dispose()
        self.engines.append(sqlite_engine(Path(path)))
        return SqlLedger(self.engines[-1], clock=self.clock)

    def test_it_survives_reopening(self) -> None:
        ledger = self.make_ledger({CABINET: Cents(5_000)})
        hold = ledger.hold(key=Key("h"), cabinet=CABINET, amount=Cents(2_000), memo="QCP")
        self.engines[0].dispose()
        self.engines.append(sqlite_engine(self.folder / "0.db"))
        again = SqlLedger(self.engines[-1], clock=self.clock)
        again.create_schema()
        assert again.hold(key=Key("h"), cabinet=CABINET, amount=Cents(2_000), memo="QCP") == hold
        assert again.balance(cabinet=CABINET) == 3_000
        again.capture(key=Key("c"), hold=hold)
        self.audit(again)

    @pytest.mark.parametrize(
        ("tampering", "fault"),
        [
            ("UPDATE qcp_ledger_accounts SET balance = balance + 1 WHERE name = 'revenue'", "all accounts together"),
            ("UPDATE qcp_ledger_entries SET amount = amount + 1 WHERE account = 'revenue'", "does not come to zero"),
            ("DELETE FROM qcp_ledger_entries WHERE account = 'revenue'", "does not come to zero"),
            ("UPDATE qcp_ledger_holds SET state = 'held'", "its holds come to"),
            ("UPDATE qcp_ledger_transfers SET amount = 1 WHERE movement = 'capture'", "does not come to zero"),
        ],
    )
    def test_books_that_were_tampered_with_do_not_balance(self, tampering: str, fault: str) -> None:
        ledger = self.make_ledger({CABINET: Cents(5_000)})
        hold = ledger.hold(key=Key("h"), cabinet=CABINET, amount=Cents(2_000), memo="QCP")
        ledger.capture(key=Key("c"), hold=hold)
        self.audit(ledger)
        with self.engines[0].begin() as connection:
            connection.exec_driver_sql(tampering)
        books = ledger.check()
        assert not books.balanced
        assert any(fault in each for each in books.faults)

    def test_a_failed_movement_leaves_nothing(self) -> None:
        ledger = self.make_ledger({CABINET: Cents(5_000)})
        with self.engines[0].begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER broken BEFORE INSERT ON qcp_ledger_answers BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        with pytest.raises(Unavailable):
            ledger.hold(key=Key("h"), cabinet=CABINET, amount=Cents(2_000), memo="QCP")
        assert ledger.balance(cabinet=CABINET) == 5_000
        assert ledger.outcome(key=Key("h")).kind is OutcomeKind.UNKNOWN
        self.audit(ledger)

    def test_a_prefix_is_a_short_name(self) -> None:
        with pytest.raises(ConfigurationError):
            SqlLedger(sqlite_engine(self.folder / "x.db"), clock=self.clock, prefix="drop table")


def test_the_proof_names_what_is_wrong() -> None:
    """The parts of the proof that no single tampering above reaches."""
    books = prove(
        balances={"available:a": -5, "funding": 5, "held:a": 0},
        entries={"available:a": -5, "funding": 5},
        broken=(),
        held={"b": 3},
        captured=0,
    )
    assert books.faults == (
        "account `available:a` is 5 cents below zero",
        "cabinet `b` has 0 cents held, its holds come to 3",
    )


class TestPostgresqlLedger(_OurLedger):
    examples = 8
    server: PostgresServer
    engine: Engine
    schemas: Iterator[str]

    @pytest.fixture(autouse=True)
    def _on_a_server(self, postgres: PostgresServer) -> Iterator[None]:
        self.server, self.engine, self.schemas = postgres, postgres.engine(), fresh_names()
        yield
        self.engine.dispose()

    def empty(self) -> SqlLedger:
        self.schema = next(self.schemas)
        ledger = SqlLedger(self.engine, clock=self.clock, schema=self.schema)
        ledger.create_schema()
        return ledger

    def reopened(self, ledger: Ledger) -> SqlLedger:
        self.engine.dispose()
        self.engine = self.server.engine()
        return SqlLedger(self.engine, clock=self.clock, schema=self.schema)
