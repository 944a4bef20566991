"""The prepaid credit in memory: the books of the SQL ledger, gone with the process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from attrs import define, frozen

from qcp_sdk.adapters.shared.books import (
    SETTLED_AS,
    SETTLING,
    Answer,
    HoldState,
    Movement,
    StatementLine,
    TrialBalance,
    arguments,
    hold_id,
    legs,
    lines,
    prove,
    refused,
    spendable,
    whole,
)
from qcp_sdk.ports.answers import Outcome, OutcomeKind
from qcp_sdk.ports.clock import Clock
from qcp_sdk.values import CabinetId, Cents, HoldId, Key


@define(kw_only=True, eq=False)
class _Hold:
    cabinet: CabinetId
    amount: Cents
    memo: str
    state: HoldState = HoldState.HELD


@frozen(kw_only=True)
class _Transfer:
    at: datetime
    movement: Movement
    cabinet: CabinetId
    amount: Cents
    memo: str
    key: Key
    entries: tuple[tuple[str, Cents], ...]


class MemoryLedger:
    """Holds, captures and releases credit in this process, for any number of threads."""

    simulated: ClassVar[bool] = True

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, Cents] = {}
        self._transfers: list[_Transfer] = []
        self._holds: dict[HoldId, _Hold] = {}
        self._answers: dict[Key, Answer] = {}

    def balance(self, *, cabinet: CabinetId) -> Cents:
        """Give what the cabinet may spend now: its credit less what is held.

        Raises:
            Rejected: `unknown_cabinet`.
        """
        with self._lock:
            return self._spendable(cabinet)

    def credit(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> None:
        """Pay credit in; the cabinet's account is opened at the first time.

        Raises:
            InvalidValue: The amount is negative.
            Rejected: `key_reused` with other arguments.
        """
        amount = whole(amount)

        def act() -> Answer:
            self._move(Movement.CREDIT, key, cabinet, amount, memo)
            return Answer(arguments=asked)

        asked = arguments("credit", cabinet, amount, memo)
        self._once(key, asked, act)

    def hold(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> HoldId:
        """Set the amount aside until it is captured or released.

        Raises:
            InvalidValue: The amount is negative.
            Rejected: `insufficient_funds`, `unknown_cabinet`, or `key_reused` with other arguments.
        """
        amount = whole(amount)

        def act() -> Answer:
            has = self._accounts.get(spendable(cabinet))
            if has is None:
                return Answer(arguments=asked, reason="unknown_cabinet")
            if has < amount:
                return Answer(arguments=asked, reason="insufficient_funds")
            made = hold_id(key)
            self._holds[made] = _Hold(cabinet=cabinet, amount=amount, memo=memo)
            self._move(Movement.HOLD, key, cabinet, amount, memo)
            return Answer(arguments=asked, reference=made)

        asked = arguments("hold", cabinet, amount, memo)
        return HoldId(self._once(key, asked, act))

    def capture(self, *, key: Key, hold: HoldId) -> None:
        """Take what is held, once.

        Raises:
            Rejected: `hold_gone` (unknown, expired or released), `already_captured` under another key,
                or `key_reused` with other arguments.
        """
        self._settle(Movement.CAPTURE, key, hold)

    def release(self, *, key: Key, hold: HoldId) -> None:
        """Give back what is held, once. A hold that has expired by itself counts as given back.

        Raises:
            Rejected: `hold_gone` (unknown), `already_captured`, `already_released` under another key,
                or `key_reused` with other arguments.
        """
        self._settle(Movement.RELEASE, key, hold)

    def expire(self, *, key: Key, hold: HoldId) -> None:
        """Give back a hold that nobody settled in time; whoever keeps the books decides when.

        Raises:
            Rejected: `hold_gone` (unknown), `already_captured`, `already_released`, or `key_reused`.
        """
        self._settle(Movement.EXPIRY, key, hold)

    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended; `reference` is the hold of a `hold`."""
        with self._lock:
            answer = self._answers.get(key)
        return answer.outcome if answer else Outcome(kind=OutcomeKind.UNKNOWN)

    def statement(self, *, cabinet: CabinetId) -> tuple[StatementLine, ...]:
        """Give every movement of a cabinet's credit, oldest first.

        Raises:
            Rejected: `unknown_cabinet`.
        """
        with self._lock:
            self._spendable(cabinet)
            return lines(
                (each.at, each.movement, each.amount, each.memo, each.key)
                for each in self._transfers
                if each.cabinet == cabinet
            )

    def check(self) -> TrialBalance:
        """Prove the books: everything that is written in two places must agree."""
        entries, held, captured, broken = Counter[str](), Counter[str](), 0, []
        with self._lock:
            for each in self._transfers:
                if len(each.entries) != 2 or sum(int(amount) for _, amount in each.entries) != 0:
                    broken.append(each.key)
                for name, amount in each.entries:
                    entries[name] += int(amount)
            for hold in self._holds.values():
                if hold.state is HoldState.HELD:
                    held[hold.cabinet] += int(hold.amount)
                elif hold.state is HoldState.CAPTURED:
                    captured += int(hold.amount)
            return prove(balances=self._accounts, entries=entries, broken=broken, held=held, captured=captured)

    def _settle(self, movement: Movement, key: Key, hold: HoldId) -> None:
        def act() -> Answer:
            held = self._holds.get(hold)
            if held is None:
                return Answer(arguments=asked, reason="hold_gone")
            if held.state is not HoldState.HELD:
                return Answer(arguments=asked, reason=SETTLING[movement, held.state])
            held.state = SETTLED_AS[movement]
            self._move(movement, key, held.cabinet, held.amount, held.memo)
            return Answer(arguments=asked)

        asked = arguments(movement, hold)
        self._once(key, asked, act)

    def _once(self, key: Key, asked: str, act: Callable[[], Answer]) -> str:
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                answer = self._answers[key] = act()
        return answer.given(asked)

    def _spendable(self, cabinet: CabinetId) -> Cents:
        if (has := self._accounts.get(spendable(cabinet))) is None:
            raise refused("unknown_cabinet")
        return has

    def _move(self, movement: Movement, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> None:
        entries = legs(movement, cabinet, amount)
        at = self._clock.now()
        for name, change in entries:
            self._accounts[name] = self._accounts.get(name, Cents(0)) + change
        self._transfers.append(
            _Transfer(at=at, movement=movement, cabinet=cabinet, amount=amount, memo=memo, key=key, entries=entries)
        )
