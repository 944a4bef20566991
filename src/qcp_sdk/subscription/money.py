"""The money of one subscription: a small machine inside the first (behaviour § 1, Money).

::

    none → holding → held → capturing → captured
                      │  └→ releasing → released
                      └ capture refused: hold again once, then parked

A wish to capture or release that comes before the hold's answer waits for it. A hold is settled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

from qcp_sdk.effects import Alert, Effect
from qcp_sdk.facts import Fact
from qcp_sdk.subscription.effects import CaptureFunds, HoldFunds, ReleaseFunds
from qcp_sdk.subscription.facts import (
    CaptureRefused,
    FundsCaptured,
    FundsHeld,
    FundsRefused,
    FundsReleased,
    SubscriptionOpened,
)
from qcp_sdk.values import HoldId


class MoneyState(StrEnum):
    """Where the price is. Values are stored."""

    NONE = "none"
    HOLDING = "holding"
    HELD = "held"
    REFUSED = "refused"
    """The hold was refused: there is nothing to settle."""
    CAPTURING = "capturing"
    CAPTURED = "captured"
    RELEASING = "releasing"
    RELEASED = "released"
    PARKED = "parked"
    """The certificate stands and could not be charged: a person settles it."""


class Wish(StrEnum):
    """What is to become of a hold."""

    NONE = "none"
    CAPTURE = "capture"
    RELEASE = "release"


MOST_HOLDS: Final = 2
"""The first hold, and one more when it was gone at capture."""


@frozen
class Money:
    """Where the price is, under which hold, and what is to become of it."""

    state: MoneyState = MoneyState.NONE
    attempt: int = 0
    hold: HoldId | None = None
    wish: Wish = Wish.NONE


NO_MONEY: Final = Money()
Spent: TypeAlias = tuple[Money, tuple[Effect, ...]]


def hold(money: Money, terms: SubscriptionOpened) -> Spent:
    """Ask for the price to be set aside."""
    attempt = money.attempt + 1
    effect = HoldFunds(attempt=attempt, cabinet=terms.cabinet.id, amount=terms.price, memo=str(terms.id))
    return Money(MoneyState.HOLDING, attempt, None, money.wish), (effect,)


def wish(money: Money, wanted: Wish) -> Spent:
    """Say what is to become of the hold: at once when it stands, after its answer when that is still out."""
    if money.state is MoneyState.HOLDING:
        return Money(money.state, money.attempt, None, wanted), ()
    if money.state is not MoneyState.HELD or money.hold is None:
        return money, ()
    if wanted is Wish.CAPTURE:
        return Money(MoneyState.CAPTURING, money.attempt, money.hold, wanted), (CaptureFunds(hold=money.hold),)
    return Money(MoneyState.RELEASING, money.attempt, money.hold, wanted), (ReleaseFunds(hold=money.hold),)


def _held(money: Money, fact: Fact, _terms: SubscriptionOpened) -> Spent:
    assert isinstance(fact, FundsHeld)
    if fact.attempt != money.attempt:
        return money, ()
    held = Money(MoneyState.HELD, money.attempt, fact.hold)
    return wish(held, money.wish) if money.wish is not Wish.NONE else (held, ())


def _refused(money: Money, fact: Fact, terms: SubscriptionOpened) -> Spent:
    assert isinstance(fact, FundsRefused)
    if fact.attempt != money.attempt:
        return money, ()
    if money.wish is Wish.CAPTURE:
        return _parked(money, terms, fact.reason)
    return Money(MoneyState.REFUSED, money.attempt, None, money.wish), ()


def _parked(money: Money, terms: SubscriptionOpened, reason: str) -> Spent:
    alert = Alert(what="price_not_captured", about=f"{terms.id}: {reason}")
    return Money(MoneyState.PARKED, money.attempt, money.hold, money.wish), (alert,)


def _captured(money: Money, fact: Fact, _terms: SubscriptionOpened) -> Spent:
    assert isinstance(fact, FundsCaptured)
    if fact.hold != money.hold:
        return money, ()
    return Money(MoneyState.CAPTURED, money.attempt, money.hold, money.wish), ()


def _capture_refused(money: Money, fact: Fact, terms: SubscriptionOpened) -> Spent:
    assert isinstance(fact, CaptureRefused)
    if fact.hold != money.hold:
        return money, ()
    if money.attempt < MOST_HOLDS:
        return hold(money, terms)
    return _parked(money, terms, fact.reason)


def _released(money: Money, fact: Fact, _terms: SubscriptionOpened) -> Spent:
    assert isinstance(fact, FundsReleased)
    if fact.hold != money.hold:
        return money, ()
    return Money(MoneyState.RELEASED, money.attempt, money.hold, money.wish), ()


@frozen
class MoneyRow:
    """What an answer of the ledger does in one state, and where it may lead."""

    apply: Callable[[Money, Fact, SubscriptionOpened], Spent]
    to: tuple[MoneyState, ...]


MONEY: Final[Mapping[MoneyState, Mapping[type[Fact], MoneyRow]]] = MappingProxyType(
    {
        MoneyState.NONE: {},
        MoneyState.HOLDING: {
            FundsHeld: MoneyRow(_held, (MoneyState.HELD, MoneyState.CAPTURING, MoneyState.RELEASING)),
            FundsRefused: MoneyRow(_refused, (MoneyState.REFUSED, MoneyState.PARKED)),
        },
        MoneyState.HELD: {},
        MoneyState.REFUSED: {},
        MoneyState.CAPTURING: {
            FundsCaptured: MoneyRow(_captured, (MoneyState.CAPTURED,)),
            CaptureRefused: MoneyRow(_capture_refused, (MoneyState.HOLDING, MoneyState.PARKED)),
        },
        MoneyState.CAPTURED: {},
        MoneyState.RELEASING: {FundsReleased: MoneyRow(_released, (MoneyState.RELEASED,))},
        MoneyState.RELEASED: {},
        MoneyState.PARKED: {},
    }
)
"""What each state accepts. A repeated or late answer finds no row, or not its hold, and changes nothing."""


def answered(money: Money, fact: Fact, terms: SubscriptionOpened) -> Spent:
    """Fold an answer of the ledger; one that is late or repeated gives back the very same record."""
    row = MONEY[money.state].get(type(fact))
    return row.apply(money, fact, terms) if row is not None else (money, ())
