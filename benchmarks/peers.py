"""The same machine, written for two libraries in the way their documentation shows: a mutable record, guards, actions.

Both are made from our TRANSITIONS, so that states, events and arrows are the same ones. Guards and actions are
shared, and do for one fact what our rows do: check it against the record and the deadline, count codes, compare
the person, judge the certificate, update the record, make the effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from benchmarks.journey import NOW
from qcp_sdk import matching, notices, otp
from qcp_sdk.certificates import Certificate, conformity
from qcp_sdk.effects import Effect, Notify, SendCode, Wake
from qcp_sdk.facts import CodeEntered, CodeRequested, DeadlinePassed, Fact, ReminderDue
from qcp_sdk.identity import IdentityEvidence, ProvenIdentity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.otp import Codes, Purpose
from qcp_sdk.people import Account
from qcp_sdk.subscription import effects, facts
from qcp_sdk.subscription.machine import TRANSITIONS
from qcp_sdk.subscription.opening import refusals
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import ContentHash, HoldId, SessionId, SubscriptionId

UNBORN: Final = "unborn"
"""Both libraries need a state before the opening; ours is `None`."""


class Record:
    """What one subscription remembers: the mutable model that both libraries drive."""

    state: str

    def __init__(self) -> None:
        self.id = SubscriptionId("")
        self.sequence = 0
        self.opened: facts.SubscriptionOpened | None = None
        self.codes = Codes()
        self.money, self.attempt, self.hold = "none", 0, HoldId("")
        self.consents: list[facts.ConsentGiven] = []
        self.session: SessionId | None = None
        self.session_attempt = 0
        self.url, self.expires, self.captured = "", NOW, False
        self.proven: ProvenIdentity | None = None
        self.evidence: IdentityEvidence | None = None
        self.allowances: tuple[str, ...] = ()
        self.shown: ContentHash | None = None
        self.sealed: ContentHash | None = None
        self.accepted_at: datetime | None = None
        self.certificate: Certificate | None = None
        self.deadline: tuple[str, datetime] | None = None
        self.emitted: list[Effect] = []

    @property
    def terms(self) -> facts.SubscriptionOpened:
        assert self.opened is not None
        return self.opened

    @property
    def account(self) -> Account:
        return self.terms.account

    def in_time(self) -> bool:
        return self.deadline is None or self.deadline[1] > NOW

    def wait(self, part: str, at: datetime) -> None:
        name = f"{part}/{self.sequence}"
        self.deadline = (name, at)
        self.emitted.append(Wake(at=at, fact=DeadlinePassed(deadline=name)))

    def tell(self, notice: notices.Notice) -> None:
        who = self.account
        recipient = notices.Recipient(name=who.name, email=who.email, mobile=who.mobile, language=who.language)
        self.emitted.append(Notify(to=recipient, notice=notice))


Guard = Callable[[Record, Fact], bool]
Action = Callable[[Record, Fact], None]

PURPOSES: Final = {Stage.VERIFYING_EMAIL: Purpose.OPEN, Stage.SIGNING_REQUEST: Purpose.REQUEST}


# -- guards: may this fact take this arrow? ----------------------------------------------------------------------


def is_in_time(record: Record, _fact: Fact) -> bool:
    return record.in_time()


def may_open(_record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.SubscriptionOpened)
    return not refusals(fact, NOW)


def is_right(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, CodeEntered)
    return record.in_time() and fact.matched


def is_held_now(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.FundsHeld)
    return record.in_time() and fact.attempt == record.attempt


def is_last_consent(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.ConsentGiven)
    given = {consent.text for consent in record.consents} | {fact.text}
    return record.in_time() and fact.text in CONSENTS and len(given) == len(CONSENTS)


def is_last_for_us(record: Record, fact: Fact) -> bool:
    return record.terms.plan is Plan.ASSEMBLED and is_last_consent(record, fact)


def is_last_for_the_provider(record: Record, fact: Fact) -> bool:
    return record.terms.plan is Plan.HOSTED and is_last_consent(record, fact)


def is_a_text(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.ConsentGiven)
    return record.in_time() and fact.text in CONSENTS


def is_this_attempt(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.IdentityOpened)
    return record.in_time() and fact.attempt == record.session_attempt


def is_this_session(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.CaptureFinished)
    return record.in_time() and fact.session == record.session and not record.captured


def is_the_same_person(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.IdentityApproved)
    if not record.in_time() or fact.session != record.session:
        return False
    match = matching.match_identity(record.account.name, fact.identity.name)
    record.allowances = tuple(sorted(match.transformations))
    return fact.evidence.proofing >= record.terms.minimum_proofing and match.verdict is matching.Verdict.EXACT


def is_what_was_shown(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.RequestAccepted)
    return record.in_time() and fact.hash == record.shown


def seals_what_was_shown(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.RequestSealed)
    return record.in_time() and fact.shown == record.shown


def conforms(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.CertificateIssued)
    return not conformity(
        fact.certificate,
        name=record.account.name,
        level=CertificateLevel.QCP_N,
        now=NOW,
        same_name=matching.same_name,
    )


def is_this_hold(record: Record, fact: Fact) -> bool:
    assert isinstance(fact, facts.FundsCaptured)
    return fact.hold == record.hold


# -- actions: what the arrow does to the record, and what it asks for ---------------------------------------------


def nothing(record: Record, _fact: Fact) -> None:
    record.sequence += 1


def open_it(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.SubscriptionOpened)
    record.sequence += 1
    record.id, record.opened = fact.id, fact
    record.wait("opening", NOW + fact.waits.opening)


def request_code(record: Record, _fact: Fact) -> None:
    record.sequence += 1
    purpose = PURPOSES[Stage(record.state)]
    record.codes = otp.requested(record.codes, stream=record.id, purpose=purpose, now=NOW)
    challenge, who = record.codes.challenge, record.account
    assert challenge is not None
    record.emitted.append(
        SendCode(
            challenge=challenge.id,
            purpose=purpose,
            subject=who.id,
            to=who.email if otp.CHANNELS[purpose] is otp.Channel.EMAIL else who.mobile,
            language=who.language,
            not_after=challenge.not_after,
        )
    )


def enter_code(record: Record, fact: Fact) -> None:
    assert isinstance(fact, CodeEntered)
    challenge = record.codes.challenge
    assert challenge is not None
    record.sequence += 1
    record.codes = otp.entered(
        record.codes, challenge=fact.challenge, purpose=challenge.purpose, matched=fact.matched, now=NOW
    )
    record.codes = Codes(issued=record.codes.issued)
    if challenge.purpose is Purpose.OPEN:
        record.attempt, record.money = record.attempt + 1, "holding"
        terms = record.terms
        record.emitted.append(
            effects.HoldFunds(attempt=record.attempt, cabinet=terms.cabinet.id, amount=terms.price, memo=str(record.id))
        )
    else:
        assert record.shown is not None
        record.emitted.append(
            effects.SealRequest(
                document=record.shown,
                signatory=record.account.name.full,
                challenge=challenge.id,
                verified_at=NOW,
            )
        )


def hold_funds(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.FundsHeld)
    record.sequence += 1
    record.hold, record.money = fact.hold, "held"


def consent(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.ConsentGiven)
    record.sequence += 1
    record.consents = [*(given for given in record.consents if given.text != fact.text), fact]
    if len(record.consents) == len(CONSENTS):
        record.session_attempt = 1
        record.emitted.append(effects.OpenIdentity(attempt=1, subscription=record.id, person=record.account))
        record.wait("identity", NOW + record.terms.waits.identity)


def open_identity(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.IdentityOpened)
    record.sequence += 1
    record.session, record.url, record.expires = fact.session, fact.url, fact.expires
    record.emitted.append(effects.AskIdentity(session=fact.session))


def capture(record: Record, _fact: Fact) -> None:
    record.sequence += 1
    record.captured = True


def approve(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.IdentityApproved)
    record.sequence += 1
    record.captured, record.proven, record.evidence = True, fact.identity, fact.evidence
    record.tell(notices.IdentityApproved(subscription=record.id))
    record.wait("finishing", NOW + record.terms.waits.finishing)


def _application(record: Record) -> effects.Application:
    assert record.proven is not None
    assert record.evidence is not None
    return effects.Application(
        subscription=record.id, account=record.account, identity=record.proven, evidence=record.evidence
    )


def prepare_request(record: Record, _fact: Fact) -> None:
    record.sequence += 1
    record.emitted.append(effects.PrepareRequest(application=_application(record)))


def show_request(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.RequestPrepared)
    record.sequence += 1
    record.shown = fact.document


def accept_request(record: Record, _fact: Fact) -> None:
    record.sequence += 1
    record.accepted_at = NOW


def submit(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.RequestSealed)
    record.sequence += 1
    record.sealed, record.deadline = fact.sealed, None
    record.emitted.append(effects.SubmitRequest(application=_application(record), request=fact.sealed))
    record.tell(notices.RequestSubmitted(subscription=record.id))


def activate(record: Record, fact: Fact) -> None:
    assert isinstance(fact, facts.CertificateIssued)
    record.sequence += 1
    record.certificate, record.money = fact.certificate, "capturing"
    record.emitted.append(effects.CaptureFunds(hold=record.hold))
    record.tell(
        notices.CertificateIssued(
            subscription=record.id,
            holder=record.account.name.full,
            issuer=record.terms.issuer,
            not_after=fact.certificate.not_after,
            price=record.terms.price,
        )
    )
    reminder = ReminderDue(reminder="expiry")
    record.emitted.append(Wake(at=fact.certificate.not_after - timedelta(days=90), fact=reminder))
    expiry = facts.CertificateExpired(fingerprint=fact.certificate.fingerprint)
    record.emitted.append(Wake(at=fact.certificate.not_after, fact=expiry))


def captured(record: Record, _fact: Fact) -> None:
    record.sequence += 1
    record.money = "captured"


# -- the arrows ----------------------------------------------------------------------------------------------------

GUARDS: Final[dict[tuple[type[Fact], Stage | None], Guard]] = {
    (CodeEntered, Stage.HOLDING_FUNDS): is_right,
    (CodeEntered, Stage.SEALING_REQUEST): is_right,
    (facts.FundsHeld, Stage.CONFIRMING_DETAILS): is_held_now,
    (facts.ConsentGiven, Stage.OPENING_IDENTITY): is_last_for_us,
    (facts.ConsentGiven, Stage.OPENING_REGISTRATION): is_last_for_the_provider,
    (facts.ConsentGiven, None): is_a_text,
    (facts.IdentityOpened, Stage.PROVING_IDENTITY): is_this_attempt,
    (facts.CaptureFinished, None): is_this_session,
    (facts.IdentityApproved, Stage.CONFIRMING_IDENTITY): is_the_same_person,
    (facts.RequestAccepted, Stage.SIGNING_REQUEST): is_what_was_shown,
    (facts.RequestSealed, Stage.AWAITING_CERTIFICATE): seals_what_was_shown,
    (facts.CertificateIssued, Stage.ACTIVE): conforms,
    (facts.FundsCaptured, None): is_this_hold,
}
"""Guards by fact and by the stage that the arrow leads to; None for an arrow that stays. Any other: in time."""

ACTIONS: Final[dict[type[Fact], Action]] = {
    CodeRequested: request_code,
    CodeEntered: enter_code,
    facts.FundsHeld: hold_funds,
    facts.ConsentGiven: consent,
    facts.IdentityOpened: open_identity,
    facts.CaptureFinished: capture,
    facts.IdentityApproved: approve,
    facts.IdentityConfirmed: prepare_request,
    facts.RequestPrepared: show_request,
    facts.RequestAccepted: accept_request,
    facts.RequestSealed: submit,
    facts.CertificateIssued: activate,
    facts.FundsCaptured: captured,
}


def arrows() -> Iterator[tuple[str, str, str | None, Guard, Action]]:
    """Give every arrow of TRANSITIONS: event, origin, destination (None: it stays), guard, action."""
    yield facts.SubscriptionOpened.kind, UNBORN, Stage.VERIFYING_EMAIL.value, may_open, open_it
    for stage, row in TRANSITIONS.items():
        for fact, leads in row.items():
            action = ACTIONS.get(fact, nothing)
            for to in leads.to:
                yield fact.kind, stage.value, to.value, GUARDS.get((fact, to), is_in_time), action
            if not leads.to or fact is facts.ConsentGiven:
                yield fact.kind, stage.value, None, GUARDS.get((fact, None), is_in_time), action
