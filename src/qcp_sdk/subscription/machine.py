"""The subscription machine: facts in, effects out.

Rule 1: everything that decides what may follow what is a row in this file. Nothing else asks for the stage.
Rule 2: `step` is a function. A refusal raises and leaves nothing behind; an answer never raises.

A fact meets, in this order: the deadline of the stage (a fact at or after it is preceded by `DeadlinePassed`); its
row in TRANSITIONS; without a row, SETTLEMENTS: an answer or a wait that comes late leaves the stage, but what it
reveals is settled (a late certificate is revoked, a late session closed, a late hold released). What a person or a
host says without a row is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from attrs import evolve

from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import (
    Cancelled,
    CodeEntered,
    CodeRequested,
    CodeSent,
    CodesLocked,
    CodeUndeliverable,
    DeadlinePassed,
    Fact,
    Origin,
    ReminderDue,
    SilenceNoted,
)
from qcp_sdk.subscription import ending, facts, hosted, opening, proving, requesting
from qcp_sdk.subscription.moves import (
    Apply,
    Moved,
    Row,
    close,
    closing,
    ignored,
    money_answered,
    silence,
)
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.subscription.state import Subscription


def _deadline_passed(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    assert isinstance(fact, DeadlinePassed)
    if s.deadline is None or fact.deadline != s.deadline.id:
        return s, ()
    return close(s, Ending.DEADLINE_PASSED)


S = Stage
SILENCE: Final[Mapping[type[Fact], Row]] = {SilenceNoted: Row(silence, (), "stays; an operator is told")}
CODES: Final[Mapping[type[Fact], Row]] = {
    CodeRequested: Row(opening.code_requested, ()),
    CodeSent: Row(ignored, (), "recorded by its effect; changes nothing"),
    CodeUndeliverable: Row(opening.code_undeliverable, ()),
}
MONEY_ANSWERS: Final[Mapping[type[Fact], Row]] = {
    kind: Row(money_answered, (), "moves the money, not the stage")
    for kind in (
        facts.FundsHeld,
        facts.FundsRefused,
        facts.FundsCaptured,
        facts.CaptureRefused,
        facts.FundsReleased,
    )
}

BEFORE_NO_RETURN: Final[Mapping[type[Fact], Row]] = {
    Cancelled: Row(closing(Ending.CANCELLED), (S.CLOSED,)),
    DeadlinePassed: Row(_deadline_passed, (S.CLOSED,), "a stale id changes nothing"),
    facts.FraudSuspected: Row(closing(Ending.FRAUD_SUSPECTED), (S.CLOSED,)),
    facts.FraudReported: Row(closing(Ending.FRAUD_SUSPECTED), (S.CLOSED,)),
    facts.AccountChanged: Row(closing(Ending.ACCOUNT_CHANGED), (S.CLOSED,)),
    facts.LcpRevoked: Row(closing(Ending.LCP_REVOKED), (S.CLOSED,)),
    **SILENCE,
}
"""What every stage before the point of no return accepts, in the assembled plan."""

WHILE_HOSTED: Final[Mapping[type[Fact], Row]] = {
    Cancelled: Row(hosted.leaving(Ending.CANCELLED), ()),
    DeadlinePassed: Row(hosted.hosted_deadline, (S.CLOSED,), "the provider is asked once more first"),
    facts.FraudSuspected: Row(hosted.leaving(Ending.FRAUD_SUSPECTED), ()),
    facts.FraudReported: Row(hosted.leaving(Ending.FRAUD_SUSPECTED), ()),
    facts.AccountChanged: Row(hosted.leaving(Ending.ACCOUNT_CHANGED), ()),
    facts.LcpRevoked: Row(hosted.leaving(Ending.LCP_REVOKED), ()),
    facts.CertificateIssued: Row(requesting.issued, (S.ACTIVE, S.REVOKING)),
    facts.CertificateAttested: Row(hosted.attested, (S.ACTIVE, S.CLOSED)),
    facts.RegistrationRefused: Row(hosted.registration_refused, (S.CLOSED,)),
    facts.RegistrationExpired: Row(hosted.registration_expired, (S.CLOSED,)),
    **SILENCE,
}
"""What both hosted stages accept; an answer may overtake the one that opened the registration."""

TRANSITIONS: Final[Mapping[Stage, Mapping[type[Fact], Row]]] = MappingProxyType(
    {
        S.VERIFYING_EMAIL: {
            **CODES,
            CodeEntered: Row(opening.email_code_entered, (S.HOLDING_FUNDS,), "a wrong code stays and counts"),
            CodesLocked: Row(closing(Ending.TOO_MANY_CODES), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.HOLDING_FUNDS: {
            facts.FundsHeld: Row(opening.funds_held, (S.CONFIRMING_DETAILS,)),
            facts.FundsRefused: Row(opening.funds_refused, (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.CONFIRMING_DETAILS: {
            facts.DetailsConfirmed: Row(opening.details_confirmed, (S.CONSENTING,)),
            facts.DetailsContested: Row(closing(Ending.DETAILS_WRONG), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.CONSENTING: {
            facts.ConsentGiven: Row(
                opening.consent_given,
                (S.OPENING_IDENTITY, S.OPENING_REGISTRATION),
                "stays until both texts are agreed to",
            ),
            **BEFORE_NO_RETURN,
        },
        S.OPENING_IDENTITY: {
            facts.IdentityOpened: Row(proving.identity_opened, (S.PROVING_IDENTITY,)),
            facts.IdentityOpeningRejected: Row(proving.opening_rejected, (S.CLOSED,)),
            facts.NoDocument: Row(closing(Ending.NO_DOCUMENT), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.PROVING_IDENTITY: {
            facts.CaptureFinished: Row(proving.capture_finished, ()),
            facts.LinkRequested: Row(proving.link_requested, (), "three times at most"),
            facts.IdentityApproved: Row(
                proving.approved, (S.CONFIRMING_IDENTITY, S.CLOSED), "closes when not the same person"
            ),
            facts.IdentityRetryable: Row(proving.retryable, (S.OPENING_IDENTITY, S.CLOSED), "three times at most"),
            facts.IdentityRefused: Row(proving.refused, (S.CLOSED,)),
            facts.IdentityAbandoned: Row(proving.abandoned, (S.OPENING_IDENTITY, S.CLOSED)),
            facts.NoDocument: Row(closing(Ending.NO_DOCUMENT), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.CONFIRMING_IDENTITY: {
            facts.IdentityConfirmed: Row(proving.identity_confirmed, (S.PREPARING_REQUEST,)),
            facts.IdentityContested: Row(closing(Ending.IDENTITY_CONTESTED), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.PREPARING_REQUEST: {
            facts.RequestPrepared: Row(requesting.request_prepared, (S.READING_REQUEST,)),
            facts.RequestRejected: Row(closing(Ending.REQUEST_REJECTED), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        S.READING_REQUEST: {
            facts.RequestAccepted: Row(
                requesting.request_accepted, (S.SIGNING_REQUEST,), "only the hash that was shown"
            ),
            **BEFORE_NO_RETURN,
        },
        S.SIGNING_REQUEST: {
            **CODES,
            CodeEntered: Row(requesting.request_code_entered, (S.SEALING_REQUEST,), "a wrong code stays and counts"),
            CodesLocked: Row(opening.codes_locked, (), "a lock waits, it does not close"),
            **BEFORE_NO_RETURN,
        },
        S.SEALING_REQUEST: {
            facts.RequestSealed: Row(requesting.request_sealed, (S.AWAITING_CERTIFICATE,), "the point of no return"),
            facts.SealRefused: Row(closing(Ending.SEAL_REFUSED), (S.CLOSED,)),
            **BEFORE_NO_RETURN,
        },
        # No Cancelled and no deadline from here on: the authority may have issued already.
        S.AWAITING_CERTIFICATE: {
            facts.CertificatePending: Row(requesting.pending, ()),
            facts.CertificateIssued: Row(requesting.issued, (S.ACTIVE, S.REVOKING), "revoked when not conforming"),
            facts.CertificateRefused: Row(closing(Ending.CA_REFUSED), (S.CLOSED,)),
            facts.SettledByOperator: Row(requesting.settled_by_operator, (S.ACTIVE, S.REVOKING, S.CLOSED)),
            facts.FraudSuspected: Row(requesting.fraud_while_awaiting, (), "what is issued will be revoked"),
            facts.FraudReported: Row(requesting.fraud_while_awaiting, ()),
            **SILENCE,
        },
        S.OPENING_REGISTRATION: {
            facts.RegistrationOpened: Row(hosted.registration_opened, (S.REGISTERING,)),
            facts.RegistrationRejected: Row(closing(Ending.REGISTRATION_UNAVAILABLE), (S.CLOSED,)),
            **WHILE_HOSTED,
        },
        S.REGISTERING: WHILE_HOSTED,
        S.ACTIVE: {
            **CODES,
            CodeEntered: Row(ending.revocation_code_entered, (), "a right code allows the revocation"),
            CodesLocked: Row(opening.codes_locked, ()),
            facts.RevocationRequested: Row(ending.revocation_requested, (S.REVOKING,), "after its code"),
            facts.RevocationOrdered: Row(ending.revocation_ordered, (S.REVOKING,)),
            facts.FraudSuspected: Row(ending.fraud_on_active, (S.REVOKING,)),
            facts.FraudReported: Row(ending.fraud_on_active, (S.REVOKING,)),
            facts.EndReported: Row(ending.end_reported, (S.REVOKED, S.EXPIRED)),
            facts.CertificateRevoked: Row(ending.revoked, (S.REVOKED,)),
            facts.CertificateExpired: Row(ending.expired, (S.EXPIRED,)),
            ReminderDue: Row(ending.reminder, ()),
            **MONEY_ANSWERS,
            **SILENCE,
        },
        S.REVOKING: {
            facts.CertificateRevoked: Row(ending.revoked, (S.REVOKED,)),
            facts.RevocationRefused: Row(
                ending.revocation_refused, (S.ACTIVE,), "stays when fraud or a fault stands behind it"
            ),
            facts.CertificateExpired: Row(ending.expired, (S.EXPIRED,)),
            facts.FraudSuspected: Row(ending.fraud_while_revoking, (), "a refusal no longer revives it"),
            facts.FraudReported: Row(ending.fraud_while_revoking, ()),
            facts.EndReported: Row(ending.end_reported, (S.REVOKED, S.EXPIRED)),
            **MONEY_ANSWERS,
            **SILENCE,
        },
        S.REVOKED: {},
        S.EXPIRED: {},
        S.CLOSED: {},
    }
)
"""What each stage accepts. Final stages keep an empty row."""

_SETTLED: Final[Mapping[type[Fact], Apply]] = {
    **dict.fromkeys(MONEY_ANSWERS, money_answered),
    facts.IdentityOpened: proving.late_session,
    facts.CertificatePending: requesting.pending,
    facts.CertificateIssued: ending.late_certificate,
    facts.RevocationRefused: ending.late_revocation_refused,
    facts.CertificateAttested: hosted.late_attestation,
}

SETTLEMENTS: Final[Mapping[Stage, Mapping[type[Fact], Apply]]] = MappingProxyType(dict.fromkeys(Stage, _SETTLED))
"""What an answer without a row reveals, and how it is settled; the stage stays. Other late answers reveal nothing:
a verdict on a closed session, a repeated code receipt, a stale wait."""


def overdue(s: Subscription, now: datetime) -> DeadlinePassed | None:
    """Give the deadline that has passed and has not been said yet, if any."""
    limit = s.deadline
    return DeadlinePassed(deadline=limit.id) if limit is not None and now >= limit.at else None


def step(s: Subscription | None, fact: Fact, now: datetime) -> Moved:
    """Fold one fact: give the record that follows, and what to do about it.

    The very same record comes back, with no effect, when the fact changes nothing. `now` is timezone-aware.

    Raises:
        SubscriptionRefused: The opening fact is refused, with every reason.
        FactRefused: A person or host says what may not be said now (CodeRefused: about a code).
    """
    if s is None:
        if type(fact) is facts.SubscriptionOpened:
            return opening.opened(fact, now)
        if type(fact) is facts.CertificateAdopted:
            return opening.adopted(fact, now)
        raise FactRefused(f"`{fact.kind}` comes before the opening", reason="not_open", mend="open it first")
    limit = s.deadline
    if limit is not None and now >= limit.at and type(fact) is not DeadlinePassed:
        return _too_late(s, fact, now)
    row = TRANSITIONS[s.stage].get(type(fact))
    if row is not None:
        return row.apply(s, fact, now)
    return _without_row(s, fact, now)


def _without_row(s: Subscription, fact: Fact, now: datetime) -> Moved:
    settle = SETTLEMENTS[s.stage].get(type(fact))
    if settle is not None:
        return settle(s, fact, now)
    if fact.origin in (Origin.ANSWER, Origin.TIME):
        return s, ()
    raise FactRefused(
        f"`{fact.kind}` may not be said at `{s.stage}`",
        where=s.id,
        mend=f"at this stage: {', '.join(kind.kind for kind in sayable(s)) or 'nothing'}",
    )


def _too_late(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """Say the deadline first. A person's own fact is then void: the caller sees the stage that the deadline led to."""
    limit = overdue(s, now)
    assert limit is not None
    passed, effects = TRANSITIONS[s.stage][DeadlinePassed].apply(s, limit, now)
    if fact.origin in (Origin.PERSON, Origin.HOST):
        return passed, effects
    following, more = step(passed, fact, now)
    if following is passed:
        return passed, effects
    # Two rows for one fact are still one step: keys count facts.
    return evolve(following, sequence=s.sequence + 1), effects + more


def sayable(s: Subscription) -> tuple[type[Fact], ...]:
    """Give what a person may say at this stage, in the order of the table."""
    return tuple(kind for kind in TRANSITIONS[s.stage] if kind.origin is Origin.PERSON)
