"""The trust centre as a remote signing service: it keeps the holders' keys and signs when they activate them.

What is signed is fixed when the code is sent (SCAL2, CEN EN 419 241-1 § 5.4): a code activates those digests
and no other. The service verifies the code itself, and counts before it answers.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from attrs import frozen
from sqlalchemy import Connection, insert, select, update

from qcp_sdk import otp
from qcp_sdk.adapters.local_trust_centre.answers import accepted, asked, recall, refusal, remember
from qcp_sdk.adapters.local_trust_centre.hierarchy import Hierarchy
from qcp_sdk.adapters.local_trust_centre.storage import (
    Database,
    activations,
    answers,
    certificates,
    challenges,
    wrong_codes,
)
from qcp_sdk.adapters.shared.keystore import KeyStore, algorithm, sign_digest
from qcp_sdk.errors import CodeRefused, Rejected
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.signer import Credential, HashAnswer, HashRefused, HashSigned, SigningChallenge, SigningPending
from qcp_sdk.values import ChallengeId, Fingerprint, Key, PhoneNumber, Secret

DIGEST_LENGTH: Final = 32
BATCH: Final = 100

Answers = tuple[HashAnswer, ...]

_REASONS: Final = {"too_many_codes": "too_soon"}
"""Reasons of `otp` that the port names otherwise: either way the answer is to wait."""


@frozen(kw_only=True)
class _Holder:
    """The row of a holder's certificate."""

    fingerprint: Fingerprint
    role: str
    der: bytes
    key_name: str
    mobile: PhoneNumber
    ended: bool


class LocalSigner:
    """Implements the `Signer` port. Codes go by SMS to the mobile that was registered with the certificate.

    With `answer_after` an activation is answered that much later, as by a service with a queue.
    """

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(
        self,
        *,
        database: Database,
        hierarchy: Hierarchy,
        key_store: KeyStore,
        clock: Clock,
        codes: Codes,
        keys: Keys,
        answer_after: timedelta = timedelta(0),
        batch: int = BATCH,
    ) -> None:
        self._database, self._hierarchy, self._key_store, self._clock = database, hierarchy, key_store, clock
        self._codes, self._keys, self._answer_after, self._batch = codes, keys, answer_after, batch

    def credential(self, *, fingerprint: Fingerprint) -> Credential:
        """Give the chain, the algorithm and the batch size of the key behind this certificate.

        Raises:
            Rejected: `unknown_credential`, `disabled`: revoked or expired.
            Unavailable: Ask again.
        """
        with self._database.read() as connection:
            holder = self._usable(connection, fingerprint)
        return Credential(
            fingerprint=fingerprint,
            chain=(holder.der, *self._hierarchy.chain(holder.role)),
            algorithm=algorithm(self._key_store.key(holder.key_name)),
            batch=self._batch,
        )

    def challenge(
        self, *, key: Key, fingerprint: Fingerprint, digests: tuple[bytes, ...], language: str
    ) -> SigningChallenge:
        """Fix the digests and send a code for them; it replaces the challenge before it.

        Raises:
            Rejected: `unknown_credential`, `disabled`, `bad_digest`, `too_many`, `locked`, `too_soon`,
                `undeliverable`, `key_reused`.
            Unavailable: No code was sent: again with the same key.
            Unconfirmed: A code may be on its way: the same key sends the very same one.
        """
        intent = asked("challenge", fingerprint, *(digest.hex() for digest in digests))
        with self._database.write() as connection:
            answer = recall(connection, key=key, asked=intent)
            if answer is None:
                try:
                    self._may_challenge(connection, self._usable(connection, fingerprint), digests)
                    answer = self._open(connection, key=key, fingerprint=fingerprint, digests=digests)
                except Rejected as rejected:
                    answer = refusal(rejected.what, reason=rejected.reason)
                remember(connection, key=key, asked=intent, answer=answer)
        accepted(answer)
        with self._database.read() as connection:
            row = connection.execute(select(challenges).where(challenges.c.id == answer["challenge"])).one()
            holder = self._holder(connection, fingerprint)
        if not row.sent:
            self._deliver(key=key, holder=holder, row=row, language=language)
        return SigningChallenge(id=ChallengeId(row.id), not_after=row.not_after, masked=holder.mobile.masked)

    def _may_challenge(self, connection: Connection, holder: _Holder, digests: tuple[bytes, ...]) -> None:
        if not digests or any(len(digest) != DIGEST_LENGTH for digest in digests):
            raise Rejected("these are no SHA-256 digests", reason="bad_digest", mend="pass one or more of 32 bytes")
        if len(digests) > self._batch:
            raise Rejected(f"one activation signs {self._batch} digests at most", reason="too_many", mend="split them")
        asked_at = connection.execute(
            select(challenges.c.at).where(challenges.c.fingerprint == holder.fingerprint).order_by(challenges.c.at)
        )
        requested = tuple(asked_at.scalars())
        now = self._clock.now()
        try:
            otp.attempt_requested(otp.Attempts(requested=requested, wrong=self._wrong(connection, holder)), now)
            otp.may_request(otp.Codes(requested=requested), now)
        except CodeRefused as refused:
            raise Rejected(refused.what, reason=_REASONS.get(refused.reason, refused.reason), mend="wait") from refused

    def _open(
        self, connection: Connection, *, key: Key, fingerprint: Fingerprint, digests: tuple[bytes, ...]
    ) -> dict[str, str]:
        now = self._clock.now()
        challenge = "c-" + hashlib.sha256(key.encode()).hexdigest()[:32]
        connection.execute(
            insert(challenges).values(
                id=challenge,
                fingerprint=fingerprint,
                digests=b"".join(digests),
                at=now,
                not_after=now + otp.LIFETIME,
            )
        )
        return {"challenge": challenge}

    def _deliver(self, *, key: Key, holder: _Holder, row: Any, language: str) -> None:
        try:
            self._send(key=key, holder=holder, row=row, language=language)
        except Rejected as rejected:
            told = refusal("the code could not be sent", reason="undeliverable")
            with self._database.write() as connection:
                connection.execute(update(answers).where(answers.c.key == key).values(answer=json.dumps(told)))
            raise Rejected(told["what"], reason="undeliverable") from rejected
        with self._database.write() as connection:
            connection.execute(update(challenges).where(challenges.c.id == row.id).values(sent=True))

    def _send(self, *, key: Key, holder: _Holder, row: Any, language: str) -> None:
        if self._clock.now() >= row.not_after:
            raise Rejected("the code expired before it could be sent", reason="expired")
        self._codes.send(
            key=Key(f"{key}/code"),
            channel=otp.CHANNELS[otp.Purpose.SIGN],
            to=holder.mobile,
            code=self._code(row),
            purpose=otp.Purpose.SIGN,
            language=language,
            not_after=row.not_after,
        )

    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> Answers | SigningPending:
        """Sign these digests of the challenge, if the code is right; a certificate that ended refuses each of them.

        The same key answers the same, wrong codes included, without looking at the code again.

        Raises:
            Rejected: `wrong_code`, `expired` (or replaced by a newer challenge), `locked` (five wrong entries on
                this challenge, or twenty in a day), `spent`, `hash_not_authorised`, `unknown_challenge`,
                `key_reused`.
            Unavailable: Nothing was counted or signed: again with the same key.
        """
        intent = asked("activate", challenge, *(digest.hex() for digest in digests))
        with self._database.write() as connection:
            answer = recall(connection, key=key, asked=intent)
            if answer is None:
                answer = self._activate(connection, key=key, challenge=challenge, digests=digests, code=code)
                remember(connection, key=key, asked=intent, answer=answer)
        accepted(answer)
        return self.poll(handle=answer["handle"])

    def answered(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...]
    ) -> Answers | SigningPending | None:
        """Give what the activation under this key was answered, without a code; None: nothing is known of it.

        Raises:
            Rejected: As `activate` was.
        """
        intent = asked("activate", challenge, *(digest.hex() for digest in digests))
        with self._database.write() as connection:
            answer = recall(connection, key=key, asked=intent)
        if answer is None:
            return None
        accepted(answer)
        return self.poll(handle=answer["handle"])

    def _activate(
        self, connection: Connection, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> dict[str, str]:
        now = self._clock.now()
        row = connection.execute(select(challenges).where(challenges.c.id == challenge)).first()
        if row is None:
            return refusal("no such challenge", reason="unknown_challenge")
        holder = self._holder(connection, row.fingerprint)
        latest = select(challenges.c.id).where(challenges.c.fingerprint == row.fingerprint)
        superseded = connection.execute(latest.order_by(challenges.c.sequence.desc()).limit(1)).scalar_one() != row.id
        locked = otp.lock_end(otp.Attempts(wrong=self._wrong(connection, holder)), now) is not None
        authorised = bool(digests) and set(digests) <= set(_split(row.digests))
        for holds, reason, what in (
            (not authorised, "hash_not_authorised", "the code is for other digests"),
            (row.spent, "spent", "this code was used"),
            (locked, "locked", "codes are locked"),
            (row.wrong >= otp.WRONG_PER_CHALLENGE, "locked", "too many wrong codes"),
            (now >= row.not_after or superseded, "expired", "this code has expired"),
        ):
            if holds:
                return refusal(what, reason=reason)
        mine = update(challenges).where(challenges.c.id == row.id)
        if not otp.matches(self._code(row), code):
            connection.execute(mine.values(wrong=row.wrong + 1))
            connection.execute(insert(wrong_codes).values(fingerprint=row.fingerprint, at=now))
            return refusal("the code is wrong", reason="wrong_code")
        connection.execute(mine.values(spent=True))
        handle = "h-" + hashlib.sha256(key.encode()).hexdigest()[:32]
        connection.execute(
            insert(activations).values(
                handle=handle,
                ready_at=now + self._answer_after,
                answer=json.dumps(self._sign(holder, digests)),
            )
        )
        return {"handle": handle}

    def _sign(self, holder: _Holder, digests: tuple[bytes, ...]) -> list[list[str]]:
        if holder.ended:  # since the code was sent
            return [[digest.hex(), "", "disabled"] for digest in digests]
        key = self._key_store.key(holder.key_name)
        return [[digest.hex(), sign_digest(key, digest).hex(), ""] for digest in digests]

    def poll(self, *, handle: str) -> Answers | SigningPending:
        """Give the answer of an activation, once it is there.

        Raises:
            Rejected: `unknown_handle`.
            Unavailable: Ask again.
        """
        with self._database.read() as connection:
            row = connection.execute(select(activations).where(activations.c.handle == handle)).first()
        if row is None:
            raise Rejected("no activation is known under this handle", reason="unknown_handle")
        if self._clock.now() < row.ready_at:
            return SigningPending(handle=handle, note="in the queue")
        return tuple(
            HashRefused(digest=bytes.fromhex(digest), reason=reason)
            if reason
            else HashSigned(digest=bytes.fromhex(digest), value=bytes.fromhex(value))
            for digest, value, reason in json.loads(row.answer)
        )

    def _code(self, row: Any) -> Secret:
        return otp.derive(
            self._keys.derive(purpose="codes"),
            purpose=otp.Purpose.SIGN,
            subject=row.fingerprint,
            challenge=ChallengeId(row.id),
        )

    def _wrong(self, connection: Connection, holder: _Holder) -> tuple[datetime, ...]:
        mine = select(wrong_codes.c.at).where(wrong_codes.c.fingerprint == holder.fingerprint)
        return tuple(connection.execute(mine.order_by(wrong_codes.c.at)).scalars())

    def _usable(self, connection: Connection, fingerprint: Fingerprint) -> _Holder:
        holder = self._holder(connection, fingerprint)
        if holder.ended:
            raise Rejected("the certificate was revoked or has expired", reason="disabled")
        return holder

    def _holder(self, connection: Connection, fingerprint: Fingerprint) -> _Holder:
        row = connection.execute(
            select(certificates).where(certificates.c.fingerprint == fingerprint, certificates.c.role == "holder")
        ).first()
        if row is None:
            raise Rejected("no certificate with this fingerprint is held here", reason="unknown_credential")
        return _Holder(
            fingerprint=fingerprint,
            role=row.issuer,
            der=row.der,
            key_name=row.key_name,
            mobile=PhoneNumber(row.mobile),
            ended=row.revoked_at is not None or self._clock.now() > row.not_after,
        )


def _split(joined: bytes) -> list[bytes]:
    return [joined[start : start + DIGEST_LENGTH] for start in range(0, len(joined), DIGEST_LENGTH)]
