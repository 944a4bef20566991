"""What every `Ledger` promises (ports/ledger.py, features A3 and D5)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Final, final

import pytest

from qcp_sdk.errors import InvalidValue, Rejected
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.testing.conformance.base import Conformance, only_port_errors, rejected
from qcp_sdk.testing.conformance.histories import LONG, run_any_history
from qcp_sdk.testing.conformance.ledger_history import CABINET, NOBODY, OTHER, PRICE, LedgerHistory, tried
from qcp_sdk.testing.conformance.marking import THREADS, Capability, needs
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import CabinetId, Cents, HoldId, Key

OUTCOMES: Final = Capability(
    "outcomes", "it can be asked how a key ended; without it, `outcome` says UNKNOWN and the engine sends the key again"
)
EXPIRY: Final = Capability("expiry", "its holds expire by themselves; without it, a hold stays until it is settled")


class LedgerConformance(Conformance):
    """The exam of a `Ledger`."""

    examples: ClassVar[int] = 30
    """How many histories the property promise tries; fewer where a fresh ledger costs much."""

    @abstractmethod
    def make_ledger(self, credit: Mapping[CabinetId, Cents]) -> Ledger:
        """Give a ledger in which these cabinets, and no others, have so much to spend."""

    def audit(self, ledger: Ledger) -> None:
        """Look into the books, where one can; called after each step of a history."""

    def pay_in(self, ledger: Ledger, cabinet: CabinetId, amount: Cents) -> bool:  # noqa: ARG002  # a hook
        """Give a cabinet more credit, where one can; say whether it was done. Histories then do so in between."""
        return False

    def reopened(self, ledger: Ledger) -> Ledger:
        """Give the ledger as another process would find it; the same one where there is nothing to open again."""
        return ledger

    def expire(self, ledger: Ledger, hold: HoldId) -> None:  # a hook for the capability EXPIRY
        """Let this hold expire, as it does by itself when nobody settles it in time."""
        raise NotImplementedError("say how a hold expires, or that the ledger lacks EXPIRY")

    @final
    def funded(self, amount: int = 5_000) -> Ledger:
        """Give a ledger in which `cab-1` has so much to spend and `cab-2` has 100.00 EUR."""
        return self.make_ledger({CABINET: Cents(amount), OTHER: Cents(10_000)})

    def test_ledger_1_a_balance_is_what_may_be_spent(self) -> None:
        """ledger-1: A balance is the credit less what is held; an unknown cabinet is rejected."""
        ledger = self.funded()
        assert ledger.balance(cabinet=CABINET) == 5_000
        ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        assert (ledger.balance(cabinet=CABINET), ledger.balance(cabinet=OTHER)) == (3_000, 10_000)
        with rejected("unknown_cabinet"):
            ledger.balance(cabinet=NOBODY)

    def test_ledger_2_the_last_euro_may_be_held(self) -> None:
        """ledger-2: All that may be spent may be held, and not a cent more; a refusal changes nothing."""
        ledger = self.funded(2_000)
        with rejected("insufficient_funds"):
            ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=Cents(2_001), memo="QCP")
        with rejected("unknown_cabinet"):
            ledger.hold(key=Key("k-2"), cabinet=NOBODY, amount=Cents(1), memo="QCP")
        assert ledger.balance(cabinet=CABINET) == 2_000
        ledger.hold(key=Key("k-3"), cabinet=CABINET, amount=PRICE, memo="QCP")
        with rejected("insufficient_funds"):
            ledger.hold(key=Key("k-4"), cabinet=CABINET, amount=Cents(1), memo="QCP")
        ledger.hold(key=Key("k-5"), cabinet=CABINET, amount=Cents(0), memo="free of charge")
        assert ledger.balance(cabinet=CABINET) == 0

    def test_ledger_3_a_hold_is_asked_for_once(self) -> None:
        """ledger-3: The same key holds once, and answers the same again, even after the hold was settled."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        assert ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP") == hold
        assert ledger.balance(cabinet=CABINET) == 3_000
        ledger.release(key=Key("k-2"), hold=hold)
        assert ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP") == hold
        assert ledger.balance(cabinet=CABINET) == 5_000
        assert ledger.hold(key=Key("k-3"), cabinet=CABINET, amount=PRICE, memo="QCP") != hold

    def test_ledger_4_a_refusal_is_remembered(self) -> None:
        """ledger-4: A key that was refused is refused again in the same words, even when there is money by then."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=Cents(4_000), memo="QCP")
        for _ in range(2):
            with rejected("insufficient_funds"):
                ledger.hold(key=Key("k-2"), cabinet=CABINET, amount=PRICE, memo="QCP")
            ledger.release(key=Key("k-3"), hold=hold)
        assert ledger.balance(cabinet=CABINET) == 5_000

    def test_ledger_5_a_key_means_one_call(self) -> None:
        """ledger-5: A key used again with other arguments, or for another call, is rejected, and the answer stands."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        other = ledger.hold(key=Key("k-2"), cabinet=OTHER, amount=PRICE, memo="QCP")
        ledger.capture(key=Key("k-3"), hold=hold)
        for cabinet, amount, memo in ((CABINET, 2_001, "QCP"), (OTHER, 2_000, "QCP"), (CABINET, 2_000, "LCP")):
            with rejected("key_reused"):
                ledger.hold(key=Key("k-1"), cabinet=cabinet, amount=Cents(amount), memo=memo)
        for settle, key in ((ledger.capture, "k-3"), (ledger.release, "k-3"), (ledger.capture, "k-1")):
            with rejected("key_reused"):
                settle(key=Key(key), hold=other)
        assert (ledger.balance(cabinet=CABINET), ledger.balance(cabinet=OTHER)) == (3_000, 8_000)
        assert ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP") == hold

    def test_ledger_6_a_capture_takes_once(self) -> None:
        """ledger-6: What is held is taken once; asked again with its key it is done, with another it is rejected."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        for _ in range(2):
            ledger.capture(key=Key("k-2"), hold=hold)
        for _ in range(2):
            with rejected("already_captured"):
                ledger.capture(key=Key("k-3"), hold=hold)
            with rejected("already_captured"):
                ledger.release(key=Key("k-4"), hold=hold)
        assert ledger.balance(cabinet=CABINET) == 3_000

    def test_ledger_7_a_release_gives_back_once(self) -> None:
        """ledger-7: What is held is given back once; then it cannot be taken any more."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        for _ in range(2):
            ledger.release(key=Key("k-2"), hold=hold)
        for _ in range(2):
            with rejected("already_released"):
                ledger.release(key=Key("k-3"), hold=hold)
            with rejected("hold_gone"):
                ledger.capture(key=Key("k-4"), hold=hold)
        assert ledger.balance(cabinet=CABINET) == 5_000

    def test_ledger_8_an_unknown_hold_is_gone(self) -> None:
        """ledger-8: A hold that nobody made is neither taken nor given back."""
        ledger = self.funded()
        for settle, key in ((ledger.capture, "k-1"), (ledger.release, "k-2")):
            for _ in range(2):
                with rejected("hold_gone"):
                    settle(key=Key(key), hold=HoldId("nothing"))
        assert ledger.balance(cabinet=CABINET) == 5_000

    @needs(OUTCOMES)
    def test_ledger_9_the_outcome_of_a_key_is_known(self) -> None:
        """ledger-9: `outcome` tells how each key ended: the hold it made, why it was refused, or that it never came."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        with rejected("insufficient_funds"):
            ledger.hold(key=Key("k-2"), cabinet=CABINET, amount=Cents(9_000), memo="QCP")
        ledger.capture(key=Key("k-3"), hold=hold)
        with rejected("already_captured"):
            ledger.release(key=Key("k-4"), hold=hold)
        with rejected("key_reused"):
            ledger.release(key=Key("k-3"), hold=hold)
        assert ledger.outcome(key=Key("k-1")) == Outcome(kind=OutcomeKind.DONE, reference=hold)
        assert ledger.outcome(key=Key("k-2")) == Outcome(kind=OutcomeKind.REFUSED, reason="insufficient_funds")
        assert ledger.outcome(key=Key("k-3")).kind is OutcomeKind.DONE
        assert ledger.outcome(key=Key("k-4")) == Outcome(kind=OutcomeKind.REFUSED, reason="already_captured")
        assert ledger.outcome(key=Key("k-5")) == Outcome(kind=OutcomeKind.UNKNOWN)

    @needs(THREADS)
    def test_ledger_10_racing_holds_never_overdraw(self) -> None:
        """ledger-10: Of holds that race for the last euros, only as many succeed as there is money for."""
        ledger = self.funded(5_000)

        def hold(number: int) -> str:
            return tried(lambda: ledger.hold(key=Key(f"k-{number}"), cabinet=CABINET, amount=PRICE, memo="QCP"))

        held = together(8, hold)
        assert sorted(held) == ["", ""] + ["insufficient_funds"] * 6
        assert ledger.balance(cabinet=CABINET) == 1_000
        self.audit(ledger)

    @needs(THREADS)
    def test_ledger_11_one_key_racing_itself_acts_once(self) -> None:
        """ledger-11: Callers who use one key at once all get the one answer."""
        ledger = self.funded(5_000)
        holds = together(6, lambda _: ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP"))
        assert (len(set(holds)), ledger.balance(cabinet=CABINET)) == (1, 3_000)
        self.audit(ledger)

    @needs(THREADS)
    def test_ledger_12_a_hold_is_settled_once_however_raced(self) -> None:
        """ledger-12: Of captures and releases that race for one hold, exactly one succeeds."""
        ledger = self.funded(5_000)
        hold = ledger.hold(key=Key("k"), cabinet=CABINET, amount=PRICE, memo="QCP")

        def settle(number: int) -> str:
            call = ledger.capture if number % 2 else ledger.release
            return tried(lambda: call(key=Key(f"k-{number}"), hold=hold))

        settled = together(6, settle)
        assert settled.count("") == 1
        assert ledger.balance(cabinet=CABINET) == (3_000 if settled.index("") % 2 else 5_000)
        self.audit(ledger)

    def test_ledger_13_an_amount_is_never_negative(self) -> None:
        """ledger-13: A negative amount is refused and moves nothing."""
        ledger = self.funded()
        for amount in (-1, -(2**70)):
            with pytest.raises((InvalidValue, Rejected)):
                ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=Cents(amount), memo="QCP")
        assert ledger.balance(cabinet=CABINET) == 5_000
        assert ledger.outcome(key=Key("k-1")).kind is OutcomeKind.UNKNOWN

    def test_ledger_14_odd_text_never_breaks_it(self) -> None:
        """ledger-14: Whatever keys, memos and names hold, only port errors come out."""
        ledger = self.funded()
        for text in ("", "'; --", "%s ? :x", "é💥", "x" * 10_000, "\ud800", "a\x00b"):
            only_port_errors(partial(ledger.hold, key=Key(text), cabinet=CABINET, amount=Cents(1), memo=text))
            only_port_errors(partial(ledger.balance, cabinet=CabinetId(text)))
            only_port_errors(partial(ledger.release, key=Key(f"{text}/2"), hold=HoldId(text)))
            only_port_errors(partial(ledger.outcome, key=Key(text)))
        self.audit(ledger)

    def test_ledger_15_any_history_keeps_the_books(self) -> None:
        """ledger-15: After any history of calls, repeats, lost answers and races, all is as in a simple account."""
        run_any_history(partial(LedgerHistory, self, OUTCOMES not in self.lacks), examples=self.examples, steps=LONG)

    @needs(EXPIRY)
    def test_ledger_16_an_expired_hold_counts_as_given_back(self) -> None:
        """ledger-16: A hold that has expired by itself is gone: its amount may be spent, it is not taken any more."""
        ledger = self.funded()
        hold = ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP")
        self.expire(ledger, hold)
        assert ledger.balance(cabinet=CABINET) == 5_000
        for _ in range(2):
            with rejected("hold_gone"):
                ledger.capture(key=Key("k-2"), hold=hold)
            ledger.release(key=Key("k-3"), hold=hold)
        assert ledger.balance(cabinet=CABINET) == 5_000
        assert ledger.hold(key=Key("k-1"), cabinet=CABINET, amount=PRICE, memo="QCP") == hold
        assert ledger.balance(cabinet=CABINET) == 5_000
        self.audit(ledger)
