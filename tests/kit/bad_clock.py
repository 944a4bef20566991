"""Wrong adapters of the port `clock`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from datetime import timedelta, timezone
from itertools import count

import pytest

from qcp_sdk.testing.conformance.clock import ClockConformance
from qcp_sdk.testing.conformance.examples import START


class Right:
    """Tells what its source tells, and never goes back."""

    def __init__(self):
        self.source = self.latest = START

    def now(self):
        self.latest = max(self.latest, self.source)
        return self.latest


class ClockSuite(ClockConformance):
    Adapter: type[Right] = Right

    def make_clock(self) -> Right:
        return self.Adapter()

    def set_source(self, clock, moment):
        clock.source = moment


@pytest.mark.caught_by("test_clock_1_it_tells_utc")
class TellsNoZone(ClockSuite):
    class Adapter(Right):
        def now(self):
            return super().now().replace(tzinfo=None)


@pytest.mark.caught_by("test_clock_1_it_tells_utc")
class TellsLocalTime(ClockSuite):
    class Adapter(Right):
        def now(self):
            return super().now().astimezone(timezone(timedelta(hours=2)))


@pytest.mark.caught_by("test_clock_2_it_never_goes_back")
class GoesBackNowAndThen(ClockSuite):
    """As two servers of one pool do, asked in turn."""

    class Adapter(Right):
        def __init__(self):
            super().__init__()
            self.asked = count()

        def now(self):
            return super().now() - timedelta(milliseconds=next(self.asked) % 2)


@pytest.mark.caught_by("test_clock_3_it_never_goes_back_for_any_caller")
class GoesBackAfterAWhile(ClockSuite):
    class Adapter(Right):
        def __init__(self):
            super().__init__()
            self.asked = count()

        def now(self):
            return super().now() - (timedelta(hours=1) if next(self.asked) >= 800 else timedelta(0))


@pytest.mark.caught_by("test_clock_4_it_follows_its_source")
class ForgetsMicroseconds(ClockSuite):
    class Adapter(Right):
        def now(self):
            return super().now().replace(microsecond=0)


@pytest.mark.caught_by("test_clock_4_it_follows_its_source")
class StandsStill(ClockSuite):
    class Adapter(Right):
        def now(self):
            return START


@pytest.mark.caught_by("test_clock_5_it_stands_still_while_its_source_is_set_back")
class IsSetBack(ClockSuite):
    class Adapter(Right):
        def now(self):
            return self.source
