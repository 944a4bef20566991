"""Points at which a process can die: before and after each SQL statement, and before each change to a file.

The kill is SIGKILL, sent by the process to itself: nothing is flushed, closed or rolled back by anybody.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from sqlalchemy import Dialect, Engine, event

if TYPE_CHECKING:
    import psycopg

R = TypeVar("R")

_CHANGES: Final = frozenset({"os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"})
"""Audit events (docs.python.org/3/library/audit_events.html) of what changes a folder; each is raised before it."""
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def kill_myself() -> None:
    """Be gone, at once."""
    os.kill(os.getpid(), signal.SIGKILL)


class Points:
    """Counts the points that this process passes; at number `fatal` it is gone. Points are numbered from 1.

    With another `strike`, something else is gone: the database's server, say.
    """

    def __init__(self, fatal: int | None = None, strike: Callable[[], None] = kill_myself) -> None:
        self._fatal, self._strike = fatal, strike
        self.passed: list[str] = []
        """What was passed, in order: `before COMMIT`, `after INSERT INTO qcp_journal`, `before os.link` …"""

    def reach(self, name: str) -> None:
        """Pass a point, or die there. A store of another kind may call this before and after what it does."""
        self.passed.append(name)
        if len(self.passed) == self._fatal:
            self._fatal = None
            self._strike()

    def disarm(self) -> None:
        """Let nothing happen any more: the journey is over."""
        self._fatal = None

    def around(self, name: str, act: Callable[[], R]) -> R:
        """Do something between two points."""
        self.reach(f"before {name}")
        answer = act()
        self.reach(f"after {name}")
        return answer

    def watch_sql(self) -> None:
        """Let every SQLAlchemy engine of this process on SQLite or psycopg, made before or after, pass these points.

        The statements are seen where the driver gets them, so that none escapes: those that the driver or
        SQLAlchemy says by itself, and those of code that uses the driver's own cursor.
        """

        def connecting(
            dialect: Dialect, _record: object, arguments: Sequence[Any], named: MutableMapping[str, Any]
        ) -> object:
            if dialect.driver == "psycopg":
                return self.psycopg_connection().connect(*arguments, **named)
            named["factory"] = self.sqlite_connection()
            return None  # go on and connect

        event.listen(Engine, "do_connect", connecting)

    def sqlite_connection(self) -> type[sqlite3.Connection]:
        """Give a connection class whose statements pass these points: `sqlite3.connect(…, factory=…)`."""
        points = self

        class Cursor(sqlite3.Cursor):
            def execute(self, sql: str, *parameters: Any) -> Cursor:
                points.around(_named(sql), lambda: super(Cursor, self).execute(sql, *parameters))
                return self

            def executemany(self, sql: str, *parameters: Any) -> Cursor:
                points.around(_named(sql), lambda: super(Cursor, self).executemany(sql, *parameters))
                return self

        class Connection(sqlite3.Connection):
            def cursor(self, factory: type[sqlite3.Cursor] | None = None) -> sqlite3.Cursor:  # type: ignore[override]
                made: type[sqlite3.Cursor] = Cursor if factory is None else type("Cursor", (Cursor, factory), {})
                return super().cursor(made)

            def commit(self) -> None:
                if self.in_transaction:
                    points.around("COMMIT", super().commit)

            def rollback(self) -> None:
                if self.in_transaction:
                    points.around("ROLLBACK", super().rollback)

        return Connection

    def psycopg_connection(self) -> type[psycopg.Connection[Any]]:
        """Give a connection class of psycopg whose statements pass these points."""
        import psycopg

        points = self

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, *rest: Any, **named: Any) -> Cursor:
                points.around(_named(str(query)), lambda: super(Cursor, self).execute(query, *rest, **named))
                return self

        class Connection(psycopg.Connection[Any]):
            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                self.cursor_factory = Cursor

            def commit(self) -> None:
                points.around("COMMIT", super().commit)

            def rollback(self) -> None:
                if self.info.transaction_status:
                    points.around("ROLLBACK", super().rollback)
                else:
                    super().rollback()

        return Connection

    def watch_files(self, folder: Path) -> None:
        """Let every change to a file or folder under this one pass a point before it happens."""
        within = f"{folder}{os.sep}"

        def audit(what: str, about: tuple[object, ...]) -> None:
            if what in _CHANGES or (what == "open" and isinstance(about[2], int) and about[2] & _WRITING):
                path = about[0]
                if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(within):
                    self.reach(f"before {what}")

        sys.addaudithook(audit)


def _named(sql: str) -> str:
    """Name a statement by its verb and table: `INSERT INTO qcp_journal`."""
    words = sql.split()
    verb = words[0].upper()
    if verb in ("SELECT", "DELETE") and "FROM" in words:
        return f"{verb} {words[words.index('FROM') + 1]}"
    return " ".join(words[: {"INSERT": 3, "UPDATE": 2, "CREATE": 6}.get(verb, 2)])
