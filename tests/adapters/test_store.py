from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.testing.conformance.store import StoreConformance


class TestMemoryStore(StoreConformance):
    def make_store(self) -> MemoryStore:
        return MemoryStore()


class TestSqliteStore(StoreConformance):
    folder: Path
    engines: list[Engine]

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> Iterator[None]:
        self.folder, self.engines = tmp_path, []
        yield
        for engine in self.engines:
            engine.dispose()

    def make_store(self) -> SqlStore:
        engine = sqlite_engine(self.folder / f"{len(self.engines)}.db")
        self.engines.append(engine)
        store = SqlStore(engine)
        store.create_schema()
        return store
