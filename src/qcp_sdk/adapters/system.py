"""The time of this machine, and ids made from it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from qcp_sdk.ports.clock import Clock

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SystemClock:
    """Tells the machine's time in UTC. When the machine's clock is set back, it stands still until that has passed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest = _EPOCH

    def now(self) -> datetime:
        """Give the present instant in UTC, never earlier than a call before it."""
        with self._lock:
            self._latest = max(self._latest, datetime.now(UTC))
            return self._latest


class UuidIds:
    """Makes UUIDs of version 7 (RFC 9562 § 5.7): they sort by the time they were made at, and nobody guesses one.

    The 12 bits after the milliseconds hold a finer fraction (§ 6.2, method 3), so that ids of one process are
    always made in rising order; the other 62 are drawn.
    """

    def __init__(self, clock: Clock, *, draw: Callable[[int], bytes] = os.urandom) -> None:
        self._clock, self._draw = clock, draw
        self._lock = threading.Lock()
        self._latest = 0

    def new(self) -> str:
        """Give a new id: 36 characters, lower-case hexadecimal digits and dashes."""
        micros = (self._clock.now() - _EPOCH) // timedelta(microseconds=1)
        with self._lock:
            moment = self._latest = max(self._latest + 1, micros * 4096 // 1000)
        milliseconds, fraction = moment >> 12, moment & 0xFFF
        drawn = int.from_bytes(self._draw(8), "big") >> 2
        digits = f"{(milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | drawn:032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
