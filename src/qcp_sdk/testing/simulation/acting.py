"""What a person does at each stage: the right thing, unless the script has it that they do another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import evolve

from qcp_sdk.adapters.memory import authority as ca
from qcp_sdk.adapters.memory import identity as idp
from qcp_sdk.adapters.memory import registration as tsp
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.errors import CodeRefused, Conflict, PortError, QcpError, Refusal, Rejected, SubscriptionRefused
from qcp_sdk.facts import Cancelled, CodeRequested, Fact
from qcp_sdk.host.saying import Code
from qcp_sdk.identity import Proofing
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.otp import LIFETIME, Purpose, usable
from qcp_sdk.subscription.facts import (
    AccountChanged,
    ConsentGiven,
    DetailsConfirmed,
    DetailsContested,
    FraudReported,
    IdentityConfirmed,
    IdentityContested,
    LcpRevoked,
    LinkRequested,
    NoDocument,
    RequestAccepted,
    RevocationOrdered,
    RevocationRequested,
)
from qcp_sdk.subscription.opening import PURPOSES
from qcp_sdk.subscription.stages import FINAL, Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription
from qcp_sdk.testing.simulation.faults import ACT, AUTHORITY, OPENING, REGISTRATION, TIME, VERDICT
from qcp_sdk.testing.simulation.parts import POOR, VERDICT_AFTER
from qcp_sdk.testing.simulation.passage import Bug
from qcp_sdk.testing.simulation.people import Message, Person, Process
from qcp_sdk.values import ContentHash, Key, PersonName, PhoneNumber, SubscriptionId

if TYPE_CHECKING:
    from qcp_sdk.testing.simulation.town import Town

What: TypeAlias = Fact | Code | None


def patience(acts: int) -> timedelta:
    """Give when a person comes back after an error: ever later."""
    return timedelta(seconds=40) * (1 << min(acts // 4, 6))


MOST_ACTS: Final = 60
TEXT: Final = ContentHash(f"sha256:{hashlib.sha256(b'a text').hexdigest()}")
SOMEBODY: Final = PersonName(given="Quelqu'un", last="D'Autre")
WRONG: Final = Code("0000000")  # of no code's alphabet for e-mail; as good as any other for SMS


def open(town: Town, person: Person) -> None:
    """Open a subscription, as often as it takes to be told yes or no."""
    script = town.script
    script.subject = person.name
    fault = script.at(OPENING, "opens")
    if fault == "poor cabinet":
        person.cabinet = POOR.id
    _prepare_authority(town, person)
    times = 2 if fault == "twice" else 1
    person.gone, person.wrong, person.revoking, person.acts = False, 0, False, 0
    for _ in range(times):
        _open(town, person)


def _open(town: Town, person: Person) -> None:
    town.script.subject = person.name
    try:
        came_through = town.within(partial(opened, town, person))
    except SubscriptionRefused as refused:
        known = town.watch.open_of(person.account.id)
        town.tell(person.name, f"may not open: {', '.join(refused.reasons)}")
        if "already_open" not in refused.reasons or known is None:
            return
        person.subscription = SubscriptionId(known)
        town.plan(person)
        return
    except (PortError, Conflict, Bug):
        came_through = False
    if not came_through:
        person.acts += 1
        if person.acts < MOST_ACTS:
            town.after(patience(person.acts * 4), partial(_open, town, person))


def opened(town: Town, person: Person, process: Process) -> None:
    """Open a subscription in this process."""
    town.opener = person
    try:
        process.subscriptions.open(account=person.account.id, cabinet=person.cabinet)
    finally:
        town.opener = None


def _prepare_authority(town: Town, person: Person) -> None:
    fault = town.script.at(AUTHORITY, "authority")
    if fault is not None:
        town.tell(person.name, f"the authority will: {fault}")
        for id in (person.name, f"{person.name}-2", f"{person.name}-3"):
            town.authority.script(SubscriptionId(id), _AUTHORITY[fault])


_AUTHORITY: Final[Mapping[str, ca.AuthorityScript]] = {
    "refuse": ca.refuse(),
    "refuse later": ca.refuse(after=timedelta(minutes=10)),
    "wrong level": ca.issue_wrongly(level=CertificateLevel.LCP),
    "wrong name": ca.issue_wrongly(name=SOMEBODY),
    "later": ca.issue(after=timedelta(minutes=6)),
    "too late": ca.issue(after=timedelta(hours=8)),
}


def come_back(town: Town, person: Person, turn: int) -> None:
    """Look at the page, and do the next thing."""
    if not person.waits(turn) or person.subscription is None:
        return
    seen = town.watch.seen.get(person.subscription)
    if seen is None or seen.state.stage in FINAL:
        return
    s = seen.state
    step = _STEPS.get(s.stage)
    town.script.subject = person.name
    trouble = town.script.at(TIME, "time")
    if trouble is not None:
        town.tell("everybody", trouble)
        town.trouble(trouble)
    person.acts += 1
    if person.acts > MOST_ACTS:
        person.gone = True
        return
    script = town.script
    script.subject = person.name
    fault = script.at(ACT, "acts")
    if fault is not None:
        town.tell(person.name, fault)
        odd = _ODD[fault](town, person, s)
        if odd is not None:
            _say(town, person, odd)
            return
        if not person.waits(turn):
            return
    what = step(town, person, s) if step is not None else None
    if what is not None:
        _say(town, person, what, twice=fault == "twice")


def _say(town: Town, person: Person, what: Fact | Code, *, twice: bool = False) -> None:
    id = person.subscription
    assert id is not None
    person.said = what
    town.script.subject = person.name

    def work(process: Process) -> None:
        process.subscriptions.act(id, what)

    turn, again = person.turn, patience(person.acts)
    for _ in range(2 if twice else 1):
        try:
            if town.within(work):
                again = timedelta(seconds=15)
        except Refusal as refusal:
            town.tell(person.name, f"is told: {refusal}")
        except (PortError, Conflict, Bug) as error:
            town.tell(person.name, f"sees an error: {type(error).__name__}")
    if person.turn == turn:  # else the page has moved on
        town.plan(person, again)


# --- the right thing ----------------------------------------------------------------------------------------------


def _type_code(town: Town, person: Person, s: Subscription) -> What:
    purpose, challenge, now = PURPOSES[s.stage], s.codes.challenge, town.clock.now()
    try:
        usable(s.codes, purpose=purpose, now=now)
    except CodeRefused:
        return CodeRequested()
    if challenge is not None and challenge.undeliverable:
        return CodeRequested()
    if person.wrong:
        person.wrong -= 1
        return WRONG
    return town.inbox.get(_place(person, purpose)) or _wait(town, person)


def _wait(town: Town, person: Person) -> What:
    town.plan(person, timedelta(minutes=1))
    return None


def _place(person: Person, purpose: Purpose) -> tuple[str, str]:
    account = person.account
    return (account.email.text if purpose is Purpose.OPEN else account.mobile.text), purpose.value


def _consent(_town: Town, _person: Person, s: Subscription) -> What:
    given = {one.text for one in s.consents}
    missing = next((text for text in CONSENTS if text not in given), None)
    return ConsentGiven(text=missing, version="1", hash=TEXT) if missing is not None else None


def _prove(town: Town, person: Person, s: Subscription) -> What:
    session = s.identity.session
    assert session is not None
    if s.identity.captured:
        return None
    fault = town.script.at(VERDICT, "verdict")
    try:
        if fault is not None:
            town.tell(person.name, f"the identity provider will: {fault}")
            script = _VERDICTS[fault](person)
            town.identity.script(session, script)
        if fault != "abandon":
            town.identity.capture(session)
    except Rejected:
        return None  # it has ended; another one comes, or none
    for number, wait in ((1, timedelta(seconds=2)), (2, VERDICT_AFTER + timedelta(seconds=1))):
        town.message(Message(f"{session}/{number}", person.name, session=session), wait)
    return None


_VERDICTS: Final[Mapping[str, Callable[[Person], idp.IdentityScript]]] = {
    "retry": lambda _: idp.retry(),
    "refuse": lambda _: idp.refuse(),
    "another person": lambda _: idp.data_changed(SOMEBODY),
    "low proofing": lambda _: idp.approve(proofing=Proofing.NONE),
    "more given names": lambda person: idp.data_changed(
        evolve(person.account.name, given=f"{person.account.name.given} Marie")
    ),
    "abandon": lambda _: idp.abandon(),
    "silence": lambda _: idp.silence(),
}


def _register(town: Town, person: Person, s: Subscription) -> What:
    session = s.registration.session if s.registration is not None else None
    if session is None or s.ending is not None:
        return None
    fault = town.script.at(REGISTRATION, "registration")
    try:
        if fault in _REGISTRATIONS:
            town.tell(person.name, f"the trust provider will: {fault}")
            town.registration.script(session, _REGISTRATIONS[fault])
        if fault != "abandon":
            another = idp.specimen(SOMEBODY) if fault == "another person" else None
            town.registration.complete(session, another)
    except Rejected:
        return None
    town.message(Message(f"{session}/1", person.name, session=session), VERDICT_AFTER + timedelta(seconds=1))
    return None


_REGISTRATIONS: Final[Mapping[str | None, tsp.RegistrationScript]] = {
    "refuse": tsp.refuse(),
    "expire": tsp.expire(),
    "attest": tsp.attest(),
    "silence": tsp.silence(),
}


def _accept(_town: Town, _person: Person, s: Subscription) -> What:
    return RequestAccepted(hash=s.request.shown) if s.request.shown is not None else None


def _revoke(town: Town, person: Person, s: Subscription) -> What:
    if not person.revoking:
        return None
    challenge = s.codes.challenge
    if challenge is not None and challenge.matched and town.clock.now() < challenge.not_after + LIFETIME:
        return RevocationRequested(reason="cessation_of_operation")
    return _type_code(town, person, s)


_STEPS: Final[Mapping[Stage, Callable[[Town, Person, Subscription], What]]] = {
    Stage.VERIFYING_EMAIL: _type_code,
    Stage.CONFIRMING_DETAILS: lambda _town, _person, _s: DetailsConfirmed(),
    Stage.CONSENTING: _consent,
    Stage.PROVING_IDENTITY: _prove,
    Stage.REGISTERING: _register,
    Stage.CONFIRMING_IDENTITY: lambda _town, _person, _s: IdentityConfirmed(),
    Stage.READING_REQUEST: _accept,
    Stage.SIGNING_REQUEST: _type_code,
    Stage.ACTIVE: _revoke,
}
"""What a person does at each stage; at the others they wait."""


# --- other things -------------------------------------------------------------------------------------------------


def _leave(town: Town, person: Person, _s: Subscription) -> What:
    town.plan(person, timedelta(hours=1 + person.number % 9))
    return None


def _leave_for_good(_town: Town, person: Person, _s: Subscription) -> What:
    person.gone = True
    return None


def _contest(_town: Town, _person: Person, s: Subscription) -> What:
    return IdentityContested() if s.stage is Stage.CONFIRMING_IDENTITY else DetailsContested(fields=("mobile",))


def _expire_hold(town: Town, _person: Person, s: Subscription) -> What:
    if isinstance(town.ledger, MemoryLedger) and s.money.hold is not None:
        try:
            town.ledger.expire(key=Key(f"expiry/{s.id}"), hold=s.money.hold)
        except Rejected:
            return None  # it is settled
    return None


def _wrong_code(_town: Town, _person: Person, _s: Subscription) -> What:
    return WRONG


def _wrong_codes(_town: Town, person: Person, _s: Subscription) -> What:
    person.wrong = 5 + person.number % 21
    return None


def _old_code(town: Town, person: Person, s: Subscription) -> What:
    return town.older.get(_place(person, PURPOSES[s.stage])) if s.stage in PURPOSES else None


def _late_code(town: Town, person: Person, s: Subscription) -> What:
    if s.stage not in PURPOSES or s.codes.challenge is None:
        return None
    town.clock.advance(LIFETIME)
    return town.inbox.get(_place(person, PURPOSES[s.stage]))


def _refresh(town: Town, person: Person, s: Subscription) -> What:
    try:
        town.within(lambda process: process.subscriptions.refresh(s.id))
    except (QcpError, Bug) as error:
        town.tell(person.name, f"sees an error: {type(error).__name__}")
    return None


def _report(fact: Callable[[Town, Person], Fact]) -> Callable[[Town, Person, Subscription], What]:
    def happens(town: Town, person: Person, s: Subscription) -> What:
        said = fact(town, person)
        try:
            town.within(lambda process: process.subscriptions.report(s.id, said))
        except (QcpError, Bug) as error:
            town.tell(person.name, f"the host is told: {type(error).__name__}")
        return None

    return happens


def _change_account(town: Town, person: Person, _s: Subscription) -> What:
    changed = evolve(person.account, mobile=PhoneNumber(f"+337{person.number % 100_000_000:08d}"))
    town.accounts.put(changed)
    return None


def _account_changed(town: Town, person: Person) -> Fact:
    _change_account(town, person, town.watch.seen[str(person.subscription)].state)
    return AccountChanged(fields=("mobile",))


def _revoke_lcp(town: Town, person: Person, s: Subscription) -> What:
    if s.terms.lcp is not None:
        town.lcp.revoke(
            key=Key(f"lcp/{person.name}"), fingerprint=s.terms.lcp.certificate.fingerprint, reason="key_compromise"
        )
    return None


def _lcp_revoked(town: Town, person: Person) -> Fact:
    _revoke_lcp(town, person, town.watch.seen[str(person.subscription)].state)
    return LcpRevoked(at=town.clock.now())


def _wish_to_revoke(_town: Town, person: Person, _s: Subscription) -> What:
    person.revoking = True
    return None


def _refuse_revocations(town: Town, _person: Person, _s: Subscription) -> What:
    town.authority.refuse_revocations("not now")
    town.after(timedelta(hours=2), lambda: town.authority.refuse_revocations(""))
    return None


def _nothing(_town: Town, _person: Person, _s: Subscription) -> What:
    return None


_ODD: Final[Mapping[str, Callable[[Town, Person, Subscription], What]]] = {
    "contest": _contest,
    "no document": lambda _town, _person, _s: NoDocument(),
    "expire hold": _expire_hold,
    "wait": _leave,
    "leave": _leave_for_good,
    "twice": _nothing,
    "out of turn 1": lambda _town, _person, _s: RequestAccepted(hash=TEXT),
    "out of turn 2": lambda _town, _person, _s: IdentityConfirmed(),
    "out of turn 3": lambda _town, _person, _s: RevocationRequested(reason="superseded"),
    "refresh": _refresh,
    "link": lambda _town, _person, _s: LinkRequested(),
    "cancel": lambda _town, _person, _s: Cancelled(),
    "wrong code": _wrong_code,
    "wrong codes": _wrong_codes,
    "old code": _old_code,
    "late code": _late_code,
    "ask again": lambda _town, _person, _s: CodeRequested(),
    "report fraud": _report(lambda _town, _person: FraudReported(reason="reported", by="host")),
    "change account": _report(_account_changed),
    "change account unseen": _change_account,
    "revoke LCP": _report(_lcp_revoked),
    "revoke LCP unseen": _revoke_lcp,
    "revoke": _wish_to_revoke,
    "order revocation": _report(lambda _town, _person: RevocationOrdered(reason="superseded", by="host")),
    "refuse revocations": _refuse_revocations,
}
"""What else a person does, or the host about them; None: and then the right thing."""
