"""The subscription machine, with every fact in every state; both plans.

A world is the machine's own record and a small memory of what was asked of others (`Ghost`), which the invariants
need and the record does not hold.

**What is merged (`key`), and why that is sound.** Sequence numbers and ids that are counted only make effect keys and
challenge ids unique: no row reads them but to compare with the fact at hand, and facts here name "the present one"
or "another one". Instants only enter by comparison with `now`; each fact is tried well before the deadline, and at
it; codes before their expiry, and at it. How many codes were asked for this hour, and how many were wrong, is kept.
Attempts at an identity session are kept until the identity is proven, consents until both are given, evidence until
the certificate is there, codes until a final stage: no row reads them afterwards. That a code could not be sent is for
the page alone: no row reads it. Certificates are kept by which they are: the
subscription's own, one that does not conform; late ones are alike, and so are late sessions.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final

from attrs import frozen

from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, QcStatements, StatusKind
from qcp_sdk.errors import Refusal
from qcp_sdk.facts import (
    Cancelled,
    CodeEntered,
    CodeRequested,
    CodeSent,
    CodesLocked,
    CodeUndeliverable,
    DeadlinePassed,
    Fact,
    ReminderDue,
    SilenceNoted,
)
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.stages import FINAL, Plan, Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription
from qcp_sdk.testing import invariants
from qcp_sdk.testing.exploration.walk import Move
from qcp_sdk.testing.invariants import Ghost
from qcp_sdk.values import (
    AccountId,
    BirthDate,
    CabinetId,
    Cents,
    ChallengeId,
    ContentHash,
    EmailAddress,
    Fingerprint,
    HoldId,
    PersonName,
    PhoneNumber,
    SessionId,
    SubscriptionId,
)

NOW: Final = datetime(2026, 11, 23, 9, tzinfo=UTC)
BLINK: Final = timedelta(microseconds=1)
NAME: Final = PersonName(given="Jessica", last="Poussart")
ANOTHER: Final = PersonName(given="Irène", last="Faron")
CABINET: Final = Cabinet(id=CabinetId("cabinet"), name="Cabinet")
ACCOUNT: Final = Account(
    id=AccountId("account"),
    name=NAME,
    email=EmailAddress("jessica@cabinet.example"),
    mobile=PhoneNumber("+33639981316"),
    cabinets=(CABINET,),
)
QUALIFIED: Final = QcStatements(compliance=True, types=("0.4.0.1862.1.6.1",))


def certificate(name: str, *, policy: str = "0.4.0.194112.1.0", holder: PersonName = NAME) -> Certificate:
    """Give a certificate value; its bytes are only a name."""
    return Certificate(
        der=name.encode(),
        fingerprint=Fingerprint(name),
        serial=1,
        issuer="CN=CA",
        subject=f"CN={name}",
        name=holder,
        policies=(policy,),
        qc=QUALIFIED if policy.startswith("0.4.0.194112") else QcStatements(),
        key_usage=frozenset({"non_repudiation"}),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=1_826),
    )


FIRST: Final = certificate("first")
SECOND: Final = certificate("second")
ODD: Final = certificate("odd", holder=PersonName(given="Somebody", last="Else"))
"""Not what was asked for."""
LCP: Final = Holding(
    certificate=certificate("lcp", policy="0.4.0.2042.1.3"),
    status=CertificateStatus(kind=StatusKind.GOOD, checked_at=NOW),
    email=ACCOUNT.email,
    mobile=ACCOUNT.mobile,
)
SHOWN: Final = ContentHash("sha256:" + "1" * 64)
OTHER: Final = ContentHash("sha256:" + "2" * 64)
SEALED: Final = ContentHash("sha256:" + "3" * 64)


def opening(plan: Plan) -> sf.SubscriptionOpened:
    """Give the fact that everything begins with."""
    return sf.SubscriptionOpened(
        id=SubscriptionId("subscription"),
        account=ACCOUNT,
        cabinet=CABINET,
        price=Cents(2_000),
        balance=Cents(8_220),
        lcp=LCP,
        plan=plan,
        issuer="CA",
        accepted_close=frozenset({"fewer_given_names"}),
    )


def approval(session: SessionId, name: PersonName, proofing: Proofing = Proofing.BASELINE) -> sf.IdentityApproved:
    return sf.IdentityApproved(
        session=session,
        identity=ProvenIdentity(
            name=name,
            birth_date=BirthDate(date(1985, 4, 3)),
            document=DocumentKind.PASSPORT,
            issuing_country="FR",
        ),
        evidence=IdentityEvidence(provider="p", reference="r", proofing=proofing),
    )


@frozen
class World:
    """A subscription and what it asked of others."""

    subscription: Subscription
    ghost: Ghost
    by: tuple[Subscription, Fact, datetime] | None = None
    """What it was folded from, to be folded once more as the journal gives it back."""


class SubscriptionModel:
    """Explores one plan."""

    checks = invariants.NUMBERS

    def __init__(self, plan: Plan) -> None:
        self.plan, self.name = plan, f"subscription, {plan}"

    def roots(self) -> Iterable[tuple[str, World]]:
        """Give the subscription just opened."""
        opened, effects = step(None, opening(self.plan), NOW)
        yield "subscription_opened", World(opened, Ghost().after(None, opened, effects))

    def moves(self, world: World) -> Iterator[Move[World]]:
        """Try every fact, at every instant that matters."""
        s = world.subscription
        for label, fact, now in _facts(s):
            try:
                after, effects = step(s, fact, now)
            except Refusal:
                continue
            if after is s and not effects:
                continue
            ghost = world.ghost.after(s, after, effects)
            yield Move(
                label,
                World(after, ghost, (s, fact, now)),
                invariants.broken_by_step(s, fact, now, after, effects, world.ghost),
            )

    def key(self, world: World) -> Hashable:
        """See the module's docstring for what is merged."""
        s = world.subscription
        final = s.stage in FINAL
        return (
            s.stage.value,
            s.money.state.value,
            s.money.attempt,
            s.money.wish.value,
            s.certificate.fingerprint if s.certificate else None,
            s.attestation is not None,
            s.ending.value if s.ending else None,
            tuple(sorted({_kind_of_mark(mark) for mark in s.settled})),
            world.ghost.key(),
            None if final else _open_key(s),
        )

    def broken(self, world: World) -> tuple[str, ...]:
        """Check the invariants that speak of one state."""
        broken = invariants.broken_in(world.subscription, world.ghost)
        if world.by is None:
            return broken
        return (*broken, *invariants.broken_by_folding(*world.by, world.subscription))

    def is_end(self, world: World) -> bool:
        """Final, and the money settled."""
        return world.subscription.stage in FINAL and not invariants.money_outstanding(world.subscription)

    def must_end_by(self, world: World) -> frozenset[str] | None:
        """Invariant 8: deadlines alone before the point of no return, answers or an operator after it. The ledger
        answers what it is asked in any case.
        """
        ledger = {"funds_held", "funds_refused", "funds_captured", "funds_released", "capture_refused"}
        stage = world.subscription.stage
        if stage is Stage.AWAITING_CERTIFICATE:
            return frozenset({"settled_by_operator", *ledger})
        if stage in (Stage.ACTIVE, Stage.REVOKING):
            if world.subscription.certificate is None:
                return frozenset({"end_reported", *ledger})  # attested: only a person sees that it has ended
            return frozenset({"certificate_expired", *ledger})
        if stage in FINAL:
            return frozenset(ledger)
        return frozenset({"deadline_passed", *ledger})


def _open_key(s: Subscription) -> Hashable:
    """What only an open stage reads."""
    c, i, r = s.codes.challenge, s.identity, s.request
    codes = (
        (c.purpose.value, c.wrong, c.matched) if c else None,
        len(s.codes.requested),
        s.codes.locked_until is not None,
    )
    if s.stage in (Stage.ACTIVE, Stage.REVOKING):
        return codes
    proving = s.stage in (Stage.OPENING_IDENTITY, Stage.PROVING_IDENTITY)
    return (
        codes,
        tuple(sorted(consent.text for consent in s.consents)) if s.stage is Stage.CONSENTING else (),
        (i.attempt, i.retries, i.captured, i.session, i.links) if proving else i.session is not None,
        i.proven is not None,
        i.confirmed_at is not None,
        (r.shown, r.accepted_at is not None, r.verified_at is not None, r.sealed, r.reference),
        (s.registration.session,) if s.registration else None,
        s.deadline.id.split("/")[0] if s.deadline else None,
    )


def _kind_of_mark(mark: str) -> str:
    """Late sessions are alike, and so are late certificates: none is the subscription's own."""
    if mark in (FIRST.fingerprint, SECOND.fingerprint, ODD.fingerprint):
        return "certificate"
    if mark.startswith("refused:"):
        return "certificate"  # which it is; that an operator was told decides only whether they are told again
    return mark if ":" in mark else "session"


def _facts(s: Subscription) -> Iterator[tuple[str, Fact, datetime]]:
    """Every representative fact with its name, at every instant that matters to it."""
    timed = list(_early(s))
    yield from timed
    if s.deadline is not None:
        for label, fact, _ in timed:
            if not isinstance(fact, DeadlinePassed):
                yield f"{label} [at the deadline]", fact, s.deadline.at
    yield from _codes(s)


def _codes(s: Subscription) -> Iterator[tuple[str, Fact, datetime]]:
    last = s.codes.requested[-1] if s.codes.requested else NOW - timedelta(hours=1)
    yield "code_requested", CodeRequested(), max(NOW, last + timedelta(seconds=30))
    yield "code_requested [too soon]", CodeRequested(), last + timedelta(seconds=29)
    challenge = s.codes.challenge
    if challenge is None:
        yield "code_entered right [none sent]", CodeEntered(challenge=ChallengeId("none"), matched=True), NOW
        return
    in_time = challenge.not_after - BLINK
    for matched, word in ((True, "right"), (False, "wrong")):
        entry = CodeEntered(challenge=challenge.id, matched=matched)
        yield f"code_entered {word}", entry, in_time
        yield f"code_entered {word} [expired]", entry, challenge.not_after
        old = CodeEntered(challenge=ChallengeId("old"), matched=matched)
        yield f"code_entered {word} [old challenge]", old, in_time
    yield "code_sent", CodeSent(challenge=challenge.id), in_time
    yield "code_undeliverable", CodeUndeliverable(challenge=challenge.id, reason="undeliverable"), in_time
    yield "code_undeliverable [old]", CodeUndeliverable(challenge=ChallengeId("old"), reason="undeliverable"), in_time
    for reason in ("cessation_of_operation",):
        yield "revocation_requested", sf.RevocationRequested(reason=reason), in_time
        yield "revocation_requested [late]", sf.RevocationRequested(reason=reason), in_time + timedelta(hours=1)


def _early(s: Subscription) -> Iterator[tuple[str, Fact, datetime]]:
    """Every fact that codes have no part in, well before any deadline."""
    registration = (s.registration.session if s.registration else None) or SessionId("registration")
    session = s.identity.session or SessionId("none")
    everything = _everything(s.terms.plan, s.identity.attempt, session, registration, s.certificate is not None)
    if s.deadline is not None:
        everything = (*everything, ("deadline_passed", DeadlinePassed(deadline=s.deadline.id)))
    return ((label, fact, NOW) for label, fact in everything)


@cache
def _everything(
    plan: Plan, attempt: int, session: SessionId, registration: SessionId, has_certificate: bool
) -> tuple[tuple[str, Fact], ...]:
    everything: list[tuple[str, Fact]] = [
        ("codes_locked", CodesLocked(until=NOW + timedelta(days=1))),
        ("details_confirmed", sf.DetailsConfirmed()),
        ("details_contested", sf.DetailsContested(fields=("mobile",))),
        ("identity_opened", sf.IdentityOpened(attempt=attempt, session=_session(attempt), url="u", expires=NOW)),
        ("identity_opened [stray]", sf.IdentityOpened(attempt=99, session=SessionId("stray"), url="u", expires=NOW)),
        ("identity_opening_rejected", sf.IdentityOpeningRejected(attempt=attempt, reason="no")),
        ("identity_opening_rejected [old]", sf.IdentityOpeningRejected(attempt=99, reason="no")),
        ("fraud_suspected", sf.FraudSuspected(reason="r")),
        ("fraud_reported", sf.FraudReported(reason="r", by="host")),
        ("link_requested", sf.LinkRequested()),
        ("end_reported revoked", sf.EndReported(revoked=True, at=NOW, evidence="e", by="host")),
        ("end_reported expired", sf.EndReported(revoked=False, at=NOW, evidence="e", by="host")),
        ("no_document", sf.NoDocument()),
        ("identity_confirmed", sf.IdentityConfirmed()),
        ("identity_contested", sf.IdentityContested()),
        ("request_prepared", sf.RequestPrepared(document=SHOWN)),
        ("request_prepared [other]", sf.RequestPrepared(document=OTHER)),
        ("request_rejected", sf.RequestRejected(reason="r")),
        ("request_accepted", sf.RequestAccepted(hash=SHOWN)),
        ("request_accepted [other]", sf.RequestAccepted(hash=OTHER)),
        ("request_sealed", sf.RequestSealed(shown=SHOWN, sealed=SEALED)),
        ("request_sealed [again, other]", sf.RequestSealed(shown=SHOWN, sealed=OTHER)),
        ("request_sealed [of another]", sf.RequestSealed(shown=OTHER, sealed=SEALED)),
        ("seal_refused", sf.SealRefused(reason="r")),
        ("certificate_pending", sf.CertificatePending(reference="ref")),
        ("certificate_refused", sf.CertificateRefused(reason="r")),
        ("settled_by_operator none", sf.SettledByOperator(evidence="e", by="o", certificate=None)),
        ("settled_by_operator issued", sf.SettledByOperator(evidence="e", by="o", certificate=FIRST)),
        ("settled_by_operator [no evidence]", sf.SettledByOperator(evidence=" ", by="o", certificate=None)),
        ("registration_opened", sf.RegistrationOpened(session=registration, url="u", expires=NOW)),
        ("registration_rejected", sf.RegistrationRejected(reason="r")),
        ("revocation_ordered", sf.RevocationOrdered(reason="r", by="host")),
        ("revocation_ordered [nobody]", sf.RevocationOrdered(reason="r", by="")),
        ("account_changed", sf.AccountChanged(fields=("mobile",))),
        ("lcp_revoked", sf.LcpRevoked(at=NOW)),
        ("cancelled", Cancelled()),
        ("silence_noted", SilenceNoted(about="ask_certificate")),
        ("silence_noted [verdict]", SilenceNoted(about="verdict")),
        ("reminder_due", ReminderDue(reminder="expiry")),
        ("deadline_passed [stale]", DeadlinePassed(deadline="stale/0")),
        ("subscription_opened [again]", opening(plan)),
    ]
    everything += [
        (f"consent_given {text}", sf.ConsentGiven(text=text, version="1", hash=SHOWN)) for text in (*CONSENTS, "other")
    ]
    for number in (1, 2):
        hold = HoldId(f"hold-{number}")
        everything += [
            (f"funds_held {number}", sf.FundsHeld(attempt=number, hold=hold)),
            (f"funds_refused {number}", sf.FundsRefused(attempt=number, reason="r")),
            (f"funds_captured {number}", sf.FundsCaptured(hold=hold)),
            (f"funds_released {number}", sf.FundsReleased(hold=hold)),
            (f"capture_refused {number}", sf.CaptureRefused(hold=hold, reason="r")),
        ]
    for one, word in ((session, ""), (SessionId("another"), " [another session]")):
        everything += [
            (f"capture_finished{word}", sf.CaptureFinished(session=one)),
            (f"identity_approved{word}", approval(one, NAME)),
            (f"identity_retryable{word}", sf.IdentityRetryable(session=one, reason="r")),
            (f"identity_refused{word}", sf.IdentityRefused(session=one, reason="r")),
            (f"identity_abandoned{word}", sf.IdentityAbandoned(session=one)),
        ]
    everything += [
        ("identity_approved close", approval(session, PersonName(given="Jessica Marie", last="Poussart"))),
        ("identity_approved another person", approval(session, ANOTHER)),
        ("identity_approved too low", approval(session, NAME, Proofing.NONE)),
    ]
    for one, word in ((registration, ""), (SessionId("another"), " [another session]")):
        everything += [
            (f"registration_refused{word}", sf.RegistrationRefused(session=one, reason="r")),
            (f"registration_expired{word}", sf.RegistrationExpired(session=one)),
        ]
    for matched, word in ((("name", "email", "mobile"), "all"), (("name",), "too little")):
        attested = sf.CertificateAttested(provider="p", level=CertificateLevel.QCP_N, matched=matched, at=NOW)
        everything.append((f"certificate_attested {word}", attested))
    for which in (FIRST, SECOND, ODD):
        name = which.fingerprint
        if which is SECOND and not has_certificate:
            continue  # the second is told from the first only where the first is the subscription's own
        everything += [
            (f"certificate_issued {name}", sf.CertificateIssued(certificate=which)),
            (f"certificate_revoked {name}", sf.CertificateRevoked(fingerprint=name, at=NOW)),
            (f"revocation_refused {name}", sf.RevocationRefused(fingerprint=name, reason="r")),
            (f"certificate_expired {name}", sf.CertificateExpired(fingerprint=name)),
        ]
    return tuple(everything)


def _session(attempt: int) -> SessionId:
    return SessionId(f"s{attempt}")
