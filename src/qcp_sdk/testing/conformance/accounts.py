"""What `ports.accounts.Accounts` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.people import Account
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.testing.conformance.base import PROPERTY, Conformance, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.values import AccountId, PhoneNumber


class AccountsConformance(Conformance, ABC):
    """Subclass it and make the accounts."""

    @abstractmethod
    def make_accounts(self, *people: Account) -> Accounts:
        """Make accounts that know exactly these people."""

    @abstractmethod
    def change(self, accounts: Accounts, person: Account) -> None:
        """Let this account say so from now on, as its owner would at the host platform."""

    def test_accounts_1_an_account_is_given_whole(self) -> None:
        """accounts-1: an account comes with its name, addresses, language and cabinets."""
        accounts = self.make_accounts(account(), account(1))
        assert accounts.account(id=account().id) == account()
        assert accounts.account(id=account(1).id) == account(1)

    def test_accounts_2_an_unknown_account_is_rejected(self) -> None:
        """accounts-2: an account that nobody knows is rejected as `unknown_account`."""
        with rejected("unknown_account"):
            self.make_accounts(account()).account(id=account(1).id)

    def test_accounts_3_it_is_as_it_is_now(self) -> None:
        """accounts-3: an account is given as it is now, not as it was."""
        accounts = self.make_accounts(account())
        moved = evolve(account(), mobile=PhoneNumber("+33639989999"))
        self.change(accounts, moved)
        assert accounts.account(id=account().id) == moved

    @PROPERTY
    @given(text=st.text(max_size=60))
    def test_accounts_4_only_port_errors_come_out(self, text: str) -> None:
        """accounts-4: whatever id is asked for, only one of the three port errors comes out."""
        accounts = self.make_accounts(account())
        only_port_errors(lambda: accounts.account(id=AccountId(text)))
