"""Any ledger, failing as scripted: what a bank's interface does on a bad day."""

from __future__ import annotations

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked
from qcp_sdk.ports.answers import Outcome
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.values import CabinetId, Cents, HoldId, Key


class FaultyLedger(Fake):
    """Passes everything on to `ledger`, before or after which `faults` may fail."""

    port = "ledger"

    def __init__(self, ledger: Ledger, *, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._ledger = ledger

    @asked
    def balance(self, *, cabinet: CabinetId) -> Cents:
        """Give what the cabinet may spend now. As the ledger."""
        return self._ledger.balance(cabinet=cabinet)

    @asked
    def hold(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> HoldId:
        """Set the amount aside. As the ledger."""
        return self._ledger.hold(key=key, cabinet=cabinet, amount=amount, memo=memo)

    @asked
    def capture(self, *, key: Key, hold: HoldId) -> None:
        """Take what is held. As the ledger."""
        self._ledger.capture(key=key, hold=hold)

    @asked
    def release(self, *, key: Key, hold: HoldId) -> None:
        """Give back what is held. As the ledger."""
        self._ledger.release(key=key, hold=hold)

    @asked
    def outcome(self, *, key: Key) -> Outcome:
        """Say how the call with this key ended. As the ledger."""
        return self._ledger.outcome(key=key)
