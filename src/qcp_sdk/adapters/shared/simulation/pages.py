"""What a simulated signing page does: it shows the documents, sends a code, signs, and says how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from attrs import evolve, frozen

from qcp_sdk.adapters.shared.simulation.book import Book, Pages
from qcp_sdk.adapters.shared.simulation.identity import check_same, session_of
from qcp_sdk.adapters.shared.simulation.pens import Begun, Pen, SignedDocuments, Spoilt, Task
from qcp_sdk.ceremony.facts import TransactionEnded, TransactionOpened, TransactionSigned
from qcp_sdk.collectes import Collecte, Signatory
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.pages import TransactionResult
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Fingerprint, Key, Secret, SessionId, SignatoryId

TRANSACTION_LIFE: Final = timedelta(days=15)
"""A collecte of the guide's platform lives as long."""


class PageEnding(StrEnum):
    """How a transaction can end, as scripted. Values are stored."""

    SIGN = "sign"
    FAIL = "fail"
    SILENCE = "silence"


@frozen(kw_only=True)
class PageScript:
    """What the page will do when the person has typed a right code."""

    ending: PageEnding


SIGN: Final = PageScript(ending=PageEnding.SIGN)
FAIL: Final = PageScript(ending=PageEnding.FAIL)
"""The code is right, and signing fails at the provider."""
SILENCE: Final = PageScript(ending=PageEnding.SILENCE)
"""The page never tells how it ended."""


class PageStanding(StrEnum):
    """Where a transaction stands. Values are stored."""

    OPEN = "open"
    SIGNING = "signing"
    """The code was accepted; the signer answers later. Nothing takes that back."""
    SIGNED = "signed"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"


@frozen(kw_only=True)
class PageTransaction:
    """One transaction, as the provider keeps it."""

    id: SessionId
    ceremony: CeremonyId
    title: str
    signatory: Signatory | None
    """None: rejected, because the collecte has no such signatory."""
    documents: SignedDocuments
    fingerprint: Fingerprint | None
    expires: datetime
    rejected: str = ""
    script: PageScript | None = None
    codes: int = 0
    """How many codes were asked for; part of the key of each."""
    tries: int = 0
    """How many codes were typed; part of the key of each."""
    begun: Begun | None = None
    standing: PageStanding = PageStanding.OPEN
    signed: SignedDocuments = ()


@frozen(kw_only=True)
class PageDefaults:
    """What the page does where a transaction has no script of its own."""

    script: PageScript


_DEFAULTS: Final = PageDefaults(script=SIGN)


class PagesDesk:
    """A simulated signing page over a book: implements `ports.pages` and plays the person at the page.

    The pen is never called while the book is open, so both may live in one database.
    """

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(
        self,
        book: Book,
        *,
        pen: Pen,
        clock: Clock,
        transaction_life: timedelta = TRANSACTION_LIFE,
        base_url: str = "https://signing.simulated.invalid",
    ) -> None:
        self._book, self._pen, self._clock = book, pen, clock
        self._life, self._base_url = transaction_life, base_url.rstrip("/")

    # The port.

    def open(
        self,
        *,
        key: Key,
        ceremony: CeremonyId,
        collecte: Collecte,
        signatory: SignatoryId,
        documents: tuple[tuple[DocumentId, ContentHash], ...],
    ) -> TransactionOpened:
        """Open a transaction; it ends with the collecte, or earlier.

        Raises:
            Rejected: `unknown_signatory`, `no_documents`, or what the pen says of the signatory. `key_reused` for
                anything but the first opening.
        """
        session = session_of("signing", key)
        with self._book.open() as pages:
            transaction = pages.get(PageTransaction, session)
        if transaction is None:
            made = self._made(session, ceremony, collecte, signatory, documents)
            with self._book.open() as pages:
                transaction = pages.get(PageTransaction, session) or made
                pages.put(session, transaction)
        if transaction.signatory is not None:
            check_same(
                (transaction.ceremony, transaction.signatory.id, transaction.documents),
                (ceremony, signatory, documents),
            )
        if transaction.rejected:
            raise Rejected("the provider opens no transaction", reason=transaction.rejected)
        return TransactionOpened(session=session, url=f"{self._base_url}/{session}", expires=transaction.expires)

    def ask(self, *, session: SessionId) -> TransactionResult | Pending:
        """Say how the transaction stands. An end, once given, is given again unchanged.

        Raises:
            Rejected: `unknown_session`.
        """
        with self._book.open() as pages:
            transaction = self._lapsed(pages, _known(pages, session))
            script = transaction.script or _defaults(pages).script
        if script.ending is PageEnding.SILENCE:
            return Pending(note="no answer yet")
        if transaction.standing is PageStanding.SIGNING:
            transaction = self._finish(transaction, Secret(""))  # the key is known to the signer: no code is read
        match transaction.standing:
            case PageStanding.OPEN | PageStanding.SIGNING:
                return Pending(note=f"the transaction is {transaction.standing}")
            case PageStanding.SIGNED:
                return TransactionSigned(session=session, documents=transaction.signed)
            case PageStanding.REFUSED | PageStanding.EXPIRED | PageStanding.FAILED:
                return TransactionEnded(session=session, reason=transaction.standing.value)

    def close(self, *, key: Key, session: SessionId) -> None:  # noqa: ARG002  # doing it twice does nothing more
        """End the transaction; one that has ended, is being signed, or was never known is left as it is."""
        with self._book.open() as pages:
            known = pages.get(PageTransaction, session)
            if known is not None and not known.rejected and known.standing is PageStanding.OPEN:
                pages.put(session, evolve(known, standing=PageStanding.EXPIRED))

    # The person at the page, and whoever writes the script.

    def ask_code(self, session: SessionId) -> str:
        """Read the documents and ask for a code; gives where the code went, masked.

        Raises:
            Rejected: `unknown_session`, `session_ended`, or the signer's word (`too_soon`, `locked` …).
        """
        transaction = self._open_one(session)
        key = Key(f"{session}/code/{transaction.codes + 1}")
        begun = self._pen.begin(key=key, task=_task(transaction))
        with self._book.open() as pages:
            current = _known(pages, session)
            if current.codes == transaction.codes:
                pages.put(session, evolve(current, begun=begun, codes=current.codes + 1))
        return begun.masked

    def sign(self, session: SessionId, code: Secret) -> None:
        """Type the code; when it is right the documents are signed, and `ask` says so.

        Raises:
            Rejected: `unknown_session`, `session_ended`, `no_code_asked`, or the signer's word (`wrong_code` …).
        """
        transaction = self._open_one(session)
        if transaction.begun is None:
            raise Rejected("no code was asked for", reason="no_code_asked", mend="ask for a code")
        self._finish(transaction, code)

    def decline(self, session: SessionId) -> None:
        """Refuse to sign.

        Raises:
            Rejected: `unknown_session`, or `session_ended`.
        """
        self._open_one(session)
        self._end(session, PageStanding.REFUSED)

    def script(self, session: SessionId | None, outcome: PageScript) -> None:
        """Say how this transaction will end or, for None, every one without a script of its own.

        Raises:
            Rejected: `unknown_session`, or `session_ended`.
        """
        if session is not None:
            self._open_one(session)
        with self._book.open() as pages:
            if session is None:
                pages.put("", PageDefaults(script=outcome))
            else:
                pages.put(session, evolve(_known(pages, session), script=outcome))

    def transactions(self) -> tuple[PageTransaction, ...]:
        """Give every transaction that was opened, oldest first."""
        with self._book.open() as pages:
            return tuple(told for told in pages.all(PageTransaction) if not told.rejected)

    # How a transaction comes to its end.

    def _made(
        self,
        session: SessionId,
        ceremony: CeremonyId,
        collecte: Collecte,
        signatory: SignatoryId,
        documents: SignedDocuments,
    ) -> PageTransaction:
        person = next((person for person in collecte.signatories if person.id == signatory), None)
        fingerprint, rejected = None, "" if documents else "no_documents"
        if person is None:
            rejected = "unknown_signatory"
        else:
            try:
                fingerprint = self._pen.accept(signatory=person)
            except Rejected as refusal:
                rejected = refusal.reason
        return PageTransaction(
            id=session,
            ceremony=ceremony,
            title=collecte.title,
            signatory=person,
            documents=documents,
            fingerprint=fingerprint,
            expires=min(self._clock.now() + self._life, collecte.deadline),
            rejected=rejected,
        )

    def _open_one(self, session: SessionId) -> PageTransaction:
        with self._book.open() as pages:
            transaction = self._lapsed(pages, _known(pages, session))
        if transaction.standing is not PageStanding.OPEN:
            raise Rejected("the transaction has ended", reason="session_ended")
        return transaction

    def _lapsed(self, pages: Pages, transaction: PageTransaction) -> PageTransaction:
        if transaction.standing is not PageStanding.OPEN or self._clock.now() < transaction.expires:
            return transaction
        lapsed = evolve(transaction, standing=PageStanding.EXPIRED)
        pages.put(transaction.id, lapsed)
        return lapsed

    def _finish(self, transaction: PageTransaction, code: Secret) -> PageTransaction:
        """Show the code to the pen, under a key of this entry's own, and write down what came of it."""
        assert transaction.begun is not None
        session, begun = transaction.id, transaction.begun
        key = Key(f"{session}/sign/{transaction.tries}")
        answer: SignedDocuments | Spoilt | None
        try:
            answer = self._pen.finish(key=key, task=_task(transaction), begun=begun, code=code)
        except Rejected as refusal:
            if transaction.standing is not PageStanding.SIGNING:
                with self._book.open() as pages:
                    current = _known(pages, session)
                    pages.put(session, evolve(current, tries=max(current.tries, transaction.tries + 1)))
                raise
            answer = Spoilt(reason=refusal.reason)  # the code was right before: there is nothing to try again
        with self._book.open() as pages:
            current = _known(pages, session)
            if current.standing not in (PageStanding.OPEN, PageStanding.SIGNING):
                return current
            script = current.script or _defaults(pages).script
            if script.ending is PageEnding.FAIL or isinstance(answer, Spoilt):
                current = evolve(current, standing=PageStanding.FAILED)
            elif answer is None:
                current = evolve(current, standing=PageStanding.SIGNING)
            else:
                current = evolve(current, standing=PageStanding.SIGNED, signed=answer)
            pages.put(session, current)
        return current

    def _end(self, session: SessionId, standing: PageStanding) -> None:
        with self._book.open() as pages:
            current = _known(pages, session)
            if current.standing is PageStanding.OPEN:
                pages.put(session, evolve(current, standing=standing))


def _task(transaction: PageTransaction) -> Task:
    assert transaction.signatory is not None
    return Task(signatory=transaction.signatory, documents=transaction.documents, fingerprint=transaction.fingerprint)


def _known(pages: Pages, session: SessionId) -> PageTransaction:
    known = pages.get(PageTransaction, session)
    if known is None or known.rejected:
        raise Rejected("no such transaction", reason="unknown_session")
    return known


def _defaults(pages: Pages) -> PageDefaults:
    return pages.get(PageDefaults, "") or _DEFAULTS
