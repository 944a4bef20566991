"""What is on record: the history of a subscription or ceremony, and its chained journal."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from qcp_sdk.engine import Engine
from qcp_sdk.errors import NotFound
from qcp_sdk.facts import Fact
from qcp_sdk.journal import GENESIS, Entry


@frozen(kw_only=True)
class Recorded:
    """One entry of a subscription's or ceremony's history."""

    at: datetime
    sequence: int
    fact: Fact


class Records:
    """Reads the journal of one installation."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def history(self, id: str) -> tuple[Recorded, ...]:
        """Give everything that happened to a subscription or ceremony, in order.

        Raises:
            NotFound: Nothing is known under this id.
        """
        stream = self._engine.streams.load(id)
        return tuple(
            Recorded(at=row.at, sequence=row.sequence, fact=self._engine.streams.fact(stream, row))
            for row in self._engine.ports.store.journal(stream=id)
        )

    def journal(self, id: str) -> tuple[tuple[Entry, ...], bytes]:
        """Give the chained entries of a stream as they are kept, of an erased one too, and the head that it notes.

        Raises:
            NotFound: Nothing is known under this id.
        """
        stored = self._engine.ports.store.load(id=id)
        if stored is None:
            raise NotFound(f"`{id}` is not known", mend="check the id and the installation")
        rows = self._engine.ports.store.journal(stream=id)
        entries = tuple(
            Entry(
                stream=row.stream,
                sequence=row.sequence,
                at=row.at,
                kind=row.kind,
                payload=row.payload,
                hash=row.hash,
            )
            for row in rows
        )
        return entries, stored.head or GENESIS
