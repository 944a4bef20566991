"""`qcp-sdk practice`: the other side, while a host is built on `Qcp.local`: the inbox, the phone, and a worker.

It shows every code and plays the identity provider, so it serves installations of `Qcp.local` alone, to this machine
alone, and answers to no other name than its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from qcp_sdk.adapters.shared.simulation.identity import IdentityScript
from qcp_sdk.adapters.simulated_identity import SimulatedIdentity, abandon, approve, fraud, refuse, retry
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.local import LocalQcp
from qcp_sdk.people import LANGUAGES
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import SessionId
from qcp_sdk.web.rendering import STATIC, Renderer
from qcp_sdk.worker import work

HERE: Final = "127.0.0.1"
PORT: Final = 5001
OUTCOMES: Final[Mapping[str, Callable[[], IdentityScript]]] = MappingProxyType(
    {"approve": approve, "retry": lambda: retry("glare"), "refuse": refuse, "fraud": fraud, "abandon": abandon}
)
"""What a check may come to, by the words of the texts' table `portal`."""
MOST: Final = 50
"""Messages that are shown, the newest first."""
LARGEST: Final = 4_096
"""Bytes of a form."""
POLICY: Final = "default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'"
Answer = tuple[str, str, bytes]
"""Status, content type, body."""


class Practice:
    """The pages, as a WSGI application: `/` is the inbox, `/phone/<session>` the phone.

    Raises:
        ConfigurationError: The installation is not one of `Qcp.local`, or has another identity provider.
    """

    def __init__(self, qcp: Qcp) -> None:
        if not isinstance(qcp, LocalQcp) or not isinstance(qcp.identity, SimulatedIdentity):
            raise ConfigurationError(
                "only the people and the provider of `Qcp.local` can be played", where="practice",
                mend="name an installation that `Qcp.local` gives, with its own identity provider",
            )  # fmt: skip
        self._qcp, self._renderer = qcp, Renderer(platform="qcp_sdk")

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        status, kind, body = self._answer(environ)
        start(
            status,
            [("Content-Type", kind), ("Cache-Control", "no-store"), ("Content-Security-Policy", POLICY),
             ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer")],
        )  # fmt: skip
        return [body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        # Another site that has its name lead here would otherwise read the codes.
        if environ.get("HTTP_HOST", "").partition(":")[0] not in (HERE, "localhost"):
            return "421 Misdirected Request", "text/plain", b""
        language = _language(environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        page, _, rest = environ.get("PATH_INFO", "").lstrip("/").partition("/")
        if not page:
            return self._inbox(language)
        if page == "phone" and rest:
            posted = environ["REQUEST_METHOD"] == "POST"
            return self._phone(SessionId(rest), language, _form(environ) if posted else None)
        if page == "static" and rest in STATIC:
            return "200 OK", STATIC[rest], self._renderer.static(rest)
        return "404 Not Found", "text/plain", b""

    def _inbox(self, language: str) -> Answer:
        messages = list(reversed(self._qcp.mailbox.messages()))[:MOST]
        waiting = [one for one in self._qcp.identity.sessions() if one.captured_at is None and one.verdict is None]
        return self._page(language, "inbox", messages=messages, sessions=waiting, session=None)

    def _phone(self, id: SessionId, language: str, form: Mapping[str, list[str]] | None) -> Answer:
        desk = self._qcp.identity
        found = next((one for one in desk.sessions() if one.id == id), None)
        if found is None:
            return "404 Not Found", "text/plain", b""
        over = found.captured_at is not None
        if form is not None and not over:
            outcome = OUTCOMES.get((form.get("outcome") or [""])[0], approve)
            try:
                desk.script(id, outcome())
                desk.capture(id)
            except Rejected:
                pass  # it has ended meanwhile
            else:
                self._qcp.subscriptions.hint(id)
            over = True
        return self._page(language, "phone", session=found, over=over, outcomes=list(OUTCOMES))

    def _page(self, language: str, name: str, **context: object) -> Answer:
        title = self._renderer.texts[language].tables["portal"][name]
        body = self._renderer.render("practice/page", language, title=title, **context)
        return "200 OK", "text/html; charset=utf-8", body.encode()


def _language(accepted: str) -> str:
    asked = (part.strip().partition(";")[0].partition("-")[0].lower() for part in accepted.split(","))
    return next((one for one in asked if one in LANGUAGES), LANGUAGES[0])


def _form(environ: dict[str, Any]) -> dict[str, list[str]]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return parse_qs(environ["wsgi.input"].read(min(length, LARGEST)).decode("utf-8", "replace"))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: addresses hold sessions."""


def serve(qcp: Qcp, *, port: int = PORT, announce: Callable[[str], object] = print) -> None:
    """Serve until interrupted, and do what is due meanwhile. `announce` is told the address.

    Raises:
        ConfigurationError: As `Practice`, or the port is taken.
    """
    pages, stop = Practice(qcp), threading.Event()
    try:
        server = make_server(HERE, port, pages, _Server, _Quiet)
    except OSError as taken:
        raise ConfigurationError("it is taken", where=f"port {port}", mend="choose another: --port") from taken
    worker = threading.Thread(target=work, args=(qcp,), kwargs={"stop": stop})
    worker.start()
    announce(f"http://{HERE}:{server.server_port}/")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        worker.join()
        server.server_close()
