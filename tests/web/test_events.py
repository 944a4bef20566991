"""Server-sent events: what is sent and when, to whom, and that a connection costs no thread on a real ASGI server."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
import httpx
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.web.django_host.settings")
django.setup()

from django.test import AsyncClient, Client, override_settings  # noqa: E402

from qcp_sdk.errors import NotFound, Unavailable  # noqa: E402
from qcp_sdk.subscription.stages import Stage  # noqa: E402
from qcp_sdk.testing.scene import Scene  # noqa: E402
from qcp_sdk.web import subscriptions, watching  # noqa: E402
from qcp_sdk.web.django.conf import installation  # noqa: E402
from qcp_sdk.web.journey import Journey  # noqa: E402
from qcp_sdk.web.requests import PageRequest  # noqa: E402


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self) -> float:
        return self.now


def told(marks: Any) -> list[tuple[float, str]]:
    """Give what is sent while the page's marks are these, one a question, and when."""
    time, marks = Time(), iter(marks)

    async def ask() -> str:
        mark = next(marks)
        if isinstance(mark, Exception):
            raise mark
        return str(mark)

    async def listen() -> list[tuple[float, str]]:
        return [
            (time.now, line.decode().strip()) async for line in watching.events(ask, sleep=time.sleep, clock=time.read)
        ]

    return asyncio.run(listen())


def test_the_present_mark_is_sent_at_once_and_every_other_when_it_comes() -> None:
    sent = told(["a", "a", "b", "b", NotFound("gone")])
    assert [line for _, line in sent] == ["retry: 2000", "event: mark\ndata: a", "event: mark\ndata: b"]
    assert sent[1][0] == 0.0
    assert sent[2][0] == pytest.approx(watching.SOONEST * (1 + watching.GROWTH))


def test_silence_is_broken_by_a_heartbeat_and_everything_ends() -> None:
    sent = told(["a"] * 10_000)
    beats = [at for at, line in sent if line == ": still here"]
    assert len(sent) == 2 + len(beats)
    gaps = [later - earlier for earlier, later in zip([0.0, *beats], beats, strict=False)]
    assert all(watching.HEARTBEAT <= gap < watching.HEARTBEAT + watching.LATEST for gap in gaps)
    assert watching.LONGEST - watching.HEARTBEAT - watching.LATEST < beats[-1] <= watching.LONGEST + watching.LATEST


@pytest.mark.parametrize("error", [NotFound("not theirs any more"), Unavailable("the store is away")])
def test_whoever_may_not_look_any_more_is_told_nothing(error: Exception) -> None:
    assert [line for _, line in told(["a", error])] == ["retry: 2000", "event: mark\ndata: a"]


def asked(path: str, who: Any, *, streams: bool) -> PageRequest:
    return PageRequest(method="GET", path=path, account=who.id if who else None, streams=streams)


@pytest.mark.parametrize("page", ["subscription", "signing"])
def test_pages_offer_events_where_there_are_any_and_give_them_to_whom_may_see_the_page(
    qcp_scene: Scene, page: str
) -> None:
    scene, journey = qcp_scene, Journey(qcp_scene.qcp, platform="P")
    if page == "subscription":
        where = f"s/{scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY).id}"
    else:
        scene.subscribe(scene.irene)
        scene.subscribe(scene.jessica)
        first, second = scene.start(scene.collecte(scene.irene, scene.jessica))
        assert first.stage is not second.stage
        where = f"c/{second.id}"
    shown = {
        streams: journey.answer(asked(where, scene.jessica, streams=streams)).body.decode() for streams in (False, True)
    }
    assert f'data-qcp-events="/{where}/events"' in shown[True]
    assert "data-qcp-events" not in shown[False]
    assert f'data-qcp-poll="/{where}/state"' in shown[False]
    answer = journey.answer(asked(f"{where}/events", scene.jessica, streams=True))
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.watch is not None
    assert f'data-qcp-mark="{answer.watch()}"' in shown[False]
    others = journey.answer(asked(f"{where}/events", scene.irene, streams=True))
    nothing = journey.answer(asked(f"{where[:2]}none/events", scene.irene, streams=True))
    assert (others.status, others.watch, others.body) == (404, None, nothing.body)
    assert journey.answer(asked(f"{where}/events", scene.jessica, streams=False)).status == 404


# --- Django -----------------------------------------------------------------------------------------------------


@pytest.fixture
def host(qcp_scene: Scene) -> Iterator[Scene]:
    """A project whose users are whom a header names, over a scene's store; sessions stand in cookies."""
    told = {"BACKEND": lambda: qcp_scene.qcp, "ACCOUNT": lambda request: request.headers.get("X-Who")}
    with override_settings(QCP=told, SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies"):
        yield qcp_scene


def test_django_sends_what_moves(host: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SOONEST", 0.01)
    view = host.subscribe(host.jessica, until=Stage.VERIFYING_EMAIL)

    async def listen() -> tuple[Any, list[bytes]]:
        answer: Any = await AsyncClient().get(f"/signature/s/{view.id}/events", headers={"X-Who": "jessica"})
        lines = answer.streaming_content
        before = [await anext(lines), await anext(lines)]
        assert host.advance(view, Stage.CONFIRMING_DETAILS).stage is Stage.CONFIRMING_DETAILS
        now = f"data: {subscriptions.mark(host.qcp.subscriptions.get(view.id))}\n".encode()
        while now not in (after := await anext(lines)):  # a stage between, on the way
            pass
        await lines.aclose()
        return answer, [*before, after]

    answer, lines = asyncio.run(listen())
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert lines[0] == b"retry: 2000\n\n"
    assert all(line.startswith(b"event: mark\ndata: ") for line in lines[1:])
    assert lines[1] != lines[2]


def test_nothing_that_compresses_holds_a_stream_back(host: Scene) -> None:
    from django.conf import settings

    view = host.subscribe(host.jessica, until=Stage.PROVING_IDENTITY)
    asked = {"X-Who": "jessica", "Accept-Encoding": "gzip"}

    async def listen() -> tuple[Any, list[bytes]]:
        answer: Any = await AsyncClient().get(f"/signature/s/{view.id}/events", headers=asked)
        return answer, [await anext(answer.streaming_content) for _ in range(2)]

    with override_settings(MIDDLEWARE=["django.middleware.gzip.GZipMiddleware", *settings.MIDDLEWARE]):
        answer, lines = asyncio.run(listen())
        page = Client().get(f"/signature/s/{view.id}", headers=asked)
    assert "Content-Encoding" not in answer.headers
    assert lines[1].startswith(b"event: mark")
    assert page.headers["Content-Encoding"] == "gzip"


def test_django_sends_nothing_to_others_to_nobody_and_without_an_event_loop(host: Scene) -> None:
    view = host.subscribe(host.jessica, until=Stage.PROVING_IDENTITY)
    where = f"/signature/s/{view.id}/events"

    async def statuses() -> list[int]:
        client = AsyncClient()
        return [
            (await client.get(where, headers={"X-Who": "irene"})).status_code,
            (await client.get("/signature/s/none/events", headers={"X-Who": "irene"})).status_code,
            (await client.get(where)).status_code,
            (await client.post(where, headers={"X-Who": "jessica"})).status_code,
        ]

    assert asyncio.run(statuses()) == [404, 404, 401, 405]
    assert Client().get(where, headers={"X-Who": "jessica"}).status_code == 404
    assert "data-qcp-events" not in Client().get(where[:-7], headers={"X-Who": "jessica"}).text


@pytest.fixture
def server(host: Scene) -> Iterator[str]:
    """A real server on a real socket."""
    import uvicorn
    from django.core.asgi import get_asgi_application

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(get_asgi_application(), log_level="critical", lifespan="off", ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    with override_settings(ALLOWED_HOSTS=["127.0.0.1"]):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join(30)
    listener.close()


MANY = 24
"""Connections, three times as many as there are threads to look things up in."""


def test_on_a_real_server_a_connection_costs_no_thread_and_is_told_what_moves(
    server: str, host: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SOONEST", 0.05)
    view = host.subscribe(host.jessica, until=Stage.VERIFYING_EMAIL)

    async def listen() -> tuple[int, int]:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=60) as client:
            await client.get(f"{server}/signature/s/{view.id}", headers={"X-Who": "jessica"})
            before = threading.active_count()
            streams = [
                client.stream("GET", f"{server}/signature/s/{view.id}/events", headers={"X-Who": "jessica"})
                for _ in range(MANY)
            ]
            answers = [await one.__aenter__() for one in streams]
            lines: list[AsyncIterator[str]] = [answer.aiter_lines() for answer in answers]
            for one in lines:
                await marks(one)
            during = threading.active_count()
            host.advance(view, Stage.CONFIRMING_DETAILS)
            now = subscriptions.mark(host.qcp.subscriptions.get(view.id))
            for one in lines:  # some see a stage between on the way
                while await marks(one) != now:
                    pass
            for stream in streams:
                await stream.__aexit__(None, None, None)
            return before, during

    before, during = asyncio.run(listen())
    assert during - before <= 8  # those of `AsyncQcp`, however many listen
    assert len(installation().aio._pool._threads) <= 8


async def marks(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError("it ended")
