"""What every `Store` promises (ports/store.py, behaviour § 7)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from datetime import timedelta, timezone
from functools import partial
from typing import ClassVar, final

import pytest
from attrs import evolve

from qcp_sdk.errors import Conflict, QcpError
from qcp_sdk.ports.store import FIRST_TOKEN, Batch, LeasedEffect, OutboxRow, Rewrapping, Store, WrappedKey
from qcp_sdk.testing.conformance.base import Conformance
from qcp_sdk.testing.conformance.histories import LONG, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.store_examples import LEASE, NOW, answering, effect, entry, opening, stream
from qcp_sdk.testing.conformance.store_history import StoreHistory
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import Key


class StoreConformance(Conformance):
    """The exam of a `Store`. A durable one is also reopened and killed in tests of its own."""

    examples: ClassVar[int] = 40
    """How many histories the property promise tries; fewer where a fresh store costs much."""

    @abstractmethod
    def make_store(self) -> Store:
        """Give an empty store, ready for use by any thread."""

    def reopened(self, store: Store) -> Store:
        """Give the store as another process would find it; the same one where there is nothing to open again."""
        return store

    @final
    def opened(self, *effects: OutboxRow) -> Store:
        """Give a store with the stream `s-1` and these effects."""
        store = self.make_store()
        store.commit(batch=opening(*effects))
        return store

    @final
    def lease(self, store: Store, *, after: timedelta = timedelta(0), limit: int = 10) -> tuple[LeasedEffect, ...]:
        """Lease what is due some time after NOW."""
        return store.lease(now=NOW + after, until=NOW + after + LEASE, limit=limit)

    @final
    def refused(self, store: Store, batch: Batch, kind: str, subject: str) -> None:
        """Expect a conflict about this very thing."""
        with pytest.raises(Conflict) as told:
            store.commit(batch=batch)
        assert (told.value.kind, told.value.subject) == (kind, subject)
        assert told.value.where == f"{kind} `{subject}`"

    def test_store_1_what_is_committed_is_loaded(self) -> None:
        """store-1: A stream is loaded byte for byte as it was last committed; an unknown one is `None`."""
        store = self.make_store()
        assert store.load(id="s-1") is None
        first = evolve(stream(indexes=[("email", "ab"), ("phone", "é")]), state=b"", data_key=bytes(range(256)))
        store.commit(batch=Batch(at=NOW, streams=(first,), expected=(0,)))
        assert store.load(id="s-1") == first
        second = evolve(first, version=2, stage="closed", state=b"\x00" * 100_000, head=b"", indexes=frozenset())
        store.commit(batch=Batch(at=NOW, streams=(second,), expected=(1,)))
        assert store.load(id="s-1") == second
        assert store.load(id="S-1") is None

    def test_store_2_a_stale_version_is_a_conflict(self) -> None:
        """store-2: A stream is written only if it still has the version that the writer saw."""
        store = self.opened()
        for version, expected in ((1, 0), (3, 2), (6, 5)):
            batch = Batch(at=NOW, streams=(stream(version=version),), expected=(expected,))
            self.refused(store, batch, "stream", "s-1")
        self.refused(store, Batch(at=NOW, streams=(stream("s-2", 2),), expected=(1,)), "stream", "s-2")
        assert store.load(id="s-1") == stream()
        assert store.load(id="s-2") is None

    def test_store_3_a_batch_is_all_or_nothing(self) -> None:
        """store-3: When one part of a batch is refused, nothing of it is seen, whichever part it is."""
        store = self.opened(effect(), effect("s-1/1/1"))
        (held, _) = self.lease(store)
        store.commit(batch=Batch(at=NOW, claim=(("open/jo", "s-9"),), inbox=(("m-1", NOW + LEASE),)))
        good = Batch(
            at=NOW,
            streams=(stream(version=2, indexes=[("email", "ab")]), stream("s-2")),
            expected=(1, 0),
            journal=(entry(sequence=2), entry("s-2")),
            outbox=(effect("s-1/2/0"), effect("s-2/1/0", id="s-2")),
            answered=((held.key, held.token),),
            claim=(("open/al", "s-2"),),
            unclaim=(("open/jo", "s-9"),),
            inbox=(("m-2", NOW + LEASE),),
        )
        bad: dict[str, Batch] = {
            "stream": evolve(good, expected=(7, 0)),
            "new stream": evolve(good, streams=(*good.streams, stream()), expected=(*good.expected, 0)),
            "journal": evolve(good, journal=(*good.journal, entry(sequence=1))),
            "effect asked twice": evolve(good, outbox=(*good.outbox, effect("s-1/1/1"))),
            "effect fenced off": evolve(good, answered=(*good.answered, (Key("s-1/1/1"), 99))),
            "effect unknown": evolve(good, answered=(*good.answered, (Key("s-8/1/1"), 1))),
            "claim": evolve(good, claim=(*good.claim, ("open/jo", "s-2"), ("open/jo", "s-3"))),
            "message": evolve(good, inbox=(*good.inbox, ("m-1", NOW + LEASE))),
        }
        before = self.everything(store)
        for part, batch in bad.items():
            with pytest.raises(Conflict):
                store.commit(batch=batch)
            assert self.everything(store) == before, part
        store.commit(batch=good)
        assert self.everything(store) != before

    @final
    def everything(self, store: Store) -> tuple[object, ...]:
        """Give all that can be seen from outside of what the batches of store-3 touch."""
        return (
            [(store.load(id=id), store.journal(stream=id), store.outstanding(stream=id)) for id in ("s-1", "s-2")],
            [store.owner(claim=name) for name in ("open/jo", "open/al")],
            [store.seen(message=message) for message in ("m-1", "m-2")],
            store.find(index="email", value="ab"),
            store.backlog(now=NOW + 2 * LEASE),
            store.next_due(),
            store.parked(),
        )

    @needs(THREADS)
    def test_store_4_one_of_many_writers_wins(self) -> None:
        """store-4: Of callers who write the same version at once, exactly one is let through."""
        store = self.opened()
        won = together(8, lambda _: committed(store, Batch(at=NOW, streams=(stream(version=2),), expected=(1,))))
        assert sorted(won) == [False] * 7 + [True]

    def test_store_5_a_journal_is_in_order(self) -> None:
        """store-5: A journal is given in the order of its sequence, each entry as it was written."""
        store = self.opened()
        for version in range(2, 12):
            batch = Batch(
                at=NOW, streams=(stream(version=version),), expected=(version - 1,), journal=(entry(sequence=version),)
            )
            store.commit(batch=batch)
        assert store.journal(stream="s-1") == tuple(entry(sequence=n) for n in range(1, 12))
        assert store.journal(stream="s-2") == ()

    def test_store_6_a_stream_is_found_by_its_present_indexes(self) -> None:
        """store-6: `find` gives the streams that carry the value now, oldest first."""
        store = self.make_store()
        for id in ("s-9", "s-10", "s-1"):
            store.commit(batch=opening(id=id, indexes=[("email", "ab"), ("phone", id)]))
        assert store.find(index="email", value="ab") == ("s-9", "s-10", "s-1")
        assert store.find(index="phone", value="ab") == store.find(index="email", value="AB") == ()
        moved = stream("s-10", 2, indexes=[("email", "cd"), ("phone", "s-10")])
        store.commit(batch=Batch(at=NOW, streams=(moved,), expected=(1,)))
        assert store.find(index="email", value="ab") == ("s-9", "s-1")
        assert store.find(index="email", value="cd") == store.find(index="phone", value="s-10") == ("s-10",)

    def test_store_7_a_claim_has_one_owner(self) -> None:
        """store-7: A claim is taken once, again only by its owner, given up only by its owner, then free."""
        store = self.make_store()
        claim = (("open/jo", "s-1"),)
        assert store.owner(claim="open/jo") is None
        store.commit(batch=Batch(at=NOW, claim=claim))
        store.commit(batch=Batch(at=NOW, claim=claim))
        self.refused(store, Batch(at=NOW, claim=(("open/jo", "s-2"),)), "claim", "open/jo")
        store.commit(batch=Batch(at=NOW, unclaim=(("open/jo", "s-2"), ("open/al", "s-2"))))
        assert store.owner(claim="open/jo") == "s-1"
        store.commit(batch=Batch(at=NOW, unclaim=claim, claim=(("open/jo", "s-2"),)))
        assert store.owner(claim="open/jo") == "s-2"
        store.commit(batch=Batch(at=NOW, unclaim=(("open/jo", "s-2"),)))
        assert store.owner(claim="open/jo") is None

    @needs(THREADS)
    def test_store_8_one_of_many_claimants_wins(self) -> None:
        """store-8: Of callers who claim the same name at once, exactly one gets it."""
        store = self.make_store()
        won = together(8, lambda n: committed(store, Batch(at=NOW, claim=(("open/jo", f"s-{n}"),))))
        assert sorted(won) == [False] * 7 + [True]
        assert store.owner(claim="open/jo") == f"s-{won.index(True)}"

    def test_store_9_a_message_is_recorded_once(self) -> None:
        """store-9: A message id is taken once as long as it is kept, and afterwards forgotten."""
        store = self.make_store()
        day = timedelta(days=1)
        store.commit(batch=Batch(at=NOW, inbox=(("m-1", NOW + 4 * day), ("m-2", NOW + day))))
        assert store.seen(message="m-1")
        assert not store.seen(message="m-3")
        again = Batch(at=NOW + 3 * day, inbox=(("m-1", NOW + 7 * day),))
        self.refused(store, again, "message", "m-1")
        self.refused(store, Batch(at=NOW, inbox=(("m-4", NOW + day), ("m-4", NOW + day))), "message", "m-4")
        store.commit(batch=Batch(at=NOW + day, inbox=(("m-2", NOW + 5 * day),)))
        store.commit(batch=Batch(at=NOW + 4 * day, inbox=(("m-3", NOW + 5 * day),)))
        assert [store.seen(message=message) for message in ("m-1", "m-2", "m-3")] == [False, True, True]

    def test_store_10_what_is_due_is_leased_oldest_first(self) -> None:
        """store-10: `lease` gives what is due, oldest first, at most so many, each with a token and its attempt."""
        late, early, future = (NOW + timedelta(microseconds=n) for n in (-1, -2, 1))
        store = self.opened(effect("s-1/1/0", due=late), effect("s-1/1/1", due=early), effect("s-1/1/2", due=future))
        assert self.lease(store, limit=0) == ()
        (first,) = self.lease(store, limit=1)
        assert (first.key, first.due, first.payload, first.leased_until) == (
            "s-1/1/1",
            early,
            b"do s-1/1/1",
            NOW + LEASE,
        )
        assert (first.stream, first.kind, first.attempts) == ("s-1", "hold_funds", 1)
        assert [leased.key for leased in self.lease(store)] == ["s-1/1/0"]
        assert self.lease(store) == ()
        assert [leased.key for leased in self.lease(store, after=timedelta(microseconds=1))] == ["s-1/1/2"]

    def test_store_11_a_lease_ends(self) -> None:
        """store-11: A leased effect is nobody else's until the lease ends; then anybody's, under the next token."""
        store = self.opened(effect())
        (first,) = self.lease(store)
        assert self.lease(store, after=LEASE - timedelta(microseconds=1)) == ()
        (second,) = self.lease(store, after=LEASE)
        assert (second.key, second.token, second.attempts, second.due) == (first.key, first.token + 1, 2, first.due)

    def test_store_12_a_committer_may_hold_the_first_lease(self) -> None:
        """store-12: An effect committed with a lease is its committer's, under `FIRST_TOKEN`, until that ends."""
        store = self.opened(effect(leased_until=NOW + LEASE), effect("s-1/1/1", leased_until=NOW + LEASE))
        assert self.lease(store) == ()
        store.commit(batch=answering("s-1/1/0", FIRST_TOKEN))
        (other,) = self.lease(store, after=LEASE)
        assert (other.key, other.token, other.attempts) == ("s-1/1/1", FIRST_TOKEN + 1, 2)

    def test_store_13_a_stale_token_changes_nothing(self) -> None:
        """store-13: Who lost a lease cannot answer (a conflict), postpone or park (without effect)."""
        store = self.opened(effect())
        (stale,) = self.lease(store)
        (current,) = self.lease(store, after=LEASE)
        self.refused(store, answering(stale.key, stale.token), "effect", "s-1/1/0")
        store.postpone(key=stale.key, token=stale.token, due=NOW, note="late")
        store.park(key=stale.key, token=stale.token, reason="late")
        assert store.parked() == ()
        assert self.lease(store, after=LEASE) == ()
        store.commit(batch=answering(current.key, current.token))

    def test_store_14_an_answered_effect_is_over(self) -> None:
        """store-14: An answered effect is never leased, postponed, parked, answered or asked for again."""
        store = self.opened(effect())
        (held,) = self.lease(store)
        store.commit(batch=answering(held.key, held.token))
        store.postpone(key=held.key, token=held.token, due=NOW, note="late")
        store.park(key=held.key, token=held.token, reason="late")
        assert (store.parked(), store.outstanding(stream="s-1")) == ((), ())
        assert self.lease(store, after=2 * LEASE) == ()
        assert store.next_due() is None
        self.refused(store, answering(held.key, held.token), "effect", "s-1/1/0")
        self.refused(store, Batch(at=NOW, outbox=(effect(),)), "effect", "s-1/1/0")

    def test_store_15_a_postponed_effect_comes_back(self) -> None:
        """store-15: A postponed effect is leased again when it is due, not before, and counts its attempts."""
        store = self.opened(effect())
        (held,) = self.lease(store)
        store.postpone(key=held.key, token=held.token, due=NOW + 2 * LEASE, note="the bank is down")
        assert self.lease(store, after=2 * LEASE - timedelta(microseconds=1)) == ()
        (again,) = self.lease(store, after=2 * LEASE)
        assert (again.token, again.attempts, again.due) == (held.token + 1, 2, NOW + 2 * LEASE)

    def test_store_16_a_parked_effect_waits_for_a_person(self) -> None:
        """store-16: A parked effect is listed with its reason and performed only after `unpark`."""
        store = self.opened(effect(), effect("s-1/1/1"))
        for held, reason in zip(self.lease(store), ("refused twice", "nobody knows"), strict=True):
            store.park(key=held.key, token=held.token, reason=reason)
        assert [(each.key, each.stream, each.kind, each.attempts, each.reason) for each in store.parked()] == [
            ("s-1/1/0", "s-1", "hold_funds", 1, "refused twice"),
            ("s-1/1/1", "s-1", "hold_funds", 1, "nobody knows"),
        ]
        assert self.lease(store, after=10 * LEASE) == ()
        later = {"now": NOW + LEASE, "until": NOW + 2 * LEASE}
        assert store.lease(**later, limit=10, stream="s-1") == ()
        self.refused(store, answering("s-1/1/0", FIRST_TOKEN), "effect", "s-1/1/0")
        store.unpark(key=Key("s-1/1/1"), due=NOW + LEASE)
        assert [each.key for each in store.parked()] == ["s-1/1/0"]
        assert self.lease(store) == ()
        (again,) = store.lease(**later, limit=10, stream="s-1")
        assert (again.key, again.payload, again.attempts) == ("s-1/1/1", b"do s-1/1/1", 2)
        assert self.lease(store, after=LEASE) == ()

    def test_store_17_a_parked_effect_is_settled_by_hand(self) -> None:
        """store-17: A discarded effect is over; only what is parked is unparked or discarded."""
        store = self.opened(effect())
        (held,) = self.lease(store)
        settlings = partial(store.discard, key=held.key), partial(store.unpark, key=held.key, due=NOW)
        for settle in settlings:
            with pytest.raises(Conflict) as told:
                settle()
            assert (told.value.kind, told.value.subject) == ("effect", held.key)
        store.park(key=held.key, token=held.token, reason="nobody knows")
        store.discard(key=held.key)
        assert (store.parked(), store.outstanding(stream="s-1")) == ((), ())
        assert self.lease(store, after=10 * LEASE) == ()
        with pytest.raises(Conflict):
            store.unpark(key=held.key, due=NOW)

    def test_store_18_outstanding_effects_are_listed(self) -> None:
        """store-18: `outstanding` gives what a stream still waits for, leased and parked included, in key order."""
        store = self.opened(effect("s-1/1/2"), effect("s-1/1/1", due=NOW + LEASE), effect("s-1/1/0"))
        store.commit(batch=opening(effect("s-2/1/0", id="s-2"), id="s-2"))
        parked, leased = (each for each in self.lease(store) if each.stream == "s-1")
        store.park(key=parked.key, token=parked.token, reason="nobody knows")
        assert store.outstanding(stream="s-1") == (
            effect("s-1/1/0", leased_until=NOW + LEASE),
            effect("s-1/1/1", due=NOW + LEASE),
            effect("s-1/1/2"),
        )
        store.commit(batch=answering(leased.key, leased.token))
        assert [each.key for each in store.outstanding(stream="s-1")] == ["s-1/1/1", "s-1/1/2"]

    def test_store_19_a_lease_may_be_of_one_stream(self) -> None:
        """store-19: Naming a stream leases what is due of that stream only."""
        store = self.opened(effect(), effect("s-1/1/1", due=NOW + LEASE))
        store.commit(batch=opening(effect("s-2/1/0", id="s-2", due=NOW - LEASE), id="s-2"))
        assert store.lease(now=NOW, until=NOW + LEASE, limit=10, stream="s-3") == ()
        (held,) = store.lease(now=NOW, until=NOW + LEASE, limit=10, stream="s-1")
        assert held.key == "s-1/1/0"
        assert store.lease(now=NOW, until=NOW + LEASE, limit=10, stream="s-1") == ()
        assert [each.key for each in self.lease(store)] == ["s-2/1/0"]

    def test_store_20_the_next_work_is_known(self) -> None:
        """store-20: `next_due` is the first instant at which `lease` gives something; `backlog` counts what waits."""
        store = self.make_store()
        assert store.next_due() is None
        assert store.backlog(now=NOW) == evolve(store.backlog(now=NOW), due=0, oldest=None, parked=0)
        store.commit(batch=opening(effect(due=NOW - LEASE), effect("s-1/1/1"), effect("s-1/1/2", due=NOW + 5 * LEASE)))
        assert store.next_due() == NOW - LEASE
        waiting = store.backlog(now=NOW)
        assert (waiting.due, waiting.oldest, waiting.parked) == (2, NOW - LEASE, 0)
        first, second = self.lease(store)
        assert store.next_due() == NOW + LEASE
        store.park(key=first.key, token=first.token, reason="nobody knows")
        waiting = store.backlog(now=NOW)
        assert (waiting.due, waiting.oldest, waiting.parked) == (0, None, 1)
        store.commit(batch=answering(second.key, second.token))
        assert store.next_due() == NOW + 5 * LEASE

    @needs(THREADS)
    def test_store_21_workers_never_share_an_effect(self) -> None:
        """store-21: However many workers lease at once, each effect goes to one of them, and none is left over."""
        keys = [f"s-1/1/{n}" for n in range(60)]
        store = self.opened(*(effect(key) for key in keys))

        def work(_worker: int) -> list[str]:
            mine: list[str] = []
            while taken := self.lease(store, limit=3):
                mine += [each.key for each in taken]
            return mine

        assert sorted(key for mine in together(6, work) for key in mine) == sorted(keys)

    @needs(THREADS)
    def test_store_22_one_of_many_answers_counts(self) -> None:
        """store-22: Of callers who answer the same lease at once, exactly one is let through."""
        store = self.opened(effect())
        (held,) = self.lease(store)
        won = together(8, lambda _: committed(store, answering(held.key, held.token)))
        assert sorted(won) == [False] * 7 + [True]

    def test_store_23_an_instant_is_an_instant(self) -> None:
        """store-23: Instants are kept to the microsecond and given in UTC, whatever zone they came in."""
        paris = timezone(timedelta(hours=2))
        store = self.opened(effect(due=NOW.astimezone(paris)))
        (held,) = store.lease(now=NOW.astimezone(paris), until=(NOW + LEASE).astimezone(paris), limit=1)
        instants = [held.due, held.leased_until, store.next_due(), store.journal(stream="s-1")[0].at]
        assert instants == [NOW, NOW + LEASE, NOW + LEASE, NOW]
        assert [at.utcoffset() for at in instants if at is not None] == [timedelta(0)] * 4

    def test_store_24_odd_input_gives_an_error_of_ours(self) -> None:
        """store-24: Instants without a zone and batches that do not match up are refused, odd text never breaks it."""
        store = self.opened()
        naive = NOW.replace(tzinfo=None)
        odd: tuple[Callable[[], object], ...] = (
            lambda: store.commit(batch=Batch(at=NOW, streams=(stream(version=2),))),
            lambda: store.commit(batch=Batch(at=NOW, outbox=(effect("s-1/1/9", due=naive),))),
            lambda: store.commit(batch=Batch(at=naive, inbox=(("m", NOW),))),
            lambda: store.commit(batch=evolve(opening(id="s-2"), journal=(evolve(entry("s-2"), at=naive),))),
            lambda: store.lease(now=naive, until=NOW, limit=1),
            lambda: store.commit(batch=Batch(at=NOW, journal=(entry("s-404"),))),
            lambda: store.commit(batch=Batch(at=NOW, outbox=(effect("s-404/1/0", id="s-404"),))),
        )
        for call in odd:
            with pytest.raises(QcpError):
                call()
        assert (store.load(id="s-2"), store.outstanding(stream="s-1"), store.seen(message="m")) == (None, (), False)
        for text in ("", "'; DROP TABLE qcp_streams; --", "%s ? :x", "é\u202e💥", "x" * 10_000, "\ud800", "a\x00b"):
            try:
                store.commit(batch=opening(effect(f"{text}/1/0", id=text), id=text, indexes=[(text, text)]))
            except QcpError:
                continue
            kept = store.load(id=text)
            assert kept is not None
            assert (kept.id, store.find(index=text, value=text)) == (text, (text,))

    def test_store_25_a_batch_may_move_several_streams(self) -> None:
        """store-25: One batch moves several streams, or one stream twice, each from the version it had."""
        store = self.opened()
        store.commit(
            batch=Batch(at=NOW, streams=(stream(version=2), stream("s-2"), stream("s-2", 2)), expected=(1, 0, 1))
        )
        assert (store.load(id="s-1"), store.load(id="s-2")) == (stream(version=2), stream("s-2", 2))

    def test_store_26_any_history_is_as_plain_dictionaries_have_it(self) -> None:
        """store-26: After any history, of lost answers, late callers and races too, all that is seen is as promised.

        Beside the store runs a model of plain dictionaries (`naive_store`), written only from the port's text.
        """
        run_any_history(partial(StoreHistory, self), examples=self.examples, steps=LONG)

    def test_store_27_a_data_key_is_not_the_committers_to_change(self) -> None:
        """store-27: A stream's data key is written when it begins; a later commit, late or not, leaves it as it is."""
        store = self.opened()
        known = self.one_key(store)
        assert store.rewrap(keys=(Rewrapping(before=known, data_key=b"anew", wrapped_by="k-2"),)) == 1
        store.commit(batch=Batch(at=NOW, streams=(stream(version=2, indexes=[("email", "ab")]),), expected=(1,)))
        after = stream(version=2, indexes=[("email", "ab")])
        assert store.load(id="s-1") == evolve(after, data_key=b"anew", wrapped_by="k-2")
        store.commit(batch=Batch(at=NOW, streams=(stream(version=3, indexes=[("email", "ab")]),), expected=(2,)))
        kept = store.load(id="s-1")
        assert kept is not None
        assert (kept.data_key, kept.wrapped_by, kept.version) == (b"anew", "k-2", 3)

    @final
    def one_key(self, store: Store) -> WrappedKey:
        """Give the only data key that `k-1` wrapped."""
        (known,) = store.wrapped_keys(wrapped_by="k-1", limit=10)
        return known

    def test_store_28_data_keys_are_listed_by_the_key_that_wrapped_them(self) -> None:
        """store-28: Data keys are given by wrapping key, in the order of streams, at most so many; and counted."""
        store = self.make_store()
        assert dict(store.wrappings()) == {}
        for id in ("s-3", "s-1", "s-2"):
            store.commit(batch=opening(id=id))
        other = evolve(stream("s-4"), wrapped_by="k-2")
        store.commit(batch=Batch(at=NOW, streams=(other,), expected=(0,)))
        listed = store.wrapped_keys(wrapped_by="k-1", limit=2)
        assert [(each.stream, each.data_key, each.wrapped_by) for each in listed] == [
            ("s-1", b"key of s-1", "k-1"),
            ("s-2", b"key of s-2", "k-1"),
        ]
        assert [each.stream for each in store.wrapped_keys(wrapped_by="k-1", limit=9, after="s-2")] == ["s-3"]
        assert store.wrapped_keys(wrapped_by="k-1", limit=0) == store.wrapped_keys(wrapped_by="k-9", limit=9) == ()
        assert dict(store.wrappings()) == {"k-1": 3, "k-2": 1}

    def test_store_29_a_data_key_is_replaced_only_as_it_was_read(self) -> None:
        """store-29: `rewrap` replaces a data key only where it is still the one that was read, and nothing else."""
        store = self.opened(effect())
        before, known = self.everything(store), self.one_key(store)
        anew = Rewrapping(before=known, data_key=b"anew", wrapped_by="k-2")
        missing = evolve(anew, before=evolve(known, stream="s-9"))
        stale = evolve(anew, before=evolve(known, data_key=b"other"))
        assert store.rewrap(keys=(stale, missing)) == store.rewrap(keys=()) == 0
        assert self.everything(store) == before
        assert store.rewrap(keys=(missing, anew, anew)) == 1
        assert store.load(id="s-1") == evolve(stream(), data_key=b"anew", wrapped_by="k-2")
        assert self.everything(store)[1:] == before[1:]
        assert dict(store.wrappings()) == {"k-2": 1}

    def test_store_30_what_is_erased_is_gone_but_for_its_journal(self) -> None:
        """store-30: Erased, a stream has no data key, no state, nothing to be done, no claim and no index; it cannot be
        written by who loaded it before, nor re-wrapped. Its journal stays, and so does every other stream.
        """
        store = self.opened(effect(), effect("s-1/1/1"), effect("s-1/1/2", leased_until=NOW + LEASE))
        store.commit(batch=opening(effect("s-2/1/0", id="s-2"), id="s-2", indexes=[("email", "ab")]))
        moved = stream(version=2, indexes=[("email", "ab")])
        claims = (("open/jo", "s-1"), ("open/al", "s-2"))
        store.commit(batch=Batch(at=NOW, streams=(moved,), expected=(1,), claim=claims))
        known, held = store.wrapped_keys(wrapped_by="k-1", limit=1)[0], self.lease(store, limit=1)[0]
        store.park(key=held.key, token=held.token, reason="nobody knows")
        gone = evolve(stream(version=3, stage="erased"), indexes=frozenset())
        batch = Batch(
            at=NOW,
            streams=(gone,),
            expected=(2,),
            journal=(entry(sequence=2),),
            claim=(("open/jo", "s-9"),),
            erased=("s-1",),
        )
        self.refused(store, evolve(batch, expected=(1,)), "stream", "s-1")
        assert len(store.outstanding(stream="s-1")) == 3
        store.commit(batch=batch)
        assert store.load(id="s-1") == evolve(gone, data_key=b"", state=b"", wrapped_by="")
        assert (store.outstanding(stream="s-1"), store.parked()) == ((), ())
        assert store.find(index="email", value="ab") == ("s-2",)
        assert [store.owner(claim=name) for name in ("open/jo", "open/al")] == ["s-9", "s-2"]
        assert store.journal(stream="s-1") == (entry(), entry(sequence=2))
        assert [each.key for each in self.lease(store, after=10 * LEASE)] == ["s-2/1/0"]
        assert store.rewrap(keys=(Rewrapping(before=known, data_key=b"anew", wrapped_by="k-2"),)) == 0
        assert dict(store.wrappings()) == {"k-1": 1}
        self.refused(store, Batch(at=NOW, streams=(stream(version=3),), expected=(2,)), "stream", "s-1")

    @needs(THREADS)
    def test_store_31_one_callers_refusal_costs_no_other(self) -> None:
        """store-31: Of callers who write at once, each is answered for itself: a refusal undoes nothing of others'."""
        store = self.opened(*(effect(f"s-1/1/{n}") for n in range(4)))
        bad = (
            Batch(at=NOW, streams=(stream("s-0"), stream(version=9)), expected=(0, 8)),
            evolve(answering("s-1/1/0", 99), inbox=(("m-0", NOW + LEASE),)),
        )
        for turn in range(5):

            def write(number: int, turn: int = turn) -> bool:
                mine = opening(id=f"s-{turn}-{number}", indexes=[("turn", str(turn))])
                return committed(store, bad[number // 2 % 2] if number % 2 else mine)

            assert together(12, write) == [True, False] * 6
            assert sorted(store.find(index="turn", value=str(turn))) == sorted(f"s-{turn}-{n}" for n in range(0, 12, 2))
        assert (store.load(id="s-0"), store.seen(message="m-0"), store.load(id="s-1")) == (None, False, stream())


def committed(store: Store, batch: Batch) -> bool:
    """Commit, and say whether it was let through."""
    try:
        store.commit(batch=batch)
    except Conflict:
        return False
    return True
