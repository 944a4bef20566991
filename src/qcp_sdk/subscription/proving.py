"""Identity, from the session to the confirmation of what was read (features C1 to C6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from qcp_sdk import matching, notices
from qcp_sdk.effects import Wake
from qcp_sdk.errors import FactRefused
from qcp_sdk.facts import Fact, SilenceNoted
from qcp_sdk.subscription.effects import Application, AskIdentity, CancelIdentity, OpenIdentity, PrepareRequest
from qcp_sdk.subscription.facts import (
    CaptureFinished,
    IdentityAbandoned,
    IdentityApproved,
    IdentityOpened,
    IdentityOpeningRejected,
    IdentityRefused,
    IdentityRetryable,
)
from qcp_sdk.subscription.moves import VERDICT, Moved, close, deadline, moved, tell
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.subscription.state import Identity, Subscription

MOST_RETRIES: Final = 3
"""Verdicts that allow another try; the fourth closes."""
VERDICT_WAIT: Final = timedelta(hours=2)
"""How long after the capture a provider that has not decided is called silent."""
MOST_LINKS: Final = 3
MOST_SESSIONS: Final = 10
"""Sessions in all, abandoned ones included: each may be billed, so a loop must end before its deadline does."""


def identity_opened(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """C1: hand the person over to the provider."""
    assert isinstance(fact, IdentityOpened)
    if fact.attempt != s.identity.attempt:
        return late_session(s, fact, _now)
    identity = Identity(s.identity.attempt, s.identity.retries, fact.session, fact.url, fact.expires)
    return moved(s, Stage.PROVING_IDENTITY, identity=identity), (AskIdentity(session=fact.session),)


def opening_rejected(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """The provider opens no session for this person."""
    assert isinstance(fact, IdentityOpeningRejected)
    return close(s, Ending.IDENTITY_UNAVAILABLE) if fact.attempt == s.identity.attempt else (s, ())


def late_session(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """A session that nobody waits for: close it at the provider, once."""
    assert isinstance(fact, IdentityOpened)
    if fact.session == s.identity.session or fact.session in s.settled:
        return s, ()
    return moved(s, s.stage, settled=s.settled | {fact.session}), (CancelIdentity(session=fact.session),)


def capture_finished(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """C4: the phone is done; the page moves on to waiting."""
    assert isinstance(fact, CaptureFinished)
    if fact.session != s.identity.session or s.identity.captured:
        return s, ()
    # Three to six minutes are expected (C4); the same provider is asked all the while, so only time tells silence.
    undecided = Wake(at=now + VERDICT_WAIT, fact=SilenceNoted(about=VERDICT))
    return moved(s, s.stage, identity=evolve(s.identity, captured=True)), (undecided,)


def link_requested(s: Subscription, _fact: Fact, _now: datetime) -> Moved:
    """C1: send the link to the smartphone, a few times at most for each session.

    Raises:
        FactRefused: `too_many_links`.
    """
    if s.identity.links >= MOST_LINKS:
        raise FactRefused("the link was sent often enough", reason="too_many_links", mend="scan the QR code instead")
    notice = notices.IdentityHandOff(subscription=s.id, url=s.identity.url)
    return moved(s, s.stage, identity=evolve(s.identity, links=s.identity.links + 1)), (tell(s, notice),)


def approved(s: Subscription, fact: Fact, now: datetime) -> Moved:
    """C5: approved. It must be the same person, proven well enough; then they confirm what was read."""
    assert isinstance(fact, IdentityApproved)
    if fact.session != s.identity.session:
        return s, ()
    match = matching.match_identity(s.terms.account.name, fact.identity.name)
    allowances = tuple(sorted(match.transformations))
    if fact.evidence.proofing < s.terms.minimum_proofing:
        return close(s, Ending.PROOFING_TOO_LOW, session_ended=True)
    same = match.verdict is matching.Verdict.EXACT or (
        match.verdict is matching.Verdict.CLOSE and s.terms.accepted_close.issuperset(allowances)
    )
    if not same:
        # What was read stays in the journal's fact; the state keeps no data of somebody who may be another person.
        return close(s, Ending.IDENTITY_MISMATCH, session_ended=True)
    identity = evolve(s.identity, captured=True, proven=fact.identity, evidence=fact.evidence, allowances=allowances)
    limit, wake = deadline(s, "finishing", now + s.terms.waits.finishing)
    following = moved(s, Stage.CONFIRMING_IDENTITY, identity=identity, deadline=limit)
    return following, (tell(s, notices.IdentityApproved(subscription=s.id)), wake)


def retryable(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """C5: refused, but the person may try again, three times at most."""
    assert isinstance(fact, IdentityRetryable)
    if fact.session != s.identity.session:
        return s, ()
    retries = s.identity.retries + 1
    if retries > MOST_RETRIES:
        return close(s, Ending.TOO_MANY_RETRIES, session_ended=True)
    notice = notices.IdentityToRetry(subscription=s.id, reason=fact.reason, tries_left=MOST_RETRIES + 1 - retries)
    following, effects = _reopened(s, retries)
    return following, (*effects, tell(s, notice))


def abandoned(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """C5: left, or run out at the provider: a new session, until the deadline."""
    assert isinstance(fact, IdentityAbandoned)
    if fact.session != s.identity.session:
        return s, ()
    return _reopened(s, s.identity.retries)


def _reopened(s: Subscription, retries: int) -> Moved:
    attempt = s.identity.attempt + 1
    if attempt > MOST_SESSIONS:
        return close(s, Ending.TOO_MANY_RETRIES, session_ended=True)
    following = moved(s, Stage.OPENING_IDENTITY, identity=Identity(attempt, retries))
    return following, (OpenIdentity(attempt=attempt, subscription=s.id, person=s.terms.account),)


def refused(s: Subscription, fact: Fact, _now: datetime) -> Moved:
    """C5: refused for good."""
    assert isinstance(fact, IdentityRefused)
    if fact.session != s.identity.session:
        return s, ()
    return close(s, Ending.IDENTITY_REFUSED, session_ended=True)


def application(s: Subscription) -> Application:
    """Everything that the certificate request states."""
    assert s.identity.proven is not None
    assert s.identity.evidence is not None
    return Application(
        subscription=s.id, account=s.terms.account, identity=s.identity.proven, evidence=s.identity.evidence
    )


def identity_confirmed(s: Subscription, _fact: Fact, now: datetime) -> Moved:
    """C6: what was read is right: make the request."""
    identity = evolve(s.identity, confirmed_at=now)
    return moved(s, Stage.PREPARING_REQUEST, identity=identity), (PrepareRequest(application=application(s)),)
