"""What lies in the checkout: no place of one machine, no room too large, everything that runs is in the wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src" / "qcp_sdk"

PURE = (
    "errors.py",
    "values.py",
    "levels.py",
    "certificates.py",
    "people.py",
    "identity.py",
    "collectes.py",
    "notices.py",
    "otp.py",
    "matching.py",
    "journal.py",
    "effects.py",
    "subscription",
    "ceremony",
    "policy",
)
LARGEST_PURE, LARGEST = 300, 600
VOCABULARY = {"facts.py", "effects.py", "errors.py"}  # one noun after the other, and nothing that acts
"""Lists of nouns, not rules: a vocabulary is as long as what it names, within the limit for every module."""

NOT_TEXT = {".png", ".pdf", ".der", ".p12", ".ttf", ".otf", ".woff2", ".icc", ".ico", ".crt", ".crl", ".ocsp", ".tsr"}

# Written in pieces, so that this file does not name what it looks for.
ABROAD = re.compile(
    "|".join(
        (
            r"(?<![\w.~$}])/(?:home|Users|root|work|opt)/\w",
            r"(?:files\.)?py" + r"thonhosted\.org",
            r"(?:test\.)?py" + r"pi\.org",
            r"registry\.np" + r"mjs\.org",
            r"--(?:extra-)?index" + r"-url",
            r'"resolved":\s*"http',
        )
    )
)


def tracked() -> list[Path]:
    """Give the files of the checkout: what git tracks or would, or everything in an unpacked sdist."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        names = [ROOT / line for line in done.stdout.splitlines()]
    else:
        names = [
            path for top in ("src", "tests", "docs", "templates", "benchmarks") for path in (ROOT / top).rglob("*")
        ]
    return [path for path in names if path.is_file() and not path.is_symlink() and path.suffix not in NOT_TEXT]


def test_no_file_names_a_place_of_one_machine_or_a_registry() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), 1)
            if ABROAD.search(line)
        ]
    assert found == []


def modules() -> list[Path]:
    return sorted(path for path in SOURCES.rglob("*.py") if "__pycache__" not in path.parts)


def test_no_module_is_two_rooms() -> None:
    too_large = []
    for path in modules():
        inside = path.relative_to(SOURCES)
        pure = inside.parts[0] in PURE and path.name not in VOCABULARY
        lines = len(path.read_text("utf-8").splitlines())
        if lines > (LARGEST_PURE if pure else LARGEST):
            too_large.append(f"{inside}: {lines} lines")
    assert too_large == []


def test_every_folder_with_modules_is_a_package() -> None:
    bare = {path.parent for path in modules()} - {path.parent for path in modules() if path.name == "__init__.py"}
    assert bare == set()


def test_the_templates_are_one_folder_reached_by_a_link() -> None:
    link = SOURCES / "templates"
    assert link.is_symlink()
    assert link.readlink() == Path("../../templates")
    assert any((ROOT / "templates").iterdir())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from a copy of what is tracked and give the names in it."""
    place = tmp_path_factory.mktemp("wheel")
    copy = place / "checkout"
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        copy.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    leave = shutil.ignore_patterns("__pycache__")
    for folder in ("src", "templates"):
        shutil.copytree(ROOT / folder, copy / folder, symlinks=True, ignore=leave)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = place.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def test_every_module_and_resource_is_in_the_wheel(wheel: set[str]) -> None:
    here = {
        f"qcp_sdk/{path.relative_to(SOURCES).as_posix()}"
        for path in SOURCES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here - wheel == set()
    assert "qcp_sdk/py.typed" in wheel


def test_every_template_is_in_the_wheel(wheel: set[str]) -> None:
    templates = ROOT / "templates"
    here = {
        f"qcp_sdk/templates/{path.relative_to(templates).as_posix()}"
        for path in templates.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert here
    assert here - wheel == set()


def test_the_wheel_holds_nothing_but_the_package_and_its_licence(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"qcp_sdk"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
