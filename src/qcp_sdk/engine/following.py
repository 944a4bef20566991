"""Following a certificate at its authority for as long as it lives.

Kept out of TRANSITIONS on purpose (docs/decisions/0024): asking changes nothing, so it is no row, and every state of
the machines stays as it was explored. What the asking finds out is a fact that has its rows: `CertificateRevoked`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from qcp_sdk.effects import Effect
from qcp_sdk.engine import schedule
from qcp_sdk.facts import Fact
from qcp_sdk.subscription import machine
from qcp_sdk.subscription.effects import CheckStatus
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Key

SOONER: Final = 8
"""Into how many parts the interval is cut while the authority does not answer: an outage must not become a storm."""
OFTENEST: Final = timedelta(minutes=5)
RAREST: Final = timedelta(days=366)


def interval(s: Subscription) -> timedelta | None:
    """Give how often to ask for the status of this subscription's certificate; None: never."""
    every = s.terms.waits.status
    return None if every is None else min(max(every, OFTENEST), RAREST)


def step(s: Subscription | None, fact: Fact, now: datetime) -> tuple[Subscription, tuple[Effect, ...]]:
    """Fold a fact as the machine does; where it brings a certificate, have its status asked for from then on."""
    after, effects = machine.step(s, fact, now)
    certificate = after.certificate
    if certificate is None or (s is not None and s.certificate is not None):
        return after, effects
    every = interval(after)
    if every is None:
        return after, effects
    first = now + schedule.spread(every, Key(after.id), 0)
    return after, (*effects, CheckStatus(at=first, fingerprint=certificate.fingerprint))
