"""Celery: a message with an id, sent after the commit; a sweep for whatever was not sent, or got lost.

::

    app = celery.Celery("platform", broker="redis://…")
    add_tasks(app, qcp)  # a function that gives the worker's `Qcp`; run `celery beat` for the sweep
    …
    Qcp(…, carrier=CeleryCarrier(app, clock=clock), after_commit=transaction.on_commit)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import celery

from qcp_sdk.carriers import duties
from qcp_sdk.ports.carriers import DueWork
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sdk import Qcp

log = logging.getLogger("qcp_sdk")

HORIZON: Final = timedelta(minutes=10)
"""How far ahead a message is sent. A worker keeps what comes later in its memory, and Redis hands it out again after an
hour (`visibility_timeout`): what is due after the horizon is left to the sweep."""
EVERY_MINUTE: Final = timedelta(minutes=1)


class CeleryCarrier:
    """Sends a message for each stream and instant. Give it to `Qcp(carrier=…)`.

    `queue` is where the messages go; the app's default queue if it is None.
    """

    def __init__(
        self, app: celery.Celery, *, clock: Clock, queue: str | None = None, horizon: timedelta = HORIZON
    ) -> None:
        self._app, self._clock, self._queue, self._horizon = app, clock, queue, horizon

    def carry(self, *, work: tuple[DueWork, ...]) -> None:
        """Send the messages. A broker that is away costs a caller the attempt and nothing else: the sweep looks."""
        now = self._clock.now()
        for one in work:
            wait = one.at - now
            if wait > self._horizon:
                continue
            try:
                self._app.send_task(
                    duties.LOOK,
                    kwargs=duties.message(one),
                    countdown=wait.total_seconds() if wait > timedelta(0) else None,
                    queue=self._queue,
                    ignore_result=True,
                    retry=False,
                )
            except Exception as error:  # noqa: BLE001 - every broker has errors of its own; the work is kept
                log.warning("Celery's broker did not take a message (%s): the sweep looks", type(error).__name__)
                return


def add_tasks(
    app: celery.Celery,
    installation: Callable[[], Qcp],
    *,
    queue: str | None = None,
    every: timedelta = EVERY_MINUTE,
) -> None:
    """Add both tasks to the host's app, and the sweep to the schedule of `celery beat`.

    `installation` is called for each task: let it keep one `Qcp` a process, made after the fork. A sweep that was not
    begun when the next one is due is dropped.
    """

    def look(*, stream: str, at: str) -> None:
        duties.look(installation(), stream=stream, at=at)

    def sweep() -> None:
        duties.sweep(installation(), again=lambda: app.send_task(duties.SWEEP, queue=queue, retry=False))

    # Not shared: Celery would add them to every other app of this process, over those of that app's installation.
    app.task(name=duties.LOOK, ignore_result=True, shared=False)(look)
    task = app.task(name=duties.SWEEP, ignore_result=True, shared=False)(sweep)
    app.add_periodic_task(
        every.total_seconds(), task.s(), name=duties.SWEEP, expires=every.total_seconds(), queue=queue
    )
