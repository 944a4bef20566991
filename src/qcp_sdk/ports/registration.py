"""The hosted plan: a trust provider does identity, request and issuance on its own pages (F, Universign)."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.subscription.facts import (
    CertificateAttested,
    CertificateIssued,
    RegistrationExpired,
    RegistrationOpened,
    RegistrationRefused,
)
from qcp_sdk.values import Key, SessionId, SubscriptionId

Ended: TypeAlias = CertificateIssued | CertificateAttested | RegistrationRefused | RegistrationExpired


class Registration(Protocol):
    """Opens registrations at a trust provider, and says how they ended."""

    def open(self, *, key: Key, subscription: SubscriptionId, person: Account) -> RegistrationOpened:
        """Open a registration whose name, e-mail and mobile are prerequisites, not suggestions.

        Raises:
            Rejected: The provider opens none for this person; `reason` is its word. `key_reused` for another person.
        """

    def ask(self, *, session: SessionId) -> Ended | Pending:
        """Say how the registration stands.

        Raises:
            Rejected: `unknown_session`.
        """

    def close(self, *, key: Key, opened_by: Key, session: SessionId | None) -> Ended:
        """Close the registration that was opened under `opened_by` (or was never), and say how it ended: a
        certificate, if one was issued before the close; otherwise `RegistrationExpired`.
        """
