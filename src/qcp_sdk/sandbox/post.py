"""The sandbox's post office: webhooks on their way, and what may happen to them there."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import count
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from attrs import define, field

from qcp_sdk.ports.clock import Clock

TIMEOUT: Final = 10.0
"""Seconds that a receiver has: IDnow's platform gives it ten."""
RETRIES: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 2 * 60, 6 * 60, 24 * 60, 48 * 60))
"""When a webhook is tried again that was not answered with 2xx: Universign's schedule, used for all."""
KEPT: Final = 1_000
"""Webhooks that are remembered; the oldest are forgotten first."""

Deliver: TypeAlias = Callable[[str, Mapping[str, str], bytes], int]
"""Posts to a receiver and gives the status of its answer; 0 when there was none."""


class Mode(StrEnum):
    """What happens to webhooks that are sent from now on."""

    DELIVER = "deliver"
    HOLD = "hold"
    """They wait until they are released, in the order in which they came."""
    REORDER = "reorder"
    """They wait until they are released, the last one first."""
    DROP = "drop"
    DUPLICATE = "duplicate"
    """Each is delivered twice."""


@define(kw_only=True)
class Webhook:
    """One webhook. `status` is the receiver's last answer, 0 for none."""

    number: int
    provider: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    due: datetime | None
    """When it is tried next; None: held, dropped, delivered or given up."""
    fate: str
    """`waiting`, `held`, `dropped`, `delivered` or `failed`."""
    tried: int = 0
    status: int = 0

    def told(self) -> dict[str, object]:
        """Give what the control page shows."""
        return {
            "number": self.number,
            "provider": self.provider,
            "url": self.url,
            "fate": self.fate,
            "tried": self.tried,
            "status": self.status,
            "body": self.body.decode(errors="replace"),
        }


class PostOffice:
    """Takes webhooks from providers and delivers what is due when `deliver_due` is called."""

    def __init__(self, *, clock: Clock, deliver: Deliver | None = None) -> None:
        self._clock, self._deliver = clock, deliver or post_over_http
        self._lock, self._delivering = threading.RLock(), threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget every webhook."""
        with self._lock:
            self.mode, self.delay = Mode.DELIVER, timedelta(0)
            self._webhooks: list[Webhook] = []
            self._numbers = count(1)

    def set(self, mode: Mode, delay: timedelta) -> None:
        """Say what happens to webhooks from now on, and how late they are."""
        with self._lock:
            self.mode, self.delay = mode, delay

    def send(self, provider: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Take a webhook."""
        with self._lock:
            due = self._clock.now() + self.delay
            fate, at = {
                Mode.HOLD: ("held", None),
                Mode.REORDER: ("held", None),
                Mode.DROP: ("dropped", None),
            }.get(self.mode, ("waiting", due))
            for _ in range(2 if self.mode is Mode.DUPLICATE else 1):
                self._webhooks.append(
                    Webhook(
                        number=next(self._numbers), provider=provider, url=url, headers=dict(headers), body=body,
                        due=at, fate=fate,
                    )
                )  # fmt: skip
            del self._webhooks[:-KEPT]

    def release(self) -> int:
        """Let what is held go: in order, or backwards where the mode is to reorder. Give how many."""
        with self._lock:
            held = [one for one in self._webhooks if one.fate == "held"]
            if self.mode is Mode.REORDER:
                for one in held:
                    self._webhooks.remove(one)
                held.reverse()
                self._webhooks += held
            for one in held:
                one.fate, one.due = "waiting", self._clock.now()
            return len(held)

    def again(self, number: int) -> bool:
        """Send a webhook once more, whatever became of it; say whether there is such a one."""
        with self._lock:
            found = [one for one in self._webhooks if one.number == number]
            for one in found:
                one.fate, one.due, one.tried = "waiting", self._clock.now(), 0
            return bool(found)

    def webhooks(self) -> tuple[Webhook, ...]:
        """Give every webhook that is remembered, oldest first."""
        with self._lock:
            return tuple(self._webhooks)

    def deliver_due(self) -> int:
        """Deliver what is due; give how many were tried. One caller at a time, outside of every other lock."""
        with self._delivering:
            with self._lock:
                now = self._clock.now()
                due = [one for one in self._webhooks if one.due is not None and one.due <= now]
            for one in due:
                status = self._deliver(one.url, one.headers, one.body)
                with self._lock:
                    self._settle(one, status)
            return len(due)

    def _settle(self, one: Webhook, status: int) -> None:
        one.status, one.tried = status, one.tried + 1
        if 200 <= status < 300:
            one.fate, one.due = "delivered", None
        elif one.tried > len(RETRIES):
            one.fate, one.due = "failed", None
        else:
            one.due = self._clock.now() + RETRIES[one.tried - 1]


def post_over_http(url: str, headers: Mapping[str, str], body: bytes) -> int:
    """Post to a receiver; give its status, or 0 when it could not be reached."""
    connection: HTTPConnection | None = None
    try:
        parts = urlsplit(url)
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT, context=context)
        else:
            connection = HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        connection.request("POST", path, body=body, headers=dict(headers))
        return connection.getresponse().status
    except (OSError, ValueError, HTTPException):
        return 0
    finally:
        if connection is not None:
            connection.close()
