"""The kit is examined too: each wrong adapter is caught, by the promise that one would name.

`bad_PORT.py` beside this file holds the wrong adapters of a port: a suite that makes the right adapter, and subclasses
of it whose adapter gets one thing wrong, marked `caught_by` with the promise that must catch it.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase

from qcp_sdk.testing import conformance
from qcp_sdk.testing.conformance import histories
from qcp_sdk.testing.conformance.base import Conformance

AT_LEAST = 5
"""Wrong adapters a port."""


class Wrong(NamedTuple):
    """A suite that makes a wrong adapter, and the promise that catches it."""

    suite: type[Conformance]
    promise: str
    parameters: Mapping[str, object]

    def __str__(self) -> str:
        return "-".join([self.suite.__name__, self.promise, *(str(value) for value in self.parameters.values())])


def read(path: Path) -> ModuleType:
    """Import a module that lies beside this one, wherever the tests were started."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrong(module: ModuleType) -> Iterator[Wrong]:
    for suite in vars(module).values():
        if inspect.isclass(suite) and issubclass(suite, Conformance) and suite.__module__ == module.__name__:
            for mark in vars(suite).get("pytestmark", ()):
                (promise,) = mark.args
                yield Wrong(suite, promise, mark.kwargs)


def examines(module: str) -> bool:
    """Say whether a module of the kit holds a suite, and is not only something that suites use."""
    things = vars(importlib.import_module(f"{conformance.__name__}.{module}")).items()
    return any(
        name.endswith("Conformance") and thing.promises()
        for name, thing in things
        if inspect.isclass(thing) and issubclass(thing, Conformance)
    )


BAD = {
    path.stem.removeprefix("bad_"): tuple(wrong(read(path)))
    for path in sorted(Path(__file__).parent.glob("bad_*.py"))
}  # fmt: skip
PORTS = [port for _, port, _ in iter_modules(conformance.__path__) if examines(port)]
each_wrong_adapter = pytest.mark.parametrize("case", [case for cases in BAD.values() for case in cases], ids=str)


def made(suite: type[Conformance]) -> Any:
    """Make a suite as pytest would, before one test."""
    one = suite()
    if hasattr(one, "setup_method"):
        one.setup_method()
    return one


def right(suite: type[Conformance]) -> type[Conformance]:
    """Find the suite that a wrong one was made from: the last one above it in its own file."""
    return [above for above in suite.__mro__ if above.__module__ == suite.__module__][-1]


@each_wrong_adapter
def test_a_wrong_adapter_is_caught(case: Wrong, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody reads the histories that fail here: making them short would take most of the time.
    monkeypatch.setattr(histories, "PHASES", (Phase.generate,))
    monkeypatch.setattr(case.suite, "examples", 1_000, raising=False)  # until the first one that fails
    examined = made(case.suite)
    with pytest.raises((Exception, pytest.fail.Exception)) as caught:
        getattr(examined, case.promise)(**case.parameters)
    # Not merely wrong in another way: a misspelt name, or arguments that do not fit.
    assert not isinstance(caught.value, NameError | TypeError | AttributeError), repr(caught.value)


RIGHT = {
    (right(case.suite), case.promise, *case.parameters.items()): case for cases in BAD.values() for case in cases
}  # fmt: skip
"""One case for each promise of each right adapter, however many wrong ones it catches."""


@pytest.mark.parametrize("case", RIGHT.values(), ids=str)
def test_the_same_promise_is_kept_by_the_right_adapter(case: Wrong) -> None:
    good = right(case.suite)
    assert not [mark for mark in getattr(good, "pytestmark", ()) if mark.name == "caught_by"], good
    getattr(made(good), case.promise)(**case.parameters)


@pytest.mark.parametrize("port", PORTS)
def test_every_port_has_its_wrong_adapters(port: str) -> None:
    suites = {case.suite for case in BAD.get(port, ())}
    assert len(suites) >= AT_LEAST, sorted(suite.__name__ for suite in suites)


def test_wrong_adapters_are_of_ports_that_have_a_suite() -> None:
    assert BAD.keys() <= set(PORTS)
