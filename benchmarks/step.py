"""One step of the subscription machine against two well-known libraries doing the same work.

A happy journey, opening to captured price, is folded fact by fact by many subscriptions in lockstep, so that each kind
of step is timed alone. Rounds are interleaved and each contender goes first in turn: a busy machine is busy for all.
Numbers are processor time, medians over rounds. Making the objects that the libraries drive is not counted.

The goal is set for *one step*: a guard, a new record, one effect, on a subscription that is half-way and full of data.
The other steps do more (they compare names, count codes, judge a certificate); that work is the same for all three,
so the more of it, the closer the contenders.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import process_time_ns
from typing import Final, Protocol

from statemachine import State, StateMachine
from transitions import Machine

from benchmarks.journey import NOW, journey
from benchmarks.peers import UNBORN, Action, Guard, Record, arrows
from qcp_sdk.facts import Fact
from qcp_sdk.subscription.facts import IdentityOpened
from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.stages import FINAL, Stage
from qcp_sdk.subscription.state import Subscription

ROUNDS: Final = 21
ONE_STEP: Final = IdentityOpened
"""A guard (is it the session that was asked for?), a new record (the session is noted), one effect (ask for news)."""

OURS: Final = "qcp_sdk"
GOALS: Final = {"transitions": 3.0, "python-statemachine": 45.0}
"""How many times faster one step of ours should be."""


class Contender(Protocol):
    """Many subscriptions that are folded in lockstep."""

    def start(self) -> None:
        """Make the subscriptions anew."""

    def fold(self, fact: Fact) -> int:
        """Fold one fact into each subscription; give the nanoseconds that it took in all."""

    def ends(self) -> set[str]:
        """Give the stages that the subscriptions are at."""


class Ours:
    """Our own machine: nothing to make but the record, which the opening makes."""

    def __init__(self, many: int) -> None:
        self.many = many
        self.records: Sequence[Subscription | None] = ()

    def start(self) -> None:
        self.records = [None] * self.many

    def fold(self, fact: Fact) -> int:
        records = self.records
        start = process_time_ns()
        moved = [step(record, fact, NOW) for record in records]
        taken = process_time_ns() - start
        self.records = [record for record, _ in moved]
        return taken

    def ends(self) -> set[str]:
        return {record.stage.value for record in self.records if record is not None}


class WithTransitions:
    """`transitions`: one machine, one model a subscription, as its documentation advises."""

    def __init__(self, many: int) -> None:
        self.many = many
        names = [UNBORN, *(stage.value for stage in Stage)]
        self.machine = Machine(model=None, states=names, initial=UNBORN, auto_transitions=False)
        for event, origin, to, guard, action in arrows():
            self.machine.add_transition(event, origin, to, conditions=guard, after=action)
        self.records: list[Record] = []

    def start(self) -> None:
        for record in self.records:
            self.machine.remove_model(record)
        self.records = [Record() for _ in range(self.many)]
        for record in self.records:
            self.machine.add_model(record)

    def fold(self, fact: Fact) -> int:
        records, event = self.records, fact.kind
        start = process_time_ns()
        for record in records:
            getattr(record, event)(record, fact)
        return process_time_ns() - start

    def ends(self) -> set[str]:
        return {str(record.state) for record in self.records}


class WithStateMachine:
    """`python-statemachine`: one class, one instance a subscription."""

    def __init__(self, many: int) -> None:
        self.many = many
        names = [UNBORN, *(stage.value for stage in Stage)]
        states = {name: State(initial=name == UNBORN, final=name in FINAL) for name in names}
        members: dict[str, object] = dict(states)
        for event, origin, to, guard, action in arrows():
            there = states[origin] if to is None else states[to]
            arrow = states[origin].to(there, internal=to is None, cond=_guarded(guard), on=_acted(action))
            members[event] = members[event] | arrow if event in members else arrow
        self.kind = type("SubscriptionMachine", (StateMachine,), members)
        self.records: list[Record] = []
        self.machines: list[StateMachine] = []

    def start(self) -> None:
        self.records = [Record() for _ in range(self.many)]
        self.machines = [self.kind(model=record) for record in self.records]

    def fold(self, fact: Fact) -> int:
        machines, event = self.machines, fact.kind
        start = process_time_ns()
        for machine in machines:
            machine.send(event, fact=fact)
        return process_time_ns() - start

    def ends(self) -> set[str]:
        return {str(record.state) for record in self.records}


def _guarded(guard: Guard) -> Callable[..., bool]:
    # The library looks at parameter names to decide what to pass.
    def cond(model: Record, fact: Fact) -> bool:
        return guard(model, fact)

    return cond


def _acted(action: Action) -> Callable[..., None]:
    def on(model: Record, fact: Fact) -> None:
        action(model, fact)

    return on


def measure() -> dict[str, list[list[float]]]:
    """Give, for each contender, round by round, the nanoseconds of each step of the journey."""
    facts = journey()
    contenders: dict[str, Contender] = {
        OURS: Ours(60),
        "transitions": WithTransitions(40),
        "python-statemachine": WithStateMachine(10),
    }
    many = {OURS: 60, "transitions": 40, "python-statemachine": 10}
    rounds: dict[str, list[list[float]]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(ROUNDS + 1):
        order.append(order.pop(0))
        for name in order:
            contender = contenders[name]
            contender.start()
            gc.collect()
            gc.disable()
            rounds[name].append([contender.fold(fact) / many[name] for fact in facts])
            gc.enable()
            if contender.ends() != {Stage.ACTIVE.value}:
                raise SystemExit(f"{name} does not end at `active`: {contender.ends()}")
    return {name: taken[1:] for name, taken in rounds.items()}  # the first round warms caches up


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    facts = journey()
    print(f"µs of processor time a step, median of {ROUNDS} interleaved rounds; how many times ours in brackets")
    rounds = measure()
    peers = [name for name in rounds if name != OURS]
    print(f"{'':26}{OURS:>10}" + "".join(f"{name:>28}" for name in peers))
    for place, fact in enumerate(facts):
        _line(fact.kind, {name: [taken[place] for taken in rounds[name]] for name in rounds}, peers)
    _line("mean of the journey", {name: [sum(taken) / len(taken) for taken in rounds[name]] for name in rounds}, peers)
    place = next(place for place, fact in enumerate(facts) if type(fact) is ONE_STEP)
    one = {name: [taken[place] for taken in rounds[name]] for name in rounds}
    ratios = _line("ONE STEP", one, peers)
    for name, ratio in zip(peers, ratios, strict=True):
        met = "met" if ratio >= GOALS[name] else "MISSED"
        print(f"one step is {ratio:.1f} times faster than {name}; the goal is {GOALS[name]:.0f}: {met}")
    return 0 if all(ratio >= GOALS[name] for name, ratio in zip(peers, ratios, strict=True)) else 1


def _line(title: str, taken: dict[str, list[float]], peers: Sequence[str]) -> list[float]:
    """Print one line; give how many times ours each peer takes, as the median of the rounds' ratios."""
    ratios = [median(theirs / ours for theirs, ours in zip(taken[name], taken[OURS], strict=True)) for name in peers]
    cells = "".join(
        f"{median(taken[name]) / 1_000:19.2f} ({ratio:5.1f}×)" for name, ratio in zip(peers, ratios, strict=True)
    )
    print(f"{title:26}{median(taken[OURS]) / 1_000:10.2f}{cells}")
    return ratios


if __name__ == "__main__":
    sys.exit(main())
