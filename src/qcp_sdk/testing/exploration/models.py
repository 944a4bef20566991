"""Every model by its name: the machines alone, and the worlds around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qcp_sdk.ceremony.stages import CeremonyPlan
from qcp_sdk.collectes import Order
from qcp_sdk.errors import InvalidInput
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.exploration.ceremony import CeremonyModel
from qcp_sdk.testing.exploration.money import MoneyModel
from qcp_sdk.testing.exploration.subscription import SubscriptionModel
from qcp_sdk.testing.exploration.walk import Exploration, explore
from qcp_sdk.testing.exploration.world.faults import FULL, NONE, ONE, Budget
from qcp_sdk.testing.exploration.world.renewals import RenewalsWorld
from qcp_sdk.testing.exploration.world.signatories import SignatoriesWorld
from qcp_sdk.testing.exploration.world.subscription import SubscriptionWorld

MODELS: Final[Mapping[str, Callable[[], Any]]] = {
    "money": MoneyModel,
    "assembled": lambda: SubscriptionModel(Plan.ASSEMBLED),
    "hosted": lambda: SubscriptionModel(Plan.HOSTED),
    "ceremony": lambda: CeremonyModel(CeremonyPlan.OURS, my_turn=True),
    "ceremony-later": lambda: CeremonyModel(CeremonyPlan.OURS, my_turn=False),
    "ceremony-hosted": lambda: CeremonyModel(CeremonyPlan.HOSTED, my_turn=True),
    "ceremony-hosted-later": lambda: CeremonyModel(CeremonyPlan.HOSTED, my_turn=False),
}
"""The machines alone: the names that `qcp-sdk explore --plan` takes."""

WORLDS: Final[Mapping[str, Callable[[Budget], Any]]] = {
    "assembled": lambda budget: SubscriptionWorld(Plan.ASSEMBLED, budget),
    "hosted": lambda budget: SubscriptionWorld(Plan.HOSTED, budget),
    "renewals": lambda _budget: RenewalsWorld(),
    "signatories": lambda budget: SignatoriesWorld(CeremonyPlan.OURS, Order.SEQUENTIAL, budget),
    "signatories-parallel": lambda budget: SignatoriesWorld(CeremonyPlan.OURS, Order.PARALLEL, budget),
    "signatories-hosted": lambda budget: SignatoriesWorld(CeremonyPlan.HOSTED, Order.SEQUENTIAL, budget),
}
"""The worlds around them: the names that `--plan` takes with `--world`."""

LARGE: Final[Mapping[str, Budget]] = {
    "assembled": FULL,
    "hosted": FULL,
    "renewals": NONE,
    "signatories": ONE,
    "signatories-parallel": ONE,
    "signatories-hosted": FULL,
}
"""How many faults each world is explored with when nobody says otherwise. Two streams are a product: one of each fault
is what takes minutes there.
"""
SMALL: Final[Mapping[str, Budget]] = {
    "assembled": Budget(0, 1, 1),
    "hosted": ONE,
    "renewals": NONE,
    "signatories": NONE,
    "signatories-parallel": NONE,
    "signatories-hosted": ONE,
}
"""The same, for every change: half a minute on one core for all of them."""


def run(name: str) -> Exploration:
    """Explore one machine alone.

    Raises:
        InvalidInput: There is none of this name.
    """
    return explore(_named(MODELS, name, "explored alone")())


def run_world(name: str, budget: Budget | None = None) -> Exploration:
    """Explore one world, with this many faults, or with as many as is usual for it.

    Raises:
        InvalidInput: There is none of this name.
    """
    return explore(_named(WORLDS, name, "a world")(budget or LARGE[name]))


def _named(models: Mapping[str, Callable[..., Any]], name: str, what: str) -> Callable[..., Any]:
    if name not in models:
        raise InvalidInput(f"`{name}` is not {what}", where="--plan", mend=f"use one of {', '.join(models)}")
    return models[name]
