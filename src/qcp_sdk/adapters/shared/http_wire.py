"""The wire below `Http`: a request ends at its deadline, whatever trickles in.

A timeout of a socket is for one read. A service that sends its headers byte by byte would hold a worker for weeks;
here each read, write and connection gets what is left of the whole.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator

import httpcore
import httpx

LEAST = 0.001
"""Seconds: a timeout of nothing would mean not to wait at all."""


class Deadline(threading.local):
    """When the request that this thread makes has to be over, by `time.monotonic`."""

    ends: float = 0.0

    def left(self, timeout: float | None) -> float:
        """Give how long the next step may take; nothing is left after the end."""
        left = max(self.ends - time.monotonic(), 0.0)
        return left if timeout is None else min(timeout, left)


class Wire(httpx.BaseTransport):
    """Connections to services, kept for the next request; as httpx's own, with a deadline."""

    def __init__(self, *, tls: ssl.SSLContext, connections: int, proxy: str = "") -> None:
        self.deadline = Deadline()
        backend = _Backend(self.deadline)
        self._pool: httpcore.ConnectionPool
        if proxy:
            told = httpx.Proxy(proxy)  # it takes user and password out of the address
            self._pool = httpcore.HTTPProxy(
                proxy_url=str(told.url),
                proxy_auth=told.raw_auth,
                ssl_context=tls,
                max_connections=connections,
                network_backend=backend,
            )
        else:
            self._pool = httpcore.ConnectionPool(ssl_context=tls, max_connections=connections, network_backend=backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give its answer; the errors are httpcore's."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        assert isinstance(answer.stream, Iterable)
        return httpx.Response(status_code=answer.status, headers=answer.headers, stream=_Body(answer.stream))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        close = getattr(self._stream, "close", None)
        if close is not None:
            close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._real, self._deadline = httpcore.SyncBackend(), deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        if left < LEAST:
            raise httpcore.ConnectTimeout("the deadline has passed")
        real = self._real.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(real, self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, real: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._real, self._deadline = real, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline.left(timeout)
        if left < LEAST:
            raise httpcore.ReadTimeout("the deadline has passed")
        return self._real.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = self._deadline.left(timeout)
        if left < LEAST:
            raise httpcore.WriteTimeout("the deadline has passed")
        self._real.write(buffer, left)

    def close(self) -> None:
        self._real.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        if left < LEAST:
            raise httpcore.ConnectTimeout("the deadline has passed")
        return _Stream(self._real.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._real.get_extra_info(info)
