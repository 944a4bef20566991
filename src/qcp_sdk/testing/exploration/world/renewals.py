"""The world of one person's subscriptions: a first certificate, its renewal, and what is opened beside them.

Real are the machine, its claims, and `host.terms`, which decides the terms of an opening from what the person has. An
opening reads first and commits later: anything may happen in between, on another tab or another server. The store's
claims are the claims of the records; a step that would take what another has is a conflict, and is refused.

**What is merged.** The way from the opening to the request is one move, and so is the way to each end: on them no
claim changes hands, and each is explored step by step elsewhere. What the authority does and what we hear of it are
two moves. Time stands still until it jumps to the next instant that matters: a renewal becomes possible, or a
certificate ends.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, frozen

from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, StatusKind
from qcp_sdk.errors import Refusal
from qcp_sdk.facts import Cancelled, CodeEntered, CodeRequested, DeadlinePassed, Fact
from qcp_sdk.host.terms import in_progress, newest, outdated, reasons, terms
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.offers import Offer
from qcp_sdk.otp import INTERVAL
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.ending import STANDS_AGAIN
from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.stages import FINAL, Plan, Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription, claims
from qcp_sdk.testing.exploration.subscription import (
    ACCOUNT,
    CABINET,
    LCP,
    NAME,
    NOW,
    SEALED,
    SHOWN,
    approval,
    certificate,
)
from qcp_sdk.testing.exploration.walk import Move
from qcp_sdk.values import Cents, ChallengeId, HoldId, SessionId, SubscriptionId, TenantId

MOST: Final = 3
"""Subscriptions in all: a certificate, its renewal, and one more beside or after them."""
TABS: Final = 2
YEARS: Final = timedelta(days=1_826)
OVERLAP: Final = sf.Waits().reminder
OPEN: Final = frozenset({Stage.AWAITING_CERTIFICATE, Stage.OPENING_REGISTRATION, Stage.REGISTERING})
ALONE: Final = frozenset({"land", "time", "authority", "host", "deadline"})


@frozen
class Issued:
    """A certificate at the authority: whose it is, until when, and whether it is revoked."""

    owner: int
    certificate: Certificate
    revoked: bool = False
    heard: bool = False
    """Whether its subscription was told."""


@frozen
class Opening:
    """Terms that were decided, and what they rest on; `committed`: to be looked at once more."""

    fact: sf.SubscriptionOpened
    mine: tuple[Subscription, ...]
    committed: bool = False


@frozen
class World:
    """Everything, at one moment."""

    now: datetime
    subscriptions: tuple[Subscription, ...] = ()
    openings: tuple[Opening, ...] = ()
    """What is being opened: on two tabs at most."""
    begun: int = 0
    """How many openings were begun; gives each its id."""
    issued: tuple[Issued, ...] = ()
    attested: frozenset[int] = frozenset()
    """Hosted: whose registration ended in a certificate that nobody shows."""


class RenewalsWorld:
    """Explores up to three subscriptions of one person, of both plans."""

    checks = ("4", "8")
    name = "subscriptions of one person"

    def roots(self) -> Iterable[tuple[str, World]]:
        """Give a person with an LCP certificate and nothing else."""
        yield "nothing", World(NOW)

    # --- everything that may happen -------------------------------------------------------------------------

    def moves(self, world: World) -> Iterator[Move[World]]:
        """Give what the person, the host, the authority and time may do."""
        yield from self._openings(world)
        for place, s in enumerate(world.subscriptions):
            if any(one.committed and one.fact.id == s.id for one in world.openings):
                continue  # nobody has seen it yet
            if s.stage is Stage.VERIFYING_EMAIL:
                yield from self._says(world, place, f"person {s.id} asks", _journey(s, world.now))
                yield from self._says(world, place, f"person {s.id} cancels", [(Cancelled(), world.now)])
            elif s.stage in OPEN:
                yield from self._asked(world, place, s)
            elif s.stage in (Stage.ACTIVE, Stage.REVOKING):
                yield from self._lives(world, place, s)
            for number, one in enumerate(world.issued):
                if one.owner == place:
                    yield from self._hears(world, place, s, number, one)
            if place in world.attested and s.attestation is None and s.stage in OPEN:
                yield from self._says(world, place, f"land {s.id} attested", [(_attested(world.now), world.now)])
        later = _next(world)
        if later is not None:
            yield Move("time passes", evolve(world, now=later))

    def _openings(self, world: World) -> Iterator[Move[World]]:
        """`Subscriptions.open`: decide the terms from what is known; commit them, perhaps much later."""
        for one in world.openings:
            rest = evolve(world, openings=tuple(other for other in world.openings if other is not one))
            if one.committed:
                yield from self._looked_again(rest, one)
            else:
                yield Move(f"person gives {one.fact.id} up", rest)
                yield from self._committed(rest, one)
        if world.begun >= MOST or len(world.openings) >= TABS:
            return
        mine = [one for one in world.subscriptions if one.stage not in FINAL]
        for plan in Plan:
            fact = terms(
                id=SubscriptionId(f"s{world.begun}"),
                tenant=TenantId(""),
                account=ACCOUNT,
                cabinet=CABINET,
                offer=Offer(plan=plan),
                issuer="CA",
                balance=Cents(1_000_000),
                lcp=_lcp(world.now),
                qcp=newest(_holdings(world), world.now),
                mine=mine,
            )
            if not reasons(fact, mine, world.now):
                opening = Opening(fact, tuple(mine))
                after = evolve(world, openings=(*world.openings, opening), begun=world.begun + 1)
                yield Move(f"person opens {fact.id} ({plan})", after)

    def _committed(self, rest: World, one: Opening) -> Iterator[Move[World]]:
        try:
            opened, _ = step(None, one.fact, rest.now)
        except Refusal:
            return
        if not any(claims(opened) & claims(other) for other in rest.subscriptions):
            subscriptions = (*rest.subscriptions, opened)
            openings = (*rest.openings, evolve(one, committed=True))
            yield Move(f"commit {one.fact.id}", evolve(rest, subscriptions=subscriptions, openings=openings))

    def _looked_again(self, rest: World, one: Opening) -> Iterator[Move[World]]:
        """Only then does the person see it; when another was opened meanwhile, it is cancelled instead."""
        label = f"look at {one.fact.id} again"
        standing = [other for other in rest.subscriptions if other.stage not in FINAL]
        if outdated(one.fact, one.mine, standing):
            place = next(n for n, other in enumerate(rest.subscriptions) if other.id == one.fact.id)
            yield from self._says(rest, place, label, [(Cancelled(), rest.now)])
        else:
            yield Move(label, rest)

    def _asked(self, world: World, place: int, s: Subscription) -> Iterator[Move[World]]:
        now, id = world.now, s.id
        if not any(one.owner == place for one in world.issued) and place not in world.attested:
            yield Move(f"authority issues to {id}", _issue(world, place))
            yield from self._says(world, place, f"land {id} refused", [(_refusal(s), now)])
            if s.terms.plan is Plan.HOSTED:
                yield Move(f"authority attests {id}", evolve(world, attested=world.attested | {place}))
        if s.terms.plan is Plan.HOSTED:
            yield from self._says(world, place, f"person {id} cancels", [(Cancelled(), now)])
            if s.deadline is not None:
                passed = DeadlinePassed(deadline=s.deadline.id)
                yield from self._says(world, place, f"deadline {id}", [(passed, max(now, s.deadline.at))])
        else:
            settled = sf.SettledByOperator(evidence="e", by="o", certificate=None)
            yield from self._says(world, place, f"host settles {id}", [(settled, now)])

    def _lives(self, world: World, place: int, s: Subscription) -> Iterator[Move[World]]:
        now, id = world.now, s.id
        if s.stage is Stage.ACTIVE:
            ordered = sf.RevocationOrdered(reason="superseded", by="o")
            yield from self._says(world, place, f"host revokes {id}", [(ordered, now)])
        if s.certificate is None:
            ended = sf.EndReported(revoked=True, at=now, evidence="e", by="o")
            yield from self._says(world, place, f"host ends {id}", [(ended, now)])
        elif now >= s.certificate.not_after:
            expired = sf.CertificateExpired(fingerprint=s.certificate.fingerprint)
            yield from self._says(world, place, f"land {id} expired", [(expired, now)])

    def _hears(self, world: World, place: int, s: Subscription, number: int, one: Issued) -> Iterator[Move[World]]:
        fingerprint, now = one.certificate.fingerprint, world.now
        if not one.heard:
            told = evolve(world, issued=_replaced(world.issued, number, evolve(one, heard=True)))
            yield from self._says(told, place, f"land {s.id} issued", [(_issued(one), now)], even_if_nothing=True)
            return
        revoking = s.stage is Stage.REVOKING or fingerprint in s.settled
        if revoking and not one.revoked:
            after = evolve(world, issued=_replaced(world.issued, number, evolve(one, revoked=True)))
            yield Move(f"authority revokes {fingerprint}", after)
            if s.stage is Stage.REVOKING:
                refused = sf.RevocationRefused(fingerprint=fingerprint, reason="r")
                yield from self._says(world, place, f"land {s.id} revocation refused", [(refused, now)])
        if one.revoked:
            revoked = sf.CertificateRevoked(fingerprint=fingerprint, at=now)
            yield from self._says(world, place, f"land {s.id} revoked", [(revoked, now)])

    def _says(
        self,
        world: World,
        place: int,
        label: str,
        said: Iterable[tuple[Fact, datetime]],
        *,
        even_if_nothing: bool = False,
    ) -> Iterator[Move[World]]:
        before = after = world.subscriptions[place]
        try:
            for fact, now in said:
                after, _ = step(after, fact, now)
        except Refusal:
            return
        others = [one for number, one in enumerate(world.subscriptions) if number != place]
        taken = claims(after) - claims(before)
        if any(taken & claims(other) for other in others):
            return  # a conflict: an answer is parked then, with an alert; the invariants say that there is none
        if after is before and not even_if_nothing:
            return
        subscriptions = (*world.subscriptions[:place], after, *world.subscriptions[place + 1 :])
        yield Move(label, evolve(world, subscriptions=subscriptions))

    # --- what is a world, and what is wrong with it ---------------------------------------------------------

    def key(self, world: World) -> Hashable:
        """See the module's docstring for what is merged."""
        return (
            world.begun,
            tuple(_record(one) for one in world.subscriptions),
            tuple(sorted(_being_opened(one, world) for one in world.openings)),
            tuple((one.owner, *_standing(one, world)) for one in world.issued),
            tuple(place for place in sorted(world.attested) if world.subscriptions[place].stage not in FINAL),
        )

    def broken(self, world: World) -> tuple[str, ...]:
        """Invariant 4, of one person's subscriptions together."""
        return tuple(_broken(world))

    def is_end(self, world: World) -> bool:
        """All have ended, and nothing is being opened."""
        return not world.openings and all(one.stage in FINAL for one in world.subscriptions)

    def must_end_by(self, world: World) -> frozenset[str] | None:
        """Whatever was begun ends by itself, but for what a person gives up or only an operator knows."""
        begun = bool(world.openings) or any(one.stage is Stage.VERIFYING_EMAIL for one in world.subscriptions)
        return None if begun else ALONE


def _being_opened(one: Opening, world: World) -> tuple[str, ...]:
    standing = [other for other in world.subscriptions if other.stage not in FINAL]
    stale = outdated(one.fact, one.mine, standing)
    place = [str(n) for n, other in enumerate(world.subscriptions) if other.id == one.fact.id]
    refused = ",".join(reasons(one.fact, (), world.now))
    known = ",".join(str(n) for n, other in enumerate(world.subscriptions) if other.id in {a.id for a in one.mine})
    return (str(one.fact.slot), one.fact.plan.value, refused, str(stale), *place, known)


def _journey(s: Subscription, now: datetime) -> Iterator[tuple[Fact, datetime]]:
    """Everything from the opening to the point where the authority, or the provider, decides."""
    session = SessionId(f"session-{s.id}")
    yield CodeRequested(), now
    yield _right(s, "open", 1), now
    yield sf.FundsHeld(attempt=1, hold=HoldId(f"hold-{s.id}")), now
    yield sf.DetailsConfirmed(), now
    for text in CONSENTS:
        yield sf.ConsentGiven(text=text, version="1", hash=SHOWN), now
    if s.terms.plan is Plan.HOSTED:
        yield sf.RegistrationOpened(session=session, url="u", expires=now), now
        return
    yield sf.IdentityOpened(attempt=1, session=session, url="u", expires=now), now
    yield approval(session, NAME), now
    yield sf.IdentityConfirmed(), now
    yield sf.RequestPrepared(document=SHOWN), now
    yield sf.RequestAccepted(hash=SHOWN), now
    later = now + INTERVAL
    yield CodeRequested(), later
    yield _right(s, "request", 2), later
    yield sf.RequestSealed(shown=SHOWN, sealed=SEALED), later


def _right(s: Subscription, purpose: str, number: int) -> CodeEntered:
    return CodeEntered(challenge=ChallengeId(f"{s.id}/{purpose}/{number}"), matched=True)


def _refusal(s: Subscription) -> Fact:
    if s.terms.plan is Plan.ASSEMBLED:
        return sf.CertificateRefused(reason="r")
    return sf.RegistrationRefused(session=SessionId(f"session-{s.id}"), reason="r")


def _attested(now: datetime) -> sf.CertificateAttested:
    return sf.CertificateAttested(
        provider="p", level=CertificateLevel.QCP_N, matched=("name", "email", "mobile"), at=now
    )


def _issue(world: World, place: int) -> World:
    made = evolve(
        certificate(f"certificate-{place}"),
        not_before=world.now - timedelta(minutes=1),
        not_after=world.now + YEARS,
        emails=(ACCOUNT.email,),
    )
    return evolve(world, issued=(*world.issued, Issued(place, made)))


def _issued(one: Issued) -> sf.CertificateIssued:
    return sf.CertificateIssued(certificate=one.certificate)


def _replaced(issued: tuple[Issued, ...], number: int, one: Issued) -> tuple[Issued, ...]:
    return (*issued[:number], one, *issued[number + 1 :])


def _holdings(world: World) -> tuple[Holding, ...]:
    return tuple(
        Holding(
            certificate=one.certificate,
            status=CertificateStatus(kind=StatusKind.REVOKED if one.revoked else StatusKind.GOOD, checked_at=world.now),
            email=ACCOUNT.email,
            mobile=ACCOUNT.mobile,
        )
        for one in reversed(world.issued)
    )


def _lcp(now: datetime) -> Holding:
    """The LCP certificate is renewed in time: it is not what is explored here."""
    there = evolve(LCP.certificate, not_before=now - timedelta(days=1), not_after=now + YEARS)
    return evolve(LCP, certificate=there)


def _standing(one: Issued, world: World) -> tuple[object, ...]:
    """How a certificate stands; one that has ended, of a subscription that has, is of no account to anything."""
    phase = _phase(one, world.now)
    if world.subscriptions[one.owner].stage in FINAL and one.heard and (one.revoked or phase == "ended"):
        return ("over",)
    return (one.revoked, one.heard, phase)


def _phase(one: Issued, now: datetime) -> str:
    if now >= one.certificate.not_after:
        return "ended"
    return "renewable" if now >= one.certificate.not_after - OVERLAP else "early"


def _next(world: World) -> datetime | None:
    """The next instant that matters: a renewal becomes possible, or a certificate ends."""
    instants = [
        moment for one in world.issued for moment in (one.certificate.not_after - OVERLAP, one.certificate.not_after)
    ]
    return min((moment for moment in instants if moment > world.now), default=None)


def _record(s: Subscription) -> Hashable:
    if s.stage in FINAL:
        return ("ended", tuple(sorted(s.settled)))
    return (
        s.stage.value,
        s.terms.plan.value,
        s.terms.slot,
        s.certificate.fingerprint if s.certificate else None,
        s.attestation is not None,
        _cause(s),
        tuple(sorted(s.settled)),
        s.deadline.id.split("/")[0] if s.deadline else None,
    )


def _cause(s: Subscription) -> str:
    """Tell causes apart as far as a row does: does a refused revocation leave it as good as before?"""
    if s.ending is None:
        return ""
    return "wish" if s.stage is Stage.REVOKING and s.ending in STANDS_AGAIN else "other"


def _broken(world: World) -> Iterator[str]:
    standing = [one for one in world.subscriptions if one.stage not in FINAL]
    if sum(in_progress(one) for one in standing) > 1:
        yield "4: a person has two open subscriptions"
    for number, one in enumerate(standing):
        if any(claims(one) & claims(other) for other in standing[number + 1 :]):
            yield "4: two subscriptions own one claim"
    usable = [
        one
        for one in standing
        if one.stage is Stage.ACTIVE and (one.certificate is None or world.now < one.certificate.not_after)
    ]
    # A renewal stands beside what it renews for that one's last days only; of one that was attested nobody here knows
    # the end, so nothing may stand beside it that was opened later.
    renewed = [one.certificate for one in usable[:-1]]
    if any(one is None or world.now < one.not_after - OVERLAP for one in renewed) or len(usable) > 2:
        yield "4: a person has two usable certificates of one issuer, and one is no renewal of the other"
