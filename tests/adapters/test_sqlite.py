"""What SQLite and our way of using it add to the promises of the store: crashes, forks, processes, locks, plans."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy import Engine, create_engine, event

from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.line import Job, Line
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.adapters.sql.turn import NEXT, Turn
from qcp_sdk.errors import ConfigurationError, Conflict, Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.store import Batch
from qcp_sdk.testing.conformance.store import committed
from qcp_sdk.testing.conformance.store_examples import LEASE, NOW, answering, effect, entry, opening, stream

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Give what opens a file of the test's folder; all are closed afterwards."""
    engines: list[Engine] = []

    def give(name: str) -> Engine:
        engines.append(sqlite_engine(tmp_path / name, patience=timedelta(milliseconds=50)))
        return engines[-1]

    yield give
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(opened: Callable[[str], Engine]) -> Engine:
    return opened("qcp.db")


@pytest.fixture
def store(engine: Engine) -> SqlStore:
    made = SqlStore(engine)
    made.create_schema()
    return made


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


def ended(child: int) -> int:
    """Wait for a forked process, and give its exit code; less than zero is the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


BIG = Batch(
    at=NOW,
    streams=(stream(version=2, indexes=[("email", "cd")]), stream("s-2", indexes=[("email", "ab")])),
    expected=(1, 0),
    journal=(entry(sequence=2), entry("s-2")),
    outbox=(effect("s-1/2/0"), effect("s-2/1/0", id="s-2")),
    answered=((effect().key, 1),),
    claim=(("open/jo", "s-2"),),
    inbox=(("m-1", NOW + LEASE),),
)


def seen(store: SqlStore) -> list[bool]:
    """Say of every part of BIG whether it can be seen."""
    (first, second) = (store.load(id=id) for id in ("s-1", "s-2"))
    return [
        first is not None and first.version == 2,
        store.find(index="email", value="cd") == ("s-1",),
        second is not None,
        store.find(index="email", value="ab") == ("s-2",),
        len(store.journal(stream="s-1")) == 2,
        len(store.journal(stream="s-2")) == 1,
        [row.key for row in store.outstanding(stream="s-1")] == ["s-1/2/0"],
        [row.key for row in store.outstanding(stream="s-2")] == ["s-2/1/0"],
        store.owner(claim="open/jo") == "s-2",
        store.seen(message="m-1"),
    ]


class TestDurability:
    def test_it_survives_reopening(self, engine: Engine, store: SqlStore, opened: Callable[[str], Engine]) -> None:
        store.commit(batch=opening(effect(leased_until=NOW + LEASE)))
        store.commit(batch=BIG)
        engine.dispose()
        assert all(seen(SqlStore(opened("qcp.db"))))

    def test_each_connection_is_set_to_lose_nothing(self, engine: Engine) -> None:
        with engine.connect() as first, engine.connect() as second:
            for connection in (first, second):
                told = [
                    connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                ]
                assert told == ["wal", 2, 1, 50]

    @forks
    def test_killed_before_any_statement_of_a_commit_it_leaves_nothing(self, engine: Engine, store: SqlStore) -> None:
        """Before every one in turn, the COMMIT itself included; and after the last, all of it."""
        store.commit(batch=opening(effect(leased_until=NOW + LEASE)))
        statements = 0
        for last in range(1, 100):

            def work(last: int = last) -> None:
                counted = iter(range(1, 1_000))

                def count(_sql: str) -> None:
                    if next(counted) == last:
                        os.kill(os.getpid(), signal.SIGKILL)

                def tell(connection: sqlite3.Connection, _entry: object) -> None:
                    connection.set_trace_callback(count)

                event.listen(engine, "connect", tell)  # the child's first connection is a new one
                store.commit(batch=BIG)

            code = ended(forked(work))
            if code == 0:
                statements = last
                break
            assert code == -signal.SIGKILL
            assert not any(seen(store)), f"killed before statement {last}"
        assert all(seen(store))
        assert statements > 12

    @forks
    def test_what_was_acknowledged_is_kept_when_the_process_is_killed(self, store: SqlStore) -> None:
        store.commit(batch=opening())
        out, back = os.pipe()

        def work() -> None:
            for version in range(2, 10_000):
                batch = Batch(
                    at=NOW,
                    streams=(stream(version=version),),
                    expected=(version - 1,),
                    journal=(entry(sequence=version),),
                    outbox=(effect(f"s-1/{version}/0"),),
                )
                store.commit(batch=batch)
                os.write(back, b".")

        child = forked(work)
        os.close(back)
        acknowledged = sum(len(os.read(out, 1)) for _ in range(20))
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        with os.fdopen(out, "rb") as rest:
            acknowledged += len(rest.read())
        found = store.load(id="s-1")
        assert found is not None
        assert found.version >= acknowledged + 1
        assert len(store.journal(stream="s-1")) == found.version
        assert len(store.outstanding(stream="s-1")) == found.version - 1


class TestProcesses:
    @forks
    def test_it_works_on_both_sides_of_a_fork(self, engine: Engine, store: SqlStore) -> None:
        store.commit(batch=opening())
        with engine.connect() as held:  # a connection in use while forking does not cross over either
            held.exec_driver_sql("SELECT 1")
            child = forked(lambda: store.commit(batch=opening(id="s-child")))
            store.commit(batch=opening(id="s-parent"))
            held.invalidate()  # its pool was left behind at the fork
        assert ended(child) == 0
        assert store.load(id="s-child") is not None
        assert store.load(id="s-parent") is not None

    @forks
    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
    def test_no_connection_crosses_a_fork(self, store: SqlStore, tmp_path: Path) -> None:
        """SQLite's locks belong to a process: an inherited connection corrupts a file in the end."""
        host = create_engine(f"sqlite:///{tmp_path / 'host.db'}")  # ours to use, not to close
        for each in (store, SqlStore(host)):
            each.create_schema()
            each.commit(batch=opening())

        def work() -> None:
            links = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
            held = [str(link.readlink()) for link in links if link.is_symlink()]
            assert not [name for name in held if name.startswith(str(tmp_path / "qcp.db"))]
            with host.connect() as one, host.connect() as two:
                mine = {id(one.connection.dbapi_connection), id(two.connection.dbapi_connection)}
            assert not mine & inherited

        with host.connect() as idle:
            inherited = {id(idle.connection.dbapi_connection)}
        child = forked(work)
        host.dispose()
        assert ended(child) == 0

    @pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
    def test_an_engine_that_is_disposed_leaves_no_file_open(
        self, engine: Engine, store: SqlStore, tmp_path: Path
    ) -> None:
        """Connections at hand are kept out of its pool, and go with it all the same."""
        store.commit(batch=opening())
        assert store.load(id="s-1") is not None

        def held() -> list[str]:
            links = [Path(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
            names = [str(link.readlink()) for link in links if link.is_symlink()]
            return [name for name in names if name in {str(tmp_path / "qcp.db"), str(tmp_path / "qcp.db-wal")}]

        assert held()
        engine.dispose()
        assert held() == []
        assert store.load(id="s-1") is not None

    @forks
    def test_processes_never_share_an_effect(self, tmp_path: Path) -> None:
        engine = sqlite_engine(tmp_path / "shared.db")
        patient = SqlStore(engine)
        patient.create_schema()
        keys = [f"s-1/1/{n}" for n in range(60)]
        patient.commit(batch=opening(*(effect(key) for key in keys)))
        out, back = os.pipe()

        def work() -> None:
            while taken := patient.lease(now=NOW, until=NOW + LEASE, limit=2):
                for held in taken:
                    patient.commit(batch=answering(held.key, held.token))
                    os.write(back, held.key.encode() + b"\n")

        children = [forked(work) for _ in range(3)]
        os.close(back)
        with os.fdopen(out) as told:
            done = told.read().split()
        assert [ended(child) for child in children] == [0, 0, 0]
        assert sorted(done) == sorted(keys)
        assert patient.outstanding(stream="s-1") == ()
        engine.dispose()


class TestTogether:
    def test_who_waits_shares_the_next_commit(self, engine: Engine, store: SqlStore) -> None:
        """One caller writes while twenty come; all of theirs is one transaction, and each gets its own answer."""
        commits: list[str] = []
        entered, go = threading.Event(), threading.Event()

        def hold(_work: object) -> None:
            entered.set()
            go.wait()

        def tell(connection: sqlite3.Connection, _entry: object) -> None:
            connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)

        engine.dispose()
        event.listen(engine, "connect", tell)
        line = store._database._writers.line
        with ThreadPoolExecutor(21) as pool:
            first = pool.submit(store._database.write, hold)
            entered.wait()
            others = [pool.submit(committed, store, opening(id=f"s-{n // 2}")) for n in range(20)]
            while len(line._waiting) < 20:
                time.sleep(0.001)
            assert not any(each.done() for each in others)
            go.set()
            first.result()
            assert sum(each.result() for each in others) == 10  # every stream was opened twice
        assert len(commits) == 2
        assert all(store.load(id=f"s-{n}") is not None for n in range(10))

    def test_a_commit_that_fails_is_everybodys(self, tmp_path: Path) -> None:
        """Even a refusal does not count: it may rest on what was lost with it."""

        class Flaky(sqlite3.Connection):
            def commit(self) -> None:
                if trouble:
                    raise sqlite3.OperationalError("disk I/O error")
                super().commit()

        trouble = False
        engine = create_engine(f"sqlite:///{tmp_path / 'plain.db'}", connect_args={"factory": Flaky})
        store = SqlStore(engine)
        store.create_schema()
        jobs = [Job(partial(store._written, opening())) for _ in range(2)]
        trouble = True
        with pytest.raises(Unconfirmed):
            store._database._together(jobs)
        line = store._database._writers.line
        answers: list[BaseException | None] = []
        assert line.enter(Job(lambda _: None))

        def ask() -> None:
            try:
                store.commit(batch=opening())
            except Unconfirmed as error:
                answers.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for each in threads:
            each.start()
        while len(line._waiting) < 2:
            time.sleep(0.001)
        line.leave(())
        for each in threads:
            each.join()
        assert len(answers) == 2
        engine.dispose()

    def test_who_gives_up_waiting_leaves_the_line(self) -> None:
        line: Line[object] = Line()
        assert line.enter(Job(lambda _: None))
        with pytest.raises(Unavailable):
            line.enter(Job(lambda _: None), timedelta(0))
        line.leave(())
        assert line.enter(Job(lambda _: None))

    @forks
    def test_who_has_just_written_lets_the_other_process_write(self, tmp_path: Path) -> None:
        """While another process waits for its turn, this one does not get it a second time."""
        here = Turn(tmp_path / "some.db")
        (tmp_path / "some.db").touch()
        assert here.take(timedelta(0))
        ready, tell = os.pipe()
        done, said = os.pipe()

        def work() -> None:
            other = Turn(tmp_path / "some.db")
            os.write(tell, b".")
            assert other.take(timedelta(seconds=30))
            os.write(said, b".")
            other.give()

        child = forked(work)
        os.read(ready, 1)
        while here_could_be_next(tmp_path / "some.db-turn"):
            time.sleep(0.001)
        here.give()
        assert here.take(timedelta(seconds=30))
        os.set_blocking(done, False)
        assert os.read(done, 1) == b"."
        here.give()
        assert ended(child) == 0


def here_could_be_next(file: Path) -> bool:
    """Say whether nobody waits, by asking from a process of its own: a process never meets its own locks."""

    def look() -> None:
        descriptor = os.open(file, os.O_RDWR)
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, NEXT)

    with suppress(OSError):
        return ended(forked(look)) == 0
    return True


class TestErrors:
    def test_a_locked_file_is_unavailable_and_unchanged(self, store: SqlStore, tmp_path: Path) -> None:
        store.commit(batch=opening())
        other = sqlite3.connect(tmp_path / "qcp.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            store.commit(batch=opening(id="s-2"))
        assert store.load(id="s-1") == stream()  # readers are not held up
        other.execute("ROLLBACK")
        other.close()
        assert store.load(id="s-2") is None
        store.commit(batch=opening(id="s-2"))

    def test_a_lost_answer_to_the_commit_is_unconfirmed(self, tmp_path: Path) -> None:
        class Flaky(sqlite3.Connection):
            def commit(self) -> None:
                super().commit()
                if trouble:
                    raise sqlite3.OperationalError("disk I/O error")

        trouble = False
        engine = create_engine(f"sqlite:///{tmp_path / 'plain.db'}", connect_args={"factory": Flaky})
        store = SqlStore(engine)  # an engine that the host made works as well
        store.create_schema()
        trouble = True
        with pytest.raises(Unconfirmed) as told:
            store.commit(batch=opening())
        assert isinstance(told.value.__cause__, sqlite3.OperationalError)
        assert store.load(id="s-1") == stream()
        engine.dispose()

    def test_a_file_without_tables_or_that_is_none_is_unavailable(
        self, engine: Engine, opened: Callable[[str], Engine], tmp_path: Path
    ) -> None:
        with pytest.raises(Unavailable):
            SqlStore(engine).load(id="s-1")
        (tmp_path / "text.db").write_text("no database at all, but a long enough text " * 100)
        for place in ("text.db", "", "no/such/folder.db"):
            with pytest.raises(Unavailable):
                SqlStore(opened(place)).create_schema()
            with pytest.raises(Unavailable):
                SqlStore(opened(place)).load(id="s-1")

    def test_a_refused_value_is_rejected(self, store: SqlStore) -> None:
        for batch in (
            opening(id="\ud800"),
            evolve(opening(), journal=(evolve(entry(), sequence=2**70),)),
        ):
            with pytest.raises(Rejected) as told:
                store.commit(batch=batch)
            assert told.value.reason == "unacceptable"
        assert store.load(id="s-1") is None

    def test_an_error_in_between_leaves_the_store_usable(self, store: SqlStore) -> None:
        store.commit(batch=opening())
        for _ in range(100):  # more than there are connections
            with pytest.raises(Conflict):
                store.commit(batch=opening())
        store.commit(batch=opening(id="s-2"))

    def test_only_databases_that_we_know_are_taken(self, engine: Engine) -> None:
        with pytest.raises(ConfigurationError):
            SqlStore(create_engine("mysql+pymysql://nowhere/x", module=sqlite3))
        for prefix in ("", "Qcp_", "1_", "q;", "x" * 31, "é"):
            with pytest.raises(ConfigurationError):
                SqlStore(engine, prefix=prefix)


class TestTables:
    def test_prefixes_keep_installations_apart(self, engine: Engine, store: SqlStore) -> None:
        other = SqlStore(engine, prefix="other_")
        other.create_schema()
        other.create_schema()
        other.commit(batch=opening())
        assert store.load(id="s-1") is None
        store.commit(batch=opening())

    def test_what_is_done_keeps_its_mark_and_loses_its_payload(self, engine: Engine, store: SqlStore) -> None:
        store.commit(batch=opening(effect(leased_until=NOW + LEASE), effect("s-1/1/1", leased_until=NOW + LEASE)))
        store.commit(batch=answering("s-1/1/0", 1))
        store.park(key=effect("s-1/1/1").key, token=1, reason="nobody knows")
        store.discard(key=effect("s-1/1/1").key)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT key, state, payload FROM qcp_outbox ORDER BY key").fetchall()
        assert [tuple(row) for row in rows] == [("s-1/1/0", "done", b""), ("s-1/1/1", "done", b"")]

    def test_every_frequent_question_goes_through_an_index(self, engine: Engine, store: SqlStore) -> None:
        """A million finished streams must slow nothing down: no plan reads a table from end to end."""
        sql = store._statements
        expected = {
            "load": "sqlite_autoindex_qcp_streams",
            "move": "sqlite_autoindex_qcp_streams",
            "answer": "sqlite_autoindex_qcp_outbox",
            "any_ready": "qcp_outbox_ready (ready<?)",
            "lease": "qcp_outbox_ready (ready<?)",
            "any_ready_of": "qcp_outbox_open",
            "lease_of": "qcp_outbox_open",
            "next_due": "qcp_outbox_ready",
            "backlog": "qcp_outbox_ready (ready<?)",
            "parked": "qcp_outbox_parked",
            "outstanding": "qcp_outbox_open",
            "recorded": "PRIMARY KEY",
            "find": "PRIMARY KEY",
            "forget": "ix_qcp_inbox_kept_until",
        }
        with engine.connect() as connection:
            for name, index in expected.items():
                statement = getattr(sql, name)
                values = (0,) * statement.sql.count("?")
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", values).fetchall()
                plan = " | ".join(str(row[3]) for row in rows)
                assert index in plan, f"{name}: {plan}"
                scanned = [each for each in plan.split(" | ") if each.startswith("SCAN") and "USING" not in each]
                assert all("CONSTANT ROW" in each for each in scanned), f"{name}: {plan}"


def test_it_loads_nothing_heavy_before_it_is_imported() -> None:
    """The port and the memory adapters do not bring SQLAlchemy in."""
    child = "import sys, qcp_sdk.ports.store, qcp_sdk.adapters.memory.store; sys.exit('sqlalchemy' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", child]) == 0
