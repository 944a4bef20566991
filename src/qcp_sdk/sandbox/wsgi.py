"""What a provider of the sandbox is made of: requests in, answers out, a table of routes, a lock, a clock."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from attrs import field, frozen

from qcp_sdk.ports.clock import Clock

LARGEST: Final = 12 * 1024 * 1024
"""Bytes of a request that are read; longer ones are answered 413. A document of the guide's platform has 10 MB."""

_HOST: Final = re.compile(r"[A-Za-z0-9.\[\]:_-]+").fullmatch

Headers: TypeAlias = tuple[tuple[str, str], ...]
Post: TypeAlias = Callable[[str, Mapping[str, str], bytes], None]
"""How a provider sends a webhook: `post(url, headers, body)`. It is on its way when this returns, no more."""


class Pace(StrEnum):
    """How what takes time goes on."""

    TIME = "time"
    """As at the provider, by the sandbox's clock, which can be advanced."""
    NOW = "now"
    """Immediately."""
    HAND = "hand"
    """Only when somebody says so."""


@frozen(kw_only=True)
class Request:
    """One request. `headers` are in lower case, `path` begins behind the provider's prefix and is decoded."""

    method: str
    path: str
    query: Mapping[str, str] = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = field(default=b"", repr=False)
    base_url: str = ""
    """How the client reached this provider, without a slash at its end."""
    source: str = ""
    """The address that the request came from."""

    def json(self) -> dict[str, Any]:
        """Give the body, a JSON object; an empty body is an empty one.

        Raises:
            Failed: It is something else: 400.
        """
        if not self.body:
            return {}
        try:
            told = json.loads(self.body)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise Failed(HTTPStatus.BAD_REQUEST, "the body is not a JSON object")
        return told

    def form(self) -> dict[str, str]:
        """Give the fields of a form-encoded body, the last one where a name comes twice.

        Raises:
            Failed: It is something else: 400.
        """
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=200))
        except ValueError as error:
            raise Failed(HTTPStatus.BAD_REQUEST, "the body is not a form") from error


@frozen(kw_only=True)
class Answer:
    """One answer."""

    status: int = HTTPStatus.OK
    body: bytes = field(default=b"", repr=False)
    type: str = "application/json"
    headers: Headers = ()


def answer_json(told: object, status: int = HTTPStatus.OK, headers: Headers = ()) -> Answer:
    """Answer with a JSON value."""
    return Answer(status=status, body=json.dumps(told, ensure_ascii=False).encode(), headers=headers)


def answer_html(text: str, status: int = HTTPStatus.OK, *, leads_to: str = "") -> Answer:
    """Answer with a page: no script, nothing from elsewhere. `leads_to` is where its form sends the browser on to:
    some browsers hold `form-action` against redirects too.
    """
    policy = f"default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {web_origin(leads_to)}".rstrip()
    return Answer(
        status=status,
        body=text.encode(),
        type="text/html; charset=utf-8",
        headers=(("Content-Security-Policy", policy), ("Cache-Control", "no-store")),
    )


def web_origin(url: str) -> str:
    """Give the origin of a web address; "" of anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and _HOST(parts.netloc) else ""


class Failed(Exception):
    """A request ends here, with this status; the provider says it in its own words (`Provider.failed`)."""

    def __init__(self, status: int, message: str = "", *, word: str = "", headers: Headers = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.word, self.headers = status, message, word, headers


Handler = TypeVar("Handler", bound=Callable[..., Answer])


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Mark a method of a provider as the one that answers; `{name}` stands for one segment of the path."""

    def mark(handler: Handler) -> Handler:
        handler.__dict__.setdefault("routes", []).append((method, path))
        return handler

    return mark


@frozen
class _Route:
    method: str
    path: re.Pattern[str]
    handler: str


class Provider:
    """The root of every provider: a WSGI application over the methods that `route` marks, one request at a time.

    A subclass keeps its state in attributes that `reset` makes anew, and says how it fails in `failed`.
    """

    _routes: ClassVar[Sequence[_Route]] = ()

    def __init__(self, *, clock: Clock, post: Post | None = None) -> None:
        self.clock, self.post = clock, post or _nowhere
        self.lock = threading.RLock()
        self.pace = Pace.TIME
        self.reset()

    def __init_subclass__(cls, **options: object) -> None:
        """Collect the routes, in the order in which they are written."""
        super().__init_subclass__(**options)
        own = (
            _Route(method, _pattern(path), name)
            for name, thing in vars(cls).items()
            for method, path in getattr(thing, "routes", ())
        )
        inherited = (one for base in cls.__bases__ for one in getattr(base, "_routes", ()))
        cls._routes = tuple(dict.fromkeys((*own, *inherited)))

    def reset(self) -> None:
        """Forget everything."""
        self.pace = Pace.TIME

    def tick(self) -> None:
        """Do what time has made due: the sandbox calls it after every request and when its clock moves."""

    def state(self) -> object:
        """Give what the control page shows, as JSON."""
        return {}

    def script(self, told: Mapping[str, Any]) -> object:
        """Do what the control API asks of this provider; the keys are the provider's own.

        Raises:
            Failed: It cannot be done.
        """
        raise Failed(HTTPStatus.NOT_FOUND, f"nothing can be scripted here: {', '.join(told)}")

    def forged(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        """Give a webhook as somebody would send it who knows everything but the secret."""
        return dict(headers), body

    def failed(self, failure: Failed) -> Answer:
        """Say a failure in the provider's own words."""
        return answer_json({"error": failure.message}, failure.status, failure.headers)

    def wait(self, wait: timedelta) -> timedelta | None:
        """Give how long something takes at the present pace; None for as long as nobody says so."""
        return {Pace.TIME: wait, Pace.NOW: timedelta(0), Pace.HAND: None}[self.pace]

    def answer(self, request: Request) -> Answer:
        """Answer a request, alone."""
        with self.lock:
            try:
                return self._routed(request)
            except Failed as failure:
                return self.failed(failure)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        try:
            answer = self.answer(read_request(environ))
        except Failed as failure:
            answer = self.failed(failure)
        return send_answer(answer, start_response)

    def _routed(self, request: Request) -> Answer:
        found = False
        for one in self._routes:
            named = one.path.fullmatch(request.path)
            if named is None:
                continue
            found = True
            if one.method == request.method:
                handler: Callable[..., Answer] = getattr(self, one.handler)
                return handler(request, **named.groupdict())
        if found:
            raise Failed(HTTPStatus.METHOD_NOT_ALLOWED, f"{request.method} is not answered here")
        raise Failed(HTTPStatus.NOT_FOUND, "nothing is here")


def read_request(environ: WSGIEnvironment) -> Request:
    """Read a request, its body bounded.

    Raises:
        Failed: It is too large (413), or its length makes no sense (400).
    """
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = -1
    if length < 0:
        raise Failed(HTTPStatus.BAD_REQUEST, "the length of the body makes no sense")
    if length > LARGEST:
        raise Failed(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {LARGEST} bytes")
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    host = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    return Request(
        method=str(environ.get("REQUEST_METHOD", "GET")).upper(),
        path=_decoded(str(environ.get("PATH_INFO", ""))) or "/",
        query=dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True, errors="replace")),
        headers=headers,
        body=environ["wsgi.input"].read(length) if length else b"",
        base_url=f"{environ.get('wsgi.url_scheme', 'http')}://{host}{environ.get('SCRIPT_NAME', '')}",
        source=str(environ.get("REMOTE_ADDR", "")),
    )


def send_answer(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    """Begin an answer, and give its body."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    headers = [("Content-Length", str(len(answer.body))), *answer.headers]
    if answer.body:
        headers.append(("Content-Type", answer.type))
    start_response(f"{int(answer.status)} {phrase}", headers)
    return [answer.body]


def _decoded(path: str) -> str:
    # WSGI gives bytes as latin-1 (PEP 3333); httpx's transport gives the text itself.
    try:
        return path.encode("latin-1").decode()
    except UnicodeError:
        return path


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    names = (f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
    return re.compile("".join(names))


def _nowhere(url: str, headers: Mapping[str, str], body: bytes) -> None:
    """Send nothing: a provider on its own, to whom nobody listens."""
