"""From a town in trouble to the few people and faults that it takes.

After delta debugging (Zeller and Hildebrandt, IEEE TSE 28(2), 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from attrs import evolve

from qcp_sdk.testing.simulation.case import Case
from qcp_sdk.testing.simulation.parts import Parts

T = TypeVar("T")
MOST_RUNS: Final = 600
"""How many smaller towns are tried."""


def shrunk(case: Case, parts: Parts) -> Case:
    """Give a case that breaks the same invariant with as few people, and then faults, as can be found."""
    left = MOST_RUNS

    def breaks(people: Sequence[int], faults: Sequence[tuple[str, str]]) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            return False
        broken = evolve(case, people=tuple(people), faults=dict(faults)).run(parts)
        return broken is not None and broken.invariant == case.invariant

    people, faults = case.people, tuple(case.faults.items())
    if not breaks(people, faults):
        return case
    concerned = tuple(number for number in people if f"p{number}" in case.about)
    if len(concerned) < len(people) and breaks(concerned, faults):
        people = concerned
    for _ in range(2):  # fewer faults may need fewer people still
        people = _fewest(people, lambda some: breaks(some, faults))  # noqa: B023 - called at once
        named = {"worker", "operator", *(f"p{number}" for number in people)}
        theirs = tuple(one for one in faults if one[0].split(" ")[0] in named)
        faults = theirs if breaks(people, theirs) else faults
        faults = _fewest(faults, lambda some: breaks(people, some))  # noqa: B023 - called at once
    smallest = evolve(case, people=tuple(people), faults=dict(faults))
    broken = smallest.run(parts)
    return evolve(smallest, about=broken.about).traced(parts) if broken is not None else case


def _fewest(all: Sequence[T], breaks: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """Take away halves, quarters, … and at last single ones, for as long as it still breaks."""
    kept, size = tuple(all), max(1, len(all) // 2)
    while True:
        taken, place = False, 0
        while place < len(kept):
            fewer = kept[:place] + kept[place + size :]
            if breaks(fewer):
                kept, taken = fewer, True
            else:
                place += size
        if size == 1 and not taken:
            return kept
        size = max(1, size // 2)
