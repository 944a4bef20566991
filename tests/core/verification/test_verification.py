"""What a verification says of documents that are in order, and of documents that are not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from attrs import frozen
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from qcp_sdk.adapters.local_scheme import Qualifier, ServiceStatus
from qcp_sdk.errors import DocumentError, InvalidValue, Unavailable
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.verification import (
    Changes,
    Indication,
    Qualification,
    Report,
    SignatureReport,
    TimeSource,
    TrustStore,
    revocation,
    specification,
    verify,
)
from qcp_sdk.verification.console import render

if TYPE_CHECKING:
    from tests.core.verification.conftest import World

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIGNED = NOW - timedelta(hours=1)
BROKEN = int(os.environ.get("QCP_BROKEN", "10"))
"""How many broken things of each kind are tried."""


def only(report: Report) -> SignatureReport:
    """Give the one signature of a report."""
    (signature,) = report.signatures
    return signature


def ids(signature: SignatureReport) -> set[str]:
    """Give the identifiers of a signature's reasons."""
    return {one.id for one in signature.reasons}


def shadowed(pdf: bytes) -> bytes:
    """Replace the page's content by an incremental update."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/Contents"] = writer.add_object(
        generic.StreamObject(stream_data=b"BT /F1 12 Tf (Reconnaissance de dette) Tj ET")
    )
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


class TestInOrder:
    def test_a_qcp_n_signature_is_niveau_3_and_says_why(
        self, world: World, contract: bytes, trusted: TrustStore
    ) -> None:
        signature = only(world.verify(contract, trusted))

        assert signature.indication is Indication.PASSED
        assert signature.sub_indication == ""
        assert signature.level_reached is SignatureLevel.NIVEAU_3
        assert signature.qualification is Qualification.ADESIG_QC
        assert signature.certificate_level is CertificateLevel.QCP_N
        assert signature.signer == "Jeanne Moreau"
        assert signature.format == "PAdES-B-LT"
        assert (signature.best_signature_time, signature.time_source) == (SIGNED, TimeSource.SIGNATURE_TIMESTAMP)
        assert signature.changes is Changes.VALIDATION_DATA
        assert not signature.covers_whole_document
        assert signature.trust_path == ("TEST QC CA",)
        assert [one.qualified for one in signature.timestamps] == [True]
        assert ids(signature) == {"qualified_certificate", "key_not_in_qscd"}

    def test_the_json_form_is_plain_and_names_the_level(
        self, world: World, contract: bytes, trusted: TrustStore
    ) -> None:
        report = world.verify(contract, trusted)
        told = json.loads(json.dumps(report.to_json()))

        assert told["level_reached"] == "NIVEAU_3"
        (signature,) = told["signatures"]
        assert signature["level_reached"] == "NIVEAU_3"
        assert signature["indication"] == "PASSED"
        assert signature["sub_indication"] is None
        assert signature["qualification"] == "AdESig-QC"
        assert {"id", "fr", "en"} == set(signature["reasons"][0])
        assert told["trust_snapshot"] == trusted.snapshot
        assert told["lists"][0]["territory"] == "ZZ"
        assert told["document"].startswith("sha256:")

    def test_a_key_in_a_qscd_makes_niveau_4(self, world: World) -> None:
        ada = world.person(policies=("0.4.0.194112.1.2",), qc=world.statements(qscd=True))
        signature = only(world.verify(world.signed(ada)))
        assert signature.level_reached is SignatureLevel.NIVEAU_4
        assert signature.qualification is Qualification.QESIG

    def test_two_signatures_in_turn_both_hold(self, world: World, contract: bytes, trusted: TrustStore) -> None:
        ada = world.person()
        twice = world.sign(contract, ada, name="Signature2", at=SIGNED + timedelta(minutes=5))
        twice = world.augment(twice, ocsps=[world.ocsp_answer(ada, world.qc_ca, world.responder)])

        report = world.verify(twice, trusted)

        assert [one.level_reached for one in report.signatures] == [SignatureLevel.NIVEAU_3] * 2
        assert [one.field_name for one in report.signatures] == ["Signature1", "Signature2"]
        assert [one.changes for one in report.signatures] == [Changes.SIGNATURES_OR_FORMS, Changes.VALIDATION_DATA]
        assert report.level_reached is SignatureLevel.NIVEAU_3

    def test_without_a_timestamp_the_time_is_that_of_the_verification(self, world: World) -> None:
        signature = only(world.verify(world.sign(world.blank(), world.jeanne, at=None), world.trust(crls=world.crls())))
        assert signature.level_reached is SignatureLevel.NIVEAU_3
        assert signature.format == "PAdES-B-B"
        assert (signature.best_signature_time, signature.time_source) == (NOW, TimeSource.VERIFICATION)
        assert signature.covers_whole_document
        assert "no_timestamp" in ids(signature)

    def test_it_works_from_a_file_and_inside_a_running_event_loop(
        self, world: World, contract: bytes, trusted: TrustStore, tmp_path: Path
    ) -> None:
        path = tmp_path / "contract.pdf"
        path.write_bytes(contract)

        async def host() -> Report:
            return verify(path, trust=trusted, now=NOW)

        assert asyncio.run(host()) == verify(contract, trust=trusted, now=NOW)

    def test_it_opens_no_connection(
        self, world: World, contract: bytes, trusted: TrustStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a connection was opened")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        assert only(world.verify(contract, trusted)).indication is Indication.PASSED

    def test_many_threads_share_one_trust(self, world: World, contract: bytes) -> None:
        """asn1crypto reads lazily and in place: a certificate that threads share must have been read to its end."""
        for _ in range(3):
            specification._trust_manager.cache_clear()
            specification._whole.cache_clear()
            trust = world.trust()
            with ThreadPoolExecutor(8) as pool:
                reports = list(pool.map(partial(world.verify, contract), [trust] * 16))
            assert {only(one).level_reached for one in reports} == {SignatureLevel.NIVEAU_3}

    def test_a_broken_certificate_beside_the_others_hinders_nothing(self, world: World, trusted: TrustStore) -> None:
        broken = world.qc_ca.der.replace(b"TEST QC CA", b"TEST\xff\xff\xff CA")
        with pytest.raises(ValueError, match="codec"):
            _ = asn1_x509.Certificate.load(broken).subject.hashable
        good = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder)
        pdf = world.augment(world.sign(world.blank(), world.jeanne), ocsps=[good], others=[broken])

        assert only(world.verify(pdf, trusted)).level_reached is SignatureLevel.NIVEAU_3

    def test_it_logs_no_name(self, world: World, contract: bytes, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            signature = only(world.verify(contract, TrustStore()))
        assert signature.indication is not Indication.PASSED
        assert "Moreau" not in caplog.text
        assert "Moreau" not in repr(signature)

    def test_the_time_needs_a_zone(self, contract: bytes, trusted: TrustStore) -> None:
        with pytest.raises(InvalidValue):
            verify(contract, trust=trusted, now=datetime(2026, 3, 2))  # noqa: DTZ001


class TestLess:
    def test_a_self_made_certificate_with_the_right_identifiers_is_nobodys(
        self, world: World, trusted: TrustStore
    ) -> None:
        forger = world.person(issuer=None, policies=("0.4.0.194112.1.2",), qc=world.statements(qscd=True))
        signature = only(world.verify(world.sign(world.blank(), forger), trusted))

        assert signature.certificate_level is CertificateLevel.QCP_N_QSCD  # what it says of itself
        assert (signature.indication, signature.sub_indication) == (
            Indication.INDETERMINATE,
            "NO_CERTIFICATE_CHAIN_FOUND",
        )
        assert signature.level_reached is SignatureLevel.NIVEAU_1
        assert signature.qualification is Qualification.NONE
        assert ids(signature) == {"issuer_unknown"}

    def test_an_lcp_certificate_is_niveau_2(self, world: World, trusted: TrustStore) -> None:
        signature = only(world.verify(world.sign(world.blank(), world.paul), trusted))
        assert signature.indication is Indication.PASSED
        assert signature.level_reached is SignatureLevel.NIVEAU_2
        assert signature.qualification is Qualification.ADESIG
        assert ids(signature) == {"issuer_listed", "issuer_not_qualified"}

    def test_a_seal_is_nobodys_signature(self, world: World, trusted: TrustStore) -> None:
        signature = only(world.verify(world.sign(world.blank(), world.seal()), trusted))
        assert signature.indication is Indication.PASSED
        assert signature.level_reached is SignatureLevel.NIVEAU_1
        assert ids(signature) == {"seal_certificate"}

    def test_an_altered_document_fails(self, world: World, contract: bytes, trusted: TrustStore) -> None:
        place = contract.index(b"Lettre de mission")
        altered = contract[:place] + b"l" + contract[place + 1 :]
        signature = only(world.verify(altered, trusted))
        assert (signature.indication, signature.sub_indication) == (Indication.FAILED, "HASH_FAILURE")
        assert signature.level_reached is None
        assert ids(signature) == {"document_altered"}

    def test_content_replaced_by_a_later_update_fails(self, world: World, contract: bytes, trusted: TrustStore) -> None:
        signature = only(world.verify(shadowed(contract), trusted))
        assert signature.indication is Indication.FAILED
        assert signature.level_reached is None
        assert signature.changes is Changes.CONTENT
        assert ids(signature) == {"content_changed_since"}

    def test_content_replaced_in_an_archived_document_fails(
        self, world: World, contract: bytes, trusted: TrustStore
    ) -> None:
        archived = world.stamp(contract, at=SIGNED + timedelta(minutes=1))
        assert only(world.verify(archived, trusted)).format == "PAdES-B-LTA"
        report = world.verify(shadowed(archived), trusted)
        assert only(report).level_reached is None
        assert [one.indication for one in report.timestamps] == [Indication.FAILED]

    def test_a_broken_signature_is_reported_not_raised(
        self, world: World, contract: bytes, trusted: TrustStore
    ) -> None:
        place = contract.index(b"/Contents <") + len(b"/Contents <")
        broken = contract[:place] + b"0" * 200 + contract[place + 200 :]
        signature = only(world.verify(broken, trusted))
        assert (signature.indication, signature.sub_indication) == (Indication.FAILED, "FORMAT_FAILURE")
        assert signature.level_reached is None
        assert ids(signature) == {"signature_unreadable"}

    def test_a_responders_key_that_nobody_can_use_proves_nothing_and_hinders_nothing(
        self, world: World, trusted: TrustStore
    ) -> None:
        """Nor is cryptography's `UnsupportedAlgorithm` a `ValueError`: found by chance."""
        p256, unknown = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d030177")
        good = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder)
        odd = good.replace(p256, unknown)
        signed = world.sign(world.blank(), world.jeanne)
        for ocsps in ([odd, good], [good, odd]):
            signature = only(world.verify(world.augment(signed, ocsps=ocsps), trusted))
            assert signature.level_reached is SignatureLevel.NIVEAU_3
        signature = only(world.verify(world.augment(signed, ocsps=[odd]), trusted))
        assert (signature.indication, signature.sub_indication) == (Indication.INDETERMINATE, "TRY_LATER")

    def test_a_foreign_signature_value_fails(self, world: World, contract: bytes, trusted: TrustStore) -> None:
        # The certificate of Ada in the place of Jeanne's would be another format; here the value alone is not hers.
        other = world.sign(world.blank(), world.jeanne)
        place = contract.index(b"/Contents <") + len(b"/Contents <")
        theirs = other.index(b"/Contents <") + len(b"/Contents <")
        length = contract.index(b">", place) - place
        spliced = contract[:place] + other[theirs : theirs + length] + contract[place + length :]
        signature = only(world.verify(spliced, trusted))
        assert signature.indication is Indication.FAILED
        assert signature.level_reached is None


def store(pdf: bytes, world: World, *, ocsps: list[bytes], crls: list[bytes], others: list[bytes]) -> bytes:
    """Add a document security store with these very bytes; pyHanko's own would read them first."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    kept = {"/Certs": [*others, world.qc_ca.der, world.responder.der], "/OCSPs": ocsps, "/CRLs": crls}

    def streams(contents: list[bytes]) -> generic.ArrayObject:
        return generic.ArrayObject(writer.add_object(generic.StreamObject(stream_data=one)) for one in contents)

    made = {generic.NameObject(name): streams(contents) for name, contents in kept.items()}
    writer.root["/DSS"] = writer.add_object(generic.DictionaryObject(made))  # type: ignore[no-untyped-call]
    writer.update_root()  # type: ignore[no-untyped-call]
    out = BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


class TestRevocation:
    def test_revoked_before_it_signed(self, world: World, contract: bytes) -> None:
        """The document brings an OCSP answer that was good; a later list says otherwise, and is heard."""
        trust = world.trust(crls=world.crls({world.jeanne: SIGNED - timedelta(minutes=10)}))
        signature = only(world.verify(contract, trust))
        assert (signature.indication, signature.sub_indication) == (Indication.INDETERMINATE, "REVOKED_NO_POE")
        assert signature.level_reached is None
        assert ids(signature) == {"certificate_revoked"}
        assert "2 mars 2026" in signature.reasons[0].text("fr").replace("\u00a0", " ")

    def test_revoked_after_it_signed_changes_nothing(self, world: World, contract: bytes) -> None:
        trust = world.trust(crls=world.crls({world.jeanne: SIGNED + timedelta(minutes=10)}))
        assert only(world.verify(contract, trust)).level_reached is SignatureLevel.NIVEAU_3

    def test_revoked_after_it_signed_without_a_timestamp_is_revoked(self, world: World) -> None:
        trust = world.trust(crls=world.crls({world.jeanne: SIGNED}))
        signature = only(world.verify(world.sign(world.blank(), world.jeanne, at=None), trust))
        assert signature.sub_indication == "REVOKED_NO_POE"
        assert signature.level_reached is None

    def test_a_source_that_says_revoked_is_heard_over_the_document(
        self, world: World, contract: bytes, trusted: TrustStore
    ) -> None:
        answer = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder, revoked=SIGNED - timedelta(days=1))
        signature = only(world.verify(contract, trusted, revocation=Source(answer=answer)))
        assert signature.sub_indication == "REVOKED_NO_POE"

    def test_an_old_list_that_said_revoked_still_counts(self, world: World) -> None:
        """A revocation is final: the list is past its nextUpdate, the revocation is not."""
        old = world.crls({world.jeanne: SIGNED - timedelta(days=40)}, at=SIGNED - timedelta(days=30))
        assert only(world.verify(world.signed(), world.trust(crls=old))).sub_indication == "REVOKED_NO_POE"

    def test_an_old_answer_that_said_revoked_still_counts(self, world: World, contract: bytes) -> None:
        answer = world.ocsp_answer(
            world.jeanne,
            world.qc_ca,
            world.responder,
            revoked=SIGNED - timedelta(days=40),
            at=SIGNED - timedelta(days=30),
        )
        old = world.augment(contract, ocsps=[answer])
        assert only(world.verify(old)).sub_indication == "REVOKED_NO_POE"

    def test_a_claim_by_somebody_else_does_not_count(self, world: World, contract: bytes) -> None:
        forged = world.crl(
            world.impostor(), revoked={world.jeanne.certificate.serial_number: SIGNED - timedelta(days=1)}
        )
        assert only(world.verify(contract, world.trust(crls=[forged]))).level_reached is SignatureLevel.NIVEAU_3

    @pytest.mark.parametrize("kind", ["ocsps", "crls", "others"])
    def test_what_is_broken_beside_what_is_good_hinders_nothing(
        self, world: World, trusted: TrustStore, kind: str
    ) -> None:
        """Whoever adds an update to a signed document can put anything there: it must not cost the signature."""
        good = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder)
        whole = {"ocsps": good, "crls": world.crls()[0], "others": world.qc_ca.der}[kind]
        signed = world.sign(world.blank(), world.jeanne)
        for seed in range(BROKEN):
            random, broken = Random(seed), bytearray(whole)
            for _ in range(random.randint(1, 3)):
                broken[random.randrange(len(broken))] = random.choice([*range(7), 0x17, 0x30, 0x31, 0xA0, 0xFF])
            told = {"ocsps": [good], "crls": [], "others": []}
            told[kind].insert(0, bytes(broken))
            signature = only(world.verify(store(signed, world, **told), trusted))
            assert signature.level_reached is SignatureLevel.NIVEAU_3, seed

    def test_a_list_that_nobody_can_read_is_no_claim(self, world: World, trusted: TrustStore) -> None:
        """cryptography's own errors are no `ValueError`: `InvalidVersion` of a list, found by chance."""
        listed = world.crls({world.jeanne: SIGNED - timedelta(days=1)})[0]
        odd = listed.replace(b"\x02\x01\x01", b"\x02\x01\x03", 1)
        good = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder)
        pdf = world.augment(world.sign(world.blank(), world.jeanne), ocsps=[good], crls=[odd])
        assert only(world.verify(pdf, trusted)).level_reached is SignatureLevel.NIVEAU_3

    def test_without_revocation_data_nothing_passes(self, world: World, trusted: TrustStore) -> None:
        signature = only(world.verify(world.sign(world.blank(), world.jeanne), trusted))
        assert (signature.indication, signature.sub_indication) == (Indication.INDETERMINATE, "TRY_LATER")
        assert signature.level_reached is SignatureLevel.NIVEAU_1
        assert ids(signature) == {"revocation_unknown"}

    def test_a_source_gives_what_the_document_lacks(self, world: World, trusted: TrustStore) -> None:
        answer = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder)
        pdf = world.sign(world.blank(), world.jeanne)
        assert (
            only(world.verify(pdf, trusted, revocation=Source(answer=answer))).level_reached is SignatureLevel.NIVEAU_3
        )

    def test_a_silent_source_is_reported_not_raised(self, world: World, contract: bytes, trusted: TrustStore) -> None:
        signature = only(world.verify(contract, trusted, revocation=Source(answer=None)))
        assert signature.level_reached is SignatureLevel.NIVEAU_3
        assert "revocation_source_silent" in ids(signature)

    @pytest.mark.parametrize(
        ("revoked", "sub_indication"),
        [
            (None, ""),
            (SIGNED + timedelta(minutes=5), ""),  # not revoked when it signed: EN 319 102-1 § 5.5.4
            (SIGNED - timedelta(minutes=5), "REVOKED_NO_POE"),
        ],
        ids=["good", "revoked-later", "revoked-before"],
    )
    def test_a_responder_that_is_younger_than_the_signature(
        self, world: World, trusted: TrustStore, revoked: datetime | None, sub_indication: str
    ) -> None:
        responder = world.young_responder(since=SIGNED + timedelta(minutes=10))
        answer = world.ocsp_answer(
            world.jeanne, world.qc_ca, responder, revoked=revoked, at=SIGNED + timedelta(minutes=30)
        )
        signed = world.sign(world.blank(), world.jeanne)
        signature = only(world.verify(signed, trusted, revocation=Source(answer=answer)))
        assert signature.sub_indication == sub_indication
        assert signature.best_signature_time == SIGNED
        assert (signature.level_reached is SignatureLevel.NIVEAU_3) == (not sub_indication)
        assert signature.trust_path == only(world.verify(world.signed(), trusted)).trust_path or sub_indication

    def test_of_young_responders_the_one_that_says_revoked_before_is_heard(
        self, world: World, trusted: TrustStore
    ) -> None:
        responder = world.young_responder(since=SIGNED + timedelta(minutes=10))

        def answer(revoked: timedelta) -> bytes:
            at = SIGNED + timedelta(minutes=30)
            return world.ocsp_answer(world.jeanne, world.qc_ca, responder, revoked=SIGNED + revoked, at=at)

        after, before = answer(timedelta(minutes=5)), answer(timedelta(minutes=-5))
        for ocsps in ((after, before), (before, after)):
            pdf = world.augment(world.sign(world.blank(), world.jeanne), ocsps=ocsps)
            assert only(world.verify(pdf, trusted)).sub_indication == "REVOKED_NO_POE"

    def test_a_young_responder_that_says_revoked_is_heard_where_nothing_proves_the_time(
        self, world: World, trusted: TrustStore
    ) -> None:
        """Without a timestamp the signature is of now, and it is revoked now."""
        responder = world.young_responder(since=SIGNED + timedelta(minutes=10))
        revoked = SIGNED + timedelta(minutes=5)
        answer = world.ocsp_answer(
            world.jeanne, world.qc_ca, responder, revoked=revoked, at=SIGNED + timedelta(minutes=30)
        )
        pdf = world.sign(world.blank(), world.jeanne, at=None)
        signature = only(world.verify(pdf, trusted, revocation=Source(answer=answer)))
        assert signature.sub_indication == "REVOKED_NO_POE"

    def test_a_document_makes_a_source_be_asked_so_often_and_no_more(
        self, world: World, contract: bytes, trusted: TrustStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever makes a document chooses whom its verifier asks."""
        asked: list[bytes] = []

        class Counting(Source):
            def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
                asked.append(certificate)
                return None

        world.verify(contract, trusted, revocation=Counting(answer=None))
        assert len(asked) == 2  # the signatory and the time-stamping unit
        asked.clear()
        monkeypatch.setattr(revocation, "MOST_ASKED", 1)
        signature = only(world.verify(contract, trusted, revocation=Counting(answer=None)))
        assert len(asked) == 1
        assert "revocation_source_silent" in ids(signature)


@frozen(kw_only=True)
class Source:
    """A revocation source with one answer; without one it does not answer at all."""

    answer: bytes | None

    def ocsp(self, *, certificate: bytes, issuer: bytes) -> bytes | None:
        if self.answer is None:
            raise Unavailable("no answer")
        return self.answer

    def crl(self, *, issuer: bytes, certificate: bytes | None = None) -> bytes | None:
        return None

    def issuer(self, *, certificate: bytes) -> bytes | None:
        return None


class TestTime:
    def test_after_the_certificate_expired_the_timestamp_still_proves(self, world: World, contract: bytes) -> None:
        later = NOW + timedelta(days=1_450)  # the certificate ended, the time-stamping unit's did not
        signature = only(
            world.verify(
                contract, world.trust(now=later - timedelta(days=1), next_update=later + timedelta(days=9)), now=later
            )
        )
        assert signature.level_reached is SignatureLevel.NIVEAU_3

    def test_after_it_expired_without_revocation_data_it_does_not_pass(self, world: World) -> None:
        """pyHanko's `ades_with_time_validation` passes this one."""
        later = NOW + timedelta(days=1_450)
        trust = world.trust(now=later - timedelta(days=1), next_update=later + timedelta(days=9))
        signature = only(world.verify(world.sign(world.blank(), world.jeanne), trust, now=later))
        assert signature.sub_indication == "TRY_LATER"

    def test_a_signature_made_after_the_certificate_expired(self, world: World, trusted: TrustStore) -> None:
        late = world.person(end=SIGNED - timedelta(days=1))
        signature = only(world.verify(world.signed(late), trusted))
        assert signature.sub_indication == "OUT_OF_BOUNDS_NO_POE"
        assert ids(signature) == {"certificate_out_of_bounds"}
        assert signature.level_reached is SignatureLevel.NIVEAU_1

    def test_a_timestamp_by_nobody_proves_nothing(self, world: World, trusted: TrustStore) -> None:
        signature = only(world.verify(world.signed(tsu=world.unknown_tsu()), trusted))
        assert signature.indication is Indication.INDETERMINATE
        assert signature.time_source is TimeSource.VERIFICATION
        assert signature.level_reached is SignatureLevel.NIVEAU_1
        assert "timestamp_not_trusted" in ids(signature)

    def test_a_timestamp_of_the_future_proves_nothing(self, world: World, trusted: TrustStore) -> None:
        signature = only(world.verify(world.signed(at=NOW + timedelta(hours=2)), trusted))
        assert signature.timestamps[0].sub_indication == "TIMESTAMP_ORDER_FAILURE"
        assert signature.level_reached is not SignatureLevel.NIVEAU_3

    def test_an_archive_timestamp_outlives_the_unit_that_stamped_the_signature(self, world: World) -> None:
        unit = world.short_lived_tsu(until=NOW + timedelta(days=10))
        signed = world.augment(world.signed(tsu=unit), crls=[world.crl(world.tsa_ca)])
        later = NOW + timedelta(days=100)
        trust = world.trust_units(unit, now=later - timedelta(days=1))

        archived = only(world.verify(world.stamp(signed, at=NOW), trust, now=later))
        assert archived.level_reached is SignatureLevel.NIVEAU_3
        assert (archived.best_signature_time, archived.time_source) == (SIGNED, TimeSource.SIGNATURE_TIMESTAMP)
        assert only(world.verify(signed, trust, now=later)).level_reached is SignatureLevel.NIVEAU_1

    def test_a_document_timestamp_alone_proves_the_time_too(self, world: World, trusted: TrustStore) -> None:
        stamped = world.stamp(world.signed(at=None), at=SIGNED)
        signature = only(world.verify(stamped, trusted))
        assert signature.level_reached is SignatureLevel.NIVEAU_3
        assert (signature.best_signature_time, signature.time_source) == (SIGNED, TimeSource.DOCUMENT_TIMESTAMP)
        assert signature.format == "PAdES-B-LTA"
        bare = world.stamp(world.sign(world.blank(), world.jeanne, at=None), at=SIGNED)
        assert only(world.verify(bare, trusted)).format == "PAdES-B-T"  # EN 319 142-1 § 6.3: either kind will do


class TestLists:
    def test_withdrawn_before_the_certificate_was_issued(self, world: World, contract: bytes) -> None:
        trust = world.trust(
            history=(
                (ServiceStatus.GRANTED, NOW - timedelta(days=900)),
                (ServiceStatus.WITHDRAWN, NOW - timedelta(days=800)),
            )
        )
        signature = only(world.verify(contract, trust))
        assert (signature.indication, signature.sub_indication) == (
            Indication.INDETERMINATE,
            "CHAIN_CONSTRAINTS_FAILURE",
        )
        assert signature.level_reached is SignatureLevel.NIVEAU_1
        assert ids(signature) == {"service_not_granted"}
        assert "withdrawn" in signature.reasons[0].text("en")

    def test_withdrawn_between_issuance_and_signature(self, world: World, contract: bytes) -> None:
        trust = world.trust(
            history=(
                (ServiceStatus.GRANTED, NOW - timedelta(days=900)),
                (ServiceStatus.WITHDRAWN, NOW - timedelta(days=9)),
            )
        )
        assert only(world.verify(contract, trust)).level_reached is SignatureLevel.NIVEAU_1

    def test_withdrawn_after_the_signature_changes_nothing(self, world: World, contract: bytes) -> None:
        trust = world.trust(
            history=(
                (ServiceStatus.GRANTED, NOW - timedelta(days=900)),
                (ServiceStatus.WITHDRAWN, SIGNED + timedelta(minutes=1)),
            )
        )
        assert only(world.verify(contract, trust)).level_reached is SignatureLevel.NIVEAU_3

    def test_granted_only_after_the_certificate_was_issued(self, world: World, contract: bytes) -> None:
        trust = world.trust(history=((ServiceStatus.GRANTED, NOW - timedelta(days=30)),))
        signature = only(world.verify(contract, trust))
        assert signature.indication is Indication.PASSED
        assert signature.level_reached is SignatureLevel.NIVEAU_2
        assert signature.qualification is Qualification.ADESIG

    def test_an_expired_list_counts_for_nothing(self, world: World, contract: bytes) -> None:
        trust = world.trust(next_update=NOW)
        report = world.verify(contract, trust)
        assert report.lists[0].expired
        assert only(report).level_reached is SignatureLevel.NIVEAU_1
        assert {"issuer_unknown", "list_expired", "timestamp_not_trusted"} == ids(only(report))

    @pytest.mark.parametrize("written", ["0.4.0.194112.1.0", "urn:oid:0.4.0.194112.1.0", "URN:OID:0.4.0.194112.1.0"])
    def test_a_list_that_declares_the_policy_not_qualified(self, world: World, contract: bytes, written: str) -> None:
        trust = world.trust(qualifiers=(Qualifier(word="NotQualified", policies=(written,)),))
        signature = only(world.verify(contract, trust))
        assert signature.level_reached is SignatureLevel.NIVEAU_2
        assert "declared_not_qualified" in ids(signature)

    def test_a_qualifier_for_other_policies_does_not_apply(self, world: World, contract: bytes) -> None:
        trust = world.trust(qualifiers=(Qualifier(word="NotQualified", policies=("1.2.3",)),))
        assert only(world.verify(contract, trust)).level_reached is SignatureLevel.NIVEAU_3

    def test_a_list_that_puts_the_keys_in_a_qscd(self, world: World, contract: bytes) -> None:
        trust = world.trust(qualifiers=(Qualifier(word="QCQSCDManagedOnBehalf", policies=("0.4.0.194112.1.0",)),))
        assert only(world.verify(contract, trust)).level_reached is SignatureLevel.NIVEAU_4

    def test_a_timestamp_of_a_withdrawn_service_proves_nothing(self, world: World, contract: bytes) -> None:
        trust = world.trust_units(world.tsu, status=ServiceStatus.WITHDRAWN)
        signature = only(world.verify(contract, trust))
        assert signature.timestamps[0].sub_indication == "CHAIN_CONSTRAINTS_FAILURE"
        assert signature.level_reached is SignatureLevel.NIVEAU_1


def _nested(depth: int) -> bytes:
    return (
        b"%PDF-1.7\n1 0 obj\n"
        + b"[" * depth
        + b"]" * depth
        + b"\nendobj\ntrailer<</Root 1 0 R/Size 2>>\nstartxref\n9\n%%EOF"
    )


class TestBadInput:
    def test_an_unsigned_document_is_a_report(self, world: World, trusted: TrustStore) -> None:
        report = world.verify(world.blank(), trusted)
        assert report.signatures == ()
        assert report.level_reached is None
        assert [one.id for one in report.reasons] == ["no_signature"]

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"   \n",
            b"hello",
            b"PK\x03\x04" + b"\0" * 100,
            b"%PDF-1.7\n",
            b"%PDF-1.7\n%%EOF",
            b"\xff" * 10_000,
            _nested(50_000),
        ],
        ids=["empty", "blank", "text", "zip", "header", "header-and-end", "noise", "nested"],
    )
    def test_what_is_no_pdf_is_one_clear_error(self, trusted: TrustStore, content: bytes) -> None:
        with pytest.raises(DocumentError):
            verify(content, trust=trusted, now=NOW)

    def test_a_file_that_is_too_large_is_not_even_read(self, trusted: TrustStore, tmp_path: Path) -> None:
        path = tmp_path / "large.pdf"
        with path.open("wb") as file:
            file.truncate((256 << 20) + 1)
        with pytest.raises(DocumentError, match="too large"):
            verify(path, trust=trusted, now=NOW)

    def test_a_file_that_is_not_there(self, trusted: TrustStore, tmp_path: Path) -> None:
        with pytest.raises(DocumentError):
            verify(tmp_path / "nowhere.pdf", trust=trusted, now=NOW)
        with pytest.raises(DocumentError):
            verify(tmp_path, trust=trusted, now=NOW)

    def test_a_truncated_document_is_no_niveau(self, contract: bytes, trusted: TrustStore) -> None:
        for length in range(0, len(contract), len(contract) // 40):
            assert level(contract[:length], trusted) is not SignatureLevel.NIVEAU_3

    @pytest.mark.parametrize("seed", range(4))
    def test_changed_bytes_raise_nothing_foreign_and_never_give_more(
        self, contract: bytes, trusted: TrustStore, seed: int
    ) -> None:
        chance = Random(seed)
        unsigned = contract.index(b"/Contents <")
        for _ in range(40):
            at = chance.randrange(len(contract))
            changed = contract[:at] + bytes([contract[at] ^ chance.randrange(1, 256)]) + contract[at + 1 :]
            reached = level(changed, trusted)
            assert reached is None or (at >= unsigned and reached <= SignatureLevel.NIVEAU_3)

    def test_an_encrypted_document_says_so(self, world: World, trusted: TrustStore) -> None:
        with pytest.raises(DocumentError, match="encrypted"):
            world.verify(world.encrypted(), trusted)


def level(pdf: bytes, trusted: TrustStore) -> SignatureLevel | None:
    """Give the level, or None where the document cannot be read."""
    try:
        return verify(pdf, trust=trusted, now=NOW).level_reached
    except DocumentError:
        return None


class TestConsole:
    @pytest.mark.parametrize(
        ("language", "expected"),
        [
            ("fr", "niveau 3 (avancée, basée sur un certificat qualifié)"),
            ("en", "niveau 3 (advanced, based on a qualified"),
        ],
    )
    def test_it_says_the_level_in_words(
        self, world: World, contract: bytes, trusted: TrustStore, language: str, expected: str
    ) -> None:
        text = render(world.verify(contract, trusted), language)
        assert expected in text
        assert "Jeanne Moreau" in text
        assert max(len(line) for line in text.splitlines()) <= 100

    def test_nothing_in_a_document_steers_the_terminal(self, world: World, trusted: TrustStore) -> None:
        pdf = world.sign(world.blank(), world.person(issuer=None), name="\x1b[2JSignature")
        assert "\x1b" not in render(world.verify(pdf, trusted), "fr")

    def test_an_unsigned_document(self, world: World) -> None:
        assert "aucune signature" in render(world.verify(world.blank(), TrustStore()), "fr")
