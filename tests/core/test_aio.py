"""Calls from asynchronous code run in threads, and raise and return what the calls do."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from qcp_sdk.aio import AsyncQcp
from qcp_sdk.errors import ConfigurationError, NotFound
from qcp_sdk.facts import CodeRequested
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import SubscriptionId

REQUEST: ContextVar[str] = ContextVar("request", default="none")


def test_a_journey_goes_on_from_asynchronous_code() -> None:
    scene = Scene()
    opened = scene.open(scene.jessica)

    async def journey() -> Stage:
        async with AsyncQcp(scene.qcp) as aio:
            view = await aio.run(scene.qcp.subscriptions.get, opened.id, account=scene.jessica.id)
            view = await aio.run(view.say, CodeRequested())
            view = await aio.run(view.say, scene.code(scene.jessica, Purpose.OPEN))
            return view.stage

    assert asyncio.run(journey()) is Stage.CONFIRMING_DETAILS


def test_the_loop_is_never_held_up_and_context_goes_along() -> None:
    release, seen = threading.Event(), []

    def slow() -> str:
        assert release.wait(10)
        seen.append(threading.current_thread().name)
        return REQUEST.get()

    async def both() -> str:
        REQUEST.set("r-1")
        async with AsyncQcp(Scene().qcp, threads=1) as aio:
            waiting = asyncio.create_task(aio.run(slow))
            await asyncio.sleep(0)
            release.set()  # reached only because the loop did not wait
            return await waiting

    assert asyncio.run(both()) == "r-1"
    assert seen[0].startswith("qcp")


def test_errors_come_out_as_they_are() -> None:
    scene = Scene()

    async def unknown() -> None:
        async with AsyncQcp(scene.qcp) as aio:
            await aio.run(scene.qcp.subscriptions.get, SubscriptionId("unknown"))

    with pytest.raises(NotFound):
        asyncio.run(unknown())
    with pytest.raises(ConfigurationError):
        AsyncQcp(scene.qcp, threads=0)


def test_many_guesses_at_once_are_all_counted() -> None:
    """Five wrong codes at the same moment are five tries, however they race."""
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    wrong = scene.wrong_code(scene.jessica, Purpose.OPEN)

    async def guesses() -> list[object]:
        async with AsyncQcp(scene.qcp) as aio:
            return await asyncio.gather(*(aio.run(view.say, wrong) for _ in range(8)), return_exceptions=True)

    results = asyncio.run(guesses())
    assert all(isinstance(one, Exception) for one in results)
    state = scene.qcp.engine.streams.load(view.id).state
    assert state.codes.challenge.wrong == 5, "the sixth and later find the challenge used up"
