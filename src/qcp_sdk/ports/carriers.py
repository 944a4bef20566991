"""Waking workers where a host has a broker. A hint and nothing else: what is due stays in the store's outbox.

A carrier is told that a stream has work at an instant, and has a worker look at that stream then. Leases, tokens,
attempts and payloads stay in the store, so a message that is lost, doubled, late or early does no harm: the worker that
it wakes finds what is due, or nothing. What no message told of is found by a sweep over the store.

There are two kinds, and they are given to two places: what joins the store's own transaction to the store
(`SqlStore(…, carrier=…)`), what sends after the commit to `Qcp(…, carrier=…)`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from attrs import frozen

from qcp_sdk.ports.store import Batch


@frozen(order=True)
class DueWork:
    """A stream that has something due from this instant on. Neither says who it is about, or what is to be done."""

    stream: str
    at: datetime


class Carrier(Protocol):
    """Sends after the commit."""

    def carry(self, *, work: tuple[DueWork, ...]) -> None:
        """Have a worker look at each stream at its instant, or leave it to the sweep.

        The work is committed already: whatever goes wrong here is logged, and raises nothing.
        """


class TransactionalCarrier(Protocol):
    """Writes within the transaction that the work is committed in: both are kept, or neither."""

    def carry_within(self, *, connection: object, work: tuple[DueWork, ...]) -> None:
        """Have a worker look at each stream at its instant.

        `connection` is the driver's own, in the midst of a transaction. The driver's errors pass as they are: the store
        translates them as it does its own.
        """


def due_work(batch: Batch) -> tuple[DueWork, ...]:
    """Give what a commit leaves to workers: every effect but those that its committer performs at once."""
    return tuple(sorted({DueWork(row.stream, row.due) for row in batch.outbox if row.leased_until is None}))
