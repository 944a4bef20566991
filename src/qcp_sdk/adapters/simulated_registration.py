"""A simulated trust provider for the hosted plan, whose registrations outlive the process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from qcp_sdk.adapters.shared.simulation.identity import SESSION_LIFE, VERDICT_AFTER
from qcp_sdk.adapters.shared.simulation.registration import (
    RegistrationDesk,
    RegistrationScript,
    RegistrationSession,
    attest,
    expire,
    issue,
    refuse,
    silence,
)
from qcp_sdk.adapters.shared.simulation.sql_book import SqlBook
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.clock import Clock

__all__ = [
    "RegistrationScript",
    "RegistrationSession",
    "SimulatedRegistration",
    "attest",
    "expire",
    "issue",
    "refuse",
    "silence",
]


class SimulatedRegistration(RegistrationDesk):
    """Registers people on pages of its own and issues through `authority`. Needs the extra `sql`.

    `place` is its SQLite file, a folder for one, or an engine. `script` says how a registration (or every other
    one) ends, `complete` is what the person does on the provider's pages, which wait at `base_url/<session>`.
    """

    def __init__(
        self,
        place: sa.Engine | Path,
        *,
        authority: CertificateAuthority,
        clock: Clock,
        verdict_after: timedelta = VERDICT_AFTER,
        session_life: timedelta = SESSION_LIFE,
        base_url: str = "https://registration.simulated.invalid",
        provider: str = "Simulated trust provider",
    ) -> None:
        super().__init__(
            SqlBook(place),
            authority=authority,
            clock=clock,
            verdict_after=verdict_after,
            session_life=session_life,
            base_url=base_url,
            provider=provider,
        )
