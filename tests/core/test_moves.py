"""`moved` copies a record in one go: it must be what `evolve` would give."""

from __future__ import annotations

from attrs import evolve, fields

from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.moves import Changes, moved
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.subscription.state import Identity, Subscription
from qcp_sdk.testing.exploration.subscription import NOW, opening


def test_moved_is_what_evolve_gives() -> None:
    before, _ = step(None, opening(Plan.ASSEMBLED), NOW)
    after = moved(before, Stage.CLOSED, ending=Ending.CANCELLED, deadline=None, identity=Identity(3))
    expected = evolve(
        before,
        sequence=before.sequence + 1,
        stage=Stage.CLOSED,
        ending=Ending.CANCELLED,
        deadline=None,
        identity=Identity(3),
    )
    assert after == expected
    assert hash(after) == hash(expected)
    assert before.stage is Stage.VERIFYING_EMAIL


def test_nothing_is_passed_by() -> None:
    """A validator or converter would not run in `moved`: there is none, and every replaceable part is a field."""
    assert all(one.validator is None and one.converter is None for one in fields(Subscription))
    assert set(Changes.__annotations__) <= {one.name for one in fields(Subscription)}
