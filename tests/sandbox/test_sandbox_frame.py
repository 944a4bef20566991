"""The sandbox's frame: prefixes, faults, webhooks on their way, the control API and page, a real server."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.ports.clock import Clock
from qcp_sdk.sandbox import providers
from qcp_sdk.sandbox.faults import OVERSIZE, FaultKind
from qcp_sdk.sandbox.post import RETRIES, post_over_http
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.sandbox.wsgi import LARGEST, Answer, Failed, Pace, Post, Provider, Request, answer_json, route
from qcp_sdk.testing.conformance.examples import START


class Parrot(Provider):
    """Says back what it is told, and counts; a webhook for every word."""

    def reset(self) -> None:
        super().reset()
        self.heard: list[str] = []
        self.ticks = 0

    def tick(self) -> None:
        self.ticks += 1

    @route("POST", "/say/{word}")
    def say(self, request: Request, word: str) -> Answer:
        self.heard.append(word)
        self.post("https://host.example/hook", {"X-Signature": "signed"}, word.encode())
        return answer_json({"said": word, "told": request.json(), "base": request.base_url, "form": request.query})

    @route("GET", "/say/{word}")
    def asked(self, request: Request, word: str) -> Answer:
        raise Failed(HTTPStatus.CONFLICT, "not now")

    def state(self) -> object:
        return {"heard": list(self.heard)}

    def script(self, told: Mapping[str, Any]) -> object:
        self.heard.append(f"scripted {told['word']}")
        return len(self.heard)

    def forged(self, headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], bytes]:
        return {**headers, "X-Signature": "forged"}, body


@pytest.fixture(autouse=True)
def _parrots(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(clock: Clock, post: Post) -> Provider:
        return Parrot(clock=clock, post=post)

    monkeypatch.setattr("qcp_sdk.sandbox.server.PROVIDERS", {"a": make, "b": make})


class Host:
    """Receives webhooks, and answers as told."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.status = 200

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.received.append((headers["X-Signature"], body.decode()))
        return self.status


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def sandbox(clock: ManualClock, host: Host) -> Sandbox:
    return Sandbox(base=clock, deliver=host)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url="http://sandbox.test") as made:
        yield made


def say(client: httpx.Client, word: str = "hello", to: str = "a") -> httpx.Response:
    return client.post(f"/{to}/say/{word}", json={"n": 1})


def test_each_provider_answers_below_its_prefix(client: httpx.Client, sandbox: Sandbox) -> None:
    told = client.post("/a/say/h%C3%A9?x=1", json={"n": 1})
    assert told.json() == {"said": "hé", "told": {"n": 1}, "base": "http://sandbox.test/a", "form": {"x": "1"}}
    assert sandbox.state()["providers"] == {"a": {"heard": ["hé"]}, "b": {"heard": []}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", b"", 404),
        ("GET", "/c/say/x", b"", 404),
        ("GET", "/a/elsewhere", b"", 404),
        ("GET", "/a/say/x", b"", 409),
        ("DELETE", "/a/say/x", b"", 405),
        ("POST", "/a/say/x", b"[1]", 400),
        ("POST", "/a/say/x", b"{", 400),
        ("POST", "/a/say/x", b"[" * 20_000, 400),
        ("POST", "/a/say/x", b"\xff", 400),
        ("POST", "/a/say/x", b" " * (LARGEST + 1), 413),
        ("POST", "/_control/nothing", b"", 404),
        ("POST", "/_control/clock", b'{"advance":"soon"}', 400),
        ("POST", "/_control/clock", b'{"advance":-1}', 400),
        ("POST", "/_control/clock", b'{"advance":1e300}', 400),
        ("POST", "/_control/pace", b'{"pace":"slow"}', 400),
        ("POST", "/_control/faults", b'{"kind":"fire"}', 400),
        ("POST", "/_control/script/c", b"{}", 404),
        ("POST", "/_control/webhooks/again", b'{"number":7}', 404),
        ("POST", "/_control/webhooks/forge", b'{"number":7}', 404),
    ],
)
def test_what_cannot_be_answered_is_said(
    client: httpx.Client, method: str, path: str, body: bytes, status: int
) -> None:
    told = client.request(method, path, content=body)
    assert told.status_code == status
    assert told.json()["error"]


def test_a_provider_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="`c`"):
        Sandbox(only=["a", "c"])
    assert list(Sandbox(only=["b"]).providers) == ["b"]


def test_every_provider_of_the_table_can_be_made() -> None:
    for name, make in providers.PROVIDERS.items():
        made = make(ManualClock(START), lambda *_: None)
        with made.lock:
            made.reset()
            json.dumps(made.state())
        assert name.isidentifier()


@pytest.mark.parametrize(
    ("kind", "status", "done"), [(FaultKind.DOWN, 503, 0), (FaultKind.RATE_LIMITED, 429, 0), (FaultKind.LOST, 504, 1)]
)
def test_a_fault_happens_as_often_as_scripted(
    client: httpx.Client, sandbox: Sandbox, kind: FaultKind, status: int, done: int
) -> None:
    client.post("/_control/faults", json={"kind": kind, "provider": "a", "times": 2, "seconds": 7})
    assert [say(client).status_code for _ in range(3)] == [status, status, 200]
    assert len(sandbox.state()["providers"]["a"]["heard"]) == 1 + 2 * done
    assert say(client, to="b").status_code == 200
    if kind is FaultKind.RATE_LIMITED:
        client.post("/_control/faults", json={"kind": kind, "times": None, "seconds": 7})
        assert say(client, to="b").headers["Retry-After"] == "7"
        client.post("/_control/faults", json={})
        assert say(client, to="b").status_code == 200


def test_answers_are_spoilt(client: httpx.Client) -> None:
    for kind, longest in ((FaultKind.GARBLED, 100), (FaultKind.OVERSIZED, OVERSIZE)):
        client.post("/_control/faults", json={"kind": kind})
        told = say(client)
        assert told.status_code == 200
        assert 0 < len(told.content) <= longest
        with pytest.raises(json.JSONDecodeError):
            told.json()


def test_a_request_may_arrive_twice(client: httpx.Client, sandbox: Sandbox) -> None:
    client.post("/_control/faults", json={"kind": "duplicated", "provider": "a"})
    told = say(client, "twice")
    assert (told.status_code, told.json()["told"]) == (200, {"n": 1})
    assert sandbox.state()["providers"]["a"]["heard"] == ["twice", "twice"]
    assert client.post("/a/say/x", content=b"[1]").status_code == 400


def test_an_answer_may_be_late(client: httpx.Client, sandbox: Sandbox) -> None:
    slept: list[float] = []
    sandbox.faults.sleep = slept.append
    for seconds in (0.25, 1_000, -5):
        client.post("/_control/faults", json={"kind": "slow", "seconds": seconds})
        assert say(client).status_code == 200
    assert slept == [0.25, 30.0, 0.0]


def test_a_function_decides_which_requests_fail(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.faults.decide = lambda name, number: FaultKind.DOWN if name == "a" and number % 2 else None
    assert [say(client).status_code for _ in range(4)] == [503, 200, 503, 200]


def test_webhooks_are_delivered_once_when_asked(client: httpx.Client, sandbox: Sandbox, host: Host) -> None:
    say(client, "one")
    say(client, "two")
    assert host.received == []
    assert sandbox.deliver_due() == 2
    assert host.received == [("signed", "one"), ("signed", "two")]
    assert sandbox.deliver_due() == 0


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("drop", [], []),
        ("duplicate", ["1", "1", "2", "2"], ["1", "1", "2", "2"]),
        ("hold", [], ["1", "2"]),
        ("reorder", [], ["2", "1"]),
    ],
)
def test_webhooks_meet_what_networks_do(
    client: httpx.Client, sandbox: Sandbox, host: Host, mode: str, before: list[str], after: list[str]
) -> None:
    client.post("/_control/webhooks", json={"mode": mode})
    say(client, "1")
    say(client, "2")
    sandbox.deliver_due()
    assert [body for _, body in host.received] == before
    client.post("/_control/webhooks/release")
    sandbox.deliver_due()
    assert [body for _, body in host.received] == after


def test_a_webhook_may_be_late(client: httpx.Client, sandbox: Sandbox, host: Host) -> None:
    client.post("/_control/webhooks", json={"mode": "deliver", "delay": 600})
    say(client)
    assert sandbox.deliver_due() == 0
    client.post("/_control/clock", json={"advance": 600})
    assert sandbox.deliver_due() == 1


def test_a_webhook_is_tried_again_until_it_is_given_up(client: httpx.Client, sandbox: Sandbox, host: Host) -> None:
    host.status = 500
    say(client)
    for wait in (timedelta(0), *RETRIES):
        sandbox.advance(wait)
        assert sandbox.deliver_due() == 1
    sandbox.advance(timedelta(days=30))
    assert sandbox.deliver_due() == 0
    (one,) = sandbox.office.webhooks()
    assert (one.fate, one.tried, one.status) == ("failed", 8, 500)
    host.status = 204
    client.post("/_control/webhooks/again", json={"number": one.number})
    sandbox.deliver_due()
    assert one.fate == "delivered"


def test_a_webhook_is_forged_by_its_provider(client: httpx.Client, sandbox: Sandbox, host: Host) -> None:
    say(client)
    client.post("/_control/webhooks/forge", json={"number": 1})
    sandbox.deliver_due()
    assert host.received == [("signed", "hello"), ("forged", "hello")]


def test_the_clock_moves_forward_and_everybody_is_told(client: httpx.Client, sandbox: Sandbox) -> None:
    told = client.post("/_control/clock", json={"advance": 3600})
    assert told.json()["now"] == (START + timedelta(hours=1)).isoformat()
    assert isinstance(sandbox.providers["a"], Parrot)
    assert sandbox.providers["a"].ticks == 1
    say(client)
    assert sandbox.providers["a"].ticks == 3  # what is due is done before a request is answered, and after


def test_a_script_reaches_its_provider(client: httpx.Client, sandbox: Sandbox) -> None:
    assert client.post("/_control/script/a", json={"word": "x"}).json()["answer"] == 1
    page = client.post("/_control/script/a", data={"script": '{"word": "y"}'})
    assert (page.status_code, page.headers["Location"]) == (303, "http://sandbox.test/_control/")
    assert sandbox.state()["providers"]["a"]["heard"] == ["scripted x", "scripted y"]


def test_nothing_is_remembered_after_a_reset(client: httpx.Client, sandbox: Sandbox) -> None:
    fresh = sandbox.state()
    say(client)
    client.post("/_control/faults", json={"kind": "down", "provider": "b", "times": None})
    client.post("/_control/webhooks", json={"mode": "drop", "delay": 5})
    client.post("/_control/pace", json={"pace": "hand"})
    client.post("/_control/clock", json={"advance": 3600})
    client.post("/_control/reset")
    assert sandbox.state() == fresh
    assert sandbox.office.delay == timedelta(0)
    assert [one.pace for one in sandbox.providers.values()] == [Pace.TIME, Pace.TIME]
    assert say(client, to="b").status_code == 200


def test_the_page_works_without_a_script_and_escapes(client: httpx.Client) -> None:
    say(client, "<script>")
    for language, word in (("fr", "Horloge"), ("en", "Clock"), ("de", "Clock")):
        page = client.get("/_control/", headers={"Accept-Language": language})
        assert word in page.text
        assert "<script" not in page.text.lower()
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    form = client.post("/_control/clock", data={"advance": "60"})
    assert form.status_code == 303


def test_a_page_of_another_site_cannot_post(client: httpx.Client) -> None:
    for origin, status in (("https://evil.example", 403), ("null", 403), ("http://sandbox.test", 200)):
        assert client.post("/_control/reset", headers={"Origin": origin}).status_code == status


def test_it_is_served_to_many_at_once_and_stops() -> None:
    sandbox = Sandbox()
    with Served(sandbox) as served:
        answers: list[int] = []

        def ask() -> None:
            with urllib.request.urlopen(f"{served.url}/_control/state", timeout=10) as answer:
                answers.append(answer.status)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [200] * 8
        with pytest.raises(ConfigurationError, match="port"):
            Served(sandbox, port=int(served.url.rpartition(":")[2]))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{served.url}/_control/state", timeout=5)


def test_a_served_sandbox_delivers_by_itself() -> None:
    came, host = threading.Event(), []

    def deliver(url: str, headers: Mapping[str, str], body: bytes) -> int:
        host.append(body)
        came.set()
        return 200

    with Served(Sandbox(deliver=deliver)) as served:
        request = urllib.request.Request(f"{served.url}/a/say/hello", data=b"{}", method="POST")
        with urllib.request.urlopen(request, timeout=10):
            assert came.wait(10)
    assert host == [b"hello"]


def test_a_receiver_that_cannot_be_reached_has_no_status() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "ftp://host.example", "http://[", "http://host.example:port/", ""):
        assert post_over_http(url, {}, b"") == 0
    with Served(Sandbox()) as served:
        assert post_over_http(f"{served.url}/a/say/hello", {}, b"{}") == 200


def test_the_fixture_serves_every_provider(qcp_sandbox: Served) -> None:
    with urllib.request.urlopen(f"{qcp_sandbox.url}/_control/state", timeout=10) as answer:
        assert set(json.loads(answer.read())["providers"]) == set(qcp_sandbox.sandbox.providers)
