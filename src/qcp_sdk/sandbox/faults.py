"""What goes wrong between a client and the sandbox, as scripted by the control API."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from attrs import define, field, frozen

from qcp_sdk.sandbox.wsgi import Answer

EVERY: Final = "*"
SLOWEST: Final = 30.0
"""Seconds that an answer is held back at most."""
OVERSIZE: Final = 32 * 1024 * 1024


class FaultKind(StrEnum):
    """How a request fails."""

    DOWN = "down"
    """503, and nothing was done."""
    RATE_LIMITED = "rate_limited"
    """429 with `Retry-After`, and nothing was done."""
    LOST = "lost"
    """It was done, and a gateway answers 504 in the provider's stead."""
    GARBLED = "garbled"
    """It was done, and half of the answer is missing."""
    OVERSIZED = "oversized"
    """It was done, and the answer is 32 MiB long."""
    SLOW = "slow"
    """It is done, and the answer comes late."""
    DUPLICATED = "duplicated"
    """It is done twice, as when something on the way tries again by itself; the second answer arrives."""


BEFORE: Final = {FaultKind.DOWN, FaultKind.RATE_LIMITED}
HARMLESS: Final = (FaultKind.DOWN, FaultKind.RATE_LIMITED, FaultKind.SLOW)
"""After these, whoever asks again does nothing twice."""
BAD_NETWORK: Final = (*HARMLESS, FaultKind.LOST, FaultKind.GARBLED, FaultKind.DUPLICATED)
"""What an adapter's exam is sat under: all kinds but answers of 32 MiB, which a thousand requests have no time for."""


@frozen(kw_only=True)
class Fault:
    """One line of the script. `provider` is a prefix's name, or `*`."""

    kind: FaultKind
    provider: str = EVERY
    seconds: float = 30
    """`Retry-After`, or how late an answer is."""


@define
class _Line:
    fault: Fault
    left: int | None


Decide = Callable[[str, int], FaultKind | None]
"""A script as a function: the provider's name and the number of its request, from 1."""


@define
class FaultScript:
    """The script: each line applies to the next requests, `times` of them or all until it is cleared."""

    decide: Decide | None = None
    sleep: Callable[[float], None] = time.sleep
    """How a late answer is waited for: in a test, by noting it."""
    _lines: list[_Line] = field(factory=list, init=False)
    _counts: dict[str, int] = field(factory=dict, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False, repr=False, eq=False)

    def unreliable(self, decide: Decide) -> None:
        """Let a function decide from now on, and nobody wait for what is late: for exams."""
        self.decide, self.sleep = decide, lambda _seconds: None

    def add(self, fault: Fault, *, times: int | None = 1) -> None:
        """Write one more line."""
        with self._lock:
            self._lines.append(_Line(fault, times))

    def clear(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._lines.clear()
            self._counts.clear()
            self.decide = None

    def lines(self) -> list[dict[str, object]]:
        """Give what still applies, for the control page."""
        with self._lock:
            return [
                {"kind": one.fault.kind, "provider": one.fault.provider, "left": one.left}
                for one in self._lines
                if one.left != 0
            ]

    def judge(self, provider: str) -> Fault | None:
        """Count a request, and say how it fails."""
        with self._lock:
            number = self._counts[provider] = self._counts.get(provider, 0) + 1
            for line in self._lines:
                if line.left != 0 and line.fault.provider in {EVERY, provider}:
                    line.left = line.left - 1 if line.left is not None else None
                    return line.fault
            kind = self.decide(provider, number) if self.decide else None
        return Fault(kind=kind) if kind else None


def refused(fault: Fault) -> Answer:
    """Give the answer to a request that is not even looked at."""
    if fault.kind is FaultKind.RATE_LIMITED:
        headers = (("Retry-After", str(max(0, round(fault.seconds)))),)
        return Answer(status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers)
    return Answer(status=HTTPStatus.SERVICE_UNAVAILABLE)


def spoilt(fault: Fault, answer: Answer, *, sleep: Callable[[float], None]) -> Answer:
    """Give what arrives of an answer."""
    match fault.kind:
        case FaultKind.LOST:
            return Answer(status=HTTPStatus.GATEWAY_TIMEOUT, body=b"<html>gateway timeout</html>", type="text/html")
        case FaultKind.GARBLED:
            return Answer(status=answer.status, body=answer.body[: len(answer.body) // 2] or b"{", type=answer.type)
        case FaultKind.OVERSIZED:
            return Answer(status=answer.status, body=b" " * OVERSIZE, type=answer.type)
        case FaultKind.SLOW:
            sleep(min(SLOWEST, max(0.0, fault.seconds)))
            return answer
        case FaultKind.DUPLICATED:
            return answer
        case FaultKind.DOWN | FaultKind.RATE_LIMITED:
            return refused(fault)
