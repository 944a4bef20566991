"""The store in memory: for tests, simulations and trying things out. Gone with the process.

It keeps the very promises of the SQL store, sits the same exam, and is fast enough to simulate years: payloads
are kept as they come, and what is due stands in a heap. A batch is examined in full before anything is changed,
which makes it all or nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, ClassVar, Final

from attrs import define, evolve, field

from qcp_sdk.errors import Conflict, InvalidValue
from qcp_sdk.ports.store import (
    FIRST_TOKEN,
    Backlog,
    Batch,
    JournalRow,
    LeasedEffect,
    OutboxRow,
    ParkedEffect,
    Rewrapping,
    StoredStream,
    WrappedKey,
)
from qcp_sdk.values import Key, utc

_SLACK: Final = 1_000
"""How many outdated entries the heap may hold besides one for each effect that waits."""


@define(kw_only=True, eq=False)
class _Effect:
    row: OutboxRow = field(repr=False)
    ordinal: int
    due: datetime
    ready: datetime
    """When it may be leased: its due time, or the end of its lease."""
    leased_until: datetime | None
    token: int
    attempts: int
    parked: bool = False
    note: str = ""


@define(kw_only=True, eq=False)
class _Kept:
    ordinal: int
    stream: StoredStream
    journal: dict[int, JournalRow] = field(factory=dict)
    open: dict[Key, _Effect] = field(factory=dict)
    """Its effects that are not done."""


def _once(places: list[tuple[Any, ...]], kind: str) -> None:
    """Let nothing be written twice by one batch; the first part of a place names it in the error."""
    for number, place in enumerate(places):
        if place in places[:number]:
            raise Conflict("somebody else moved first", kind=kind, subject=place[0])


class MemoryStore:
    """Keeps streams in this process, for any number of threads."""

    simulated: ClassVar[bool] = True

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ordinals = count()
        self._streams: dict[str, _Kept] = {}
        self._indexes: dict[tuple[str, str], dict[str, int]] = {}
        self._waiting: dict[Key, _Effect] = {}
        self._parked: dict[Key, _Effect] = {}
        self._done: set[Key] = set()
        self._ready: list[tuple[datetime, int, Key]] = []
        """A heap; an entry counts only while its effect waits and is ready at that very instant."""
        self._claims: dict[str, str] = {}
        self._inbox: dict[str, datetime] = {}
        self._forgettable: list[tuple[datetime, str]] = []

    def load(self, *, id: str) -> StoredStream | None:
        """Give the stream as last committed."""
        with self._lock:
            kept = self._streams.get(id)
            return kept.stream if kept else None

    def commit(self, *, batch: Batch) -> None:
        """Write it all, or nothing.

        Raises:
            Conflict: A stream has moved, a claim is taken, an effect was fenced off, or a message was seen;
                `kind` and `subject` name it.
            InvalidValue: `streams` and `expected` do not match in number.
        """
        if len(batch.streams) != len(batch.expected):
            raise InvalidValue(
                "every written stream needs the version that it had", where="expected", mend="give one for each stream"
            )
        with self._lock:
            self._examine(batch)
            claims = self._examine_claims(batch) if batch.claim or batch.unclaim or batch.erased else {}
            effects = [self._effect(row) for row in batch.outbox]
            inbox = [(message, utc(until)) for message, until in batch.inbox]
            # From here on nothing can fail.
            if inbox:
                self._receive(inbox, batch.at)
            for key, _ in batch.answered:
                self._finish(self._waiting.pop(key))
            for stream in batch.streams:
                self._write(stream)
            for entry in batch.journal:
                self._streams[entry.stream].journal[entry.sequence] = entry
            for effect in effects:
                key = effect.row.key
                self._waiting[key] = self._streams[effect.row.stream].open[key] = effect
                self._line_up(effect)
            for id in batch.erased:
                self._erase(id)
            for name, owner in claims.items():
                if owner is None:
                    self._claims.pop(name, None)
                else:
                    self._claims[name] = owner

    def _examine(self, batch: Batch) -> None:
        """Find what stands against a batch; nearly every one writes one fact of one stream, and is soon through."""
        if batch.inbox:
            self._examine_inbox(batch)
        streams, waiting = self._streams, self._waiting
        for key, token in batch.answered:
            held = waiting.get(key)
            if held is None or held.token != token:
                raise Conflict("it is no longer held under this token", kind="effect", subject=key)
        if len(batch.answered) > 1:
            _once(list(batch.answered), "effect")
        versions: dict[str, int] = {}
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            id = stream.id
            kept = streams.get(id)
            if versions.get(id, kept.stream.version if kept is not None else 0) != expected:
                raise Conflict("it is no longer as it was loaded", kind="stream", subject=id)
            versions[id] = stream.version
        for entry in batch.journal:
            utc(entry.at)
            kept = streams.get(entry.stream)
            if entry.stream not in versions if kept is None else entry.sequence in kept.journal:
                raise Conflict("somebody else moved first", kind="stream", subject=entry.stream)
        if len(batch.journal) > 1:
            _once([(entry.stream, entry.sequence) for entry in batch.journal], "stream")
        for row in batch.outbox:
            key = row.key
            no_stream = row.stream not in versions and row.stream not in streams
            if no_stream or key in waiting or key in self._done or key in self._parked:
                raise Conflict("somebody else moved first", kind="effect", subject=key)
        if len(batch.outbox) > 1:
            _once([(row.key,) for row in batch.outbox], "effect")

    def _examine_inbox(self, batch: Batch) -> None:
        at = utc(batch.at)
        new: set[str] = set()
        for message, _ in batch.inbox:
            until = self._inbox.get(message)
            if message in new or (until is not None and until > at):
                raise Conflict("it was seen before", kind="message", subject=message)
            new.add(message)

    def _examine_claims(self, batch: Batch) -> dict[str, str | None]:
        """Give the claims that change: to an owner, or to nobody."""
        changed: dict[str, str | None] = {}
        if batch.erased:
            changed = dict.fromkeys(name for name, owner in self._claims.items() if owner in batch.erased)
        for name, owner in batch.unclaim:
            if self._claims.get(name) == owner:
                changed[name] = None
        for name, owner in batch.claim:
            present = changed.get(name) if name in changed else self._claims.get(name)
            if present not in (None, owner):
                raise Conflict("somebody else owns it", kind="claim", subject=name)
            changed[name] = owner
        return changed

    def _effect(self, row: OutboxRow) -> _Effect:
        due = utc(row.due)
        until = None if row.leased_until is None else utc(row.leased_until)
        first = 0 if until is None else FIRST_TOKEN
        return _Effect(
            row=row,
            ordinal=next(self._ordinals),
            due=due,
            ready=due if until is None else until,
            leased_until=until,
            token=first,
            attempts=first,
        )

    def _receive(self, inbox: list[tuple[str, datetime]], at: datetime) -> None:
        while self._forgettable and self._forgettable[0][0] <= at:
            self._inbox.pop(heappop(self._forgettable)[1], None)
        for message, until in inbox:
            self._inbox[message] = until
            heappush(self._forgettable, (until, message))

    def _write(self, stream: StoredStream) -> None:
        kept = self._streams.get(stream.id)
        if kept is None:
            kept = self._streams[stream.id] = _Kept(ordinal=next(self._ordinals), stream=stream)
            had: frozenset[tuple[str, str]] = frozenset()
        else:
            before = kept.stream
            if stream.data_key != before.data_key or stream.wrapped_by != before.wrapped_by:
                stream = evolve(stream, data_key=before.data_key, wrapped_by=before.wrapped_by)
            had, kept.stream = before.indexes, stream
        if had != stream.indexes:
            for pair in had - stream.indexes:
                del self._indexes[pair][stream.id]
            for pair in stream.indexes - had:
                self._indexes.setdefault(pair, {})[stream.id] = kept.ordinal

    def _erase(self, id: str) -> None:
        kept = self._streams[id]
        kept.stream = evolve(kept.stream, data_key=b"", wrapped_by="", state=b"")
        for key, effect in list(kept.open.items()):
            self._waiting.pop(key, None)
            self._parked.pop(key, None)
            self._finish(effect)

    def _finish(self, effect: _Effect) -> None:
        del self._streams[effect.row.stream].open[effect.row.key]
        self._done.add(effect.row.key)

    def _line_up(self, effect: _Effect) -> None:
        heappush(self._ready, (effect.ready, effect.ordinal, effect.row.key))
        if len(self._ready) > 2 * len(self._waiting) + _SLACK:
            self._ready = [(each.ready, each.ordinal, key) for key, each in self._waiting.items()]
            heapify(self._ready)

    def _first(self) -> _Effect | None:
        """Give the effect that is ready first, having dropped the outdated entries before it."""
        while self._ready:
            ready, _, key = self._ready[0]
            effect = self._waiting.get(key)
            if effect is not None and effect.ready == ready:
                return effect
            heappop(self._ready)
        return None

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        """Take up to `limit` effects that are due and not leased, oldest first; of one stream only, if named.

        Each gets the next token and counts one more attempt. A lease that has ended may be taken by anybody.
        """
        now, until = utc(now), utc(until)
        with self._lock:
            taken = self._ready_of(stream, now, limit) if stream is not None else self._ready_now(now, limit)
            for effect in taken:
                effect.token += 1
                effect.attempts += 1
                effect.leased_until = effect.ready = until
                self._line_up(effect)
            return tuple(
                LeasedEffect(
                    key=effect.row.key,
                    stream=effect.row.stream,
                    kind=effect.row.kind,
                    due=effect.due,
                    payload=effect.row.payload,
                    token=effect.token,
                    attempts=effect.attempts,
                    leased_until=until,
                )
                for effect in sorted(taken, key=lambda effect: (effect.due, effect.ordinal))
            )

    def _ready_now(self, now: datetime, limit: int) -> list[_Effect]:
        taken: dict[Key, _Effect] = {}  # the heap may name an effect twice
        while len(taken) < limit and (effect := self._first()) is not None and effect.ready <= now:
            heappop(self._ready)
            taken[effect.row.key] = effect
        return list(taken.values())

    def _ready_of(self, stream: str, now: datetime, limit: int) -> list[_Effect]:
        kept = self._streams.get(stream)
        ready = [each for each in kept.open.values() if not each.parked and each.ready <= now] if kept else []
        return sorted(ready, key=lambda each: (each.ready, each.ordinal))[: max(limit, 0)]

    def postpone(self, *, key: Key, token: int, due: datetime, note: str) -> None:
        """Give a leased effect back, to be tried again then. A token that is no longer current changes nothing."""
        due = utc(due)
        with self._lock:
            effect = self._waiting.get(key)
            if effect is not None and effect.token == token:
                effect.due = effect.ready = due
                effect.leased_until, effect.note = None, note
                self._line_up(effect)

    def park(self, *, key: Key, token: int, reason: str) -> None:
        """Set a leased effect aside for a person. A token that is no longer current changes nothing."""
        with self._lock:
            effect = self._waiting.get(key)
            if effect is not None and effect.token == token:
                effect.parked, effect.leased_until, effect.note = True, None, reason
                self._parked[key] = self._waiting.pop(key)

    def parked(self) -> tuple[ParkedEffect, ...]:
        """Give what waits for a person, oldest first."""
        with self._lock:
            return tuple(
                ParkedEffect(
                    key=effect.row.key,
                    stream=effect.row.stream,
                    kind=effect.row.kind,
                    attempts=effect.attempts,
                    reason=effect.note,
                )
                for effect in sorted(self._parked.values(), key=lambda effect: effect.ordinal)
            )

    def unpark(self, *, key: Key, due: datetime) -> None:
        """Put a parked effect back in line.

        Raises:
            Conflict: It is not parked.
        """
        due = utc(due)
        with self._lock:
            effect = self._settled(key)
            effect.parked, effect.note = False, ""
            effect.due = effect.ready = due
            self._waiting[key] = effect
            self._line_up(effect)

    def discard(self, *, key: Key) -> None:
        """Mark a parked effect as settled by hand: it is never performed.

        Raises:
            Conflict: It is not parked.
        """
        with self._lock:
            self._finish(self._settled(key))

    def _settled(self, key: Key) -> _Effect:
        if key not in self._parked:
            raise Conflict("it is not parked", kind="effect", subject=key)
        return self._parked.pop(key)

    def outstanding(self, *, stream: str) -> tuple[OutboxRow, ...]:
        """Give the effects of a stream that are not done, parked ones included, in key order."""
        with self._lock:
            kept = self._streams.get(stream)
            return tuple(
                OutboxRow(
                    key=key,
                    stream=stream,
                    kind=effect.row.kind,
                    due=effect.due,
                    payload=effect.row.payload,
                    leased_until=effect.leased_until,
                )
                for key, effect in (sorted(kept.open.items()) if kept else ())
            )

    def journal(self, *, stream: str) -> tuple[JournalRow, ...]:
        """Give a stream's journal in order."""
        with self._lock:
            kept = self._streams.get(stream)
            return tuple(kept.journal[sequence] for sequence in sorted(kept.journal)) if kept else ()

    def find(self, *, index: str, value: str) -> tuple[str, ...]:
        """Give the ids of the streams that carry this index value, oldest first."""
        with self._lock:
            found = self._indexes.get((index, value), {})
            return tuple(sorted(found, key=lambda id: found[id]))

    def wrapped_keys(self, *, wrapped_by: str, limit: int, after: str = "") -> tuple[WrappedKey, ...]:
        """Give up to `limit` data keys that this key wrapped, of streams whose id comes after this one, in order."""
        with self._lock:
            ids = sorted(
                id
                for id, kept in self._streams.items()
                if id > after and kept.stream.data_key and kept.stream.wrapped_by == wrapped_by
            )
            return tuple(
                WrappedKey(stream=id, data_key=self._streams[id].stream.data_key, wrapped_by=wrapped_by)
                for id in ids[: max(limit, 0)]
            )

    def rewrap(self, *, keys: tuple[Rewrapping, ...]) -> int:
        """Put data keys in the place of those that were read, where they still are; say how many."""
        done = 0
        with self._lock:
            for one in keys:
                kept = self._streams.get(one.before.stream)
                if kept is not None and kept.stream.data_key and kept.stream.data_key == one.before.data_key:
                    kept.stream = evolve(kept.stream, data_key=one.data_key, wrapped_by=one.wrapped_by)
                    done += 1
        return done

    def wrappings(self) -> Mapping[str, int]:
        """Count the data keys by the key that wrapped them."""
        with self._lock:
            return Counter(kept.stream.wrapped_by for kept in self._streams.values() if kept.stream.data_key)

    def owner(self, *, claim: str) -> str | None:
        """Say who owns a claim."""
        with self._lock:
            return self._claims.get(claim)

    def seen(self, *, message: str) -> bool:
        """Say whether a message id is in the inbox."""
        with self._lock:
            return message in self._inbox

    def next_due(self) -> datetime | None:
        """Say when `lease` may next give something: the earliest due time, or end of a lease, of what is not parked."""
        with self._lock:
            first = self._first()
            return first.ready if first else None

    def backlog(self, *, now: datetime) -> Backlog:
        """Say what waits."""
        now = utc(now)
        with self._lock:
            due = [effect.due for effect in self._waiting.values() if effect.ready <= now]
            return Backlog(due=len(due), oldest=min(due, default=None), parked=len(self._parked))
