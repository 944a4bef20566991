"""A journal as one JSON file: what `qcp-sdk journal verify` reads, with nothing but the file.

```json
{"format": "qcp-sdk/journal/1", "head": "<hex>", "entries": [
  {"stream": "…", "sequence": 1, "at": "2026-11-23T14:00:00.000000Z", "kind": "…", "payload": "<base64>",
   "hash": "<hex>", "fact": {…}}]}
```

`fact` is there for people, when whoever wrote the file could open the payloads; the chain is over the sealed bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from qcp_sdk import journal
from qcp_sdk.errors import JournalError
from qcp_sdk.journal import Entry

FORMAT: Final = "qcp-sdk/journal/1"


@frozen(kw_only=True)
class JournalFile:
    """The entries of one stream, and the head noted beside them."""

    entries: tuple[Entry, ...]
    head: bytes


def write(entries: Sequence[Entry], *, head: bytes, facts: Mapping[int, object] | None = None) -> str:
    """Give the file's text. `facts` holds readable facts by sequence, where they could be opened."""
    rows = []
    for entry in entries:
        row: dict[str, object] = {
            "stream": entry.stream,
            "sequence": entry.sequence,
            "at": journal.instant(entry.at),
            "kind": entry.kind,
            "payload": base64.b64encode(entry.payload).decode(),
            "hash": entry.hash.hex(),
        }
        if facts is not None and entry.sequence in facts:
            row["fact"] = facts[entry.sequence]
        rows.append(row)
    return json.dumps({"format": FORMAT, "head": head.hex(), "entries": rows}, ensure_ascii=False, indent=1)


def read(text: str | bytes) -> JournalFile:
    """Read a file; its chain is not checked yet.

    Raises:
        JournalError: It is not such a file; says where.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError("it is not JSON", where="journal file", mend="give the file as it was written") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise JournalError(f"it is not a `{FORMAT}` file", where="format", mend="give a file that we wrote")
    entries = data.get("entries")
    if not isinstance(entries, list):
        raise JournalError("there are no entries", where="entries", mend="give a file that we wrote")
    return JournalFile(
        entries=tuple(_entry(row, place) for place, row in enumerate(entries)), head=_hex(data.get("head"), "head")
    )


def check(text: str | bytes) -> JournalFile:
    """Read a file and verify its chain up to the noted head.

    Raises:
        JournalError: The first entry that does not hold.
    """
    file = read(text)
    journal.verify(file.entries, head=file.head)
    return file


def _entry(row: Any, place: int) -> Entry:
    where = f"entries[{place}]"
    if not isinstance(row, dict):
        raise JournalError("it is not an object", where=where, mend="give a file that we wrote")
    try:
        at = datetime.fromisoformat(row["at"])
        stream, sequence, kind = row["stream"], row["sequence"], row["kind"]
        payload = base64.b64decode(row["payload"], validate=True)
    except (KeyError, ValueError, TypeError) as error:
        raise JournalError("a field is missing or malformed", where=where, mend="give a file that we wrote") from error
    if at.tzinfo is None or not (isinstance(stream, str) and isinstance(kind, str) and type(sequence) is int):
        raise JournalError("a field is malformed", where=where, mend="give a file that we wrote")
    try:  # what is hashed has one form: an instant that exists in UTC, text that UTF-8 can write
        at = at.astimezone(UTC)
        (stream + kind).encode()
    except (OverflowError, UnicodeEncodeError) as error:
        raise JournalError("a field cannot be hashed", where=where, mend="give a file that we wrote") from error
    if sequence < 0:
        raise JournalError("a sequence is negative", where=where, mend="give a file that we wrote")
    return Entry(stream=stream, sequence=sequence, at=at, kind=kind, payload=payload, hash=_hex(row.get("hash"), where))


def _hex(text: Any, where: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except (ValueError, TypeError) as error:
        raise JournalError("it is not hexadecimal", where=where, mend="give a file that we wrote") from error
    if len(found) != 32:
        raise JournalError("a SHA-256 has 32 bytes", where=where, mend="give a file that we wrote")
    return found
