"""Where a simulated provider writes what it must remember. One interface; in memory here, in SQLite in `sql_book`."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, TypeVar, cast

T = TypeVar("T")


class Pages(Protocol):
    """The book while it is open: nobody else reads or writes meanwhile."""

    def get(self, kind: type[T], id: str) -> T | None:
        """Give the record of this kind with this id."""

    def put(self, id: str, record: object) -> None:
        """Write a frozen attrs record, in place of an older one of its kind and id."""

    def all(self, kind: type[T]) -> tuple[T, ...]:
        """Give every record of a kind, oldest first."""


class Book(Protocol):
    """Opens for one reader or writer at a time. What is written in one opening is kept whole, or not at all."""

    def open(self) -> AbstractContextManager[Pages]:
        """Open the book; leaving the context closes it and keeps what was written.

        Raises:
            Unavailable: It cannot be opened, or not now.
            Unconfirmed: Nobody knows whether what was written is kept.
        """


class MemoryBook:
    """A book in memory, for tests and simulation. A writer that fails must fail before its first `put`."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[type, dict[str, object]] = {}

    def open(self) -> MemoryBook:
        """Give the book itself; entering it keeps others out."""
        return self

    def __enter__(self) -> MemoryBook:
        self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def get(self, kind: type[T], id: str) -> T | None:
        """Give the record of this kind with this id."""
        return cast("T | None", self._records.get(kind, {}).get(id))

    def put(self, id: str, record: object) -> None:
        """Write a record, in place of an older one of its kind and id."""
        self._records.setdefault(type(record), {})[id] = record

    def all(self, kind: type[T]) -> tuple[T, ...]:
        """Give every record of a kind, oldest first."""
        return cast("tuple[T, ...]", tuple(self._records.get(kind, {}).values()))
