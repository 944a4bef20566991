"""Answers remembered by key in a folder, so that a key asked again answers the same, across restarts.

The first answer wins: whoever comes second, even in another process, is given the first one's. `meant` says what
the key is for: a key that comes again for something else is refused, not answered with the first one's answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Final

from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.values import Key

_MEANT: Final = "\nmeant "
"""Before the hash of what the key is for, at the end of the file; files of older versions have none."""


def stream_of(key: Key) -> str:
    """Give the subscription or ceremony that asks under this key: the engine's keys begin with its id."""
    return key.partition("/")[0]


class KeptAnswers:
    """One small file a key, named by the key's hash. `directory` is made when the first answer is kept."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, *, key: Key, meant: tuple[str, ...] = ()) -> str | None:
        """Give the answer that was kept under this key, or None.

        Raises:
            Rejected: `key_reused`: the key was kept for something else.
            Unavailable: The folder cannot be read.
        """
        try:
            kept = self._path(key).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("the folder of kept answers cannot be read", mend="check its permissions") from error
        return _answer(kept, _hashed(key, meant))

    def put(self, *, key: Key, answer: str, meant: tuple[str, ...] = (), of: str = "") -> str:
        """Keep this answer, unless the key has one; give the answer that the key has from now on.

        `of` is the subscription or ceremony that it is about, for `forget_stream`.

        Raises:
            Rejected: `key_reused`: the key was kept for something else.
            Unavailable: The folder cannot be written.
        """
        path = self._path(key)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if of:  # before the answer: what a crash leaves is a name too many, and no answer that nobody finds
                self._owner(of).mkdir(mode=0o700, parents=True, exist_ok=True)
                (self._owner(of) / path.name).touch(mode=0o600)
            descriptor, name = tempfile.mkstemp(dir=self._directory, prefix=".new-")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(answer + _MEANT + _hashed(key, meant) if meant else answer)
                    file.flush()
                    os.fsync(file.fileno())
                # A link fails when the name exists, where a rename would replace: that makes the first one win.
                os.link(name, path)
            except FileExistsError:
                return _answer(path.read_text(encoding="utf-8"), _hashed(key, meant))
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(
                "the folder of kept answers cannot be written", mend="check its permissions and the free space"
            ) from error
        return answer

    def forget(self, *, key: Key) -> None:
        """Keep nothing under this key any more.

        Raises:
            Unavailable: The folder cannot be written.
        """
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("the folder of kept answers cannot be written", mend="check its permissions") from error

    def forget_stream(self, *, stream: str) -> tuple[str, ...]:
        """Keep nothing any more that was kept `of` this subscription or ceremony; give the answers that there were.

        Raises:
            Unavailable: The folder cannot be written.
        """
        owner, found = self._owner(stream), list[str]()
        try:
            for tie in sorted(owner.iterdir()) if owner.is_dir() else ():
                kept = self._directory / tie.name
                if kept.is_file():
                    found.append(_answer(kept.read_text(encoding="utf-8"), ""))
                kept.unlink(missing_ok=True)
                tie.unlink()
            if owner.is_dir():
                owner.rmdir()
        except OSError as error:
            raise Unavailable("the folder of kept answers cannot be written", mend="check its permissions") from error
        return tuple(found)

    def _owner(self, stream: str) -> Path:
        return self._directory / "of" / _name(stream)

    def _path(self, key: Key) -> Path:
        return self._directory / _name(key)


def _name(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _hashed(key: Key, meant: tuple[str, ...]) -> str:
    # With the key in it, so that equal addresses do not show as equal hashes in the folder.
    told = json.dumps([key, *meant]) if meant else ""
    return hashlib.sha256(told.encode()).hexdigest() if told else ""


def _answer(kept: str, meant: str) -> str:
    answer, _, before = kept.partition(_MEANT)
    if meant and before and meant != before:
        raise Rejected("this key was used for something else", reason="key_reused", mend="derive a key for each intent")
    return answer
