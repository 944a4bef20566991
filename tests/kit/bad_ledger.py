"""Wrong adapters of the port `ledger`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.adapters.shared.books import HoldState
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.testing.conformance.ledger import LedgerConformance
from qcp_sdk.values import Key

ANY_HISTORY = "test_ledger_15_any_history_keeps_the_books"


class LedgerSuite(LedgerConformance):
    Adapter: type[MemoryLedger] = MemoryLedger

    def make_ledger(self, credit: Any) -> MemoryLedger:
        self.numbers = count()
        ledger = self.Adapter(clock=ManualClock(START))
        for cabinet, amount in credit.items():
            self.pay_in(ledger, cabinet, amount)
        return ledger

    def pay_in(self, ledger: Any, cabinet: Any, amount: Any) -> bool:
        ledger.credit(key=Key(f"paid/{next(self.numbers)}"), cabinet=cabinet, amount=amount, memo="transfer")
        return True

    def expire(self, ledger: Any, hold: Any) -> None:
        ledger.expire(key=Key("expired"), hold=hold)


@pytest.mark.caught_by("test_ledger_3_a_hold_is_asked_for_once")
@pytest.mark.caught_by("test_ledger_11_one_key_racing_itself_acts_once")
@pytest.mark.caught_by(ANY_HISTORY)
class ForgetsItsKeys(LedgerSuite):
    class Adapter(MemoryLedger):
        def hold(self, *, key, **asked):
            return super().hold(key=Key(f"{key}#{len(self._transfers)}"), **asked)


@pytest.mark.caught_by("test_ledger_6_a_capture_takes_once")
@pytest.mark.caught_by("test_ledger_12_a_hold_is_settled_once_however_raced")
@pytest.mark.caught_by(ANY_HISTORY)
class CapturesTwice(LedgerSuite):
    class Adapter(MemoryLedger):
        def capture(self, *, key, hold):
            if hold in self._holds:
                self._holds[hold].state = HoldState.HELD
            super().capture(key=key, hold=hold)


@pytest.mark.caught_by("test_ledger_4_a_refusal_is_remembered")
@pytest.mark.caught_by(ANY_HISTORY)
class AnswersARepeatedKeyDifferently(LedgerSuite):
    """It keeps what it did, and decides again what it refused."""

    class Adapter(MemoryLedger):
        def hold(self, *, key, **asked):
            if (before := self._answers.get(key)) and before.reason:
                del self._answers[key]
            return super().hold(key=key, **asked)


@pytest.mark.caught_by("test_ledger_9_the_outcome_of_a_key_is_known")
@pytest.mark.caught_by(ANY_HISTORY)
class LosesAnswers(LedgerSuite):
    class Adapter(MemoryLedger):
        def outcome(self, *, key):
            return Outcome(kind=OutcomeKind.UNKNOWN)


@pytest.mark.caught_by("test_ledger_9_the_outcome_of_a_key_is_known")
class ConfirmsBeforeItHappened(LedgerSuite):
    """Every key that it is asked for is done, also one that never came."""

    class Adapter(MemoryLedger):
        def outcome(self, *, key):
            told = super().outcome(key=key)
            return Outcome(kind=OutcomeKind.DONE) if told.kind is OutcomeKind.UNKNOWN else told


@pytest.mark.caught_by("test_ledger_5_a_key_means_one_call")
@pytest.mark.caught_by(ANY_HISTORY)
class TakesAKeyForAnythingElse(LedgerSuite):
    class Adapter(MemoryLedger):
        def hold(self, *, key, **asked):
            before = self._answers.get(key)
            return before.reference if before and before.reference else super().hold(key=key, **asked)


@pytest.mark.caught_by("test_ledger_1_a_balance_is_what_may_be_spent")
@pytest.mark.caught_by("test_ledger_2_the_last_euro_may_be_held")
@pytest.mark.caught_by(ANY_HISTORY)
class MixesUpTwoCabinets(LedgerSuite):
    """It adds up what everybody has."""

    class Adapter(MemoryLedger):
        def balance(self, *, cabinet):
            super().balance(cabinet=cabinet)
            return sum(amount for name, amount in self._accounts.items() if name.startswith("available:"))


@pytest.mark.caught_by("test_ledger_2_the_last_euro_may_be_held")
@pytest.mark.caught_by("test_ledger_10_racing_holds_never_overdraw")
@pytest.mark.caught_by(ANY_HISTORY)
class LetsCabinetsOverdraw(LedgerSuite):
    class Adapter(MemoryLedger):
        def hold(self, *, key, cabinet, amount, memo):
            missing = amount - self._accounts.get(f"available:{cabinet}", 0)
            if missing > 0 and f"available:{cabinet}" in self._accounts and key not in self._answers:
                self.credit(key=Key(f"lent/{key}"), cabinet=cabinet, amount=missing, memo="an overdraft")
            return super().hold(key=key, cabinet=cabinet, amount=amount, memo=memo)


@pytest.mark.caught_by("test_ledger_7_a_release_gives_back_once")
@pytest.mark.caught_by(ANY_HISTORY)
class TakesWhatWasGivenBack(LedgerSuite):
    """A released hold moves backwards: it is held again when somebody captures it."""

    class Adapter(MemoryLedger):
        def capture(self, *, key, hold):
            held = self._holds.get(hold)
            if held and held.state is HoldState.RELEASED and key not in self._answers:
                held.state = HoldState.HELD
            super().capture(key=key, hold=hold)


@pytest.mark.caught_by("test_ledger_8_an_unknown_hold_is_gone")
@pytest.mark.caught_by(ANY_HISTORY)
class LeaksKeyErrors(LedgerSuite):
    class Adapter(MemoryLedger):
        def capture(self, *, key, hold):
            if hold not in self._holds:
                raise KeyError(hold)
            super().capture(key=key, hold=hold)


@pytest.mark.caught_by("test_ledger_16_an_expired_hold_counts_as_given_back")
class RefusesToReleaseWhatExpired(LedgerSuite):
    class Adapter(MemoryLedger):
        def release(self, *, key, hold):
            if hold in self._holds and self._holds[hold].state is HoldState.EXPIRED:
                raise Rejected("it has expired", reason="hold_gone")
            super().release(key=key, hold=hold)


@pytest.mark.caught_by("test_ledger_13_an_amount_is_never_negative")
class HoldsNegativeAmounts(LedgerSuite):
    """A negative hold is a gift."""

    class Adapter(MemoryLedger):
        def hold(self, *, key, cabinet, amount, memo):
            if amount < 0:
                self.credit(key=key, cabinet=cabinet, amount=-amount % 10_000, memo=memo)
                return "gift"
            return super().hold(key=key, cabinet=cabinet, amount=amount, memo=memo)
