"""Many people subscribe at once while everything goes wrong that can. See `docs/simulation.md`.

::

    found = simulate(subscriptions=1_000, seed=7)
    assert not found.violations

The world is deterministic: a virtual clock, and a script of faults that is drawn from the seed. The machine, the
engine, the host's side and the store are the real ones; a failure comes out as the few people and faults that it
takes, and replays.
"""

from qcp_sdk.testing.simulation.case import Case
from qcp_sdk.testing.simulation.faults import CLASSES
from qcp_sdk.testing.simulation.hands import PlayedAuthority, PlayedIdentity, PlayedRegistration
from qcp_sdk.testing.simulation.parts import POOR, RICH, Parts
from qcp_sdk.testing.simulation.run import Simulation, replay, simulate

__all__ = [
    "CLASSES",
    "POOR",
    "RICH",
    "Case",
    "Parts",
    "PlayedAuthority",
    "PlayedIdentity",
    "PlayedRegistration",
    "Simulation",
    "replay",
    "simulate",
]
