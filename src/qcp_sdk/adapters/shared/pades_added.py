"""What was added to a PDF that somebody else signed: whether it is signing alone, and whom its certificates name.

A PDF grows by updates, and a signature covers whatever stands there when it is made: a good signature over the exact
bytes that were sent, and over an update that replaces a page, vouches for the replaced page.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Final

from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader, RawPdfPath
from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DiffResult,
    DocInfoRule,
    DSSCompareRule,
    FieldComparisonContext,
    FormUpdate,
    FormUpdatingRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    SuspiciousModification,
    XrefStreamRule,
)
from pyhanko.sign.diff_analysis.form_rules_api import _list_fields
from pyhanko.sign.fields import MDPPerm

from qcp_sdk.certificates import read
from qcp_sdk.errors import CertificateError
from qcp_sdk.values import PersonName

_HARMLESS: Final = ModificationLevel.LTA_UPDATES
_FIELDS: Final = RawPdfPath("/Root", "/AcroForm", "/Fields")


class _FirstForm(FormUpdatingRule):
    """pyHanko's rule, which takes it that the base is signed and so has a form, for a base that may have none."""

    def apply(self, old: HistoricalResolver, new: HistoricalResolver) -> Iterator[tuple[ModificationLevel, FormUpdate]]:
        """Give the objects that a form of signatures explains."""
        if "/AcroForm" in old.root:
            yield from super().apply(old, new)
            return
        if "/AcroForm" not in new.root:
            return
        form = new.root["/AcroForm"]
        if not isinstance(form, DictionaryObject) or not form.keys() <= {"/Fields", "/SigFlags", "/DA", "/DR"}:
            raise SuspiciousModification("the new form is more than signatures need")
        raw = (new.root.raw_get("/AcroForm"), form.raw_get("/Fields"))
        explained = {one.reference for one in raw if isinstance(one, IndirectObject)}
        if "/DR" in form:
            explained |= new.collect_dependencies(form.raw_get("/DR"), since_revision=old.revision + 1)
        for reference in explained:
            if old.is_ref_unassignable(reference):
                yield _HARMLESS, FormUpdate(updated_ref=reference, field_name=None)
        specs = dict(_list_fields(ArrayObject(), form["/Fields"], old_path=_FIELDS))
        for rule in self.field_rules:
            yield from rule.apply(FieldComparisonContext(field_specs=specs, old=old, new=new))


_SIGNING: Final = StandardDiffPolicy(
    global_rules=[
        CatalogModificationRule(),  # type: ignore[no-untyped-call]
        *(
            rule.as_qualified(_HARMLESS)
            for rule in (DocInfoRule(), XrefStreamRule(), ObjectStreamRule(), DSSCompareRule(), MetadataUpdateRule())  # type: ignore[no-untyped-call]
        ),
    ],
    form_rule=_FirstForm(
        field_rules=[SigFieldCreationRule(), SigFieldModificationRule()],  # type: ignore[no-untyped-call]
        ignored_acroform_keys=frozenset({"/Fields", "/SigFlags"}),
    ),
)
"""pyHanko's own policy, which `verify` judges later changes by, but for the filling-in of other fields: what a form
says is part of what is signed."""


def only_signing_added(signed: bytes, *, base: bytes) -> bool:
    """Say whether all that was added to `base` serves signing: signatures, timestamps, validation data, metadata.

    A new signature that shows is more than that: it could stand over the text. What cannot be compared is not the same.
    """
    try:
        was, now = PdfFileReader(BytesIO(base)), PdfFileReader(BytesIO(signed))
        revisions = was.xrefs.total_revisions
        # Only a reader that comes by the document's own cross-references sees the document below the updates.
        starts = _starts(now)
        if starts[:revisions] != _starts(was) or len(starts) == revisions:
            return False
        if any(section.xref_data.hybrid is not None for section in now.xrefs._xref_sections[revisions:]):
            return False  # two readers would see two documents
        # A certification forbids new signatures that show, and so do we.
        found = _SIGNING.review_file(now, revisions - 1, doc_mdp=MDPPerm.FILL_FORMS)
    except Exception:  # noqa: BLE001  # pyHanko, on bytes that are not ours, raises whatever its parts raise
        return False
    return isinstance(found, DiffResult) and found.modification_level <= ModificationLevel.FORM_FILLING


def holders(signed: bytes) -> dict[str, PersonName | None]:
    """Give whom the certificate of each signature names, by signature field; None where it names nobody."""
    found: dict[str, PersonName | None] = {}
    try:
        for one in PdfFileReader(BytesIO(signed)).embedded_signatures:
            found[str(one.field_name)] = _holder(one.signer_cert.dump())
    except Exception:  # noqa: BLE001  # as above: who was not reached names nobody
        return found
    return found


def _starts(reader: PdfFileReader) -> list[int]:
    return [section.meta_info.declared_startxref for section in reader.xrefs._xref_sections]


def _holder(certificate: bytes) -> PersonName | None:
    try:
        return read(certificate).name
    except CertificateError:
        return None
