"""Any history of calls gives the same answers on the memory store and on SQLite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import event

from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.schema import StoreTables
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import Conflict
from qcp_sdk.ports.store import Batch, LeasedEffect, Store
from qcp_sdk.testing.conformance.store_examples import NOW, effect, entry, stream
from qcp_sdk.values import Key

STREAMS = st.sampled_from(["s-1", "s-2", "s-3"])
NAMES = st.sampled_from(["open/jo", "open/al"])
SECONDS = st.integers(-5, 60).map(lambda seconds: timedelta(seconds=seconds))
INDEXES = st.frozensets(st.tuples(st.sampled_from(["email", "phone"]), st.sampled_from(["ab", "cd"])), max_size=3)


class Histories(RuleBasedStateMachine):
    def __init__(self, sql: SqlStore) -> None:
        super().__init__()
        self.stores: tuple[Store, Store] = (MemoryStore(), sql)
        self.now = NOW
        self.held: list[LeasedEffect] = []
        self.versions = dict.fromkeys(["s-1", "s-2", "s-3"], 0)

    def both(self, call: Callable[[Store], object]) -> object:
        """Call both, and see that they answer alike: the same thing, or the same conflict."""
        answers: list[object] = []
        for store in self.stores:
            try:
                answers.append(call(store))
            except Conflict as conflict:
                answers.append((conflict.kind, conflict.subject))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(
        id=STREAMS,
        stale=st.sampled_from([0] * 7 + [1]),
        indexes=INDEXES,
        asked=st.lists(st.tuples(st.integers(0, 3), SECONDS, st.booleans()), max_size=3, unique_by=lambda row: row[0]),
        answers=st.lists(st.integers(0, 5), max_size=2, unique=True),
    )
    def move(
        self,
        id: str,
        stale: int,
        indexes: frozenset[tuple[str, str]],
        asked: list[tuple[int, timedelta, bool]],
        answers: list[int],
    ) -> None:
        version = self.versions[id] + 1
        answered = [self.held[-1 - n] for n in answers if n < len(self.held)]
        batch = Batch(
            at=self.now,
            streams=(stream(id, version, indexes=indexes),),
            expected=(version - 1 + stale,),
            journal=(entry(id, version),),
            outbox=tuple(
                effect(
                    f"{id}/{version // 3}/{n}",  # now and then a key that was used before
                    id=id,
                    due=self.now + after,
                    leased_until=self.now + 2 * after if leased else None,
                )
                for n, after, leased in asked
            ),
            answered=tuple((each.key, each.token) for each in answered),
        )
        if self.both(partial(_commit, batch=batch)) is None:
            self.versions[id] = version

    @rule(
        claim=st.lists(st.tuples(NAMES, STREAMS), max_size=2), unclaim=st.lists(st.tuples(NAMES, STREAMS), max_size=2)
    )
    def claim(self, claim: list[tuple[str, str]], unclaim: list[tuple[str, str]]) -> None:
        self.both(partial(_commit, batch=Batch(at=self.now, claim=tuple(claim), unclaim=tuple(unclaim))))

    @rule(message=st.sampled_from(["m-1", "m-2"]), after=SECONDS)
    def receive(self, message: str, after: timedelta) -> None:
        self.both(partial(_commit, batch=Batch(at=self.now, inbox=((message, self.now + after),))))

    @rule(seconds=st.integers(0, 30), limit=st.integers(0, 4), of=st.one_of(st.none(), STREAMS))
    def lease(self, seconds: int, limit: int, of: str | None) -> None:
        until = self.now + timedelta(seconds=seconds)
        taken = self.both(lambda store: store.lease(now=self.now, until=until, limit=limit, stream=of))
        assert isinstance(taken, tuple)
        self.held += taken

    @rule(by=st.integers(1, 40))
    def time_passes(self, by: int) -> None:
        self.now += timedelta(seconds=by)

    @rule(which=st.integers(0, 5), after=SECONDS)
    def postpone(self, which: int, after: timedelta) -> None:
        if which < len(self.held):
            held = self.held[-1 - which]
            self.both(lambda store: store.postpone(key=held.key, token=held.token, due=self.now + after, note="n"))

    @rule(which=st.integers(0, 5))
    def park(self, which: int) -> None:
        if which < len(self.held):
            held = self.held[-1 - which]
            self.both(lambda store: store.park(key=held.key, token=held.token, reason="why"))

    @rule(which=st.integers(0, 5), after=SECONDS, discard=st.booleans())
    def settle(self, which: int, after: timedelta, discard: bool) -> None:
        if which < len(self.held):
            key = self.held[-1 - which].key
            unpark = partial(_unpark, key=key, due=self.now + after)
            self.both((lambda store: store.discard(key=key)) if discard else unpark)

    @invariant()
    def all_that_is_seen_is_the_same(self) -> None:
        for id in self.versions:
            self.both(partial(_told, id=id))
        self.both(lambda store: (store.parked(), store.next_due(), store.backlog(now=self.now)))
        self.both(lambda store: [store.find(index=index, value="ab") for index in ("email", "phone")])
        self.both(lambda store: [store.owner(claim=name) for name in ("open/jo", "open/al")])
        self.both(lambda store: [store.seen(message=message) for message in ("m-1", "m-2")])


def _told(store: Store, *, id: str) -> object:
    return store.load(id=id), store.journal(stream=id), store.outstanding(stream=id)


def _commit(store: Store, *, batch: Batch) -> None:
    store.commit(batch=batch)


def _unpark(store: Store, *, key: Key, due: datetime) -> None:
    store.unpark(key=key, due=due)


def test_any_history_is_answered_alike(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "qcp.db")
    # Syncing is not the subject here, and costs most of the time.
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    sql = SqlStore(engine)
    sql.create_schema()
    tables = StoreTables("qcp_").metadata.sorted_tables

    class Emptied(Histories):
        def __init__(self) -> None:
            with engine.begin() as connection:
                for table in reversed(tables):
                    connection.execute(table.delete())
            super().__init__(sql)

    run_state_machine_as_test(Emptied, settings=settings(max_examples=40, stateful_step_count=30))
    engine.dispose()
