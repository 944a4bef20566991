"""A certificate authority: issues, shows, revokes (features A1, A2, A5, D3). One instance each for QCP and LCP."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from qcp_sdk.certificates import CertificateStatus, Holding
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Outcome, Pending
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import (
    CertificateIssued,
    CertificatePending,
    CertificateRefused,
    CertificateRevoked,
)
from qcp_sdk.values import ContentHash, Fingerprint, Key

Decision: TypeAlias = CertificateIssued | CertificatePending | CertificateRefused


class CertificateAuthority(Protocol):
    """Issues certificates for proven people, says what became of them, and revokes them."""

    @property
    def issuer(self) -> str:
        """The authority's name as a person reads it, for example `Universign`."""

    def submit(self, *, key: Key, application: Application, request: ContentHash) -> Decision:
        """Ask for a certificate; `request` is the sealed request document. A refusal is an answer, not an error.

        Raises:
            Rejected: `malformed`: the application is not one that this authority can read. `key_reused`.
        """

    def ask(self, *, reference: str) -> CertificateIssued | CertificateRefused | Pending:
        """Say what became of a request that was pending.

        Raises:
            Rejected: `unknown_reference`.
        """

    def revoke(self, *, key: Key, fingerprint: Fingerprint, reason: str) -> CertificateRevoked | Pending:
        """Revoke, for good. A certificate that is revoked already answers with the first instant and reason.

        Raises:
            Rejected: `unknown_certificate`, `expired`, `reason_refused`, `key_reused`.
        """

    def status(self, *, fingerprint: Fingerprint) -> CertificateStatus:
        """Say what the authority knows of the certificate now; UNKNOWN for one that it did not issue."""

    def holdings(self, *, account: Account) -> tuple[Holding, ...]:
        """Give the certificates issued to this account, newest first, ended ones included."""

    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended: REFUSED or DONE; calling again with the key gives the answer."""
