"""The calls of CMP over HTTP (RFC 6712): certification by PKCS#10, polling, confirmation, revocation.

Only an answer whose protection holds, that answers our nonce within our transaction, is believed. Everything else is as
if no answer had come: `Unconfirmed` after a call that acts.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeAlias, TypeVar

from asn1crypto import csr, x509  # type: ignore[import-untyped]
from attrs import field, frozen
from cryptography import x509 as crypto_x509

from qcp_sdk.adapters.shared.cmp_protection import NONCE, UNREADABLE, Protection, Received, parsed, read, write
from qcp_sdk.adapters.shared.cmp_shapes import (
    Confirmations,
    GeneralInfo,
    Polls,
    Revocations,
    Status,
    StatusInfo,
    failures_of,
    status_info,
)
from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.clock import Clock

SIGNING_KEY_TYPES: Final = "1.3.6.1.5.5.7.4.2"
"""id-it-signKeyPairTypes, RFC 4210 § 5.3.19.2: with which kinds of keys one may sign."""
CONTENT_TYPE: Final = "application/pkixcmp"
OURS: Final = {
    "bad_alg": "the authority does not take these algorithms",
    "bad_message_check": "check reference and secret, or the certificate that signs our messages",
    "bad_time": "set this machine's clock",
    "bad_sender_nonce": "ask again",
    "bad_recipient_nonce": "ask again",
    "wrong_authority": "check the authority's certificate in this configuration",
    "wrong_integrity": "the authority wants the other kind of protection",
    "signer_not_trusted": "have the authority trust the certificate that signs our messages",
    "not_authorized": "have the authority allow this to our reference or certificate",
    "unsupported_version": "the authority speaks another version",
    "transaction_id_in_use": "ask again",
    "system_unavail": "ask again later",
}
"""Failures that say nothing about the applicant: the configuration is mended, or one asks again. Nothing was done."""
_WORDS: Final = 300

T = TypeVar("T")


@frozen(kw_only=True)
class Certified:
    """A certificate that was issued, and is not valid for good before it is confirmed."""

    certificate: bytes = field(repr=False)
    extra: tuple[bytes, ...] = field(repr=False)
    request: int
    nonce: bytes
    """The answer's, which the confirmation answers."""


@frozen(kw_only=True)
class Waiting:
    """The authority decides later."""

    request: int
    nonce: bytes


Reply: TypeAlias = Certified | Waiting


class CmpClient:
    """Asks the authority whose certificate is `authority` (DER), at the address of `http`."""

    def __init__(
        self,
        http: Http,
        *,
        protection: Protection,
        authority: bytes,
        clock: Clock,
        path: str = "/",
        draw: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        try:
            subject = x509.Certificate.load(authority, strict=True).subject
        except UNREADABLE as error:
            raise ConfigurationError("it is no certificate", where="cmp.authority", mend="give its DER") from error
        self._http, self._protection, self._clock, self._path = http, protection, clock, path
        self._draw = draw
        self._recipient = x509.GeneralName("directory_name", subject)
        self._issuer = subject

    def transaction(self) -> bytes:
        """Give the id of a new transaction."""
        return self._draw(NONCE)

    def request(self, content: bytes, *, transaction: bytes) -> Reply:
        """Ask for a certificate by a PKCS#10 request (DER).

        Raises:
            Rejected: The authority refuses; the reason is a word of `FAILURES`.
            Unavailable, Unconfirmed: As everywhere.
        """
        told = self._asked("p10cr", csr.CertificationRequest.load(content), transaction, acts=True)
        return self._reply(told)

    def poll(self, *, transaction: bytes, request: int, nonce: bytes) -> Reply:
        """Ask whether the authority has decided. Raises as `request`, but nothing is ever `Unconfirmed`."""
        polls = Polls([{"request": request}])
        told = self._asked("pollreq", polls, transaction, acts=False, answers=nonce)
        if told.said.kind == "pollrep":
            return told.reading(lambda: Waiting(request=request, nonce=told.said.sender_nonce))
        return self._reply(told)

    def probe(self) -> datetime | None:
        """Ask something that changes nothing (a general message), and give the authority's time.

        Raises:
            Unavailable: It was not reached, or does not know us; the error says what to mend.
        """
        asked = GeneralInfo([{"type": SIGNING_KEY_TYPES}])
        try:
            return self._asked("genm", asked, self.transaction(), acts=False).said.time
        except Rejected:
            return None  # it does not speak of this, and knows us: its answer was protected

    def confirm(self, certified: Certified, *, transaction: bytes, taken: bool = True) -> bool:
        """Take the certificate, or refuse it; say whether the authority answered that it knows.

        It did not where it knows the transaction no more: an authority may say so of what it dropped, and of what was
        confirmed before [tried: OpenSSL's server]. Only its revocation list tells these apart.

        Raises:
            Unavailable: It was not asked.
            Unconfirmed: It may know now: call again.
        """
        status = status_info(Status.ACCEPTED if taken else Status.REJECTION)
        hashed = certificate_hash(certified.certificate)
        content = Confirmations([{"hash": hashed, "request": certified.request, "status": status}])
        try:
            told = self._asked("certconf", content, transaction, acts=True, answers=certified.nonce)
        except Rejected as refusal:
            # The answer before was lost. RFC 4210 has a word for that, certConfirmed; nobody has to use it.
            if refusal.reason not in ("cert_confirmed", "bad_request", "bad_cert_id", "incorrect_data"):
                raise
            return refusal.reason == "cert_confirmed"
        if told.said.kind != "pkiconf":
            raise told.answer.unreadable("it does not answer a confirmation")
        return True

    def revoke(self, *, serial_number: int, reason: str) -> None:
        """Revoke a certificate of this authority; return too where it is revoked already.

        Raises:
            Rejected: The authority refuses.
            Unavailable, Unconfirmed: As everywhere.
        """
        details = {"serial_number": serial_number, "issuer": self._issuer}
        stated = [{"extn_id": "crl_reason", "critical": False, "extn_value": reason}]  # RFC 5280 § 5.3.1
        content = Revocations([{"details": details, "extensions": stated}])
        try:
            told = self._asked("rr", content, self.transaction(), acts=True)
            if told.said.kind != "rp":
                raise told.answer.unreadable("it does not answer a revocation")
            status = told.reading(lambda: told.said.content["statuses"][0])
            self._refusal(told, status)
        except Rejected as refusal:
            if refusal.reason != "cert_revoked":
                raise

    # What comes and goes.

    def _asked(self, kind: str, content: object, transaction: bytes, *, acts: bool, answers: bytes = b"") -> _Told:
        nonce = self._draw(NONCE)
        sent = write(
            kind,
            content,
            protection=self._protection,
            transaction=transaction,
            nonce=nonce,
            recipient=self._recipient,
            at=self._clock.now(),
            answers=answers,
        )
        answer = self._http.ask(
            "POST", self._path, acts=acts, content=sent, headers={"content-type": CONTENT_TYPE}, explain=_plainly
        )
        said = _reading(answer, lambda: read(parsed(answer.body), protection=self._protection))
        if said is None:
            raise (Unconfirmed if acts else Unavailable)(
                f"the service answered {answer.status}, and it is not the authority's: its protection does not hold",
                where=answer.where,
                mend="check reference and secret, or the certificates; then ask again with the same key",
            )
        if said.transaction != transaction or said.recipient_nonce != nonce:
            raise answer.unreadable("it answers another message")
        told = _Told(answer, said)
        if said.kind == "error":
            self._refusal(told, told.reading(lambda: said.content["status"]))
            raise answer.unreadable("it is an error without a reason")
        return told

    def _reply(self, told: _Told) -> Reply:
        if told.said.kind not in ("cp", "ip"):
            raise told.answer.unreadable("it does not answer a request")
        response = told.reading(lambda: _only(told.said.content["responses"]))
        number = told.reading(lambda: int(response["request"].native))
        status = self._refusal(told, response["status"])
        if status == Status.WAITING:
            return Waiting(request=number, nonce=told.said.sender_nonce)
        certificate = told.reading(lambda: _plain(response["pair"]["certificate"]))
        authorities = told.reading(lambda: _dumped(told.said.content["authorities"]))
        return Certified(
            certificate=certificate,
            extra=(*authorities, *told.said.extra),
            request=number,
            nonce=told.said.sender_nonce,
        )

    def _refusal(self, told: _Told, info: StatusInfo) -> int:
        """Give the status, unless it is a refusal: that is raised."""
        status = told.reading(lambda: int(info["status"].native))
        if status in (Status.ACCEPTED, Status.GRANTED_WITH_MODS, Status.WAITING):
            return status
        if status != Status.REJECTION:
            raise told.answer.unreadable("its status is none that answers us")
        failures = told.reading(lambda: failures_of(info))
        text = told.reading(lambda: "; ".join(info["text"].native or ()))
        raise _failed(told.answer, failures, text)


@frozen
class _Told:
    """An answer, and what it said."""

    answer: Answer
    said: Received

    def reading(self, get: Callable[[], T]) -> T:
        """Read some of it."""
        return _reading(self.answer, get)


def certificate_hash(certificate: bytes) -> bytes:
    """Hash a certificate as its confirmation does: by the hash of its signature (RFC 4210 § 5.3.18).

    Raises:
        ValueError: That has none (EdDSA), or the certificate cannot be read.
    """
    named = crypto_x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    if named is None:
        raise ValueError("the signature has no hash of its own")
    return hashlib.new(named.name, certificate).digest()


def _failed(answer: Answer, failures: tuple[str, ...], text: str) -> PortError:
    words = answer.quoted(text)
    told = f"the authority refuses ({', '.join(failures) or 'without a reason'})" + (f": {words}" if words else "")
    for failure in failures:
        if failure in OURS:
            return Unavailable(told, where=answer.where, mend=OURS[failure])
        if failure == "system_failure":
            kind = Unconfirmed if answer.acts else Unavailable
            return kind(told, where=answer.where, mend="ask again with the same key")
    return Rejected(told, reason=failures[0] if failures else "refused", where=answer.where)


def _plainly(answer: Answer) -> PortError | None:
    """Take an HTTP refusal for what it is: nobody of the authority's has read the message."""
    if 400 <= answer.status < 500:
        return Unavailable(
            f"the authority's server answered {answer.status}", where=answer.where, mend="check address and path"
        )
    return None


def _reading(answer: Answer, get: Callable[[], T]) -> T:
    try:
        return get()
    except UNREADABLE:
        # Without its cause, which may quote what came.
        raise answer.unreadable("it is no message of CMP that can be read") from None


def _only(several: Any) -> Any:
    if len(several) != 1:
        raise ValueError("one was asked for")
    return several[0]


def _plain(choice: Any) -> bytes:
    if choice.name != "certificate":
        raise ValueError("it is encrypted")
    content: bytes = choice.chosen.untag().dump()
    crypto_x509.load_der_x509_certificate(content)
    certificate_hash(content)
    return content


def _dumped(several: Any) -> tuple[bytes, ...]:
    return tuple(one.dump() for one in several) if several.native is not None else ()
