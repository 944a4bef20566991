"""A trust provider of the hosted plan in memory: the durable one's rules on a book that is forgotten."""

from __future__ import annotations

from datetime import timedelta

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked
from qcp_sdk.adapters.shared.simulation.book import MemoryBook
from qcp_sdk.adapters.shared.simulation.identity import SESSION_LIFE, VERDICT_AFTER
from qcp_sdk.adapters.shared.simulation.registration import (
    RegistrationDesk,
    RegistrationScript,
    RegistrationSession,
    attest,
    expire,
    issue,
    refuse,
    silence,
)
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.registration import Ended
from qcp_sdk.subscription.facts import RegistrationOpened
from qcp_sdk.values import Key, SessionId, SubscriptionId

__all__ = [
    "MemoryRegistration",
    "RegistrationScript",
    "RegistrationSession",
    "attest",
    "expire",
    "issue",
    "refuse",
    "silence",
]


class MemoryRegistration(Fake, RegistrationDesk):
    """As `SimulatedRegistration`, without a file: `script`, `complete`, `reject_openings`, `sessions`."""

    port = "registration"

    def __init__(
        self,
        *,
        authority: CertificateAuthority,
        clock: Clock,
        verdict_after: timedelta = VERDICT_AFTER,
        session_life: timedelta = SESSION_LIFE,
        faults: Faults | None = None,
    ) -> None:
        self._prepare(faults)
        RegistrationDesk.__init__(
            self,
            MemoryBook(),
            authority=authority,
            clock=clock,
            verdict_after=verdict_after,
            session_life=session_life,
        )

    @asked
    def open(self, *, key: Key, subscription: SubscriptionId, person: Account) -> RegistrationOpened:
        """Open a registration. As `RegistrationDesk.open`."""
        return RegistrationDesk.open(self, key=key, subscription=subscription, person=person)

    @asked
    def ask(self, *, session: SessionId) -> Ended | Pending:
        """Say how the registration stands. As `RegistrationDesk.ask`."""
        return RegistrationDesk.ask(self, session=session)

    @asked
    def close(self, *, key: Key, opened_by: Key, session: SessionId | None) -> Ended:
        """End the registration. As `RegistrationDesk.close`."""
        return RegistrationDesk.close(self, key=key, opened_by=opened_by, session=session)
