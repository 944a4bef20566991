"""A certificate authority over a service that knows neither our keys nor our accounts: a notebook remembers both.

What services of this kind have in common: they make a certificate in one call, or later; they revoke; they know no
idempotency key, no contact data of a holder, perhaps no reason of a revocation. The notebook holds e-mail addresses and
mobiles (`holdings` answers what was registered), sealed under a key of the subscription's.
"""

from __future__ import annotations

import hashlib
import re
import threading
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from qcp_sdk.adapters.shared.notebook import Notebook, meant, recall, remember
from qcp_sdk.adapters.shared.notebook_pages import Page
from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind, read
from qcp_sdk.errors import CertificateError, InvalidValue, Rejected, Unavailable, Unconfirmed
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.authority import Decision
from qcp_sdk.ports.clock import Clock
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending, CertificateRefused, CertificateRevoked
from qcp_sdk.values import AccountId, ContentHash, EmailAddress, Fingerprint, Key, PhoneNumber, content_hash

REASONS: Final = frozenset(
    {"unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation",
     "privilege_withdrawn"}
)  # fmt: skip
"""Reasons of RFC 5280 § 5.3.1 that end a person's certificate for good."""
_WORD: Final = re.compile(r"[a-z][a-z_]{1,39}")
_LOCKS: Final = 64


def page_of(fingerprint: Fingerprint) -> str:
    """Name the page on which a certificate is written down."""
    return f"credential/{fingerprint}"


@frozen(kw_only=True)
class Made:
    """What a service made of an application: a handle of its own, and the certificate as soon as it is there."""

    handle: str
    certificates: tuple[bytes, ...] = field(default=(), repr=False)
    """DER, its own first."""


class NotedAuthority(ABC):
    """Implements the `CertificateAuthority` port over four questions to a service.

    `policy` is what tells this authority's applications from another's under the same notebook.
    """

    def __init__(self, *, notebook: Notebook, clock: Clock, issuer: str, policy: str) -> None:
        self._notebook, self._clock, self._issuer, self._policy = notebook, clock, issuer, policy
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    # What a service has to be asked.

    @abstractmethod
    def _make(self, key: Key, application: Application, known: Page | None) -> Made:
        """Have a certificate made. `known["asked"]` says that it may have been asked for before, and since when.

        Raises:
            Rejected: The service refuses: that is its answer.
            Unavailable: Nothing was made. `Unconfirmed`: something may have been.
        """

    @abstractmethod
    def _look(self, handle: str) -> Made | None:
        """Look for a certificate that was being made; None while it is.

        Raises:
            Rejected: The service refuses: that is its answer.
            Unavailable: Ask again.
        """

    @abstractmethod
    def _end(self, handle: str, der: bytes, reason: str) -> None:
        """Have a certificate revoked; return where it is already."""

    @abstractmethod
    def _kind(self, handle: str, der: bytes) -> StatusKind:
        """Say what the service knows of a certificate now.

        Raises:
            Unavailable: Ask again.
        """

    # The port.

    @property
    def issuer(self) -> str:
        """The authority's name as a person reads it."""
        return self._issuer

    def submit(self, *, key: Key, application: Application, request: ContentHash) -> Decision:
        """Have a certificate made; one that is still being made is pending.

        Raises:
            Rejected: `malformed`, `key_reused`.
            Unavailable: Nothing was made: again with the same key.
            Unconfirmed: It may have been made: the same key looks for it first.
        """
        intent = meant("submit", self._policy, application.subscription, application.account.id, request)
        with self._lock(key):
            with self._notebook.open() as pages:
                known = recall(pages, key=key, meant=intent)
                fresh = known is None or "asked" in known
                objection = _objection(application, request) if fresh else None
                if fresh:
                    since = (known or {}).get("since", self._clock.now().isoformat())
                    remember(pages, key=key, meant=intent, answer=objection or {"asked": True, "since": since})
            if objection is not None:
                raise objection
            answer = self._submitted(key, intent, application, known) if fresh else known
        assert answer is not None
        return self._told(answer)

    def _submitted(self, key: Key, intent: str, application: Application, known: Page | None) -> Page:
        try:
            made = self._make(key, application, known)
        except Unavailable as error:
            if known is not None and known["asked"]:  # what the call before did is still not known
                raise Unconfirmed(error.what, where=error.where, mend="ask again with the same key") from error
            self._answered(key, intent, {"asked": False})
            raise
        except Rejected as refusal:
            return self._answered(key, intent, {"refused": _word(refusal)})
        account, of = _packed(application.account), application.subscription
        if not made.certificates:
            reference = hashlib.sha256(f"{self._policy}|{made.handle}".encode()).hexdigest()[:32]
            with self._notebook.open() as pages:
                page = {"handle": made.handle, "account": account, "of": of}
                pages.put(f"application/{reference}", page, of=of)
                pages.put(created(made.handle), {})
            return self._answered(key, intent, {"pending": reference})
        return self._answered(key, intent, self._issued(made, account, of))

    def _issued(self, made: Made, account: Page, of: str) -> Page:
        """Write down a certificate that is there, once."""
        try:
            certificate = read(made.certificates[0])
        except CertificateError as error:
            raise Unconfirmed("the service's certificate cannot be read", mend="ask the service for it") from error
        with self._notebook.open() as pages:
            pages.put(created(made.handle), {})
            if pages.get(page_of(certificate.fingerprint)) is None:
                held = {"handle": made.handle, "chain": [one.hex() for one in made.certificates], "account": account}
                pages.put(page_of(certificate.fingerprint), held, of=of)
                pages.put(f"{_shelf(account['id'])}/{certificate.fingerprint}", {}, of=of)
        return {"issued": certificate.fingerprint}

    def ask(self, *, reference: str) -> CertificateIssued | CertificateRefused | Pending:
        """Say what became of a request that was pending.

        Raises:
            Rejected: `unknown_reference`.
            Unavailable: Ask again.
        """
        with self._lock(reference):
            with self._notebook.open() as pages:
                page = pages.get(f"application/{reference}")
            if page is None:
                raise Rejected("no request is known under this reference", reason="unknown_reference")
            if "answer" not in page:
                answer = self._decided(page)
                if answer is None:
                    return Pending(note="the certificate is being made")
                page["answer"] = answer
                with self._notebook.open() as pages:
                    pages.put(f"application/{reference}", page, of=page["of"])
        decided = self._told(page["answer"])
        assert not isinstance(decided, CertificatePending)
        return decided

    def _decided(self, page: Page) -> Page | None:
        try:
            made = self._look(page["handle"])
        except Rejected as refusal:
            return {"refused": _word(refusal)}
        if made is None:
            return None
        try:
            return self._issued(made, page["account"], page["of"])
        except Unconfirmed as error:
            raise Unavailable(error.what, mend=error.mend) from error

    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> CertificateRevoked:
        """Revoke, for good.

        Raises:
            Rejected: `unknown_certificate`, `expired`, `reason_refused`, `key_reused`, or as the service says.
            Unavailable: Nothing was revoked: again with the same key.
            Unconfirmed: It may be revoked: the same key finds out.
        """
        intent = meant("revoke", fingerprint, reason)
        with self._lock(fingerprint):
            with self._notebook.open() as pages:
                known = recall(pages, key=key, meant=intent)
                page = pages.get(page_of(fingerprint))
            if known is None:
                try:
                    page = self._revoked(fingerprint, page, reason)
                except Rejected as refusal:
                    with self._notebook.open() as pages:
                        remember(pages, key=key, meant=intent, answer=refusal)
                    raise
                with self._notebook.open() as pages:
                    remember(pages, key=key, meant=intent, answer={"revoked": page["revoked"]["at"]})
            assert page is not None
        ended = page["revoked"]
        return CertificateRevoked(
            fingerprint=fingerprint, at=datetime.fromisoformat(ended["at"]), reason=ended["reason"]
        )

    def _revoked(self, fingerprint: Fingerprint, page: Page | None, reason: str) -> Page:
        if page is None:
            raise Rejected("no certificate of this authority has this fingerprint", reason="unknown_certificate")
        if "revoked" in page:
            return page
        if self._clock.now() > read(_der(page)).not_after:
            raise Rejected("the certificate has expired", reason="expired")
        if reason not in REASONS:
            raise Rejected("it is no reason to revoke a person's certificate", reason="reason_refused")
        self._end(page["handle"], _der(page), reason)
        return self._ended(fingerprint, reason)

    def _ended(self, fingerprint: Fingerprint, reason: str) -> Page:
        """Write down that a certificate is revoked, unless that is written already."""
        with self._notebook.open() as pages:
            page = pages.get(page_of(fingerprint))
            assert page is not None
            if "revoked" not in page:
                page["revoked"] = {"at": self._clock.now().replace(microsecond=0).isoformat(), "reason": reason}
                pages.put(page_of(fingerprint), page)
            return page

    def status(self, *, fingerprint: Fingerprint) -> CertificateStatus:
        """Say what is known of the certificate now; UNKNOWN for one that was not issued through here.

        Raises:
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            page = pages.get(page_of(fingerprint))
        return self._status(fingerprint, page)

    def _status(self, fingerprint: Fingerprint, page: Page | None) -> CertificateStatus:
        now = self._clock.now()
        if page is None or "chain" not in page:
            return CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=now)
        if "revoked" not in page:
            kind = self._kind(page["handle"], _der(page))
            if kind is not StatusKind.REVOKED:
                return CertificateStatus(kind=kind, checked_at=now)
            page = self._ended(fingerprint, "unspecified")  # the service did it without us
        ended = page["revoked"]
        return CertificateStatus(
            kind=StatusKind.REVOKED,
            checked_at=now,
            revoked_at=datetime.fromisoformat(ended["at"]),
            reason=ended["reason"],
        )

    def holdings(self, *, account: Account) -> tuple[Holding, ...]:
        """Give the certificates issued to this account through here, newest first, ended ones included.

        Raises:
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            mine = [Fingerprint(one.rpartition("/")[2]) for one in pages.names(_shelf(account.id))]
            held = [(fingerprint, pages.get(page_of(fingerprint))) for fingerprint in reversed(mine)]
        return tuple(
            Holding(
                certificate=read(_der(page)),
                status=self._status(fingerprint, page),
                email=EmailAddress(page["account"]["email"]),
                mobile=PhoneNumber(page["account"]["mobile"]),
            )
            for fingerprint, page in held
            if page is not None
        )

    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended.

        Raises:
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            page = pages.get(f"key/{key}")
        answer: dict[str, Any] = page["answer"] if page is not None else {"asked": False}
        if answer.get("asked"):
            raise Unavailable("the answer was lost", mend="call again with the same key: it looks for what was made")
        if "asked" in answer:
            return Outcome(kind=OutcomeKind.UNKNOWN)
        if reason := answer.get("rejected") or answer.get("refused"):
            return Outcome(kind=OutcomeKind.REFUSED, reason=reason)
        reference = answer.get("pending") or answer.get("issued") or answer.get("revoked", "")
        return Outcome(kind=OutcomeKind.DONE, reference=reference)

    def forget_stream(self, *, stream: str) -> None:
        """Destroy what was written down for this subscription. Repeatable.

        Raises:
            Unavailable: Again later.
        """
        self._notebook.forget_stream(stream=stream)

    def _told(self, answer: Page) -> Decision:
        if "pending" in answer:
            return CertificatePending(reference=answer["pending"])
        if "refused" in answer:
            return CertificateRefused(reason=answer["refused"])
        with self._notebook.open() as pages:
            page = pages.get(page_of(Fingerprint(answer["issued"])))
        assert page is not None
        return CertificateIssued(certificate=read(_der(page)))

    def _answered(self, key: Key, intent: str, answer: Page) -> Page:
        with self._notebook.open() as pages:
            remember(pages, key=key, meant=intent, answer=answer)
        return answer

    def _lock(self, name: str) -> threading.Lock:
        return self._locks[hash(name) % _LOCKS]


def created(handle: str) -> str:
    """Name the page that says that something of the service's is written down: a service's names may have slashes."""
    return f"created/{hashlib.sha256(handle.encode(errors='surrogatepass')).hexdigest()}"


def _shelf(account: AccountId) -> str:
    return f"account/{account}"


def _der(page: Page) -> bytes:
    return bytes.fromhex(page["chain"][0])


def _objection(application: Application, request: ContentHash) -> Rejected | None:
    country = application.identity.issuing_country.strip()
    try:
        content_hash(request)
    except InvalidValue as error:
        return Rejected(f"the application cannot be read: {error}", reason="malformed")
    if len(country) != 2 or not (country.isascii() and country.isalpha()):
        return Rejected("the application cannot be read: its country is not two letters", reason="malformed")
    return None


def _word(refusal: Rejected) -> str:
    """Give a stable word for a refusal: the service's own, where it has one."""
    if refusal.reason != "refused":
        return refusal.reason
    told = _WORD.search(refusal.what.partition(": ")[2])
    return told[0] if told else "refused"


def _packed(account: Account) -> Page:
    return {"id": account.id, "email": account.email.text, "mobile": account.mobile.text}
