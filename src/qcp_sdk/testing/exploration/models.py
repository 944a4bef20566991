"""Every model by its name, and what its exploration is expected to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from qcp_sdk.ceremony.stages import CeremonyPlan
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing.exploration.ceremony import CeremonyModel
from qcp_sdk.testing.exploration.money import MoneyModel
from qcp_sdk.testing.exploration.subscription import SubscriptionModel
from qcp_sdk.testing.exploration.walk import Exploration, explore

MODELS: Final[Mapping[str, Callable[[], Any]]] = {
    "money": MoneyModel,
    "assembled": lambda: SubscriptionModel(Plan.ASSEMBLED),
    "hosted": lambda: SubscriptionModel(Plan.HOSTED),
    "ceremony": lambda: CeremonyModel(CeremonyPlan.OURS, my_turn=True),
    "ceremony-later": lambda: CeremonyModel(CeremonyPlan.OURS, my_turn=False),
    "ceremony-hosted": lambda: CeremonyModel(CeremonyPlan.HOSTED, my_turn=True),
    "ceremony-hosted-later": lambda: CeremonyModel(CeremonyPlan.HOSTED, my_turn=False),
}
"""The names that `qcp-sdk explore` takes."""


def run(name: str) -> Exploration:
    """Explore one model."""
    return explore(MODELS[name]())
