from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import Engine, event

from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.adapters.sql.database import Database
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.ports.store import Store
from qcp_sdk.testing.conformance.marking import THREADS
from qcp_sdk.testing.conformance.naive_store import NaiveStore
from qcp_sdk.testing.conformance.store import StoreConformance
from qcp_sdk.testing.postgres import PostgresServer, fresh_names


class TestMemoryStore(StoreConformance):
    def make_store(self) -> MemoryStore:
        return MemoryStore()


class TestNaiveStore(StoreConformance):
    """The model is examined too: the numbered promises say what it must do. Beside itself it proves nothing."""

    examples = 1
    lacks = frozenset({THREADS})
    waivers: ClassVar = {
        "test_store_23_an_instant_is_an_instant": "it keeps instants as they came",
        "test_store_24_odd_input_gives_an_error_of_ours": "it trusts who drives it",
    }

    def make_store(self) -> NaiveStore:
        return NaiveStore()


class TestSqliteStore(StoreConformance):
    examples = 12
    folder: Path
    path: Path
    engines: list[Engine]

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.engines = tmp_path, []
        yield
        for engine in self.engines:
            engine.dispose()

    def make_store(self) -> SqlStore:
        self.path = self.folder / f"{len(self.engines)}.db"
        store = self.opened_file()
        store.create_schema()
        return store

    def reopened(self, store: Store) -> SqlStore:
        self.engines[-1].dispose()
        return self.opened_file()

    def opened_file(self) -> SqlStore:
        engine = sqlite_engine(self.path)
        # Syncing is not the subject here, and costs most of the time.
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self.engines.append(engine)
        return SqlStore(engine)


class TestPostgresqlStore(StoreConformance):
    """Each store in a schema of its own, on one real server."""

    examples = 12
    server: PostgresServer
    engine: Engine
    schemas: Iterator[str]

    @pytest.fixture(autouse=True)
    def _on_a_server(self, postgres: PostgresServer) -> Iterator[None]:
        self.server, self.engine, self.schemas = postgres, postgres.engine(), fresh_names()
        yield
        self.engine.dispose()

    def make_store(self) -> SqlStore:
        self.schema = next(self.schemas)
        store = SqlStore(self.engine, schema=self.schema)
        store.create_schema()
        return store

    def reopened(self, store: Store) -> SqlStore:
        self.engine.dispose()
        self.engine = self.server.engine()
        return SqlStore(self.engine, schema=self.schema)


class _StatementByStatement(Database):
    one_statement = False


@pytest.mark.full
class TestPostgresqlStoreStatementByStatement(TestPostgresqlStore):
    """As inside a host's transaction, and wherever a batch is not as expected."""

    def make_store(self) -> SqlStore:
        return self.plainly(super().make_store())

    def reopened(self, store: Store) -> SqlStore:
        return self.plainly(super().reopened(store))

    def plainly(self, store: SqlStore) -> SqlStore:
        store._database = _StatementByStatement(self.engine)
        return store
