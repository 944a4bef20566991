"""Any history of calls on a store, beside plain dictionaries that are told the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.errors import Conflict
from qcp_sdk.ports.store import FIRST_TOKEN, Batch, LeasedEffect, Rewrapping, Store, WrappedKey
from qcp_sdk.testing.conformance.marking import THREADS
from qcp_sdk.testing.conformance.naive_store import NaiveStore
from qcp_sdk.testing.conformance.store_examples import NOW, effect, entry, stream
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import Key

if TYPE_CHECKING:
    from qcp_sdk.testing.conformance.store import StoreConformance

IDS: Final = ("s-1", "s-2", "s-3")
CLAIMS: Final = ("open/jo", "open/al")
MESSAGES: Final = ("m-1", "m-2")
WRAPPERS: Final = ("k-1", "k-2")
INDEXES: Final = (("email", "ab"), ("email", "cd"), ("phone", "ab"))

SECONDS: Final = st.integers(-5, 60).map(lambda seconds: timedelta(seconds=seconds))
OWNED: Final = st.lists(st.tuples(st.sampled_from(CLAIMS), st.sampled_from(IDS)), max_size=2).map(tuple)
RECENT: Final = st.integers(0, 5)
"""Which of the leases that were had, the latest first."""


class StoreHistory(RuleBasedStateMachine):
    """Moves streams, claims, receives, leases, answers, postpones, parks, settles, wraps keys anew and erases, in any
    order.

    Some answers are lost, and the caller asks again; some calls are made by several callers at once; some leases are
    used after they ended. After each step, everything that can be seen is as the dictionaries have it.
    """

    def __init__(self, suite: StoreConformance) -> None:
        super().__init__()
        self.suite = suite
        self.store, self.model = suite.make_store(), NaiveStore()
        self.now = NOW
        self.held: list[tuple[Key, int]] = []
        self.listed: list[WrappedKey] = []

    # -- committing ----------------------------------------------------------------------------------------------

    @rule(
        id=st.sampled_from(IDS),
        stale=st.sampled_from([0] * 7 + [1]),
        indexes=st.frozensets(st.sampled_from(INDEXES)),
        asked=st.lists(st.tuples(st.integers(0, 3), SECONDS, st.booleans()), max_size=3, unique_by=lambda row: row[0]),
        answers=st.lists(RECENT, max_size=2),
        claim=OWNED,
        message=st.sampled_from([None] * 4 + [*MESSAGES]),
        lost=st.booleans(),
    )
    def move(
        self,
        id: str,
        stale: int,
        indexes: frozenset[tuple[str, str]],
        asked: list[tuple[int, timedelta, bool]],
        answers: list[int],
        claim: tuple[tuple[str, str], ...],
        message: str | None,
        lost: bool,
    ) -> None:
        """Record a fact: a stream, its journal, what is to be done, what was done, a claim, a message, all at once."""
        known = self.model.load(id=id)
        version = 1 + (known.version if known else 0)
        rows = [
            effect(
                f"{id}/{version // 3}/{n}",  # now and then a key that was used before
                id=id,
                due=self.now + after,
                leased_until=self.now + after + timedelta(seconds=20) if leased else None,
            )
            for n, after, leased in asked
        ]
        batch = Batch(
            at=self.now,
            streams=(stream(id, version, indexes=indexes),),
            expected=(version - 1 + stale,),
            journal=(entry(id, version),),
            outbox=tuple(rows),
            answered=tuple(self.held[-1 - n] for n in answers if n < len(self.held)),
            claim=claim,
            inbox=((message, self.now + timedelta(seconds=30)),) if message else (),
        )
        if self.commit(batch, lost=lost):
            self.held += [(row.key, FIRST_TOKEN) for row in rows if row.leased_until]

    @rule(id=st.sampled_from(IDS), stale=st.sampled_from([0] * 7 + [1]), claim=OWNED, lost=st.booleans())
    def erase(self, id: str, stale: int, claim: tuple[tuple[str, str], ...], lost: bool) -> None:
        """Erase a stream, which may be erased already."""
        if (known := self.model.load(id=id)) is None:
            return
        version = known.version + 1
        batch = Batch(
            at=self.now,
            streams=(stream(id, version, stage="erased"),),
            expected=(version - 1 + stale,),
            journal=(entry(id, version),),
            claim=claim,
            erased=(id,),
        )
        self.commit(batch, lost=lost)

    @rule(
        wrapped_by=st.sampled_from(WRAPPERS),
        limit=st.integers(0, 3),
        after=st.sampled_from(("", "", IDS[0])),
        older=st.lists(RECENT, max_size=2),
        lost=st.booleans(),
    )
    def rewrap(self, wrapped_by: str, limit: int, after: str, older: list[int], lost: bool) -> None:
        """List data keys and wrap them anew; and some that were listed before, which may be others by now, or gone."""
        found = self.store.wrapped_keys(wrapped_by=wrapped_by, limit=limit, after=after)
        assert found == self.model.wrapped_keys(wrapped_by=wrapped_by, limit=limit, after=after)
        stale = [self.listed[-1 - n] for n in older if n < len(self.listed)]
        self.listed += found
        by = WRAPPERS[wrapped_by == WRAPPERS[0]]
        anew = tuple(
            Rewrapping(before=one, data_key=f"{len(self.listed)} of {one.stream}".encode(), wrapped_by=by)
            for one in (*stale, *found)
        )
        for _ in range(1 + lost):
            assert self.store.rewrap(keys=anew) == self.model.rewrap(keys=anew)

    @rule(claim=OWNED, unclaim=OWNED, lost=st.booleans())
    def claim(self, claim: tuple[tuple[str, str], ...], unclaim: tuple[tuple[str, str], ...], lost: bool) -> None:
        """Take names, and give some up."""
        self.commit(Batch(at=self.now, claim=claim, unclaim=unclaim), lost=lost)

    @rule(message=st.sampled_from(MESSAGES), after=SECONDS, lost=st.booleans())
    def receive(self, message: str, after: timedelta, lost: bool) -> None:
        """Record a provider's message."""
        self.commit(Batch(at=self.now, inbox=((message, self.now + after),)), lost=lost)

    def commit(self, batch: Batch, *, lost: bool) -> bool:
        """Commit, and see that the store lets through what the model does, or names one of the model's conflicts.

        Where the answer is lost, the caller finds the store again and commits the same once more.
        """
        if lost:
            allowed = not self.model.conflicts(batch)
            conflict_of(partial(self.store.commit, batch=batch))
            self.store = self.suite.reopened(self.store)
        else:
            allowed = False
        against = self.model.conflicts(batch)
        told = conflict_of(partial(self.store.commit, batch=batch))
        if told is None:
            assert not against, f"committed, against {against}"
        else:
            assert told in against, f"refused for {told}; what stands against it is {against or 'nothing'}"
        return allowed or not against

    @precondition(lambda self: THREADS not in self.suite.lacks)
    @rule(id=st.sampled_from(IDS), names=st.booleans())
    def race_to_move(self, id: str, names: bool) -> None:
        """Let several callers move one stream from the same version, each to a stage of its own: one does."""
        known = self.model.load(id=id)
        version = known.version if known else 0
        batches = [
            Batch(
                at=self.now,
                streams=(stream(id, version + 1, stage=f"by {n}"),),
                expected=(version,),
                journal=(entry(id, version + 1),),
                claim=((CLAIMS[0], id),) if names else (),
            )
            for n in range(3)
        ]
        told = together(3, lambda n: conflict_of(partial(self.store.commit, batch=batches[n])))
        won = [n for n, conflict in enumerate(told) if conflict is None]
        against = self.model.conflicts(batches[won[0] if won else 0])
        assert len(won) == (0 if against else 1), f"{len(won)} callers moved `{id}` from version {version}"

    # -- performing ----------------------------------------------------------------------------------------------

    @rule(seconds=st.integers(0, 30), limit=st.integers(0, 4), of=st.none() | st.sampled_from(IDS))
    def lease(self, seconds: int, limit: int, of: str | None) -> None:
        """Take some of what is due."""
        until = self.now + timedelta(seconds=seconds)
        self.took([self.store.lease(now=self.now, until=until, limit=limit, stream=of)], until, limit, of)

    @precondition(lambda self: THREADS not in self.suite.lacks)
    @rule(limit=st.integers(1, 2))
    def race_to_lease(self, limit: int) -> None:
        """Let several workers take some of what is due at once."""
        until = self.now + timedelta(seconds=20)
        taken = together(3, lambda _: self.store.lease(now=self.now, until=until, limit=limit))
        assert all(len(each) <= limit for each in taken)
        self.took(taken, until, 3 * limit, None)

    def took(self, taken: list[tuple[LeasedEffect, ...]], until: datetime, limit: int, of: str | None) -> None:
        """See that so many were taken, the ones that are free the longest, each once, and given by their due times."""
        free = self.model.free(now=self.now, stream=of)
        everything = [each for one in taken for each in one]
        keys = [each.key for each in everything]
        assert len(set(keys)) == len(keys), f"leased twice: {keys}"
        instants = {each.row.key: each.free for each in free}
        assert set(keys) <= instants.keys(), f"leased {keys}, where {[*instants]} are free"
        assert sorted(instants[key] for key in keys) == [each.free for each in free[:limit]], "not the oldest first"
        for one in taken:
            assert [each.due for each in one] == sorted(each.due for each in one)
        for each in everything:
            assert each == self.model.take(each.key, until)
        self.held += [(each.key, each.token) for each in everything]

    @rule(by=st.integers(1, 40))
    def time_passes(self, by: int) -> None:
        """Let leases end, and effects come due."""
        self.now += timedelta(seconds=by)

    @rule(which=RECENT, lost=st.booleans())
    def answer(self, which: int, lost: bool) -> None:
        """Mark an effect done, also one whose lease somebody else has by now."""
        if which < len(self.held):
            self.commit(Batch(at=self.now, answered=(self.held[-1 - which],)), lost=lost)

    @rule(which=RECENT)
    def answer_late(self, which: int) -> None:
        """Mark an effect done under a lease that ended, while somebody else has the next one."""
        self.now += timedelta(seconds=60)
        self.lease(20, 4, None)
        late = [
            (key, token)
            for key, token in self.held
            if key in self.model.effects and self.model.effects[key].token != token
        ]
        if which < len(late):
            self.commit(Batch(at=self.now, answered=(late[-1 - which],)), lost=False)

    @rule(which=RECENT)
    def ask_again(self, which: int) -> None:
        """Ask for an effect under a key that was used before, done or not."""
        if which < len(self.held):
            key, _ = self.held[-1 - which]
            row = effect(key, id=key.partition("/")[0], due=self.now)
            self.commit(Batch(at=self.now, outbox=(row,)), lost=False)

    @rule(which=RECENT, after=SECONDS, lost=st.booleans())
    def postpone(self, which: int, after: timedelta, lost: bool) -> None:
        """Give an effect back, also one whose lease somebody else has by now."""
        if which < len(self.held):
            key, token = self.held[-1 - which]
            for _ in range(1 + lost):
                self.both(lambda store: store.postpone(key=key, token=token, due=self.now + after, note="n"))

    @rule(which=RECENT, lost=st.booleans())
    def park(self, which: int, lost: bool) -> None:
        """Set an effect aside, also one whose lease somebody else has by now."""
        if which < len(self.held):
            key, token = self.held[-1 - which]
            for _ in range(1 + lost):
                self.both(lambda store: store.park(key=key, token=token, reason="nobody knows"))

    @rule(which=RECENT, after=SECONDS, discard=st.booleans())
    def settle(self, which: int, after: timedelta, discard: bool) -> None:
        """Settle by hand what is parked, or try to settle what is not."""
        if which < len(self.held):
            key, _ = self.held[-1 - which]
            if discard:
                self.both(lambda store: store.discard(key=key))
            else:
                self.both(lambda store: store.unpark(key=key, due=self.now + after))

    def both(self, call: Callable[[Store], object]) -> None:
        """Tell both, and see that both refuse it alike."""
        told, expected = conflict_of(partial(call, self.store)), conflict_of(partial(call, self.model))
        assert told == expected

    # -- looking -------------------------------------------------------------------------------------------------

    @invariant()
    def streams_and_journals_are_the_model_s(self) -> None:
        """Compare what was recorded."""
        for id in IDS:
            assert self.store.load(id=id) == self.model.load(id=id)
            assert self.store.journal(stream=id) == self.model.journal(stream=id)
        assert dict(self.store.wrappings()) == dict(self.model.wrappings())
        for index, value in INDEXES:
            assert self.store.find(index=index, value=value) == self.model.find(index=index, value=value)

    @invariant()
    def what_waits_is_the_model_s(self) -> None:
        """Compare what is still to be done."""
        for id in IDS:
            assert self.store.outstanding(stream=id) == self.model.outstanding(stream=id)
        assert self.store.parked() == self.model.parked()
        assert self.store.next_due() == self.model.next_due()
        assert self.store.backlog(now=self.now) == self.model.backlog(now=self.now)

    @invariant()
    def claims_and_messages_are_the_model_s(self) -> None:
        """Compare who owns what, and what was received."""
        for claim in CLAIMS:
            assert self.store.owner(claim=claim) == self.model.owner(claim=claim)
        for message in MESSAGES:
            assert self.store.seen(message=message) == self.model.seen(message=message)


def conflict_of(call: Callable[[], object]) -> tuple[str, str] | None:
    """Make the call, and give the kind and the subject of the conflict, or nothing when it went through."""
    try:
        call()
    except Conflict as conflict:
        return conflict.kind, conflict.subject
    return None
