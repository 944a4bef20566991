"""The pages tell the truth: their Python blocks run, and their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])

BLOCK = re.compile(r"^```python(?P<mark>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
FILED = re.compile(r"\b(file|append)=")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def program(text: str) -> str:
    """Put the blocks of a page together, each on its own lines of the page, so that a traceback names them."""
    lines = [""] * (text.count("\n") + 1)
    for block in BLOCK.finditer(text):
        # Blocks that name their file are those of a page that is followed to the letter (scripts/follow_embed.py).
        if block["mark"].strip() == "no-run" or FILED.search(block["mark"]):
            continue
        first = text.count("\n", 0, block.start("code"))
        for offset, line in enumerate(block["code"].splitlines()):
            lines[first + offset] = line
    return "\n".join(lines)


WITH_CODE = [page for page in PAGES if program(page.read_text("utf-8")).strip()]


@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_the_blocks_of_a_page_run_from_top_to_bottom(page: Path, tmp_path: Path) -> None:
    # In a process of its own and an empty folder: what a reader would do, and no page can lean on another.
    code = f"exec(compile({program(page.read_text('utf-8'))!r}, {name(page)!r}, 'exec'), {{'__name__': '__main__'}})"
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{name(page)}:\n{done.stdout[-1_000:]}\n{done.stderr[-3_000:]}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    local = [link["target"] for link in LINK.finditer(text) if "://" not in link["target"]]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_readme_shows_how_to_embed_the_sdk() -> None:
    assert ROOT / "README.md" in WITH_CODE


def test_pages_whose_blocks_name_files_are_followed_to_the_letter() -> None:
    filed = [
        name(page)
        for page in PAGES
        if any(FILED.search(one["mark"]) for one in BLOCK.finditer(page.read_text("utf-8")))
    ]
    assert filed == ["docs/embed.md"]
    assert "scripts/follow_embed.py" in (ROOT / ".ci" / "run").read_text("utf-8")
