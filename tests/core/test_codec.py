"""Every shape that is stored comes back as it was; anything else is one clear error of ours."""

from __future__ import annotations

import enum
import hashlib
import json
import types
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcp_sdk import codec
from qcp_sdk.collectes import Signatory, Stamp
from qcp_sdk.effects import Effect, Notify, Wake
from qcp_sdk.errors import InvalidInput
from qcp_sdk.facts import CodeSent, CodeUndeliverable, DeadlinePassed, Fact
from qcp_sdk.notices import IdentityApproved, Notice, Recipient, SigningNotice
from qcp_sdk.otp import Attempts
from qcp_sdk.values import (
    BirthDate,
    Cents,
    ChallengeId,
    ContentHash,
    DocumentId,
    EmailAddress,
    PersonName,
    PhoneNumber,
    Secret,
    SubscriptionId,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.text(max_size=8).map(lambda text: text if text.strip() else "x")  # some texts may not be blank
NAMES = st.sampled_from(["Jessica", "Anaïs Marie", "N'Guyen", "Øster-Ångström", "de La Tour d'Aigues"])
PAPER = DocumentId("paper")
# What the values' own rules allow; everything else follows from the annotations.
KNOWN: dict[object, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    datetime: st.timedeltas(timedelta(0), timedelta(days=40_000)).map(lambda since: EPOCH + since),
    date: st.dates(),
    timedelta: st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
    Cents: st.integers().map(Cents),
    PersonName: st.builds(PersonName, given=NAMES, last=NAMES, birth_name=st.just("") | NAMES),
    EmailAddress: st.sampled_from(["a@example.org", "J.P+x@Sub.Example.org"]).map(EmailAddress),
    PhoneNumber: st.sampled_from(["+33639981316", "+447700900123"]).map(PhoneNumber),
    ContentHash: st.binary(max_size=2).map(lambda some: ContentHash(f"sha256:{hashlib.sha256(some).hexdigest()}")),
    BirthDate: st.dates(date(1900, 1, 1), date(2100, 12, 31)).map(BirthDate),
    Fact: st.builds(DeadlinePassed, deadline=TEXT) | st.builds(CodeSent, challenge=TEXT.map(ChallengeId)),
    Stamp: st.builds(Stamp, document=st.just(PAPER), page=st.integers(0), box=st.just((1, 2, 30, 40)), url=TEXT),
    Notice: st.builds(IdentityApproved, subscription=TEXT.map(SubscriptionId)),
}


def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """Give values of an annotation."""
    if kind in KNOWN:
        return KNOWN[kind]
    if kind is type(None):
        return st.none()
    if hasattr(kind, "__supertype__"):  # a NewType
        return strategy(kind.__supertype__)
    origin, members = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of([strategy(member) for member in members])
    if origin is tuple and members[-1] is Ellipsis:
        return st.lists(strategy(members[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*[strategy(member) for member in members])
    if origin is frozenset:
        return st.frozensets(strategy(members[0]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    if isinstance(kind, type) and attrs.has(kind):
        return st.deferred(lambda: instances(kind))
    raise AssertionError(f"no strategy for {kind!r}: the codec's test must learn it")


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Give instances of an attrs class, every field by its annotation."""
    hints = get_type_hints(cls)
    fields = {field.name.lstrip("_"): strategy(hints[field.name]) for field in attrs.fields(cls)}
    if cls.__name__ == "Collecte":  # which is never empty, and whose ids differ
        fields["documents"] = strategy(get_args(hints["documents"])[0]).map(lambda one: (attrs.evolve(one, id=PAPER),))
        fields["signatories"] = strategy(get_args(hints["signatories"])[0]).map(lambda one: (one,))
    if cls is Signatory:  # whose stamps are on the document that there is
        fields["stamps"] = st.lists(KNOWN[Stamp], max_size=1).map(tuple)
    for name in [name for name in ("version", "by", "evidence") if hints.get(name) is str]:  # which are never empty
        fields[name] = st.sampled_from(["1", "Irène Faron"])
    if cls.__name__ == "ConsentGiven":
        fields["hash"] = st.just(f"sha256:{'0' * 64}")
    if "language" in fields:
        fields["language"] = st.sampled_from(["fr", "en"])
    return st.builds(cls, **fields)


def below(root: type) -> Iterator[type]:
    """Give every class below a root, except those that only others are made from."""
    children: list[type] = root.__subclasses__()
    for cls in children:
        if cls is not SigningNotice and cls.__module__.startswith("qcp_sdk"):
            yield cls
        yield from below(cls)


quickly = settings(max_examples=6)


@pytest.mark.parametrize("kind", sorted(codec.FACT_KINDS))
@quickly
@given(data=st.data())
def test_a_fact_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    fact = data.draw(instances(codec.FACT_KINDS[kind]))
    assert codec.unpack_fact(codec.pack_fact(fact)) == fact
    assert type(codec.unpack_fact(codec.pack_fact(fact))) is codec.FACT_KINDS[kind]


@pytest.mark.parametrize("kind", sorted(codec.EFFECT_KINDS))
@quickly
@given(data=st.data())
def test_an_effect_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    effect = data.draw(instances(codec.EFFECT_KINDS[kind]))
    assert codec.unpack_effect(codec.pack_effect(effect)) == effect


@pytest.mark.parametrize("template", sorted(codec.NOTICE_KINDS))
@quickly
@given(data=st.data())
def test_a_notice_comes_back_as_it_was_within_the_effect_that_sends_it(template: str, data: st.DataObject) -> None:
    notice = data.draw(instances(codec.NOTICE_KINDS[template]))
    effect = Notify(to=data.draw(instances(Recipient)), notice=notice)
    back = codec.unpack_effect(codec.pack_effect(effect))
    assert isinstance(back, Notify)
    assert back == effect
    assert type(back.notice) is codec.NOTICE_KINDS[template]


@pytest.mark.parametrize("kind", sorted(codec.STATE_KINDS))
@settings(max_examples=25)
@given(data=st.data())
def test_a_state_comes_back_as_it_was(kind: str, data: st.DataObject) -> None:
    state = data.draw(instances(codec.STATE_KINDS[kind]))
    assert codec.unpack_state(codec.pack_state(kind, state)) == state


@pytest.mark.parametrize("kind", sorted(codec.STATE_KINDS))
@settings(max_examples=25)
@given(data=st.data())
def test_what_was_written_before_changes_nothing_in_what_is_written(kind: str, data: st.DataObject) -> None:
    cls = codec.STATE_KINDS[kind]
    one, two = data.draw(instances(cls)), data.draw(instances(cls))
    names = [field.name for field in attrs.fields(cls)]
    mixed = object.__new__(cls)  # some fields of the one, the very same, and some of the other
    for name in names:
        object.__setattr__(mixed, name, getattr(data.draw(st.sampled_from([one, two])), name))
    written: codec.Written = {}
    for state in (one, mixed, two, mixed):
        packed = codec.pack_state(kind, state, written)
        assert packed == codec.pack_state(kind, state)
        assert json.loads(packed)["data"] == json.loads(json.dumps(codec.converter().unstructure(state, cls)))


@pytest.mark.parametrize("kind", sorted(codec.FACT_KINDS))
@settings(max_examples=2)
@given(data=st.data())
def test_any_fact_can_be_waited_for(kind: str, data: st.DataObject) -> None:
    fact = data.draw(instances(codec.FACT_KINDS[kind]))
    wake = Wake(at=datetime(2026, 3, 2, tzinfo=UTC), fact=fact)
    assert codec.unpack_effect(codec.pack_effect(wake)) == wake


@pytest.mark.parametrize(
    ("root", "known"),
    [(Fact, codec.FACT_KINDS), (Effect, codec.EFFECT_KINDS), (Notice, codec.NOTICE_KINDS)],
    ids=["facts", "effects", "notices"],
)
def test_every_class_has_its_row_and_a_name_of_its_own(root: type, known: dict[str, type]) -> None:
    assert set(known.values()) == set(below(root))
    names = [str(getattr(cls, "kind", "") or getattr(cls, "template", "")) for cls in known.values()]
    assert list(known) == names
    assert all(names)


ONE = CodeUndeliverable(challenge=ChallengeId("c"), reason="unconfirmed")
READERS: list[Callable[[bytes], object]] = [codec.unpack_fact, codec.unpack_effect, codec.unpack_state]
reading = pytest.mark.parametrize("read", READERS, ids=["fact", "effect", "state"])


def envelope(**changed: object) -> bytes:
    """Give a good record with some parts changed; `...` takes one out."""
    parts = {**json.loads(codec.pack_fact(ONE)), **changed}
    return json.dumps({name: part for name, part in parts.items() if part is not ...}).encode()


@reading
@pytest.mark.parametrize(
    "damage",
    [
        {"kind": "never_heard_of"},
        {"kind": ...},
        {"kind": ["code_undeliverable"]},
        {"kind": None},
        {"schema": ...},
        {"schema": "1"},
        {"schema": {}},
        {"schema": 2},
        {"schema": 0},
        {"data": ...},
        {"data": {}},
        {"data": []},
        {"data": "text"},
        {"data": {"challenge": "c"}},
    ],
    ids=repr,
)
def test_a_record_that_cannot_be_ours_is_refused(read: Callable[[bytes], object], damage: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        read(envelope(**damage))


@reading
@settings(max_examples=40)
@given(garbage=st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_garbage_is_refused(read: Callable[[bytes], object], garbage: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(garbage)


@settings(max_examples=60)
@given(place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_a_damaged_record_is_read_or_refused_and_nothing_else(place: int, flip: int) -> None:
    packed = bytearray(codec.pack_state("subscription", STATE))
    packed[place % len(packed)] ^= flip
    try:
        codec.unpack_state(bytes(packed))
    except InvalidInput as refused:
        assert "Poussart" not in str(refused)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(InvalidInput):
        codec.unpack_fact(b'{"kind":' * 100_000)


def test_a_newer_shape_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match=r"schema 2.*1 is known.*upgrade"):
        codec.unpack_fact(envelope(schema=2))


def test_an_older_shape_is_lifted_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {
        ("code_undeliverable", -1): lambda data: {"challenge": data["id"], "why": data["why"]},
        ("code_undeliverable", 0): lambda data: {"challenge": data["challenge"], "reason": data["why"]},
    }
    monkeypatch.setattr(codec, "UPCASTERS", steps)
    assert codec.unpack_fact(envelope(schema=-1, data={"id": "c", "why": "unconfirmed"})) == ONE
    assert codec.unpack_fact(envelope()) == ONE


def test_an_older_fact_is_lifted_within_the_effect_that_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reminder waits for years in the outbox: its fact may change shape meanwhile."""
    wake = Wake(at=datetime(2026, 3, 2, tzinfo=UTC), fact=ONE)
    old = json.loads(codec.pack_effect(wake))
    old["data"]["fact"] = {"kind": "code_undeliverable", "schema": 0, "data": {"challenge": "c", "why": "unconfirmed"}}
    monkeypatch.setattr(
        codec,
        "UPCASTERS",
        {("code_undeliverable", 0): lambda data: {"challenge": data["challenge"], "reason": data["why"]}},
    )
    assert codec.unpack_effect(json.dumps(old).encode()) == wake
    old["data"]["fact"]["schema"] = 2
    with pytest.raises(InvalidInput):
        codec.unpack_effect(json.dumps(old).encode())


def test_a_broken_upcaster_is_told_as_a_damaged_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "UPCASTERS", {("code_undeliverable", 0): lambda data: data["not there"]})
    with pytest.raises(InvalidInput):
        codec.unpack_fact(envelope(schema=0))


def test_a_state_is_packed_under_its_own_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    class Newer(Attempts):
        schema = 3

    monkeypatch.setattr(codec, "STATE_KINDS", {"attempts": Newer})
    packed = codec.pack_state("attempts", Attempts())
    assert json.loads(packed)["schema"] == 3
    codec.unpack_state(packed)


def test_no_secret_can_be_packed() -> None:
    smuggled = CodeUndeliverable(challenge=ChallengeId("c"), reason=Secret("R544XM"))  # type: ignore[arg-type]
    with pytest.raises(TypeError) as refused:
        codec.pack_fact(smuggled)
    assert "R544XM" not in str(refused.value)


def test_no_stored_class_has_a_field_for_a_secret() -> None:
    """Followed through every class that a stored one is made of."""
    seen: set[type] = set()

    def check(kind: Any) -> None:
        assert kind is not Secret
        for member in get_args(kind):
            check(member)
        if isinstance(kind, type) and attrs.has(kind) and kind not in seen:
            seen.add(kind)
            for hint in get_type_hints(kind).values():
                check(hint)

    stored = (codec.FACT_KINDS, codec.EFFECT_KINDS, codec.NOTICE_KINDS, codec.STATE_KINDS)
    for kinds in stored:
        for cls in kinds.values():
            check(cls)
    assert len(seen) > 80


def _some_subscription() -> object:
    from qcp_sdk.subscription.machine import step
    from qcp_sdk.subscription.stages import Plan
    from qcp_sdk.testing.exploration.subscription import NOW, opening

    return step(None, opening(Plan.ASSEMBLED), NOW)[0]


STATE = _some_subscription()
