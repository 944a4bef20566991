"""One-time codes: derived, never stored; counted before answered; only the latest challenge counts.

Rules of behaviour § 3 (NIST SP 800-63B-4 § 5.2.2, OWASP ASVS 5.0 § 6.5-6.6, PSD2 RTS 2018/389 art. 4(3)).
Pure: `Codes` is what a machine remembers about the codes of one stream, `Attempts` what is remembered about
one person and purpose across streams. The key that codes are derived from is an argument.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Final

from attrs import frozen

from qcp_sdk.errors import CodeRefused
from qcp_sdk.values import ChallengeId, Secret

LIFETIME: Final = timedelta(minutes=3)
INTERVAL: Final = timedelta(seconds=30)
"""Between two requests of one stream."""
HOURLY_REQUESTS: Final = 5
WRONG_PER_CHALLENGE: Final = 5
WRONG_PER_DAY: Final = 20
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class Channel(StrEnum):
    """How a code travels, and so how it is written."""

    EMAIL = "email"
    SMS = "sms"


class Purpose(StrEnum):
    """What a right code allows. A code for one purpose is worth nothing for another."""

    OPEN = "open"
    """B1: to open the subscription, by e-mail."""
    REQUEST = "request"
    """D2: to sign the certificate request, by SMS."""
    REVOKE = "revoke"
    """A5: to revoke, by SMS."""
    SIGN = "sign"
    """E4: to activate a signature, by SMS."""


CHANNELS: Final = {
    Purpose.OPEN: Channel.EMAIL,
    Purpose.REQUEST: Channel.SMS,
    Purpose.REVOKE: Channel.SMS,
    Purpose.SIGN: Channel.SMS,
}

ALPHABETS: Final = {
    Channel.EMAIL: ("ABCDEFGHJKMNPQRSTUVWXYZ23456789", 6),  # no 0 O 1 I L: 31**6 codes, 29.7 bits
    Channel.SMS: ("0123456789", 7),  # 10**7 codes, 23.3 bits; NIST asks for 20
}
"""Alphabet and length for each channel."""


@cache
def _mapping(alphabet: str) -> tuple[bytes, bytes]:
    """Give the letter of every byte, and the bytes that are rejected: with them some letters would be likelier."""
    size = len(alphabet)
    return bytes(ord(alphabet[byte % size]) for byte in range(256)), bytes(range(256 - 256 % size, 256))


def derive(key: bytes, *, purpose: Purpose, subject: str, challenge: ChallengeId) -> Secret:
    """Give the code of a challenge: the same each time, so that a resend after a crash sends the same.

    `key` is the installation's code key (32 bytes), `subject` the person it is bound to. HMAC-SHA-256 blocks
    are mapped onto the alphabet by rejection, so every code is equally likely.
    """
    alphabet, length = ALPHABETS[CHANNELS[purpose]]
    letter, rejected = _mapping(alphabet)
    # Each part is preceded by its length, so that no two triples give one message.
    message = b"".join(
        [len(part).to_bytes(4, "big") + part for part in (purpose.encode(), subject.encode(), challenge.encode())]
    )
    letters, block = b"", 0
    while len(letters) < length:
        letters += hmac.digest(key, block.to_bytes(4, "big") + message, "sha256").translate(letter, rejected)
        block += 1
    return Secret(letters[:length].decode())


def matches(expected: Secret, typed: Secret) -> bool:
    """Say whether what was typed is the code, forgiving case, spaces and dashes; in constant time."""
    folded = "".join(c for c in typed.reveal().upper() if c.isalnum())
    return expected == Secret(folded)


@frozen(kw_only=True)
class Challenge:
    """One code that was asked for."""

    id: ChallengeId
    purpose: Purpose
    not_after: datetime
    wrong: int = 0
    matched: bool = False
    undeliverable: str = ""
    """Why it could not be sent; empty when it was, or may still be."""


@frozen(kw_only=True)
class Codes:
    """What one stream remembers of its codes: the latest challenge, and when codes were asked for this last hour."""

    challenge: Challenge | None = None
    issued: int = 0
    requested: tuple[datetime, ...] = ()
    locked_until: datetime | None = None


def may_request(codes: Codes, now: datetime) -> None:
    """Return when a code may be asked for now.

    Raises:
        CodeRefused: Locked, too soon after the last, or five in this hour; `until` says when it may.
    """
    if codes.locked_until is not None and now < codes.locked_until:
        raise CodeRefused("codes are locked", reason="locked", until=codes.locked_until, mend="wait until then")
    if not codes.requested:
        return
    recent = [moment for moment in codes.requested if now - moment < HOUR]
    if len(recent) >= HOURLY_REQUESTS:
        until = recent[-HOURLY_REQUESTS] + HOUR
        raise CodeRefused("too many codes were asked for", reason="too_many_codes", until=until, mend="wait until then")
    if now - codes.requested[-1] < INTERVAL:
        raise CodeRefused(
            "a code was sent just now",
            reason="too_soon",
            until=codes.requested[-1] + INTERVAL,
            mend="wait until then",
        )


def requested(codes: Codes, *, stream: str, purpose: Purpose, now: datetime) -> Codes:
    """Replace the challenge by a new one; the old code is worth nothing from here on.

    Raises:
        CodeRefused: As `may_request`.
    """
    may_request(codes, now)
    number = codes.issued + 1
    return Codes(
        challenge=Challenge(id=ChallengeId(f"{stream}/{purpose}/{number}"), purpose=purpose, not_after=now + LIFETIME),
        issued=number,
        requested=(*(moment for moment in codes.requested if now - moment < HOUR), now),
    )


def usable(codes: Codes, *, purpose: Purpose, now: datetime) -> Challenge:
    """Give the challenge that a code typed now would answer.

    Raises:
        CodeRefused: There is none, or it is spent, expired, tried too often, or locked.
    """
    challenge = codes.challenge
    if codes.locked_until is not None and now < codes.locked_until:
        raise CodeRefused("codes are locked", reason="locked", until=codes.locked_until, mend="wait until then")
    if challenge is None or challenge.purpose is not purpose:
        raise CodeRefused("no code was asked for", reason="none_sent", mend="ask for a code")
    if challenge.matched:
        raise CodeRefused("this code was used", reason="spent", mend="ask for a new code")
    if now >= challenge.not_after:
        raise CodeRefused("this code has expired", reason="expired", mend="ask for a new code")
    if challenge.wrong >= WRONG_PER_CHALLENGE:
        raise CodeRefused("too many wrong codes", reason="too_many_tries", tries_left=0, mend="ask for a new code")
    return challenge


def entered(codes: Codes, *, challenge: ChallengeId, purpose: Purpose, matched: bool, now: datetime) -> Codes:
    """Count an entry.

    Raises:
        CodeRefused: As `usable`, or the entry answers a challenge that a newer one replaced.
    """
    current = usable(codes, purpose=purpose, now=now)
    if current.id != challenge:
        raise CodeRefused("a newer code was asked for", reason="superseded", mend="type the newest code")
    return Codes(
        challenge=Challenge(
            id=current.id,
            purpose=current.purpose,
            not_after=current.not_after,
            wrong=current.wrong if matched else current.wrong + 1,
            matched=matched,
            undeliverable=current.undeliverable,
        ),
        issued=codes.issued,
        requested=codes.requested,
    )


def undeliverable(codes: Codes, *, challenge: ChallengeId, reason: str) -> Codes:
    """Note that a code did not leave; a challenge that is no longer the latest changes nothing."""
    current = codes.challenge
    if current is None or current.id != challenge or current.undeliverable:
        return codes
    noted = Challenge(
        id=current.id,
        purpose=current.purpose,
        not_after=current.not_after,
        wrong=current.wrong,
        matched=current.matched,
        undeliverable=reason,
    )
    return Codes(challenge=noted, issued=codes.issued, requested=codes.requested, locked_until=codes.locked_until)


def locked(codes: Codes, until: datetime) -> Codes:
    """Lock until then; the present challenge stays for the record and accepts nothing meanwhile."""
    return Codes(challenge=codes.challenge, issued=codes.issued, requested=codes.requested, locked_until=until)


@frozen(kw_only=True)
class Attempts:
    """What is remembered of one person and purpose across streams: requests of an hour, wrong entries of a day."""

    requested: tuple[datetime, ...] = ()
    wrong: tuple[datetime, ...] = ()


def attempt_requested(attempts: Attempts, now: datetime) -> Attempts:
    """Count a request, wherever it was made.

    Raises:
        CodeRefused: Five in this hour, or locked for the day.
    """
    until = lock_end(attempts, now)
    if until is not None:
        raise CodeRefused("codes are locked", reason="locked", until=until, mend="wait until then")
    recent = tuple(moment for moment in attempts.requested if now - moment < HOUR)
    if len(recent) >= HOURLY_REQUESTS:
        raise CodeRefused(
            "too many codes were asked for",
            reason="too_many_codes",
            until=recent[0] + HOUR,
            mend="wait until then",
        )
    return Attempts(requested=(*recent, now), wrong=attempts.wrong)


def attempt_wrong(attempts: Attempts, now: datetime) -> Attempts:
    """Count a wrong entry."""
    recent = tuple(moment for moment in attempts.wrong if now - moment < DAY)
    return Attempts(requested=attempts.requested, wrong=(*recent, now))


def attempt_right(attempts: Attempts, now: datetime) -> Attempts:
    """Take part in the same transaction as a wrong entry that is counted at this moment: one of the two comes first.

    Raises:
        CodeRefused: Locked for the day.
    """
    until = lock_end(attempts, now)
    if until is not None:
        raise CodeRefused("codes are locked", reason="locked", until=until, mend="wait until then")
    return attempts


def lock_end(attempts: Attempts, now: datetime) -> datetime | None:
    """Say until when the purpose is locked: while twenty wrong entries lie within a day."""
    recent = [moment for moment in attempts.wrong if now - moment < DAY]
    return recent[-WRONG_PER_DAY] + DAY if len(recent) >= WRONG_PER_DAY else None
