"""SQLAlchemy engines that are safe to use from many threads, from many processes, and after a fork.

SQLite needs care in three places, all of them here:

* its driver starts transactions of its own, which would begin a write as a read: it is told not to;
* WAL and `synchronous=FULL` together mean that what was committed survives the loss of power;
* a connection must not cross a fork (sqlite.org/howtocorrupt.html § 2.6): idle ones are closed just before.
"""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

PATIENCE: Final = timedelta(seconds=5)
"""How long a caller waits for another one's write before it is told `Unavailable`."""


class Gate:
    """Lets one writer of this process through at a time.

    SQLite has one writer a file; those who wait for it by polling can starve (seen: two seconds), those who
    wait in this line do not. Writers of other processes still meet at the file.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def enter(self, patience: timedelta) -> bool:
        """Wait for the way to be free; say whether it is."""
        return self._lock.acquire(timeout=patience.total_seconds())

    def leave(self) -> None:
        """Let the next one through."""
        self._lock.release()

    def renew(self) -> None:
        """Forget who held it: a forked child has no other threads."""
        self._lock = threading.Lock()


_gates: WeakKeyDictionary[Engine, Gate] = WeakKeyDictionary()
_files: WeakSet[Engine] = WeakSet()
_inherited: list[Pool] = []
"""Pools that came through a fork: kept, so that nothing closes the parent's connections here."""
_taken: list[Gate] = []
_making = threading.Lock()


def gate(engine: Engine) -> Gate:
    """Give the one gate of this engine; from then on the engine is safe after a fork."""
    with _making:
        if (found := _gates.get(engine)) is None:
            found = _gates[engine] = Gate()
        return found


def sqlite_engine(path: str | Path, *, patience: timedelta = PATIENCE) -> Engine:
    """Give an engine on this SQLite file, which is made at the first use: WAL, full sync, foreign keys.

    `patience` is how long a write waits for the writer of another process.
    """
    # Parameters in no error that ours is raised from: a ledger's memo is a host's own text.
    place = URL.create("sqlite", database=str(path))
    engine = create_engine(place, pool_size=8, max_overflow=56, hide_parameters=True)
    milliseconds = int(patience.total_seconds() * 1000)

    def connected(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            cursor.execute(f"PRAGMA busy_timeout={milliseconds}")
            cursor.execute("PRAGMA journal_mode")
            if cursor.fetchone() != ("wal",):
                cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA secure_delete=ON")  # a data key that is destroyed is overwritten, not only unlinked
        except BaseException:
            connection.close()
            raise
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('qcp_begin', 'DEFERRED')}")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    with _making:
        _files.add(engine)
    return engine


def _before_fork() -> None:
    _making.acquire()
    _taken.extend(held for held in _gates.values() if held.enter(PATIENCE))  # no write is half done in the child
    for engine in _files:
        engine.dispose()


def _in_parent() -> None:
    for held in _taken:
        held.leave()
    _taken.clear()
    _making.release()


def _in_child() -> None:
    for held in _gates.values():
        held.renew()
    for engine in {*_gates, *_files}:
        _inherited.append(engine.pool)
        engine.dispose(close=False)
    _taken.clear()
    _making.release()


if hasattr(os, "register_at_fork"):  # not where there is no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
