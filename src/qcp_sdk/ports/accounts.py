"""The host platform's accounts (in the guide, ComptExpert)."""

from __future__ import annotations

from typing import Protocol

from qcp_sdk.people import Account
from qcp_sdk.values import AccountId


class Accounts(Protocol):
    """Says who an account is, now."""

    def account(self, *, id: AccountId) -> Account:
        """Give the account with its cabinets.

        Raises:
            Rejected: `unknown_account`.
        """
