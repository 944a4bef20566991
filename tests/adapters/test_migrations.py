"""Tables that know their version: on SQLite and on PostgreSQL, made anew, brought up, and by many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy import Connection, Engine, create_engine, inspect, text

from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.sql import store as store_module
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.migrations import STORE, Migration
from qcp_sdk.adapters.sql.schema import StoreTables
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import ConfigurationError, Conflict, Unavailable
from qcp_sdk.facts import CodeRequested
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.conformance.store_examples import opening, stream
from qcp_sdk.testing.postgres import PostgresServer, fresh_names
from qcp_sdk.testing.scene import Scene


@pytest.fixture(params=["sqlite", "a host's sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    path = tmp_path / "qcp.db"
    match request.param:
        case "sqlite":
            made = sqlite_engine(path)
        case "a host's sqlite":
            made = create_engine(f"sqlite:///{path}")
        case _:
            server: PostgresServer = request.getfixturevalue("postgres")
            made = server.engine()
    yield made
    made.dispose()


@pytest.fixture
def prefix() -> str:
    """The server is shared, and a schema is not to be had on SQLite."""
    return f"{next(fresh_names())}_"


def versions(engine: Engine, prefix: str) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text(f"SELECT version FROM {prefix}schema ORDER BY version")).scalars())


def columns(engine: Engine, table: str) -> set[str]:
    return {one["name"] for one in inspect(engine).get_columns(table)}


def next_release(monkeypatch: pytest.MonkeyPatch, done: list[int]) -> None:
    """Let the store's tables have two versions more, as a later release would."""

    def add(name: str) -> Callable[[Connection, Callable[[str], str]], None]:
        def apply(connection: Connection, full: Callable[[str], str]) -> None:
            done.append(1)
            connection.exec_driver_sql(f"ALTER TABLE {full('claims')} ADD COLUMN {name} TEXT")

        return apply

    steps = tuple(
        Migration(version=version, what=f"claims have a {name}", apply=add(name))
        for version, name in ((3, "reason"), (4, "remark"))
    )
    monkeypatch.setattr(store_module, "STORE", (*STORE, *steps))


def first_release(engine: Engine, prefix: str) -> None:
    """Make tables as they were before versions were kept, with one stream."""
    StoreTables(prefix).metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text(f"DROP INDEX {prefix}streams_wrapped_by"))
        connection.execute(text(f"ALTER TABLE {prefix}streams DROP COLUMN wrapped_by"))
        insert = f"INSERT INTO {prefix}streams (id, kind, version, stage, data_key, state, head, indexed) VALUES "
        connection.execute(
            text(insert + "('s-1', 'subscription', 1, 'open', :key, :state, :head, '[]')"),
            {"key": b"key of s-1", "state": b"state 1", "head": b"head 1"},
        )


def test_tables_of_today_are_made_at_their_version(engine: Engine, prefix: str) -> None:
    store = SqlStore(engine, prefix=prefix)
    for _ in range(3):
        store.create_schema()
    assert versions(engine, prefix) == [2]
    store.commit(batch=opening())
    assert store.load(id="s-1") == stream()


@pytest.mark.parametrize("versioned", [True, False], ids=["versioned", "before versions were kept"])
def test_older_tables_are_brought_up_once_by_many_at_once(
    engine: Engine, prefix: str, versioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SqlStore(engine, prefix=prefix)
    if versioned:
        old.create_schema()
        old.commit(batch=opening())
    else:
        first_release(engine, prefix)
    done: list[int] = []
    next_release(monkeypatch, done)
    with ThreadPoolExecutor(max_workers=4) as threads:
        list(threads.map(lambda _: SqlStore(engine, prefix=prefix).create_schema(), range(8)))
    upward = [2, 3, 4] if versioned else [1, 2, 3, 4]
    assert (len(done), versions(engine, prefix)) == (2, upward)
    assert {"name", "owner", "reason", "remark"} == columns(engine, f"{prefix}claims")
    # The release before goes on working beside the new one, and does not step back.
    old.create_schema()
    old.commit(batch=opening(id="s-2"))
    assert versions(engine, prefix) == upward
    known = stream() if versioned else evolve(stream(), wrapped_by="")
    assert SqlStore(engine, prefix=prefix).load(id="s-1") == known
    assert old.wrapped_keys(wrapped_by=known.wrapped_by, limit=1)[0].stream == "s-1"


def test_a_step_that_fails_leaves_everything_as_it_was(
    engine: Engine, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqlStore(engine, prefix=prefix)
    store.create_schema()

    def half(connection: Connection, full: Callable[[str], str]) -> None:
        connection.exec_driver_sql(f"ALTER TABLE {full('claims')} ADD COLUMN half TEXT")
        connection.exec_driver_sql("SELECT no_such_column FROM nowhere")

    monkeypatch.setattr(store_module, "STORE", (Migration(version=3, what="half", apply=half),))
    with pytest.raises(Unavailable):
        store.create_schema()
    assert versions(engine, prefix) == [2]
    assert columns(engine, f"{prefix}claims") == {"name", "owner"}


class TestAHostsTransactionOnSqlite:
    """As on PostgreSQL (test_postgresql.py): with our engine, and with a host's, whose driver begins late."""

    @pytest.fixture(params=["ours", "the host's"])
    def engine(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
        path = tmp_path / "qcp.db"
        made = sqlite_engine(path) if request.param == "ours" else create_engine(f"sqlite:///{path}")
        SqlStore(made).create_schema()
        with made.begin() as connection:
            connection.execute(text("CREATE TABLE orders (id TEXT PRIMARY KEY)"))
        yield made
        made.dispose()

    def orders(self, engine: Engine) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("SELECT count(*) FROM orders")).scalar_one())

    @pytest.mark.parametrize("first", ["ours", "the host's"])
    def test_both_are_kept_or_neither(self, engine: Engine, first: str) -> None:
        store = SqlStore(engine)
        for keeps in (False, True):
            with engine.connect() as connection:
                joined = store.within(connection)
                acts: list[Callable[[], object]] = [
                    lambda joined=joined: joined.commit(batch=opening()),  # type: ignore[misc]
                    lambda connection=connection: connection.execute(text("INSERT INTO orders VALUES ('o-1')")),  # type: ignore[misc]
                ]
                for act in acts if first == "ours" else reversed(acts):
                    act()
                assert joined.load(id="s-1") == stream()
                assert store.load(id="s-1") is None, "nobody else sees it before the host commits"
                connection.commit() if keeps else connection.rollback()
            assert (store.load(id="s-1") is not None) is keeps
            assert self.orders(engine) == int(keeps)

    def test_a_conflict_undoes_ours_and_leaves_the_hosts(self, engine: Engine) -> None:
        store = SqlStore(engine)
        store.commit(batch=opening())
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO orders VALUES ('o-1')"))
            joined = store.within(connection)
            with pytest.raises(Conflict):
                joined.commit(batch=opening())
            joined.commit(batch=opening(id="s-3"))
        assert self.orders(engine) == 1
        assert [store.load(id=id) is not None for id in ("s-1", "s-3")] == [True, True]

    def test_a_connection_to_another_kind_of_database_is_refused(
        self, engine: Engine, postgres: PostgresServer
    ) -> None:
        other = postgres.engine()
        with other.connect() as connection, pytest.raises(ConfigurationError):
            SqlStore(engine).within(connection)
        other.dispose()
        with pytest.raises(ConfigurationError):
            SqlStore(engine, schema="qcp")


@pytest.mark.parametrize("keeps", [False, True])
def test_a_subscription_is_opened_with_the_hosts_order_or_not_at_all(engine: Engine, prefix: str, keeps: bool) -> None:
    """`Qcp` over a joined store: effects wait for the host's commit, and what comes of them is kept without another."""
    store, hooks = SqlStore(engine, prefix=prefix), list[Callable[[], None]]()
    store.create_schema()
    world = MemoryWorld()
    with engine.connect() as connection:
        vars(world)["store"] = store.within(connection)  # in the place of the memory store
        scene = Scene(world=world, after_commit=hooks.append)
        view = scene.open(scene.jessica)
        scene.qcp.subscriptions.say(view.id, CodeRequested())
        assert [sent.key for sent in world.codes.outbox] == []
        if not keeps:
            connection.rollback()
            assert store.load(id=view.id) is None
            return
        connection.commit()
        while hooks:
            hooks.pop(0)()
    assert len(world.codes.outbox) == 1
    vars(world)["store"] = store
    again = scene.installation().subscriptions.get(view.id)
    assert again.show.code is not None
    assert again.show.code.not_after is not None
    assert [row.kind for row in store.outstanding(stream=view.id)] == ["wake"]
    assert scene.advance(again, Stage.CONFIRMING_DETAILS).show.money == "held"
