"""The rules of our double-entry ledgers, whatever keeps their rows.

Every movement takes an amount from one account and puts it into another, so that all accounts together always
come to zero. A cabinet has two accounts: what it may spend, and what is held. `funding` is where credit comes
from (it goes below zero by all that was ever paid in), `revenue` where captures go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from attrs import field, frozen

from qcp_sdk.errors import InvalidValue, Rejected
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.values import CabinetId, Cents, HoldId, Key

MOST: Final = 10**14
"""One movement is at most this many cents, so that no sum leaves 64 bits."""


class Movement(StrEnum):
    """Why an amount went from one account to another."""

    CREDIT = "credit"
    HOLD = "hold"
    CAPTURE = "capture"
    RELEASE = "release"
    EXPIRY = "expiry"


class HoldState(StrEnum):
    """What became of a hold."""

    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


_FUNDING, _AVAILABLE, _HELD, _REVENUE = "funding", "available", "held", "revenue"
REVENUE: Final = _REVENUE

ACCOUNTS: Final[Mapping[Movement, tuple[str, str]]] = {
    Movement.CREDIT: (_FUNDING, _AVAILABLE),
    Movement.HOLD: (_AVAILABLE, _HELD),
    Movement.CAPTURE: (_HELD, _REVENUE),
    Movement.RELEASE: (_HELD, _AVAILABLE),
    Movement.EXPIRY: (_HELD, _AVAILABLE),
}
"""From which account to which."""

SETTLED_AS: Final[Mapping[Movement, HoldState]] = {
    Movement.CAPTURE: HoldState.CAPTURED,
    Movement.RELEASE: HoldState.RELEASED,
    Movement.EXPIRY: HoldState.EXPIRED,
}

SETTLING: Final[Mapping[tuple[Movement, HoldState], str]] = {
    (Movement.CAPTURE, HoldState.CAPTURED): "already_captured",
    (Movement.CAPTURE, HoldState.RELEASED): "hold_gone",
    (Movement.CAPTURE, HoldState.EXPIRED): "hold_gone",
    (Movement.RELEASE, HoldState.CAPTURED): "already_captured",
    (Movement.RELEASE, HoldState.RELEASED): "already_released",
    (Movement.RELEASE, HoldState.EXPIRED): "",  # it has gone back by itself, which is what was asked for
    (Movement.EXPIRY, HoldState.CAPTURED): "already_captured",
    (Movement.EXPIRY, HoldState.RELEASED): "already_released",
    (Movement.EXPIRY, HoldState.EXPIRED): "",
}
"""How settling a hold that is settled already is answered: a reason, or `""`: done, nothing moves."""

WHY: Final[Mapping[str, str]] = {
    "insufficient_funds": "the cabinet has not so much to spend",
    "unknown_cabinet": "no cabinet of this name has an account",
    "hold_gone": "there is nothing held any more under this name",
    "already_captured": "what was held was taken already",
    "already_released": "what was held was given back already",
    "key_reused": "this key was used before with other arguments",
}
"""Every reason of the port, in words."""


@frozen(kw_only=True)
class Answer:
    """What a key was answered, and for which arguments: asked again, it is the answer."""

    arguments: str
    reason: str = ""
    reference: str = ""

    def given(self, arguments: str) -> str:
        """Answer the caller again.

        Raises:
            Rejected: As it was at first, or `key_reused`.
        """
        if arguments != self.arguments:
            raise refused("key_reused")
        if self.reason:
            raise refused(self.reason)
        return self.reference

    @property
    def outcome(self) -> Outcome:
        """How the call ended."""
        kind = OutcomeKind.REFUSED if self.reason else OutcomeKind.DONE
        return Outcome(kind=kind, reference=self.reference, reason=self.reason)


@frozen(kw_only=True)
class StatementLine:
    """One movement of a cabinet's credit, and what it had afterwards."""

    at: datetime
    movement: Movement
    amount: Cents
    memo: str
    key: Key
    available: Cents
    held: Cents


@frozen(kw_only=True)
class TrialBalance:
    """What every account holds, and everything that is wrong with the books."""

    accounts: tuple[tuple[str, Cents], ...]
    """(name, balance) in the order of names; together they come to zero."""
    faults: tuple[str, ...] = field()

    @property
    def balanced(self) -> bool:
        """Whether the books are right to the cent."""
        return not self.faults


def refused(reason: str) -> Rejected:
    """Give the error for this reason."""
    return Rejected(WHY[reason], reason=reason, where="ledger")


def whole(amount: Cents) -> Cents:
    """Give the amount back if it can be moved.

    Raises:
        InvalidValue: It is negative, not a whole number of cents, or beyond `MOST`.
    """
    amount = Cents(amount)
    if not 0 <= amount <= MOST:
        raise InvalidValue(
            f"`{int(amount)}` cents cannot be moved", where="amount", mend=f"give an amount from 0 to {MOST} cents"
        )
    return amount


def arguments(*given: str | int) -> str:
    """Give a short name of these exact arguments, from which nothing can be read."""
    return sha256(json.dumps(given).encode()).hexdigest()


def hold_id(key: Key) -> HoldId:
    """Give the name of the hold that this key makes: derived, so that asking again names the same one."""
    return HoldId(f"hold-{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}")


def account(side: str, cabinet: CabinetId) -> str:
    """Give the name of an account: `available:<cabinet>` and `held:<cabinet>`; the others belong to nobody."""
    return f"{side}:{cabinet}" if side in (_AVAILABLE, _HELD) else side


def spendable(cabinet: CabinetId) -> str:
    """Give the name of the account that holds what a cabinet may spend."""
    return account(_AVAILABLE, cabinet)


def legs(movement: Movement, cabinet: CabinetId, amount: Cents) -> tuple[tuple[str, Cents], ...]:
    """Give the two entries of a movement, in the order of their accounts' names.

    The order is the same for all, so that two movements never wait for each other's account.
    """
    source, target = (account(side, cabinet) for side in ACCOUNTS[movement])
    return tuple(sorted([(source, -amount), (target, amount)]))


def lines(
    movements: Iterable[tuple[datetime, Movement, Cents, str, Key]],
) -> tuple[StatementLine, ...]:
    """Give a cabinet's statement from its movements in order: (at, movement, amount, memo, key)."""
    has = {_AVAILABLE: Cents(0), _HELD: Cents(0), _FUNDING: Cents(0), _REVENUE: Cents(0)}
    statement = []
    for at, movement, amount, memo, key in movements:
        source, target = ACCOUNTS[movement]
        has[source] -= amount
        has[target] += amount
        statement.append(
            StatementLine(
                at=at,
                movement=movement,
                amount=amount,
                memo=memo,
                key=key,
                available=has[_AVAILABLE],
                held=has[_HELD],
            )
        )
    return tuple(statement)


def prove(
    *,
    balances: Mapping[str, int],
    entries: Mapping[str, int],
    broken: Iterable[str],
    held: Mapping[str, int],
    captured: int,
) -> TrialBalance:
    """Compare what the books say in five ways.

    `balances` is what each account is said to hold, `entries` the sum of its entries, `broken` the keys of
    movements whose entries do not cancel out, `held` the sum of open holds by cabinet, `captured` of all captures.
    """
    faults = [f"movement `{key}` does not come to zero" for key in broken]
    if total := sum(balances.values()):
        faults.append(f"all accounts together hold {total} cents, not 0")
    for name in sorted({*balances, *entries}):
        kept, moved = balances.get(name, 0), entries.get(name, 0)
        if kept != moved:
            faults.append(f"account `{name}` is said to hold {kept} cents, its entries come to {moved}")
        if kept < 0 and name != _FUNDING:
            faults.append(f"account `{name}` is {-kept} cents below zero")
    for cabinet in sorted({*held, *(name.partition(":")[2] for name in balances if name.startswith(f"{_HELD}:"))}):
        kept = balances.get(account(_HELD, CabinetId(cabinet)), 0)
        if kept != held.get(cabinet, 0):
            faults.append(f"cabinet `{cabinet}` has {kept} cents held, its holds come to {held.get(cabinet, 0)}")
    if captured != balances.get(_REVENUE, 0):
        faults.append(f"revenue holds {balances.get(_REVENUE, 0)} cents, captures come to {captured}")
    return TrialBalance(
        accounts=tuple((name, Cents(amount)) for name, amount in sorted(balances.items())), faults=tuple(faults)
    )
