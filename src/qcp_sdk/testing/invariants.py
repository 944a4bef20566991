"""The twelve invariants of a subscription (behaviour § 2), checked by exploration, simulation and property tests alike.

`Ghost` remembers what was asked of others along a history; `broken_by_step` judges one step, `broken_in` one state.
A name begins with the number of its invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import frozen

from qcp_sdk import codec
from qcp_sdk.effects import Effect, SendCode
from qcp_sdk.facts import CodeEntered, CodeSent, CodeUndeliverable, Fact, Origin, ReminderDue, SilenceNoted
from qcp_sdk.matching import differing_fields
from qcp_sdk.otp import WRONG_PER_CHALLENGE, Purpose
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.money import MoneyState
from qcp_sdk.subscription.stages import FINAL, Plan, Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription, claims
from qcp_sdk.testing.secrets import holds_secret

NUMBERS: Final = tuple(str(number) for number in range(1, 13))
"""The twelve of behaviour § 2."""


@frozen
class Ghost:
    """What was asked and answered so far, as far as the invariants need to know."""

    intents: frozenset[str] = frozenset()
    """Things to be asked once, that were asked: holds, captures, releases, submissions, late revocations."""
    email_verified: bool = False
    conforming: bool = False
    """A conforming certificate, or an attestation that suffices, was accepted."""
    final: Stage | None = None
    """The first final stage that was shown."""

    def after(self, before: Subscription | None, after: Subscription, effects: tuple[Effect, ...]) -> Ghost:
        """Remember one step."""
        stage, asked = after.stage, intents_of(effects)
        verified = before is not None and before.stage is Stage.VERIFYING_EMAIL and stage is Stage.HOLDING_FUNDS
        if not (asked or verified or stage is Stage.ACTIVE or stage in FINAL):
            return self
        return Ghost(
            self.intents.union(asked),
            self.email_verified or verified,
            self.conforming or stage is Stage.ACTIVE,
            self.final or (stage if stage in FINAL else None),
        )

    def key(self) -> Hashable:
        """Name it, for exploration."""
        return (tuple(sorted(self.intents)), self.email_verified, self.conforming, self.final)


_INTENTS: Final[Mapping[type[Effect], Callable[[Any], str]]] = {
    se.HoldFunds: lambda effect: f"hold {effect.attempt}",
    se.CaptureFunds: lambda effect: f"settle {effect.hold}",
    se.ReleaseFunds: lambda effect: f"settle {effect.hold}",
    se.SubmitRequest: lambda _: "submit",
    se.SealRequest: lambda _: "seal",
    se.OpenRegistration: lambda _: "register",
}
"""What may be asked only once, by name. What has no row may be repeated under a new key."""


def intents_of(effects: tuple[Effect, ...]) -> list[str]:
    """Name what is asked here and may be asked only once."""
    return [_INTENTS[type(effect)](effect) for effect in effects if type(effect) in _INTENTS]


def money_outstanding(s: Subscription) -> bool:
    """Say whether an answer of the ledger is still out."""
    return s.money.state in (MoneyState.HOLDING, MoneyState.CAPTURING, MoneyState.RELEASING)


def broken_in(s: Subscription, ghost: Ghost, before: Subscription | None = None) -> tuple[str, ...]:
    """Name the invariants that one state breaks; the state `before` it, where there is one, was judged already."""
    return tuple(_in(s, ghost, before))


def _in(s: Subscription, ghost: Ghost, before: Subscription | None) -> Iterator[str]:
    if s.money.state is MoneyState.CAPTURED and not ghost.conforming:
        yield "1: captured, and no conforming certificate was issued or attested"
    if s.money.state is MoneyState.CAPTURING and not ghost.conforming:
        yield "1: capturing, and no conforming certificate was issued or attested"
    if s.stage in FINAL and s.money.state is MoneyState.HELD:
        yield "2: final, and the hold is neither captured nor released"
    if s.stage in (Stage.ACTIVE, Stage.REVOKED, Stage.EXPIRED) and s.certificate is None and s.attestation is None:
        yield "3: a certificate's stage without a certificate"
    owned = len(claims(s))
    if owned != (0 if s.stage in FINAL else 1 if s.stage in (Stage.ACTIVE, Stage.REVOKING) else 2):
        yield "4: the claims on the certificate, or on the open subscription, are not what the stage asks for"
    challenge = s.codes.challenge
    if challenge is not None and challenge.wrong > WRONG_PER_CHALLENGE:
        yield "5: more wrong entries were taken than a challenge has"
    if holds_secret(s, before):
        yield "10: a secret is in a state"
    if s.stage is Stage.CLOSED and s.ending is None:
        yield "12: closed, and nothing says why"


def broken_by_step(
    before: Subscription,
    fact: Fact,
    now: datetime,
    after: Subscription,
    effects: tuple[Effect, ...],
    ghost: Ghost,
) -> tuple[str, ...]:
    """Name the invariants that one step breaks. `ghost` is what was remembered before it."""
    return tuple(_by_step(before, fact, now, after, effects, ghost))


def _by_step(
    before: Subscription,
    fact: Fact,
    now: datetime,
    after: Subscription,
    effects: tuple[Effect, ...],
    ghost: Ghost,
) -> Iterator[str]:
    if effects:
        yield from _asked(before, fact, after, effects, ghost)
    if isinstance(fact, CodeEntered) and after is not before and fact.matched:
        yield from _accepted(before, fact, now)
    if before.stage in FINAL:
        if after.stage is not before.stage:
            yield "6: a final stage was left"
        if after.ending is not before.ending:
            yield "12: what was shown as final was changed"
        if SendCode in {type(effect) for effect in effects}:
            yield "6: a final stage sent a code"
    if after is before and effects:
        yield "6: something is asked for, and nothing is recorded"
    if after is not before and after.sequence != before.sequence + 1:
        yield "7: one fact, and not one step"
    if fact.origin in (Origin.ANSWER, Origin.TIME) and before.stage in FINAL and _settles_again(before, after):
        yield "2: a settled hold was settled again"
    if after.terms is not before.terms:
        yield "12: the terms changed"
    if True in map(holds_secret, (fact, *effects)):
        yield "10: a secret is in a fact or an effect"
    if before.certificate is not None and after.certificate is not before.certificate:
        yield "4: one certificate replaced another"
    if before.attestation is not None and after.attestation is not before.attestation:
        yield "12: an attestation that was shown is gone"
    yield from _verdicts(before, fact, now, after)


def _asked(
    before: Subscription, fact: Fact, after: Subscription, effects: tuple[Effect, ...], ghost: Ghost
) -> Iterator[str]:
    kinds, asked = {type(effect) for effect in effects}, intents_of(effects)
    if len(set(asked)) < len(asked) or ghost.intents.intersection(asked):
        yield "9: one intent was asked under two keys"
    if se.SubmitRequest in kinds:
        yield from _submitted(before, fact, after, ghost)
        if "submit" in ghost.intents:
            yield "4: two certificates were asked for"
    if se.OpenRegistration in kinds:
        if not ghost.email_verified or {one.text for one in after.consents} < set(CONSENTS):
            yield "3: a registration was opened without the e-mail or a consent"
        if "register" in ghost.intents:
            yield "4: two certificates were asked for"
    if se.HoldFunds in kinds and any(
        effect.amount != after.terms.price for effect in effects if isinstance(effect, se.HoldFunds)
    ):
        yield "1: what is held is not the price"


NOT_YET: Final = frozenset(
    {
        CodeSent,
        CodeUndeliverable,
        SilenceNoted,
        ReminderDue,
        sf.IdentityOpened,
        sf.CaptureFinished,
        sf.CertificatePending,
        sf.RegistrationOpened,
    }
)
"""What says that something goes on, and nothing about how it ends."""
VERDICTS: Final = frozenset({sf.CertificateIssued, sf.CertificateRefused, sf.SettledByOperator})
"""What alone ends the wait for the authority: neither time nor a person does."""


def _verdicts(before: Subscription, fact: Fact, now: datetime, after: Subscription) -> Iterator[str]:
    overdue = before.deadline is not None and now >= before.deadline.at
    if type(fact) in NOT_YET and not overdue and after.stage in FINAL and before.stage not in FINAL:
        yield "11: what is no verdict was taken for one"
    if before.stage is Stage.AWAITING_CERTIFICATE and after.stage is not before.stage and type(fact) not in VERDICTS:
        yield "11: the authority has not decided, and it is not waited for"


def _submitted(before: Subscription, fact: Fact, after: Subscription, ghost: Ghost) -> Iterator[str]:
    request, identity = after.request, after.identity
    conditions = {
        "the e-mail was verified": ghost.email_verified,
        "both consents were given": {one.text for one in after.consents} >= set(CONSENTS),
        "the identity was approved": identity.proven is not None,
        "the identity was confirmed": identity.confirmed_at is not None,
        "the request was accepted": request.accepted_at is not None and request.shown is not None,
        "the code came after the acceptance": request.accepted_at is not None
        and request.verified_at is not None
        and request.verified_at >= request.accepted_at,
        "the plan is the assembled one": after.terms.plan is Plan.ASSEMBLED,
        "the request is sealed": request.sealed is not None,
        "what was sealed is what was accepted": isinstance(fact, sf.RequestSealed)
        and fact.shown == before.request.shown,
        "account and LCP certificate match": after.terms.lcp is not None
        and not differing_fields(after.terms.account, after.terms.lcp),
        "money is held": before.money.state is MoneyState.HELD,
    }
    for condition, holds in conditions.items():
        if not holds:
            yield f"3: a certificate was requested, and not: {condition}"


def _accepted(before: Subscription, fact: CodeEntered, now: datetime) -> Iterator[str]:
    challenge = before.codes.challenge
    if before.deadline is not None and now >= before.deadline.at:
        return  # what was recorded is the deadline, not the entry
    if challenge is None or challenge.id != fact.challenge:
        yield "5: a code of an older challenge was accepted"
        return
    if challenge.matched:
        yield "5: a code was accepted twice"
    if now >= challenge.not_after:
        yield "5: a code was accepted after its expiry"
    if challenge.wrong >= WRONG_PER_CHALLENGE:
        yield "5: a code was accepted after too many wrong ones"
    if before.stage is Stage.ACTIVE and challenge.purpose is not Purpose.REVOKE:
        yield "5: a code for one purpose was accepted for another"


SETTLED = (MoneyState.CAPTURED, MoneyState.RELEASED)


def _settles_again(before: Subscription, after: Subscription) -> bool:
    return before.money.state in SETTLED and after.money.state is not before.money.state


# --- 7: the journal -----------------------------------------------------------------------------------------


def broken_by_folding(before: Subscription, fact: Fact, now: datetime, after: Subscription) -> tuple[str, ...]:
    """Fold the fact again, as the journal gives it back, into the state as the store gives it back (invariant 7)."""
    stored = codec.unpack_state(codec.pack_state("subscription", after))
    if stored != after:
        return ("7: the state that is stored is not the state that was reached",)
    again, _ = machine.step(before, journaled(fact), now)
    return () if again == after else ("7: folding the journal gives another state",)


def journaled(fact: Fact) -> Fact:
    """Give a fact as the journal gives it back."""
    return codec.unpack_fact(codec.pack_fact(fact))
