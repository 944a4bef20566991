"""What a host should look at before people do: how an installation is put together, and how it stands. Asks nobody
outside; every finding says how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Final

from attrs import frozen

from qcp_sdk.errors import PortError, QcpError
from qcp_sdk.sdk import Qcp

OVERDUE: Final = timedelta(minutes=10)
"""How long something may be due before it is said that no worker runs."""
FEWEST: Final = 12
"""Different bytes in a good key of 32; one drawn at random has fewer once in ten billion times."""


class Grade(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"


@frozen(kw_only=True)
class Finding:
    """One thing to look at. `id` is stable (`qcp.E001`, `qcp.W003`); `E` is an error in production."""

    id: str
    what: str
    mend: str

    @property
    def grade(self) -> Grade:
        """How bad it is, by its id."""
        return Grade.ERROR if self.id.startswith("qcp.E") else Grade.WARNING


def configured(qcp: Qcp, *, webhooks: bool) -> Iterator[Finding]:
    """Say what is amiss with how it is put together. `webhooks`: whether a provider may post, with its secret."""
    ports = qcp.ports
    simulated = [role for role, adapter in ports.every() if getattr(adapter, "simulated", False)]
    if simulated:
        yield Finding(
            id="qcp.E001",
            what=f"simulated or local adapters are in use: {', '.join(simulated)}",
            mend="configure real ones, and build `Qcp` with production=True, which refuses these",
        )
    untimed = [
        f"envelopes[{route}]"
        for route, adapter in ports.envelopes.items()
        if getattr(adapter, "_timestamps", adapter) is None
    ]
    if untimed:
        yield Finding(
            id="qcp.E002",
            what=f"no timestamps are configured: {', '.join(untimed)}",
            mend="give the envelope `timestamps`, so that signatures outlive their certificates (PAdES B-T and above)",
        )
    for purpose in ("codes", "hand-off"):
        if len(set(ports.keys.derive(purpose=purpose))) < FEWEST:
            yield Finding(
                id="qcp.E003",
                what="the installation's keys are weak",
                mend="make a ring with `qcp-sdk keys new`: 32 random bytes each",
            )
            break
    if not webhooks and (ports.identities or ports.registrations):
        yield Finding(
            id="qcp.W001",
            what="no provider may post a webhook here: verdicts are found out by polling alone",
            mend="configure `WEBHOOKS` with each provider's secret",
        )


def standing(qcp: Qcp) -> Iterator[Finding]:
    """Say what is amiss with how it stands now: asks the store."""
    try:
        found = qcp.operations.standing()
    except PortError as error:
        yield Finding(id="qcp.E010", what=f"the store does not answer ({error.code})", mend="check the database")
        return
    except QcpError as error:  # a schema that is missing, a key that is no longer held
        yield Finding(id="qcp.E011", what=str(error), mend="run the migrations, and check the keys")
        return
    if found.age > OVERDUE:
        yield Finding(
            id="qcp.W010",
            what=f"{found.due} effects are due, the oldest for {int(found.age.total_seconds() // 60)} min",
            mend="start a worker (`qcp_work`, `flask qcp work`, `qcp-sdk work`), or more of them",
        )
    if found.parked:
        yield Finding(
            id="qcp.W011",
            what=f"{found.parked} effects wait for a person",
            mend="look at them (`qcp-sdk parked list`), then retry or settle each",
        )
