"""What a simulated identity provider does: sessions, captures, scripted verdicts that take their time (C1 to C5)."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from attrs import evolve, frozen

from qcp_sdk.adapters.shared.simulation.book import Book, Pages
from qcp_sdk.errors import Rejected
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.identity import Verdict
from qcp_sdk.subscription.facts import (
    CaptureFinished,
    FraudSuspected,
    IdentityAbandoned,
    IdentityApproved,
    IdentityOpened,
    IdentityRefused,
    IdentityRetryable,
)
from qcp_sdk.values import BirthDate, Key, PersonName, SessionId, SubscriptionId

VERDICT_AFTER: Final = timedelta(minutes=4)
"""From the capture to the verdict; the guide expects 3 to 6 minutes (feature C4)."""
SESSION_LIFE: Final = timedelta(days=7)
SPECIMEN_BIRTH_DATE: Final = BirthDate(date(1985, 4, 12))
"""What the specimen document shows where nobody brings one; an account knows no date of birth."""


class IdentityEnding(StrEnum):
    """How a session can end, as scripted. Values are stored."""

    APPROVE = "approve"
    RETRY = "retry"
    REFUSE = "refuse"
    FRAUD = "fraud"
    ABANDON = "abandon"
    SILENCE = "silence"


@frozen(kw_only=True)
class IdentityScript:
    """What the provider will say of a session; made by the functions below."""

    ending: IdentityEnding
    reason: str = ""
    name: PersonName | None = None
    """The name that the document is to show, where it is not the account's."""
    proofing: Proofing = Proofing.EXTENDED


def approve(*, proofing: Proofing = Proofing.EXTENDED) -> IdentityScript:
    """Approve, with the data of the document that was captured."""
    return IdentityScript(ending=IdentityEnding.APPROVE, proofing=proofing)


def data_changed(name: PersonName) -> IdentityScript:
    """Approve, but the document shows this other name (IDnow: SUCCESS_DATA_CHANGED)."""
    return IdentityScript(ending=IdentityEnding.APPROVE, name=name)


def retry(reason: str = "document_unreadable") -> IdentityScript:
    """Refuse, but the person may try again."""
    return IdentityScript(ending=IdentityEnding.RETRY, reason=reason)


def refuse(reason: str = "document_expired") -> IdentityScript:
    """Refuse for good."""
    return IdentityScript(ending=IdentityEnding.REFUSE, reason=reason)


def fraud(reason: str = "document_forged") -> IdentityScript:
    """Suspect a fraud."""
    return IdentityScript(ending=IdentityEnding.FRAUD, reason=reason)


def abandon() -> IdentityScript:
    """The person leaves half-way: the provider notices as late as it would have decided."""
    return IdentityScript(ending=IdentityEnding.ABANDON)


def silence() -> IdentityScript:
    """Never decide."""
    return IdentityScript(ending=IdentityEnding.SILENCE)


@frozen(kw_only=True)
class IdentitySession:
    """One session, as the provider keeps it."""

    id: SessionId
    attempt: int
    subscription: SubscriptionId
    person: Account
    opened_at: datetime
    expires: datetime
    rejected: str = ""
    """Why it was not opened; the same key is rejected again."""
    script: IdentityScript | None = None
    captured_at: datetime | None = None
    document: ProvenIdentity | None = None
    verdict: IdentityScript | None = None
    """What was decided. Once here, it stays."""


@frozen(kw_only=True)
class IdentityDefaults:
    """What the provider does where a session has no script of its own."""

    script: IdentityScript
    rejecting: str = ""


_DEFAULTS: Final = IdentityDefaults(script=approve())


class IdentityDesk:
    """A simulated provider over a book: implements `ports.identity` and plays the person's phone.

    `verdict_after` runs from the capture; a session that nobody captures is abandoned at `session_life`.
    """

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(
        self,
        book: Book,
        *,
        clock: Clock,
        verdict_after: timedelta = VERDICT_AFTER,
        session_life: timedelta = SESSION_LIFE,
        base_url: str = "https://identity.simulated.invalid",
        provider: str = "Simulated identity provider",
    ) -> None:
        self._book, self._clock = book, clock
        self._verdict_after, self._session_life = verdict_after, session_life
        self._base_url, self._provider = base_url.rstrip("/"), provider

    # The port.

    def open(self, *, key: Key, attempt: int, subscription: SubscriptionId, person: Account) -> IdentityOpened:
        """Open a session; its address is `base_url/<session>`.

        Raises:
            Rejected: `reject_openings` says so; `reason` is its word. `key_reused` for anything but the first opening.
        """
        session_id = session_of("identity", key)
        with self._book.open() as pages:
            session = pages.get(IdentitySession, session_id)
            if session is None:
                now = self._clock.now()
                session = IdentitySession(
                    id=session_id,
                    attempt=attempt,
                    subscription=subscription,
                    person=person,
                    opened_at=now,
                    expires=now + self._session_life,
                    rejected=_defaults(pages).rejecting,
                )
                pages.put(session_id, session)
        check_same((session.attempt, session.subscription, session.person), (attempt, subscription, person))
        if session.rejected:
            raise Rejected("the provider opens no session for this person", reason=session.rejected)
        return IdentityOpened(
            attempt=session.attempt, session=session.id, url=f"{self._base_url}/{session.id}", expires=session.expires
        )

    def ask(self, *, session: SessionId) -> Verdict | CaptureFinished | Pending:
        """Say how the session stands: waiting for the person, captured, or decided for good.

        Raises:
            Rejected: `unknown_session`.
        """
        with self._book.open() as pages:
            current = self._settled(pages, _known(pages, session))
            script = current.script or _defaults(pages).script
        if current.verdict is not None:
            return self._verdict(current, current.verdict)
        if current.captured_at is not None and script.ending is not IdentityEnding.SILENCE:
            return CaptureFinished(session=session)
        return Pending(note="the person has not finished" if current.captured_at is None else "no verdict yet")

    def cancel(self, *, key: Key, session: SessionId) -> None:  # noqa: ARG002  # doing it twice does nothing more
        """Close the session; one that has ended, or was never known, is left as it is."""
        with self._book.open() as pages:
            known = pages.get(IdentitySession, session)
            if known is None or known.rejected:
                return
            current = self._settled(pages, known)
            if current.verdict is None:
                pages.put(session, evolve(current, verdict=abandon()))

    # The person's phone, and whoever writes the script.

    def capture(self, session: SessionId, document: ProvenIdentity | None = None) -> None:
        """Do what the person does: show a document and a face. Without a document, a specimen in their name.

        Raises:
            Rejected: `unknown_session`, or `session_ended`.
        """
        with self._book.open() as pages:
            current = self._undecided(pages, session)
            if current.captured_at is None:
                pages.put(
                    session,
                    evolve(current, captured_at=self._clock.now(), document=document or specimen(current.person.name)),
                )

    def script(self, session: SessionId | None, outcome: IdentityScript) -> None:
        """Say how this session will end or, for None, every session without a script of its own.

        Raises:
            Rejected: `unknown_session`, or `session_ended`: a verdict stays as it is.
        """
        with self._book.open() as pages:
            if session is None:
                pages.put("", evolve(_defaults(pages), script=outcome))
            else:
                pages.put(session, evolve(self._undecided(pages, session), script=outcome))

    def reject_openings(self, reason: str) -> None:
        """Open no session from now on, for this reason; `""` opens them again."""
        with self._book.open() as pages:
            pages.put("", evolve(_defaults(pages), rejecting=reason))

    def sessions(self) -> tuple[IdentitySession, ...]:
        """Give every session that was opened, oldest first."""
        with self._book.open() as pages:
            return tuple(session for session in pages.all(IdentitySession) if not session.rejected)

    # How a session comes to its end.

    def _undecided(self, pages: Pages, session: SessionId) -> IdentitySession:
        current = self._settled(pages, _known(pages, session))
        if current.verdict is not None:
            raise Rejected("the session has ended", reason="session_ended", mend="open another")
        return current

    def _settled(self, pages: Pages, session: IdentitySession) -> IdentitySession:
        """Decide what the clock allows to decide, and write it down."""
        if session.verdict is not None:
            return session
        now, script = self._clock.now(), session.script or _defaults(pages).script
        if script.ending is IdentityEnding.SILENCE:
            return session
        if session.captured_at is None:
            verdict = abandon() if now >= session.expires else None
        else:
            verdict = script if now >= session.captured_at + self._verdict_after else None
        if verdict is None:
            return session
        decided = evolve(session, verdict=verdict)
        pages.put(session.id, decided)
        return decided

    def _verdict(self, session: IdentitySession, verdict: IdentityScript) -> Verdict:
        match verdict.ending:
            case IdentityEnding.RETRY:
                return IdentityRetryable(session=session.id, reason=verdict.reason)
            case IdentityEnding.REFUSE:
                return IdentityRefused(session=session.id, reason=verdict.reason)
            case IdentityEnding.FRAUD:
                return FraudSuspected(reason=verdict.reason)
            case IdentityEnding.ABANDON | IdentityEnding.SILENCE:
                return IdentityAbandoned(session=session.id)
            case IdentityEnding.APPROVE:
                shown = session.document or specimen(session.person.name)
                evidence = IdentityEvidence(
                    provider=self._provider, reference=f"proof-{session.id}", proofing=verdict.proofing
                )
                identity = evolve(shown, name=verdict.name) if verdict.name else shown
                return IdentityApproved(session=session.id, identity=identity, evidence=evidence)


def session_of(provider: str, key: Key) -> SessionId:
    """Name the session of a key: derived, so that an opening whose answer was lost finds its session again."""
    return SessionId(f"{provider}-{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:24]}")


def check_same(first: tuple[object, ...], now: tuple[object, ...]) -> None:
    """Return, unless a key is used for something else than at first.

    Raises:
        Rejected: `key_reused`. Answering with the first one's session would send one person into another's.
    """
    if first != now:
        raise Rejected("this key was used for something else", reason="key_reused", mend="derive a key for each intent")


def specimen(name: PersonName) -> ProvenIdentity:
    """Give what a specimen identity card in this name says."""
    return ProvenIdentity(
        name=name, birth_date=SPECIMEN_BIRTH_DATE, document=DocumentKind.IDENTITY_CARD, issuing_country="FR"
    )


def _known(pages: Pages, session: SessionId) -> IdentitySession:
    known = pages.get(IdentitySession, session)
    if known is None or known.rejected:
        raise Rejected("no such session", reason="unknown_session")
    return known


def _defaults(pages: Pages) -> IdentityDefaults:
    return pages.get(IdentityDefaults, "") or _DEFAULTS
