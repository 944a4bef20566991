"""A time-stamping authority in memory; its tokens are readable text, not RFC 3161."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.clock import Clock

_HEAD: Final = b"MEMORY-TIMESTAMP"


class MemoryTimestamps(Fake):
    """Says when it saw a digest. `read` gives back what a token says."""

    port = "timestamps"

    def __init__(self, *, clock: Clock, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._clock = clock

    @asked
    def timestamp(self, *, digest: bytes) -> bytes:
        """Give a token over this digest.

        Raises:
            Rejected: `bad_digest`: it is not the 32 bytes of a SHA-256.
        """
        if len(digest) != 32:
            raise Rejected("it is not a SHA-256 digest", reason="bad_digest", mend="pass 32 bytes")
        return b" ".join((_HEAD, digest.hex().encode(), self._clock.now().isoformat().encode()))

    @staticmethod
    def read(token: bytes) -> tuple[bytes, datetime]:
        """Give the digest and the instant of a token.

        Raises:
            Rejected: `bad_token`: it was not made here.
        """
        parts = token.split(b" ")
        if len(parts) != 3 or parts[0] != _HEAD:
            raise Rejected("it is not a token of this authority", reason="bad_token")
        return bytes.fromhex(parts[1].decode()), datetime.fromisoformat(parts[2].decode())
