"""A certificate authority in memory. Its certificates are values without X.509 behind them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked, keyed, remembered
from qcp_sdk.certificates import (
    QC_TYPE_ESIGN,
    Certificate,
    CertificateStatus,
    Holding,
    QcStatements,
    StatusKind,
    fingerprint,
)
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.authority import Decision
from qcp_sdk.ports.clock import Clock
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import (
    CertificateIssued,
    CertificatePending,
    CertificateRefused,
    CertificateRevoked,
)
from qcp_sdk.values import AccountId, ContentHash, Fingerprint, Key, PersonName, SubscriptionId

VALIDITY: Final = timedelta(days=5 * 365)
"""The guide's five years (feature D4)."""
REASONS: Final = frozenset(
    {"unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation",
     "privilege_withdrawn"}
)  # fmt: skip
"""Reasons of RFC 5280 § 5.3.1 that end a person's certificate for good; a hold does not, the others are a CA's own."""

_POLICIES: Final[Mapping[CertificateLevel, str]] = MappingProxyType(
    {
        CertificateLevel.LCP: "0.4.0.2042.1.3",
        CertificateLevel.NCP: "0.4.0.2042.1.1",
        CertificateLevel.QCP_N: "0.4.0.194112.1.0",
        CertificateLevel.QCP_N_QSCD: "0.4.0.194112.1.2",
    }
)


class AuthorityEnding(StrEnum):
    """How a request can end, as scripted."""

    ISSUE = "issue"
    REFUSE = "refuse"
    SILENCE = "silence"


@frozen(kw_only=True)
class AuthorityScript:
    """What the authority will do with a request; made by the functions below."""

    ending: AuthorityEnding
    after: timedelta = timedelta(0)
    """How long the request is pending first."""
    reason: str = ""
    level: CertificateLevel | None = None
    """The level issued, where it is not the authority's own."""
    name: PersonName | None = None
    """The name certified, where it is not the applicant's."""


def issue(*, after: timedelta = timedelta(0)) -> AuthorityScript:
    """Issue, at once or after this time."""
    return AuthorityScript(ending=AuthorityEnding.ISSUE, after=after)


def issue_wrongly(
    *, level: CertificateLevel | None = None, name: PersonName | None = None, after: timedelta = timedelta(0)
) -> AuthorityScript:
    """Issue something that was not asked for: another level, another name, or both."""
    return AuthorityScript(ending=AuthorityEnding.ISSUE, level=level, name=name, after=after)


def refuse(reason: str = "not_eligible", *, after: timedelta = timedelta(0)) -> AuthorityScript:
    """Refuse to issue, at once or after this time."""
    return AuthorityScript(ending=AuthorityEnding.REFUSE, reason=reason, after=after)


def silence() -> AuthorityScript:
    """Take the request and never decide."""
    return AuthorityScript(ending=AuthorityEnding.SILENCE)


@frozen(kw_only=True)
class _Request:
    key: Key
    application: Application
    script: AuthorityScript
    due: datetime


@frozen(kw_only=True)
class _Issued:
    holder: Account
    certificate: Certificate
    revoked_at: datetime | None = None
    revoked_for: str = ""


class MemoryAuthority(Fake):
    """Issues, shows and revokes certificates that only this package's fakes believe in.

    `script` says what becomes of a subscription's request (or of every other one); `issue_to` issues without a
    request, as for an LCP certificate that somebody holds already.
    """

    port = "authority"

    def __init__(
        self,
        *,
        clock: Clock,
        issuer: str = "Autorité en mémoire",
        level: CertificateLevel = CertificateLevel.QCP_N,
        validity: timedelta = VALIDITY,
        faults: Faults | None = None,
    ) -> None:
        self._prepare(faults)
        self._clock, self._issuer, self._level, self._validity = clock, issuer, level, validity
        self._default = issue()
        self._scripts: dict[SubscriptionId, AuthorityScript] = {}
        self._requests: dict[str, _Request] = {}
        self._decided: dict[str, CertificateIssued | CertificateRefused] = {}
        self._issued: dict[Fingerprint, _Issued] = {}
        self._held: dict[AccountId, list[Fingerprint]] = {}
        self._revocable = ""
        self._revocation_after = timedelta(0)
        self._revoking: dict[Key, datetime] = {}

    @property
    def issuer(self) -> str:
        """The authority's name as a person reads it."""
        return self._issuer

    @keyed("application", "request")
    def submit(self, *, key: Key, application: Application, request: ContentHash) -> Decision:
        """Ask for a certificate; decided as scripted.

        Raises:
            Rejected: `malformed`: the sealed request has no name.
        """
        if not request:
            raise Rejected("the request names no document", reason="malformed", mend="seal the request first")
        script = self._scripts.get(application.subscription, self._default)
        reference = self.reference(key=key)
        self._requests[reference] = _Request(
            key=key, application=application, script=script, due=self._clock.now() + script.after
        )
        answer = self._decide(reference)
        return CertificatePending(reference=reference) if isinstance(answer, Pending) else answer

    @asked
    def ask(self, *, reference: str) -> CertificateIssued | CertificateRefused | Pending:
        """Say what became of a request that was pending.

        Raises:
            Rejected: `unknown_reference`.
        """
        if reference not in self._requests:
            raise Rejected("no such request", reason="unknown_reference")
        return self._decide(reference)

    @keyed("fingerprint", "reason")
    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> CertificateRevoked | Pending:
        """Revoke, for good. A certificate that is revoked already answers with the first instant and reason.

        Raises:
            Rejected: `unknown_certificate`, `expired`, `reason_refused`, or as `refuse_revocations` says.
        """
        issued = self._issued.get(fingerprint)
        if issued is None:
            raise Rejected("no such certificate", reason="unknown_certificate")
        if issued.revoked_at is None:
            now = self._clock.now()
            if now >= issued.certificate.not_after:
                raise Rejected("the certificate has expired", reason="expired")
            if reason not in REASONS:
                raise Rejected(f"`{reason}` ends no certificate", reason="reason_refused")
            if self._revocable:
                raise Rejected("the authority does not revoke, as scripted", reason=self._revocable)
            if now < self._revoking.setdefault(key, now) + self._revocation_after:
                return Pending(note="the revocation is being published")
            issued = evolve(issued, revoked_at=now, revoked_for=reason)
            self._issued[fingerprint] = issued
        assert issued.revoked_at is not None
        return CertificateRevoked(fingerprint=fingerprint, at=issued.revoked_at, reason=issued.revoked_for)

    @asked
    def status(self, *, fingerprint: Fingerprint) -> CertificateStatus:
        """Say what the authority knows of the certificate now; UNKNOWN for one that it did not issue."""
        issued = self._issued.get(fingerprint)
        if issued is None:
            return CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=self._clock.now())
        return self._status(issued)

    @asked
    def holdings(self, *, account: Account) -> tuple[Holding, ...]:
        """Give the certificates issued to this account, newest first, ended ones included."""
        return self.held_by(account.id)

    @asked
    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended: REFUSED or DONE; calling again with the key gives the answer."""
        answer = remembered(self, key)
        match answer:
            case Rejected() | CertificateRefused():
                return Outcome(kind=OutcomeKind.REFUSED, reason=answer.reason)
            case CertificateIssued():
                return Outcome(kind=OutcomeKind.DONE, reference=answer.certificate.fingerprint)
            case CertificatePending():
                return Outcome(kind=OutcomeKind.DONE, reference=answer.reference)
            case CertificateRevoked():
                return Outcome(kind=OutcomeKind.DONE, reference=answer.at.isoformat())
            case _:
                return Outcome(kind=OutcomeKind.DONE if key in self._revoking else OutcomeKind.UNKNOWN)

    def reference(self, *, key: Key) -> str:
        """Give this authority's word for the request of a key, whether it came or not."""
        return _digest(self._issuer, key)[:24]

    # Whoever writes the script.

    def script(self, subscription: SubscriptionId | None, outcome: AuthorityScript) -> None:
        """Say what becomes of requests of this subscription or, for None, of every one without its own script."""
        with self._lock:
            if subscription is None:
                self._default = outcome
            else:
                self._scripts[subscription] = outcome

    def refuse_revocations(self, reason: str) -> None:
        """Refuse to revoke from now on, for this reason; `""` revokes again."""
        with self._lock:
            self._revocable = reason

    def delay_revocations(self, after: timedelta) -> None:
        """Let each revocation take this long."""
        with self._lock:
            self._revocation_after = after

    def issue_to(
        self,
        account: Account,
        *,
        name: PersonName | None = None,
        level: CertificateLevel | None = None,
        valid_from: datetime | None = None,
    ) -> Holding:
        """Issue a certificate without any request, in the account's name unless another is given."""
        with self._lock:
            issued = self._issue(account, f"direct/{account.id}/{len(self._issued)}", name, level, "FR", valid_from)
            return self._holding(issued)

    def holding(self, fingerprint: Fingerprint) -> Holding | None:
        """Give what is known of one certificate, or None; what a signer beside this authority needs."""
        with self._lock:
            issued = self._issued.get(fingerprint)
            return None if issued is None else self._holding(issued)

    def held_by(self, account: AccountId) -> tuple[Holding, ...]:
        """Give the certificates issued to this account, newest first, without any failure."""
        with self._lock:
            held = self._held.get(account, ())
            return tuple(self._holding(self._issued[fingerprint]) for fingerprint in reversed(held))

    def _decide(self, reference: str) -> CertificateIssued | CertificateRefused | Pending:
        decided = self._decided.get(reference)
        if decided is not None:
            return decided
        request = self._requests[reference]
        script, person = request.script, request.application.account
        if script.ending is AuthorityEnding.SILENCE or self._clock.now() < request.due:
            return Pending(note="not decided")
        if script.ending is AuthorityEnding.REFUSE:
            decided = CertificateRefused(reason=script.reason)
        else:
            country = request.application.identity.issuing_country
            issued = self._issue(person, request.key, script.name, script.level, country, None)
            decided = CertificateIssued(certificate=issued.certificate)
        self._decided[reference] = decided
        return decided

    def _issue(
        self,
        holder: Account,
        seed: str,
        name: PersonName | None,
        level: CertificateLevel | None,
        country: str,
        valid_from: datetime | None,
    ) -> _Issued:
        level, name = level or self._level, name or holder.name
        start = (valid_from or self._clock.now()).replace(microsecond=0)
        serial = int(_digest(self._issuer, seed)[:16], 16)
        subject = f"C={country},CN={_escaped(name.full)},serialNumber=IDC{country}-{serial:x}"
        issuer = f"CN={_escaped(self._issuer)},O=MEMORY"
        said = [subject, issuer, serial, holder.email.text, level.name, start.isoformat()]
        der = b"MEMORY-CERTIFICATE " + json.dumps(said).encode()
        qualified = level >= CertificateLevel.QCP_N
        certificate = Certificate(
            der=der,
            fingerprint=fingerprint(der),
            serial=serial,
            issuer=issuer,
            issuer_organisation="MEMORY",
            subject=subject,
            name=name,
            common_name=name.full,
            subject_serial=f"IDC{country}-{serial:x}",
            country=country,
            emails=(holder.email,),
            policies=(_POLICIES[level],),
            qc=QcStatements(
                compliance=qualified,
                qscd=level is CertificateLevel.QCP_N_QSCD,
                types=(QC_TYPE_ESIGN,) if qualified else (),
                disclosure=(("en", "https://memory.invalid/pds_en.pdf"),) if qualified else (),
            ),
            key_usage=frozenset({"non_repudiation"}),
            not_before=start,
            not_after=start + self._validity,
        )
        issued = _Issued(holder=holder, certificate=certificate)
        self._issued[certificate.fingerprint] = issued
        self._held.setdefault(holder.id, []).append(certificate.fingerprint)
        return issued

    def _holding(self, issued: _Issued) -> Holding:
        return Holding(
            certificate=issued.certificate,
            status=self._status(issued),
            email=issued.holder.email,
            mobile=issued.holder.mobile,
        )

    def _status(self, issued: _Issued) -> CertificateStatus:
        return CertificateStatus(
            kind=StatusKind.GOOD if issued.revoked_at is None else StatusKind.REVOKED,
            checked_at=self._clock.now(),
            revoked_at=issued.revoked_at,
            reason=issued.revoked_for,
        )


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _escaped(text: str) -> str:
    """Escape what RFC 4514 § 2.4 asks to escape in a value."""
    return "".join(f"\\{character}" if character in '"+,;<>\\' else character for character in text)
