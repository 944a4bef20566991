"""The recipes of docs/testing.md: small hosts whose own tests run as an integrator's would."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.mark.parametrize("recipe", ["testing_django", "testing_flask"])
def test_the_tests_of_a_recipe_pass(recipe: str, tmp_path: Path) -> None:
    # A copy elsewhere: none of our own configuration reaches it.
    folder = tmp_path / recipe
    shutil.copytree(EXAMPLES / recipe, folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) == 4
