"""What adapters remember beside the store is sealed, and goes when a subscription is erased."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.answers import KeptAnswers, stream_of
from qcp_sdk.adapters.shared.notebook import FileNotebook, MemoryNotebook, Notebook
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.leaks import files, leaks
from qcp_sdk.values import Key

PERSON = account()
NAMES = {PERSON.id, PERSON.name.last, PERSON.email.text, PERSON.mobile.text[1:], "s-1"}


def page() -> dict[str, object]:
    return {"email": PERSON.email.text, "mobile": PERSON.mobile.text, "name": PERSON.name.last}


@pytest.fixture(params=["file", "memory"])
def notebook(request: pytest.FixtureRequest, tmp_path: Path) -> Notebook:
    if request.param == "file":
        return FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys())
    return MemoryNotebook()


def put(notebook: Notebook, name: str, *, of: str = "") -> None:
    with notebook.open() as pages:
        pages.put(name, page(), of=of)


def there(notebook: Notebook, name: str) -> bool:
    with notebook.open() as pages:
        return pages.get(name) is not None


def test_nothing_of_a_page_lies_in_the_file(tmp_path: Path) -> None:
    notebook = FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys())
    put(notebook, f"account/{PERSON.id}/1", of="s-1")
    put(notebook, f"key/s-1/3/0/{PERSON.id}")
    assert leaks(NAMES, files(tmp_path)) == set()
    (tmp_path / "planted").write_text(json.dumps(page()))
    assert leaks([PERSON.email.text], files(tmp_path))


def test_one_subscription_is_forgotten_and_no_other(notebook: Notebook) -> None:
    for of in ("s-1", "s-2", ""):
        put(notebook, f"page/{of or 'nobody'}", of=of)
    for _ in range(2):
        notebook.forget_stream(stream="s-1")
    assert [there(notebook, f"page/{of}") for of in ("s-1", "s-2", "nobody")] == [False, True, True]
    with notebook.open() as pages:
        assert pages.names("page") == ("page/s-2", "page/nobody")
    for name in ("page/s-1", "page/new"):  # a late answer
        with pytest.raises(Rejected) as refused:
            put(notebook, name, of="s-1")
        assert (refused.value.reason, there(notebook, name)) == ("erased", False)
    put(notebook, "page/s-2", of="s-2")


def test_a_page_stays_whose_it_was_at_first(notebook: Notebook) -> None:
    put(notebook, "page/1", of="s-1")
    put(notebook, "page/1")
    put(notebook, "page/1", of="s-2")
    notebook.forget_stream(stream="s-2")
    assert there(notebook, "page/1")
    notebook.forget_stream(stream="s-1")
    assert not there(notebook, "page/1")


def test_what_was_copied_before_opens_nowhere_after(tmp_path: Path) -> None:
    notebook = FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys())
    put(notebook, "page/1", of="s-1")
    before = sqlite3.connect(tmp_path / "n.sqlite")
    row = before.execute("SELECT name, shelf, owner, page FROM sealed_pages").fetchone()
    key = before.execute("SELECT key FROM owners").fetchone()[0]
    notebook.forget_stream(stream="s-1")
    content = (tmp_path / "n.sqlite").read_bytes()
    assert (row[3] in content, key in content) == (False, False)
    before.execute("INSERT INTO sealed_pages (name, shelf, owner, page) VALUES (?, ?, ?, ?)", row)
    before.commit()
    with pytest.raises(Unavailable), notebook.open() as pages:
        pages.get("page/1")


def swapped(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        (first, one), (second, other) = connection.execute("SELECT number, page FROM sealed_pages").fetchall()
        for number, content in ((first, other), (second, one)):
            connection.execute("UPDATE sealed_pages SET page = ? WHERE number = ?", (content, number))


def changed(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        for number, page in connection.execute("SELECT number, page FROM sealed_pages").fetchall():
            spoilt = page[:-1] + bytes([page[-1] ^ 1])
            connection.execute("UPDATE sealed_pages SET page = ? WHERE number = ?", (spoilt, number))


@pytest.mark.parametrize("spoil", [swapped, changed])
def test_a_page_that_was_moved_or_changed_is_not_read(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    notebook = FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys())
    put(notebook, "page/1", of="s-1")
    put(notebook, "page/2", of="s-1")
    spoil(tmp_path / "n.sqlite")
    with pytest.raises(Unavailable, match="another installation, or changed"), notebook.open() as pages:
        pages.get("page/1")


def test_another_installation_s_keys_find_nothing(tmp_path: Path) -> None:
    put(FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys()), "page/1")
    assert not there(FileNotebook(tmp_path / "n.sqlite", keys=MemoryKeys("another")), "page/1")


def test_keys_of_the_engine_begin_with_their_stream() -> None:
    assert stream_of(Key("s-1/14/0")) == stream_of(Key("s-1/14/0/code")) == "s-1"


def test_kept_answers_are_forgotten_by_subscription(tmp_path: Path) -> None:
    kept = KeptAnswers(tmp_path)
    kept.put(key=Key("s-1/1/0"), answer="one", of="s-1")
    kept.put(key=Key("about"), answer="two", of="s-1", meant=("x",))
    kept.put(key=Key("s-2/1/0"), answer="other", of="s-2")
    assert set(kept.forget_stream(stream="s-1")) == {"one", "two"}
    assert kept.forget_stream(stream="s-1") == ()
    assert (kept.get(key=Key("s-1/1/0")), kept.get(key=Key("about"))) == (None, None)
    assert kept.get(key=Key("s-2/1/0")) == "other"
