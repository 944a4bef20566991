"""Callers who want to write wait in line, and whoever comes first does the work of all that wait, in one go.

On SQLite one commit costs one sync of the disk, which takes longer than everything else together. While one is under
way others come; their work is done in one transaction with the next sync. No thread of our own does it: the first in
line does, so that who is alone waits for nobody, nothing has to be started or stopped, and a fork loses no thread.

Nobody is told anything, not even that it was refused, before what was done together is kept: a refusal may rest on what
somebody else wrote in the same transaction.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

from qcp_sdk.errors import QcpError, Unavailable, Unconfirmed

MOST: Final = 128
"""So many callers' work is done in one transaction at most."""
PATIENCE: Final = timedelta(seconds=5)
"""How long a caller waits for others' writes before it is told `Unavailable`."""

T = TypeVar("T")
WorkT = TypeVar("WorkT")


class Job(Generic[WorkT]):
    """What one caller wants done, and what became of it."""

    __slots__ = ("act", "answer", "error", "leads", "told")

    def __init__(self, act: Callable[[WorkT], Any]) -> None:
        self.act = act
        self.answer: Any = None
        self.error: BaseException | None = None
        self.leads = False
        """It is first in line: its caller does the work."""
        self.told: threading.Lock | None = None
        """Held while the caller waits."""


class Line(Generic[WorkT]):
    """The line before one database, in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job[WorkT]] = deque()
        self._busy = False

    def through(self, act: Callable[[WorkT], T], together: Callable[[Sequence[Job[WorkT]]], None]) -> T:
        """Have it done, by this caller or by another one, and give its answer.

        `together` does the work of several callers and writes down beside each what it was answered or refused. What it
        raises is for everybody: then nothing of it counts.

        Raises:
            Unavailable: Others took too long; nothing was done.
            Unconfirmed: Whoever did the work was interrupted while it was being kept.
        """
        job = Job(act)
        if self.enter(job):
            group = [job]
            try:
                group = self._taken(job)
                together(group)
            except BaseException as error:
                for other in group[1:]:
                    other.error = _for_another(error)
                raise
            finally:
                self.leave(group[1:])
        if job.error is not None:
            raise job.error
        answer: T = job.answer
        return answer

    def enter(self, job: Job[WorkT], patience: timedelta = PATIENCE) -> bool:
        """Wait until the work was done by another caller (no), or until this one is first and has to `leave` (yes).

        Raises:
            Unavailable: It took too long; nothing was done.
        """
        with self._lock:
            if not self._busy:
                self._busy = True
                return True
            job.told = told = threading.Lock()
            told.acquire()
            self._waiting.append(job)
        try:
            late = not told.acquire(timeout=patience.total_seconds())
            if late and not self._withdrawn(job):
                told.acquire()  # it is being done, and nobody can say yet how it ends
                late = False
        except BaseException:
            self._withdrawn(job)
            if job.leads:
                self.leave(())
            raise
        if late:
            raise Unavailable("other writers take too long", where="database", mend="try again in a moment")
        return job.leads

    def leave(self, done: Sequence[Job[WorkT]]) -> None:
        """Let the next one be first, and tell those whose work was done."""
        with self._lock:
            if self._waiting:
                following = self._waiting.popleft()
                following.leads = True
                _tell(following)
            else:
                self._busy = False
        for job in done:
            _tell(job)

    def renew(self) -> None:
        """Begin anew in a forked child: who waited is not there any more."""
        self._lock = threading.Lock()
        self._waiting.clear()
        self._busy = False

    def _withdrawn(self, job: Job[WorkT]) -> bool:
        with self._lock:
            waits = job in self._waiting
            if waits:
                self._waiting.remove(job)
        return waits

    def _taken(self, first: Job[WorkT]) -> list[Job[WorkT]]:
        with self._lock:
            waiting = self._waiting
            return [first, *(waiting.popleft() for _ in range(min(len(waiting), MOST - 1)))]


def _tell(job: Job[WorkT]) -> None:
    if job.told is not None:
        job.told.release()


def _for_another(error: BaseException) -> QcpError:
    """Say to one caller what went wrong while another did its work. Each is told by an error of its own."""
    if isinstance(error, Unavailable):
        told: QcpError = Unavailable(error.what, where=error.where, mend=error.mend)
    else:
        told = Unconfirmed("nobody knows whether it was kept", where="database", mend="load again and look")
    told.__cause__ = error
    return told
