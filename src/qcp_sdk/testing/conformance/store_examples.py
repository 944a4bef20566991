"""Streams, journal entries and effects that the exam of a store uses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from qcp_sdk.ports.store import Batch, JournalRow, OutboxRow, StoredStream
from qcp_sdk.values import Key

NOW: Final = datetime(2031, 3, 30, 1, 59, 59, 999_999, tzinfo=UTC)
LEASE: Final = timedelta(seconds=30)


def stream(
    id: str = "s-1", version: int = 1, *, stage: str = "open", indexes: Iterable[tuple[str, str]] = ()
) -> StoredStream:
    """Give a stream whose bytes tell its version."""
    return StoredStream(
        id=id,
        kind="subscription",
        version=version,
        stage=stage,
        data_key=b"key of " + id.encode(errors="replace"),
        state=f"state {version}".encode(),
        head=f"head {version}".encode(),
        indexes=frozenset(indexes),
        wrapped_by="k-1",
    )


def entry(id: str = "s-1", sequence: int = 1) -> JournalRow:
    """Give a journal entry."""
    return JournalRow(
        stream=id, sequence=sequence, at=NOW, kind="opened", payload=f"fact {sequence}".encode(), hash=b"\x00\xff"
    )


def effect(
    key: str = "s-1/1/0", *, id: str = "s-1", due: datetime = NOW, leased_until: datetime | None = None
) -> OutboxRow:
    """Give an effect to be done."""
    return OutboxRow(
        key=Key(key),
        stream=id,
        kind="hold_funds",
        due=due,
        payload=b"do " + key.encode(errors="replace"),
        leased_until=leased_until,
    )


def opening(*effects: OutboxRow, id: str = "s-1", indexes: Iterable[tuple[str, str]] = ()) -> Batch:
    """Give the batch that opens a stream with these effects."""
    return Batch(
        at=NOW, streams=(stream(id, indexes=indexes),), expected=(0,), journal=(entry(id),), outbox=tuple(effects)
    )


def answering(key: str, token: int) -> Batch:
    """Give the batch that only marks an effect done."""
    return Batch(at=NOW, answered=((Key(key), token),))
