"""States are remembered between readings by their very bytes, and never instead of what the store holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve

from qcp_sdk.engine.streams import Recent, Stream
from qcp_sdk.errors import Rejected
from qcp_sdk.facts import CodeRequested
from qcp_sdk.ports.store import StoredStream
from qcp_sdk.subscription.facts import DetailsConfirmed
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.passing import Passing
from qcp_sdk.testing.scene import Scene


def row(
    id: str, state: bytes = b"x", *, data_key: bytes = b"key", head: bytes = b"head"
) -> tuple[StoredStream, Stream]:
    stored = StoredStream(id=id, kind="audit", version=1, stage="", data_key=data_key, state=state, head=head)
    return stored, Stream(stored, state)


def test_only_the_very_row_is_found_again() -> None:
    recent = Recent(most=2)
    _stored, stream = row("a", b"one")
    recent.put(stream)
    assert recent.get(row("a", b"one")[0]) is stream
    for other in (
        row("a", b"two"),
        row("b", b"one"),
        row("a", b"one", data_key=b"anew"),
        row("a", b"one", head=b"cut"),
    ):
        assert recent.get(other[0]) is None


def test_what_was_longest_unchanged_makes_room() -> None:
    recent, rows = Recent(most=2), {id: row(id) for id in "abc"}
    for id in ("a", "b", "a", "c"):
        recent.put(rows[id][1])
    assert [recent.get(rows[id][0]) is not None for id in "abc"] == [True, False, True]


def test_what_another_process_committed_is_what_is_read() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
    other = scene.installation()
    assert other.subscriptions.get(view.id).stage is Stage.CONFIRMING_DETAILS
    view.say(DetailsConfirmed())
    assert other.subscriptions.get(view.id).stage is Stage.CONSENTING
    assert other.engine.streams.load(view.id) == scene.qcp.engine.streams.load(view.id)


def test_a_commit_that_fails_leaves_no_state_behind() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
    streams = scene.qcp.engine.streams
    stream = streams.load(view.id)
    version = stream.version + 1
    lost = streams.following(stream, version=version, state=evolve(stream.state, stage=Stage.CLOSED), stage="closed")
    assert streams.load(view.id) == stream, "what was laid out and not committed is not what the store holds"
    kept = streams.following(
        stream, version=version, state=evolve(stream.state, stage=Stage.CONSENTING), stage="consenting"
    )
    assert streams.opened(kept.row).state.stage is Stage.CONSENTING
    assert streams.opened(lost.row).state.stage is Stage.CLOSED


def test_what_is_passed_on_is_bound_to_its_place_and_never_twice_the_same_bytes() -> None:
    passing, first, second = Passing(), CodeRequested(), CodeRequested()
    packed = [passing.pack_fact(one, data_key=b"", place="journal/a/1") for one in (first, second)]
    assert packed[0] != packed[1], "a state that was never committed must not be taken for one that was"
    assert passing.unpack_fact(packed[1], data_key=b"", place="journal/a/1") is second
    for place, held in (("journal/a/2", packed[0]), ("journal/a/1", bytes(packed[0]))):
        with pytest.raises(Rejected):
            passing.unpack_fact(held, data_key=b"", place=place)


@pytest.mark.parametrize("damage", [lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]), lambda _: b""])
def test_changed_bytes_are_still_refused(damage: Callable[[bytes], bytes]) -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
    stored = scene.world.store.load(id=view.id)
    assert stored is not None
    with pytest.raises(Rejected):
        scene.qcp.engine.streams.opened(evolve(stored, state=damage(stored.state)))
