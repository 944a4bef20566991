"""Who is heard about a revocation, and how much of it: answers, lists and sources beside an older good answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from asn1crypto import core, ocsp  # type: ignore[import-untyped]
from attrs import field, frozen
from cryptography import x509

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.verification import (
    Indication,
    Report,
    SignatureReport,
    TrustStore,
    ades,
    revocation,
    specification,
)
from qcp_sdk.verification.revocation import Knowledge

if TYPE_CHECKING:
    from tests.core.verification.conftest import World

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIGNED = NOW - timedelta(hours=1)


def only(report: Report) -> SignatureReport:
    """Give the one signature of a report."""
    (signature,) = report.signatures
    return signature


@frozen
class Source:
    """A revocation source: an OCSP answer for each of these certificates, and of whom it was asked, with whose."""

    answers: dict[bytes, bytes]
    asked: list[tuple[bytes, bytes]] = field(factory=list)

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        self.asked.append((certificate, issuer))
        return self.answers.get(certificate)

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        return None

    def issuer(self, *, certificate: bytes) -> bytes | None:
        return None


def test_a_young_responder_that_says_revoked_before_is_heard_over_an_old_good_answer(
    world: World, trusted: TrustStore
) -> None:
    """The order of real life: a good answer, the revocation, a signature with the stolen key, a new responder."""
    good = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder, at=SIGNED - timedelta(hours=1))
    young = world.young_responder(since=SIGNED + timedelta(minutes=10))

    def said(revoked: timedelta) -> bytes:
        made = NOW - timedelta(minutes=5)
        return world.ocsp_answer(world.jeanne, world.qc_ca, young, revoked=SIGNED + revoked, at=made)

    signed = world.sign(world.blank(), world.jeanne)
    before = world.augment(signed, ocsps=[good, said(timedelta(minutes=-30))])
    assert only(world.verify(before, trusted)).sub_indication == "REVOKED_NO_POE"
    after = world.augment(signed, ocsps=[good, said(timedelta(minutes=5))])
    assert only(world.verify(after, trusted)).level_reached is SignatureLevel.NIVEAU_3


def test_a_young_responder_is_heard_after_the_signatory_s_certificate_ended(world: World, trusted: TrustStore) -> None:
    """Neither is valid at both ends: not the responder when it was signed, nor the signatory now."""
    party = world.person(end=SIGNED + timedelta(minutes=40))
    young = world.young_responder(since=SIGNED + timedelta(minutes=10))
    good = world.ocsp_answer(party, world.qc_ca, world.responder, at=SIGNED - timedelta(hours=1))
    revoked, made = SIGNED - timedelta(minutes=30), SIGNED + timedelta(minutes=30)
    said = world.ocsp_answer(party, world.qc_ca, young, revoked=revoked, at=made)
    signed = world.sign(world.blank(), party)
    assert only(world.verify(world.augment(signed, ocsps=[good]), trusted)).indication is Indication.PASSED
    assert only(world.verify(world.augment(signed, ocsps=[good, said]), trusted)).sub_indication == "REVOKED_NO_POE"


def crowded(answer: bytes, entries: int) -> bytes:
    """Repeat the one entry of an OCSP answer; its signature is no longer good, and need not be."""
    made = ocsp.OCSPResponse.load(answer)
    basic = made["response_bytes"]["response"].parsed
    said = basic["tbs_response_data"]
    one = said["responses"][0].copy()
    data = {key: said[key] for key in ("version", "responder_id", "produced_at")}
    basic = ocsp.BasicOCSPResponse(
        {
            "tbs_response_data": ocsp.ResponseData({**data, "responses": [one] * entries}),
            **{key: basic[key] for key in ("signature_algorithm", "signature", "certs")},
        }
    )
    kind = {"response_type": "basic_ocsp_response", "response": core.ParsableOctetString(basic.dump())}
    return bytes(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": kind}).dump())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """When each building block was run."""
    made: list[datetime] = []
    theirs = ades._run

    async def counted(block: object, spec: object, at: datetime) -> ades.Judged:
        made.append(at)
        return await theirs(block, spec, at)  # type: ignore[arg-type]

    monkeypatch.setattr(ades, "_run", counted)
    return made


def forged(world: World, revoked: timedelta = timedelta(minutes=-10)) -> bytes:
    """An answer by another authority of the same name."""
    other = world.impostor()
    return world.ocsp_answer(world.jeanne, other, other, revoked=SIGNED + revoked)


def test_an_answer_about_too_many_is_passed_over(
    world: World, contract: bytes, trusted: TrustStore, runs: list[datetime]
) -> None:
    """One answer of 68 KB, put beside a signature by anybody, took more than 100 s."""
    for crowd in (crowded(forged(world), 400), crowded(world.ocsp_answer(world.jeanne, world.qc_ca, world.tsu), 21)):
        assert len(ocsp.OCSPResponse.load(crowd).basic_ocsp_response["tbs_response_data"]["responses"]) > 20
        knowledge = specification._local(Knowledge(ocsps=(crowd,)))
        assert not knowledge.known_ocsps
        assert only(world.verify(world.augment(contract, ocsps=[crowd]), trusted)).indication is Indication.PASSED
    few = crowded(forged(world), 20)
    assert len(specification._local(Knowledge(ocsps=(few,) * 40)).known_ocsps) == revocation.MOST


def test_an_answer_about_another_issuer_s_certificate_costs_nothing(
    world: World, contract: bytes, trusted: TrustStore, runs: list[datetime]
) -> None:
    world.verify(contract, trusted)
    before = len(runs)
    world.verify(world.augment(contract, ocsps=[forged(world)]), trusted)
    assert len(runs) == 2 * before


def test_claims_beyond_the_limit_leave_it_unknown_and_what_a_source_says_is_heard_first(
    world: World, contract: bytes, trusted: TrustStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ades, "MOST_CLAIMS", 2)
    claims = [
        world.ocsp_answer(world.jeanne, world.qc_ca, world.tsu, revoked=SIGNED - timedelta(minutes=10 + number))
        for number in range(3)
    ]
    assert only(world.verify(world.augment(contract, ocsps=claims[:2]), trusted)).indication is Indication.PASSED
    many = world.augment(contract, ocsps=claims)
    assert only(world.verify(many, trusted)).sub_indication == "TRY_LATER"
    said = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder, revoked=SIGNED - timedelta(minutes=1))
    assert only(world.verify(many, trusted, revocation=Source({world.jeanne.der: said}))).sub_indication == (
        "REVOKED_NO_POE"
    )


def test_a_forged_issuer_in_the_document_diverts_no_question(
    world: World, contract: bytes, trusted: TrustStore
) -> None:
    """Of the authority's name, but not whose key verifies the certificate."""
    said = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder, revoked=SIGNED - timedelta(minutes=10))
    source = Source({world.jeanne.der: said})
    forged = world.augment(contract, others=[world.impostor().der])
    assert only(world.verify(forged, trusted, revocation=source)).sub_indication == "REVOKED_NO_POE"
    assert (world.jeanne.der, world.qc_ca.der) in source.asked


def test_a_revoked_authority_below_the_listed_one_is_heard_over_an_old_good_answer(world: World) -> None:
    below = world.intermediate()
    party = world.person(issuer=below)
    good = world.ocsp_answer(below, world.qc_ca, world.responder, at=SIGNED - timedelta(hours=6))
    brought = [good, world.ocsp_answer(party, below, below)]

    def verified(revoked: timedelta | None, at: datetime | None = SIGNED) -> SignatureReport:
        serials = {} if revoked is None else {below.certificate.serial_number: SIGNED + revoked}
        pdf = world.augment(world.sign(world.blank(), party, at=at), ocsps=brought, others=[below.der])
        return only(world.verify(pdf, world.trust(crls=[world.crl(world.qc_ca, revoked=serials)])))

    assert verified(None).level_reached is SignatureLevel.NIVEAU_3
    assert verified(timedelta(minutes=5)).level_reached is SignatureLevel.NIVEAU_3
    assert verified(timedelta(hours=-3)).sub_indication == "REVOKED_CA_NO_POE"
    assert verified(timedelta(hours=-3), at=None).sub_indication == "REVOKED_CA_NO_POE"


@pytest.mark.parametrize(
    ("reason", "made", "counts"),
    [
        (x509.ReasonFlags.certificate_hold, timedelta(days=-30), False),
        (x509.ReasonFlags.certificate_hold, timedelta(hours=-2), True),
        (x509.ReasonFlags.key_compromise, timedelta(days=-30), True),
    ],
)
def test_a_suspension_counts_while_who_says_it_is_current(
    world: World, contract: bytes, trusted: TrustStore, reason: x509.ReasonFlags, made: timedelta, counts: bool
) -> None:
    """It may be lifted (RFC 5280 § 5.3.1); a revocation may not."""
    since = SIGNED - timedelta(days=31)
    serials = {world.jeanne.certificate.serial_number: since}
    listed = world.trust(crls=[world.crl(world.qc_ca, revoked=serials, at=SIGNED + made, reason=reason)])
    said = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder, revoked=since, at=SIGNED + made, reason=reason)
    expected = "REVOKED_NO_POE" if counts else ""
    assert only(world.verify(contract, listed)).sub_indication == expected
    assert only(world.verify(world.augment(contract, ocsps=[said]), trusted)).sub_indication == expected


def test_a_source_is_asked_about_authorities_below_the_listed_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = world.intermediate()
    party = world.person(issuer=below)
    source = Source(
        {
            party.der: world.ocsp_answer(party, below, below),
            below.der: world.ocsp_answer(below, world.qc_ca, world.responder),
        }
    )
    pdf = world.augment(world.sign(world.blank(), party), others=[below.der])
    trust = world.trust(crls=[])
    assert only(world.verify(pdf, trust, revocation=source)).level_reached is SignatureLevel.NIVEAU_3
    assert (below.der, world.qc_ca.der) in source.asked
    assert world.qc_ca.der not in {certificate for certificate, _ in source.asked}
    monkeypatch.setattr(revocation, "MOST_ASKED", 2)  # the holder, the time-stamping unit
    assert only(world.verify(pdf, trust, revocation=source)).sub_indication == "TRY_LATER"
