"""Ids that are easy to read in a test."""

from __future__ import annotations

import re
import threading
from typing import ClassVar

from qcp_sdk.errors import InvalidValue


class CountingIds:
    """Makes `id-1`, `id-2` …, the same in every run."""

    simulated: ClassVar[bool] = True
    """Never in production, where a restart would make every id again: the engine's guard reads this."""

    def __init__(self, prefix: str = "id") -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", prefix):
            raise InvalidValue("it cannot begin an id", where="prefix", mend="use 1 to 40 letters, digits, `-` or `_`")
        self._prefix, self._count = prefix, 0
        self._lock = threading.Lock()

    def new(self) -> str:
        """Give a new id."""
        with self._lock:
            self._count += 1
            return f"{self._prefix}-{self._count}"
