"""The worlds around the machines: complete at a small budget here, at the full one in `make full`; and their teeth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony import machine as ceremony_machine
from qcp_sdk.ceremony import signing
from qcp_sdk.ceremony.effects import EmbedSignature
from qcp_sdk.ceremony.stages import CeremonyPlan, CeremonyStage
from qcp_sdk.ceremony.state import at
from qcp_sdk.cli import WORLD_NAMES, main
from qcp_sdk.collectes import Order
from qcp_sdk.effects import Wake
from qcp_sdk.engine import performers, turns
from qcp_sdk.engine.deciding import Again, Decision, Done, decide
from qcp_sdk.facts import Cancelled, DeadlinePassed, Fact
from qcp_sdk.host import terms as host_terms
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription import machine, opening
from qcp_sdk.subscription.moves import Row, closing, deadline, ignored
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.testing.exploration import models
from qcp_sdk.testing.exploration.walk import Exploration, explore
from qcp_sdk.testing.exploration.world import engine, renewals, signatories, subscription
from qcp_sdk.testing.exploration.world.faults import NONE, ONE, Budget, spend
from qcp_sdk.testing.exploration.world.renewals import RenewalsWorld
from qcp_sdk.testing.exploration.world.signatories import SignatoriesWorld
from qcp_sdk.testing.exploration.world.signing_desk import DOCUMENT
from qcp_sdk.testing.exploration.world.subscription import SubscriptionWorld

EXPECTED = Path(__file__).with_name("explored.json")


def assert_as_expected(found: Exploration) -> None:
    assert found.complete
    assert found.violations == []
    expected = json.loads(EXPECTED.read_text("utf-8"))[found.model]
    assert {"states": found.states, "transitions": found.transitions, "graph": found.graph} == expected


MARKS = {
    **dict.fromkeys(("assembled", "hosted", "signatories"), pytest.mark.long),
    "signatories-parallel": pytest.mark.full,  # a minute, and the sequential one is next to it
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, ())) for name in sorted(models.SMALL)])
def test_a_small_world_holds_every_invariant_and_can_end(name: str) -> None:
    assert_as_expected(models.run_world(name, models.SMALL[name]))


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(name for name in models.LARGE if models.LARGE[name] != models.SMALL[name]))
def test_a_large_world_holds_every_invariant_and_can_end(name: str) -> None:
    assert_as_expected(models.run_world(name))


def test_the_command_knows_every_world() -> None:
    assert set(WORLD_NAMES) == set(models.WORLDS) == set(models.LARGE) == set(models.SMALL)


def test_the_command_explores_a_world(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--world", "--plan", "signatories-hosted", "--budget", "0,0,0", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {"states", "transitions", "invariants", "violations", "complete", "seconds"} <= printed.keys()
    assert list(printed["models"]) == ["two signatories, hosted, sequential, 0+0+0 faults"]


def test_a_world_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--world", "--plan", "money"]) == 2
    assert "`money` is not a world" in capsys.readouterr().err


def test_each_fault_is_spent_once() -> None:
    budget = Budget(1, 1, 1)
    for fault in ("duplicate", "crash", "failure"):
        budget = spend(budget, fault)
    assert budget == NONE


# --- teeth: what is broken on purpose is found, by its number -------------------------------------------------------


def broken(model: Any, states: int = 12_000) -> set[str]:
    found = explore(model, most_states=states, most_violations=500)
    return {violation.invariant.partition(":")[0] for violation in found.violations}


def in_the_world(plan: Plan, budget: Budget = NONE) -> set[str]:
    return broken(SubscriptionWorld(plan, budget))


def test_a_key_that_is_not_kept_holds_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that tries again under a new key: the ledger has two holds for one intent."""
    handed = engine.handed

    def renamed(stream: Any, entry: Any, decision: Decision, *, says: str) -> Any:
        following, parked = handed(stream, entry, decision, says=says)
        if isinstance(decision, Again) and isinstance(entry.effect, se.HoldFunds):
            outbox = tuple(
                engine.Entry(type(one.key)(f"{one.key}/again"), one.effect, one.name) if one.key == entry.key else one
                for one in following.outbox
            )
            following = engine.Stream(following.state, outbox, following.hands)
        return following, parked

    monkeypatch.setattr(subscription, "handed", renamed)
    assert "9" in in_the_world(Plan.ASSEMBLED, Budget(0, 0, 1))


def test_a_hold_whose_answer_is_given_up_is_left_at_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that takes an unconfirmed hold for done."""

    def careless(effect: Any, result: object, *, key: Any, attempts: int) -> Decision:
        decision = decide(effect, result, key=key, attempts=attempts)
        return Done() if isinstance(decision, Again) and isinstance(effect, se.HoldFunds) else decision

    monkeypatch.setattr(engine, "decide", careless)
    assert "2" in in_the_world(Plan.ASSEMBLED, Budget(0, 0, 1))


def test_a_late_hold_that_is_not_released_is_left_at_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = {**machine.SETTLEMENTS[Stage.CLOSED], sf.FundsHeld: ignored}
    monkeypatch.setattr(machine, "SETTLEMENTS", MappingProxyType(dict.fromkeys(Stage, settled)))
    assert "2" in in_the_world(Plan.ASSEMBLED)


def test_a_late_session_that_is_not_cancelled_is_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = {**machine.SETTLEMENTS[Stage.CLOSED], sf.IdentityOpened: ignored}
    monkeypatch.setattr(machine, "SETTLEMENTS", MappingProxyType(dict.fromkeys(Stage, settled)))
    assert "w2" in in_the_world(Plan.ASSEMBLED)


def test_a_late_certificate_that_is_not_revoked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    settled = {**machine.SETTLEMENTS[Stage.CLOSED], sf.CertificateIssued: ignored}
    monkeypatch.setattr(machine, "SETTLEMENTS", MappingProxyType(dict.fromkeys(Stage, settled)))
    assert "w3" in in_the_world(Plan.HOSTED)


def test_a_request_that_is_pending_after_it_was_settled_by_hand_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was before: a certificate that was issued later was never heard of."""
    settled = {**machine.SETTLEMENTS[Stage.CLOSED], sf.CertificatePending: ignored}
    monkeypatch.setattr(machine, "SETTLEMENTS", MappingProxyType(dict.fromkeys(Stage, settled)))
    assert "w3" in in_the_world(Plan.ASSEMBLED)


def test_a_registration_that_is_left_without_closing_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    leaves_at_once = Row(closing(Ending.CANCELLED), (Stage.CLOSED,))
    rows = {**machine.TRANSITIONS[Stage.OPENING_REGISTRATION], Cancelled: leaves_at_once}
    changed = {**machine.TRANSITIONS, Stage.OPENING_REGISTRATION: rows}
    monkeypatch.setattr(machine, "TRANSITIONS", MappingProxyType(changed))
    assert "w2" in in_the_world(Plan.HOSTED)


def test_a_machine_that_forgets_its_wait_cannot_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgotten(s: Any, part: str, at: Any) -> Any:
        return deadline(s, part, at)[0], Wake(at=at, fact=DeadlinePassed(deadline="another"))

    monkeypatch.setattr(opening, "deadline", forgotten)
    assert "8" in in_the_world(Plan.HOSTED)


def two(plan: CeremonyPlan = CeremonyPlan.OURS, order: Order = Order.PARALLEL, budget: Budget = NONE) -> Any:
    return SignatoriesWorld(plan, order, budget)


def test_without_reservations_a_signature_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reserves, and nobody looks whether the revision is still the present one."""

    def embeds(c: Any, e: Any) -> Fact:
        _, count = c.engine.revision(c.state, e.document)
        content = type(e.base)(f"{e.base}+{c.state.id}")
        return cf.DocumentSigned(document=e.document, content=content, revision=count + 1)

    monkeypatch.setattr(signatories, "MOST_CODES", 1)
    monkeypatch.setattr(ceremony_machine, "claims", lambda _c: frozenset())
    monkeypatch.setattr(performers, "PERFORMERS", {**performers.PERFORMERS, EmbedSignature: embeds})
    assert "s1" in broken(two(), 40_000)


def test_a_copy_that_is_sent_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def eager(ceremony: Any, siblings: Any) -> turns.Telling:
        documents = (("doc.pdf", turns.revision(ceremony, siblings, DOCUMENT)[0]),)
        return tuple((one.id, cf.CollecteCompleted(documents=documents)) for one in siblings)

    monkeypatch.setattr(turns, "passing", eager)
    assert "s4" in broken(two(order=Order.SEQUENTIAL))


class Eager(SignatoriesWorld):
    """Lets the second act from the start."""

    def _opened(self, place: int) -> Any:
        stream = super()._opened(place)
        return engine.Stream(evolve(stream.state, stage=CeremonyStage.CONSENTING), stream.outbox)


def test_a_turn_that_comes_too_early_is_found() -> None:
    assert "s3" in broken(Eager(CeremonyPlan.OURS, Order.SEQUENTIAL, NONE), 2_000)


def test_an_activation_that_was_lost_goes_with_what_it_was_to_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was before: a late "I will answer" led back to a wait that nothing ended."""
    back = at

    def forgetful(c: Any, stage: Any, **changes: Any) -> Any:
        if changes.get("lost", "") is None and "round" in changes:
            del changes["lost"]
        return back(c, stage, **changes)

    monkeypatch.setattr(signing, "at", forgetful)
    monkeypatch.setattr(ceremony_machine, "at", _keeping_lost(at))
    assert "8" in broken(two(order=Order.SEQUENTIAL), 100_000)


def _keeping_lost(moves: Callable[..., Any]) -> Callable[..., Any]:
    def kept(c: Any, stage: Any, **changes: Any) -> Any:
        changes.pop("lost", None)
        return moves(c, stage, **changes)

    return kept


def test_an_opening_that_is_not_looked_at_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was before: terms that were decided long ago were committed as they were."""
    monkeypatch.setattr(renewals, "outdated", lambda *_given: False)
    assert "4" in broken(RenewalsWorld(), 60_000)


def test_a_renewal_that_takes_any_slot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_terms, "refusals", lambda *_given: ())
    monkeypatch.setattr(opening, "refusals", lambda *_given: ())
    assert "4" in broken(RenewalsWorld(), 60_000)


def test_the_smallest_worlds_are_clean() -> None:
    """What the tests above break is what they find: unbroken, the same worlds have nothing to report."""
    assert in_the_world(Plan.HOSTED) == set()
    assert broken(two(CeremonyPlan.HOSTED, Order.SEQUENTIAL, ONE)) == set()
