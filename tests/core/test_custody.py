"""Legal holds, erasure and re-wrapping: what they refuse, what is left, and what a running worker sees of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from qcp_sdk import journal
from qcp_sdk.errors import Erased, ErasureRefused, FactRefused, InvalidInput, NotFound, Rejected, Unavailable
from qcp_sdk.facts import Cancelled
from qcp_sdk.host.custody import OBSTACLES
from qcp_sdk.ports.store import Batch, OutboxRow
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import CABINET, CREDIT, Scene
from qcp_sdk.values import Key, SubscriptionId

WHO = {"by": "Odile", "reason": "request 7"}
YEAR = timedelta(days=366)


def closed(scene: Scene) -> SubscriptionId:
    view = scene.open(scene.jessica)
    view.say(Cancelled())
    return view.id


@pytest.fixture
def scene() -> Scene:
    return Scene()


def refused(scene: Scene, id: str, **asked: object) -> set[str]:
    with pytest.raises(ErasureRefused) as told:
        scene.qcp.operations.erase(id, **WHO, **asked)  # type: ignore[arg-type]
    return set(told.value.obstacles)


def test_what_ended_without_a_certificate_is_erased_after_a_year(scene: Scene) -> None:
    id = closed(scene)
    scene.wait(timedelta(days=364))
    assert refused(scene, id) == {"before_retention_end"}
    scene.wait(timedelta(days=2))
    operations = scene.qcp.operations
    for _ in range(2):
        operations.erase(id, **WHO)
    assert [act.fact.what for act in operations.acts()] == ["erased"]  # type: ignore[attr-defined]
    stored = scene.world.store.load(id=id)
    assert stored is not None
    assert (stored.data_key, stored.state, stored.indexes, stored.stage) == (b"", b"", frozenset(), "erased")
    assert scene.world.store.outstanding(stream=id) == ()


def test_an_active_one_is_refused_with_everything_and_forced_by_name_by_two(scene: Scene) -> None:
    id = scene.subscribe(scene.jessica, until=Stage.CONSENTING).id
    assert {"not_final", "before_retention_end"} <= refused(scene, id)
    scene.qcp.operations.hold(id, **WHO)
    every = refused(scene, id)
    assert "legal_hold" in every
    assert refused(scene, id, despite=every - {"legal_hold"}, approved_by="Samir") == every
    for nobody in ("", " odile"):
        with pytest.raises(FactRefused):
            scene.qcp.operations.erase(id, despite=every, approved_by=nobody, **WHO)
    with pytest.raises(InvalidInput):
        scene.qcp.operations.erase(id, despite=["anything"], approved_by="Samir", **WHO)
    scene.qcp.operations.erase(id, despite=every, approved_by="Samir", **WHO)
    with pytest.raises(Erased):
        scene.qcp.subscriptions.get(id)
    assert scene.open(scene.jessica).stage is Stage.VERIFYING_EMAIL, "what it owned is free"


def test_seven_years_after_the_end_of_the_certificate_it_may_go(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica)
    certificate = scene.qcp.engine.streams.load(view.id).state.certificate
    scene.wait(certificate.not_after - scene.world.clock.now() + timedelta(days=2))
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.EXPIRED
    scene.wait(7 * timedelta(days=365) - timedelta(days=3))
    assert refused(scene, view.id) == {"before_retention_end"}
    scene.wait(timedelta(days=10))
    scene.qcp.operations.erase(view.id, **WHO)


def test_the_request_goes_from_the_shelf_with_it_and_nothing_else_does(scene: Scene) -> None:
    first, second = scene.subscribe(scene.jessica), scene.subscribe(scene.irene)
    streams, shelf = scene.qcp.engine.streams, scene.world.documents
    requests = {one: streams.load(one.id).state.request for one in (first, second)}
    scene.qcp.operations.erase(first.id, despite=OBSTACLES, approved_by="Samir", **WHO)
    scene.wait(timedelta(minutes=1))
    for document in (requests[first].shown, requests[first].sealed):
        with pytest.raises(Rejected):
            shelf.read(document=document)
    for document in (requests[second].shown, requests[second].sealed):
        assert shelf.read(document=document)
    assert scene.world.store.outstanding(stream="audit") == ()


def test_what_comes_in_after_an_erasure_is_over_and_not_leased_for_ever(scene: Scene) -> None:
    id = closed(scene)
    scene.wait(YEAR)
    scene.qcp.operations.erase(id, **WHO)
    now = scene.qcp.ports.clock.now()
    late = OutboxRow(key=Key(f"{id}/late"), stream=id, kind="wake", due=now, payload=b"sealed under a key that is gone")
    scene.world.store.commit(batch=Batch(at=now, outbox=(late,)))
    assert scene.qcp.run_due() == 1
    scene.wait(timedelta(days=1))
    assert scene.qcp.run_due() == 0
    assert scene.world.store.outstanding(stream=id) == ()


def test_a_collecte_that_was_erased_does_not_begin_anew(scene: Scene) -> None:
    scene.subscribe(scene.jessica)
    collecte = scene.collecte(scene.jessica)
    (view,) = scene.start(collecte)
    scene.sign(view, scene.jessica)
    scene.qcp.operations.erase(view.id, despite=OBSTACLES, approved_by="Samir", **WHO)
    with pytest.raises(Erased):
        scene.start(collecte)


def test_a_price_that_nobody_settled_stands_against_it(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.SIGNING_REQUEST)
    hold = scene.qcp.engine.streams.load(view.id).state.money.hold
    scene.world.books.expire(key=Key("expired"), hold=hold)
    scene.world.books.hold(key=Key("all of it"), cabinet=CABINET.id, amount=CREDIT, memo="spent elsewhere")
    scene.advance(view, Stage.ACTIVE)
    assert scene.qcp.subscriptions.get(view.id).show.money == "parked"
    scene.wait(12 * YEAR)
    assert refused(scene, view.id) == {"money_unsettled"}
    scene.qcp.operations.erase(view.id, despite={"money_unsettled"}, approved_by="Samir", **WHO)


def test_a_hold_refuses_until_it_is_released(scene: Scene) -> None:
    id, operations = closed(scene), scene.qcp.operations
    scene.wait(2 * YEAR)
    for _ in range(2):
        operations.hold(id, **WHO)
    assert refused(scene, id) == {"legal_hold"}
    operations.release(id, **WHO)
    operations.erase(id, **WHO)
    with pytest.raises(Erased):
        operations.hold(id, **WHO)
    assert len(operations.acts()) == 4


def test_everything_about_an_erased_one_says_so_and_its_journal_verifies(scene: Scene) -> None:
    id, qcp = closed(scene), scene.qcp
    entries, _ = qcp.records.journal(id)
    scene.wait(2 * YEAR)
    qcp.operations.erase(id, **WHO)
    calls = (
        lambda: qcp.subscriptions.get(id),
        lambda: qcp.subscriptions.say(id, Cancelled()),
        lambda: qcp.subscriptions.refresh(id),
        lambda: qcp.records.history(id),
        lambda: qcp.operations.release(id, **WHO),
    )
    for call in calls:
        with pytest.raises(Erased):
            call()
    after, head = qcp.records.journal(id)
    assert after[:-1] == entries
    assert (after[-1].kind, after[-1].payload) == ("erased", b"")
    assert journal.verify(after, head=head) == head
    assert qcp.subscriptions.page(account=scene.jessica.id).in_progress is None
    scene.wait(timedelta(days=1))
    assert scene.alerts == []


def test_an_effect_that_is_being_performed_is_over(scene: Scene) -> None:
    id = scene.subscribe(scene.jessica).id
    (leased, *_) = scene.world.store.lease(
        now=scene.world.clock.now() + 10 * YEAR, until=scene.world.clock.now() + 11 * YEAR, limit=1, stream=id
    )
    scene.qcp.operations.erase(id, despite=OBSTACLES, approved_by="Samir", **WHO)
    scene.qcp.engine.perform(leased)
    assert scene.qcp.operations.parked() == ()
    assert scene.alerts == []


def test_adapters_that_remember_are_asked_until_they_have_forgotten(scene: Scene) -> None:
    asked: list[str] = []

    class Remembering:
        """Within another adapter, and down at first."""

        def forget_stream(self, *, stream: str) -> None:
            asked.append(stream)
            if len(asked) < 3:
                raise Unavailable("down")

    vars(scene.world.identity)["parts"] = (None, Remembering())
    id = closed(scene)
    scene.wait(YEAR)
    scene.qcp.operations.erase(id, **WHO)
    scene.qcp.operations.erase(id, **WHO)  # repeatable, and asks for nothing more
    scene.wait(timedelta(days=1))
    assert asked == [id] * 3
    assert scene.qcp.backlog().due == 0


def test_nothing_else_is_erased(scene: Scene) -> None:
    closed(scene)
    for id in ("nothing", "audit"):
        with pytest.raises(NotFound):
            scene.qcp.operations.erase(id, **WHO)
    with pytest.raises(FactRefused):
        scene.qcp.operations.hold(closed(scene), by="", reason="x")


def test_every_data_key_comes_under_the_current_key_and_no_data_is_touched(scene: Scene) -> None:
    id = scene.subscribe(scene.jessica).id
    store, keys, operations = scene.world.store, scene.world.keys, scene.qcp.operations
    old = keys.current
    before, rows = store.load(id=id), store.journal(stream=id)
    assert before is not None
    assert operations.data_keys().keys() == {old}
    new = keys.rotate()
    done = operations.rewrap(by="Odile", reason="yearly", batch=2)
    assert (done.current, done.unreadable, set(done.under)) == (new, (), {new})
    after = store.load(id=id)
    assert after is not None
    assert after.data_key != before.data_key
    assert (after.state, after.version, after.head, store.journal(stream=id)) == (
        before.state, before.version, before.head, rows
    )  # fmt: skip
    scene.prove(id)
    assert operations.rewrap(by="Odile", reason="yearly").rewrapped == 0


def test_a_writer_that_loaded_before_brings_no_old_wrapping_back(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    streams = scene.qcp.engine.streams
    loaded = streams.load(view.id)
    scene.world.keys.rotate()
    scene.qcp.operations.rewrap(by="Odile", reason="yearly")
    scene.advance(view, Stage.ACTIVE)
    now = streams.load(view.id)
    assert now.data_key != loaded.data_key
    assert now.wrapped_by == scene.world.keys.current


def test_what_no_key_opens_is_named_and_left(scene: Scene) -> None:
    id, keys = closed(scene), scene.world.keys
    stream = scene.world.store._streams[id]
    stream.stream = evolve(stream.stream, data_key=b"broken")
    keys.rotate()
    done = scene.qcp.operations.rewrap(by="Odile", reason="yearly")
    assert done.unreadable == (id,)
    assert sum(count for key, count in done.under.items() if key != done.current) == 1
    assert "unreadable" in refused(scene, id)
