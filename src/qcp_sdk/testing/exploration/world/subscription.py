"""The world around one subscription: machine, outbox, answers and messages on their way, ledger, providers, faults.

**What is merged (`key`), and why that is sound.** Beyond what exploration of the machine alone merges:

- *Keys* are named by what they are for (`capture_funds hold-1`). A key is counted by facts, so one that is done never
  comes again: what a provider remembers of it is forgotten with it.
- *Time* is the order of events: every answer may land before the stage's deadline and at it, every wait may end at
  any moment. How long a postponed effect waits is of no account, because anything may happen meanwhile anyway.
- *Attempts* are two: the first, and one after it (`ask` then asks for the outcome first, where the port can tell). The
  third is like the second. The counts at which silence is noted or a fault parked only tell somebody.
- *Notices, alerts, reminders* and notes of silence change nothing that a later row reads: they are done when asked for.
- *Causes* that lead to the same row are one: a cancellation stands for contested data, a changed account, a revoked
  LCP certificate; a verdict that allows another try stands for an abandoned session.
- *Persons* ask for two codes at most at one stage and mistype each once; a provider sends them back once. Those are
  bounds, not merges: the counters behind them are explored with the machine alone, up to their ends.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime
from typing import Final, TypedDict, Unpack

from attrs import frozen

from qcp_sdk.effects import Alert, Effect, SendCode, Wake
from qcp_sdk.engine.deciding import POLLS, Decision, Note, Record, decide
from qcp_sdk.engine.performers import PERFORMERS
from qcp_sdk.errors import PortError, Refusal, Unavailable
from qcp_sdk.facts import DeadlinePassed, Fact
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.ending import STANDS_AGAIN
from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.stages import FINAL, Ending, Plan, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing import invariants
from qcp_sdk.testing.exploration.subscription import FIRST, NOW, opening
from qcp_sdk.testing.exploration.walk import Move
from qcp_sdk.testing.exploration.world.engine import (
    Entry,
    Folded,
    Hand,
    Stream,
    commit,
    context,
    dropped,
    handed,
    landed,
    overtaken,
    tried,
)
from qcp_sdk.testing.exploration.world.faults import Budget, spend
from qcp_sdk.testing.exploration.world.merging import tidied
from qcp_sdk.testing.exploration.world.persons import said
from qcp_sdk.testing.exploration.world.providers import CHOICES, HELD, Desk, Providers, by_themselves
from qcp_sdk.testing.invariants import Ghost
from qcp_sdk.values import Key


@frozen(slots=False)
class World:
    """Everything, at one moment. With a dictionary, not slots: `but` copies it in one go."""

    stream: Stream[Subscription]
    providers: Providers
    budget: Budget
    ghost: Ghost
    performed: frozenset[tuple[str, Key]] = frozenset()
    """Intents that were really performed, each with the key it was performed under."""
    told: frozenset[str] = frozenset()
    """News of which a message was sent."""
    alerted: frozenset[str] = frozenset()
    """What an operator was told."""


class Changes(TypedDict, total=False):
    """The parts of a world that a move may replace."""

    stream: Stream[Subscription]
    providers: Providers
    budget: Budget
    ghost: Ghost
    performed: frozenset[tuple[str, Key]]
    told: frozenset[str]
    alerted: frozenset[str]


def but(world: World, **changes: Unpack[Changes]) -> World:
    """Give the world with these parts replaced; faster than `attrs.evolve`, and this runs by the million."""
    following = object.__new__(World)
    following.__dict__.update(world.__dict__)
    following.__dict__.update(changes)
    return following


READ: Final = frozenset({"effect_parked", "late_attestation", "revocation_refused", "late_certificate"})
"""Alerts that an invariant asks for."""


class SubscriptionWorld:
    """Explores one plan in its world."""

    checks = (*invariants.NUMBERS, "w1", "w2", "w3")

    def __init__(self, plan: Plan, budget: Budget) -> None:
        self.plan, self.budget = plan, budget
        self.name = f"world, {plan}, {budget.text}"
        self._id = opening(plan).id
        self._desk = Desk()

    def roots(self) -> Iterable[tuple[str, World]]:
        """Give the subscription just opened."""
        start = World(Stream(None), Providers(), self.budget, Ghost())  # type: ignore[arg-type]
        folded = commit(start.stream, self._id, step, opening(self.plan), NOW, named=named)
        state = folded.stream.state
        yield (
            "subscription_opened",
            but(start, stream=tidied(folded.stream, Providers())[0], ghost=Ghost().after(None, state, folded.effects)),
        )

    # --- everything that may happen -------------------------------------------------------------------------

    def moves(self, world: World) -> Iterator[Move[World]]:
        """Give what the engine, its providers, persons, time and faults may do."""
        for entry in world.stream.free():
            if isinstance(entry.effect, Wake):
                fact = entry.effect.fact
                yield from self._folds(entry.name, world, world.stream, fact, entry.effect.at, marks=entry.key)
            else:
                yield from self._tries(world, entry)
        for hand in world.stream.hands:
            yield from self._lands(world, hand)
        yield from self._messages(world)
        for label, providers in by_themselves(world.providers):
            yield Move(label, _tidied(but(world, providers=providers)))
        for label, fact, now in said(world.stream.state, world.providers):
            yield from self._folds(label, world, world.stream, fact, now)

    def _tries(self, world: World, entry: Entry) -> Iterator[Move[World]]:
        known = world.providers.answered(entry.key) is not None
        choices = ("",) if known else CHOICES.get(type(entry.effect), ("",))
        for choice in choices:
            name = f"try {entry.name}{f' ({choice})' if choice else ''}"
            yield from self._tried(name, world, entry, choice)
            if world.budget.failures:
                poorer = but(world, budget=spend(world.budget, "failure"))
                yield from self._tried(name.replace("try", "unconfirmed"), poorer, entry, choice, confirmed=False)
        if world.budget.failures:
            decision = decide(entry.effect, Unavailable("nobody is there"), key=entry.key, attempts=1)
            poorer = but(world, budget=spend(world.budget, "failure"))
            yield from self._handed(f"unavailable {entry.name}", poorer, entry, decision, world.providers)

    def _tried(
        self, label: str, world: World, entry: Entry, choice: str, *, confirmed: bool = True
    ) -> Iterator[Move[World]]:
        desk = self._desk
        desk.p, desk.choice = world.providers, choice
        if isinstance(entry.effect, SendCode):
            desk.challenge = entry.effect.challenge
        at = context(desk.ports, world.stream.state, entry.key, NOW)
        decision = tried(entry, at, confirmed=confirmed)
        yield from self._handed(label, world, entry, decision, desk.p)

    def _handed(
        self, label: str, world: World, entry: Entry, decision: Decision, providers: Providers
    ) -> Iterator[Move[World]]:
        stream, parked = handed(world.stream, entry, decision, says=_says(decision))
        if stream is world.stream and providers is world.providers:
            return  # nothing but a fault was spent
        performed, broken = world.performed, []
        intents = invariants.intents_of((entry.effect,))
        if intents and providers is not world.providers:
            performed |= {(intents[0], entry.key)}
            if len({one for one, _ in performed}) < len(performed):
                broken.append("9: one intent was performed under two keys")
        effect = entry.effect
        if isinstance(effect, se.HoldFunds) and effect.amount != world.stream.state.terms.price:
            broken.append("1: what is held is not the price")
        yield Move(
            label,
            _tidied(
                but(
                    world,
                    stream=stream,
                    providers=providers,
                    performed=performed,
                    alerted=world.alerted | {"effect_parked"} if parked else world.alerted,
                )
            ),
            tuple(broken),
        )

    def _lands(self, world: World, hand: Hand) -> Iterator[Move[World]]:
        """What is on its way arrives, in time or at the deadline; or is lost; or is overtaken by another worker."""
        limit = world.stream.state.deadline
        for word, now in (("", NOW), *((" [at the deadline]", one.at) for one in (limit,) if one is not None)):
            folded, parked = landed(world.stream, hand, self._id, step, now, named=named)
            fact = hand.decision.fact if isinstance(hand.decision, Record | Note) else None
            assert fact is not None
            yield self._move(f"land {hand.name}: {hand.says}{word}", world, folded, fact, now, parked=parked)
        budget = world.budget
        if hand.message:  # a message that never comes costs nothing: it need not land
            return
        if budget.crashes:
            poorer = spend(budget, "crash")
            yield Move(f"crash {hand.name}", _tidied(but(world, stream=dropped(world.stream, hand), budget=poorer)))
        if budget.duplicates and hand.current:
            poorer = spend(budget, "duplicate")
            stream = overtaken(world.stream, hand)
            yield Move(f"duplicate {hand.name}", _tidied(but(world, stream=stream, budget=poorer)))

    def _messages(self, world: World) -> Iterator[Move[World]]:
        """A provider says that there is news: the engine looks at the session out of turn (`Engine.ask_now`)."""
        for entry in world.stream.outbox:
            if entry.effect.kind not in POLLS:
                continue
            self._desk.p, self._desk.choice = world.providers, ""
            at = context(self._desk.ports, world.stream.state, entry.key, NOW)
            try:
                answer = PERFORMERS[type(entry.effect)](at, entry.effect)
            except PortError:
                continue
            if not isinstance(answer, Fact):
                continue
            says = _says(Record(answer))
            hand = Hand(entry.key, entry.name, Record(answer), says, False, True)
            news, budget = f"{entry.name}: {says}", world.budget
            if hand in world.stream.hands:
                continue
            if news in world.told:
                if not budget.duplicates:
                    continue
                budget = spend(budget, "duplicate")
            stream = Stream(world.stream.state, world.stream.outbox, (*world.stream.hands, hand))
            after = but(world, stream=stream, told=world.told | {news}, budget=budget)
            yield Move(f"message {news}", _tidied(after))

    def _folds(
        self,
        label: str,
        world: World,
        stream: Stream[Subscription],
        fact: Fact,
        now: datetime,
        *,
        marks: Key | None = None,
    ) -> Iterator[Move[World]]:
        try:
            folded = commit(stream, self._id, step, fact, now, named=named, marks=marks)
        except Refusal:
            return
        if folded.changed or marks is not None:
            yield self._move(label, world, folded, fact, now)

    def _move(
        self, label: str, world: World, folded: Folded[Subscription], fact: Fact, now: datetime, *, parked: bool = False
    ) -> Move[World]:
        before, after, effects = world.stream.state, folded.stream.state, folded.effects
        broken: tuple[str, ...] = ()
        ghost, alerted = world.ghost, world.alerted
        if folded.changed:
            broken = invariants.broken_by_step(before, fact, now, after, effects, ghost)
            ghost = ghost.after(before, after, effects)
            alerted |= READ.intersection(one.what for one in effects if isinstance(one, Alert))
        if parked:
            alerted |= {"effect_parked"}
        return Move(label, _tidied(but(world, stream=folded.stream, ghost=ghost, alerted=alerted)), broken)

    # --- what is a world, and what is wrong with it ---------------------------------------------------------

    def key(self, world: World) -> Hashable:
        """See the module's docstring for what is merged."""
        s, p, b = world.stream.state, world.providers, world.budget
        final = s.stage in FINAL
        outbox = sorted((one.name, one.tried, one.parked, p.answered(one.key) or "") for one in world.stream.outbox)
        hands = sorted((one.name, one.says, one.current, one.message) for one in world.stream.hands)
        return (
            _record(s),
            tuple(outbox),
            tuple(hands),
            p.holds,
            _sessions(world),
            p.request,
            tuple(sorted(p.revoked)),
            p.registration,
            not final and s.codes.challenge is not None and p.delivered == s.codes.challenge.id,
            (b.duplicates, b.crashes, b.failures),
            world.ghost.key(),
            tuple(sorted(world.told)),
            tuple(sorted(world.alerted)),
        )

    def broken(self, world: World) -> tuple[str, ...]:
        """Check the twelve, and what only a world can say."""
        return (*invariants.broken_in(world.stream.state, world.ghost), *_broken(world))

    def is_end(self, world: World) -> bool:
        """Final, with nothing outstanding and nothing on its way."""
        return world.stream.state.stage in FINAL and not _outstanding(world)

    def must_end_by(self, world: World) -> frozenset[str] | None:
        """Invariant 8: no fault, no person; and no operator but where only one can know."""
        s = world.stream.state
        unseen = s.stage in (Stage.ACTIVE, Stage.REVOKING) and s.certificate is None
        return WITH_OPERATOR if unseen else ALONE


ALONE: Final = frozenset({"try", "land", "deadline", "expiry", "provider:"})
WITH_OPERATOR: Final = ALONE | {"host"}


def _says(decision: Decision) -> str:
    match decision:
        case Record(fact) | Note(fact):
            return (
                f"{fact.kind} {fact.certificate.fingerprint}" if isinstance(fact, sf.CertificateIssued) else fact.kind
            )
        case _:
            return ""


def named(effect: Effect, _s: Subscription) -> str:
    """Name an effect by what it is for."""
    match effect:
        case se.HoldFunds() | se.OpenIdentity():
            return f"{effect.kind} {effect.attempt}"
        case se.CaptureFunds() | se.ReleaseFunds():
            return f"{effect.kind} {effect.hold}"
        case se.AskIdentity() | se.CancelIdentity():
            return f"{effect.kind} {effect.session}"
        case se.RevokeCertificate():
            return f"{effect.kind} {effect.fingerprint}"
        case SendCode():
            return f"{effect.kind} {effect.purpose}"
        case Wake(fact=DeadlinePassed() as passed):
            return f"deadline {passed.deadline.split('/')[0]}"
        case Wake(fact=sf.CertificateExpired() as expired):
            return f"expiry {expired.fingerprint}"
        case Wake():
            return f"tells {effect.fact.kind}"
        case _:
            return effect.kind


def _tidied(world: World) -> World:
    stream, providers = tidied(world.stream, world.providers)
    told = world.told
    if told:
        names = {one.name for one in stream.outbox}
        told = frozenset(one for one in told if one.split(":")[0] in names)
    if stream is world.stream and providers is world.providers and len(told) == len(world.told):
        return world
    return but(world, stream=stream, providers=providers, told=told)


# --- the record, and what only a world can say --------------------------------------------------------------


def _record(s: Subscription) -> Hashable:
    """Name the record by what its rows still read."""
    money = (s.money.state.value, s.money.attempt, s.money.wish.value)
    if s.stage in FINAL:
        return (
            s.stage.value,
            money,
            s.certificate.fingerprint if s.certificate else None,
            s.attestation is not None,
            s.ending is not None,
            tuple(sorted(s.settled - {"reminder:expiry"})),
        )
    c, i, r = s.codes.challenge, s.identity, s.request
    proving = s.stage in (Stage.OPENING_IDENTITY, Stage.PROVING_IDENTITY)
    return (
        s.stage.value,
        money,
        s.certificate.fingerprint if s.certificate else None,
        s.attestation is not None,
        _cause(s),
        tuple(sorted(s.settled - {"reminder:expiry"})),
        (c.purpose.value, c.wrong, c.matched) if c else None,
        len(s.codes.requested),
        tuple(sorted(consent.text for consent in s.consents)) if s.stage is Stage.CONSENTING else (),
        (i.attempt, i.retries, i.captured, i.session) if proving else i.session,
        i.proven is not None,
        i.confirmed_at is not None,
        (r.shown, r.accepted_at is not None, r.verified_at is not None, r.sealed, r.reference),
        (s.registration.session,) if s.registration else None,
        s.deadline.id.split("/")[0] if s.deadline else None,
    )


def _cause(s: Subscription) -> str:
    """Tell causes apart as far as a row does."""
    if s.ending is None:
        return ""
    if s.ending is Ending.FRAUD_SUSPECTED:
        return "fraud"
    return "wish" if s.stage is Stage.REVOKING and s.ending in STANDS_AGAIN else "other"


def _sessions(world: World) -> tuple[str, ...]:
    """Name sessions; of one that has ended and is not asked about any more, only that."""
    asked = {one.effect.session for one in world.stream.outbox if isinstance(one.effect, se.AskIdentity)}
    return tuple(
        session if session in ("open", "captured") or f"session-{number}" in asked else "ended"
        for number, session in enumerate(world.providers.sessions, 1)
    )


def _outstanding(world: World) -> bool:
    """Say whether anything is still to be done or on its way; what is parked waits for a person, who was told."""
    return bool(world.stream.hands) or any(not one.parked for one in world.stream.outbox)


def _broken(world: World) -> Iterator[str]:
    s, p = world.stream.state, world.providers
    captured = p.holds.count("captured")
    if captured > 1:
        yield "1: the ledger captured twice"
    if captured and not ("issued" in p.issued() or p.registration == "attested"):
        yield "1: the ledger captured, and no conforming certificate exists"
    if p.submissions > 1:
        yield "4: the authority was asked for two certificates"
    if any(one.parked for one in world.stream.outbox) and "effect_parked" not in world.alerted:
        yield "w1: an effect is parked, and nobody was told"
    if s.stage not in FINAL or _outstanding(world):
        return
    parked = any(one.parked for one in world.stream.outbox)
    if HELD in p.holds and not parked:
        yield "2: everything has ended, and the ledger still holds the price"
    if any(one in ("open", "captured") for one in p.sessions) or p.registration == "open":
        yield "w2: everything has ended, and something is left open at a provider"
    if s.stage is Stage.CLOSED and not world.alerted & {"late_attestation", "effect_parked"}:
        orphans = [one for one in p.issued() if _fingerprint(one) not in p.revoked]
        if orphans and "revocation_refused" not in world.alerted and "late_certificate" not in world.alerted:
            yield "w3: a certificate stands that nobody here knows of"


def _fingerprint(issued: str) -> str:
    return FIRST.fingerprint if issued == "issued" else issued
