"""The key ring of an installation, rotated from the command line while nothing else knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qcp_sdk import journal
from qcp_sdk.cli import main
from qcp_sdk.cli.answers import NO, UNANSWERED, YES
from qcp_sdk.local import open_local

WHO = ["--by", "Odile", "--reason", "yearly"]
Out = pytest.CaptureFixture[str]


def test_a_ring_is_rotated_and_its_old_key_dropped(tmp_path: Path, capsys: Out) -> None:
    folder = tmp_path / "local"
    open_local(folder)
    ring, where = str(folder / "keys.json"), ["--installation", str(folder)]
    assert main(["keys", "rotate", *where, *WHO]) == YES  # opens the record of acts, under the first key
    capsys.readouterr()
    assert main(["keys", "show", *where]) == YES
    old, count, mark = capsys.readouterr().out.strip().split("\t")
    assert (count, mark) == ("1", "current")
    assert main(["keys", "new", ring]) == YES
    new = capsys.readouterr().out.strip()
    assert main(["keys", "drop", ring, old, *where]) == UNANSWERED, "it is the current one"
    assert main(["keys", "use", ring, new]) == YES
    assert main(["keys", "drop", ring, old, *where]) == NO
    capsys.readouterr()
    assert main(["keys", "rotate", *where, *WHO]) == YES
    assert capsys.readouterr().out.splitlines() == ["rewrapped\t1", f"{new}\t1\tcurrent"]
    assert main(["keys", "drop", ring, old, *where]) == YES
    assert len(open_local(folder).operations.acts()) == 2
    entries, head = open_local(folder).records.journal("audit")
    journal.verify(entries, head=head)


def test_an_erasure_that_is_refused_says_why(tmp_path: Path, capsys: Out) -> None:
    where = ["--installation", str(tmp_path / "local")]
    open_local(tmp_path / "local")
    assert main(["erase", "nothing", *where, *WHO]) == UNANSWERED
    assert "nothing" in capsys.readouterr().err
    for command in ("hold", "release"):
        assert main([command, "nothing", *where, *WHO]) == UNANSWERED
