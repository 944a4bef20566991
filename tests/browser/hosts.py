"""Two platforms before one scene: Flask, and Django with the SDK's own tables. Each has one server for all tests.

`begin` puts a new scene behind the server. Nothing is waited for but what happens: the tests move the scene's clock.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Final

from attrs import evolve
from werkzeug.serving import BaseWSGIServer, make_server

from qcp_sdk.testing.scene import Scene
from tests.browser.stage import Set

HERE: Final = "127.0.0.1"
LANGUAGES: Final = ("en", "fr")


class Host:
    """A platform whose login is a link: `/login/<account>/<language>`."""

    name: ClassVar[str]

    def __init__(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._app: Callable[..., Iterable[bytes]] | None = None
        self.server: BaseWSGIServer = make_server(HERE, 0, self._answer, threaded=True)
        self.url = f"http://{HERE}:{self.server.server_port}"
        self._set: Set | None = None
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def set(self) -> Set:
        """What plays now."""
        assert self._set is not None, "begin first"
        return self._set

    @property
    def scene(self) -> Scene:
        return self.set.scene

    def begin(self, **scene: Any) -> Set:
        """Let a new scene play. `plan` and `documents` are of its collecte; the others make the `Scene`."""
        about = {name: scene.pop(name) for name in ("plan", "documents") if name in scene}
        self._set = Set(self._scene(**scene), **about)
        self._app = self._application(self._set)
        return self._set

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        assert self._app is not None, "begin first"
        return self._app(environ, start)

    def _scene(self, **scene: Any) -> Scene:
        return Scene(**scene)

    def _application(self, present: Set) -> Callable[..., Iterable[bytes]]:
        raise NotImplementedError


class FlaskHost(Host):
    """An application of Flask's; the store is in memory."""

    name = "flask"

    def _application(self, present: Set) -> Callable[..., Iterable[bytes]]:
        from flask import Flask, redirect, session
        from flask.typing import ResponseReturnValue

        from qcp_sdk.web.flask import Qcp, current, respond

        app = Flask(__name__)
        app.secret_key = "of a test"
        app.config.update(
            QCP_INSTALLATION=lambda: present.scene.qcp,
            QCP_ACCOUNT=lambda: session.get("account"),
            QCP_LANGUAGE=lambda: session.get("language", "en"),
            QCP_PLATFORM="Plateforme",
            QCP_MOBILE_HELP="/account",
        )
        Qcp(app)

        @app.get("/login/<account>/<language>")
        def login(account: str, language: str) -> ResponseReturnValue:
            session.update(account=account, language=language)
            return redirect("/signature/")

        @app.route("/collectes/new", methods=["GET", "POST"])
        def new() -> ResponseReturnValue:
            step = current.signatories(
                action="/collectes/new",
                members=[present.scene.irene],
                build=lambda people, order: evolve(present.collecte, signatories=people, order=order),
            )
            if step.collecte is None:
                return respond(step.response)
            started = current.qcp.collectes.start(step.collecte, plan=present.plan)
            return redirect(f"/signature/c/{started[0].id}")

        return app


class DjangoHost(Host):
    """A project of Django's, with the store on its ORM; effects wait for its transactions."""

    name = "django"

    def __init__(self, database: Path) -> None:
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.browser.django_host.settings"
        # Playwright runs an event loop in the thread of the tests, which is the only one that uses its connection.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "yes"
        import django
        from django.conf import settings

        settings.DATABASES["default"]["NAME"] = str(database)
        django.setup()
        from django.core.management import call_command
        from django.core.wsgi import get_wsgi_application

        call_command("migrate", verbosity=0)
        self._wsgi = get_wsgi_application()
        super().__init__()

    def _scene(self, **scene: Any) -> Scene:
        from qcp_sdk.web.django.models import Claim, Effect, Entry, Mark, Message, Stream
        from qcp_sdk.web.django.store import DjangoStore, after_commit

        for table in (Claim, Effect, Entry, Mark, Message, Stream):
            table.objects.all().delete()
        made = Scene(after_commit=after_commit, **scene)
        made.world.store = DjangoStore()  # type: ignore[assignment]
        made.qcp = made.installation(after_commit=after_commit, offer=scene.get("offer"))
        return made

    def _application(self, present: Set) -> Callable[..., Iterable[bytes]]:
        from django.conf import settings
        from django.core.signals import setting_changed

        from tests.browser.django_host.urls import sets

        sets[:] = [present]
        setting_changed.send(type(self), setting="QCP", value=settings.QCP, enter=True)
        return self._wsgi

    def close(self) -> None:
        from django.db import connections

        super().close()
        connections.close_all()


HOSTS: Final = ("flask", "django")


def made(name: str, folder: Path) -> Host:
    """Give the platform of that name."""
    return FlaskHost() if name == "flask" else DjangoHost(folder / "platform.sqlite")
