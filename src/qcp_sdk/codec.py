"""States, facts and effects as JSON bytes, and back. Every stored shape carries its schema version.

`{"kind": "funds_held", "schema": 1, "data": {…}}`. A shape that changes gets the next version and an upcaster
that lifts older data; old journals are test fixtures, never rewritten. A field may be added, with a default, without a
new version: older data read as if it had been there.

Old and new processes share a store while a deployment rolls (docs/decisions/0024). What this release does not know (a
kind, a version, a field, a word of an enumeration) is a `NewerRecord`: reading it by halves and writing it back would
lose the rest in silence.
"""

from __future__ import annotations

import json
import types
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum, IntEnum, StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar, Union, get_args, get_origin

from attrs import fields, resolve_types

from qcp_sdk.audit import AUDIT, Audit, ForgetDocument, ForgetStream, OperatorActed
from qcp_sdk.ceremony import effects as ceremony_effects
from qcp_sdk.ceremony.facts import CEREMONY_FACTS
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.effects import Effect
from qcp_sdk.errors import InvalidInput, NewerRecord
from qcp_sdk.facts import Fact
from qcp_sdk.notices import NOTICES, Notice
from qcp_sdk.otp import Attempts
from qcp_sdk.subscription import effects as subscription_effects
from qcp_sdk.subscription.facts import FACTS
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import EmailAddress, PhoneNumber

if TYPE_CHECKING:
    from cattrs.preconf.json import JsonConverter

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {}
"""(kind, version) → the function that lifts that version's data to the next. Empty: every shape is at its first."""

Written: TypeAlias = dict[str, tuple[object, str]]
"""The fields of a state as they were written last: the value, and `"name":` with its JSON. What the next state has in
common with that one, the very same value, is not written again. Safe for threads: each entry is right by itself."""

T = TypeVar("T")


def _all_effects() -> tuple[type[Effect], ...]:
    found: list[type[Effect]] = []
    for module in (subscription_effects, ceremony_effects):
        found += [
            thing
            for thing in vars(module).values()
            if isinstance(thing, type) and issubclass(thing, Effect) and thing is not Effect
        ]
    return (*dict.fromkeys(found), ForgetDocument, ForgetStream)


FACT_KINDS: Final[Mapping[str, type[Fact]]] = {
    **{kind.kind: kind for kind in (*FACTS, *CEREMONY_FACTS)},
    OperatorActed.kind: OperatorActed,
}
EFFECT_KINDS: Final[Mapping[str, type[Effect]]] = {kind.kind: kind for kind in _all_effects()}
NOTICE_KINDS: Final[Mapping[str, type[Notice]]] = {kind.template: kind for kind in NOTICES}
STATE_KINDS: Final[Mapping[str, type[Any]]] = {
    "subscription": Subscription,
    "ceremony": Ceremony,
    "attempts": Attempts,
    AUDIT: Audit,
}


@cache
def converter() -> JsonConverter:
    """Give the converter; built once, because cattrs compiles code for each class."""
    from cattrs.preconf.json import make_converter

    made = make_converter(forbid_extra_keys=True)
    for words in (StrEnum, IntEnum):
        made.register_structure_hook(words, _member)
    made.register_unstructure_hook(timedelta, lambda value: value.total_seconds())
    made.register_structure_hook(timedelta, lambda value, _: timedelta(seconds=value))
    made.register_unstructure_hook(datetime, lambda value: value.isoformat())
    made.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value))
    # Not the converter's own base85, which the standard library works out in Python: it was half the cost of a step.
    made.register_unstructure_hook(bytes, lambda value: b2a_base64(value, newline=False).decode("ascii"))
    made.register_structure_hook(bytes, lambda value, _: a2b_base64(value, strict_mode=True))
    made.register_unstructure_hook(date, lambda value: value.isoformat())
    made.register_structure_hook(date, lambda value, _: date.fromisoformat(value))
    for kind in (EmailAddress, PhoneNumber):
        made.register_unstructure_hook(kind, lambda value: value.text)
        made.register_structure_hook(kind, lambda value, cls: cls(value))
    # An address to send a code to is one or the other, told apart by its form.
    made.register_structure_hook_func(
        lambda kind: _is_union_of(kind, EmailAddress, PhoneNumber),
        lambda value, _: EmailAddress(value) if "@" in value else PhoneNumber(value),
    )
    made.register_unstructure_hook_func(
        lambda kind: _is_union_of(kind, EmailAddress, PhoneNumber), lambda value: value.text
    )
    for root, kinds, tag in ((Fact, FACT_KINDS, "kind"), (Notice, NOTICE_KINDS, "template")):
        _register_open_class(made, root, kinds, tag)
    return made


def _member(value: object, kind: type[Enum]) -> Enum:
    try:
        return kind(value)
    except ValueError:
        if not isinstance(value, str | int):
            raise
        raise _newer(f"a word of `{kind.__name__}` that is not known here") from None


def _newer(what: str) -> NewerRecord:
    return NewerRecord(f"a stored record holds {what}", where="codec", mend="upgrade qcp_sdk")


def _is_union_of(kind: object, *members: type) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and set(get_args(kind)) == set(members)


def _register_open_class(made: JsonConverter, root: type, kinds: Mapping[str, type], tag: str) -> None:
    """Store a field typed by a root class with the name and version of the class that it really holds.

    A fact that is waited for may lie in the outbox for years: it is lifted like one that stands by itself.
    """

    def unstructure(value: object) -> dict[str, object]:
        return {
            tag: getattr(value, tag),
            "schema": getattr(value, "schema", 1),
            "data": made.unstructure(value, type(value)),
        }

    def structure(value: Mapping[str, Any], _: object) -> object:
        return _structured(made, value[tag], value["schema"], value["data"], kinds)

    made.register_unstructure_hook_func(lambda kind: kind is root, unstructure)
    made.register_structure_hook_func(lambda kind: kind is root, structure)


def _structured(made: JsonConverter, kind: str, schema: int, data: Any, kinds: Mapping[str, type[T]]) -> T:
    """Lift the data to the newest version, then read it.

    Raises:
        NewerRecord: It is newer than what is known here.
    """
    while (kind, schema) in UPCASTERS:
        data, schema = UPCASTERS[kind, schema](data), schema + 1
    cls = kinds.get(kind)
    if cls is None and isinstance(kind, str):
        raise _newer("a kind that is not known here")  # not quoted: a foreign record may say anything
    if cls is None:
        raise TypeError
    newest = getattr(cls, "schema", 1)
    if type(schema) is int and schema > newest:
        raise _newer(f"`{kind}` with schema {schema}, and {newest} is known here")
    if schema != newest:
        raise ValueError
    return made.structure(data, cls)


def _newer_within(error: BaseException) -> NewerRecord | None:
    """Find, among everything that is wrong with a record, that a newer release wrote it."""
    from cattrs import ForbiddenExtraKeysError

    if isinstance(error, NewerRecord):
        return error
    if isinstance(error, ForbiddenExtraKeysError):
        return _newer(f"`{error.cl.__name__}` with a field that is not known here")
    within = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return next((found for one in within if (found := _newer_within(one)) is not None), None)


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def _pack(kind: str, schema: int, value: object, cls: type) -> bytes:
    made = converter()
    data = made.unstructure(value, cls)
    return _ENCODER.encode({"kind": kind, "schema": schema, "data": data}).encode()


def _unpack(packed: bytes, kinds: Mapping[str, type[T]]) -> T:
    try:
        envelope = json.loads(packed)
        return _structured(converter(), envelope["kind"], envelope["schema"], envelope["data"], kinds)
    except Exception as error:
        newer = _newer_within(error)
        if newer is not None:
            raise newer from error
        raise InvalidInput("a stored record cannot be read", where="codec", mend="it is damaged or foreign") from error


def pack_fact(fact: Fact) -> bytes:
    """Write a fact for the journal."""
    return _pack(fact.kind, fact.schema, fact, type(fact))


def unpack_fact(packed: bytes) -> Fact:
    """Read a fact from the journal, lifting older shapes.

    Raises:
        NewerRecord: A newer release wrote it.
        InvalidInput: It is no record of ours.
    """
    return _unpack(packed, FACT_KINDS)


def pack_effect(effect: Effect) -> bytes:
    """Write an effect for the outbox."""
    return _pack(effect.kind, effect.schema, effect, type(effect))


def unpack_effect(packed: bytes) -> Effect:
    """Read an effect from the outbox.

    Raises:
        NewerRecord, InvalidInput: As `unpack_fact`.
    """
    return _unpack(packed, EFFECT_KINDS)


def pack_state(kind: str, state: object, written: Written | None = None) -> bytes:
    """Write the state of a stream; `written` is kept beside the stream, and makes the next one cheap."""
    # A state is some kilobytes of records that never change, and one fact moves two or three of its fields.
    written = {} if written is None else written
    parts = []
    for name, write in _writers(kind):
        value = getattr(state, name)
        known = written.get(name)
        if known is None or known[0] is not value:
            written[name] = known = (value, f'"{name}":{_ENCODER.encode(write(value))}')
        parts.append(known[1])
    return f'{{"kind":"{kind}","schema":{_schema(kind)},"data":{{{",".join(parts)}}}}}'.encode()


@cache
def _writers(kind: str) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    """Give how each field of a kind of state is unstructured, in order: what the converter compiles for the whole."""
    made, cls = converter(), resolve_types(STATE_KINDS[kind])
    return tuple((one.name, made.get_unstructure_hook(one.type)) for one in fields(cls))


def _schema(kind: str) -> int:
    schema: int = getattr(STATE_KINDS[kind], "schema", 1)
    return schema


def unpack_state(packed: bytes) -> Any:
    """Read the state of a stream; its class follows from the kind that was packed.

    Raises:
        NewerRecord, InvalidInput: As `unpack_fact`.
    """
    return _unpack(packed, STATE_KINDS)
