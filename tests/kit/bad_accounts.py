"""Wrong adapters of the port `accounts`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.people import Account
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


@pytest.mark.caught_by("test_accounts_1_an_account_is_given_whole")
class ForgetsCabinets(AccountsSuite):
    class Adapter(MemoryAccounts):
        def account(self, *, id) -> Account:
            return evolve(super().account(id=id), cabinets=())


@pytest.mark.caught_by("test_accounts_2_an_unknown_account_is_rejected")
@pytest.mark.caught_by("test_accounts_4_only_port_errors_come_out")
class LeaksKeyErrors(AccountsSuite):
    class Adapter(MemoryAccounts):
        def account(self, *, id) -> Account:
            return self._accounts[id]


@pytest.mark.caught_by("test_accounts_2_an_unknown_account_is_rejected")
class GivesSomebody(AccountsSuite):
    class Adapter(MemoryAccounts):
        def account(self, *, id) -> Account:
            return self._accounts.get(id) or next(iter(self._accounts.values()))


@pytest.mark.caught_by("test_accounts_5_accounts_do_not_mix")
@pytest.mark.caught_by("test_accounts_8_any_history_gives_the_latest_word")
class ChangesEverybody(AccountsSuite):
    class Adapter(MemoryAccounts):
        def put(self, account) -> None:
            for id in {*self._accounts, account.id}:
                self._accounts[id] = evolve(account, id=id)


@pytest.mark.caught_by("test_accounts_6_an_id_is_exact")
class FoldsIds(AccountsSuite):
    class Adapter(MemoryAccounts):
        def account(self, *, id) -> Account:
            return super().account(id=id.strip().lower())


@pytest.mark.caught_by("test_accounts_7_nobody_is_named_aloud")
class PrintsPeople(AccountsSuite):
    class Adapter(MemoryAccounts):
        def __repr__(self) -> str:
            return str([account.email.text for account in self._accounts.values()])


@pytest.mark.caught_by("test_accounts_8_any_history_gives_the_latest_word")
class RemembersLanguages(AccountsSuite):
    class Adapter(MemoryAccounts):
        def put(self, account) -> None:
            before = self._accounts.get(account.id, account)
            super().put(evolve(account, language=before.language))
