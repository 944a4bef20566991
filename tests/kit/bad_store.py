"""Wrong adapters of the port `store`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.errors import Conflict
from qcp_sdk.testing.conformance.store import StoreConformance

ANY_HISTORY = "test_store_26_any_history_is_as_plain_dictionaries_have_it"


class StoreSuite(StoreConformance):
    Adapter: type[MemoryStore] = MemoryStore

    def make_store(self) -> MemoryStore:
        return self.Adapter()


@pytest.mark.caught_by("test_store_3_a_batch_is_all_or_nothing")
@pytest.mark.caught_by(ANY_HISTORY)
class WritesHalfABatch(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            super().commit(batch=evolve(batch, claim=(), inbox=()))
            super().commit(batch=evolve(batch, streams=(), expected=(), journal=(), outbox=(), answered=()))


@pytest.mark.caught_by("test_store_2_a_stale_version_is_a_conflict")
@pytest.mark.caught_by("test_store_4_one_of_many_writers_wins")
@pytest.mark.caught_by(ANY_HISTORY)
class LastWriterWins(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            with self._lock:
                known = [self.load(id=stream.id) for stream in batch.streams]
                super().commit(batch=evolve(batch, expected=tuple(each.version if each else 0 for each in known)))


@pytest.mark.caught_by("test_store_13_a_stale_token_changes_nothing")
@pytest.mark.caught_by(ANY_HISTORY)
class AcceptsStaleTokens(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            current = tuple(
                (key, self._waiting[key].token if key in self._waiting else token) for key, token in batch.answered
            )
            super().commit(batch=evolve(batch, answered=current))


@pytest.mark.caught_by("test_store_7_a_claim_has_one_owner")
@pytest.mark.caught_by("test_store_8_one_of_many_claimants_wins")
@pytest.mark.caught_by(ANY_HISTORY)
class LetsClaimsBeStolen(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            with self._lock:
                owned = tuple((name, self.owner(claim=name)) for name, _ in batch.claim)
                given_up = tuple((name, owner) for name, owner in owned if owner is not None)
                super().commit(batch=evolve(batch, unclaim=(*batch.unclaim, *given_up)))


@pytest.mark.caught_by("test_store_7_a_claim_has_one_owner")
@pytest.mark.caught_by(ANY_HISTORY)
class LetsAnybodyGiveUpAClaim(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            owned = tuple((name, self.owner(claim=name) or "") for name, _ in batch.unclaim)
            super().commit(batch=evolve(batch, unclaim=owned))


@pytest.mark.caught_by("test_store_21_workers_never_share_an_effect")
class LeasesTwice(StoreSuite):
    """It looks, and then takes: two workers may look before either takes."""

    class Adapter(MemoryStore):
        def lease(self, *, now, until, limit, stream=None):
            taken = super().lease(now=now, until=until, limit=limit, stream=stream)
            with self._lock:
                for each in taken[:1]:
                    effect = self._waiting[each.key]
                    if effect.attempts == 1:
                        effect.ready = now
                        self._line_up(effect)
            return taken


@pytest.mark.caught_by("test_store_11_a_lease_ends")
@pytest.mark.caught_by("test_store_12_a_committer_may_hold_the_first_lease")
@pytest.mark.caught_by(ANY_HISTORY)
class NeverEndsALease(StoreSuite):
    class Adapter(MemoryStore):
        def lease(self, *, now, until, limit, stream=None):
            with self._lock:
                leased = {key: each for key, each in self._waiting.items() if each.leased_until}
                for key in leased:
                    del self._waiting[key]
                taken = super().lease(now=now, until=until, limit=limit, stream=stream)
                self._waiting |= leased
                return taken


@pytest.mark.caught_by("test_store_11_a_lease_ends")
@pytest.mark.caught_by("test_store_13_a_stale_token_changes_nothing")
@pytest.mark.caught_by(ANY_HISTORY)
class GivesTheSameToken(StoreSuite):
    class Adapter(MemoryStore):
        def lease(self, **asked):
            taken = super().lease(**asked)
            for each in taken:
                self._waiting[each.key].token = 1
            return tuple(evolve(each, token=1) for each in taken)


@pytest.mark.caught_by("test_store_5_a_journal_is_in_order")
@pytest.mark.caught_by(ANY_HISTORY)
class LosesAnEntry(StoreSuite):
    class Adapter(MemoryStore):
        def journal(self, *, stream):
            return tuple(entry for entry in super().journal(stream=stream) if entry.sequence != 3)


@pytest.mark.caught_by("test_store_9_a_message_is_recorded_once")
@pytest.mark.caught_by(ANY_HISTORY)
class ForgetsMessages(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            self._inbox.clear()
            super().commit(batch=batch)


@pytest.mark.caught_by("test_store_10_what_is_due_is_leased_oldest_first")
@pytest.mark.caught_by(ANY_HISTORY)
class LosesTheOutbox(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            super().commit(batch=evolve(batch, outbox=batch.outbox[:1]))


@pytest.mark.caught_by("test_store_15_a_postponed_effect_comes_back")
@pytest.mark.caught_by(ANY_HISTORY)
class ForgetsWhatIsPostponed(StoreSuite):
    class Adapter(MemoryStore):
        def postpone(self, *, key, token, due, note):
            super().park(key=key, token=token, reason=note)
            self._parked.pop(key, None)


@pytest.mark.caught_by("test_store_16_a_parked_effect_waits_for_a_person")
@pytest.mark.caught_by(ANY_HISTORY)
class PerformsWhatIsParked(StoreSuite):
    class Adapter(MemoryStore):
        def lease(self, *, now, **asked):
            for parked in self.parked():
                self.unpark(key=parked.key, due=now)
            return super().lease(now=now, **asked)


@pytest.mark.caught_by("test_store_6_a_stream_is_found_by_its_present_indexes")
@pytest.mark.caught_by(ANY_HISTORY)
class FindsByOldIndexes(StoreSuite):
    class Adapter(MemoryStore):
        def _write(self, stream):
            known = self.load(id=stream.id)
            super()._write(stream)
            for pair in (known.indexes if known else frozenset()) - stream.indexes:
                self._indexes[pair][stream.id] = self._streams[stream.id].ordinal


@pytest.mark.caught_by("test_store_6_a_stream_is_found_by_its_present_indexes")
@pytest.mark.caught_by(ANY_HISTORY)
class FindsByName(StoreSuite):
    class Adapter(MemoryStore):
        def find(self, **asked):
            return tuple(sorted(super().find(**asked)))


@pytest.mark.caught_by("test_store_20_the_next_work_is_known")
@pytest.mark.caught_by(ANY_HISTORY)
class CountsWhatIsLeased(StoreSuite):
    class Adapter(MemoryStore):
        def backlog(self, *, now):
            due = [each.due for each in self._waiting.values() if each.due <= now]
            return evolve(super().backlog(now=now), due=len(due), oldest=min(due, default=None))


@pytest.mark.caught_by("test_store_23_an_instant_is_an_instant")
class KeepsSeconds(StoreSuite):
    class Adapter(MemoryStore):
        def next_due(self):
            due = super().next_due()
            return due and due.replace(microsecond=0)


@pytest.mark.caught_by("test_store_14_an_answered_effect_is_over")
@pytest.mark.caught_by(ANY_HISTORY)
class TakesAnAnsweredEffectAgain(StoreSuite):
    class Adapter(MemoryStore):
        def _finish(self, effect):
            super()._finish(effect)
            self._done.clear()


@pytest.mark.caught_by("test_store_7_a_claim_has_one_owner")
@pytest.mark.caught_by("test_store_2_a_stale_version_is_a_conflict")
class NamesNoConflict(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            try:
                super().commit(batch=batch)
            except Conflict:
                raise Conflict("try again", kind="batch", subject="") from None


@pytest.mark.caught_by("test_store_24_odd_input_gives_an_error_of_ours")
class LeaksWhatItsLibraryRaises(StoreSuite):
    class Adapter(MemoryStore):
        def commit(self, *, batch):
            for entry in batch.journal:
                if entry.at.tzinfo is None:
                    raise ValueError("a naive instant")
            super().commit(batch=batch)


@pytest.mark.caught_by("test_store_1_what_is_committed_is_loaded")
class MixesUpTwoStreams(StoreSuite):
    """As a database does whose text compares without case."""

    class Adapter(MemoryStore):
        def load(self, *, id):
            return super().load(id=id.lower())


@pytest.mark.caught_by("test_store_27_a_data_key_is_not_the_committers_to_change")
class BringsAnOldWrappingBack(StoreSuite):
    """The old key is dropped when nothing is left under it, and then this stream opens no more."""

    class Adapter(MemoryStore):
        def _write(self, stream):
            super()._write(stream)
            self._streams[stream.id].stream = stream


@pytest.mark.caught_by("test_store_28_data_keys_are_listed_by_the_key_that_wrapped_them")
class ListsWithoutABound(StoreSuite):
    class Adapter(MemoryStore):
        def wrapped_keys(self, *, wrapped_by, limit, after=""):
            return super().wrapped_keys(wrapped_by=wrapped_by, limit=1_000, after=after)


@pytest.mark.caught_by("test_store_29_a_data_key_is_replaced_only_as_it_was_read")
class ReplacesWhatItDidNotRead(StoreSuite):
    class Adapter(MemoryStore):
        def rewrap(self, *, keys):
            known: dict[str, Any] = {one.before.stream: self.load(id=one.before.stream) for one in keys}
            return super().rewrap(
                keys=tuple(
                    evolve(one, before=evolve(one.before, data_key=known[one.before.stream].data_key))
                    for one in keys
                    if known[one.before.stream]
                )
            )


@pytest.mark.caught_by("test_store_30_what_is_erased_is_gone_but_for_its_journal")
class ErasesTheJournalToo(StoreSuite):
    class Adapter(MemoryStore):
        def _erase(self, id):
            super()._erase(id)
            self._streams[id].journal.clear()


@pytest.mark.caught_by("test_store_30_what_is_erased_is_gone_but_for_its_journal")
class GoesOnPerformingWhatIsErased(StoreSuite):
    class Adapter(MemoryStore):
        def _erase(self, id):
            kept = self._streams[id]
            kept.stream = evolve(kept.stream, data_key=b"", wrapped_by="", state=b"")


@pytest.mark.caught_by(ANY_HISTORY)
class NamesTheWrapperOnceOnly(StoreSuite):
    """A data key that was wrapped anew before keeps the name that it had then."""

    class Adapter(MemoryStore):
        def rewrap(self, *, keys):
            known = {one.before.stream: self.load(id=one.before.stream) for one in keys}
            named = {id: stream.wrapped_by for id, stream in known.items() if stream and b" of " in stream.data_key}
            return super().rewrap(
                keys=tuple(evolve(one, wrapped_by=named.get(one.before.stream, one.wrapped_by)) for one in keys)
            )


@pytest.mark.caught_by(ANY_HISTORY)
class KeepsTheClaimsOfWhatIsErasedTwice(StoreSuite):
    class Adapter(MemoryStore):
        def _examine_claims(self, batch):
            erased = tuple(id for id in batch.erased if id in self._streams and self._streams[id].stream.data_key)
            return super()._examine_claims(evolve(batch, erased=erased))


@pytest.mark.caught_by("test_store_31_one_callers_refusal_costs_no_other")
class RefusesTheNextAsWell(StoreSuite):
    """It writes callers' batches together, and a refused one takes another with it."""

    class Adapter(MemoryStore):
        _spoilt = False

        def commit(self, *, batch):
            with self._lock:
                spoilt, self._spoilt = self._spoilt, False
                if spoilt:
                    raise Conflict("somebody's batch of the group was refused", kind="stream", subject="s-1")
                try:
                    super().commit(batch=batch)
                except Conflict:
                    self._spoilt = True
                    raise
