"""Whoever wants to know what the engine does, to count and to time it. Kinds and outcomes only: nothing personal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Watcher(Protocol):
    """Is told; what it raises is dropped."""

    def recorded(self, kind: str) -> None:
        """A fact of this kind was committed."""

    def performing(self, kind: str, attempts: int) -> AbstractContextManager[object]:
        """Stand around one try, the `attempts`-th, of an effect of this kind."""

    def decided(self, kind: str, outcome: str) -> None:
        """Say, within a try, what it came to: `record` (a fact is the answer), `note` (a fact, and asking goes on),
        `done`, `again` or `park`.
        """
