"""Counters, durations and spans of one installation, through the OpenTelemetry API (extra `telemetry`).

The API package alone does nothing: what is measured, and where it goes (Prometheus, OTLP …), is chosen by the host, who
installs and configures an SDK. Attributes are kinds of facts and effects, outcomes and numbers; nothing personal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qcp_sdk.errors import ConfigurationError, QcpError

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
    from opentelemetry.trace import TracerProvider

    from qcp_sdk.host.operations import Standing
    from qcp_sdk.sdk import Qcp

NAME = "qcp_sdk"


def instrument(
    qcp: Qcp, *, meter_provider: MeterProvider | None = None, tracer_provider: TracerProvider | None = None
) -> None:
    """Measure this installation from now on; once for each `Qcp` of a process. By default with the global providers.

    Counters `qcp.facts` (by `kind`) and `qcp.effects` (by `kind` and `outcome`: record, note, done, again, park), the
    histogram `qcp.effect.duration` (seconds, by `kind`), the gauges `qcp.backlog.due`, `qcp.backlog.age` (seconds:
    alert on it) and `qcp.backlog.parked`; a span `qcp.effect` around each try of an effect.

    Raises:
        ConfigurationError: The OpenTelemetry API is not installed.
    """
    try:
        from opentelemetry import metrics, trace
    except ImportError as error:
        raise ConfigurationError(
            "OpenTelemetry's API is not installed", where="telemetry", mend="pip install 'qcp_sdk[telemetry]'"
        ) from error
    meter = metrics.get_meter(NAME, meter_provider=meter_provider)
    gauges: tuple[tuple[str, str, str, Callable[[Standing], float]], ...] = (
        ("due", "{effect}", "effects that are due and that nobody has taken", lambda standing: standing.due),
        ("age", "s", "how long the most overdue effect has waited", lambda standing: standing.age.total_seconds()),
        ("parked", "{effect}", "effects that wait for a person", lambda standing: standing.parked),
    )
    for name, unit, description, read in gauges:
        meter.create_observable_gauge(
            f"qcp.backlog.{name}", [_observing(qcp, metrics.Observation, read)], unit=unit, description=description
        )
    facts = meter.create_counter("qcp.facts", unit="{fact}", description="facts that were recorded")
    effects = meter.create_counter("qcp.effects", unit="{try}", description="tries of effects, by what came of them")
    duration = meter.create_histogram("qcp.effect.duration", unit="s", description="how long a try took")
    tracer = trace.get_tracer(NAME, tracer_provider=tracer_provider)

    class Telemetry:
        def recorded(self, kind: str) -> None:
            facts.add(1, {"kind": kind})

        @contextmanager
        def performing(self, kind: str, attempts: int) -> Iterator[None]:
            started = time.perf_counter()
            with tracer.start_as_current_span("qcp.effect", attributes={"kind": kind, "attempts": attempts}):
                yield
            duration.record(time.perf_counter() - started, {"kind": kind})

        def decided(self, kind: str, outcome: str) -> None:
            effects.add(1, {"kind": kind, "outcome": outcome})
            trace.get_current_span().set_attribute("outcome", outcome)

    qcp.engine.watched_by(Telemetry())


def _observing(
    qcp: Qcp, observation: type[Observation], read: Callable[[Standing], float]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        try:
            standing = qcp.operations.standing()
        except QcpError:
            return []  # the store does not answer: a gap in the series says so, a zero would be a lie
        return [observation(read(standing))]

    return observe
