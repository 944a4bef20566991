"""A time-stamping authority (RFC 3161)."""

from __future__ import annotations

from typing import Protocol


class Timestamps(Protocol):
    """Gives trusted time to a digest."""

    def timestamp(self, *, digest: bytes) -> bytes:
        """Give a TimeStampToken (DER of its ContentInfo) over this SHA-256 digest (32 bytes).

        Repeatable: another token for the same digest harms nothing but the bill.

        Raises:
            Rejected: The authority refuses the request.
        """
