"""The hash chain: a single entry that was changed, taken out, added or moved is found, and named."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk import journal, journal_file
from qcp_sdk.cli import main
from qcp_sdk.errors import JournalError
from qcp_sdk.journal import GENESIS, Entry, link, verify

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def chain(count: int, *, stream: str = "sub-1") -> list[Entry]:
    """Give a good chain."""
    entries: list[Entry] = []
    previous = GENESIS
    for place in range(count):
        at, payload, kind = START + timedelta(seconds=place), f"sealed {place}".encode(), f"kind_{place}"
        head = link(previous, stream=stream, sequence=place + 1, at=at, kind=kind, payload=payload)
        entries.append(Entry(stream=stream, sequence=place + 1, at=at, kind=kind, payload=payload, hash=head))
        previous = head
    return entries


COUNTS = st.integers(min_value=1, max_value=6)


@given(count=st.integers(min_value=0, max_value=6))
def test_a_chain_verifies_and_gives_its_head(count: int) -> None:
    entries = chain(count)
    head = entries[-1].hash if entries else GENESIS
    assert verify(entries) == head
    assert verify(iter(entries), head=head) == head


def named(entries: list[Entry], *, head: bytes | None = None) -> str:
    """Give where the first fault is said to be."""
    with pytest.raises(JournalError) as broken:
        verify(entries, head=head)
    assert broken.value.what
    assert broken.value.mend
    return str(broken.value)


@given(count=COUNTS, data=st.data())
def test_a_changed_entry_is_named(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    place = data.draw(st.integers(min_value=0, max_value=count - 1))
    one = entries[place]
    flip = data.draw(st.integers(min_value=1, max_value=255))

    def flipped(content: bytes) -> bytes:
        where = data.draw(st.integers(min_value=0, max_value=len(content) - 1))
        return bytes([*content[:where], content[where] ^ flip, *content[where + 1 :]])

    part = data.draw(st.sampled_from(["payload", "hash", "at", "kind", "grown", "cut"]))
    match part:
        case "payload":
            changed = evolve(one, payload=flipped(one.payload))
        case "hash":
            changed = evolve(one, hash=flipped(one.hash))
        case "at":
            changed = evolve(one, at=one.at + timedelta(microseconds=flip))
        case "kind":
            changed = evolve(one, kind=one.kind + "x")
        case "grown":
            changed = evolve(one, payload=one.payload + b"\0")
        case _:
            changed = evolve(one, payload=one.payload[:-1])
    assert f"entry {place + 1} of `sub-1`" in named([*entries[:place], changed, *entries[place + 1 :]])


@given(count=st.integers(min_value=2, max_value=6), data=st.data())
def test_a_missing_entry_is_named(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    place = data.draw(st.integers(min_value=0, max_value=count - 2))
    told = named([*entries[:place], *entries[place + 1 :]])
    assert f"entry {place + 1} was expected here" in told
    assert f"entry {place + 2} of `sub-1`" in told


@given(count=COUNTS)
def test_a_chain_cut_at_its_end_is_told_by_the_head_that_was_noted_elsewhere(count: int) -> None:
    entries = chain(count)
    assert verify(entries[:-1])
    assert "missing at the end" in named(entries[:-1], head=entries[-1].hash)


@given(count=COUNTS, data=st.data())
def test_an_entry_that_stands_twice_is_named(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    place = data.draw(st.integers(min_value=0, max_value=count - 1))
    assert f"entry {place + 1} of" in named([*entries[: place + 1], entries[place], *entries[place + 1 :]])


@given(count=st.integers(min_value=2, max_value=6), data=st.data())
def test_entries_that_changed_places_are_named(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    place = data.draw(st.integers(min_value=0, max_value=count - 2))
    entries[place], entries[place + 1] = entries[place + 1], entries[place]
    assert f"entry {place + 2} of" in named(entries)


def test_an_entry_forged_with_a_hash_of_its_own_breaks_the_next() -> None:
    entries = chain(4)
    second = entries[1]
    forged = link(entries[0].hash, stream="sub-1", sequence=2, at=second.at, kind=second.kind, payload=b"forged")
    entries[1] = evolve(second, payload=b"forged", hash=forged)
    assert "entry 3 of" in named(entries)


def test_a_chain_of_another_stream_does_not_follow() -> None:
    told = named([*chain(2), *chain(3, stream="sub-2")[2:]])
    assert "another stream" in told
    assert "sub-2" in told


def test_an_entry_moved_from_another_stream_does_not_hold() -> None:
    other = chain(3, stream="sub-2")[2]
    assert "entry 3 of" in named([*chain(2), evolve(other, stream="sub-1")])


@given(stream=st.text(max_size=4), kind=st.text(max_size=4), payload=st.binary(max_size=4), cut=st.integers(0, 4))
def test_no_two_entries_read_as_one(stream: str, kind: str, payload: bytes, cut: int) -> None:
    """What stands in one field cannot be moved into the next."""
    plain = link(GENESIS, stream=stream + kind[:cut], sequence=1, at=START, kind=kind[cut:], payload=payload)
    moved = link(GENESIS, stream=stream, sequence=1, at=START, kind=kind, payload=payload)
    assert (plain == moved) == (not kind[:cut])


@given(hours=st.integers(min_value=-14, max_value=14))
def test_an_instant_is_hashed_the_same_in_every_zone(hours: int) -> None:
    there = START.astimezone(timezone(timedelta(hours=hours)))
    assert journal.instant(there) == journal.instant(START) == "2026-03-02T09:00:00.000000Z"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/St_Johns"])
def test_the_zone_of_the_machine_does_not_matter(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    there = START.astimezone(timezone(timedelta(hours=3)))
    try:
        assert journal.instant(START) == journal.instant(there) == "2026-03-02T09:00:00.000000Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_hash_is_made_as_written() -> None:
    """Recorded chains must verify after any upgrade: the bytes that are hashed never change."""
    parts = (
        b"\x01" * 32,
        "súb".encode(),
        b"12",
        b"2026-03-02T09:00:00.000000Z",
        b"kind",
        b"sealed",
    )
    by_the_book = b"qcp-sdk/journal/1" + b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    made = link(b"\x01" * 32, stream="súb", sequence=12, at=START, kind="kind", payload=b"sealed")
    assert made == hashlib.sha256(by_the_book).digest()
    assert bytes(32) == GENESIS


def test_a_head_that_is_not_the_end_names_the_stream() -> None:
    assert named(chain(2), head=GENESIS).startswith("`sub-1`: ")


# --- as a file ------------------------------------------------------------------------------------------------


def written(count: int = 3) -> str:
    entries = chain(count)
    return journal_file.write(entries, head=entries[-1].hash, facts={1: {"name": "Noël"}})


def test_a_file_gives_back_what_was_written() -> None:
    entries = chain(3)
    file = journal_file.check(written())
    assert file.entries == tuple(entries)
    assert file.head == entries[-1].hash
    assert "Noël" in written()
    assert journal_file.check(written().encode()) == file


Change = tuple[str, object]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("format", "qcp-sdk/journal/2"), "format"),
        (("format", ...), "format"),
        (("head", "00"), "head"),
        (("head", None), "head"),
        (("head", 7), "head"),
        (("head", "zz"), "head"),
        (("entries", {}), "entries"),
        (("entries", ...), "entries"),
        (("entries", ["x"]), "entries[0]"),
        (("stream", 3), "entries[1]"),
        (("stream", ...), "entries[1]"),
        (("stream", "\ud800"), "entries[1]"),
        (("kind", None), "entries[1]"),
        (("kind", "\udfff"), "entries[1]"),
        (("sequence", "2"), "entries[1]"),
        (("sequence", 2.0), "entries[1]"),
        (("sequence", True), "entries[1]"),
        (("sequence", -1), "entries[1]"),
        (("sequence", 10**4000), "entry 2 was expected here"),
        (("at", "2026-03-02T09:00:01"), "entries[1]"),
        (("at", "yesterday"), "entries[1]"),
        (("at", 5), "entries[1]"),
        (("at", "0001-01-01T00:00:00+14:00"), "entries[1]"),
        (("at", "9999-12-31T23:59:59-14:00"), "entries[1]"),
        (("payload", "***"), "entries[1]"),
        (("payload", "é"), "entries[1]"),
        (("payload", None), "entries[1]"),
        (("hash", "ab"), "entries[1]"),
        (("hash", ...), "entries[1]"),
        (("payload", "AAAA"), "entry 2 of"),
        (("kind", "other"), "entry 2 of"),
        (("at", "2026-03-02T09:00:02Z"), "entry 2 of"),
        (("stream", "sub-9"), "entry 2 of"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_does_not_hold_says_where(change: Change, told: str) -> None:
    data: dict[str, Any] = json.loads(written())
    name, value = change
    target = data if name in data else data["entries"][1]
    if value is ...:
        del target[name]
    else:
        target[name] = value
    with pytest.raises(JournalError) as broken:
        journal_file.check(json.dumps(data))
    assert told in str(broken.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["format", "head", "entries", "stream", "sequence", "at", "kind", "payload", "hash"]),
            inner,
            max_size=9,
        )
    ),
    max_leaves=12,
)
rows = st.fixed_dictionaries(
    {
        "stream": st.text(alphabet=st.characters(), max_size=3) | anything,
        "sequence": st.integers() | anything,
        "at": st.datetimes().map(datetime.isoformat) | st.datetimes().map(lambda at: f"{at.isoformat()}-23:59"),
        "kind": st.text(alphabet=st.characters(), max_size=3),
        "payload": st.just("AAAA") | anything,
        "hash": st.just("00" * 32) | anything,
    }
)
files = st.fixed_dictionaries(
    {"format": st.just(journal_file.FORMAT), "head": st.just("00" * 32), "entries": st.lists(rows, max_size=2)}
)


@given(file=anything | files)
def test_any_json_is_read_or_refused_and_nothing_else(file: object) -> None:
    try:
        read = journal_file.check(json.dumps(file))
    except JournalError as broken:
        str(broken).encode()
    else:
        assert read.entries == ()


@given(content=st.binary(max_size=60) | st.text(max_size=30).map(lambda text: written()[:200].encode() + text.encode()))
def test_any_bytes_are_read_or_refused_and_nothing_else(content: bytes) -> None:
    with pytest.raises(JournalError):
        journal_file.check(content)


@given(place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_a_byte_changed_on_disk_is_found_or_changes_no_entry(place: int, flip: int) -> None:
    """Space, the readable copies and the case of digits are not covered by the chain; everything else is."""
    content = bytearray(written().encode())
    content[place % len(content)] ^= flip
    try:
        file = journal_file.check(bytes(content))
    except JournalError:
        return
    assert file == journal_file.check(written())


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(JournalError):
        journal_file.check("[" * 100_000)


# --- the command ----------------------------------------------------------------------------------------------


def test_the_command_says_yes_no_or_that_it_cannot_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(written())
    bad.write_text(written().replace("kind_1", "kind_9"))

    assert main(["--language", "en", "journal", "verify", str(good)]) == 0
    out = capsys.readouterr()
    assert "3 facts" in out.out
    assert chain(3)[-1].hash.hex() in out.out
    assert main(["--language", "fr", "journal", "verify", str(good)]) == 0
    assert "3 faits" in capsys.readouterr().out

    assert main(["journal", "verify", str(bad)]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert "entry 2 of `sub-1`" in out.err

    assert main(["journal", "verify", str(tmp_path / "none.json")]) == 2
    assert main(["journal", "verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 2
