"""A signer over keys that the installation holds: the SDK sends the codes and checks them, what holds the keys signs.

Whatever opens the keys is the installation's, not the signatory's: what makes a signature the signatory's is the code,
by the rules of `otp`, bound to the digests that it was sent for. A notebook remembers keys, challenges and wrong
entries; codes are derived from the installation's key and written nowhere.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from attrs import frozen

from qcp_sdk import otp
from qcp_sdk.adapters.shared.answers import stream_of
from qcp_sdk.adapters.shared.notebook import Notebook, Pages, meant, recall, remember
from qcp_sdk.adapters.shared.notebook_pages import Page
from qcp_sdk.errors import CodeRefused, Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.signer import Credential, HashAnswer, HashSigned, SigningChallenge
from qcp_sdk.values import ChallengeId, Fingerprint, Key, PhoneNumber, Secret

DIGEST_LENGTH: Final = 32
BATCH: Final = 100
_LOCKS: Final = 64
_KEPT: Final = 50
"""How many moments of a person are kept: more than any rule of `otp` counts."""
_REASONS: Final = {"too_many_codes": "too_soon"}
"""Reasons of `otp` that the port names otherwise: either way the answer is to wait."""


@frozen(kw_only=True)
class TokenKey:
    """A certificate whose private key is held too."""

    id: bytes
    chain: tuple[bytes, ...]
    """DER, its own first, then what is held above it."""
    algorithm: str


class Token(Protocol):
    """What holds keys: a PKCS#11 token, or encrypted files."""

    def find(self, fingerprint: Fingerprint) -> TokenKey | None:
        """Give the key of this certificate, or None where not both are held.

        Raises:
            Unavailable: It does not answer.
        """

    def sign(self, key: TokenKey, digests: Sequence[bytes]) -> tuple[bytes, ...]:
        """Sign SHA-256 digests: PKCS#1 v1.5 for RSA, DER of r and s for ECDSA.

        Raises:
            Rejected: `bad_digest`; `unknown_credential`: the key is gone.
            Unavailable: It does not answer.
        """


class CodeSigner:
    """Implements the `Signer` port for every certificate of a token.

    `mobile_of` gives the mobile of record of a certificate's holder, and None for one that nobody may sign with any
    more (revoked, suspended): the token does not know.
    """

    def __init__(
        self,
        token: Token,
        *,
        notebook: Notebook,
        clock: Clock,
        codes: Codes,
        keys: Keys,
        mobile_of: Callable[[Fingerprint], PhoneNumber | None],
        batch: int = BATCH,
    ) -> None:
        self._token, self._notebook, self._clock = token, notebook, clock
        self._codes, self._keys, self._mobile_of, self._batch = codes, keys, mobile_of, batch
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def credential(self, *, fingerprint: Fingerprint) -> Credential:
        """Give the chain, as far as the token holds it, and the algorithm.

        Raises:
            Rejected: `unknown_credential`, `disabled`.
            Unavailable: The token does not answer.
        """
        key, _ = self._usable(fingerprint)
        return Credential(fingerprint=fingerprint, chain=key.chain, algorithm=key.algorithm, batch=self._batch)

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
        intent = meant("challenge", fingerprint, *(digest.hex() for digest in digests))
        challenge = ChallengeId("p11-" + hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32])
        with self._lock(fingerprint):
            with self._notebook.open() as pages:
                known = recall(pages, key=key, meant=intent)
            if known is None:
                known = self._opened(key, intent, fingerprint, digests, challenge)
            if not known["sent"]:
                known = self._delivered(key, intent, fingerprint, challenge, known, language)
        return SigningChallenge(
            id=challenge, not_after=datetime.fromisoformat(known["not_after"]), masked=known["masked"]
        )

    def _opened(
        self, key: Key, intent: str, fingerprint: Fingerprint, digests: tuple[bytes, ...], challenge: ChallengeId
    ) -> Page:
        try:
            _, mobile = self._usable(fingerprint)
            if not digests or any(len(digest) != DIGEST_LENGTH for digest in digests):
                raise _bad_digest()
            if len(digests) > self._batch:
                raise _too_many(self._batch)
        except Rejected as refusal:
            self._remember(key, intent, refusal)
            raise
        now = self._clock.now()
        answer: Page = {"not_after": (now + otp.LIFETIME).isoformat(), "masked": mobile.masked, "sent": False}
        with self._notebook.open() as pages:
            person = _person(pages, fingerprint)
            too_often = _too_often(person, now)
            remember(pages, key=key, meant=intent, answer=too_often or answer)
            if too_often is None:
                asked = {"fingerprint": fingerprint, "digests": [digest.hex() for digest in digests]}
                pages.put(f"challenge/{challenge}", asked | answer | {"wrong": 0, "spent": False}, of=stream_of(key))
                person |= {"newest": challenge, "requested": [*person["requested"], now.isoformat()][-_KEPT:]}
                pages.put(f"person/{fingerprint}", person)
        if too_often is not None:
            raise too_often
        return answer

    def _delivered(
        self, key: Key, intent: str, fingerprint: Fingerprint, challenge: ChallengeId, known: Page, language: str
    ) -> Page:
        try:
            _, mobile = self._usable(fingerprint)
            self._codes.send(
                key=Key(f"{key}/code"),
                channel=otp.CHANNELS[otp.Purpose.SIGN],
                to=mobile,
                code=self._code(fingerprint, challenge),
                purpose=otp.Purpose.SIGN,
                language=language,
                not_after=datetime.fromisoformat(known["not_after"]),
            )
        except Rejected as rejected:
            told = Rejected("the code could not be sent", reason="undeliverable")
            self._remember(key, intent, told)
            raise told from rejected
        self._remember(key, intent, known | {"sent": True})
        return known

    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> tuple[HashAnswer, ...]:
        """Sign these digests of the challenge, if the code is right.

        Raises:
            Rejected: `wrong_code`, `expired` (or replaced by a newer challenge), `locked`, `spent`,
                `hash_not_authorised`, `unknown_challenge`, `disabled`, `key_reused`.
            Unavailable: Nothing was counted or signed: again with the same key.
            Unconfirmed: The code was accepted; the same key has the digests signed.
        """
        intent = meant("activate", challenge, *(digest.hex() for digest in digests))
        with self._lock(challenge):
            with self._notebook.open() as pages:
                known = recall(pages, key=key, meant=intent)
                asked = pages.get(f"challenge/{challenge}")
            if known is None:
                if asked is not None:
                    self._usable(Fingerprint(asked["fingerprint"]))  # refused without counting
                known = self._entered(key, intent, challenge, asked, digests, code)
            if "values" not in known:
                assert asked is not None
                known = self._signed(key, intent, Fingerprint(asked["fingerprint"]), digests)
        return tuple(
            HashSigned(digest=digest, value=bytes.fromhex(value))
            for digest, value in zip(digests, known["values"], strict=True)
        )

    def answered(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...]
    ) -> tuple[HashAnswer, ...] | None:
        """Give what the activation under this key was answered, without a code. Where the code was accepted and the
        token has not signed, it signs now. None: nothing is known of it.

        Raises:
            Rejected: As `activate` was.
            Unavailable, Unconfirmed: Again with the same key.
        """
        intent = meant("activate", challenge, *(digest.hex() for digest in digests))
        with self._notebook.open() as pages:
            known = recall(pages, key=key, meant=intent)
        if known is None:
            return None
        return self.activate(key=key, challenge=challenge, digests=digests, code=Secret(""))  # which is not looked at

    def _entered(
        self,
        key: Key,
        intent: str,
        challenge: ChallengeId,
        asked: Page | None,
        digests: Sequence[bytes],
        code: Secret,
    ) -> Page:
        """Count the entry, then say whether the code was right, in one transaction."""
        now = self._clock.now()
        refusal: Rejected | None
        with self._notebook.open() as pages:
            asked = pages.get(f"challenge/{challenge}")
            if asked is None:
                refusal = Rejected("no such challenge", reason="unknown_challenge")
            else:
                fingerprint = Fingerprint(asked["fingerprint"])
                person = _person(pages, fingerprint)
                refusal = _objection(asked, person, challenge, digests, now)
                if refusal is None and not otp.matches(self._code(fingerprint, challenge), code):
                    refusal = Rejected("the code is wrong", reason="wrong_code")
                    pages.put(f"challenge/{challenge}", asked | {"wrong": asked["wrong"] + 1})
                    pages.put(f"person/{fingerprint}", person | {"wrong": [*person["wrong"], now.isoformat()][-_KEPT:]})
                elif refusal is None:
                    pages.put(f"challenge/{challenge}", asked | {"spent": True})
            remember(pages, key=key, meant=intent, answer=refusal or {"accepted": True})
        if refusal is not None:
            raise refusal
        return {"accepted": True}

    def _signed(self, key: Key, intent: str, fingerprint: Fingerprint, digests: tuple[bytes, ...]) -> Page:
        try:
            held, _ = self._usable(fingerprint)
            values = self._token.sign(held, digests)
            answer = {"values": [value.hex() for value in values]}
            self._remember(key, intent, answer)
        except Unavailable as error:
            raise Unconfirmed(
                "the code was accepted, and the token has not signed", mend="ask again with the same key"
            ) from error
        return answer

    def poll(self, *, handle: str) -> tuple[HashAnswer, ...]:  # noqa: ARG002  # the port has it
        """Say that nothing is ever pending here.

        Raises:
            Rejected: `unknown_handle`.
        """
        raise Rejected("a token answers at once: nothing is pending", reason="unknown_handle")

    def forget_stream(self, *, stream: str) -> None:
        """Destroy what was written down for this ceremony. Repeatable.

        Raises:
            Unavailable: Again later.
        """
        self._notebook.forget_stream(stream=stream)

    def _usable(self, fingerprint: Fingerprint) -> tuple[TokenKey, PhoneNumber]:
        held = self._token.find(fingerprint)
        if held is None:
            raise Rejected("the token holds no key of this certificate", reason="unknown_credential")
        mobile = self._mobile_of(fingerprint)
        if mobile is None:
            raise Rejected("nobody may sign with this certificate", reason="disabled")
        return held, mobile

    def _code(self, fingerprint: Fingerprint, challenge: ChallengeId) -> Secret:
        key = self._keys.derive(purpose="codes")
        return otp.derive(key, purpose=otp.Purpose.SIGN, subject=fingerprint, challenge=challenge)

    def _remember(self, key: Key, intent: str, answer: Page | Rejected) -> None:
        with self._notebook.open() as pages:
            remember(pages, key=key, meant=intent, answer=answer)

    def _lock(self, name: str) -> threading.Lock:
        return self._locks[hash(name) % _LOCKS]


def _objection(
    asked: Page, person: Page, challenge: ChallengeId, digests: Sequence[bytes], now: datetime
) -> Rejected | None:
    authorised = bool(digests) and {digest.hex() for digest in digests} <= set(asked["digests"])
    locked = otp.lock_end(_attempts(person), now) is not None
    ended = now >= datetime.fromisoformat(asked["not_after"]) or person["newest"] != challenge
    for holds, reason, what in (
        (not authorised, "hash_not_authorised", "the code is for other digests"),
        (asked["spent"], "spent", "this code was used"),
        (locked or asked["wrong"] >= otp.WRONG_PER_CHALLENGE, "locked", "too many wrong codes"),
        (ended, "expired", "this code has expired"),
    ):
        if holds:
            return Rejected(what, reason=reason)
    return None


def _too_often(person: Page, now: datetime) -> Rejected | None:
    try:
        otp.attempt_requested(_attempts(person), now)
        otp.may_request(otp.Codes(requested=_moments(person["requested"])), now)
    except CodeRefused as refused:
        return Rejected(refused.what, reason=_REASONS.get(refused.reason, refused.reason), mend="wait")
    return None


def _person(pages: Pages, fingerprint: Fingerprint) -> dict[str, Any]:
    return pages.get(f"person/{fingerprint}") or {"newest": "", "requested": [], "wrong": []}


def _attempts(person: Page) -> otp.Attempts:
    return otp.Attempts(requested=_moments(person["requested"]), wrong=_moments(person["wrong"]))


def _moments(written: Sequence[str]) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(one) for one in written)


def _bad_digest() -> Rejected:
    return Rejected("these are no SHA-256 digests", reason="bad_digest", mend="pass one or more of 32 bytes")


def _too_many(most: int) -> Rejected:
    return Rejected(f"one activation signs {most} digests at most", reason="too_many", mend="split them")
