"""Codes, notices and accounts in memory keep their ports' promises."""

from __future__ import annotations

import pytest

from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.errors import NotFound
from qcp_sdk.notices import Recipient
from qcp_sdk.people import Account
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.testing.conformance.accounts import AccountsConformance
from qcp_sdk.testing.conformance.base import rejected
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.testing.conformance.examples import account, messages, recipient
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.values import ContentHash, EmailAddress, Key, PhoneNumber


class TestMemoryCodes(CodesConformance):
    def make_codes(self) -> MemoryCodes:
        return MemoryCodes(clock=self.clock)

    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        assert isinstance(codes, MemoryCodes)
        return tuple(sent.code.reveal() for sent in codes.outbox if sent.to == by)


class TestMemoryNotices(NoticesConformance):
    def make_notices(self) -> MemoryNotices:
        self.documents = MemoryDocuments()
        return MemoryNotices(documents=self.documents)

    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        return self.documents.keep(content=content)

    def received(self, notices: Notices, by: Recipient) -> int:
        assert isinstance(notices, MemoryNotices)
        return len(notices.to(by.email))


class TestMemoryAccounts(AccountsConformance):
    def make_accounts(self, *people: Account) -> MemoryAccounts:
        return MemoryAccounts(people)

    def change(self, accounts: Accounts, person: Account) -> None:
        assert isinstance(accounts, MemoryAccounts)
        accounts.put(person)


def test_an_address_can_be_made_unreachable() -> None:
    notices = MemoryNotices()
    notices.make_unreachable(account().email)
    with rejected("undeliverable"):
        notices.send(key=Key("s/1/0"), to=recipient(), notice=messages()[0])
    assert notices.outbox == ()


def test_who_received_no_code_is_told_so_without_the_address() -> None:
    with pytest.raises(NotFound) as told:
        MemoryCodes().latest(account().email)
    assert account().email.text not in str(told.value)
