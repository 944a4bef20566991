"""Frozen values as JSON, and the JSON schema of what that gives: one rule for each type, read from the classes."""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum, IntEnum
from functools import cache
from typing import Any, Final, NewType, Union, get_args, get_origin, get_type_hints

import attrs

from qcp_sdk.values import Cents, PersonName

Schema = dict[str, Any]


def plain(value: object) -> Any:
    """Give a value as JSON holds it: public fields of classes, instants in ISO 8601, cents as whole numbers."""
    if isinstance(value, IntEnum):
        return int(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, PersonName):
        return value.full
    if isinstance(value, tuple | list):
        return [plain(one) for one in value]
    if attrs.has(type(value)):
        return {one.name: plain(getattr(value, one.name)) for one in _public(type(value))}
    raise TypeError(f"{type(value).__name__} has no JSON")


_SIMPLE: Final[Mapping[object, Schema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    Cents: {"type": "integer", "description": "Euro cents."},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    PersonName: {"type": "string"},
}


def schema_of(kind: Any) -> Schema:
    """Give the schema of what `plain` makes of a value of this type."""
    if isinstance(kind, NewType):
        return schema_of(kind.__supertype__)
    if kind in _SIMPLE:
        return dict(_SIMPLE[kind])
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        parts = [schema_of(one) for one in arguments if one is not type(None)]
        return {"anyOf": [*parts, {"type": "null"}]} if type(None) in arguments else {"anyOf": parts}
    if origin is tuple:
        return {"type": "array", "items": schema_of(arguments[0])}
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return {"type": "integer", "enum": [int(one) for one in kind]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [one.value for one in kind]}
    if attrs.has(kind):
        hints = _hints(kind)
        fields = {one.name: schema_of(hints[one.name]) for one in _public(kind)}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    raise TypeError(f"{kind} has no schema")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _public(kind: type) -> list[attrs.Attribute[Any]]:
    return [one for one in attrs.fields(kind) if not one.name.startswith("_")]
