"""What `ports.documents.Documents` promises: the shelf by itself, and with the maker of certificate requests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.people import LANGUAGES
from qcp_sdk.ports.documents import Documents
from qcp_sdk.testing.conformance.base import PROPERTY, Conformance, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import START, application, name_of
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


class ShelfConformance(Conformance, ABC):
    """Subclass it and make the shelf."""

    @abstractmethod
    def make_shelf(self) -> Shelf:
        """Make a shelf that keeps nothing yet."""

    @abstractmethod
    def damage(self, shelf: Shelf, document: ContentHash) -> None:
        """Change the bytes that are kept under this name, behind the shelf's back."""

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

    def test_documents_7_an_unreadable_file_is_rejected(self, tmp_path: Path) -> None:
        """documents-7: a file that cannot be read is rejected, with a reason."""
        with rejected():
            self.make_shelf().keep(content=tmp_path / "missing.pdf")

    @PROPERTY
    @given(name=st.text(max_size=80))
    def test_documents_8_only_port_errors_come_out(self, name: str) -> None:
        """documents-8: whatever name is asked for, only one of the three port errors comes out."""
        shelf = self.make_shelf()
        only_port_errors(lambda: shelf.read(document=ContentHash(name)))
        only_port_errors(lambda: shelf.path(document=ContentHash(name)))


class DocumentsConformance(ShelfConformance, ABC):
    """Subclass it and make the documents; the shelf's promises are examined with it."""

    @abstractmethod
    def make_documents(self) -> Documents:
        """Make documents that keep nothing yet."""

    def make_shelf(self) -> Shelf:
        """Make the documents: they are a shelf too."""
        return self.make_documents()

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


def _composed(
    documents: Documents,
    *,
    key: Key = COMPOSING,
    number: int = 0,
    language: str = "fr",
    later: timedelta = timedelta(0),
) -> ContentHash:
    return documents.compose_request(key=key, application=application(number), language=language, at=START + later)


def _sealed(documents: Documents, document: ContentHash) -> ContentHash:
    return documents.seal_request(
        key=SEALING,
        document=document,
        signatory="Élodie Lefèvre",
        challenge="subscription-0/request/1",
        verified_at=START,
    )
