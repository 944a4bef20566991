"""Whose turn it is to write to a SQLite file, between processes.

SQLite's own lock says who may write, and all that is kept rests on that one alone. But who waits for it sleeps and
looks again, and whoever has just written takes it once more meanwhile: a writer was seen to wait for two seconds.

So writers agree beforehand, on a file beside the database (`…-turn`) of which two bytes can be locked. Who is next
holds `NEXT` until it gets `NOW`, and who has just written must first get `NEXT` again: it cannot overtake. The system
lets go of both when a process dies.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

SUFFIX: Final = "-turn"
PAUSE: Final = 0.000_2
"""Seconds between two looks at a byte that another process has locked. A call that blocks would know no end."""
NEXT: Final = 0
NOW: Final = 1

if sys.platform == "win32":
    import msvcrt

    def _locked(file: int, byte: int) -> bool:
        os.lseek(file, byte, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(file: int, byte: int) -> None:
        os.lseek(file, byte, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _locked(file: int, byte: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
            return False
        return True

    def _unlock(file: int, byte: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_UN, 1, byte)


class Turn:
    """The turn at one database file, shared by everything in this process that writes to it.

    One a file and process, because the locks of POSIX belong to a process and go with the first of its descriptors that
    is closed: `turn` gives it.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file: int | None = None
        self._here = threading.Lock()

    def take(self, patience: timedelta) -> bool:
        """Wait for the turn; say whether it came.

        Raises:
            OSError: The file beside the database cannot be made.
        """
        end = time.monotonic() + patience.total_seconds()
        if not self._here.acquire(timeout=patience.total_seconds()):
            return False
        taken = False
        try:
            file = self._opened()
            if _waited(file, NEXT, end):
                taken = _waited(file, NOW, end)
                _unlock(file, NEXT)
        finally:
            if not taken:
                self._here.release()
        return taken

    def give(self) -> None:
        """Let the next one write."""
        try:
            if self._file is not None:
                _unlock(self._file, NOW)
        finally:
            self._here.release()

    def renew(self) -> None:
        """Begin anew in a forked child: it holds no lock of its parent's, and closing the file takes none from it."""
        self._here = threading.Lock()
        self._close()

    def _opened(self) -> int:
        if self._file is None:
            mode = self._database.stat().st_mode & 0o666  # whoever may write to the one may write to the other
            place = f"{self._database}{SUFFIX}"
            self._file = os.open(place, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), mode)
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def __del__(self) -> None:
        with suppress(Exception):  # the interpreter may be ending
            self._close()


def _waited(file: int, byte: int, end: float) -> bool:
    while not _locked(file, byte):
        if time.monotonic() >= end:
            return False
        time.sleep(PAUSE)
    return True


_turns: WeakValueDictionary[Path, Turn] = WeakValueDictionary()
_making = threading.Lock()


def turn(database: Path) -> Turn:
    """Give the turn at this file."""
    place = database.resolve()
    with _making:
        if (found := _turns.get(place)) is None:
            found = _turns[place] = Turn(place)
        return found


def renew_all() -> None:
    """Begin anew in a forked child."""
    global _making
    _making = threading.Lock()
    for one in list(_turns.values()):
        one.renew()
