"""The money machine: every answer in every state, by the whole record and everything that is asked for."""

from __future__ import annotations

from itertools import product

import pytest
from attrs import evolve

from qcp_sdk.effects import Alert
from qcp_sdk.facts import Fact
from qcp_sdk.people import Cabinet
from qcp_sdk.subscription.effects import CaptureFunds, HoldFunds, ReleaseFunds
from qcp_sdk.subscription.facts import CaptureRefused, FundsCaptured, FundsHeld, FundsRefused, FundsReleased
from qcp_sdk.subscription.money import MONEY, MOST_HOLDS, NO_MONEY, Money, MoneyState, Wish, answered, hold, wish
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.exploration.subscription import opening
from qcp_sdk.values import CabinetId, Cents, HoldId, SubscriptionId

S = MoneyState
TERMS = evolve(
    opening(Plan.ASSEMBLED),
    id=SubscriptionId("sub-7"),
    cabinet=Cabinet(id=CabinetId("payer"), name="Payer"),
    price=Cents(2_345),
)
OURS, ANOTHER = HoldId("hold-2"), HoldId("hold-1")
PARKED = Alert(what="price_not_captured", about="sub-7: gone")

ANSWERS: tuple[Fact, ...] = (
    FundsHeld(attempt=2, hold=OURS),
    FundsHeld(attempt=1, hold=ANOTHER),
    FundsRefused(attempt=2, reason="gone"),
    FundsRefused(attempt=1, reason="gone"),
    FundsCaptured(hold=OURS),
    FundsCaptured(hold=ANOTHER),
    CaptureRefused(hold=OURS, reason="gone"),
    CaptureRefused(hold=ANOTHER, reason="gone"),
    FundsReleased(hold=OURS),
    FundsReleased(hold=ANOTHER),
)


def holding(wanted: Wish = Wish.NONE, attempt: int = 2) -> Money:
    return Money(S.HOLDING, attempt, None, wanted)


def standing(state: MoneyState, wanted: Wish, attempt: int = 2) -> Money:
    return Money(state, attempt, OURS, wanted)


MOVES: dict[tuple[Money, Fact], tuple[Money, tuple[object, ...]]] = {
    (holding(), FundsHeld(attempt=2, hold=OURS)): (standing(S.HELD, Wish.NONE), ()),
    (holding(Wish.CAPTURE), FundsHeld(attempt=2, hold=OURS)): (
        standing(S.CAPTURING, Wish.CAPTURE),
        (CaptureFunds(hold=OURS),),
    ),
    (holding(Wish.RELEASE), FundsHeld(attempt=2, hold=OURS)): (
        standing(S.RELEASING, Wish.RELEASE),
        (ReleaseFunds(hold=OURS),),
    ),
    (holding(), FundsRefused(attempt=2, reason="gone")): (Money(S.REFUSED, 2, None, Wish.NONE), ()),
    (holding(Wish.RELEASE), FundsRefused(attempt=2, reason="gone")): (Money(S.REFUSED, 2, None, Wish.RELEASE), ()),
    (holding(Wish.CAPTURE), FundsRefused(attempt=2, reason="gone")): (
        Money(S.PARKED, 2, None, Wish.CAPTURE),
        (PARKED,),
    ),
    (standing(S.CAPTURING, Wish.CAPTURE), FundsCaptured(hold=OURS)): (standing(S.CAPTURED, Wish.CAPTURE), ()),
    (standing(S.CAPTURING, Wish.CAPTURE), CaptureRefused(hold=OURS, reason="gone")): (
        standing(S.PARKED, Wish.CAPTURE),
        (PARKED,),
    ),
    (standing(S.RELEASING, Wish.RELEASE), FundsReleased(hold=OURS)): (standing(S.RELEASED, Wish.RELEASE), ()),
}
"""Everything that an answer changes; every other one changes nothing."""

STATES = (
    NO_MONEY,
    holding(),
    holding(Wish.CAPTURE),
    holding(Wish.RELEASE),
    standing(S.HELD, Wish.NONE),
    Money(S.REFUSED, 2, None, Wish.NONE),
    standing(S.CAPTURING, Wish.CAPTURE),
    standing(S.CAPTURED, Wish.CAPTURE),
    standing(S.RELEASING, Wish.RELEASE),
    standing(S.RELEASED, Wish.RELEASE),
    standing(S.PARKED, Wish.CAPTURE),
)


@pytest.mark.parametrize(("money", "answer"), list(product(STATES, ANSWERS)))
def test_every_answer_in_every_state(money: Money, answer: Fact) -> None:
    after, asked = answered(money, answer, TERMS)
    assert (after, asked) == MOVES.get((money, answer), (money, ()))
    if (money, answer) not in MOVES:
        assert after is money
    else:
        assert after.state in MONEY[money.state][type(answer)].to


def test_the_price_is_set_aside_under_a_number_of_its_own() -> None:
    assert hold(NO_MONEY, TERMS) == (
        Money(S.HOLDING, 1, None, Wish.NONE),
        (HoldFunds(attempt=1, cabinet=CabinetId("payer"), amount=Cents(2_345), memo="sub-7"),),
    )


def test_a_hold_that_was_gone_at_capture_is_asked_for_once_more() -> None:
    assert MOST_HOLDS == 2
    first = standing(S.CAPTURING, Wish.CAPTURE, attempt=1)
    assert answered(first, CaptureRefused(hold=OURS, reason="gone"), TERMS) == (
        holding(Wish.CAPTURE),
        (HoldFunds(attempt=2, cabinet=CabinetId("payer"), amount=Cents(2_345), memo="sub-7"),),
    )


@pytest.mark.parametrize("wanted", [Wish.CAPTURE, Wish.RELEASE])
def test_a_wish_waits_for_the_holds_answer(wanted: Wish) -> None:
    assert wish(holding(), wanted) == (holding(wanted), ())


def test_a_hold_that_stands_is_settled_at_once() -> None:
    held = standing(S.HELD, Wish.NONE)
    assert wish(held, Wish.CAPTURE) == (standing(S.CAPTURING, Wish.CAPTURE), (CaptureFunds(hold=OURS),))
    assert wish(held, Wish.RELEASE) == (standing(S.RELEASING, Wish.RELEASE), (ReleaseFunds(hold=OURS),))


@pytest.mark.parametrize("money", [one for one in STATES if one.state not in (S.HOLDING, S.HELD)])
@pytest.mark.parametrize("wanted", [Wish.CAPTURE, Wish.RELEASE])
def test_a_hold_is_settled_once(money: Money, wanted: Wish) -> None:
    after, asked = wish(money, wanted)
    assert after is money
    assert asked == ()


def test_nothing_is_settled_without_a_hold() -> None:
    lost = Money(S.HELD, 1, None, Wish.NONE)
    assert wish(lost, Wish.CAPTURE) == (lost, ())
