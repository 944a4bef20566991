"""Tables that know their version: made at once where there are none, brought up step by step where they are older.

Each set of tables keeps its versions in a table of its own (`qcp_schema`, `qcp_ledger_schema`). A migration is only
ever added, and only ever widens: the release before must go on working on its tables, because old and new workers
run side by side while a deployment rolls.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen
from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, func, inspect, select
from sqlalchemy.schema import CreateSchema, CreateTable

FIRST: Final = 1
"""The version of tables that were made before versions were kept."""


@frozen(kw_only=True)
class Migration:
    """One step. `apply` is given the connection, and what turns `outbox` into the full name of that table."""

    version: int
    what: str
    apply: Callable[[Connection, Callable[[str], str]], None]


def _name_wrapping_keys(connection: Connection, full: Callable[[str], str]) -> None:
    """Streams that were there before say nothing of their wrapping key: `keys rotate` looks at their data keys."""
    table = full("streams")
    index = table.replace('"', "").rpartition(".")[2] + "_wrapped_by"
    connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN wrapped_by TEXT NOT NULL DEFAULT ''")
    connection.exec_driver_sql(f"CREATE INDEX {index} ON {table} (wrapped_by, id)")


STORE: Final[tuple[Migration, ...]] = (
    Migration(version=2, what="streams name the key that wrapped their data key", apply=_name_wrapping_keys),
)
LEDGER: Final[tuple[Migration, ...]] = ()
"""Every step after the first version, oldest first."""


def bring_up(
    connection: Connection, metadata: MetaData, *, prefix: str, migrations: Sequence[Migration], at: int
) -> None:
    """Make the tables, or bring older ones up, within the transaction of this connection. `at` is written beside
    each version: when it came, in microseconds since 1970.

    Whoever comes second waits, and finds everything done.
    """
    schema = metadata.schema
    if connection.dialect.name == "postgresql":
        # CREATE … IF NOT EXISTS is no protection against another one at the same moment: its own unique keys collide.
        connection.execute(select(func.pg_advisory_xact_lock(_lock(schema, prefix))))
        if schema is not None:
            connection.execute(CreateSchema(schema, if_not_exists=True))
    versions = Table(
        f"{prefix}schema",
        MetaData(schema=schema),
        Column("version", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, nullable=False),
    )
    connection.execute(CreateTable(versions, if_not_exists=True))
    latest = max((one.version for one in migrations), default=FIRST)
    present = connection.execute(select(func.max(versions.c.version))).scalar()
    if present is None:
        known = inspect(connection)
        if any(known.has_table(table.name, schema=table.schema) for table in metadata.tables.values()):
            present = FIRST
        else:
            metadata.create_all(connection, checkfirst=False)
            present = latest
        connection.execute(versions.insert().values(version=present, at=at))

    def full(name: str) -> str:
        return connection.dialect.identifier_preparer.format_table(metadata.tables[_key(schema, f"{prefix}{name}")])

    for migration in migrations:
        if migration.version > present:
            migration.apply(connection, full)
            connection.execute(versions.insert().values(version=migration.version, at=at))


def _key(schema: str | None, name: str) -> str:
    return name if schema is None else f"{schema}.{name}"


def _lock(schema: str | None, prefix: str) -> int:
    """Name the advisory lock of these tables: 63 bits, so that no other application is likely to use the same."""
    digest = hashlib.sha256(f"qcp_sdk schema {schema or ''} {prefix}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
