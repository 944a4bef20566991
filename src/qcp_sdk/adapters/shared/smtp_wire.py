"""The wire below `SmtpNotices`: a conversation ends at its deadline, and a server cannot answer without end.

A timeout of a socket is for one read. A server that sends a byte a minute, or replies that go on and on (`220-…`, RFC
5321 § 4.2.1), would hold a worker for ever.
"""

from __future__ import annotations

import io
import smtplib
import socket
import time
from typing import Any, Final

from attrs import define

LONGEST: Final = 1 << 18
"""Bytes that a server may say in one conversation; usual ones take two thousand."""
PIECE: Final = 1 << 16
"""Bytes that are written between two looks at the deadline."""


@define
class Bounds:
    """What is left of a conversation."""

    ends: float
    """By `time.monotonic`."""
    step: float
    """Seconds for one read or write, at most."""
    said: int = 0

    def left(self) -> float:
        """Give how many seconds the next step may take."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the conversation's deadline has passed")
        return min(left, self.step)


class _Reading(io.RawIOBase):
    def __init__(self, sock: socket.socket, bounds: Bounds) -> None:
        self._sock, self._bounds = sock, bounds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._bounds.left())
        count = self._sock.recv_into(buffer)
        self._bounds.said += count
        if self._bounds.said > LONGEST:
            raise OSError("the server's replies do not end")
        return count


class BoundedSmtp(smtplib.SMTP):
    """`smtplib.SMTP` whose whole conversation takes `total` seconds at most, and each step of it `timeout`."""

    def __init__(
        self, host: str, port: int, own_name: str | None, *, timeout: float, total: float, **more: Any
    ) -> None:
        self._bounds = Bounds(ends=time.monotonic() + total, step=timeout)
        super().__init__(host, port, own_name, timeout=min(timeout, total), **more)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply, within the bounds."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Reading(self.sock, self._bounds))
        return super().getreply()

    def send(self, s: Any) -> None:
        """Write, within the bounds."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        for start in range(0, len(data), PIECE):
            if self.sock is not None:
                self.sock.settimeout(self._bounds.left())
            super().send(data[start : start + PIECE])


class BoundedSmtpTls(BoundedSmtp, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""
