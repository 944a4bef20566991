"""What becomes of an effect once it was tried: every nature of effect against every way a try may end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from qcp_sdk.effects import Alert, Effect, Nature, SendCode
from qcp_sdk.engine import schedule
from qcp_sdk.engine.deciding import POLLS, Again, Done, Note, Park, Record, decide, fault, unrecorded
from qcp_sdk.engine.performers import PERFORMERS, QUERIES, REFUSALS, UNCONFIRMED
from qcp_sdk.errors import Conflict, FactRefused, Rejected, Unavailable, Unconfirmed
from qcp_sdk.facts import CodeUndeliverable
from qcp_sdk.otp import Purpose
from qcp_sdk.ports.answers import Pending
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.values import CabinetId, Cents, ChallengeId, EmailAddress, Fingerprint, HoldId, Key, SessionId

KEY = Key("sub-1/3/0")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOLD = se.HoldFunds(attempt=1, cabinet=CabinetId("cab"), amount=Cents(2_000), memo="sub-1")
ASK_IDENTITY = se.AskIdentity(session=SessionId("s"))
CODE = SendCode(
    challenge=ChallengeId("c"),
    purpose=Purpose.OPEN,
    subject="ada",
    to=EmailAddress("ada@example.org"),
    language="fr",
    not_after=NOW,
)
CANCEL = se.CancelIdentity(session=SessionId("s"))
ALERT = Alert(what="w")


def test_a_fact_is_recorded_and_nothing_to_say_is_done() -> None:
    held = sf.FundsHeld(attempt=1, hold=HoldId("h"))
    assert decide(HOLD, held, key=KEY, attempts=1) == Record(held)
    assert decide(ALERT, None, key=KEY, attempts=1) == Done()


def test_news_that_is_not_the_answer_is_noted_and_the_asking_goes_on() -> None:
    captured = sf.CaptureFinished(session=SessionId("s"))
    assert decide(ASK_IDENTITY, captured, key=KEY, attempts=24) == Note(captured, Again("captured", schedule.poll(24)))


@pytest.mark.parametrize(("effect", "silent"), [(ASK_IDENTITY, False), (se.AskCertificate(reference="r"), True)])
def test_not_yet_is_asked_again_and_called_silence_only_where_no_person_is_waited_for(
    effect: Effect, silent: bool
) -> None:
    assert decide(effect, Pending(note="n"), key=KEY, attempts=12) == Again("n", schedule.poll(12), silent)
    assert decide(effect, Pending(), key=KEY, attempts=11) == Again("pending", schedule.poll(11))


def test_a_refusal_is_a_fact_where_a_row_says_which_and_else_waits_for_a_person() -> None:
    refused = decide(HOLD, Rejected("no", reason="insufficient_funds"), key=KEY, attempts=1)
    assert refused == Record(sf.FundsRefused(attempt=1, reason="insufficient_funds"))
    assert decide(ALERT, Rejected("no", reason="r"), key=KEY, attempts=1) == Park("r")


@pytest.mark.parametrize("effect", [HOLD, ASK_IDENTITY, CODE, CANCEL, ALERT], ids=lambda effect: effect.kind)
@pytest.mark.parametrize("attempts", [1, 2, 7, 11, 12, 13, 24, 10_000])
def test_what_was_not_asked_is_asked_again_under_its_key_for_ever(effect: Effect, attempts: int) -> None:
    again = decide(effect, Unavailable("away"), key=KEY, attempts=attempts)
    assert again == Again("unavailable", schedule.backoff(KEY, attempts), attempts in schedule.SILENT_AFTER)


def test_what_may_have_happened_is_asked_again_unless_it_can_neither_be_repeated_nor_asked_for() -> None:
    lost = Unconfirmed("lost")
    for effect in (HOLD, ASK_IDENTITY, CANCEL):
        assert effect.nature is not Nature.NEITHER
        assert decide(effect, lost, key=KEY, attempts=1) == Again("unconfirmed", schedule.backoff(KEY, 1))
    assert CODE.nature is Nature.NEITHER
    assert decide(CODE, lost, key=KEY, attempts=1) == Record(
        CodeUndeliverable(challenge=ChallengeId("c"), reason="unconfirmed")
    )


def test_every_effect_that_is_neither_has_a_row_for_what_nobody_knows() -> None:
    assert {kind for kind in PERFORMERS if kind.nature is Nature.NEITHER} == set(UNCONFIRMED)
    assert {kind for kind in PERFORMERS if kind.nature is Nature.QUERYABLE} == set(QUERIES)
    assert set(REFUSALS) <= set(PERFORMERS)


@pytest.mark.parametrize("answer", [KeyError("Ada Martin"), "a string", 0])
def test_an_adapters_own_fault_is_tried_eight_times_and_its_words_are_kept_nowhere(answer: object) -> None:
    name = type(answer).__name__ if isinstance(answer, Exception) else "TypeError"
    assert decide(HOLD, answer, key=KEY, attempts=7) == Again(name, schedule.backoff(KEY, 7), fault=True)
    assert decide(HOLD, answer, key=KEY, attempts=schedule.MOST_FAULTS) == Park(name, fault=True)
    assert "Ada" not in repr(decide(HOLD, answer, key=KEY, attempts=1))


def test_a_poll_is_never_parked_for_a_fault() -> None:
    assert ASK_IDENTITY.kind in POLLS
    assert decide(ASK_IDENTITY, ValueError(), key=KEY, attempts=100) == Again(
        "ValueError", schedule.backoff(KEY, 100), fault=True
    )
    assert fault(ValueError(), key=KEY, kind="ask_identity", attempts=8) == Again(
        "ValueError", schedule.backoff(KEY, 8), fault=True
    )


def test_an_answer_that_is_not_taken_waits_for_a_person_unless_another_worker_has_it() -> None:
    assert unrecorded(FactRefused("no", reason="not_open")) == Park("its answer was refused: not_open")
    assert unrecorded(Conflict("taken", kind="claim", subject="x")) == Park(
        "its answer claims what another stream owns"
    )
    assert unrecorded(Conflict("fenced", kind="effect", subject="x")) is None
    assert unrecorded(Conflict("moved", kind="stream", subject="x")) is None


def test_the_waits_are_those_of_the_schedule() -> None:
    late = decide(
        se.RevokeCertificate(fingerprint=Fingerprint("f"), reason="r"), Unavailable("a"), key=KEY, attempts=30
    )
    assert isinstance(late, Again)
    assert timedelta(minutes=12) <= late.wait <= timedelta(minutes=18)
