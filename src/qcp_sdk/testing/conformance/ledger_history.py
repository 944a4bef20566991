"""Any history of calls on a ledger, beside an account that is plain enough to be believed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from attrs import define, frozen
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.errors import Rejected, Unavailable, Unconfirmed
from qcp_sdk.ports.answers import OutcomeKind
from qcp_sdk.testing.conformance.marking import THREADS
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.values import CabinetId, Cents, HoldId, Key

if TYPE_CHECKING:
    from qcp_sdk.testing.conformance.ledger import LedgerConformance

T = TypeVar("T")

CABINET: Final = CabinetId("cab-1")
OTHER: Final = CabinetId("cab-2")
NOBODY: Final = CabinetId("cab-404")
PRICE: Final = Cents(2_000)

NOTHING: Final = HoldId("nothing")
KEYS: Final = st.integers(0, 9).map(lambda number: Key(f"k-{number}"))
CABINETS: Final = st.sampled_from([CABINET, OTHER, NOBODY])
AMOUNTS: Final = st.sampled_from([0, 1, 400, 1_000, 2_000])

GONE: Final = {
    ("capture", "released"): "hold_gone",
    ("capture", "captured"): "already_captured",
    ("release", "released"): "already_released",
    ("release", "captured"): "already_captured",
}
"""Why a hold in this state is not settled in this way."""


@frozen
class Asked:
    """What a key was used for: a call, and what it was about."""

    call: str
    cabinet: CabinetId = NOBODY
    amount: int = 0
    hold: HoldId = NOTHING


@define
class Given:
    """What the account says of a key: why it was refused, if it was, and the hold that it made, once it is known."""

    asked: Asked
    reason: str
    hold: HoldId | None = None


class LedgerHistory(RuleBasedStateMachine):
    """Holds, captures, releases and pays in, in any order, with keys used again for the same thing and for others.

    Some answers are lost: the caller asks for the key or sends it again, later or at once. Some calls race.
    """

    def __init__(self, suite: LedgerConformance, outcomes: bool) -> None:
        super().__init__()
        self.outcomes = outcomes
        self.suite = suite
        self.ledger = suite.make_ledger({CABINET: Cents(3_000), OTHER: Cents(500)})
        self.free: dict[CabinetId, int] = {CABINET: 3_000, OTHER: 500}
        self.holds: dict[HoldId, tuple[Asked, str]] = {}
        self.given: dict[Key, Given] = {}

    # -- the account ---------------------------------------------------------------------------------------------

    def decide(self, asked: Asked) -> str:
        """Say why this is refused now, or nothing."""
        if asked.call == "hold":
            if asked.cabinet not in self.free:
                return "unknown_cabinet"
            return "insufficient_funds" if self.free[asked.cabinet] < asked.amount else ""
        if asked.hold not in self.holds:
            return "hold_gone"
        return GONE.get((asked.call, self.holds[asked.hold][1]), "")

    def book(self, key: Key, asked: Asked) -> Given:
        """Decide, once a key, and move the money."""
        if key in self.given:
            return self.given[key] if self.given[key].asked == asked else Given(asked, "key_reused")
        given = self.given[key] = Given(asked, self.decide(asked))
        if given.reason:
            return given
        if asked.call == "hold":
            self.free[asked.cabinet] -= asked.amount
        else:
            held, _ = self.holds[asked.hold]
            self.holds[asked.hold] = held, {"capture": "captured", "release": "released"}[asked.call]
            if asked.call == "release":
                self.free[held.cabinet] += held.amount
        return given

    # -- the calls -----------------------------------------------------------------------------------------------

    def ask(self, key: Key, asked: Asked) -> HoldId | None:
        """Make the call; gives the hold that it made, if it was to make one."""
        if asked.call == "hold":
            return self.ledger.hold(key=key, cabinet=asked.cabinet, amount=Cents(asked.amount), memo="QCP")
        (self.ledger.capture if asked.call == "capture" else self.ledger.release)(key=key, hold=asked.hold)
        return None

    def make(self, key: Key, asked: Asked, *, lost: bool = False) -> None:
        """Make a call, and see that it is answered as the account has it.

        An answer that is lost, or that the ledger itself could not confirm, is asked for again with the same key.
        """
        if lost:
            settled(partial(self.ask, key, asked))
            self.ledger = self.suite.reopened(self.ledger)
        told = settled(partial(self.ask, key, asked))
        given = self.book(key, asked)
        if isinstance(told, Rejected):
            assert told.reason == given.reason, f"refused as {told.reason}, where {given.reason or 'nothing'} was due"
            return
        assert not given.reason, f"accepted, where {given.reason} was due"
        if asked.call == "hold":
            assert told is not None
            assert given.hold in (None, told), "another hold than at first"
            if given.hold is None:
                assert told not in self.holds, "two holds of one name"
                given.hold, self.holds[told] = told, (asked, "held")

    @rule(key=KEYS, cabinet=CABINETS, amount=AMOUNTS, lost=st.booleans())
    def hold(self, key: Key, cabinet: CabinetId, amount: int, lost: bool) -> None:
        """Set an amount aside."""
        self.make(key, Asked("hold", cabinet, amount), lost=lost)

    @rule(key=KEYS, which=st.integers(0, 5), call=st.sampled_from(["capture", "release"]), lost=st.booleans())
    def settle(self, key: Key, which: int, call: str, lost: bool) -> None:
        """Take or give back what is held, or was, or never was."""
        hold = [*self.holds, *[NOTHING] * 6][which]
        self.make(key, Asked(call, hold=hold), lost=lost)

    @rule(key=KEYS)
    def repeat(self, key: Key) -> None:
        """Ask again what a key was used for, however long ago."""
        if key in self.given:
            self.make(key, self.given[key].asked)

    @rule(cabinet=st.sampled_from([CABINET, OTHER]), amount=AMOUNTS)
    def pay_in(self, cabinet: CabinetId, amount: int) -> None:
        """Give more credit, where one can."""
        if self.suite.pay_in(self.ledger, cabinet, Cents(amount)):
            self.free[cabinet] += amount

    @precondition(lambda self: THREADS not in self.suite.lacks)
    @rule(key=KEYS, cabinet=CABINETS, amount=AMOUNTS)
    def race_one_key(self, key: Key, cabinet: CabinetId, amount: int) -> None:
        """Let several callers send one key at once, and see that they are all answered alike."""
        asked = Asked("hold", cabinet, amount)
        told = together(3, lambda _: answer(settled(partial(self.ask, key, asked))))
        assert len(set(told)) == 1, f"one key, several answers: {told}"
        self.make(key, asked)

    @precondition(lambda self: THREADS not in self.suite.lacks)
    @rule(which=st.integers(0, 5))
    def race_to_settle(self, which: int) -> None:
        """Let a capture and a release race for one hold: the account follows whichever came first."""
        hold = [*self.holds, *[NOTHING] * 6][which]
        number = len(self.given)
        calls = [(Key(f"race-{number}-{call}"), Asked(call, hold=hold)) for call in ("capture", "release")]
        told = together(2, lambda n: answer(settled(partial(self.ask, *calls[n]))))
        for n in sorted((0, 1), key=lambda n: told[n] != ""):
            self.make(*calls[n])

    # -- looking -------------------------------------------------------------------------------------------------

    @invariant()
    def balances_are_the_account_s(self) -> None:
        """Compare what may be spent, and look into the books."""
        for cabinet, free in self.free.items():
            assert settled(partial(self.ledger.balance, cabinet=cabinet)) == free
        self.suite.audit(self.ledger)

    @invariant()
    def outcomes_are_the_account_s(self) -> None:
        """Compare how each key ended, where the ledger can say so."""
        for key, given in self.given.items() if self.outcomes else ():
            told = settled(partial(self.ledger.outcome, key=key))
            assert not isinstance(told, Rejected)
            assert told.kind is (OutcomeKind.REFUSED if given.reason else OutcomeKind.DONE)
            assert told.reason == given.reason
            assert given.hold is None or told.reference == given.hold


def settled(call: Callable[[], T]) -> T | Rejected:
    """Make the call until it is answered: what was unavailable or unconfirmed is sent again, under the same key."""
    for left in reversed(range(20)):
        try:
            return call()
        except Rejected as refusal:
            return refusal
        except (Unavailable, Unconfirmed):
            if not left:
                raise
    raise AssertionError("it is answered, or the last failure is raised")


def answer(told: object) -> str:
    """Give an answer as text: the reason of a refusal, the hold that was made, or `""`."""
    return told.reason if isinstance(told, Rejected) else str(told or "")


def tried(call: Callable[[], object]) -> str:
    """Make the call, and give the reason why it was rejected, or `""`."""
    try:
        call()
    except Rejected as refusal:
        return refusal.reason
    return ""
