"""The identity provider in memory keeps the port's promises."""

from __future__ import annotations

from typing import Final

from qcp_sdk.adapters.memory import identity as fake
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.testing.conformance.identity import Ending, IdentityConformance
from qcp_sdk.values import SessionId

SCRIPTS: Final = {
    Ending.APPROVED: fake.approve(),
    Ending.RETRYABLE: fake.retry(),
    Ending.REFUSED: fake.refuse(),
    Ending.FRAUD: fake.fraud(),
}


class TestMemoryIdentity(IdentityConformance):
    def make_identity(self) -> fake.MemoryIdentity:
        return fake.MemoryIdentity(clock=self.clock)

    def capture(self, identity: IdentityVerification, session: SessionId) -> None:
        assert isinstance(identity, fake.MemoryIdentity)
        identity.capture(session)

    def play(self, identity: IdentityVerification, session: SessionId, ending: Ending) -> None:
        assert isinstance(identity, fake.MemoryIdentity)
        identity.script(session, SCRIPTS[ending])
