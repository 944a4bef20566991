"""What every conformance suite has in common: one class a port, one promise a test, one number a promise.

An integrator subclasses a suite, says how to make the adapter, and runs pytest::

    class TestMyLedger(LedgerConformance):
        lacks = frozenset({EXPIRY})
        waivers = {"test_ledger_4_a_refusal_is_remembered": "the bank forgets what it refused, ticket 41"}

        def make_ledger(self) -> Ledger: ...

- A suite is not called `Test…`, so that importing it collects nothing.
- What a suite needs comes from methods (`make_…`, and small hooks beside it), not from fixtures: a property or a
  stateful test can then make a fresh adapter for every example.
- A promise is not overridden away, nor is a suite's `@final` helper: a class in which either is redefined, by itself
  or by a mixin, is refused when it is created. What cannot be kept is waived by name, with a reason; a waiver that
  is no longer needed fails. `"test_…[case]"` waives the cases of a promise that have this parameter.
- A *capability* is what an adapter may do without: it is said in `lacks`, and the promises that need it are skipped,
  with the capability's sentence as the reason. A waiver says "this is wrong", a lack says "this is not offered".
- A class says what it waives and lacks as any class attribute does: its own value replaces the inherited one.
- A test is named after its promise (`test_ledger_3_…`), and its docstring begins with it (`ledger-3: …`):
  `docs/promises.md` is made from these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar, Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.errors import PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.testing.conformance.marking import Capability, defined, marked, needs_of, waived

PROMISE: Final = re.compile(r"([a-z]+-[0-9]+): (.+)", re.DOTALL)
"""How the docstring of a promise begins."""

PORT_ERRORS: Final = (Rejected, Unavailable, Unconfirmed)
"""All that a port may raise."""

PROPERTY: Final = settings(
    deadline=None,
    derandomize=True,
    max_examples=20,
    # One property is examined on every adapter that sits the suite, each a class of its own, as it is meant to be.
    suppress_health_check=[HealthCheck.differing_executors],
)
"""How the suites' properties run: the same examples every time, and no stopwatch."""

T = TypeVar("T")


class Conformance:
    """The root of every suite; see the module's docstring for how to use one."""

    waivers: ClassVar[Mapping[str, str]] = {}
    """Test name, or `name[case]`, to the reason why this adapter does not keep that promise."""

    lacks: ClassVar[frozenset[Capability]] = frozenset()
    """What this adapter does without, by design."""

    def __init_subclass__(cls, **options: object) -> None:
        """Refuse a class that redefines a promise or a final helper; mark the promises that it waives or cannot keep.

        Raises:
            TypeError: A promise or a final helper is redefined, a waiver names none or gives no reason, or the class
                lacks what no promise of it needs.
        """
        super().__init_subclass__(**options)
        promises = {name: promise for name, promise in defined(cls).items() if name.startswith("test_")}
        for name, promise in promises.items():
            lacking = [each for each in needs_of(promise) if each in cls.lacks]
            examined = marked(promise, waived(cls.__name__, cls.waivers, name, promise), lacking)
            if examined is not getattr(cls, name):
                setattr(cls, name, examined)
        for named in cls.waivers:
            if named.partition("[")[0] not in promises:
                raise TypeError(f"`{cls.__name__}` waives `{named}`, which is no promise")
        idle = cls.lacks - {each for promise in promises.values() for each in needs_of(promise)}
        if idle:
            raise TypeError(f"`{cls.__name__}` lacks what no promise needs: {', '.join(sorted(map(str, idle)))}")

    @classmethod
    def promises(cls) -> dict[str, str]:
        """Give every promise of this suite: its number and its sentence, in the order of numbers."""
        return {number: sentence for number, sentence, _ in cls._numbered()}

    @classmethod
    def requirements(cls) -> dict[str, tuple[Capability, ...]]:
        """Give what each promise needs that not every adapter of this port has, in the order of numbers."""
        return {number: needed for number, _, needed in cls._numbered()}

    @classmethod
    def _numbered(cls) -> list[tuple[str, str, tuple[Capability, ...]]]:
        found = []
        for name in dir(cls):
            promise = getattr(cls, name)
            told = PROMISE.fullmatch((promise.__doc__ or "").strip()) if name.startswith("test_") else None
            if told:
                found.append((told[1], " ".join(told[2].split()), needs_of(promise)))
        return sorted(found, key=lambda each: int(each[0].rpartition("-")[2]))


class Timed(Conformance):
    """A suite whose adapter tells the time: `clock` is made for every test, and stands still until told to move."""

    clock: ManualClock

    def setup_method(self) -> None:
        """Start the clock of this test."""
        self.clock = ManualClock(START)

    def pass_time(self, by: timedelta) -> None:
        """Let time pass, as the adapter sees it. Override it where the adapter's clock is not `self.clock`."""
        self.clock.advance(by)


@contextmanager
def rejected(*reasons: str) -> Iterator[None]:
    """Expect a `Rejected`, with one of these reasons where any are given.

    Any other exception passes through and fails the promise, as it should: only port errors may come out.
    """
    try:
        yield
    except Rejected as refusal:
        assert not reasons or refusal.reason in reasons, f"rejected with {refusal.reason!r}, not one of {reasons}"
        assert refusal.reason, "a rejection without a reason"
    else:
        pytest.fail(f"nothing was rejected; expected one of {reasons or ('any reason',)}")


def only_port_errors(call: Callable[[], T]) -> T | PortError:
    """Make the call and give its answer, or the port error that came out; anything else fails the promise."""
    try:
        return call()
    except PORT_ERRORS as told:
        return told
    except Exception as foreign:  # noqa: BLE001  # whatever it is: this is the promise itself
        pytest.fail(f"`{type(foreign).__module__}.{type(foreign).__qualname__}` came out of a port")


def at_once(call: Callable[[], T], *, times: int = 4) -> Sequence[T]:
    """Make the same call from several threads at once, and give every answer."""
    with ThreadPoolExecutor(max_workers=times) as threads:
        return [asked.result() for asked in [threads.submit(call) for _ in range(times)]]
