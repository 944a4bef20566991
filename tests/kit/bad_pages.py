"""Wrong adapters of the port `pages`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.pages import MemoryPages
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.ceremony.facts import TransactionSigned
from qcp_sdk.testing.conformance.examples import START, account, name_of
from qcp_sdk.testing.conformance.pages import PagesConformance


class PagesSuite(PagesConformance):
    Adapter: type[MemoryPages] = MemoryPages

    def make_pages(self) -> MemoryPages:
        self.world = MemoryWorld(start=START)
        self.clock = self.world.clock
        self.world.authority.issue_to(account())
        return self.Adapter(pen=self.world.pages._pen, clock=self.clock)

    def keep(self, pages: Any, content: bytes) -> Any:
        return self.world.documents.keep(content=content)

    def read(self, pages: Any, document: Any) -> bytes:
        return self.world.documents.read(document=document)

    def document(self) -> bytes:
        return b"%PDF-1.7 a letter"

    def sign(self, pages: Any, session: Any) -> None:
        pages.ask_code(session)
        pages.sign(session, self.world.codes.latest(account().mobile))

    def decline(self, pages: Any, session: Any) -> None:
        pages.decline(session)


@pytest.mark.caught_by("test_pages_7_a_closed_transaction_signs_nothing")
class NeverCloses(PagesSuite):
    class Adapter(MemoryPages):
        def close(self, **asked):
            pass


@pytest.mark.caught_by("test_pages_4_what_was_signed_is_kept")
class KeepsNothing(PagesSuite):
    class Adapter(MemoryPages):
        def ask(self, *, session):
            answer = super().ask(session=session)
            if not isinstance(answer, TransactionSigned):
                return answer
            gone = tuple((name, name_of(content.encode())) for name, content in answer.documents)
            return evolve(answer, documents=gone)
