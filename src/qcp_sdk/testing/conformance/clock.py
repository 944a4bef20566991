"""What every `Clock` promises (ports/clock.py, behaviour § 7.7)."""

from __future__ import annotations

from abc import abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Final, final

from qcp_sdk.ports.clock import Clock
from qcp_sdk.testing.conformance.base import Conformance
from qcp_sdk.testing.conformance.marking import THREADS, Capability, needs
from qcp_sdk.testing.conformance.together import together

SOURCE: Final = Capability(
    "source", "it reads a source that can be set, the machine's clock say; without it, it moves only when it is told to"
)


class ClockConformance(Conformance):
    """The exam of a `Clock`."""

    @abstractmethod
    def make_clock(self) -> Clock:
        """Give a clock."""

    def set_source(self, clock: Clock, moment: datetime) -> None:
        """Set what the clock reads to this instant; a hook for the capability SOURCE."""
        raise NotImplementedError("say how the clock's source is set, or that it lacks SOURCE")

    @final
    def rising(self, clock: Clock) -> datetime:
        """Read the clock often, see that it never goes back, and give the last instant."""
        told = [clock.now() for _ in range(200)]
        assert told == sorted(told), "it went back"
        return told[-1]

    def test_clock_1_it_tells_utc(self) -> None:
        """clock-1: Every instant has a time zone, and it is UTC."""
        now = self.make_clock().now()
        assert now.tzinfo is not None, "an instant without a time zone: nobody can know when that is"
        assert now.utcoffset() == timedelta(0)

    def test_clock_2_it_never_goes_back(self) -> None:
        """clock-2: An instant is never earlier than one told before."""
        clock = self.make_clock()
        assert self.rising(clock) <= clock.now()

    @needs(THREADS)
    def test_clock_3_it_never_goes_back_for_any_caller(self) -> None:
        """clock-3: However many threads read it at once, no call is answered earlier than one that had ended before."""
        clock = self.make_clock()
        latest = max(together(4, lambda _: self.rising(clock)))
        assert clock.now() >= latest

    @needs(SOURCE)
    def test_clock_4_it_follows_its_source(self) -> None:
        """clock-4: It tells what its source tells, to the microsecond."""
        clock = self.make_clock()
        ahead = clock.now() + timedelta(days=365, microseconds=123_456)
        self.set_source(clock, ahead)
        assert clock.now() == ahead

    @needs(SOURCE)
    def test_clock_5_it_stands_still_while_its_source_is_set_back(self) -> None:
        """clock-5: When its source is set back, it stands still until the source has caught up."""
        clock = self.make_clock()
        ahead = (clock.now() + timedelta(days=365)).astimezone(UTC)
        for source, expected in ((0, 0), (-3_600, 0), (-1, 0), (0, 0), (1, 1)):
            self.set_source(clock, ahead + timedelta(seconds=source))
            assert clock.now() == ahead + timedelta(seconds=expected)
