"""The trust centre as a certificate authority."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from cryptography.x509 import ocsp

from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.certificates import CertificateStatus, StatusKind, conformity, read
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.identity import Proofing
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.ports.answers import Outcome, OutcomeKind, Pending
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.subscription.effects import Application
from qcp_sdk.subscription.facts import CertificateIssued, CertificatePending, CertificateRefused
from qcp_sdk.values import ContentHash, Fingerprint, Key, PersonName, Secret

if TYPE_CHECKING:
    from tests.adapters.local_trust_centre.conftest import World

LCP, QCP_N = CertificateLevel.LCP, CertificateLevel.QCP_N
KEY = Key("subscription/17/0")


def test_a_qualified_certificate_is_what_was_asked_for(world: World) -> None:
    certificate = world.issue()
    account, now = world.person(), world.clock.now()
    assert conformity(certificate, name=account.name, level=QCP_N, now=now, same_name=same_name) == ()
    assert certificate.policies[0] == "0.4.0.194112.1.0"
    assert certificate.emails == (account.email,)
    assert [language for language, _ in certificate.qc.disclosure] == ["en", "fr"]
    assert all(url.startswith("https://") for _, url in certificate.qc.disclosure)
    assert not certificate.qc.qscd
    assert certificate.qc.legislation == ()
    assert certificate.key_usage == {"non_repudiation"}
    assert certificate.not_before < now
    assert certificate.not_after.replace(year=2026) == certificate.not_before - timedelta(seconds=1)
    assert certificate.not_after.year == 2031


def test_a_pre_existing_lcp_certificate(world: World) -> None:
    holding = world.centre.enrol(world.person())
    assert holding.certificate.level is LCP
    assert holding.certificate.qc.others == holding.certificate.qc.types == ()
    assert (holding.email, holding.mobile) == (world.person().email, world.person().mobile)
    assert world.centre.authority(LCP).holdings(account=world.person()) == (holding,)
    assert world.centre.authority(QCP_N).holdings(account=world.person()) == ()


def test_every_name_says_test(world: World) -> None:
    made = world.centre.certificates()
    for der in (
        world.issue().der,
        made.root,
        made.qcp,
        made.timestamps,
        made.seal,
        world.centre.operator().certificate,
    ):
        certificate = read(der)
        assert "TEST" in certificate.subject
        assert "TEST" in certificate.issuer


def test_a_very_long_name_still_says_test(world: World) -> None:
    account = evolve(world.person(), name=PersonName(given="É" * 120, last="Z" * 120))
    certificate = world.centre.enrol(account, level=QCP_N).certificate
    assert certificate.common_name == "É" * 28 + " (TEST)"  # 64 bytes at most
    assert certificate.name == account.name


def test_the_serial_number_tells_people_apart_and_nothing_else(world: World) -> None:
    first, renewed, other = (world.centre.enrol(world.person(number)).certificate for number in (0, 0, 1))
    assert first.subject_serial == renewed.subject_serial != other.subject_serial
    assert first.subject_serial.startswith("TS:FR-")
    assert "account" not in first.subject_serial.lower()
    assert first.serial != renewed.serial
    assert read(first.der).fingerprint != renewed.fingerprint


def test_the_same_key_issues_once_even_in_another_process(world: World) -> None:
    first = world.centre.authority(QCP_N).submit(key=KEY, application=world.application(), request=world.request)
    again = world.reopened()
    assert (
        again.centre.authority(QCP_N).submit(key=KEY, application=world.application(), request=world.request) == first
    )
    assert len(again.centre.authority(QCP_N).holdings(account=world.person())) == 1
    with pytest.raises(Rejected) as refused:
        again.centre.authority(QCP_N).submit(key=KEY, application=world.application(1), request=world.request)
    assert refused.value.reason == "key_reused"


def test_a_hundred_callers_with_one_key_get_one_certificate(world: World) -> None:
    authority = world.centre.authority(QCP_N)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda _: authority.submit(key=KEY, application=world.application(), request=world.request), range(40)
            )
        )
    assert answers == [answers[0]] * 40
    assert len(authority.holdings(account=world.person())) == 1


def test_a_slow_authority_is_pending_until_its_time(world: World) -> None:
    authority = world.centre.authority(QCP_N, decision_after=timedelta(minutes=5))
    pending = authority.submit(key=KEY, application=world.application(), request=world.request)
    assert isinstance(pending, CertificatePending)
    world.clock.advance(timedelta(minutes=4, seconds=59))
    assert isinstance(authority.ask(reference=pending.reference), Pending)
    assert authority.holdings(account=world.person()) == ()
    world.clock.advance(timedelta(seconds=1))
    issued = world.reopened().centre.authority(QCP_N).ask(reference=pending.reference)
    assert isinstance(issued, CertificateIssued)
    assert (
        conformity(
            issued.certificate, name=world.person().name, level=QCP_N, now=world.clock.now(), same_name=same_name
        )
        == ()
    )
    world.clock.advance(timedelta(days=1))
    assert authority.ask(reference=pending.reference) == issued
    assert authority.submit(key=KEY, application=world.application(), request=world.request) == pending
    assert authority.outcome(key=KEY) == Outcome(kind=OutcomeKind.DONE, reference=pending.reference)


def test_references_are_of_one_authority(world: World) -> None:
    pending = world.centre.authority(QCP_N, decision_after=timedelta(1)).submit(
        key=KEY, application=world.application(), request=world.request
    )
    assert isinstance(pending, CertificatePending)
    for authority, reference in ((LCP, pending.reference), (QCP_N, "nothing")):
        with pytest.raises(Rejected) as refused:
            world.centre.authority(authority).ask(reference=reference)
        assert refused.value.reason == "unknown_reference"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda told: evolve(told, evidence=evolve(told.evidence, proofing=Proofing.NONE)), "proofing_too_low"),
        (lambda told: evolve(told, identity=evolve(told.identity, valid_until=date(2026, 3, 1))), "document_expired"),
        (
            lambda told: evolve(
                told, identity=evolve(told.identity, name=PersonName(given="Jeanne", last="D'Œuvrard-Nuñez"))
            ),
            "identity_mismatch",
        ),
    ],
)
def test_what_an_authority_checks_itself(
    world: World, change: Callable[[Application], Application], reason: str
) -> None:
    authority = world.centre.authority(QCP_N)
    answer = authority.submit(key=KEY, application=change(world.application()), request=world.request)
    assert answer == CertificateRefused(reason=reason)
    assert authority.outcome(key=KEY) == Outcome(kind=OutcomeKind.REFUSED, reason=reason)
    assert authority.holdings(account=world.person()) == ()


def test_a_scripted_refusal_meets_the_next_application_only(world: World) -> None:
    world.centre.refuse_next("not_eligible")
    authority = world.reopened().centre.authority(QCP_N)
    refused = CertificateRefused(reason="not_eligible")
    assert authority.submit(key=KEY, application=world.application(), request=world.request) == refused
    assert authority.submit(key=KEY, application=world.application(), request=world.request) == refused
    assert world.issue(1).level is QCP_N


def test_a_slow_authority_refuses_in_its_time_too(world: World) -> None:
    world.centre.refuse_next("not_eligible")
    authority = world.centre.authority(QCP_N, decision_after=timedelta(minutes=5))
    pending = authority.submit(key=KEY, application=world.application(), request=world.request)
    assert isinstance(pending, CertificatePending)
    assert isinstance(authority.ask(reference=pending.reference), Pending)
    world.clock.advance(timedelta(minutes=5))
    assert authority.ask(reference=pending.reference) == CertificateRefused(reason="not_eligible")


@pytest.mark.parametrize("country", ["", "FRA", "F1", "É!"])
def test_an_unreadable_application_is_rejected_and_stays_so(world: World, country: str) -> None:
    told = evolve(world.application(), identity=evolve(world.application().identity, issuing_country=country))
    authority = world.centre.authority(QCP_N)
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            authority.submit(key=KEY, application=told, request=world.request)
        assert refused.value.reason == "malformed"
    assert authority.outcome(key=KEY) == Outcome(kind=OutcomeKind.REFUSED, reason="malformed")


def test_a_request_that_is_no_document_is_rejected(world: World) -> None:
    with pytest.raises(Rejected) as refused:
        world.centre.authority(QCP_N).submit(key=KEY, application=world.application(), request=ContentHash("md5:0"))
    assert refused.value.reason == "malformed"


def test_revoking_is_for_good_and_the_first_instant_counts(world: World) -> None:
    certificate, authority = world.issue(), world.centre.authority(QCP_N)
    assert authority.status(fingerprint=certificate.fingerprint).kind is StatusKind.GOOD
    revoked = authority.revoke(key=Key("r/1/0"), fingerprint=certificate.fingerprint, reason="key_compromise")
    assert revoked.at == world.clock.now().replace(microsecond=0)
    world.clock.advance(timedelta(days=1))
    later = authority.revoke(key=Key("r/2/0"), fingerprint=certificate.fingerprint, reason="superseded")
    assert (
        later
        == revoked
        == authority.revoke(key=Key("r/1/0"), fingerprint=certificate.fingerprint, reason="key_compromise")
    )
    status = CertificateStatus(
        kind=StatusKind.REVOKED, checked_at=world.clock.now(), revoked_at=revoked.at, reason="key_compromise"
    )
    assert authority.status(fingerprint=certificate.fingerprint) == status
    (holding,) = world.reopened().centre.authority(QCP_N).holdings(account=world.person())
    assert holding.status == status
    assert authority.outcome(key=Key("r/1/0")) == Outcome(kind=OutcomeKind.DONE, reference=revoked.at.isoformat())


@pytest.mark.parametrize(
    ("reason", "later", "refused_for"),
    [
        ("certificate_hold", timedelta(0), "reason_refused"),
        ("ca_compromise", timedelta(0), "reason_refused"),
        ("", timedelta(0), "reason_refused"),
        ("key_compromise", timedelta(days=5 * 366), "expired"),
    ],
)
def test_what_is_not_revoked(world: World, reason: str, later: timedelta, refused_for: str) -> None:
    certificate, authority = world.issue(), world.centre.authority(QCP_N)
    world.clock.advance(later)
    for _ in range(2):
        with pytest.raises(Rejected) as refused:
            authority.revoke(key=KEY, fingerprint=certificate.fingerprint, reason=reason)
        assert refused.value.reason == refused_for
    assert authority.status(fingerprint=certificate.fingerprint).kind is StatusKind.GOOD
    assert authority.outcome(key=KEY) == Outcome(kind=OutcomeKind.REFUSED, reason=refused_for)


def test_an_authority_knows_only_its_own(world: World) -> None:
    certificate = world.issue()
    seal, _ = world.centre.seal_credential()
    for level, fingerprint in (
        (LCP, certificate.fingerprint),
        (LCP, seal.fingerprint),
        (QCP_N, Fingerprint("00" * 32)),
    ):
        authority = world.centre.authority(level)
        assert authority.status(fingerprint=fingerprint).kind is StatusKind.UNKNOWN
        with pytest.raises(Rejected) as refused:
            authority.revoke(key=Key(f"r/{level}/{fingerprint}"), fingerprint=fingerprint, reason="superseded")
        assert refused.value.reason == "unknown_certificate"
    assert world.centre.authority(QCP_N).outcome(key=Key("never")).kind is OutcomeKind.UNKNOWN


def test_holdings_are_newest_first(world: World) -> None:
    issued = [world.centre.enrol(world.person()).certificate for _ in range(3)]
    held = world.centre.authority(LCP).holdings(account=world.person())
    assert [holding.certificate for holding in held] == issued[::-1]


def test_it_serves_the_port(world: World) -> None:
    authority: CertificateAuthority = world.centre.authority(LCP)
    assert authority.issuer == "QCP SDK TEST LCP CA"
    assert all(part.simulated for part in (world.centre, world.centre.authority(QCP_N), world.centre.timestamps()))
    with pytest.raises(ConfigurationError):
        world.centre.authority(CertificateLevel.QCP_N_QSCD)


def test_reopening_finds_the_same_hierarchy(world: World) -> None:
    again = world.reopened()
    assert again.centre.certificates() == world.centre.certificates()
    assert again.centre.operator().certificate == world.centre.operator().certificate
    with pytest.raises(ConfigurationError):
        LocalTrustCentre(world.directory, clock=world.clock, passphrase=Secret("another"))


def test_the_hierarchy_outlives_its_short_certificates(world: World) -> None:
    before, holder = world.centre.certificates(), world.issue()
    world.clock.advance(timedelta(days=365 * 4))
    after = world.centre.certificates()
    assert (before.root, before.qcp, before.lcp) == (after.root, after.qcp, after.lcp)
    assert before.seal != after.seal  # three years
    assert before.timestamps == after.timestamps  # ten
    answer = world.centre.ocsp(certificate=holder.der, issuer=after.qcp)
    assert answer is not None
    responder = ocsp.load_der_ocsp_response(answer).certificates[0]
    assert responder.not_valid_before_utc < world.clock.now() < responder.not_valid_after_utc
    assert world.reopened().centre.certificates() == after


def test_text_that_is_no_text_is_rejected(world: World) -> None:
    authority, half = world.centre.authority(QCP_N), "\ud800"
    for call in (
        lambda: authority.submit(key=Key(half), application=world.application(), request=world.request),
        lambda: authority.status(fingerprint=Fingerprint(half)),
        lambda: authority.outcome(key=Key(half)),
    ):
        with pytest.raises(Rejected) as refused:
            call()
        assert refused.value.reason == "malformed"


def test_a_base_url_must_be_a_web_address(tmp_path: Path, world: World) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        LocalTrustCentre(tmp_path / "x", clock=world.clock, passphrase=world.passphrase, base_url="ftp://x")


@pytest.mark.parametrize("damage", [b"not a database at all, but long enough to be one" * 100])
def test_a_damaged_database_says_so(tmp_path: Path, world: World, damage: bytes) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "trust-centre.sqlite").write_bytes(damage)
    with pytest.raises(ConfigurationError, match="database"):
        LocalTrustCentre(tmp_path / "x", clock=world.clock, passphrase=world.passphrase)


def test_a_lost_database_is_unavailable_and_nothing_else(world: World) -> None:
    authority = world.centre.authority(QCP_N)
    (world.directory / "trust-centre.sqlite").write_bytes(b"overwritten" * 1000)
    for call in (
        lambda: authority.submit(key=KEY, application=world.application(), request=world.request),
        lambda: authority.holdings(account=world.person()),
        lambda: authority.outcome(key=KEY),
    ):
        with pytest.raises(Unavailable):
            call()


def _opened(directory: str, start: str, passphrase: str) -> bytes:
    clock = ManualClock(datetime.fromisoformat(start))
    centre = LocalTrustCentre(Path(directory), clock=clock, passphrase=Secret(passphrase))
    return centre.certificates().qcp


def test_processes_that_come_at_once_make_one_hierarchy(tmp_path: Path, world: World) -> None:
    asked = (str(tmp_path / "shared"), world.clock.now().isoformat(), world.passphrase.reveal())
    with multiprocessing.get_context("fork").Pool(4) as pool:
        made = pool.starmap(_opened, [asked] * 4)
    assert len(set(made)) == 1
