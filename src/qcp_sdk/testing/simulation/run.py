"""Many people, town by town: what a simulation found, and how fast it went."""

from __future__ import annotations

import gc
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from attrs import define, evolve, field, frozen

from qcp_sdk.engine import Engine
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.store import Store
from qcp_sdk.testing.simulation.case import Case, case_of
from qcp_sdk.testing.simulation.faults import CLASSES, Drawn, chosen
from qcp_sdk.testing.simulation.hands import PlayedAuthority, PlayedIdentity, PlayedRegistration
from qcp_sdk.testing.simulation.parts import Parts
from qcp_sdk.testing.simulation.shrinking import shrunk
from qcp_sdk.testing.simulation.town import Town
from qcp_sdk.testing.simulation.watch import Broken

TOWN: Final = 100
"""How many people live in a town: they are there at the same time, and leave memory together."""
MOST_KINDS: Final = 3
"""After so many different violations a simulation stops."""


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
    unclosed: int = 0
    """How many towns broke an invariant: their books do not balance, or were never closed."""
    seconds: float = 0.0
    """Processor time of the simulation itself, without shrinking."""

    @property
    def balanced(self) -> bool:
        """Whether the books of every town were closed, and balanced to the cent."""
        return self.unclosed == 0

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
    identity: Callable[[Clock], PlayedIdentity] | None = None,
    authority: Callable[[Clock], PlayedAuthority] | None = None,
    registration: Callable[[Clock, PlayedAuthority], PlayedRegistration] | None = None,
    engine: type[Engine] | None = None,
    sealed: bool = False,
    jobs: int = 1,
    progress: Callable[[Simulation], None] | None = None,
) -> Simulation:
    """Let so many people subscribe while things go wrong; give what did not hold, as small as can be.

    The same seed gives the same result, on every machine. Each part that is given is made afresh for each town of a
    hundred people: a `ledger` must hold credit for the cabinets `RICH` and `POOR`, and providers need hands that play
    the person there (`PlayedIdentity` …). `sealed` writes and seals what is
    stored as in production, which a store that keeps its payloads outside this process needs. `jobs` is how many towns
    run at a time, in processes of their own; parts must then be importable by name. `progress` is called after each.

    Raises:
        InvalidInput: One of `faults` is no class of faults.
    """
    given: dict[str, Any] = {
        "ledger": ledger, "store": store, "documents": documents, "codes": codes, "notices": notices,
        "identity": identity, "authority": authority, "registration": registration, "engine": engine,
    }  # fmt: skip
    parts = Parts(sealed=sealed, **{name: made for name, made in given.items() if made is not None})
    found = Simulation(seed=seed, faults=chosen(faults))
    for result in _results(found, subscriptions, parts, jobs):
        _add(found, result, parts)
        if progress is not None:
            progress(found)
        if len(found.violations) >= MOST_KINDS:
            break
    return found


@frozen
class Result:
    """What came of one town."""

    seed: str
    people: range
    ends: Counter[str]
    happened: Counter[str]
    facts: int
    broken: tuple[str, str] | None
    """The invariant that did not hold, and about whom."""
    seconds: float = 0.0


def _results(found: Simulation, subscriptions: int, parts: Parts, jobs: int) -> Iterator[Result]:
    """Run every town, and give what came of each, in order: how many run at a time changes nothing."""
    towns = [
        (f"{found.seed}/{number}", range(first, min(first + TOWN, subscriptions)), found.faults, parts)
        for number, first in enumerate(range(0, subscriptions, TOWN))
    ]
    if jobs == 1:
        yield from map(_run, towns)
        return
    with ProcessPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(_run, towns, chunksize=4)
        finally:
            pool.shutdown(cancel_futures=True)


def _run(town: tuple[str, range, tuple[str, ...], Parts]) -> Result:
    started = time.process_time()
    with _quiet():
        result = _lived(*town)
    return evolve(result, seconds=time.process_time() - started)  # with what it takes to clear away after it


def _lived(seed: str, people: range, faults: tuple[str, ...], parts: Parts) -> Result:
    script = Drawn(seed, faults)
    built = Town(people, script=script, parts=parts)
    broken = built.run()
    states = [seen.state for seen in built.watch.seen.values()]
    return Result(
        seed,
        people,
        Counter(f"{s.stage}({s.ending})" if s.ending is not None else f"{s.stage}" for s in states),
        script.happened,
        sum(s.sequence for s in states),
        (broken.invariant, broken.about) if broken is not None else None,
    )


def _add(found: Simulation, result: Result, parts: Parts) -> None:
    found.subscriptions += len(result.people)
    found.ends.update(result.ends)
    found.happened.update(result.happened)
    found.facts += result.facts
    found.seconds += result.seconds
    if result.broken is None:
        return
    found.unclosed += 1
    broken = Broken(*result.broken)
    if all(broken.invariant != case.invariant for case in found.violations):
        with _quiet():
            case = case_of(broken, seed=result.seed, people=result.people, classes=found.faults, parts=parts)
            found.violations.append(shrunk(case, parts))


def replay(case: Case, *, parts: Parts | None = None) -> Case | None:
    """Run a case again; give it as it breaks now, with its trace, or None when it no longer does."""
    with _quiet():
        broken = case.run(parts or Parts())
        if broken is None:
            return None
        return evolve(case, invariant=broken.invariant, about=broken.about).traced(parts or Parts())


@contextmanager
def _quiet() -> Iterator[None]:
    """Log nothing, as what goes wrong here is meant to, and look for garbage once a town: nearly everything that it
    makes stays until it goes.
    """
    logger, collects = logging.getLogger("qcp_sdk"), gc.isenabled()
    was, logger.disabled = logger.disabled, True
    gc.freeze()  # what was there before is not looked through with what the town leaves
    gc.disable()
    try:
        yield
    finally:
        logger.disabled = was
        gc.collect()
        gc.unfreeze()
        if collects:
            gc.enable()
