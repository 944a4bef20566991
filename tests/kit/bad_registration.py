"""Wrong adapters of the port `registration`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory import registration as registrations
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.answers import Pending
from qcp_sdk.subscription.facts import CertificateAttested, RegistrationExpired
from qcp_sdk.testing.conformance import registration as registration_suite
from qcp_sdk.values import Key


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


@pytest.mark.caught_by("test_registration_2_a_key_opens_one")
@pytest.mark.caught_by("test_registration_17_any_history_keeps_its_word")
class ForgetsItsKeys(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def open(self, *, key, **rest):
            self.times = getattr(self, "times", 0) + 1
            return super().open(key=Key(f"{key}#{self.times}"), **rest)


@pytest.mark.caught_by("test_registration_14_a_key_is_not_reused")
@pytest.mark.caught_by("test_registration_17_any_history_keeps_its_word")
class OpensByKeyOnly(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def open(self, *, key, **rest):
            kept = self.__dict__.setdefault("opened", {})
            if key not in kept:
                kept[key] = super().open(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_registration_5_an_end_never_changes", ending=registration_suite.Ending.REFUSED)
@pytest.mark.caught_by("test_registration_17_any_history_keeps_its_word")
class ForgetsEndsInAWeek(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def ask(self, *, session):
            told = super().ask(session=session)
            (opened,) = (one for one in self.sessions() if one.id == session)
            late = self._clock.now() >= opened.expires
            return RegistrationExpired(session=session) if late and not isinstance(told, Pending) else told


@pytest.mark.caught_by("test_registration_3_nothing_is_told_before_the_end")
class ConfirmsBeforeItHappened(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def ask(self, *, session):
            told = super().ask(session=session)
            if not isinstance(told, Pending):
                return told
            return CertificateAttested(
                provider="Exemple",
                level=CertificateLevel.QCP_N,
                matched=("name", "email", "mobile"),
                at=self._clock.now(),
            )


@pytest.mark.caught_by("test_registration_7_an_unknown_session_is_rejected")
@pytest.mark.caught_by("test_registration_13_only_port_errors_come_out")
class LeaksKeyErrors(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def ask(self, *, session):
            return {one.id: Pending() for one in self.sessions()}[session]


@pytest.mark.caught_by("test_registration_6_an_attestation_says_what_was_compared")
class ComparesNoMobile(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def ask(self, *, session):
            told = super().ask(session=session)
            return evolve(told, matched=("name", "email")) if isinstance(told, CertificateAttested) else told


@pytest.mark.caught_by("test_registration_15_registrations_do_not_mix")
class CertifiesWhoeverCameFirst(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def open(self, *, person, **rest):
            self.first = getattr(self, "first", person)
            return super().open(person=self.first, **rest)


@pytest.mark.caught_by("test_registration_11_an_unused_one_runs_out")
class NeverRunsOut(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def ask(self, *, session):
            told = super().ask(session=session)
            return Pending() if isinstance(told, RegistrationExpired) else told


@pytest.mark.caught_by("test_registration_16_nobody_is_named_aloud")
class NamesWhomItRefuses(RegistrationSuite):
    class Adapter(registrations.MemoryRegistration):
        def open(self, *, person, **rest):
            try:
                return super().open(person=person, **rest)
            except Rejected as refusal:
                raise Rejected(f"not {person.name.full}", reason=refusal.reason) from refusal
