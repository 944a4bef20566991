"""Whether a secret is anywhere in a record (invariant 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from operator import attrgetter
from typing import Final, TypeAlias

from qcp_sdk.values import EmailAddress, PersonName, PhoneNumber, Secret

Parts: TypeAlias = Callable[[object], Iterable[object]]

_PARTS: Final[dict[type, Parts | None]] = dict.fromkeys(
    (str, int, float, bool, bytes, type(None), datetime, date, timedelta, EmailAddress, PhoneNumber, PersonName)
)
"""How the parts of a kind of value are had; None: it has none. Filled as kinds are met."""
MOST_CLEAN: Final = 50_000
_CLEAN: Final[dict[int, object]] = {}
"""Records that were looked through already, by identity; the values are kept, so that no identity is used again."""


def holds_secret(value: object) -> bool:
    """Say whether a `Secret` is anywhere in a value, at whatever depth."""
    kind = type(value)
    if kind is Secret:
        return True
    if kind not in _PARTS:
        _PARTS[kind] = _parts(kind)
    parts = _PARTS[kind]
    if parts is None or _CLEAN.get(id(value)) is value:
        return False
    # What most parts are is asked here and not in a call: a record is looked through for every fact.
    deeper = [part for part in parts(value) if _PARTS.get(type(part), _unknown) is not None]
    for part in deeper:
        if _CLEAN.get(id(part)) is not part and holds_secret(part):
            return True
    if hasattr(kind, "__attrs_attrs__"):  # frozen; a list or a dictionary may be another tomorrow
        if len(_CLEAN) > MOST_CLEAN:
            _CLEAN.clear()
        _CLEAN[id(value)] = value
    return False


def _unknown(_value: object) -> Iterable[object]:
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


def _of_collection(value: object) -> Iterable[object]:
    assert isinstance(value, Iterable)
    return value


def _of_mapping(value: object) -> Iterable[object]:
    assert isinstance(value, Mapping)
    return [*value.keys(), *value.values()]
