"""A durable step on SQLite with full sync: against the same writes by hand, many at once, and two processes.

A step is one fact of a happy journey through the engine: load, decide, seal, and in one transaction state, journal,
outbox and the mark on the effect that the fact answers. By hand are the very rows that it wrote, sealed bytes and all,
written with `sqlite3` into the same tables. Journeys are interleaved, so that a busy machine is busy for both.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from benchmarks.journey import NOW
from benchmarks.steps import STEPS, Recording, engine_over, goal, taken, told, walk
from qcp_sdk.adapters.sql.database import ticks
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.ports.store import Batch, StoredStream
from qcp_sdk.testing.scene import Scene

ROUNDS: Final = 40
AT_ONCE: Final = 64
GOAL_BY_HAND, GOAL_AT_ONCE, GOAL_SYNCS, GOAL_COMMITS, GOAL_WAIT = 0.7, 4.0, 1.2, 1.0, 1.0


MARK: Final = "INSERT INTO qcp_indexes (name, value, stream) VALUES (?,?,?)"


class ByHand:
    """What somebody would write with `sqlite3`: no checks but the version's, parameters laid out beforehand."""

    def __init__(self, path: Path) -> None:
        self.marks: dict[str, frozenset[tuple[str, str]]] = {}
        self.connection = sqlite3.connect(path, isolation_level=None)
        for name in ("synchronous=FULL", "foreign_keys=ON"):
            self.connection.execute(f"PRAGMA {name}")

    def new_marks(self, stream: StoredStream) -> frozenset[tuple[str, str]]:
        """Give the rows of the index that a stream gets with this batch."""
        had = self.marks.get(stream.id, frozenset())
        self.marks[stream.id] = stream.indexes
        return stream.indexes - had

    def laid_out(self, batch: Batch) -> list[tuple[str, tuple[object, ...]]]:
        """Give the statements of one batch."""
        out: list[tuple[str, tuple[object, ...]]] = []
        out += [
            ("UPDATE qcp_outbox SET state='done', note='', payload=x'', leased_until=NULL WHERE key=? AND token=?", one)
            for one in batch.answered
        ]
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            row = (stream.version, stream.stage, stream.state, stream.head, json.dumps(sorted(stream.indexes)))
            if expected:
                sql = "UPDATE qcp_streams SET version=?, stage=?, state=?, head=?, indexed=? WHERE id=? AND version=?"
                out.append((sql, (*row, stream.id, expected)))
            else:
                sql = "INSERT INTO qcp_streams (version, stage, state, head, indexed, id, kind, data_key, wrapped_by)"
                born = (stream.id, stream.kind, stream.data_key, stream.wrapped_by)
                out.append((f"{sql} VALUES (?,?,?,?,?,?,?,?,?)", (*row, *born)))
            out += [(MARK, (name, value, stream.id)) for name, value in sorted(self.new_marks(stream))]
        for entry in batch.journal:
            sql = "INSERT INTO qcp_journal (stream, sequence, at, kind, payload, hash) VALUES (?,?,?,?,?,?)"
            values = (entry.stream, entry.sequence, ticks(entry.at), entry.kind, entry.payload, entry.hash)
            out.append((sql, values))
        for effect in batch.outbox:
            until = None if effect.leased_until is None else ticks(effect.leased_until)
            first, due = int(until is not None), ticks(effect.due)
            sql = (
                "INSERT INTO qcp_outbox (key, stream, kind, due, ready, leased_until, token, attempts, state, note,"
                " payload) VALUES (?,?,?,?,?,?,?,?,'waiting','',?)"
            )
            ready = due if until is None else until
            out.append((sql, (effect.key, effect.stream, effect.kind, due, ready, until, first, first, effect.payload)))
        out += [("DELETE FROM qcp_claims WHERE name=? AND owner=?", one) for one in batch.unclaim]
        out += [("INSERT INTO qcp_claims (name, owner) VALUES (?,?)", one) for one in batch.claim]
        return out

    def write(self, batches: Sequence[tuple[str, list[tuple[str, tuple[object, ...]]]]]) -> None:
        """Write each batch in a transaction of its own, having read its stream."""
        execute = self.connection.execute
        for id, statements in batches:
            execute("SELECT * FROM qcp_streams WHERE id=?", (id,)).fetchone()
            execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                execute(sql, values)
            execute("COMMIT")


def by_hand(folder: Path) -> float:
    """Give our rate as a share of the rate by hand: the median over interleaved journeys."""
    store = Recording(sqlite_engine(folder / "ours.db"))
    SqlStore(made := sqlite_engine(folder / "hand.db")).create_schema()
    made.dispose()
    hand, engine, shares = ByHand(folder / "hand.db"), engine_over(store), []
    for number in range(ROUNDS):
        store.batches.clear()
        ours = taken(lambda number=number: walk(engine, store, number))  # type: ignore[misc]
        laid_out = [(batch.streams[0].id, hand.laid_out(batch)) for batch in store.batches]
        shares.append(taken(lambda laid_out=laid_out: hand.write(laid_out)) / ours)  # type: ignore[misc]
    hand.connection.close()
    store._database.engine.dispose()
    return median(shares[2:])


def rate(path: Path, callers: int, each: int) -> tuple[float, float]:
    """Give the steps a second of so many callers at once through the engine, and of as many bare commits."""
    store = Recording(sqlite_engine(path))
    whole = rate_over(store, callers, each)
    bare = SqlStore(sqlite_engine(path.with_suffix(".bare")))
    bare.create_schema()
    mine: dict[int, list[Batch]] = {n: [] for n in range(callers)}
    for batch in store.batches:
        mine[int(batch.streams[0].id.split("-")[1]) // each].append(batch)

    def keep(caller: int) -> None:
        for batch in mine[caller]:
            bare.commit(batch=batch)

    commits = _together(callers, keep)
    for one in (store, bare):
        one._database.engine.dispose()
    return whole, len(store.batches) / commits


def rate_over(store: Recording, callers: int, each: int) -> float:
    """Give the steps a second of so many callers at once through the engine, over an empty store."""
    engines = [engine_over(store) for _ in range(callers)]

    def subscribe(caller: int) -> None:
        for k in range(each):
            walk(engines[caller], store, caller * each + k)

    return callers * each * STEPS / _together(callers, subscribe)


def _together(callers: int, work: Callable[[int], None]) -> float:
    barrier = threading.Barrier(callers + 1)

    def run(number: int) -> None:
        barrier.wait()
        work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    barrier.wait()
    start = perf_counter()
    for thread in threads:
        thread.join()
    return perf_counter() - start


def syncs(folder: Path) -> float | None:
    """Give the disk syncs a step, counted by `strace` in a process of its own; None where there is no strace."""
    if (strace := shutil.which("strace")) is None:
        return None
    counts = []
    for journeys in (1, 101):
        log = folder / "strace"
        program = [sys.executable, "-m", "benchmarks.durable", "walk", str(folder / f"{journeys}.db"), str(journeys)]
        trace = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", str(log)]
        subprocess.run([*trace, *program], check=True)
        counts.append(sum("fdatasync(" in line or "fsync(" in line for line in log.read_text().splitlines()))
    return (counts[1] - counts[0]) / (100 * STEPS)


def commits() -> tuple[float, float]:
    """Give the commits a fact of a whole journey that is performed as it goes: those that keep a fact, and all of them.

    The others mark what has no answer (a notice that was sent). Taking what is due, and putting back what is asked
    again, are transactions of their own and not counted.
    """
    scene = Scene()
    kept: list[Batch] = []
    commit = scene.world.store.commit

    def counted(*, batch: Batch) -> None:
        commit(batch=batch)
        kept.append(batch)

    scene.world.store.commit = counted  # type: ignore[method-assign]
    view = scene.subscribe(scene.jessica)
    recorded = len(scene.qcp.records.history(view.id))
    return sum(bool(batch.journal) for batch in kept) / recorded, len(kept) / recorded


def longest_wait(folder: Path, processes: int = 2, seconds: float = 5.0) -> float:
    """Give the longest that a commit took, in seconds, with so many processes writing all the time."""
    path = folder / "two.db"
    program = [sys.executable, "-m", "benchmarks.durable", "press", str(path), str(seconds)]
    SqlStore(made := sqlite_engine(path)).create_schema()
    made.dispose()
    running = [subprocess.Popen(program, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    return max(float(one.communicate()[0]) for one in running)


def press(path: Path, seconds: float) -> float:
    """Commit without a pause for so long; give the longest commit."""
    store, start, worst = SqlStore(sqlite_engine(path)), perf_counter(), 0.0
    number = os.getpid() * 1_000_000
    while perf_counter() - start < seconds:
        number += 1
        batch = Batch(at=NOW, claim=((f"c-{number}", "s"),))
        worst = max(worst, taken(lambda batch=batch: store.commit(batch=batch)))  # type: ignore[misc]
    return worst


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("QCP_BENCH_FOLDER")) as name:
        folder = Path(name)
        share = by_hand(folder)
        ratios, bare = [], []
        for turn in range(3):
            one, many = rate(folder / f"one{turn}.db", 1, 20), rate(folder / f"many{turn}.db", AT_ONCE, 2)
            ratios.append(many[0] / one[0])
            bare.append(many[1] / one[1])
        wait, count = longest_wait(folder), syncs(folder)
    print(f"a durable step on SQLite, full sync (load of the machine: {os.getloadavg()[0]:.1f})")
    met = [
        goal("a step, as a share of the same writes by hand", share, share >= GOAL_BY_HAND),
        goal(f"{AT_ONCE} subscriptions at once against one, best of 3", max(ratios), max(ratios) >= GOAL_AT_ONCE),
        goal("two processes that write all the time: longest wait, s", wait, wait < GOAL_WAIT),
    ]
    told(f"{AT_ONCE} callers at once against one, commits only, best of 3", max(bare))
    if count is not None:
        met.append(goal("disk syncs a step", count, count <= GOAL_SYNCS))
    with_facts, every = commits()
    met.append(goal("commits a fact of a whole journey, that keep one", with_facts, with_facts <= GOAL_COMMITS))
    told("and with the marks on notices that were sent", every)
    return 0 if all(met) else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["walk"]:
        walked = Recording(sqlite_engine(sys.argv[2]))
        for turn in range(int(sys.argv[3])):
            walk(engine_over(walked), walked, turn)
    elif sys.argv[1:2] == ["press"]:
        print(press(Path(sys.argv[2]), float(sys.argv[3])))
    else:
        sys.exit(main())
