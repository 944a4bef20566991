"""The hostile documents: what was done to each, what verification says of it, and why others say something else.

What ours says is written here, not taken from a run: `tests/kit/test_hostile.py` compares.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from attrs import field, frozen

from qcp_sdk.testing.hostile import cms, later
from qcp_sdk.testing.hostile.kit import (
    COMPLIANCE,
    CONTENT,
    PAGE,
    PAGES,
    QSCD,
    Kit,
    appended,
    der,
    esign,
    last_table,
    plain,
    statement,
    stream,
    writer,
    written,
)


@frozen(kw_only=True)
class Hostile:
    """One hostile document."""

    name: str
    what: str
    """What was done."""
    make: Callable[[Kit], bytes] = field(repr=False)
    says: str
    """What `verify` says: the text of a DocumentError, `no signature`, or what it says of the first signature."""
    differs: str = ""
    """Why pdfsig or pyHanko say something else; empty where nobody does."""


READ: Final = "it is not a PDF that can be read"
FAILED: Final = "FAILED FORMAT_FAILURE"
PASSED: Final = "PASSED NIVEAU_3"

_CONTENT: Final = "pdfsig judges the signed bytes alone; that the page is another one now it does not see."
_FILLED: Final = (
    "Filling in a form is allowed after an approval signature (ISO 32000-2 § 12.8.2.2.2), says pyHanko; what the "
    "signatory saw is another text all the same."
)
_OVER: Final = (
    "Signature fields may be added after an approval signature, says pyHanko, whatever they show; we look at what they "
    "show where."
)
_TAIL: Final = (
    "The end of a PDF stands in its last kilobyte (ISO 32000-2 § 7.5.5, as Acrobat reads it); pdfsig looks further."
)
_MOVED: Final = (
    "pdfsig takes the byte range's word for what was signed; its hole must hold the signature and nothing else."
)
_TWO: Final = "pdfsig looks at the first signer; PAdES has one (EN 319 142-1 § 6.3)."
_UNNAMED: Final = (
    "The value is right, but no AdES: its signer could be exchanged (EN 319 122-1 § 5.2.2). Neither of the others asks."
)
_NO_TRUST: Final = "pdfsig's answer is about the value of the signature; who signed is in another line of its answer."


def _flipped(pdf: bytes, place: int) -> bytes:
    return pdf[:place] + bytes([pdf[place] ^ 1]) + pdf[place + 1 :]


def _hole(pdf: bytes) -> int:
    return pdf.index(b"/Contents <") + len(b"/Contents <")


def _replaced_content(kit: Kit) -> bytes:
    text = stream(b"BT /F1 12 Tf 72 720 Td (The buyer pays 900 euros.) Tj ET")
    signed = kit.signed()
    return appended(signed, {CONTENT: text}, previous=last_table(signed))


def _other_pages(kit: Kit) -> bytes:
    from pyhanko.pdf_utils import generic

    update = writer(kit.signed())
    content = update.add_object(generic.StreamObject(stream_data=b"BT (Another contract) Tj ET"))
    page = generic.DictionaryObject(  # type: ignore[no-untyped-call]
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Page"),
            generic.pdf_name("/MediaBox"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 595, 842))),
            generic.pdf_name("/Contents"): content,
        }
    )
    pages = generic.DictionaryObject(  # type: ignore[no-untyped-call]
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Pages"),
            generic.pdf_name("/Kids"): generic.ArrayObject([update.add_object(page)]),
            generic.pdf_name("/Count"): generic.NumberObject(1),  # type: ignore[no-untyped-call]
        }
    )
    update.root["/Pages"] = update.add_object(pages)
    update.update_root()  # type: ignore[no-untyped-call]
    return written(update)


def _hidden_then_shown(kit: Kit) -> bytes:
    """Hide what is signed behind a picture, then take the picture away (shadow attack "hide")."""
    cover = stream(b"1 1 1 rg 0 0 595 842 re f BT 0 g /F1 12 Tf 72 720 Td (A harmless letter) Tj ET")
    text = stream(b"BT /F1 12 Tf 72 720 Td (The buyer pays 900 euros.) Tj ET")
    two = plain(
        {
            PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents [4 0 R 6 0 R] "
            b"/Resources << /Font << /F1 5 0 R >> >> >>",
            CONTENT: text,
            6: cover,
        }
    )
    signed = kit.sign(two)
    return appended(signed, {6: stream(b"")}, previous=last_table(signed))


def _annotated(kit: Kit) -> bytes:
    from pyhanko.pdf_utils import generic

    update = writer(kit.signed())
    page = update.root["/Pages"]["/Kids"][0].get_object()
    note = generic.DictionaryObject(  # type: ignore[no-untyped-call]
        {
            generic.pdf_name("/Type"): generic.pdf_name("/Annot"),
            generic.pdf_name("/Subtype"): generic.pdf_name("/FreeText"),
            generic.pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (72, 715, 400, 740))),
            generic.pdf_name("/Contents"): generic.pdf_string("The buyer pays 900 euros."),
        }
    )
    page["/Annots"].append(update.add_object(note))
    update.update_container(page["/Annots"])
    return written(update)


def _field_moved(kit: Kit) -> bytes:
    from pyhanko.pdf_utils import generic

    update = writer(kit.signed())
    place = update.root["/AcroForm"]["/Fields"][0].get_object()
    place["/Rect"] = generic.ArrayObject(map(generic.NumberObject, (0, 0, 595, 842)))
    update.update_container(place)
    return written(update)


def _contents(replacement: bytes) -> Callable[[Kit], bytes]:
    def make(kit: Kit) -> bytes:
        pdf = kit.signed()
        start = _hole(pdf)
        end = pdf.index(b">", start)
        return pdf[:start] + replacement.ljust(end - start, b"0") + pdf[end:]

    return make


def _without_contents(kit: Kit) -> bytes:
    return kit.signed().replace(b"/Contents <", b"/Contants <", 1)


def _without_range(kit: Kit) -> bytes:
    return kit.signed().replace(b"/ByteRange [", b"/ByteRinge [", 1)


def _short_range(kit: Kit) -> bytes:
    """Make the range end before the document does, and sign that: the rest may be anything."""
    return cms.ranged(kit.signed(), lambda numbers: [*numbers[:3], numbers[3] - 40])


def _moved_range(kit: Kit) -> bytes:
    """Move what was signed to the end, and put other bytes where it was (signature wrapping)."""
    pdf = kit.signed()
    start = _hole(pdf) - 1
    end = pdf.index(b">", start) + 1
    signed_end = pdf[end:]
    forged = pdf[:end] + signed_end + signed_end
    length = len(signed_end)
    return cms.ranged(forged, lambda _: [0, start, end + length, length])


def _packed(head: bytes, megabytes: int) -> bytes:
    """Compress zeros after a head, a megabyte at a time."""
    packing = zlib.compressobj(1)
    found = [packing.compress(head)]
    found += [packing.compress(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join((*found, packing.flush()))


def _bomb(_kit: Kit) -> bytes:
    return plain({CONTENT: stream(_packed(b"", 300), b"/Filter /FlateDecode ")})


def _bombed_objects(_kit: Kit) -> bytes:
    """Put the page tree into an object stream that unpacks to three hundred megabytes."""
    packed = _packed(b"2 0 << /Type /Pages /Kids [] /Count 0 >>", 300)
    objects = b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream"
    head = b"%PDF-1.7\n"
    first = b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    second = b"3 0 obj\n" + objects % (len(packed), packed) + b"\nendobj\n"
    places = (len(head), len(head) + len(first))
    table = places[1] + len(second)
    rows = b"".join(
        kind.to_bytes(1, "big") + one.to_bytes(4, "big") + two.to_bytes(2, "big")
        for kind, one, two in ((0, 0, 65535), (1, places[0], 0), (2, 3, 0), (1, places[1], 0), (1, table, 0))
    )
    entries = b"4 0 obj\n<< /Type /XRef /Size 5 /W [1 4 2] /Root 1 0 R /Length %d >>\nstream\n%s\nendstream\nendobj\n"
    return head + first + second + entries % (len(rows), rows) + b"startxref\n%d\n%%%%EOF\n" % table


def _listing(entries: int, widths: str, rows: bytes) -> bytes:
    """Write a small document whose cross-reference stream unpacks to so many entries."""
    head = b"%PDF-1.7\n"
    catalog = b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    pages = b"2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\n"
    packed = zlib.compress(rows, 9)
    told = b"/Size %d /W [%s] /Root 1 0 R /Filter /FlateDecode" % (entries, widths.encode())
    table = b"3 0 obj\n<< /Type /XRef %s /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (told, len(packed), packed)
    before = head + catalog + pages
    return before + table + b"startxref\n%d\n%%%%EOF\n" % len(before)


def _listing_bomb(_kit: Kit) -> bytes:
    entries = 4_000_000
    return _listing(entries, "1 4 2", (b"\x01" + (9).to_bytes(4, "big") + bytes(2)) * entries)


def _widthless_bomb(_kit: Kit) -> bytes:
    return _listing(10**9, "0 0 0", bytes(9))


def _value_bomb(_kit: Kit) -> bytes:
    return plain({PAGES: b"<< /Type /Pages /Kids [3 0 R] /Count 1 /X [" + b"/a" * 4_000_000 + b"] >>"})


def _nested(_kit: Kit) -> bytes:
    return plain({PAGES: b"[" * 50_000 + b"]" * 50_000})


def _self(pdf: bytes) -> bytes:
    """Make the last table name itself as the one before."""
    made = appended(pdf, {CONTENT: stream(b"BT ET")}, previous=last_table(pdf))
    here = last_table(made)
    old, new = b"/Prev %d" % last_table(pdf), b"/Prev %d" % here
    return made.replace(old, new)


def _loop_of_pages(_kit: Kit) -> bytes:
    return plain({PAGES: b"<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>"})


def _loop_of_references(_kit: Kit) -> bytes:
    return plain({PAGES: b"6 0 R", 6: b"7 0 R", 7: b"6 0 R"})


def _many_fields(_kit: Kit) -> bytes:
    count = 2_000
    fields = b" ".join(b"%d 0 R" % (10 + number) for number in range(count))
    value = b"<< /Type /Sig /SubFilter /ETSI.CAdES.detached /Contents <00> /ByteRange [0 1 2 3] >>"
    one = b"<< /FT /Sig /T (f%d) /V " + value + b" >>"
    objects = {10 + number: one % number for number in range(count)}
    return plain({1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [%s] >> >>" % fields, **objects})


def _field_loop(_kit: Kit) -> bytes:
    return plain(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] >> >>",
            6: b"<< /T (a) /Kids [7 0 R] >>",
            7: b"<< /T (b) /Parent 6 0 R /Kids [6 0 R] >>",
        }
    )


def _hybrid(kit: Kit) -> bytes:
    """Give a later update two cross-reference tables that disagree: two programs see two documents."""
    signed = kit.signed()
    shadow = (
        b"20 0 obj\n<< /Type /XRef /Size 21 /W [1 4 2] /Root 1 0 R /Length 0 /Index [0 0] >>\n"
        b"stream\n\nendstream\nendobj\n"
    )
    place = len(signed)
    return appended(
        signed + shadow, {CONTENT: stream(b"BT (Other) Tj ET")}, b"/XRefStm %d" % place, previous=last_table(signed)
    )


def _encrypted(password: str) -> Callable[[Kit], bytes]:
    def make(_kit: Kit) -> bytes:
        from io import BytesIO

        from pyhanko.pdf_utils.reader import PdfFileReader
        from pyhanko.pdf_utils.writer import copy_into_new_writer

        update = copy_into_new_writer(PdfFileReader(BytesIO(plain())))
        update.encrypt("owner", password)  # type: ignore[no-untyped-call]
        out = BytesIO()
        update.write(out)  # type: ignore[no-untyped-call]
        return out.getvalue()

    return make


def _with(*statements: bytes) -> Callable[[Kit], bytes]:
    return lambda kit: kit.sign(plain(), kit.signatory(statements=statements))


def _raw(value: bytes) -> Callable[[Kit], bytes]:
    return lambda kit: kit.sign(plain(), kit.signatory(raw=value))


def _cms(make: Callable[..., bytes], *, room: int = 10_000) -> Callable[[Kit], bytes]:
    return lambda kit: cms.with_cms(kit, make, room=room)


ALL: Final[tuple[Hostile, ...]] = (
    Hostile(name="in-order", what="nothing: the file that the others are made from", make=Kit.signed, says=PASSED),
    # Not a document, or not one any more
    Hostile(name="empty", what="no byte at all", make=lambda _: b"", says="it is empty"),
    Hostile(name="noise", what="a kilobyte of zeros", make=lambda _: bytes(1_024), says=READ),
    Hostile(name="header-only", what="`%PDF-1.7` and nothing else", make=lambda _: b"%PDF-1.7\n", says=READ),
    Hostile(
        name="cut-in-half",
        what="the second half is missing",
        make=lambda kit: kit.signed()[: len(kit.signed()) // 2],
        says=READ,
    ),
    Hostile(
        name="cut-in-signature",
        what="ends inside the signature",
        make=lambda kit: (pdf := kit.signed())[: _hole(pdf) + 100],
        says="no signature",
    ),
    Hostile(
        name="tail",
        what="2 KB of zeros after the end",
        make=lambda kit: kit.signed() + bytes(2_048),
        says=READ,
        differs=_TAIL,
    ),
    Hostile(
        name="head", what="2 KB of zeros before the beginning", make=lambda kit: bytes(2_048) + kit.signed(), says=READ
    ),
    Hostile(name="no-root", what="a trailer without /Root", make=lambda _: plain(root=False), says=READ),
    Hostile(
        name="no-pages",
        what="a catalogue without pages",
        make=lambda _: plain({1: b"<< /Type /Catalog >>"}),
        says=READ,
    ),
    # Altered
    Hostile(
        name="flipped-content",
        what="one bit of the signed page",
        make=lambda kit: _flipped(pdf := kit.signed(), pdf.index(b"100 euros")),
        says="FAILED HASH_FAILURE",
    ),
    Hostile(
        name="flipped-value",
        what="one bit of the signature's value",
        make=lambda kit: cms.with_cms(kit, lambda *given: _flipped(made := cms.right(*given), len(made) - 3)),
        says="FAILED SIG_CRYPTO_FAILURE",
    ),
    Hostile(
        name="replaced-content",
        what="a later update replaces the page's content",
        make=_replaced_content,
        says=FAILED,
        differs=_CONTENT,
    ),
    Hostile(
        name="replaced-pages",
        what="a later update replaces the page tree (shadow attack)",
        make=_other_pages,
        says=FAILED,
        differs=_CONTENT,
    ),
    Hostile(
        name="uncovered",
        what="a later update takes away what hid a part of the page (shadow attack)",
        make=_hidden_then_shown,
        says=FAILED,
        differs=_CONTENT,
    ),
    Hostile(
        name="note-over-text",
        what="a later update adds a note over the text",
        make=_annotated,
        says=FAILED,
        differs=_CONTENT,
    ),
    Hostile(
        name="field-moved",
        what="a later update spreads the signature's field over the page",
        make=_field_moved,
        says=FAILED,
        differs=_CONTENT,
    ),
    Hostile(
        name="hybrid-update",
        what="a later update has two tables that disagree",
        make=_hybrid,
        says=FAILED,
        differs=_CONTENT,
    ),
    Hostile(
        name="form-refilled",
        what="a later update changes the value of a form field, and what it shows",
        make=later.refilled(0),
        says=FAILED,
        differs=_FILLED,
    ),
    Hostile(
        name="form-refilled-read-only",
        what="the same, of a field that is read-only",
        make=later.refilled(1),
        says=FAILED,
        differs=_FILLED,
    ),
    Hostile(
        name="covered-by-field",
        what="a later update adds an empty signature field whose picture is another page",
        make=later.covered,
        says=FAILED,
        differs=_OVER,
    ),
    Hostile(
        name="covered-by-signature",
        what="a stranger signs later, and what shows of it is another page",
        make=later.covered_by_signature,
        says=FAILED,
        differs=_OVER,
    ),
    # The signature's place
    Hostile(name="contents-missing", what="the signature has no /Contents", make=_without_contents, says=FAILED),
    Hostile(name="contents-empty", what="/Contents is zeros", make=_contents(b""), says=FAILED),
    Hostile(name="contents-no-hex", what="/Contents is no hexadecimal", make=_contents(b"zz<<"), says=FAILED),
    Hostile(name="range-missing", what="the signature has no /ByteRange", make=_without_range, says=FAILED),
    Hostile(
        name="range-short",
        what="the byte range ends before the document",
        make=_short_range,
        says="FAILED HASH_FAILURE",
    ),
    Hostile(
        name="range-moved",
        what="what was signed was moved to the end (signature wrapping)",
        make=_moved_range,
        says=FAILED,
        differs=_MOVED,
    ),
    Hostile(
        name="range-all",
        what="the byte range covers the signature itself",
        make=lambda kit: cms.ranged(kit.signed(), lambda n: [0, n[2], n[2], n[3]]),
        says="FAILED HASH_FAILURE",
    ),
    # Endless
    Hostile(name="nested-arrays", what="fifty thousand arrays in one another", make=_nested, says=READ),
    Hostile(
        name="table-loop",
        what="a cross-reference table that follows itself",
        make=lambda _: _self(plain()),
        says=READ,
    ),
    Hostile(name="page-loop", what="a page tree that holds itself", make=_loop_of_pages, says="no signature"),
    Hostile(name="reference-loop", what="references that lead in a circle", make=_loop_of_references, says=READ),
    Hostile(name="field-loop", what="form fields that hold each other", make=_field_loop, says=READ),
    Hostile(name="many-fields", what="two thousand broken signatures", make=_many_fields, says=READ),
    Hostile(
        name="listing-bomb", what="41 KB whose table unpacks to four million entries", make=_listing_bomb, says=READ
    ),
    Hostile(name="widthless-bomb", what="a thousand million entries without width", make=_widthless_bomb, says=READ),
    Hostile(name="value-bomb", what="four million names in one array", make=_value_bomb, says=READ),
    Hostile(name="content-bomb", what="a page that unpacks to 300 MB", make=_bomb, says="no signature"),
    Hostile(name="object-bomb", what="an object stream that unpacks to 300 MB", make=_bombed_objects, says=READ),
    # Locked
    Hostile(name="encrypted", what="opens with a password only", make=_encrypted("secret"), says="it is encrypted"),
    Hostile(name="encrypted-empty", what="encrypted with an empty password", make=_encrypted(""), says="no signature"),
    # CMS
    Hostile(name="cms-cut", what="half a CMS", make=_cms(cms.cut), says=FAILED),
    Hostile(name="cms-nested", what="two thousand sequences in one another", make=_cms(cms.nested), says=FAILED),
    Hostile(name="cms-endless", what="a CMS that announces 4 GB", make=_cms(cms.endless), says=FAILED),
    Hostile(name="cms-nobody", what="a CMS without a signer", make=_cms(cms.nobody), says=FAILED),
    Hostile(name="cms-twice", what="a CMS with two signers", make=_cms(cms.twice), says=FAILED, differs=_TWO),
    Hostile(
        name="cms-no-certificate", what="a CMS without certificates", make=_cms(cms.without_certificate), says=FAILED
    ),
    Hostile(
        name="cms-unnamed",
        what="the signed attributes do not name the certificate",
        make=_cms(cms.unnamed),
        says="INDETERMINATE SIG_CONSTRAINTS_FAILURE",
        differs=_UNNAMED,
    ),
    Hostile(
        name="cms-another",
        what="the signature of another document",
        make=_cms(cms.of_another),
        says="FAILED HASH_FAILURE",
    ),
    Hostile(
        name="cms-two-digests",
        what="two message digests in the signed attributes",
        make=_cms(cms.doubled_digest),
        says="INDETERMINATE GENERIC",
    ),
    # Certificates
    Hostile(
        name="self-made",
        what="a certificate of one's own with every QCStatement",
        make=lambda kit: kit.sign(plain(), kit.signatory(self_signed=True)),
        says="INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND",
        differs=_NO_TRUST,
    ),
    Hostile(
        name="expired",
        what="a certificate that ended a year ago",
        make=lambda kit: kit.sign(plain(), kit.signatory(days=-365)),
        says="INDETERMINATE OUT_OF_BOUNDS_NO_POE",
        differs=_NO_TRUST,
    ),
    Hostile(
        name="qc-unknown",
        what="an unknown QCStatement besides the usual ones",
        make=_with(statement(COMPLIANCE), esign(), statement("1.2.3.4.5")),
        says=PASSED,
    ),
    Hostile(
        name="qc-type-unknown",
        what="a QcType that nobody knows",
        make=_with(statement(COMPLIANCE), esign("1.2.3.4.5")),
        says="PASSED NIVEAU_2",
    ),
    Hostile(
        name="qc-two-types",
        what="QcType says eSign and eSeal",
        make=_with(statement(COMPLIANCE), esign("0.4.0.1862.1.6.1", "0.4.0.1862.1.6.2")),
        says="PASSED NIVEAU_2",
    ),
    Hostile(
        name="qc-doubled",
        what="QcType stands twice, with different types",
        make=_with(statement(COMPLIANCE), esign("0.4.0.1862.1.6.2"), esign()),
        says="PASSED NIVEAU_2",
    ),
    Hostile(
        name="qc-noise", what="the QCStatements extension is noise", make=_raw(b"\xff" * 40), says="PASSED NIVEAU_2"
    ),
    Hostile(
        name="qc-odd",
        what="a QcSSCD statement with values that it must not have",
        make=_raw(der(0x30, statement(QSCD, *[der(0x30)] * 3))),
        says="PASSED NIVEAU_2",
    ),
)
"""Every hostile document, in the order of docs/hostile.md."""
