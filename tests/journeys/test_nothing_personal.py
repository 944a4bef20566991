"""A whole journey over a database, with faults whose texts are personal: nothing of it lies in the database's files,
in its log, in ours, in error texts or in traces. What is planted in each of these places is found.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine

from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import QcpError
from qcp_sdk.host.saying import Code
from qcp_sdk.notices import IdentityApproved
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.telemetry import instrument
from qcp_sdk.testing.leaks import files, forms, leaks
from qcp_sdk.testing.postgres import PostgresServer
from qcp_sdk.testing.scene import Scene

Places = dict[str, Callable[[], Iterator[bytes]]]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Engine, Places]]:
    """Give an engine, and the places of the database; PostgreSQL writes every statement and value into its log."""
    if request.param == "sqlite":
        engine = sqlite_engine(tmp_path / "store.sqlite")
        yield engine, {"database": lambda: files(tmp_path)}
        engine.dispose()
        return
    request.getfixturevalue("postgres")  # or skip
    with PostgresServer("fsync=off", "log_statement=all") as server:
        engine = server.engine()

        def written() -> Iterator[bytes]:
            with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
                connection.exec_driver_sql("CHECKPOINT")
            return files(server.data)

        yield engine, {"database": written, "server's log": lambda: iter([server.log.read_bytes()])}
        engine.dispose()


class Journey:
    """Jessica's subscription, a letter that she signs, and everything that was said on the way."""

    def __init__(self, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        engine.echo = "debug"
        self.store = SqlStore(engine)
        self.store.create_schema()
        world = MemoryWorld()
        vars(world)["store"] = self.store
        self.scene, self.logged, self.told = Scene(world=world), caplog, list[str]()
        self.person = self.scene.jessica
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        meters = MeterProvider(metric_readers=[self.reader])
        instrument(self.scene.qcp, meter_provider=meters, tracer_provider=tracers)

    def refused(self, call: Callable[[], object]) -> None:
        """Do what is refused, and keep how that reads with its traceback."""
        try:
            call()
        except QcpError as error:
            self.told.append("".join(traceback.format_exception(error)))

    def walk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Live it: a notice's adapter has a fault that tells all, until its effect is parked."""
        scene, person = self.scene, self.person
        send = scene.world.notices.send

        def sent(**message: object) -> None:
            if isinstance(message["notice"], IdentityApproved):
                raise ZeroDivisionError(f"{person.name.full} <{person.email.text}> {message['to']!r}")
            send(**message)  # type: ignore[arg-type]

        monkeypatch.setattr(scene.world.notices, "send", sent)
        view = scene.advance(scene.open(person), Stage.VERIFYING_EMAIL)
        self.refused(lambda: scene.open(person))
        self.refused(lambda: view.say(Code("ABCDEFG")))
        view = scene.advance(view, Stage.ACTIVE)
        self.subscription = view.id
        self.refused(lambda: view.say(Code("ABCDEFG")))
        (ceremony,) = scene.start(scene.collecte(person))
        scene.sign(ceremony, person)
        scene.wait(timedelta(days=2))
        (parked,) = scene.qcp.operations.parked()
        self.told.append(repr(parked) + repr(scene.qcp.operations.show(parked.key)))
        self.told.extend(repr(alert) for alert in scene.alerts)
        assert "fault" in self.logs(), "it was told of, without its words"
        assert len(self.told) >= 4

    def logs(self) -> str:
        """Everything that was logged, arguments and tracebacks too."""
        shown = logging.Formatter()
        return "\n".join(
            f"{one.getMessage()} {one.args!r} {shown.formatException(one.exc_info) if one.exc_info else ''}"
            for one in self.logged.records
        )

    def traces(self) -> str:
        """Every span and every measurement."""
        data = self.reader.get_metrics_data()
        assert data is not None
        return json.dumps([span.to_json() for span in self.spans.get_finished_spans()]) + data.to_json()

    def personal(self) -> set[str]:
        """What nobody may read."""
        scene, person = self.scene, self.person
        texts = {person.name.last, person.name.given, person.email.text, person.mobile.text, person.mobile.text[1:]}
        codes = {scene.code(person, purpose).text.reveal() for purpose in (Purpose.OPEN, Purpose.REQUEST, Purpose.SIGN)}
        state = scene.qcp.engine.streams.load(self.subscription).state
        return texts | codes | {state.identity.proven.birth_date.day.isoformat()}


def test_nothing_personal_lies_anywhere_and_what_is_planted_is_found(
    database: tuple[Engine, Places], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, places = database
    journey = Journey(engine, caplog)
    journey.walk(monkeypatch)
    places |= {
        "log": lambda: iter([journey.logs().encode()]),
        "errors": lambda: iter(["\n".join(journey.told).encode()]),
        "traces": lambda: iter([journey.traces().encode()]),
    }
    personal = journey.personal()
    assert {place: found for place, look in places.items() if (found := leaks(personal, look()))} == {}

    name = journey.person.name.last
    plant(engine, journey, journey.person)
    assert {place for place, look in places.items() if leaks([name], look())} == set(places)


def plant(engine: Engine, journey: Journey, person: Account) -> None:
    """Let a name slip into each place, in one of its forms."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE qcp_outbox SET note = 'to {person.name.full}' WHERE state = 'parked'")
    logging.getLogger("qcp_sdk").info("undeliverable: %s", person.name)
    journey.refused(lambda: refuse(person))
    with TracerProvider().get_tracer("planted").start_as_current_span("planted") as span:
        span.set_attribute("about", person.name.full.encode().hex())
    journey.spans.export([span])  # type: ignore[list-item]


def refuse(person: Account) -> None:
    raise QcpError(f"no such person: {person.name.full}")


def test_every_form_is_sought() -> None:
    for hidden in (b"POUSSART", "Poussart".encode("utf-16-be"), b"506f757373617274", b"eyJsYXN0IjoiUG91c3NhcnQifQ=="):
        assert any(form in hidden.lower() for form in forms("Poussart")), hidden
    assert leaks(["Zoé Ïlle"], [b'{"name":"Zo\\u00e9 \\u00cflle"}']) == {"Zoé Ïlle"}
    assert leaks(["Zoé Ïlle"], [b"Zo%C3%A9%20%C3%8Flle"]) == {"Zoé Ïlle"}
