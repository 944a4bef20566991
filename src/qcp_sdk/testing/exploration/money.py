"""The money machine alone: every wish and every answer of the ledger, in every state."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from attrs import frozen

from qcp_sdk.effects import Effect
from qcp_sdk.facts import Fact
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.money import NO_MONEY, Money, MoneyState, Wish, answered, hold, wish
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.exploration.subscription import opening
from qcp_sdk.testing.exploration.walk import Move
from qcp_sdk.values import HoldId

SETTLED = (
    MoneyState.NONE,
    MoneyState.HELD,
    MoneyState.REFUSED,
    MoneyState.CAPTURED,
    MoneyState.RELEASED,
    MoneyState.PARKED,
)
"""States in which no answer of the ledger is out."""


@frozen
class Purse:
    """The money, the effects that settled each hold, and the one thing that the subscription wished for."""

    money: Money
    settled: frozenset[str] = frozenset()
    wished: Wish = Wish.NONE


class MoneyModel:
    """Explores the money of one subscription, which holds once and wishes once."""

    name = "money"
    checks = ("1", "2", "8")

    def __init__(self) -> None:
        self._terms = opening(Plan.ASSEMBLED)

    def roots(self) -> Iterable[tuple[str, Purse]]:
        """Give the purse whose hold was just asked for."""
        money, _ = hold(NO_MONEY, self._terms)
        yield "hold", Purse(money)

    def moves(self, world: Purse) -> Iterator[Move[Purse]]:
        """Wish once for either end; let the ledger answer anything."""
        if world.wished is Wish.NONE:
            for wanted in (Wish.CAPTURE, Wish.RELEASE):
                yield self._move(f"wish {wanted}", world, wanted, *wish(world.money, wanted))
        for label, fact in _answers():
            money, effects = answered(world.money, fact, self._terms)
            if money is not world.money or effects:
                yield self._move(label, world, world.wished, money, effects)

    @staticmethod
    def _move(label: str, world: Purse, wished: Wish, money: Money, effects: tuple[Effect, ...]) -> Move[Purse]:
        settling = [str(effect.hold) for effect in effects if isinstance(effect, se.CaptureFunds | se.ReleaseFunds)]
        broken = []
        if world.settled.intersection(settling):
            broken.append("2: a hold is settled twice")
        if any(isinstance(effect, se.CaptureFunds) for effect in effects) and wished is not Wish.CAPTURE:
            broken.append("1: captured, and nobody wished for it")
        return Move(label, Purse(money, world.settled | frozenset(settling), wished), tuple(broken))

    def key(self, world: Purse) -> Hashable:
        """Everything: nothing is merged."""
        money = world.money
        settled = tuple(sorted(world.settled))
        return (money.state.value, money.attempt, money.hold, money.wish.value, settled, world.wished.value)

    def broken(self, world: Purse) -> tuple[str, ...]:
        """Check that a wish is never forgotten."""
        forgotten = world.wished is not Wish.NONE and world.money.state is MoneyState.HELD
        return ("2: held, and the wish is forgotten",) if forgotten else ()

    def is_end(self, world: Purse) -> bool:
        """No answer is out, and the wish was said."""
        return world.money.state in SETTLED and world.wished is not Wish.NONE

    def must_end_by(self, world: Purse) -> frozenset[str] | None:  # noqa: ARG002 - the same from everywhere
        """A wish and an answering ledger suffice."""
        return None


def _answers() -> Iterator[tuple[str, Fact]]:
    for number in (1, 2):
        one = HoldId(f"hold-{number}")
        yield f"funds_held {number}", sf.FundsHeld(attempt=number, hold=one)
        yield f"funds_refused {number}", sf.FundsRefused(attempt=number, reason="r")
        yield f"funds_captured {number}", sf.FundsCaptured(hold=one)
        yield f"capture_refused {number}", sf.CaptureRefused(hold=one, reason="r")
        yield f"funds_released {number}", sf.FundsReleased(hold=one)
