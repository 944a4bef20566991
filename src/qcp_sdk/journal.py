"""The hash chain over recorded facts.

Each entry's hash covers the one before it, the public header and the sealed payload, so that erasing the key of a
stream leaves a chain that still verifies, and a changed, missing, added or moved entry does not. Pure.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol

from attrs import field, frozen

from qcp_sdk.errors import JournalError

GENESIS: Final = b"\x00" * 32
"""What stands before the first entry."""
DOMAIN: Final = b"qcp-sdk/journal/1"
"""Separates these hashes from any other use of SHA-256; the digit is the format's version."""


@frozen(kw_only=True)
class Entry:
    """One recorded fact: `stream`, `sequence` (from 1), `at` (UTC) and `kind` are public, `payload` is sealed."""

    stream: str
    sequence: int
    at: datetime
    kind: str
    payload: bytes = field(repr=False)
    hash: bytes


def instant(moment: datetime) -> str:
    """Write an instant the one way that is hashed: UTC, microseconds, `Z`."""
    # Not strftime: whether it pads a year below 1000 depends on the platform.
    here = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return here.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def link(previous: bytes, *, stream: str, sequence: int, at: datetime, kind: str, payload: bytes) -> bytes:
    """Give the hash of an entry: SHA-256 over length-prefixed parts, so that no two entries read as one."""
    number, moment = b"%d" % sequence, instant(at).encode()
    # One expression: it is computed for every fact, and again for every verification.
    return hashlib.sha256(
        b"".join((DOMAIN, length(len(previous)), previous, _prefixed(stream), length(len(number)), number,
                  length(len(moment)), moment, _prefixed(kind), length(len(payload)), payload))
    ).digest()  # fmt: skip


length: Final = struct.Struct(">Q").pack
"""Writes a length as eight bytes."""


@lru_cache(maxsize=1_024)  # kinds are few, and a chain has one stream
def _prefixed(text: str) -> bytes:
    part = text.encode()
    return length(len(part)) + part


class Chained(Protocol):
    """What the chain covers of an entry, and its place in the chain."""

    @property
    def stream(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def at(self) -> datetime: ...
    @property
    def kind(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def hash(self) -> bytes: ...


def verify(entries: Iterable[Chained], *, head: bytes | None = None) -> bytes:
    """Check a whole chain and give its head.

    `head` is the hash that was noted elsewhere (the stream's, an evidence file's): a chain cut short at its end
    verifies by itself, and only the head tells.

    Raises:
        JournalError: The first entry that does not hold, named by stream and sequence.
    """
    previous, expected, stream = GENESIS, 1, None
    for entry in entries:
        where = f"entry {entry.sequence} of `{entry.stream}`"
        if stream is not None and entry.stream != stream:
            raise JournalError("it belongs to another stream", where=where, mend="verify one stream at a time")
        if entry.sequence != expected:
            raise JournalError(f"entry {expected} was expected here", where=where, mend="an entry is missing or moved")
        computed = link(
            previous,
            stream=entry.stream,
            sequence=entry.sequence,
            at=entry.at,
            kind=entry.kind,
            payload=entry.payload,
        )
        if not hmac.compare_digest(computed, entry.hash):
            raise JournalError("its hash does not hold", where=where, mend="this entry or one before it was changed")
        previous, expected, stream = entry.hash, expected + 1, entry.stream
    if head is not None and not hmac.compare_digest(previous, head):
        raise JournalError("its end is not the noted head", where=f"`{stream}`", mend="entries are missing at the end")
    return previous
