"""What is counted and traced, with OpenTelemetry's own SDK; and that nothing depends on it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from qcp_sdk.errors import ConfigurationError, Unavailable
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.telemetry import instrument
from qcp_sdk.testing.scene import Scene


class Watched:
    def __init__(self) -> None:
        self.scene, self.reader, self.spans = Scene(), InMemoryMetricReader(), InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        instrument(self.scene.qcp, meter_provider=MeterProvider(metric_readers=[self.reader]), tracer_provider=tracers)

    def measured(self) -> dict[str, dict[tuple[Any, ...], Any]]:
        """Give the points of each instrument by the values of their attributes."""
        data = self.reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        return {
            metric.name: {tuple((point.attributes or {}).values()): point for point in metric.data.data_points}
            for metric in scope.metrics
        }


def test_every_fact_and_every_try_is_counted_by_kind() -> None:
    watched = Watched()
    scene = watched.scene
    view = scene.subscribe(scene.jessica, until=Stage.ACTIVE)
    measured = watched.measured()
    history = [one.fact.kind for one in scene.qcp.records.history(view.id)]
    assert {kind: point.value for (kind,), point in measured["qcp.facts"].items()} == {
        kind: history.count(kind) for kind in history
    }
    effects = measured["qcp.effects"]
    assert effects["hold_funds", "record"].value == 1
    assert effects["notify", "done"].value >= 1
    tries = sum(point.value for point in effects.values())
    assert sum(point.count for point in measured["qcp.effect.duration"].values()) == tries
    spans = watched.spans.get_finished_spans()
    assert len(spans) == tries
    assert {span.name for span in spans} == {"qcp.effect"}
    assert all(span.attributes and span.attributes.keys() == {"kind", "attempts", "outcome"} for span in spans)


def test_the_backlog_is_a_gauge_and_a_store_that_is_away_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched()
    scene = watched.scene
    scene.open(scene.jessica)
    scene.world.clock.advance(timedelta(days=8))
    measured = watched.measured()
    assert measured["qcp.backlog.due"][()].value >= 1
    assert measured["qcp.backlog.age"][()].value == scene.qcp.operations.standing().age.total_seconds() > 0
    assert measured["qcp.backlog.parked"][()].value == 0

    def away() -> None:
        raise Unavailable("the store is away")

    monkeypatch.setattr(scene.qcp.operations, "standing", away)
    assert "qcp.backlog.due" not in watched.measured()


def test_nothing_personal_is_said() -> None:
    watched = Watched()
    scene = watched.scene
    view = scene.subscribe(scene.jessica, until=Stage.ACTIVE)
    said = json.dumps([span.to_json() for span in watched.spans.get_finished_spans()])
    data = watched.reader.get_metrics_data()
    assert data is not None
    said += data.to_json()
    account = scene.jessica
    for personal in (
        account.name.last,
        account.name.given,
        account.email.text,
        account.mobile.text,
        account.id,
        view.id,
    ):
        assert personal not in said


def test_a_watcher_that_fails_changes_nothing() -> None:
    class Broken:
        def recorded(self, kind: str) -> None:
            raise RuntimeError(kind)

        def performing(self, kind: str, attempts: int) -> AbstractContextManager[object]:
            if attempts > 1 or kind == "hold_funds":
                raise RuntimeError(kind, attempts)
            return self.around()

        @contextmanager
        def around(self) -> Iterator[None]:
            yield
            raise RuntimeError

        def decided(self, kind: str, outcome: str) -> None:
            raise RuntimeError(kind, outcome)

    scene = Scene()
    scene.qcp.engine.watched_by(Broken())
    assert scene.subscribe(scene.jessica, until=Stage.ACTIVE).stage is Stage.ACTIVE


def test_without_the_package_it_says_which_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match="telemetry"):
        instrument(Scene().qcp)
