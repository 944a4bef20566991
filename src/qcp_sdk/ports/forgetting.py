"""What an adapter that remembers something beside the store may promise: to forget it when it is erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable


@runtime_checkable
class Forgetting(Protocol):
    """Any adapter may have this method; `Operations.erase` reaches those that have it, and the `parts` of others."""

    def forget_stream(self, *, stream: str) -> None:
        """Destroy what is kept of this subscription or ceremony, by its id. Repeatable, and silent where nothing is.

        Raises:
            Unavailable: Not now: it is asked again.
        """


def forgetting(adapters: Iterable[object]) -> Iterator[Forgetting]:
    """Give those adapters that remember something, and those within them (`parts`)."""
    for adapter in adapters:
        if isinstance(adapter, Forgetting):
            yield adapter
        yield from forgetting(one for one in getattr(adapter, "parts", ()) if one is not None)
