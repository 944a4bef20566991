"""What is erased is overwritten in file and log; a whole journey leaves nothing personal in either, nor in logs."""

from __future__ import annotations

import base64
import logging
import traceback
from pathlib import Path

import pytest

from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import QcpError
from qcp_sdk.host.custody import OBSTACLES
from qcp_sdk.host.saying import Code
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.leaks import forms
from qcp_sdk.testing.scene import Scene


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_a_destroyed_data_key_is_overwritten(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "store.sqlite")
    store = SqlStore(engine)
    store.create_schema()
    world = MemoryWorld()
    vars(world)["store"] = store
    scene = Scene(world=world)
    id = scene.subscribe(scene.jessica).id
    stored = store.load(id=id)
    assert stored is not None
    assert stored.data_key in everything(tmp_path)
    scene.qcp.operations.erase(id, by="Odile", reason="request 7", despite=OBSTACLES, approved_by="Samir")
    content = everything(tmp_path)
    assert stored.data_key not in content
    assert stored.state not in content
    engine.dispose()


@pytest.mark.parametrize("plan", [Plan.ASSEMBLED, Plan.HOSTED])
def test_nothing_personal_lies_in_database_log_or_traceback(
    plan: Plan, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = sqlite_engine(tmp_path / "store.sqlite")
    engine.echo = "debug"
    store = SqlStore(engine)
    store.create_schema()
    world = MemoryWorld()
    vars(world)["store"] = store
    scene = Scene(world=world, offer=Offer(plan=plan))
    person = scene.jessica
    told: list[str] = []

    def refused(call: object) -> None:
        try:
            call()  # type: ignore[operator]
        except QcpError as error:
            told.append("".join(traceback.format_exception(error)))

    view = scene.advance(scene.open(person), Stage.VERIFYING_EMAIL)
    refused(lambda: scene.open(person))
    view = scene.advance(view, Stage.ACTIVE)
    refused(lambda: view.say(Code("ABCDEF")))
    refused(lambda: scene.open(person))
    codes = [scene.code(person, Purpose.OPEN).text.reveal()]
    if plan is Plan.ASSEMBLED:
        codes.append(scene.code(person, Purpose.REQUEST).text.reveal())
    for parked in scene.qcp.operations.parked():
        told.append(repr(scene.qcp.operations.show(parked.key)))
    assert any("Refused" in one for one in told)
    state = scene.qcp.engine.streams.load(view.id).state
    personal = {
        person.name.last,
        person.name.given,
        person.email.text,
        person.mobile.text,
        person.mobile.text[1:],
        *codes,
    }
    if state.identity.proven is not None:
        personal.add(state.identity.proven.birth_date.day.isoformat())
    records = "\n".join(f"{one.getMessage()} {one.args!r} {one.exc_text or ''}" for one in caplog.records)
    assert "qcp_streams" in records, "the log is loud"
    places = {"database": everything(tmp_path), "log": records.encode(), "errors": "\n".join(told).encode()}
    assert {"store.sqlite", "store.sqlite-wal"} <= {one.name for one in tmp_path.iterdir()}, "with its log"
    for place, content in places.items():
        lower = content.lower()
        found = {one for one in personal for form in forms(one) if form in lower}
        assert not found, f"{place}: {found}"
    engine.dispose()


def test_the_search_finds_what_is_there() -> None:
    for hidden in (
        b"x" + base64.b64encode(b'{"last":"Poussart"}'),
        "Poussart".encode("utf-16-le"),
        b"POUSSART".lower(),
    ):
        assert any(form in hidden.lower() for form in forms("Poussart")), hidden
