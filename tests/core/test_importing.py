"""Certificates that were held before: read whole or not at all, adopted once, each refusal told by its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk import installation
from qcp_sdk.cli import main
from qcp_sdk.errors import InvalidInput
from qcp_sdk.host.importing import Row, adopt, read
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene

HASH = "ab" * 32


def test_every_column_is_read_in_any_order_and_form() -> None:
    colons = ":".join(HASH[place : place + 2] for place in range(0, 64, 2)).upper()
    (row,) = read(f"\ufefftenant,fingerprint, account ,route\n\n t , {colons},jo,qcp\n,,,\n")
    assert row == Row(line=3, account="jo", fingerprint=HASH, route="qcp", tenant="t")  # type: ignore[arg-type]
    (row,) = read(f"account,fingerprint\njo,{HASH}\n")
    assert (row.route, row.tenant, row.line) == ("lcp", "", 2)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "line 1", "columns"),
        ("account\njo", "line 1", "columns"),
        (f"account,fingerprint,name\njo,{HASH},x", "line 1", "columns"),
        (f"account,account,fingerprint\njo,jo,{HASH}", "line 1", "columns"),
        ("account,fingerprint\njo", "line 2", "1 cells, not 2"),
        ("account,fingerprint\njo,abc", "line 2", "no SHA-256"),
        (f"account,fingerprint\n,{HASH}", "line 2", "`account` is empty"),
        (f"account,fingerprint\njo,{HASH}\n\njo,{HASH}", "line 4", "line 2 names the same"),
        (f'account,fingerprint\njo,{HASH}\n"a"b,{HASH}', "line 3", "not CSV"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(text: str, where: str, what: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(text)
    assert refused.value.where == where
    assert what in refused.value.what
    assert refused.value.mend


@given(st.text(max_size=80))
def test_any_text_is_read_or_told(text: str) -> None:
    try:
        read(text)
    except InvalidInput as error:
        assert error.where.startswith("line ")


def test_what_was_held_before_is_adopted_once_and_each_refusal_has_its_line() -> None:
    scene = Scene()
    (holding,) = scene.qcp.ports.authorities["lcp"].holdings(account=scene.jessica)
    mine = holding.certificate.fingerprint
    hers = scene.jessica.id
    rows = read(f"account,fingerprint\n{hers},{mine}\n{hers},{HASH}\nnobody,{mine}\n")
    first, second = (list(adopt(scene.qcp.subscriptions, rows)) for _ in range(2))
    assert first == second
    assert [(one.line, one.refused) for one in first] == [(2, ""), (3, "not_held"), (4, "unknown_account")]
    assert first[0].subscription is not None
    assert scene.qcp.subscriptions.get(first[0].subscription).stage is Stage.ACTIVE
    assert len(scene.qcp.records.history(first[0].subscription)) == 1


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scene, file = Scene(), tmp_path / "held.csv"
    (holding,) = scene.qcp.ports.authorities["lcp"].holdings(account=scene.jessica)
    monkeypatch.setattr(installation, "find", lambda _where: scene.qcp)
    asked = ["certificates", "import", str(file), "--installation", "x"]
    assert main(asked) == 2
    file.write_text(f"account,fingerprint\n{scene.jessica.id},{holding.certificate.fingerprint}\n")
    assert main(asked) == 0
    assert capsys.readouterr().out.endswith("\tadopted\n")
    file.write_text(f"account,fingerprint\n{scene.jessica.id},{HASH}\n")
    assert main(asked) == 1
    assert capsys.readouterr().out == "2\t-\tnot_held\n"
