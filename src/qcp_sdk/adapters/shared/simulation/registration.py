"""What a simulated trust provider does in the hosted plan: identity, request and issuance on its own pages."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

from attrs import evolve, frozen

from qcp_sdk import matching
from qcp_sdk.adapters.shared.simulation.book import Book, Pages
from qcp_sdk.adapters.shared.simulation.identity import SESSION_LIFE, VERDICT_AFTER, check_same, session_of, specimen
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.identity import IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.registration import Ended
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import (
    CertificateAttested,
    CertificateIssued,
    CertificatePending,
    CertificateRefused,
    RegistrationExpired,
    RegistrationOpened,
    RegistrationRefused,
)
from qcp_sdk.values import ContentHash, Key, SessionId, SubscriptionId

MATCHED: Final = ("name", "email", "mobile")
"""What the provider compares: all three are prerequisites of the registration (Universign's `prerequisite`)."""


class RegistrationEnding(StrEnum):
    """How a registration can end, as scripted. Values are stored."""

    ISSUE = "issue"
    ATTEST = "attest"
    REFUSE = "refuse"
    EXPIRE = "expire"
    SILENCE = "silence"


@frozen(kw_only=True)
class RegistrationScript:
    """What the provider will do with a registration; made by the functions below."""

    ending: RegistrationEnding
    reason: str = ""


def issue() -> RegistrationScript:
    """Issue a certificate and show it."""
    return RegistrationScript(ending=RegistrationEnding.ISSUE)


def attest() -> RegistrationScript:
    """Issue a certificate and only say that it exists."""
    return RegistrationScript(ending=RegistrationEnding.ATTEST)


def refuse(reason: str = "identity_refused") -> RegistrationScript:
    """Refuse the person."""
    return RegistrationScript(ending=RegistrationEnding.REFUSE, reason=reason)


def expire() -> RegistrationScript:
    """End without a certificate and without a reason."""
    return RegistrationScript(ending=RegistrationEnding.EXPIRE)


def silence() -> RegistrationScript:
    """Never decide."""
    return RegistrationScript(ending=RegistrationEnding.SILENCE)


class Standing(StrEnum):
    """Where a registration stands at the provider. Values are stored."""

    OPEN = "open"
    DECIDED = "decided"
    """The certificate is being asked for: nothing takes that back."""
    ISSUED = "issued"
    ATTESTED = "attested"
    REFUSED = "refused"
    EXPIRED = "expired"


@frozen(kw_only=True)
class RegistrationSession:
    """One registration, as the provider keeps it. `person` is None for one that was closed before it was opened."""

    id: SessionId
    subscription: SubscriptionId
    person: Account | None
    opened_at: datetime
    expires: datetime
    rejected: str = ""
    script: RegistrationScript | None = None
    completed_at: datetime | None = None
    identity: ProvenIdentity | None = None
    standing: Standing = Standing.OPEN
    attesting: bool = False
    reference: str = ""
    """The authority's word for a request that it has not decided."""
    reason: str = ""
    level: CertificateLevel | None = None
    ended_at: datetime | None = None


@frozen(kw_only=True)
class RegistrationDefaults:
    """What the provider does where a registration has no script of its own."""

    script: RegistrationScript
    rejecting: str = ""


_DEFAULTS: Final = RegistrationDefaults(script=issue())


class RegistrationDesk:
    """A simulated trust provider over a book: implements `ports.registration` and plays the person at its pages.

    Certificates come from `authority`, under keys derived from the session: asked again, the answer is the same.
    The authority is never called while the book is open, so both may live in one database.
    """

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(
        self,
        book: Book,
        *,
        authority: CertificateAuthority,
        clock: Clock,
        verdict_after: timedelta = VERDICT_AFTER,
        session_life: timedelta = SESSION_LIFE,
        base_url: str = "https://registration.simulated.invalid",
        provider: str = "Simulated trust provider",
    ) -> None:
        self._book, self._authority, self._clock = book, authority, clock
        self._verdict_after, self._session_life = verdict_after, session_life
        self._base_url, self._provider = base_url.rstrip("/"), provider

    # The port.

    def open(self, *, key: Key, subscription: SubscriptionId, person: Account) -> RegistrationOpened:
        """Open a registration; its address is `base_url/<session>`.

        Raises:
            Rejected: `reject_openings` says so; `reason` is its word. `key_reused` for anything but the first opening.
        """
        session_id = session_of("registration", key)
        with self._book.open() as pages:
            session = pages.get(RegistrationSession, session_id)
            if session is None:
                now = self._clock.now()
                session = RegistrationSession(
                    id=session_id,
                    subscription=subscription,
                    person=person,
                    opened_at=now,
                    expires=now + self._session_life,
                    rejected=_defaults(pages).rejecting,
                )
                pages.put(session_id, session)
        if session.person is not None:  # else it was closed before it was opened
            check_same((session.subscription, session.person), (subscription, person))
        if session.rejected:
            raise Rejected("the provider opens no registration for this person", reason=session.rejected)
        return RegistrationOpened(session=session.id, url=f"{self._base_url}/{session.id}", expires=session.expires)

    def ask(self, *, session: SessionId) -> Ended | Pending:
        """Say how the registration stands. An end, once given, is given again unchanged.

        Raises:
            Rejected: `unknown_session`.
        """
        with self._book.open() as pages:
            current = self._decided(pages, _known(pages, session))
        return self._told(current)

    def close(self, *, key: Key, opened_by: Key, session: SessionId | None) -> Ended:  # noqa: ARG002  # as `cancel`
        """End the registration and say how it ended: what was decided before the close wins.

        One that was never opened is closed in advance: should the opening arrive late, it finds a closed one.

        Raises:
            Unavailable: The authority has the request and has not decided: ask again.
        """
        session_id = session_of("registration", opened_by)
        with self._book.open() as pages:
            current = pages.get(RegistrationSession, session_id)
            now = self._clock.now()
            if current is None:
                current = RegistrationSession(
                    id=session_id, subscription=SubscriptionId(""), person=None, opened_at=now, expires=now
                )
            current = self._decided(pages, current)
            if current.standing is Standing.OPEN:
                current = evolve(current, standing=Standing.EXPIRED, ended_at=now)
                pages.put(session_id, current)
        told = self._told(current)
        if isinstance(told, Pending):
            raise Unavailable("the authority has the request and has not decided", mend="ask again later")
        return told

    # The person at the provider's pages, and whoever writes the script.

    def complete(self, session: SessionId, identity: ProvenIdentity | None = None) -> None:
        """Do all that the person does: show a document, read, agree and sign. Without one, a specimen is shown.

        Raises:
            Rejected: `unknown_session`, or `session_ended`.
        """
        with self._book.open() as pages:
            current = self._undecided(pages, session)
            if current.completed_at is None and current.person is not None:
                shown = identity or specimen(current.person.name)
                pages.put(session, evolve(current, completed_at=self._clock.now(), identity=shown))

    def script(self, session: SessionId | None, outcome: RegistrationScript) -> None:
        """Say how this registration will end or, for None, every one without a script of its own.

        Raises:
            Rejected: `unknown_session`, or `session_ended`.
        """
        with self._book.open() as pages:
            if session is None:
                pages.put("", evolve(_defaults(pages), script=outcome))
            else:
                pages.put(session, evolve(self._undecided(pages, session), script=outcome))

    def reject_openings(self, reason: str) -> None:
        """Open no registration from now on, for this reason; `""` opens them again."""
        with self._book.open() as pages:
            pages.put("", evolve(_defaults(pages), rejecting=reason))

    def sessions(self) -> tuple[RegistrationSession, ...]:
        """Give every registration that was opened, oldest first."""
        with self._book.open() as pages:
            return tuple(s for s in pages.all(RegistrationSession) if s.person is not None and not s.rejected)

    # How a registration comes to its end.

    def _undecided(self, pages: Pages, session: SessionId) -> RegistrationSession:
        current = self._decided(pages, _known(pages, session))
        if current.standing is not Standing.OPEN:
            raise Rejected("the registration has ended", reason="session_ended", mend="open another")
        return current

    def _decided(self, pages: Pages, session: RegistrationSession) -> RegistrationSession:
        """Decide what the clock allows to decide, and write it down."""
        if session.standing is not Standing.OPEN:
            return session
        now, script = self._clock.now(), session.script or _defaults(pages).script
        if script.ending is RegistrationEnding.SILENCE:
            return session
        if session.completed_at is None or session.identity is None or session.person is None:
            if now < session.expires:
                return session
            decided = evolve(session, standing=Standing.EXPIRED, ended_at=now)
        elif now < session.completed_at + self._verdict_after:
            return session
        elif script.ending is RegistrationEnding.REFUSE:
            decided = evolve(session, standing=Standing.REFUSED, reason=script.reason, ended_at=now)
        elif script.ending is RegistrationEnding.EXPIRE:
            decided = evolve(session, standing=Standing.EXPIRED, ended_at=now)
        elif not matching.same_name(session.person.name, session.identity.name):
            # The account's name is a prerequisite: another name on the document is the end.
            decided = evolve(session, standing=Standing.REFUSED, reason="name_mismatch", ended_at=now)
        else:
            attesting = script.ending is RegistrationEnding.ATTEST
            decided = evolve(session, standing=Standing.DECIDED, attesting=attesting)
        pages.put(session.id, decided)
        return decided

    def _told(self, session: RegistrationSession) -> Ended | Pending:
        match session.standing:
            case Standing.OPEN:
                return Pending(note="no verdict yet" if session.completed_at else "the person has not finished")
            case Standing.REFUSED:
                return RegistrationRefused(session=session.id, reason=session.reason)
            case Standing.EXPIRED:
                return RegistrationExpired(session=session.id)
            case Standing.ATTESTED:
                assert session.level is not None
                assert session.ended_at is not None
                return CertificateAttested(
                    provider=self._provider, level=session.level, matched=MATCHED, at=session.ended_at
                )
            case Standing.DECIDED | Standing.ISSUED:
                return self._issued(session)

    def _issued(self, session: RegistrationSession) -> Ended | Pending:
        """Ask the authority, under the session's own key, and write down what it decided."""
        try:
            answer = self._submit(session)
        except Rejected as refusal:
            answer = CertificateRefused(reason=refusal.reason)
        if isinstance(answer, CertificatePending | Pending):
            return Pending(note="the authority has the request")
        with self._book.open() as pages:
            current = _known(pages, session.id)
            if current.standing is Standing.DECIDED:  # else somebody asked at the same time, and wrote it down
                current = _ended(current, answer, self._clock.now())
                pages.put(session.id, current)
        if isinstance(answer, CertificateIssued) and current.standing is Standing.ISSUED:
            return answer
        return self._told(current)

    def _submit(
        self, session: RegistrationSession
    ) -> CertificateIssued | CertificateRefused | CertificatePending | Pending:
        assert session.person is not None
        assert session.identity is not None
        if session.reference:
            return self._authority.ask(reference=session.reference)
        application = Application(
            subscription=session.subscription,
            account=session.person,
            identity=session.identity,
            evidence=IdentityEvidence(
                provider=self._provider, reference=f"proof-{session.id}", proofing=Proofing.EXTENDED
            ),
        )
        # The request that the person signed on the provider's pages is never shown to us; its name stands for it.
        request = ContentHash(f"sha256:{hashlib.sha256(session.id.encode()).hexdigest()}")
        answer = self._authority.submit(key=Key(f"{session.id}/submit"), application=application, request=request)
        if isinstance(answer, CertificatePending):
            with self._book.open() as pages:
                pages.put(session.id, evolve(_known(pages, session.id), reference=answer.reference))
        return answer


def _ended(
    session: RegistrationSession, answer: CertificateIssued | CertificateRefused, now: datetime
) -> RegistrationSession:
    if isinstance(answer, CertificateRefused):
        return evolve(session, standing=Standing.REFUSED, reason=answer.reason, ended_at=now)
    level = answer.certificate.level
    if session.attesting and level is not None:
        return evolve(session, standing=Standing.ATTESTED, level=level, ended_at=now)
    return evolve(session, standing=Standing.ISSUED, ended_at=now)


def _known(pages: Pages, session: SessionId) -> RegistrationSession:
    known = pages.get(RegistrationSession, session)
    if known is None or known.rejected:
        raise Rejected("no such registration", reason="unknown_session")
    return known


def _defaults(pages: Pages) -> RegistrationDefaults:
    return pages.get(RegistrationDefaults, "") or _DEFAULTS
