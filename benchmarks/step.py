"""One step of the subscription machine against two well-known libraries doing the same work.

A happy journey, opening to captured price, is folded fact by fact. Rounds are interleaved and each contender goes
first in turn, so that a busy machine is busy for all; numbers are medians. Making the objects that the libraries
drive is not counted; what our `step` does, opening included, is.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter_ns
from typing import Final

from statemachine import State, StateMachine
from transitions import Machine

from benchmarks.journey import NOW, journey
from benchmarks.peers import UNBORN, Action, Guard, Record, arrows
from qcp_sdk.facts import Fact
from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.stages import FINAL, Stage
from qcp_sdk.subscription.state import Subscription

ROUNDS: Final = 15
GOALS: Final = {"transitions": 3.0, "python-statemachine": 45.0}
"""How many times faster one step of ours should be."""

Run = Callable[[], str]
"""Folds a whole journey; gives the stage it ended at."""


def ours() -> Callable[[], Run]:
    """Give the maker of runs for our own machine."""
    facts = journey()

    def run() -> str:
        subscription: Subscription | None = None
        for fact in facts:
            subscription, _effects = step(subscription, fact, NOW)
        assert subscription is not None
        return subscription.stage

    return lambda: run


def with_transitions() -> Callable[[], Run]:
    """Give the maker of runs for `transitions`: one machine, one model a journey, as its documentation advises."""
    machine = Machine(
        model=None, states=[UNBORN, *(stage.value for stage in Stage)], initial=UNBORN, auto_transitions=False
    )
    for event, origin, to, guard, action in arrows():
        machine.add_transition(event, origin, to, conditions=guard, after=action)
    facts = [(fact.kind, fact) for fact in journey()]

    def make() -> Run:
        record = Record()
        machine.add_model(record)

        def run() -> str:
            for kind, fact in facts:
                getattr(record, kind)(record, fact)
            return str(record.state)

        return run

    return make


def with_statemachine() -> Callable[[], Run]:
    """Give the maker of runs for `python-statemachine`: one class, one instance a journey."""
    states = {
        name: State(initial=name == UNBORN, final=name in FINAL) for name in (UNBORN, *(stage.value for stage in Stage))
    }
    members: dict[str, object] = dict(states)
    for event, origin, to, guard, action in arrows():
        there = states[origin] if to is None else states[to]
        arrow = states[origin].to(there, internal=to is None, cond=_guarded(guard), on=_acted(action))
        members[event] = members[event] | arrow if event in members else arrow
    kind = type("SubscriptionMachine", (StateMachine,), members)
    facts = [(fact.kind, fact) for fact in journey()]

    def make() -> Run:
        record = Record()
        machine = kind(model=record)

        def run() -> str:
            for event, fact in facts:
                machine.send(event, fact=fact)
            return str(record.state)

        return run

    return make


def _guarded(guard: Guard) -> Callable[..., bool]:
    def cond(model: Record, fact: Fact) -> bool:
        return guard(model, fact)

    return cond


def _acted(action: Action) -> Callable[..., None]:
    def on(model: Record, fact: Fact) -> None:
        action(model, fact)

    return on


CONTENDERS: Final = {
    "qcp_sdk step": (ours, 60),
    "transitions": (with_transitions, 30),
    "python-statemachine": (with_statemachine, 6),
}
"""Name to the maker of makers, and how many journeys make a round long enough to time."""


def measure() -> dict[str, list[float]]:
    """Give nanoseconds a step, round by round, for each contender."""
    makers = {name: (contender(), journeys) for name, (contender, journeys) in CONTENDERS.items()}
    steps = len(journey())
    rounds: dict[str, list[float]] = {name: [] for name in makers}
    order = list(makers)
    for _ in range(ROUNDS + 1):
        order.append(order.pop(0))
        for name in order:
            make, journeys = makers[name]
            runs = [make() for _ in range(journeys)]
            gc.collect()
            gc.disable()
            start = perf_counter_ns()
            ends = {run() for run in runs}
            taken = perf_counter_ns() - start
            gc.enable()
            assert ends == {Stage.ACTIVE}, f"{name} ended at {ends}"
            rounds[name].append(taken / journeys / steps)
    return {name: taken[1:] for name, taken in rounds.items()}  # the first round warms caches up


def main() -> int:
    """Print the table; say with the exit status whether every goal is met."""
    print(f"one step, median of {ROUNDS} interleaved rounds, {len(journey())} facts a journey")
    rounds = measure()
    mine = rounds["qcp_sdk step"]
    missed = 0
    print(f"{'contender':22}{'µs/step':>9}{'min':>9}{'max':>9}{'times ours':>12}{'goal':>7}")
    for name, taken in rounds.items():
        ratio = median(other / own for other, own in zip(taken, mine, strict=True))
        goal = GOALS.get(name)
        missed += goal is not None and ratio < goal
        said = "" if goal is None else f"{goal:.0f}" + ("" if ratio >= goal else " missed")
        numbers = "".join(f"{number / 1_000:9.2f}" for number in (median(taken), min(taken), max(taken)))
        print(f"{name:22}{numbers}{ratio:12.1f}{said:>7}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
