"""Where new ids come from. Only streams need one; everything else is derived."""

from __future__ import annotations

from typing import Protocol


class Ids(Protocol):
    """Makes ids that are never made twice."""

    def new(self) -> str:
        """Give a new id: 1 to 64 letters, digits, `-` or `_`."""
