"""The script that runs mutants: what it changes, what it leaves out, and when it is not content."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutants_script", ROOT / "scripts" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SOURCE = textwrap.dedent('''
    """A room."""
    from errors import Refused

    LIMIT = 3

    def allowed(age: int) -> bool:
        """Say whether."""
        if age < LIMIT:
            raise Refused(f"`{age}` is " + "too young", reason="young", mend="grow " + "up")
        return True
''')


def made(script: ModuleType, source: str, where: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    monkeypatch.chdir(ROOT)  # mutmut reads its configuration there
    monkeypatch.setattr(script, "SOURCES", where)
    path = where / "qcp_sdk" / "room.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, "utf-8")
    code, mutants = script.mutate(path, "room", ("tests/core/test_room.py",))
    compile(code, str(path), "exec")
    assert {mutant.where for mutant in mutants} == {"room.allowed"}
    assert {mutant.reached_by for mutant in mutants} == {"qcp_sdk.room.x_allowed"}
    assert all(mutant.name.rpartition(".")[2] in code for mutant in mutants)
    return [(mutant.was, mutant.becomes) for mutant in mutants]


def test_everything_but_wording_is_changed(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = made(script, SOURCE, tmp_path, monkeypatch)
    assert ("if age < LIMIT:", "if age <= LIMIT:") in found
    assert ("return True", "return False") in found
    changed = [becomes for _, becomes in found]
    assert any('reason="XXyoungXX"' in becomes for becomes in changed)
    # That there is a sentence and a remedy is asked; how they are worded is not.
    assert any("Refused(None, " in becomes for becomes in changed)
    assert any("mend=None" in becomes for becomes in changed)
    assert not any("GROW" in becomes or "XXgrow" in becomes for becomes in changed)


def test_properties_are_changed_too(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = "class Room:\n    @property\n    def size(self) -> int:\n        return 3\n"
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(script, "SOURCES", tmp_path)
    (tmp_path / "qcp_sdk").mkdir()
    path = tmp_path / "qcp_sdk" / "room.py"
    path.write_text(written, "utf-8")
    code, (mutant,) = script.mutate(path, "room", ())
    assert (mutant.where, mutant.was, mutant.becomes) == ("room.Room.size", "return 3", "return 4")
    names: dict[str, Any] = {"__name__": "qcp_sdk.room"}
    exec(compile(code, str(path), "exec"), names)
    assert names["Room"]().size == 3


def test_a_mutant_is_known_by_its_lines_whatever_lies_around_them(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = made(script, SOURCE, tmp_path, monkeypatch)
    moved = SOURCE.replace("LIMIT = 3", "# Years.\nLIMIT = 4").replace("Say whether.", "Say whether it is.")
    assert made(script, moved, tmp_path, monkeypatch) == before


def test_what_is_not_as_it_should_be_is_told(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def mutant(number: int) -> object:
        return script.Mutant(
            room="room",
            name=f"m{number}",
            reached_by="r",
            tests=(),
            where="room.allowed",
            was="<",
            becomes="<=",
            number=number,
        )

    mutants = [mutant(number) for number in range(1, 11)]
    fates = {f"m{number}": script.KILLED for number in range(1, 11)}
    reasons: dict[tuple[str, str, str, int], str] = {}
    monkeypatch.setattr(script, "explained", lambda: reasons)

    assert script.judge(mutants, fates, 90) == []
    (told,) = script.judge(mutants, fates | {"m3": script.SURVIVED}, 90)
    assert 'where = "room.allowed"' in told
    assert "number = 3" in told
    reasons["room.allowed", "<", "<=", 3] = "the same"
    assert script.judge(mutants, fates | {"m3": script.SURVIVED}, 90) == []
    assert script.judge(mutants, fates | {"m3": script.SURVIVED}, 91) == [
        "# room: 90.0 of 100 killed, 91 are asked for"
    ]
    # Killed, or gone: the reason has to go as well. Of rooms that were not run nothing is said.
    (told,) = script.judge(mutants, fates, 90)
    assert "and killed" in told
    reasons.clear()
    reasons["room.allowed", ">", ">=", 1] = "the same"
    (told,) = script.judge(mutants, fates, 90)
    assert "and no mutant" in told
    reasons.clear()
    reasons["elsewhere.allowed", ">", ">=", 1] = "the same"
    assert script.judge(mutants, fates, 90) == []
    # What no test reaches survives.
    assert len(script.judge(mutants, fates | {"m3": script.UNTESTED}, 90)) == 1


def test_the_page_keeps_the_rows_of_rooms_that_were_not_run(script: ModuleType) -> None:
    page = f"# Mutants\n\n{script.BEGIN}\n{script.END}\n\nEnd.\n"
    first = script.rewritten(
        page,
        [
            script.Score(room="otp", mutants=10, killed=9, survivors=1),
            script.Score(room="money, rows", mutants=4, killed=4, survivors=0),
        ],
    )
    assert "| otp | 10 | 9 | 1 | 90.0 |\n| money, rows | 4 | 4 | 0 | 100.0 |\n| **all** | 14 | 13 | 1 | 92.9 |" in first
    again = script.rewritten(first, [script.Score(room="otp", mutants=10, killed=10, survivors=0)])
    assert (
        "| otp | 10 | 10 | 0 | 100.0 |\n| money, rows | 4 | 4 | 0 | 100.0 |\n| **all** | 14 | 14 | 0 | 100.0 |" in again
    )
    assert again.endswith(f"{script.END}\n\nEnd.\n")


def test_every_survivor_has_a_reason_and_every_room_its_tests() -> None:
    survivors = tomllib.loads((ROOT / "tests" / "mutants.toml").read_text("utf-8"))["survivor"]
    assert all(len(one["why"].split()) >= 3 for one in survivors)
    known = [(one["where"], one["was"], one["becomes"], one.get("number", 1)) for one in survivors]
    assert len(known) == len(set(known))
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutants"]["rooms"]
    for room in rooms.values():
        assert all(list((ROOT / "src" / "qcp_sdk").glob(files)) for files in room["files"])
        assert all((ROOT / test).is_file() for test in room["tests"])


@pytest.mark.parametrize("room", ["certificates", "ceremony", "matching", "policy", "subscription"])
def test_no_module_of_these_rooms_is_forgotten(room: str) -> None:
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mutants"]["rooms"]
    sources = ROOT / "src" / "qcp_sdk"
    changed = [path for one in rooms.values() for files in one["files"] for path in sources.glob(files)]
    assert len(changed) == len(set(changed))
    assert set((sources / room).glob("*.py")) <= set(changed)
