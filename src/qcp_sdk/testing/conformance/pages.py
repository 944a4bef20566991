"""What `ports.pages.SigningPages` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.ceremony.facts import TransactionEnded, TransactionOpened, TransactionSigned
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.pages import SigningPages
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import collecte
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Key, SessionId, SignatoryId

KEY: Final = Key("ceremony-0/3/0")
CLOSING: Final = Key("ceremony-0/9/0")
LETTER: Final = DocumentId("letter")


class PagesConformance(Timed, ABC):
    """Subclass it, make the provider, and play the person at its page."""

    answer_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a transaction that the person finished has ended."""

    @abstractmethod
    def make_pages(self) -> SigningPages:
        """Make a provider that knows no transaction, and at which the example's signatory can sign."""

    @abstractmethod
    def keep(self, pages: SigningPages, content: bytes) -> ContentHash:
        """Keep a document where the provider reads it."""

    @abstractmethod
    def read(self, pages: SigningPages, document: ContentHash) -> bytes:
        """Read a document from there."""

    @abstractmethod
    def document(self) -> bytes:
        """Give a document that can be signed."""

    @abstractmethod
    def sign(self, pages: SigningPages, session: SessionId) -> None:
        """Do all that the person does to sign. A transaction that has ended may refuse it, in any way."""

    @abstractmethod
    def decline(self, pages: SigningPages, session: SessionId) -> None:
        """Refuse to sign, as the person does."""

    def test_pages_1_opening_says_where_and_until_when(self) -> None:
        """pages-1: opening gives a session, where the person goes, and until when: the collecte's end at most."""
        _, opened = self._opened()
        assert opened.session
        assert opened.url.startswith("https://")
        assert self.clock.now() < opened.expires <= collecte(ContentHash("")).deadline

    def test_pages_2_a_key_opens_one_transaction(self) -> None:
        """pages-2: the same key opens one transaction, however often it is asked and whenever; another key another."""
        pages, first = self._opened()
        self.pass_time(timedelta(minutes=1))
        assert {told.session for told in at_once(lambda: self._open(pages))} == {first.session}
        assert self._open(pages) == first
        assert self._open(pages, key=Key("ceremony-1/3/0")).session != first.session

    def test_pages_3_nothing_is_told_before_the_end(self) -> None:
        """pages-3: until the person has signed or refused there is no answer."""
        pages, opened = self._opened()
        assert isinstance(pages.ask(session=opened.session), Pending)

    def test_pages_4_what_was_signed_is_kept(self) -> None:
        """pages-4: a signed transaction names its documents; each is kept, and begins with the exact bytes shown."""
        pages, opened = self._opened()
        self.sign(pages, opened.session)
        self.pass_time(self.answer_wait)
        answer = pages.ask(session=opened.session)
        assert isinstance(answer, TransactionSigned)
        assert answer.session == opened.session
        ((name, signed),) = answer.documents
        assert name == LETTER
        assert self.read(pages, signed).startswith(self.document())
        assert self.read(pages, signed) != self.document()

    def test_pages_5_a_signature_is_never_taken_back(self) -> None:
        """pages-5: a signature, once told, is told again unchanged: later, and after a close."""
        pages, opened = self._opened()
        self.sign(pages, opened.session)
        self.pass_time(self.answer_wait)
        answer = pages.ask(session=opened.session)
        pages.close(key=CLOSING, session=opened.session)
        self.pass_time(timedelta(days=20))
        assert pages.ask(session=opened.session) == answer

    def test_pages_6_a_refusal_is_told(self) -> None:
        """pages-6: a person who refuses ends the transaction as `refused`, for good."""
        pages, opened = self._opened()
        self.decline(pages, opened.session)
        only_port_errors(lambda: self.sign(pages, opened.session))
        assert pages.ask(session=opened.session) == TransactionEnded(session=opened.session, reason="refused")

    def test_pages_7_a_closed_transaction_signs_nothing(self) -> None:
        """pages-7: a transaction closed in time has ended, whatever the person does; closing it again is no error."""
        pages, opened = self._opened()
        for _ in range(2):
            pages.close(key=CLOSING, session=opened.session)
        only_port_errors(lambda: self.sign(pages, opened.session))
        self.pass_time(self.answer_wait)
        assert isinstance(pages.ask(session=opened.session), TransactionEnded)
        pages.close(key=CLOSING, session=SessionId("nobody-opened-this"))

    def test_pages_8_an_unused_transaction_runs_out(self) -> None:
        """pages-8: a transaction that nobody uses ends as `expired`."""
        pages, opened = self._opened()
        self.pass_time(opened.expires - self.clock.now() + timedelta(seconds=1))
        assert pages.ask(session=opened.session) == TransactionEnded(session=opened.session, reason="expired")

    def test_pages_9_a_stranger_cannot_sign(self) -> None:
        """pages-9: a signatory who is not of the collecte is rejected, with a reason."""
        pages = self.make_pages()
        with rejected():
            self._open(pages, signatory="nobody")

    @PROPERTY
    @given(text=st.text(max_size=60))
    def test_pages_10_only_port_errors_come_out(self, text: str) -> None:
        """pages-10: whatever is asked, only an answer or one of the three port errors comes out."""
        pages = self._shared()
        only_port_errors(lambda: pages.ask(session=SessionId(text)))
        only_port_errors(lambda: pages.close(key=Key(text), session=SessionId(text)))
        only_port_errors(lambda: self._open(pages, key=Key(text), signatory=text))

    _made: SigningPages | None = None

    def _shared(self) -> SigningPages:
        if self._made is None:
            self._made = self.make_pages()
        return self._made

    def _opened(self) -> tuple[SigningPages, TransactionOpened]:
        pages = self.make_pages()
        return pages, self._open(pages)

    def _open(self, pages: SigningPages, *, key: Key = KEY, signatory: str = "signatory") -> TransactionOpened:
        content = self.keep(pages, self.document())
        return pages.open(
            key=key,
            ceremony=CeremonyId("ceremony-0"),
            collecte=collecte(content),
            signatory=SignatoryId(signatory),
            documents=((LETTER, content),),
        )
