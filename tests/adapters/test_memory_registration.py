"""The trust provider in memory keeps the port's promises."""

from __future__ import annotations

from typing import Final

from qcp_sdk.adapters.memory import registration as fake
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.ports.registration import Registration
from qcp_sdk.testing.conformance.registration import Ending, RegistrationConformance
from qcp_sdk.values import SessionId

SCRIPTS: Final = {
    Ending.ISSUED: fake.issue(),
    Ending.ATTESTED: fake.attest(),
    Ending.REFUSED: fake.refuse(),
    Ending.EXPIRED: fake.expire(),
}


class TestMemoryRegistration(RegistrationConformance):
    def make_registration(self) -> fake.MemoryRegistration:
        return fake.MemoryRegistration(authority=MemoryAuthority(clock=self.clock), clock=self.clock)

    def complete(self, registration: Registration, session: SessionId) -> None:
        assert isinstance(registration, fake.MemoryRegistration)
        registration.complete(session)

    def play(self, registration: Registration, session: SessionId, ending: Ending) -> None:
        assert isinstance(registration, fake.MemoryRegistration)
        registration.script(session, SCRIPTS[ending])
