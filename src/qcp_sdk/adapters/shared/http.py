"""Asking a service over HTTP, bounded in time and size; what goes wrong comes out as one of the three port errors.

- `Secret`s in headers, JSON and forms are revealed on the wire only, and taken out of whatever the service says back.
- Redirects are not followed, cookies are not kept, compressed answers are not asked for, no proxy is taken from the
  environment. Plain `http://` is refused unless it is allowed.
- Nothing is retried here: whoever calls has the key, and the engine backs off.

What is known decides the error: a call that `acts` and whose answer is lost or cannot be read is `Unconfirmed`; where
the service certainly did nothing, or where asking again harms nothing, it is `Unavailable`.
"""

from __future__ import annotations

import http.cookiejar
import json as json_codec
import logging
import os
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

import httpcore
import httpx
from attrs import evolve, field, frozen

from qcp_sdk.adapters.shared.http_wire import Wire
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.values import Secret

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

HeaderValue: TypeAlias = str | Secret

WORDS_LENGTH: Final = 300
"""How much of a service's own words enters an error."""
_WORDS: Final = (
    "error",
    "errorCode",
    "code",
    "title",
    "error_description",
    "errorDescription",
    "message",
    "detail",
    "reason",
    "errorReference",
)
"""Where services put their words in JSON, in the order in which they are told; the rest of an answer is not quoted."""
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")

NOT_ASKED: Final = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.ProxyError)
"""After these the service has seen nothing of the request."""
NOTHING_DONE: Final = frozenset({401, 403, 404, 405, 407, 408, 421, 425, 426, 429, 431, 503})
"""Statuses by which a service or what stands before it says that it did nothing: mend the configuration, or wait."""
_MENDS: Final[Mapping[int, str]] = {
    401: "check the credentials of this installation",
    403: "check the credentials of this installation and what they allow",
    404: "check the service's address",
    407: "check the proxy's credentials",
}
_NO_ANSWER: Final = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    ValueError,  # what the codecs and sockets below let through, this and the next
    OSError,
)
_TALKATIVE: Final = ("httpx", "httpcore")
"""Loggers that tell addresses and headers, which may hold codes and names."""


@frozen(kw_only=True)
class Limits:
    """How long and how much, seconds and bytes. `total` is the whole of a request; no service can stretch it."""

    connect: float = 5.0
    wait: float = 30.0
    """The longest silence."""
    total: float = 60.0
    size: int = 1 << 20
    """The longest answer."""
    connections: int = 20


@frozen(kw_only=True)
class Answer:
    """What a service answered. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    acts: bool
    """Whether the call changes something, so that an answer that cannot be read is `Unconfirmed`."""
    where: str
    secrets: tuple[str, ...] = field(repr=False, default=())
    """What was secret in the request: never quoted."""
    quiet: bool = False
    """Whether a person's data went out or may come back, so that no error says anything of the service's."""

    def json(self) -> Any:
        """Give the body as JSON.

        Raises:
            Unavailable: It is no JSON.
            Unconfirmed: The same, of a call that acts.
        """
        try:
            return _parsed(self.body)
        except (ValueError, RecursionError) as error:
            raise self.unreadable("it is no JSON") from (None if self.quiet or _tells(error, self.secrets) else error)

    def words(self) -> str:
        """Give the service's own words on one line, without what was secret in the request; "" where it has none.

        Of a `quiet` answer they are to be compared only: they may name the person, in any form.
        """
        kind = self.headers.get("content-type", "")
        if "html" in kind:
            return ""  # a page of a proxy, for a person's eyes
        try:
            told = _parsed(self.body)
        except (ValueError, RecursionError):
            told = self.body[: 4 * WORDS_LENGTH].decode(errors="replace") if kind.startswith("text/plain") else ""
        if isinstance(told, dict):
            told = "; ".join(str(told[word]) for word in _WORDS if isinstance(told.get(word), str | int) and told[word])
        return self.quoted(told if isinstance(told, str) else "")

    def quoted(self, text: str) -> str:
        """Make a text of the service's fit for an error: one line, not long, without what was secret in the request."""
        for secret in self.secrets:
            text = text.replace(secret, "…")
        text = " ".join(_UNPRINTABLE.sub(" ", text).replace("`", "'").split())
        return text if len(text) <= WORDS_LENGTH else f"{text[:WORDS_LENGTH]}…"

    def unreadable(self, what: str) -> Unavailable | Unconfirmed:
        """Give the error for an answer that came and cannot be used; `what` quotes nothing of it."""
        told = f"the service answered {self.status}, and {what}"
        if self.acts:
            return Unconfirmed(told, where=self.where, mend="ask what became of this key")
        return Unavailable(told, where=self.where, mend="ask again later; check the service's address")

    def failure(self) -> PortError:
        """Give the error that the status means, with the service's own words unless it is `quiet`."""
        words = "" if self.quiet else self.words()
        told = f"the service answered {self.status}" + (f": {words}" if words else "")
        if self.status < 400:
            return Unavailable(
                told, where=self.where, mend="redirects are not followed: configure the service's own address"
            )
        if self.status in NOTHING_DONE:
            return Unavailable(told, where=self.where, mend=_MENDS.get(self.status, self._patience()))
        if self.status < 500:
            return Rejected(told, reason="refused", where=self.where)
        if self.acts:
            return Unconfirmed(told, where=self.where, mend="ask what became of this key")
        return Unavailable(told, where=self.where, mend="ask again later")

    def _patience(self) -> str:
        seconds = self.headers.get("retry-after", "")
        return f"ask again in {seconds} s" if seconds.isdecimal() and len(seconds) < 7 else "ask again later"


Explain: TypeAlias = Callable[[Answer], PortError | None]
"""What an adapter makes of an answer that is no success; None: what the status means."""


class Http:
    """One service at `base_url`, asked by any number of threads.

    `headers` go with every request. `plain` allows `http://`. `serve` is a WSGI application that is asked in process
    instead of the network. `tls` replaces the usual trust in certificates, or adds a client's own.

    Raises:
        ConfigurationError: The address is not one that may be asked.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, HeaderValue] | None = None,
        limits: Limits = Limits(),
        plain: bool = False,
        serve: WSGIApplication | None = None,
        tls: ssl.SSLContext | None = None,
        proxy: str = "",
    ) -> None:
        self._base, self._where = _address(base_url, plain=plain)
        self._headers, self._limits = dict(headers or {}), limits
        self._serve, self._tls, self._proxy = serve, tls, proxy
        self._lock, self._client, self._process = threading.Lock(), None, 0

    _client: httpx.Client | None
    _wire: Wire | None = None

    def __repr__(self) -> str:
        return f"Http({self._where})"

    def ask(
        self,
        method: str,
        path: str,
        *,
        acts: bool,
        json: object = None,
        form: Mapping[str, HeaderValue] | None = None,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, HeaderValue] | None = None,
        hide: Iterable[Secret] = (),
        expect: frozenset[int] = frozenset(),
        explain: Explain | None = None,
        size: int | None = None,
        quiet: bool = False,
    ) -> Answer:
        """Ask, and give the answer: any 2xx, or a status of `expect`.

        At most one of `json`, `form` and `content` is sent. `hide` names more that an answer must not say back. `size`
        is the longest answer where it is another one than usual: a document's. `quiet` is for calls that carry
        a person's data, or are answered with them: no error says anything that the service said.

        Raises:
            Rejected: The service said no (`refused`, or what `explain` makes of it).
            Unavailable: It was not asked, did nothing, or may be asked again without harm.
            Unconfirmed: It `acts`, and what it did is not known.
        """
        secrets: list[str] = []
        sent = self._sent(self._headers, secrets) | self._sent(headers or {}, secrets)
        if json is not None:
            content = json_codec.dumps(_revealed(json, secrets), separators=(",", ":")).encode()
            sent.setdefault("content-type", "application/json")
        elif form is not None:
            content = urlencode(_revealed(form, secrets), errors="surrogatepass").encode()
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
        for secret in hide:
            _note(secret, secrets)
        if query:
            path += "?" + urlencode(query, errors="surrogatepass")
        known = tuple(sorted(filter(None, secrets), key=len, reverse=True))
        answer = self._exchange(
            method,
            self._base + path,
            content,
            sent,
            acts=acts,
            secrets=known,
            size=size or self._limits.size,
            quiet=quiet,
        )
        if 200 <= answer.status < 300 or answer.status in expect:
            return answer
        raise (explain(answer) if explain is not None else None) or answer.failure()

    def close(self) -> None:
        """Close the connections; asking again opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _sent(self, headers: Mapping[str, HeaderValue], secrets: list[str]) -> dict[str, str]:
        found = {}
        for name, value in headers.items():
            if isinstance(value, Secret):
                _note(value, secrets)
                value = value.reveal()
                secrets += value.split()  # `Bearer …`: what follows is as secret by itself
            if not value.isascii() or not value.isprintable():
                raise Unavailable(
                    f"the header `{name}` cannot be sent", where=self._where, mend="use printable ASCII characters only"
                )
            found[name.lower()] = value
        return found

    def _exchange(
        self,
        method: str,
        url: str,
        content: bytes | None,
        headers: dict[str, str],
        *,
        acts: bool,
        secrets: tuple[str, ...],
        size: int,
        quiet: bool,
    ) -> Answer:
        lost = Unconfirmed if acts else Unavailable
        ends = time.monotonic() + self._limits.total
        try:
            client, wire = self._ready()
            if wire is not None:
                wire.deadline.ends = ends
            with client.stream(method, url, content=content, headers=headers) as response:
                told = {name.lower(): value for name, value in response.headers.items()}
                answer = Answer(
                    status=response.status_code,
                    headers=told,
                    body=b"",
                    acts=acts,
                    where=self._where,
                    secrets=secrets,
                    quiet=quiet,
                )
                if told.get("content-encoding", "identity").lower() not in ("", "identity"):
                    raise answer.unreadable("it is compressed, which was not asked for")
                body = bytearray()
                for piece in response.iter_raw():
                    body += piece
                    if len(body) > size:
                        raise answer.unreadable(f"it is longer than {size} bytes")
                    if time.monotonic() > ends:
                        raise answer.unreadable(f"it takes longer than {self._limits.total:g} s")
        except NOT_ASKED as error:
            raise Unavailable(
                f"the service cannot be reached ({type(error).__name__})",
                where=self._where,
                mend="ask again later; check the address and the network",
            ) from _cause(error, secrets)
        except _NO_ANSWER as error:
            raise lost(
                f"the service gave no answer ({type(error).__name__})",
                where=self._where,
                mend="ask what became of this key" if acts else "ask again later",
            ) from (None if quiet else _cause(error, secrets))
        return evolve(answer, body=bytes(body))

    def _ready(self) -> tuple[httpx.Client, Wire | None]:
        with self._lock:
            if self._client is None or self._process != os.getpid():
                # Connections are not shared with a parent process: a worker that was forked opens its own.
                self._client, self._process = self._opened(), os.getpid()
            return self._client, self._wire

    def _opened(self) -> httpx.Client:
        for name in _TALKATIVE:
            logger = logging.getLogger(name)
            if logger.level == logging.NOTSET:  # a host that set a level itself keeps it
                logger.setLevel(logging.WARNING)
        limits = self._limits
        forgetful = http.cookiejar.CookieJar(policy=http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        transport: httpx.BaseTransport
        if self._serve is not None:
            transport = httpx.WSGITransport(app=self._serve, raise_app_exceptions=False)
        else:
            tls = self._tls if self._tls is not None else httpx.create_ssl_context(trust_env=False)
            transport = self._wire = Wire(tls=tls, connections=limits.connections, proxy=self._proxy)
        return httpx.Client(
            timeout=httpx.Timeout(limits.wait, connect=limits.connect),
            follow_redirects=False,
            trust_env=False,
            cookies=forgetful,
            headers={"accept-encoding": "identity", "accept": "application/json, */*;q=0.1", "user-agent": "qcp_sdk"},
            transport=transport,
        )


def segment(text: str) -> str:
    """Make one segment of a path of any text; `.` and `..` lead nowhere."""
    quoted = quote(text, safe="", errors="surrogatepass")
    return quoted if text.strip(".") else quoted.replace(".", "%2E")


def _address(text: str, *, plain: bool) -> tuple[str, str]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigurationError("it is no web address", where="base_url", mend="write https://host/path") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("it is no web address", where="base_url", mend="write https://host/path")
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigurationError(
            "it has more than host and path", where="base_url", mend="pass credentials by themselves, as a Secret"
        )
    if parts.scheme == "http" and not plain:
        raise ConfigurationError(
            "it is not encrypted", where="base_url", mend="use https://; allow http:// only on your own machine"
        )
    return text.rstrip("/"), f"{host}:{port}" if port else host


def _note(secret: Secret, secrets: list[str]) -> None:
    text = secret.reveal()
    # As it is, and as it would come back inside JSON or an address.
    secrets += [text, json_codec.dumps(text)[1:-1], quote(text, safe="", errors="surrogatepass")]


def _revealed(value: object, secrets: list[str]) -> Any:
    if isinstance(value, Secret):
        _note(value, secrets)
        return value.reveal()
    if isinstance(value, Mapping):
        return {name: _revealed(each, secrets) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_revealed(each, secrets) for each in value]
    return value


def _parsed(body: bytes) -> Any:
    def constant(name: str) -> object:
        raise ValueError(f"{name} is no JSON (RFC 8259 § 6)")

    return json_codec.loads(body.decode(), parse_constant=constant)


def _cause(error: Exception, secrets: tuple[str, ...]) -> Exception | None:
    """Give the original, unless it quotes a secret: h11 does so with a header that it refuses."""
    return None if any(_tells(each, secrets) for each in _chain(error)) else error


def _tells(error: BaseException, secrets: tuple[str, ...]) -> bool:
    told = f"{error}{error.args}"
    return any(secret in told for secret in secrets)


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__
