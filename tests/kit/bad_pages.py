"""Wrong adapters of the port `pages`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.pages import MemoryPages
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.ceremony.facts import TransactionEnded, TransactionSigned
from qcp_sdk.ports.answers import Pending
from qcp_sdk.testing.conformance.examples import START, account, name_of
from qcp_sdk.testing.conformance.pages import PagesConformance
from qcp_sdk.values import Key


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


@pytest.mark.caught_by("test_pages_2_a_key_opens_one_transaction")
@pytest.mark.caught_by("test_pages_16_any_history_keeps_its_word")
class ForgetsItsKeys(PagesSuite):
    class Adapter(MemoryPages):
        def open(self, *, key, **rest):
            self.times = getattr(self, "times", 0) + 1
            return super().open(key=Key(f"{key}#{self.times}"), **rest)


@pytest.mark.caught_by("test_pages_13_a_key_is_not_reused")
class OpensByKeyOnly(PagesSuite):
    class Adapter(MemoryPages):
        def open(self, *, key, **rest):
            kept = self.__dict__.setdefault("opened", {})
            if key not in kept:
                kept[key] = super().open(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_pages_5_a_signature_is_never_taken_back")
@pytest.mark.caught_by("test_pages_14_a_signature_before_the_close_wins")
@pytest.mark.caught_by("test_pages_16_any_history_keeps_its_word")
class TakesASignatureBack(PagesSuite):
    class Adapter(MemoryPages):
        def close(self, *, key, session):
            super().close(key=key, session=session)
            self.__dict__.setdefault("closed", set()).add(session)

        def ask(self, *, session):
            if session in getattr(self, "closed", ()):
                return TransactionEnded(session=session, reason="expired")
            return super().ask(session=session)


@pytest.mark.caught_by("test_pages_3_nothing_is_told_before_the_end")
@pytest.mark.caught_by("test_pages_16_any_history_keeps_its_word")
class SignsBeforeThePerson(PagesSuite):
    class Adapter(MemoryPages):
        def ask(self, *, session):
            told = super().ask(session=session)
            documents = next(one.documents for one in self.transactions() if one.id == session)
            return TransactionSigned(session=session, documents=documents) if isinstance(told, Pending) else told


@pytest.mark.caught_by("test_pages_6_a_refusal_is_told")
class LosesRefusals(PagesSuite):
    class Adapter(MemoryPages):
        def decline(self, session):
            pass


@pytest.mark.caught_by("test_pages_8_an_unused_transaction_runs_out")
class NeverRunsOut(PagesSuite):
    class Adapter(MemoryPages):
        def _lapsed(self, pages, transaction):
            return transaction


@pytest.mark.caught_by("test_pages_1_opening_says_where_and_until_when")
class OutlivesTheCollecte(PagesSuite):
    class Adapter(MemoryPages):
        def open(self, **asked):
            opened = super().open(**asked)
            return evolve(opened, expires=opened.expires + timedelta(days=1))


@pytest.mark.caught_by("test_pages_11_an_unknown_transaction_is_rejected")
class WaitsForAnything(PagesSuite):
    class Adapter(MemoryPages):
        def ask(self, *, session):
            known = session in {one.id for one in self.transactions()}
            return super().ask(session=session) if known else Pending()


@pytest.mark.caught_by("test_pages_12_transactions_do_not_mix")
@pytest.mark.caught_by("test_pages_16_any_history_keeps_its_word")
class ClosesAllOfAPerson(PagesSuite):
    class Adapter(MemoryPages):
        def close(self, *, key, session):
            for one in self.transactions():
                super().close(key=key, session=one.id)


@pytest.mark.caught_by("test_pages_15_nobody_is_named_aloud")
class PrintsSignatories(PagesSuite):
    class Adapter(MemoryPages):
        def __repr__(self) -> str:
            signatories = [one.signatory for one in self.transactions()]
            return str([person.email.text for person in signatories if person])
