"""The providers of one subscription, as small as they can be: what they hold is one frozen value, `Providers`.

`Desk` lays out the ports over it: a thin shell that the real performers call, which keeps the value that follows. A
provider keeps the promises of the conformance suites (a key is answered once, and the same again) and decides freely
within them: `Desk.choice` says how it takes what comes to it for the first time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import evolve, field, frozen

from qcp_sdk.effects import Effect, SendCode
from qcp_sdk.engine.collaborators import Collaborators
from qcp_sdk.errors import Rejected
from qcp_sdk.facts import Fact
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.testing.exploration.subscription import ANOTHER, FIRST, NAME, NOW, ODD, SEALED, SHOWN, approval
from qcp_sdk.values import ChallengeId, ContentHash, Fingerprint, HoldId, Key, SessionId

HELD: Final = "held"
CERTIFICATES: Final = {"issued": FIRST, "odd": ODD}
"""What an authority may issue: what was asked for, or something else."""
LATER: Final = NOW + timedelta(days=8)


@frozen
class Providers:
    """What everybody outside holds. Ids are counted, so that histories that come to the same give the same value."""

    answers: tuple[tuple[Key, str], ...] = ()
    """How each key that may still come again was answered; a word of `REFUSED` is a refusal."""
    holds: tuple[str, ...] = ()
    """The ledger: what became of each hold."""
    sessions: tuple[str, ...] = ()
    """Identity sessions: `open`, `captured`, or how they ended."""
    request: str = ""
    """The authority: `pending`, `issued`, `odd` (not what was asked for) or `refused`."""
    submissions: int = 0
    revoked: frozenset[str] = frozenset()
    registration: str = ""
    """Hosted: `open`, `closed` before it was opened, or how it ended."""
    delivered: ChallengeId | None = None
    """The newest code that reached the person."""

    def answered(self, key: Key) -> str | None:
        """Give how a key was answered; None: it never came."""
        return next((answer for known, answer in self.answers if known == key), None)

    def session(self, session: SessionId) -> str:
        """Give how an identity session stands."""
        return self.sessions[int(session.rpartition("-")[2]) - 1]

    def issued(self) -> tuple[str, ...]:
        """Give the certificates that exist."""
        return tuple(one for one in (self.request, self.registration) if one in CERTIFICATES)


CHOICES: Final[Mapping[type[Effect], tuple[str, ...]]] = {
    se.HoldFunds: ("granted", "insufficient_funds"),
    se.OpenIdentity: ("opened", "rejected"),
    se.PrepareRequest: ("made", "cannot_compose"),
    se.SealRequest: ("sealed", "cannot_seal"),
    se.SubmitRequest: ("issued", "odd", "pending", "refused"),
    se.OpenRegistration: ("opened", "rejected"),
    se.RevokeCertificate: ("revoked", "reason_refused"),
    SendCode: ("delivered", "undeliverable"),
}
"""How a provider may take what comes to it for the first time; it is bound by its answer from then on."""
BY_ITSELF: Final = ("issued", "odd", "refused")
"""How an authority may decide on what is pending."""
VERDICTS: Final = ("approved", "another_person", "again", "refused", "fraud")
"""How an identity session may end. `again` stands for retryable and abandoned, which lead to the same row."""
MOST_SESSIONS: Final = 2
"""A provider sends the person back once: how often it may is a counter, explored with the machine alone."""
ENDS: Final = ("issued", "odd", "attested", "refused", "expired")
"""How a registration may end."""


def by_themselves(p: Providers) -> tuple[tuple[str, Providers], ...]:
    """Give everything that providers may do without being asked."""
    found: list[tuple[str, Providers]] = []
    for number, hold in enumerate(p.holds):
        if hold == HELD and number == 0:  # the second is captured at once; one that expires is enough
            found.append((f"provider: hold-{number + 1} runs out", evolve(p, holds=_at(p.holds, number, "expired"))))
    for number, session in enumerate(p.sessions):
        name = f"provider: session-{number + 1}"
        if session == "open":
            found.append((f"{name} captured", evolve(p, sessions=_at(p.sessions, number, "captured"))))
        elif session == "captured":
            last = number + 1 >= MOST_SESSIONS
            found += [
                (f"{name} {verdict}", evolve(p, sessions=_at(p.sessions, number, verdict)))
                for verdict in VERDICTS
                if not (last and verdict == "again")
            ]
    if p.request == "pending":
        found += [(f"provider: request {end}", evolve(p, request=end)) for end in BY_ITSELF]
    if p.registration == "open":
        found += [(f"provider: registration {end}", evolve(p, registration=end)) for end in ENDS]
    return tuple(found)


def _at(values: tuple[str, ...], number: int, value: str) -> tuple[str, ...]:
    return (*values[:number], value, *values[number + 1 :])


class Desk:
    """The ports over one value: set `p` and `choice`, let a performer call, take `p` again."""

    def __init__(self) -> None:
        self.p, self.choice = Providers(), ""
        self.challenge: ChallengeId | None = None
        """Which challenge the code that is being sent answers: the port is told the code alone."""
        default: dict[str, Any] = {
            "ledgers": _Ledger(self),
            "codes": _Codes(self),
            "notices": _Notices(),
            "documents": _Documents(self),
            "identities": _Identity(self),
            "registrations": _Registration(self),
            "authorities": _Authority(self),
        }
        routes: dict[str, Any] = {role: {"default": port} for role, port in default.items()}
        keys: Any = _Keys()  # the part of the port that a performer needs
        nobody: Any = None  # the performers of a subscription meet no store, clock, ids or accounts
        self.ports = Collaborators(store=nobody, clock=nobody, ids=nobody, keys=keys, accounts=nobody, **routes)

    def once(self, key: Key) -> tuple[str, bool]:
        """Give how a key is answered, and whether it came for the first time: then it is `choice`."""
        known = self.p.answered(key)
        if known is not None:
            return known, False
        self.p = evolve(self.p, answers=(*self.p.answers, (key, self.choice)))
        return self.choice, True

    def change(self, **fields: Any) -> None:
        """Go on with these fields replaced."""
        self.p = evolve(self.p, **fields)


REFUSED: Final = frozenset({"insufficient_funds", "rejected", "cannot_compose", "cannot_seal", "reason_refused",
                            "undeliverable", "hold_gone", "already_captured", "already_released"})  # fmt: skip


def unless_refused(answer: str) -> str:
    """Give the answer, or raise what a port raises."""
    if answer in REFUSED:
        raise Rejected("refused", reason=answer)
    return answer


class _Keys:
    def derive(self, *, purpose: str) -> bytes:
        return purpose.encode()


class _Notices:
    def send(self, **_said: object) -> None:
        """Said."""


@frozen
class _Port:
    desk: Desk = field(repr=False)


class _Codes(_Port):
    def send(self, *, key: Key, **_said: object) -> None:
        unless_refused(self.desk.once(key)[0])
        self.desk.change(delivered=self.desk.challenge)


class _Ledger(_Port):
    def hold(self, *, key: Key, **_said: object) -> HoldId:
        answer, first = self.desk.once(key)
        if first and answer == "granted":
            holds = (*self.desk.p.holds, HELD)
            answer = f"hold-{len(holds)}"
            self.desk.change(holds=holds, answers=(*self.desk.p.answers[:-1], (key, answer)))
        return HoldId(unless_refused(answer))

    def _settle(self, key: Key, hold: HoldId, to: str) -> None:
        number = int(hold.rpartition("-")[2]) - 1
        was = self.desk.p.holds[number]
        said = {HELD: to, "expired": "hold_gone" if to == "captured" else to, "captured": "already_captured",
                "released": "hold_gone" if to == "captured" else "already_released"}[was]  # fmt: skip
        self.desk.choice = said
        answer, first = self.desk.once(key)
        if first and was == HELD:
            self.desk.change(holds=_at(self.desk.p.holds, number, to))
        unless_refused(answer)

    def capture(self, *, key: Key, hold: HoldId) -> None:
        self._settle(key, hold, "captured")

    def release(self, *, key: Key, hold: HoldId) -> None:
        self._settle(key, hold, "released")

    def outcome(self, *, key: Key) -> Outcome:
        return outcome(self.desk.p, key)


def outcome(p: Providers, key: Key) -> Outcome:
    """Say how a key ended."""
    answer = p.answered(key)
    if answer is None:
        return Outcome(kind=OutcomeKind.UNKNOWN)
    if answer in REFUSED:
        return Outcome(kind=OutcomeKind.REFUSED, reason=answer)
    return Outcome(kind=OutcomeKind.DONE, reference=answer)


class _Documents(_Port):
    def compose_request(self, *, key: Key, **_said: object) -> ContentHash:
        unless_refused(self.desk.once(key)[0])
        return SHOWN

    def seal_request(self, *, key: Key, **_said: object) -> ContentHash:
        unless_refused(self.desk.once(key)[0])
        return SEALED


class _Identity(_Port):
    def open(self, *, key: Key, attempt: int, **_said: object) -> sf.IdentityOpened:
        answer, first = self.desk.once(key)
        if first and answer == "opened":
            sessions = (*self.desk.p.sessions, "open")
            answer = f"session-{len(sessions)}"
            self.desk.change(sessions=sessions, answers=(*self.desk.p.answers[:-1], (key, answer)))
        return sf.IdentityOpened(attempt=attempt, session=SessionId(unless_refused(answer)), url="u", expires=LATER)

    def ask(self, *, session: SessionId) -> object:
        match self.desk.p.session(session):
            case "open":
                return Pending()
            case "captured":
                return sf.CaptureFinished(session=session)
            case "approved":
                return approval(session, NAME)
            case "another_person":
                return approval(session, ANOTHER)
            case "again":
                return sf.IdentityRetryable(session=session, reason="r")
            case "refused":
                return sf.IdentityRefused(session=session, reason="r")
            case "fraud":
                return sf.FraudSuspected(reason="r")
            case _:
                return sf.IdentityAbandoned(session=session)

    def cancel(self, *, key: Key, session: SessionId) -> None:  # noqa: ARG002 - doing it twice does nothing more
        number = int(session.rpartition("-")[2]) - 1
        if self.desk.p.session(session) in ("open", "captured"):
            self.desk.change(sessions=_at(self.desk.p.sessions, number, "abandoned"))


class _Authority(_Port):
    def submit(self, *, key: Key, **_said: object) -> object:
        answer, first = self.desk.once(key)
        if first:
            self.desk.change(request=answer, submissions=self.desk.p.submissions + 1)
        if answer == "pending":
            # By its key it answers what it answered; what became of it is asked for by its reference.
            return sf.CertificatePending(reference="reference")
        return decided(answer)

    def ask(self, *, reference: str) -> object:  # noqa: ARG002 - there is one request
        request = self.desk.p.request
        return Pending() if request == "pending" else decided(request)

    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> sf.CertificateRevoked:  # noqa: ARG002
        if fingerprint in self.desk.p.revoked:
            self.desk.choice = "revoked"
        answer, first = self.desk.once(key)
        if first and answer == "revoked":
            self.desk.change(revoked=self.desk.p.revoked | {fingerprint})
        unless_refused(answer)
        return sf.CertificateRevoked(fingerprint=fingerprint, at=NOW)

    def outcome(self, *, key: Key) -> Outcome:
        return outcome(self.desk.p, key)


def decided(request: str) -> sf.CertificateIssued | sf.CertificateRefused:
    """Give an authority's decision."""
    if request == "refused":
        return sf.CertificateRefused(reason="r")
    return sf.CertificateIssued(certificate=CERTIFICATES[request])


class _Registration(_Port):
    def open(self, *, key: Key, **_said: object) -> sf.RegistrationOpened:
        if self.desk.p.registration == "closed":
            self.desk.choice = "opened"  # closed in advance: what is opened now is over already
        answer, first = self.desk.once(key)
        if first and answer == "opened" and not self.desk.p.registration:
            self.desk.change(registration="open")
        unless_refused(answer)
        return sf.RegistrationOpened(session=SessionId("registration"), url="u", expires=LATER)

    def ask(self, *, session: SessionId) -> object:
        return self._told(session)

    def close(self, *, key: Key, opened_by: Key, session: SessionId | None) -> object:  # noqa: ARG002 - as `cancel`
        if self.desk.p.registration in ("", "open"):
            self.desk.change(registration="expired" if self.desk.p.registration else "closed")
        return self._told(session or SessionId("registration"))

    def _told(self, session: SessionId) -> object:
        match self.desk.p.registration:
            case "open":
                return Pending()
            case "attested":
                return sf.CertificateAttested(
                    provider="p", level=CertificateLevel.QCP_N, matched=("name", "email", "mobile"), at=NOW
                )
            case "issued" | "odd" as end:
                return sf.CertificateIssued(certificate=CERTIFICATES[end])
            case "refused":
                return sf.RegistrationRefused(session=session, reason="r")
            case _:
                return sf.RegistrationExpired(session=session)


_LOOKING: Final = Desk()


def answer_of(effect: Effect, p: Providers) -> Fact | None:
    """Give what a poll would say now, or a close of what has ended; None: nothing yet."""
    _LOOKING.p = p
    match effect:
        case se.AskIdentity():
            answer = _Identity(_LOOKING).ask(session=effect.session)
        case se.AskCertificate():
            answer = _Authority(_LOOKING).ask(reference=effect.reference)
        case se.AskRegistration():
            answer = _Registration(_LOOKING).ask(session=effect.session)
        case se.CloseRegistration():
            answer = _Registration(_LOOKING).close(key=Key(""), opened_by=effect.opened_by, session=effect.session)
        case _:
            return None
    return answer if isinstance(answer, Fact) else None
