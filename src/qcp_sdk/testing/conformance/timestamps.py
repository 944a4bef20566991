"""What `ports.timestamps.Timestamps` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import digest
from qcp_sdk.testing.conformance.histories import EXAMPLES, MOMENTS, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.together import together


class TimestampsConformance(Timed, ABC):
    """Subclass it, make the authority, and read its tokens."""

    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh authority costs much."""

    @abstractmethod
    def make_timestamps(self) -> Timestamps:
        """Make the authority."""

    @abstractmethod
    def told(self, token: bytes) -> tuple[bytes, datetime]:
        """Give the digest and the time that a token states, after checking the authority's signature on it."""

    def test_timestamps_1_a_token_states_digest_and_time(self) -> None:
        """timestamps-1: a token states the digest that was sent, and the present time to the second."""
        stamped, at = self.told(self.make_timestamps().timestamp(digest=digest("one")))
        assert stamped == digest("one")
        assert abs(at - self.clock.now()) <= timedelta(seconds=1)

    def test_timestamps_2_a_later_token_states_a_later_time(self) -> None:
        """timestamps-2: the same digest may be stamped again, and the later token states the later time."""
        timestamps = self.make_timestamps()
        _, first = self.told(timestamps.timestamp(digest=digest("one")))
        self.pass_time(timedelta(minutes=1))
        _, second = self.told(timestamps.timestamp(digest=digest("one")))
        assert second > first

    @PROPERTY
    @given(octets=st.binary(max_size=70).filter(lambda octets: len(octets) != 32))
    def test_timestamps_3_only_sha_256_is_stamped(self, octets: bytes) -> None:
        """timestamps-3: what is not the 32 bytes of a SHA-256 digest is rejected, with a reason."""
        timestamps = self._shared()
        with rejected():
            timestamps.timestamp(digest=octets)
        only_port_errors(lambda: timestamps.timestamp(digest=octets))

    @needs(THREADS)
    def test_timestamps_4_tokens_are_their_digests_own(self) -> None:
        """timestamps-4: of several that ask at once, each gets a token over its own digest."""
        timestamps = self.make_timestamps()
        digests = [digest(str(number)) for number in range(6)]
        tokens = together(len(digests), lambda number: timestamps.timestamp(digest=digests[number]))
        assert [self.told(token)[0] for token in tokens] == digests

    def test_timestamps_5_any_history_tells_the_time(self) -> None:
        """timestamps-5: after any history of requests, good and bad, a token states its digest and its moment."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    _made: Timestamps | None = None

    def _shared(self) -> Timestamps:
        # One for all examples: making an authority may take a second.
        if self._made is None:
            self._made = self.make_timestamps()
        return self._made


class _History(RuleBasedStateMachine):
    """Any history of requests, beside a clock."""

    def __init__(self, suite: TimestampsConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.timestamps = suite, suite.make_timestamps()
        self.latest: datetime | None = None

    @rule(number=st.integers(0, 3))
    def stamp(self, number: int) -> None:
        stamped, at = self.suite.told(self.timestamps.timestamp(digest=digest(str(number))))
        assert stamped == digest(str(number))
        assert abs(at - self.suite.clock.now()) <= timedelta(seconds=1)
        assert self.latest is None or at >= self.latest, "a later token states an earlier time"
        self.latest = at

    @rule(octets=st.sampled_from([b"", b"short", bytes(20), bytes(64)]))
    def refuse(self, octets: bytes) -> None:
        with rejected():
            self.timestamps.timestamp(digest=octets)

    @rule(by=st.sampled_from(MOMENTS))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)
