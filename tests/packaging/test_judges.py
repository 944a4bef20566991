"""A judge is never missed in silence: skipped by name at a desk, a failure where judges are required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

TESTS = """
import pytest

@pytest.mark.judge("no-such-judge")
def test_named():
    assert True

@pytest.mark.judge
def test_bare():
    pytest.skip("no-such-judge is not here")

@pytest.mark.judge("pytest")
def test_a_module_judges():
    assert True

def test_fixture(judge):
    judge("no-such-judge")

def test_skipped_for_another_reason():
    pytest.skip("not on this machine")
"""


def closing_line(place: Path, judges: str) -> str:
    shutil.copy(CONFTEST, place / "conftest.py")
    (place / "pytest.ini").write_text("[pytest]\nmarkers =\n    judge\n", "utf-8")
    (place / "test_sample.py").write_text(TESTS, "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "QCP"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", str(place)],
        env=environment | {"QCP_JUDGES": judges},
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout


@pytest.fixture
def at_a_desk(tmp_path: Path) -> str:
    return closing_line(tmp_path, "")


@pytest.fixture
def where_required(tmp_path: Path) -> str:
    return closing_line(tmp_path, "required")


def test_a_missing_judge_is_skipped_by_name(at_a_desk: str) -> None:
    assert "1 passed, 4 skipped" in at_a_desk
    assert "judge `no-such-judge` is not installed" in at_a_desk


def test_a_missing_judge_fails_where_judges_are_required(where_required: str) -> None:
    # The named one, the bare one that skipped itself, and the one behind the fixture; other skips stay skips.
    assert "test_named" in where_required
    assert "test_bare" in where_required
    tally = where_required.strip().splitlines()[-1]
    assert "1 passed" in tally
    assert "1 skipped" in tally
    assert tally.count("failed") + tally.count("error") >= 1
    counts = [int(word) for word in tally.replace(",", "").split() if word.isdigit()]
    assert sum(counts) == 5
