"""Whether a secret is anywhere in a record (invariant 10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Final

from qcp_sdk.certificates import Certificate
from qcp_sdk.facts import Fact
from qcp_sdk.people import Account
from qcp_sdk.values import EmailAddress, PersonName, PhoneNumber, Secret

PLAIN: Final = frozenset(
    {str, int, float, bool, bytes, type(None), datetime, date, timedelta, EmailAddress, PhoneNumber, PersonName}
)
LASTING: Final = (Account, Certificate, Fact)
"""What many records share: it is looked through once."""
MOST_CLEAN: Final = 20_000
_CLEAN: dict[int, object] = {}
"""What was looked through already, by identity; the values are kept, so that no identity is used again."""


def holds_secret(value: object) -> bool:
    """Say whether a `Secret` is anywhere in a value, at whatever depth."""
    kind = type(value)
    if kind in PLAIN or _CLEAN.get(id(value)) is value:
        return False
    if kind is Secret:
        return True
    if issubclass(kind, Enum):
        return False
    for part in _parts(value):
        if type(part) not in PLAIN and holds_secret(part):
            return True
    if issubclass(kind, LASTING):
        if len(_CLEAN) > MOST_CLEAN:
            _CLEAN.clear()
        _CLEAN[id(value)] = value
    return False


def _parts(value: object) -> Iterable[object]:
    fields = getattr(type(value), "__attrs_attrs__", None)
    if fields is not None:
        return [getattr(value, one.name) for one in fields]
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, tuple | list | set | frozenset) else ()
