"""What later updates may make of a signed document, and what not."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from asn1crypto import keys, x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter, append_signature_field
from pyhanko_certvalidator.registry import SimpleCertificateStore

from qcp_sdk.adapters.shared.pades_standing import standing_chains
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.testing import hostile
from qcp_sdk.testing.hostile import later
from qcp_sdk.testing.hostile.kit import PAGES, plain, writer, written
from qcp_sdk.verification import Changes, Indication, SignatureReport, verify


@pytest.fixture(scope="module")
def kit() -> hostile.Kit:
    return hostile.Kit()


def first(kit: hostile.Kit, content: bytes) -> SignatureReport:
    return verify(content, trust=kit.trust(), now=hostile.NOW).signatures[0]


def extendable(content: bytes) -> bool:
    try:
        return bool(standing_chains(PdfFileReader(BytesIO(content))))
    except Rejected as refusal:
        assert refusal.reason == "signature_broken"
        return False


def changed(kit: hostile.Kit, content: bytes) -> bool:
    """Whether the first signature fails because of a change, for whoever extends the document too."""
    found = first(kit, content)
    if found.indication is Indication.PASSED:
        assert extendable(content)
        return False
    assert (found.indication, found.sub_indication) == (Indication.FAILED, "FORMAT_FAILURE")
    assert (found.level_reached, found.changes) == (None, Changes.CONTENT)
    assert [one.id for one in found.reasons][:1] == ["content_changed_since"]
    assert not extendable(content)
    return True


@pytest.mark.parametrize("flags", [0, 1], ids=["open", "read-only"])
def test_another_value_of_a_form_field_is_changed_content(kit: hostile.Kit, flags: int) -> None:
    assert changed(kit, later.refilled(flags)(kit))


def test_a_signature_after_the_first_is_no_change_of_a_form(kit: hostile.Kit) -> None:
    assert not changed(kit, kit.sign(kit.signed(), name="two"))


BOX = (50, 50, 200, 110)
"""Of a signature as people place them: not a fiftieth of the page."""


def visible(kit: hostile.Kit, content: bytes, name: str, box: tuple[int, int, int, int] = BOX) -> bytes:
    return kit.sign(content, name=name, box=box, shows=plain())


def edited(content: bytes, change: Callable[[IncrementalPdfFileWriter, generic.DictionaryObject], None]) -> bytes:
    """Add an empty signature field over the page, and change it."""
    update = writer(content)
    append_signature_field(update, SigFieldSpec("next", box=(0, 0, 595, 842)))
    added = update.root["/AcroForm"]["/Fields"][-1].get_object()
    change(update, added)
    return written(update)


@pytest.mark.parametrize("make", [later.covered, later.covered_by_signature], ids=lambda one: one.__name__)
def test_a_page_that_is_hidden_is_changed_content(kit: hostile.Kit, make: Callable[[hostile.Kit], bytes]) -> None:
    assert changed(kit, make(kit))


def test_signatories_who_sign_visibly_in_turn_leave_each_other_standing(kit: hostile.Kit) -> None:
    content = visible(kit, plain(), "one")
    for number, name in enumerate(("two", "three", "four"), 1):
        content = visible(kit, content, name, (50 + 120 * number, 50, 160 + 120 * number, 110))
        assert not changed(kit, content)
    report = verify(content, trust=kit.trust(), now=hostile.NOW)
    told = ["later_signature_shown" in {why.id for why in one.reasons} for one in report.signatures]
    assert told == [True, True, True, False]
    assert {one.level_reached for one in report.signatures} == {SignatureLevel.NIVEAU_3}


def test_an_invisible_signature_after_a_visible_one_shows_nothing(kit: hostile.Kit) -> None:
    content = kit.sign(visible(kit, plain(), "one"), name="two")
    assert not changed(kit, content)
    assert "later_signature_shown" not in {why.id for why in first(kit, content).reasons}


def test_many_signatures_that_hide_the_page_together_are_changed_content(kit: hostile.Kit) -> None:
    content = kit.signed()
    for number in range(3):
        assert not changed(kit, content)
        content = visible(kit, content, f"n{number}", (0, 200 * number, 595, 200 * (number + 1)))
    assert changed(kit, content)


def test_an_empty_field_shows_nothing_without_an_appearance(kit: hostile.Kit) -> None:
    assert not changed(kit, edited(kit.signed(), lambda _, field: field.pop("/AP")))


def test_a_rectangle_of_references_is_no_way_around(kit: hostile.Kit) -> None:
    """pyHanko takes a rectangle that it cannot reckon with as empty."""

    def change(update: IncrementalPdfFileWriter, field: generic.DictionaryObject) -> None:
        field["/Rect"] = generic.ArrayObject(
            update.add_object(generic.NumberObject(one))  # type: ignore[no-untyped-call]
            for one in (595, 842, 0, 0)
        )

    assert changed(kit, edited(kit.signed(), change))


def test_a_value_that_is_no_signature_fills_nothing(kit: hostile.Kit) -> None:
    def change(update: IncrementalPdfFileWriter, field: generic.DictionaryObject) -> None:
        value = generic.DictionaryObject({generic.pdf_name("/Type"): generic.pdf_name("/Sig")})  # type: ignore[no-untyped-call]
        field["/V"] = update.add_object(value)
        field["/Rect"] = generic.ArrayObject(map(generic.NumberObject, (72, 715, 200, 740)))

    assert changed(kit, edited(kit.signed(), change))


def test_a_field_that_waited_and_was_filled_is_told(kit: hostile.Kit) -> None:
    update = writer(plain())
    append_signature_field(update, SigFieldSpec("next", box=BOX))
    content = kit.sign(written(update))
    signer = signers.SimpleSigner(
        x509.Certificate.load(kit.honest.chain[0]),
        keys.PrivateKeyInfo.load(kit.honest.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        SimpleCertificateStore(),  # type: ignore[no-untyped-call]
    )
    out = BytesIO()
    meta = signers.PdfSignatureMetadata(field_name="next", subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256")
    signers.PdfSigner(meta, signer).sign_pdf(writer(content), output=out)
    assert not changed(kit, out.getvalue())
    assert "later_signature_shown" in {why.id for why in first(kit, out.getvalue()).reasons}


@pytest.mark.parametrize("annotations", [b"null", b"[null]"])
def test_a_page_with_annotations_that_are_none_is_looked_at(kit: hostile.Kit, annotations: bytes) -> None:
    page = b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Annots %s >>" % annotations
    pages = b"<< /Type /Pages /Kids [3 0 R 6 0 R] /Count 2 /MediaBox [0 0 595 842] >>"
    update = writer(kit.sign(plain({PAGES: pages, 6: page})))
    update.root["/DSS"] = update.add_object(generic.DictionaryObject())  # type: ignore[no-untyped-call]
    update.update_root()  # type: ignore[no-untyped-call]
    assert not changed(kit, written(update))
