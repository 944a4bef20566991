"""The authority in memory keeps the port's promises, and follows its script."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qcp_sdk.adapters.memory import authority as fake
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.certificates import StatusKind, conformity
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending, CertificateRevoked
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.testing.conformance.examples import START, account, application, name_of
from qcp_sdk.values import Key, PersonName

REQUEST = name_of(b"the sealed request")


class TestMemoryAuthority(AuthorityConformance):
    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> fake.MemoryAuthority:
        authority = fake.MemoryAuthority(clock=self.clock)
        if refuses:
            authority.script(None, fake.refuse())
        if takes_time:
            authority.script(None, fake.issue(after=timedelta(minutes=30)))
        return authority


class TestMemoryAuthorityThatRevokesSlowly(TestMemoryAuthority):
    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> fake.MemoryAuthority:
        authority = super().make_authority(takes_time=takes_time, refuses=refuses)
        authority.delay_revocations(timedelta(minutes=30))
        return authority


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def authority(clock: ManualClock) -> fake.MemoryAuthority:
    return fake.MemoryAuthority(clock=clock)


def test_a_wrong_certificate_is_issued_when_scripted(authority: fake.MemoryAuthority, clock: ManualClock) -> None:
    asked_for = application()
    authority.script(
        asked_for.subscription,
        fake.issue_wrongly(level=CertificateLevel.LCP, name=PersonName(given="Quelqu’un", last="d’Autre")),
    )
    told = authority.submit(key=Key("subscription-0/14/0"), application=asked_for, request=REQUEST)
    assert isinstance(told, CertificateIssued)
    reasons = conformity(
        told.certificate, name=account().name, level=CertificateLevel.QCP_N, now=clock.now(), same_name=same_name
    )
    assert reasons == ("wrong_level", "name_differs")


def test_silence_never_decides(authority: fake.MemoryAuthority, clock: ManualClock) -> None:
    authority.script(None, fake.silence())
    told = authority.submit(key=Key("subscription-0/14/0"), application=application(), request=REQUEST)
    assert isinstance(told, CertificatePending)
    clock.advance(timedelta(days=400))
    assert isinstance(authority.ask(reference=told.reference), Pending)
    assert authority.outcome(key=Key("subscription-0/14/0")) == Outcome(kind=OutcomeKind.DONE, reference=told.reference)


def test_a_certificate_can_be_held_without_a_request(authority: fake.MemoryAuthority, clock: ManualClock) -> None:
    held = authority.issue_to(account(), valid_from=clock.now() - timedelta(days=4 * 365))
    assert authority.holdings(account=account()) == (held,)
    assert held.certificate.not_after < clock.now() + timedelta(days=400)
    assert held.status.kind is StatusKind.GOOD


def test_revocations_can_be_refused(authority: fake.MemoryAuthority) -> None:
    fingerprint = authority.issue_to(account()).certificate.fingerprint
    authority.refuse_revocations("closed_today")
    with pytest.raises(Rejected) as told:
        authority.revoke(key=Key("subscription-0/18/0"), fingerprint=fingerprint, reason="superseded")
    assert told.value.reason == "closed_today"
    assert authority.outcome(key=Key("subscription-0/18/0")).kind is OutcomeKind.REFUSED
    authority.refuse_revocations("")
    again = authority.revoke(key=Key("subscription-0/19/0"), fingerprint=fingerprint, reason="superseded")
    assert isinstance(again, CertificateRevoked)


@pytest.mark.parametrize("level", list(CertificateLevel))
def test_each_level_is_read_back_from_the_certificate(level: CertificateLevel, clock: ManualClock) -> None:
    held = fake.MemoryAuthority(clock=clock, level=level).issue_to(account())
    assert held.certificate.level is level
