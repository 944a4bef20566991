"""Wrong adapters of the port `timestamps`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from qcp_sdk.adapters.memory.timestamps import MemoryTimestamps
from qcp_sdk.testing.conformance.examples import name_of
from qcp_sdk.testing.conformance.timestamps import TimestampsConformance


class TimestampsSuite(TimestampsConformance):
    Adapter: type[MemoryTimestamps] = MemoryTimestamps

    def make_timestamps(self) -> MemoryTimestamps:
        return self.Adapter(clock=self.clock)

    def told(self, token: bytes) -> tuple[bytes, datetime]:
        return MemoryTimestamps.read(token)


@pytest.mark.caught_by("test_timestamps_3_only_sha_256_is_stamped")
class StampsAnything(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            return super().timestamp(digest=digest[:32].ljust(32, b"."))


@pytest.mark.caught_by("test_timestamps_1_a_token_states_digest_and_time")
class StampsAnHourAgo(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            _, at = self.read(super().timestamp(digest=digest))
            return b" ".join(
                (b"MEMORY-TIMESTAMP", digest.hex().encode(), (at - timedelta(hours=1)).isoformat().encode())
            )


@pytest.mark.caught_by("test_timestamps_1_a_token_states_digest_and_time")
class HashesAgain(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            return super().timestamp(digest=bytes.fromhex(name_of(digest).partition(":")[2]))


@pytest.mark.caught_by("test_timestamps_2_a_later_token_states_a_later_time")
@pytest.mark.caught_by("test_timestamps_5_any_history_tells_the_time")
class KeepsTokens(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            kept = self.__dict__.setdefault("kept", {})
            return kept.setdefault(digest, super().timestamp(digest=digest))


@pytest.mark.caught_by("test_timestamps_4_tokens_are_their_digests_own")
@pytest.mark.caught_by("test_timestamps_5_any_history_tells_the_time")
class StampsOnceASecond(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            kept = self.__dict__.setdefault("kept", {})
            return kept.setdefault(self._clock.now().replace(microsecond=0), super().timestamp(digest=digest))


@pytest.mark.caught_by("test_timestamps_3_only_sha_256_is_stamped")
class LeaksValueErrors(TimestampsSuite):
    class Adapter(MemoryTimestamps):
        def timestamp(self, *, digest):
            if len(digest) != 32:
                raise ValueError(len(digest))
            return super().timestamp(digest=digest)
