"""Breadth-first exploration: every state, every move, the invariants in each, and a way to an end from each.

Made for millions of states: a state is kept as the digest of its name (128 bits), a move as three numbers; the worlds
themselves live from the moment they are found until they are expanded.
"""

from __future__ import annotations

import hashlib
import time
from array import array
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from attrs import define, field, frozen

W = TypeVar("W")


@frozen
class Move(Generic[W]):
    """One thing that may happen in a world: its name, the world after it, and what is wrong with that.

    The first word of the name says what kind of thing it is (`must_end_by` speaks of those).
    """

    label: str
    after: W
    broken: tuple[str, ...] = ()
    """Names of the invariants that this move breaks; each begins with the invariant's number."""


class Model(Protocol[W]):
    """What is explored."""

    name: str
    checks: tuple[str, ...]
    """The numbers of the invariants that it checks."""

    def roots(self) -> Iterable[tuple[str, W]]:
        """Give the worlds that everything begins with, each with the name of what made it."""

    def moves(self, world: W) -> Iterator[Move[W]]:
        """Give everything that may happen in a world and change it: a refusal is no move, nor is a repeat."""

    def key(self, world: W) -> Hashable:
        """Name the world, in plain values: two with one name have the same future."""

    def broken(self, world: W) -> tuple[str, ...]:
        """Name the invariants that do not hold in this world."""

    def is_end(self, world: W) -> bool:
        """Say whether nothing more is to be reached from here."""

    def must_end_by(self, world: W) -> frozenset[str] | None:
        """Name the moves that alone must lead to an end from here; None when any may."""


@frozen(kw_only=True)
class Violation:
    """An invariant that does not hold, with the shortest sequence of facts that leads there."""

    invariant: str
    path: tuple[str, ...]


@define(kw_only=True)
class Exploration:
    """What was found."""

    model: str
    checks: tuple[str, ...] = ()
    """The numbers of the invariants that were checked."""
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    complete: bool = True
    violations: list[Violation] = field(factory=list)
    graph: str = ""
    """A hash over every transition, by canonical names: changes exactly when behaviour does."""


MOST_STATES: Final = 20_000_000
LIVENESS: Final = (("8: no way to an end", False), ("8: no way to an end by these alone", True))


def explore(model: Model[W], *, most_states: int = MOST_STATES, most_violations: int = 20) -> Exploration:
    """Enumerate everything reachable. Deterministic; stops early (`complete` False) at `most_states`."""
    start = time.perf_counter()
    graph = _Graph()
    found = Exploration(model=model.name, checks=model.checks)
    queue: deque[tuple[int, W]] = deque()

    def violated(invariant: str, place: int, *more: str) -> None:
        if len(found.violations) < most_violations:
            found.violations.append(Violation(invariant=invariant, path=(*graph.path(place), *more)))

    for label, world in model.roots():
        place, fresh = graph.place(model.key(world), -1, label)
        if fresh:
            queue.append((place, world))
    while queue:
        if len(graph.numbers) > most_states:
            found.complete = False
            break
        place, world = queue.popleft()
        graph.expand(place, end=model.is_end(world), only=model.must_end_by(world))
        for invariant in model.broken(world):
            violated(invariant, place)
        for move in model.moves(world):
            for invariant in move.broken:
                violated(invariant, place, move.label)
            to, fresh = graph.place(model.key(move.after), place, move.label)
            graph.edge(place, move.label, to)
            if fresh:
                queue.append((to, move.after))
    found.states, found.transitions = len(graph.numbers), len(graph.targets)
    if found.complete:
        for invariant, place in graph.without_end():
            violated(invariant, place)
    found.graph = graph.hash()
    found.seconds = time.perf_counter() - start
    return found


class _Graph:
    """States by their numbers, in the order in which they are found; that is also the order of their expansion."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self._names: list[bytes] = []
        self._labels: dict[str, int] = {}
        self._parents, self._by = array("q"), array("I")
        self.sources, self.by, self.targets = array("I"), array("I"), array("I")
        self._ends = bytearray()
        self._allowed: list[frozenset[str] | None] = []
        self._only: dict[frozenset[str] | None, int] = {}
        self._onlys = array("H")
        self._sum = 0

    def place(self, key: Hashable, parent: int, label: str) -> tuple[int, bool]:
        """Give the number of a state, and whether it is new."""
        name = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
        known = self.numbers.get(name)
        if known is not None:
            return known, False
        fresh = self.numbers[name] = len(self._names)
        self._names.append(name)
        self._parents.append(parent)
        self._by.append(self._label(label))
        return fresh, True

    def _label(self, label: str) -> int:
        return self._labels.setdefault(label, len(self._labels))

    def expand(self, place: int, *, end: bool, only: frozenset[str] | None) -> None:
        """Note what is known of a state by itself."""
        assert place == len(self._ends)
        self._ends.append(end)
        number = self._only.setdefault(only, len(self._only))
        if number == len(self._allowed):
            self._allowed.append(only)
        self._onlys.append(number)

    def edge(self, place: int, label: str, to: int) -> None:
        """Note a move."""
        self.sources.append(place)
        self.by.append(self._label(label))
        self.targets.append(to)
        # A sum, so that the order of the moves does not matter.
        line = self._names[place] + label.encode() + b"\x00" + self._names[to]
        self._sum += int.from_bytes(hashlib.blake2b(line, digest_size=32).digest(), "big")

    def path(self, place: int) -> tuple[str, ...]:
        """Give the shortest way to a state, as labels."""
        words = list(self._labels)
        labels: list[str] = []
        while place >= 0:
            labels.append(words[self._by[place]])
            place = self._parents[place]
        return tuple(reversed(labels))

    def hash(self) -> str:
        """Give the hash of the whole graph."""
        return f"{self._sum % 2**256:064x}"

    def without_end(self) -> Iterator[tuple[str, int]]:
        """Find the states from which no end can be reached: by any move, and by those alone that must suffice."""
        words = [label.split(" ")[0] for label in self._labels]
        for invariant, narrow in LIVENESS:
            edges = self._by_target(words, narrow=narrow)
            reached, queue = bytearray(self._ends), deque(n for n, end in enumerate(self._ends) if end)
            while queue:
                for place in edges.get(queue.popleft(), ()):
                    if not reached[place]:
                        reached[place] = 1
                        queue.append(place)
            yield from ((invariant, place) for place, end in enumerate(reached) if not end)

    def _by_target(self, words: list[str], *, narrow: bool) -> dict[int, array[int]]:
        edges: dict[int, array[int]] = {}
        for place, by, to in zip(self.sources, self.by, self.targets, strict=True):
            only = self._allowed[self._onlys[place]] if narrow else None
            if place != to and (only is None or words[by] in only):
                edges.setdefault(to, array("I")).append(place)
        return edges
