"""Where streams, their journals, and what is still to be done are kept. Payloads are opaque bytes.

A stream is one subscription, ceremony or record of attempts. `commit` is all or nothing: state, journal,
outbox, claims, inbox and the mark on the effect that a fact answers (behaviour § 7.1).

What is made anew for every fact has no slots: a frozen class is then built a quarter faster (docs/decisions/0010).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol

from attrs import field, frozen

from qcp_sdk.values import Key


@frozen(kw_only=True, slots=False)
class StoredStream:
    """A stream as it is kept. `version` counts its facts; `head` is the hash of its last journal entry.

    Its data key is written when it begins. From then on only `rewrap` changes it, and `Batch.erased` destroys it: who
    commits what was loaded before must not bring an older wrapping back. An erased stream has none, and no state.
    """

    id: str
    kind: str
    version: int
    stage: str
    data_key: bytes = field(repr=False)
    state: bytes = field(repr=False)
    head: bytes = b""
    indexes: frozenset[tuple[str, str]] = frozenset()
    """(name, keyed hash) pairs under which it is found."""
    wrapped_by: str = ""
    """The id of the key that wrapped its data key; empty where nobody said. Kept like the data key."""


@frozen(kw_only=True, slots=False)
class WrappedKey:
    """A stream's data key, as it is wrapped now."""

    stream: str
    data_key: bytes = field(repr=False)
    wrapped_by: str


@frozen(kw_only=True, slots=False)
class Rewrapping:
    """A data key that was wrapped anew: what was read, and what takes its place."""

    before: WrappedKey
    data_key: bytes = field(repr=False)
    wrapped_by: str


@frozen(kw_only=True, slots=False)
class JournalRow:
    """One recorded fact. Public: stream, sequence, at, kind; sealed: payload; `hash` chains it to the one before."""

    stream: str
    sequence: int
    at: datetime
    kind: str
    payload: bytes = field(repr=False)
    hash: bytes


@frozen(kw_only=True, slots=False)
class OutboxRow:
    """One effect still to be done.

    `leased_until` is the first lease, when its committer performs it right away: its token is then `FIRST_TOKEN`
    and that is its first attempt.
    """

    key: Key
    stream: str
    kind: str
    due: datetime
    payload: bytes = field(repr=False)
    leased_until: datetime | None = None


FIRST_TOKEN: Final = 1
"""The token of a lease that was taken with the commit itself; each lease after it has the next number."""


@frozen(kw_only=True, slots=False)
class LeasedEffect:
    """An effect that the caller alone may perform until `leased_until`; `token` fences off whoever held it before."""

    key: Key
    stream: str
    kind: str
    due: datetime
    payload: bytes = field(repr=False)
    token: int
    attempts: int
    leased_until: datetime


@frozen(kw_only=True)
class ParkedEffect:
    """An effect that waits for a person."""

    key: Key
    stream: str
    kind: str
    attempts: int
    reason: str


@frozen(kw_only=True, slots=False)
class Batch:
    """Everything that one fact changes.

    `expected` gives the version that each written stream must still have (0: it must not exist yet).
    `answered` marks effects done: (key, token); a token that is no longer current is a Conflict.
    """

    at: datetime
    streams: tuple[StoredStream, ...] = ()
    expected: tuple[int, ...] = ()
    journal: tuple[JournalRow, ...] = ()
    outbox: tuple[OutboxRow, ...] = ()
    answered: tuple[tuple[Key, int], ...] = ()
    claim: tuple[tuple[str, str], ...] = ()
    """(name, owner): taken, or a Conflict that names the claim when somebody else owns it."""
    unclaim: tuple[tuple[str, str], ...] = ()
    """(name, owner): given up by its owner, before anything is claimed; another's claim stays."""
    inbox: tuple[tuple[str, datetime], ...] = ()
    """(message id, kept until): recorded once; a Conflict of kind `message` when it was before.

    What is kept no longer than the batch's `at` is forgotten when the next message is recorded.
    """
    erased: tuple[str, ...] = ()
    """Streams of this batch whose data key and state are destroyed, whatever the batch holds of them. Their effects are
    over, performed or not, and what they own is free before anything is claimed. Their journals stay.
    """


@frozen(kw_only=True)
class Backlog:
    """What waits: how much is due and leased by nobody, since when, and how much is parked."""

    due: int
    oldest: datetime | None
    parked: int


class Store(Protocol):
    """Keeps streams. Safe for many callers and processes; raises `Conflict` and `Unavailable` besides.

    What was committed must outlive the caller's own failure: a wrong code is counted, and then refused with an
    exception. A store inside a host's transaction that rolls back on that exception would forget the count.
    """

    def load(self, *, id: str) -> StoredStream | None:
        """Give the stream as last committed."""

    def commit(self, *, batch: Batch) -> None:
        """Write it all, or nothing.

        Raises:
            Conflict: A stream has moved, a claim is taken, an effect was fenced off, or a message was seen;
                `kind` and `subject` name it.
        """

    def lease(
        self, *, now: datetime, until: datetime, limit: int, stream: str | None = None
    ) -> tuple[LeasedEffect, ...]:
        """Take up to `limit` effects that are due and not leased, oldest first; of one stream only, if named.

        Where there are more, those are taken that have been free the longest: since they were due, or since their
        last lease ended. What is taken is given in the order of its due times. Each gets the next token and counts
        one more attempt. A lease that has ended may be taken by anybody.
        """

    def postpone(self, *, key: Key, token: int, due: datetime, note: str) -> None:
        """Give a leased effect back, to be tried again then. A token that is no longer current changes nothing."""

    def park(self, *, key: Key, token: int, reason: str) -> None:
        """Set a leased effect aside for a person. A token that is no longer current changes nothing."""

    def parked(self) -> tuple[ParkedEffect, ...]:
        """Give what waits for a person, in the order in which it was asked for."""

    def unpark(self, *, key: Key, due: datetime) -> None:
        """Put a parked effect back in line.

        Raises:
            Conflict: It is not parked.
        """

    def discard(self, *, key: Key) -> None:
        """Mark a parked effect as settled by hand: it is never performed.

        Raises:
            Conflict: It is not parked.
        """

    def outstanding(self, *, stream: str) -> tuple[OutboxRow, ...]:
        """Give the effects of a stream that are not done, parked ones included, in key order."""

    def journal(self, *, stream: str) -> tuple[JournalRow, ...]:
        """Give a stream's journal in order."""

    def find(self, *, index: str, value: str) -> tuple[str, ...]:
        """Give the ids of the streams that carry this index value, oldest first."""

    def wrapped_keys(self, *, wrapped_by: str, limit: int, after: str = "") -> tuple[WrappedKey, ...]:
        """Give up to `limit` data keys that this key wrapped, in the order of their streams' ids; of streams whose id
        comes after this one. Erased streams have none.
        """

    def rewrap(self, *, keys: tuple[Rewrapping, ...]) -> int:
        """Put data keys in the place of those that were read; say how many. One that is no longer as it was read is
        left alone. Nothing else of a stream changes, its version neither.
        """

    def wrappings(self) -> Mapping[str, int]:
        """Count the data keys by the key that wrapped them."""

    def owner(self, *, claim: str) -> str | None:
        """Say who owns a claim."""

    def seen(self, *, message: str) -> bool:
        """Say whether a message id is in the inbox."""

    def next_due(self) -> datetime | None:
        """Say when `lease` may next give something: the earliest due time, or end of a lease, of what is not parked."""

    def backlog(self, *, now: datetime) -> Backlog:
        """Say what waits."""
