"""The engine's promises (behaviour § 7), on collaborators in memory that fail when they are told to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk import codec
from qcp_sdk.adapters.memory.authority import issue
from qcp_sdk.adapters.memory.authority import silence as never_decides
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.identity import MemoryIdentity, silence
from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.shared.books import Movement
from qcp_sdk.effects import Alert, Effect, Nature, SendCode
from qcp_sdk.engine import schedule
from qcp_sdk.engine.performers import PERFORMERS, QUERIES, REFUSALS, UNCONFIRMED
from qcp_sdk.engine.streams import LEASE
from qcp_sdk.errors import (
    Conflict,
    FactRefused,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from qcp_sdk.facts import Cancelled, CodeRequested, Fact, SilenceNoted
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account
from qcp_sdk.ports.store import Batch, LeasedEffect, OutboxRow
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.facts import CaptureFinished, DetailsConfirmed, IdentityOpened
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.scene import CABINET, CREDIT, Scene
from qcp_sdk.values import Cents, ContentHash, Fingerprint, HoldId, Key, SessionId, SubscriptionId

MINUTES = timedelta(minutes=1)


def drop(_work: Callable[[], None]) -> None:
    """Die between the commit and what follows it."""


class SpyStore(MemoryStore):
    """Keeps what was committed; fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Batch] = []
        self.failing: Callable[[Batch], bool] = lambda _batch: False
        self.down: set[str] = set()

    def commit(self, *, batch: Batch) -> None:
        if self.failing(batch):
            raise Unavailable("the store is away")
        super().commit(batch=batch)
        self.batches.append(batch)

    def load(self, *, id: str) -> Any:
        self._check("load")
        return super().load(id=id)

    def postpone(self, *, key: Key, token: int, due: datetime, note: str) -> None:
        self._check("postpone")
        super().postpone(key=key, token=token, due=due, note=note)

    def park(self, *, key: Key, token: int, reason: str) -> None:
        self._check("park")
        super().park(key=key, token=token, reason=reason)

    def _check(self, method: str) -> None:
        if method in self.down:
            raise Unavailable("the store is away")


def spied(**options: Any) -> tuple[Scene, SpyStore]:
    world, store = MemoryWorld(), SpyStore()
    world.store = store
    return Scene(world=world, **options), store


def outstanding(scene: Scene, view: SubscriptionView, kind: str) -> list[OutboxRow]:
    return [row for row in scene.world.store.outstanding(stream=view.id) if row.kind == kind]


def held(scene: Scene) -> int:
    return sum(line.movement is Movement.HOLD for line in scene.world.books.statement(cabinet=CABINET.id))


# --- § 7.1: one transaction for a fact --------------------------------------------------------------------------


def test_one_transaction_holds_everything_that_a_fact_changes() -> None:
    scene, store = spied()
    view = scene.open(scene.jessica).say(CodeRequested())
    store.batches.clear()
    view.say(scene.code(scene.jessica, Purpose.OPEN))

    entered, answered = store.batches
    assert [row.kind for row in entered.journal] == ["code_entered"]
    assert [(stream.kind, stream.version) for stream in entered.streams] == [("subscription", 3), ("attempts", 2)]
    assert entered.streams[0].head == entered.journal[0].hash
    (hold,) = entered.outbox
    assert (hold.key, hold.kind) == (f"{view.id}/3/0", "hold_funds")
    assert hold.leased_until == scene.world.clock.now() + LEASE, "leased to whoever commits, in the same transaction"

    assert answered.answered == ((hold.key, 1),), "the mark on the effect goes with the fact that answers it"
    assert [row.kind for row in answered.journal] == ["funds_held"]


def test_the_claims_of_a_stream_move_with_its_fact() -> None:
    scene, store = spied()
    view = scene.open(scene.jessica)
    assert [len(batch.claim) for batch in store.batches] == [2], "the open subscription, and its certificate's slot"
    scene.advance(view, Stage.ACTIVE)
    (issued,) = [batch for batch in store.batches if any(row.kind == "certificate_issued" for row in batch.journal)]
    assert (len(issued.claim), len(issued.unclaim)) == (0, 1), "the open subscription's claim is given back"


def test_what_is_not_committed_has_not_happened() -> None:
    scene, store = spied()
    view = scene.open(scene.jessica).say(CodeRequested())
    code = scene.code(scene.jessica, Purpose.OPEN)
    store.failing = lambda _batch: True
    with pytest.raises(Unavailable):
        view.say(code)
    assert held(scene) == 0, "nothing is performed before the commit"
    store.failing = lambda _batch: False
    assert view.say(code).stage is Stage.CONFIRMING_DETAILS
    scene.prove(view.id)


def test_a_refusal_leaves_nothing_behind() -> None:
    scene, store = spied()
    view = scene.open(scene.jessica)
    before, batches = scene.qcp.engine.streams.load(view.id), len(store.batches)
    with pytest.raises(FactRefused):
        view.say(DetailsConfirmed())
    assert scene.qcp.engine.streams.load(view.id) == before
    assert len(store.batches) == batches


def test_a_fact_that_changes_nothing_is_not_recorded() -> None:
    scene, store = spied()
    view = scene.subscribe(scene.jessica)
    batches = len(store.batches)
    state = scene.qcp.engine.streams.load(view.id).state
    recorded = scene.qcp.engine.record(view.id, sf.FundsHeld(attempt=1, hold=state.money.hold))
    assert not recorded.changed
    assert len(store.batches) == batches


def test_nothing_is_readable_in_the_store() -> None:
    scene, store = spied()
    scene.subscribe(scene.jessica)
    told = b"".join(
        part
        for batch in store.batches
        for part in (
            *(stream.state for stream in batch.streams),
            *(row.payload for row in batch.journal),
            *(row.payload for row in batch.outbox),
            *(f"{name}{value}".encode() for stream in batch.streams for name, value in stream.indexes),
            *(name.encode() for name, _ in batch.claim),
        )
    )
    for personal in (b"Poussart", b"jessica", b"33639981316"):
        assert personal not in told


# --- § 7.2 to 7.4: each effect under its own key, at least once, exactly once by the ports' promises -------------

CALLS = [
    ("ledger", "hold"),
    ("identity", "open"),
    ("identity", "ask"),
    ("documents", "compose_request"),
    ("documents", "seal_request"),
    ("authority", "submit"),
    ("authority", "ask"),
    ("ledger", "capture"),
    ("notices", "send"),
]
HOSTED_CALLS = [("ledger", "hold"), ("registration", "open"), ("registration", "ask"), ("notices", "send")]
SIGNING_CALLS = [
    ("signer", "credential"),
    ("signer", "challenge"),
    ("envelope", "prepare"),
    ("envelope", "embed"),
    ("notices", "send"),
]


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("lost", [False, True], ids=["unavailable", "unconfirmed"])
@pytest.mark.parametrize(
    ("plan", "port", "method"),
    [(Plan.ASSEMBLED, *call) for call in CALLS] + [(Plan.HOSTED, *call) for call in HOSTED_CALLS],
    ids=lambda value: str(value),
)
def test_a_call_that_fails_is_made_again_and_acts_once(
    plan: Plan, port: str, method: str, lost: bool, times: int
) -> None:
    scene = Scene(offer=Offer(plan=plan))
    view = scene.open(scene.jessica)
    faults = scene.world.faults
    (faults.unconfirmed if lost else faults.unavailable)(port, method, times=times)
    scene.world.authority.script(None, issue(after=5 * MINUTES))
    view = scene.advance(view, Stage.ACTIVE)
    scene.wait(timedelta(hours=2))
    assert faults.calls[port, method] > times, "the fault was met, and the call made again"
    assert scene.taken() == Cents(2_000)
    assert scene.balance() == CREDIT - 2_000
    assert len(scene.world.authority.held_by(scene.jessica.id)) == 1
    assert len(set(scene.notices(scene.jessica))) == len(scene.notices(scene.jessica)), "no message went twice"
    assert scene.world.store.parked() == ()
    scene.prove(view.id)


@pytest.mark.parametrize("lost", [False, True], ids=["unavailable", "unconfirmed"])
@pytest.mark.parametrize(("port", "method"), SIGNING_CALLS, ids=str)
def test_a_call_that_fails_while_signing_is_made_again_and_acts_once(port: str, method: str, lost: bool) -> None:
    scene = Scene()
    scene.subscribe(scene.jessica)
    (ceremony,) = scene.start(scene.collecte(scene.jessica))
    ceremony = scene.consent(ceremony)
    faults = scene.world.faults
    (faults.unconfirmed if lost else faults.unavailable)(port, method)
    ceremony = ceremony.say(CodeRequested())
    scene.wait(timedelta(minutes=1))
    done = ceremony.say(scene.code(scene.jessica, Purpose.SIGN))
    scene.wait(timedelta(minutes=5))
    done = scene.qcp.collectes.ceremony(done.id)
    (document,) = done.show.documents
    assert document.signed is not None
    assert len(scene.world.envelope.signatures(scene.qcp.collectes.read(document.signed))) == 1
    scene.prove(ceremony.id)


def test_unavailable_waits_and_comes_back_under_the_same_key() -> None:
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    scene.world.faults.unavailable("ledger", "hold", times=3)
    view = view.say(scene.code(scene.jessica, Purpose.OPEN))
    assert view.stage is Stage.HOLDING_FUNDS
    (row,) = outstanding(scene, view, "hold_funds")
    assert row.due > scene.world.clock.now(), "not at once"
    scene.wait(10 * MINUTES)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_DETAILS
    (line,) = [one for one in scene.world.books.statement(cabinet=CABINET.id) if one.movement is Movement.HOLD]
    assert line.key == row.key == f"{view.id}/3/0"
    assert held(scene) == 1


def test_the_wait_grows_and_two_keys_do_not_come_back_together() -> None:
    waits = [schedule.backoff(Key("a/1/0"), attempt) for attempt in range(1, 30)]
    assert timedelta(seconds=24) <= waits[0] <= timedelta(seconds=36)
    assert max(waits) <= schedule.LONGEST * 1.2
    assert min(waits[8:]) >= schedule.LONGEST * 0.8
    assert waits == [schedule.backoff(Key("a/1/0"), attempt) for attempt in range(1, 30)], "derived, not drawn"
    assert len({schedule.backoff(Key(f"a/{n}/0"), 1) for n in range(20)}) > 10


def test_unconfirmed_asks_for_the_outcome_of_the_key_first() -> None:
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    scene.world.faults.unconfirmed("ledger", "hold")
    view = view.say(scene.code(scene.jessica, Purpose.OPEN))
    assert view.stage is Stage.HOLDING_FUNDS
    assert held(scene) == 1, "it did act; nobody heard"
    assert scene.world.faults.calls["ledger", "outcome"] == 0
    scene.wait(MINUTES)
    assert scene.world.faults.calls["ledger", "outcome"] == 1
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_DETAILS
    assert held(scene) == 1


def test_an_unconfirmed_refusal_is_learned_from_the_outcome() -> None:
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    # Spent elsewhere since the page was shown.
    other = scene.world.books.hold(key=Key("other"), cabinet=CABINET.id, amount=CREDIT, memo="other")
    scene.world.faults.unconfirmed("ledger", "hold")
    view = view.say(scene.code(scene.jessica, Purpose.OPEN))
    scene.world.books.release(key=Key("other back"), hold=other)
    scene.wait(MINUTES)
    view = scene.qcp.subscriptions.get(view.id)
    assert (view.stage, view.show.ending) == (Stage.CLOSED, "insufficient_funds"), "the first answer counts"
    assert scene.balance() == CREDIT


@pytest.mark.parametrize("lost", [False, True], ids=["unavailable", "unconfirmed"])
def test_a_code_is_sent_again_only_when_it_certainly_did_not_leave(lost: bool) -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    faults = scene.world.faults
    (faults.unconfirmed if lost else faults.unavailable)("codes", "send")
    view = view.say(CodeRequested())
    scene.wait(MINUTES)
    view = scene.qcp.subscriptions.get(view.id)
    assert view.show.code is not None
    if lost:
        assert faults.calls["codes", "send"] == 1, "an SMS is neither repeated nor queried"
        assert view.show.code.problem == "unconfirmed"
        assert view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.OPEN)).stage is Stage.CONFIRMING_DETAILS
    else:
        assert faults.calls["codes", "send"] == 2
        assert view.show.code.problem == ""
        assert len(scene.world.codes.outbox) == 1


def test_a_code_is_never_sent_after_its_time() -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    scene.world.faults.unavailable("codes", "send", times=100)
    view = view.say(CodeRequested())
    scene.wait(10 * MINUTES)
    assert scene.world.codes.outbox == ()
    assert scene.qcp.subscriptions.get(view.id).show.code is not None
    shown = scene.qcp.subscriptions.get(view.id).show.code
    assert shown is not None
    assert shown.problem == "expired"
    assert outstanding(scene, view, "send_code") == []


def test_whoever_dies_while_parking_has_told_an_operator_before() -> None:
    class Dies(BaseException):
        """The end of the process."""

    class DyingStore(MemoryStore):
        def park(self, *, key: Key, token: int, reason: str) -> None:
            super().park(key=key, token=token, reason=reason)
            raise Dies

    world = MemoryWorld()
    world.store = DyingStore()
    scene = Scene(world=world)
    world.notices.make_unreachable(scene.jessica.email)
    view = scene.open(scene.jessica)
    with pytest.raises(Dies):
        view.say(Cancelled())
    assert len(world.store.parked()) == 1
    assert [alert.what for alert in scene.alerts] == ["effect_parked"]


def test_a_refusal_without_a_fact_is_parked_told_and_settled_by_hand() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.notices.make_unreachable(scene.jessica.email)
    scene.advance(view, Stage.CONFIRMING_IDENTITY)
    (parked,) = scene.world.store.parked()
    assert (parked.kind, parked.reason) == ("notify", "undeliverable")
    assert [alert.what for alert in scene.alerts] == ["effect_parked"]
    assert scene.qcp.backlog().parked == 1
    scene.wait(timedelta(days=2))
    assert len(scene.world.store.parked()) == 1, "nothing parked is lost, or tried again by itself"
    scene.world.store.discard(key=parked.key)
    assert scene.qcp.backlog().parked == 0


REJECTED = Rejected("it says no", reason="says_no")
HASH = ContentHash("sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("effect", "fact"),
    [
        (
            se.HoldFunds(attempt=2, cabinet=CABINET.id, amount=Cents(1), memo=""),
            sf.FundsRefused(attempt=2, reason="says_no"),
        ),
        (se.CaptureFunds(hold=HoldId("h")), sf.CaptureRefused(hold=HoldId("h"), reason="says_no")),
        (se.ReleaseFunds(hold=HoldId("h")), None),
        (se.AskIdentity(session=SessionId("s")), sf.IdentityAbandoned(session=SessionId("s"))),
        (
            se.RevokeCertificate(fingerprint=Fingerprint("f"), reason="superseded"),
            sf.RevocationRefused(fingerprint=Fingerprint("f"), reason="says_no"),
        ),
        (se.AskRegistration(session=SessionId("s")), sf.RegistrationExpired(session=SessionId("s"))),
    ],
    ids=lambda value: getattr(value, "kind", "none"),
)
def test_a_refusal_is_the_fact_that_its_row_says(effect: Effect, fact: Fact | None) -> None:
    assert REFUSALS[type(effect)](effect, REJECTED) == fact


def test_a_hold_settled_under_another_key_is_taken_as_settled() -> None:
    capture, release = se.CaptureFunds(hold=HoldId("h")), se.ReleaseFunds(hold=HoldId("h"))

    def refused(effect: Effect, reason: str) -> Fact | None:
        return REFUSALS[type(effect)](effect, Rejected("no", reason=reason))

    assert refused(capture, "already_captured") == sf.FundsCaptured(hold=HoldId("h"))
    assert refused(release, "already_released") == sf.FundsReleased(hold=HoldId("h"))
    assert refused(release, "hold_gone") == sf.FundsReleased(hold=HoldId("h"))
    assert refused(release, "already_captured") is None, "a person must look"


def test_every_effect_has_its_rows() -> None:
    effects = set(codec.EFFECT_KINDS.values())
    assert set(PERFORMERS) == effects
    assert {one for one in effects if one.nature is Nature.QUERYABLE} == set(QUERIES)
    assert {one for one in effects if one.nature is Nature.NEITHER} == set(UNCONFIRMED) == {SendCode}
    assert set(REFUSALS) <= effects


# --- § 7.3: what fails, or dies with the process, is picked up ---------------------------------------------------


def test_what_died_before_it_was_performed_is_picked_up_when_its_lease_ends() -> None:
    scene = Scene(after_commit=drop)
    view = scene.open(scene.jessica).say(CodeRequested())
    assert scene.world.codes.outbox == ()
    survivor = scene.installation()
    assert survivor.run_due() == 0, "it is leased to the process that died"
    scene.world.clock.advance(LEASE)
    assert survivor.run_due() == 1
    assert survivor.subscriptions.get(view.id).say(scene.code(scene.jessica, Purpose.OPEN)).stage is (
        Stage.CONFIRMING_DETAILS
    )


@pytest.mark.parametrize("plan", list(Plan), ids=str)
def test_a_whole_journey_by_workers_alone(plan: Plan) -> None:
    """Every process dies right after every commit; only `run_due` performs anything."""
    scene = Scene(after_commit=drop, offer=Offer(plan=plan))
    view = scene.open(scene.jessica)
    stages = [one for one in Stage if one not in HOSTED_STAGES[4:6]] if plan is Plan.ASSEMBLED else list(HOSTED_STAGES)
    while view.stage is not Stage.ACTIVE:
        if CodeRequested in view.can:
            view.say(CodeRequested())
            scene.wait(LEASE)
        view = scene.advance(view, stages[stages.index(view.stage) + 1])
    scene.wait(timedelta(hours=1))
    assert scene.taken() == Cents(2_000)
    scene.prove(view.id)


HOSTED_STAGES = (
    Stage.VERIFYING_EMAIL,
    Stage.HOLDING_FUNDS,
    Stage.CONFIRMING_DETAILS,
    Stage.CONSENTING,
    Stage.OPENING_REGISTRATION,
    Stage.REGISTERING,
    Stage.ACTIVE,
)


@pytest.mark.parametrize(
    "kind",
    [
        "funds_held",
        "identity_opened",
        "request_prepared",
        "request_sealed",
        "certificate_issued",
        "funds_captured",
    ],
)
def test_an_answer_that_was_not_recorded_is_asked_for_again_and_is_the_same(kind: str) -> None:
    """The process dies after the port has acted and before the answer is written."""
    scene, store = spied()
    died: list[Batch] = []

    def dying(batch: Batch) -> bool:
        if died or not any(row.kind == kind for row in batch.journal):
            return False
        died.append(batch)
        return True

    store.failing = dying
    view = scene.subscribe(scene.jessica)
    scene.wait(timedelta(hours=1))
    assert died, "the answer was lost once"
    recorded = [row for row in scene.qcp.records.history(view.id) if row.fact.kind == kind]
    assert len(recorded) == 1
    assert scene.taken() == Cents(2_000)
    assert held(scene) == 1
    assert len(scene.world.identity.sessions()) == 1
    assert len(scene.world.authority.held_by(scene.jessica.id)) == 1
    scene.prove(view.id)


def test_what_is_performed_late_in_a_hook_is_left_to_whoever_leases_it() -> None:
    """A host's on-commit hook may run long after; the lease has ended by then."""
    late: list[Callable[[], None]] = []
    scene = Scene(after_commit=late.append)
    scene.open(scene.jessica).say(CodeRequested())
    scene.world.clock.advance(LEASE)
    for work in late:
        work()
    assert scene.world.codes.outbox == ()
    assert scene.installation().run_due() == 1
    assert len(scene.world.codes.outbox) == 1


def leased(scene: Scene, kind: str) -> LeasedEffect:
    now = scene.world.clock.now()
    (one,) = [row for row in scene.world.store.lease(now=now, until=now + LEASE, limit=100) if row.kind == kind]
    return one


def test_a_stale_lease_is_fenced_off() -> None:
    scene, store = spied(after_commit=drop)
    view = scene.open(scene.jessica).say(CodeRequested())
    scene.wait(LEASE)
    view.say(scene.code(scene.jessica, Purpose.OPEN))
    scene.world.clock.advance(LEASE)
    slow = leased(scene, "hold_funds")
    scene.world.clock.advance(LEASE)
    quick = leased(scene, "hold_funds")
    assert quick.token > slow.token

    scene.qcp.engine.perform(slow)
    assert held(scene) == 0, "its lease has ended: it does not even ask"
    # A clock that differs: it believes in its lease, asks, and is fenced off when it answers.
    batches = len(store.batches)
    scene.qcp.engine.perform(evolve(slow, leased_until=scene.world.clock.now() + LEASE))
    assert len(store.batches) == batches
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.HOLDING_FUNDS
    scene.qcp.engine.perform(quick)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_DETAILS
    assert held(scene) == 1
    # And both once more, after everything.
    scene.qcp.engine.perform(evolve(quick, leased_until=scene.world.clock.now() + LEASE))
    assert held(scene) == 1
    scene.prove(view.id)


def test_everything_of_one_fact_is_performed_before_what_its_answers_ask_for() -> None:
    scene = Scene()
    scene.subscribe(scene.jessica)
    names = [one.__name__ for one in scene.notices(scene.jessica)]
    assert names == ["IdentityApproved", "RequestSubmitted", "CertificateIssued"]


# --- faults of adapters, of the store, of the host ---------------------------------------------------------------


class BrokenIdentity(MemoryIdentity):
    """Fails as no port may."""

    def __init__(self, *, clock: ManualClock, answer: Callable[[], object]) -> None:
        super().__init__(clock=clock)
        self.answer: Callable[[], object] | None = answer
        self.asked = 0

    def open(self, *, key: Key, attempt: int, subscription: SubscriptionId, person: Account) -> IdentityOpened:
        self.asked += 1
        if self.answer is not None:
            return self.answer()  # type: ignore[return-value]
        return super().open(key=key, attempt=attempt, subscription=subscription, person=person)


def _raises() -> object:
    raise ValueError("Jessica Poussart, R544XM")


def _types() -> object:
    return {"session": "s"}


def _nonsense() -> object:
    return sf.IdentityOpened(attempt=1, session=[], url="", expires=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [_raises, _types, _nonsense])
def test_an_adapters_own_fault_is_tried_again_then_parked_and_never_comes_out(
    answer: Callable[[], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="qcp_sdk")
    world = MemoryWorld()
    broken = BrokenIdentity(clock=world.clock, answer=answer)
    world.identity = broken
    scene = Scene(world=world)
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    view = scene.advance(view, Stage.OPENING_IDENTITY)
    scene.wait(timedelta(hours=3))
    assert broken.asked == schedule.MOST_FAULTS
    (parked,) = world.store.parked()
    assert parked.kind == "open_identity"
    assert [alert.what for alert in scene.alerts if alert.what == "effect_parked"] == ["effect_parked"]
    for told in (caplog.text, parked.reason, str(scene.alerts)):
        assert "Poussart" not in told
        assert "R544XM" not in told

    broken.answer = None
    world.store.unpark(key=parked.key, due=world.clock.now())
    scene.wait(MINUTES)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.PROVING_IDENTITY


def test_a_store_that_is_away_loses_nothing_and_parks_nothing() -> None:
    scene, store = spied()
    scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    store.down = {"load"}
    scene.wait(timedelta(minutes=5))
    assert store.parked() == ()
    store.down = {"postpone", "park"}
    scene.wait(timedelta(minutes=5))
    assert store.parked() == ()
    store.down = set()
    view = scene.qcp.subscriptions.get(SubscriptionId("id-1"))
    scene.advance(view, Stage.ACTIVE)


def test_a_parking_that_fails_is_made_again() -> None:
    scene, store = spied()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.notices.make_unreachable(scene.jessica.email)
    store.down = {"park"}
    view = scene.advance(view, Stage.CONFIRMING_IDENTITY)
    assert store.parked() == ()
    assert len(scene.alerts) == 1, "it is told before it is done: dying in between must not leave it untold"
    store.down = set()
    scene.wait(5 * MINUTES)
    assert [one.kind for one in store.parked()] == ["notify"]
    assert len(scene.alerts) == 2, "and again with the parking that holds"
    assert scene.alerts[0] == scene.alerts[1]


def test_a_record_that_cannot_be_read_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(after_commit=drop)
    scene.open(scene.jessica).say(CodeRequested())
    scene.world.clock.advance(LEASE)
    one = leased(scene, "send_code")
    scene.qcp.engine.perform(evolve(one, payload=one.payload[:-1] + b"?"))
    (parked,) = scene.world.store.parked()
    assert parked.reason == "unreadable: rejected"


def test_an_alarm_that_fails_stops_nobody() -> None:
    def broken(_alert: Alert) -> None:
        raise OSError("no pager")

    scene = Scene(on_alert=broken)
    scene.world.authority.script(None, never_decides())
    view = scene.subscribe(scene.jessica, until=Stage.AWAITING_CERTIFICATE)
    scene.wait(timedelta(hours=3))
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.AWAITING_CERTIFICATE
    (parked,) = [one for one in scene.world.store.parked() if one.kind == "alert"]
    assert parked.reason == "OSError"


def test_a_person_who_takes_time_is_no_silence() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.script(None, silence())
    scene.wait(timedelta(days=6))
    assert scene.alerts == []
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.PROVING_IDENTITY


@pytest.mark.parametrize(
    "failure", [Unavailable("in maintenance"), Unconfirmed("cut off"), ValueError("broken")], ids=repr
)
def test_a_provider_that_cannot_be_asked_is_silent_however_long_the_person_may_take(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)

    def fails(**_arguments: object) -> None:
        raise failure

    with monkeypatch.context() as patched:
        patched.setattr(scene.world.identity, "ask", fails)
        scene.wait(timedelta(hours=4))
    assert [(alert.what, alert.about) for alert in scene.alerts] == [("silence", f"{view.id}: ask_identity")]
    assert scene.world.store.parked() == (), "asking on harms nothing"
    assert scene.advance(view, Stage.ACTIVE).stage is Stage.ACTIVE


def test_a_provider_that_has_the_capture_and_never_decides_is_told() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.script(None, silence())
    scene.qcp.engine.record(view.id, CaptureFinished(session=scene.identity_session(view)))
    scene.wait(timedelta(hours=1))
    assert scene.alerts == []
    scene.wait(timedelta(hours=2))
    assert [alert.what for alert in scene.alerts] == ["silence"]
    assert scene.alerts[0].about.endswith("verdict")


def test_a_verdict_that_came_is_no_silence() -> None:
    scene = Scene()
    scene.subscribe(scene.jessica, until=Stage.CONFIRMING_IDENTITY)
    scene.wait(timedelta(hours=3))
    assert scene.alerts == []


def test_silence_is_noted_ever_more_rarely_and_told() -> None:
    scene = Scene()
    scene.world.authority.script(None, never_decides())
    view = scene.subscribe(scene.jessica, until=Stage.AWAITING_CERTIFICATE)
    scene.wait(timedelta(hours=1))
    assert scene.alerts == []
    scene.wait(timedelta(hours=2))
    assert [alert.what for alert in scene.alerts] == ["silence"]
    assert "ask_certificate" in scene.alerts[0].about
    scene.wait(timedelta(days=6))
    noted = [one.at for one in scene.qcp.records.history(view.id) if isinstance(one.fact, SilenceNoted)]
    assert 4 <= len(noted) <= len(schedule.SILENT_AFTER)
    gaps = [after - before for before, after in pairwise(noted)]
    assert gaps == sorted(gaps)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.AWAITING_CERTIFICATE
    scene.prove(view.id)


def test_asking_now_never_passes_on_what_a_collaborator_did(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.faults.unavailable("identity", "ask")
    assert scene.qcp.subscriptions.refresh(view.id).stage is Stage.PROVING_IDENTITY

    def broken(**_arguments: object) -> None:
        raise ValueError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(scene.world.identity, "ask", broken)
        assert scene.qcp.subscriptions.refresh(view.id).stage is Stage.PROVING_IDENTITY
    scene.world.identity.capture(scene.identity_session(view))
    scene.world.clock.advance(4 * MINUTES)
    assert scene.qcp.subscriptions.refresh(view.id).stage is Stage.CONFIRMING_IDENTITY
    scene.wait(timedelta(hours=1))
    assert outstanding(scene, view, "ask_identity") == [], "the poll itself found nothing new, and ended"
    scene.prove(view.id)


# --- § 7.6, conflicts, threads -----------------------------------------------------------------------------------


def test_a_message_is_recorded_once() -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    until = scene.world.clock.now() + timedelta(days=4)
    fact = sf.FraudSuspected(reason="told")
    engine = scene.qcp.engine
    assert engine.record(view.id, fact, message=("m-1", until)).changed
    with pytest.raises(Conflict) as conflict:
        engine.record(view.id, fact, message=("m-1", until))
    assert conflict.value.kind == "message"
    assert not engine.record(view.id, fact, message=("m-2", until)).changed, "late, and remembered all the same"
    assert scene.world.store.seen(message="m-2")


def test_who_moved_first_is_followed() -> None:
    """Another process records a fact between our load and our commit: we decide again on what it left."""
    scene, store = spied()
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
    other = scene.installation()
    meanwhile = iter([SilenceNoted(about="test")])

    def intruding(_batch: Batch) -> bool:
        for fact in meanwhile:
            other.engine.record(view.id, fact)
        return False

    store.failing = intruding
    assert view.say(DetailsConfirmed()).stage is Stage.CONSENTING
    kinds = [one.fact.kind for one in scene.qcp.records.history(view.id)][-2:]
    assert kinds == ["silence_noted", "details_confirmed"]
    scene.prove(view.id)


def test_others_who_always_move_first_are_told_to_the_caller() -> None:
    scene, store = spied()
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)

    def contended(batch: Batch) -> bool:
        raise Conflict("it is no longer as it was loaded", kind="stream", subject=batch.streams[0].id)

    store.failing = contended
    with pytest.raises(Conflict, match="others kept moving first"):
        view.say(DetailsConfirmed())


def test_many_threads_say_the_same_and_it_happens_once() -> None:
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    code = scene.code(scene.jessica, Purpose.OPEN)
    results: list[object] = []
    barrier = threading.Barrier(4)

    def say() -> None:
        barrier.wait()
        try:
            results.append(view.say(code).stage)
        except FactRefused as refused:
            results.append(refused.reason)

    threads = [threading.Thread(target=say) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4, results
    assert held(scene) == 1
    view = scene.qcp.subscriptions.get(view.id)
    assert view.stage is Stage.CONFIRMING_DETAILS
    entered = [one for one in scene.qcp.records.history(view.id) if one.fact.kind == "code_entered"]
    assert len(entered) == 1
    scene.prove(view.id)


def test_many_workers_share_what_is_due() -> None:
    scene = Scene(after_commit=drop)
    for person in (scene.jessica, scene.irene):
        scene.open(person).say(CodeRequested())
    scene.world.clock.advance(LEASE)
    workers = [scene.installation() for _ in range(4)]
    done: list[int] = []
    threads = [threading.Thread(target=lambda one=one: done.append(one.run_due())) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 2
    assert len(scene.world.codes.outbox) == 2


def test_run_due_does_no_more_than_it_is_told() -> None:
    scene = Scene(after_commit=drop)
    for person in (scene.jessica, scene.irene):
        scene.open(person).say(CodeRequested())
    scene.world.clock.advance(LEASE)
    backlog = scene.qcp.backlog()
    assert (backlog.due, backlog.parked) == (2, 0)
    assert scene.qcp.run_due(limit=1) == 1
    assert scene.qcp.backlog().due == 1
    assert scene.qcp.run_due() == 1
    assert scene.qcp.run_due() == 0


def test_a_conflict_over_a_claim_is_told_and_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that comes while another subscription owns its place: a person must look."""
    scene, store = spied()
    scene.subscribe(scene.irene)
    view = scene.subscribe(scene.jessica, until=Stage.SIGNING_REQUEST)

    def taken(batch: Batch) -> bool:
        if any(row.kind == "certificate_issued" for row in batch.journal):
            raise Conflict("somebody else owns it", kind="claim", subject="certificate")
        return False

    store.failing = taken
    scene.advance(view, Stage.AWAITING_CERTIFICATE)
    (parked,) = store.parked()
    assert parked.kind == "submit_request"
    assert [alert.what for alert in scene.alerts] == ["effect_parked"]
    store.failing = lambda _batch: False
    store.unpark(key=parked.key, due=scene.world.clock.now())
    scene.wait(MINUTES)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.ACTIVE
    assert len(scene.world.authority.held_by(scene.jessica.id)) == 1


def test_a_failing_count_gives_no_answer() -> None:
    """Counted before answered: where the count cannot be written, nobody learns whether the code was right."""
    scene, store = spied()
    view = scene.open(scene.jessica).say(CodeRequested())
    store.failing = lambda _batch: True
    for code in (scene.wrong_code(scene.jessica, Purpose.OPEN), scene.code(scene.jessica, Purpose.OPEN)):
        with pytest.raises(Unavailable):
            view.say(code)
