"""Each invariant is seen to bite: a row or a function is broken on purpose, and that very number is reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from attrs import evolve, frozen

from qcp_sdk import codec, notices
from qcp_sdk.cli import main
from qcp_sdk.effects import Alert, Effect, Notify
from qcp_sdk.facts import Cancelled, CodeEntered, DeadlinePassed, Fact
from qcp_sdk.otp import Codes
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.money import Money, MoneyState
from qcp_sdk.subscription.moves import Row, moved, tell
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing import invariants
from qcp_sdk.testing.exploration.subscription import ACCOUNT, NAME, SHOWN, SubscriptionModel, approval
from qcp_sdk.testing.exploration.walk import Exploration, explore
from qcp_sdk.testing.secrets import holds_secret
from qcp_sdk.values import Secret, SessionId

Moved = tuple[Subscription, tuple[Effect, ...]]
Change = Callable[[Subscription], Moved]


def row(change: Change, *to: Stage) -> Row:
    return Row(lambda s, _fact, _now: change(s), to)


def leads(stage: Stage) -> Change:
    return lambda s: (moved(s, stage, deadline=None), ())


def patched(monkeypatch: pytest.MonkeyPatch, stage: Stage, fact: type[Fact], new: Row) -> None:
    rows: Mapping[type[Fact], Row] = {**machine.TRANSITIONS[stage], fact: new}
    monkeypatch.setattr(machine, "TRANSITIONS", MappingProxyType({**machine.TRANSITIONS, stage: rows}))


def found(plan: Plan = Plan.ASSEMBLED, states: int = 1_500) -> Exploration:
    return explore(SubscriptionModel(plan), most_states=states, most_violations=200)


def numbers(one: Exploration) -> set[str]:
    return {violation.invariant.partition(":")[0] for violation in one.violations}


def _application() -> se.Application:
    proven = approval(SessionId("s"), NAME)
    return se.Application(subscription=_id(), account=ACCOUNT, identity=proven.identity, evidence=proven.evidence)


def _id() -> Any:
    return "subscription"


def captures_at_once(s: Subscription) -> Moved:
    money = Money(MoneyState.CAPTURING, s.money.attempt, s.money.hold, s.money.wish)
    return moved(s, Stage.CONSENTING, money=money), ()


def submits_at_once(s: Subscription) -> Moved:
    return moved(s, Stage.CONSENTING), (se.SubmitRequest(application=_application(), request=SHOWN),)


def submits_again(s: Subscription) -> Moved:
    submit = se.SubmitRequest(application=_application(), request=SHOWN)
    return moved(s, s.stage), (submit,)


def takes_any_code(s: Subscription) -> Moved:
    return moved(s, Stage.HOLDING_FUNDS, codes=Codes(issued=s.codes.issued)), ()


def holds_again(s: Subscription) -> Moved:
    again = se.HoldFunds(attempt=1, cabinet=s.terms.cabinet.id, amount=s.terms.price, memo="m")
    return moved(s, s.stage), (again,)


def without_a_step(s: Subscription) -> Moved:
    following = moved(s, Stage.CONSENTING)
    following.__dict__["sequence"] = s.sequence
    return following, ()


@frozen(kw_only=True)
class Leaky(notices.SubscriptionClosed):
    inside: tuple[object, ...] = ()


def says_a_secret(s: Subscription) -> Moved:
    """Two levels deep: a field of what an effect holds."""
    notice = Leaky(subscription=s.id, reason="r", inside=(Secret("123456"),))
    return moved(s, Stage.CONSENTING), (tell(s, notice),)


def keeps_a_secret(s: Subscription) -> Moved:
    following = moved(s, Stage.CONSENTING)
    following.__dict__["consents"] = (Secret("123456"),)
    return following, ()


def rewrites_its_end(s: Subscription) -> Moved:
    return moved(s, s.stage, ending=Ending.NO_DOCUMENT), ()


@pytest.mark.parametrize(
    ("number", "stage", "fact", "change", "plan"),
    [
        ("1", Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, captures_at_once, Plan.ASSEMBLED),
        ("2", Stage.CONFIRMING_DETAILS, sf.DetailsContested, leads(Stage.CLOSED), Plan.ASSEMBLED),
        ("3", Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, submits_at_once, Plan.ASSEMBLED),
        ("3", Stage.HOLDING_FUNDS, sf.FundsHeld, leads(Stage.ACTIVE), Plan.ASSEMBLED),
        ("4", Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, submits_again, Plan.ASSEMBLED),
        ("5", Stage.VERIFYING_EMAIL, CodeEntered, takes_any_code, Plan.ASSEMBLED),
        ("6", Stage.CLOSED, sf.DetailsConfirmed, leads(Stage.CONSENTING), Plan.ASSEMBLED),
        ("7", Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, without_a_step, Plan.ASSEMBLED),
        ("9", Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, holds_again, Plan.ASSEMBLED),
        ("10", Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, says_a_secret, Plan.ASSEMBLED),
        ("11", Stage.OPENING_REGISTRATION, sf.RegistrationOpened, leads(Stage.CLOSED), Plan.HOSTED),
        ("12", Stage.CLOSED, Cancelled, rewrites_its_end, Plan.ASSEMBLED),
    ],
)
def test_a_broken_row_is_reported_by_its_number(
    monkeypatch: pytest.MonkeyPatch, number: str, stage: Stage, fact: type[Fact], change: Change, plan: Plan
) -> None:
    # What is not broken by this is not reported by it: the same states without it are clean.
    assert number not in numbers(found(plan, states=200))
    patched(monkeypatch, stage, fact, row(change))
    broken = found(plan)
    assert number in numbers(broken)
    # The way there is told from the beginning.
    assert all(violation.path[0] == "subscription_opened" for violation in broken.violations)


def test_a_stage_that_nothing_leaves_is_reported_as_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    patched(monkeypatch, Stage.CONSENTING, DeadlinePassed, row(leads(Stage.CONSENTING)))
    patched(monkeypatch, Stage.CONSENTING, sf.ConsentGiven, row(leads(Stage.CONSENTING)))
    broken = explore(SubscriptionModel(Plan.ASSEMBLED), most_violations=3)
    assert "8: no way to an end by these alone" in {one.invariant for one in broken.violations}


def test_a_claim_that_is_not_kept_is_reported_as_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invariants, "claims", lambda _s: frozenset())
    assert "4" in numbers(found(states=50))


def test_a_state_that_the_store_changes_is_reported_as_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    unpack = codec.unpack_state

    def forgetful(packed: bytes) -> Any:
        state = unpack(packed)
        return evolve(state, consents=()) if isinstance(state, Subscription) else state

    monkeypatch.setattr(codec, "unpack_state", forgetful)
    broken = found(states=400)
    assert "7: the state that is stored is not the state that was reached" in {
        one.invariant for one in broken.violations
    }


def test_a_step_that_depends_on_more_than_its_arguments_is_reported_as_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(10_000_000))

    def restless(s: Subscription) -> Moved:
        return moved(s, Stage.CONSENTING, settled=frozenset({f"reminder:{next(count)}"})), ()

    patched(monkeypatch, Stage.CONFIRMING_DETAILS, sf.DetailsConfirmed, row(restless))
    assert "7: folding the journal gives another state" in {one.invariant for one in found(states=400).violations}


def test_a_secret_in_a_state_is_reported_as_ten() -> None:
    opened = next(world.subscription for _, world in SubscriptionModel(Plan.ASSEMBLED).roots())
    leaking, _ = keeps_a_secret(opened)
    assert "10: a secret is in a state" in invariants.broken_in(leaking, invariants.Ghost())
    assert invariants.broken_in(opened, invariants.Ghost()) == ()


def _depths() -> Iterator[tuple[object, bool]]:
    secret = Secret("123456")
    yield secret, True
    yield (1, (2, secret)), True
    yield {"a": {"b": [secret]}}, True
    yield frozenset({"a"}), False
    yield Notify(to=ACCOUNT, notice=Alert(what="a", about="b")), False  # type: ignore[arg-type]
    yield Notify(to=ACCOUNT, notice=Alert(what="a", about=secret)), True  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "expected"), list(_depths()))
def test_a_secret_is_seen_at_any_depth(value: object, expected: bool) -> None:
    assert holds_secret(value) is expected


def test_an_authority_that_is_not_waited_for_is_reported_as_eleven() -> None:
    waiting = next(world.subscription for _, world in SubscriptionModel(Plan.ASSEMBLED).roots())
    before = moved(waiting, Stage.AWAITING_CERTIFICATE, deadline=None)
    after = moved(before, Stage.CLOSED, ending=Ending.DEADLINE_PASSED)
    now = waiting.deadline.at + timedelta(days=9) if waiting.deadline else None
    assert now is not None
    broken = invariants.broken_by_step(before, DeadlinePassed(deadline="d"), now, after, (), invariants.Ghost())
    assert "11: the authority has not decided, and it is not waited for" in broken


def test_a_violation_is_printed_with_its_way_and_the_command_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from qcp_sdk.testing.exploration import models

    patched(monkeypatch, Stage.CONFIRMING_DETAILS, sf.DetailsContested, row(leads(Stage.CLOSED)))
    monkeypatch.setattr(models, "run", lambda _name: found(states=600))
    assert main(["explore", "--plan", "assembled"]) == 1
    printed = capsys.readouterr().out
    shortest = "subscription_opened > code_requested > code_entered right > funds_held 1 > details_contested"
    assert (
        f"VIOLATION 2: final, and the hold is neither captured nor released (subscription, assembled): {shortest}"
        in (printed)
    )
    assert main(["explore", "--plan", "assembled", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["violations"][0]["path"] == shortest.split(" > ")
