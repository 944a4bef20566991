"""What our SQL adapters share: statements compiled once, transactions, and the border where errors are translated.

Statements are written with SQLAlchemy Core and compiled once an adapter; they then run on the driver's own
cursor, because building a result through the Core costs more than SQLite needs to answer (55 against 17
microseconds a statement, measured). Whatever differs between databases stands in this module and in `engines`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Final, Protocol, TypeAlias, TypeVar, cast

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Connection,
    Engine,
    Integer,
    MetaData,
    PoolProxiedConnection,
    Table,
    Transaction,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from qcp_sdk.adapters.sql.engines import writers
from qcp_sdk.adapters.sql.line import Job
from qcp_sdk.adapters.sql.migrations import Migration, bring_up
from qcp_sdk.errors import ConfigurationError, Conflict, QcpError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.values import utc

T = TypeVar("T")
Cell: TypeAlias = str | int | bytes | None
Row: TypeAlias = tuple[Cell, ...]
Values: TypeAlias = Mapping[str, Cell]

ORDINAL: Final = BigInteger().with_variant(Integer, "sqlite")
"""A row number: SQLite counts by itself only in a column that is exactly INTEGER."""

SAVEPOINT: Final = "qcp_sdk"
"""Its name, inside a host's transaction."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
_PREFIX: Final = re.compile(r"[a-z][a-z0-9_]{0,29}")


def ticks(moment: datetime) -> int:
    """Give the instant as whole microseconds since 1970: exact, and in order on every database."""
    return (utc(moment) - _EPOCH) // _TICK


def instant(count: int) -> datetime:
    """Give the instant back, in UTC."""
    return _EPOCH + timedelta(microseconds=count)


def namespace(schema: str | None, engine: Engine) -> str | None:
    """Give the schema back if tables may stand in it.

    Raises:
        ConfigurationError: It is not a short lower-case name, or SQLite, which has none.
    """
    if schema is not None and (engine.dialect.name == "sqlite" or not _PREFIX.fullmatch(schema)):
        raise ConfigurationError(
            f"tables cannot stand in a schema `{schema}` here",
            where="schema",
            mend="on PostgreSQL, use at most 30 lower-case letters, digits and underscores; on SQLite, use `prefix`",
        )
    return schema


def table_prefix(prefix: str) -> str:
    """Give the prefix back if tables may be named so.

    Raises:
        ConfigurationError: It is not a short lower-case name.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            f"`{prefix}` cannot begin the name of a table",
            where="prefix",
            mend="use at most 30 lower-case letters, digits and underscores, a letter first",
        )
    return prefix


def insert_once(engine: Engine, table: Table) -> ClauseElement:
    """Give the statement that inserts a row unless its key is there: its row count says which."""
    if engine.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


class _Autocommitting(Protocol):
    autocommit: bool


class _Cursor(Protocol):
    rowcount: int

    @property
    def connection(self) -> object: ...

    def execute(self, operation: str, parameters: object = ...) -> object: ...

    def fetchone(self) -> Row | None: ...

    def fetchall(self) -> Sequence[Row]: ...

    def close(self) -> object: ...


class Statement:
    """One statement in the words and parameter style of one database.

    `columns` names the columns that an insert fills. Values written in the clause itself are bound with it.
    """

    __slots__ = ("_fixed", "_order", "_pick", "sql")

    def __init__(self, clause: ClauseElement, engine: Engine, columns: Sequence[str] | None = None) -> None:
        compiled = clause.compile(dialect=engine.dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)
        self.sql = compiled.string
        self._fixed: Values = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        self._order = tuple(compiled.positiontup) if compiled.positional and compiled.positiontup is not None else None
        self._pick = itemgetter(*self._order) if self._order and len(self._order) > 1 else None

    def bind(self, values: Values) -> object:
        """Give the parameters as the driver takes them: in order, or by name."""
        if self._fixed:
            values = {**self._fixed, **values}
        if self._pick is not None:
            return self._pick(values)
        return values if self._order is None else tuple(values[name] for name in self._order)


class Work:
    """One transaction, or one reading. `about` names what a broken unique key would be about."""

    __slots__ = ("_cursor", "about")

    def __init__(self, cursor: _Cursor) -> None:
        self._cursor = cursor
        self.about = ("", "")

    def say(self, command: str, values: Sequence[Cell] = ()) -> None:
        """Execute a command in the driver's own words."""
        if values:
            self._cursor.execute(command, values)
        else:
            self._cursor.execute(command)

    @property
    def connection(self) -> object:
        """The driver's own connection, for what joins this transaction."""
        return self._cursor.connection

    def close(self) -> None:
        """Let go of the cursor, so that nothing is read beyond the transaction."""
        self._cursor.close()

    def run(self, statement: Statement, values: Values) -> int:
        """Execute, and say how many rows it touched."""
        self._cursor.execute(statement.sql, statement.bind(values))
        return self._cursor.rowcount

    def one(self, statement: Statement, values: Values) -> Row | None:
        """Give the first row."""
        self._cursor.execute(statement.sql, statement.bind(values))
        return self._cursor.fetchone()

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Give every row."""
        self._cursor.execute(statement.sql, statement.bind(values))
        return self._cursor.fetchall()


class Database:
    """Runs statements on an engine and raises nothing but errors of ours."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        if engine.dialect.name not in ("sqlite", "postgresql"):
            raise ConfigurationError(
                f"`{engine.dialect.name}` is not a database that we know",
                where="engine",
                mend="use SQLite or PostgreSQL",
            )
        driver = engine.dialect.loaded_dbapi
        self._error, self._integrity, self._data = driver.Error, driver.IntegrityError, driver.DataError
        self._writers = writers(engine)
        self._host: tuple[Connection, Transaction] | None = None

    def within(self, connection: Connection) -> Database:
        """Give the same database inside the host's own transaction: what is written is kept when the host commits.
        From then on it works by itself again: what a host's on-commit hook performs must not wait for a second commit.

        Raises:
            ConfigurationError: The connection is to another kind of database.
        """
        if connection.dialect.name != self.engine.dialect.name:
            raise ConfigurationError(
                f"the connection is to {connection.dialect.name}, and the tables are in {self.engine.dialect.name}",
                where="connection",
                mend="make the store with this connection's engine",
            )
        joined = copy(self)
        joined._host = connection, connection.get_transaction() or connection.begin()
        return joined

    @property
    def one_statement(self) -> bool:
        """Whether a transaction of one statement is one round trip here: psycopg, and a connection of our own."""
        return self._joins is None and self.engine.dialect.driver == "psycopg"

    @property
    def _joins(self) -> Connection | None:
        """The host's connection, while the transaction lasts that was joined."""
        if self._host is None:
            return None
        connection, transaction = self._host
        return connection if transaction.is_active else None

    def create(self, metadata: MetaData, *, prefix: str, migrations: Sequence[Migration]) -> None:
        """Make the tables that are not there yet and bring older ones up; safe to repeat, and in several processes
        at once.

        Raises:
            Unavailable: The database cannot be reached or written.
        """
        with ExitStack() as stack:
            if self._sqlite:
                self._let_go(self._connection())  # and so the file is known
                stack.enter_context(self._writers.turn())
            self._create(metadata, prefix=prefix, migrations=migrations)

    def _create(self, metadata: MetaData, *, prefix: str, migrations: Sequence[Migration]) -> None:
        try:
            with self.engine.execution_options(qcp_begin="IMMEDIATE").begin() as connection:
                now = ticks(datetime.now(UTC))
                if self._sqlite and not getattr(connection.connection.driver_connection, "in_transaction", True):
                    connection.exec_driver_sql("BEGIN IMMEDIATE")  # a host's engine: its driver begins too late
                bring_up(connection, metadata, prefix=prefix, migrations=migrations, at=now)
        except (SQLAlchemyError, self._error) as error:
            raise Unavailable("the tables could not be made", where="database", mend="look at its cause") from error

    def one(self, statement: Statement, values: Values) -> Row | None:
        """Ask one question, and give the first row of the answer.

        Raises:
            Unavailable: It was not answered; again later.
        """
        return self._asked(Work.one, statement, values)

    def all(self, statement: Statement, values: Values) -> Sequence[Row]:
        """Ask one question, and give every row of the answer.

        Raises:
            Unavailable: It was not answered; again later.
        """
        return self._asked(Work.all, statement, values)

    def _asked(self, ask: Callable[[Work, Statement, Values], T], statement: Statement, values: Values) -> T:
        if self._joins is not None or not self._sqlite:
            with self._session(writes=False, transaction=False) as work:
                return ask(work, statement, values)
        # The same once more without what SQLite does not need: it answers in less time than that takes.
        connection = self._connection()
        try:
            cursor = cast("_Cursor", connection.cursor())
            answer = ask(Work(cursor), statement, values)
            cursor.close()
        except BaseException as error:
            self._give_up(connection, error)
            connection.close()
            if isinstance(error, (self._error, OverflowError, UnicodeError)):
                raise self._translated(error, ("", "")) from error
            raise
        self._let_go(connection)
        return answer

    @contextmanager
    def reading(self, *, frozen: bool = False) -> Iterator[Work]:
        """Give a place to ask one question; or several about the same instant, if it is `frozen`.

        Raises:
            Unavailable: It was not answered; again later.
        """
        with self._session(writes=False, transaction=frozen) as work:
            if frozen and self._joins is None:
                work.say("BEGIN" if self._sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield work

    def write(self, act: Callable[[Work], T], *, one: bool = False) -> T:
        """Do this in a transaction: what is done in it is kept together, or not at all; give its answer.

        With `one`, it is one statement. On SQLite it is kept together with what other callers write at this moment, by
        one of them, which `act` does not see: it is called once, perhaps on another thread.

        Raises:
            Conflict: A unique key is taken; `work.about` says which thing.
            Unavailable: Nothing was changed; again later.
            Unconfirmed: The connection was lost while it was being kept.
        """
        if self._sqlite and self._joins is None:
            return self._writers.line.through(act, self._together)
        with self._session(writes=True, transaction=not (one and self.one_statement)) as work:
            return act(work)

    def at_once(self, sql: str, values: Sequence[Cell], *, unless: Container[str]) -> bool:
        """Execute one statement in the driver's own words, as a transaction of its own. Say whether it was kept: no,
        if the database refused it for one of these reasons (SQLSTATEs).

        Raises:
            Rejected, Unavailable, Unconfirmed: As `write`.
        """
        try:
            with self._session(writes=True, transaction=False) as work:
                work.say(sql, values)
        except (Conflict, Rejected, Unavailable) as refused:
            if getattr(refused.__cause__, "sqlstate", None) in unless:
                return False
            raise
        return True

    def _together(self, jobs: Sequence[Job[Work]]) -> None:
        """Do several callers' work in one transaction, each undone by itself where it is refused."""
        connection = self._connection()
        try:
            self._writers.take()
            try:
                self._written(jobs, connection)
            finally:
                self._writers.give()
        except BaseException:
            connection.close()
            raise
        self._let_go(connection)

    def _written(self, jobs: Sequence[Job[Work]], connection: PoolProxiedConnection) -> None:
        try:
            cursor = cast("_Cursor", connection.cursor())
            cursor.execute("BEGIN IMMEDIATE")  # who begins as a reader may not be let write (lang_transaction § 2)
            if len(jobs) == 1:
                kept = self._done(jobs[0], cursor)
            else:
                kept = sum(self._done_apart(job, cursor, connection) for job in jobs) > 0
            cursor.close()  # so that nothing is read beyond the transaction
            if not kept:
                connection.rollback()
        except self._error as error:
            self._give_up(connection, error)
            raise self._translated(error, ("", "")) from error
        except BaseException as error:
            self._give_up(connection, error)
            raise
        if kept:
            self._keep(connection)

    def _done(self, job: Job[Work], cursor: _Cursor) -> bool:
        """Do one caller's work, and write down what became of it; say whether it is to be kept."""
        work = Work(cursor)
        try:
            job.answer = job.act(work)
        except (self._error, OverflowError, UnicodeError) as error:
            job.error = self._translated(error, work.about)
            job.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this caller's, who is given it
            job.error = error
        return job.error is None

    def _done_apart(self, job: Job[Work], cursor: _Cursor, connection: PoolProxiedConnection) -> bool:
        cursor.execute(f"SAVEPOINT {SAVEPOINT}")
        kept = self._done(job, cursor)
        if not kept:
            if not getattr(connection.driver_connection, "in_transaction", True):
                # A full disk, say: SQLite has undone the others' work as well (lang_transaction § 3).
                raise Unavailable("it undid everything", where="database") from job.error
            cursor.execute(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
        cursor.execute(f"RELEASE SAVEPOINT {SAVEPOINT}")
        return kept

    def _connection(self) -> PoolProxiedConnection:
        idle = self._writers.idle
        try:
            if idle:
                return idle.pop()
        except IndexError:  # another thread has just taken the last one
            pass
        try:
            connection = self.engine.raw_connection()
            if self._sqlite and not self._writers.located:
                self._writers.locate(connection)
        except (SQLAlchemyError, self._error) as error:
            raise Unavailable("no connection could be made", where="database") from error
        return connection

    def _let_go(self, connection: PoolProxiedConnection) -> None:
        """Give back a connection on which all went well."""
        writers = self._writers
        if len(writers.idle) < writers.keeps:
            writers.idle.append(connection)
        else:
            connection.close()

    def scrub(self) -> None:
        """Overwrite what was destroyed in SQLite's log as well, as far as readers let it: else a page as it was before
        lies there until the log is written over. PostgreSQL sees to its own files (VACUUM, the end of its log).
        """
        if self._sqlite and self._joins is None:
            with suppress(Unavailable), self._session(writes=False, transaction=False) as work:
                work.say("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _session(self, *, writes: bool, transaction: bool) -> Iterator[Work]:
        if (host := self._joins) is not None:
            with self._joined(host, writes=writes) as work:
                yield work
            return
        connection = self._connection()
        try:
            with self._set_for(connection, transaction=transaction):
                work = Work(cast("_Cursor", connection.cursor()))
                try:
                    yield work
                    work.close()
                except (self._error, OverflowError, UnicodeError) as error:
                    gone = self._give_up(connection, error)
                    if gone and writes and not transaction:
                        raise Unconfirmed("the connection was lost", where="database", mend="look again") from error
                    raise self._translated(error, work.about) from error
                except BaseException as error:
                    self._give_up(connection, error)
                    raise
                else:
                    if writes and transaction:
                        self._keep(connection)
        finally:
            connection.close()

    @contextmanager
    def _set_for(self, connection: PoolProxiedConnection, *, transaction: bool) -> Iterator[None]:
        """Let PostgreSQL's driver begin a transaction only where there is one: each BEGIN and COMMIT is a round trip.

        What the host's engine was set to is put back: its `AUTOCOMMIT` must not tear our transactions apart.
        """
        driver = cast("_Autocommitting", connection.driver_connection)
        if self._sqlite or driver.autocommit is not transaction:
            yield
            return
        driver.autocommit = not transaction
        try:
            yield
        finally:
            with suppress(Exception):  # it is gone, and so is what it was set to
                driver.autocommit = transaction

    @contextmanager
    def _joined(self, host: Connection, *, writes: bool) -> Iterator[Work]:
        """Work in the host's transaction. What fails is undone to the savepoint, and the host may go on."""
        try:
            connection = host.connection
            driver = connection.driver_connection
            work = Work(cast("_Cursor", connection.cursor()))
            if writes:
                if self._sqlite and not getattr(driver, "in_transaction", True):
                    work.say("BEGIN IMMEDIATE")  # else the savepoint would be the transaction, and its release a commit
                work.say(f"SAVEPOINT {SAVEPOINT}")
        except (SQLAlchemyError, self._error) as error:
            raise Unavailable("the host's connection cannot be used", where="database") from error
        try:
            yield work
            if writes:
                work.say(f"RELEASE SAVEPOINT {SAVEPOINT}")
        except BaseException as error:
            if writes:
                with suppress(Exception):  # the connection may be gone, which undoes everything
                    work.say(f"ROLLBACK TO SAVEPOINT {SAVEPOINT}")
                    work.say(f"RELEASE SAVEPOINT {SAVEPOINT}")
            if isinstance(error, (self._error, OverflowError, UnicodeError)):
                raise self._translated(error, work.about) from error
            raise
        finally:
            with suppress(Exception):
                work.close()

    def _keep(self, connection: PoolProxiedConnection) -> None:
        try:
            connection.commit()
        except self._error as error:
            self._give_up(connection, error)
            if _surely_not_kept(error):
                raise Unavailable("it was busy, and kept nothing", where="database") from error
            raise Unconfirmed(
                "nobody knows whether it was kept", where="database", mend="load again and look"
            ) from error

    def _give_up(self, connection: PoolProxiedConnection, error: BaseException) -> bool:
        """Undo what was done; say whether the connection is gone."""
        gone = isinstance(error, self._error) and self.engine.dialect.is_disconnect(error, connection, None)
        with suppress(Exception):  # the connection may be gone, which undoes the transaction as well
            connection.rollback()
        if gone:
            connection.invalidate(error)
            self.engine.dispose()  # the server has restarted: what waits in the pool is as dead as this one
        return gone

    def _translated(self, error: Exception, about: tuple[str, str]) -> QcpError:
        if isinstance(error, self._integrity):
            kind, subject = about
            return Conflict("somebody else moved first", kind=kind, subject=subject)
        if not isinstance(error, self._error) or isinstance(error, self._data):
            return Rejected("the database cannot hold this value", reason="unacceptable", where="database")
        return Unavailable(
            f"it did nothing ({type(error).__name__})", where="database", mend="look at its cause, then try again"
        )


_NOT_KEPT: Final = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED", "40001", "40P01"})
"""SQLite's result names and PostgreSQL's SQLSTATEs (serialisation failure, deadlock) that promise a rollback."""


def _surely_not_kept(error: Exception) -> bool:
    said = (getattr(error, "sqlite_errorname", None), getattr(error, "sqlstate", None))
    return any(name in _NOT_KEPT for name in said)
