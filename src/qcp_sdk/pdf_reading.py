"""Reading PDFs of strangers with pyHanko, in bounded time and memory; for signing and verification alike.

Within `bounded()`, in this thread or task and nowhere else (the host's own use of pyHanko stays as it is):

- a document has at most `MOST_ENTRIES` cross-reference entries and `MOST_VALUES` values. pyHanko makes an object of
  some hundred bytes of each, in microseconds: a file of 41 KB whose cross-reference stream unpacks to four million
  entries took 15 seconds and 1.2 GB, ten megabytes of `/a/a/a…` took 24 seconds and 2.8 GB, and with entries of no
  width at all 400 bytes were enough for ever.
- hexadecimal strings are read at once. pyHanko reads them byte by byte, and a signature is one of some ten thousand.
  What is read is the same: whatever is not plain hexadecimal is left to pyHanko's own function.
"""

from __future__ import annotations

import binascii
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, BinaryIO, Final

from attrs import define

MOST_ENTRIES: Final = 500_000
"""Objects that a document may list, all its revisions together. A thousand pages have some ten thousand."""
MOST_VALUES: Final = 1_000_000
"""Numbers, names, strings, dictionaries … that are read of it."""

_INSTALLING: Final = threading.Lock()
"""`lru_cache` calls twice where two threads come first together, and one would wrap the other's."""
_CHUNK: Final = 1 << 16
_SPACE: Final = b"\x00\t\n\x0c\r "
_HEX: Final = b"0123456789abcdefABCDEF"


@define
class _Budget:
    entries: int = MOST_ENTRIES
    values: int = MOST_VALUES


_budget: ContextVar[_Budget | None] = ContextVar("qcp_sdk_pdf_reading", default=None)


@contextmanager
def bounded() -> Iterator[None]:
    """Read within bounds in this block. What exceeds them is pyHanko's `PdfReadError`, as any other broken file."""
    with _INSTALLING:
        _install()
    token = _budget.set(_Budget(MOST_ENTRIES, MOST_VALUES))
    try:
        yield
    finally:
        _budget.reset(token)


@lru_cache(maxsize=1)
def _install() -> None:
    from pyhanko.pdf_utils import generic, xref

    theirs_hex, theirs_object = generic.read_hex_string_from_stream, generic.read_object

    def read_hex_string_from_stream(stream: BinaryIO) -> Any:
        found = _digits(stream) if _budget.get() is not None else None
        return theirs_hex(stream) if found is None else generic.pdf_string(binascii.unhexlify(found))

    def read_object(*given: Any, **named: Any) -> Any:
        budget = _budget.get()
        if budget is not None:
            budget.values -= 1
            if budget.values < 0:
                raise _too_much()
        return theirs_object(*given, **named)

    generic.read_hex_string_from_stream = read_hex_string_from_stream
    generic.read_object = read_object
    xref.parse_xref_stream = _counted(xref.parse_xref_stream)
    xref.parse_xref_table = _counted(xref.parse_xref_table)


def _counted(theirs: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def entries(*given: Any, **named: Any) -> Iterator[Any]:
        budget = _budget.get()
        for entry in theirs(*given, **named):
            if budget is not None:
                budget.entries -= 1
                if budget.entries < 0:
                    raise _too_much()
            yield entry

    return entries


def _too_much() -> Exception:
    from pyhanko.pdf_utils.misc import PdfReadError

    return PdfReadError("the document holds more than is read")


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
