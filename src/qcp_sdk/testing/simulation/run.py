"""Many people, town by town: what a simulation found, and how fast it went."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from attrs import define, evolve, field

from qcp_sdk.engine import Engine
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.store import Store
from qcp_sdk.testing.simulation.case import Case, case_of
from qcp_sdk.testing.simulation.faults import CLASSES, Drawn, chosen
from qcp_sdk.testing.simulation.parts import Parts
from qcp_sdk.testing.simulation.shrinking import shrunk
from qcp_sdk.testing.simulation.town import Town

TOWN: Final = 100
"""How many people live in a town: they are there at the same time, and leave memory together."""
MOST_KINDS: Final = 3
"""After so many different violations a simulation stops."""
BOOKS: Final = ("1: the ledger does not balance", "1: the ledger's books are wrong")


@define(kw_only=True)
class Simulation:
    """What was simulated, and what did not hold."""

    seed: int
    faults: tuple[str, ...]
    subscriptions: int = 0
    """People who wanted one; each opened one, or was refused at the door."""
    violations: list[Case] = field(factory=list)
    """One for each invariant that did not hold, as small as it could be made."""
    ends: Counter[str] = field(factory=Counter)
    """How the subscriptions ended, and how many so."""
    happened: Counter[str] = field(factory=Counter)
    """What went wrong, and how often."""
    facts: int = 0
    """How many facts were recorded."""
    seconds: float = 0.0
    """Processor time of the simulation itself, without shrinking."""

    @property
    def balanced(self) -> bool:
        """Whether every ledger balanced to the cent."""
        return not any(case.invariant in BOOKS for case in self.violations)

    @property
    def per_second(self) -> float:
        """Subscriptions that were opened, a second of one core."""
        return self.opened / self.seconds if self.seconds else 0.0

    @property
    def opened(self) -> int:
        """How many subscriptions were opened: some people are refused at the door, some come again."""
        return sum(self.ends.values())

    def to_json(self) -> dict[str, Any]:
        """Give what was found as JSON."""
        return {
            "subscriptions": self.subscriptions,
            "seed": self.seed,
            "faults": list(self.faults),
            "violations": [case.to_json() for case in self.violations],
            "balanced": self.balanced,
            "per_second": round(self.per_second),
            "seconds": round(self.seconds, 2),
            "opened": self.opened,
            "facts": self.facts,
            "ends": dict(sorted(self.ends.items())),
            "happened": dict(sorted(self.happened.items())),
        }


def simulate(
    *,
    subscriptions: int,
    seed: int = 0,
    faults: Iterable[str] = tuple(CLASSES),
    ledger: Callable[[Clock], Ledger] | None = None,
    store: Callable[[], Store] | None = None,
    documents: Callable[[], Documents] | None = None,
    codes: Callable[[], Codes] | None = None,
    notices: Callable[[], Notices] | None = None,
    engine: type[Engine] | None = None,
    sealed: bool = False,
    progress: Callable[[Simulation], None] | None = None,
) -> Simulation:
    """Let so many people subscribe while things go wrong; give what did not hold, as small as can be.

    The same seed gives the same result, on every machine. Each part that is given is made afresh for each town of a
    hundred people: a `ledger` must hold credit for the cabinets `RICH` and `POOR`. `sealed` writes and seals what is
    stored as in production, which a store that keeps its payloads outside this process needs. `progress` is called
    after each town.

    Raises:
        InvalidInput: One of `faults` is no class of faults.
    """
    given: dict[str, Any] = {
        "ledger": ledger, "store": store, "documents": documents, "codes": codes, "notices": notices,
        "engine": engine,
    }  # fmt: skip
    parts = Parts(sealed=sealed, **{name: made for name, made in given.items() if made is not None})
    found = Simulation(seed=seed, faults=chosen(faults))
    with _quiet():
        for number, first in enumerate(range(0, subscriptions, TOWN)):
            people = range(first, min(first + TOWN, subscriptions))
            _town(found, f"{seed}/{number}", people, parts)
            if progress is not None:
                progress(found)
            if len(found.violations) >= MOST_KINDS:
                break
    return found


def _town(found: Simulation, seed: str, people: range, parts: Parts) -> None:
    started = time.process_time()
    script = Drawn(seed, found.faults)
    town = Town(people, script=script, parts=parts)
    broken = town.run()
    found.seconds += time.process_time() - started
    found.subscriptions += len(people)
    found.happened.update(script.happened)
    _count(found, town)
    if broken is not None and all(broken.invariant != case.invariant for case in found.violations):
        case = case_of(broken, seed=seed, people=people, classes=found.faults, parts=parts)
        found.violations.append(shrunk(case, parts))


def _count(found: Simulation, town: Town) -> None:
    for seen in town.watch.seen.values():
        s = seen.state
        found.ends[f"{s.stage}({s.ending})" if s.ending is not None else f"{s.stage}"] += 1
        found.facts += s.sequence


def replay(case: Case, *, parts: Parts | None = None) -> Case | None:
    """Run a case again; give it as it breaks now, with its trace, or None when it no longer does."""
    with _quiet():
        broken = case.run(parts or Parts())
        if broken is None:
            return None
        return evolve(case, invariant=broken.invariant, about=broken.about).traced(parts or Parts())


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing, as what goes wrong here is meant to, and look for garbage rarely."""
    logger, thresholds = logging.getLogger("qcp_sdk"), gc.get_threshold()
    was, logger.disabled = logger.disabled, True
    gc.set_threshold(100_000, 20, 20)  # nearly everything that a town makes stays until the town goes
    try:
        yield
    finally:
        logger.disabled = was
        gc.set_threshold(*thresholds)
