from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest

from qcp_sdk.adapters import system
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.ids import CountingIds
from qcp_sdk.adapters.system import SystemClock, UuidIds
from qcp_sdk.errors import InvalidValue
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.ids import Ids
from qcp_sdk.testing.conformance.clock import SOURCE, ClockConformance
from qcp_sdk.testing.conformance.ids import UNGUESSABLE, IdsConformance
from qcp_sdk.testing.conformance.together import together

NOW = datetime(2031, 5, 1, 12, 30, 0, 123_456, tzinfo=UTC)


class TestManualClock(ClockConformance):
    lacks = frozenset({SOURCE})

    def make_clock(self) -> ManualClock:
        return ManualClock(NOW)


class TestSystemClock(ClockConformance):
    source: datetime | None

    @pytest.fixture(autouse=True)
    def _machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.source = None
        suite = self

        class Machine(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                assert tz is UTC
                return suite.source or datetime.now(UTC)

        monkeypatch.setattr(system, "datetime", Machine)

    def make_clock(self) -> SystemClock:
        return SystemClock()

    def set_source(self, clock: Clock, moment: datetime) -> None:
        self.source = moment


class TestUuidIds(IdsConformance):
    def make_ids(self) -> UuidIds:
        return UuidIds(ManualClock(NOW))


class TestCountingIds(IdsConformance):
    lacks = frozenset({UNGUESSABLE})

    def make_ids(self) -> CountingIds:
        return CountingIds()


def test_the_clock_stands_still_while_the_machine_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([NOW, NOW - timedelta(hours=1), NOW + timedelta(seconds=1)])

    class Machine(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return next(told)

    monkeypatch.setattr(system, "datetime", Machine)
    clock = SystemClock()
    assert [clock.now() for _ in range(3)] == [NOW, NOW, NOW + timedelta(seconds=1)]


def test_the_clock_tells_utc() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.now() <= clock.now()


def test_a_uuid_says_when_it_was_made() -> None:
    ids = UuidIds(ManualClock(NOW), draw=lambda size: b"\xff" * size)
    made = UUID(ids.new())
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == int(NOW.timestamp() * 1000)
    assert str(made).endswith("-bfff-ffffffffffff")


@pytest.mark.parametrize("ids", [UuidIds(ManualClock(NOW)), UuidIds(SystemClock()), CountingIds("sub")])
def test_an_id_is_made_once_and_fits_the_port(ids: Ids) -> None:
    made = [id for some in together(4, lambda _: [ids.new() for _ in range(300)]) for id in some]
    assert len(set(made)) == 1_200
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", id) for id in made)


def test_uuids_sort_in_the_order_they_were_made() -> None:
    clock = ManualClock(NOW)
    ids = UuidIds(clock)
    made = []
    for _ in range(200):
        made += [ids.new() for _ in range(10)]
        clock.advance(timedelta(microseconds=30))
    assert made == sorted(made)


def test_a_manual_clock_moves_when_told_and_never_back() -> None:
    clock = ManualClock(NOW)
    assert clock.now() == clock.now() == NOW
    assert clock.advance(timedelta(days=1)) == clock.now() == NOW + timedelta(days=1)
    assert clock.advance_to(NOW + timedelta(days=2)) == clock.now()
    with pytest.raises(InvalidValue):
        clock.advance(timedelta(microseconds=-1))
    with pytest.raises(InvalidValue):
        clock.advance_to(NOW)
    with pytest.raises(InvalidValue):
        ManualClock(NOW.replace(tzinfo=None))
    assert clock.now() == NOW + timedelta(days=2)


def test_counted_ids_are_the_same_in_every_run() -> None:
    ids = CountingIds("sub")
    assert [ids.new(), ids.new()] == ["sub-1", "sub-2"]
    with pytest.raises(InvalidValue):
        CountingIds("é")
