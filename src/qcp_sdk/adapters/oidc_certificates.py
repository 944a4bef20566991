"""The LCP certificate that an account holds already (feature A1), as the OpenID provider's claims show it.

Which claim holds it, and what the provider says of its status, is for the host to map. Nothing is issued or revoked
here: the certificate is whoever's it is, and the person revokes it there.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from attrs import frozen

from qcp_sdk.adapters.shared import sealed
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind, read
from qcp_sdk.errors import InvalidInput, Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.authority import Decision
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.keys import Keys
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import CertificateIssued, CertificateRefused, CertificateRevoked
from qcp_sdk.values import AccountId, ContentHash, EmailAddress, Fingerprint, Key, PhoneNumber, joined, utc

Claims: TypeAlias = Mapping[str, Any]
CLAIM: Final = "certificates"
MOST: Final = 20
"""Certificates of one account that are read."""


@frozen(kw_only=True)
class Claimed:
    """A certificate as claims show it: DER or PEM, and what the provider says of it.

    UNKNOWN is the status of one of which nothing is said. `email` and `mobile` are what its issuer registered, where
    the provider knows; without them, what stands in the certificate counts.
    """

    certificate: bytes
    status: StatusKind = StatusKind.UNKNOWN
    revoked_at: datetime | None = None
    reason: str = ""
    email: EmailAddress | None = None
    mobile: PhoneNumber | None = None


FindsCertificates: TypeAlias = Callable[[Claims], Iterable[Claimed]]


class ClaimsSource(Protocol):
    """Gives the claims of an account, now: `OidcAccounts`."""

    def claims(self, *, id: AccountId) -> Claims:
        """Give them."""


def standard_certificates(claims: Claims) -> tuple[Claimed, ...]:
    """Read a claim `certificates`: a list of objects with `certificate` (base64 of DER, or PEM), `status` (`good`,
    `revoked`), `revoked_at` (ISO 8601), `reason`, `email`, `phone_number`; all but the first may be missing.

    Raises:
        InvalidInput: It is something else.
    """
    listed = claims.get(CLAIM) or ()
    try:
        return tuple(_claimed(one) for one in listed[:MOST])
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise InvalidInput("it is no list of certificates", where=CLAIM, mend="map the claim yourself") from error


class OidcCertificates:
    """Shows the certificates of one level that claims hold, as the port of authorities: `Qcp(lcp=OidcCertificates(…))`.

    `issuer` is the issuer's name as people read it. `certificates` maps claims. `remember` is a folder that all
    processes share: whose claims show which certificate, by ids, sealed under a key derived from `keys`.
    """

    def __init__(
        self,
        source: ClaimsSource,
        *,
        issuer: str,
        keys: Keys,
        clock: Clock,
        remember: Path,
        level: CertificateLevel = CertificateLevel.LCP,
        certificates: FindsCertificates = standard_certificates,
    ) -> None:
        self._source, self._issuer, self._clock, self._level = source, issuer, clock, level
        self._keys, self._find, self._kept = keys, certificates, KeptAnswers(remember)

    @property
    def issuer(self) -> str:
        """The issuer's name."""
        return self._issuer

    def holdings(self, *, account: Account) -> tuple[Holding, ...]:
        """Give the account's certificates of this level, newest first; none for whoever is not signed in.

        Raises:
            Rejected: `unusable_claims`: they hold what is no certificate.
            Unavailable: The provider was not reached.
        """
        try:
            found = self._held(account.id)
        except Rejected as rejected:
            if rejected.reason != "unknown_account":
                raise
            return ()
        for one in found:
            # The first account that shows a certificate keeps it: a second one that claims it is not asked about it.
            fingerprint = one.certificate.fingerprint
            held = sealed.seal(self._sealing(), fingerprint, account.id.encode(errors="surrogatepass"))
            self._kept.put(key=_about(fingerprint), answer=base64.b64encode(held).decode())
        return found

    def status(self, *, fingerprint: Fingerprint) -> CertificateStatus:
        """Say what the provider says of it now; UNKNOWN for one that no claims have shown, or no longer do.

        Raises:
            Unavailable: The provider was not reached.
        """
        unknown = CertificateStatus(kind=StatusKind.UNKNOWN, checked_at=self._clock.now())
        kept = self._kept.get(key=_about(fingerprint))
        if kept is None:
            return unknown
        try:
            id = sealed.unseal(self._sealing(), fingerprint, base64.b64decode(kept))
            held = self._held(AccountId(id.decode(errors="surrogatepass")))
        except Rejected:
            return unknown
        return next((one.status for one in held if one.certificate.fingerprint == fingerprint), unknown)

    # What an authority does, and this is none.

    def submit(self, *, key: Key, application: Application, request: ContentHash) -> Decision:  # noqa: ARG002
        """Issue nothing.

        Raises:
            Rejected: `not_an_authority`.
        """
        raise _none()

    def ask(self, *, reference: str) -> CertificateIssued | CertificateRefused | Pending:  # noqa: ARG002
        """Know of no request.

        Raises:
            Rejected: `unknown_reference`.
        """
        raise Rejected("nothing is issued here", reason="unknown_reference")

    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> CertificateRevoked | Pending:  # noqa: ARG002
        """Revoke nothing.

        Raises:
            Rejected: `not_an_authority`.
        """
        raise _none()

    def outcome(self, *, key: Key) -> Outcome:  # noqa: ARG002
        """Say that no call arrived."""
        return Outcome(kind=OutcomeKind.UNKNOWN)

    # Inside.

    def _sealing(self) -> bytes:
        return self._keys.derive(purpose="oidc.certificates")

    def _held(self, id: AccountId) -> tuple[Holding, ...]:
        claims, now = self._source.claims(id=id), self._clock.now()
        try:
            found = tuple(_holding(one, now) for one in self._find(claims))
        except Exception as error:  # noqa: BLE001
            # The host's own code, or a certificate that is none: whatever is raised may hold claims.
            where = error.where if isinstance(error, InvalidInput) else ""
            raise Rejected(
                "the claims do not show certificates",
                reason="unusable_claims",
                where=where,
                mend="check scopes and mapping",
            ) from None
        own = {one.certificate.fingerprint: one for one in found if one.certificate.level is self._level}
        return tuple(sorted(own.values(), key=lambda one: one.certificate.not_before, reverse=True))


def _claimed(told: Mapping[str, Any]) -> Claimed:
    text = told["certificate"]
    pem = text.lstrip().startswith("-----BEGIN")
    revoked_at, email, mobile = told.get("revoked_at"), told.get("email"), told.get("phone_number")
    return Claimed(
        certificate=text.encode() if pem else base64.b64decode(text, validate=True),
        status=StatusKind(told.get("status") or "unknown"),
        revoked_at=utc(datetime.fromisoformat(revoked_at)) if revoked_at else None,
        reason=str(told.get("reason") or ""),
        email=EmailAddress(email) if email else None,
        mobile=PhoneNumber(mobile) if mobile else None,
    )


def _holding(told: Claimed, now: datetime) -> Holding:
    certificate = read(told.certificate)
    return Holding(
        certificate=certificate,
        status=CertificateStatus(
            kind=told.status,
            checked_at=now,
            revoked_at=told.revoked_at.astimezone(UTC) if told.revoked_at else None,
            reason=told.reason,
        ),
        email=told.email,
        mobile=told.mobile,
    )


def _about(fingerprint: Fingerprint) -> Key:
    return Key(joined("oidc.certificate", fingerprint))


def _none() -> Rejected:
    return Rejected(
        "these certificates are only shown here", reason="not_an_authority", mend="go to the issuer's own pages"
    )
