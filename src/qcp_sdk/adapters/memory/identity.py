"""An identity provider in memory: the durable one's rules on a book that is forgotten."""

from __future__ import annotations

from datetime import timedelta

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked
from qcp_sdk.adapters.shared.simulation.book import MemoryBook
from qcp_sdk.adapters.shared.simulation.identity import (
    SESSION_LIFE,
    VERDICT_AFTER,
    IdentityDesk,
    IdentityScript,
    IdentitySession,
    abandon,
    approve,
    data_changed,
    fraud,
    refuse,
    retry,
    silence,
    specimen,
)
from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.identity import Verdict
from qcp_sdk.subscription.facts import CaptureFinished, IdentityOpened
from qcp_sdk.values import Key, SessionId, SubscriptionId

__all__ = [
    "IdentityScript",
    "IdentitySession",
    "MemoryIdentity",
    "abandon",
    "approve",
    "data_changed",
    "fraud",
    "refuse",
    "retry",
    "silence",
    "specimen",
]


class MemoryIdentity(Fake, IdentityDesk):
    """As `SimulatedIdentity`, without a file: `script`, `capture`, `reject_openings`, `sessions`."""

    port = "identity"

    def __init__(
        self,
        *,
        clock: Clock,
        verdict_after: timedelta = VERDICT_AFTER,
        session_life: timedelta = SESSION_LIFE,
        faults: Faults | None = None,
    ) -> None:
        self._prepare(faults)
        IdentityDesk.__init__(self, MemoryBook(), clock=clock, verdict_after=verdict_after, session_life=session_life)

    @asked
    def open(self, *, key: Key, attempt: int, subscription: SubscriptionId, person: Account) -> IdentityOpened:
        """Open a session. As `IdentityDesk.open`."""
        return IdentityDesk.open(self, key=key, attempt=attempt, subscription=subscription, person=person)

    @asked
    def ask(self, *, session: SessionId) -> Verdict | CaptureFinished | Pending:
        """Say how the session stands. As `IdentityDesk.ask`."""
        return IdentityDesk.ask(self, session=session)

    @asked
    def cancel(self, *, key: Key, session: SessionId) -> None:
        """Close the session. As `IdentityDesk.cancel`."""
        IdentityDesk.cancel(self, key=key, session=session)
