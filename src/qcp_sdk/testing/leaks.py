"""Whether somebody's data lies in the clear where it must not: a search for texts in every form that they may take."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

SHORTEST = 5
"""Bytes; a shorter form is anywhere by chance."""


def forms(text: str) -> frozenset[bytes]:
    """Give a text as it may lie somewhere, in lower case: other encodings, and Base64 at each of its three offsets."""
    raw = text.encode()
    shifted = [base64.b64encode(b"x" * pad + raw)[4 if pad else 0 : -4] for pad in range(3)]
    found = {
        raw,
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        raw.hex().encode(),
        quote(text, safe="").encode(),
        text.encode("ascii", "backslashreplace"),
        json.dumps(text)[1:-1].encode(),
        *(each for each in shifted if len(each) >= 8),
    }
    return frozenset(each.lower() for each in found if len(each) >= SHORTEST)


def leaks(texts: Iterable[str], contents: Iterable[bytes]) -> set[str]:
    """Give those of the texts that are found in one of the contents, in whatever form."""
    sought = {text: forms(text) for text in texts}
    found: set[str] = set()
    for content in contents:
        lower = content.lower()
        found |= {text for text, each in sought.items() if any(form in lower for form in each)}
    return found


def files(folder: Path) -> Iterator[bytes]:
    """Give the content of every file under a folder, as far as it can be read."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.read_bytes()
