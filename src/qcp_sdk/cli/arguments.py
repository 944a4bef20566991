"""What several commands are given."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from qcp_sdk.errors import InvalidInput


def instant(text: str) -> datetime:
    """Read an instant with a zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"`{text}` is not an instant such as 2026-11-23T09:00:00+00:00") from None
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"`{text}` has no time zone")
    return moment


def content_of(path: Path) -> bytes:
    """Give what a file holds.

    Raises:
        InvalidInput: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"it cannot be read ({error.strerror})", where=path.name, mend="give the path of a file"
        ) from error


def readable(path: Path) -> None:
    """Make sure that a file can be read, without reading it.

    Raises:
        InvalidInput: It cannot be.
    """
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise InvalidInput(
            f"it cannot be read ({error.strerror})", where=path.name, mend="give the path of a file"
        ) from error
