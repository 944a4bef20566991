"""A worker does what falls due, says how it stands, survives a store that is away, and stops when told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from qcp_sdk.errors import Unavailable
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.worker import Beat, work

SOON = timedelta(milliseconds=20)


def test_what_is_due_is_done_and_the_beats_say_so() -> None:
    scene, stop, seen = Scene(), threading.Event(), list[Beat]()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.capture(scene.identity_session(view))
    scene.world.clock.advance(timedelta(minutes=10))
    waiting = scene.qcp.backlog()
    assert waiting.due

    def heard(beat: Beat) -> None:
        seen.append(beat)
        if beat.due == 0:
            stop.set()

    tried = work(scene.qcp, stop=stop, on_beat=heard, idle=SOON, every=timedelta(0))
    assert tried >= waiting.due
    assert seen[0].due == waiting.due
    assert seen[0].oldest == scene.world.clock.now() - (waiting.oldest or scene.world.clock.now())
    assert (seen[-1].due, seen[-1].tried) == (0, tried)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_IDENTITY


def test_the_line_of_health() -> None:
    beat = Beat(tried=3, due=2, oldest=timedelta(seconds=90), parked=1, in_trouble=False)
    assert beat.line() == "tried=3 due=2 oldest=90s parked=1 store=ok"
    assert "store=away" in Beat(tried=0, due=0, oldest=timedelta(0), parked=0, in_trouble=True).line()


def test_a_store_that_is_away_does_not_end_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, stop, seen = Scene(), threading.Event(), list[Beat]()

    def away(**_asked: object) -> int:
        raise Unavailable("the store is away")

    monkeypatch.setattr(scene.qcp, "run_due", away)
    monkeypatch.setattr(scene.world.store, "backlog", away)

    def wait(_seconds: float) -> None:
        if len(seen) == 3:
            stop.set()

    monkeypatch.setattr(stop, "wait", wait)
    assert work(scene.qcp, stop=stop, on_beat=seen.append, idle=SOON, every=timedelta(0)) == 0
    assert [beat.in_trouble for beat in seen] == [True] * 4


def test_trouble_is_waited_out_ever_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, stop, waits = Scene(), threading.Event(), list[float]()

    def away(**_asked: object) -> int:
        raise Unavailable("the store is away")

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 9:
            stop.set()

    monkeypatch.setattr(scene.qcp, "run_due", away)
    monkeypatch.setattr(stop, "wait", wait)
    work(scene.qcp, stop=stop)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_it_sleeps_no_longer_than_until_the_next_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, stop, waits = Scene(), threading.Event(), list[float]()
    scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)  # polled 30 s from now

    def wait(seconds: float) -> None:
        waits.append(seconds)
        stop.set()

    monkeypatch.setattr(stop, "wait", wait)
    due = scene.world.store.next_due()
    assert due is not None
    work(scene.qcp, stop=stop, idle=timedelta(hours=9))
    assert waits == [(due - scene.world.clock.now()).total_seconds()]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_the_command_ends_on_sigterm_after_what_it_holds(tmp_path: Path) -> None:
    Qcp.local(tmp_path / "data")
    command = [sys.executable, "-m", "qcp_sdk.cli", "work", "--installation", str(tmp_path / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert "tried=0 due=0 oldest=0s parked=0 store=ok" in worker.stdout.readline()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    once = subprocess.run([*command, "--once"], capture_output=True, text=True, check=True)
    assert once.stdout == "0\n"
