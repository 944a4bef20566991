"""A simulated identity provider whose sessions outlive the process; for development, demonstration and tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from qcp_sdk.adapters.shared.simulation.identity import (
    SESSION_LIFE,
    VERDICT_AFTER,
    IdentityDesk,
    IdentityScript,
    IdentitySession,
    abandon,
    approve,
    data_changed,
    fraud,
    refuse,
    retry,
    silence,
    specimen,
)
from qcp_sdk.adapters.shared.simulation.sql_book import SqlBook
from qcp_sdk.ports.clock import Clock

__all__ = [
    "IdentityScript",
    "IdentitySession",
    "SimulatedIdentity",
    "abandon",
    "approve",
    "data_changed",
    "fraud",
    "refuse",
    "retry",
    "silence",
    "specimen",
]


class SimulatedIdentity(IdentityDesk):
    """Opens sessions, waits for a capture, takes its time and answers as scripted. Needs the extra `sql`.

    `place` is its SQLite file, a folder for one, or an engine. `script` says how a session (or every other one)
    ends, `capture` is what the person's phone does. Sessions wait at `base_url/<session>`.
    """

    def __init__(
        self,
        place: sa.Engine | Path,
        *,
        clock: Clock,
        verdict_after: timedelta = VERDICT_AFTER,
        session_life: timedelta = SESSION_LIFE,
        base_url: str = "https://identity.simulated.invalid",
        provider: str = "Simulated identity provider",
    ) -> None:
        super().__init__(
            SqlBook(place),
            clock=clock,
            verdict_after=verdict_after,
            session_life=session_life,
            base_url=base_url,
            provider=provider,
        )
