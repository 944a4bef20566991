"""What every conformance suite has in common: one class a port, one promise a test, one number a promise.

An integrator subclasses a suite, says how to make the adapter, and runs pytest::

    class TestMyLedger(LedgerConformance):
        waivers = {"test_ledger_4_a_key_is_not_reused": "the bank has no idempotency keys, ticket 41"}

        def make_ledger(self) -> Ledger: ...

- A suite is not called `Test…`, so that importing it collects nothing.
- What a suite needs comes from methods (`make_…`, and small hooks beside it), not from fixtures: a property or a
  stateful test can then make a fresh adapter for every example.
- A promise is not overridden away: a subclass that redefines one is refused when it is created. What cannot
  be kept is waived by name, with a reason; a waiver that is no longer needed fails.
- A test is named after its promise (`test_ledger_3_…`), and its docstring begins with it (`ledger-3: …`):
  `docs/promises.md` is made from these.
"""

from __future__ import annotations

import functools
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
    """Test name to the reason why this adapter does not keep that promise."""

    def __init_subclass__(cls, **options: object) -> None:
        """Refuse a subclass that overrides a promise; mark the promises that it waives.

        Raises:
            TypeError: A promise is overridden, or a waiver names none or gives no reason.
        """
        super().__init_subclass__(**options)
        inherited = {name for base in cls.__mro__[1:] for name in vars(base) if name.startswith("test_")}
        overridden = sorted(name for name in vars(cls) if name in inherited)
        if overridden:
            raise TypeError(f"`{cls.__name__}` overrides promises: {', '.join(overridden)}; waive them with a reason")
        for name, reason in vars(cls).get("waivers", {}).items():
            if name not in inherited or not reason.strip():
                raise TypeError(f"`{cls.__name__}` waives `{name}`, which is no promise, or without a reason")
            setattr(cls, name, pytest.mark.xfail(reason=reason, strict=True)(_copy(getattr(cls, name))))

    @classmethod
    def promises(cls) -> dict[str, str]:
        """Give every promise of this suite: its number and its sentence, in the order of numbers."""
        found: dict[str, str] = {}
        for name in dir(cls):
            told = PROMISE.fullmatch((getattr(cls, name).__doc__ or "").strip()) if name.startswith("test_") else None
            if told:
                found[told[1]] = " ".join(told[2].split())
        return dict(sorted(found.items(), key=lambda item: int(item[0].rpartition("-")[2])))


class Timed(Conformance):
    """A suite whose adapter tells the time: `clock` is made for every test, and stands still until told to move."""

    clock: ManualClock

    def setup_method(self) -> None:
        """Start the clock of this test."""
        self.clock = ManualClock(START)

    def pass_time(self, by: timedelta) -> None:
        """Let time pass, as the adapter sees it. Override it where the adapter's clock is not `self.clock`."""
        self.clock.advance(by)


def _copy(promise: Callable[..., object]) -> Callable[..., object]:
    """Wrap a test, so that marking it in one subclass marks it in no other."""

    @functools.wraps(promise)
    def waived(*arguments: object, **named: object) -> object:
        return promise(*arguments, **named)

    return waived


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
