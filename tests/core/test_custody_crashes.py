"""Re-wrapping and erasing where a process dies half-way, and where workers go on meanwhile; over every store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import Erased, ErasureRefused, Rejected
from qcp_sdk.host.custody import OBSTACLES
from qcp_sdk.people import Account
from qcp_sdk.ports.store import Batch, Rewrapping, Store
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.postgres import fresh_names
from qcp_sdk.testing.scene import CABINET, Scene
from qcp_sdk.values import AccountId, Cents, EmailAddress, Key

WHO: dict[str, Any] = {"by": "Odile", "reason": "request 7"}
FORCED: dict[str, Any] = {**WHO, "despite": OBSTACLES, "approved_by": "Samir"}


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Give a scene over each store."""
    world = MemoryWorld()
    if request.param == "memory":
        yield Scene(world=world)
        return
    if request.param == "sqlite":
        engine = sqlite_engine(tmp_path / "store.sqlite")
        store = SqlStore(engine)
    else:
        engine = request.getfixturevalue("postgres").engine(pool_size=10)
        store = SqlStore(engine, schema=next(fresh_names()))
    store.create_schema()
    vars(world)["store"] = store
    yield Scene(world=world)
    engine.dispose()


class Death(BaseException):
    """The end of a process: nothing of ours catches it."""


class Dying:
    """A store whose process dies at one of its calls: before it does anything, or after it was kept."""

    def __init__(self, store: Store, *, at: int, kept: bool) -> None:
        self._store, self._at, self._kept, self._calls = store, at, kept, count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def rewrap(self, *, keys: tuple[Rewrapping, ...]) -> int:
        dies = next(self._calls) == self._at
        if dies and not self._kept:
            raise Death
        done = self._store.rewrap(keys=keys)
        if dies:
            raise Death
        return done

    def commit(self, *, batch: Batch) -> None:
        if batch.erased and not self._kept:
            raise Death
        self._store.commit(batch=batch)
        if batch.erased:
            raise Death


def process(scene: Scene, store: object) -> Qcp:
    """Give another process of the installation, over a store of its own making."""
    kept, scene.world.store = scene.world.store, store  # type: ignore[assignment]
    made = scene.installation()
    scene.world.store = kept
    return made


def people(scene: Scene, number: int) -> list[Account]:
    """Give more people who hold an LCP certificate, and credit for them."""
    world = scene.world
    world.books.credit(key=Key("more"), cabinet=CABINET.id, amount=Cents(100_000), memo="prepaid credit")
    found = []
    for n in range(number):
        account = evolve(scene.jessica, id=AccountId(f"person-{n}"), email=EmailAddress(f"p{n}@cabinet.example"))
        world.accounts.put(account)
        world.lcp_authority.issue_to(account)
        found.append(account)
    return found


@pytest.mark.parametrize("kept", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 3])
def test_what_a_rotation_left_when_it_died_the_next_one_does(scene: Scene, at: int, kept: bool) -> None:
    views = [scene.subscribe(one, until=Stage.CONSENTING) for one in people(scene, 3)]
    store, old = scene.world.store, scene.world.keys.current
    before = {view.id: store.load(id=view.id) for view in views}
    all_keys = store.wrappings()[old]
    new = scene.world.keys.rotate()
    with pytest.raises(Death):
        process(scene, Dying(store, at=at, kept=kept)).operations.rewrap(**WHO, batch=2)
    done = 2 * (at - 1 + kept)
    left = {old: all_keys - done} if done < all_keys else {}
    assert dict(store.wrappings()) == left | {new: done + 1}, "and the record of who did it"
    for view in views:
        scene.prove(view.id)  # both keys are on the ring until one is dropped
    anew = scene.qcp.operations.rewrap(**WHO, batch=2)
    assert (anew.rewrapped, dict(anew.under), anew.unreadable) == (all_keys - done, {new: all_keys + 1}, ())
    for view in views:
        scene.prove(view.id)
        was, now = before[view.id], store.load(id=view.id)
        assert was is not None
        assert now is not None
        assert now == evolve(was, data_key=now.data_key, wrapped_by=new)
        scene.advance(view, Stage.PROVING_IDENTITY)
    assert [act.fact.kind for act in scene.qcp.operations.acts()] == ["operator_acted"] * 2


def test_workers_go_on_while_two_rotate(scene: Scene) -> None:
    persons = people(scene, 6)
    views = [scene.open(one) for one in persons]
    keys = scene.world.keys

    def live(number: int) -> None:
        mine = copy(scene)
        mine.qcp = scene.installation()
        mine.advance(views[number], Stage.PROVING_IDENTITY)  # ten facts and more, for none of which time has to pass

    def rotate(_number: int) -> int:
        qcp, done = scene.installation(), 0
        for _ in range(4):
            keys.rotate()
            done += qcp.operations.rewrap(**WHO, batch=3).rewrapped
        return done

    with ThreadPoolExecutor(8) as threads:
        lives = [threads.submit(live, number) for number in range(len(views))]
        rotations = [threads.submit(rotate, number) for number in range(2)]
        for one in lives:
            one.result(timeout=60)
        assert sum(one.result(timeout=60) for one in rotations) > 0
    scene.qcp.operations.rewrap(**WHO)
    assert set(scene.world.store.wrappings()) == {keys.current}
    for view in views:
        assert scene.advance(view, Stage.ACTIVE).stage is Stage.ACTIVE
        scene.prove(view.id)


def test_an_erasure_that_dies_before_it_is_kept_has_erased_nothing_and_is_on_record(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.READING_REQUEST)
    before, head = scene.world.store.load(id=view.id), scene.qcp.records.journal(view.id)
    with pytest.raises(Death):
        process(scene, Dying(scene.world.store, at=0, kept=False)).operations.erase(view.id, **FORCED)
    assert (scene.world.store.load(id=view.id), scene.qcp.records.journal(view.id)) == (before, head)
    scene.prove(view.id)
    operations = scene.qcp.operations
    assert len(operations.acts()) == 1, "who meant to is known"
    operations.hold(view.id, **WHO)  # a hold that comes meanwhile stands
    with pytest.raises(ErasureRefused) as refused:
        operations.erase(view.id, **FORCED | {"despite": OBSTACLES.keys() - {"legal_hold"}})
    assert "legal_hold" in refused.value.obstacles
    operations.release(view.id, **WHO)
    operations.erase(view.id, **FORCED)
    assert [str(act.fact.what)[:6] for act in operations.acts()] == [  # type: ignore[attr-defined]
        "erased", "legal_", "legal_", "erased"
    ]  # fmt: skip
    gone(scene, view.id)


def test_an_erasure_that_dies_after_it_was_kept_has_erased_everything(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.READING_REQUEST)
    shown = scene.qcp.engine.streams.load(view.id).state.request.shown
    with pytest.raises(Death):
        process(scene, Dying(scene.world.store, at=0, kept=True)).operations.erase(view.id, **FORCED)
    gone(scene, view.id)
    scene.qcp.operations.erase(view.id, **FORCED)  # asked once more, it says nothing, and does nothing
    assert len(scene.qcp.operations.acts()) == 1
    assert scene.world.documents.read(document=shown), "whoever died was to have it forgotten"
    scene.wait(timedelta(minutes=1))
    with pytest.raises(Rejected):
        scene.world.documents.read(document=shown)


def gone(scene: Scene, id: str) -> None:
    """See that nothing is left but a journal that verifies."""
    stored = scene.world.store.load(id=id)
    assert stored is not None
    assert (stored.data_key, stored.state, stored.stage) == (b"", b"", "erased")
    with pytest.raises(Erased):
        scene.qcp.engine.streams.load(id)
    entries, head = scene.qcp.records.journal(id)
    assert entries[-1].hash == head
