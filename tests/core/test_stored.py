"""What every release stored is read by this one: facts, effects and states, and the journals fold to the states."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from qcp_sdk import codec
from qcp_sdk.engine.streams import MACHINES

FILES = sorted((Path(__file__).parent.parent / "stored").glob("*/journals.json"))
STREAMS = {
    f"{file.parent.name}: {name}": stream
    for file in FILES
    for name, stream in json.loads(file.read_text("utf-8")).items()
}


def packed(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def test_there_are_releases_to_read() -> None:
    assert len(STREAMS) >= 15


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stored_stream_is_read_and_folds_to_its_state(stream: dict[str, Any]) -> None:
    state, machine = None, MACHINES[stream["kind"]]
    for entry in stream["journal"]:
        fact = codec.unpack_fact(packed(entry["fact"]))
        state, _ = machine.step(state, fact, datetime.fromisoformat(entry["at"]))
    assert state == codec.unpack_state(packed(stream["state"]))
    for effect in stream["outbox"]:
        codec.unpack_effect(packed(effect))
