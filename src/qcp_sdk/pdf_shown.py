"""What updates after a signature show over the pages that it was given for.

pyHanko's difference analysis lets later updates add signature fields with whatever appearance, as large as they like
(the "evil annotation" and "sneaky signature" attacks). So we look at each page: at every annotation that the signed
revision did not have, and at those fields of it that were filled since. Only signature fields come so far: the
analysis refuses all others.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pyhanko.pdf_utils.reader import PdfFileReader

ONE_COVERS: Final = 0.25
"""The part of a page from which on one later signature covers it."""
ALL_COVER: Final = 0.5
"""The part of a page from which on all later signatures on it together do."""
_DEEPEST: Final = 50


class Shown(IntEnum):
    """What is shown since, from the least to the most serious."""

    NOTHING = 0
    SIGNATURES = 1
    """A later signature shows something, and leaves most of each page to be seen."""
    COVERED = 2
    """Something that no signature vouches for, or so large that it hides what was signed."""


def shown_since(reader: PdfFileReader, revision: int) -> Shown:
    """Say what updates after `revision` show over its pages. Raises whatever pyHanko does of what it cannot read."""
    found = Shown.NOTHING
    old = reader.get_historical_resolver(revision)
    for reference, page, box in _pages(reader.root.raw_get("/Pages"), None, 0):
        later = _references(page)
        if not later:
            continue
        before = _references(old.get_object(reference))
        total = 0.0
        for one in later:
            widget = one.get_object()
            if one in before and (_filled(old.get_object(one)) or not _filled(widget)):
                continue
            part = _part(widget, box) if _shows(widget) else 0.0
            if not part:
                continue
            total += part
            if not _filled(widget) or part > ONE_COVERS or total > ALL_COVER:
                return Shown.COVERED
            found = Shown.SIGNATURES
    return found


def _pages(node: Any, box: Any, depth: int) -> Iterator[tuple[Any, Any, Any]]:
    """Give each page's reference, the page, and the box of it that is shown."""
    if depth > _DEEPEST:
        raise ValueError("the page tree is too deep")
    found = node.get_object()
    own = {key: value for key in ("/MediaBox", "/CropBox") if (value := _value(found, key)) is not None}
    box = {**(box or {}), **own}
    if "/Kids" not in found:
        yield node.reference, found, box.get("/CropBox", box.get("/MediaBox"))
        return
    for kid in found["/Kids"]:
        yield from _pages(kid, box, depth + 1)


def _references(page: Any) -> set[Any]:
    """Give the references of a page's annotations. pyHanko refuses what was added to them directly."""
    from pyhanko.pdf_utils import generic

    listed = _value(page, "/Annots")
    if not isinstance(listed, list | tuple):
        return set()
    return {one.reference for one in listed if isinstance(one, generic.IndirectObject)}


def _shows(widget: Any) -> bool:
    """Whether it has an appearance, or what a reader would make one from (ISO 32000-2 § 12.5.6.19)."""
    return bool(_value(widget, "/AP") or _value(widget, "/MK"))


def _filled(widget: Any) -> bool:
    """Whether it stands for a signature; its value may stand above it (§ 12.7.4.1)."""
    for _ in range(_DEEPEST):
        value = _value(widget, "/V")
        if value is not None:
            return isinstance(value, dict) and "/Contents" in value and "/ByteRange" in value
        widget = _value(widget, "/Parent")
    return False


def _value(of: Any, key: str) -> Any:
    """Give what stands under a key, dereferenced (pyHanko's `get` does not); None for null and for no dictionary."""
    if not isinstance(of, dict):
        return None
    try:
        return of[key]
    except KeyError:  # also where null stands there
        return None


def _part(widget: Any, box: Any) -> float:
    """Give the part of the page that it stands over, from 0 to 1; all of it where that cannot be told."""
    try:
        left, bottom, right, top = _corners(widget["/Rect"])
        page_left, page_bottom, page_right, page_top = _corners(box)
        whole = (page_right - page_left) * (page_top - page_bottom)
        width = max(0.0, min(right, page_right) - max(left, page_left))
        height = max(0.0, min(top, page_top) - max(bottom, page_bottom))
        return width * height / whole
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return 1.0


def _corners(rectangle: Any) -> tuple[float, float, float, float]:
    """Give left, bottom, right and top: any two opposite corners may be written (§ 7.9.5)."""
    one, two, three, four = (float(rectangle[place]) for place in range(len(rectangle)))
    return min(one, three), min(two, four), max(one, three), max(two, four)
