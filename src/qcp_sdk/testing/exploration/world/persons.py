"""What persons and hosts say in the world of a subscription."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve

from qcp_sdk.facts import Cancelled, CodeEntered, CodeRequested, Fact
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.subscription.state import CONSENTS, Subscription
from qcp_sdk.testing.exploration.subscription import BLINK, FIRST, NOW, SHOWN
from qcp_sdk.testing.exploration.world.providers import Providers

MOST_CODES: Final = 2
"""Codes that a person asks for at one stage."""


def said(s: Subscription, p: Providers) -> Iterator[tuple[str, Fact, datetime]]:
    """Give what a person, or the host, may say now."""
    match s.stage:
        case Stage.VERIFYING_EMAIL | Stage.SIGNING_REQUEST:
            yield from _codes(s, p)
        case Stage.CONFIRMING_DETAILS:
            yield "person details_confirmed", sf.DetailsConfirmed(), NOW
        case Stage.CONSENTING:
            for text in CONSENTS:
                yield f"person consent_given {text}", sf.ConsentGiven(text=text, version="1", hash=SHOWN), NOW
        case Stage.CONFIRMING_IDENTITY:
            yield "person identity_confirmed", sf.IdentityConfirmed(), NOW
        case Stage.READING_REQUEST:
            yield "person request_accepted", sf.RequestAccepted(hash=SHOWN), NOW
        case Stage.AWAITING_CERTIFICATE:
            settled = sf.SettledByOperator(evidence="e", by="o", certificate=None)
            yield "host settled_by_operator none", settled, NOW
            if p.request == "issued":
                yield "host settled_by_operator issued", evolve(settled, certificate=FIRST), NOW
        case Stage.ACTIVE:
            yield "host revocation_ordered", sf.RevocationOrdered(reason="r", by="o"), NOW
        case _:
            pass
    if s.stage in (Stage.ACTIVE, Stage.REVOKING) and s.certificate is None:
        yield "host end_reported", sf.EndReported(revoked=True, at=NOW, evidence="e", by="o"), NOW
    if s.stage in FRAUD:
        yield "host fraud_reported", sf.FraudReported(reason="r", by="o"), NOW
    yield "person cancelled", Cancelled(), NOW


FRAUD: Final = frozenset(
    {
        Stage.AWAITING_CERTIFICATE,
        Stage.OPENING_REGISTRATION,
        Stage.REGISTERING,
        Stage.ACTIVE,
        Stage.REVOKING,
    }
)
"""Where a suspicion is more than another cause to close."""


def _codes(s: Subscription, p: Providers) -> Iterator[tuple[str, Fact, datetime]]:
    codes = s.codes
    challenge = codes.challenge
    if len(codes.requested) < MOST_CODES:
        last = codes.requested[-1] if codes.requested else NOW - timedelta(hours=1)
        yield "person code_requested", CodeRequested(), max(NOW, last + timedelta(seconds=30))
    if challenge is None or challenge.matched:
        return
    if p.delivered == challenge.id:
        right = CodeEntered(challenge=challenge.id, matched=True)
        yield "person code_entered right", right, challenge.not_after - BLINK
    if challenge.wrong == 0:
        wrong = CodeEntered(challenge=challenge.id, matched=False)
        yield "person code_entered wrong", wrong, challenge.not_after - BLINK
