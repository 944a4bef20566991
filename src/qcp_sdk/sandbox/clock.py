"""The sandbox's time: the machine's, and as much later as it was told."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import ClassVar

from qcp_sdk.errors import InvalidValue
from qcp_sdk.ports.clock import Clock


class ShiftedClock:
    """Tells the time of `base`, moved forward by what `advance` was told; `reset` goes back to `base`."""

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(self, base: Clock) -> None:
        self._base, self._lock = base, threading.Lock()
        self._by = timedelta(0)

    @property
    def ahead(self) -> timedelta:
        """How far it is ahead of `base`."""
        return self._by

    def now(self) -> datetime:
        """Give the present instant in UTC."""
        return self._base.now() + self._by

    def advance(self, by: timedelta) -> datetime:
        """Let time pass, and give the new instant.

        Raises:
            InvalidValue: `by` is negative, or leads beyond the year 9000.
        """
        with self._lock:
            if by < timedelta(0) or self._by + by > timedelta(days=365 * 5000):
                raise InvalidValue("time does not go there", where="clock", mend="advance by less, or reset")
            self._by += by
            return self._base.now() + self._by

    def reset(self) -> None:
        """Go back to the time of `base`."""
        with self._lock:
            self._by = timedelta(0)
