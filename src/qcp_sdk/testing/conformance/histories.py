"""Any history, and any text: what the suites' stateful promises and properties are made of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar, cast

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from qcp_sdk.testing.conformance.base import PROPERTY

T = TypeVar("T")

EXAMPLES: Final = 20
"""How many histories a suite tries, unless it says otherwise."""
STEPS: Final = 15
"""How long a history is at most."""
LONG: Final = 50
"""How long it may be where a step costs little."""
PHASES: Final = (Phase.generate, Phase.shrink)
"""What is done with a history that fails: it is shortened, and not explained, which would take minutes."""
RESTARTS: Final = 2
"""How often a process restarts within one history at most: opening what a passphrase protects takes its time."""
MOMENTS: Final = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
"""How much time passes between two steps of a history, where it does."""

ANY_TEXT: Final = st.text(max_size=60) | st.sampled_from(("\ud800", "a\x00b", "x" * 1_000, "'; --", "../../etc/passwd"))
"""What may stand where a key or an id is expected. JSON can carry half a character (RFC 8259 § 8.2): a webhook may."""


def run_any_history(history: Callable[[], RuleBasedStateMachine], *, examples: int, steps: int = STEPS) -> None:
    """Try so many histories; the first that breaks a promise is made as short as possible, and raised."""
    run_state_machine_as_test(
        cast("type[RuleBasedStateMachine]", history),  # whatever makes one will do, as Hypothesis says in its text
        settings=settings(
            PROPERTY,
            max_examples=examples,
            stateful_step_count=steps,
            phases=PHASES,
            report_multiple_bugs=False,
            # An adapter with a database or a key of its own takes its time to make, once a history.
            suppress_health_check=list(HealthCheck),
        ),
    )


def answered(call: Callable[[], T], *, lost: bool) -> T:
    """Make the call and give its answer; where it is lost on the way, the caller asks again in the same words."""
    if lost:
        call()
    return call()
