"""What is signed verifies: at every level, for every key, for everybody who signs, and with nothing but the file."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.ades import ades_lta_validation, simulate_future_ades_lta_validation
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec, SignatureValidationSpec
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.shared import pades
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.ports.envelope import Appearance, PreparedSignature
from qcp_sdk.values import ContentHash, Key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.adapters.pdf_envelope.conftest import Holder, Make, Pki

LEVELS = list(PadesLevel)


def sign(
    envelope: Any, holder: Holder, key: str, validated: ContentHash, base: ContentHash, at: Any, **more: Any
) -> ContentHash:
    prepared = envelope.prepare(
        key=Key(key), validated=validated, base=base, credential=holder.credential, at=at, **more
    )
    signed = envelope.embed(
        key=Key(f"{key}/embed"), prepared=prepared, credential=holder.credential, value=holder.sign(prepared.digest)
    )
    assert isinstance(signed, str)
    return ContentHash(signed)


def root_of(pki: Pki) -> Any:
    return asn1_x509.Certificate.load(pki.root.public_bytes(Encoding.DER))


def statuses(content: bytes, pki: Pki, moment: datetime, *, offline: bool) -> list[PdfSignatureStatus]:
    """Validate every signature; `offline` demands that the file alone proves that nothing was revoked."""
    found = []
    for index in range(len(PdfFileReader(BytesIO(content)).embedded_regular_signatures)):
        reader = PdfFileReader(BytesIO(content))
        settings: dict[str, Any] = {"trust_roots": [root_of(pki)], "moment": moment}
        if offline:
            settings["revocation_mode"] = "require"
            context = DocumentSecurityStore.read_dss(reader).as_validation_context(settings)
        else:
            ca = asn1_x509.Certificate.load(pki.issuer(certificate=pki.tsu.public_bytes(Encoding.DER)))
            context = ValidationContext(other_certs=[ca], **settings)
        signature = reader.embedded_regular_signatures[index]
        found.append(asyncio.run(async_validate_pdf_signature(signature, context)))
    return found


@pytest.fixture(params=[2048, 3072, "p256"])
def holder(request: pytest.FixtureRequest, pki: Pki, rsa_key: Any) -> Holder:
    size = request.param
    return pki.holder("Zoé Œuvrard", ec.generate_private_key(ec.SECP256R1()) if size == "p256" else rsa_key(size))


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_every_level_verifies_for_every_kind_of_key(
    level: PadesLevel, holder: Holder, pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base = shelf.keep(content=pdf)

    signed = shelf.read(document=sign(envelope(level), holder, "s/1", base, base, moment))

    assert signed.startswith(pdf)
    added = signed[len(pdf) :]
    assert b"ModDate" not in added  # signing is no edit: the author's account of the document stays as it was
    assert b"xpacket" not in added
    (status,) = statuses(signed, pki, moment, offline=level.long_term)
    assert status.bottom_line
    assert (status.timestamp_validity is not None) is level.timestamped
    reader = PdfFileReader(BytesIO(signed))
    (signature,) = reader.embedded_regular_signatures
    assert signature.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert [one["type"].native for one in signature.signer_info["signed_attrs"]] == [
        "content_type",
        "message_digest",
        "signing_certificate_v2",
    ]
    assert len(reader.embedded_timestamp_signatures) == (1 if level is PadesLevel.B_LTA else 0)
    assert ("/DSS" in reader.root) is level.long_term
    if level.long_term:
        assert "/VRI" not in reader.root["/DSS"]


def _specification(pki: Pki) -> PdfSignatureValidationSpec:
    policy = CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build([root_of(pki)]), revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO)
    )
    return PdfSignatureValidationSpec(SignatureValidationSpec(policy))


def test_an_archive_signature_passes_the_long_term_algorithm(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base = shelf.keep(content=pdf)
    holder = pki.holder("Zoé Œuvrard")
    signed = shelf.read(document=sign(envelope(PadesLevel.B_LTA), holder, "s/1", base, base, moment))

    (signature,) = PdfFileReader(BytesIO(signed)).embedded_regular_signatures
    result = asyncio.run(
        ades_lta_validation(signature, _specification(pki), timing_info=ValidationTimingInfo(moment, moment, True))
    )

    assert result.ades_subindic.status.name == "PASSED"
    assert result.api_status is not None
    assert result.api_status.bottom_line


def test_an_archive_signature_can_be_maintained_for_eight_years(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base, holder = shelf.keep(content=pdf), pki.holder("Zoé Œuvrard")
    signed = shelf.read(document=sign(envelope(PadesLevel.B_LTA), holder, "s/1", base, base, moment))

    (signature,) = PdfFileReader(BytesIO(signed)).embedded_regular_signatures
    result = asyncio.run(
        simulate_future_ades_lta_validation(
            signature,
            _specification(pki),
            future_validation_time=moment + timedelta(days=8 * 365),
            current_reference_time=moment,
        )
    )

    assert result.ades_subindic.status.name == "PASSED"


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_the_second_signatory_leaves_the_first_signature_valid(
    level: PadesLevel, pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base = shelf.keep(content=pdf)
    first = sign(envelope(level), pki.holder("Zoé Œuvrard"), "s/1", base, base, moment)
    second = sign(envelope(level), pki.holder("Łukasz Müller"), "s/2", base, first, moment)

    content = shelf.read(document=second)

    assert content.startswith(shelf.read(document=first))
    found = statuses(content, pki, moment, offline=level.long_term)
    assert [status.bottom_line for status in found] == [True, True]


def test_what_one_signatory_needs_is_all_that_is_asked_for_them(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base = shelf.keep(content=pdf)
    for number in range(2):
        signed = sign(envelope(PadesLevel.B_LT), pki.holder("Zoé Œuvrard"), f"s/{number}", base, base, moment)
        dss = DocumentSecurityStore.read_dss(PdfFileReader(BytesIO(shelf.read(document=signed))))
        # The signatory's and the timestamping unit's answers; the root's list. Nobody else's from before.
        assert (len(dss.ocsps), len(dss.crls)) == (2, 1)
    assert pki.tokens == 2


def test_the_same_key_prepares_the_same_bytes_in_any_process(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base, holder = shelf.keep(content=pdf), pki.holder("Zoé Œuvrard")
    shown = Appearance(page=1, box=(50, 50, 250, 110), name="Zoé Œuvrard", level="niveau 3")

    def prepare(key: str) -> PreparedSignature:
        prepared = envelope().prepare(
            key=Key(key), validated=base, base=base, credential=holder.credential, at=moment, appearance=shown
        )
        assert isinstance(prepared, PreparedSignature)
        return prepared

    assert prepare("s/1") == prepare("s/1")
    assert prepare("s/1").digest != prepare("s/2").digest


def test_a_place_survives_a_crash_between_its_two_steps(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime, tmp_path: Path
) -> None:
    base, holder = shelf.keep(content=pdf), pki.holder("Zoé Œuvrard")
    before = envelope().prepare(key=Key("s/1"), validated=base, base=base, credential=holder.credential, at=moment)
    stored = (str(before.base), str(before.prepared), bytes(before.digest), bytes(before.state))
    del before

    assert len(stored[3]) < 4096
    after = PreparedSignature(
        base=ContentHash(stored[0]), prepared=ContentHash(stored[1]), digest=stored[2], state=stored[3]
    )
    elsewhere = FileShelf(shelf.directory)
    signed = envelope().embed(
        key=Key("s/2"), prepared=after, credential=holder.credential, value=holder.sign(after.digest)
    )

    (status,) = statuses(elsewhere.read(document=signed), pki, moment, offline=True)
    assert status.bottom_line


def test_an_embedding_asked_again_answers_the_same_and_buys_no_second_timestamp(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime, tmp_path: Path
) -> None:
    base, holder = shelf.keep(content=pdf), pki.holder("Zoé Œuvrard")
    prepared = envelope().prepare(key=Key("s/1"), validated=base, base=base, credential=holder.credential, at=moment)
    value = holder.sign(prepared.digest)

    def embed() -> ContentHash:
        made = envelope(PadesLevel.B_LT, KeptAnswers(tmp_path / "answers"))
        return ContentHash(made.embed(key=Key("s/2"), prepared=prepared, credential=holder.credential, value=value))

    assert embed() == embed()
    assert pki.tokens == 1


def test_a_chain_is_completed_from_the_source(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    from attrs import evolve

    base, holder = shelf.keep(content=pdf), pki.holder("Zoé Œuvrard")
    alone = evolve(holder, chain=holder.chain[:1])

    signed = shelf.read(document=sign(envelope(PadesLevel.B_LT), alone, "s/1", base, base, moment))

    (status,) = statuses(signed, pki, moment, offline=True)
    assert status.bottom_line


def test_it_works_inside_a_running_event_loop(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base, holder = shelf.keep(content=pdf), pki.holder("Zoé Œuvrard")

    async def host() -> ContentHash:
        return sign(envelope(PadesLevel.B_LT), holder, "s/1", base, base, moment)

    assert shelf.read(document=asyncio.run(host())).startswith(pdf)


def test_a_visible_signature_shows_every_letter_and_stays_valid(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime
) -> None:
    base = shelf.keep(content=pdf)
    shown = Appearance(
        page=1, box=(50, 60, 250, 120), name="Žofie Œuvrard-Łódź", level="niveau 3", url="https://a.test"
    )

    signed = shelf.read(
        document=sign(envelope(), pki.holder("Žofie"), "s/1", base, base, moment, appearance=shown, reason="Lu ✓")
    )

    (status,) = statuses(signed, pki, moment, offline=True)
    assert status.bottom_line
    reader = PdfFileReader(BytesIO(signed))
    (signature,) = reader.embedded_regular_signatures
    assert [float(edge) for edge in signature.sig_field["/Rect"]] == [50, 60, 250, 120]
    form = signature.sig_field["/AP"]["/N"]
    assert [float(edge) for edge in form["/BBox"]] == [0, 0, 200, 60]
    assert form["/Resources"]["/Font"]  # embedded, not one of the viewer's
    assert signature.sig_object["/Reason"] == "Lu ✓"


@pytest.mark.parametrize("level", [level for level in LEVELS if level.timestamped], ids=lambda level: level.name)
def test_a_timestamp_larger_than_its_place_stands_over_the_document_and_costs_no_signature(
    level: PadesLevel, pki: Pki, shelf: FileShelf, pdf: bytes, moment: datetime, stopped: Any
) -> None:
    """The value was bought from a remote service: it is not lost to a timestamp that nobody could know."""
    tight = PdfEnvelope(documents=shelf, timestamps=pki, revocation=pki, clock=stopped, level=level, token_size=500)
    base = shelf.keep(content=pdf)
    signed = shelf.read(document=sign(tight, pki.holder("Zoé Œuvrard"), "s/1", base, base, moment))

    (status,) = statuses(signed, pki, moment, offline=level.long_term)
    assert status.bottom_line
    reader = PdfFileReader(BytesIO(signed))
    (stamp,) = reader.embedded_timestamp_signatures
    assert ("/DSS" in reader.root) is level.long_term
    (one,) = reader.embedded_regular_signatures
    assert not one.signer_info["unsigned_attrs"]  # nothing that was too large for its place
    if level.long_term:
        settings = {"trust_roots": [root_of(pki)], "moment": moment, "revocation_mode": "require"}
        context = DocumentSecurityStore.read_dss(reader).as_validation_context(settings)
    else:
        ca = asn1_x509.Certificate.load(pki.issuer(certificate=pki.tsu.public_bytes(Encoding.DER)))
        context = ValidationContext(trust_roots=[root_of(pki)], other_certs=[ca], moment=moment)
    time = asyncio.run(async_validate_pdf_timestamp(stamp, context))
    assert time.intact and time.valid and time.trusted


def test_memory_does_not_grow_with_the_document(
    pki: Pki, shelf: FileShelf, envelope: Make, moment: datetime, large: Callable[[int], bytes]
) -> None:
    import tracemalloc

    size = 50 << 20
    holder = pki.holder("Zoé Œuvrard")
    base = shelf.keep(content=large(1024))
    sign(envelope(), holder, "warm", base, base, moment)  # imports and caches
    base = shelf.keep(content=large(size))

    tracemalloc.start()
    try:
        sign(envelope(), holder, "s/1", base, base, moment)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 20 << 20


def test_a_local_key_signs_in_one_call(pki: Pki, pdf: bytes, moment: datetime, stopped: Any) -> None:
    seal = pki.holder("Seal of the platform")

    sealed = pades.sign(
        pdf=pdf,
        name="request/1",
        signing=seal.sign,
        chain=seal.chain,
        algorithm=seal.credential.algorithm,
        at=moment,
        clock=stopped,
        level=PadesLevel.B_LT,
        timestamps=pki,
        revocation=pki,
        reason="Demande de certificat",
    )

    (status,) = statuses(sealed, pki, moment, offline=True)
    assert status.bottom_line
    assert hashlib.sha256(sealed).digest() != hashlib.sha256(pdf).digest()
