"""Wrong adapters of the port `accounts`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.testing.conformance.accounts import AccountsConformance


class AccountsSuite(AccountsConformance):
    Adapter: type[MemoryAccounts] = MemoryAccounts

    def make_accounts(self, *people: Any) -> MemoryAccounts:
        return self.Adapter(people)

    def change(self, accounts: Any, person: Any) -> None:
        accounts.put(person)


@pytest.mark.caught_by("test_accounts_3_it_is_as_it_is_now")
class CopiesAtNight(AccountsSuite):
    class Adapter(MemoryAccounts):
        def put(self, account) -> None:
            pass
