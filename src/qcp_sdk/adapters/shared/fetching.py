"""Fetching from addresses that strangers wrote (certificates, lists): bounded in size and time, and never from inside.

Whoever makes a certificate chooses which address its verifier asks. So: HTTP only, on its own ports, every address
that a name resolves to must be a public one, and it is that very address which is connected to (a name that resolves
otherwise the second time gains nothing). The deadline holds for the whole of it: names, TLS, headers, body,
redirects. Cookies, proxies of the environment and compressed answers are not for this.

Built on httpcore, the engine of httpx: there the address is chosen and each read is timed, which httpx hides.
Speaking to a service of one's own choice is for `adapters.shared.http`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final, TypeAlias
from urllib.parse import urljoin

import httpcore
import httpx
from attrs import field, frozen

from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

ANYWHERE: Final = ("0.0.0.0/0", "::/0")
"""For addresses that the host itself configured."""
_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTED: Final = frozenset({301, 302, 303, 307, 308})
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LONGEST_ADDRESS: Final = 2_048


@frozen(kw_only=True)
class Limits:
    """How much a fetch may take."""

    size: int = 32 * 1024 * 1024
    """Bytes of an answer, where the caller asks for no less."""
    time: timedelta = timedelta(seconds=10)
    """For everything together, redirects included."""
    redirects: int = 3
    kept: int = 64 * 1024 * 1024
    """Bytes of answers that are kept for asking again."""


class Fetcher:
    """Fetches; share one. Thread-safe, and safe after a fork.

    It keeps answers for exactly the same request (method, address, body), for as long as the caller says at that
    moment: an answer about one certificate can never be given for another one's.

    `allow` lists networks that are not public and may be asked all the same, on any port: `("10.1.0.0/16",)`.

    Raises:
        ConfigurationError: A network in `allow` is none.
    """

    def __init__(self, *, limits: Limits | None = None, allow: Sequence[str] = ()) -> None:
        self._limits = limits or Limits()
        try:
            self._allowed = tuple(ipaddress.ip_network(one) for one in allow)
        except ValueError as error:
            raise ConfigurationError("it is no network", where="allow", mend="write it as 10.1.0.0/16") from error
        self._kept = _Kept(self._limits.kept)
        self._tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"Fetcher({self._limits})"

    def __call__(self, address: str, most: int) -> bytes:
        """Give what is there, as `verification.updating.Fetch`."""
        return self.get(address, most=most)

    def get(self, address: str, *, most: int | None = None, keep: timedelta = timedelta()) -> bytes:
        """Give what is at this address, at most `most` bytes; an answer younger than `keep` may be given again.

        Raises:
            Rejected: `address_refused`: it is of no kind that is fetched, or not public. `too_large`. `refused`: the
                server says that there is nothing (4xx).
            Unavailable: Nothing came in time, or the server is at fault.
        """
        return self._asked(_Request(method="GET", address=address), most, keep)

    def post(
        self,
        address: str,
        body: bytes,
        *,
        content_type: str,
        authorization: str = "",
        most: int | None = None,
        keep: timedelta = timedelta(),
    ) -> bytes:
        """Give what this address answers to `body`; else as `get`. A redirect is not followed."""
        request = _Request(
            method="POST", address=address, body=body, content_type=content_type, authorization=authorization
        )
        return self._asked(request, most, keep)

    def _asked(self, request: _Request, most: int | None, keep: timedelta) -> bytes:
        size = min(self._limits.size, most) if most is not None else self._limits.size
        if keep and (known := self._kept.get(request.name, keep)) is not None and len(known) <= size:
            return known
        answer = self._fetched(request, size)
        if keep:
            self._kept.put(request.name, answer)
        return answer

    def _fetched(self, request: _Request, size: int) -> bytes:
        deadline = time.monotonic() + self._limits.time.total_seconds()
        for _ in range(self._limits.redirects + 1):
            url = _url(request.address)
            try:
                answer = self._exchanged(request, url, size, deadline)
            except PortError:
                raise
            except (
                httpcore.NetworkError,
                httpcore.TimeoutException,
                httpcore.ProtocolError,
                httpcore.UnsupportedProtocol,
                OSError,  # a name that does not resolve, TLS
                ValueError,  # headers that h11 does not take
            ) as error:
                raise Unavailable(
                    "nothing came from the address in time",
                    where=url.host,
                    mend="check the address and the network; ask again later",
                ) from error
            if isinstance(answer, bytes):
                return answer
            request = _Request(method="GET", address=urljoin(request.address, answer.to))
        raise Rejected("it redirects too often", reason="refused", where=_url(request.address).host)

    def _exchanged(self, request: _Request, url: httpx.URL, size: int, deadline: float) -> bytes | _Elsewhere:
        if self._tls is None and url.scheme == "https":
            self._tls = httpx.create_ssl_context(trust_env=False)
        backend = _Guarded(allowed=self._allowed, deadline=deadline, own_port=_PORTS[url.scheme])
        left = max(deadline - time.monotonic(), 0.001)
        with (
            httpcore.ConnectionPool(ssl_context=self._tls, max_connections=1, network_backend=backend) as pool,
            pool.stream(
                request.method,
                str(url),
                headers=request.headers(url),
                content=request.body or None,
                extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left)},
            ) as answer,
        ):
            told = {name.lower(): value for name, value in answer.headers}
            if answer.status in _REDIRECTED and request.method == "GET" and b"location" in told:
                return _Elsewhere(to=told[b"location"].decode("latin-1"))
            if answer.status != 200:
                said = f"the server answers {answer.status}"
                if 400 <= answer.status < 500 and answer.status not in {408, 425, 429}:
                    raise Rejected(said, reason="refused", where=url.host)
                raise Unavailable(said, where=url.host, mend="ask again later")
            if told.get(b"content-encoding", b"identity") != b"identity":
                raise Rejected("it is compressed, which was not asked for", reason="refused", where=url.host)
            content = bytearray()
            for chunk in answer.iter_stream():
                content += chunk
                if len(content) > size:
                    raise Rejected(f"it has more than {size} bytes", reason="too_large", where=url.host)
            return bytes(content)


@frozen(kw_only=True)
class _Request:
    method: str
    address: str
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    authorization: str = field(default="", repr=False)

    @property
    def name(self) -> bytes:
        parts = (
            self.method,
            self.address,
            self.content_type,
            self.authorization,
            hashlib.sha256(self.body).hexdigest(),
        )
        return hashlib.sha256("\0".join(parts).encode()).digest()

    def headers(self, url: httpx.URL) -> list[tuple[bytes, bytes]]:
        found = [
            (b"Host", url.netloc),
            (b"User-Agent", b"qcp_sdk"),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"identity"),
            (b"Connection", b"close"),
        ]
        if self.method == "POST":
            found += [(b"Content-Type", self.content_type.encode()), (b"Content-Length", b"%d" % len(self.body))]
        if self.authorization:
            found.append((b"Authorization", self.authorization.encode()))
        return found


@frozen(kw_only=True)
class _Elsewhere:
    to: str


def _url(address: str) -> httpx.URL:
    refusal = Rejected(
        "it is no web address that is fetched from", reason="address_refused", mend="http and https only, no login"
    )
    if len(address) > _LONGEST_ADDRESS:
        raise refusal
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise refusal from error
    if url.scheme not in _PORTS or not url.host or url.userinfo:
        raise refusal
    return url.copy_with(fragment=None)


class _Guarded(httpcore.NetworkBackend):
    """Connects to nothing but public addresses, and times everything against one deadline."""

    def __init__(self, *, allowed: tuple[_Network, ...], deadline: float, own_port: int) -> None:
        self._allowed, self._deadline, self._own_port = allowed, deadline, own_port
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  # the deadline is shorter
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception | None = None
        addresses = _resolved(host, port, _left(self._deadline))
        for address in addresses:
            if not self._may(address, port):
                raise Rejected(
                    "the address is not a public one, or not on its own port",
                    reason="address_refused",
                    where=host,
                    mend="allow its network if it is yours",
                )
        for address in addresses[:4]:
            try:
                stream = self._real.connect_tcp(
                    str(address), port, _left(self._deadline), local_address, socket_options
                )
                return _Timed(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise httpcore.ConnectError("no address answers") from failure

    def _may(self, address: _Address, port: int) -> bool:
        if any(address.version == one.version and address in one for one in self._allowed):
            return True
        return port == self._own_port and is_public(address)


def is_public(address: _Address) -> bool:
    """Whether an address is of the public Internet, also through the ways in which IPv6 carries IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


class _Timed(httpcore.NetworkStream):
    """A stream whose every read and write ends at the deadline: a byte every second gets nowhere."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  # the deadline is shorter
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  # same
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  # same
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline)), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the deadline is past")
    return left


def _resolved(host: str, port: int, left: float) -> list[_Address]:
    """Resolve a name, for no longer than `left` seconds: the system's resolver knows no deadline."""
    found: list[_Address] = []

    def resolve() -> None:
        try:
            answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in answers))

    resolving = threading.Thread(target=resolve, name="qcp-resolve", daemon=True)
    resolving.start()
    resolving.join(left)
    if resolving.is_alive() or not found:
        raise httpcore.ConnectError("the name does not resolve")
    return found


class _Kept:
    """Answers by request, the oldest forgotten first."""

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._answers: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: bytes, keep: timedelta) -> bytes | None:
        with self._lock:
            at, answer = self._answers.get(name, (0.0, None))
        if answer is None or time.monotonic() - at > keep.total_seconds():
            return None
        return answer

    def put(self, name: bytes, answer: bytes) -> None:
        with self._lock:
            _, before = self._answers.pop(name, (0.0, b""))
            self._size += len(answer) - len(before)
            self._answers[name] = (time.monotonic(), answer)
            while self._size > self._most:
                _, (_, gone) = self._answers.popitem(last=False)
                self._size -= len(gone)
