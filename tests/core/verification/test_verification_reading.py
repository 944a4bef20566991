"""Hexadecimal strings read at once: the same as pyHanko reads, and for nobody else."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic

from qcp_sdk.verification import reading

PIECES = st.sampled_from(
    [b"0", b"a", b"F", b"9c", b" ", b"\n", b"\x00", b"\x0c", b"%", b"% x\n", b"z", b"<", b">", b"(", b"\xff"]
)


def outcome(content: bytes) -> tuple[object, ...]:
    """What is read and where the stream stands, or which exception came."""
    stream = BytesIO(content)
    try:
        found = generic.read_hex_string_from_stream(stream)
    except Exception as error:
        return (type(error),)
    return type(found), getattr(found, "original_bytes", None) or bytes(str(found), "utf-8"), stream.tell()


@given(st.lists(PIECES, max_size=30).map(b"".join), st.sampled_from([b">", b"> /Next", b""]))
def test_the_same_is_read_and_the_stream_stands_at_the_same_place(inside: bytes, end: bytes) -> None:
    content = b"<" + inside + end
    theirs = outcome(content)
    with reading.at_once():
        assert outcome(content) == theirs


def test_a_long_string_is_read_across_its_pieces() -> None:
    content = b"<" + b"0a " * 100_000 + b">rest"
    stream = BytesIO(content)
    with reading.at_once():
        found = generic.read_hex_string_from_stream(stream)
    assert found.original_bytes == b"\n" * 100_000
    assert stream.read() == b"rest"


def test_outside_the_block_it_is_pyhankos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(reading, "_digits", lambda stream: asked.append(True))
    generic.read_hex_string_from_stream(BytesIO(b"<00>"))
    assert asked == []
    with reading.at_once():
        generic.read_hex_string_from_stream(BytesIO(b"<00>"))
    assert asked == [True]
