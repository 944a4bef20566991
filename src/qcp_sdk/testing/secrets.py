"""Whether a secret is anywhere in a record (invariant 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import compress
from operator import attrgetter, is_not
from typing import Final, TypeAlias

from qcp_sdk.values import EmailAddress, PersonName, PhoneNumber, Secret

Parts: TypeAlias = Callable[[object], tuple[object, ...]]

_PARTS: Final[dict[type, Parts | None]] = dict.fromkeys(
    (str, int, float, bool, bytes, type(None), datetime, date, timedelta, EmailAddress, PhoneNumber, PersonName)
)
"""How the parts of a kind of value are had; None: it has none. Filled as kinds are met."""


def holds_secret(value: object, known: object = None) -> bool:
    """Say whether a `Secret` is anywhere in a value, at whatever depth.

    `known` is a record that was looked through already: what both have, the very same, is not looked at again.
    """
    kind = type(value)
    if kind is Secret:
        return True
    if kind not in _PARTS:
        _PARTS[kind] = _parts(kind)
    of = _PARTS[kind]
    if of is None:
        return False
    parts = of(value)
    if type(known) is kind:
        before = of(known)
        for part, was in compress(zip(parts, before, strict=False), map(is_not, parts, before)):
            if holds_secret(part, was):
                return True
        parts = parts[len(before) :]
    # What most parts are is asked here and not in a call: a record is looked through for every fact.
    deeper = [part for part in parts if _PARTS.get(type(part), _unknown) is not None]
    return True in map(holds_secret, deeper)


def _unknown(_value: object) -> tuple[object, ...]:
    return ()


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
