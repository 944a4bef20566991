"""The ceremony machine, with every fact in every state: two documents, both plans, both places in the order.

A world is the machine's own record and a small memory of what was asked of others, which its invariants need.

**What is merged (`key`).** As for the subscription: counted ids and instants only enter by comparison with the fact at
hand, which names "the present round" or "another". Codes asked for are counted up to the five of an hour. Which bytes
a document became is not read by any row.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.hosted import LEAVING, THE_DEADLINE
from qcp_sdk.ceremony.machine import claims, step
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyPlan, CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.collectes import Collecte, Document, Signatory
from qcp_sdk.effects import Effect
from qcp_sdk.errors import Refusal
from qcp_sdk.facts import CodeRequested, DeadlinePassed, Fact, Origin, ReminderDue, SilenceNoted
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.testing.exploration.subscription import ACCOUNT, BLINK, FIRST, NOW, OTHER, SHOWN
from qcp_sdk.testing.exploration.walk import Move
from qcp_sdk.values import (
    CeremonyId,
    ChallengeId,
    CollecteId,
    ContentHash,
    DocumentId,
    SessionId,
    SignatoryId,
)

DOCUMENTS: Final = tuple(
    Document(id=DocumentId(name), name=f"{name}.pdf", content=ContentHash(f"sha256:{digit * 64}"))
    for name, digit in (("one", "a"), ("two", "b"))
)
COLLECTE: Final = Collecte(
    id=CollecteId("collecte"),
    title="Title",
    sender="Cabinet",
    documents=DOCUMENTS,
    signatories=(
        Signatory(
            id=SignatoryId("me"),
            name=ACCOUNT.name,
            email=ACCOUNT.email,
            mobile=ACCOUNT.mobile,
            level=SignatureLevel.NIVEAU_3,
        ),
    ),
    deadline=NOW + timedelta(days=15),
)
SESSION: Final = SessionId("transaction")


def opening(plan: CeremonyPlan, *, my_turn: bool) -> cf.CeremonyOpened:
    """Give the fact that a ceremony begins with."""
    return cf.CeremonyOpened(
        id=CeremonyId("ceremony"),
        collecte=COLLECTE,
        signatory=SignatoryId("me"),
        certificate=FIRST,
        decision="sha256:d",
        my_turn=my_turn,
        plan=plan,
    )


@frozen
class Memory:
    """What was asked of others so far."""

    embedded: frozenset[str] = frozenset()
    """Documents whose signature value was put in hand."""
    passed: int = 0
    """How often the turn was passed on (2 stands for more than once)."""
    ended: int = 0


@frozen
class World:
    """A ceremony and what it asked of others."""

    ceremony: Ceremony
    memory: Memory


class CeremonyModel:
    """Explores one plan, from one place in the order of signatories."""

    checks = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "8")

    def __init__(self, plan: CeremonyPlan, *, my_turn: bool) -> None:
        self.plan, self.my_turn = plan, my_turn
        self.name = f"ceremony, {plan}, {'first' if my_turn else 'later'} in turn"

    def roots(self) -> Iterable[tuple[str, World]]:
        """Give the ceremony just opened."""
        opened, _ = step(None, opening(self.plan, my_turn=self.my_turn), NOW)
        yield "ceremony_opened", World(opened, Memory())

    def moves(self, world: World) -> Iterator[Move[World]]:
        """Try every fact, at every instant that matters."""
        c = world.ceremony
        for label, fact, now in _facts(c):
            try:
                after, effects = step(c, fact, now)
            except Refusal:
                continue
            if after is c and not effects:
                continue
            memory = remember(world.memory, effects)
            yield Move(label, World(after, memory), broken_by_step(c, world.memory, fact, now, after, effects))

    def key(self, world: World) -> Hashable:
        """See the module's docstring for what is merged."""
        c, m = world.ceremony, world.memory
        memory = (tuple(sorted(m.embedded)), m.passed, m.ended)
        if c.stage in CEREMONY_FINAL:
            return (c.stage.value, c.copied, c.session, memory)
        documents = tuple(
            (bool(one.preparation), one.value is not None, bool(one.signed), bool(one.failed)) for one in c.documents
        )
        return (
            c.stage.value,
            documents,
            len(c.codes.requested),
            c.lease_until is not None,
            c.challenge.wrong if c.challenge else None,
            bool(c.handle),
            c.session,
            c.ended,
            c.lost is not None,
            memory,
        )

    def broken(self, world: World) -> tuple[str, ...]:
        """Check the invariants that speak of one state."""
        return broken_in(world.ceremony)

    def is_end(self, world: World) -> bool:
        """Final."""
        return world.ceremony.stage in CEREMONY_FINAL

    def must_end_by(self, world: World) -> frozenset[str] | None:
        """The collecte's deadline alone ends it, but once the signer was shown a code, the signer's answer must come
        (or its wait end), and what it signed must be embedded.
        """
        if world.ceremony.stage is CeremonyStage.SIGNING:
            return frozenset(
                {
                    "deadline_passed",
                    "activation_lost",
                    "activation_refused",
                    "hashes_answered",
                    "document_signed",
                    "embedding_failed",
                }
            )
        return frozenset({"deadline_passed"})


def remember(memory: Memory, effects: tuple[Effect, ...]) -> Memory:
    """Give the memory after one step."""
    embedded = {str(effect.document) for effect in effects if isinstance(effect, ce.EmbedSignature)}
    passed = sum(isinstance(effect, ce.PassTurn) for effect in effects)
    ended = sum(isinstance(effect, ce.EndCollecte) for effect in effects)
    return Memory(memory.embedded | embedded, min(2, memory.passed + passed), min(2, memory.ended + ended))


def broken_by_step(
    before: Ceremony, memory: Memory, fact: Fact, now: datetime, after: Ceremony, effects: tuple[Effect, ...]
) -> tuple[str, ...]:
    """Name the invariants that one step breaks. `memory` is what was remembered before it."""
    return tuple(_by_step(before, memory, fact, now, after, effects))


def _by_step(
    before: Ceremony, memory: Memory, fact: Fact, now: datetime, after: Ceremony, effects: tuple[Effect, ...]
) -> Iterator[str]:
    for effect in effects:
        if isinstance(effect, ce.EmbedSignature):
            if effect.document in memory.embedded:
                yield "c1: a document is signed twice by one signatory"
            if before.consented_at is None:
                yield "c2: a signature without the consent to that very hash"
        if isinstance(effect, ce.ChallengeSigner) and before.consented_at is None:
            yield "c2: a code before the consent"
        if isinstance(effect, ce.ChallengeSigner) and not claims(after):
            yield "c5: a code for documents that are not reserved"
    asking = before.stage is CeremonyStage.AWAITING_CODE and after.stage is CeremonyStage.SIGNING
    if isinstance(fact, cf.ActivationAsked) and asking:
        if not fact.allowed:
            yield "c3: the signer is asked although the policy says no"
        challenge = before.challenge
        if challenge is None or challenge.id != fact.challenge or now >= challenge.not_after:
            yield "c6: a code was accepted for no challenge, an older one, or too late"
    if before.stage in CEREMONY_FINAL and after.stage is not before.stage:
        yield "c7: a final stage was left"
    if after is before and effects:
        yield "c7: something is asked for, and nothing is recorded"
    if after is not before and after.sequence != before.sequence + 1:
        yield "c8: one fact, and not one step"
    following = remember(memory, effects)
    if following.passed > 1 or following.ended > 1:
        yield "c9: the turn was passed, or the collecte ended, twice"
    for one, old in zip(after.documents, before.documents, strict=True):
        if old.settled and one != old:
            yield "c4: a settled document changed"


def broken_in(c: Ceremony) -> tuple[str, ...]:
    """Name the invariants that one state breaks."""
    return tuple(_in(c))


def _in(c: Ceremony) -> Iterator[str]:
    signed = [one for one in c.documents if one.signed]
    if c.stage is CeremonyStage.SIGNED and len(signed) != len(c.documents):
        yield "c4: signed, and not every document is"
    if c.stage is CeremonyStage.PARTLY_SIGNED and not 0 < len(signed) < len(c.documents):
        yield "c4: partly signed, and not some of the documents are"
    if c.stage in (CeremonyStage.REFUSED, CeremonyStage.LAPSED, CeremonyStage.FAILED):
        if signed:
            yield "c4: ended without a signature, and a document is signed"
        if any(one.value is not None and not one.failed for one in c.documents):
            yield "c1: ended without a signature, and a bought value is thrown away"
    if c.stage in CEREMONY_FINAL and claims(c):
        yield "c5: final, and documents are still reserved"


def _facts(c: Ceremony) -> Iterator[tuple[str, Fact, datetime]]:
    early = list(_early(c))
    yield from early
    for label, fact, _ in early:
        if fact.origin is Origin.PERSON:  # an answer is as good at the deadline as before it
            yield f"{label} [at the deadline]", fact, COLLECTE.deadline
    last = c.codes.requested[-1] if c.codes.requested else NOW - timedelta(hours=1)
    yield "code_requested", CodeRequested(), max(NOW, last + timedelta(seconds=30))
    yield "code_requested [too soon]", CodeRequested(), last + timedelta(seconds=29)


def _early(c: Ceremony) -> Iterator[tuple[str, Fact, datetime]]:
    """Every fact but a request for a code, well before the collecte's deadline."""
    soon = (c.codes.requested[-1] if c.codes.requested else NOW) + timedelta(seconds=1)
    challenge = c.challenge.id if c.challenge else ChallengeId("none")
    in_time = c.challenge.not_after - BLINK if c.challenge else soon
    consent = tuple((one.id, one.content) for one in DOCUMENTS)
    facts: list[tuple[str, Fact, datetime]] = [
        ("turn_arrived", cf.TurnArrived(), soon),
        ("documents_consented", cf.DocumentsConsented(documents=consent), soon),
        ("documents_consented [one]", cf.DocumentsConsented(documents=consent[:1]), soon),
        ("documents_consented [other]", cf.DocumentsConsented(documents=((consent[0][0], OTHER), consent[1])), soon),
        ("declined", cf.Declined(reason="r"), soon),
        ("collecte_ended", cf.CollecteEnded(cause="cancelled"), soon),
        ("deadline_passed", DeadlinePassed(deadline=THE_DEADLINE), soon),
        ("deadline_passed lease", DeadlinePassed(deadline=f"lease/{c.round}"), soon),
        ("deadline_passed leaving", DeadlinePassed(deadline=LEAVING), soon),
        ("signing_delayed [lost]", cf.SigningDelayed(challenge=c.lost or ChallengeId("none"), handle="h"), soon),
        (
            "activation_refused [lost]",
            cf.ActivationRefused(challenge=c.lost or ChallengeId("none"), reason="expired"),
            soon,
        ),
        ("deadline_passed [stale lease]", DeadlinePassed(deadline="lease/99"), soon),
        ("reminder_due", ReminderDue(reminder="sign"), soon),
        ("silence_noted", SilenceNoted(about="poll_signing"), soon),
        ("activation_asked", cf.ActivationAsked(challenge=challenge, allowed=True), in_time),
        ("activation_asked [not allowed]", cf.ActivationAsked(challenge=challenge, allowed=False), in_time),
        ("activation_asked [old]", cf.ActivationAsked(challenge=ChallengeId("old"), allowed=True), in_time),
        ("signing_delayed", cf.SigningDelayed(challenge=challenge, handle="h"), soon),
        ("activation_lost", cf.ActivationLost(challenge=challenge), soon),
        ("activation_lost [old]", cf.ActivationLost(challenge=ChallengeId("old")), soon),
        ("collecte_completed", cf.CollecteCompleted(documents=(("one.pdf", SHOWN),)), soon),
        ("transaction_opened", cf.TransactionOpened(session=SESSION, url="u", expires=NOW), soon),
        ("transaction_rejected", cf.TransactionRejected(reason="r"), soon),
        ("transaction_signed", cf.TransactionSigned(session=SESSION, documents=consent), soon),
        ("transaction_signed [one]", cf.TransactionSigned(session=SESSION, documents=consent[:1]), soon),
        ("transaction_signed [none]", cf.TransactionSigned(session=SESSION, documents=()), soon),
        ("transaction_signed [stray]", cf.TransactionSigned(session=SessionId("x"), documents=consent), soon),
    ]
    if c.challenge:
        late = cf.ActivationAsked(challenge=challenge, allowed=True)
        facts.append(("activation_asked [expired]", late, c.challenge.not_after))
    facts += [
        (f"transaction_ended {why}", cf.TransactionEnded(session=SESSION, reason=why), soon)
        for why in ("refused", "expired", "failed")
    ]
    facts += [
        (f"activation_refused {why}", cf.ActivationRefused(challenge=challenge, reason=why), soon)
        for why in ("wrong_code", "expired", "disabled", "unavailable")
    ]
    for number, word in ((c.round, ""), (99, " [old round]")):
        facts += [
            (
                f"challenge_opened{word}",
                cf.ChallengeOpened(
                    round=number,
                    challenge=ChallengeId(f"challenge/{number}"),
                    not_after=soon + timedelta(minutes=3),
                    masked="*****1316",
                ),
                soon,
            ),
            (f"challenge_refused{word}", cf.ChallengeRefused(round=number, reason="locked"), soon),
            (f"challenge_refused hopeless{word}", cf.ChallengeRefused(round=number, reason="disabled"), soon),
        ]
        for one in DOCUMENTS:
            prepared = cf.DocumentPrepared(
                round=number,
                document=one.id,
                base=one.content,
                prepared=SHOWN,
                digest=f"{one.id}/{number}".encode(),
                state=b"",
            )
            facts += [
                (f"document_prepared {one.id}{word}", prepared, soon),
                (
                    f"document_failed {one.id}{word}",
                    cf.DocumentFailed(round=number, document=one.id, reason="unreadable"),
                    soon,
                ),
            ]
    for one in DOCUMENTS:
        facts += [
            (f"document_signed {one.id}", cf.DocumentSigned(document=one.id, content=OTHER, revision=1), soon),
            (f"embedding_failed {one.id}", cf.EmbeddingFailed(document=one.id, reason="value_refused"), soon),
        ]
    digests = [one.preparation.digest for one in c.documents if one.preparation]
    stale = (b"stale", b"v")
    everything = tuple((digest, b"v") for digest in digests)
    facts += [
        ("hashes_answered all", cf.HashesAnswered(challenge=challenge, signed=everything), soon),
        ("hashes_answered [stale]", cf.HashesAnswered(challenge=challenge, signed=(stale,)), soon),
    ]
    if digests:
        some = cf.HashesAnswered(
            challenge=challenge, signed=everything[:1], refused=tuple((digest, "r") for digest in digests[1:])
        )
        none = cf.HashesAnswered(challenge=challenge, signed=(), refused=tuple((digest, "r") for digest in digests))
        silent = cf.HashesAnswered(challenge=challenge, signed=everything[:1])
        facts += [
            ("hashes_answered some", some, soon),
            ("hashes_answered none", none, soon),
            ("hashes_answered [incomplete]", silent, soon),
        ]
    return iter(facts)
