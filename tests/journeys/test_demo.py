"""What `make demo` writes and says, run once."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen

from qcp_sdk import journal_file
from qcp_sdk.cli import main as qcp_sdk
from qcp_sdk.demo import __main__ as demo
from qcp_sdk.demo.texts import TEXTS
from qcp_sdk.errors import InvalidInput


@frozen
class Shown:
    """One run."""

    output: Path
    status: int
    told: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    base = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patched:
        recorded = base / "terminal.txt"
        with recorded.open("w", encoding="utf-8") as terminal:
            patched.setattr(demo, "Console", _recorder(terminal))
            status = demo.run(base / "demo-output", None, "fr")
    yield Shown(base / "demo-output", status, recorded.read_text(encoding="utf-8"))
    shutil.rmtree(base)


def _recorder(terminal: object) -> object:
    from rich.console import Console

    return lambda **options: Console(file=terminal, width=200, **options)  # type: ignore[arg-type]


def test_it_ends_well_and_writes_what_it_promises(shown: Shown) -> None:
    assert shown.status == 0
    files = {path.name for path in shown.output.iterdir()}
    assert files >= {
        "certificate.pem", "chain.pem", "certificate-request.pdf", "contract-signed.pdf", "verification.json",
        "journal.json", "mailbox", "trust",
    }  # fmt: skip
    assert list((shown.output / "mailbox").glob("*.eml"))
    for name in ("certificate-request.pdf", "contract-signed.pdf"):
        assert (shown.output / name).read_bytes().startswith(b"%PDF-")


def test_the_verification_says_niveau_3_for_both(shown: Shown) -> None:
    report = json.loads((shown.output / "verification.json").read_text())
    assert report["level_reached"] == "NIVEAU_3"
    assert [one["signer"] for one in report["signatures"]] == ["Jessica Poussart", "Irène Faron"]
    for one in report["signatures"]:
        assert (one["level_reached"], one["indication"], one["qualification"]) == ("NIVEAU_3", "PASSED", "AdESig-QC")
        assert {reason["id"] for reason in one["reasons"]}
        assert all(reason["fr"] and reason["en"] for reason in one["reasons"])


def test_the_commands_agree_with_what_was_written(shown: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    contract, trust = shown.output / "contract-signed.pdf", shown.output / "trust"
    assert qcp_sdk(["verify", str(contract), "--trust", str(trust), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    written = json.loads((shown.output / "verification.json").read_text())
    assert [one["level_reached"] for one in again["signatures"]] == ["NIVEAU_3", "NIVEAU_3"]
    assert again.keys() == written.keys()

    assert qcp_sdk(["verify", str(contract), "--json"]) == 0
    unknown = json.loads(capsys.readouterr().out)
    assert unknown["level_reached"] == "NIVEAU_1", "without the trusted list nobody says more than that it is whole"

    assert qcp_sdk(["journal", "verify", str(shown.output / "journal.json")]) == 0


def test_a_command_answers_with_its_answer_alone(shown: Shown) -> None:
    """What cannot be trusted is a reason in the report, not a library's traceback on the terminal."""
    command = [sys.executable, "-m", "qcp_sdk.cli", "verify", str(shown.output / "contract-signed.pdf"), "--json"]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=120)
    assert ended.stderr == b""
    assert json.loads(ended.stdout)["level_reached"] == "NIVEAU_1"


def test_the_journal_tells_the_journey(shown: Shown) -> None:
    text = (shown.output / "journal.json").read_text()
    file = journal_file.check(text)
    kinds = [entry.kind for entry in file.entries]
    assert kinds[0] == "subscription_opened"
    assert kinds.count("certificate_issued") == kinds.count("funds_captured") == 1
    assert [entry["fact"]["matched"] for entry in json.loads(text)["entries"] if entry["kind"] == "code_entered"] == [
        False,
        True,
        True,
    ], "a wrong code first, then the two right ones"


def test_what_is_told_is_what_happened(shown: Shown) -> None:
    texts = TEXTS["fr"]
    assert texts["refused"] in shown.told
    assert "4 raisons" in shown.told
    assert "20,00 € + 20,00 € = 40,00 €" in shown.told.replace("\u00a0", " ")
    assert "NIVEAU_3 + NIVEAU_3" in shown.told
    mails = len(list((shown.output / "mailbox").glob("*.eml")))
    assert f"{mails} messages" in shown.told
    assert "signature qualifiée" not in shown.told.lower(), "niveau 3 is advanced, based on a qualified certificate"


def test_both_languages_say_the_same_things() -> None:
    french, english = TEXTS["fr"], TEXTS["en"]
    assert french.keys() == english.keys()
    for name, text in french.items():
        fields = [{part.split("}")[0] for part in one.split("{")[1:]} for one in (text, english[name])]
        assert fields[0] == fields[1], name


def test_a_folder_that_is_not_the_demonstrations_is_not_touched(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(InvalidInput):
        demo.run(mine, None, "en")
    assert (mine / "thesis.txt").read_text() == "years of work"
    with pytest.raises(InvalidInput):
        demo.run(mine / "thesis.txt", None, "en")


@pytest.mark.parametrize("content", [None, b"", b"not a PDF"], ids=["missing", "empty", "text"])
def test_a_pdf_that_cannot_be_signed_is_said_at_once(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pdf = tmp_path / "mine.pdf"
    if content is not None:
        pdf.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["demo", "--pdf", str(pdf), "--output", str(tmp_path / "out")])
    handlers = list(logging.getLogger().handlers)
    try:
        assert demo.main() == 1
    finally:
        logging.getLogger().handlers[:] = handlers
    told = capsys.readouterr().err
    assert told.startswith("demo: ")
    assert told.count("\n") == 1
