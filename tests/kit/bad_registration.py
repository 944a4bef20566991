"""Wrong adapters of the port `registration`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory import registration as registrations
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.subscription.facts import RegistrationExpired
from qcp_sdk.testing.conformance import registration as registration_suite


class RegistrationSuite(registration_suite.RegistrationConformance):
    Adapter: type[registrations.MemoryRegistration] = registrations.MemoryRegistration

    def make_registration(self) -> registrations.MemoryRegistration:
        return self.Adapter(authority=MemoryAuthority(clock=self.clock), clock=self.clock)

    def complete(self, registration: Any, session: Any) -> None:
        registration.complete(session)

    def play(self, registration: Any, session: Any, ending: registration_suite.Ending) -> None:
        made = (registrations.issue(), registrations.attest(), registrations.refuse(), registrations.expire())
        registration.script(session, dict(zip(registration_suite.Ending, made, strict=True))[ending])


@pytest.mark.caught_by("test_registration_10_a_certificate_before_the_close_wins")
@pytest.mark.caught_by("test_registration_9_one_never_opened_can_be_closed")
@pytest.mark.caught_by("test_registration_8_closing_ends_it")
class ClosesWithoutLooking(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def close(self, *, key, opened_by, session):
            return RegistrationExpired(session=session)
