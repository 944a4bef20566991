"""What `ports.accounts.Accounts` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Final

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.people import Account, Cabinet
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.testing.conformance.base import PROPERTY, Conformance, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, RESTARTS, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import AccountId, CabinetId, EmailAddress, PhoneNumber

PEOPLE: Final = 3


class AccountsConformance(Conformance, ABC):
    """Subclass it and make the accounts."""

    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where fresh accounts cost much."""

    @abstractmethod
    def make_accounts(self, *people: Account) -> Accounts:
        """Make accounts that know exactly these people."""

    @abstractmethod
    def change(self, accounts: Accounts, person: Account) -> None:
        """Let this account say so from now on, as its owner would at the host platform."""

    def restarted(self, accounts: Accounts) -> Accounts:
        """Give the accounts as a new process finds them, where they outlive one; histories restart in between."""
        return accounts

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
    @given(text=ANY_TEXT)
    def test_accounts_4_only_port_errors_come_out(self, text: str) -> None:
        """accounts-4: whatever id is asked for, only one of the three port errors comes out."""
        accounts = self.make_accounts(account())
        only_port_errors(lambda: accounts.account(id=AccountId(text)))

    @needs(THREADS)
    def test_accounts_5_accounts_do_not_mix(self) -> None:
        """accounts-5: what changes in one account changes in no other, and many who ask at once get their own."""
        accounts = self.make_accounts(*map(account, range(PEOPLE)))
        self.change(accounts, evolve(account(1), email=EmailAddress("moved@example.org")))
        told = together(4, lambda number: accounts.account(id=account(number % 2 * 2).id))
        assert told == [account(0), account(2)] * 2

    def test_accounts_6_an_id_is_exact(self) -> None:
        """accounts-6: an id is taken to the letter: one that only resembles an account's is unknown."""
        accounts = self.make_accounts(account(), account(1))
        for id in (account().id.upper(), f" {account().id}", f"{account().id}0", account().id[:-1], ""):
            with rejected("unknown_account"):
                accounts.account(id=AccountId(id))

    def test_accounts_7_nobody_is_named_aloud(self) -> None:
        """accounts-7: neither the accounts nor their refusals print or log who somebody is."""
        accounts = self.make_accounts(account(), account(1))
        with unspoken(*personal(account()), *personal(account(1))) as said:
            accounts.account(id=account().id)
            said += [accounts, only_port_errors(lambda: accounts.account(id=account(2).id))]

    def test_accounts_8_any_history_gives_the_latest_word(self) -> None:
        """accounts-8: after any history of changes and restarts, each account is what was last said of it."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)


class _History(RuleBasedStateMachine):
    """Any history of changes, beside a dictionary."""

    restarts = RESTARTS

    def __init__(self, suite: AccountsConformance) -> None:
        super().__init__()
        self.suite = suite
        self.known = {account(0).id: account(0), account(1).id: account(1)}
        self.accounts = suite.make_accounts(*self.known.values())

    @rule(
        number=st.integers(0, PEOPLE - 1), mobile=st.integers(0, 2), english=st.booleans(), cabinets=st.integers(0, 2)
    )
    def change(self, number: int, mobile: int, english: bool, cabinets: int) -> None:
        moved = evolve(
            account(number),
            mobile=PhoneNumber(f"+3363999000{mobile}"),
            language="en" if english else "fr",
            cabinets=tuple(Cabinet(id=CabinetId(f"c-{n}"), name=f"Cabinet {n}") for n in range(cabinets)),
        )
        self.suite.change(self.accounts, moved)
        self.known[moved.id] = moved

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.accounts = self.suite.restarted(self.accounts)

    @invariant()
    def each_is_as_last_said(self) -> None:
        for number in range(PEOPLE):
            id = account(number).id
            if id in self.known:
                assert self.accounts.account(id=id) == self.known[id]
            else:
                with rejected("unknown_account"):
                    self.accounts.account(id=id)
