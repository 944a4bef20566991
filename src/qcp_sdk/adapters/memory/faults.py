"""A script of failures for the fakes: `Unavailable` before the effect, `Unconfirmed` after it.

A fake that is given `Faults` asks it twice for each call: before it does anything, and once it has done it. Both
failures are what a port may raise at any time (ports/__init__), so whatever is built on ports has to live with
them; the fakes without a script never fail.
"""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import ClassVar, Concatenate, Final, ParamSpec, TypeVar

from attrs import field, frozen

from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.answers import Pending
from qcp_sdk.values import Key


class When(StrEnum):
    """At which end of a call it fails."""

    BEFORE = "before"
    """Nothing was done: `Unavailable`."""
    AFTER = "after"
    """It was done, and the answer is lost: `Unconfirmed`."""


@frozen
class Call:
    """One call of a port's method. `number` counts the calls of that method from 1; `key` is "" where it takes none."""

    port: str
    method: str
    number: int
    key: str


Decide = Callable[[Call], When | None]

EVERY: Final = "*"


@frozen
class _Rule:
    when: When
    port: str
    method: str
    left: list[int] = field(factory=list)
    """One element: how often it still applies."""


class Faults:
    """Which calls fail, and how: `times` calls of a method, or as `decide` says of each call.

    One script may serve several fakes; `calls` counts what was asked, by (port, method).
    """

    def __init__(self, decide: Decide | None = None) -> None:
        self._decide = decide
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self.calls: Counter[tuple[str, str]] = Counter()

    def unavailable(self, port: str = EVERY, method: str = EVERY, *, times: int = 1) -> Faults:
        """Let the next calls fail before they do anything; gives the script itself, to go on writing."""
        return self._add(When.BEFORE, port, method, times)

    def unconfirmed(self, port: str = EVERY, method: str = EVERY, *, times: int = 1) -> Faults:
        """Let the next calls fail after they have done everything; gives the script itself, to go on writing."""
        return self._add(When.AFTER, port, method, times)

    def clear(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._rules.clear()
            self._decide = None

    def judge(self, port: str, method: str, key: str) -> When | None:
        """Count the call, and say whether and when it fails. Called by the fakes."""
        with self._lock:
            self.calls[port, method] += 1
            number = self.calls[port, method]
            for rule in self._rules:
                if rule.left[0] > 0 and rule.port in (EVERY, port) and rule.method in (EVERY, method):
                    rule.left[0] -= 1
                    return rule.when
            decide = self._decide
        return decide(Call(port, method, number, key)) if decide is not None else None

    def _add(self, when: When, port: str, method: str, times: int) -> Faults:
        with self._lock:
            self._rules.append(_Rule(when, port, method, [times]))
        return self


class Fake:
    """The root of every fake: a lock, and perhaps a script of failures."""

    port: ClassVar[str] = ""
    """The name by which a script of failures calls this port."""
    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    _lock: threading.RLock
    _faults: Faults | None
    _answers: dict[str, tuple[object, tuple[object, ...]]]
    """Key to what it answered, and what it was asked for: the method first."""

    def _prepare(self, faults: Faults | None) -> None:
        self._lock, self._faults, self._answers = threading.RLock(), faults, {}


F = TypeVar("F", bound=Fake)
P = ParamSpec("P")
R = TypeVar("R")


def asked(method: Callable[Concatenate[F, P], R]) -> Callable[Concatenate[F, P], R]:
    """Make a method of a fake one call of its port: alone at a time, failing as scripted."""
    name = method.__name__

    @functools.wraps(method)
    def call(self: F, /, *arguments: P.args, **named: P.kwargs) -> R:
        faults = self._faults
        if faults is None:
            with self._lock:
                return method(self, *arguments, **named)
        fails = faults.judge(self.port, name, str(named.get("key", "")))
        if fails is When.BEFORE:
            raise Unavailable(f"`{self.port}.{name}` was not asked, as scripted", mend="ask again with the same key")
        try:
            with self._lock:
                answer = method(self, *arguments, **named)
        except Rejected as refusal:
            if fails is When.AFTER:  # a refusal is an answer too, and can be lost
                raise _lost(self.port, name) from refusal
            raise
        if fails is When.AFTER:
            raise _lost(self.port, name)
        return answer

    return call


def keyed(
    *intent: str,
) -> Callable[[Callable[Concatenate[F, P], R]], Callable[Concatenate[F, P], R]]:
    """As `asked`, for a method with a `key`: the same key acts once and answers, or is refused, the same again.

    `intent` names the arguments that say what the key is for: with others, or for another method, it is rejected as
    `key_reused`.
    """

    def kept(method: Callable[Concatenate[F, P], R]) -> Callable[Concatenate[F, P], R]:
        name = method.__name__

        @functools.wraps(method)
        def once(self: F, /, *arguments: P.args, **named: P.kwargs) -> R:
            place = str(named["key"])
            meant = (name, *(named.get(argument) for argument in intent))
            if place in self._answers:
                told, before = self._answers[place]
                if meant != before:
                    raise Rejected("this key was used for something else", reason="key_reused", mend="derive another")
                if isinstance(told, Rejected):
                    # A new exception: raising one object again would pile up tracebacks on it.
                    raise Rejected(told.what, reason=told.reason, where=told.where, mend=told.mend)
                if not isinstance(told, Pending):
                    return told  # type: ignore[return-value]  # what `method` answered under this very name and key
            try:
                answer = method(self, *arguments, **named)
            except Rejected as refusal:
                self._answers[place] = refusal, meant
                raise
            self._answers[place] = answer, meant  # `Pending` too: it is no answer yet, and the key has its meaning
            return answer

        return asked(once)

    return kept


def remembered(fake: Fake, key: Key) -> object | None:
    """Give what a keyed method answered under this key (perhaps a `Rejected`), or None where it was never asked."""
    return fake._answers.get(str(key), (None, ()))[0]


def _lost(port: str, method: str) -> Unconfirmed:
    return Unconfirmed(f"the answer of `{port}.{method}` is lost, as scripted", mend="ask for the same key")
