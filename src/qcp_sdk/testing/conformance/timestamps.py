"""What `ports.timestamps.Timestamps` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import digest


class TimestampsConformance(Timed, ABC):
    """Subclass it, make the authority, and read its tokens."""

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

    _made: Timestamps | None = None

    def _shared(self) -> Timestamps:
        # One for all examples: making an authority may take a second.
        if self._made is None:
            self._made = self.make_timestamps()
        return self._made
