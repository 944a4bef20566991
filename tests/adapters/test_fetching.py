"""Fetching from strangers' addresses: what is refused, what is bounded, what is kept and for whom."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

import pytest

from qcp_sdk.adapters.shared.fetching import Fetcher, Limits, is_public
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable

HERE: Final = ("127.0.0.0/8",)
SHORT: Final = Limits(size=10_000, time=timedelta(seconds=0.5), redirects=2)


def plain(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(answer: Callable[[socket.socket, bytes, int], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request and then does what it is told; gives its address and what it was asked."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)
    asked: list[bytes] = []
    over = threading.Event()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65_536)
            asked.append(request)
            answer(connection, request, len(asked))

    def run() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked
    finally:
        over.set()
        thread.join()
        listening.close()


def always(content: bytes) -> Callable[[socket.socket, bytes, int], None]:
    return lambda connection, request, number: connection.sendall(content)


class TestBounds:
    def test_what_is_there_is_given(self) -> None:
        with serving(always(plain(b"a list"))) as (address, asked):
            assert Fetcher(allow=HERE).get(address + "/list#part") == b"a list"
        assert asked[0].startswith(b"GET /list HTTP/1.1\r\n")
        assert b"Accept-Encoding: identity" in asked[0]

    def test_a_body_is_posted(self) -> None:
        with serving(always(plain(b"yes"))) as (address, asked):
            answer = Fetcher(allow=HERE).post(
                address, b"question", content_type="application/x", authorization="Basic a"
            )
        assert answer == b"yes"
        assert b"Content-Type: application/x" in asked[0]
        assert b"Authorization: Basic a" in asked[0]

    @pytest.mark.parametrize(
        "content",
        [plain(b"x" * 10_001), b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_001],
        ids=["announced", "unannounced"],
    )
    def test_too_much_is_refused(self, content: bytes) -> None:
        with serving(always(content)) as (address, _), pytest.raises(Rejected) as refusal:
            Fetcher(allow=HERE, limits=SHORT).get(address)
        assert refusal.value.reason == "too_large"

    def test_a_caller_may_ask_for_less(self) -> None:
        with serving(always(plain(b"x" * 11))) as (address, _), pytest.raises(Rejected):
            Fetcher(allow=HERE).get(address, most=10)

    def test_an_answer_without_end_stops_at_the_size(self) -> None:
        def flood(connection: socket.socket, request: bytes, number: int) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"400\r\n" + b"x" * 1_024 + b"\r\n")

        with serving(flood) as (address, _), pytest.raises(Rejected):
            Fetcher(allow=HERE, limits=SHORT).get(address)

    @pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["head", "body"])
    def test_a_byte_now_and_then_stops_at_the_deadline(self, drip: bytes) -> None:
        """Each single read is quick enough; together they are not."""

        def slowly(connection: socket.socket, request: bytes, number: int) -> None:
            connection.sendall(drip or b"HTTP/1.1 200 OK\r\n")
            if drip:
                connection.sendall(b"\r\n")
            for _ in range(100):
                connection.sendall(b"x")
                time.sleep(0.05)

        with serving(slowly) as (address, _), pytest.raises(Unavailable):
            Fetcher(allow=HERE, limits=SHORT).get(address)

    def test_silence_stops_at_the_deadline(self) -> None:
        with serving(lambda *_: time.sleep(1)) as (address, _), pytest.raises(Unavailable):
            Fetcher(allow=HERE, limits=SHORT).get(address)

    def test_a_name_that_resolves_slowly_stops_at_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def slowly(*_: object, **__: object) -> list[object]:
            time.sleep(1)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", slowly)
        with pytest.raises(Unavailable):
            Fetcher(limits=SHORT).get("http://slow.test/")

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (plain(b"", "404 Not Found"), Rejected),
            (plain(b"", "204 No Content"), Unavailable),
            (plain(b"", "500 Oh"), Unavailable),
            (plain(b"", "429 Slow down"), Unavailable),
            (plain(b"x", "200 OK", "Content-Encoding: gzip"), Rejected),
            (b"not HTTP at all\r\n\r\n", Unavailable),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nless", Unavailable),
            (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000 + b"\r\n\r\n", Unavailable),
            (b"", Unavailable),
        ],
        ids=["404", "204", "500", "429", "gzip", "noise", "cut", "headers", "nothing"],
    )
    def test_other_answers_are_port_errors(self, content: bytes, expected: type[PortError]) -> None:
        with serving(always(content)) as (address, _), pytest.raises(expected):
            Fetcher(allow=HERE, limits=SHORT).get(address)

    def test_redirects_are_followed_so_far(self) -> None:
        def onwards(connection: socket.socket, request: bytes, number: int) -> None:
            final = number > 2
            connection.sendall(plain(b"here") if final else plain(b"", "302 Found", f"Location: /{number}"))

        with serving(onwards) as (address, asked):
            assert Fetcher(allow=HERE, limits=SHORT).get(address) == b"here"
            assert len(asked) == 3
        with serving(always(plain(b"", "302 Found", "Location: /again"))) as (address, asked):
            with pytest.raises(Rejected):
                Fetcher(allow=HERE, limits=SHORT).get(address)
            assert len(asked) == 3


class TestPlaces:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
            "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
            "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
        ],
    )  # fmt: skip
    def test_addresses_that_are_not_public(self, address: str) -> None:
        assert not is_public(ip_address(address))

    @pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
    def test_addresses_that_are(self, address: str) -> None:
        assert is_public(ip_address(address))

    @pytest.mark.parametrize(
        "address",
        [
            "http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/",
            "http://169.254.169.254/latest/meta-data", "ldap://directory.test/cn", "file:///etc/passwd", "ftp://a.test/",
            "http://user:word@example.test/", "", "nothing", "http://", "http://a.test:99999/", "http://" + "a" * 3_000,
            "http://exa mple.test/", "http://\x00/",
        ],
    )  # fmt: skip
    def test_addresses_that_nobody_asks(self, address: str) -> None:
        with pytest.raises(PortError) as refusal:
            Fetcher(limits=SHORT).get(address)
        assert not isinstance(refusal.value, Rejected) or refusal.value.reason == "address_refused"

    def test_a_name_with_one_private_address_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in ("1.1.1.1", "10.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(Rejected) as refusal:
            Fetcher(limits=SHORT).get("http://both.test/")
        assert refusal.value.reason == "address_refused"

    def test_a_public_address_is_asked_on_its_own_port_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 25))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with pytest.raises(Rejected) as refusal:
            Fetcher(limits=SHORT).get("http://mail.test:25/")
        assert refusal.value.reason == "address_refused"

    def test_the_address_that_was_checked_is_the_one_that_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that resolves to a private address the second time gains nothing: it is resolved once."""
        times: list[str] = []
        real = socket.getaddrinfo

        def resolve(host: str, port: int, *others: int, **_: object) -> object:
            if host != "twice.test":
                return real(host, port, *others)
            times.append(host)
            place = "127.0.0.1" if len(times) == 1 else "127.0.0.2"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port))]

        with serving(always(plain(b"first"))) as (address, asked):
            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            port = address.rpartition(":")[2]
            assert Fetcher(allow=("127.0.0.1/32",)).get(f"http://twice.test:{port}/") == b"first"
        assert times == ["twice.test"]
        assert f"Host: twice.test:{port}".encode() in asked[0]

    def test_a_redirect_inside_is_refused(self) -> None:
        inside = always(plain(b"", "302 Found", "Location: http://10.0.0.1/"))
        with serving(inside) as (address, _), pytest.raises(Rejected) as refusal:
            Fetcher(allow=HERE, limits=SHORT).get(address)
        assert refusal.value.reason == "address_refused"

    def test_a_network_that_is_none_is_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError):
            Fetcher(allow=("everywhere",))


class TestKept:
    def test_nothing_is_kept_unless_asked_for(self) -> None:
        with serving(lambda c, r, n: c.sendall(plain(str(n).encode()))) as (address, _):
            fetcher = Fetcher(allow=HERE)
            assert [fetcher.get(address) for _ in range(2)] == [b"1", b"2"]

    def test_only_the_very_same_question_gets_a_kept_answer(self) -> None:
        keep = timedelta(minutes=1)
        with serving(lambda c, r, n: c.sendall(plain(str(n).encode()))) as (address, _):
            fetcher = Fetcher(allow=HERE)

            def ask(body: bytes, authorization: str = "") -> bytes:
                return fetcher.post(address, body, content_type="a/b", keep=keep, authorization=authorization)

            assert [ask(b"one"), ask(b"two"), ask(b"one"), ask(b"two")] == [b"1", b"2", b"1", b"2"]
            assert ask(b"one", authorization="other") == b"3"
            assert fetcher.get(address, keep=keep) == b"4"
            assert fetcher.get(address + "/?", keep=keep) == b"5"

    def test_what_is_kept_grows_old_and_is_bounded(self) -> None:
        with serving(lambda c, r, n: c.sendall(plain(str(n).encode() * 10))) as (address, _):
            fetcher = Fetcher(allow=HERE, limits=Limits(kept=25))
            keep = timedelta(minutes=1)
            assert fetcher.get(address + "/a", keep=keep) == b"1" * 10
            time.sleep(0.02)
            assert fetcher.get(address + "/a", keep=timedelta(milliseconds=1)) == b"2" * 10
            fetcher.get(address + "/b", keep=keep)
            fetcher.get(address + "/c", keep=keep)  # the oldest makes place
            assert fetcher.get(address + "/a", keep=keep) == b"5" * 10

    def test_a_kept_answer_is_not_given_where_it_is_too_large(self) -> None:
        with serving(always(plain(b"x" * 50))) as (address, _):
            fetcher = Fetcher(allow=HERE)
            fetcher.get(address, keep=timedelta(minutes=1))
            with pytest.raises(Rejected):
                fetcher.get(address, most=10, keep=timedelta(minutes=1))
