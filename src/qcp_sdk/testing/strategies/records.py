"""Facts, effects, messages and other plain records: built field by field, by what a field is called or of what type.

The field's name decides where its type does not say enough (`url: str`); a class may decide otherwise for itself.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qcp_sdk.ceremony import facts as ceremony_facts
from qcp_sdk.ceremony.facts import CEREMONY_FACTS
from qcp_sdk.collectes import Collecte
from qcp_sdk.effects import Effect
from qcp_sdk.facts import Fact
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.matching import Transformation
from qcp_sdk.notices import NOTICES, Notice
from qcp_sdk.subscription.facts import FACTS, ConsentGiven, DetailsContested, IdentityContested
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.testing.strategies.accounts import FIRMS, languages
from qcp_sdk.testing.strategies.amounts import prices
from qcp_sdk.testing.strategies.collectes import FILES, TITLES, collectes
from qcp_sdk.testing.strategies.holdings import PROVIDERS, REASONS
from qcp_sdk.testing.strategies.ids import PRINTED, ids
from qcp_sdk.testing.strategies.instants import birth_dates, days, durations, instants
from qcp_sdk.testing.strategies.names import person_names
from qcp_sdk.values import Cents, SignatoryId

T = TypeVar("T")

_SAID: Final = (
    "document_unreadable", "not_eligible", "ticket 41", "Élodie, par téléphone", "<b>", "{{ x }}", "\N{GRINNING FACE}",
    " x ", "1",
)  # fmt: skip
_PROSE: Final = st.sampled_from(_SAID) | st.text(PRINTED, min_size=1, max_size=30).filter(str.strip)
"""Words of a provider or an operator; never blank, since some of them must not be."""
_URLS: Final = st.sampled_from(
    ("https://identity.example.org/s/1?a=1&b=2", "https://a.example/é#x", "https://x.example/" + "y" * 500)
)
_COUNTS: Final = st.integers(0, 3) | st.integers(0, 10_000)
_OCTETS: Final = st.binary(max_size=1) | st.binary(min_size=32, max_size=32) | st.binary(max_size=200)


def _several(*among: str) -> SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(among), unique=True).map(tuple)


_PERSON_FIELDS: Final = _several("name", "email", "mobile", "birth_date")
_CLOSE: Final = st.frozensets(st.sampled_from([each.value for each in Transformation]))

BY_NAME: Final[Mapping[str, SearchStrategy[Any]]] = {
    "accepted_close": _CLOSE,
    "cause": st.sampled_from(("cancelled", "refused", "expired", "deadline")),
    "deadline": st.sampled_from(("opening/1", "lease/1", "deadline", "")) | ids(),
    "failed": _several(*FILES),
    "findings": _several("status.good", "holder.matches", "validity.deadline"),
    "handle": ids(),
    "holder": person_names().map(lambda name: name.full),
    "issuer": st.sampled_from(FIRMS),
    "issuing_country": st.sampled_from(("FR", "BE", "CH", "MA")),
    "language": languages(),
    "masked": st.sampled_from(("*****1316", "j…@example.org", "")),
    "matched": _several("name", "email", "mobile"),
    "name": st.sampled_from(FILES),
    "provider": st.sampled_from(PROVIDERS),
    "reason": _PROSE | st.sampled_from(REASONS),
    "reference": ids(),
    "reminder": st.sampled_from(("expiry", "sign")),
    "sender": st.sampled_from(FIRMS),
    "signatory": ids(),
    "subject": ids(),
    "title": st.sampled_from(TITLES),
    "url": _URLS,
}
"""What a text is like, by the name of its field."""
BY_NAME_AND_TYPE: Final[Mapping[tuple[str, object], SearchStrategy[Any]]] = {
    ("price", Cents): prices(),
    ("amount", Cents): prices(),
    ("matched", bool): st.booleans(),
}
"""Where one name stands for two things, or a type is wider than what the field may hold."""
OF_CLASS: Final[Mapping[type, Mapping[str, SearchStrategy[Any]]]] = {
    IdentityEvidence: {"provider": _PROSE, "proofing": st.sampled_from(Proofing)},
    ProvenIdentity: {"name": person_names(), "birth_date": birth_dates(), "document": st.sampled_from(DocumentKind)},
    DetailsContested: {"fields": _PERSON_FIELDS},
    IdentityContested: {"fields": _PERSON_FIELDS},
    ConsentGiven: {"text": st.sampled_from((*CONSENTS, "other"))},
}
"""What is like nothing else of the same name."""
ROUTE: Final = st.sampled_from(("default", "default", "other", ""))


def record(cls: type[T]) -> SearchStrategy[T]:
    """Any valid instance of this class of frozen fields."""
    return st.builds(cls, **_parts(cast(Hashable, cls)))


@cache
def _parts(cls: Any) -> Mapping[str, SearchStrategy[Any]]:
    hints, own = get_type_hints(cls), OF_CLASS.get(cls, {})
    routes = cls.__name__.endswith("Routes")
    found: dict[str, SearchStrategy[Any]] = {}
    for one in attrs.fields(cls):
        if one.init:
            hint = hints[one.name]
            found[one.name] = own[one.name] if one.name in own else ROUTE if routes else of_field(one.name, hint)
    return found


def of_field(name: str, hint: object) -> SearchStrategy[Any]:
    """What a field with this name and type holds."""
    if (name, hint) in BY_NAME_AND_TYPE:
        return BY_NAME_AND_TYPE[name, hint]
    if name in BY_NAME and hint in (str, tuple[str, ...], frozenset[str], str | None):
        return BY_NAME[name] if hint != str | None else st.none() | BY_NAME[name]
    return of_type(hint)


PLAIN: Final[Mapping[object, SearchStrategy[Any]]] = {
    type(None): st.none(), bool: st.booleans(), int: _COUNTS, str: _PROSE, bytes: _OCTETS,
    date: days(), datetime: instants(), timedelta: durations(),
}  # fmt: skip
"""What stands for a type of Python's own in a record of ours."""


def of_type(hint: Any) -> SearchStrategy[Any]:
    """What a type holds, tuples and unions of types included; types of ours as they are registered."""
    from qcp_sdk.testing.registration import strategy_of

    if hint in PLAIN:
        return PLAIN[hint]
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return st.one_of(*(of_type(each) for each in inside))
    if origin is tuple and inside[1:] == (Ellipsis,):
        return st.lists(of_type(inside[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(of_type(each) for each in inside))
    if origin is frozenset:
        return st.frozensets(of_type(inside[0]), max_size=3)
    return st.deferred(lambda: strategy_of(hint))


# --- facts, effects, messages -----------------------------------------------------------------------------------------


def facts(kind: type[Fact] = Fact) -> SearchStrategy[Fact]:
    """A fact of this kind; of any kind of either machine for `Fact` itself."""
    if kind is Fact:
        return st.sampled_from(tuple(dict.fromkeys((*FACTS, *CEREMONY_FACTS)))).flatmap(facts)
    if kind is ceremony_facts.CeremonyOpened:
        return collectes().flatmap(_opened)
    return record(kind)


def _opened(collecte: Collecte) -> SearchStrategy[Fact]:
    parts = {**_parts(ceremony_facts.CeremonyOpened), "collecte": st.just(collecte)}
    parts["signatory"] = st.sampled_from([SignatoryId(one.id) for one in collecte.signatories])
    return st.builds(ceremony_facts.CeremonyOpened, **parts)


def effects(kind: type[Effect] = Effect) -> SearchStrategy[Effect]:
    """An effect of this kind; of any kind of either machine for `Effect` itself."""
    from qcp_sdk.codec import EFFECT_KINDS

    if kind is Effect:
        return st.sampled_from(tuple(EFFECT_KINDS.values())).flatmap(effects)
    return record(kind)


def notices(kind: type[Notice] = Notice) -> SearchStrategy[Notice]:
    """A message of this kind; of any kind for `Notice` itself."""
    if kind is Notice:
        return st.sampled_from(NOTICES).flatmap(notices)
    return record(kind)
