"""Every reachable state of every machine, the invariants in each, and the graph that the repository expects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from qcp_sdk.cli import MODEL_NAMES
from qcp_sdk.facts import Fact
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.moves import Row, moved
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.exploration import models
from qcp_sdk.testing.exploration.subscription import SubscriptionModel
from qcp_sdk.testing.exploration.walk import Exploration, explore

EXPECTED = Path(__file__).with_name("explored.json")
"""States, transitions and the hash of each graph. A change of behaviour shows here, in review: run
`qcp-sdk explore --json` and copy its `models` when the change is meant."""


@pytest.mark.parametrize("name", sorted(models.MODELS))
def test_every_state_holds_every_invariant_and_can_end(name: str) -> None:
    found = models.run(name)
    assert found.complete
    assert found.violations == []
    expected = json.loads(EXPECTED.read_text("utf-8"))[found.model]
    assert {"states": found.states, "transitions": found.transitions, "graph": found.graph} == expected


def test_the_command_knows_every_model() -> None:
    assert set(MODEL_NAMES) == set(models.MODELS)


def _with_row(stage: Stage, fact: type[Fact], row: Row | None) -> Mapping[Stage, Mapping[type[Fact], Row]]:
    rows = dict(machine.TRANSITIONS[stage])
    if row is None:
        del rows[fact]
    else:
        rows[fact] = row
    return MappingProxyType({**machine.TRANSITIONS, stage: rows})


def _broken(monkeypatch: pytest.MonkeyPatch, stage: Stage, fact: type[Fact], row: Row | None) -> Exploration:
    monkeypatch.setattr(machine, "TRANSITIONS", _with_row(stage, fact, row))
    return explore(SubscriptionModel(Plan.ASSEMBLED), most_states=6_000, most_violations=3)


def _to(stage: Stage) -> Row:
    def apply(s: Any, _fact: Fact, _now: object) -> Any:
        return moved(s, stage, deadline=None), ()

    return Row(apply, (stage,))


@pytest.mark.parametrize(
    ("stage", "fact", "row", "invariant"),
    [
        (Stage.HOLDING_FUNDS, sf.FundsHeld, _to(Stage.ACTIVE), "3"),
        (Stage.CONFIRMING_DETAILS, sf.DetailsContested, _to(Stage.CLOSED), "2"),
        (Stage.CLOSED, sf.DetailsConfirmed, _to(Stage.CONSENTING), "6"),
    ],
)
def test_a_wrong_row_is_found(
    monkeypatch: pytest.MonkeyPatch, stage: Stage, fact: type[Fact], row: Row, invariant: str
) -> None:
    found = _broken(monkeypatch, stage, fact, row)
    assert any(violation.invariant.startswith(invariant) for violation in found.violations)
    # The way there is told from the beginning, shortest first.
    assert found.violations[0].path[0] == "subscription_opened"


def test_a_stage_that_nothing_leaves_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from qcp_sdk.facts import DeadlinePassed

    monkeypatch.setattr(
        machine, "TRANSITIONS", _with_row(Stage.READING_REQUEST, DeadlinePassed, _to(Stage.READING_REQUEST))
    )
    found = explore(SubscriptionModel(Plan.ASSEMBLED), most_violations=3)
    assert any(violation.invariant == "8 (by these alone)" for violation in found.violations)
