"""Malformed messages from well-formed ones, by chance and always alike: the widest net for whoever reads a provider.

`spoiling` changes a value or some bytes; this also truncates, swaps types, nests, repeats keys, writes other encodings,
numbers and surrogates that JSON does not know, makes things huge, and plays with headers.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve

from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.testing.spoiling import STATUSES, VALUES, spoil_body

HUGE: Final = 200_000
DEEP: Final = 20_000
LITERALS: Final = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"0x10", b"01", b"9" * 5_000, b"1.5", b'"\\ud800"',
    b'"\\udc00\\ud800"', b'"\xff"', b"'a'", b"undefined", b"null", b"true", b"[]", b"{}", b'""', b"\xe2\x80\xa8",
)  # fmt: skip
"""What is put in the place of a literal in JSON; some of it is none."""
NASTY: Final = (
    "", " ", "\x00", "a\r\nb: c", "é", "\ud800", "a" * 20_000, ",", ";;;", "=", "t=", "t=1,v1=", "v1,", "v1,AAAA v1,",
    "Bearer ", "1e400", "-1", "9" * 400, "٣", "a.b.c", "..", "e30.e30.", "%00", "text/html; charset=\x7f",
)  # fmt: skip
"""What is put in the place of a header."""
_ENCODINGS: Final = ("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "cp037")
_LITERAL: Final = re.compile(rb'-?\d[\d.eE+-]*|true|false|null|"(?:[^"\\]|\\.)*"')
_MEMBER: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"\s*:')


class Malformer:
    """Changes messages; the same seed makes the same ones in the same order."""

    def __init__(self, seed: int | str) -> None:
        self.chance = random.Random(seed)  # noqa: S311  # the same every time, which is the point

    def body(self, content: bytes) -> bytes:
        """Give a body with one to three things wrong."""
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            content = self.chance.choice(_BODIES)(content, self.chance)
        return content[: 2 * HUGE + len(content) // 2]

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Give headers with one thing wrong: gone, another, longer, cut, under another name's value, repeated."""
        told = dict(headers)
        name = self.chance.choice([*told, "x-new", "content-type", "content-length", "content-encoding", "date"])
        text = told.get(name, "")
        told[name] = self.chance.choice(
            (
                self.chance.choice(NASTY),
                text + self.chance.choice(NASTY),
                text[: self.chance.randint(0, len(text))],
                f"{text}, {text}",
                self.chance.choice([*told.values(), ""]),
                text.swapcase(),
            )
        )
        if self.chance.random() < 0.2:
            del told[name]
        return told

    def delivery(self, delivery: Delivery) -> Delivery:
        """Give a webhook with something wrong."""
        if self.chance.random() < 0.7:
            delivery = evolve(delivery, body=self.body(delivery.body))
        if self.chance.random() < 0.4:
            delivery = evolve(delivery, headers=self.headers(delivery.headers))
        if self.chance.random() < 0.05:
            delivery = evolve(delivery, source=self.chance.choice(NASTY))
        return delivery


Change = Callable[[bytes, random.Random], bytes]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randint(0, len(content))]


def _encoded(content: bytes, chance: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(chance.choice(_ENCODINGS), "replace") if chance.random() < 0.8 else b"\xef\xbb\xbf" + content


def _literal(content: bytes, chance: random.Random) -> bytes:
    found = list(_LITERAL.finditer(content[:HUGE]))
    if not found:
        return content
    one = chance.choice(found)
    return content[: one.start()] + chance.choice(LITERALS) + content[one.end() :]


def _doubled(content: bytes, chance: random.Random) -> bytes:
    """Write a member once more, before itself, with another value."""
    found = list(_MEMBER.finditer(content[:HUGE]))
    if not found:
        return content
    one = chance.choice(found)
    member = b'"' + one.group(1) + b'":' + chance.choice(LITERALS) + b","
    return content[: one.start()] + member + content[one.start() :]


def _nested(content: bytes, chance: random.Random) -> bytes:
    depth = chance.choice((1, 2, 50, 990, DEEP))
    return chance.choice((b"[" * depth + content + b"]" * depth, b'{"a":' * depth + content + b"}" * depth))


def _huge(content: bytes, chance: random.Random) -> bytes:
    padding = b"a" * chance.choice((300, 70_000, HUGE))
    return chance.choice(
        (content + b" " * len(padding), b'"' + padding + b'"', content.replace(b'"', b'"' + padding, 1))
    )


def _swapped(content: bytes, chance: random.Random) -> bytes:
    """Give a value of JSON another type: text for number, list for object …"""
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        return content
    places: list[tuple[Any, Any]] = []

    def visit(at: Any, deep: int = 0) -> None:
        if deep > 20:
            return
        for key, inner in at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ():
            places.append((at, key))
            visit(inner, deep + 1)

    visit(told)
    if not places:
        return json.dumps(chance.choice(VALUES)).encode(errors="surrogatepass")
    at, key = chance.choice(places)
    value = at[key]
    at[key] = chance.choice((str(value), [value], {"value": value}, {}, [], None, True, 0, -1, 2**64, *VALUES))
    return json.dumps(told).encode(errors="surrogatepass")


def _wild(content: bytes, chance: random.Random) -> bytes:
    """Change bytes as they are: of DER, also its tags and lengths."""
    made = bytearray(content or b"\x00")
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(made))
        match chance.randrange(5):
            case 0:
                made[place] ^= 1 << chance.randrange(8)
            case 1:
                made[place] = chance.choice((0, 1, 0x30, 0x80, 0x84, 0xA0, 0xFF))
            case 2:
                del made[place : place + chance.randint(1, 9)]
                made = made or bytearray(b"\x00")
            case 3:
                made[place:place] = chance.randbytes(chance.randint(1, 9))
            case _:
                made[place:place] = made[place : place + chance.randint(1, 200)]
    return bytes(made)


_BODIES: Final[tuple[Change, ...]] = (
    _cut, _encoded, _literal, _literal, _doubled, _nested, _huge, _swapped, _swapped, _wild, _wild, spoil_body
)  # fmt: skip


class MalformedHttp(Http):
    """A service whose answers are malformed while `malforming`; each is asked for once, and said again and again."""

    malforming = False

    def __init__(self, *arguments: Any, seed: int | str, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._malformer = Malformer(seed)
        self._recorded: dict[tuple[str, str], Answer] = {}

    def _exchange(self, method: str, url: str, content: bytes | None, headers: dict[str, str], **rest: Any) -> Answer:
        if not self.malforming:
            answer = super()._exchange(method, url, content, headers, **rest)
            self._recorded[method, url] = answer
            return answer
        if (method, url) not in self._recorded:
            self._recorded[method, url] = super()._exchange(method, url, content, headers, **rest)
        answer, chance = self._recorded[method, url], self._malformer.chance
        if chance.random() < 0.3:  # some arrive as they are, so that a call of several steps gets further
            return answer
        if chance.random() < 0.25:
            answer = evolve(answer, status=chance.choice(STATUSES))
        if chance.random() < 0.25:
            answer = evolve(answer, headers=self._malformer.headers(answer.headers))
        return evolve(answer, body=self._malformer.body(answer.body), **_of(rest))


def _of(rest: Mapping[str, Any]) -> dict[str, Any]:
    # An answer that was recorded of another call: whether it acts, and what is secret in it, is this call's.
    return {name: rest[name] for name in ("acts", "secrets") if name in rest}
