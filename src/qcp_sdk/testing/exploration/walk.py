"""Breadth-first exploration: every state, every move, the invariants in each, and a way to an end from each."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from attrs import define, field, frozen

W = TypeVar("W")


@frozen
class Move(Generic[W]):
    """One thing that may happen in a world: its name, the world after it, and what is wrong with that."""

    label: str
    after: W
    broken: tuple[str, ...] = ()
    """Names of the invariants that this move breaks."""


class Model(Protocol[W]):
    """What is explored."""

    name: str

    def roots(self) -> Iterable[tuple[str, W]]:
        """Give the worlds that everything begins with, each with the name of what made it."""

    def moves(self, world: W) -> Iterator[Move[W]]:
        """Give everything that may happen in a world and change it: a refusal is no move, nor is a repeat."""

    def key(self, world: W) -> Hashable:
        """Name the world: two with one name have the same future."""

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
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    complete: bool = True
    violations: list[Violation] = field(factory=list)
    graph: str = ""
    """SHA-256 over every transition, by canonical names: changes exactly when behaviour does."""


def explore(model: Model[W], *, most_states: int = 2_000_000, most_violations: int = 20) -> Exploration:
    """Enumerate everything reachable. Deterministic; stops early (`complete` False) at `most_states`."""
    found = Exploration(model=model.name)
    start = time.perf_counter()
    numbers: dict[Hashable, int] = {}
    worlds: list[W] = []
    parents: list[tuple[int, str]] = []
    edges: list[list[tuple[str, int]]] = []
    queue: deque[int] = deque()

    def number(world: W, parent: int, label: str) -> int:
        key = model.key(world)
        known = numbers.get(key)
        if known is not None:
            return known
        fresh = numbers[key] = len(worlds)
        worlds.append(world)
        parents.append((parent, label))
        edges.append([])
        queue.append(fresh)
        return fresh

    def path(place: int) -> tuple[str, ...]:
        labels: list[str] = []
        while place >= 0:
            place, label = parents[place]
            labels.append(label)
        return tuple(reversed(labels))

    def violated(invariant: str, place: int, *more: str) -> None:
        if len(found.violations) < most_violations:
            found.violations.append(Violation(invariant=invariant, path=(*path(place), *more)))

    for label, world in model.roots():
        number(world, -1, label)
    while queue:
        if len(worlds) > most_states:
            found.complete = False
            break
        place = queue.popleft()
        world = worlds[place]
        for invariant in model.broken(world):
            violated(invariant, place)
        for move in model.moves(world):
            found.transitions += 1
            for invariant in move.broken:
                violated(invariant, place, move.label)
            edges[place].append((move.label, number(move.after, place, move.label)))
    found.states = len(worlds)
    if found.complete:
        for invariant, place in _without_end(model, worlds, edges):
            violated(invariant, place)
    found.graph = _hash(numbers, edges)
    found.seconds = time.perf_counter() - start
    return found


def _without_end(
    model: Model[W], worlds: Sequence[W], edges: Sequence[Sequence[tuple[str, int]]]
) -> Iterator[tuple[str, int]]:
    """Find the states from which no end can be reached: by any move, and by those alone that must suffice."""
    ends = {place for place, world in enumerate(worlds) if model.is_end(world)}
    allowed = [model.must_end_by(world) for world in worlds]
    for invariant, narrow in (("8 (some way to an end)", False), ("8 (by these alone)", True)):
        backwards: dict[int, list[int]] = {}
        for place, out in enumerate(edges):
            only = allowed[place] if narrow else None
            for label, to in out:
                if only is None or label.split(" ")[0] in only:
                    backwards.setdefault(to, []).append(place)
        reached, queue = set(ends), deque(ends)
        while queue:
            for place in backwards.get(queue.popleft(), ()):
                if place not in reached:
                    reached.add(place)
                    queue.append(place)
        for place in range(len(worlds)):
            if place not in reached:
                yield invariant, place


def _hash(numbers: dict[Hashable, int], edges: Sequence[Sequence[tuple[str, int]]]) -> str:
    names = [hashlib.sha256(repr(key).encode()).digest() for key in numbers]
    lines = sorted(
        names[place] + label.encode() + b"\x00" + names[to] for place, out in enumerate(edges) for label, to in out
    )
    digest = hashlib.sha256()
    for line in lines:
        digest.update(hashlib.sha256(line).digest())
    return digest.hexdigest()
