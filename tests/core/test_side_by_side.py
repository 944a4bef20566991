"""Two releases on one store: what the newer one wrote is left to it by the older, never parked, lost or read by halves.

The older one is this code with less in its tables: it knows neither a kind, nor a version, nor a field of the newer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qcp_sdk import codec
from qcp_sdk.effects import Wake
from qcp_sdk.errors import InvalidInput, NewerRecord
from qcp_sdk.facts import CodeRequested, DeadlinePassed
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene

WAKE = Wake(at=datetime(2026, 3, 2, tzinfo=UTC), fact=DeadlinePassed(deadline="opening/1"))


def changed(packed: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    record = json.loads(packed)
    change(record)
    return json.dumps(record).encode()


NEWER: dict[str, Callable[[dict[str, Any]], object]] = {
    "a kind": lambda record: record.update(kind="told_by_telepathy"),
    "a version": lambda record: record.update(schema=2),
    "a field": lambda record: record["data"].update(mood="calm"),
    "a field within": lambda record: record["data"]["fact"]["data"].update(mood="calm"),
    "a fact within": lambda record: record["data"]["fact"].update(kind="told_by_telepathy"),
    "a version within": lambda record: record["data"]["fact"].update(schema=2),
}


@pytest.mark.parametrize("newer", NEWER.values(), ids=NEWER)
def test_what_is_newer_says_so_and_what_to_do(newer: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(NewerRecord, match="upgrade") as raised:
        codec.unpack_effect(changed(codec.pack_effect(WAKE), newer))
    assert "calm" not in str(raised.value)


def test_a_stage_that_is_not_known_here_is_newer() -> None:
    scene = Scene()
    state = scene.qcp.engine.streams.load(scene.open(scene.jessica).id).state
    packed = codec.pack_state("subscription", state)
    with pytest.raises(NewerRecord):
        codec.unpack_state(changed(packed, lambda record: record["data"].update(stage="dreaming")))


def test_what_is_damaged_is_not_taken_for_newer() -> None:
    damages: list[dict[str, object]] = [{"kind": None}, {"schema": 0}, {"schema": "2"}, {"data": {"at": 3}}]
    for damage in damages:
        packed = json.dumps({**json.loads(codec.pack_effect(WAKE)), **damage}).encode()
        with pytest.raises(InvalidInput) as raised:
            codec.unpack_effect(packed)
        assert type(raised.value) is InvalidInput


def test_older_data_read_as_if_a_field_that_was_added_had_been_there() -> None:
    scene = Scene()
    state = scene.qcp.engine.streams.load(scene.open(scene.jessica).id).state
    packed = codec.pack_state("subscription", state)
    before = changed(packed, lambda record: record["data"]["terms"]["waits"].pop("status"))
    assert codec.unpack_state(before) == state


def without(kinds: dict[str, Any], *gone: str) -> dict[str, Any]:
    return {name: kind for name, kind in kinds.items() if name not in gone}


def test_an_effect_that_an_old_worker_does_not_know_is_left_to_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.capture(scene.identity_session(view))
    old = scene.installation()
    scene.world.clock.advance(timedelta(minutes=10))
    with monkeypatch.context() as older:
        older.setattr(codec, "EFFECT_KINDS", without(dict(codec.EFFECT_KINDS), "ask_identity"))
        for _ in range(20):  # more often than a fault is forgiven
            old.run_due()
            scene.world.clock.advance(timedelta(minutes=1))
    assert old.operations.parked() == ()
    assert scene.alerts == []
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.PROVING_IDENTITY
    scene.wait(timedelta(minutes=20))
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_IDENTITY
    scene.prove(view.id)


def test_a_stream_that_a_new_process_moved_is_refused_by_an_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    old = scene.installation()
    kept = scene.world.store.load(id=view.id)
    scene.world.clock.advance(timedelta(days=2))  # its deadline is due
    with monkeypatch.context() as older:
        older.setattr(codec, "STATE_KINDS", without(dict(codec.STATE_KINDS), "subscription"))
        with pytest.raises(NewerRecord, match="upgrade"):
            old.subscriptions.get(view.id)
        with pytest.raises(NewerRecord):
            old.subscriptions.say(view.id, CodeRequested())
        old.run_due()
    assert scene.world.store.load(id=view.id) == kept, "nothing was written back"
    assert old.operations.parked() == ()
    scene.wait(timedelta(minutes=1))
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CLOSED


def test_a_history_that_holds_a_newer_fact_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    monkeypatch.setattr(codec, "FACT_KINDS", without(dict(codec.FACT_KINDS), "funds_held"))
    with pytest.raises(NewerRecord):
        scene.qcp.records.history(view.id)
