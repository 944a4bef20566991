"""The simulation over each store: SQLite and PostgreSQL end every town as the store in memory does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy import Engine

from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.ports.store import Batch, Store
from qcp_sdk.testing.postgres import PostgresServer, fresh_names
from qcp_sdk.testing.simulation import simulate
from qcp_sdk.testing.simulation.run import TOWN

Makes = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgresql"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Makes]:
    """Give what makes a store anew for each town: a file, or a schema."""
    engines: list[Engine] = []
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        engines.append(server.engine())
    names, numbers = fresh_names(), count()

    def made() -> SqlStore:
        if request.param == "postgresql":
            store = SqlStore(engines[0], schema=next(names))
        else:
            for one in engines:
                one.dispose()
            engines.append(sqlite_engine(tmp_path / f"town-{next(numbers)}.db"))
            store = SqlStore(engines[-1])
        store.create_schema()
        return store

    yield made
    for one in engines:
        one.dispose()


def same_as_in_memory(make_store: Makes, *, subscriptions: int, seed: int) -> None:
    found = simulate(subscriptions=subscriptions, seed=seed, store=make_store, sealed=True)
    assert [(case.invariant, case.about, dict(case.faults)) for case in found.violations] == []
    assert found.balanced
    in_memory = simulate(subscriptions=subscriptions, seed=seed, sealed=True)
    assert (found.ends, found.happened, found.facts) == (in_memory.ends, in_memory.happened, in_memory.facts)


def test_a_town_ends_as_it_does_in_memory(make_store: Makes) -> None:
    same_as_in_memory(make_store, subscriptions=20, seed=11)


class Forgetful(SqlStore):
    """Loses every ninth effect that is asked for, and says that it was kept."""

    asked = 0

    def commit(self, *, batch: Batch) -> None:
        if batch.outbox:
            self.asked += 1
            if self.asked % 9 == 0:
                batch = evolve(batch, outbox=())
        super().commit(batch=batch)


def test_a_store_that_forgets_effects_is_found_out(tmp_path: Path) -> None:
    engines: list[Engine] = []

    def made() -> SqlStore:
        engines.append(sqlite_engine(tmp_path / f"town-{len(engines)}.db"))
        store = Forgetful(engines[-1])
        store.create_schema()
        return store

    try:
        assert simulate(subscriptions=2, seed=12, store=made, sealed=True, faults=()).violations
    finally:
        for one in engines:
            one.dispose()


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3))
def test_many_towns_end_as_they_do_in_memory(make_store: Makes, seed: int) -> None:
    """Half an hour on one core of 2026, most of it PostgreSQL's."""
    same_as_in_memory(make_store, subscriptions=10 * TOWN, seed=seed)
