"""What others made of a document after it was signed, by updates that a PDF's forms allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qcp_sdk.testing.hostile.kit import (
    CATALOG,
    CONTENT,
    PAGE,
    Kit,
    appended,
    last_table,
    plain,
    stream,
    writer,
    written,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_FIELD, _SIGNED, _LATER = 6, 7, 60
_FORM: Final = b"/Type /XObject /Subtype /Form /BBox [0 0 %d %d] /Resources << /Font << /F1 5 0 R >> >> "
_TEXT: Final = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /Ff %d /F 4 /Rect [72 680 272 700] /P 3 0 R "


def _amount(flags: int, text: bytes, appearance: int) -> dict[int, bytes]:
    shown = stream(b"/Tx BMC BT /F1 12 Tf 2 4 Td (%s) Tj ET EMC" % text, _FORM % (200, 20))
    field = _TEXT % flags + b"/V (%s) /AP << /N %d 0 R >> >>" % (text, appearance)
    return {_FIELD: field, appearance: shown}


def refilled(flags: int) -> Callable[[Kit], bytes]:
    """Change the value of a form field, and what it shows, after the signature; `flags` are the field's `/Ff`."""

    def make(kit: Kit) -> bytes:
        form = plain(
            {
                CATALOG: b"<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] >> >>",
                PAGE: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Annots [6 0 R] "
                b"/Resources << /Font << /F1 5 0 R >> >> >>",
                **_amount(flags, b"100 euros", _SIGNED),
            }
        )
        signed = kit.sign(form)
        return appended(signed, _amount(flags, b"100 000 euros", _LATER), previous=last_table(signed))

    return make


_PAGE: Final = (0, 0, 595, 842)
_OVER: Final = b"1 g 0 0 595 842 re f 0 g BT /F1 12 Tf 72 720 Td (The buyer pays 900 euros.) Tj ET"


def covered(kit: Kit) -> bytes:
    """Add a signature field that nobody fills, whose picture is another page."""
    from pyhanko.pdf_utils import generic
    from pyhanko.sign.fields import SigFieldSpec, append_signature_field

    update = writer(kit.signed())
    append_signature_field(update, SigFieldSpec("next", box=_PAGE))
    added = update.root["/AcroForm"]["/Fields"][-1]
    page = update.root["/Pages"]["/Kids"][0]
    picture = {
        generic.pdf_name("/Type"): generic.pdf_name("/XObject"),
        generic.pdf_name("/Subtype"): generic.pdf_name("/Form"),
        generic.pdf_name("/BBox"): generic.ArrayObject(map(generic.NumberObject, _PAGE)),
        generic.pdf_name("/Resources"): page["/Resources"],
    }
    shown = update.add_object(generic.StreamObject(picture, stream_data=_OVER))
    added["/AP"] = generic.DictionaryObject({generic.pdf_name("/N"): shown})  # type: ignore[no-untyped-call]
    update.update_container(added)
    return written(update)


def covered_by_signature(kit: Kit) -> bytes:
    """Let a stranger sign over the whole page: what they show of their signature is another page."""
    stranger = kit.signatory("Somebody Else", self_signed=True)
    return kit.sign(kit.signed(), stranger, name="two", box=_PAGE, shows=plain({CONTENT: stream(_OVER)}))
