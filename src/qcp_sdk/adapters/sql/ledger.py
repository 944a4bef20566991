"""The cabinets' prepaid credit in a database: double entry, one transaction a movement.

What a key was answered is kept in the same transaction as what it did. A refusal is an answer like another:
asked again with that key, it is the answer, even when there is money by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import cast

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import cast as sql_cast

from qcp_sdk.adapters.shared.books import (
    SETTLED_AS,
    SETTLING,
    Answer,
    HoldState,
    Movement,
    StatementLine,
    TrialBalance,
    arguments,
    hold_id,
    legs,
    lines,
    prove,
    refused,
    spendable,
    whole,
)
from qcp_sdk.adapters.sql.database import (
    ORDINAL,
    Cell,
    Database,
    Statement,
    Work,
    insert_once,
    instant,
    namespace,
    table_prefix,
    ticks,
)
from qcp_sdk.adapters.sql.migrations import LEDGER
from qcp_sdk.errors import Conflict, Unavailable
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.ports.clock import Clock
from qcp_sdk.values import CabinetId, Cents, HoldId, Key


class LedgerTables:
    """The ledger's tables under one prefix, in one schema where the database has schemas."""

    def __init__(self, prefix: str, schema: str | None = None) -> None:
        self.prefix = prefix = table_prefix(prefix)
        self.metadata = MetaData(schema=schema)
        self.accounts = Table(
            f"{prefix}accounts",
            self.metadata,
            Column("name", Text, primary_key=True),
            Column("balance", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
        self.transfers = Table(
            f"{prefix}transfers",
            self.metadata,
            Column("ordinal", ORDINAL, primary_key=True, autoincrement=True),
            Column("key", Text, nullable=False, unique=True),
            Column("at", BigInteger, nullable=False),
            Column("movement", Text, nullable=False),
            Column("cabinet", Text, nullable=False),
            Column("amount", BigInteger, nullable=False),
            Column("memo", Text, nullable=False),
        )
        Index(f"{prefix}transfers_cabinet", self.transfers.c.cabinet, self.transfers.c.ordinal)
        self.entries = Table(
            f"{prefix}entries",
            self.metadata,
            Column("transfer", Text, ForeignKey(self.transfers.c.key), primary_key=True),
            Column("account", Text, ForeignKey(self.accounts.c.name), primary_key=True),
            Column("amount", BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )
        self.holds = Table(
            f"{prefix}holds",
            self.metadata,
            Column("id", Text, primary_key=True),
            Column("cabinet", Text, nullable=False),
            Column("amount", BigInteger, nullable=False),
            Column("memo", Text, nullable=False),
            Column("state", Text, nullable=False),
            sqlite_with_rowid=False,
        )
        self.answers = Table(
            f"{prefix}answers",
            self.metadata,
            Column("key", Text, primary_key=True),
            Column("arguments", Text, nullable=False),
            Column("reason", Text, nullable=False),
            Column("reference", Text, nullable=False),
            sqlite_with_rowid=False,
        )


class _Statements:
    def __init__(self, tables: LedgerTables, engine: Engine) -> None:
        account, transfer, entry = tables.accounts.c, tables.transfers.c, tables.entries.c
        hold, answer = tables.holds.c, tables.answers.c
        self.answered = Statement(
            select(answer.arguments, answer.reason, answer.reference).where(answer.key == bindparam("of")), engine
        )
        self.answer = Statement(insert(tables.answers), engine, ["key", "arguments", "reason", "reference"])
        self.balance = Statement(select(account.balance).where(account.name == bindparam("of")), engine)
        self.open = Statement(insert_once(engine, tables.accounts), engine, ["name", "balance"])
        self.reserve = Statement(
            update(tables.accounts)
            .values(balance=account.balance - bindparam("amount"))
            .where(account.name == bindparam("of"), account.balance >= bindparam("amount")),
            engine,
        )
        self.change = Statement(
            update(tables.accounts)
            .values(balance=account.balance + bindparam("change"))
            .where(account.name == bindparam("of")),
            engine,
        )
        self.move = Statement(insert(tables.transfers), engine, ["key", "at", "movement", "cabinet", "amount", "memo"])
        self.enter = Statement(insert(tables.entries), engine, ["transfer", "account", "amount"])
        self.hold = Statement(insert(tables.holds), engine, ["id", "cabinet", "amount", "memo", "state"])
        self.held = Statement(
            select(hold.cabinet, hold.amount, hold.memo, hold.state).where(hold.id == bindparam("of")), engine
        )
        self.settle = Statement(
            update(tables.holds)
            .values(state=bindparam("to_state"))
            .where(hold.id == bindparam("of"), hold.state == HoldState.HELD.value),
            engine,
        )
        self.movements = Statement(
            select(transfer.at, transfer.movement, transfer.amount, transfer.memo, transfer.key)
            .where(transfer.cabinet == bindparam("of"))
            .order_by(transfer.ordinal),
            engine,
        )
        self.balances = Statement(select(account.name, account.balance), engine)
        self.sums = Statement(
            select(entry.account, sql_cast(func.sum(entry.amount), BigInteger)).group_by(entry.account), engine
        )
        self.broken = Statement(
            select(transfer.key)
            .outerjoin(tables.entries, entry.transfer == transfer.key)
            .group_by(transfer.key, transfer.amount)
            .having(
                or_(
                    func.count(entry.amount) != 2,
                    func.sum(entry.amount) != 0,
                    func.max(entry.amount) != transfer.amount,
                )
            )
            .order_by(transfer.key),
            engine,
        )
        self.holdings = Statement(
            select(hold.cabinet, hold.state, sql_cast(func.sum(hold.amount), BigInteger)).group_by(
                hold.cabinet, hold.state
            ),
            engine,
        )


class SqlLedger:
    """Holds, captures and releases credit in a database, for many threads and processes at once.

    It may share the store's database. Call `create_schema` once before the first use. On PostgreSQL the tables may
    stand in a `schema` of their own.

    Raises:
        ConfigurationError: A name that no table may have, or a database that we do not know.
    """

    def __init__(self, engine: Engine, *, clock: Clock, prefix: str = "qcp_ledger_", schema: str | None = None) -> None:
        self._clock = clock
        self._tables = LedgerTables(prefix, namespace(schema, engine))
        self._database = Database(engine)
        self._statements = _Statements(self._tables, engine)

    def create_schema(self) -> None:
        """Make the tables that are not there yet and bring older ones up; safe to repeat, in many processes at once.

        Raises:
            Unavailable: The database cannot be reached or written.
        """
        self._database.create(self._tables.metadata, prefix=self._tables.prefix, migrations=LEDGER)

    def within(self, connection: Connection) -> SqlLedger:
        """Give this ledger inside the host's own transaction: what it writes is kept when the host commits.

        For one thread. Once that transaction has ended it works by itself again.

        Raises:
            ConfigurationError: The connection is to another kind of database.
        """
        joined = copy(self)
        joined._database = self._database.within(connection)
        return joined

    def balance(self, *, cabinet: CabinetId) -> Cents:
        """Give what the cabinet may spend now: its credit less what is held.

        Raises:
            Rejected: `unknown_cabinet`.
        """
        with self._database.reading() as work:
            row = work.one(self._statements.balance, {"of": spendable(cabinet)})
        if row is None:
            raise refused("unknown_cabinet")
        return Cents(cast("int", row[0]))

    def credit(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> None:
        """Pay credit in; the cabinet's account is opened at the first time.

        Raises:
            InvalidValue: The amount is negative.
            Rejected: `key_reused` with other arguments.
        """
        amount = whole(amount)

        def act(work: Work) -> Answer:
            self._move(work, Movement.CREDIT, key, cabinet, amount, memo)
            return Answer(arguments=asked)

        asked = arguments("credit", cabinet, amount, memo)
        self._once(key, asked, act)

    def hold(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> HoldId:
        """Set the amount aside until it is captured or released.

        Raises:
            InvalidValue: The amount is negative.
            Rejected: `insufficient_funds`, `unknown_cabinet`, or `key_reused` with other arguments.
        """
        amount = whole(amount)

        def act(work: Work) -> Answer:
            name = spendable(cabinet)
            # Reserving is one statement, so that of two holds racing for the last euros one finds too little.
            if work.run(self._statements.reserve, {"of": name, "amount": int(amount)}) != 1:
                known = work.one(self._statements.balance, {"of": name}) is not None
                return Answer(arguments=asked, reason="insufficient_funds" if known else "unknown_cabinet")
            made = hold_id(key)
            work.run(
                self._statements.hold,
                {"id": made, "cabinet": cabinet, "amount": int(amount), "memo": memo, "state": HoldState.HELD.value},
            )
            self._move(work, Movement.HOLD, key, cabinet, amount, memo, reserved=name)
            return Answer(arguments=asked, reference=made)

        asked = arguments("hold", cabinet, amount, memo)
        return HoldId(self._once(key, asked, act))

    def capture(self, *, key: Key, hold: HoldId) -> None:
        """Take what is held, once.

        Raises:
            Rejected: `hold_gone` (unknown, expired or released), `already_captured` under another key,
                or `key_reused` with other arguments.
        """
        self._settle(Movement.CAPTURE, key, hold)

    def release(self, *, key: Key, hold: HoldId) -> None:
        """Give back what is held, once. A hold that has expired by itself counts as given back.

        Raises:
            Rejected: `hold_gone` (unknown), `already_captured`, `already_released` under another key,
                or `key_reused` with other arguments.
        """
        self._settle(Movement.RELEASE, key, hold)

    def expire(self, *, key: Key, hold: HoldId) -> None:
        """Give back a hold that nobody settled in time; whoever keeps the books decides when.

        Raises:
            Rejected: `hold_gone` (unknown), `already_captured`, `already_released`, or `key_reused`.
        """
        self._settle(Movement.EXPIRY, key, hold)

    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended; `reference` is the hold of a `hold`."""
        with self._database.reading() as work:
            answer = self._answered(work, key)
        return answer.outcome if answer else Outcome(kind=OutcomeKind.UNKNOWN)

    def statement(self, *, cabinet: CabinetId) -> tuple[StatementLine, ...]:
        """Give every movement of a cabinet's credit, oldest first.

        Raises:
            Rejected: `unknown_cabinet`.
        """
        self.balance(cabinet=cabinet)
        with self._database.reading() as work:
            rows = work.all(self._statements.movements, {"of": cabinet})
        return lines(
            (instant(at), Movement(movement), Cents(amount), memo, Key(key))
            for at, movement, amount, memo, key in cast("list[tuple[int, str, int, str, str]]", rows)
        )

    def check(self) -> TrialBalance:
        """Prove the books: everything that is written in two places must agree."""
        sql = self._statements
        with self._database.reading(frozen=True) as work:
            balances = _amounts(work, sql.balances)
            entries = _amounts(work, sql.sums)
            broken = [cast("str", row[0]) for row in work.all(sql.broken, {})]
            holdings = cast("list[tuple[str, str, int]]", work.all(sql.holdings, {}))
        return prove(
            balances=balances,
            entries=entries,
            broken=broken,
            held={cabinet: amount for cabinet, state, amount in holdings if state == HoldState.HELD},
            captured=sum(amount for _, state, amount in holdings if state == HoldState.CAPTURED),
        )

    def _settle(self, movement: Movement, key: Key, hold: HoldId) -> None:
        def act(work: Work) -> Answer:
            settled = work.run(self._statements.settle, {"of": hold, "to_state": SETTLED_AS[movement].value}) == 1
            row = work.one(self._statements.held, {"of": hold})
            if row is None:
                return Answer(arguments=asked, reason="hold_gone")
            cabinet, amount, memo, state = cast("tuple[str, int, str, str]", row)
            if not settled:
                return Answer(arguments=asked, reason=SETTLING[movement, HoldState(state)])
            self._move(work, movement, key, CabinetId(cabinet), Cents(amount), memo)
            return Answer(arguments=asked)

        asked = arguments(movement, hold)
        self._once(key, asked, act)

    def _once(self, key: Key, asked: str, act: Callable[[Work], Answer]) -> str:
        try:
            answer = self._attempt(key, act)
        except Conflict:  # somebody was faster with the same key: theirs is the answer
            try:
                answer = self._attempt(key, act)
            except Conflict as error:
                raise Unavailable("too many callers use this key at once", where="ledger") from error
        return answer.given(asked)

    def _attempt(self, key: Key, act: Callable[[Work], Answer]) -> Answer:
        def attempt(work: Work) -> Answer:
            if (known := self._answered(work, key)) is not None:
                return known
            answer = act(work)
            values: Mapping[str, Cell] = {
                "key": key,
                "arguments": answer.arguments,
                "reason": answer.reason,
                "reference": answer.reference,
            }
            work.run(self._statements.answer, values)
            return answer

        return self._database.write(attempt)

    def _answered(self, work: Work, key: Key) -> Answer | None:
        row = work.one(self._statements.answered, {"of": key})
        if row is None:
            return None
        asked, reason, reference = cast("tuple[str, str, str]", row)
        return Answer(arguments=asked, reason=reason, reference=reference)

    def _move(
        self,
        work: Work,
        movement: Movement,
        key: Key,
        cabinet: CabinetId,
        amount: Cents,
        memo: str,
        *,
        reserved: str = "",
    ) -> None:
        """Write a movement down. The account `reserved` was changed by the caller already."""
        work.run(
            self._statements.move,
            {
                "key": key,
                "at": ticks(self._clock.now()),
                "movement": movement.value,
                "cabinet": cabinet,
                "amount": int(amount),
                "memo": memo,
            },
        )
        for name, change in legs(movement, cabinet, amount):
            changed = name == reserved or work.run(self._statements.change, {"of": name, "change": int(change)}) == 1
            if not changed:
                work.run(self._statements.open, {"name": name, "balance": 0})
                work.run(self._statements.change, {"of": name, "change": int(change)})
            work.run(self._statements.enter, {"transfer": key, "account": name, "amount": int(change)})


def _amounts(work: Work, statement: Statement) -> dict[str, int]:
    return dict(cast("list[tuple[str, int]]", work.all(statement, {})))
