"""Accounts that a test writes down itself."""

from __future__ import annotations

from collections.abc import Iterable

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked
from qcp_sdk.errors import Rejected
from qcp_sdk.people import Account
from qcp_sdk.values import AccountId


class MemoryAccounts(Fake):
    """Knows the accounts that it was given; giving one again changes it."""

    port = "accounts"

    def __init__(self, accounts: Iterable[Account] = (), *, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._accounts = {account.id: account for account in accounts}

    @asked
    def account(self, *, id: AccountId) -> Account:
        """Give the account with its cabinets.

        Raises:
            Rejected: `unknown_account`.
        """
        known = self._accounts.get(id)
        if known is None:
            raise Rejected("no such account", reason="unknown_account")
        return known

    def put(self, account: Account) -> None:
        """Make the account known, or change it."""
        with self._lock:
            self._accounts[account.id] = account

    def remove(self, id: AccountId) -> None:
        """Forget the account."""
        with self._lock:
            self._accounts.pop(id, None)
