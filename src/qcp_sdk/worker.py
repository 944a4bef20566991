"""A worker: does what is due until it is told to stop. Any number may run at once (behaviour § 7.3)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from attrs import frozen

from qcp_sdk.errors import PortError
from qcp_sdk.sdk import Qcp

log = logging.getLogger("qcp_sdk")

IDLE: Final = timedelta(seconds=15)
"""The longest sleep: what another process commits for later may be due before what this one knows of."""
BEAT: Final = timedelta(minutes=1)
BATCH: Final = 10
"""Effects between two looks at whether to stop."""
LONGEST_TROUBLE: Final = timedelta(minutes=1)


@frozen(kw_only=True)
class Beat:
    """How a worker and its installation stand. Alert on `oldest`: how long the most overdue effect has waited."""

    tried: int
    """Effects that this worker tried since it began."""
    due: int
    oldest: timedelta
    parked: int
    in_trouble: bool
    """Whether the store did not answer when it was last asked."""

    def line(self) -> str:
        """Give it as one line of `name=value`."""
        return (
            f"tried={self.tried} due={self.due} oldest={self.oldest.total_seconds():.0f}s parked={self.parked} "
            f"store={'away' if self.in_trouble else 'ok'}"
        )


def work(
    qcp: Qcp,
    *,
    stop: threading.Event,
    on_beat: Callable[[Beat], None] | None = None,
    idle: timedelta = IDLE,
    every: timedelta = BEAT,
) -> int:
    """Do what is due, as it falls due, until `stop` is set; give how many effects were tried.

    It stops between two batches: what it holds by then is done, what it does not hold is anybody's. A store that does
    not answer is asked again, ever more slowly, up to once a minute. `on_beat` is called at the beginning and then
    about `every` so often, and what it raises ends the worker.
    """
    worker = _Worker(qcp, stop, on_beat, every)
    trouble = timedelta(0)
    while not stop.is_set():
        worker.beat(in_trouble=bool(trouble))
        try:
            done = qcp.run_due(limit=BATCH)
            worker.tried += done
            pause = timedelta(0) if done else _until_due(qcp, idle)
            trouble = timedelta(0)
        except PortError as error:
            trouble = min(LONGEST_TROUBLE, 2 * trouble or timedelta(seconds=1))
            pause = trouble
            log.warning("the store does not answer (%s); again in %d s", error.code, trouble.total_seconds())
        if pause:
            stop.wait(pause.total_seconds())
    worker.beat(in_trouble=bool(trouble), last=True)
    return worker.tried


class _Worker:
    def __init__(
        self, qcp: Qcp, stop: threading.Event, on_beat: Callable[[Beat], None] | None, every: timedelta
    ) -> None:
        self._qcp, self._stop, self._on_beat, self._every = qcp, stop, on_beat, every.total_seconds()
        self._next = time.monotonic()
        self.tried = 0

    def beat(self, *, in_trouble: bool, last: bool = False) -> None:
        if self._on_beat is None or (time.monotonic() < self._next and not last):
            return
        self._next = time.monotonic() + self._every
        self._on_beat(self._measured(in_trouble))

    def _measured(self, in_trouble: bool) -> Beat:
        try:
            standing = self._qcp.operations.standing()
        except PortError:
            return Beat(tried=self.tried, due=0, oldest=timedelta(0), parked=0, in_trouble=True)
        return Beat(
            tried=self.tried,
            due=standing.due,
            oldest=standing.age,
            parked=standing.parked,
            in_trouble=in_trouble,
        )


def _until_due(qcp: Qcp, idle: timedelta) -> timedelta:
    due = qcp.ports.store.next_due()
    if due is None:
        return idle
    return max(timedelta(milliseconds=50), min(idle, due - qcp.ports.clock.now()))
