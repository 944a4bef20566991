"""What the project gives as its installation: the scene of the test that runs, over the ORM store."""

from __future__ import annotations

from qcp_sdk import Qcp
from qcp_sdk.testing.scene import Scene

scenes: list[Scene] = []


def installation() -> Qcp:
    return scenes[-1].qcp
