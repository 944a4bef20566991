"""A real browser before a real server: Debian's Chromium, driven by Playwright; axe-core looks at every page.

These run where `QCP_BROWSER` names a Chromium and `QCP_AXE` the file `axe.min.js` of npm's axe-core (`.ci/run` installs
both), with `-m browser`. Nothing is waited for but what happens: the scene's clock is moved by the tests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from flask import Flask, Response, redirect, request, session
from werkzeug.serving import make_server

from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import SubscriptionId
from qcp_sdk.web.flask import Qcp, current, respond

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PROVIDER = "**://*.invalid/**"


class Host:
    """A platform whose login is a link, with a scene behind it."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.app = self._app()
        self.server = make_server("127.0.0.1", 0, self.app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def code(self, account: Account, purpose: Purpose) -> str:
        return self.scene.code(account, purpose).text.reveal()

    def capture(self, id: str) -> None:
        view = self.scene.qcp.subscriptions.get(SubscriptionId(id))
        self.scene.world.identity.capture(self.scene.identity_session(view))

    def _app(self) -> Flask:
        app = Flask(__name__)
        app.secret_key = "of a test"
        app.config.update(
            QCP_INSTALLATION=lambda: self.scene.qcp,
            QCP_ACCOUNT=lambda: session.get("account"),
            QCP_LANGUAGE=lambda: session.get("language", "en"),
            QCP_PLATFORM="Plateforme",
            QCP_MOBILE_HELP="/account",
        )
        Qcp(app)

        @app.get("/login/<account>/<language>")
        def login(account: str, language: str) -> Response:
            session.update(account=account, language=language)
            return redirect("/signature/")  # type: ignore[return-value]

        @app.route("/collectes/new", methods=["GET", "POST"])
        def new() -> Any:
            step = current.signatories(
                action="/collectes/new",
                members=[self.scene.irene],
                build=lambda who, order: evolve(self.scene.collecte(self.scene.jessica), signatories=who, order=order),
            )
            if step.collecte is None:
                return respond(step.response)
            started = current.qcp.collectes.start(step.collecte)
            return redirect(f"/signature/c/{started[0].id}")

        @app.errorhandler(404)
        def lost(_error: Exception) -> tuple[str, int]:
            return f"nothing at {request.path}", 404

        return app


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    path = os.environ.get("QCP_BROWSER")
    if not path:
        pytest.fail("QCP_BROWSER names no browser: these tests are for .ci/run", pytrace=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    return Path(os.environ["QCP_AXE"]).read_text(encoding="utf-8")


@pytest.fixture
def contexts(chromium: Any) -> Iterator[list[Any]]:
    """Every context of a test; what a page says against its policy, or throws, fails the test."""
    made: list[Any] = []
    yield made
    for one in made:
        one.close()


@pytest.fixture
def trouble() -> list[str]:
    return []


@pytest.fixture
def browse(chromium: Any, contexts: list[Any], trouble: list[str]) -> Iterator[Any]:
    """Open a browser of somebody's: `browse()`, `browse(java_script_enabled=False)`, `browse(viewport=…)`."""

    def opened(**options: Any) -> Any:
        context = chromium.new_context(**options)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on(
            "console",
            lambda line: trouble.append(line.text) if "Content Security Policy" in line.text else None,
        )
        context.route(PROVIDER, lambda route: route.fulfill(body="<h1>Provider</h1>", content_type="text/html"))
        return page

    yield opened
    assert trouble == []
