"""SQLAlchemy engines that are safe to use from many threads, from many processes, and after a fork.

SQLite needs care in three places, all of them here:

* its driver starts transactions of its own, which would begin a write as a read: it is told not to;
* WAL and `synchronous=FULL` together mean that what was committed survives the loss of power;
* a connection must not cross a fork (sqlite.org/howtocorrupt.html § 2.6): idle ones are closed just before.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import URL, Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from qcp_sdk.adapters.sql.line import PATIENCE, Job, Line
from qcp_sdk.adapters.sql.turn import Turn, renew_all, turn
from qcp_sdk.errors import Unavailable

KEPT: Final = 4
"""Idle connections that are kept out of an engine's pool: taking one out and back costs more than a question."""


class Writers:
    """Who works through one engine: the line of writers in this process, and its turn among the processes.

    SQLite has one writer a file; those who wait for it by polling can starve, those who wait in line do not.
    """

    def __init__(self, patience: timedelta = PATIENCE) -> None:
        self.patience = patience
        self.line: Line[Any] = Line()
        self.located = False
        self.idle: list[PoolProxiedConnection] = []
        """Connections at hand, the last used last."""
        self.keeps = 0
        """How many may be; none of a host's engine, which may want to hear of each."""
        self._turn: Turn | None = None

    def close(self) -> None:
        """Close every connection at hand. Their pool may be disposed already, and would keep them open."""
        while self.idle:
            with suppress(IndexError):
                self.idle.pop().invalidate()

    def locate(self, connection: PoolProxiedConnection) -> None:
        """Find out which file is written to. What is no file is no other process's."""
        cursor = connection.cursor()
        cursor.execute("PRAGMA database_list")
        places = [place for _, name, place in cursor.fetchall() if name == "main" and place]
        cursor.close()
        self._turn, self.located = turn(Path(places[0])) if places else None, True

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Write when it is this process's turn.

        Raises:
            Unavailable: As `take`.
        """
        self.take()
        try:
            yield
        finally:
            self.give()

    def take(self) -> None:
        """Wait for this process's turn to write.

        Raises:
            Unavailable: It did not come, or the file for it beside the database cannot be made.
        """
        if self._turn is None:
            return
        try:
            taken = self._turn.take(self.patience)
        except OSError as error:
            raise Unavailable(
                f"no file can be made beside it ({type(error).__name__})",
                where="database",
                mend="let this process write to the database's folder",
            ) from error
        if not taken:
            raise Unavailable("another process takes too long", where="database", mend="try again in a moment")

    def give(self) -> None:
        """Let the next process write."""
        if self._turn is not None:
            self._turn.give()


_writers: WeakKeyDictionary[Engine, Writers] = WeakKeyDictionary()
_files: WeakSet[Engine] = WeakSet()
_inherited: list[object] = []
"""Pools and connections that came through a fork: kept, so that nothing closes the parent's connections here."""
_held: list[Line[Any]] = []
_making = threading.Lock()


def writers(engine: Engine, patience: timedelta = PATIENCE) -> Writers:
    """Give those who write through this engine; from then on the engine is safe after a fork."""
    with _making:
        if (found := _writers.get(engine)) is None:
            found = _writers[engine] = Writers(patience)
        return found


def sqlite_engine(path: str | Path, *, patience: timedelta = PATIENCE) -> Engine:
    """Give an engine on this SQLite file, which is made at the first use: WAL, full sync, foreign keys.

    `patience` is how long a write waits for the writer of another process.
    """
    # Parameters in no error that ours is raised from: a ledger's memo is a host's own text.
    place = URL.create("sqlite", database=str(path))
    engine = create_engine(place, pool_size=64, max_overflow=0, pool_use_lifo=True, hide_parameters=True)
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
    own = writers(engine, patience)
    own.keeps = KEPT

    def disposed(_engine: Engine) -> None:
        own.close()

    event.listen(engine, "engine_disposed", disposed)
    with _making:
        _files.add(engine)
    return engine


def _before_fork() -> None:
    _making.acquire()
    for each in _writers.values():
        with suppress(Unavailable):
            if each.line.enter(Job(lambda _: None)):  # no write is half done in the child
                _held.append(each.line)
    for engine in _files:
        engine.dispose()


def _in_parent() -> None:
    for line in _held:
        line.leave(())
    _held.clear()
    _making.release()


def _in_child() -> None:
    for each in _writers.values():
        each.line.renew()
        _inherited.append(each.idle)
        each.idle = []
    renew_all()
    for engine in {*_writers, *_files}:
        _inherited.append(engine.pool)
        engine.dispose(close=False)
    _held.clear()
    _making.release()


if hasattr(os, "register_at_fork"):  # not where there is no fork
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
