"""The store on Django's ORM sits the exam of stores, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.web.django_host.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connections, transaction  # noqa: E402

from qcp_sdk.errors import Conflict  # noqa: E402
from qcp_sdk.ports.store import Batch, Store  # noqa: E402
from qcp_sdk.testing.conformance.store import StoreConformance  # noqa: E402
from qcp_sdk.testing.conformance.store_examples import NOW, effect, opening, stream  # noqa: E402
from qcp_sdk.testing.postgres import PostgresServer, fresh_names  # noqa: E402
from qcp_sdk.web.django.store import DjangoStore, after_commit  # noqa: E402


def connected(alias: str, **settings: Any) -> DjangoStore:
    """Give a store in a database that the project did not know before."""
    connections.settings[alias] = {**connections.settings["default"], "TEST": {}, **settings}
    return DjangoStore(using=alias)


def forgotten(aliases: list[str]) -> None:
    for alias in aliases:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables in it, made by the migrations once."""
    path = tmp_path_factory.mktemp("django") / "made.sqlite"
    connected("made", NAME=str(path))
    call_command("migrate", "qcp", database="made", verbosity=0)
    forgotten(["made"])
    return path


class OnSqlite:
    """Fresh files, each a copy of the first."""

    def __init__(self, made: Path, folder: Path) -> None:
        self.made, self.folder, self.aliases = made, folder, list[str]()

    def store(self) -> DjangoStore:
        alias = f"store-{len(self.aliases)}"
        path = self.folder / f"{alias}.sqlite"
        shutil.copy(self.made, path)
        self.aliases.append(alias)
        # Syncing is not the subject here, and costs most of the time.
        options = {"timeout": 60, "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF"}
        return connected(alias, NAME=str(path), OPTIONS=options)


@pytest.fixture
def sqlite(made: Path, tmp_path: Path) -> Iterator[OnSqlite]:
    files = OnSqlite(made, tmp_path)
    yield files
    forgotten(files.aliases)


class TestDjangoStoreOnSqlite(StoreConformance):
    examples = 4
    files: OnSqlite

    @pytest.fixture(autouse=True)
    def _files(self, sqlite: OnSqlite) -> None:
        self.files = sqlite

    def make_store(self) -> DjangoStore:
        return self.files.store()

    def reopened(self, store: Store) -> DjangoStore:
        connections[self.files.aliases[-1]].close()
        return DjangoStore(using=self.files.aliases[-1])


class TestDjangoStoreOnPostgresql(StoreConformance):
    """Each store in a schema of its own, on one real server."""

    examples = 2
    server: PostgresServer
    aliases: list[str]
    schemas: Iterator[str]

    @pytest.fixture(autouse=True)
    def _on_a_server(self, postgres: PostgresServer) -> Iterator[None]:
        self.server, self.aliases, self.schemas = postgres, [], fresh_names()
        yield
        forgotten(self.aliases)

    def make_store(self) -> DjangoStore:
        schema = next(self.schemas)
        engine = self.server.engine()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        url = engine.url
        engine.dispose()
        store = connected(
            schema,
            ENGINE="django.db.backends.postgresql",
            NAME=url.database,
            USER=url.username,
            HOST=url.query["host"],
            OPTIONS={"options": f"-c search_path={schema}"},
        )
        self.aliases.append(schema)
        call_command("migrate", "qcp", database=schema, verbosity=0)
        return store


def test_what_is_written_in_a_hosts_transaction_goes_with_it(sqlite: OnSqlite) -> None:
    store, alias, done = sqlite.store(), sqlite.aliases[-1], list[str]()
    with pytest.raises(RuntimeError), transaction.atomic(using=alias):
        store.commit(batch=opening(effect()))
        after_commit(lambda: done.append("first"), using=alias)
        assert store.load(id="s-1") is not None
        raise RuntimeError
    assert (store.load(id="s-1"), done) == (None, [])
    with transaction.atomic(using=alias):
        store.commit(batch=opening(effect()))
        after_commit(lambda: done.append("second"), using=alias)
        assert done == []
    assert done == ["second"]


def test_a_conflict_in_a_hosts_transaction_undoes_nothing_of_the_hosts(sqlite: OnSqlite) -> None:
    store, alias = sqlite.store(), sqlite.aliases[-1]
    with transaction.atomic(using=alias):
        store.commit(batch=opening(effect()))
        with pytest.raises(Conflict):
            store.commit(batch=Batch(at=NOW, streams=(stream("s-2"), stream()), expected=(0, 0)))
        store.commit(batch=opening(id="s-3"))
    assert [store.load(id=id) is not None for id in ("s-1", "s-2", "s-3")] == [True, False, True]


def test_the_migrations_are_what_the_models_say() -> None:
    call_command("makemigrations", "qcp", check=True, dry_run=True, verbosity=0)
