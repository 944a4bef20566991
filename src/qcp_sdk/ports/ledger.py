"""The cabinet's prepaid credit (feature A3, D5)."""

from __future__ import annotations

from typing import Protocol

from qcp_sdk.ports.answers import Outcome
from qcp_sdk.values import CabinetId, Cents, HoldId, Key


class Ledger(Protocol):
    """Holds, captures and releases a cabinet's credit. Amounts are whole euro cents, never negative."""

    def balance(self, *, cabinet: CabinetId) -> Cents:
        """Give what the cabinet may spend now: its credit less what is held.

        Raises:
            Rejected: `unknown_cabinet`.
        """

    def hold(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> HoldId:
        """Set the amount aside until it is captured or released.

        Raises:
            Rejected: `insufficient_funds`, `unknown_cabinet`, or `key_reused` with other arguments.
        """

    def capture(self, *, key: Key, hold: HoldId) -> None:
        """Take what is held, once.

        Raises:
            Rejected: `hold_gone` (unknown, expired or released), `already_captured` under another key.
        """

    def release(self, *, key: Key, hold: HoldId) -> None:
        """Give back what is held, once. A hold that has expired by itself counts as given back.

        Raises:
            Rejected: `hold_gone` (unknown), `already_captured`, `already_released` under another key.
        """

    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended; `reference` is the hold of a `hold`."""
