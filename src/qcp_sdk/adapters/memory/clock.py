"""A clock that moves only when told to."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import ClassVar

from qcp_sdk.errors import InvalidValue
from qcp_sdk.values import utc


class ManualClock:
    """Tells the time that it was set to; for tests, simulations and demonstrations."""

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(self, start: datetime) -> None:
        self._lock = threading.Lock()
        self._now = utc(start, "start")

    def now(self) -> datetime:
        """Give the present instant in UTC, never earlier than a call before it."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Let time pass, and give the new instant.

        Raises:
            InvalidValue: `by` is negative: time does not run backwards.
        """
        with self._lock:
            return self._move(self._now + by)

    def advance_to(self, moment: datetime) -> datetime:
        """Let time pass until that instant, and give it.

        Raises:
            InvalidValue: The instant is past already, or has no time zone.
        """
        with self._lock:
            return self._move(utc(moment))

    def _move(self, moment: datetime) -> datetime:
        if moment < self._now:
            raise InvalidValue("time does not run backwards", where="clock", mend="make another clock")
        self._now = moment
        return moment
