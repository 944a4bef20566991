"""Providers in a town: the port that the engine calls, and what a person or a script does at the provider itself.

Ours in memory have these methods. Yours wraps the adapter that you test over a provider that can be played: a sandbox,
a test account with magic values, your own fake.
"""

from __future__ import annotations

from typing import Protocol

from qcp_sdk.adapters.memory.authority import AuthorityScript
from qcp_sdk.adapters.memory.identity import IdentityScript
from qcp_sdk.adapters.memory.registration import RegistrationScript
from qcp_sdk.certificates import Holding
from qcp_sdk.identity import ProvenIdentity
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.ports.registration import Registration
from qcp_sdk.values import Fingerprint, Key, SessionId, SubscriptionId


class PlayedIdentity(IdentityVerification, Protocol):
    """An identity provider at whose pages a person acts. Both raise `Rejected` for a session that has ended."""

    def capture(self, session: SessionId, document: ProvenIdentity | None = None) -> None:
        """Show a document and a face; by default a document in the account's name."""

    def script(self, session: SessionId | None, outcome: IdentityScript) -> None:
        """Say how this session will end."""


class PlayedRegistration(Registration, Protocol):
    """A trust provider of the hosted plan. Both raise `Rejected` for a registration that has ended."""

    def complete(self, session: SessionId, identity: ProvenIdentity | None = None) -> None:
        """Do all that the person does there; by default with a document in the account's name."""

    def script(self, session: SessionId | None, outcome: RegistrationScript) -> None:
        """Say how this registration will end."""


class PlayedAuthority(CertificateAuthority, Protocol):
    """A certificate authority whose decisions are written beforehand, and whose books can be read."""

    def script(self, subscription: SubscriptionId | None, outcome: AuthorityScript) -> None:
        """Say what becomes of requests of this subscription."""

    def refuse_revocations(self, reason: str) -> None:
        """Refuse to revoke from now on, for this reason; `""` revokes again."""

    def reference(self, *, key: Key) -> str:
        """Give the authority's own word for the request of a key."""

    def holding(self, fingerprint: Fingerprint) -> Holding | None:
        """Give what it knows of one certificate of its own, whatever the faults; None where it knows none."""
