"""A certificate authority over `credentials/create` and `credentials/delete` (CSC API 2.2.0.0 § 11.4, § 11.5).

One call makes a key and a certificate for a proven person; deleting the credential destroys the key and revokes. The
API knows no idempotency keys, no account of ours, no contact data, no reason of a revocation: a notebook remembers
them. It holds e-mail addresses and mobiles (`holdings` answers what was registered): keep it as you keep accounts.

An answer of `create` that was lost is looked for before anything is created again: a credential that nobody wrote
down, in the applicant's name, certified since the call.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from qcp_sdk.adapters.csc.client import CscClient
from qcp_sdk.adapters.csc.credentials import GONE, SCANNED, page_of
from qcp_sdk.adapters.csc.shapes import CredentialInfo
from qcp_sdk.adapters.shared.notebook import Notebook, Page, meant, recall, remember
from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind, read
from qcp_sdk.errors import CertificateError, InvalidValue, Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.authority import Decision
from qcp_sdk.ports.clock import Clock
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending, CertificateRefused, CertificateRevoked
from qcp_sdk.values import ContentHash, EmailAddress, Fingerprint, Key, PhoneNumber, Secret, content_hash

POLICIES: Final = {
    CertificateLevel.LCP: "0.4.0.2042.1.3",
    CertificateLevel.NCP: "0.4.0.2042.1.1",
    CertificateLevel.QCP_N: "0.4.0.194112.1.0",
    CertificateLevel.QCP_N_QSCD: "0.4.0.194112.1.2",
}
"""What goes into `certificatePolicy` (EN 319 411-1 and -2 § 5.3)."""
REASONS: Final = frozenset(
    {"unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation",
     "privilege_withdrawn"}
)  # fmt: skip
"""Reasons of RFC 5280 § 5.3.1 that end a person's certificate for good. The API does not carry them: we keep them."""
SKEW: Final = timedelta(minutes=10)
"""How far the service's clock may be behind when a lost answer is looked for, and certificates are backdated."""
_WORD: Final = re.compile(r"[a-z][a-z_]{1,39}")
_LOCKS: Final = 64


class CscAuthority:
    """Implements the `CertificateAuthority` port. `issuer` is its name as a person reads it.

    `client_data` gives what a service wants to know besides (the mobile for its codes, say), in that service's own
    form: the standard has no place for it.
    """

    def __init__(
        self,
        client: CscClient,
        *,
        notebook: Notebook,
        clock: Clock,
        issuer: str,
        level: CertificateLevel = CertificateLevel.QCP_N,
        client_data: Callable[[Application], str] | None = None,
    ) -> None:
        self._client, self._notebook, self._clock = client, notebook, clock
        self._issuer, self._policy, self._client_data = issuer, POLICIES[level], client_data
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    @property
    def issuer(self) -> str:
        """The authority's name as a person reads it."""
        return self._issuer

    def submit(self, *, key: Key, application: Application, request: ContentHash) -> Decision:
        """Have a credential created; a certificate that is still being made is pending.

        Raises:
            Rejected: `malformed`, `key_reused`.
            Unavailable: Nothing was created: again with the same key.
            Unconfirmed: It may have been created: the same key looks for it first.
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
            created = self._lost(application, known) or self._created(application)
        except Unavailable as error:
            if known is not None and known["asked"]:  # what the call before did is still not known
                raise Unconfirmed(error.what, where=error.where, mend="ask again with the same key") from error
            self._answered(key, intent, {"asked": False})
            raise
        except Rejected as refusal:
            return self._answered(key, intent, {"refused": _word(refusal)})
        if not created.certificates:
            reference = hashlib.sha256(f"csc|{created.id}".encode()).hexdigest()[:32]
            page = {"credential": created.id, "account": _packed(application.account)}
            with self._notebook.open() as pages:
                pages.put(f"application/{reference}", page)
                pages.put(f"created/{created.id}", {})
            return self._answered(key, intent, {"pending": reference})
        return self._answered(key, intent, self._issued(created, _packed(application.account)))

    def _created(self, application: Application) -> CredentialInfo:
        extra = self._client_data(application) if self._client_data is not None else ""
        return self._client.create(
            policy=self._policy,
            subject={
                "givenName": application.account.name.given,
                "surname": application.account.name.last,
                "issuingCountry": application.identity.issuing_country.strip().upper(),
            },
            client_data=Secret(extra) if extra else "",
        )

    def _lost(self, application: Application, known: Page | None) -> CredentialInfo | None:
        """Find what an earlier call of this key created, whose answer was lost."""
        if known is None or not known["asked"]:
            return None
        since = datetime.fromisoformat(known["since"]) - SKEW
        with self._notebook.open() as pages:
            written = {name.partition("/")[2] for name in pages.names("created/")}
        unwritten = [each for each in self._client.credentials() if each not in written]
        if len(unwritten) > SCANNED:
            raise Unconfirmed(
                f"there are {len(unwritten)} credentials that nobody wrote down",
                mend="look among them for the applicant's by hand",
            )
        nameless = False
        for credential in unwritten:
            try:
                told = self._client.credential(credential)
                held = read(told.certificates[0]) if told.certificates else None
            except (Rejected, CertificateError):
                continue
            nameless |= held is None and told.enabled
            if held is None or held.name is None or held.not_before < since:
                continue
            if same_name(held.name, application.account.name):
                return told
        if nameless:  # it may be the one, whose certificate is still being made
            raise Unconfirmed("a credential that nobody wrote down has no certificate yet", mend="ask again later")
        return None

    def _issued(self, created: CredentialInfo, account: Page) -> Page:
        """Write down a certificate that is there, once."""
        try:
            certificate = read(created.certificates[0])
        except CertificateError as error:
            raise Unconfirmed("the service's certificate cannot be read", mend="ask the service for it") from error
        with self._notebook.open() as pages:
            pages.put(f"created/{created.id}", {})
            if pages.get(page_of(certificate.fingerprint)) is None:
                held = {"credential": created.id, "der": certificate.der.hex(), "account": account}
                pages.put(page_of(certificate.fingerprint), held)
                mine = f"account/{account['id']}"
                pages.put(mine, {"held": [*(pages.get(mine) or {"held": []})["held"], certificate.fingerprint]})
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
                    pages.put(f"application/{reference}", page)
        decided = self._told(page["answer"])
        assert not isinstance(decided, CertificatePending)
        return decided

    def _decided(self, page: Page) -> Page | None:
        try:
            told = self._client.credential(page["credential"])
        except Rejected as refusal:
            return {"refused": _word(refusal)}
        if told.certificates:
            try:
                return self._issued(told, page["account"])
            except Unconfirmed as error:
                raise Unavailable(error.what, mend=error.mend) from error
        return None if told.enabled else {"refused": "refused"}

    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> CertificateRevoked:
        """Delete the credential: its key is destroyed and its certificate revoked, for good.

        Raises:
            Rejected: `unknown_certificate`, `expired`, `reason_refused`, `key_reused`, or as the service says.
            Unavailable: Nothing was deleted: again with the same key.
            Unconfirmed: It may be deleted: the same key finds out.
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
        if self._clock.now() > read(bytes.fromhex(page["der"])).not_after:
            raise Rejected("the certificate has expired", reason="expired")
        if reason not in REASONS:
            raise Rejected("it is no reason to revoke a person's certificate", reason="reason_refused")
        try:
            self._client.delete(page["credential"])
        except Rejected as refusal:
            if refusal.reason != "unknown_credential":
                raise
            # It is gone: by an earlier call whose answer was lost, or by another's.
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
        """Say what the service knows of the certificate now.

        UNKNOWN for one that was not issued through here, that is suspended, or whose credential is gone without us.

        Raises:
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            page = pages.get(page_of(fingerprint))
        return self._status(fingerprint, page)

    def _status(self, fingerprint: Fingerprint, page: Page | None) -> CertificateStatus:
        now = self._clock.now()
        if page is None or "der" not in page:
            return CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=now)
        if "revoked" not in page:
            told = self._said(page["credential"])
            if told != "revoked":
                kind = StatusKind.GOOD if told in ("", "valid", "expired") else StatusKind.UNKNOWN
                return CertificateStatus(kind=kind, checked_at=now)
            page = self._ended(fingerprint, "unspecified")  # since when, and why, the API does not say
        ended = page["revoked"]
        return CertificateStatus(
            kind=StatusKind.REVOKED,
            checked_at=now,
            revoked_at=datetime.fromisoformat(ended["at"]),
            reason=ended["reason"],
        )

    def _said(self, credential: str) -> str:
        try:
            return self._client.credential(credential).certificate_status
        except Rejected as refusal:
            if refusal.reason not in GONE:
                raise
            return "gone"

    def holdings(self, *, account: Account) -> tuple[Holding, ...]:
        """Give the certificates issued to this account through here, newest first, ended ones included.

        Raises:
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            mine = pages.get(f"account/{account.id}") or {"held": []}
            held = [(Fingerprint(one), pages.get(page_of(Fingerprint(one)))) for one in reversed(mine["held"])]
        return tuple(
            Holding(
                certificate=read(bytes.fromhex(page["der"])),
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
            raise Unavailable("the answer was lost", mend="call again with the same key: it looks for what was created")
        if "asked" in answer:
            return Outcome(kind=OutcomeKind.UNKNOWN)
        if reason := answer.get("rejected") or answer.get("refused"):
            return Outcome(kind=OutcomeKind.REFUSED, reason=reason)
        reference = answer.get("pending") or answer.get("issued") or answer.get("revoked", "")
        return Outcome(kind=OutcomeKind.DONE, reference=reference)

    def _told(self, answer: Page) -> Decision:
        if "pending" in answer:
            return CertificatePending(reference=answer["pending"])
        if "refused" in answer:
            return CertificateRefused(reason=answer["refused"])
        with self._notebook.open() as pages:
            page = pages.get(page_of(Fingerprint(answer["issued"])))
        assert page is not None
        return CertificateIssued(certificate=read(bytes.fromhex(page["der"])))

    def _answered(self, key: Key, intent: str, answer: Page) -> Page:
        with self._notebook.open() as pages:
            remember(pages, key=key, meant=intent, answer=answer)
        return answer

    def _lock(self, name: str) -> threading.Lock:
        return self._locks[hash(name) % _LOCKS]


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
