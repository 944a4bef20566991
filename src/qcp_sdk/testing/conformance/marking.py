"""How promises are found and marked for one adapter: capabilities, waivers, and what may not be redefined."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import pytest
from attrs import frozen

PromiseT = TypeVar("PromiseT", bound=Callable[..., object])


@frozen
class Capability:
    """Something that an adapter may do without. `sentence` says what it is, and what follows without it."""

    name: str
    sentence: str

    def __str__(self) -> str:
        return self.name


THREADS: Final = Capability(
    "threads", "many threads may call it at once; without it, give it to one thread of one process only"
)


def needs(*capabilities: Capability) -> Callable[[PromiseT], PromiseT]:
    """Mark a promise that only adapters with all of these capabilities can keep."""

    def mark(promise: PromiseT) -> PromiseT:
        promise.__dict__["needs"] = capabilities
        return promise

    return mark


def needs_of(promise: Callable[..., object]) -> tuple[Capability, ...]:
    """Give what a promise was marked to need."""
    needed: tuple[Capability, ...] = getattr(promise, "needs", ())
    return needed


def defined(cls: type) -> dict[str, Callable[..., Any]]:
    """Give the promises and final helpers of a class as they were first written.

    Raises:
        TypeError: One of them is defined twice among the class and those above it.
    """
    found: dict[str, Any] = {}
    for above in reversed(cls.__mro__):
        for name, thing in vars(above).items():
            if "marked" in getattr(thing, "__dict__", {}):
                continue  # the same promise, marked by the class above
            if found.get(name, thing) is not thing:
                what = "promises" if name.startswith("test_") else "final helpers"
                raise TypeError(f"`{cls.__name__}` overrides {what}: {name}; waive what is not kept, with a reason")
            if name.startswith("test_") or getattr(thing, "__final__", False):
                found[name] = thing
    return found


def waived(suite: str, waivers: Mapping[str, str], name: str, promise: Callable[..., object]) -> list[tuple[str, str]]:
    """Give the cases of a promise that are waived, `""` for all of them, with the reasons.

    Raises:
        TypeError: No reason is given, or there is no such case.
    """
    found = []
    for named, reason in waivers.items():
        if named.partition("[")[0] == name:
            if not reason.strip():
                raise TypeError(f"`{suite}` waives `{named}` without a reason")
            case = named[len(name) :].removeprefix("[").removesuffix("]")
            if case and case not in {each for mark in _parametrized(promise) for each in dict(_cases(mark))}:
                raise TypeError(f"`{suite}` waives `{named}`, which is no case of that promise")
            found.append((case, reason))
    return found


def marked(
    promise: Callable[..., object], waived: Sequence[tuple[str, str]], lacking: Sequence[Capability]
) -> Callable[..., object]:
    """Give the promise as this class is examined on it: itself, or a copy, so that no other class is marked."""
    if not waived and not lacking:
        return promise

    @functools.wraps(promise)
    def copy(*arguments: object, **named: object) -> object:
        return promise(*arguments, **named)

    copy.__dict__["marked"] = True
    if lacking:
        reasons = "; ".join(f"{each.name}: {each.sentence}" for each in lacking)
        pytest.mark.skip(reason=f"it lacks {reasons}")(copy)
        return copy
    reasons_of = dict(waived)
    if whole := reasons_of.pop("", ""):
        _xfail(whole)(copy)
    if reasons_of:
        copy.__dict__["pytestmark"] = [_waive(mark, reasons_of) for mark in copy.__dict__["pytestmark"]]
    return copy


def _xfail(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(reason=reason, strict=True)


def _parametrized(promise: Callable[..., object]) -> list[pytest.Mark]:
    return [mark for mark in getattr(promise, "pytestmark", ()) if mark.name == "parametrize"]


def _cases(mark: pytest.Mark) -> Iterator[tuple[str, object]]:
    """Give the values of a parameter, by the names that pytest prints in brackets."""
    _, values = mark.args
    ids = mark.kwargs.get("ids", str)
    for number, value in enumerate(values):
        yield ids(value) if callable(ids) else ids[number], value


def _waive(mark: pytest.Mark, reasons: Mapping[str, str]) -> pytest.Mark:
    """Give the parametrization with these of its cases marked."""
    if mark.name != "parametrize" or reasons.keys().isdisjoint(dict(_cases(mark))):
        return mark
    values = [
        pytest.param(value, id=name, marks=[_xfail(reasons[name])] if name in reasons else [])
        for name, value in _cases(mark)
    ]
    return pytest.mark.parametrize(mark.args[0], values).mark
