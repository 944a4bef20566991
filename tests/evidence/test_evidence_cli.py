"""`qcp-sdk evidence`: a dossier leaves one process and is checked in another, with the file and an anchor alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qcp_sdk import installation
from qcp_sdk.cli import main
from qcp_sdk.errors import CertificateError, ConfigurationError
from qcp_sdk.evidence.sealing import anchors

if TYPE_CHECKING:
    from tests.evidence.conftest import Sealed

Out = pytest.CaptureFixture[str]


@pytest.fixture
def files(sealed: Sealed, tmp_path: Path) -> tuple[Path, Path]:
    dossier, anchor = tmp_path / "dossier.asice", tmp_path / "anchor.der"
    dossier.write_bytes(sealed.subscription_dossier)
    anchor.write_bytes(sealed.anchor)
    return dossier, anchor


def test_yes_in_both_languages_and_for_machines(sealed: Sealed, files: tuple[Path, Path], capsys: Out) -> None:
    dossier, anchor = (str(one) for one in files)
    assert main(["--language", "fr", "evidence", "verify", dossier, "--anchor", anchor]) == 0
    assert "documents intacts, scellés par" in capsys.readouterr().out
    assert main(["--language", "en", "evidence", "verify", dossier, "--anchor", anchor]) == 0
    assert f"{sealed.subscription}: " in capsys.readouterr().out
    assert main(["evidence", "verify", dossier, "--anchor", anchor, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stream"] == sealed.subscription


def test_no_is_one_line_that_names_the_part(files: tuple[Path, Path], capsys: Out) -> None:
    dossier, anchor = files
    content = bytearray(dossier.read_bytes())
    content[content.index(b'"funds_captured"') + 3] ^= 1
    dossier.write_bytes(bytes(content))
    assert main(["evidence", "verify", str(dossier), "--anchor", str(anchor)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("qcp-sdk: story.json: ")
    assert err.count("\n") == 1


def test_an_anchor_that_is_none_leaves_the_question_open(files: tuple[Path, Path], capsys: Out) -> None:
    dossier, _ = files
    assert main(["evidence", "verify", str(dossier), "--anchor", str(dossier)]) == 2
    assert "it holds no certificate" in capsys.readouterr().err
    with pytest.raises(CertificateError):
        anchors(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", name="x")


@pytest.mark.parametrize("named", ["nowhere", "no_such_module:qcp", "json:loads_", "json:dumps", "os:sep"])
def test_an_installation_that_is_none_is_said(named: str) -> None:
    with pytest.raises(ConfigurationError):
        installation.find(named)


def test_export_through_a_hosts_own_code(
    sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "host_app.py").write_text("qcp = None\n")
    import sys

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    import importlib

    host = importlib.import_module("host_app")
    host.qcp = sealed.scene.qcp  # type: ignore[attr-defined]
    monkeypatch.setattr(sealed.scene.qcp, "evidence", sealed.dossiers)
    asked = ["evidence", "export", sealed.subscription, "--installation", "host_app:qcp"]
    assert main(asked) == 0
    (tmp_path / "anchor.der").write_bytes(sealed.anchor)
    written = capsys.readouterr().out.strip()
    assert main(["evidence", "verify", written, "--anchor", "anchor.der"]) == 0
    assert main(asked) == 2, "never written over"
