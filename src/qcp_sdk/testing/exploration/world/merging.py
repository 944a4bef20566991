"""What cannot matter any more in the world of a subscription, and is dropped from it: the heart of the abstraction.

Dropping is sound when what is dropped changes nothing now and never will again: it commutes with everything else, so
a world with it and one without it have the same futures. Each rule below says why that is so.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve

from qcp_sdk.effects import SendCode, Wake
from qcp_sdk.engine.deciding import Note, Record
from qcp_sdk.facts import CodeSent, CodeUndeliverable, DeadlinePassed, Fact
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.stages import FINAL, Stage
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.testing.exploration.subscription import NOW
from qcp_sdk.testing.exploration.world.engine import Entry, Hand, Stream
from qcp_sdk.testing.exploration.world.providers import Providers, answer_of

TELLING: Final = frozenset({CodeSent, CodeUndeliverable})
"""Facts for the page alone: no row reads what they record."""
ONCE_IDLE: Final = frozenset(
    {
        sf.CaptureFinished,
        sf.IdentityOpened,
        sf.IdentityOpeningRejected,
        sf.IdentityApproved,
        sf.IdentityRetryable,
        sf.IdentityRefused,
        sf.IdentityAbandoned,
        sf.RequestPrepared,
        sf.RequestRejected,
        sf.RequestSealed,
        sf.SealRefused,
        sf.CertificatePending,
        sf.RegistrationOpened,
        sf.RegistrationRejected,
    }
)
"""Answers to something that their own stage asked for, about a session, attempt or document that is never the present
one again: when they change nothing now they never will, because no stage is entered twice with the same one."""
IDLE_WHEN_LATE: Final = frozenset(
    {
        sf.CertificateIssued,
        sf.CertificateAttested,
        sf.CertificateRefused,
        sf.RegistrationRefused,
        sf.RegistrationExpired,
    }
)
"""Answers that several stages wait for: once there is a certificate, or an end, what they reveal is settled, once."""
LATE: Final = FINAL | {Stage.ACTIVE, Stage.REVOKING}
IDLE_AT_THE_END: Final = frozenset({sf.CertificateRevoked, sf.RevocationRefused, sf.FraudSuspected})
"""Final stages have empty rows, and what these reveal is not settled."""


def idle(s: Subscription, fact: Fact) -> bool:
    """Say whether a fact changes nothing, now and ever after."""
    kind = type(fact)
    if kind in TELLING:
        return True
    if s.stage is Stage.PROVING_IDENTITY and getattr(fact, "session", None) == s.identity.session:
        return kind is sf.CaptureFinished and s.identity.captured  # the present session's: for the rows to judge
    late = kind in IDLE_WHEN_LATE and s.stage in LATE
    if not (late or kind in ONCE_IDLE or (kind in IDLE_AT_THE_END and s.stage in FINAL)):
        return False
    # Well before the deadline. At it, the deadline comes first, and its own wait says that as well.
    after, effects = machine.step(s, fact, NOW)
    return after is s and not effects


def _spent(entry: Entry, s: Subscription, p: Providers) -> bool:
    """Say whether performing an effect changes nothing, here or at its provider, now and ever after."""
    match entry.effect:
        case Wake(fact=DeadlinePassed() as passed):
            return s.deadline is None or s.deadline.id != passed.deadline  # ids hold the sequence: none comes again
        case Wake(fact=sf.CertificateExpired()):
            return s.stage not in (Stage.ACTIVE, Stage.REVOKING)
        case Wake():
            return True  # a reminder, a note of silence: they only tell
        case SendCode() as send:
            challenge = s.codes.challenge
            return s.stage in FINAL or challenge is None or challenge.id != send.challenge  # it is not sent any more
        case se.CancelIdentity() as cancel:
            return p.session(cancel.session) not in ("open", "captured")
        case se.PrepareRequest() | se.SealRequest():
            return s.stage in FINAL
        case se.OpenRegistration():
            return s.stage in LATE and p.registration != ""
        case se.AskIdentity() as ask if s.stage in FINAL or s.identity.session == ask.session:
            # Final stages ask nothing about a session. The present one is asked about while it is proving.
            if s.stage in FINAL or s.stage is Stage.PROVING_IDENTITY:
                return s.stage in FINAL
            fact = answer_of(ask, p)
            return fact is not None and idle(s, fact)
        case se.AskCertificate() | se.AskRegistration() | se.CloseRegistration() if s.stage not in LATE:
            return False
        case se.AskIdentity() | se.AskCertificate() | se.AskRegistration() | se.CloseRegistration():
            if isinstance(entry.effect, se.CloseRegistration) and p.registration in ("", "open"):
                return False
            fact = answer_of(entry.effect, p)
            return fact is not None and idle(s, fact)
        case _:
            return False


def tidied(stream: Stream[Subscription], p: Providers) -> tuple[Stream[Subscription], Providers]:
    """Drop what cannot matter any more: answers on their way, effects, and what is remembered of keys that are done."""
    s, outbox, hands = stream.state, stream.outbox, stream.hands
    for hand in hands:
        if _says_nothing(hand, s):
            hands = tuple(one for one in hands if one is not hand)
            if hand.current and isinstance(hand.decision, Record):
                outbox = tuple(one for one in outbox if one.key != hand.key)
    held = {one.key for one in hands}
    outbox = tuple(one for one in outbox if one.parked or one.key in held or not _spent(one, s, p))
    if len(outbox) < len(stream.outbox) or len(hands) < len(stream.hands):
        stream = Stream(s, outbox, hands)
    if p.answers:
        open_keys = {one.key for one in outbox}
        answers = tuple(one for one in p.answers if one[0] in open_keys)
        if len(answers) < len(p.answers):
            p = evolve(p, answers=answers)
    return stream, p


def _says_nothing(hand: Hand, s: Subscription) -> bool:
    return isinstance(hand.decision, Record | Note) and idle(s, hand.decision.fact)
