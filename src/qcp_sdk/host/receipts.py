"""What gateways say afterwards: a message that was taken did not arrive."""

from __future__ import annotations

from typing import Final

from qcp_sdk.engine.core import Engine
from qcp_sdk.errors import NotFound
from qcp_sdk.facts import CodeRequested, CodeUndeliverable
from qcp_sdk.host.records import Records
from qcp_sdk.subscription.state import Subscription
from qcp_sdk.values import Key

UNDELIVERED: Final = "undeliverable"


def undelivered(engine: Engine, *, key: Key, reason: str = UNDELIVERED) -> bool:
    """Record that the code of this key did not arrive, so that the page can say so; give whether that changed anything.

    A receipt for a code that was superseded, for another kind of message, or for a stream that is not known, or was
    erased, changes nothing: gateways repeat themselves, and are late.
    """
    stream, _, rest = key.rpartition("/")[0].rpartition("/")
    if not stream or not rest.isdecimal():
        return False
    try:
        state = engine.streams.load(stream).state
    except NotFound:  # or erased since
        return False
    if not isinstance(state, Subscription):
        return False  # a ceremony's codes are the signer's: its own receipts are not ours
    asked = [one.sequence for one in Records(engine).history(stream) if isinstance(one.fact, CodeRequested)]
    challenge = state.codes.challenge
    if challenge is None or not asked or asked[-1] != int(rest):
        return False
    engine.record(stream, CodeUndeliverable(challenge=challenge.id, reason=reason))
    return True
