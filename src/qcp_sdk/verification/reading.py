"""Reading hexadecimal strings at once where pyHanko reads them byte by byte.

A signature is one such string of some ten thousand bytes, a hostile one has a hundred million: pyHanko takes a
microsecond for each. What is read is the same: whatever is not plain hexadecimal is left to pyHanko's own function.
The host's own use of pyHanko, in other threads and tasks, stays as it is.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, BinaryIO, Final

_CHUNK: Final = 1 << 16
_SPACE: Final = b"\x00\t\n\x0c\r "
_HEX: Final = b"0123456789abcdefABCDEF"

_at_once: ContextVar[bool] = ContextVar("qcp_sdk_reading_at_once", default=False)


@contextmanager
def at_once() -> Iterator[None]:
    """Read hexadecimal strings at once, within this block and nowhere else."""
    _install()
    token = _at_once.set(True)
    try:
        yield
    finally:
        _at_once.reset(token)


@lru_cache(maxsize=1)
def _install() -> None:
    from pyhanko.pdf_utils import generic

    theirs = generic.read_hex_string_from_stream

    def read_hex_string_from_stream(stream: BinaryIO) -> Any:
        found = _digits(stream) if _at_once.get() else None
        return theirs(stream) if found is None else generic.pdf_string(binascii.unhexlify(found))

    generic.read_hex_string_from_stream = read_hex_string_from_stream


def _digits(stream: BinaryIO) -> bytes | None:
    """Give the digits up to `>` and leave the stream after it; None, and the stream as it was, for anything unusual."""
    start = stream.tell()
    parts, end = [], -1
    stream.read(1)
    while end < 0 and (chunk := stream.read(_CHUNK)):
        end = chunk.find(b">")
        parts.append(chunk if end < 0 else chunk[:end])
    whole = b"".join(parts)
    digits = whole.translate(None, _SPACE)
    if end < 0 or digits.translate(None, _HEX):
        stream.seek(start)
        return None
    stream.seek(start + 1 + len(whole) + 1)
    return digits + b"0" if len(digits) % 2 else digits
