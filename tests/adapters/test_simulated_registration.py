"""The simulated trust provider keeps the port's promises, and its word across restarts."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from qcp_sdk.adapters import simulated_registration as simulated
from qcp_sdk.adapters.memory import authority as ca
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.registration import Registration
from qcp_sdk.subscription.facts import CertificateAttested, CertificateIssued, RegistrationExpired, RegistrationRefused
from qcp_sdk.testing.conformance.examples import START, account, identity
from qcp_sdk.testing.conformance.registration import Ending, RegistrationConformance
from qcp_sdk.values import Key, PersonName, SessionId, SubscriptionId

SCRIPTS: Final = {
    Ending.ISSUED: simulated.issue(),
    Ending.ATTESTED: simulated.attest(),
    Ending.REFUSED: simulated.refuse(),
    Ending.EXPIRED: simulated.expire(),
}
OPENING: Final = Key("subscription-0/7/0")
CLOSING: Final = Key("subscription-0/9/0")


class TestSimulatedRegistration(RegistrationConformance):
    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_registration(self) -> simulated.SimulatedRegistration:
        self.place, self.authority = self.folder / str(next(self.made)), ca.MemoryAuthority(clock=self.clock)
        return simulated.SimulatedRegistration(self.place, authority=self.authority, clock=self.clock)

    def restarted(self, registration: Registration) -> simulated.SimulatedRegistration:
        return simulated.SimulatedRegistration(self.place, authority=self.authority, clock=self.clock)

    def complete(self, registration: Registration, session: SessionId) -> None:
        assert isinstance(registration, simulated.SimulatedRegistration)
        registration.complete(session)

    def play(self, registration: Registration, session: SessionId, ending: Ending) -> None:
        assert isinstance(registration, simulated.SimulatedRegistration)
        registration.script(session, SCRIPTS[ending])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def authority(clock: ManualClock) -> ca.MemoryAuthority:
    return ca.MemoryAuthority(clock=clock)


@pytest.fixture
def registration(tmp_path: Path, clock: ManualClock, authority: ca.MemoryAuthority) -> simulated.SimulatedRegistration:
    return simulated.SimulatedRegistration(tmp_path, authority=authority, clock=clock)


def opened(registration: simulated.SimulatedRegistration) -> SessionId:
    return registration.open(key=OPENING, subscription=SubscriptionId("subscription-0"), person=account()).session


def test_another_process_finds_the_certificate(
    tmp_path: Path,
    clock: ManualClock,
    authority: ca.MemoryAuthority,
    registration: simulated.SimulatedRegistration,
) -> None:
    session = opened(registration)
    registration.complete(session, identity(account()))
    clock.advance(timedelta(minutes=4))
    told = registration.ask(session=session)
    again = simulated.SimulatedRegistration(tmp_path, authority=authority, clock=clock)
    assert isinstance(told, CertificateIssued)
    assert again.ask(session=session) == told
    assert len(authority.holdings(account=account())) == 1


def test_an_attested_certificate_exists(
    clock: ManualClock, authority: ca.MemoryAuthority, registration: simulated.SimulatedRegistration
) -> None:
    session = opened(registration)
    registration.script(None, simulated.attest())
    registration.complete(session)
    clock.advance(timedelta(minutes=4))
    assert isinstance(registration.ask(session=session), CertificateAttested)
    assert len(authority.holdings(account=account())) == 1


def test_another_name_on_the_document_is_refused_and_nothing_is_issued(
    clock: ManualClock, authority: ca.MemoryAuthority, registration: simulated.SimulatedRegistration
) -> None:
    session = opened(registration)
    shown = evolve(identity(account()), name=PersonName(given="Élodie", last="Durand"))
    registration.complete(session, shown)
    clock.advance(timedelta(minutes=4))
    assert registration.ask(session=session) == RegistrationRefused(session=session, reason="name_mismatch")
    assert authority.holdings(account=account()) == ()


def test_what_the_authority_refuses_is_refused(
    clock: ManualClock, authority: ca.MemoryAuthority, registration: simulated.SimulatedRegistration
) -> None:
    authority.script(None, ca.refuse("not_eligible"))
    session = opened(registration)
    registration.complete(session)
    clock.advance(timedelta(minutes=4))
    assert registration.ask(session=session) == RegistrationRefused(session=session, reason="not_eligible")


def test_a_close_waits_for_an_authority_that_has_the_request(
    clock: ManualClock, authority: ca.MemoryAuthority, registration: simulated.SimulatedRegistration
) -> None:
    authority.script(None, ca.issue(after=timedelta(hours=1)))
    session = opened(registration)
    registration.complete(session)
    clock.advance(timedelta(minutes=4))
    assert isinstance(registration.ask(session=session), Pending)
    with pytest.raises(Unavailable):
        registration.close(key=CLOSING, opened_by=OPENING, session=session)
    clock.advance(timedelta(hours=1))
    closed = registration.close(key=CLOSING, opened_by=OPENING, session=session)
    assert isinstance(closed, CertificateIssued)
    assert registration.ask(session=session) == closed


def test_a_close_before_the_verdict_is_due_wins(
    clock: ManualClock, authority: ca.MemoryAuthority, registration: simulated.SimulatedRegistration
) -> None:
    session = opened(registration)
    registration.complete(session)
    clock.advance(timedelta(minutes=3))
    assert registration.close(key=CLOSING, opened_by=OPENING, session=session) == RegistrationExpired(session=session)
    clock.advance(timedelta(minutes=3))
    assert registration.ask(session=session) == RegistrationExpired(session=session)
    assert authority.holdings(account=account()) == ()


def test_silence_has_no_end_but_a_close(clock: ManualClock, registration: simulated.SimulatedRegistration) -> None:
    session = opened(registration)
    registration.script(session, simulated.silence())
    registration.complete(session)
    clock.advance(timedelta(days=300))
    assert isinstance(registration.ask(session=session), Pending)
    assert registration.close(key=CLOSING, opened_by=OPENING, session=session) == RegistrationExpired(session=session)


def test_openings_can_be_rejected(registration: simulated.SimulatedRegistration) -> None:
    registration.reject_openings("unsupported_country")
    with pytest.raises(Rejected) as told:
        opened(registration)
    assert told.value.reason == "unsupported_country"
    assert registration.sessions() == ()


def test_everything_simulated_says_so() -> None:
    assert simulated.SimulatedRegistration.simulated
