"""The store on SQLite or PostgreSQL: one transaction a fact, one lease an effect.

The usual commit (one stream moves on, one journal entry, an effect answered, the next one asked for) is one
statement a table and one sync. What is done keeps its mark in the outbox and loses its payload.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from datetime import datetime
from functools import lru_cache, partial
from typing import Final, cast

from sqlalchemy import Connection, Engine

from qcp_sdk.adapters.sql.database import (
    Cell,
    Database,
    Row,
    Statement,
    Values,
    Work,
    instant,
    namespace,
    ticks,
)
from qcp_sdk.adapters.sql.migrations import STORE
from qcp_sdk.adapters.sql.one_statement import NOT_AS_EXPECTED, OneStatement
from qcp_sdk.adapters.sql.schema import StoreTables
from qcp_sdk.adapters.sql.store_statements import StoreStatements
from qcp_sdk.errors import Conflict, InvalidValue
from qcp_sdk.ports.carriers import DueWork, TransactionalCarrier, due_work
from qcp_sdk.ports.store import (
    FIRST_TOKEN,
    Backlog,
    Batch,
    JournalRow,
    LeasedEffect,
    OutboxRow,
    ParkedEffect,
    Rewrapping,
    StoredStream,
    WrappedKey,
)
from qcp_sdk.values import Key, utc

MOST_HINTS: Final = 1_000


class SqlStore:
    """Keeps streams in a database, for many threads and processes at once; made by `sqlite_engine` on SQLite.

    Several installations share a database under different prefixes; on PostgreSQL the tables may also stand in a
    `schema` of their own. Call `create_schema` once before the first use.

    A `carrier` is told of what is left to workers within the transaction that leaves it to them (docs/carriers.md).

    Raises:
        ConfigurationError: A name that no table may have, or a database that we do not know.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        prefix: str = "qcp_",
        schema: str | None = None,
        carrier: TransactionalCarrier | None = None,
    ) -> None:
        self._tables = StoreTables(prefix, namespace(schema, engine))
        self._database = Database(engine)
        self._statements = StoreStatements(self._tables, engine)
        self._one = OneStatement(self._tables, engine)
        self._carrier = carrier
        self._loaded: dict[str, str] = {}
        """The indexes that each stream had when it was read last: a hint at which statement a commit needs, no more."""

    def create_schema(self) -> None:
        """Make the tables that are not there yet and bring older ones up; safe to repeat, in many processes at once.

        Raises:
            Unavailable: The database cannot be reached or written.
        """
        self._database.create(self._tables.metadata, prefix=self._tables.prefix, migrations=STORE)

    def within(self, connection: Connection) -> SqlStore:
        """Give this store inside the host's own transaction: what it writes is kept when the host commits.

        For one thread. What fails undoes nothing of the host's. Once that transaction has ended it works by itself
        again, so that `Qcp` may perform effects in the host's on-commit hook (`after_commit`). Read `ports.store.Store`
        on what a rollback forgets.

        Raises:
            ConfigurationError: The connection is to another kind of database.
        """
        joined = copy(self)
        joined._database = self._database.within(connection)
        return joined

    def load(self, *, id: str) -> StoredStream | None:
        """Give the stream as last committed."""
        row = self._database.one(self._statements.load, {"of": id})
        if row is None:
            return None
        of, kind, version, stage, data_key, state, head, indexed, wrapped_by = cast(
            "tuple[str, str, int, str, bytes, bytes, bytes, str, str]", row
        )
        if self._database.one_statement:
            if len(self._loaded) >= MOST_HINTS:
                self._loaded.clear()
            self._loaded[id] = indexed
        return StoredStream(
            id=of,
            kind=kind,
            version=version,
            stage=stage,
            data_key=data_key,
            state=state,
            head=head,
            indexes=_indexes(indexed),
            wrapped_by=wrapped_by,
        )

    def commit(self, *, batch: Batch) -> None:
        """Write it all, or nothing.

        Raises:
            Conflict: A stream has moved, a claim is taken, an effect was fenced off, or a message was seen;
                `kind` and `subject` name it.
            InvalidValue: `streams` and `expected` do not match in number.
        """
        if len(batch.streams) != len(batch.expected):
            raise InvalidValue(
                "every written stream needs the version that it had", where="expected", mend="give one for each stream"
            )
        carried = self._carrier is not None and due_work(batch)
        if not (carried or batch.erased) and self._database.one_statement and self._written_at_once(batch):
            return
        self._database.write(partial(self._written, batch))
        if batch.erased:
            self._database.scrub()

    def _written(self, batch: Batch, work: Work) -> None:
        self._receive(work, batch)
        for key, token in batch.answered:
            values: Mapping[str, Cell] = {"of": key, "holder": token, "to_note": "", "to_payload": b""}
            if work.run(self._statements.answer, values) != 1:
                raise Conflict("it is no longer held under this token", kind="effect", subject=key)
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            self._write(work, stream, expected)
        for entry in batch.journal:
            work.about = ("stream", entry.stream)
            work.run(self._statements.record, _entry_values(entry))
        for effect in batch.outbox:
            work.about = ("effect", effect.key)
            work.run(self._statements.ask, _effect_values(effect))
        for id in batch.erased:
            for statement in (self._statements.destroy, self._statements.drop, self._statements.give_up):
                work.run(statement, {"of": id})
        self._claim(work, batch)
        if self._carrier is not None and (carried := due_work(batch)):
            self._carrier.carry_within(connection=work.connection, work=carried)

    def _written_at_once(self, batch: Batch) -> bool:
        """Write it with one statement; say no, with nothing written, where something is not as expected."""
        moved: list[Values] = []
        opened: list[Values] = []
        marks: list[Values] = []
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            row: dict[str, Cell] = {
                "id": stream.id, "kind": stream.kind, "version": stream.version, "stage": stream.stage,
                "data_key": stream.data_key, "state": stream.state, "head": stream.head,
                "indexed": _indexed(stream.indexes), "wrapped_by": stream.wrapped_by, "expected": expected,
            }  # fmt: skip
            (moved if expected else opened).append(row)
            if not expected:
                marks += [{"name": name, "value": value, "stream": stream.id} for name, value in stream.indexes]
        # What was read last says most often whether indexes change; a wrong guess costs a statement and harms nothing.
        change = any(self._loaded.get(str(row["id"]), row["indexed"]) != row["indexed"] for row in moved)
        for reindexed in (True,) if change else (False, True) if moved else (False,):
            sql, values = self._one.lay_out(
                batch,
                moved=moved,
                opened=opened,
                marks=marks,
                journal=[_entry_values(one) for one in batch.journal],
                outbox=[_effect_values(one) for one in batch.outbox],
                reindexed=reindexed,
            )
            if not sql or self._database.at_once(sql, values, unless=NOT_AS_EXPECTED):
                return True
        return False

    def _receive(self, work: Work, batch: Batch) -> None:
        if batch.inbox:
            work.run(self._statements.forget, {"now": ticks(batch.at)})
        for message, until in batch.inbox:
            if work.run(self._statements.receive, {"message": message, "kept_until": ticks(until)}) != 1:
                raise Conflict("it was seen before", kind="message", subject=message)

    def _write(self, work: Work, stream: StoredStream, expected: int) -> None:
        indexed = _indexed(stream.indexes)
        work.about = ("stream", stream.id)
        if expected == 0:
            work.run(self._statements.open, {
                "id": stream.id, "kind": stream.kind, "version": stream.version, "stage": stream.stage,
                "data_key": stream.data_key, "state": stream.state, "head": stream.head, "indexed": indexed,
                "wrapped_by": stream.wrapped_by,
            })  # fmt: skip
            self._reindex(work, stream.id, had=frozenset(), has=stream.indexes)
            return
        values: dict[str, Cell] = {
            "of": stream.id, "expected": expected, "as_indexed": indexed, "to_version": stream.version,
            "to_stage": stream.stage, "to_state": stream.state, "to_head": stream.head,
        }  # fmt: skip
        if work.run(self._statements.move, values) == 1:
            return
        # Either the stream is not as expected, or only its indexes change, which is rare.
        row = work.one(self._statements.indexed, values)
        if row is None:
            raise Conflict("it is no longer as it was loaded", kind="stream", subject=stream.id)
        before = cast("str", row[0])
        work.run(self._statements.reindex, {"of": stream.id, "to_indexed": indexed})
        self._reindex(work, stream.id, had=_indexes(before), has=stream.indexes)
        if work.run(self._statements.move, values) != 1:
            raise Conflict("it is no longer as it was loaded", kind="stream", subject=stream.id)

    def _reindex(
        self, work: Work, stream: str, *, had: frozenset[tuple[str, str]], has: frozenset[tuple[str, str]]
    ) -> None:
        for statement, pairs in ((self._statements.unmark, had - has), (self._statements.mark, has - had)):
            for name, value in pairs:
                work.run(statement, {"name": name, "value": value, "stream": stream})

    def _claim(self, work: Work, batch: Batch) -> None:
        for name, owner in batch.unclaim:
            work.run(self._statements.unclaim, {"name": name, "owner": owner})
        for name, owner in batch.claim:
            if work.run(self._statements.claim, {"name": name, "owner": owner}) == 1:
                continue
            if work.one(self._statements.owner, {"of": name}) != (owner,):
                raise Conflict("somebody else owns it", kind="claim", subject=name)

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        """Take up to `limit` effects that are due and not leased, oldest first; of one stream only, if named.

        Each gets the next token and counts one more attempt. A lease that has ended may be taken by anybody.
        """
        sql = self._statements
        values: dict[str, Cell] = {"now": ticks(now), "to_until": ticks(until), "at_most": limit}
        if stream is not None:
            values["of"] = stream
        if limit < 1:
            return ()
        if self._database.one(sql.any_ready if stream is None else sql.any_ready_of, values) is None:
            return ()  # most often there is nothing, and a reader waits for nobody
        statement = sql.lease if stream is None else sql.lease_of
        rows = self._database.write(lambda work: work.all(statement, values), one=True)
        until = utc(until)
        return tuple(_leased(row, until) for row in sorted(rows, key=_age))

    def postpone(self, *, key: Key, token: int, due: datetime, note: str) -> None:
        """Give a leased effect back, to be tried again then. A token that is no longer current changes nothing."""
        values: Values = {"of": key, "holder": token, "to_due": ticks(due), "to_note": note}
        self._put_back(self._statements.postpone, values, key, due)

    def park(self, *, key: Key, token: int, reason: str) -> None:
        """Set a leased effect aside for a person. A token that is no longer current changes nothing."""
        values: Values = {"of": key, "holder": token, "to_note": reason}
        self._database.write(lambda work: work.run(self._statements.park, values), one=True)

    def parked(self) -> tuple[ParkedEffect, ...]:
        """Give what waits for a person, oldest first."""
        rows = self._database.all(self._statements.parked, {})
        return tuple(
            ParkedEffect(key=Key(key), stream=stream, kind=kind, attempts=attempts, reason=note)
            for key, stream, kind, attempts, note in cast("list[tuple[str, str, str, int, str]]", rows)
        )

    def unpark(self, *, key: Key, due: datetime) -> None:
        """Put a parked effect back in line.

        Raises:
            Conflict: It is not parked.
        """
        values: Values = {"of": key, "to_due": ticks(due), "to_note": ""}
        if not self._put_back(self._statements.unpark, values, key, due):
            raise _not_parked(key)

    def discard(self, *, key: Key) -> None:
        """Mark a parked effect as settled by hand: it is never performed.

        Raises:
            Conflict: It is not parked.
        """
        values: Values = {"of": key, "to_note": "settled by hand", "to_payload": b""}
        if self._database.write(lambda work: work.run(self._statements.discard, values), one=True) != 1:
            raise _not_parked(key)

    def _put_back(self, statement: Statement, values: Values, key: Key, due: datetime) -> bool:
        """Have an effect wait again from that instant on, and tell the carrier in the same transaction; say whether it
        was so.
        """

        def put(work: Work) -> bool:
            if work.run(statement, values) != 1:
                return False
            if self._carrier is not None and (row := work.one(self._statements.stream_of, {"of": key})) is not None:
                self._carrier.carry_within(connection=work.connection, work=(DueWork(cast("str", row[0]), due),))
            return True

        return self._database.write(put, one=self._carrier is None)

    def outstanding(self, *, stream: str) -> tuple[OutboxRow, ...]:
        """Give the effects of a stream that are not done, parked ones included, in key order."""
        rows = self._database.all(self._statements.outstanding, {"of": stream})
        return tuple(
            OutboxRow(
                key=Key(key),
                stream=of,
                kind=kind,
                due=instant(due),
                payload=payload,
                leased_until=None if until is None else instant(until),
            )
            for key, of, kind, due, payload, until in sorted(
                cast("list[tuple[str, str, str, int, bytes, int | None]]", rows), key=lambda row: row[0]
            )
        )

    def journal(self, *, stream: str) -> tuple[JournalRow, ...]:
        """Give a stream's journal in order."""
        rows = self._database.all(self._statements.recorded, {"of": stream})
        return tuple(
            JournalRow(stream=of, sequence=sequence, at=instant(at), kind=kind, payload=payload, hash=digest)
            for of, sequence, at, kind, payload, digest in cast("list[tuple[str, int, int, str, bytes, bytes]]", rows)
        )

    def find(self, *, index: str, value: str) -> tuple[str, ...]:
        """Give the ids of the streams that carry this index value, oldest first."""
        rows = self._database.all(self._statements.find, {"of": index, "as_value": value})
        return tuple(cast("str", row[0]) for row in rows)

    def wrapped_keys(self, *, wrapped_by: str, limit: int, after: str = "") -> tuple[WrappedKey, ...]:
        """Give up to `limit` data keys that this key wrapped, of streams whose id comes after this one, in order."""
        if limit < 1:
            return ()
        rows = self._database.all(self._statements.wrapped_keys, {"of": wrapped_by, "after": after, "at_most": limit})
        return tuple(
            WrappedKey(stream=stream, data_key=bytes(data_key), wrapped_by=wrapped_by)
            for stream, data_key in cast("list[tuple[str, bytes]]", rows)
        )

    def rewrap(self, *, keys: tuple[Rewrapping, ...]) -> int:
        """Put data keys in the place of those that were read, where they still are; say how many."""
        return self._database.write(partial(self._rewrapped, keys))

    def _rewrapped(self, keys: tuple[Rewrapping, ...], work: Work) -> int:
        return sum(
            work.run(
                self._statements.rewrap,
                {
                    "of": one.before.stream,
                    "as_read": one.before.data_key,
                    "to_data_key": one.data_key,
                    "to_wrapped_by": one.wrapped_by,
                },
            )
            for one in keys
        )

    def wrappings(self) -> Mapping[str, int]:
        """Count the data keys by the key that wrapped them."""
        rows = self._database.all(self._statements.wrappings, {})
        return dict(cast("list[tuple[str, int]]", rows))

    def owner(self, *, claim: str) -> str | None:
        """Say who owns a claim."""
        row = self._database.one(self._statements.owner, {"of": claim})
        return cast("str", row[0]) if row else None

    def seen(self, *, message: str) -> bool:
        """Say whether a message id is in the inbox."""
        return self._database.one(self._statements.seen, {"of": message}) is not None

    def next_due(self) -> datetime | None:
        """Say when `lease` may next give something: the earliest due time, or end of a lease, of what is not parked."""
        row = self._database.one(self._statements.next_due, {})
        return None if row is None or row[0] is None else instant(cast("int", row[0]))

    def backlog(self, *, now: datetime) -> Backlog:
        """Say what waits."""
        row = self._database.one(self._statements.backlog, {"now": ticks(now)})
        due, oldest, parked = cast("tuple[int, int | None, int]", row)
        return Backlog(due=due, oldest=None if oldest is None else instant(oldest), parked=parked)


def _not_parked(key: Key) -> Conflict:
    return Conflict("it is not parked", kind="effect", subject=key)


@lru_cache(maxsize=1_024)  # they seldom change, and are asked for with every fact
def _indexed(indexes: frozenset[tuple[str, str]]) -> str:
    return json.dumps(sorted(indexes), ensure_ascii=False) if indexes else "[]"


@lru_cache(maxsize=1_024)
def _indexes(indexed: str) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in json.loads(indexed)) if indexed != "[]" else frozenset()


def _entry_values(entry: JournalRow) -> Mapping[str, Cell]:
    return {
        "stream": entry.stream,
        "sequence": entry.sequence,
        "at": ticks(entry.at),
        "kind": entry.kind,
        "payload": entry.payload,
        "hash": entry.hash,
    }


def _effect_values(effect: OutboxRow) -> Mapping[str, Cell]:
    due = ticks(effect.due)
    until = None if effect.leased_until is None else ticks(effect.leased_until)
    first = 0 if until is None else FIRST_TOKEN
    return {
        "key": effect.key,
        "stream": effect.stream,
        "kind": effect.kind,
        "due": due,
        "ready": due if until is None else until,
        "leased_until": until,
        "token": first,
        "attempts": first,
        "note": "",
        "payload": effect.payload,
    }


def _age(row: Row) -> tuple[int, int]:
    return cast("tuple[int, int]", row[:2])


def _leased(row: Row, until: datetime) -> LeasedEffect:
    due, _ordinal, key, stream, kind, payload, token, attempts = cast(
        "tuple[int, int, str, str, str, bytes, int, int]", row
    )
    return LeasedEffect(
        key=Key(key),
        stream=stream,
        kind=kind,
        due=instant(due),
        payload=payload,
        token=token,
        attempts=attempts,
        leased_until=until,
    )
