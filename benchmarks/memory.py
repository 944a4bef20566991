"""Whether a worker's memory stays flat over 100,000 steps, on SQLite.

A worker in a process of its own takes subscription after subscription through its journey: what a person or a provider
says is recorded, and every effect that is due is leased by it; codes and notices are performed (into nothing), what
the journey itself answers is answered under its lease. Counted are facts and performed effects; measured is the memory
that the process holds (RSS), after a fifth of the steps, when its caches are full, and at the end.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.journey import NOW
from benchmarks.steps import ANSWERS, FACTS, goal, opening, said_by, told
from qcp_sdk.adapters.keyring import KeyRing
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.engine import Collaborators, Engine
from qcp_sdk.engine.collaborators import DEFAULT
from qcp_sdk.engine.core import Answering
from qcp_sdk.subscription import facts
from qcp_sdk.values import SubscriptionId

STEPS: Final = int(os.environ.get("QCP_BENCH_STEPS", "100000"))
GOAL: Final = 1.05
"""The memory at the end, as a share of that after a fifth of the steps."""
LEASE: Final = timedelta(minutes=2)


class Nowhere:
    """Codes and notices that go nowhere and are not remembered."""

    def send(self, **message: Any) -> None: ...


def work(place: Path, steps: int) -> Iterator[int]:
    """Work; give the number of steps after each journey."""
    store = SqlStore(sqlite_engine(place))
    store.create_schema()
    world, nowhere = MemoryWorld(start=NOW), Nowhere()
    ports = Collaborators(
        store=store, clock=world.clock, ids=world.ids, keys=KeyRing.generate(), accounts=world.accounts, ledgers={},
        codes={DEFAULT: nowhere}, notices={DEFAULT: nowhere}, documents={},
    )  # fmt: skip
    engine = Engine(ports, inline=False)
    done = number = 0
    while done < steps:
        id = SubscriptionId(f"sub-{number}")
        held: dict[str, Answering] = {}
        for fact in FACTS:
            if isinstance(fact, facts.SubscriptionOpened):
                engine.record(id, opening(fact, number), opens="subscription")
            else:
                answering = held.get(ANSWERS.get(type(fact), ""))
                engine.record(id, said_by(fact, id), answering=answering)
            done += 1
            while leased := store.lease(now=NOW, until=NOW + LEASE, limit=10, stream=id):
                for one in leased:
                    if one.kind in ANSWERS.values():
                        held[one.kind] = Answering(key=one.key, token=one.token)
                    else:
                        engine.perform(one)
                        done += 1
        number += 1
        yield done
    assert not store.parked(), store.parked()
    store._database.engine.dispose()


def held() -> int:
    """Give the bytes that this process holds of the machine's memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("QCP_BENCH_FOLDER")) as folder:
        command = [sys.executable, "-m", "benchmarks.memory", f"{folder}/store.db", str(STEPS)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    early, late = int(said[0]), int(said[1])
    print(f"the memory of a worker over {STEPS} steps")
    told("after a fifth of them, MiB", early / 2**20)
    return 0 if goal("at the end, as a share of that", late / early, late / early <= GOAL) else 1


def _measured(place: Path, steps: int) -> None:
    early = 0
    for done in work(place, steps):
        if not early and done >= steps // 5:
            early = held()
    print(early, held())


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(main())
    _measured(Path(sys.argv[1]), int(sys.argv[2]))
