"""One-time codes: how they are made, when they may be asked for and typed, and what is counted."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk import otp
from qcp_sdk.errors import CodeRefused
from qcp_sdk.otp import ALPHABETS, DAY, HOUR, INTERVAL, LIFETIME, Attempts, Challenge, Channel, Codes, Purpose
from qcp_sdk.values import ChallengeId, Secret

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
BLINK = timedelta(microseconds=1)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
KEY = bytes(range(32))
CODES = ["CYGBBC", "7208804", "5997532", "4679002"]
OURS, OLDER = ChallengeId("stream/request/3"), ChallengeId("stream/request/2")


def waiting(**parts: Any) -> Codes:
    """Give codes whose third challenge, for a request, waits for its code."""
    challenge = evolve(Challenge(id=OURS, purpose=Purpose.REQUEST, not_after=NOW + LIFETIME), **parts)
    return Codes(challenge=challenge, issued=3, requested=(NOW - 40 * MINUTE, NOW))


def check_refused(
    call: Callable[[], object], reason: str, *, until: datetime | None = None, tries_left: int | None = None
) -> None:
    with pytest.raises(CodeRefused) as refused:
        call()
    assert (refused.value.reason, refused.value.until, refused.value.tries_left) == (reason, until, tries_left)


# --- the numbers of behaviour § 3 -------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_specification() -> None:
    assert (3 * MINUTE, 30 * SECOND, 60 * MINUTE, timedelta(hours=24)) == (LIFETIME, INTERVAL, HOUR, DAY)
    assert (otp.HOURLY_REQUESTS, otp.WRONG_PER_CHALLENGE, otp.WRONG_PER_DAY) == (5, 5, 20)
    assert {purpose: otp.CHANNELS[purpose] for purpose in Purpose} == {
        Purpose.OPEN: Channel.EMAIL,
        Purpose.REQUEST: Channel.SMS,
        Purpose.REVOKE: Channel.SMS,
        Purpose.SIGN: Channel.SMS,
    }
    assert ALPHABETS[Channel.SMS] == ("0123456789", 7)
    letters, length = ALPHABETS[Channel.EMAIL]
    assert (len(letters), len(set(letters)), length) == (31, 31, 6)
    assert not set(letters) & set("0O1IL")


# --- making and comparing ---------------------------------------------------------------------------------------


def by_the_book(key: bytes, purpose: str, subject: str, challenge: str, *, blocks: int) -> str:
    """Derive once more, from the text: HMAC-SHA-256 over length-prefixed parts, bytes past the last multiple left."""
    letters, length = ALPHABETS[otp.CHANNELS[Purpose(purpose)]]
    parts = b"".join(len(p.encode()).to_bytes(4, "big") + p.encode() for p in (purpose, subject, challenge))
    stream = b"".join(
        hmac.new(key, number.to_bytes(4, "big") + parts, hashlib.sha256).digest() for number in range(blocks)
    )
    even = [byte for byte in stream if byte < 256 // len(letters) * len(letters)]
    return "".join(letters[byte % len(letters)] for byte in even[:length])


@pytest.mark.parametrize("purpose", Purpose)
def test_a_code_is_derived_as_written(purpose: Purpose) -> None:
    """A code that was sent must stay right after an upgrade: the derivation never changes."""
    for number in range(50):
        code = otp.derive(KEY, purpose=purpose, subject="Édith", challenge=ChallengeId(f"c/{number}")).reveal()
        assert code == by_the_book(KEY, purpose, "Édith", f"c/{number}", blocks=1)


def test_codes_that_are_out_already_stay_right() -> None:
    codes = [otp.derive(KEY, purpose=p, subject="account", challenge=ChallengeId("s/1")).reveal() for p in Purpose]
    assert codes == CODES


def test_a_block_that_is_too_short_is_followed_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty characters need more than one block of 32 bytes."""
    letters, _ = ALPHABETS[Channel.EMAIL]
    monkeypatch.setitem(ALPHABETS, Channel.EMAIL, (letters, 80))
    code = otp.derive(KEY, purpose=Purpose.OPEN, subject="account", challenge=ChallengeId("s/1")).reveal()
    assert code == by_the_book(KEY, "open", "account", "s/1", blocks=9)
    assert len(code) == 80


def test_every_letter_is_equally_likely() -> None:
    letters, _ = ALPHABETS[Channel.EMAIL]
    codes = (
        otp.derive(KEY, purpose=Purpose.OPEN, subject="account", challenge=ChallengeId(str(number))).reveal()
        for number in range(2_000)
    )
    counted = "".join(codes)
    assert set(counted) == set(letters)
    expected = len(counted) / len(letters)
    # Chi-squared, 30 degrees of freedom: 66 is passed by chance once in ten thousand; the key is fixed.
    assert sum((counted.count(letter) - expected) ** 2 / expected for letter in letters) < 66


@pytest.mark.parametrize(
    ("typed", "right"),
    [
        ("AB2CDE", True),
        ("ab2cde", True),
        (" ab2-cde ", True),
        ("AB2 CDE", True),
        ("AB2CDF", False),
        ("AB2CD", False),
        ("", False),
    ],
)
def test_entry_is_forgiving(typed: str, right: bool) -> None:
    assert otp.matches(Secret("AB2CDE"), Secret(typed)) is right


# --- asking for a code ------------------------------------------------------------------------------------------


def test_the_first_code_may_be_asked_for() -> None:
    otp.may_request(Codes(), NOW)
    assert otp.requested(Codes(), stream="stream", purpose=Purpose.OPEN, now=NOW) == Codes(
        challenge=Challenge(id=ChallengeId("stream/open/1"), purpose=Purpose.OPEN, not_after=NOW + LIFETIME),
        issued=1,
        requested=(NOW,),
    )


def test_a_new_code_replaces_the_one_before() -> None:
    before = Codes(challenge=waiting().challenge, issued=3, requested=(NOW - HOUR, NOW - HOUR + BLINK, NOW - MINUTE))
    assert otp.requested(before, stream="stream", purpose=Purpose.REVOKE, now=NOW) == Codes(
        challenge=Challenge(id=ChallengeId("stream/revoke/4"), purpose=Purpose.REVOKE, not_after=NOW + LIFETIME),
        issued=4,
        requested=(NOW - HOUR + BLINK, NOW - MINUTE, NOW),
    )


def test_two_codes_are_half_a_minute_apart() -> None:
    codes = Codes(issued=1, requested=(NOW,))
    otp.may_request(codes, NOW + INTERVAL)
    check_refused(lambda: otp.may_request(codes, NOW + INTERVAL - BLINK), "too_soon", until=NOW + INTERVAL)
    check_refused(
        lambda: otp.requested(codes, stream="s", purpose=Purpose.OPEN, now=NOW), "too_soon", until=NOW + INTERVAL
    )


def test_five_codes_an_hour() -> None:
    moments = tuple(NOW + number * MINUTE for number in range(5))
    codes = Codes(issued=5, requested=moments)
    later = NOW + 10 * MINUTE
    otp.may_request(evolve(codes, requested=moments[1:]), later)
    check_refused(lambda: otp.may_request(codes, later), "too_many_codes", until=NOW + HOUR)
    check_refused(lambda: otp.may_request(codes, NOW + HOUR - BLINK), "too_many_codes", until=NOW + HOUR)
    otp.may_request(codes, NOW + HOUR)
    # With more than five in memory it is the fifth last that has to leave the hour.
    six = evolve(codes, requested=(NOW - MINUTE, *moments))
    check_refused(lambda: otp.may_request(six, later), "too_many_codes", until=NOW + HOUR)


def test_the_last_request_is_what_the_interval_counts_from() -> None:
    codes = Codes(issued=2, requested=(NOW - 10 * MINUTE, NOW))
    check_refused(lambda: otp.may_request(codes, NOW + SECOND), "too_soon", until=NOW + INTERVAL)


def test_a_lock_is_for_requests_too() -> None:
    codes = otp.locked(Codes(), NOW + DAY)
    check_refused(lambda: otp.may_request(codes, NOW + DAY - BLINK), "locked", until=NOW + DAY)
    otp.may_request(codes, NOW + DAY)


# --- typing a code ----------------------------------------------------------------------------------------------


def test_a_code_that_waits_is_usable() -> None:
    codes = waiting(wrong=4)
    assert otp.usable(codes, purpose=Purpose.REQUEST, now=NOW + LIFETIME - BLINK) is codes.challenge


@pytest.mark.parametrize(
    ("codes", "purpose", "after", "reason", "tries_left"),
    [
        (Codes(), Purpose.REQUEST, timedelta(0), "none_sent", None),
        (waiting(), Purpose.SIGN, timedelta(0), "none_sent", None),
        (waiting(matched=True), Purpose.REQUEST, timedelta(0), "spent", None),
        (waiting(), Purpose.REQUEST, LIFETIME, "expired", None),
        (waiting(wrong=5), Purpose.REQUEST, timedelta(0), "too_many_tries", 0),
        (waiting(wrong=6), Purpose.REQUEST, timedelta(0), "too_many_tries", 0),
    ],
)
def test_a_code_that_is_not_usable(
    codes: Codes, purpose: Purpose, after: timedelta, reason: str, tries_left: int | None
) -> None:
    check_refused(lambda: otp.usable(codes, purpose=purpose, now=NOW + after), reason, tries_left=tries_left)
    check_refused(
        lambda: otp.entered(codes, challenge=OURS, purpose=purpose, matched=True, now=NOW + after),
        reason,
        tries_left=tries_left,
    )


def test_a_lock_comes_before_everything_and_ends() -> None:
    codes = otp.locked(waiting(not_after=NOW + 2 * DAY), NOW + DAY)
    assert codes == evolve(waiting(not_after=NOW + 2 * DAY), locked_until=NOW + DAY)
    check_refused(lambda: otp.usable(codes, purpose=Purpose.REQUEST, now=NOW + DAY - BLINK), "locked", until=NOW + DAY)
    assert otp.usable(codes, purpose=Purpose.REQUEST, now=NOW + DAY) is codes.challenge
    check_refused(
        lambda: otp.usable(otp.locked(Codes(), NOW + DAY), purpose=Purpose.SIGN, now=NOW), "locked", until=NOW + DAY
    )


def test_a_wrong_entry_counts_and_a_right_one_spends() -> None:
    codes = waiting(wrong=2, undeliverable="no such mailbox")
    wrong = otp.entered(codes, challenge=OURS, purpose=Purpose.REQUEST, matched=False, now=NOW)
    right = otp.entered(codes, challenge=OURS, purpose=Purpose.REQUEST, matched=True, now=NOW)
    assert wrong == waiting(wrong=3, undeliverable="no such mailbox")
    assert right == waiting(wrong=2, matched=True, undeliverable="no such mailbox")


def test_an_entry_for_an_older_challenge_is_refused() -> None:
    check_refused(
        lambda: otp.entered(waiting(), challenge=OLDER, purpose=Purpose.REQUEST, matched=True, now=NOW), "superseded"
    )


def test_a_code_that_did_not_leave_is_noted_once() -> None:
    before = otp.locked(waiting(wrong=1, matched=True), NOW + DAY)
    assert before.challenge is not None
    noted = otp.undeliverable(before, challenge=OURS, reason="mailbox full")
    assert noted == evolve(before, challenge=evolve(before.challenge, undeliverable="mailbox full"))
    assert otp.undeliverable(noted, challenge=OURS, reason="another") is noted
    assert otp.undeliverable(before, challenge=OLDER, reason="mailbox full") is before
    nothing = Codes()
    assert otp.undeliverable(nothing, challenge=OURS, reason="mailbox full") is nothing


# --- across streams ---------------------------------------------------------------------------------------------


def test_five_requests_an_hour_wherever_they_are_made() -> None:
    attempts = Attempts(wrong=(NOW,))
    for number in range(5):
        attempts = otp.attempt_requested(attempts, NOW + number * MINUTE)
    assert attempts == Attempts(requested=tuple(NOW + number * MINUTE for number in range(5)), wrong=(NOW,))
    check_refused(lambda: otp.attempt_requested(attempts, NOW + HOUR - BLINK), "too_many_codes", until=NOW + HOUR)
    assert otp.attempt_requested(attempts, NOW + HOUR) == Attempts(
        requested=(*attempts.requested[1:], NOW + HOUR), wrong=(NOW,)
    )


def test_twenty_wrong_entries_within_a_day_lock_the_purpose() -> None:
    attempts = Attempts(requested=(NOW - HOUR,))
    for number in range(20):
        assert otp.lock_end(attempts, NOW + number * HOUR) is None
        assert otp.attempt_right(attempts, NOW + number * HOUR) is attempts
        attempts = otp.attempt_wrong(attempts, NOW + number * HOUR)
    assert attempts == Attempts(requested=(NOW - HOUR,), wrong=tuple(NOW + number * HOUR for number in range(20)))
    last = NOW + 19 * HOUR
    assert otp.lock_end(attempts, last) == NOW + DAY
    for moment in (last, NOW + DAY - BLINK):
        check_refused(lambda at=moment: otp.attempt_requested(attempts, at), "locked", until=NOW + DAY)  # type: ignore[misc]
        check_refused(lambda at=moment: otp.attempt_right(attempts, at), "locked", until=NOW + DAY)  # type: ignore[misc]
    assert otp.lock_end(attempts, NOW + DAY) is None
    assert otp.attempt_right(attempts, NOW + DAY) is attempts
    assert otp.attempt_requested(attempts, NOW + DAY) == evolve(attempts, requested=(NOW + DAY,))
    assert otp.attempt_wrong(attempts, NOW + DAY).wrong == (*attempts.wrong[1:], NOW + DAY)


def test_with_more_than_twenty_it_is_the_twentieth_last_that_must_leave_the_day() -> None:
    attempts = Attempts(wrong=tuple(NOW + number * MINUTE for number in range(22)))
    assert otp.lock_end(attempts, NOW + HOUR) == NOW + 2 * MINUTE + DAY


def test_a_day_of_guessing_finds_an_sms_code_twice_in_a_million() -> None:
    """The bound that the documentation states: what locks a purpose is also all that can be guessed in a day."""
    letters, length = ALPHABETS[Channel.SMS]
    assert otp.WRONG_PER_DAY / len(letters) ** length == pytest.approx(2e-6)
