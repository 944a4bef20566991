"""Spoiling what services say, by chance and always alike: bodies, headers, whole answers; and a caller who persists.

For whoever writes an adapter that talks to a service: nothing but the three port errors may come out of it.
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from attrs import evolve

from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.errors import Unavailable, Unconfirmed

T = TypeVar("T")

NASTY_JSON: Final = (
    b"", b"null", b"[]", b"{}", b'"a"', b"1e400", b"NaN", b"{", b"\xff\xfe", b"[" * 20_000, b'{"a":' * 20_000,
    b'{"session":"\\ud800"}', b"9" * 10_000, b'{"data":[]}', b'{"data":{"object":7}}', b'{"data":{"object":{"id":[]}}}',
)  # fmt: skip
"""What is put in a body's place."""
VALUES: Final[tuple[object, ...]] = (
    None, 0, -1, True, [], {}, "", "\ud800", "x" * 300, 1e300, [[]], {"id": None}, "2026-13-45", "٣", "\x00",
)  # fmt: skip
"""What is put in the place of a value in JSON."""
STATUSES: Final = (200, 200, 200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 409, 410, 412, 422, 429, 500, 503, 504)


def spoil_body(body: bytes, chance: random.Random) -> bytes:
    """Give a body with something wrong: another one, some bytes, or a value somewhere in its JSON."""
    return chance.choice((_other, _bytes, _value, _value))(body, chance)


def _other(_body: bytes, chance: random.Random) -> bytes:
    return chance.choice(NASTY_JSON)


def _bytes(body: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(body or b"{}")
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(spoilt) or 1)
        spoilt[place : place + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
    return bytes(spoilt)


def _value(body: bytes, chance: random.Random) -> bytes:
    """Put another value somewhere into the JSON, or take one away; what is no JSON is left as it is."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return body
    at = told
    while isinstance(at, dict | list) and at:
        key: Any = chance.choice(list(at)) if isinstance(at, dict) else chance.randrange(len(at))
        inner = at[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.3:
            if chance.random() < 0.2:
                del at[key]
            else:
                at[key] = chance.choice(VALUES)
            break
        at = inner
    return json.dumps(told).encode(errors="surrogatepass")


class SpoiltHttp(Http):
    """A service whose answers are spoilt while `spoiling`; each is asked for once, and said again and again."""

    spoiling = False

    def __init__(self, *arguments: Any, seed: int, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._chance = random.Random(seed)  # noqa: S311  # the same every time, which is the point
        self._recorded: dict[tuple[str, str], Answer] = {}

    def _exchange(self, method: str, url: str, content: bytes | None, headers: dict[str, str], **rest: Any) -> Answer:
        if not self.spoiling:
            return super()._exchange(method, url, content, headers, **rest)
        if (method, url) not in self._recorded:
            self._recorded[method, url] = super()._exchange(method, url, content, headers, **rest)
        answer = self._recorded[method, url]
        if self._chance.random() < 0.3:  # some arrive as they are, so that a call of several steps gets further
            return answer
        status = self._chance.choice(STATUSES) if self._chance.random() < 0.3 else answer.status
        return evolve(answer, status=status, body=spoil_body(answer.body, self._chance))


class Persistent:
    """An adapter whose caller does not give up: the same call, the same key, as the engine asks again."""

    def __init__(self, adapter: object, *, times: int = 40) -> None:
        self._adapter, self._times = adapter, times

    def __repr__(self) -> str:
        return repr(self._adapter)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._adapter, name)
        if not callable(method):
            return method

        def ask(*arguments: Any, **named: Any) -> Any:
            for _ in range(self._times):
                with contextlib.suppress(Unavailable, Unconfirmed):
                    return method(*arguments, **named)
            return method(*arguments, **named)

        return ask


def persistent(adapter: T) -> T:
    """Give the adapter as a caller sees it who does not give up."""
    return cast(T, Persistent(adapter))


def faults_of(seed: int, kinds: tuple[Any, ...], *, rate: float = 0.3) -> Callable[[str, int], Any]:
    """Give a script by which requests to a sandbox fail, by chance and always alike (`FaultScript.decide`)."""

    def decide(provider: str, number: int) -> Any:
        chance = random.Random(f"{seed}/{provider}/{number}")  # noqa: S311
        return chance.choice(kinds) if chance.random() < rate else None

    return decide
