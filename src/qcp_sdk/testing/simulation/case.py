"""A failure that replays: who takes part, and what goes wrong. Small enough to read, exact enough to run again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from qcp_sdk.errors import InvalidInput
from qcp_sdk.testing.simulation.faults import Recorded, Replayed
from qcp_sdk.testing.simulation.parts import Parts
from qcp_sdk.testing.simulation.people import Told
from qcp_sdk.testing.simulation.town import BEGINNING, Town
from qcp_sdk.testing.simulation.watch import Broken

FORMAT: Final = "qcp-sdk/simulation/1"


@frozen(kw_only=True)
class Case:
    """One failure: the invariant, about whom, which people take part, and which faults happen by name."""

    invariant: str
    about: str
    seed: str
    """Of the town in which it was found: `<seed>/<town>`."""
    people: tuple[int, ...]
    faults: Mapping[str, str]
    trace: tuple[str, ...] = ()
    """What happened, line by line."""

    def run(self, parts: Parts) -> Broken | None:
        """Run it again."""
        return Town(self.people, script=Replayed(self.faults), parts=parts).run()

    def traced(self, parts: Parts) -> Case:
        """Run it again, and write down what happens."""
        town = Town(self.people, script=Replayed(self.faults), parts=parts, trace=True)
        town.run()
        return evolve(self, trace=tuple(_line(told) for told in town.trace or ()))

    def to_json(self) -> dict[str, Any]:
        """Give it as it is kept in a file."""
        return {
            "format": FORMAT,
            "invariant": self.invariant,
            "about": self.about,
            "seed": self.seed,
            "people": list(self.people),
            "faults": dict(self.faults),
            "trace": list(self.trace),
        }

    @classmethod
    def read(cls, path: Path) -> Case:
        """Read a file that `to_json` wrote.

        Raises:
            InvalidInput: It cannot be read, or is no such file.
        """
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["format"] != FORMAT:
                raise InvalidInput(f"`{kept['format']}` is not a format known here", where=path.name)
            return cls(
                invariant=str(kept["invariant"]),
                about=str(kept["about"]),
                seed=str(kept["seed"]),
                people=tuple(int(number) for number in kept["people"]),
                faults={str(name): str(fault) for name, fault in kept["faults"].items()},
                trace=tuple(str(line) for line in kept["trace"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InvalidInput):
                raise
            raise InvalidInput(
                "it is no trace of a simulation", where=path.name, mend="give a file of --trace"
            ) from error


def case_of(broken: Broken, *, seed: str, people: Sequence[int], classes: Sequence[str], parts: Parts) -> Case:
    """Run a town once more, noting what goes wrong by name: what the script drew can then be replayed in parts."""
    script = Recorded(seed, classes)
    Town(people, script=script, parts=parts).run()
    return Case(invariant=broken.invariant, about=broken.about, seed=seed, people=tuple(people), faults=script.faults)


def _line(told: Told) -> str:
    passed = told.at - BEGINNING
    hours, rest = divmod(passed.seconds, 3600)
    return f"{passed.days}d {hours:02d}:{rest // 60:02d}:{rest % 60:02d} {told.who or '-'}: {told.what}"
