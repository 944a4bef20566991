"""Wrong adapters of the port `timestamps`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from datetime import datetime

import pytest

from qcp_sdk.adapters.memory.timestamps import MemoryTimestamps
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
