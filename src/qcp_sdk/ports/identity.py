"""Remote identity verification (features C1 to C5)."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from qcp_sdk.people import Account
from qcp_sdk.ports.answers import Pending
from qcp_sdk.subscription.facts import (
    CaptureFinished,
    FraudSuspected,
    IdentityAbandoned,
    IdentityApproved,
    IdentityOpened,
    IdentityRefused,
    IdentityRetryable,
)
from qcp_sdk.values import Key, SessionId, SubscriptionId

Verdict: TypeAlias = IdentityApproved | IdentityRetryable | IdentityRefused | IdentityAbandoned | FraudSuspected


class IdentityVerification(Protocol):
    """Opens sessions in which a person proves who they are, and says how they ended."""

    def open(self, *, key: Key, attempt: int, subscription: SubscriptionId, person: Account) -> IdentityOpened:
        """Open a session; the answer says where the person goes and until when.

        Raises:
            Rejected: The provider opens none for this person; `reason` is its word. `key_reused` for another person.
        """

    def ask(self, *, session: SessionId) -> Verdict | CaptureFinished | Pending:
        """Say how the session stands. A verdict, once given, is given again unchanged.

        Raises:
            Rejected: `unknown_session`.
        """

    def cancel(self, *, key: Key, session: SessionId) -> None:
        """Close the session; one that has ended, or was never known, is left as it is."""
