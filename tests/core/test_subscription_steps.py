"""The subscription machine, fact by fact: the whole record that follows, and everything that is asked for.

Exploration shows that the invariants hold wherever facts may lead; here stands what each fact is meant to do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk import notices
from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, QcStatements, StatusKind
from qcp_sdk.effects import Alert, Effect, Notify, SendCode, Wake
from qcp_sdk.errors import CodeRefused, FactRefused, InvalidValue, SubscriptionRefused
from qcp_sdk.facts import (
    Cancelled,
    CodeEntered,
    CodeRequested,
    CodeSent,
    CodesLocked,
    CodeUndeliverable,
    DeadlinePassed,
    Fact,
    ReminderDue,
    SilenceNoted,
)
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.otp import LIFETIME, Challenge, Codes, Purpose
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.hosted import leaving
from qcp_sdk.subscription.machine import SETTLEMENTS, TRANSITIONS, overdue, sayable, step
from qcp_sdk.subscription.money import Money, MoneyState, Wish
from qcp_sdk.subscription.moves import closing
from qcp_sdk.subscription.stages import FINAL, Ending, Plan, Stage
from qcp_sdk.subscription.state import CONSENTS, Deadline, Identity, Registration, Request, Subscription, claims
from qcp_sdk.values import (
    AccountId,
    BirthDate,
    CabinetId,
    Cents,
    ChallengeId,
    ContentHash,
    EmailAddress,
    Fingerprint,
    HoldId,
    Key,
    PersonName,
    PhoneNumber,
    SessionId,
    SubscriptionId,
    TenantId,
)

S = Stage
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
BLINK, MINUTE, HOUR, DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ID = SubscriptionId("sub-7")
NAME = PersonName(given="Jessica Marie", last="Poussart")
CABINET = Cabinet(id=CabinetId("cabinet"), name="Cabinet")
ACCOUNT = Account(
    id=AccountId("account"),
    name=NAME,
    email=EmailAddress("jessica@cabinet.example"),
    mobile=PhoneNumber("+33639981316"),
    language="en",
    cabinets=(CABINET,),
)
JESSICA = notices.Recipient(name=NAME, email=ACCOUNT.email, mobile=ACCOUNT.mobile, language="en")
QUALIFIED = QcStatements(compliance=True, types=("0.4.0.1862.1.6.1",))


def certificate(called: str = "ours", **parts: Any) -> Certificate:
    """Give a qualified certificate of Jessica's; its bytes are only a name."""
    return evolve(
        Certificate(
            der=called.encode(),
            fingerprint=Fingerprint(called),
            serial=1,
            issuer="CN=CA",
            subject=f"CN={called}",
            name=NAME,
            policies=("0.4.0.194112.1.0",),
            qc=QUALIFIED,
            key_usage=frozenset({"non_repudiation"}),
            not_before=NOW - DAY,
            not_after=NOW + 1_000 * DAY,
        ),
        **parts,
    )


OURS, LATE = certificate(), certificate("late")
LCP = Holding(
    certificate=certificate("lcp", policies=("0.4.0.2042.1.3",), qc=QcStatements()),
    status=CertificateStatus(kind=StatusKind.GOOD, checked_at=NOW),
    email=ACCOUNT.email,
    mobile=ACCOUNT.mobile,
)
WAITS = sf.Waits(opening=20 * HOUR, identity=6 * DAY, finishing=25 * DAY, leaving=50 * MINUTE, reminder=80 * DAY)
TERMS = sf.SubscriptionOpened(
    id=ID,
    tenant=TenantId("tenant"),
    account=ACCOUNT,
    cabinet=CABINET,
    price=Cents(2_345),
    balance=Cents(2_345),
    lcp=LCP,
    issuer="CA",
    slot=1,
    waits=WAITS,
    accepted_close=frozenset({"fewer_given_names"}),
)
HOSTED = evolve(TERMS, plan=Plan.HOSTED)
SHOWN, SEALED, OTHER = (ContentHash(f"sha256:{digit * 64}") for digit in "123")
SESSION, ANOTHER = SessionId("session"), SessionId("another")
HOLD = HoldId("hold")
HELD = Money(MoneyState.HELD, 1, HOLD)
RELEASING = Money(MoneyState.RELEASING, 1, HOLD, Wish.RELEASE)
CAPTURING = Money(MoneyState.CAPTURING, 1, HOLD, Wish.CAPTURE)
RELEASE, CAPTURE = se.ReleaseFunds(hold=HOLD), se.CaptureFunds(hold=HOLD)
LIMIT = Deadline("part/3", NOW + HOUR)
"""A wait that is not over."""
PROVEN = ProvenIdentity(
    name=NAME, birth_date=BirthDate(date(1985, 4, 3)), document=DocumentKind.PASSPORT, issuing_country="FR"
)
EVIDENCE = IdentityEvidence(provider="idv", reference="file-1", proofing=Proofing.BASELINE)
IDENTITY = Identity(attempt=2, retries=1, session=SESSION, url="https://idv.example/s", expires=NOW + DAY)
APPROVED = evolve(IDENTITY, captured=True, proven=PROVEN, evidence=EVIDENCE)
REGISTRATION = Registration(Key("sub-7/4/0"), SESSION, "https://tsp.example/r", NOW + DAY)


def record(stage: Stage, **parts: Any) -> Subscription:
    """Give the record of a subscription at this stage, seven facts old, whose hold stands."""
    return evolve(Subscription(ID, 7, stage, TERMS, money=HELD), **parts)


def tell(notice: notices.Notice) -> Notify:
    return Notify(to=JESSICA, notice=notice)


def closed(why: str) -> Notify:
    return tell(notices.SubscriptionClosed(subscription=ID, reason=why))


def check_step(before: Subscription, fact: Fact, *asked: Effect, now: datetime = NOW, **changes: Any) -> Subscription:
    """One fact later, these parts are replaced and no others, and exactly this is asked for."""
    after, effects = step(before, fact, now)
    assert after == evolve(before, sequence=before.sequence + 1, **changes)
    assert effects == asked
    late = overdue(before, now)
    row = TRANSITIONS[before.stage].get(type(late or fact))
    assert after.stage is before.stage or (row is not None and after.stage in row.to)
    return after


def check_nothing(before: Subscription, fact: Fact, now: datetime = NOW) -> None:
    """The very same record, and nothing is asked for."""
    after, effects = step(before, fact, now)
    assert after is before
    assert effects == ()


def check_refused(before: Subscription | None, fact: Fact, reason: str, now: datetime = NOW) -> FactRefused:
    with pytest.raises(FactRefused) as refused:
        step(before, fact, now)
    assert refused.value.reason == reason
    return refused.value


def check_closed(before: Subscription, fact: Fact, ending: Ending, *more: Effect, now: datetime = NOW) -> None:
    """Closed for this reason, the money given back, the subscriber told."""
    check_step(
        before,
        fact,
        RELEASE,
        closed(ending.value),
        *more,
        now=now,
        stage=S.CLOSED,
        money=RELEASING,
        deadline=None,
        ending=ending,
    )


# --- opening (A3, A4) -------------------------------------------------------------------------------------------


def test_opening_starts_the_wait_for_the_consents() -> None:
    assert step(None, TERMS, NOW) == (
        Subscription(ID, 1, S.VERIFYING_EMAIL, TERMS, deadline=Deadline("opening/1", NOW + 20 * HOUR)),
        (Wake(at=NOW + 20 * HOUR, fact=DeadlinePassed(deadline="opening/1")),),
    )


QCP = Holding(certificate=OURS, status=CertificateStatus(kind=StatusKind.GOOD, checked_at=NOW))
SAYS_REVOKED = CertificateStatus(kind=StatusKind.REVOKED, checked_at=NOW)
SAYS_NOTHING = CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=NOW)
FREE = PersonName(given="Irène", last="Faron")


def holding(of: Holding, **parts: Any) -> Holding:
    return evolve(of, certificate=evolve(of.certificate, **parts))


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"lcp": None}, ["no_lcp_certificate"]),
        ({"lcp": holding(LCP, policies=())}, ["lcp_level_too_low"]),
        ({"lcp": holding(LCP, policies=("0.4.0.2042.1.1",))}, []),
        ({"lcp": evolve(LCP, status=SAYS_REVOKED)}, ["lcp_not_usable"]),
        ({"lcp": evolve(LCP, status=SAYS_NOTHING)}, ["lcp_not_usable"]),
        ({"lcp": holding(LCP, not_before=NOW)}, []),
        ({"lcp": holding(LCP, not_before=NOW + BLINK)}, ["lcp_not_usable"]),
        ({"lcp": holding(LCP, not_after=NOW + BLINK)}, []),
        ({"lcp": holding(LCP, not_after=NOW)}, ["lcp_not_usable"]),
        ({"lcp": holding(LCP, name=FREE)}, ["differs_from_lcp:first_name", "differs_from_lcp:last_name"]),
        ({"lcp": evolve(LCP, mobile=PhoneNumber("+33612345678"))}, ["differs_from_lcp:mobile"]),
        ({"price": Cents(-1)}, ["price_negative"]),
        ({"price": Cents(0), "balance": Cents(0)}, []),
        ({"price": Cents(1), "balance": Cents(0)}, ["balance_too_small"]),
        ({"balance": Cents(2_344)}, ["balance_too_small"]),
        ({"cabinet": Cabinet(id=CabinetId("other"), name="Other")}, ["not_a_member_of_the_cabinet"]),
        ({"qcp": QCP}, ["qualified_certificate_held"]),
        ({"qcp": evolve(QCP, status=SAYS_NOTHING)}, ["qualified_certificate_held"]),
        ({"qcp": evolve(QCP, status=SAYS_REVOKED)}, []),
        ({"qcp": holding(QCP, not_after=NOW + 80 * DAY)}, []),
        ({"qcp": holding(QCP, not_after=NOW + 80 * DAY + BLINK)}, ["qualified_certificate_held"]),
        ({"attested_held": True}, ["qualified_certificate_held"]),
        ({"lcp": None, "balance": Cents(0)}, ["no_lcp_certificate", "balance_too_small"]),
    ],
)
def test_an_opening_is_refused_with_every_reason(changes: dict[str, Any], reasons: list[str]) -> None:
    fact = evolve(TERMS, **changes)
    if not reasons:
        opened, _ = step(None, fact, NOW)
        assert opened.stage is S.VERIFYING_EMAIL
        return
    with pytest.raises(SubscriptionRefused) as refused:
        step(None, fact, NOW)
    assert list(refused.value.reasons) == reasons


ADOPTED = sf.CertificateAdopted(
    id=ID, account=ACCOUNT, cabinet=CABINET, price=Cents(0), balance=Cents(0), lcp=None, waits=WAITS, holding=QCP
)


def adopted(**parts: Any) -> sf.CertificateAdopted:
    return evolve(ADOPTED, holding=holding(QCP, **parts))


def test_an_adopted_certificate_is_followed_to_its_end() -> None:
    end = NOW + 1_000 * DAY
    assert step(None, ADOPTED, NOW) == (
        Subscription(ID, 1, S.ACTIVE, ADOPTED, certificate=OURS),
        (
            Wake(at=end - 80 * DAY, fact=ReminderDue(reminder="expiry")),
            Wake(at=end, fact=sf.CertificateExpired(fingerprint=Fingerprint("ours"))),
        ),
    )


@pytest.mark.parametrize(("left", "waits"), [(80 * DAY, 1), (80 * DAY + BLINK, 2), (BLINK, 1)])
def test_a_reminder_that_is_too_late_is_left_out(left: timedelta, waits: int) -> None:
    _, asked = step(None, adopted(not_after=NOW + left), NOW)
    assert len(asked) == waits
    assert asked[-1] == Wake(at=NOW + left, fact=sf.CertificateExpired(fingerprint=Fingerprint("ours")))


def test_a_certificate_that_has_ended_is_not_adopted() -> None:
    check_refused(None, adopted(not_after=NOW), "certificate_ended")
    check_refused(None, evolve(ADOPTED, holding=evolve(QCP, status=SAYS_REVOKED)), "certificate_ended")


def test_nothing_comes_before_the_opening() -> None:
    check_refused(None, Cancelled(), "not_open")


# --- codes, at three stages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "purpose", "to"),
    [
        (S.VERIFYING_EMAIL, Purpose.OPEN, ACCOUNT.email),
        (S.SIGNING_REQUEST, Purpose.REQUEST, ACCOUNT.mobile),
        (S.ACTIVE, Purpose.REVOKE, ACCOUNT.mobile),
    ],
)
def test_a_code_goes_to_the_address_of_record(stage: Stage, purpose: Purpose, to: EmailAddress | PhoneNumber) -> None:
    challenge = ChallengeId(f"sub-7/{purpose}/3")
    before = record(stage, codes=Codes(issued=2, requested=(NOW - MINUTE,)))
    check_step(
        before,
        CodeRequested(),
        SendCode(
            challenge=challenge, purpose=purpose, subject="account", to=to, language="en", not_after=NOW + LIFETIME
        ),
        codes=Codes(
            challenge=Challenge(id=challenge, purpose=purpose, not_after=NOW + LIFETIME),
            issued=3,
            requested=(NOW - MINUTE, NOW),
        ),
    )
    refused = check_refused(evolve(before, codes=Codes(issued=1, requested=(NOW,))), CodeRequested(), "too_soon")
    assert isinstance(refused, CodeRefused)


def codes(purpose: Purpose, **parts: Any) -> Codes:
    challenge = Challenge(id=ChallengeId("code"), purpose=purpose, not_after=NOW + LIFETIME)
    return Codes(challenge=evolve(challenge, **parts), issued=3, requested=(NOW,))


RIGHT = CodeEntered(challenge=ChallengeId("code"), matched=True)
WRONG = CodeEntered(challenge=ChallengeId("code"), matched=False)
AT_CODES = [(S.VERIFYING_EMAIL, Purpose.OPEN), (S.SIGNING_REQUEST, Purpose.REQUEST), (S.ACTIVE, Purpose.REVOKE)]


@pytest.mark.parametrize(("stage", "purpose"), AT_CODES)
def test_a_wrong_code_stays_and_counts(stage: Stage, purpose: Purpose) -> None:
    before = record(stage, codes=codes(purpose, wrong=1))
    check_step(before, WRONG, codes=codes(purpose, wrong=2))
    check_refused(before, CodeEntered(challenge=ChallengeId("old"), matched=True), "superseded")
    check_refused(evolve(before, codes=codes(Purpose.SIGN)), RIGHT, "none_sent")
    check_refused(before, RIGHT, "expired", NOW + LIFETIME)


@pytest.mark.parametrize(("stage", "purpose"), AT_CODES)
def test_a_code_that_did_not_leave_is_noted_for_the_page(stage: Stage, purpose: Purpose) -> None:
    before = record(stage, codes=codes(purpose))
    said = CodeUndeliverable(challenge=ChallengeId("code"), reason="mailbox full")
    after = check_step(before, said, codes=codes(purpose, undeliverable="mailbox full"))
    check_nothing(after, said)
    check_nothing(before, CodeSent(challenge=ChallengeId("code")))


def test_the_right_code_by_mail_sets_the_price_aside() -> None:
    before = record(S.VERIFYING_EMAIL, codes=codes(Purpose.OPEN), money=Money(), deadline=LIMIT)
    check_step(
        before,
        RIGHT,
        se.HoldFunds(attempt=1, cabinet=CabinetId("cabinet"), amount=Cents(2_345), memo="sub-7"),
        stage=S.HOLDING_FUNDS,
        codes=Codes(issued=3),
        money=Money(MoneyState.HOLDING, 1),
    )


def test_too_many_wrong_codes_end_the_opening_and_only_delay_the_rest() -> None:
    until = NOW + DAY
    before = record(S.VERIFYING_EMAIL, codes=codes(Purpose.OPEN), money=Money())
    check_step(
        before,
        CodesLocked(until=until),
        closed("too_many_codes"),
        stage=S.CLOSED,
        ending=Ending.TOO_MANY_CODES,
    )
    for stage, purpose in AT_CODES[1:]:
        check_step(
            record(stage, codes=codes(purpose)),
            CodesLocked(until=until),
            codes=evolve(codes(purpose), locked_until=until),
        )


# --- funds, details, consents (B1 to B3) ------------------------------------------------------------------------


def test_the_hold_leads_to_the_details_and_a_refusal_to_the_end() -> None:
    before = record(S.HOLDING_FUNDS, money=Money(MoneyState.HOLDING, 1), deadline=LIMIT)
    check_step(before, sf.FundsHeld(attempt=1, hold=HOLD), stage=S.CONFIRMING_DETAILS, money=HELD)
    check_step(
        before,
        sf.FundsRefused(attempt=1, reason="too little"),
        closed("insufficient_funds"),
        stage=S.CLOSED,
        money=Money(MoneyState.REFUSED, 1),
        deadline=None,
        ending=Ending.INSUFFICIENT_FUNDS,
    )
    check_nothing(before, sf.FundsHeld(attempt=2, hold=HOLD))
    check_nothing(before, sf.FundsRefused(attempt=2, reason="too little"))


def test_a_wish_from_before_is_carried_out_when_the_hold_answers() -> None:
    before = record(S.HOLDING_FUNDS, money=Money(MoneyState.HOLDING, 1, None, Wish.RELEASE))
    check_step(before, sf.FundsHeld(attempt=1, hold=HOLD), RELEASE, stage=S.CONFIRMING_DETAILS, money=RELEASING)
    parked = evolve(before, money=Money(MoneyState.HOLDING, 1, None, Wish.CAPTURE))
    check_step(
        parked,
        sf.FundsRefused(attempt=1, reason="gone"),
        Alert(what="price_not_captured", about="sub-7: gone"),
        closed("insufficient_funds"),
        stage=S.CLOSED,
        money=Money(MoneyState.PARKED, 1, None, Wish.CAPTURE),
        ending=Ending.INSUFFICIENT_FUNDS,
    )


def test_details_are_confirmed_or_end_it() -> None:
    before = record(S.CONFIRMING_DETAILS, deadline=LIMIT)
    check_step(before, sf.DetailsConfirmed(), stage=S.CONSENTING)
    check_closed(before, sf.DetailsContested(fields=("mobile",)), Ending.DETAILS_WRONG)


def consent(text: str, version: str = "1") -> sf.ConsentGiven:
    return sf.ConsentGiven(text=text, version=version, hash=SHOWN)


def test_the_first_consent_stays_and_a_newer_version_replaces_it() -> None:
    before = record(S.CONSENTING, deadline=LIMIT)
    once = check_step(before, consent(CONSENTS[1]), consents=(consent(CONSENTS[1]),))
    check_step(once, consent(CONSENTS[1], "2"), consents=(consent(CONSENTS[1], "2"),))
    refused = check_refused(before, consent("newsletter"), "unknown_text")
    assert "`newsletter`" in str(refused)


BOTH = (consent(CONSENTS[1]), consent(CONSENTS[0]))


def test_both_consents_open_the_identity() -> None:
    limit = Deadline("identity/8", NOW + 6 * DAY)
    check_step(
        record(S.CONSENTING, consents=BOTH[:1], deadline=LIMIT),
        BOTH[1],
        se.OpenIdentity(attempt=1, subscription=ID, person=ACCOUNT),
        Wake(at=limit.at, fact=DeadlinePassed(deadline="identity/8")),
        stage=S.OPENING_IDENTITY,
        consents=BOTH,
        identity=Identity(1),
        deadline=limit,
    )


def test_both_consents_open_the_registration_where_the_provider_does_it_all() -> None:
    limit = Deadline("identity/8", NOW + 6 * DAY)
    check_step(
        record(S.CONSENTING, terms=HOSTED, consents=BOTH[:1], deadline=LIMIT),
        BOTH[1],
        se.OpenRegistration(subscription=ID, person=ACCOUNT),
        Wake(at=limit.at, fact=DeadlinePassed(deadline="identity/8")),
        stage=S.OPENING_REGISTRATION,
        consents=BOTH,
        registration=Registration(Key("sub-7/8/0")),
        deadline=limit,
    )


# --- identity (C1 to C6) ----------------------------------------------------------------------------------------


def identity_opened(attempt: int, session: SessionId = SESSION) -> sf.IdentityOpened:
    return sf.IdentityOpened(attempt=attempt, session=session, url="https://idv.example/s", expires=NOW + DAY)


def test_the_session_of_the_present_attempt_is_handed_over() -> None:
    before = record(S.OPENING_IDENTITY, identity=Identity(2, 1), deadline=LIMIT)
    check_step(before, identity_opened(2), se.AskIdentity(session=SESSION), stage=S.PROVING_IDENTITY, identity=IDENTITY)
    check_step(before, identity_opened(1), se.CancelIdentity(session=SESSION), settled=frozenset({SESSION}))
    check_closed(before, sf.IdentityOpeningRejected(attempt=2, reason="no"), Ending.IDENTITY_UNAVAILABLE)
    check_nothing(before, sf.IdentityOpeningRejected(attempt=1, reason="no"))
    check_closed(before, sf.NoDocument(), Ending.NO_DOCUMENT)


@pytest.mark.parametrize("stage", [S.PROVING_IDENTITY, S.CONFIRMING_IDENTITY, S.ACTIVE, S.CLOSED])
def test_a_session_that_nobody_waits_for_is_closed_once(stage: Stage) -> None:
    before = record(stage, identity=IDENTITY, settled=frozenset({"earlier"}))
    after = check_step(
        before,
        identity_opened(9, ANOTHER),
        se.CancelIdentity(session=ANOTHER),
        settled=frozenset({"earlier", ANOTHER}),
    )
    check_nothing(after, identity_opened(9, ANOTHER))
    check_nothing(before, identity_opened(2, SESSION))


def test_the_capture_is_noted_once_and_a_verdict_waited_for() -> None:
    before = record(S.PROVING_IDENTITY, identity=IDENTITY)
    after = check_step(
        before,
        sf.CaptureFinished(session=SESSION),
        Wake(at=NOW + 2 * HOUR, fact=SilenceNoted(about="verdict")),
        identity=evolve(IDENTITY, captured=True),
    )
    check_nothing(after, sf.CaptureFinished(session=SESSION))
    check_nothing(before, sf.CaptureFinished(session=ANOTHER))


def test_a_provider_that_does_not_decide_is_told_of_until_it_does() -> None:
    silent = SilenceNoted(about="verdict")
    captured = record(S.PROVING_IDENTITY, identity=evolve(IDENTITY, captured=True))
    check_step(captured, silent, Alert(what="silence", about="sub-7: verdict"))
    check_nothing(record(S.PROVING_IDENTITY, identity=IDENTITY), silent)
    check_nothing(record(S.CONFIRMING_IDENTITY, identity=APPROVED), silent)
    check_step(
        record(S.CONFIRMING_IDENTITY, identity=APPROVED),
        SilenceNoted(about="ask_identity"),
        Alert(what="silence", about="sub-7: ask_identity"),
    )


def test_the_link_is_sent_three_times_at_most() -> None:
    at = record(S.PROVING_IDENTITY, identity=IDENTITY)
    notice = tell(notices.IdentityHandOff(subscription=ID, url="https://idv.example/s"))
    for sent in (1, 2, 3):
        at = check_step(at, sf.LinkRequested(), notice, identity=evolve(IDENTITY, links=sent))
    check_refused(at, sf.LinkRequested(), "too_many_links")


def approval(name: PersonName = NAME, proofing: Proofing = Proofing.BASELINE, session: SessionId = SESSION) -> Any:
    return sf.IdentityApproved(
        session=session, identity=evolve(PROVEN, name=name), evidence=evolve(EVIDENCE, proofing=proofing)
    )


MORE_NAMES = PersonName(given="Jessica Marie Anne", last="Poussart")


@pytest.mark.parametrize(
    ("name", "proofing", "allowances"),
    [
        (NAME, Proofing.BASELINE, ()),
        (NAME, Proofing.EXTENDED, ()),
        (MORE_NAMES, Proofing.BASELINE, ("fewer_given_names",)),
    ],
)
def test_an_approved_identity_of_the_same_person_is_shown_for_confirmation(
    name: PersonName, proofing: Proofing, allowances: tuple[str, ...]
) -> None:
    limit = Deadline("finishing/8", NOW + 25 * DAY)
    fact = approval(name, proofing)
    check_step(
        record(S.PROVING_IDENTITY, identity=IDENTITY, deadline=LIMIT),
        fact,
        tell(notices.IdentityApproved(subscription=ID)),
        Wake(at=limit.at, fact=DeadlinePassed(deadline="finishing/8")),
        stage=S.CONFIRMING_IDENTITY,
        identity=evolve(IDENTITY, captured=True, proven=fact.identity, evidence=fact.evidence, allowances=allowances),
        deadline=limit,
    )


def test_an_identity_that_does_not_suffice_ends_it() -> None:
    before = record(S.PROVING_IDENTITY, identity=IDENTITY, deadline=LIMIT)
    # The provider's session has ended by itself in each of these: nothing is cancelled there.
    check_closed(before, approval(proofing=Proofing.NONE), Ending.PROOFING_TOO_LOW)
    check_closed(before, approval(FREE), Ending.IDENTITY_MISMATCH)
    strict = evolve(before, terms=evolve(TERMS, accepted_close=frozenset()))
    check_closed(strict, approval(MORE_NAMES), Ending.IDENTITY_MISMATCH)
    demanding = evolve(before, terms=evolve(TERMS, minimum_proofing=Proofing.EXTENDED))
    check_closed(demanding, approval(), Ending.PROOFING_TOO_LOW)
    check_closed(before, sf.IdentityRefused(session=SESSION, reason="forged"), Ending.IDENTITY_REFUSED)
    check_nothing(before, approval(session=ANOTHER))
    check_nothing(before, sf.IdentityRefused(session=ANOTHER, reason="forged"))


def test_a_verdict_that_allows_it_is_followed_by_another_try_three_times() -> None:
    unreadable = sf.IdentityRetryable(session=SESSION, reason="unreadable")
    for retries in (0, 1, 2):
        check_step(
            record(S.PROVING_IDENTITY, identity=evolve(IDENTITY, retries=retries, links=2)),
            unreadable,
            se.OpenIdentity(attempt=3, subscription=ID, person=ACCOUNT),
            tell(notices.IdentityToRetry(subscription=ID, reason="unreadable", tries_left=3 - retries)),
            stage=S.OPENING_IDENTITY,
            identity=Identity(3, retries + 1),
        )
    spent = record(S.PROVING_IDENTITY, identity=evolve(IDENTITY, retries=3), deadline=LIMIT)
    check_closed(spent, unreadable, Ending.TOO_MANY_RETRIES)
    check_nothing(spent, evolve(unreadable, session=ANOTHER))


def test_an_abandoned_session_is_opened_anew_ten_times_in_all() -> None:
    left = sf.IdentityAbandoned(session=SESSION)
    check_step(
        record(S.PROVING_IDENTITY, identity=evolve(IDENTITY, attempt=9)),
        left,
        se.OpenIdentity(attempt=10, subscription=ID, person=ACCOUNT),
        stage=S.OPENING_IDENTITY,
        identity=Identity(10, 1),
    )
    last = record(S.PROVING_IDENTITY, identity=evolve(IDENTITY, attempt=10))
    check_closed(last, left, Ending.TOO_MANY_RETRIES)
    check_nothing(last, sf.IdentityAbandoned(session=ANOTHER))


def test_a_session_that_is_open_at_the_provider_is_cancelled_there() -> None:
    before = record(S.PROVING_IDENTITY, identity=IDENTITY)
    for fact, ending in ((Cancelled(), "cancelled"), (sf.NoDocument(), "no_document")):
        check_step(
            before,
            fact,
            RELEASE,
            se.CancelIdentity(session=SESSION),
            closed(ending),
            stage=S.CLOSED,
            money=RELEASING,
            ending=Ending(ending),
        )
    check_closed(record(S.CONFIRMING_IDENTITY, identity=APPROVED), Cancelled(), Ending.CANCELLED)


APPLICATION = se.Application(subscription=ID, account=ACCOUNT, identity=PROVEN, evidence=EVIDENCE)


def test_what_was_read_is_confirmed_or_ends_it() -> None:
    before = record(S.CONFIRMING_IDENTITY, identity=APPROVED, deadline=LIMIT)
    check_step(
        before,
        sf.IdentityConfirmed(),
        se.PrepareRequest(application=APPLICATION),
        stage=S.PREPARING_REQUEST,
        identity=evolve(APPROVED, confirmed_at=NOW),
    )
    check_closed(before, sf.IdentityContested(fields=("given",)), Ending.IDENTITY_CONTESTED)


# --- the request (D1 to D5) -------------------------------------------------------------------------------------


def test_the_request_is_shown_and_accepted_by_its_very_hash() -> None:
    before = record(S.PREPARING_REQUEST, identity=APPROVED, deadline=LIMIT)
    shown = check_step(before, sf.RequestPrepared(document=SHOWN), stage=S.READING_REQUEST, request=Request(SHOWN))
    check_closed(before, sf.RequestRejected(reason="no"), Ending.REQUEST_REJECTED)
    check_step(shown, sf.RequestAccepted(hash=SHOWN), stage=S.SIGNING_REQUEST, request=Request(SHOWN, NOW))
    check_refused(shown, sf.RequestAccepted(hash=OTHER), "hash_differs")


ACCEPTED = Request(SHOWN, NOW - HOUR)
SIGNED = evolve(ACCEPTED, challenge=ChallengeId("code"), verified_at=NOW)


def test_the_right_code_by_sms_signs_the_request() -> None:
    check_step(
        record(S.SIGNING_REQUEST, identity=APPROVED, request=ACCEPTED, codes=codes(Purpose.REQUEST), deadline=LIMIT),
        RIGHT,
        se.SealRequest(document=SHOWN, signatory="Jessica Marie Poussart", challenge="code", verified_at=NOW),
        stage=S.SEALING_REQUEST,
        codes=Codes(issued=3),
        request=SIGNED,
    )


def test_the_first_seal_is_submitted_and_nothing_ends_it_by_itself_any_more() -> None:
    before = record(S.SEALING_REQUEST, identity=APPROVED, request=SIGNED, deadline=LIMIT)
    check_step(
        before,
        sf.RequestSealed(shown=SHOWN, sealed=SEALED),
        se.SubmitRequest(application=APPLICATION, request=SEALED),
        tell(notices.RequestSubmitted(subscription=ID)),
        stage=S.AWAITING_CERTIFICATE,
        request=evolve(SIGNED, sealed=SEALED),
        deadline=None,
    )
    check_nothing(before, sf.RequestSealed(shown=OTHER, sealed=SEALED))
    check_closed(before, sf.SealRefused(reason="no"), Ending.SEAL_REFUSED, Alert(what="seal_refused", about="sub-7"))


AWAITING = record(S.AWAITING_CERTIFICATE, identity=APPROVED, request=evolve(SIGNED, sealed=SEALED))


def test_a_pending_request_is_asked_about_under_its_first_reference() -> None:
    once = check_step(
        AWAITING,
        sf.CertificatePending(reference="ref-1"),
        se.AskCertificate(reference="ref-1"),
        request=evolve(AWAITING.request, reference="ref-1"),
    )
    check_nothing(once, sf.CertificatePending(reference="ref-2"))
    check_step(AWAITING, SilenceNoted(about="ask_certificate"), Alert(what="silence", about="sub-7: ask_certificate"))


END = NOW + 1_000 * DAY
EXPIRES = Wake(at=END, fact=sf.CertificateExpired(fingerprint=Fingerprint("ours")))
FOLLOWED = (Wake(at=END - 80 * DAY, fact=ReminderDue(reminder="expiry")), EXPIRES)
ISSUED = notices.CertificateIssued(
    subscription=ID, holder="Jessica Marie Poussart", issuer="CA", not_after=END, price=Cents(2_345)
)


@pytest.mark.parametrize(
    "fact",
    [
        sf.CertificateIssued(certificate=OURS),
        sf.SettledByOperator(evidence="their mail", by="Ada", certificate=OURS),
    ],
)
def test_a_conforming_certificate_is_paid_for(fact: Fact) -> None:
    check_step(
        AWAITING,
        fact,
        CAPTURE,
        tell(ISSUED),
        *FOLLOWED,
        stage=S.ACTIVE,
        certificate=OURS,
        money=CAPTURING,
        deadline=None,
        ending=None,
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"name": MORE_NAMES},
        {"emails": (ACCOUNT.email,)},
        {"emails": (EmailAddress("else@cabinet.example"), ACCOUNT.email)},
    ],
)
def test_names_by_the_same_allowances_and_any_of_its_addresses_conform(parts: dict[str, Any]) -> None:
    issued = certificate(**parts)
    after, _ = step(AWAITING, sf.CertificateIssued(certificate=issued), NOW)
    assert (after.stage, after.certificate) == (S.ACTIVE, issued)


def check_given_up(before: Subscription, issued: Certificate, ending: Ending, why: str) -> None:
    check_step(
        before,
        sf.CertificateIssued(certificate=issued),
        RELEASE,
        se.RevokeCertificate(fingerprint=issued.fingerprint, reason="superseded"),
        Wake(at=issued.not_after, fact=sf.CertificateExpired(fingerprint=issued.fingerprint)),
        closed(ending.value),
        Alert(what=ending.value, about=f"sub-7: {why}"),
        stage=S.REVOKING,
        certificate=issued,
        money=RELEASING,
        deadline=None,
        ending=ending,
    )


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"policies": ("0.4.0.2042.1.3",), "qc": QcStatements()}, "wrong_level"),
        ({"emails": (EmailAddress("else@cabinet.example"),)}, "email_differs"),
        ({"name": FREE, "emails": (EmailAddress("else@cabinet.example"),)}, "name_differs, email_differs"),
    ],
)
def test_a_certificate_that_does_not_conform_is_revoked_at_once(parts: dict[str, Any], why: str) -> None:
    check_given_up(AWAITING, certificate("odd", **parts), Ending.CERTIFICATE_NOT_CONFORMING, why)


def test_nor_is_one_that_a_hosted_provider_issues() -> None:
    lcp = certificate("odd", policies=("0.4.0.2042.1.3",), qc=QcStatements())
    check_given_up(REGISTERING, lcp, Ending.CERTIFICATE_NOT_CONFORMING, "wrong_level")
    doubted = evolve(REGISTERING, ending=Ending.FRAUD_SUSPECTED)
    check_given_up(doubted, OURS, Ending.FRAUD_SUSPECTED, "suspected before it was issued")


def test_a_name_that_is_not_allowed_for_does_not_conform() -> None:
    strict = evolve(AWAITING, terms=evolve(TERMS, accepted_close=frozenset()))
    check_given_up(strict, certificate(name=MORE_NAMES), Ending.CERTIFICATE_NOT_CONFORMING, "name_differs")


FRAUD = Alert(what="fraud_suspected", about="sub-7")
DOUBTS = [sf.FraudSuspected(reason="r"), sf.FraudReported(reason="r", by="Ada")]


@pytest.mark.parametrize("doubt", DOUBTS)
def test_fraud_while_the_authority_decides_is_remembered_and_what_it_issues_revoked(doubt: Fact) -> None:
    after = check_step(AWAITING, doubt, FRAUD, ending=Ending.FRAUD_SUSPECTED)
    check_nothing(after, doubt)
    check_given_up(after, OURS, Ending.FRAUD_SUSPECTED, "suspected before it was issued")


def test_the_authority_or_an_operator_says_that_there_will_be_none() -> None:
    check_closed(AWAITING, sf.CertificateRefused(reason="no"), Ending.CA_REFUSED)
    check_closed(AWAITING, sf.SettledByOperator(evidence="mail", by="Ada", certificate=None), Ending.CA_REFUSED)
    for evidence, by in ((" ", "Ada"), ("mail", " "), ("", "")):
        check_refused(AWAITING, sf.SettledByOperator(evidence=evidence, by=by, certificate=OURS), "no_evidence")


# --- the hosted plan --------------------------------------------------------------------------------------------

REGISTERING = record(S.REGISTERING, terms=HOSTED, registration=REGISTRATION, deadline=LIMIT)
WAITING_FOR_PAGES = record(
    S.OPENING_REGISTRATION, terms=HOSTED, registration=Registration(Key("sub-7/4/0")), deadline=LIMIT
)
LEAVING = evolve(REGISTERING, ending=Ending.CANCELLED)


def registration_opened(session: SessionId = SESSION) -> sf.RegistrationOpened:
    return sf.RegistrationOpened(session=session, url="https://tsp.example/r", expires=NOW + DAY)


def test_the_providers_pages_wait() -> None:
    check_step(
        WAITING_FOR_PAGES,
        registration_opened(),
        se.AskRegistration(session=SESSION),
        stage=S.REGISTERING,
        registration=REGISTRATION,
    )
    # While leaving, the provider is being asked already.
    check_step(
        evolve(WAITING_FOR_PAGES, ending=Ending.CANCELLED),
        registration_opened(),
        stage=S.REGISTERING,
        registration=REGISTRATION,
    )
    check_closed(WAITING_FOR_PAGES, sf.RegistrationRejected(reason="no"), Ending.REGISTRATION_UNAVAILABLE)


def attested(level: CertificateLevel = CertificateLevel.QCP_N, *matched: str) -> sf.CertificateAttested:
    return sf.CertificateAttested(provider="tsp", level=level, matched=matched or ("mobile", "name", "email"), at=NOW)


@pytest.mark.parametrize("before", [REGISTERING, WAITING_FOR_PAGES, LEAVING])
@pytest.mark.parametrize("level", [CertificateLevel.QCP_N, CertificateLevel.QCP_N_QSCD])
def test_an_attested_certificate_is_paid_for(before: Subscription, level: CertificateLevel) -> None:
    fact = attested(level)
    check_step(
        before,
        fact,
        CAPTURE,
        tell(evolve(ISSUED, not_after=None)),
        stage=S.ACTIVE,
        attestation=fact,
        money=CAPTURING,
        deadline=None,
        ending=None,
    )


def test_an_attestation_that_does_not_suffice_ends_it() -> None:
    failed = (Ending.CERTIFICATE_NOT_CONFORMING, Alert(what="certificate_not_conforming", about="sub-7"))
    check_closed(REGISTERING, attested(CertificateLevel.NCP), *failed)
    check_closed(REGISTERING, attested(CertificateLevel.QCP_N, "name", "email"), *failed)
    check_closed(evolve(REGISTERING, terms=evolve(HOSTED, attestation_suffices=False)), attested(), *failed)
    check_closed(evolve(REGISTERING, ending=Ending.FRAUD_SUSPECTED), attested(), Ending.FRAUD_SUSPECTED, FRAUD)
    check_closed(LEAVING, attested(CertificateLevel.NCP), Ending.CANCELLED)


@pytest.mark.parametrize("before", [REGISTERING, WAITING_FOR_PAGES, LEAVING])
def test_an_issued_certificate_is_paid_for_in_the_hosted_plan_too(before: Subscription) -> None:
    check_step(
        before,
        sf.CertificateIssued(certificate=OURS),
        CAPTURE,
        tell(ISSUED),
        *FOLLOWED,
        stage=S.ACTIVE,
        certificate=OURS,
        money=CAPTURING,
        deadline=None,
        ending=None,
    )


def test_the_provider_refuses_or_lets_it_run_out() -> None:
    refused = sf.RegistrationRefused(session=SESSION, reason="no")
    over = sf.RegistrationExpired(session=SESSION)
    check_closed(REGISTERING, refused, Ending.REGISTRATION_REFUSED)
    check_closed(REGISTERING, over, Ending.REGISTRATION_EXPIRED)
    check_closed(LEAVING, refused, Ending.CANCELLED)
    check_closed(LEAVING, over, Ending.CANCELLED)
    check_nothing(REGISTERING, sf.RegistrationRefused(session=ANOTHER, reason="no"))
    check_nothing(REGISTERING, sf.RegistrationExpired(session=ANOTHER))
    # Before we know the session, a refusal cannot be ours; that it ended is what closing by key answers.
    check_nothing(WAITING_FOR_PAGES, refused)
    check_closed(WAITING_FOR_PAGES, over, Ending.REGISTRATION_EXPIRED)
    check_nothing(evolve(REGISTERING, registration=None), refused)
    check_closed(evolve(REGISTERING, registration=None), over, Ending.REGISTRATION_EXPIRED)


@pytest.mark.parametrize("before", [REGISTERING, WAITING_FOR_PAGES])
@pytest.mark.parametrize(
    ("fact", "ending"),
    [
        (Cancelled(), Ending.CANCELLED),
        (sf.FraudSuspected(reason="r"), Ending.FRAUD_SUSPECTED),
        (sf.FraudReported(reason="r", by="Ada"), Ending.FRAUD_SUSPECTED),
        (sf.AccountChanged(fields=("mobile",)), Ending.ACCOUNT_CHANGED),
        (sf.LcpRevoked(at=NOW), Ending.LCP_REVOKED),
        (DeadlinePassed(deadline="part/3"), Ending.DEADLINE_PASSED),
    ],
)
def test_leaving_asks_the_provider_once_more(before: Subscription, fact: Fact, ending: Ending) -> None:
    assert before.registration is not None
    limit = Deadline("leaving/8", NOW + 50 * MINUTE)
    after = check_step(
        before,
        fact,
        se.CloseRegistration(opened_by=Key("sub-7/4/0"), session=before.registration.session),
        Wake(at=limit.at, fact=DeadlinePassed(deadline="leaving/8")),
        ending=ending,
        deadline=limit,
    )
    check_nothing(after, Cancelled())
    check_nothing(after, DeadlinePassed(deadline="part/3"))
    fraud = (FRAUD,) if ending is Ending.FRAUD_SUSPECTED else ()
    check_closed(after, DeadlinePassed(deadline="leaving/8"), ending, *fraud, now=limit.at)


def test_what_comes_at_the_hosted_deadline_meets_the_leaving_first() -> None:
    limit = Deadline("leaving/8", NOW + HOUR + 50 * MINUTE)
    left = (
        se.CloseRegistration(opened_by=Key("sub-7/4/0"), session=SESSION),
        Wake(at=limit.at, fact=DeadlinePassed(deadline="leaving/8")),
    )
    check_step(REGISTERING, Cancelled(), *left, now=LIMIT.at, ending=Ending.DEADLINE_PASSED, deadline=limit)
    check_closed_after(REGISTERING, sf.RegistrationExpired(session=SESSION), left)
    late = evolve(OURS, not_after=LIMIT.at + 80 * DAY)
    after, asked = step(REGISTERING, sf.CertificateIssued(certificate=late), LIMIT.at)
    assert asked[:2] == left
    # Paid for all the same; no reminder, for the renewal may begin at once.
    assert [type(effect) for effect in asked[2:]] == [se.CaptureFunds, Notify, Wake]
    assert (after.stage, after.sequence, after.deadline, after.ending) == (S.ACTIVE, 8, None, None)


def check_closed_after(before: Subscription, fact: Fact, left: tuple[Effect, ...]) -> None:
    check_step(
        before,
        fact,
        *left,
        RELEASE,
        closed("deadline_passed"),
        now=LIMIT.at,
        stage=S.CLOSED,
        money=RELEASING,
        deadline=None,
        ending=Ending.DEADLINE_PASSED,
    )


def test_a_stale_deadline_changes_nothing_in_the_hosted_plan() -> None:
    check_nothing(REGISTERING, DeadlinePassed(deadline="opening/1"))
    check_nothing(evolve(REGISTERING, deadline=None), DeadlinePassed(deadline="part/3"))
    for before in (REGISTERING, WAITING_FOR_PAGES):
        check_step(before, SilenceNoted(about="x"), Alert(what="silence", about="sub-7: x"))


# --- the certificate's life (A2, A5) ----------------------------------------------------------------------------

ACTIVE = record(S.ACTIVE, certificate=OURS, codes=codes(Purpose.REVOKE, matched=True), money=CAPTURING)
SEEN_BY_NOBODY = evolve(ACTIVE, certificate=None, attestation=attested())
REVOKE = se.RevokeCertificate(fingerprint=Fingerprint("ours"), reason="key_compromise")
BY_HOLDER = sf.RevocationRequested(reason="key_compromise")
BY_HOST = sf.RevocationOrdered(reason="key_compromise", by="Ada")


def test_the_right_code_allows_the_revocation() -> None:
    check_step(evolve(ACTIVE, codes=codes(Purpose.REVOKE)), RIGHT, codes=codes(Purpose.REVOKE, matched=True))
    check_step(
        ACTIVE,
        BY_HOLDER,
        REVOKE,
        now=NOW + 2 * LIFETIME - BLINK,
        stage=S.REVOKING,
        ending=Ending.REQUESTED_BY_HOLDER,
        codes=Codes(issued=3),
    )


def test_revoking_needs_the_right_code_a_short_while_ago() -> None:
    check_refused(ACTIVE, BY_HOLDER, "code_needed", NOW + 2 * LIFETIME)
    for given in (Codes(), codes(Purpose.REVOKE), codes(Purpose.REQUEST, matched=True)):
        check_refused(evolve(ACTIVE, codes=given), BY_HOLDER, "code_needed")


def test_the_host_revokes_in_somebodys_name() -> None:
    check_step(ACTIVE, BY_HOST, REVOKE, stage=S.REVOKING, ending=Ending.ORDERED_BY_HOST, codes=Codes(issued=3))
    check_refused(ACTIVE, evolve(BY_HOST, by=" "), "no_name")
    check_step(
        SEEN_BY_NOBODY,
        BY_HOST,
        Alert(what="revoke_at_provider", about="sub-7"),
        stage=S.REVOKING,
        ending=Ending.ORDERED_BY_HOST,
        codes=Codes(issued=3),
    )


@pytest.mark.parametrize("doubt", DOUBTS)
def test_fraud_revokes_and_a_refusal_no_longer_revives(doubt: Fact) -> None:
    check_step(
        ACTIVE,
        doubt,
        se.RevokeCertificate(fingerprint=Fingerprint("ours"), reason="affiliation_changed"),
        FRAUD,
        stage=S.REVOKING,
        ending=Ending.FRAUD_SUSPECTED,
        codes=Codes(issued=3),
    )
    revoking = evolve(ACTIVE, stage=S.REVOKING, ending=Ending.ORDERED_BY_HOST)
    after = check_step(revoking, doubt, FRAUD, ending=Ending.FRAUD_SUSPECTED)
    check_nothing(after, doubt)


def revoked(fingerprint: str = "ours") -> sf.CertificateRevoked:
    return sf.CertificateRevoked(fingerprint=Fingerprint(fingerprint), at=NOW - HOUR, reason="key_compromise")


def test_revoked_whoever_asked() -> None:
    told = tell(notices.CertificateRevoked(subscription=ID, revoked_at=NOW - HOUR, reason="key_compromise"))
    over: dict[str, Any] = {"stage": S.REVOKED, "deadline": None}
    before = evolve(ACTIVE, deadline=LIMIT)
    check_step(before, revoked(), told, ending=Ending.REVOKED_BY_ISSUER, **over)
    asked = evolve(before, stage=S.REVOKING, ending=Ending.ORDERED_BY_HOST)
    check_step(asked, revoked(), told, ending=Ending.ORDERED_BY_HOST, **over)
    check_nothing(before, revoked("late"))
    check_step(SEEN_BY_NOBODY, revoked("any"), told, ending=Ending.REVOKED_BY_ISSUER, **over)
    check_nothing(evolve(SEEN_BY_NOBODY, attestation=None), revoked())


REFUSED = sf.RevocationRefused(fingerprint=Fingerprint("ours"), reason="not yours")


@pytest.mark.parametrize("ending", [Ending.REQUESTED_BY_HOLDER, Ending.ORDERED_BY_HOST])
def test_a_refused_wish_leaves_it_as_good_as_before(ending: Ending) -> None:
    before = evolve(ACTIVE, stage=S.REVOKING, ending=ending)
    check_step(
        before,
        REFUSED,
        tell(notices.CertificateRevocationRefused(subscription=ID, reason="not yours")),
        Alert(what="revocation_refused", about="sub-7: not yours"),
        stage=S.ACTIVE,
        ending=None,
    )
    check_nothing(before, evolve(REFUSED, fingerprint=Fingerprint("late")))


@pytest.mark.parametrize("ending", [Ending.FRAUD_SUSPECTED, Ending.CERTIFICATE_NOT_CONFORMING])
def test_a_fault_behind_the_revocation_stays(ending: Ending) -> None:
    check_step(
        evolve(ACTIVE, stage=S.REVOKING, ending=ending),
        REFUSED,
        Alert(what="revocation_refused", about="sub-7: not yours"),
    )


@pytest.mark.parametrize("stage", [S.ACTIVE, S.REVOKING])
def test_its_validity_ends(stage: Stage) -> None:
    before = evolve(ACTIVE, stage=stage, deadline=LIMIT)
    over = sf.CertificateExpired(fingerprint=Fingerprint("ours"))
    told = tell(notices.CertificateExpired(subscription=ID, not_after=END))
    check_step(before, over, told, stage=S.EXPIRED, deadline=None)
    check_nothing(before, evolve(over, fingerprint=Fingerprint("late")))
    check_nothing(evolve(SEEN_BY_NOBODY, stage=stage), over)


def test_its_end_is_told_of_once() -> None:
    due = ReminderDue(reminder="expiry")
    told = tell(notices.CertificateExpiring(subscription=ID, not_after=END))
    before = evolve(ACTIVE, settled=frozenset({"earlier"}))
    after = check_step(before, due, told, settled=frozenset({"earlier", "reminder:expiry"}))
    check_nothing(after, due)
    check_nothing(SEEN_BY_NOBODY, due)


@pytest.mark.parametrize("stage", [S.ACTIVE, S.REVOKING])
def test_somebody_found_out_that_it_has_ended(stage: Stage) -> None:
    before = evolve(SEEN_BY_NOBODY, stage=stage)
    gone = sf.EndReported(revoked=True, at=NOW - HOUR, evidence="their page", by="Ada")
    told = tell(notices.CertificateRevoked(subscription=ID, revoked_at=NOW - HOUR, reason=""))
    check_step(before, gone, told, stage=S.REVOKED, ending=Ending.REVOKED_BY_ISSUER)
    asked = evolve(before, ending=Ending.ORDERED_BY_HOST)
    check_step(asked, gone, told, stage=S.REVOKED)
    check_step(
        asked,
        evolve(gone, revoked=False),
        tell(notices.CertificateExpired(subscription=ID, not_after=NOW - HOUR)),
        stage=S.EXPIRED,
    )


@pytest.mark.parametrize("stage", [S.ACTIVE, S.REVOKING, S.REVOKED, S.EXPIRED, S.CLOSED])
def test_the_ledgers_answers_move_the_money_and_not_the_stage(stage: Stage) -> None:
    before = evolve(ACTIVE, stage=stage)
    captured = evolve(CAPTURING, state=MoneyState.CAPTURED)
    check_step(before, sf.FundsCaptured(hold=HOLD), money=captured)
    check_nothing(before, sf.FundsCaptured(hold=HoldId("other")))
    check_step(
        before,
        sf.CaptureRefused(hold=HOLD, reason="gone"),
        se.HoldFunds(attempt=2, cabinet=CabinetId("cabinet"), amount=Cents(2_345), memo="sub-7"),
        money=Money(MoneyState.HOLDING, 2, None, Wish.CAPTURE),
    )
    waiting = evolve(before, money=Money(MoneyState.HOLDING, 1, None, Wish.RELEASE))
    check_step(waiting, sf.FundsHeld(attempt=1, hold=HOLD), RELEASE, money=RELEASING)
    check_step(waiting, sf.FundsRefused(attempt=1, reason="r"), money=evolve(waiting.money, state=MoneyState.REFUSED))
    releasing = evolve(before, money=RELEASING)
    check_step(releasing, sf.FundsReleased(hold=HOLD), money=evolve(RELEASING, state=MoneyState.RELEASED))


# --- what is settled late ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [S.CLOSED, S.REVOKED, S.EXPIRED, S.VERIFYING_EMAIL, S.ACTIVE, S.REVOKING])
def test_a_certificate_that_nobody_waits_for_is_revoked_once(stage: Stage) -> None:
    before = record(stage, certificate=OURS, settled=frozenset({"earlier"}))
    late = sf.CertificateIssued(certificate=LATE)
    after = check_step(
        before,
        late,
        se.RevokeCertificate(fingerprint=Fingerprint("late"), reason="superseded"),
        Alert(what="late_certificate", about="sub-7: late"),
        settled=frozenset({"earlier", "late"}),
    )
    check_nothing(after, late)
    check_nothing(before, sf.CertificateIssued(certificate=OURS))
    check_step(
        record(stage),
        late,
        se.RevokeCertificate(fingerprint=Fingerprint("late"), reason="superseded"),
        Alert(what="late_certificate", about="sub-7: late"),
        settled=frozenset({"late"}),
    )


@pytest.mark.parametrize("stage", [S.CLOSED, S.ACTIVE, S.REVOKING, S.VERIFYING_EMAIL])
def test_a_late_certificate_that_is_not_revoked_is_told_of_once(stage: Stage) -> None:
    before = record(stage, certificate=OURS, settled=frozenset({"late"}), ending=Ending.ORDERED_BY_HOST)
    no = sf.RevocationRefused(fingerprint=Fingerprint("late"), reason="not yours")
    told = Alert(what="revocation_refused", about="sub-7: not yours")
    after = check_step(before, no, told, settled=frozenset({"late", "refused:late"}))
    check_nothing(after, no)
    check_nothing(evolve(before, settled=frozenset()), no)


@pytest.mark.parametrize("stage", [S.CLOSED, S.ACTIVE])
def test_a_request_that_is_pending_after_all_is_followed(stage: Stage) -> None:
    before = evolve(AWAITING, stage=stage)
    after = check_step(
        before,
        sf.CertificatePending(reference="ref-1"),
        se.AskCertificate(reference="ref-1"),
        request=evolve(before.request, reference="ref-1"),
    )
    check_nothing(after, sf.CertificatePending(reference="ref-2"))
    check_nothing(evolve(before, request=SIGNED), sf.CertificatePending(reference="ref-1"))


@pytest.mark.parametrize("stage", [S.CLOSED, S.ACTIVE, S.CONSENTING])
def test_an_attestation_that_nobody_waits_for_is_told_of_once(stage: Stage) -> None:
    before = record(stage, settled=frozenset({"earlier"}))
    after = check_step(
        before,
        attested(),
        Alert(what="late_attestation", about="sub-7: tsp"),
        settled=frozenset({"earlier", "attested:tsp"}),
    )
    check_nothing(after, attested())
    check_nothing(evolve(before, attestation=attested()), attested())


@pytest.mark.parametrize("stage", sorted(FINAL))
def test_final_stages_keep_an_empty_row_and_settle_what_is_late(stage: Stage) -> None:
    assert TRANSITIONS[stage] == {}
    assert set(SETTLEMENTS[stage]) == {
        sf.FundsHeld,
        sf.FundsRefused,
        sf.FundsCaptured,
        sf.CaptureRefused,
        sf.FundsReleased,
        sf.IdentityOpened,
        sf.CertificatePending,
        sf.CertificateIssued,
        sf.RevocationRefused,
        sf.CertificateAttested,
    }
    assert sayable(record(stage)) == ()


def test_other_late_answers_and_waits_change_nothing_and_words_are_refused() -> None:
    before = record(S.CLOSED)
    check_nothing(before, sf.RequestPrepared(document=SHOWN))
    check_nothing(before, DeadlinePassed(deadline="part/3"))
    for said in (Cancelled(), sf.LcpRevoked(at=NOW)):
        told = str(check_refused(before, said, "no_row"))
        assert told.startswith("sub-7: ")
        assert told.endswith("at this stage: nothing")
    words = str(check_refused(record(S.CONFIRMING_DETAILS), sf.IdentityConfirmed(), "no_row"))
    assert words.endswith("at this stage: details_confirmed, details_contested, cancelled")


# --- ends and deadlines -----------------------------------------------------------------------------------------

BEFORE_NO_RETURN = (
    S.VERIFYING_EMAIL,
    S.HOLDING_FUNDS,
    S.CONFIRMING_DETAILS,
    S.CONSENTING,
    S.OPENING_IDENTITY,
    S.PROVING_IDENTITY,
    S.CONFIRMING_IDENTITY,
    S.PREPARING_REQUEST,
    S.READING_REQUEST,
    S.SIGNING_REQUEST,
    S.SEALING_REQUEST,
)


@pytest.mark.parametrize("stage", BEFORE_NO_RETURN)
@pytest.mark.parametrize(
    ("fact", "ending", "more"),
    [
        (Cancelled(), Ending.CANCELLED, ()),
        (DeadlinePassed(deadline="part/3"), Ending.DEADLINE_PASSED, ()),
        (sf.FraudSuspected(reason="r"), Ending.FRAUD_SUSPECTED, (FRAUD,)),
        (sf.FraudReported(reason="r", by="Ada"), Ending.FRAUD_SUSPECTED, (FRAUD,)),
        (sf.AccountChanged(fields=("mobile",)), Ending.ACCOUNT_CHANGED, ()),
        (sf.LcpRevoked(at=NOW), Ending.LCP_REVOKED, ()),
    ],
)
def test_before_the_point_of_no_return_it_can_always_end(
    stage: Stage, fact: Fact, ending: Ending, more: tuple[Effect, ...]
) -> None:
    check_closed(record(stage, deadline=LIMIT), fact, ending, *more)


@pytest.mark.parametrize("stage", BEFORE_NO_RETURN)
def test_a_stale_deadline_changes_nothing_and_silence_is_told(stage: Stage) -> None:
    check_nothing(record(stage, deadline=LIMIT), DeadlinePassed(deadline="part/2"))
    check_nothing(record(stage, deadline=LIMIT), DeadlinePassed(deadline="part/2"), LIMIT.at)
    check_nothing(record(stage), DeadlinePassed(deadline="part/3"))
    check_step(record(stage), SilenceNoted(about="x"), Alert(what="silence", about="sub-7: x"))


@pytest.mark.parametrize("stage", [S.AWAITING_CERTIFICATE, S.ACTIVE, S.REVOKING])
def test_after_it_neither_a_wish_nor_time_ends_it(stage: Stage) -> None:
    check_refused(record(stage), Cancelled(), "no_row")
    check_nothing(record(stage), DeadlinePassed(deadline="part/3"))
    check_step(record(stage), SilenceNoted(about="x"), Alert(what="silence", about="sub-7: x"))


def test_a_person_who_comes_at_the_deadline_is_too_late() -> None:
    before = record(S.CONFIRMING_DETAILS, deadline=LIMIT)
    check_step(before, sf.DetailsConfirmed(), now=LIMIT.at - BLINK, stage=S.CONSENTING)
    for fact in (sf.DetailsConfirmed(), sf.LcpRevoked(at=NOW)):
        check_closed(before, fact, Ending.DEADLINE_PASSED, now=LIMIT.at)
    check_closed(before, DeadlinePassed(deadline="part/3"), Ending.DEADLINE_PASSED, now=LIMIT.at + DAY)


def test_an_answer_after_the_deadline_is_settled_in_the_same_step() -> None:
    before = record(S.HOLDING_FUNDS, money=Money(MoneyState.HOLDING, 1), deadline=LIMIT)
    check_step(
        before,
        sf.FundsHeld(attempt=1, hold=HOLD),
        closed("deadline_passed"),
        RELEASE,
        now=LIMIT.at,
        stage=S.CLOSED,
        money=RELEASING,
        deadline=None,
        ending=Ending.DEADLINE_PASSED,
    )
    proving = record(S.PROVING_IDENTITY, deadline=LIMIT)
    check_closed(proving, approval(session=ANOTHER), Ending.DEADLINE_PASSED, now=LIMIT.at)


@pytest.mark.parametrize(("after", "said"), [(-BLINK, None), (timedelta(0), "part/3"), (HOUR, "part/3")])
def test_which_deadline_has_passed(after: timedelta, said: str | None) -> None:
    expected = DeadlinePassed(deadline=said) if said else None
    assert overdue(record(S.CONSENTING, deadline=LIMIT), LIMIT.at + after) == expected
    assert overdue(record(S.CONSENTING), LIMIT.at + after) is None


def test_rows_are_made_for_a_reason() -> None:
    """Both makers of rows, apart from the rows that they made."""
    open_ = record(S.CONFIRMING_DETAILS, deadline=LIMIT)
    assert closing(Ending.DETAILS_WRONG)(open_, Cancelled(), NOW) == (
        evolve(open_, sequence=8, stage=S.CLOSED, money=RELEASING, deadline=None, ending=Ending.DETAILS_WRONG),
        (RELEASE, closed("details_wrong")),
    )
    limit = Deadline("leaving/8", NOW + 50 * MINUTE)
    assert leaving(Ending.LCP_REVOKED)(REGISTERING, Cancelled(), NOW) == (
        evolve(REGISTERING, sequence=8, ending=Ending.LCP_REVOKED, deadline=limit),
        (
            se.CloseRegistration(opened_by=Key("sub-7/4/0"), session=SESSION),
            Wake(at=limit.at, fact=DeadlinePassed(deadline="leaving/8")),
        ),
    )
    assert leaving(Ending.LCP_REVOKED)(LEAVING, Cancelled(), NOW) == (LEAVING, ())


@pytest.mark.parametrize(
    ("say", "where"),
    [
        (lambda: consent(CONSENTS[0], " "), "version"),
        (lambda: sf.FraudReported(reason="r", by=""), "by"),
        (lambda: sf.EndReported(revoked=True, at=NOW, evidence=" ", by="Ada"), "evidence"),
        (lambda: sf.EndReported(revoked=True, at=NOW, evidence="mail", by=""), "by"),
    ],
)
def test_what_must_be_said_is_not_empty(say: Callable[[], Fact], where: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        say()
    assert str(refused.value).startswith(f"{where}: ")


# --- what only one may own (invariant 4) ------------------------------------------------------------------------

SLOT = "11:certificate6:tenant7:account2:CA1:1"
OPEN = "12:subscription6:tenant7:account"


@pytest.mark.parametrize("stage", Stage)
def test_claims(stage: Stage) -> None:
    expected = set() if stage in FINAL else {SLOT} if stage in (S.ACTIVE, S.REVOKING) else {SLOT, OPEN}
    assert claims(record(stage)) == expected
