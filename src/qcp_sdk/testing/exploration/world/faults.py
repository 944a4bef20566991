"""The budget of faults: how much may still go wrong, in any order."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen


@frozen
class Budget:
    """How many faults are still to come."""

    duplicates: int = 2
    """Leases that end while their worker is still at it, and messages that come again."""
    crashes: int = 2
    """Processes that die after a provider acted and before its answer was recorded."""
    failures: int = 2
    """Calls that reach nobody, or whose answer is lost."""

    @property
    def text(self) -> str:
        """Name it, for reports."""
        return f"{self.duplicates}+{self.crashes}+{self.failures} faults"


FULL: Final = Budget()
ONE: Final = Budget(1, 1, 1)
NONE: Final = Budget(0, 0, 0)
Fault = Literal["duplicate", "crash", "failure"]


def spend(budget: Budget, fault: Fault) -> Budget:
    """Give the budget with one fault less."""
    return Budget(
        budget.duplicates - (fault == "duplicate"),
        budget.crashes - (fault == "crash"),
        budget.failures - (fault == "failure"),
    )
