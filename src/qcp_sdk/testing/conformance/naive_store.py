"""A store of plain dictionaries, written only from what ports/store.py says: what every store's histories are held to.

It is slow and small on purpose: no heap, no index, no lock, nothing taken from a real store. Where ports/store.py
leaves something open (which of two conflicts is named, which of two effects of one instant comes first), so does
the comparison in `store_history`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime

from attrs import define, evolve

from qcp_sdk.errors import Conflict
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
from qcp_sdk.values import Key


@define
class Waiting:
    """An effect that is not done."""

    row: OutboxRow
    due: datetime
    leased_until: datetime | None
    token: int
    attempts: int
    parked: str | None = None
    """Why it waits for a person."""

    @property
    def free(self) -> datetime:
        """When it may be leased: once it is due, or once its lease has ended."""
        return self.due if self.leased_until is None else self.leased_until


class NaiveStore:
    """Keeps streams in dictionaries, for one thread. Dictionaries keep the order in which things came."""

    def __init__(self) -> None:
        self.streams: dict[str, StoredStream] = {}
        self.entries: dict[tuple[str, int], JournalRow] = {}
        self.effects: dict[Key, Waiting] = {}
        self.done: set[Key] = set()
        self.claims: dict[str, str] = {}
        self.inbox: dict[str, datetime] = {}

    def load(self, *, id: str) -> StoredStream | None:
        """Give the stream as last committed."""
        return self.streams.get(id)

    def commit(self, *, batch: Batch) -> None:
        """Write it all, or nothing.

        Raises:
            Conflict: The first of `conflicts`.
        """
        for kind, subject in self.conflicts(batch):
            raise Conflict("the model says so", kind=kind, subject=subject)

    def conflicts(self, batch: Batch) -> list[tuple[str, str]]:
        """Write it all and give nothing; or write nothing and give everything that stands against it."""
        before = deepcopy(vars(self))
        against = [
            *self._answer(batch), *self._move(batch), *self._record(batch), *self._ask(batch), *self._erase(batch),
            *self._claim(batch),
            *self._receive(batch),
        ]  # fmt: skip
        if against:
            vars(self).update(before)
        return against

    def _answer(self, batch: Batch) -> list[tuple[str, str]]:
        against: list[tuple[str, str]] = []
        for key, token in batch.answered:
            effect = self.effects.get(key)
            if effect is None or effect.parked is not None or effect.token != token:
                against.append(("effect", key))
            else:
                self._finish(key)
        return against

    def _move(self, batch: Batch) -> list[tuple[str, str]]:
        against: list[tuple[str, str]] = []
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            known = self.streams.get(stream.id)
            if (known.version if known else 0) != expected:
                against.append(("stream", stream.id))
            if known is not None:  # its data key is not the committer's to change
                stream = evolve(stream, data_key=known.data_key, wrapped_by=known.wrapped_by)
            self.streams[stream.id] = stream
        return against

    def _record(self, batch: Batch) -> list[tuple[str, str]]:
        against: list[tuple[str, str]] = []
        for entry in batch.journal:
            place = (entry.stream, entry.sequence)
            if entry.stream not in self.streams or place in self.entries:
                against.append(("stream", entry.stream))
            self.entries[place] = entry
        return against

    def _ask(self, batch: Batch) -> list[tuple[str, str]]:
        against: list[tuple[str, str]] = []
        for row in batch.outbox:
            if row.stream not in self.streams or row.key in self.effects or row.key in self.done:
                against.append(("effect", row.key))
            first = FIRST_TOKEN if row.leased_until else 0
            self.effects[row.key] = Waiting(row, row.due, row.leased_until, token=first, attempts=first)
        return against

    def _erase(self, batch: Batch) -> list[tuple[str, str]]:
        for id in batch.erased:
            self.streams[id] = evolve(self.streams[id], data_key=b"", wrapped_by="", state=b"")
            for key in [key for key, effect in self.effects.items() if effect.row.stream == id]:
                self._finish(key)
            self.claims = {name: owner for name, owner in self.claims.items() if owner != id}
        return []

    def _claim(self, batch: Batch) -> list[tuple[str, str]]:
        for name, owner in batch.unclaim:
            if self.claims.get(name) == owner:
                del self.claims[name]
        return [("claim", name) for name, owner in batch.claim if self.claims.setdefault(name, owner) != owner]

    def _receive(self, batch: Batch) -> list[tuple[str, str]]:
        against: list[tuple[str, str]] = []
        if batch.inbox:
            self.inbox = {message: until for message, until in self.inbox.items() if until > batch.at}
        new: dict[str, datetime] = {}
        for message, until in batch.inbox:
            if message in self.inbox or message in new:
                against.append(("message", message))
            new[message] = until
        self.inbox |= new
        return against

    def _finish(self, key: Key) -> None:
        del self.effects[key]
        self.done.add(key)

    def free(self, *, now: datetime, stream: str | None = None) -> list[Waiting]:
        """Give what may be leased now, in the order in which it became so."""
        return sorted(
            (
                effect
                for effect in self.effects.values()
                if effect.parked is None and effect.free <= now and stream in (None, effect.row.stream)
            ),
            key=lambda effect: effect.free,
        )

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        """Take up to `limit` effects that are due and not leased: those free the longest, in order of due times."""
        taken = self.free(now=now, stream=stream)[:limit]
        return tuple(self.take(effect.row.key, until) for effect in sorted(taken, key=lambda effect: effect.due))

    def take(self, key: Key, until: datetime) -> LeasedEffect:
        """Lease this effect, whatever it is."""
        effect = self.effects[key]
        effect.token, effect.attempts, effect.leased_until = effect.token + 1, effect.attempts + 1, until
        row = effect.row
        return LeasedEffect(
            key=key,
            stream=row.stream,
            kind=row.kind,
            due=effect.due,
            payload=row.payload,
            token=effect.token,
            attempts=effect.attempts,
            leased_until=until,
        )

    def postpone(self, *, key: Key, token: int, due: datetime, note: str) -> None:  # noqa: ARG002  # for people
        """Give a leased effect back, to be tried again then. A token that is no longer current changes nothing."""
        if effect := self._held(key, token):
            effect.due, effect.leased_until = due, None

    def park(self, *, key: Key, token: int, reason: str) -> None:
        """Set a leased effect aside for a person. A token that is no longer current changes nothing."""
        if effect := self._held(key, token):
            effect.parked, effect.leased_until = reason, None

    def _held(self, key: Key, token: int) -> Waiting | None:
        effect = self.effects.get(key)
        return effect if effect and effect.parked is None and effect.token == token else None

    def parked(self) -> tuple[ParkedEffect, ...]:
        """Give what waits for a person, in the order in which it was asked for."""
        return tuple(
            ParkedEffect(
                key=key, stream=effect.row.stream, kind=effect.row.kind, attempts=effect.attempts, reason=effect.parked
            )
            for key, effect in self.effects.items()
            if effect.parked is not None
        )

    def unpark(self, *, key: Key, due: datetime) -> None:
        """Put a parked effect back in line.

        Raises:
            Conflict: It is not parked.
        """
        effect = self._parked(key)
        effect.parked, effect.due = None, due

    def discard(self, *, key: Key) -> None:
        """Mark a parked effect as settled by hand.

        Raises:
            Conflict: It is not parked.
        """
        self._parked(key)
        self._finish(key)

    def _parked(self, key: Key) -> Waiting:
        effect = self.effects.get(key)
        if effect is None or effect.parked is None:
            raise Conflict("the model says so", kind="effect", subject=key)
        return effect

    def outstanding(self, *, stream: str) -> tuple[OutboxRow, ...]:
        """Give the effects of a stream that are not done, parked ones included, in key order."""
        return tuple(
            OutboxRow(
                key=key,
                stream=stream,
                kind=effect.row.kind,
                due=effect.due,
                payload=effect.row.payload,
                leased_until=effect.leased_until,
            )
            for key, effect in sorted(self.effects.items())
            if effect.row.stream == stream
        )

    def journal(self, *, stream: str) -> tuple[JournalRow, ...]:
        """Give a stream's journal in order."""
        return tuple(entry for (id, _), entry in sorted(self.entries.items()) if id == stream)

    def find(self, *, index: str, value: str) -> tuple[str, ...]:
        """Give the ids of the streams that carry this index value, oldest first."""
        return tuple(id for id, stream in self.streams.items() if (index, value) in stream.indexes)

    def wrapped_keys(self, *, wrapped_by: str, limit: int, after: str = "") -> tuple[WrappedKey, ...]:
        """Give up to `limit` data keys that this key wrapped, of streams whose id comes after this one, in order."""
        found = [
            WrappedKey(stream=id, data_key=stream.data_key, wrapped_by=wrapped_by)
            for id, stream in sorted(self.streams.items())
            if stream.data_key and stream.wrapped_by == wrapped_by and id > after
        ]
        return tuple(found[: max(limit, 0)])

    def rewrap(self, *, keys: tuple[Rewrapping, ...]) -> int:
        """Put data keys in the place of those that were read, where they still are; say how many."""
        done = 0
        for one in keys:
            known = self.streams.get(one.before.stream)
            if known is not None and known.data_key and known.data_key == one.before.data_key:
                self.streams[known.id] = evolve(known, data_key=one.data_key, wrapped_by=one.wrapped_by)
                done += 1
        return done

    def wrappings(self) -> Mapping[str, int]:
        """Count the data keys by the key that wrapped them."""
        return Counter(stream.wrapped_by for stream in self.streams.values() if stream.data_key)

    def owner(self, *, claim: str) -> str | None:
        """Say who owns a claim."""
        return self.claims.get(claim)

    def seen(self, *, message: str) -> bool:
        """Say whether a message id is in the inbox."""
        return message in self.inbox

    def next_due(self) -> datetime | None:
        """Say when `lease` may next give something."""
        return min((effect.free for effect in self.effects.values() if effect.parked is None), default=None)

    def backlog(self, *, now: datetime) -> Backlog:
        """Say what waits."""
        due = [effect.due for effect in self.free(now=now)]
        parked = sum(effect.parked is not None for effect in self.effects.values())
        return Backlog(due=len(due), oldest=min(due, default=None), parked=parked)
