"""What surrounds one stream: its outbox, and the answers on their way. The engine's order, as pure functions.

`commit` is one transaction of `Engine.record`, over `step` and `planned`; `tried` is one call through a port, over
`ask` and `decide`; `landed` is what `Engine._obey` does with what came of it. Between `tried` and `landed` anything may
happen: that is where processes die, leases end, and others move first.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from attrs import evolve, frozen

from qcp_sdk.effects import Alert, Effect, Notify, Wake
from qcp_sdk.engine.collaborators import Collaborators
from qcp_sdk.engine.deciding import Again, Decision, Done, Note, Park, Record, decide, unrecorded
from qcp_sdk.engine.performers import QUERIES, Context, Surroundings, ask
from qcp_sdk.engine.streams import planned
from qcp_sdk.errors import Conflict, FactRefused, QcpError, Unconfirmed
from qcp_sdk.facts import Fact
from qcp_sdk.values import Key

S = TypeVar("S")
Step = Callable[[Any, Fact, datetime], tuple[Any, tuple[Effect, ...]]]
SAID: Final = (Notify, Alert)
"""Effects that only tell somebody: no answer of theirs is a fact, so they are done when they are asked for."""


@frozen
class Entry:
    """An effect that is still to be done."""

    key: Key
    effect: Effect
    name: str
    tried: bool = False
    """Whether its outcome is asked for first: it was tried before, and its port can tell. Nothing else reads it."""
    parked: bool = False


@frozen
class Hand:
    """What a worker, or a message's look at a session, came back with and has not recorded yet."""

    key: Key
    name: str
    decision: Decision
    says: str
    """The decision by a name, for `Model.key` and for labels."""
    current: bool
    """Whether its lease is still the current one. A message's look has none."""
    message: bool = False


@frozen
class Stream(Generic[S]):
    """One stream's record, what it still has to do, and what is on its way to it."""

    state: S
    outbox: tuple[Entry, ...] = ()
    hands: tuple[Hand, ...] = ()

    def entry(self, key: Key) -> Entry | None:
        """Give the entry of a key; None when it is done."""
        return next((one for one in self.outbox if one.key == key), None)

    def free(self) -> tuple[Entry, ...]:
        """Give what a worker may lease."""
        held = {one.key for one in self.hands if one.current}
        return tuple(one for one in self.outbox if not one.parked and one.key not in held)


@frozen
class Folded(Generic[S]):
    """What became of a fact: the stream after it, and the effects that it asked for."""

    stream: Stream[S]
    effects: tuple[Effect, ...]
    changed: bool


def commit(
    stream: Stream[S],
    id: str,
    step: Step,
    fact: Fact,
    now: datetime,
    *,
    named: Callable[[Effect, S], str],
    marks: Key | None = None,
) -> Folded[S]:
    """Fold a fact, in one transaction: state, outbox and the mark on the effect that it answers.

    Raises:
        FactRefused: It is not accepted; nothing changes.
    """
    state, effects = step(stream.state, fact, now)
    changed = state is not stream.state
    outbox = stream.outbox if marks is None else tuple(one for one in stream.outbox if one.key != marks)
    if changed:
        sequence = state.sequence
        outbox += tuple(
            Entry(key, effect, named(effect, state))
            for key, effect, _, _ in planned(id, sequence, effects, now)
            if not isinstance(effect, SAID)
        )
    return Folded(Stream(state, outbox, stream.hands), effects, changed)


def context(ports: Collaborators, state: object, key: Key, now: datetime, **more: Any) -> Context:
    """Give a performer's context."""
    around = dict.fromkeys(("alert", "revision", "pass_turn", "end_collecte"), _nothing) | more
    return Context(ports, state, key, now, Surroundings(**around))


def _nothing(*_given: object) -> Any:
    raise AssertionError("no effect of this stream asks for it")


def tried(entry: Entry, context: Context, *, confirmed: bool) -> Decision:
    """Call through the port, and say what is to become of it. Not confirmed: it acted, and its answer was lost."""
    attempts = 2 if entry.tried else 1
    result: object
    try:
        result = ask(context, entry.effect, attempts=attempts)
    except QcpError as error:
        result = error
    if not confirmed:
        result = Unconfirmed("its answer was lost")
    return decide(entry.effect, result, key=entry.key, attempts=attempts)


def handed(stream: Stream[S], entry: Entry, decision: Decision, *, says: str) -> tuple[Stream[S], bool]:
    """Give the stream once a call came back, and whether something was parked (the engine alerts on that at once).

    What is put back, marked or parked has nothing more to say, so that is done with the call; only a fact is on its
    way from then on.
    """
    match decision:
        case Record() | Note():
            hand = Hand(entry.key, entry.name, decision, says, True)
            return _with_hands(_tried(stream, entry), (*stream.hands, hand)), False
        case Done():
            return _without(stream, entry.key), False
        case Again():
            return _tried(stream, entry), False
        case Park():
            return _replaced(stream, evolve(entry, parked=True)), True


def dropped(stream: Stream[S], hand: Hand) -> Stream[S]:
    """Lose what is on its way: its process died, or the message never came."""
    hands = list(stream.hands)
    hands.remove(hand)
    return _with_hands(stream, tuple(hands))


def overtaken(stream: Stream[S], hand: Hand) -> Stream[S]:
    """End a lease while its worker is still at it: what it says under the old token comes late."""
    if isinstance(hand.decision, Record):
        return dropped(stream, hand)  # it is fenced off: nothing of it is recorded
    return _with_hands(stream, tuple(evolve(one, current=False) if one is hand else one for one in stream.hands))


def landed(
    stream: Stream[S], hand: Hand, id: str, step: Step, now: datetime, *, named: Callable[[Effect, S], str]
) -> tuple[Folded[S], bool]:
    """Record what was on its way; give whether it was parked instead."""
    decision = hand.decision
    assert isinstance(decision, Record | Note)
    after = dropped(stream, hand)
    marks = hand.key if isinstance(decision, Record) and not hand.message else None
    try:
        return commit(after, id, step, decision.fact, now, named=named, marks=marks), False
    except (FactRefused, Conflict) as refused:
        entry = after.entry(hand.key)
        if unrecorded(refused) is None or entry is None or hand.message:
            return Folded(after, (), False), False
        return Folded(_replaced(after, evolve(entry, parked=True)), (), False), True


def _with_hands(stream: Stream[S], hands: tuple[Hand, ...]) -> Stream[S]:
    return Stream(stream.state, stream.outbox, hands)


def _tried(stream: Stream[S], entry: Entry) -> Stream[S]:
    if entry.tried or type(entry.effect) not in QUERIES:
        return stream
    return _replaced(stream, evolve(entry, tried=True))


def _replaced(stream: Stream[S], entry: Entry) -> Stream[S]:
    outbox = tuple(entry if one.key == entry.key else one for one in stream.outbox)
    return Stream(stream.state, outbox, stream.hands)


def _without(stream: Stream[S], key: Key) -> Stream[S]:
    return Stream(stream.state, tuple(one for one in stream.outbox if one.key != key), stream.hands)


def is_wake(entry: Entry) -> bool:
    """Say whether it only waits for an instant."""
    return isinstance(entry.effect, Wake)
