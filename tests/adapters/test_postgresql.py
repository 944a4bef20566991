"""What PostgreSQL and our way of using it add to the promises of store and ledger: round trips, a host's own
transaction, creators and workers at once, a server that is killed.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from attrs import evolve
from sqlalchemy import Engine, text

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.books import Movement
from qcp_sdk.adapters.sql.ledger import SqlLedger
from qcp_sdk.adapters.sql.migrations import STORE
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import ConfigurationError, Conflict, PortError, Unavailable
from qcp_sdk.ports.store import FIRST_TOKEN, Batch
from qcp_sdk.testing.conformance.store_examples import LEASE, NOW, effect, entry, opening, stream
from qcp_sdk.testing.postgres import PostgresServer, fresh_names
from qcp_sdk.values import CabinetId, Cents, Key

CABINET = CabinetId("cab-1")


class Counting(psycopg.Cursor[tuple[object, ...]]):
    """Counts what is sent, and in which state of the connection."""

    sent: list[tuple[str, bool]] = []  # noqa: RUF012 - one list for all is what is wanted

    def execute(self, query: Any, *rest: Any, **named: Any) -> Counting:
        self.sent.append((str(query), self.connection.autocommit))
        super().execute(query, *rest, **named)
        return self


@pytest.fixture
def schema() -> str:
    return next(fresh_names())


@pytest.fixture
def engine(postgres: PostgresServer) -> Iterator[Engine]:
    made = postgres.engine(pool_size=20)
    yield made
    made.dispose()


@pytest.fixture
def store(engine: Engine, schema: str) -> SqlStore:
    made = SqlStore(engine, schema=schema)
    made.create_schema()
    return made


MOVING = Batch(
    at=NOW,
    streams=(stream(version=2), stream("s-2", indexes=[("email", "ab")])),
    expected=(1, 0),
    journal=(entry(sequence=2), entry("s-2")),
    outbox=(effect("s-1/2/0"), effect("s-2/1/0", id="s-2", leased_until=NOW + LEASE)),
    answered=((effect().key, FIRST_TOKEN),),
    claim=(("open/jo", "s-2"),),
    unclaim=(("open/jim", "s-1"),),
)
"""A stream moves, another begins; an effect is answered, others are asked for; a claim is taken, another given up."""


class TestRoundTrips:
    def test_a_commit_is_one_statement_and_no_transaction_around_it(
        self, postgres: PostgresServer, store: SqlStore, schema: str
    ) -> None:
        store.commit(batch=evolve(opening(effect(leased_until=NOW + LEASE)), claim=(("open/jim", "s-1"),)))
        watched = postgres.engine(connect_args={"cursor_factory": Counting})
        watched.connect().close()  # what SQLAlchemy asks at its first connection
        Counting.sent.clear()
        SqlStore(watched, schema=schema).commit(batch=MOVING)
        assert len(Counting.sent) == 1
        assert Counting.sent[0][1], "in autocommit: neither BEGIN nor COMMIT is sent"
        Counting.sent.clear()
        assert SqlStore(watched, schema=schema).load(id="s-2") is not None
        assert [autocommit for _, autocommit in Counting.sent] == [True]
        watched.dispose()
        assert store.load(id="s-1") == stream(version=2)
        assert store.owner(claim="open/jo") == "s-2"
        assert store.owner(claim="open/jim") is None
        assert [row.key for row in store.outstanding(stream="s-1")] == ["s-1/2/0"]

    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            ({"expected": (7, 0)}, "stream"),
            ({"answered": ((effect().key, 9),)}, "effect"),
            ({"claim": (("open/jack", "s-2"),)}, "claim"),
            ({"journal": (entry(sequence=1), entry("s-2"))}, "stream"),
            ({"outbox": (effect("s-0/1/0"),)}, "effect"),
        ],
        ids=["version", "token", "claim", "journal", "key"],
    )
    def test_what_is_not_as_expected_writes_nothing_and_is_named(
        self, store: SqlStore, change: dict[str, object], kind: str
    ) -> None:
        store.commit(batch=evolve(opening(effect(leased_until=NOW + LEASE)), claim=(("open/jim", "s-1"),)))
        store.commit(batch=evolve(opening(effect("s-0/1/0", id="s-0"), id="s-0"), claim=(("open/jack", "s-0"),)))
        with pytest.raises(Conflict) as told:
            store.commit(batch=evolve(MOVING, **change))  # type: ignore[arg-type]
        assert told.value.kind == kind
        assert store.load(id="s-1") == stream()
        assert store.load(id="s-2") is None
        assert store.owner(claim="open/jim") == "s-1"
        assert [row.key for row in store.outstanding(stream="s-1")] == ["s-1/1/0"]
        store.commit(batch=MOVING)

    def test_whatever_is_written_is_one_statement(self, postgres: PostgresServer, store: SqlStore, schema: str) -> None:
        """Indexes that change, messages, claims alone; and nothing at all, for which nothing is sent."""
        store.commit(batch=opening(indexes=[("email", "ab"), ("name", "é\"'\\"), ("account", "1")]))
        watched = postgres.engine(connect_args={"cursor_factory": Counting})
        watched.connect().close()
        other = SqlStore(watched, schema=schema)
        other.load(id="s-1")
        Counting.sent.clear()
        moved = stream(version=2, indexes=[("email", "cd"), ("ab", "email"), ("account", "1")])
        other.commit(batch=Batch(at=NOW, streams=(moved,), expected=(1,), journal=(entry(sequence=2),)))
        other.commit(batch=Batch(at=NOW, inbox=(("m-1", NOW + LEASE), ("m-2", NOW + LEASE))))
        other.commit(batch=Batch(at=NOW, claim=(("open/jo", "s-1"),)))
        other.commit(batch=Batch(at=NOW, unclaim=(("open/jo", "s-1"),)))
        assert len(Counting.sent) == 4
        other.commit(batch=Batch(at=NOW))
        assert len(Counting.sent) == 4
        watched.dispose()
        found = {pair: store.find(index=pair[0], value=pair[1]) for pair in moved.indexes}
        assert set(found.values()) == {("s-1",)}
        assert store.find(index="email", value="ab") == store.find(index="name", value="é\"'\\") == ()
        assert (store.seen(message="m-1"), store.owner(claim="open/jo")) == (True, None)

    def test_indexes_may_change_without_having_been_looked_at(self, store: SqlStore) -> None:
        store.commit(batch=opening(indexes=[("email", "ab")]))
        moved = stream(version=2, indexes=[("email", "cd")])
        store.commit(batch=Batch(at=NOW, streams=(moved,), expected=(1,), journal=(entry(sequence=2),)))
        assert store.load(id="s-1") == moved
        assert (store.find(index="email", value="cd"), store.find(index="email", value="ab")) == (("s-1",), ())

    def test_what_one_snapshot_cannot_do_is_done_in_order(self, store: SqlStore) -> None:
        store.commit(batch=evolve(opening(), claim=(("open/jo", "s-1"),), inbox=(("m-1", NOW),)))
        later = Batch(
            at=NOW + LEASE,
            unclaim=(("open/jo", "s-1"),),
            claim=(("open/jo", "s-2"), ("open/jo", "s-2")),
            inbox=(("m-1", NOW + 2 * LEASE),),
        )
        store.commit(batch=later)
        assert store.owner(claim="open/jo") == "s-2"
        with pytest.raises(Conflict):
            store.commit(batch=evolve(later, unclaim=(), claim=()))

    def test_an_engine_in_autocommit_tears_no_transaction_apart(self, postgres: PostgresServer, schema: str) -> None:
        engine = postgres.engine(isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=0)
        store = SqlStore(engine, schema=schema)
        store.create_schema()
        with pytest.raises(Conflict):  # a batch with a message is written statement by statement
            store.commit(batch=evolve(opening(), answered=((effect().key, 1),), inbox=(("m-1", NOW + LEASE),)))
        assert not store.seen(message="m-1")
        with engine.connect() as connection:
            assert connection.connection.driver_connection.autocommit  # type: ignore[union-attr]  # as the host set it
        engine.dispose()


class TestWithinTheHostsTransaction:
    @pytest.fixture(autouse=True)
    def _table(self, engine: Engine, schema: str, store: SqlStore) -> None:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE TABLE {schema}.orders (id text PRIMARY KEY)"))

    def orders(self, engine: Engine, schema: str) -> int:
        with engine.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {schema}.orders")).scalar_one())

    def test_both_are_kept_or_neither(self, engine: Engine, schema: str, store: SqlStore) -> None:
        for keeps in (False, True):
            with engine.connect() as connection:
                joined = store.within(connection)
                joined.commit(batch=opening())
                connection.execute(text(f"INSERT INTO {schema}.orders VALUES ('o-1')"))
                assert joined.load(id="s-1") == stream()
                assert store.load(id="s-1") is None, "nobody else sees it before the host commits"
                connection.commit() if keeps else connection.rollback()
            assert (store.load(id="s-1") is not None) is keeps
            assert self.orders(engine, schema) == int(keeps)

    def test_a_conflict_undoes_ours_and_leaves_the_hosts(self, engine: Engine, schema: str, store: SqlStore) -> None:
        store.commit(batch=opening())
        with engine.begin() as connection:
            connection.execute(text(f"INSERT INTO {schema}.orders VALUES ('o-1')"))
            joined = store.within(connection)
            with pytest.raises(Conflict):
                joined.commit(batch=opening())
            with pytest.raises(Conflict):
                joined.commit(batch=evolve(opening(id="s-2"), answered=((Key("s-9/1/0"), 1),)))
            joined.commit(batch=opening(id="s-3"))
        assert self.orders(engine, schema) == 1
        assert [store.load(id=id) is not None for id in ("s-1", "s-2", "s-3")] == [True, False, True]

    def test_the_ledger_joins_too(self, engine: Engine, schema: str) -> None:
        ledger = SqlLedger(engine, clock=ManualClock(NOW), schema=schema)
        ledger.create_schema()
        ledger.credit(key=Key("paid"), cabinet=CABINET, amount=Cents(5_000), memo="transfer")
        with engine.connect() as connection:
            joined = ledger.within(connection)
            joined.hold(key=Key("h"), cabinet=CABINET, amount=Cents(2_000), memo="QCP")
            assert joined.check().balanced
            connection.rollback()
        assert ledger.balance(cabinet=CABINET) == 5_000


class TestCreating:
    def test_many_create_at_once(self, postgres: PostgresServer, schema: str) -> None:
        def create(_number: int) -> None:
            engine = postgres.engine()
            SqlStore(engine, schema=schema).create_schema()
            SqlLedger(engine, clock=ManualClock(NOW), schema=schema).create_schema()
            engine.dispose()

        with ThreadPoolExecutor(max_workers=8) as threads:
            list(threads.map(create, range(16)))
        engine = postgres.engine()
        with engine.connect() as connection:
            versions = connection.execute(text(f"SELECT version FROM {schema}.qcp_schema")).scalars().all()
        SqlStore(engine, schema=schema).commit(batch=opening())
        engine.dispose()
        assert versions == [STORE[-1].version]

    def test_prefixes_and_schemas_keep_installations_apart(self, engine: Engine, store: SqlStore, schema: str) -> None:
        others = [SqlStore(engine, schema=schema, prefix="other_"), SqlStore(engine, schema=next(fresh_names()))]
        for other in others:
            other.create_schema()
            other.commit(batch=opening())
        assert store.load(id="s-1") is None
        with pytest.raises(ConfigurationError):
            SqlStore(engine, schema='public"; DROP')


class TestPlans:
    def test_every_frequent_question_goes_through_an_index(self, engine: Engine, store: SqlStore) -> None:
        """A million finished streams must slow nothing down: where an index may be used, no table is read through."""
        names = (
            "load move answer any_ready lease any_ready_of lease_of next_due backlog parked outstanding recorded find "
            "forget owner seen"
        )
        plans: dict[str, str] = {}
        with engine.connect() as connection:
            connection.exec_driver_sql("SET enable_seqscan = off")
            for name in names.split():
                sql = getattr(store._statements, name).sql
                values = dict.fromkeys(re.findall(r"%\((\w+)\)s", sql), "0")
                rows = connection.exec_driver_sql(f"EXPLAIN {sql}", values).scalars().all()
                plans[name] = "\n".join(str(row) for row in rows)
        assert {name: plan for name, plan in plans.items() if "Seq Scan on" in plan} == {}
        assert all("qcp_outbox_ready" in plans[name] for name in ("any_ready", "lease", "next_due", "backlog"))

    def test_so_it_is_with_the_statistics_of_a_store_in_which_most_is_finished(
        self, engine: Engine, store: SqlStore, schema: str
    ) -> None:
        """PostgreSQL chooses freely here, and more waits than when it last counted."""
        names = ("any_ready", "lease", "next_due", "backlog", "lease_of", "outstanding", "load", "answer", "recorded")
        for number in range(50):
            begun = opening(effect(f"s-{number}/1/0", id=f"s-{number}"), id=f"s-{number}")
            store.commit(batch=begun)
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            say = connection.exec_driver_sql
            columns = "kind, due, ready, token, attempts, state, note, payload"
            say(
                f"INSERT INTO {schema}.qcp_streams (id, kind, version, stage, data_key, state, head, indexed)"
                " SELECT 'f-' || n, 'x', 1, 'closed', '', '', '', '[]' FROM generate_series(1, 5000) AS n"
            )
            say(
                f"INSERT INTO {schema}.qcp_journal (stream, sequence, at, kind, payload, hash)"
                " SELECT 'f-' || n, 1, n, 'x', '', '' FROM generate_series(1, 5000) AS n"
            )
            say(
                f"INSERT INTO {schema}.qcp_outbox (key, stream, {columns})"
                " SELECT 'f-' || n || '/1/0', 'f-' || n, 'x', n, n, 1, 1, 'done', '', ''"
                " FROM generate_series(1, 5000) AS n"
            )
            say("VACUUM ANALYZE")
            say(
                f"INSERT INTO {schema}.qcp_outbox (key, stream, {columns})"
                " SELECT 's-1/' || n, 's-' || mod(n, 50), 'x', n, n, 1, 1, 'waiting', '', ''"
                " FROM generate_series(1, 500) AS n"
            )
            plans: dict[str, str] = {}
            for name in names:
                statement = getattr(store._statements, name)
                values = dict.fromkeys(re.findall(r"%\((\w+)\)s", statement.sql), "0")
                plans[name] = "\n".join(map(str, say(f"EXPLAIN {statement.sql}", values).scalars()))
        assert {name: plan for name, plan in plans.items() if "Seq Scan on" in plan} == {}
        of_all = {name: plans[name] for name in ("any_ready", "lease", "next_due", "backlog")}
        assert {name: plan for name, plan in of_all.items() if "qcp_outbox_open" in plan} == {}
        assert all("qcp_outbox_open" in plans[name] for name in ("lease_of", "outstanding"))


def forked(work: Callable[[], None]) -> int:
    """Do the work in a forked process, and give its process id."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


PROCESSES, THREADS, EFFECTS = 4, 4, 240


class TestWorkers:
    def test_a_worker_passes_over_what_another_one_is_taking(
        self, engine: Engine, postgres: PostgresServer, store: SqlStore, schema: str
    ) -> None:
        keys = [f"s-1/1/{number}" for number in range(6)]
        store.commit(batch=opening(*(effect(key) for key in keys)))
        impatient = postgres.engine(connect_args={"options": "-c lock_timeout=3s"})
        other = SqlStore(impatient, schema=schema)
        with engine.connect() as connection:  # taken, and not yet committed
            first = store.within(connection).lease(now=NOW, until=NOW + LEASE, limit=3)
            second = other.lease(now=NOW, until=NOW + LEASE, limit=10)
            connection.commit()
        assert [[held.key for held in taken] for taken in (first, second)] == [keys[:3], keys[3:]]
        assert other.lease(now=NOW, until=NOW + LEASE, limit=10) == ()
        impatient.dispose()

    def test_sixteen_workers_lose_and_double_nothing(self, engine: Engine, store: SqlStore, schema: str) -> None:
        """Four processes of four threads; one of them is killed while it holds effects. Each effect takes money under
        its key and moves its stream on.
        """
        ledger = SqlLedger(engine, clock=ManualClock(NOW), schema=schema)
        ledger.create_schema()
        ledger.credit(key=Key("paid"), cabinet=CABINET, amount=Cents(EFFECTS), memo="transfer")
        ids = [f"s-{number}" for number in range(EFFECTS)]
        for id in ids:
            store.commit(batch=opening(effect(f"{id}/1/0", id=id), id=id))
        out, back = os.pipe()
        began = time.monotonic()

        def perform(_number: int) -> None:
            while store.next_due() is not None:
                now = NOW + timedelta(seconds=time.monotonic() - began) * 10
                until = now + LEASE
                for held in store.lease(now=now, until=until, limit=3):
                    os.write(back, f"{held.key} {held.token} {now.timestamp()} {until.timestamp()}\n".encode())
                    ledger.hold(key=held.key, cabinet=CABINET, amount=Cents(1), memo="QCP")
                    batch = Batch(
                        at=now,
                        streams=(stream(held.stream, version=2),),
                        expected=(1,),
                        journal=(entry(held.stream, sequence=2),),
                        answered=((held.key, held.token),),
                    )
                    try:
                        store.commit(batch=batch)
                    except Conflict as fenced:
                        assert fenced.kind in ("effect", "stream"), "another worker was given it when the lease ended"

        def work() -> None:
            with ThreadPoolExecutor(max_workers=THREADS) as threads:
                list(threads.map(perform, range(THREADS)))

        children = [forked(work) for _ in range(PROCESSES)]
        os.close(back)
        with os.fdopen(out) as told:
            performed = [told.readline() for _ in range(EFFECTS // 4)]
            os.kill(children[0], signal.SIGKILL)
            performed += told.readlines()
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert codes == [-signal.SIGKILL, 0, 0, 0]
        leases: dict[str, list[tuple[int, float, float]]] = {}
        for line in performed:
            key, token, start, end = line.split()
            leases.setdefault(key, []).append((int(token), float(start), float(end)))
        assert leases.keys() == {f"{id}/1/0" for id in ids}
        for given in leases.values():
            for (first, _, ends), (second, starts, _) in pairwise(sorted(given)):
                assert (first < second, ends <= starts) == (True, True), "nobody is given what another one still holds"
        for id in ids:
            found = store.load(id=id)
            assert found is not None
            assert (found.version, len(store.journal(stream=id)), store.outstanding(stream=id)) == (2, 2, ())
        movements = Counter(line.movement for line in ledger.statement(cabinet=CABINET))
        assert movements == {Movement.CREDIT: 1, Movement.HOLD: EFFECTS}
        assert ledger.balance(cabinet=CABINET) == 0
        assert ledger.check().balanced


class TestAKilledServer:
    def test_what_was_acknowledged_is_kept_and_nothing_is_half_written(self, schema: str) -> None:
        with PostgresServer() as server:
            engine = server.engine()
            store = SqlStore(engine, schema=schema)
            store.create_schema()
            store.commit(batch=opening())
            acknowledged, told = 1, 0
            for round in range(3):
                killer = threading.Timer(0.3, server.kill)
                killer.start()
                while True:
                    version = acknowledged + 1
                    batch = Batch(
                        at=NOW,
                        streams=(stream(version=version),),
                        expected=(acknowledged,),
                        journal=(entry(sequence=version),),
                        outbox=(effect(f"s-1/{version}/0"),),
                    )
                    try:
                        store.commit(batch=batch)
                    except PortError:
                        told += 1
                        break
                    acknowledged = version
                killer.join()
                with pytest.raises(Unavailable):
                    store.load(id="s-1")
                server.start()
                found = store.load(id="s-1")
                assert found is not None
                assert found.version in (acknowledged, acknowledged + 1), round
                assert len(store.journal(stream="s-1")) == found.version
                assert len(store.outstanding(stream="s-1")) == found.version - 1
                acknowledged = found.version
            assert told == 3
            engine.dispose()

    def test_after_a_restart_it_is_found_gone_once(self, schema: str) -> None:
        """Not once for each connection that waits in the pool."""
        with PostgresServer("fsync=off") as server:
            engine = server.engine(pool_size=5)
            store = SqlStore(engine, schema=schema)
            store.create_schema()
            store.commit(batch=opening())
            held = [engine.connect() for _ in range(5)]
            for connection in held:
                connection.close()
            server.kill()
            server.start()
            with pytest.raises(Unavailable):
                store.load(id="s-1")
            assert [store.load(id="s-1") for _ in range(6)] == [stream()] * 6
            engine.dispose()
