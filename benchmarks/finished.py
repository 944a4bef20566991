"""What a million finished subscriptions in the store cost: `due`, and a step, against a store that has none.

One subscription walks through its journey; its rows are then copied a million times under other ids, with SQL: each
stream, every index, journal entry and settled effect of it. Sealed payloads are cut to `CUT` bytes, so that the disk
holds them; what a search goes through is whole. Journeys and questions then alternate between the full store and an
empty one. Both have `OPEN` subscriptions beside; PostgreSQL has vacuumed and analysed both, as it does by itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from attrs import frozen
from sqlalchemy import Engine as Database

from benchmarks.journey import NOW
from benchmarks.postgresql import server
from benchmarks.steps import Recording, engine_over, goal, taken, told, walk
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.testing.postgres import fresh_names

FINISHED: Final = int(os.environ.get("QCP_BENCH_FINISHED", "1000000"))
OPEN: Final = 50
ROUNDS: Final = 80
QUESTIONS: Final = 20
CUT: Final = 64
GOAL: Final = 1.1
AFTER: Final = NOW + timedelta(hours=1)

TEMPLATE: Final = "sub-0"
"""The id of the subscription that is copied; its person's tally of codes is one stream more."""
COLUMNS: Final = {
    "streams": ("id", "kind", "version", "stage", "data_key", "state", "head", "indexed", "wrapped_by"),
    "indexes": ("name", "value", "stream"),
    "journal": ("stream", "sequence", "at", "kind", "payload", "hash"),
    "outbox": (
        "key", "stream", "kind", "due", "ready", "leased_until", "token", "attempts", "state", "note", "payload"
    ),
    "claims": ("name", "owner"),
}  # fmt: skip


@frozen
class Filling:
    """How rows are copied on one kind of database."""

    numbers: str
    """A row source `n(i)` from 1 to `FINISHED`."""
    suffix: str
    """`i` as text of eight hexadecimal digits, spread over all of them, so that new ids fall between old ones."""
    nothing: str
    """A payload of no bytes: what is done keeps its mark only."""
    beginning: tuple[str, ...]
    end: tuple[str, ...]


SQLITE: Final = Filling(
    f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {FINISHED}) SELECT i FROM n) AS n",
    f"printf('%08x', i * ({2**32 - 1} / {FINISHED}))",
    "x''",
    ("PRAGMA foreign_keys=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-400000"),
    ("PRAGMA wal_checkpoint(TRUNCATE)",),
)
POSTGRESQL: Final = Filling(
    f"generate_series(1, {FINISHED}::bigint) AS n(i)",
    f"lpad(to_hex(i * ({2**32 - 1} / {FINISHED})), 8, '0')",
    "''::bytea",
    ("SET session_replication_role = replica", "SET synchronous_commit = off"),
    ("CHECKPOINT",),
)


def fill(database: Database, filling: Filling, name: Callable[[str], str]) -> None:
    """Copy the finished subscription; over a connection of its own, whose settings go with it."""
    connection = database.raw_connection()
    if filling is POSTGRESQL:
        connection.driver_connection.autocommit = True  # type: ignore[union-attr]
    say = connection.cursor().execute
    for command in filling.beginning:
        say(command)
    say(f"UPDATE {name('outbox')} SET state='done', leased_until=NULL")
    for table, columns in COLUMNS.items():
        copied = ", ".join(_copied(table, column, filling) for column in columns)
        say(f"CREATE TEMPORARY TABLE copied_{table} AS SELECT * FROM {name(table)}")
        rows = f"SELECT {copied} FROM {filling.numbers} CROSS JOIN copied_{table} AS t"
        say(f"INSERT INTO {name(table)} ({', '.join(columns)}) {rows}")
    for command in filling.end:
        say(command)
    connection.invalidate()


def _copied(table: str, column: str, filling: Filling) -> str:
    if column == "payload" and table == "outbox":
        return filling.nothing
    if column in {"payload", "state"} and table != "outbox":
        return f"substr(t.{column}, 1, {CUT})"
    own = {"streams": {"id"}, "indexes": {"stream", "value"}, "journal": {"stream"}, "outbox": {"key", "stream"}}
    if column in own.get(table, {"name", "owner"}):
        place = f"replace(t.{column}, '{TEMPLATE}', 'sub-' || {filling.suffix})"
        # What names no subscription (a blind index, a person's tally of codes) is somebody else's all the same.
        return f"CASE WHEN t.{column} LIKE '{TEMPLATE}%' THEN {place} ELSE {filling.suffix} || t.{column} END"
    return f"t.{column}"


def compared(empty: Recording, full: Recording) -> dict[str, float]:
    """Give what each takes over the full store, as times what it takes over the empty one."""
    stores = {"empty": empty, "full": full}
    engines = {name: engine_over(store) for name, store in stores.items()}
    for name, store in stores.items():
        for number in range(1, OPEN):
            walk(engines[name], store, number)
    if (database := full._database.engine).dialect.name == "postgresql":
        with database.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(OPEN, OPEN + ROUNDS):
        for name in ("empty", "full") if number % 2 else ("full", "empty"):
            store = stores[name]
            for what, act in {
                "a step": partial(walk, engines[name], store, number),
                "asking what is due": partial(_asked, store),
                "taking ten that are due": partial(_taken, store),
            }.items():
                times.setdefault((what, name), []).append(taken(act))
    return {what: median(times[what, "full"][5:]) / median(times[what, "empty"][5:]) for what, _ in times}


def _asked(store: Recording) -> None:
    for _ in range(QUESTIONS):
        store.lease(now=NOW, until=AFTER, limit=10)
        store.next_due()
        store.backlog(now=NOW)


def _taken(store: Recording) -> None:
    store.lease(now=AFTER, until=AFTER + timedelta(hours=1), limit=10)


def _template(database: Database, schema: str | None) -> Recording:
    store = Recording(database, schema=schema)
    walk(engine_over(store), store, 0)
    return store


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    print(f"{FINISHED} finished subscriptions in the store, as times an empty one")
    met = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("QCP_BENCH_FOLDER")) as folder:
        full = _template(made := sqlite_engine(Path(folder) / "full.db"), None)
        told("SQLite: seconds to fill it", taken(lambda: fill(made, SQLITE, lambda table: f"qcp_{table}")))
        os.sync()  # else the first syncs that are measured write all of it
        empty = Recording(sqlite_engine(Path(folder) / "empty.db"))
        met += _goals("SQLite", compared(empty, full))
        for store in (empty, full):
            store._database.engine.dispose()
    with server("max_wal_size=4GB") as running:
        names = fresh_names()
        schema, database = next(names), running.engine()
        full = _template(database, schema)
        told("PostgreSQL: seconds to fill it", taken(lambda: fill(database, POSTGRESQL, lambda t: f"{schema}.qcp_{t}")))
        os.sync()
        met += _goals("PostgreSQL", compared(Recording(database, schema=next(names)), full))
        database.dispose()
    return 0 if all(met) else 1


def _goals(name: str, found: dict[str, float]) -> list[bool]:
    return [goal(f"{name}: {what}", ratio, ratio <= GOAL) for what, ratio in found.items()]


if __name__ == "__main__":
    sys.exit(main())
