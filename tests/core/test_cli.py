"""`qcp-sdk` answers with its exit status: 0 is yes, 1 is no, 2 says that there is no answer, in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qcp_sdk.cli import TRUST, build_parser, main
from qcp_sdk.policy.load import default_text, read_policy

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "collecte.json"
UNSIGNED = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
xref
0 4
0000000000 65535 f\x20
0000000009 00000 n\x20
0000000052 00000 n\x20
0000000101 00000 n\x20
trailer<</Size 4/Root 1 0 R>>
startxref
162
%%EOF
"""

Out = pytest.CaptureFixture[str]


def run(capsys: Out, *arguments: str | Path) -> tuple[int, str, str]:
    """Give the exit status, what was printed, and what was complained of."""
    status = main([str(one) for one in arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def assert_unanswered(capsys: Out, *arguments: str | Path) -> str:
    """Give the one line that says why there is no answer."""
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("qcp-sdk: ")
    assert err.count("\n") == 1, err
    return err


@pytest.fixture
def unsigned(tmp_path: Path) -> Path:
    path = tmp_path / "unsigned.pdf"
    path.write_bytes(UNSIGNED)
    return path


# --- arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sign"],
        ["policy"],
        ["journal"],
        ["verify"],
        ["diagram", "payments"],
        ["--language", "de", "policy", "show"],
        ["verify", "f.pdf", "--at", "2026-11-23T09:00:00"],
        ["verify", "f.pdf", "--at", "yesterday"],
    ],
    ids=" ".join,
)
def test_a_wrong_argument_is_no_answer(arguments: list[str], capsys: Out) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: qcp-sdk")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": ""}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "fr_CA.UTF-8"}, "fr"),
    ],
    ids=str,
)
def test_the_language_is_the_terminals(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_ALL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert build_parser().parse_args(["policy", "show"]).language == language


# --- verify -----------------------------------------------------------------------------------------------------


def test_a_document_without_a_signature_reached_no_level(unsigned: Path, capsys: Out) -> None:
    status, out, err = run(capsys, "verify", unsigned)
    assert (status, err) == (1, "")
    assert out
    status, out, _ = run(capsys, "verify", unsigned, "--json")
    assert status == 1
    report = json.loads(out)
    assert report["level_reached"] is None
    assert report["signatures"] == []


def test_what_is_no_document_is_no_answer(tmp_path: Path, capsys: Out) -> None:
    for name, content in (("text.pdf", b"not a PDF"), ("empty.pdf", b""), ("cut.pdf", UNSIGNED[:60])):
        path = tmp_path / name
        path.write_bytes(content)
        assert_unanswered(capsys, "verify", path)
        assert_unanswered(capsys, "verify", path, "--json")
    assert "none.pdf" in assert_unanswered(capsys, "verify", tmp_path / "none.pdf")
    assert_unanswered(capsys, "verify", tmp_path)


def test_lists_that_cannot_be_trusted_are_no_answer(
    unsigned: Path, tmp_path: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_unanswered(capsys, "verify", unsigned, "--trust", tmp_path / "none")
    assert_unanswered(capsys, "verify", unsigned, "--trust", unsigned)
    broken = tmp_path / "trust"
    (broken / "lists").mkdir(parents=True)
    (broken / "lists" / "tl.xml").write_text("<not-a-list/>")
    assert_unanswered(capsys, "verify", unsigned, "--trust", broken)
    monkeypatch.setenv(TRUST, str(broken))
    assert_unanswered(capsys, "verify", unsigned)


# --- policy -----------------------------------------------------------------------------------------------------


def test_the_policy_that_is_shown_can_be_given_back(tmp_path: Path, capsys: Out) -> None:
    status, out, err = run(capsys, "policy", "show")
    assert (status, err) == (0, "")
    assert out == default_text()
    read_policy(out.encode(), name="shown")
    own = tmp_path / "own.toml"
    own.write_text(out)
    assert run(capsys, "policy", "assess", EXAMPLE, "--policy", own) == run(capsys, "policy", "assess", EXAMPLE)


def test_the_documented_example_is_assessed(capsys: Out) -> None:
    status, out, err = run(capsys, "--language", "en", "policy", "assess", EXAMPLE)
    assert (status, err) == (1, "")
    assert "Noé Lefèvre" in out
    assert "granted" in out
    assert "refused" in out
    status, french, _ = run(capsys, "--language", "fr", "policy", "assess", EXAMPLE)
    assert status == 1
    assert french != out
    status, out, _ = run(capsys, "policy", "assess", EXAMPLE, "--json")
    assert status == 1
    decision = json.loads(out)
    assert decision["verdict"] == "failed"
    assert {one["signatory"] for one in decision["signatories"]} == {"camille", "noe", "ines", "alex"}


def test_a_collecte_whose_levels_all_pass_is_a_yes(tmp_path: Path, capsys: Out) -> None:
    data = json.loads(EXAMPLE.read_text())
    data["signatories"] = [one for one in data["signatories"] if one["id"] == "alex"]
    path = tmp_path / "one.json"
    path.write_text(json.dumps(data))
    status, out, err = run(capsys, "policy", "assess", path, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["verdict"] == "passed"


def test_a_collecte_or_policy_that_cannot_be_read_is_no_answer(tmp_path: Path, capsys: Out) -> None:
    bad = tmp_path / "bad"
    for content in (b"", b"{", b"[]", b"\xff\xfe\xfd", b"[" * 100_000, b'{"collecte": 3}'):
        bad.write_bytes(content)
        assert_unanswered(capsys, "policy", "assess", bad)
    for content in (b"version = ", b"\xff", b"unknown = 3"):
        bad.write_bytes(content)
        assert_unanswered(capsys, "policy", "assess", EXAMPLE, "--policy", bad)
    for path in (tmp_path / "none.json", tmp_path):
        assert_unanswered(capsys, "policy", "assess", path)
        assert_unanswered(capsys, "policy", "assess", EXAMPLE, "--policy", path)


# --- diagram ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "first", "last"),
    [
        ("subscription", "verifying_email", "closed"),
        ("ceremony", "waiting_turn", "signed"),
        ("money", "none", "captured"),
    ],
)
def test_a_machine_is_drawn_from_its_table(machine: str, first: str, last: str, capsys: Out) -> None:
    status, out, err = run(capsys, "diagram", machine)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "stateDiagram-v2"
    assert f"    [*] --> {first}" in lines
    assert f"    {last} --> [*]" in lines
    assert all(line.startswith("    ") for line in lines[1:])


def test_the_subscription_is_drawn_by_default(capsys: Out) -> None:
    assert run(capsys, "diagram") == run(capsys, "diagram", "subscription")


# --- as a program -----------------------------------------------------------------------------------------------


def program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "qcp_sdk.cli", *arguments],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
        timeout=120,
    )


def test_a_terminal_that_cannot_write_french_is_still_answered() -> None:
    ended = program("--language", "fr", "policy", "assess", str(EXAMPLE), PYTHONIOENCODING="ascii")
    assert ended.returncode == 1
    assert ended.stderr == b""
    assert b"Camille Mueller" in ended.stdout


def test_a_reader_that_has_read_enough_breaks_nothing() -> None:
    command = f"'{sys.executable}' -m qcp_sdk.cli policy show | head -c 1"
    ended = subprocess.run(["bash", "-c", command], capture_output=True, check=False, timeout=120)
    assert ended.stderr == b""
    assert len(ended.stdout) == 1
