"""Fixtures for whoever tests a host: `qcp`, `qcp_clock`, `qcp_world`, `qcp_scene`, `qcp_sandbox`.

pytest finds them by itself. Loading this imports nothing: the world is built for the first test that asks for a
fixture. To begin a test with a script of failures, other terms or a host's own adapter, override `qcp_world` or
`qcp_scene` in a conftest. A project that wants none of it says `-p no:qcp_sdk`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qcp_sdk.adapters.memory.clock import ManualClock
    from qcp_sdk.adapters.memory.world import MemoryWorld
    from qcp_sdk.sandbox.server import Served
    from qcp_sdk.sdk import Qcp
    from qcp_sdk.testing.scene import Scene


@pytest.fixture
def qcp_world() -> MemoryWorld:
    """Every provider once, in memory: scripts of what they answer, what they were asked, what fails."""
    from qcp_sdk.adapters.memory.world import MemoryWorld

    return MemoryWorld()


@pytest.fixture
def qcp_clock(qcp_world: MemoryWorld) -> ManualClock:
    """The clock of that world. It stands still until a test lets time pass."""
    return qcp_world.clock


@pytest.fixture
def qcp_scene(qcp_world: MemoryWorld) -> Scene:
    """A cabinet with credit and two accountants on it, who go wherever a test begins."""
    from qcp_sdk.testing.scene import Scene

    return Scene(world=qcp_world)


@pytest.fixture
def qcp(qcp_scene: Scene) -> Qcp:
    """An installation of the SDK over that world, as a host holds it."""
    return qcp_scene.qcp


@pytest.fixture
def qcp_sandbox() -> Iterator[Served]:
    """Every provider, played by one server on a port of this machine: `qcp_sandbox.url` and a provider's prefix."""
    from qcp_sdk.sandbox.server import Sandbox, Served

    with Served(Sandbox()) as served:
        yield served
