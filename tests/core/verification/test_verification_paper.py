"""A report on one page: what it says, in both languages, whatever strangers wrote."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from pyhanko.pdf_utils.reader import PdfFileReader

from qcp_sdk.verification import Report, TrustStore
from qcp_sdk.verification.console import render
from qcp_sdk.verification.paper import paper

if TYPE_CHECKING:
    from tests.core.verification.conftest import World


@pytest.fixture(scope="module")
def report(world: World, trusted: TrustStore, contract: bytes) -> Report:
    return world.verify(contract, trusted)


def pages(made: bytes) -> int:
    return int(PdfFileReader(BytesIO(made)).root["/Pages"]["/Count"])


def words(made: bytes, tmp_path: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    path = tmp_path / "report.pdf"
    path.write_bytes(made)
    done = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", ("Rapport de vérification", "niveau 3 (avancée", "À l’émission", "sans QSCD attesté", "2 mars 2026")),
        ("en", ("Verification report", "niveau 3 (advanced", "At issuance", "no QSCD stated", "2 March 2026")),
    ],
)
def test_it_says_what_the_report_says(report: Report, tmp_path: Path, language: str, said: tuple[str, ...]) -> None:
    made = paper(report, language, name="contrat Łódź.pdf")
    assert pages(made) == 1
    text = words(made, tmp_path)
    for one in (*said, "contrat Łódź.pdf", "Jeanne Moreau", "AdESig-QC", report.trust_snapshot[:40]):
        assert one in text, one
    assert "qualifiée" not in text.replace("basée sur un certificat qualifié", "")


def test_the_same_report_gives_the_same_bytes(report: Report) -> None:
    assert paper(report) == paper(report)


@pytest.mark.parametrize("count", [0, 1, 3, 40, 200])
def test_it_is_one_page_however_many_signatures_there_are(report: Report, tmp_path: Path, count: int) -> None:
    (one,) = report.signatures
    many = evolve(report, signatures=tuple(evolve(one, field_name=f"Field {n}") for n in range(count)))
    made = paper(many)
    assert pages(made) == 1
    if count == 40:
        assert "Field 9" in words(made, tmp_path)


@pytest.mark.parametrize(
    "hostile",
    ["#panic()", "漢字", "\u202e\x00\x1b[31m", "]" * 50, "a" * 5_000, "\ud800", "𝔘nicode", "$x^2$ *b* _i_ @ref <l>"],
)
def test_what_a_stranger_wrote_is_text(report: Report, hostile: str) -> None:
    (one,) = report.signatures
    odd = evolve(report, signatures=(evolve(one, signer=hostile, issuer=hostile, field_name=hostile),))
    assert pages(paper(odd, name=hostile)) == 1


def test_the_terminal_says_both_instants_and_the_snapshot(report: Report) -> None:
    text = " ".join(render(report, "en").split())  # also no-break spaces become plain ones
    assert "At issuance 26 January 2025, 12:00 UTC: certificate qualified, no QSCD stated" in text
    assert "At signing" in text
    assert report.trust_snapshot[:16] in text
    told = report.to_json()["signatures"]
    assert isinstance(told, list)
    assert told[0]["at_issuance"]["qualified"] is True
    assert told[0]["at_signing"]["qscd"] is False
