"""What `ports.documents.Documents` promises: the shelf by itself, and with the maker of certificate requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Final, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.people import LANGUAGES
from qcp_sdk.ports.documents import Documents
from qcp_sdk.testing.conformance.base import PROPERTY, Conformance, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import START, account, application, name_of
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, RESTARTS, answered, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import ContentHash, Key

NOWHERE: Final = name_of(b"kept nowhere")
COMPOSING: Final = Key("subscription-0/10/0")
SEALING: Final = Key("subscription-0/13/0")


class Shelf(Protocol):
    """The part of the port that keeps documents."""

    def keep(self, *, content: bytes | Path) -> ContentHash:
        """As the port."""

    def read(self, *, document: ContentHash) -> bytes:
        """As the port."""

    def path(self, *, document: ContentHash) -> Path:
        """As the port."""

    def forget(self, *, document: ContentHash) -> None:
        """As the port."""


class ShelfConformance(Conformance, ABC):
    """Subclass it and make the shelf."""

    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promises try; fewer where fresh documents cost much."""

    @abstractmethod
    def make_shelf(self) -> Shelf:
        """Make a shelf that keeps nothing yet."""

    @abstractmethod
    def damage(self, shelf: Shelf, document: ContentHash) -> None:
        """Change the bytes that are kept under this name, behind the shelf's back."""

    def reopened(self, shelf: Shelf) -> Shelf:
        """Give the shelf as a new process makes it, where it outlives one; histories restart in between."""
        return shelf

    @PROPERTY
    @given(content=st.binary(max_size=200))
    def test_documents_1_bytes_come_back(self, content: bytes) -> None:
        """documents-1: what is kept is named by the SHA-256 of its bytes, and comes back byte for byte."""
        shelf = self.make_shelf()
        document = shelf.keep(content=content)
        assert document == name_of(content)
        assert shelf.read(document=document) == content

    def test_documents_2_keeping_again_is_free(self) -> None:
        """documents-2: keeping the same bytes again, at the same moment too, gives the same name."""
        shelf = self.make_shelf()
        assert set(at_once(lambda: shelf.keep(content=b"the same"))) == {name_of(b"the same")}
        assert shelf.keep(content=b"the same") == name_of(b"the same")
        assert shelf.read(document=name_of(b"the same")) == b"the same"

    def test_documents_3_a_file_is_kept_as_its_bytes(self, tmp_path: Path) -> None:
        """documents-3: a file is kept as its bytes are, and may go afterwards."""
        shelf, file = self.make_shelf(), tmp_path / "document.pdf"
        file.write_bytes(b"%PDF-1.7 in a file")
        document = shelf.keep(content=file)
        file.unlink()
        assert document == name_of(b"%PDF-1.7 in a file")
        assert shelf.read(document=document) == b"%PDF-1.7 in a file"

    def test_documents_4_what_is_not_kept_is_rejected(self) -> None:
        """documents-4: a document that is not kept is rejected as `unknown_document`."""
        shelf = self.make_shelf()
        for call in (shelf.read, shelf.path):
            with rejected("unknown_document"):
                call(document=NOWHERE)

    def test_documents_5_damage_is_found(self) -> None:
        """documents-5: bytes that no longer have their name are rejected as `damaged`, never given."""
        shelf = self.make_shelf()
        document = shelf.keep(content=b"%PDF-1.7 intact")
        self.damage(shelf, document)
        with rejected("damaged"):
            shelf.read(document=document)

    def test_documents_6_a_path_holds_the_bytes(self) -> None:
        """documents-6: the file that is given for a document holds its bytes."""
        shelf = self.make_shelf()
        assert shelf.path(document=shelf.keep(content=b"%PDF-1.7 large")).read_bytes() == b"%PDF-1.7 large"

    def test_documents_23_what_is_forgotten_is_gone(self) -> None:
        """documents-23: what is forgotten is `unknown_document`, nothing else is, and kept again it is there again."""
        shelf = self.make_shelf()
        document, other = shelf.keep(content=b"%PDF-1.7 hers"), shelf.keep(content=b"%PDF-1.7 another's")
        shelf.path(document=document)
        for _ in range(2):
            shelf.forget(document=document)
            for call in (shelf.read, shelf.path):
                with rejected("unknown_document"):
                    call(document=document)
        shelf.forget(document=NOWHERE)
        assert shelf.read(document=other) == b"%PDF-1.7 another's"
        with rejected("unknown_document"):
            self.reopened(shelf).read(document=document)
        assert shelf.keep(content=b"%PDF-1.7 hers") == document
        assert shelf.read(document=document) == b"%PDF-1.7 hers"

    def test_documents_7_an_unreadable_file_is_rejected(self, tmp_path: Path) -> None:
        """documents-7: a file that cannot be read is rejected, with a reason."""
        with rejected():
            self.make_shelf().keep(content=tmp_path / "missing.pdf")

    @PROPERTY
    @given(name=ANY_TEXT)
    def test_documents_8_only_port_errors_come_out(self, name: str) -> None:
        """documents-8: whatever name is asked for, only one of the three port errors comes out."""
        shelf = self.make_shelf()
        only_port_errors(lambda: shelf.read(document=ContentHash(name)))
        only_port_errors(lambda: shelf.path(document=ContentHash(name)))

    @needs(THREADS)
    def test_documents_16_many_keep_their_own(self) -> None:
        """documents-16: of several that keep other bytes at once, each gets the name of its own."""
        shelf = self.make_shelf()
        contents = [f"%PDF-1.7 number {number}".encode() for number in range(6)]
        names = together(len(contents), lambda number: shelf.keep(content=contents[number]))
        assert names == [name_of(content) for content in contents]
        assert [shelf.read(document=name) for name in names] == contents

    def test_documents_17_any_history_gives_the_bytes_back(self) -> None:
        """documents-17: after any history of keeping, damage and restarts, a document is its own bytes or none."""
        suite = self

        class History(_ShelfHistory):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)


class DocumentsConformance(ShelfConformance, ABC):
    """Subclass it and make the documents; the shelf's promises are examined with it."""

    @abstractmethod
    def make_documents(self) -> Documents:
        """Make documents that keep nothing yet."""

    def make_shelf(self) -> Shelf:
        """Make the documents: they are a shelf too."""
        return self.make_documents()

    def restarted(self, documents: Documents) -> Documents:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return documents

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_documents_9_a_request_is_composed_and_kept(self, language: str) -> None:
        """documents-9: the certificate request is made in the person's language, and is kept."""
        documents = self.make_documents()
        composed = _composed(documents, language=language)
        assert name_of(documents.read(document=composed)) == composed

    def test_documents_10_the_same_data_give_the_same_bytes(self) -> None:
        """documents-10: the same application and instant give the same bytes, under the same key and another."""
        documents = self.make_documents()
        first = _composed(documents)
        assert _composed(documents) == first
        assert _composed(documents, key=Key("subscription-0/99/0")) == first
        assert _composed(self.make_documents()) == first

    def test_documents_11_other_data_give_another_document(self) -> None:
        """documents-11: another person's request, or one of another instant, is another document."""
        documents = self.make_documents()
        made = {
            _composed(documents),
            _composed(documents, key=Key("subscription-1/10/0"), number=1),
            _composed(documents, key=Key("subscription-0/11/0"), later=timedelta(days=1)),
        }
        assert len(made) == 3

    def test_documents_12_a_seal_is_added_to_the_exact_bytes(self) -> None:
        """documents-12: the sealed request begins with the exact bytes that were accepted, and is kept."""
        documents = self.make_documents()
        accepted = _composed(documents)
        sealed = _sealed(documents, accepted)
        assert sealed != accepted
        assert documents.read(document=sealed).startswith(documents.read(document=accepted))

    def test_documents_13_a_key_seals_once(self) -> None:
        """documents-13: the same key seals once, and gives the same document again."""
        documents = self.make_documents()
        accepted = _composed(documents)
        assert _sealed(documents, accepted) == _sealed(documents, accepted)

    def test_documents_14_what_is_not_kept_is_not_sealed(self) -> None:
        """documents-14: sealing a document that is not kept is rejected as `unknown_document`."""
        with rejected("unknown_document"):
            _sealed(self.make_documents(), NOWHERE)

    def test_documents_15_damaged_bytes_are_not_sealed(self) -> None:
        """documents-15: a document whose bytes have changed is rejected as `cannot_seal`."""
        documents = self.make_documents()
        accepted = _composed(documents)
        self.damage(documents, accepted)
        with rejected("cannot_seal"):
            _sealed(documents, accepted)

    def test_documents_18_a_key_is_not_reused(self) -> None:
        """documents-18: a key used again for another application, document or call is rejected as `key_reused`."""
        documents = self.make_documents()
        accepted, other = _composed(documents), _composed(documents, key=Key("subscription-1/10/0"), number=1)
        sealed = _sealed(documents, accepted)
        with rejected("key_reused"):
            _composed(documents, number=1)
        for key, document in ((SEALING, other), (COMPOSING, accepted)):
            with rejected("key_reused"):
                _sealed(documents, document, key=key)
        assert (_composed(documents), _sealed(documents, accepted)) == (accepted, sealed)

    def test_documents_19_another_code_gives_another_seal(self) -> None:
        """documents-19: a seal is put on the evidence of its code: sealed on another code, it is another document."""
        documents = self.make_documents()
        accepted = _composed(documents)
        first = _sealed(documents, accepted)
        assert (
            _sealed(documents, accepted, key=Key("subscription-0/14/0"), challenge="subscription-0/request/2") != first
        )

    def test_documents_20_what_cannot_be_set_is_rejected(self) -> None:
        """documents-20: a request in a language that is not written here is rejected as `cannot_compose`."""
        with rejected("cannot_compose"):
            _composed(self.make_documents(), language="tlh")

    def test_documents_21_nobody_is_named_aloud(self) -> None:
        """documents-21: neither the documents nor their refusals print or log who asks for a certificate."""
        documents = self.make_documents()
        with unspoken(*personal(account(2))) as said:
            accepted = _composed(documents, number=2)
            _sealed(documents, accepted, number=2)
            said += [documents, only_port_errors(lambda: _composed(documents, number=3))]
            said += [only_port_errors(lambda: _composed(documents, key=Key("k/1/0"), number=2, language="tlh"))]
            said += [only_port_errors(lambda: _sealed(documents, NOWHERE, key=Key("k/2/0"), number=2))]

    def test_documents_22_any_history_keeps_its_word(self) -> None:
        """documents-22: after any history of composing, sealing, lost answers and restarts, a key has one document,
        each sealed one begins with what was accepted, and no two persons' are one."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)


def _composed(
    documents: Documents,
    *,
    key: Key = COMPOSING,
    number: int = 0,
    language: str = "fr",
    later: timedelta = timedelta(0),
) -> ContentHash:
    return documents.compose_request(key=key, application=application(number), language=language, at=START + later)


def _sealed(
    documents: Documents,
    document: ContentHash,
    *,
    key: Key = SEALING,
    number: int = 0,
    challenge: str = "subscription-0/request/1",
) -> ContentHash:
    return documents.seal_request(
        key=key,
        document=document,
        signatory=account(number).name.full,
        challenge=challenge,
        verified_at=START,
    )


class _ShelfHistory(RuleBasedStateMachine):
    """Any history of a shelf, beside a dictionary of what it was given."""

    restarts = RESTARTS

    numbers = st.integers(0, 3)

    def __init__(self, suite: ShelfConformance) -> None:
        super().__init__()
        self.suite, self.shelf = suite, suite.make_shelf()
        self.kept: dict[ContentHash, bytes] = {}
        self.damaged: set[ContentHash] = set()

    @rule(number=numbers)
    def keep(self, number: int) -> None:
        content = f"%PDF-1.7 number {number}".encode()
        document = self.shelf.keep(content=content)
        assert document == name_of(content)
        self.kept[document] = content

    @precondition(lambda self: self.kept)
    @rule(number=numbers)
    def damage(self, number: int) -> None:
        document = list(self.kept)[number % len(self.kept)]
        self.suite.damage(self.shelf, document)
        self.damaged.add(document)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.shelf = self.suite.reopened(self.shelf)

    @invariant()
    def each_is_its_own_bytes_or_none(self) -> None:
        for document, content in self.kept.items():
            if document not in self.damaged:
                assert self.shelf.read(document=document) == content
                assert self.shelf.path(document=document).read_bytes() == content
                continue
            answer = only_port_errors(lambda document=document: self.shelf.read(document=document))  # type: ignore[misc]
            if isinstance(answer, Exception):
                assert getattr(answer, "reason", "") == "damaged"
            else:  # kept again since, which may mend it
                assert answer == content
        with rejected("unknown_document"):
            self.shelf.read(document=NOWHERE)


class _History(RuleBasedStateMachine):
    """Any history of requests and seals, beside what each key was answered."""

    restarts = RESTARTS

    keys, numbers = st.integers(0, 2), st.integers(0, 1)

    def __init__(self, suite: DocumentsConformance) -> None:
        super().__init__()
        self.suite, self.documents = suite, suite.make_documents()
        self.composed: dict[Key, tuple[int, ContentHash]] = {}
        self.sealed: dict[Key, tuple[ContentHash, ContentHash]] = {}

    @rule(key=keys, number=numbers, lost=st.booleans())
    def compose(self, key: int, number: int, lost: bool) -> None:
        asked = Key(f"subscription-{key}/10/0")
        before = self.composed.get(asked)
        if before is not None and before[0] != number:
            with rejected("key_reused"):
                _composed(self.documents, key=asked, number=number)
            return
        made = answered(lambda: _composed(self.documents, key=asked, number=number), lost=lost)
        assert before is None or made == before[1], "another answer than at first"
        assert all((made == other) == (number == whose) for whose, other in self.composed.values())
        self.composed[asked] = number, made

    @precondition(lambda self: self.composed)
    @rule(key=keys, which=keys, lost=st.booleans())
    def seal(self, key: int, which: int, lost: bool) -> None:
        asked = Key(f"subscription-{key}/13/0")
        _, document = list(self.composed.values())[which % len(self.composed)]
        before = self.sealed.get(asked)
        if before is not None and before[0] != document:
            with rejected("key_reused"):
                _sealed(self.documents, document, key=asked)
            return
        made = answered(lambda: _sealed(self.documents, document, key=asked), lost=lost)
        assert before is None or made == before[1], "another answer than at first"
        self.sealed[asked] = document, made

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.documents = self.suite.restarted(self.documents)

    @invariant()
    def each_is_kept(self) -> None:
        for _, document in self.composed.values():
            assert name_of(self.documents.read(document=document)) == document
        for accepted, sealed in self.sealed.values():
            content = self.documents.read(document=sealed)
            assert name_of(content) == sealed != accepted
            assert content.startswith(self.documents.read(document=accepted)), "another document was sealed"
