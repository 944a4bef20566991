"""The shelf: names are hashes, bytes come back whole, damage is seen, nothing else can be reached."""

from __future__ import annotations

import hashlib
import stat
import threading
from pathlib import Path

import pytest

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shelf import CHUNK, FileShelf
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.values import ContentHash, Key

CONTENT = b"%PDF-1.7 not much of a document"
NAME = ContentHash("sha256:" + hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def shelf(tmp_path: Path) -> FileShelf:
    return FileShelf(tmp_path / "a" / "shelf")


def test_bytes_are_named_by_their_hash_and_come_back(shelf: FileShelf) -> None:
    assert shelf.keep(content=CONTENT) == NAME
    assert shelf.read(document=NAME) == CONTENT
    assert shelf.path(document=NAME).read_bytes() == CONTENT


def test_a_file_is_kept_as_its_bytes_would_be(shelf: FileShelf, tmp_path: Path) -> None:
    large = tmp_path / "large.pdf"
    large.write_bytes(b"0123456789abcdef" * (CHUNK // 8))
    name = shelf.keep(content=large)
    assert name == "sha256:" + hashlib.sha256(large.read_bytes()).hexdigest()
    assert shelf.read(document=name) == large.read_bytes()


def test_keeping_again_leaves_one_file_and_does_not_touch_it(shelf: FileShelf) -> None:
    shelf.keep(content=CONTENT)
    before = shelf.path(document=NAME).stat()
    assert shelf.keep(content=CONTENT) == NAME
    after = shelf.path(document=NAME).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert [path for path in shelf.directory.rglob("*") if path.is_file()] == [shelf.path(document=NAME)]


def test_only_the_owner_may_read(shelf: FileShelf) -> None:
    shelf.keep(content=CONTENT)
    path = shelf.path(document=NAME)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(shelf.directory.stat().st_mode) & 0o077 == 0


def test_damage_is_seen_and_mended_by_keeping_the_original_again(shelf: FileShelf) -> None:
    shelf.keep(content=CONTENT)
    shelf.path(document=NAME).write_bytes(CONTENT.replace(b"much", b"such"))
    with pytest.raises(Rejected) as refused:
        shelf.read(document=NAME)
    assert refused.value.reason == "damaged"
    shelf.keep(content=CONTENT)
    assert shelf.read(document=NAME) == CONTENT


@pytest.mark.parametrize(
    "name", [NAME, "", "sha256:", "sha256:../../etc/passwd", "/etc/passwd", NAME.upper(), NAME + "\n", NAME[:-1]]
)
def test_what_is_not_kept_is_unknown_whatever_its_name(shelf: FileShelf, name: str) -> None:
    for ask in (shelf.read, shelf.path):
        with pytest.raises(Rejected) as refused:
            ask(document=ContentHash(name))
        assert refused.value.reason == "unknown_document"


def test_a_missing_file_is_refused_and_leaves_nothing(shelf: FileShelf, tmp_path: Path) -> None:
    with pytest.raises(Rejected) as refused:
        shelf.keep(content=tmp_path / "absent.pdf")
    assert refused.value.reason == "unreadable"
    assert not shelf.directory.exists()


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        FileShelf(tmp_path / "file" / "shelf").keep(content=CONTENT)


def test_no_partial_file_is_left_behind(shelf: FileShelf) -> None:
    for number in range(20):
        shelf.keep(content=str(number).encode())
    assert not list(shelf.directory.rglob(".new-*"))


def test_a_key_that_was_kept_for_something_else_is_refused(tmp_path: Path) -> None:
    answers, key = KeptAnswers(tmp_path), Key("stream/1/0")
    assert answers.put(key=key, answer="first", meant=("seal", "a")) == "first"
    assert KeptAnswers(tmp_path).get(key=key, meant=("seal", "a")) == "first"
    with pytest.raises(Rejected) as refused:
        answers.get(key=key, meant=("seal", "b"))
    assert refused.value.reason == "key_reused"
    with pytest.raises(Rejected) as refused:
        answers.put(key=key, answer="other", meant=("compose", "a"))
    assert refused.value.reason == "key_reused"


def test_an_answer_of_an_older_version_says_not_what_it_was_for(tmp_path: Path) -> None:
    key = Key("stream/1/0")
    KeptAnswers(tmp_path).put(key=key, answer="first")
    assert KeptAnswers(tmp_path).get(key=key, meant=("seal", "a")) == "first"


def test_the_folder_of_answers_does_not_tell_that_two_keys_were_for_one_address(tmp_path: Path) -> None:
    for number in range(2):
        KeptAnswers(tmp_path).put(key=Key(f"s/{number}/0"), answer="sent", meant=("zoe@example.org",))
    first, second = (file.read_text() for file in tmp_path.iterdir())
    assert first != second
    assert "zoe" not in first + second


def test_the_first_answer_wins_also_between_threads(tmp_path: Path) -> None:
    answers = KeptAnswers(tmp_path / "answers")
    key = Key("stream/1/0")
    assert answers.get(key=key) is None
    given: list[str] = []
    threads = [
        threading.Thread(target=lambda n=number: given.append(answers.put(key=key, answer=f"answer {n}")))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 8
    assert set(given) == {answers.get(key=key)}
    assert answers.get(key=Key("stream/2/0")) is None
    assert len(list((tmp_path / "answers").iterdir())) == 1
