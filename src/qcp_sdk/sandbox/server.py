"""The sandbox: providers under prefixes, one clock, one post office, one script of faults; in process or served."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from io import BytesIO
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, ClassVar, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from qcp_sdk.adapters.system import SystemClock
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sandbox.clock import ShiftedClock
from qcp_sdk.sandbox.control import Control
from qcp_sdk.sandbox.faults import BEFORE, FaultKind, FaultScript, refused, spoilt
from qcp_sdk.sandbox.post import Deliver, PostOffice
from qcp_sdk.sandbox.providers import PROVIDERS
from qcp_sdk.sandbox.wsgi import Answer, Failed, Headers, Provider, answer_json, send_answer

CONTROL: Final = "_control"
POST_EVERY: Final = 0.1
"""Seconds between two rounds of the post office, when served."""
IDLE: Final = 20.0
"""Seconds after which a client that says nothing is hung up on."""


class Sandbox:
    """A WSGI application that plays every provider of `providers.PROVIDERS`, or those named in `only`.

    Webhooks are delivered by `deliver_due`, which `Served` calls by itself: in process nothing happens behind the
    caller's back.

    Raises:
        ConfigurationError: `only` names a provider that there is not.
    """

    simulated: ClassVar[bool] = True

    def __init__(
        self, *, base: Clock | None = None, only: Sequence[str] | None = None, deliver: Deliver | None = None
    ) -> None:
        unknown = set(only or ()) - PROVIDERS.keys()
        if unknown:
            raise ConfigurationError(
                f"there is no provider {', '.join(f'`{name}`' for name in sorted(unknown))}",
                where="sandbox",
                mend=f"use {', '.join(PROVIDERS)}",
            )
        self.clock = ShiftedClock(base or SystemClock())
        self.office = PostOffice(clock=self.clock, deliver=deliver)
        self.faults = FaultScript()
        self.providers: dict[str, Provider] = {
            name: make(self.clock, _posting(self.office, name))
            for name, make in PROVIDERS.items()
            if only is None or name in only
        }
        self.control = Control(self)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request: below `/_control` by the control API, below a provider's prefix by that provider."""
        name, _, rest = str(environ.get("PATH_INFO", "")).lstrip("/").partition("/")
        within = {
            **environ,
            "SCRIPT_NAME": f"{environ.get('SCRIPT_NAME', '')}/{name}",
            "PATH_INFO": f"/{rest}",
        }
        if name == CONTROL:
            return self.control(within, start_response)
        provider = self.providers.get(name)
        if provider is None:
            told = {"error": "nothing is here", "providers": list(self.providers), "control": f"/{CONTROL}/"}
            return send_answer(answer_json(told, HTTPStatus.NOT_FOUND), start_response)
        return send_answer(self._answered(name, provider, within), start_response)

    def advance(self, by: timedelta) -> None:
        """Let time pass, and let the providers do what has become due."""
        self.clock.advance(by)
        self.tick()

    def tick(self) -> None:
        """Let every provider do what time has made due."""
        for provider in self.providers.values():
            with provider.lock:
                provider.tick()

    def deliver_due(self) -> int:
        """Deliver the webhooks that are due; give how many were tried."""
        self.tick()
        return self.office.deliver_due()

    def forge(self, number: int) -> None:
        """Send a webhook once more, as somebody would who does not know its secret.

        Raises:
            Failed: There is no such webhook.
        """
        for one in self.office.webhooks():
            if one.number == number:
                headers, body = self.providers[one.provider].forged(one.headers, one.body)
                self.office.send(one.provider, one.url, headers, body)
                return
        raise Failed(HTTPStatus.NOT_FOUND, "there is no such webhook")

    def reset(self) -> None:
        """Forget everything: sessions, webhooks, faults, and how far the clock is ahead."""
        self.faults.clear()
        self.clock.reset()
        for provider in self.providers.values():
            with provider.lock:
                provider.reset()
        self.office.reset()

    def state(self) -> dict[str, Any]:
        """Give what the control page shows."""
        told = {}
        for name, provider in self.providers.items():
            with provider.lock:
                told[name] = provider.state()
        return {
            "now": self.clock.now().isoformat(),
            "ahead": self.clock.ahead.total_seconds(),
            "faults": self.faults.lines(),
            "webhooks": [one.told() for one in self.office.webhooks()],
            "providers": told,
        }

    def _answered(self, name: str, provider: Provider, environ: WSGIEnvironment) -> Answer:
        fault = self.faults.judge(name)
        if fault is not None and fault.kind in BEFORE:
            return refused(fault)
        with provider.lock:
            provider.tick()
        if fault is not None and fault.kind is FaultKind.DUPLICATED:
            length = str(environ.get("CONTENT_LENGTH") or "0")
            body = environ["wsgi.input"].read(int(length)) if length.isdecimal() else b""
            _asked(provider, {**environ, "wsgi.input": BytesIO(body)})
            environ = {**environ, "wsgi.input": BytesIO(body)}
        answer = _asked(provider, environ)
        with provider.lock:
            provider.tick()
        return spoilt(fault, answer, sleep=self.faults.sleep) if fault is not None else answer


def _asked(provider: Provider, environ: WSGIEnvironment) -> Answer:
    """Ask a provider as a WSGI application: it need not be one of ours."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
        said.append((status, headers))

    body = b"".join(provider(environ, start))
    status, headers = said[-1]
    types = [value for name, value in headers if name.lower() == "content-type"]
    others: Headers = tuple(one for one in headers if one[0].lower() not in {"content-type", "content-length"})
    return Answer(status=int(status[:3]), body=body, type=types[0] if types else "", headers=others)


def _posting(office: PostOffice, name: str) -> Any:
    def post(url: str, headers: Mapping[str, str], body: bytes) -> None:
        office.send(name, url, headers, body)

    return post


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _Handler(WSGIRequestHandler):
    timeout = IDLE

    def log_message(self, format: str, *arguments: object) -> None:  # the base class's name
        """Log nothing: a path may hold a session, a query a name."""

    def get_environ(self) -> WSGIEnvironment:
        """Give the environment without a look-up of the client's name, which may take seconds."""
        return super().get_environ()

    def address_string(self) -> str:
        """Give the client's address as it is."""
        return str(self.client_address[0])


class Served:
    """A sandbox on a port of this machine, with a thread that delivers its webhooks; `with` stops both.

    Raises:
        ConfigurationError: The port cannot be had.
    """

    def __init__(self, sandbox: Sandbox, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.sandbox = sandbox
        self._stopped = threading.Event()
        try:
            self._server = _Server((host, port), _Handler)
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be had ({error.strerror})", where="sandbox", mend="give another --port"
            ) from error
        self._server.set_app(sandbox)
        named = f"[{host}]" if ":" in host else host
        self.url = f"http://{named}:{self._server.server_port}"
        self._threads = (
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True),
            threading.Thread(target=self._post, daemon=True),
        )

    def __enter__(self) -> Served:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join(timeout=5)

    def wait(self) -> None:
        """Serve until somebody interrupts."""
        self._stopped.wait()

    def _post(self) -> None:
        while not self._stopped.wait(POST_EVERY):
            self.sandbox.deliver_due()
