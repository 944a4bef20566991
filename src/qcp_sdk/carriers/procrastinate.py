"""Procrastinate on PostgreSQL: the job is a row of the very transaction that leaves work to a worker.

::

    carrier = ProcrastinateCarrier(clock=SystemClock())
    store = SqlStore(engine, schema="qcp", carrier=carrier)
    …
    app = procrastinate.App(connector=PsycopgConnector(…), worker_defaults={"delete_jobs": "successful"})
    add_tasks(app, qcp)  # a function that gives the worker's `Qcp`

Procrastinate's tables are looked for where the store's connections look (`search_path`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import procrastinate
import psycopg
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException

from qcp_sdk.carriers import duties
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.ports.carriers import DueWork
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sdk import Qcp

QUEUE: Final = "qcp_sdk"
EVERY_MINUTE: Final = "* * * * *"


class ProcrastinateCarrier:
    """Defers a job for each stream and instant, over the store's own connection. Give it to `SqlStore(carrier=…)`.

    It opens no connection and no pool. Procrastinate's `lock` is not used: a job that is scheduled for next month would
    hold up every later one of its stream, and the outbox's leases see to it that nothing is performed twice at once.
    """

    def __init__(self, *, clock: Clock, queue: str = QUEUE) -> None:
        self._clock, self._queue = clock, queue
        self._app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())  # never opened

    def carry_within(self, *, connection: object, work: tuple[DueWork, ...]) -> None:
        """Insert the jobs; the same stream at the same instant is one job for as long as it waits.

        Raises:
            ConfigurationError: It is no connection of psycopg's.
            psycopg.Error: The database did not take it.
        """
        if not isinstance(connection, psycopg.Connection):
            raise ConfigurationError(
                "Procrastinate can only carry what is in PostgreSQL",
                where="carrier",
                mend="make the store with an engine of postgresql+psycopg",
            )
        now = self._clock.now()
        for one in work:
            # The broker counts by the database's clock: it is told how long from now.
            job = self._app.configure_task(
                duties.LOOK,
                queue=self._queue,
                schedule_at=datetime.now(UTC) + (one.at - now) if one.at > now else None,
                queueing_lock=f"{duties.LOOK} {one.stream} {one.at.isoformat()}",
                connection=connection,
            )
            try:
                with connection.transaction():  # a savepoint: a job that waits already must not undo the rest
                    job.defer(**duties.message(one))
            except AlreadyEnqueued:
                continue
            except ConnectorException as error:
                if isinstance(error.__cause__, psycopg.Error):
                    raise error.__cause__ from None
                raise


def add_tasks(app: procrastinate.App, installation: Callable[[], Qcp], *, cron: str = EVERY_MINUTE) -> None:
    """Add both tasks to the host's app: look at a stream, and sweep at every `cron` (five fields, or six with seconds).

    `installation` is called for each task: let it keep one `Qcp` a process.
    """

    @app.task(name=duties.LOOK, queue=QUEUE)
    def look(*, stream: str, at: str) -> None:
        duties.look(installation(), stream=stream, at=at)

    def sweep(timestamp: int) -> None:
        duties.sweep(installation(), again=lambda: app.configure_task(duties.SWEEP).defer(timestamp=timestamp))

    task = app.task(name=duties.SWEEP, queue=QUEUE)(sweep)
    app.periodic(cron=cron, queueing_lock=duties.SWEEP)(task)
