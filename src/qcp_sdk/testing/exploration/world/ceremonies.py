"""One ceremony among two: what its person may say, how its parts are named, and what cannot matter any more."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from attrs import evolve

from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.hosted import LEAVING, THE_DEADLINE
from qcp_sdk.ceremony.stages import CEREMONY_FINAL, CeremonyStage
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.effects import Effect, Wake
from qcp_sdk.engine.deciding import Decision, Note, Record
from qcp_sdk.engine.performers import hashes_answered
from qcp_sdk.facts import CodeRequested, DeadlinePassed, Fact
from qcp_sdk.testing.exploration.subscription import NOW
from qcp_sdk.testing.exploration.world.engine import Entry, Stream
from qcp_sdk.testing.exploration.world.faults import Budget, Fault
from qcp_sdk.testing.exploration.world.signing_desk import DOCUMENT, Challenge, SigningProviders, answers
from qcp_sdk.values import ContentHash

CONTENT: Final = ContentHash("doc")
Activation: TypeAlias = tuple[str, Challenge | None, Fact, Fault | None]
"""Its name, what its challenge is at the signer then, the answer on its way, and the fault that it costs."""


def activations(
    c: Ceremony, p: SigningProviders, budget: Budget
) -> Iterator[tuple[str, Challenge | None, Fact, Fault | None]]:
    """What may come of showing the code to the signer: what it is at the signer, what is on its way, which fault."""
    assert c.challenge is not None
    id = c.challenge.id
    one = p.challenge(id)
    if one.standing == "open":
        done = evolve(one, standing="signed")
        yield "right", done, hashes_answered(id, answers(done)), None
        yield "right, later", evolve(one, standing="pending"), cf.SigningDelayed(challenge=id, handle=str(id)), None
        yield "wrong", None, cf.ActivationRefused(challenge=id, reason="wrong_code"), None
        if budget.failures:
            yield "unconfirmed", done, cf.ActivationLost(challenge=id), "failure"
            yield "unavailable", None, cf.ActivationRefused(challenge=id, reason="unavailable"), "failure"
    else:
        yield "spent", None, cf.ActivationRefused(challenge=id, reason="spent"), None


def recalled(lost: cf.ActivationLost, p: SigningProviders) -> Fact | None:
    """Give what the signer says it answered, where it did (`engine.performers`: it is asked before all is lost)."""
    one = dict(p.challenges).get(lost.challenge)
    if one is None or one.standing == "open":
        return None
    if one.standing == "pending":
        return cf.SigningDelayed(challenge=lost.challenge, handle=str(lost.challenge))
    return hashes_answered(lost.challenge, answers(one))


def said(c: Ceremony, most_codes: int) -> Iterator[tuple[str, Fact, datetime]]:
    """Give what the signatory, or the host, may say now."""
    if c.stage in CEREMONY_FINAL:
        return
    if c.stage is CeremonyStage.CONSENTING:
        yield "person consents", cf.DocumentsConsented(documents=((DOCUMENT, CONTENT),)), NOW
    if c.stage is CeremonyStage.AWAITING_CODE and c.round < most_codes:
        last = c.codes.requested[-1] if c.codes.requested else NOW - timedelta(hours=1)
        yield "person code_requested", CodeRequested(), max(NOW, last + timedelta(seconds=30))
    yield "person declines", cf.Declined(), NOW
    yield "host ends", cf.CollecteEnded(cause="cancelled"), NOW


def named(effect: Effect, c: Ceremony) -> str:
    """Name an effect by whose it is and what it is for."""
    match effect:
        case Wake(fact=DeadlinePassed(deadline=which)):
            word = {THE_DEADLINE: "deadline", LEAVING: "leaving"}.get(which)
            return f"{word} {c.id}" if word else f"lease {c.id} {which}"
        case Wake(fact=cf.ActivationLost() as lost):
            return f"lost {lost.challenge}"
        case Wake():
            return f"tells {effect.fact.kind} {c.id}"
        case ce.PrepareSignature() | ce.ChallengeSigner():
            return f"{effect.kind} {c.id}/{effect.round}"
        case ce.PollSigning():
            return f"{effect.kind} {effect.challenge}"
        case _:
            return f"{effect.kind} {c.id}"


def says(decision: Decision) -> str:
    """Name what is on its way."""
    match decision:
        case Record(fact) | Note(fact):
            return fact.kind
        case _:
            return ""


# --- what cannot matter any more ------------------------------------------------------------------------------


def _idle(c: Ceremony, fact: Fact) -> bool:
    """Say whether an answer changes nothing, now and ever after."""
    if c.stage in CEREMONY_FINAL:
        return not isinstance(fact, cf.TransactionOpened) or c.session is not None
    challenge = c.challenge.id if c.challenge else None
    match fact:
        case cf.DocumentPrepared() | cf.DocumentFailed() | cf.ChallengeOpened() | cf.ChallengeRefused():
            return fact.round != c.round or c.stage is not CeremonyStage.AWAITING_CODE or c.lease_until is None
        case cf.HashesAnswered():  # what is prepared anew has new digests
            waited = {one.preparation.digest for one in c.documents if one.preparation and not one.value}
            return not waited.intersection({digest for digest, _ in (*fact.signed, *fact.refused)})
        case cf.ActivationLost():
            return fact.challenge != challenge
        case cf.ActivationRefused():  # of one that was lost it says nothing, but when it has promised an answer
            return fact.challenge != challenge and not (fact.challenge == c.lost and c.handle)
        case cf.SigningDelayed():
            return fact.challenge not in (challenge, c.lost)
        case _:
            return False


def _spent(entry: Entry, c: Ceremony) -> bool:
    """Say whether performing an effect changes nothing, here or elsewhere, now and ever after."""
    final = c.stage in CEREMONY_FINAL
    match entry.effect:
        case Wake(fact=DeadlinePassed(deadline=which)):
            if which == THE_DEADLINE:
                return final or bool(c.ended)
            if which == LEAVING:
                return final
            return final or c.lease_until is None or which != f"lease/{c.round}"
        case Wake(fact=cf.ActivationLost() as lost):
            return final or c.challenge is None or c.challenge.id != lost.challenge
        case Wake():
            return True  # a reminder: it only tells
        case ce.PrepareSignature() | ce.ChallengeSigner():
            return final or entry.effect.round != c.round or c.lease_until is None
        case ce.PollSigning() | ce.EmbedSignature() | ce.AskTransaction():
            return final
        case _:
            return False


def tidied(stream: Stream[Ceremony]) -> Stream[Ceremony]:
    """Drop what cannot matter any more: answers on their way, and effects."""
    c, outbox, hands = stream.state, stream.outbox, stream.hands
    for hand in hands:
        if isinstance(hand.decision, Record | Note) and _idle(c, hand.decision.fact):
            hands = tuple(one for one in hands if one is not hand)
            if hand.current:
                outbox = tuple(one for one in outbox if one.key != hand.key)
    held = {one.key for one in hands}
    outbox = tuple(one for one in outbox if one.parked or one.key in held or not _spent(one, c))
    # Of two waits for one activation the first to end changes nothing, or makes the second change nothing.
    waits = {one.name: one for one in outbox if isinstance(one.effect, Wake)}
    outbox = tuple(one for one in outbox if one.name not in waits or waits[one.name] is one)
    if len(outbox) == len(stream.outbox) and len(hands) == len(stream.hands):
        return stream
    return Stream(c, outbox, hands)


# --- the record, and what only a world can say ------------------------------------------------------------------


def record(stream: Stream[Ceremony] | None, p: SigningProviders) -> Hashable:
    """Name one of the two, by what its rows still read."""
    if stream is None:
        return None
    c = stream.state
    outbox = sorted((one.name, one.tried, one.parked, p.answered(one.key) or "") for one in stream.outbox)
    hands = sorted((one.name, one.says, one.current, one.message) for one in stream.hands)
    one = c.documents[0]
    record: Hashable
    if c.stage in CEREMONY_FINAL:
        record = (c.stage.value, one.signed, one.revision, c.copied, c.session)
    else:
        record = (
            c.stage.value,
            (one.preparation.base, one.preparation.digest) if one.preparation else None,
            (one.value is not None, one.signed, one.failed != ""),
            c.round,
            c.lease_until is not None,
            c.challenge.id if c.challenge else None,
            (c.lost, c.handle, c.session, c.ended != "", c.ended == "declined"),
        )
    return (record, tuple(outbox), tuple(hands))
