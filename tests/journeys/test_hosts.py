"""The hosts of docs/web.md: small platforms before and after, thirty lines apart; their own tests run a journey."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
MOST = 30


@pytest.mark.parametrize("host", ["web_flask", "web_django"])
def test_a_full_journey_runs_through_the_hosts_own_addresses(host: str, tmp_path: Path) -> None:
    folder = tmp_path / host
    shutil.copytree(EXAMPLES / host, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for shared in ("walker.py", "installation.py"):  # the same in both
        shutil.copy(EXAMPLES / "web_flask" / shared, folder / shared)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    assert "1 passed" in done.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["web_flask/before.py"], ["web_flask/after.py"]),
        (
            ["web_django/before/host.py", "web_django/before/settings.py"],
            ["web_django/host.py", "web_django/settings.py"],
        ),
    ],
)
def test_a_host_is_thirty_lines_from_having_it(before: list[str], after: list[str]) -> None:
    changed = 0
    for old, new in zip(before, after, strict=True):
        was, now = ((EXAMPLES / name).read_text("utf-8").splitlines() for name in (old, new))
        lines = [line for line in difflib.ndiff(was, now) if line[:1] in "+-" and line[2:].strip()]
        changed += sum(line.startswith("+") for line in lines)
        assert sum(line.startswith("-") for line in lines) <= 8
    assert 0 < changed <= MOST
