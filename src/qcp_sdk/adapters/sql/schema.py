"""The tables of the store.

Instants are whole microseconds since 1970 (`database.ticks`); payloads are opaque bytes. Everything that a
query needs stands beside them in columns of its own. What is done leaves both partial indexes of the outbox, so
that a million finished effects cost the search for due ones nothing.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)

from qcp_sdk.adapters.sql.database import ORDINAL, table_prefix

WAITING: Final = literal_column("'waiting'", Text)
DONE: Final = literal_column("'done'", Text)
PARKED: Final = literal_column("'parked'", Text)
"""The states of an effect. Written out in the statements: a partial index serves no parameter."""


class StoreTables:
    """The store's tables under one prefix, in one schema where the database has schemas."""

    def __init__(self, prefix: str, schema: str | None = None) -> None:
        self.prefix = prefix = table_prefix(prefix)
        self.metadata = MetaData(schema=schema)
        self.streams = Table(
            f"{prefix}streams",
            self.metadata,
            Column("ordinal", ORDINAL, primary_key=True, autoincrement=True),
            Column("id", Text, nullable=False, unique=True),
            Column("kind", Text, nullable=False),
            Column("version", BigInteger, nullable=False),
            Column("stage", Text, nullable=False),
            Column("data_key", LargeBinary, nullable=False),
            Column("state", LargeBinary, nullable=False),
            Column("head", LargeBinary, nullable=False),
            Column("indexed", Text, nullable=False),  # its rows of `indexes`, once more: a stream is one row to read
            Column("wrapped_by", Text, nullable=False, server_default=""),  # the id of the key that wrapped `data_key`
        )
        # A step writes neither column, so that this index costs it nothing.
        Index(f"{prefix}streams_wrapped_by", self.streams.c.wrapped_by, self.streams.c.id)
        self.indexes = Table(
            f"{prefix}indexes",
            self.metadata,
            Column("name", Text, primary_key=True),
            Column("value", Text, primary_key=True),
            Column("stream", Text, ForeignKey(self.streams.c.id), primary_key=True),
            sqlite_with_rowid=False,
        )
        self.journal = Table(
            f"{prefix}journal",
            self.metadata,
            Column("stream", Text, ForeignKey(self.streams.c.id), primary_key=True),
            Column("sequence", BigInteger, primary_key=True, autoincrement=False),
            Column("at", BigInteger, nullable=False),
            Column("kind", Text, nullable=False),
            Column("payload", LargeBinary, nullable=False),
            Column("hash", LargeBinary, nullable=False),
            sqlite_with_rowid=False,
        )
        self.outbox = Table(
            f"{prefix}outbox",
            self.metadata,
            Column("ordinal", ORDINAL, primary_key=True, autoincrement=True),
            Column("key", Text, nullable=False, unique=True),
            Column("stream", Text, ForeignKey(self.streams.c.id), nullable=False),
            Column("kind", Text, nullable=False),
            Column("due", BigInteger, nullable=False),
            Column("ready", BigInteger, nullable=False),  # when it may be leased: due, or the end of its lease
            Column("leased_until", BigInteger, nullable=True),
            Column("token", Integer, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("state", Text, nullable=False),
            Column("note", Text, nullable=False),
            Column("payload", LargeBinary, nullable=False),  # emptied when it is done: only the mark is kept
        )
        outbox = self.outbox.c
        for name, columns, rows in (
            ("ready", (outbox.ready, outbox.ordinal), outbox.state == WAITING),
            ("open", (outbox.stream,), outbox.state != DONE),
            ("parked", (outbox.ordinal,), outbox.state == PARKED),
        ):
            Index(f"{prefix}outbox_{name}", *columns, sqlite_where=rows, postgresql_where=rows)
        self.claims = Table(
            f"{prefix}claims",
            self.metadata,
            Column("name", Text, primary_key=True),
            Column("owner", Text, nullable=False),
            sqlite_with_rowid=False,
        )
        self.inbox = Table(
            f"{prefix}inbox",
            self.metadata,
            Column("message", Text, primary_key=True),
            Column("kept_until", BigInteger, nullable=False, index=True),
            sqlite_with_rowid=False,
        )
