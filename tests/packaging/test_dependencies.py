"""Every dependency has a reason on record and no upper bound: a library must not forbid its users a repair."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REQUIREMENTS = [
    text
    for text in chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    if not text.startswith("qcp_sdk[")
]
REASONS = (ROOT / "docs" / "decisions" / "0002-dependencies.md").read_text("utf-8").lower()


def test_every_dependency_has_a_line_in_the_decision() -> None:
    rows = "\n".join(line for line in REASONS.splitlines() if line.startswith("|")).replace("\\", "")
    names = [re.split(r"[\[<>=!~;]", text)[0].strip().lower() for text in REQUIREMENTS]
    assert [name for name in names if not re.search(rf"\b{re.escape(name)}\b", rows)] == []


def test_every_dependency_has_a_lower_bound_and_no_upper_one() -> None:
    assert [text for text in REQUIREMENTS if not re.fullmatch(r"[\w-]+(\[[\w,-]+\])?>=[\w.]+", text)] == []
