"""The ceremony machine, fact by fact: the whole record that follows, and everything that is asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk import notices
from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.machine import CEREMONY_SETTLEMENTS, CEREMONY_TRANSITIONS, claims, sayable, step
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyPlan, CeremonyStage
from qcp_sdk.ceremony.state import Ceremony, Preparation, Progress, SignerChallenge
from qcp_sdk.collectes import Collecte, Document, Signatory
from qcp_sdk.effects import Alert, Effect, Notify, Wake
from qcp_sdk.errors import CodeRefused, FactRefused
from qcp_sdk.facts import CodeRequested, DeadlinePassed, Fact, Origin, ReminderDue, SilenceNoted
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.otp import Codes
from qcp_sdk.testing.exploration.subscription import FIRST
from qcp_sdk.values import (
    CeremonyId,
    ChallengeId,
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    PersonName,
    PhoneNumber,
    SessionId,
    SignatoryId,
    TenantId,
)

S = CeremonyStage
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
BLINK, SECOND, MINUTE, HOUR, DAY = (
    timedelta(microseconds=1),
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
ID, COLLECTE = CeremonyId("cer-7"), CollecteId("collecte")
DEADLINE = NOW + 15 * DAY


def content(digit: str) -> ContentHash:
    return ContentHash(f"sha256:{digit * 64}")


ONE, TWO = (
    Document(id=DocumentId(name), name=f"{name}.pdf", content=content(digit))
    for name, digit in (("one", "a"), ("two", "b"))
)
ME = Signatory(
    id=SignatoryId("me"),
    name=PersonName(given="Jessica", last="Poussart"),
    email=EmailAddress("jessica@cabinet.example"),
    mobile=PhoneNumber("+33639981316"),
    level=SignatureLevel.NIVEAU_3,
    language="en",
)
BEFORE_ME = evolve(ME, id=SignatoryId("first"), name=PersonName(given="Irène", last="Faron"))
OPENED = cf.CeremonyOpened(
    id=ID,
    collecte=Collecte(
        id=COLLECTE,
        title="Accounts",
        sender="Cabinet",
        documents=(ONE, TWO),
        signatories=(BEFORE_ME, ME),
        deadline=DEADLINE,
        tenant=TenantId("tenant"),
    ),
    signatory=SignatoryId("me"),
    certificate=FIRST,
    decision="sha256:d",
    my_turn=True,
    waits=cf.CeremonyWaits(lease=4 * MINUTE, reminder=2 * DAY),
)
HOSTED = evolve(OPENED, plan=CeremonyPlan.HOSTED, certificate=None)
TO_ME = notices.Recipient(name=ME.name, email=ME.email, mobile=ME.mobile, language="en")
CODE = ChallengeId("code")
SESSION, ANOTHER = SessionId("session"), SessionId("another")
LEASE = NOW + 3 * MINUTE
BARE = (Progress(document=ONE), Progress(document=TWO))


def preparation(name: str) -> Preparation:
    return Preparation(
        base=content("c"), prepared=content("d"), digest=name.encode(), state=b"state of " + name.encode()
    )


PREPARED = tuple(evolve(one, preparation=preparation(one.document.id)) for one in BARE)
VALUED = tuple(evolve(one, value=b"value of " + one.document.id.encode()) for one in PREPARED)
CHALLENGE = SignerChallenge(id=CODE, not_after=NOW + MINUTE, masked="*****1316", wrong=1)


def record(stage: CeremonyStage, **parts: Any) -> Ceremony:
    """Give the record of a ceremony at this stage, seven facts old."""
    bare = Ceremony(id=ID, sequence=7, stage=stage, opened=OPENED, documents=BARE)
    return evolve(bare, **parts)


AWAITING = record(
    S.AWAITING_CODE, round=2, lease_until=LEASE, documents=PREPARED, challenge=CHALLENGE, consented_at=NOW
)
SIGNING = evolve(AWAITING, stage=S.SIGNING)
AT_PROVIDER = record(
    S.SIGNING_AT_PROVIDER, opened=HOSTED, lease_until=DEADLINE, session=SESSION, url="https://tsp.example/t"
)
OVER: dict[str, Any] = {"lease_until": None, "challenge": None}
"""What every end clears."""


def tell(notice: type[notices.SigningNotice], attachments: tuple[notices.Attachment, ...] = (), **more: Any) -> Notify:
    told = notice(
        ceremony=ID,
        title="Accounts",
        sender="Cabinet",
        documents=("one.pdf", "two.pdf"),
        level=SignatureLevel.NIVEAU_3,
        deadline=DEADLINE,
        **more,
    )
    return Notify(to=TO_ME, notice=told, attachments=attachments)


def failed(reason: str, *names: str) -> Notify:
    return tell(notices.SigningFailed, failed=names or ("one.pdf", "two.pdf"), reason=reason)


def check_step(before: Ceremony, fact: Fact, *asked: Effect, now: datetime = NOW, **changes: Any) -> Ceremony:
    """One fact later, these parts are replaced and no others, and exactly this is asked for."""
    after, effects = step(before, fact, now)
    assert after == evolve(before, sequence=before.sequence + 1, **changes)
    assert effects == asked
    rows = CEREMONY_TRANSITIONS[before.stage]
    late = now >= DEADLINE and fact.origin is Origin.PERSON
    row = rows.get(DeadlinePassed if late else type(fact))
    assert after.stage is before.stage or (row is not None and after.stage in row.to)
    return after


def check_nothing(before: Ceremony, fact: Fact, now: datetime = NOW) -> None:
    """The very same record, and nothing is asked for."""
    after, effects = step(before, fact, now)
    assert after is before
    assert effects == ()


def check_refused(before: Ceremony | None, fact: Fact, reason: str, now: datetime = NOW) -> FactRefused:
    with pytest.raises(FactRefused) as refused:
        step(before, fact, now)
    assert refused.value.reason == reason
    return refused.value


def check_failed(before: Ceremony, fact: Fact, reason: str, now: datetime = NOW, **changes: Any) -> None:
    """Nothing could be signed: the collecte ends, the signatory and an operator are told."""
    check_step(
        before,
        fact,
        ce.EndCollecte(collecte=COLLECTE, cause="failed"),
        failed(reason),
        Alert(what="signing_failed", about=f"cer-7: {reason}"),
        now=now,
        stage=S.FAILED,
        reason=reason,
        **OVER,
        **changes,
    )


def check_lapsed(before: Ceremony, fact: Fact, cause: str, *more: Effect, now: datetime = NOW, **changes: Any) -> None:
    told = tell(notices.SigningLapsed, cause=cause)
    check_step(before, fact, told, *more, now=now, stage=S.LAPSED, reason=cause, **OVER, **changes)


def check_declined(before: Ceremony, fact: Fact, why: str, *more: Effect, now: datetime = NOW, **changes: Any) -> None:
    check_step(
        before,
        fact,
        ce.EndCollecte(collecte=COLLECTE, cause="refused"),
        tell(notices.SigningRefused, by="Jessica Poussart", reason=why),
        *more,
        now=now,
        stage=S.REFUSED,
        reason=why,
        **OVER,
        **changes,
    )


# --- opening ----------------------------------------------------------------------------------------------------

WAITS = (
    Wake(at=DEADLINE, fact=DeadlinePassed(deadline="collecte")),
    Wake(at=DEADLINE - 2 * DAY, fact=ReminderDue(reminder="sign")),
)


def born(stage: CeremonyStage, **parts: Any) -> Ceremony:
    return evolve(record(stage, **parts), sequence=1)


def test_whose_turn_it_is_is_invited_to_consent() -> None:
    assert step(None, OPENED, NOW) == (
        born(S.CONSENTING),
        (tell(notices.Invitation, now=True), *WAITS),
    )


def test_whose_turn_comes_later_waits() -> None:
    later = evolve(OPENED, my_turn=False)
    waiting, asked = step(None, later, NOW)
    assert (waiting, asked) == (
        born(S.WAITING_TURN, opened=later),
        (tell(notices.Invitation, now=False), *WAITS),
    )
    check_step(waiting, cf.TurnArrived(), tell(notices.TurnCame), stage=S.CONSENTING)
    check_nothing(waiting, ReminderDue(reminder="sign"))


def test_a_hosted_page_is_opened_and_keeps_the_documents() -> None:
    opened = ce.OpenTransaction(ceremony=ID)
    assert step(None, HOSTED, NOW) == (
        born(S.SIGNING_AT_PROVIDER, opened=HOSTED, lease_until=DEADLINE),
        (tell(notices.Invitation, now=True), opened, *WAITS),
    )
    waiting = record(S.WAITING_TURN, opened=HOSTED)
    check_step(
        waiting,
        cf.TurnArrived(),
        tell(notices.TurnCame),
        opened,
        stage=S.SIGNING_AT_PROVIDER,
        lease_until=DEADLINE,
    )


@pytest.mark.parametrize(("before", "waits"), [(2 * DAY, WAITS[:1]), (2 * DAY + BLINK, WAITS), (BLINK, WAITS[:1])])
def test_a_reminder_that_is_too_late_is_left_out(before: timedelta, waits: tuple[Wake, ...]) -> None:
    _, asked = step(None, OPENED, DEADLINE - before)
    assert asked[1:] == waits


def test_what_cannot_be_signed_is_not_opened() -> None:
    check_refused(None, OPENED, "deadline_passed", DEADLINE)
    check_refused(None, evolve(OPENED, certificate=None), "no_certificate")
    check_refused(None, evolve(OPENED, signatory=SignatoryId("nobody")), "unknown_signatory")
    assert "declined" in str(check_refused(None, cf.Declined(), "not_open"))


# --- consent and code -------------------------------------------------------------------------------------------


def consent(*documents: tuple[str, str]) -> cf.DocumentsConsented:
    return cf.DocumentsConsented(documents=tuple((DocumentId(name), content(digit)) for name, digit in documents))


def test_the_consent_is_to_every_document_by_its_very_hash() -> None:
    before = record(S.CONSENTING)
    check_step(before, consent(("two", "b"), ("one", "a")), stage=S.AWAITING_CODE, consented_at=NOW)
    for wrong in (
        consent(("one", "a")),
        consent(("one", "a"), ("two", "c")),
        consent(("one", "a"), ("two", "b"), ("two", "b")),
        consent(("one", "a"), ("two", "b"), ("three", "c")),
        consent(),
    ):
        check_refused(before, wrong, "hash_differs")


def prepare(round_: int, document: Document) -> ce.PrepareSignature:
    return ce.PrepareSignature(
        round=round_, document=document.id, validated=document.content, fingerprint=FIRST.fingerprint
    )


def challenge(round_: int, *digests: bytes) -> ce.ChallengeSigner:
    return ce.ChallengeSigner(round=round_, fingerprint=FIRST.fingerprint, digests=digests, language="en")


def lease(round_: int, now: datetime = NOW) -> Wake:
    return Wake(at=now + 4 * MINUTE, fact=DeadlinePassed(deadline=f"lease/{round_}"))


def test_a_code_reserves_the_documents_and_has_them_prepared() -> None:
    earlier = (NOW - HOUR, NOW - HOUR + BLINK)
    check_step(
        record(S.AWAITING_CODE, codes=Codes(issued=2, requested=earlier), problem="lease_ended", round=2),
        CodeRequested(),
        prepare(3, ONE),
        prepare(3, TWO),
        lease(3),
        codes=Codes(issued=3, requested=(NOW - HOUR + BLINK, NOW)),
        round=3,
        lease_until=NOW + 4 * MINUTE,
        problem="",
    )


def test_what_is_prepared_is_kept_while_it_is_reserved() -> None:
    check_step(
        AWAITING,
        CodeRequested(),
        challenge(3, b"one", b"two"),
        lease(3),
        codes=Codes(issued=1, requested=(NOW,)),
        round=3,
        lease_until=NOW + 4 * MINUTE,
        challenge=None,
    )
    # Not after the lease: the bytes that it rests on may have changed.
    check_step(
        evolve(AWAITING, lease_until=None),
        CodeRequested(),
        prepare(3, ONE),
        prepare(3, TWO),
        lease(3),
        codes=Codes(issued=1, requested=(NOW,)),
        round=3,
        lease_until=NOW + 4 * MINUTE,
        challenge=None,
        documents=BARE,
    )
    # Nor while one is missing.
    check_step(
        evolve(AWAITING, documents=(PREPARED[0], BARE[1])),
        CodeRequested(),
        prepare(3, ONE),
        prepare(3, TWO),
        lease(3),
        codes=Codes(issued=1, requested=(NOW,)),
        round=3,
        lease_until=NOW + 4 * MINUTE,
        challenge=None,
        documents=BARE,
    )


BROKEN = evolve(BARE[0], failed="encrypted")
GIVEN_UP = evolve(PREPARED[0], failed="revoked")
"""Failed after it was prepared: what was made of it stays on record and is used no more."""


def test_an_activation_that_was_lost_goes_with_what_it_was_to_sign() -> None:
    lost = evolve(AWAITING, lost=CODE)
    kept, _ = step(lost, CodeRequested(), NOW)
    assert kept.lost == CODE
    anew, _ = step(evolve(lost, lease_until=None), CodeRequested(), NOW)
    assert anew.lost is None
    freed, _ = step(lost, DeadlinePassed(deadline="lease/2"), LEASE)
    assert freed.lost is None


def test_a_document_that_failed_is_left_out_of_the_next_round() -> None:
    both: dict[str, Any] = {
        "codes": Codes(issued=1, requested=(NOW,)),
        "round": 3,
        "lease_until": NOW + 4 * MINUTE,
        "challenge": None,
    }
    check_step(
        evolve(AWAITING, documents=(BROKEN, PREPARED[1])), CodeRequested(), challenge(3, b"two"), lease(3), **both
    )
    check_step(evolve(AWAITING, documents=(BROKEN, BARE[1])), CodeRequested(), prepare(3, TWO), lease(3), **both)
    check_step(
        evolve(AWAITING, documents=(GIVEN_UP, PREPARED[1])), CodeRequested(), challenge(3, b"two"), lease(3), **both
    )


def test_codes_are_half_a_minute_apart_here_too() -> None:
    before = evolve(AWAITING, codes=Codes(issued=1, requested=(NOW,)))
    check_refused(before, CodeRequested(), "too_soon", NOW + 29 * SECOND)
    after, _ = step(before, CodeRequested(), NOW + 30 * SECOND)
    assert after.round == 3


def document_prepared(document: Document, round_: int = 2) -> cf.DocumentPrepared:
    made = preparation(document.id)
    return cf.DocumentPrepared(
        round=round_,
        document=document.id,
        base=made.base,
        prepared=made.prepared,
        digest=made.digest,
        state=made.state,
    )


PREPARING = evolve(AWAITING, documents=BARE, challenge=None)


def test_when_all_are_prepared_the_signer_is_asked() -> None:
    half = check_step(PREPARING, document_prepared(TWO), documents=(BARE[0], PREPARED[1]))
    check_step(half, document_prepared(ONE), challenge(2, b"one", b"two"), documents=PREPARED)
    check_step(
        evolve(PREPARING, documents=(BROKEN, BARE[1])),
        document_prepared(TWO),
        challenge(2, b"two"),
        documents=(BROKEN, PREPARED[1]),
    )


def test_one_file_that_fails_costs_no_other() -> None:
    no = cf.DocumentFailed(round=2, document=ONE.id, reason="encrypted")
    check_step(PREPARING, no, documents=(BROKEN, BARE[1]))
    check_step(
        evolve(PREPARING, documents=(BARE[0], PREPARED[1])),
        no,
        challenge(2, b"two"),
        documents=(BROKEN, PREPARED[1]),
    )
    other = evolve(BARE[1], failed="too large")
    check_failed(evolve(PREPARING, documents=(BARE[0], other)), no, "encrypted", documents=(BROKEN, other))


@pytest.mark.parametrize(
    "fact", [document_prepared(ONE), cf.DocumentFailed(round=2, document=ONE.id, reason="encrypted")]
)
def test_an_answer_about_another_round_or_document_changes_nothing(fact: Any) -> None:
    check_nothing(PREPARING, evolve(fact, round=1))
    check_nothing(PREPARING, evolve(fact, document=DocumentId("three")))
    check_nothing(evolve(PREPARING, lease_until=None), fact)
    check_nothing(evolve(PREPARING, documents=(BROKEN, BARE[1])), fact)
    check_nothing(evolve(PREPARING, documents=(PREPARED[0], BARE[1])), fact)


SENT = cf.ChallengeOpened(round=2, challenge=CODE, not_after=NOW + MINUTE, masked="*****1316")
ASKED = evolve(AWAITING, challenge=None, problem="unavailable")


def test_the_code_is_on_its_way() -> None:
    check_step(ASKED, SENT, challenge=evolve(CHALLENGE, wrong=0), problem="")
    for before in (
        AWAITING,
        evolve(ASKED, lease_until=None),
        evolve(ASKED, documents=BARE),
        evolve(ASKED, documents=(PREPARED[0], BARE[1])),
        evolve(ASKED, round=3),
    ):
        check_nothing(before, SENT)
    part = evolve(ASKED, documents=(BROKEN, PREPARED[1]))
    check_step(part, SENT, challenge=evolve(CHALLENGE, wrong=0), problem="")


def test_the_signer_sends_no_code() -> None:
    no = cf.ChallengeRefused(round=2, reason="busy")
    check_step(ASKED, no, problem="busy")
    check_nothing(AWAITING, no)
    check_nothing(ASKED, evolve(no, round=1))
    for reason in ("unknown_credential", "disabled", "too_many"):
        check_failed(ASKED, evolve(no, reason=reason), reason)


# --- activation -------------------------------------------------------------------------------------------------

ACTIVATE = cf.ActivationAsked(challenge=CODE, allowed=True)


def test_a_code_is_shown_to_the_signer_who_has_two_minutes() -> None:
    check_step(
        evolve(AWAITING, problem="wrong_code", challenge=evolve(CHALLENGE, wrong=4)),
        ACTIVATE,
        Wake(at=NOW + MINUTE - BLINK + 2 * MINUTE, fact=cf.ActivationLost(challenge=CODE)),
        now=NOW + MINUTE - BLINK,
        stage=S.SIGNING,
        problem="",
    )


def test_a_code_that_cannot_be_right_is_not_shown_to_the_signer() -> None:
    check_refused(ASKED, ACTIVATE, "none_sent")
    check_refused(AWAITING, evolve(ACTIVATE, challenge=ChallengeId("old")), "superseded")
    check_refused(AWAITING, ACTIVATE, "expired", NOW + MINUTE)
    for wrong in (5, 6):
        refused = check_refused(evolve(AWAITING, challenge=evolve(CHALLENGE, wrong=wrong)), ACTIVATE, "too_many_tries")
        assert isinstance(refused, CodeRefused)
        assert refused.tries_left == 0


def test_the_policy_is_asked_again_at_that_very_moment() -> None:
    check_failed(AWAITING, evolve(ACTIVATE, allowed=False), "level_no_longer_allowed")


def refused_by_signer(reason: str) -> cf.ActivationRefused:
    return cf.ActivationRefused(challenge=CODE, reason=reason)


def test_a_wrong_code_counts_and_every_other_reason_needs_a_new_one() -> None:
    back: dict[str, Any] = {"stage": S.AWAITING_CODE, "handle": ""}
    before = evolve(SIGNING, handle="h", lost=ChallengeId("older"))
    check_step(
        before,
        refused_by_signer("wrong_code"),
        problem="wrong_code",
        challenge=evolve(CHALLENGE, wrong=2),
        lost=None,
        **back,
    )
    check_step(before, refused_by_signer("expired"), problem="expired", challenge=None, lost=None, **back)
    check_step(before, refused_by_signer("unavailable"), problem="unavailable", **back)
    check_nothing(before, evolve(refused_by_signer("wrong_code"), challenge=ChallengeId("old")))
    check_failed(before, refused_by_signer("disabled"), "disabled")


def test_a_refusal_after_the_answers_comes_too_late() -> None:
    check_nothing(evolve(SIGNING, documents=VALUED), refused_by_signer("wrong_code"))
    check_nothing(evolve(SIGNING, documents=(VALUED[0], BROKEN)), refused_by_signer("disabled"))
    check_nothing(evolve(SIGNING, documents=VALUED), cf.ActivationLost(challenge=CODE))


def test_a_refusal_of_an_activation_that_was_given_up_is_heard_while_its_answer_is_waited_for() -> None:
    waiting = evolve(SIGNING, challenge=None, lost=CODE, handle="h")
    back: dict[str, Any] = {"stage": S.AWAITING_CODE, "handle": "", "lost": None}
    check_step(waiting, refused_by_signer("wrong_code"), problem="wrong_code", **back)
    check_nothing(evolve(waiting, handle=""), refused_by_signer("wrong_code"))
    check_nothing(evolve(waiting, lost=None), refused_by_signer("wrong_code"))


def test_after_the_lease_the_documents_are_free_again() -> None:
    over: dict[str, Any] = {
        "stage": S.AWAITING_CODE,
        "handle": "",
        "lease_until": None,
        "documents": (GIVEN_UP, BARE[1]),
        "challenge": None,
        "lost": None,
    }
    before = evolve(SIGNING, documents=(GIVEN_UP, PREPARED[1]), lost=ChallengeId("older"))
    check_step(before, refused_by_signer("wrong_code"), now=LEASE, problem="wrong_code", **over)
    check_step(before, refused_by_signer("unavailable"), now=LEASE, problem="unavailable", **over)
    in_time = check_step(
        before,
        refused_by_signer("unavailable"),
        now=LEASE - BLINK,
        problem="unavailable",
        stage=S.AWAITING_CODE,
        handle="",
    )
    check_step(
        evolve(in_time, stage=S.SIGNING, lease_until=None),
        refused_by_signer("unavailable"),
        now=LEASE,
        problem="unavailable",
        stage=S.AWAITING_CODE,
    )


def test_an_activation_without_an_answer_is_given_up_for_lost() -> None:
    lost = cf.ActivationLost(challenge=CODE)
    check_step(SIGNING, lost, stage=S.AWAITING_CODE, problem="activation_lost", challenge=None, handle="", lost=CODE)
    check_nothing(evolve(SIGNING, handle="h"), lost)
    check_nothing(SIGNING, evolve(lost, challenge=ChallengeId("old")))
    check_nothing(evolve(SIGNING, challenge=None), lost)
    check_lapsed(evolve(SIGNING, ended="cancelled"), lost, "cancelled")


LATER = cf.SigningDelayed(challenge=CODE, handle="h-1")
POLL = ce.PollSigning(challenge=CODE, handle="h-1")


def test_a_signer_who_answers_later_is_asked_again() -> None:
    once = check_step(SIGNING, LATER, POLL, handle="h-1")
    check_nothing(once, evolve(LATER, handle="h-2"))
    check_nothing(SIGNING, evolve(LATER, challenge=ChallengeId("old")))
    check_nothing(evolve(SIGNING, challenge=None), LATER)


def test_an_activation_that_was_given_up_may_be_delayed_after_all() -> None:
    lost = evolve(AWAITING, lost=CODE, challenge=evolve(CHALLENGE, id=ChallengeId("new")), problem="activation_lost")
    check_step(lost, LATER, POLL, stage=S.SIGNING, handle="h-1", challenge=None, problem="")
    partly = evolve(lost, documents=(BROKEN, PREPARED[1]))
    check_step(partly, LATER, POLL, stage=S.SIGNING, handle="h-1", challenge=None, problem="")
    check_nothing(lost, evolve(LATER, challenge=ChallengeId("older")))
    check_nothing(evolve(lost, lease_until=None), LATER)
    check_nothing(evolve(lost, documents=(PREPARED[0], BARE[1])), LATER)


# --- signatures -------------------------------------------------------------------------------------------------


def answers(signed: tuple[str, ...] = (), refused: tuple[tuple[str, str], ...] = ()) -> cf.HashesAnswered:
    return cf.HashesAnswered(
        challenge=CODE,
        signed=tuple((name.encode(), b"value of " + name.encode()) for name in signed),
        refused=tuple((name.encode(), why) for name, why in refused),
    )


def embed(document: Document) -> ce.EmbedSignature:
    made = preparation(document.id)
    return ce.EmbedSignature(
        document=document.id,
        fingerprint=FIRST.fingerprint,
        base=made.base,
        prepared=made.prepared,
        digest=made.digest,
        state=made.state,
        value=b"value of " + document.id.encode(),
    )


@pytest.mark.parametrize("before", [evolve(SIGNING, handle="h"), evolve(AWAITING, lost=CODE)])
def test_each_value_goes_into_its_document(before: Ceremony) -> None:
    check_step(
        before,
        answers(("two", "one")),
        embed(ONE),
        embed(TWO),
        stage=S.SIGNING,
        documents=VALUED,
        handle="",
    )


def not_signed(one: Progress, why: str) -> Progress:
    return evolve(one, failed=why)


def test_each_refusal_fails_only_its_own_document() -> None:
    before = evolve(SIGNING, handle="h")
    mixed: dict[str, Any] = {"stage": S.SIGNING, "handle": ""}
    check_step(
        before,
        answers(("one",), (("two", "revoked"),)),
        embed(ONE),
        documents=(VALUED[0], not_signed(PREPARED[1], "revoked")),
        **mixed,
    )
    check_step(
        before,
        answers(("two",)),
        embed(TWO),
        documents=(not_signed(PREPARED[0], "not_answered"), VALUED[1]),
        **mixed,
    )
    check_step(
        evolve(before, documents=(BROKEN, PREPARED[1])),
        answers(("two",)),
        embed(TWO),
        documents=(BROKEN, VALUED[1]),
        **mixed,
    )
    check_step(
        evolve(before, documents=(GIVEN_UP, PREPARED[1])),
        answers(("one", "two")),
        embed(TWO),
        documents=(GIVEN_UP, VALUED[1]),
        **mixed,
    )
    check_step(
        evolve(before, documents=(VALUED[0], PREPARED[1])),
        answers(("one", "two")),
        embed(TWO),
        documents=VALUED,
        **mixed,
    )
    check_step(
        evolve(before, documents=(PREPARED[0], BARE[1])),
        answers(("one",)),
        embed(ONE),
        documents=(VALUED[0], BARE[1]),
        **mixed,
    )


def test_when_every_hash_is_refused_nothing_is_signed() -> None:
    check_failed(
        evolve(SIGNING, handle="h"),
        answers((), (("one", "revoked"), ("two", "other"))),
        "revoked",
        documents=(not_signed(PREPARED[0], "revoked"), not_signed(PREPARED[1], "other")),
    )


def test_answers_to_other_digests_or_given_twice_change_nothing() -> None:
    check_nothing(SIGNING, answers(("three",)))
    check_nothing(evolve(SIGNING, documents=VALUED), answers(("one", "two")))
    check_nothing(evolve(AWAITING, documents=BARE), answers(("one", "two")))
    done = tuple(evolve(one, signed=content("e")) for one in VALUED)
    check_nothing(evolve(SIGNING, documents=(done[0], VALUED[1])), answers(("one",)))


SIGNED = tuple(evolve(one, signed=content("e"), revision=2) for one in VALUED)
PASS = ce.PassTurn(collecte=COLLECTE)


def signed(document: Document) -> cf.DocumentSigned:
    return cf.DocumentSigned(document=document.id, content=content("e"), revision=2)


def test_when_all_are_signed_the_turn_is_passed() -> None:
    half = check_step(evolve(SIGNING, documents=VALUED), signed(TWO), documents=(VALUED[0], SIGNED[1]))
    check_nothing(half, signed(TWO))
    check_nothing(half, evolve(signed(ONE), document=DocumentId("three")))
    check_step(half, signed(ONE), PASS, documents=SIGNED, stage=S.SIGNED, **OVER)


def test_some_signed_and_some_not_is_partly_signed() -> None:
    no = cf.EmbeddingFailed(document=ONE.id, reason="damaged")
    lost = not_signed(VALUED[0], "damaged")
    check_step(evolve(SIGNING, documents=VALUED), no, documents=(lost, VALUED[1]))
    check_nothing(evolve(SIGNING, documents=VALUED), evolve(no, document=DocumentId("three")))
    check_nothing(evolve(SIGNING, documents=(SIGNED[0], VALUED[1])), no)
    check_step(
        evolve(SIGNING, documents=(VALUED[0], SIGNED[1])),
        no,
        PASS,
        failed("damaged", "one.pdf"),
        Alert(what="partly_signed", about="cer-7: damaged"),
        documents=(lost, SIGNED[1]),
        stage=S.PARTLY_SIGNED,
        reason="damaged",
        **OVER,
    )
    other = not_signed(VALUED[1], "other")
    check_failed(evolve(SIGNING, documents=(VALUED[0], other)), no, "damaged", documents=(lost, other))


# --- ends -------------------------------------------------------------------------------------------------------

COLLECTES = DeadlinePassed(deadline="collecte")
CANCELLED = cf.CollecteEnded(cause="cancelled")
NO = cf.Declined(reason="wrong figures")


@pytest.mark.parametrize("before", [record(S.WAITING_TURN), record(S.CONSENTING), AWAITING])
def test_until_a_code_is_shown_to_the_signer_it_can_end(before: Ceremony) -> None:
    check_lapsed(before, CANCELLED, "cancelled")
    check_lapsed(before, COLLECTES, "deadline", now=DEADLINE)
    check_declined(before, NO, "wrong figures", now=DEADLINE - BLINK)
    check_step(before, SilenceNoted(about="x"), Alert(what="silence", about="cer-7: x"))
    check_nothing(before, DeadlinePassed(deadline="leaving"))


@pytest.mark.parametrize("before", [record(S.CONSENTING), AWAITING, AT_PROVIDER])
def test_who_may_sign_is_reminded(before: Ceremony) -> None:
    check_step(before, ReminderDue(reminder="sign"), tell(notices.SigningReminder))


def test_the_end_of_the_lease_gives_the_documents_back() -> None:
    over = DeadlinePassed(deadline="lease/2")
    after = check_step(
        evolve(AWAITING, documents=(BROKEN, PREPARED[1])),
        over,
        lease_until=None,
        challenge=None,
        problem="lease_ended",
        documents=(BROKEN, BARE[1]),
    )
    check_nothing(after, over)
    check_nothing(AWAITING, DeadlinePassed(deadline="lease/1"))


def test_a_person_who_comes_at_the_deadline_is_too_late() -> None:
    for fact in (ACTIVATE, NO, CodeRequested()):
        check_lapsed(AWAITING, fact, "deadline", now=DEADLINE)
    check_lapsed(AWAITING, COLLECTES, "deadline", now=DEADLINE)
    # An answer is none the worse for it.
    check_step(ASKED, SENT, now=DEADLINE, challenge=evolve(CHALLENGE, wrong=0), problem="")


def test_an_end_while_the_signer_answers_takes_effect_when_the_answer_is_no() -> None:
    ended = check_step(SIGNING, CANCELLED, ended="cancelled")
    check_nothing(ended, COLLECTES)
    check_step(SIGNING, COLLECTES, ended="deadline")
    check_nothing(SIGNING, DeadlinePassed(deadline="lease/2"))
    check_step(SIGNING, SilenceNoted(about="x"), Alert(what="silence", about="cer-7: x"))
    check_lapsed(ended, refused_by_signer("wrong_code"), "cancelled")
    check_lapsed(ended, refused_by_signer("unavailable"), "cancelled")
    after, _ = step(ended, answers(("one", "two")), NOW)
    assert after.stage is S.SIGNING
    check_refused(SIGNING, NO, "no_row")


# --- hosted: the provider's page --------------------------------------------------------------------------------

CLOSE = ce.CloseTransaction(session=SESSION)
UNSEEN = evolve(AT_PROVIDER, session=None, url="")


def test_the_providers_page_waits() -> None:
    opened = cf.TransactionOpened(session=SESSION, url="https://tsp.example/t", expires=NOW + DAY)
    check_step(UNSEEN, opened, ce.AskTransaction(session=SESSION), session=SESSION, url="https://tsp.example/t")
    check_nothing(AT_PROVIDER, evolve(opened, session=ANOTHER))
    check_failed(UNSEEN, cf.TransactionRejected(reason="no"), "no")
    check_nothing(AT_PROVIDER, cf.TransactionRejected(reason="no"))


def test_signed_on_the_providers_page() -> None:
    both = cf.TransactionSigned(
        session=SESSION,
        documents=((TWO.id, content("f")), (ONE.id, content("e"))),
        revisions=((TWO.id, 3),),
    )
    check_step(
        AT_PROVIDER,
        both,
        PASS,
        documents=(
            Progress(document=ONE, signed=content("e"), revision=1),
            Progress(document=TWO, signed=content("f"), revision=3),
        ),
        session=None,
        stage=S.SIGNED,
        **OVER,
    )
    check_nothing(AT_PROVIDER, evolve(both, session=ANOTHER))
    check_step(
        AT_PROVIDER,
        evolve(both, documents=both.documents[:1]),
        PASS,
        failed("not_signed_by_provider", "one.pdf"),
        Alert(what="partly_signed", about="cer-7: not_signed_by_provider"),
        documents=(
            Progress(document=ONE, failed="not_signed_by_provider"),
            Progress(document=TWO, signed=content("f"), revision=3),
        ),
        session=None,
        stage=S.PARTLY_SIGNED,
        reason="not_signed_by_provider",
        **OVER,
    )


def test_the_page_ended_without_a_signature() -> None:
    def ended(reason: str) -> cf.TransactionEnded:
        return cf.TransactionEnded(session=SESSION, reason=reason)

    # It has ended by itself: there is nothing to close.
    check_declined(AT_PROVIDER, ended("refused"), "", session=None)
    check_lapsed(AT_PROVIDER, ended("expired"), "deadline", session=None)
    check_failed(AT_PROVIDER, ended("failed"), "failed", session=None)
    check_nothing(AT_PROVIDER, evolve(ended("failed"), session=ANOTHER))
    leaving = evolve(AT_PROVIDER, ended="cancelled")
    check_lapsed(leaving, ended("failed"), "cancelled", session=None)
    declined = evolve(AT_PROVIDER, ended="declined", reason="wrong figures")
    check_declined(declined, ended("failed"), "wrong figures", session=None)


LAST = DeadlinePassed(deadline="leaving")


@pytest.mark.parametrize(
    ("fact", "cause", "why"),
    [(CANCELLED, "cancelled", ""), (COLLECTES, "deadline", ""), (NO, "declined", "wrong figures")],
)
def test_leaving_waits_for_the_providers_last_word(fact: Fact, cause: str, why: str) -> None:
    leaving = check_step(AT_PROVIDER, fact, CLOSE, Wake(at=NOW + HOUR, fact=LAST), ended=cause, reason=why)
    check_nothing(leaving, CANCELLED)
    check_nothing(leaving, NO)
    check_nothing(leaving, COLLECTES)
    end = check_declined if cause == "declined" else check_lapsed
    end(leaving, LAST, why or cause, CLOSE, now=NOW + HOUR)
    # A page that nobody saw has no last word.
    end(UNSEEN, fact, why or cause, ended=cause)


def test_stale_waits_change_nothing_at_the_provider() -> None:
    check_nothing(AT_PROVIDER, LAST)
    check_nothing(AT_PROVIDER, DeadlinePassed(deadline="lease/2"))
    check_step(AT_PROVIDER, SilenceNoted(about="x"), Alert(what="silence", about="cer-7: x"))


# --- afterwards -------------------------------------------------------------------------------------------------

COMPLETE = cf.CollecteCompleted(documents=(("one.pdf", content("e")), ("two.pdf", content("f"))))


@pytest.mark.parametrize("stage", [S.SIGNED, S.PARTLY_SIGNED])
def test_everybody_gets_a_copy_once(stage: CeremonyStage) -> None:
    attached = (
        notices.Attachment(name="one.pdf", content=content("e")),
        notices.Attachment(name="two.pdf", content=content("f")),
    )
    copied = check_step(record(stage), COMPLETE, tell(notices.SignedCopy, attached), copied=True)
    check_nothing(copied, COMPLETE)


@pytest.mark.parametrize("stage", sorted(set(S) - {S.SIGNED, S.PARTLY_SIGNED}))
def test_no_copy_for_who_did_not_sign(stage: CeremonyStage) -> None:
    check_nothing(record(stage), COMPLETE)


@pytest.mark.parametrize("stage", sorted(CEREMONY_FINAL))
def test_a_page_that_nobody_waits_for_is_closed(stage: CeremonyStage) -> None:
    opened = cf.TransactionOpened(session=SESSION, url="u", expires=NOW)
    after = check_step(record(stage), opened, CLOSE, session=SESSION)
    check_nothing(after, opened)
    check_nothing(record(S.CONSENTING), opened)
    assert CEREMONY_TRANSITIONS[stage] == {}
    assert set(CEREMONY_SETTLEMENTS[stage]) == {cf.TransactionOpened, cf.CollecteCompleted}
    assert sayable(record(stage)) == ()


def test_other_late_answers_and_waits_change_nothing_and_words_are_refused() -> None:
    over = record(S.SIGNED)
    check_nothing(over, COLLECTES)
    check_nothing(over, LATER)
    refused = str(check_refused(over, NO, "no_row"))
    assert refused.startswith("cer-7: `declined` may not be said at `signed`")
    assert refused.endswith("at this stage: nothing")
    words = str(check_refused(record(S.CONSENTING), CodeRequested(), "no_row"))
    assert words.endswith("at this stage: documents_consented, declined")


# --- one signature at a time on each document -------------------------------------------------------------------


def test_claims() -> None:
    ours = "7:signing6:tenant8:collecte3:"
    assert claims(AWAITING) == {f"{ours}one", f"{ours}two"}
    assert claims(evolve(AWAITING, documents=(BROKEN, PREPARED[1]))) == {f"{ours}two"}
    assert claims(evolve(AWAITING, lease_until=None)) == frozenset()
    for stage in CEREMONY_FINAL:
        assert claims(evolve(AWAITING, stage=stage)) == frozenset()
