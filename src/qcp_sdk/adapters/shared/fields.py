"""Reading a service's JSON: what is missing or of another type is an answer that cannot be used, never a KeyError."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from qcp_sdk.adapters.shared.http import Answer


@frozen
class Fields:
    """The members of a JSON object. Each reader raises `Unavailable`, or `Unconfirmed` of a call that acts.

    With a `default` a member may be absent or null; of another type it is refused all the same. Members that nobody
    reads may be anything: services add new ones.
    """

    answer: Answer
    members: Mapping[str, Any] = field(repr=False)
    place: str = ""

    @classmethod
    def of(cls, answer: Answer) -> Fields:
        """Read an answer whose body is one JSON object; an empty body is an empty one."""
        told = answer.json() if answer.body.strip() else {}
        if not isinstance(told, dict):
            raise answer.unreadable("it is no JSON object")
        return cls(answer, told)

    def has(self, name: str) -> bool:
        """Say whether there is such a member, other than null."""
        return self.members.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Give a text, which is sound Unicode."""
        value = self._value(name, default)
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                pass  # half a character
            else:
                return value
        raise self._unlike(name, "text")

    def whole(self, name: str, default: int | None = None) -> int:
        """Give a whole number."""
        value = self._value(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._unlike(name, "a whole number")

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Give true or false; the same words as text are taken too, as some services write them."""
        value = self._value(name, default)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if isinstance(value, bool):
            return value
        raise self._unlike(name, "true or false")

    def octets(self, name: str) -> bytes:
        """Give what a text holds in base64."""
        return self._octets(name, self.text(name))

    def texts(self, name: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Give a list of texts."""
        value = self._value(name, default)
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise self._unlike(name, "a list of texts")

    def octet_list(self, name: str, default: tuple[bytes, ...] | None = None) -> tuple[bytes, ...]:
        """Give a list of what texts hold in base64."""
        if default is not None and not self.has(name):
            return default
        return tuple(self._octets(name, each) for each in self.texts(name))

    def inner(self, name: str) -> Fields:
        """Give an object's own members; of one that is absent, none."""
        value = self._value(name, {})
        if isinstance(value, dict):
            return Fields(self.answer, value, f"{self.place}{name}.")
        raise self._unlike(name, "an object")

    def inners(self, name: str) -> tuple[Fields, ...]:
        """Give the members of each object in a list; of one that is absent, none."""
        value = self._value(name, [])
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return tuple(Fields(self.answer, each, f"{self.place}{name}[{at}].") for at, each in enumerate(value))
        raise self._unlike(name, "a list of objects")

    def _value(self, name: str, default: object) -> object:
        value = self.members.get(name)
        if value is None:
            if default is None:
                raise self.answer.unreadable(f"`{self.place}{name}` is missing")
            return default
        return value

    def _octets(self, name: str, text: str) -> bytes:
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise self._unlike(name, "base64") from None

    def _unlike(self, name: str, kind: str) -> Exception:
        return self.answer.unreadable(f"`{self.place}{name}` is not {kind}")
