"""A remote signing service in memory. Its values are HMACs that `MemoryEnvelope` can check, not signatures."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from qcp_sdk import otp
from qcp_sdk.adapters.memory.faults import Fake, Faults, asked, keyed
from qcp_sdk.certificates import Holding, StatusKind
from qcp_sdk.errors import CodeRefused, Rejected
from qcp_sdk.otp import CHANNELS, Attempts, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.signer import (
    Credential,
    HashAnswer,
    HashRefused,
    HashSigned,
    SigningChallenge,
    SigningPending,
)
from qcp_sdk.values import ChallengeId, Fingerprint, Key, Secret

_REASONS: Final = {
    "too_soon": "too_soon",
    "too_many_codes": "too_soon",
    "locked": "locked",
    "too_many_tries": "locked",
    "expired": "expired",
    "superseded": "expired",  # a newer code was sent: this one's time is over
    "spent": "spent",
    "none_sent": "unknown_challenge",
}
"""The port's word for each reason of `CodeRefused`."""


def memory_value(fingerprint: Fingerprint, digest: bytes) -> bytes:
    """Give the value that stands for a signature with this certificate over this digest."""
    return hmac.digest(b"MEMORY-SIGNER " + fingerprint.encode(), digest, hashlib.sha256)


@frozen(kw_only=True)
class SignerScript:
    """What the service does with an activation whose code is right; made by the functions below."""

    after: timedelta | None = timedelta(0)
    """How long the answer is pending first; None: for ever."""
    refused: str = ""
    """Why no digest is signed; empty when all are."""
    refuse_only: frozenset[bytes] = frozenset()
    """The digests that are refused; empty: every one."""


def sign(*, after: timedelta = timedelta(0)) -> SignerScript:
    """Sign, at once or after this time."""
    return SignerScript(after=after)


def refuse(reason: str = "policy", *, only: frozenset[bytes] = frozenset()) -> SignerScript:
    """Refuse every digest, or only these."""
    return SignerScript(refused=reason, refuse_only=only)


def silence() -> SignerScript:
    """Accept the code and never answer."""
    return SignerScript(after=None)


@frozen(kw_only=True)
class _Asked:
    fingerprint: Fingerprint
    digests: tuple[bytes, ...]


@frozen(kw_only=True)
class _Activation:
    answers: tuple[HashAnswer, ...]
    due: datetime | None


class MemorySigner(Fake):
    """Holds a key for every certificate that `holding_of` knows, and checks its own codes by the rules of `otp`.

    `holding_of` is usually `MemoryAuthority.holding`; codes go out through `codes`.
    """

    port = "signer"

    def __init__(
        self,
        *,
        holding_of: Callable[[Fingerprint], Holding | None],
        codes: Codes,
        clock: Clock,
        batch: int = 100,
        faults: Faults | None = None,
    ) -> None:
        self._prepare(faults)
        self._holding_of, self._codes, self._clock, self._batch = holding_of, codes, clock, batch
        self._key = hashlib.sha256(b"MEMORY-SIGNER codes").digest()
        self._states: dict[Fingerprint, otp.Codes] = {}
        self._attempts: dict[Fingerprint, Attempts] = {}
        self._challenges: dict[ChallengeId, _Asked] = {}
        self._activations: dict[str, _Activation] = {}
        self._handles: dict[Key, str] = {}
        self._default = sign()
        self._scripts: dict[Fingerprint, SignerScript] = {}
        self._disabled: set[Fingerprint] = set()

    @asked
    def credential(self, *, fingerprint: Fingerprint) -> Credential:
        """Give what is needed to prepare signatures with this certificate.

        Raises:
            Rejected: `unknown_credential`, `disabled`.
        """
        holding = self._usable(fingerprint)
        return Credential(
            fingerprint=fingerprint, chain=(holding.certificate.der,), algorithm="sha256_rsa", batch=self._batch
        )

    @keyed("fingerprint", "digests")
    def challenge(
        self, *, key: Key, fingerprint: Fingerprint, digests: tuple[bytes, ...], language: str
    ) -> SigningChallenge:
        """Send a code to the signatory's mobile, for exactly these digests.

        Raises:
            Rejected: `unknown_credential`, `disabled`, `too_many`, `bad_digest`, `locked`, `too_soon`, `undeliverable`.
        """
        mobile = self._usable(fingerprint).mobile
        if mobile is None:
            raise Rejected("the holder has no mobile of record", reason="undeliverable")
        if len(digests) > self._batch:
            raise Rejected("more digests than one activation signs", reason="too_many", mend="split them")
        if not digests or any(len(digest) != 32 for digest in digests):
            raise Rejected("not SHA-256 digests", reason="bad_digest", mend="pass at least one, of 32 bytes each")
        now = self._clock.now()
        self._check_lock(fingerprint, now)
        try:
            state = otp.requested(
                self._states.get(fingerprint, otp.Codes()), stream=fingerprint, purpose=Purpose.SIGN, now=now
            )
        except CodeRefused as refusal:
            raise Rejected("no code may be asked for now", reason=_REASONS[refusal.reason]) from refusal
        sent = state.challenge
        assert sent is not None
        # Sent before anything is written down: where sending fails, the same key starts from here again.
        self._codes.send(
            key=Key(f"{key}/code"),
            channel=CHANNELS[Purpose.SIGN],
            to=mobile,
            code=self._code(fingerprint, sent.id),
            purpose=Purpose.SIGN,
            language=language,
            not_after=sent.not_after,
        )
        self._states[fingerprint] = state
        self._challenges[sent.id] = _Asked(fingerprint=fingerprint, digests=digests)
        return SigningChallenge(id=sent.id, not_after=sent.not_after, masked=mobile.masked)

    @keyed("challenge", "digests")
    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> tuple[HashAnswer, ...] | SigningPending:
        """Sign the digests of the challenge, if the code is right. Every digest is answered.

        Raises:
            Rejected: `wrong_code`, `expired`, `locked`, `spent`, `hash_not_authorised`, `unknown_challenge`.
        """
        if key in self._handles:  # pending when it was asked before
            return self._collect(self._handles[key])
        asked_for = self._challenges.get(challenge)
        if asked_for is None:
            raise Rejected("no such challenge", reason="unknown_challenge")
        if not digests or not set(digests) <= set(asked_for.digests):
            raise Rejected("a digest is not of this challenge", reason="hash_not_authorised")
        self._enter(asked_for.fingerprint, challenge, code)
        handle = hashlib.sha256(f"{challenge}\0{key}".encode()).hexdigest()[:24]
        script = self._scripts.get(asked_for.fingerprint, self._default)
        due = None if script.after is None else self._clock.now() + script.after
        answers = tuple(self._answer(asked_for.fingerprint, digest, script) for digest in digests)
        self._activations[handle] = _Activation(answers=answers, due=due)
        self._handles[key] = handle
        return self._collect(handle)

    @asked
    def answered(
        self,
        *,
        key: Key,
        challenge: ChallengeId,  # noqa: ARG002 - the key says it all here
        digests: tuple[bytes, ...],  # noqa: ARG002
    ) -> tuple[HashAnswer, ...] | SigningPending | None:
        """Give what the activation under this key was answered; None: nothing."""
        return self._collect(self._handles[key]) if key in self._handles else None

    @asked
    def poll(self, *, handle: str) -> tuple[HashAnswer, ...] | SigningPending:
        """Ask for the answer of an activation that was pending.

        Raises:
            Rejected: `unknown_handle`.
        """
        if handle not in self._activations:
            raise Rejected("no such activation", reason="unknown_handle")
        return self._collect(handle)

    # Whoever writes the script.

    def script(self, fingerprint: Fingerprint | None, outcome: SignerScript) -> None:
        """Say what becomes of activations with this certificate or, for None, with any without its own script."""
        with self._lock:
            if fingerprint is None:
                self._default = outcome
            else:
                self._scripts[fingerprint] = outcome

    def disable(self, fingerprint: Fingerprint) -> None:
        """Sign nothing with this certificate any more."""
        with self._lock:
            self._disabled.add(fingerprint)

    def _usable(self, fingerprint: Fingerprint) -> Holding:
        holding = self._holding_of(fingerprint)
        if holding is None:
            raise Rejected("no key is held for this certificate", reason="unknown_credential")
        ended = holding.status.kind is StatusKind.REVOKED or self._clock.now() >= holding.certificate.not_after
        if ended or fingerprint in self._disabled:
            raise Rejected("the key may not be used any more", reason="disabled")
        return holding

    def _enter(self, fingerprint: Fingerprint, challenge: ChallengeId, code: Secret) -> None:
        """Count the entry, then say whether the code was right.

        Raises:
            Rejected: It was not, or no code is accepted for this challenge.
        """
        now = self._clock.now()
        self._check_lock(fingerprint, now)
        matched = otp.matches(self._code(fingerprint, challenge), code)
        try:
            self._states[fingerprint] = otp.entered(
                self._states[fingerprint], challenge=challenge, purpose=Purpose.SIGN, matched=matched, now=now
            )
        except CodeRefused as refusal:
            raise Rejected("the code is not accepted", reason=_REASONS[refusal.reason]) from refusal
        if not matched:
            self._attempts[fingerprint] = otp.attempt_wrong(self._attempts.get(fingerprint, Attempts()), now)
            raise Rejected("the code is wrong", reason="wrong_code")

    def _check_lock(self, fingerprint: Fingerprint, now: datetime) -> None:
        if otp.lock_end(self._attempts.get(fingerprint, Attempts()), now) is not None:
            raise Rejected("too many wrong codes in a day", reason="locked")

    def _code(self, fingerprint: Fingerprint, challenge: ChallengeId) -> Secret:
        return otp.derive(self._key, purpose=Purpose.SIGN, subject=fingerprint, challenge=challenge)

    def _answer(self, fingerprint: Fingerprint, digest: bytes, script: SignerScript) -> HashAnswer:
        if script.refused and (not script.refuse_only or digest in script.refuse_only):
            return HashRefused(digest=digest, reason=script.refused)
        try:
            self._usable(fingerprint)
        except Rejected as ended:  # since the challenge was sent
            return HashRefused(digest=digest, reason=ended.reason)
        return HashSigned(digest=digest, value=memory_value(fingerprint, digest))

    def _collect(self, handle: str) -> tuple[HashAnswer, ...] | SigningPending:
        activation = self._activations[handle]
        if activation.due is None or self._clock.now() < activation.due:
            return SigningPending(handle=handle)
        return activation.answers
