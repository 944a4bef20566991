"""Keeping and destroying what is on record: legal holds, erasure, and the keys that seal it (behaviour § 8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from attrs import frozen

from qcp_sdk import journal
from qcp_sdk.audit import AUDIT, ForgetDocument, ForgetStream, OperatorActed, need_approval
from qcp_sdk.ceremony.stages import CEREMONY_FINAL
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.effects import Effect
from qcp_sdk.engine import Engine
from qcp_sdk.engine.streams import Stream
from qcp_sdk.errors import Conflict, Erased, ErasureRefused, InvalidInput, NotFound, Rejected
from qcp_sdk.host.records import Records
from qcp_sdk.host.retention import Retention
from qcp_sdk.ports.forgetting import forgetting
from qcp_sdk.ports.store import Batch, JournalRow, Rewrapping, StoredStream
from qcp_sdk.subscription.money import MoneyState
from qcp_sdk.subscription.stages import FINAL
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Key

ERASED: Final = "erased"
"""The act, the last entry of an erased journal, and the stage that is left."""
HELD, RELEASED, ROTATED = "legal_hold_placed", "legal_hold_released", "data_keys_rewrapped"
KEEPER: Final = "legal-hold"
"""Who owns the claim that stands for a legal hold. An erasure claims the same name: one of the two is too late."""
MOST_CONFLICTS: Final = 20
OBSTACLES: Final[Mapping[str, tuple[str, str]]] = {
    "legal_hold": ("une conservation légale est en cours", "a legal hold is in force"),
    "before_retention_end": ("la durée de conservation n'est pas écoulée", "the retention has not ended"),
    "not_final": ("ce n'est pas terminé", "it has not ended"),
    "money_unsettled": ("le paiement n'est pas réglé", "the price is neither taken nor given back"),
    "work_outstanding": ("des actions restent à faire", "something is still to be done"),
    "collecte_open": ("d'autres signataires n'ont pas terminé", "other signatories have not ended"),
    "unreadable": ("les données ne peuvent plus être lues", "it can no longer be read"),
}
"""What may stand against an erasure, in French and English."""

UNSETTLED: Final = frozenset(
    {MoneyState.HOLDING, MoneyState.HELD, MoneyState.CAPTURING, MoneyState.RELEASING, MoneyState.PARKED}
)
"""Where somebody may still ask what became of the price."""

Record = Callable[[OperatorActed], None]


@frozen(kw_only=True)
class Rotation:
    """What came of re-wrapping: how many data keys, and how many are left under each key."""

    rewrapped: int
    unreadable: tuple[str, ...]
    """Streams whose data key no key that is held opens. They are left as they are."""
    under: Mapping[str, int]
    """Data keys by the id of the key that wraps them now."""
    current: str


class Custody:
    """Holds, erases and re-wraps, for `Operations`."""

    def __init__(self, engine: Engine, records: Records, retention: Retention, on_record: Record) -> None:
        self._engine, self._store, self._records = engine, engine.ports.store, records
        self._retention, self._on_record = retention, on_record

    # --- legal holds --------------------------------------------------------------------------------------------

    def hold(self, id: str, *, by: str, reason: str) -> None:
        """Place a legal hold."""
        self._there(id)
        self._on_record(OperatorActed(what=HELD, about=id, by=by, reason=reason))
        try:
            self._store.commit(batch=Batch(at=self._engine.ports.clock.now(), claim=((self._claim(id), KEEPER),)))
        except Conflict as conflict:  # it was erased at this very moment
            raise _gone(id) from conflict

    def release(self, id: str, *, by: str, reason: str) -> None:
        """End a legal hold."""
        self._there(id)
        self._on_record(OperatorActed(what=RELEASED, about=id, by=by, reason=reason))
        self._store.commit(batch=Batch(at=self._engine.ports.clock.now(), unclaim=((self._claim(id), KEEPER),)))

    def _claim(self, id: str) -> str:
        return self._engine.streams.blind("claim", f"{KEEPER}/{id}")

    def _there(self, id: str) -> StoredStream:
        stored = self._store.load(id=id)
        if stored is None or stored.kind not in ("subscription", "ceremony"):
            raise NotFound(f"`{id}` is no subscription or ceremony", mend="check the id and the installation")
        if not stored.data_key:
            raise _gone(id)
        return stored

    # --- erasing ------------------------------------------------------------------------------------------------

    def erase(self, id: str, *, by: str, reason: str, despite: Collection[str], approved_by: str) -> None:
        """Destroy the data key."""
        unknown = set(despite) - OBSTACLES.keys()
        if unknown:
            raise InvalidInput(f"`{min(unknown)}` is no obstacle", where="despite", mend=f"use {', '.join(OBSTACLES)}")
        if despite:
            need_approval(by, approved_by)
        recorded = False
        for _ in range(MOST_CONFLICTS):
            try:
                stored = self._there(id)
            except Erased:
                return
            forget = self._examine(stored, despite)
            if not recorded:  # first: an act that nobody recorded must not have happened
                what = f"{ERASED} despite {', '.join(sorted(despite))}" if despite else ERASED
                self._on_record(
                    OperatorActed(what=what, about=id, by=by, reason=reason, approved_by=approved_by.strip())
                )
                recorded = True
            try:
                later = (*self._elsewhere(stored.id), *forget)
                self._store.commit(batch=self._batch(stored, later, forced="legal_hold" in despite))
            except Conflict as conflict:
                if conflict.kind not in ("stream", "claim"):
                    raise
                continue  # it moved, or a hold came, in this very moment: look again
            if later:
                self._engine.put_back(AUDIT, self._engine.ports.clock.now())
            return
        raise Conflict("others kept moving first", where=f"stream `{id}`", mend="try again in a moment")

    def _elsewhere(self, id: str) -> tuple[ForgetStream, ...]:
        """Ask the adapters that remember something beside the store, where there are any."""
        remembering = any(True for _ in forgetting(one for _, one in self._engine.ports.every()))
        return (ForgetStream(stream=id),) if remembering else ()

    def _batch(self, stored: StoredStream, later: tuple[Effect, ...], *, forced: bool) -> Batch:
        now, sequence, claim = self._engine.ports.clock.now(), stored.version + 1, self._claim(stored.id)
        streams = self._engine.streams
        audit = streams.load(AUDIT)  # its effects outlive what is erased
        entry = journal.link(
            stored.head or journal.GENESIS, stream=stored.id, sequence=sequence, at=now, kind=ERASED, payload=b""
        )
        row = JournalRow(stream=stored.id, sequence=sequence, at=now, kind=ERASED, payload=b"", hash=entry)
        erased = StoredStream(
            id=stored.id, kind=stored.kind, version=sequence, stage=ERASED, data_key=b"", state=b"", head=entry
        )
        return Batch(
            at=now,
            streams=(erased,),
            expected=(stored.version,),
            journal=(row,),
            outbox=tuple(
                streams.later(audit, Key(f"{stored.id}/{sequence}/{number}"), one, now)
                for number, one in enumerate(later)
            ),
            unclaim=((claim, KEEPER),) if forced else (),
            claim=((claim, stored.id),),
            erased=(stored.id,),
        )

    def _examine(self, stored: StoredStream, despite: Collection[str]) -> tuple[ForgetDocument, ...]:
        """Refuse what stands against it; give the documents that are about this person alone."""
        found, until = [], None
        forget: tuple[ForgetDocument, ...] = ()
        if self._store.owner(claim=self._claim(stored.id)) == KEEPER:
            found.append("legal_hold")
        try:
            stream = self._engine.streams.opened(stored)
            history = self._records.history(stored.id)
        except (Rejected, InvalidInput):
            found.append("unreadable")
        else:
            until = self._retention.until(history)
            if self._engine.ports.clock.now() < until:
                found.append("before_retention_end")
            found += self._open(stream)
            forget = _documents(stream.state)
        if any(row.kind != "wake" for row in self._store.outstanding(stream=stored.id)):
            found.append("work_outstanding")
        if set(found) - set(despite):
            raise ErasureRefused(found, until=until, where=stored.id)
        return forget

    def _open(self, stream: Stream) -> list[str]:
        state = stream.state
        if isinstance(state, Subscription):
            open_ = [] if state.stage in FINAL else ["not_final"]
            return [*open_, "money_unsettled"] if state.money.state in UNSETTLED else open_
        assert isinstance(state, Ceremony)
        if state.stage not in CEREMONY_FINAL:
            return ["not_final"]
        collecte = state.opened.collecte
        siblings = self._engine.ceremonies(collecte.tenant, collecte.id)
        return ["collecte_open"] if any(one.stage not in CEREMONY_FINAL for one in siblings) else []

    # --- keys ---------------------------------------------------------------------------------------------------

    def wrappings(self) -> Mapping[str, int]:
        """Count data keys by the key that wraps them."""
        return self._store.wrappings()

    def rewrap(self, *, by: str, reason: str, batch: int) -> Rotation:
        """Bring every data key under the current key."""
        keys = self._engine.ports.keys
        current = keys.current
        self._on_record(OperatorActed(what=ROTATED, about=current, by=by, reason=reason))
        done, unreadable = 0, []
        for old in sorted(self._store.wrappings().keys() - {current}):
            after = ""
            while found := self._store.wrapped_keys(wrapped_by=old, limit=batch, after=after):
                after, anew = found[-1].stream, []
                for one in found:
                    try:
                        data_key = keys.rewrap(data_key=one.data_key)
                    except Rejected:
                        unreadable.append(one.stream)
                        continue
                    named = keys.wrapped_by(data_key=data_key)
                    anew.append(Rewrapping(before=one, data_key=data_key, wrapped_by=named))
                done += self._store.rewrap(keys=tuple(anew))
        return Rotation(
            rewrapped=done, unreadable=tuple(unreadable), under=self._store.wrappings(), current=keys.current
        )


def _documents(state: object) -> tuple[ForgetDocument, ...]:
    """A collecte's documents are its signatories' and the host's; a certificate request is one person's."""
    if not isinstance(state, Subscription):
        return ()
    made = dict.fromkeys(one for one in (state.request.shown, state.request.sealed) if one is not None)
    return tuple(ForgetDocument(document=one, route=state.terms.routes.documents) for one in made)


def _gone(id: str) -> Erased:
    return Erased(f"`{id}` was erased", mend="nothing of it can be read; its journal still verifies")
