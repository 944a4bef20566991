"""Waiting pages in a browser before an ASGI server: told when something moves, and asking where they are not told."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.web import watching

pytestmark = pytest.mark.browser


@pytest.fixture
def told(qcp_scene: Scene) -> Iterator[str]:
    """The Django platform under uvicorn, with Jessica signed in; over the scene's own store, no table is touched."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.django_host.settings")
    import django
    import uvicorn
    from django.core.asgi import get_asgi_application
    from django.test import override_settings

    django.setup()

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(get_asgi_application(), log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    qcp = {"BACKEND": lambda: qcp_scene.qcp, "ACCOUNT": lambda _request: "jessica"}
    with override_settings(QCP=qcp):
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/signature"
        running.should_exit = running.force_exit = True
        thread.join(30)
    listener.close()


@pytest.fixture
def waiting(qcp_scene: Scene) -> Any:
    """Jessica's phone is done, and her identity is being looked at."""
    view = qcp_scene.subscribe(qcp_scene.jessica, until=Stage.PROVING_IDENTITY)
    qcp_scene.world.identity.capture(qcp_scene.identity_session(view))
    return qcp_scene.qcp.subscriptions.refresh(view.id)


def asked_of(page: Any) -> list[str]:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    return asked


def test_a_page_moves_on_when_it_is_told_and_asks_nothing(
    told: str, waiting: Any, browse: Any, qcp_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SOONEST", 0.1)
    page = browse(locale="en")
    asked = asked_of(page)
    page.goto(f"{told}/s/{waiting.id}")
    assert page.locator("h1").inner_text() == "Your identity is being checked"
    page.wait_for_function("performance.getEntriesByType('resource').length >= 2")
    qcp_scene.advance(waiting, Stage.CONFIRMING_IDENTITY)
    page.get_by_role("heading", name="Confirm your identity").wait_for()
    assert "events" in asked
    assert "state" not in asked


@pytest.mark.parametrize("why", ["unknown", "broken", "silent", "held"])
def test_a_page_that_is_told_nothing_asks(told: str, waiting: Any, browse: Any, qcp_scene: Scene, why: str) -> None:
    page = browse(locale="en")
    asked = asked_of(page)
    lines = {"status": 200, "content_type": "text/event-stream"}
    answers: dict[str, Any] = {
        "unknown": lambda route: route.fulfill(status=404),
        "broken": lambda route: route.abort(),
        "held": lambda _route: None,  # as behind a proxy that keeps everything until the end
        "silent": lambda route: route.fulfill(**lines, body=": nothing that a page would hear\n\n"),
    }
    page.route("**/events", answers[why])
    page.clock.install()
    page.goto(f"{told}/s/{waiting.id}")
    qcp_scene.advance(waiting, Stage.CONFIRMING_IDENTITY)
    page.clock.run_for(60_000)
    page.get_by_role("heading", name="Confirm your identity").wait_for()
    assert {"events", "state"} <= set(asked)
