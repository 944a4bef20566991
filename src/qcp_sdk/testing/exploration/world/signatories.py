"""The world of two signatories of one document: two ceremonies, their reservations, turns, revisions, and faults.

Real are both machines, their claims, `turns` (whose turn, which revision, who is told of an end) and every performer.
The reservations in the store are the claims of the two records: a step that would take what the other has is a
`Conflict`, refused to a person, and parked for an answer.

**What is merged.** As in the world of a subscription. Besides: facts of an older round, and signatures over digests
that nobody waits for any more, change nothing ever again; what ends a ceremony is of no account once it has ended.
Codes are asked for twice at most by each, and mistyped once each time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import evolve, frozen

from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony import machine
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyPlan, CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.collectes import Collecte, Document, Order, Signatory
from qcp_sdk.effects import Effect, Wake
from qcp_sdk.engine import turns
from qcp_sdk.engine.deciding import Note, Record
from qcp_sdk.engine.turns import HAS_SIGNED
from qcp_sdk.errors import Conflict, Refusal, Unavailable
from qcp_sdk.facts import Fact
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.testing.exploration.ceremony import Memory, broken_by_step, broken_in, remember
from qcp_sdk.testing.exploration.subscription import ACCOUNT, BLINK, FIRST, NOW
from qcp_sdk.testing.exploration.walk import Move
from qcp_sdk.testing.exploration.world.ceremonies import (
    CONTENT,
    activations,
    named,
    recalled,
    record,
    said,
    says,
    tidied,
)
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
from qcp_sdk.testing.exploration.world.signing_desk import (
    CHOICES,
    DOCUMENT,
    SigningDesk,
    SigningProviders,
    by_themselves,
)
from qcp_sdk.values import CeremonyId, ChallengeId, CollecteId, ContentHash, DocumentId, Key, SignatoryId

WHO: Final = ("a", "b")
MOST_CODES: Final = 2
ALONE: Final = frozenset({"try", "land", "deadline", "lost", "leaving", "lease", "provider:"})


def collecte(order: Order) -> Collecte:
    """Give the collecte: one document, two signatories."""
    return Collecte(
        id=CollecteId("collecte"),
        title="Title",
        sender="Cabinet",
        documents=(Document(id=DOCUMENT, name="doc.pdf", content=CONTENT),),
        signatories=tuple(
            Signatory(
                id=SignatoryId(who),
                name=ACCOUNT.name,
                email=ACCOUNT.email,
                mobile=ACCOUNT.mobile,
                level=SignatureLevel.NIVEAU_3,
            )
            for who in WHO
        ),
        deadline=NOW + timedelta(days=15),
        order=order,
    )


@frozen(slots=False)
class World:
    """Both ceremonies, at one moment; None: not opened yet."""

    streams: tuple[Stream[Ceremony] | None, Stream[Ceremony] | None]
    providers: SigningProviders
    budget: Budget
    memories: tuple[Memory, Memory] = (Memory(), Memory())
    alerted: bool = False
    """An operator was told that something is parked."""

    def opened(self) -> tuple[Ceremony, ...]:
        """Give the ceremonies that were opened, in signing order."""
        return tuple(one.state for one in self.streams if one is not None)


def but(world: World, **changes: Any) -> World:
    """Give the world with these parts replaced."""
    following = object.__new__(World)
    following.__dict__.update(world.__dict__)
    following.__dict__.update(changes)
    return following


class SignatoriesWorld:
    """Explores one plan and one order."""

    checks = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "8", "s1", "s2", "s3", "s4", "s5", "w1")

    def __init__(self, plan: CeremonyPlan, order: Order, budget: Budget) -> None:
        self.plan, self.order, self.budget = plan, order, budget
        self.name = f"two signatories, {plan}, {order}, {budget.text}"
        self._collecte = collecte(order)
        self._desk = SigningDesk()

    def roots(self) -> Iterable[tuple[str, World]]:
        """Give the collecte whose first ceremony was just opened; the process may die before the second is."""
        streams = (self._opened(0), None)
        yield "start", World(streams, SigningProviders(), self.budget)

    def _opened(self, place: int) -> Stream[Ceremony]:
        fact = cf.CeremonyOpened(
            id=CeremonyId(WHO[place]),
            collecte=self._collecte,
            signatory=SignatoryId(WHO[place]),
            certificate=FIRST,
            decision="sha256:d",
            my_turn=place == 0 or turns.in_parallel(self._collecte, self.plan),
            plan=self.plan,
        )
        nobody: Any = None
        return tidied(commit(Stream(nobody), WHO[place], machine.step, fact, NOW, named=named).stream)

    # --- everything that may happen -------------------------------------------------------------------------

    def moves(self, world: World) -> Iterator[Move[World]]:
        """Give what the engine, providers, signatories, the host, time and faults may do."""
        yield from self._starts(world)
        for place, stream in enumerate(world.streams):
            if stream is None:
                continue
            for entry in stream.free():
                if isinstance(entry.effect, Wake):
                    yield from self._wakes(world, place, stream, entry, entry.effect)
                else:
                    yield from self._tries(world, place, stream, entry)
            for hand in stream.hands:
                yield from self._lands(world, place, stream, hand)
            for label, fact, now in said(stream.state, MOST_CODES):
                yield from self._folds(f"{label} {WHO[place]}", world, place, stream, fact, now)
            yield from self._activates(world, place, stream)
        for label, providers in by_themselves(world.providers):
            yield Move(label, but(world, providers=providers))

    def _starts(self, world: World) -> Iterator[Move[World]]:
        """`Collectes.start`, which a host repeats until it has come to its end."""
        first, second = world.streams
        assert first is not None
        if second is None:
            if first.state.stage in CEREMONY_FINAL and first.state.stage not in HAS_SIGNED:
                return  # it has ended: the host is told so
            after = but(world, streams=(first, self._opened(1)))
            yield from self._passes("try start", after, first.state)
            if world.budget.crashes:
                yield Move("crash start", but(after, budget=spend(world.budget, "crash")))
        else:
            signed = next((one for one in world.opened() if one.stage in HAS_SIGNED), None)
            waits = any(one.stage is CeremonyStage.WAITING_TURN for one in world.opened())
            if signed is not None and waits:
                yield from self._passes("try start", world, signed)

    def _passes(self, label: str, world: World, signed: Ceremony) -> Iterator[Move[World]]:
        after = world
        broken: list[str] = []
        if signed.stage in HAS_SIGNED:
            for id, fact in turns.passing(signed, world.opened()):
                after, more = self._told(after, id, fact)
                broken += more
        yield Move(label, after, tuple(broken))

    def _wakes(
        self, world: World, place: int, stream: Stream[Ceremony], entry: Entry, wake: Wake
    ) -> Iterator[Move[World]]:
        yield from self._folds(entry.name, world, place, stream, wake.fact, wake.at, marks=entry.key)
        if isinstance(wake.fact, cf.ActivationLost) and (known := recalled(wake.fact, world.providers)) is not None:
            label = f"{entry.name} [the signer knows]"
            yield from self._folds(label, world, place, stream, known, wake.at, marks=entry.key)
        until = stream.state.lease_until
        if isinstance(wake.fact, cf.ActivationLost) and until is not None:
            label = f"{entry.name} [after the lease]"
            yield from self._folds(label, world, place, stream, wake.fact, max(wake.at, until), marks=entry.key)

    def _tries(self, world: World, place: int, stream: Stream[Ceremony], entry: Entry) -> Iterator[Move[World]]:
        known = world.providers.answered(entry.key) is not None
        choices = ("",) if known else CHOICES.get(type(entry.effect), ("",))
        poorer = but(world, budget=spend(world.budget, "failure")) if world.budget.failures else None
        for choice in choices:
            word = f" ({choice})" if choice else ""
            yield from self._tried(f"try {entry.name}{word}", world, place, stream, entry, choice)
            if poorer is not None:
                label = f"unconfirmed {entry.name}{word}"
                yield from self._tried(label, poorer, place, stream, entry, choice, confirmed=False)
        if isinstance(entry.effect, ce.PassTurn) and world.budget.crashes:
            less = but(world, budget=spend(world.budget, "crash"))
            yield from self._tried(f"crash {entry.name} [half]", less, place, stream, entry, "", tells=1)

    def _tried(
        self,
        label: str,
        world: World,
        place: int,
        stream: Stream[Ceremony],
        entry: Entry,
        choice: str,
        *,
        confirmed: bool = True,
        tells: int | None = None,
    ) -> Iterator[Move[World]]:
        desk, who = self._desk, WHO[place]
        desk.p, desk.choice, desk.who = world.providers, choice, who
        desk.round = getattr(entry.effect, "round", 0)
        after = [world]
        broken: list[str] = []

        def telling(told: turns.Telling) -> None:
            for number, (id, fact) in enumerate(told):
                if number == tells:
                    raise Unavailable("the process died")
                after[0], more = self._told(after[0], id, fact)
                broken.extend(more)

        def revision(ceremony: Ceremony, document: DocumentId) -> tuple[ContentHash, int]:
            return turns.revision(ceremony, world.opened(), document)

        at = context(
            desk.ports,
            stream.state,
            entry.key,
            NOW,
            revision=revision,
            pass_turn=lambda one: telling(turns.passing(one, world.opened())),
            end_collecte=lambda one, cause: telling(turns.ending(one, world.opened(), cause)),
        )
        decision = tried(entry, at, confirmed=confirmed)
        here = after[0].streams[place]
        assert here is not None
        following, parked = handed(here, entry, decision, says=says(decision))
        if following is here and desk.p is world.providers and after[0] is world:
            return  # nothing but a fault was spent
        if isinstance(entry.effect, ce.OpenTransaction) and _open_pages(desk.p) > 1:
            broken.append("s2: two pages are open over one document")
        yield Move(
            label,
            self._with(after[0], place, following, providers=desk.p, alerted=world.alerted or parked),
            tuple(broken),
        )

    def _lands(self, world: World, place: int, stream: Stream[Ceremony], hand: Hand) -> Iterator[Move[World]]:
        assert isinstance(hand.decision, Record | Note)
        times = [("", NOW)]
        if stream.state.lease_until is not None and self.plan is CeremonyPlan.OURS:
            times.append((" [after the lease]", stream.state.lease_until))
        for word, now in times:
            folded, parked = landed(stream, hand, WHO[place], self._step(world, place), now, named=named)
            yield self._move(
                f"land {hand.name}: {hand.says}{word}", world, place, folded, hand.decision.fact, now, parked=parked
            )
        budget = world.budget
        if budget.crashes:
            less = spend(budget, "crash")
            yield Move(f"crash {hand.name}", but(self._with(world, place, dropped(stream, hand)), budget=less))
        if budget.duplicates and hand.current:
            less = spend(budget, "duplicate")
            yield Move(f"duplicate {hand.name}", but(self._with(world, place, overtaken(stream, hand)), budget=less))

    def _activates(self, world: World, place: int, stream: Stream[Ceremony]) -> Iterator[Move[World]]:
        """`engine.signing.activate`: the intent is recorded, the code shown to the signer, its answer is on its way."""
        c = stream.state
        if c.stage is not CeremonyStage.AWAITING_CODE or c.challenge is None:
            return
        challenge, now = c.challenge.id, c.challenge.not_after - BLINK
        fact = cf.ActivationAsked(challenge=challenge, allowed=True)
        for asked in self._folds(f"person code {WHO[place]}", world, place, stream, fact, now):
            following = asked.after.streams[place]
            assert following is not None
            if following.state.stage is not CeremonyStage.SIGNING:
                yield asked
                continue
            for word, one, answer, cost in activations(following.state, world.providers, world.budget):
                providers = world.providers if one is None else world.providers.with_challenge(challenge, one)
                budget = spend(world.budget, cost) if cost else world.budget
                hand = Hand(Key(""), f"activation {WHO[place]}", Record(answer), answer.kind, False, True)
                hands = (*following.hands, hand)
                there = Stream(following.state, following.outbox, hands)
                after = but(self._with(asked.after, place, there, providers=providers), budget=budget)
                yield Move(f"{asked.label} ({word})", after, asked.broken)

    def _folds(
        self,
        label: str,
        world: World,
        place: int,
        stream: Stream[Ceremony],
        fact: Fact,
        now: datetime,
        *,
        marks: Key | None = None,
    ) -> Iterator[Move[World]]:
        try:
            folded = commit(stream, WHO[place], self._step(world, place), fact, now, named=named, marks=marks)
        except (Refusal, Conflict):
            return
        if folded.changed or marks is not None:
            yield self._move(label, world, place, folded, fact, now)

    def _told(self, world: World, id: CeremonyId, fact: Fact) -> tuple[World, tuple[str, ...]]:
        place = WHO.index(id)
        stream = world.streams[place]
        assert stream is not None
        folded = commit(stream, id, self._step(world, place), fact, NOW, named=named)
        move = self._move("", world, place, folded, fact, NOW)
        return (move.after, move.broken) if folded.changed else (world, ())

    def _step(self, world: World, place: int) -> Callable[..., Any]:
        """One step, in a transaction with its claims: what the other has reserved is a conflict."""
        other = world.streams[1 - place]

        def stepped(state: Ceremony, fact: Fact, now: datetime) -> tuple[Ceremony, tuple[Effect, ...]]:
            after, effects = machine.step(state, fact, now)
            taken = machine.claims(after) - machine.claims(state)
            if other is not None and taken & machine.claims(other.state):
                raise Conflict("somebody else owns it", kind="claim")
            return after, effects

        return stepped

    def _move(
        self,
        label: str,
        world: World,
        place: int,
        folded: Folded[Ceremony],
        fact: Fact,
        now: datetime,
        *,
        parked: bool = False,
    ) -> Move[World]:
        stream = world.streams[place]
        assert stream is not None
        before, after, effects = stream.state, folded.stream.state, folded.effects
        broken: tuple[str, ...] = ()
        memories = world.memories
        if folded.changed:
            broken = broken_by_step(before, memories[place], fact, now, after, effects)
            if isinstance(fact, cf.CollecteCompleted) and (lacking := _lacking(fact, world)):
                broken = (*broken, lacking)
            memory = remember(memories[place], effects)
            memories = (memory, memories[1]) if place == 0 else (memories[0], memory)
        following = self._with(world, place, folded.stream, alerted=world.alerted or parked)
        return Move(label, but(following, memories=memories), broken)

    def _with(self, world: World, place: int, stream: Stream[Ceremony], **changes: Any) -> World:
        tidy = tidied(stream)
        streams = (tidy, world.streams[1]) if place == 0 else (world.streams[0], tidy)
        after = but(world, streams=streams, **changes)
        p = after.providers
        if not p.answers:
            return after
        keys = {one.key for each in after.streams if each is not None for one in each.outbox}
        known = tuple(one for one in p.answers if one[0] in keys)
        return after if len(known) == len(p.answers) else but(after, providers=evolve(p, answers=known))

    # --- what is a world, and what is wrong with it ---------------------------------------------------------

    def key(self, world: World) -> Hashable:
        """See the module's docstring for what is merged."""
        p, b = world.providers, world.budget
        wanted = {one.state.challenge.id for one in world.streams if one is not None and one.state.challenge}
        wanted |= {
            ChallengeId(entry.effect.handle)
            for one in world.streams
            if one is not None
            for entry in one.outbox
            if isinstance(entry.effect, ce.PollSigning)
        }
        return self._either_way(
            tuple(record(one, p) for one in world.streams),
            tuple((id, one.standing, one.digests) for id, one in p.challenges if id in wanted),
            tuple((session, page.content, page.standing) for session, page in p.pages),
            (b.duplicates, b.crashes, b.failures),
            tuple((tuple(sorted(one.embedded)), one.passed, one.ended) for one in world.memories),
            world.alerted,
        )

    def _either_way(self, *parts: Hashable) -> Hashable:
        """In parallel the two are alike: a world and its mirror image are one."""
        text = repr(parts)
        if self.order is Order.SEQUENTIAL or self.plan is CeremonyPlan.HOSTED:
            return text
        streams, challenges, pages, budget, memories, alerted = parts
        assert isinstance(streams, tuple)
        assert isinstance(memories, tuple)
        assert isinstance(challenges, tuple)
        swapped = tuple(sorted((_mirrored(id), standing, digests) for id, standing, digests in challenges))
        mirror = _mirrored(repr((streams[::-1], swapped, pages, budget, memories[::-1], alerted)))
        return min(text, mirror)

    def broken(self, world: World) -> tuple[str, ...]:
        """Check what one state of both says."""
        return tuple(_broken(world, self))

    def is_end(self, world: World) -> bool:
        """Whatever was opened is final, with nothing outstanding and nothing on its way."""
        return all(one.stage in CEREMONY_FINAL for one in world.opened()) and not _outstanding(world)

    def must_end_by(self, world: World) -> frozenset[str] | None:  # noqa: ARG002 - the same from everywhere
        """The collecte's deadline suffices, with answering providers: no person, no operator, no fault."""
        return ALONE


def _mirrored(text: str) -> str:
    """Swap the two signatories wherever they are named: in contents, digests, challenges and names of effects."""
    return _NAMED.sub(lambda found: "ba"["ab".index(found[0])], text)


_NAMED: Final = re.compile(r"(?<![a-z_])[ab](?![a-z_])")


# --- what only both together can say ---------------------------------------------------------------------------


def _outstanding(world: World) -> bool:
    return any(
        one is not None and (one.hands or any(not entry.parked for entry in one.outbox)) for one in world.streams
    )


def _open_pages(p: SigningProviders) -> int:
    return sum(page.standing == "open" for _, page in p.pages)


def _lacking(fact: cf.CollecteCompleted, world: World) -> str:
    for _, content in fact.documents:
        if sorted(content.split("+")[1:]) != sorted(WHO):
            return "s4: what is sent as completed does not carry every signature"
    return (
        "" if all(one.stage in HAS_SIGNED for one in world.opened()) else "s4: completed, and not everybody has signed"
    )


def _broken(world: World, model: SignatoriesWorld) -> Iterator[str]:
    opened = world.opened()
    for one in opened:
        yield from broken_in(one)
    latest, count = turns.revision(opened[0], opened, DOCUMENT)
    signers = [one.id for one in opened if one.documents[0].signed is not None]
    if sorted(latest.split("+")[1:]) != sorted(signers) or count != len(signers):
        yield "s1: the present revision does not carry each signature once"
    if len(opened) == len(WHO) and machine.claims(opened[0]) & machine.claims(opened[1]):
        yield "s2: two signatories have reserved one document"
    if len(opened) == len(WHO) and not turns.in_parallel(opened[0].opened.collecte, model.plan):
        first, second = opened
        # Whoever ends while waiting has not acted: only what comes after the turn counts.
        acted = second.consented_at is not None or second.session is not None
        if acted and first.stage not in HAS_SIGNED:
            yield "s3: the second acts before the first has signed"
    if any(entry.parked for one in world.streams if one for entry in one.outbox) and not world.alerted:
        yield "w1: an effect is parked, and nobody was told"
    if len(opened) < len(WHO) or not model.is_end(world):
        return
    if (
        len({one.stage in HAS_SIGNED for one in opened}) > 1
        and model.order is Order.SEQUENTIAL
        and (opened[1].stage in HAS_SIGNED)
    ):
        yield "s3: the second has signed, and the first has not"
    if all(one.stage in HAS_SIGNED for one in opened) and not all(one.copied for one in opened):
        yield "s5: everybody has signed, and not everybody has the copy"
    if _open_pages(world.providers):
        yield "s5: everything has ended, and a page is left open at its provider"
