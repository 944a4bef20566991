"""A time-stamping authority of our own (RFC 3161, EN 319 422), with the trust centre's clock."""

from __future__ import annotations

from typing import ClassVar

from qcp_sdk.adapters.local_trust_centre.hierarchy import Hierarchy, instant
from qcp_sdk.adapters.shared.profiles import OUR_TIMESTAMPS
from qcp_sdk.adapters.shared.timestamp_tokens import DIGEST_LENGTH, token
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.clock import Clock


class LocalTimestamps:
    """Implements the `Timestamps` port."""

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(self, *, hierarchy: Hierarchy, clock: Clock) -> None:
        self._hierarchy, self._clock = hierarchy, clock

    def timestamp(self, *, digest: bytes) -> bytes:
        """Give a TimeStampToken over this SHA-256 digest; its time is the clock's, accurate to a second.

        Raises:
            Rejected: `bad_digest`: it does not have 32 bytes.
            Unavailable: The key store does not answer.
        """
        if len(digest) != DIGEST_LENGTH:
            raise Rejected(f"a SHA-256 digest has {DIGEST_LENGTH} bytes, not {len(digest)}", reason="bad_digest")
        return token(
            digest=digest,
            key=self._hierarchy.held("tsu").key,
            chain=self._hierarchy.chain("tsu")[:-1],
            policy=OUR_TIMESTAMPS,
            at=instant(self._clock.now()),
        )
