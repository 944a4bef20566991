"""What `ports.pages.SigningPages` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

from attrs import define, evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from qcp_sdk.ceremony.facts import TransactionEnded, TransactionOpened, TransactionSigned
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.pages import SigningPages, TransactionResult
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import account, collecte
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, MOMENTS, RESTARTS, answered, run_any_history
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Key, SessionId, SignatoryId

KEY: Final = Key("ceremony-0/3/0")
CLOSING: Final = Key("ceremony-0/9/0")
LETTER: Final = DocumentId("letter")
PAUSE: Final = timedelta(minutes=13)
"""Between two signatures in a history: no signer sends codes faster than people type them."""


class PagesConformance(Timed, ABC):
    """Subclass it, make the provider, and play the person at its page."""

    answer_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a transaction that the person finished has ended."""
    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh provider costs much."""

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

    def restarted(self, pages: SigningPages) -> SigningPages:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return pages

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
    @given(text=ANY_TEXT)
    def test_pages_10_only_port_errors_come_out(self, text: str) -> None:
        """pages-10: whatever is asked, only an answer or one of the three port errors comes out."""
        pages = self._shared()
        only_port_errors(lambda: pages.ask(session=SessionId(text)))
        only_port_errors(lambda: pages.close(key=Key(text), session=SessionId(text)))
        only_port_errors(lambda: self._open(pages, key=Key(text), signatory=text))

    def test_pages_11_an_unknown_transaction_is_rejected(self) -> None:
        """pages-11: asking about a transaction that nobody opened is rejected as `unknown_session`."""
        with rejected("unknown_session"):
            self.make_pages().ask(session=SessionId("nobody-opened-this"))

    def test_pages_12_transactions_do_not_mix(self) -> None:
        """pages-12: what ends one transaction, a signature, a refusal or a close, changes no other."""
        pages = self.make_pages()
        sessions = [self._open(pages, key=Key(f"ceremony-{n}/3/0"), number=n).session for n in range(4)]
        self.sign(pages, sessions[0])
        self.decline(pages, sessions[1])
        pages.close(key=CLOSING, session=sessions[2])
        self.pass_time(self.answer_wait)
        signed, refused, closed, waiting = (pages.ask(session=session) for session in sessions)
        assert isinstance(signed, TransactionSigned)
        assert signed.session == sessions[0]
        assert refused == TransactionEnded(session=sessions[1], reason="refused")
        assert isinstance(closed, TransactionEnded)
        assert closed.session == sessions[2]
        assert isinstance(waiting, Pending)

    def test_pages_13_a_key_is_not_reused(self) -> None:
        """pages-13: a key used again for another ceremony or document is rejected as `key_reused`; the first stands."""
        pages, first = self._opened()
        with rejected("key_reused"):
            self._open(pages, number=1)
        with rejected("key_reused"):
            self._open(pages, document=DocumentId("another"))
        assert self._open(pages) == first

    def test_pages_14_a_signature_before_the_close_wins(self) -> None:
        """pages-14: a signature just before the close, of which nobody was told yet, is told afterwards."""
        pages, opened = self._opened()
        self.sign(pages, opened.session)
        self.pass_time(self.answer_wait)
        pages.close(key=CLOSING, session=opened.session)
        assert isinstance(pages.ask(session=opened.session), TransactionSigned)

    def test_pages_15_nobody_is_named_aloud(self) -> None:
        """pages-15: neither the provider nor its refusals print or log who signs."""
        pages = self.make_pages()
        with unspoken(*personal(account())) as said:
            opened = self._open(pages)
            self.sign(pages, opened.session)
            said += [pages, opened, only_port_errors(lambda: self._open(pages, number=1))]
            said += [only_port_errors(lambda: self._open(pages, key=Key("k/1/0"), signatory="nobody"))]

    def test_pages_16_any_history_keeps_its_word(self) -> None:
        """pages-16: after any history of openings, lost answers, restarts, signatures, refusals and closes, each
        transaction stands as its own events say, and no end is taken back."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    _made: SigningPages | None = None

    def _shared(self) -> SigningPages:
        if self._made is None:
            self._made = self.make_pages()
        return self._made

    def _opened(self) -> tuple[SigningPages, TransactionOpened]:
        pages = self.make_pages()
        return pages, self._open(pages)

    def _open(
        self,
        pages: SigningPages,
        *,
        key: Key = KEY,
        signatory: str = "signatory",
        number: int = 0,
        document: DocumentId = LETTER,
    ) -> TransactionOpened:
        content = self.keep(pages, self.document())
        made = collecte(content)
        return pages.open(
            key=key,
            ceremony=CeremonyId(f"ceremony-{number}"),
            collecte=evolve(made, documents=tuple(evolve(one, id=document) for one in made.documents)),
            signatory=SignatoryId(signatory),
            documents=((document, content),),
        )


@define
class _Transaction:
    """What must be true of one transaction."""

    opened: TransactionOpened
    ended: str = ""
    """`signed`, `refused` or `closed`: what happened first."""
    told: TransactionResult | None = None


class _History(RuleBasedStateMachine):
    """Any history of a few transactions of one person, each beside a record of what happened in it."""

    restarts = RESTARTS

    numbers = st.integers(0, 1)

    def __init__(self, suite: PagesConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.pages = suite, suite.make_pages()
        self.known: dict[int, _Transaction] = {}

    @rule(number=numbers, lost=st.booleans())
    def open(self, number: int, lost: bool) -> None:
        known = self.known.get(number)
        if known is None and self.suite.clock.now() + timedelta(days=1) >= collecte(ContentHash("")).deadline:
            return  # nothing is opened at the end of the collecte
        opened = answered(lambda: self.opened(number, number), lost=lost)
        if known is not None:
            assert opened == known.opened, "another answer than at first"
            return
        assert opened.session not in {one.opened.session for one in self.known.values()}, "two keys, one transaction"
        self.known[number] = _Transaction(opened)

    @precondition(lambda self: self.known)
    @rule(number=numbers)
    def reuse(self, number: int) -> None:
        if number in self.known:
            with rejected("key_reused"):
                self.opened(number, number + 1)

    @precondition(lambda self: self.known)
    @rule(number=numbers, willing=st.booleans())
    def answer(self, number: int, willing: bool) -> None:
        known = self.known.get(number)
        if known is None:
            return
        self.suite.pass_time(PAUSE)
        act, session = self.suite.sign if willing else self.suite.decline, known.opened.session
        if self.open_still(known):
            act(self.pages, session)
            known.ended = "signed" if willing else "refused"
        else:
            only_port_errors(lambda: act(self.pages, session))

    @precondition(lambda self: self.known)
    @rule(number=numbers, lost=st.booleans())
    def close(self, number: int, lost: bool) -> None:
        known = self.known.get(number)
        session = known.opened.session if known else SessionId("nobody-opened-this")
        answered(lambda: self.pages.close(key=Key(f"ceremony-{number}/9/0"), session=session), lost=lost)
        if known is not None and self.open_still(known):
            known.ended = "closed"

    @precondition(lambda self: self.known)
    @rule()
    def ask(self) -> None:
        for known in self.known.values():
            self.compare(known)

    def compare(self, known: _Transaction) -> None:
        if known.ended == "signed":
            self.suite.pass_time(self.suite.answer_wait)
        answer = self.pages.ask(session=known.opened.session)
        if isinstance(answer, Pending):
            assert self.open_still(known), "no end in time"
            return
        assert answer.session == known.opened.session, "an end of another transaction"
        assert not self.open_still(known), "ended by nobody"
        assert known.told in (None, answer), "an end was taken back"
        known.told = answer
        if isinstance(answer, TransactionSigned):
            assert known.ended == "signed", "signed by nobody"
            for _, signed in answer.documents:
                assert self.suite.read(self.pages, signed).startswith(self.suite.document())
        else:
            assert known.ended != "signed", "a signature is lost"
            reasons = {"refused": {"refused"}, "closed": {answer.reason}, "": {"expired"}}
            assert answer.reason in reasons[known.ended]

    @rule(by=st.sampled_from((*MOMENTS, timedelta(days=8))))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.pages = self.suite.restarted(self.pages)

    def opened(self, key: int, ceremony: int) -> TransactionOpened:
        return self.suite._open(self.pages, key=Key(f"ceremony-{key}/3/0"), number=ceremony)

    def open_still(self, known: _Transaction) -> bool:
        return not known.ended and self.suite.clock.now() < known.opened.expires
