"""A policy from TOML. Any bytes give a `Policy` or one `PolicyError` that says line and key.

`default_policy()` is the policy that ships with the package, `default_text()` its file (`qcp-sdk policy show`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Final

from qcp_sdk.collectes import Role
from qcp_sdk.errors import PolicyError
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import HOLDER_FIELDS, Transformation
from qcp_sdk.policy.nodes import Node
from qcp_sdk.policy.rules import LISTABLE
from qcp_sdk.policy.shapes import CLOSED, Attestor, Floor, Issuer, LevelRules, Policy
from qcp_sdk.values import Fingerprint

LONGEST: Final = 262_144
"""Bytes. The default policy has some 4,000."""

_CERTIFICATES: Final = {level.name: level for level in CertificateLevel}
_SIGNATURES: Final = {level.name: level for level in SignatureLevel}
_DURATION: Final = re.compile(r"([0-9]{1,5}) ?(min|h|d)")
_UNITS: Final = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def read_policy(content: bytes, *, name: str = "policy") -> Policy:
    """Read a policy; `name` is what errors call the file.

    Raises:
        PolicyError: It is not UTF-8, not TOML, or not a policy; `where` gives `name:line: key`.
    """
    text = _decoded(content, name)
    document = _parsed(text, name)
    lines = _Lines(text)

    def flaw(path: str, what: str, mend: str) -> PolicyError:
        return PolicyError(what, where=f"{name}:{lines.of(path)}" + (f": {path}" if path else ""), mend=mend)

    try:
        return _policy(Node(document, "", flaw))
    except PolicyError as error:
        if error.where.startswith(f"{name}:"):
            raise
        # Refused as a whole, by the value itself: it knows the key and we know the line.
        raise flaw(error.where, error.what, error.mend) from error


def default_text() -> str:
    """Give the file of the policy that ships with the package."""
    return resources.files("qcp_sdk.policy").joinpath("default.toml").read_text(encoding="utf-8")


@cache
def default_policy() -> Policy:
    """Give the policy that ships with the package."""
    return read_policy(default_text().encode(), name="default.toml")


def _decoded(content: bytes, name: str) -> str:
    if len(content) > LONGEST:
        raise PolicyError(f"it has more than {LONGEST} bytes", where=name, mend="it cannot be a policy")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PolicyError("it is not UTF-8", where=f"{name}:{line}", mend="save it as UTF-8") from error


def _parsed(text: str, name: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"^(.*?) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        line = found[2] if found and found[2] else str(text.count("\n") + 1)
        what = (found[1] if found else "it cannot be read")[:200]
        raise PolicyError(
            f"it is not TOML: {what[:1].lower()}{what[1:]}", where=f"{name}:{line}", mend="see toml.io"
        ) from error
    except (RecursionError, ValueError) as error:  # nested, or a number, beyond what Python reads
        raise PolicyError("it is not TOML that can be read", where=f"{name}:1", mend="nest less") from error


def _policy(root: Node) -> Policy:
    keys = root.table(
        "version",
        "levels",
        optional=("third_party_highest", "trusted_lists", "issuers", "attestors", "floors", "holder", "margins"),
    )
    levels = keys["levels"].table(optional=tuple(_SIGNATURES))
    holder = _inside(keys, "holder", "fields", "close")
    margins = _inside(keys, "margins", "status_age", "beyond_deadline")
    standard = Policy(version="standard", levels=(CLOSED,) * len(SignatureLevel))  # for what the file leaves out
    return Policy(
        version=keys["version"].text(longest=100),
        levels=tuple(_level(levels[name]) if name in levels else CLOSED for name in _SIGNATURES),
        issuers=tuple(_issuer(item) for item in _items(keys, "issuers")),
        trusted_lists=frozenset(keys["trusted_lists"].some_of(_CERTIFICATES))
        if "trusted_lists" in keys
        else frozenset(),
        attestors=tuple(_attestor(item) for item in _items(keys, "attestors")),
        floors=tuple(_floor(item) for item in _items(keys, "floors")),
        holder_fields=(
            holder["fields"].some_of({field: field for field in HOLDER_FIELDS})
            if "fields" in holder
            else standard.holder_fields
        ),
        holder_close=(
            frozenset(holder["close"].some_of({each.value: each for each in Transformation}))
            if "close" in holder
            else standard.holder_close
        ),
        status_age=_duration(margins["status_age"]) if "status_age" in margins else standard.status_age,
        beyond_deadline=(
            _duration(margins["beyond_deadline"]) if "beyond_deadline" in margins else standard.beyond_deadline
        ),
        third_party_highest=(
            keys["third_party_highest"].flag() if "third_party_highest" in keys else standard.third_party_highest
        ),
    )


def _inside(keys: Mapping[str, Node], key: str, *optional: str) -> Mapping[str, Node]:
    return keys[key].table(optional=optional) if key in keys else {}


def _items(keys: Mapping[str, Node], key: str) -> tuple[Node, ...]:
    return keys[key].items() if key in keys else ()


def _level(node: Node) -> LevelRules:
    keys = node.table("rules", optional=("certificate", "attestation"))
    return LevelRules(
        rules=keys["rules"].some_of({rule: rule for rule in LISTABLE}),
        certificate=keys["certificate"].one_of(_CERTIFICATES) if "certificate" in keys else None,
        attestation="attestation" in keys and keys["attestation"].flag(),
    )


def _issuer(node: Node) -> Issuer:
    keys = node.table("name", "levels", optional=("organisation", "dn", "ca"))
    return Issuer(
        name=keys["name"].text(),
        levels=frozenset(keys["levels"].some_of(_CERTIFICATES)),
        organisation=keys["organisation"].text() if "organisation" in keys else "",
        dn=keys["dn"].text(longest=2_000) if "dn" in keys else "",
        ca=Fingerprint(keys["ca"].text()) if "ca" in keys else None,
    )


def _attestor(node: Node) -> Attestor:
    keys = node.table("provider", "levels")
    return Attestor(provider=keys["provider"].text(), levels=frozenset(keys["levels"].some_of(_CERTIFICATES)))


def _floor(node: Node) -> Floor:
    keys = node.table("level", optional=("kind", "role"))
    return Floor(
        level=keys["level"].one_of(_SIGNATURES),
        kind=keys["kind"].text() if "kind" in keys else None,
        role=keys["role"].one_of({role.value: role for role in Role}) if "role" in keys else None,
    )


def _duration(node: Node) -> timedelta:
    found = _DURATION.fullmatch(node.text())
    if found is None:
        node.fail("it is not a duration", "write it as `30min`, `24h` or `15d`")
    return int(found[1]) * _UNITS[found[2]]


_KEY: Final = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEYS: Final = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER: Final = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEYS})[ \t]*\]")
_PAIR: Final = re.compile(rf"[ \t]*({_KEYS})[ \t]*=")
_QUOTES: Final = re.compile('"""|' + "'''")


class _Lines:
    """On which line each key stands: `tomllib` does not say, so the text is gone through once more.

    The text is known to be TOML. What is not found exactly (a key inside an inline table) is told by the line of the
    nearest thing around it.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[str, int] = {}
        counted: dict[str, int] = {}
        table, quote = "", ""
        for number, line in enumerate(text.split("\n"), 1):
            if not quote:
                if header := _HEADER.match(line):
                    table = self._header(header[1] == "[[", _path(header[2]), counted)
                    self._lines.setdefault(table.removesuffix("[0]"), number)  # `of` finds the first of many by it
                elif pair := _PAIR.match(line):
                    self._lines.setdefault(".".join(filter(None, (table, *_path(pair[1])))), number)
            for mark in _QUOTES.findall(line):
                quote = "" if quote == mark else quote or mark

    @staticmethod
    def _header(many: bool, path: list[str], counted: dict[str, int]) -> str:
        place = ""
        for at, key in enumerate(path):
            place = f"{place}.{key}" if place else key
            if many and at == len(path) - 1:
                counted[place] = counted.get(place, -1) + 1
            if place in counted:
                place = f"{place}[{counted[place]}]"
        return place

    def of(self, path: str) -> int:
        """Give the line of a key, or of the nearest thing around it; 1 for the file itself."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path, 1)


def _path(keys: str) -> list[str]:
    """The parts of a dotted key, quotation marks off: TOML's own reader knows best."""
    try:
        found: object = tomllib.loads(f"{keys} = 0")
    except (tomllib.TOMLDecodeError, RecursionError):  # a line inside something else that merely looks like a key
        return []
    parts: list[str] = []
    while isinstance(found, dict):
        (key, found), *_ = found.items()
        parts.append(key)
    return parts
