"""Wrong adapters of the port `identity`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.identity import MemoryIdentity, approve, fraud, refuse, retry
from qcp_sdk.ports.answers import Pending
from qcp_sdk.subscription.facts import IdentityAbandoned
from qcp_sdk.testing.conformance import identity as identity_suite
from qcp_sdk.values import Key


class IdentitySuite(identity_suite.IdentityConformance):
    Adapter: type[MemoryIdentity] = MemoryIdentity

    def make_identity(self) -> MemoryIdentity:
        return self.Adapter(clock=self.clock)

    def capture(self, identity: Any, session: Any) -> None:
        identity.capture(session)

    def play(self, identity: Any, session: Any, ending: identity_suite.Ending) -> None:
        scripts = dict(zip(identity_suite.Ending, (approve(), retry(), refuse(), fraud()), strict=True))
        identity.script(session, scripts[ending])


@pytest.mark.caught_by("test_identity_2_a_key_opens_one_session")
class ForgetsItsKeys(IdentitySuite):
    class Adapter(MemoryIdentity):
        opened = 0

        def open(self, *, key, **rest):
            self.opened += 1
            return super().open(key=Key(f"{key}#{self.opened}"), **rest)


@pytest.mark.caught_by("test_identity_1_opening_says_where_and_until_when")
class CountsAttemptsItself(IdentitySuite):
    class Adapter(MemoryIdentity):
        def open(self, **asked):
            return evolve(super().open(**asked), attempt=1)


@pytest.mark.caught_by("test_identity_7_a_verdict_never_changes", ending=identity_suite.Ending.APPROVED)
class TakesAVerdictBack(IdentitySuite):
    class Adapter(MemoryIdentity):
        cancelled = False

        def cancel(self, **asked):
            self.cancelled = True

        def ask(self, *, session):
            return IdentityAbandoned(session=session) if self.cancelled else super().ask(session=session)


@pytest.mark.caught_by("test_identity_9_an_unknown_session_is_rejected")
@pytest.mark.caught_by("test_identity_14_only_port_errors_come_out")
class LeaksKeyErrors(IdentitySuite):
    class Adapter(MemoryIdentity):
        def ask(self, *, session):
            return {one.id: Pending() for one in self.sessions()}[session]


@pytest.mark.caught_by("test_identity_11_a_cancelled_session_proves_nobody")
class IgnoresCancellations(IdentitySuite):
    class Adapter(MemoryIdentity):
        def cancel(self, **asked):
            pass
