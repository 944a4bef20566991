"""Wrong adapters of the port `identity`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import logging
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.identity import MemoryIdentity, approve, fraud, refuse, retry
from qcp_sdk.ports.answers import Pending
from qcp_sdk.subscription.facts import IdentityAbandoned, IdentityApproved
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


@pytest.mark.caught_by("test_identity_15_a_key_is_not_reused")
@pytest.mark.caught_by("test_identity_18_any_history_keeps_its_word")
class OpensByKeyOnly(IdentitySuite):
    class Adapter(MemoryIdentity):
        def open(self, *, key, **rest):
            kept = self.__dict__.setdefault("opened_by", {})
            if key not in kept:
                kept[key] = super().open(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_identity_16_sessions_prove_their_own_person")
class FilesEverybodyAlike(IdentitySuite):
    class Adapter(MemoryIdentity):
        def ask(self, *, session):
            told = super().ask(session=session)
            if not isinstance(told, IdentityApproved):
                return told
            return evolve(told, evidence=evolve(told.evidence, reference="proof"))


@pytest.mark.caught_by("test_identity_13_sessions_do_not_mix")
@pytest.mark.caught_by("test_identity_18_any_history_keeps_its_word")
class AnswersWithTheLastVerdict(IdentitySuite):
    class Adapter(MemoryIdentity):
        last: Any = None

        def ask(self, *, session):
            told = super().ask(session=session)
            if isinstance(told, Pending) and self.last is not None:
                return self.last
            self.last = told if not isinstance(told, Pending) else self.last
            return told


@pytest.mark.caught_by("test_identity_4_nothing_is_told_before_the_capture")
@pytest.mark.caught_by("test_identity_18_any_history_keeps_its_word")
class AbandonsTheSlow(IdentitySuite):
    class Adapter(MemoryIdentity):
        def ask(self, *, session):
            told = super().ask(session=session)
            return IdentityAbandoned(session=session) if isinstance(told, Pending) else told


@pytest.mark.caught_by("test_identity_17_nobody_is_named_aloud")
class LogsPeople(IdentitySuite):
    class Adapter(MemoryIdentity):
        def open(self, *, person, **rest):
            logging.getLogger(__name__).info("opening for %s", person.mobile.text)
            return super().open(person=person, **rest)
