"""Whether a secret is anywhere in a record (invariant 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Final, TypeAlias

from qcp_sdk.values import EmailAddress, PersonName, PhoneNumber, Secret

Parts: TypeAlias = Callable[[Any], tuple[object, ...]]

_WHOLE: Final[set[type]] = {
    str, int, float, bool, bytes, type(None), datetime, date, timedelta, EmailAddress, PhoneNumber, PersonName
}  # fmt: skip
"""Kinds of values that have no parts. Filled as kinds are met."""
_PARTS: Final[dict[type, Parts]] = {}
"""How the parts of every other kind are had. Filled as kinds are met."""


def holds_secret(value: object, known: object = None) -> bool:
    """Say whether a `Secret` is anywhere in a value, at whatever depth.

    `known` is a record that was looked through already: what both have, the very same, is not looked at again.
    """
    kind = type(value)
    if kind is Secret:
        return True
    of = _PARTS.get(kind)
    if of is None:
        if kind in _WHOLE or _is_whole(kind):
            return False
        of = _PARTS[kind]
    # A record is looked through for every fact: what can be asked without a call is.
    parts = of(value)
    if type(known) is kind:
        before = of(known)
        for part, was in compress(zip(parts, before, strict=False), map(is_not, parts, before)):
            if type(part) not in _WHOLE and holds_secret(part, was):
                return True
        parts = parts[len(before) :]
    if _WHOLE.issuperset(map(type, parts)):
        return False
    return any(type(part) not in _WHOLE and holds_secret(part) for part in parts)


def _is_whole(kind: type) -> bool:
    """Learn a kind."""
    parts = _parts(kind)
    if parts is None:
        _WHOLE.add(kind)
        return True
    _PARTS[kind] = parts
    return False


def _parts(kind: type) -> Parts | None:
    if issubclass(kind, Enum):
        return None
    if hasattr(kind, "__attrs_attrs__"):
        names = [one.name for one in kind.__attrs_attrs__]
        if len(names) > 1:
            return attrgetter(*names)
        return (lambda value: (getattr(value, names[0]),)) if names else None
    if issubclass(kind, Mapping):
        return _of_mapping
    return _of_collection if issubclass(kind, tuple | list | set | frozenset) else None


def _of_collection(value: object) -> tuple[object, ...]:
    assert isinstance(value, Iterable)
    return tuple(value)


def _of_mapping(value: object) -> tuple[object, ...]:
    assert isinstance(value, Mapping)
    return (*value.keys(), *value.values())
