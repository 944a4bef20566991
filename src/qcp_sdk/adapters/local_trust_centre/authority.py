"""The trust centre as a certificate authority of one level."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final

from sqlalchemy import Connection, Select, delete, insert, select, update

from qcp_sdk import matching
from qcp_sdk.adapters.local_trust_centre.answers import REJECTED, accepted, asked, recall, refusal, remember
from qcp_sdk.adapters.local_trust_centre.hierarchy import Hierarchy, Person, instant
from qcp_sdk.adapters.local_trust_centre.revocation import REASON_FLAGS
from qcp_sdk.adapters.local_trust_centre.storage import (
    Database,
    answers,
    applications,
    certificates,
    refusals,
    revocation_lists,
)
from qcp_sdk.adapters.shared.profiles import HOLDERS, ROLES
from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind, read
from qcp_sdk.errors import ConfigurationError, InvalidValue, Rejected
from qcp_sdk.identity import Proofing
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.authority import Decision
from qcp_sdk.ports.clock import Clock
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending, CertificateRefused, CertificateRevoked
from qcp_sdk.values import (
    AccountId,
    ContentHash,
    EmailAddress,
    Fingerprint,
    Key,
    PersonName,
    PhoneNumber,
    content_hash,
)

MINIMUM_PROOFING: Final[Mapping[CertificateLevel, Proofing]] = MappingProxyType(
    {CertificateLevel.LCP: Proofing.NONE, CertificateLevel.QCP_N: Proofing.BASELINE}
)
"""What an identity must be worth to be certified at a level (TS 119 461 § 4.6; EN 319 411-2 § 6.2.2)."""


class LocalAuthority:
    """Implements the `CertificateAuthority` port for one level."""

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(
        self,
        *,
        level: CertificateLevel,
        database: Database,
        hierarchy: Hierarchy,
        clock: Clock,
        decision_after: timedelta = timedelta(0),
    ) -> None:
        if level not in HOLDERS:
            raise ConfigurationError(f"no certificates of level {level.name} are issued here", mend="use LCP or QCP_N")
        self._level, self._role, self._decision_after = level, HOLDERS[level].issuer, decision_after
        self._database, self._hierarchy, self._clock = database, hierarchy, clock

    @property
    def issuer(self) -> str:
        """The authority's name as a person reads it: the common name of its certificate."""
        return ROLES[self._role].common_name

    def submit(self, *, key: Key, application: Application, request: ContentHash) -> Decision:
        """Decide now, or later where this authority takes its time.

        Raises:
            Rejected: `malformed`, `key_reused`.
            Unavailable: Nothing was issued: again with the same key.
        """
        intent = asked("submit", self._level.name, application.subscription, application.account.id, request)
        with self._database.write() as connection:
            answer = recall(connection, key=key, asked=intent)
            if answer is None:
                answer = self._first_answer(connection, key=key, application=application, request=request)
                remember(connection, key=key, asked=intent, answer=answer)
            decision = self._told(connection, answer) if REJECTED not in answer else None
        accepted(answer)
        assert decision is not None
        return decision

    def _first_answer(
        self, connection: Connection, *, key: Key, application: Application, request: ContentHash
    ) -> dict[str, str]:
        try:
            content_hash(request)
            applicant = _person(application.account, application.identity.issuing_country)
        except InvalidValue as error:
            return refusal(f"the application cannot be read: {error}", reason="malformed")
        reference = hashlib.sha256(f"{self._level.name}|{key}".encode()).hexdigest()[:32]
        reason = self._objection(connection, application)
        decision = {"refused": reason} if reason else None
        if not self._decision_after:
            return decision or self._issue(connection, applicant, reference)
        connection.execute(
            insert(applications).values(
                reference=reference,
                level=int(self._level),
                applicant=_packed(applicant),
                decide_at=self._clock.now() + self._decision_after,
                decision=json.dumps(decision) if decision else None,
            )
        )
        return {"pending": reference}

    def ask(self, *, reference: str) -> CertificateIssued | CertificateRefused | Pending:
        """Say what became of a pending request: `Pending` until its time has come.

        Raises:
            Rejected: `unknown_reference`.
            Unavailable: Ask again.
        """
        with self._database.write() as connection:
            row = connection.execute(
                select(applications).where(
                    applications.c.reference == reference, applications.c.level == int(self._level)
                )
            ).first()
            if row is None:
                raise Rejected("no request is known under this reference", reason="unknown_reference")
            if self._clock.now() < row.decide_at:
                return Pending(note="the authority has not decided yet")
            if row.decision is not None:
                answer: dict[str, str] = json.loads(row.decision)
            else:
                answer = self._issue(connection, _unpacked(row.applicant), reference)
                connection.execute(
                    update(applications)
                    .where(applications.c.reference == reference)
                    .values(decision=json.dumps(answer))
                )
            decided = self._told(connection, answer)
            assert not isinstance(decided, CertificatePending)
            return decided

    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> CertificateRevoked:
        """Revoke at this instant, for good; lists and answers say so from now on.

        Raises:
            Rejected: `unknown_certificate`, `expired`, `reason_refused`, `key_reused`.
            Unavailable: Nothing was revoked: again with the same key.
        """
        intent = asked("revoke", self._level.name, fingerprint, reason)
        with self._database.write() as connection:
            answer = recall(connection, key=key, asked=intent)
            if answer is None:
                answer = self._revoke(connection, fingerprint=fingerprint, reason=reason)
                remember(connection, key=key, asked=intent, answer=answer)
        accepted(answer)
        return CertificateRevoked(
            fingerprint=fingerprint, at=datetime.fromisoformat(answer["at"]), reason=answer["reason"]
        )

    def _revoke(self, connection: Connection, *, fingerprint: Fingerprint, reason: str) -> dict[str, str]:
        now = instant(self._clock.now())
        row = connection.execute(self._mine().where(certificates.c.fingerprint == fingerprint)).first()
        if row is None:
            return refusal("no certificate of this authority has this fingerprint", reason="unknown_certificate")
        if row.revoked_at is not None:
            return {"at": row.revoked_at.isoformat(), "reason": row.reason}
        if now > row.not_after:
            return refusal("the certificate has expired", reason="expired")
        if reason not in REASON_FLAGS:
            return refusal(f"`{reason}` is no reason to revoke a person's certificate", reason="reason_refused")
        connection.execute(
            update(certificates).where(certificates.c.fingerprint == fingerprint).values(revoked_at=now, reason=reason)
        )
        connection.execute(update(revocation_lists).where(revocation_lists.c.issuer == self._role).values(stale=True))
        return {"at": now.isoformat(), "reason": reason}

    def status(self, *, fingerprint: Fingerprint) -> CertificateStatus:
        """Say what is known of the certificate now; UNKNOWN for one that this authority did not issue.

        Raises:
            Unavailable: Ask again.
        """
        with self._database.read() as connection:
            row = connection.execute(self._mine().where(certificates.c.fingerprint == fingerprint)).first()
        if row is None:
            return CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=self._clock.now())
        return self._status(row.revoked_at, row.reason)

    def holdings(self, *, account: Account) -> tuple[Holding, ...]:
        """Give the certificates issued to this account, newest first, ended ones included.

        Raises:
            Unavailable: Ask again.
        """
        mine = self._mine().where(certificates.c.account == account.id).order_by(certificates.c.sequence.desc())
        with self._database.read() as connection:
            rows = connection.execute(mine).all()
        return tuple(
            Holding(
                certificate=read(row.der),
                status=self._status(row.revoked_at, row.reason),
                email=EmailAddress(row.email),
                mobile=PhoneNumber(row.mobile),
            )
            for row in rows
        )

    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended.

        Raises:
            Unavailable: Ask again.
        """
        with self._database.read() as connection:
            row = connection.execute(select(answers.c.answer).where(answers.c.key == key)).first()
        if row is None:
            return Outcome(kind=OutcomeKind.UNKNOWN)
        answer: dict[str, str] = json.loads(row.answer)
        if reason := answer.get(REJECTED) or answer.get("refused"):
            return Outcome(kind=OutcomeKind.REFUSED, reason=reason)
        return Outcome(
            kind=OutcomeKind.DONE, reference=answer.get("pending") or answer.get("issued") or answer.get("at", "")
        )

    def enrol(self, *, account: Account, country: str) -> Holding:
        """Issue to an account without any application, as if its holder had been here before."""
        person = _person(account, country)
        with self._database.write() as connection:
            number = len(connection.execute(self._mine().where(certificates.c.account == account.id)).all()) + 1
            self._issue(connection, person, hashlib.sha256(f"{account.id}|{number}".encode()).hexdigest()[:32])
        return self.holdings(account=account)[0]

    def refuse_next(self, *, reason: str) -> None:
        """Refuse the next application that arrives, for this reason."""
        with self._database.write() as connection:
            connection.execute(insert(refusals).values(level=int(self._level), reason=reason))

    def _objection(self, connection: Connection, application: Application) -> str | None:
        """Say why this application is refused: a script's reason, or what any authority must check itself."""
        scripted = connection.execute(
            select(refusals).where(refusals.c.level == int(self._level)).order_by(refusals.c.sequence).limit(1)
        ).first()
        if scripted is not None:
            connection.execute(delete(refusals).where(refusals.c.sequence == scripted.sequence))
            return str(scripted.reason)
        if application.evidence.proofing < MINIMUM_PROOFING[self._level]:
            return "proofing_too_low"
        proven = matching.match(account=application.account, document=application.identity)
        if proven.verdict is matching.Verdict.NO_MATCH:
            return "identity_mismatch"
        until = application.identity.valid_until
        return "document_expired" if until is not None and until < self._clock.now().date() else None

    def _issue(self, connection: Connection, person: Person, reference: str) -> dict[str, str]:
        key_name = f"holder-{self._role}-{reference}"
        content = self._hierarchy.issue(connection, level=self._level, person=person, key_name=key_name)
        return {"issued": read(content).fingerprint}

    def _told(self, connection: Connection, answer: Mapping[str, str]) -> Decision:
        if "pending" in answer:
            return CertificatePending(reference=answer["pending"])
        if "refused" in answer:
            return CertificateRefused(reason=answer["refused"])
        issued = connection.execute(self._mine().where(certificates.c.fingerprint == answer["issued"])).one()
        return CertificateIssued(certificate=read(issued.der))

    def _mine(self) -> Select[Any]:
        return select(certificates).where(certificates.c.role == "holder", certificates.c.issuer == self._role)

    def _status(self, revoked_at: datetime | None, reason: str) -> CertificateStatus:
        return CertificateStatus(
            kind=StatusKind.GOOD if revoked_at is None else StatusKind.REVOKED,
            checked_at=self._clock.now(),
            revoked_at=revoked_at,
            reason=reason,
        )


def _person(account: Account, country: str) -> Person:
    """Certify the account's name: the one that the identity was compared with, and the LCP certificate bears (A4)."""
    return Person(
        name=account.name, country=_country(country), account=account.id, email=account.email, mobile=account.mobile
    )


def _country(text: str) -> str:
    country = text.strip().upper()
    if len(country) != 2 or not (country.isascii() and country.isalpha()):
        raise InvalidValue("it is not a country of ISO 3166-1", where="country", mend="write two letters: FR")
    return country


def _packed(person: Person) -> str:
    return json.dumps(
        {
            "given": person.name.given,
            "last": person.name.last,
            "country": person.country,
            "account": person.account,
            "email": person.email.text,
            "mobile": person.mobile.text,
        }
    )


def _unpacked(text: str) -> Person:
    told = json.loads(text)
    return Person(
        name=PersonName(given=told["given"], last=told["last"]),
        country=told["country"],
        account=AccountId(told["account"]),
        email=EmailAddress(told["email"]),
        mobile=PhoneNumber(told["mobile"]),
    )
