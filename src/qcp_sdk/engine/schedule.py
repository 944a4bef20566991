"""When to ask again. Deterministic: the jitter is derived from the key and the attempt, not drawn."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Final

from qcp_sdk.values import Key

FIRST: Final = timedelta(seconds=30)
LONGEST: Final = timedelta(minutes=15)
SILENT_AFTER: Final = frozenset({12, 24, 48, 96, 192, 384, 768})
"""Attempts at which a collaborator that has not answered is called silent: after about two hours, and ever rarer."""
LEFT: Final = timedelta(seconds=30)
"""How long what a newer release wrote is left to it, before it is looked at again."""
MOST_FAULTS: Final = 8
"""Attempts after which an effect whose adapter fails in a way it should not is parked."""


def backoff(key: Key, attempts: int) -> timedelta:
    """Give how long to wait after this many attempts: 30 s doubling to 15 minutes, each ± 20 %.

    Two keys that failed together do not come back together.
    """
    return spread(_doubled(attempts - 1), key, attempts)


def spread(planned: timedelta, key: str, attempts: int) -> timedelta:
    """Give a wait ± 20 %, always the same for one key and attempt."""
    digest = hashlib.sha256(f"{key}#{attempts}".encode()).digest()
    return planned * (0.8 + 0.4 * digest[0] / 255)


def poll(attempts: int) -> timedelta:
    """Give how long to wait before asking again for an answer that is not in: 30 s four times, then doubling."""
    return _doubled(attempts - 4)


def _doubled(times: int) -> timedelta:
    factor: int = 1 << min(max(times, 0), 10)
    return min(FIRST * factor, LONGEST)
