"""The frame in which adapters ask services over HTTP: what each fault becomes, and what is never said."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http, Limits, segment
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.testing.conformance.base import at_once, only_port_errors
from qcp_sdk.testing.conformance.discretion import unspoken
from qcp_sdk.values import Secret

CODE = Secret("1234567")
USUAL = Limits()
BASE = "https://service.example.org/api"
JSON = "application/json"


class Service:
    """A WSGI application that answers one thing, and keeps what it was asked."""

    def __init__(
        self, status: str = "200 OK", body: bytes | Iterable[bytes] = b"{}", kind: str = JSON, **headers: str
    ) -> None:
        self.status, self.body, self.asked = status, body, list[dict[str, Any]]()
        self.headers = [("Content-Type", kind), *((name.replace("_", "-"), value) for name, value in headers.items())]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        said = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        self.asked.append({**environ, "said": said})
        start_response(self.status, self.headers)
        return [self.body] if isinstance(self.body, bytes) else self.body


def ask(service: Service, *, acts: bool = True, limits: Limits = USUAL, **named: Any) -> Answer:
    return Http(BASE, serve=service, limits=limits).ask("POST", "/do", acts=acts, **named)


def fails(service: Service, **named: Any) -> PortError:
    with pytest.raises(PortError) as told:
        ask(service, **named)
    return told.value


def test_what_is_sent_arrives_and_secrets_in_it_are_revealed_on_the_wire_only() -> None:
    service = Service(body=b'{"ok": true}')
    http = Http(BASE + "/", serve=service, headers={"Authorization": Secret("Bearer abcdef")})
    answer = http.ask(
        "POST", "/do", acts=True, json={"pin": Secret("1234"), "list": [Secret("x"), 1]}, query={"a": "é"}
    )
    (asked,) = service.asked
    assert (asked["PATH_INFO"], asked["QUERY_STRING"]) == ("/api/do", "a=%C3%A9")
    assert json.loads(asked["said"]) == {"pin": "1234", "list": ["x", 1]}
    assert asked["HTTP_AUTHORIZATION"] == "Bearer abcdef"
    assert asked["HTTP_ACCEPT_ENCODING"] == "identity"
    assert Fields.of(answer).flag("ok")
    assert "abcdef" not in repr((http, answer))


def test_a_form_is_sent_as_a_form() -> None:
    service = Service()
    ask(service, form={"grant_type": "client_credentials", "client_secret": Secret("s&=é")})
    assert service.asked[0]["said"] == b"grant_type=client_credentials&client_secret=s%26%3D%C3%A9"
    assert service.asked[0]["CONTENT_TYPE"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("status", "acting", "reading"),
    [
        ("302 Found", Unavailable, Unavailable),
        ("400 Bad Request", Rejected, Rejected),
        ("401 Unauthorized", Unavailable, Unavailable),
        ("403 Forbidden", Unavailable, Unavailable),
        ("404 Not Found", Unavailable, Unavailable),
        ("409 Conflict", Rejected, Rejected),
        ("429 Too Many Requests", Unavailable, Unavailable),
        ("500 Internal Server Error", Unconfirmed, Unavailable),
        ("502 Bad Gateway", Unconfirmed, Unavailable),
        ("503 Service Unavailable", Unavailable, Unavailable),
        ("504 Gateway Timeout", Unconfirmed, Unavailable),
    ],
)
def test_a_status_becomes_the_error_that_says_what_is_known(
    status: str, acting: type[PortError], reading: type[PortError]
) -> None:
    for acts, kind in ((True, acting), (False, reading)):
        service = Service(status, b'{"error": "sorry"}', Location="https://elsewhere.example.org/")
        told = fails(service, acts=acts)
        assert type(told) is kind
        assert f"{status[:3]}: sorry" in str(told)
        assert len(service.asked) == 1, "nothing is retried, no redirect is followed"


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b'{"error": "invalid_otp", "error_description": "OTP locked"}', JSON, "invalid_otp; OTP locked"),
        (b'{"errorCode": "E7", "errorDescription": "closed", "x": "no"}', JSON, "E7; closed"),
        (b"400: Bad Request", "text/plain; charset=utf-8", "400: Bad Request"),
        (b"<html><body>nginx</body></html>", "text/html", ""),
        (b'{"error": {"a": 1}}', JSON, ""),
        (b"\xff\xfe", JSON, ""),
        (b'{"error": "one\\n\\u202etwo\\ud800 `x`"}', JSON, "one two 'x'"),
        (b"[" * 100_000, JSON, ""),
        (b'{"error": "' + b"x" * 5_000 + b'"}', JSON, "x" * 300 + "…"),
    ],
)
def test_the_service_s_own_words_are_kept_on_one_line(body: bytes, kind: str, words: str) -> None:
    told = fails(Service("400 Bad Request", body, kind))
    assert isinstance(told, Rejected)
    assert str(told) == "service.example.org: the service answered 400" + (f": {words}" if words else "")


def test_what_was_secret_is_not_said_back_in_any_spelling() -> None:
    pin, token, more = 'p"é1', "abc.def", "sad-123"
    body = json.dumps({"error": f"{pin} {token} {more}", "message": 'p%22%C3%A91 p\\"\\u00e91'}).encode()
    with unspoken(pin, token, more, "p%22", "u00e91") as said:
        said += [
            fails(
                Service("400 Bad Request", body),
                json={"pin": Secret(pin)},
                headers={"authorization": Secret(f"Bearer {token}")},
                hide=[Secret(more)],
            )
        ]


def test_a_secret_that_cannot_be_a_header_is_not_quoted() -> None:
    with unspoken("pass\nword") as said:
        said += [fails(Service(), headers={"x-key": Secret("pass\nword")})]


def test_an_adapter_may_read_more_out_of_an_answer() -> None:
    def explain(answer: Answer) -> PortError | None:
        return Rejected("the code is wrong", reason="wrong_code") if answer.words() == "invalid_otp" else None

    told = fails(Service("400 Bad Request", b'{"error": "invalid_otp"}'), explain=explain)
    assert isinstance(told, Rejected)
    assert told.reason == "wrong_code"
    assert type(fails(Service("500 Oh", b"{}"), explain=explain)) is Unconfirmed
    assert ask(Service("404 Not Found"), expect=frozenset({404})).status == 404


@pytest.mark.parametrize(
    ("service", "what"),
    [
        (Service(body=b"{"), "no JSON"),
        (Service(body=b'{"a": NaN}'), "no JSON"),
        (Service(body=b"[" * 100_000), "no JSON"),
        (Service(body=b"9" * 5_000), "no JSON"),
        (Service(body=b"\xff"), "no JSON"),
        (Service(body=b"[]"), "no JSON object"),
        (Service(body=b"{}" + b" " * 200_000), "longer than 150000 bytes"),
        (Service(body=(b" " * 1_000 for _ in iter(int, 1))), "longer than 150000 bytes"),
        (Service(Content_Encoding="gzip"), "compressed"),
    ],
)
def test_an_answer_that_cannot_be_used_may_have_acted(service: Service, what: str) -> None:
    for acts, kind in ((True, Unconfirmed), (False, Unavailable)):
        if not isinstance(service.body, bytes) and not acts:
            continue  # a generator answers once
        with pytest.raises(kind, match=what):
            Fields.of(ask(service, acts=acts, limits=Limits(size=150_000)))


@pytest.mark.parametrize(
    "read",
    [
        lambda fields: fields.text("number"),
        lambda fields: fields.text("missing"),
        lambda fields: fields.text("null"),
        lambda fields: fields.text("half"),
        lambda fields: fields.whole("text"),
        lambda fields: fields.whole("true"),
        lambda fields: fields.flag("number"),
        lambda fields: fields.texts("text"),
        lambda fields: fields.texts("numbers"),
        lambda fields: fields.octets("text"),
        lambda fields: fields.octet_list("numbers"),
        lambda fields: fields.inner("text"),
        lambda fields: fields.inners("numbers"),
        lambda fields: fields.inner("inner").text("x"),
    ],
)
def test_a_member_of_another_kind_is_an_answer_that_cannot_be_used(read: Callable[[Fields], object]) -> None:
    members = {
        "number": 1,
        "text": "é",
        "true": True,
        "null": None,
        "numbers": [1],
        "half": "\ud800",
        "inner": {"x": 1},
    }
    with pytest.raises(Unconfirmed, match=r"is (missing|not)"):
        read(Fields.of(ask(Service(body=json.dumps(members).encode()))))


def test_members_are_read_by_kind() -> None:
    members = {"n": 1, "t": "x", "b": "AQI=", "l": ["AQ=="], "f": "true", "i": {"y": [{"z": "deep"}]}}
    fields = Fields.of(ask(Service(body=json.dumps(members).encode())))
    assert (fields.whole("n"), fields.text("t"), fields.flag("f")) == (1, "x", True)
    assert (fields.octets("b"), fields.octet_list("l"), fields.texts("l")) == (b"\x01\x02", (b"\x01",), ("AQ==",))
    assert fields.inner("i").inners("y")[0].text("z") == "deep"
    assert (fields.text("no", ""), fields.whole("no", 7), fields.inners("no"), fields.has("n")) == ("", 7, (), True)
    assert (fields.octet_list("no", ()), fields.inner("no").has("a")) == ((), False)


@pytest.mark.parametrize(
    "address",
    [
        "http://service.example.org",
        "ftp://service.example.org",
        "service.example.org",
        "https://",
        "https://user:password@service.example.org",
        "https://service.example.org/?key=1",
        "https://service.example.org:port",
        "https://[",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused_when_it_is_configured(address: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        Http(address)
    assert "password" not in str(told.value)


@pytest.mark.parametrize("text", ["..", ".", "", "a/b", "\ud800", "a?b#c", "%2e"])
def test_a_segment_stays_one_segment(text: str) -> None:
    service = Service()
    Http(BASE, serve=service).ask("GET", f"/x/{segment(text)}/y", acts=False)
    path = service.asked[0]["PATH_INFO"]
    assert path.startswith("/api/x/")
    assert path.endswith("/y")


def test_cookies_are_not_kept() -> None:
    service = Service(Set_Cookie="session=1; Path=/")
    http = Http(BASE, serve=service)
    for _ in range(2):
        http.ask("GET", "/", acts=False)
    assert "HTTP_COOKIE" not in service.asked[1]


def test_an_address_is_not_logged() -> None:
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    with unspoken("person-42"):
        Http(BASE, serve=Service()).ask("GET", "/person-42", acts=False)


# On a real wire.


@contextmanager
def wire(act: Callable[[socket.socket], None]) -> Iterator[str]:
    """Listen, and let `act` serve one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                connection, _ = listener.accept()
                with connection:
                    act(connection)
            except OSError:
                pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with contextlib.suppress(OSError):  # nobody came, perhaps: let it go
                socket.create_connection(listener.getsockname(), timeout=1).close()
            thread.join(10)


class Watch:
    """A watch that is put forward, in the place of the module `time`."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    watch = Watch()
    for module in ("http", "http_wire"):
        monkeypatch.setattr(f"qcp_sdk.adapters.shared.{module}.time", watch)
    return watch


def heard(answer: bytes) -> Callable[[socket.socket], None]:
    def act(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)

    return act


@pytest.mark.parametrize(
    ("act", "limits"),
    [
        (heard(b""), Limits()),
        (heard(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), Limits()),
        (heard(b"SSH-2.0-OpenSSH_9.2\r\n"), Limits()),
        (heard(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Limits()),
        (lambda connection: connection.recv(65_536) and connection.recv(65_536), Limits(wait=0.05)),
    ],
    ids=["nothing", "cut short", "another protocol", "bad chunk", "silent"],
)
def test_an_answer_lost_on_the_wire_may_have_acted(act: Callable[[socket.socket], None], limits: Limits) -> None:
    for acts, kind in ((True, Unconfirmed), (False, Unavailable)):
        with wire(act) as address:
            http = Http(address, plain=True, limits=limits)
            with pytest.raises(PortError) as told:
                http.ask("POST", "/", acts=acts, json={"code": CODE})
            http.close()
        assert type(told.value) is kind
        assert CODE.reveal() not in "".join(traceback.format_exception(told.value))


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"]
)
def test_a_service_cannot_stretch_a_request(watch: Watch, beginning: bytes) -> None:
    """It sends byte after byte, headers or body, and each comes long before anybody would call it silent."""

    def drip(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(beginning)
        while True:
            connection.sendall(b"x")
            watch.ahead += 1
            time.sleep(0.001)

    with wire(drip) as address:
        http = Http(address, plain=True, limits=Limits(total=60))
        with pytest.raises(Unconfirmed):
            http.ask("POST", "/", acts=True)
        http.close()
    assert watch.ahead >= 60, "it was given up too early"


def test_a_proxy_is_asked_with_its_own_credentials() -> None:
    heard_of = []

    def act(connection: socket.socket) -> None:
        heard_of.append(connection.recv(65_536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with wire(act) as address:
        proxy = address.replace("http://", "http://user:secret@")
        http = Http("http://service.example.org/api", plain=True, proxy=proxy)
        assert http.ask("GET", "/x", acts=False).json() == {}
        http.close()
    assert heard_of[0].startswith(b"GET http://service.example.org/api/x HTTP/1.1")
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in heard_of[0]


def test_many_threads_have_a_deadline_each() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections, and says nothing
        http = Http(f"http://127.0.0.1:{listener.getsockname()[1]}", plain=True, limits=Limits(wait=3_600, total=0.2))

        def ask() -> PortError | Answer:
            return only_port_errors(lambda: http.ask("POST", "/", acts=True))

        assert all(isinstance(told, PortError) for told in at_once(ask, times=6))
        http.close()


def test_a_service_that_is_not_there_was_not_asked() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be reached"):
        Http(f"http://127.0.0.1:{port}", plain=True).ask("POST", "/", acts=True)


def test_a_service_without_a_good_certificate_was_not_asked() -> None:
    with wire(heard(b"HTTP/1.1 200 OK\r\n\r\n")) as address, pytest.raises(Unavailable, match="cannot be reached"):
        Http(address.replace("http:", "https:")).ask("POST", "/", acts=True)


def test_connections_are_closed_and_opened_again() -> None:
    answer = heard(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    with wire(answer) as address:
        http = Http(address, plain=True)
        http.close()
        assert http.ask("GET", "/", acts=False).json() == {}
        http.close()
