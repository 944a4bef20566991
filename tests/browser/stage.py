"""What the platforms of these tests play on: a scene, and what is to be signed in it."""

from __future__ import annotations

from attrs import define, field

from qcp_sdk.ceremony.stages import CeremonyPlan
from qcp_sdk.collectes import Collecte
from qcp_sdk.people import Account
from qcp_sdk.testing.scene import Scene


@define
class Set:
    """A scene as one test's platform has it. `account` signs; its collecte is over one letter."""

    scene: Scene
    plan: CeremonyPlan = CeremonyPlan.OURS
    documents: dict[str, bytes] | None = None
    account: Account = field(init=False)
    collecte: Collecte = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.account = self.scene.jessica
        self.collecte = self.scene.collecte(self.account, documents=self.documents)
