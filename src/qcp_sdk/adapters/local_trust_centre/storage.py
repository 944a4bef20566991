"""What the local trust centre remembers, in one SQLite file: certificates, applications, answers, challenges."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    NullPool,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.exc import SQLAlchemyError

from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable

BUSY: Final = 60.0
"""Seconds that a writer waits for another one; making RSA keys for a new trust centre is the longest wait."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An instant in UTC as whole microseconds, which SQLite neither rounds nor moves to a time zone."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Count microseconds since 1970."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give the instant back."""
        return None if value is None else EPOCH + value * MICROSECOND


metadata = MetaData()

certificates = Table(
    "certificates",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("fingerprint", String, nullable=False, unique=True),
    Column("role", String, nullable=False, index=True),  # `holder`, or a role of the hierarchy
    Column("issuer", String, nullable=False),  # the issuing role
    Column("serial", String, nullable=False),  # hexadecimal: SQLite's integers are too short
    Column("der", LargeBinary, nullable=False),
    Column("key_name", String, nullable=False),
    Column("account", String, nullable=False, default="", index=True),
    Column("email", String, nullable=False, default=""),
    Column("mobile", String, nullable=False, default=""),
    Column("not_after", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("reason", String, nullable=False, default=""),
    UniqueConstraint("issuer", "serial"),
)

answers = Table(
    "answers",
    metadata,
    Column("key", String, primary_key=True),
    Column("asked", String, nullable=False),  # hash of the call and its arguments
    Column("answer", String, nullable=False),  # JSON
)

applications = Table(
    "applications",
    metadata,
    Column("reference", String, primary_key=True),
    Column("level", Integer, nullable=False),
    Column("applicant", String, nullable=False),  # JSON
    Column("decide_at", Instant, nullable=False),
    Column("decision", String),  # JSON
)

refusals = Table(
    "refusals",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("level", Integer, nullable=False),
    Column("reason", String, nullable=False),
)

revocation_lists = Table(
    "revocation_lists",
    metadata,
    Column("issuer", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("stale", Boolean, nullable=False),
    Column("der", LargeBinary, nullable=False),
)

challenges = Table(
    "challenges",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("fingerprint", String, nullable=False, index=True),
    Column("digests", LargeBinary, nullable=False),  # 32 bytes each, one after the other
    Column("at", Instant, nullable=False),
    Column("not_after", Instant, nullable=False),
    Column("sent", Boolean, nullable=False, default=False),
    Column("wrong", Integer, nullable=False, default=0),
    Column("spent", Boolean, nullable=False, default=False),
)

wrong_codes = Table(
    "wrong_codes",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("fingerprint", String, nullable=False, index=True),
    Column("at", Instant, nullable=False),
)

activations = Table(
    "activations",
    metadata,
    Column("handle", String, primary_key=True),
    Column("ready_at", Instant, nullable=False),
    Column("answer", String, nullable=False),  # JSON
)


class Database:
    """The SQLite file. Every connection is opened for one transaction, so it is safe for threads and forks.

    Raises:
        ConfigurationError: The file cannot be made or is no database.
    """

    def __init__(self, path: Path) -> None:
        self._engine = _engine(path)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with self.write() as connection:
                metadata.create_all(connection)  # in the write lock: two processes may come at once
        except (OSError, Unavailable) as error:
            raise ConfigurationError("the trust centre's database cannot be used", mend="check its folder") from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection that alone may write; what is raised inside undoes all of it.

        Raises:
            Unavailable: The database is locked for too long, full or damaged. Nothing was written.
        """
        with _translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that reads one consistent state.

        Raises:
            Unavailable: The database is locked for too long, or damaged.
        """
        with _translated(), self._engine.connect().execution_options(begin="BEGIN") as connection:
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:  # text with half a character: no key or id of ours
        raise Rejected("it is not text", reason="malformed") from error
    except SQLAlchemyError as error:
        raise Unavailable("the trust centre's database does not answer", mend="try again with the same key") from error


def _engine(path: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        connect_args={"timeout": BUSY},
        hide_parameters=True,  # they are people: in no log, and in no error that ours is raised from
    )
    listen: Callable[..., Callable[..., object]] = event.listens_for

    @listen(engine, "connect")
    def prepare(connection: object, _record: object) -> None:
        # The driver's own transactions begin too late for "read, decide, write"; ours begin below.
        connection.isolation_level = None  # type: ignore[attr-defined]

    @listen(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN IMMEDIATE"))

    return engine
