"""Every reachable state of every machine, the invariants in each, and the graph that the repository expects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qcp_sdk.cli import MODEL_NAMES, main
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.testing import invariants
from qcp_sdk.testing.exploration import models
from qcp_sdk.testing.exploration.subscription import SubscriptionModel
from qcp_sdk.testing.exploration.walk import explore

EXPECTED = Path(__file__).with_name("explored.json")
"""States, transitions and the hash of each graph. A change of behaviour shows here, in review: run
`python scripts/make_explored.py` when the change is meant."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long) if name == "assembled" else name for name in sorted(models.MODELS)],
)
def test_every_state_holds_every_invariant_and_can_end(name: str) -> None:
    found = models.run(name)
    assert found.complete
    assert found.violations == []
    expected = json.loads(EXPECTED.read_text("utf-8"))[found.model]
    assert {"states": found.states, "transitions": found.transitions, "graph": found.graph} == expected


def test_the_command_knows_every_model() -> None:
    assert set(MODEL_NAMES) == set(models.MODELS)


def test_both_plans_are_checked_for_all_twelve() -> None:
    assert tuple(str(number) for number in range(1, 13)) == invariants.NUMBERS
    assert all(SubscriptionModel(plan).checks == invariants.NUMBERS for plan in Plan)


def test_what_was_not_finished_is_not_called_complete() -> None:
    assert not explore(SubscriptionModel(Plan.HOSTED), most_states=100).complete


def test_json_has_the_promised_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--plan", "ceremony-hosted", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"states", "transitions", "invariants", "violations", "complete"} <= printed.keys()
    assert printed["complete"] is True
    assert printed["violations"] == []


def test_text_names_states_transitions_time_and_invariants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--plan", "money"]) == 0
    printed = capsys.readouterr().out
    assert "money: 18 states, 19 transitions, 0.0 s" in printed
    assert "invariants checked: 1, 2, 8; complete" in printed
