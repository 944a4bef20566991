"""PDFs read within bounds: the same as pyHanko reads, up to a limit, and for nobody else."""

from __future__ import annotations

import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from qcp_sdk import pdf_reading
from qcp_sdk.adapters.shared import pades
from qcp_sdk.errors import DocumentError, Rejected
from qcp_sdk.testing.hostile.kit import NOW, Kit, plain
from qcp_sdk.verification import TrustStore, verify

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
    with pdf_reading.bounded():
        assert outcome(content) == theirs


def test_a_long_string_is_read_across_its_pieces() -> None:
    content = b"<" + b"0a " * 100_000 + b">rest"
    stream = BytesIO(content)
    with pdf_reading.bounded():
        found = generic.read_hex_string_from_stream(stream)
    assert found.original_bytes == b"\n" * 100_000
    assert stream.read() == b"rest"


def test_outside_the_block_it_is_pyhankos_own(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(pdf_reading, "_digits", lambda stream: asked.append(True))
    generic.read_hex_string_from_stream(BytesIO(b"<00>"))
    assert asked == []
    with pdf_reading.bounded():
        generic.read_hex_string_from_stream(BytesIO(b"<00>"))
    assert asked == [True]


def listing(entries: int, *, widths: str = "1 4 2", rows: bytes = b"") -> bytes:
    """A small document whose cross-reference stream lists so many objects."""
    head = b"%PDF-1.7\n"
    catalog = b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    pages = b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n"
    places = (0, len(head), len(head) + len(catalog), len(head) + len(catalog) + len(pages))
    kinds = zip((0, 1, 1, 1), places, strict=True)
    first = b"".join(kind.to_bytes(1, "big") + place.to_bytes(4, "big") + bytes(2) for kind, place in kinds)
    packed = zlib.compress(rows or first + (b"\x01" + (9).to_bytes(4, "big") + bytes(2)) * entries)
    told = b"/Size %d /W [%s] /Root 1 0 R /Filter /FlateDecode" % (entries + 4, widths.encode())
    table = b"3 0 obj\n<< /Type /XRef %s /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (told, len(packed), packed)
    return head + catalog + pages + table + b"startxref\n%d\n%%%%EOF\n" % places[3]


class TestBounds:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pdf_reading, "MOST_ENTRIES", 1_000)
        monkeypatch.setattr(pdf_reading, "MOST_VALUES", 1_000)

    @pytest.mark.parametrize(
        "content",
        [
            listing(2_000),
            listing(10**9, widths="0 0 0", rows=bytes(9)),
            plain({2: b"<< /Type /Pages /Kids [] /Count 0 /X [" + b"1 " * 2_000 + b"] >>"}),
            plain({2: b"<< /Type /Pages /Kids [] /Count 0 /X << " + b"/a 1 " * 2_000 + b">> >>"}),
            plain(dict.fromkeys(range(10, 2010), b"null")),
        ],
        ids=["listed", "endless", "values", "keys", "table"],
    )
    def test_what_holds_too_much_is_one_clear_error(self, content: bytes, tmp_path: Path) -> None:
        with pytest.raises(DocumentError):
            verify(content, trust=TrustStore(), now=NOW)
        file = tmp_path / "document.pdf"
        file.write_bytes(content)
        kit = Kit()
        with pytest.raises(Rejected) as refusal:
            pades.prepare(file=file, name="one", chain=kit.honest.chain, algorithm="sha256_ecdsa", at=NOW)
        assert refusal.value.reason == "unreadable"

    def test_what_does_not_is_read(self) -> None:
        assert verify(listing(900), trust=TrustStore(), now=NOW).signatures == ()

    def test_the_hosts_own_pyhanko_has_no_bounds(self) -> None:
        with pytest.raises(DocumentError):
            verify(listing(2_000), trust=TrustStore(), now=NOW)
        assert PdfFileReader(BytesIO(listing(2_000))).root["/Pages"]


FIRST_TOGETHER = """
import sys, threading
from qcp_sdk import pdf_reading

sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def first():
    together.wait()
    with pdf_reading.bounded():
        pass

threads = [threading.Thread(target=first) for _ in range(8)]
[one.start() for one in threads], [one.join() for one in threads]
from pyhanko.pdf_utils.generic import read_object  # not before: importing it is what the first takes time for
print(dict(zip(read_object.__code__.co_freevars, read_object.__closure__))["theirs_object"].cell_contents.__module__)
"""


def test_first_uses_at_once_wrap_once() -> None:
    """A budget counted twice is half a budget."""
    said = subprocess.run([sys.executable, "-c", FIRST_TOGETHER], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["pyhanko.pdf_utils.generic"]
