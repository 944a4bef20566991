"""The store on Django's ORM: in the host's database, and, where the host is in a transaction, inside it.

What a batch writes is kept together or not at all (`transaction.atomic`); inside a transaction of the host's it is kept
when the host commits. Give `Qcp` `after_commit` of this module, so that effects are performed after that. Views that
take codes must not run within a transaction that a refusal rolls back: ours never do (`non_atomic_requests`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.db.models import Count, Min, Q

from qcp_sdk.errors import Conflict, InvalidValue, Rejected, Unavailable, Unconfirmed
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
from qcp_sdk.web.django import signals
from qcp_sdk.web.django.models import DONE, PARKED, WAITING, Claim, Effect, Entry, Mark, Message, Stream

T = TypeVar("T")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(microseconds=1)
GONE: Final = b""
"""In the place of a data key that was destroyed."""


def after_commit(work: Callable[[], None], *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Do this when the host's transaction commits; at once where there is none. For `Qcp(after_commit=…)`."""
    transaction.on_commit(work, using=using)


class DjangoStore:
    """Keeps streams in the tables of this application, in the database `using`."""

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self._using = using

    # --- streams --------------------------------------------------------------------------------------------

    def load(self, *, id: str) -> StoredStream | None:
        """Give the stream as last committed."""
        with self._asked():
            row = Stream.objects.using(self._using).filter(name=id).first()
        if row is None:
            return None
        return StoredStream(
            id=row.name,
            kind=row.kind,
            version=row.version,
            stage=row.stage,
            data_key=bytes(row.data_key),
            state=bytes(row.state),
            head=bytes(row.head),
            indexes=_indexes(row.indexed),
            wrapped_by=row.wrapped_by,
        )

    def commit(self, *, batch: Batch) -> None:
        """Write it all, or nothing.

        Raises:
            Conflict: A stream has moved, a claim is taken, an effect was fenced off, or a message was seen.
            InvalidValue: `streams` and `expected` do not match in number.
        """
        if len(batch.streams) != len(batch.expected):
            raise InvalidValue(
                "every written stream needs the version that it had", where="expected", mend="give one for each stream"
            )
        utc(batch.at, "at")
        self._write(partial(self._written, batch))

    def _written(self, batch: Batch, about: list[tuple[str, str]]) -> None:
        # The first statement writes: SQLite lets nobody become a writer who began as a reader while another wrote.
        for message, until in batch.inbox:
            self._of(Message).filter(kept_until__lte=_ticks(batch.at)).delete()
            about[0] = ("message", message)
            self._of(Message).create(name=message, kept_until=_ticks(until))
        for key, token in batch.answered:
            answered = self._of(Effect).filter(key=key, token=token, state=WAITING)
            if answered.update(state=DONE, note="", payload=b"", leased_until=None) != 1:
                raise Conflict("it is no longer held under this token", kind="effect", subject=key)
        for stream, expected in zip(batch.streams, batch.expected, strict=True):
            about[0] = ("stream", stream.id)
            self._write_stream(stream, expected)
        written = {one.id for one in batch.streams}
        for entry in batch.journal:
            about[0] = ("stream", entry.stream)
            self._there(entry.stream, written)
            self._of(Entry).create(
                stream=entry.stream, sequence=entry.sequence, at=_ticks(entry.at), kind=entry.kind,
                payload=entry.payload, hash=entry.hash,
            )  # fmt: skip
        for effect in batch.outbox:
            about[0] = ("effect", effect.key)
            self._there(effect.stream, written)
            until_ = None if effect.leased_until is None else _ticks(effect.leased_until)
            first = 0 if until_ is None else FIRST_TOKEN
            self._of(Effect).create(
                key=effect.key, stream=effect.stream, kind=effect.kind, due=_ticks(effect.due),
                ready=_ticks(effect.due) if until_ is None else until_, leased_until=until_, token=first,
                attempts=first, payload=effect.payload,
            )  # fmt: skip
        for id in batch.erased:
            self._of(Stream).filter(name=id).update(data_key=GONE, state=b"", wrapped_by="")
            self._of(Effect).filter(stream=id).exclude(state=DONE).update(
                state=DONE, note="", payload=b"", leased_until=None
            )
            self._of(Claim).filter(owner=id).delete()
        for name, owner in batch.unclaim:
            self._of(Claim).filter(name=name, owner=owner).delete()
        for name, owner in batch.claim:
            about[0] = ("claim", name)
            self._of(Claim).bulk_create([Claim(name=name, owner=owner)], ignore_conflicts=True)
            if not self._of(Claim).filter(name=name, owner=owner).exists():
                raise Conflict("somebody else owns it", kind="claim", subject=name)
        for stream in batch.streams:
            facts = tuple(one.kind for one in batch.journal if one.stream == stream.id)
            told = partial(
                signals.committed.send_robust,
                sender=type(self),
                id=stream.id,
                kind=stream.kind,
                stage=stream.stage,
                facts=facts,
            )
            transaction.on_commit(told, using=self._using, robust=True)

    def _write_stream(self, stream: StoredStream, expected: int) -> None:
        indexed = _indexed(stream.indexes)
        before: frozenset[tuple[str, str]] = frozenset()
        if expected == 0:
            self._of(Stream).create(
                name=stream.id, kind=stream.kind, version=stream.version, stage=stream.stage,
                data_key=stream.data_key, state=stream.state, head=stream.head, indexed=indexed,
                wrapped_by=stream.wrapped_by,
            )  # fmt: skip
        else:
            there = self._of(Stream).filter(name=stream.id, version=expected)
            moved = there.update(version=stream.version, stage=stream.stage, state=stream.state, head=stream.head)
            if moved != 1:
                raise Conflict("it is no longer as it was loaded", kind="stream", subject=stream.id)
            had = self._of(Stream).filter(name=stream.id).values_list("indexed", flat=True).get()
            before = _indexes(had)
            if had != indexed:
                self._of(Stream).filter(name=stream.id).update(indexed=indexed)
        for index, value in before - stream.indexes:
            self._of(Mark).filter(index=index, value=value, stream=stream.id).delete()
        for index, value in stream.indexes - before:
            self._of(Mark).create(index=index, value=value, stream=stream.id)

    def _there(self, stream: str, written: set[str]) -> None:
        if stream not in written and not self._of(Stream).filter(name=stream).exists():
            raise Conflict("there is no such stream", kind="stream", subject=stream)

    # --- effects --------------------------------------------------------------------------------------------

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        """Take up to `limit` effects that are due and not leased, oldest first.

        Each is taken by a statement of its own that succeeds only if nobody was faster: no row is locked for long, and
        it is the same on every database.
        """
        at, end = _ticks(now), _ticks(until)
        until = utc(until)
        taken: list[tuple[int, int, LeasedEffect]] = []
        passed: set[int] = set()
        while len(taken) < limit:
            free = Q(state=WAITING, ready__lte=at)
            if stream is not None:
                free &= Q(stream=stream)
            with self._asked():
                rows = list(
                    self._of(Effect)
                    .filter(free)
                    .exclude(ordinal__in=passed)
                    .order_by("ready", "ordinal")[: limit - len(taken)]
                )
            if not rows:
                break
            for row in rows:
                passed.add(row.ordinal)
                if self._write(partial(self._take, row, at, end)):
                    taken.append((row.due, row.ordinal, _leased(row, until)))
        return tuple(one for _, _, one in sorted(taken, key=lambda row: row[:2]))

    def _take(self, row: Effect, at: int, end: int, _about: object) -> bool:
        mine = self._of(Effect).filter(ordinal=row.ordinal, token=row.token, state=WAITING, ready__lte=at)
        return bool(mine.update(token=row.token + 1, attempts=row.attempts + 1, leased_until=end, ready=end))

    def postpone(self, *, key: Key, token: int, due: datetime, note: str) -> None:
        """Give a leased effect back, to be tried again then. A token that is no longer current changes nothing."""
        at = _ticks(due)
        self._changed(Q(key=key, token=token, state=WAITING), due=at, ready=at, leased_until=None, note=note)

    def park(self, *, key: Key, token: int, reason: str) -> None:
        """Set a leased effect aside for a person. A token that is no longer current changes nothing."""
        self._changed(Q(key=key, token=token, state=WAITING), state=PARKED, note=reason, leased_until=None)

    def parked(self) -> tuple[ParkedEffect, ...]:
        """Give what waits for a person, in the order in which it was asked for."""
        with self._asked():
            rows = list(self._of(Effect).filter(state=PARKED).order_by("ordinal"))
        return tuple(
            ParkedEffect(key=Key(one.key), stream=one.stream, kind=one.kind, attempts=one.attempts, reason=one.note)
            for one in rows
        )

    def unpark(self, *, key: Key, due: datetime) -> None:
        """Put a parked effect back in line.

        Raises:
            Conflict: It is not parked.
        """
        at = _ticks(due)
        if not self._changed(Q(key=key, state=PARKED), state=WAITING, due=at, ready=at, note=""):
            raise _not_parked(key)

    def discard(self, *, key: Key) -> None:
        """Mark a parked effect as settled by hand: it is never performed.

        Raises:
            Conflict: It is not parked.
        """
        if not self._changed(Q(key=key, state=PARKED), state=DONE, note="settled by hand", payload=b""):
            raise _not_parked(key)

    def _changed(self, which: Q, **values: object) -> bool:
        return self._write(lambda _about: bool(self._of(Effect).filter(which).update(**values)))

    def outstanding(self, *, stream: str) -> tuple[OutboxRow, ...]:
        """Give the effects of a stream that are not done, parked ones included, in key order."""
        with self._asked():
            rows = list(self._of(Effect).filter(stream=stream).exclude(state=DONE))
        return tuple(
            OutboxRow(
                key=Key(one.key), stream=one.stream, kind=one.kind, due=_instant(one.due), payload=bytes(one.payload),
                leased_until=None if one.leased_until is None else _instant(one.leased_until),
            )
            for one in sorted(rows, key=lambda row: row.key)
        )  # fmt: skip

    def next_due(self) -> datetime | None:
        """Say when `lease` may next give something."""
        with self._asked():
            least: int | None = self._of(Effect).filter(state=WAITING).aggregate(at=Min("ready"))["at"]
        return None if least is None else _instant(least)

    def backlog(self, *, now: datetime) -> Backlog:
        """Say what waits."""
        with self._asked():
            due = (
                self._of(Effect)
                .filter(state=WAITING, ready__lte=_ticks(now))
                .aggregate(count=Count("ordinal"), oldest=Min("due"))
            )
            parked = self._of(Effect).filter(state=PARKED).count()
        oldest = due["oldest"]
        return Backlog(due=due["count"], oldest=None if oldest is None else _instant(oldest), parked=parked)

    # --- looking up -----------------------------------------------------------------------------------------

    def journal(self, *, stream: str) -> tuple[JournalRow, ...]:
        """Give a stream's journal in order."""
        with self._asked():
            rows = list(self._of(Entry).filter(stream=stream).order_by("sequence"))
        return tuple(
            JournalRow(
                stream=one.stream, sequence=one.sequence, at=_instant(one.at), kind=one.kind,
                payload=bytes(one.payload), hash=bytes(one.hash),
            )
            for one in rows
        )  # fmt: skip

    def find(self, *, index: str, value: str) -> tuple[str, ...]:
        """Give the ids of the streams that carry this index value, oldest first."""
        with self._asked():
            ids = self._of(Mark).filter(index=index, value=value).values("stream")
            return tuple(self._of(Stream).filter(name__in=ids).order_by("ordinal").values_list("name", flat=True))

    def owner(self, *, claim: str) -> str | None:
        """Say who owns a claim."""
        with self._asked():
            owner: str | None = self._of(Claim).filter(name=claim).values_list("owner", flat=True).first()
        return owner

    def seen(self, *, message: str) -> bool:
        """Say whether a message id is in the inbox."""
        with self._asked():
            return bool(self._of(Message).filter(name=message).exists())

    # --- data keys ------------------------------------------------------------------------------------------

    def wrapped_keys(self, *, wrapped_by: str, limit: int, after: str = "") -> tuple[WrappedKey, ...]:
        """Give up to `limit` data keys that this key wrapped, of streams whose id comes after this one, in order."""
        if limit < 1:
            return ()
        with self._asked():
            rows = list(
                self._of(Stream)
                .filter(wrapped_by=wrapped_by, name__gt=after)
                .exclude(data_key=GONE)
                .order_by("name")[:limit]
            )
        return tuple(
            WrappedKey(stream=one.name, data_key=bytes(one.data_key), wrapped_by=one.wrapped_by) for one in rows
        )

    def rewrap(self, *, keys: tuple[Rewrapping, ...]) -> int:
        """Put data keys in the place of those that were read, where they still are; say how many."""
        return self._write(lambda _about: sum(self._rewrapped(one) for one in keys))

    def _rewrapped(self, one: Rewrapping) -> int:
        there = self._of(Stream).filter(name=one.before.stream, data_key=one.before.data_key).exclude(data_key=GONE)
        return int(there.update(data_key=one.data_key, wrapped_by=one.wrapped_by))

    def wrappings(self) -> Mapping[str, int]:
        """Count the data keys by the key that wrapped them."""
        with self._asked():
            counted = self._of(Stream).exclude(data_key=GONE).values_list("wrapped_by").annotate(Count("ordinal"))
            return dict(counted.order_by())

    # --- the border -----------------------------------------------------------------------------------------

    def _of(self, model: type[T]) -> Any:
        return model.objects.using(self._using)  # type: ignore[attr-defined]

    def _write(self, act: Callable[[list[tuple[str, str]]], T]) -> T:
        """Do this in a transaction, or a savepoint of the host's. It notes what it is about: a key may be taken."""
        about, done = [("", "")], False
        nested = connections[self._using].in_atomic_block
        try:
            with transaction.atomic(using=self._using):
                answer = act(about)
                done = True
        except IntegrityError as error:
            kind, subject = about[0]
            raise Conflict("somebody else moved first", kind=kind, subject=subject) from error
        except (DataError, OverflowError, ValueError) as error:
            if isinstance(error, InvalidValue):
                raise
            raise Rejected("the database cannot hold this value", reason="unacceptable", where="database") from error
        except (OperationalError, InterfaceError) as error:
            if done and not nested and "locked" not in str(error):
                raise Unconfirmed("nobody knows whether it was kept", where="database", mend="look again") from error
            raise Unavailable("it did nothing", where="database", mend="look at its cause, then try again") from error
        except DatabaseError as error:
            raise Unavailable("it did nothing", where="database", mend="look at its cause, then try again") from error
        return answer

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except (DataError, OverflowError, UnicodeError) as error:
            raise Rejected("the database cannot hold this value", reason="unacceptable", where="database") from error
        except (DatabaseError, InterfaceError) as error:
            raise Unavailable("it did not answer", where="database", mend="look at its cause, then again") from error


def _ticks(moment: datetime) -> int:
    return (utc(moment) - _EPOCH) // _TICK


def _instant(count: int) -> datetime:
    return _EPOCH + timedelta(microseconds=count)


def _indexed(indexes: frozenset[tuple[str, str]]) -> str:
    return json.dumps(sorted(indexes), ensure_ascii=False)


def _indexes(indexed: str) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in json.loads(indexed))


def _leased(row: Effect, until: datetime) -> LeasedEffect:
    return LeasedEffect(
        key=Key(row.key), stream=row.stream, kind=row.kind, due=_instant(row.due), payload=bytes(row.payload),
        token=row.token + 1, attempts=row.attempts + 1, leased_until=until,
    )  # fmt: skip


def _not_parked(key: Key) -> Conflict:
    return Conflict("it is not parked", kind="effect", subject=key)
