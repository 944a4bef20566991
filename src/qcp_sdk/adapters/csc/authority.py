"""A certificate authority over `credentials/create` and `credentials/delete` (CSC API 2.2.0.0 § 11.4, § 11.5).

One call makes a key and a certificate for a proven person; deleting the credential destroys the key and revokes. The
API knows no idempotency keys, no account of ours, no contact data, no reason of a revocation: a notebook remembers
them (`NotedAuthority`).

An answer of `create` that was lost is looked for before anything is created again: a credential that nobody wrote
down, in the applicant's name, certified since the call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from qcp_sdk.adapters.csc.client import CscClient
from qcp_sdk.adapters.csc.credentials import GONE, SCANNED
from qcp_sdk.adapters.csc.shapes import CredentialInfo
from qcp_sdk.adapters.shared.notebook import Notebook
from qcp_sdk.adapters.shared.notebook_pages import Page
from qcp_sdk.adapters.shared.noted_authority import Made, NotedAuthority, created
from qcp_sdk.certificates import StatusKind, read
from qcp_sdk.errors import CertificateError, Rejected, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.ports.clock import Clock
from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import Key, Secret

POLICIES: Final = {
    CertificateLevel.LCP: "0.4.0.2042.1.3",
    CertificateLevel.NCP: "0.4.0.2042.1.1",
    CertificateLevel.QCP_N: "0.4.0.194112.1.0",
    CertificateLevel.QCP_N_QSCD: "0.4.0.194112.1.2",
}
"""What goes into `certificatePolicy` (EN 319 411-1 and -2 § 5.3)."""
SKEW: Final = timedelta(minutes=10)
"""How far the service's clock may be behind when a lost answer is looked for, and certificates are backdated."""
_KINDS: Final = {
    "": StatusKind.GOOD,
    "valid": StatusKind.GOOD,
    "expired": StatusKind.GOOD,
    "revoked": StatusKind.REVOKED,
}
"""Statuses of the API; any other, and a credential that is gone without us, is unknown."""


class CscAuthority(NotedAuthority):
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
        super().__init__(notebook=notebook, clock=clock, issuer=issuer, policy=POLICIES[level])
        self._client, self._client_data = client, client_data

    def probe(self) -> None:
        """Ask the service something harmless.

        Raises:
            Unavailable: It was not reached, or does not know us.
        """
        self._client.probe()

    def _make(self, key: Key, application: Application, known: Page | None) -> Made:  # noqa: ARG002  # it knows no keys
        told = self._lost(application, known) or self._created(application)
        return Made(handle=told.id, certificates=told.certificates)

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
            written = set(pages.names("created"))
        unwritten = [each for each in self._client.credentials() if created(each) not in written]
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

    def _look(self, handle: str) -> Made | None:
        told = self._client.credential(handle)
        if told.certificates:
            return Made(handle=handle, certificates=told.certificates)
        if told.enabled:
            return None
        raise Rejected("the credential was disabled before it was certified", reason="refused")

    def _end(self, handle: str, der: bytes, reason: str) -> None:  # noqa: ARG002  # the API carries no reason
        try:
            self._client.delete(handle)
        except Rejected as refusal:
            if refusal.reason != "unknown_credential":
                raise
            # It is gone: by an earlier call whose answer was lost, or by another's.

    def _kind(self, handle: str, der: bytes) -> StatusKind:  # noqa: ARG002
        try:
            told = self._client.credential(handle).certificate_status
        except Rejected as refusal:
            if refusal.reason not in GONE:
                raise
            return StatusKind.UNKNOWN
        return _KINDS.get(told, StatusKind.UNKNOWN)
