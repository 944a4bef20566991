"""A signer over a CSC service: one authorization for all hashes of an activation, the fewest calls to sign them.

The API knows no idempotency keys, no lifetime of a code, and binds hashes to the authorization, not to the code that
was sent. So a notebook remembers what each key was for and answered, and what each code was sent for; the code, the
PIN and the activation data are written nowhere.

What a lost answer means: once an authorization was granted, the code is spent, whatever became of the signatures.
The activation data stays in this process, so that the same key goes on from there; another process answers `spent`.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import define, field
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from qcp_sdk import otp
from qcp_sdk.adapters.csc.client import CscClient
from qcp_sdk.adapters.csc.credentials import Credentials
from qcp_sdk.adapters.csc.shapes import (
    Authentication,
    Authorization,
    AuthorizationPending,
    CredentialInfo,
    Factor,
    SignaturesPending,
)
from qcp_sdk.adapters.shared.answers import stream_of
from qcp_sdk.adapters.shared.notebook import Notebook, Pages, meant, recall, remember
from qcp_sdk.adapters.shared.notebook_pages import Page
from qcp_sdk.adapters.shared.x509 import UNREADABLE
from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.signer import Credential, HashAnswer, HashRefused, HashSigned, SigningChallenge, SigningPending
from qcp_sdk.values import ChallengeId, Fingerprint, Key, Secret

DIGEST_LENGTH: Final = 32
_MASKED: Final = re.compile(r"[+(0-9]*[*xX•·…#.]{2,}[ *xX•·…#.]*[0-9]{2,4}")
"""Where a code goes, as services show it: `+33 6 ** ** 13 16`, `*****1316`."""
_HIDDEN: Final = "*****"
_LOCKS: Final = 64

Answers = tuple[HashAnswer, ...]
PinOf = Callable[[Fingerprint], Secret | None]


@define(kw_only=True)
class _Granted:
    """Activation data in use; it never leaves this process."""

    sad: Secret = field(repr=False)
    ends: datetime
    values: dict[bytes, bytes] = field(factory=dict, repr=False)
    """What was signed so far."""
    used: bool = False
    """Whether the service has signed with it: each further call needs it renewed."""


class CscSigner:
    """Implements the `Signer` port for credentials that are authorised with a code which the service sends.

    `code_lifetime` is how long the service's codes live (the API does not say). `pin_of` gives the PIN of credentials
    that want one beside the code. `hashes_per_call` bounds one `signHash` where a service does (0: all at once); the
    authorization is extended in between, as CSC asks for.
    """

    def __init__(
        self,
        client: CscClient,
        *,
        notebook: Notebook,
        clock: Clock,
        code_lifetime: timedelta = otp.LIFETIME,
        pin_of: PinOf | None = None,
        hashes_per_call: int = 0,
        description: str = "",
        look: bool = True,
    ) -> None:
        self._client, self._notebook, self._clock = client, notebook, clock
        self._credentials = Credentials(client, notebook, look=look)
        self._code_lifetime, self._pin_of, self._per_call = code_lifetime, pin_of, hashes_per_call
        self._description = description
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._granted: dict[str, _Granted] = {}

    def credential(self, *, fingerprint: Fingerprint) -> Credential:
        """Give the chain, the algorithm, and how many hashes one authorization is good for (`multisign`).

        Raises:
            Rejected: `unknown_credential`, `disabled`: by the service, or in a way that no code of ours opens.
            Unavailable: Ask again.
        """
        told = self._usable(fingerprint)
        return Credential(fingerprint=fingerprint, chain=told.certificates, algorithm=told.algorithm, batch=told.most)

    def challenge(
        self, *, key: Key, fingerprint: Fingerprint, digests: tuple[bytes, ...], language: str
    ) -> SigningChallenge:
        """Have the service send a code to the holder; it replaces the challenge before it.

        Raises:
            Rejected: `unknown_credential`, `disabled`, `bad_digest`, `too_many`, `locked`, `too_soon`,
                `undeliverable`, `key_reused`.
            Unavailable: No code was sent: again with the same key.
            Unconfirmed: A code may be on its way; the same key has another one sent, which counts.
        """
        intent = meant("challenge", fingerprint, *(digest.hex() for digest in digests))
        with self._lock(fingerprint):
            with self._notebook.open() as pages:
                known = recall(pages, key=key, meant=intent)
            if known is None:
                known = self._challenged(key, intent, fingerprint, digests, language)
        return SigningChallenge(
            id=ChallengeId(known["challenge"]),
            not_after=datetime.fromisoformat(known["not_after"]),
            masked=known["masked"],
        )

    def _challenged(
        self, key: Key, intent: str, fingerprint: Fingerprint, digests: tuple[bytes, ...], language: str
    ) -> Page:
        try:
            credential = self._usable(fingerprint, language=language)
            _check(digests, most=credential.most)
            code = credential.needs(Factor.CODE)
            assert code is not None  # or it is not usable
            if self._client.version == "v1":
                self._client.send_otp(credential.id)
            else:
                self._client.get_challenge(credential.id, authentication=code.id)
        except Rejected as refusal:
            with self._notebook.open() as pages:
                remember(pages, key=key, meant=intent, answer=refusal)
            raise
        challenge = "csc-" + hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:32]
        answer = {
            "challenge": challenge,
            "not_after": (self._clock.now() + self._code_lifetime).isoformat(),
            "masked": _where(code),
        }
        with self._notebook.open() as pages:
            remember(pages, key=key, meant=intent, answer=answer)
            asked = {
                "fingerprint": fingerprint,
                "digests": [digest.hex() for digest in digests],
                "not_after": answer["not_after"],
                "wrong": 0,
                "spent": False,
            }
            pages.put(f"challenge/{challenge}", asked, of=stream_of(key))
            pages.put(f"newest/{fingerprint}", {"challenge": challenge})
        return answer

    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> Answers | SigningPending:
        """Authorise these digests of the challenge with the code, and have them signed.

        Raises:
            Rejected: `wrong_code`, `expired` (or replaced by a newer challenge), `locked`, `spent`,
                `hash_not_authorised`, `unknown_challenge`, `disabled`, `key_reused`.
            Unavailable: Nothing was counted or signed: again with the same key.
            Unconfirmed: The code may be spent. The same key goes on where this call was cut off.
        """
        intent = meant("activate", challenge, *(digest.hex() for digest in digests))
        with self._lock(challenge):
            with self._notebook.open() as pages:
                known = recall(pages, key=key, meant=intent)
                if known is None or "asked" in known:
                    known, asked = self._may_activate(
                        pages, key, intent, challenge, digests, again=known == {"asked": True}
                    )
                else:
                    asked = None
            if "rejected" in known:
                raise Rejected(known["what"], reason=known["rejected"])
            if asked is not None:
                known = self._activated(key, intent, challenge, asked, digests, code, again="again" in known)
        try:
            return self.poll(handle=known["handle"])
        except Unavailable as error:  # not of the activation, which was accepted
            return SigningPending(handle=known["handle"], note=error.what)

    def answered(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...]
    ) -> Answers | SigningPending | None:
        """Give what the activation under this key was answered, without a code. None: nothing is known of it, as where
        the process died before the service's own answer came: its activation data died with it.

        Raises:
            Rejected: As `activate` was.
            Unavailable: Ask again.
        """
        intent = meant("activate", challenge, *(digest.hex() for digest in digests))
        with self._notebook.open() as pages:
            known = recall(pages, key=key, meant=intent)
        return self.poll(handle=known["handle"]) if known is not None and "handle" in known else None

    def _may_activate(
        self, pages: Pages, key: Key, intent: str, challenge: ChallengeId, digests: Sequence[bytes], *, again: bool
    ) -> tuple[Page, Page | None]:
        """Say what speaks against it, and write it down; or write down that the service is being asked."""
        asked = pages.get(f"challenge/{challenge}")
        refusal = self._objection(pages, asked, key, challenge, digests)
        if refusal is not None:
            remember(pages, key=key, meant=intent, answer=refusal)
            return {"rejected": refusal.reason, "what": refusal.what}, None
        remember(pages, key=key, meant=intent, answer={"asked": True})
        return ({"again": True} if again else {}), asked

    def _objection(
        self, pages: Pages, asked: Page | None, key: Key, challenge: ChallengeId, digests: Sequence[bytes]
    ) -> Rejected | None:
        if asked is None:
            return Rejected("no such challenge", reason="unknown_challenge")
        newest = pages.get(f"newest/{asked['fingerprint']}")
        # Whoever has the activation data goes on with it, spent as the code is.
        mine = asked["spent"] and asked.get("by") == str(key) and _handle(key) in self._granted
        authorised = bool(digests) and {digest.hex() for digest in digests} <= set(asked["digests"])
        ended = self._clock.now() >= datetime.fromisoformat(asked["not_after"]) or newest != {"challenge": challenge}
        for holds, reason, what in (
            (not authorised, "hash_not_authorised", "the code is for other digests"),
            (asked["spent"] and not mine, "spent", "this code was used"),
            (asked["wrong"] >= otp.WRONG_PER_CHALLENGE and not mine, "locked", "too many wrong codes"),
            (ended and not mine, "expired", "this code has expired"),
        ):
            if holds:
                return Rejected(what, reason=reason)
        return None

    def _activated(
        self,
        key: Key,
        intent: str,
        challenge: ChallengeId,
        asked: Page,
        digests: tuple[bytes, ...],
        code: Secret,
        *,
        again: bool,
    ) -> Page:
        handle, fingerprint = _handle(key), Fingerprint(asked["fingerprint"])
        told: Authorization | AuthorizationPending | None = None
        credential: CredentialInfo | None = None
        if handle not in self._granted:
            try:
                credential = self._usable(fingerprint)
                told = self._client.authorize(
                    credential.id,
                    digests=_once(digests),
                    values=self._values(credential, fingerprint, code),
                    description=self._description,
                )
            except Unavailable as error:
                if again:  # nothing was done now; what was done before is still not known
                    raise Unconfirmed(error.what, where=error.where, mend="ask again with the same key") from error
                self._not_asked(key)
                raise
            except Rejected as refusal:
                raise self._refused(key, intent, challenge, refusal, again=again) from refusal
        try:
            return self._done(key, intent, challenge, fingerprint, digests, told=told, credential=credential)
        except Unavailable as error:
            raise Unconfirmed(
                "the code was accepted, and what was signed is not known", mend="ask again with the same key"
            ) from error

    def _done(
        self,
        key: Key,
        intent: str,
        challenge: ChallengeId,
        fingerprint: Fingerprint,
        digests: tuple[bytes, ...],
        *,
        told: Authorization | AuthorizationPending | None,
        credential: CredentialInfo | None,
    ) -> Page:
        """Go on after the code was accepted: have it signed, or write down what is waited for."""
        handle = _handle(key)
        of = stream_of(key)
        page: Page = {"digests": [digest.hex() for digest in digests], "fingerprint": fingerprint, "of": of}
        if told is not None:
            self._spend(key, challenge, told)
        if isinstance(told, AuthorizationPending):
            page["pending"] = told.handle
        else:
            page["answers"] = answers = self._signed(handle, fingerprint, digests, credential, of=of)
            if any(reason == "sad_ended" for _, _, reason in answers):  # another code goes on with what is left
                spent = Rejected("the service takes its activation data no more", reason="spent", where="csc")
                raise self._refused(key, intent, challenge, spent, again=False)
        answer = {"handle": handle}
        with self._notebook.open() as pages:
            pages.put(f"activation/{handle}", page, of=of)
            remember(pages, key=key, meant=intent, answer=answer)
        self._granted.pop(handle, None)
        return answer

    def _spend(self, key: Key, challenge: ChallengeId, told: Authorization | AuthorizationPending) -> None:
        """Keep the activation data here, and write down that the code is spent."""
        if isinstance(told, Authorization):
            self._grant(_handle(key), told)
        with self._notebook.open() as pages:
            asked = pages.get(f"challenge/{challenge}")
            assert asked is not None
            pages.put(f"challenge/{challenge}", asked | {"spent": True, "by": str(key)})

    def _grant(self, handle: str, told: Authorization) -> None:
        now = self._clock.now()
        for ended in [each for each, granted in list(self._granted.items()) if granted.ends <= now]:
            self._granted.pop(ended, None)  # nobody came back for it
        self._granted[handle] = _Granted(sad=told.sad, ends=now + told.lifetime)

    def _refused(self, key: Key, intent: str, challenge: ChallengeId, refusal: Rejected, *, again: bool) -> Rejected:
        # The PIN is the installation's: no other code mends it, and nobody typed it wrongly.
        reason = {"wrong_pin": "disabled", "sad_ended": "expired"}.get(refusal.reason, refusal.reason)
        if reason == "wrong_code" and again:
            # The first answer was lost: the service may have accepted the code then. Only a new one is clear.
            reason = "spent"
        told = Rejected(refusal.what, reason=reason, where=refusal.where)
        with self._notebook.open() as pages:
            asked = pages.get(f"challenge/{challenge}")
            assert asked is not None
            wrong = asked["wrong"] + (reason == "wrong_code")
            pages.put(f"challenge/{challenge}", asked | {"wrong": wrong, "spent": asked["spent"] or reason == "spent"})
            remember(pages, key=key, meant=intent, answer=told)
        return told

    def _not_asked(self, key: Key) -> None:
        with self._notebook.open() as pages:
            page = pages.get(f"key/{key}")
            if page is not None and "asked" in page["answer"]:
                pages.put(f"key/{key}", page | {"answer": {"asked": False}})

    def _values(self, credential: CredentialInfo, fingerprint: Fingerprint, code: Secret) -> dict[str, Secret]:
        found: dict[str, Secret] = {}
        for each in credential.authentications:
            if each.factor is Factor.CODE:
                found[each.id] = code
            elif each.factor is Factor.PIN and (pin := self._pin_of(fingerprint) if self._pin_of else None):
                found[each.id] = pin
        return found

    def _signed(
        self,
        handle: str,
        fingerprint: Fingerprint,
        digests: tuple[bytes, ...],
        credential: CredentialInfo | None,
        *,
        of: str,
    ) -> list[list[str]]:
        """Sign with the activation data that is held; every digest is answered. What was signed before, by whatever
        code, is not bought again: each part is written down as it comes.

        Raises:
            Unconfirmed: Nobody knows. The activation data, and what was signed so far, are kept for the next try.
        """
        granted, refused = self._granted[handle], ""
        with self._notebook.open() as pages:
            for digest in digests:
                if (known := pages.get(_value_of(fingerprint, digest))) is not None:
                    granted.values.setdefault(digest, bytes.fromhex(known["value"]))

        def keep(part: Sequence[bytes]) -> None:
            with self._notebook.open() as pages:
                for digest in part:
                    if value := granted.values[digest]:
                        pages.put(_value_of(fingerprint, digest), {"value": value.hex()}, of=of)

        try:
            credential = credential or self._credentials.find(fingerprint)
            self._sign_all(granted, credential, _once(digests), keep=keep)
        except Rejected as refusal:
            refused = refusal.reason
        return [
            [digest.hex(), value.hex(), "" if value else refused or "not_a_signature"]
            for digest, value in ((digest, granted.values.get(digest, b"")) for digest in digests)
        ]

    def _sign_all(
        self,
        granted: _Granted,
        credential: CredentialInfo,
        digests: tuple[bytes, ...],
        *,
        keep: Callable[[Sequence[bytes]], None],
    ) -> None:
        left = [digest for digest in digests if digest not in granted.values]
        step = self._per_call or len(left) or 1
        for start in range(0, len(left), step):
            part = tuple(left[start : start + step])
            if granted.used:  # CSC API 1.0.4.0 § 11.8: each further call has new activation data
                extended = self._client.extend_transaction(credential.id, sad=granted.sad, digests=part)
                granted.sad = extended.sad
            values = self._client.sign_hash(
                credential.id, digests=part, algorithm=credential.algorithm_oid, sad=granted.sad
            )
            if isinstance(values, SignaturesPending):
                raise Unavailable("the service answers later, which was not asked for", mend="ask again")
            granted.used = True
            for digest, value in zip(part, values, strict=True):
                granted.values[digest] = checked(credential.certificates[0], digest, value)
            keep(part)

    def poll(self, *, handle: str) -> Answers | SigningPending:
        """Give the answer of an activation; one that was pending is fetched.

        Raises:
            Rejected: `unknown_handle`.
            Unavailable: Ask again.
        """
        with self._lock(handle):
            with self._notebook.open() as pages:
                page = pages.get(f"activation/{handle}")
            if page is None:
                raise Rejected("no activation is known under this handle", reason="unknown_handle")
            if "answers" not in page:
                answers = self._fetched(handle, page)
                if answers is None:
                    return SigningPending(handle=handle, note="the signatory has not agreed yet")
                page["answers"] = answers
                with self._notebook.open() as pages:
                    pages.put(f"activation/{handle}", page, of=page.get("of", ""))
                self._granted.pop(handle, None)
        return tuple(
            HashRefused(digest=bytes.fromhex(digest), reason=reason)
            if reason
            else HashSigned(digest=bytes.fromhex(digest), value=bytes.fromhex(value))
            for digest, value, reason in page["answers"]
        )

    def _fetched(self, handle: str, page: dict[str, Any]) -> list[list[str]] | None:
        if handle not in self._granted:
            try:
                told = self._client.authorize_check(page["pending"])
            except Rejected as refusal:
                return [[digest, "", refusal.reason] for digest in page["digests"]]
            if isinstance(told, AuthorizationPending):
                return None
            self._grant(handle, told)
        digests = tuple(bytes.fromhex(digest) for digest in page["digests"])
        try:
            return self._signed(handle, Fingerprint(page["fingerprint"]), digests, None, of=page.get("of", ""))
        except Unconfirmed as error:
            raise Unavailable("what was signed is not known yet", mend="ask again") from error

    def probe(self) -> None:
        """Ask the service something harmless.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        self._client.probe()

    def forget_stream(self, *, stream: str) -> None:
        """Destroy what was written down for this ceremony. Repeatable.

        Raises:
            Unavailable: Again later.
        """
        self._notebook.forget_stream(stream=stream)

    def _usable(self, fingerprint: Fingerprint, *, language: str = "") -> CredentialInfo:
        try:
            told = self._credentials.find(fingerprint, language=language)
        except Rejected as gone:
            if gone.reason == "refused":
                raise Rejected(gone.what, reason="unknown_credential", where=gone.where) from gone
            raise
        for holds, what in (
            (not told.enabled or told.certificate_status not in ("", "valid"), "the service does not use this key"),
            (not told.algorithm, "the key signs by no algorithm that we ask for"),
            (told.mode == "oauth2code", "it is authorised on the service's own pages"),
            (told.needs(Factor.CODE) is None, "the service sends no code for it"),
            (self._pin_missing(told, fingerprint), "it wants a PIN that nobody gives us"),
        ):
            if holds:
                raise Rejected(what, reason="disabled")
        return told

    def _pin_missing(self, credential: CredentialInfo, fingerprint: Fingerprint) -> bool:
        pin = credential.needs(Factor.PIN)
        if pin is None or not pin.required:
            return False
        return self._pin_of is None or self._pin_of(fingerprint) is None

    def _lock(self, name: str) -> threading.Lock:
        # Two names may share a lock; nobody takes two of them.
        return self._locks[hash(name) % _LOCKS]


def checked(certificate: bytes, digest: bytes, value: bytes) -> bytes:
    """Give the value as PDFs hold it (for ECDSA: DER of r and s), or nothing where it is no signature of this key.

    A service may write ECDSA as r and s side by side (IEEE P1363): that is turned into DER. Which of the two it is,
    only the key says: r too may begin as DER does.
    """
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except UNREADABLE:
        return b""
    if _verifies(key, digest, value):
        return value
    if isinstance(key, ec.EllipticCurvePublicKey):
        half = (key.curve.key_size + 7) // 8
        if len(value) == 2 * half:
            value = encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))
            if _verifies(key, digest, value):
                return value
    return b""


def _verifies(key: object, digest: bytes, value: bytes) -> bool:
    prehashed = Prehashed(hashes.SHA256())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, digest, padding.PKCS1v15(), prehashed)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(value, digest, ec.ECDSA(prehashed))
            return True
    except (InvalidSignature, *UNREADABLE):
        pass
    return False


def _check(digests: Sequence[bytes], *, most: int) -> None:
    if not digests or any(len(digest) != DIGEST_LENGTH for digest in digests):
        raise Rejected("these are no SHA-256 digests", reason="bad_digest", mend="pass one or more of 32 bytes")
    if len(set(digests)) > most:
        raise Rejected(f"one authorization signs {most} digests at most", reason="too_many", mend="split them")


def _once(digests: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(digests))


def _value_of(fingerprint: Fingerprint, digest: bytes) -> str:
    return f"value/{fingerprint}/{digest.hex()}"


def _handle(key: Key) -> str:
    return "csc-" + hashlib.sha256(b"activation " + key.encode(errors="surrogatepass")).hexdigest()[:32]


def _where(code: Authentication) -> str:
    shown = _MASKED.search(code.label)
    return shown[0].strip() if shown else _HIDDEN
