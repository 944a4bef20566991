"""Setting PDF documents with Typst: PDF/A-2a and PDF/UA-1 in one file, offline, with the fonts of the wheel.

The data reach the template as JSON and are set as text, never read as markup. The same template, data and
instant give the same bytes (of one version of Typst).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst

from qcp_sdk.adapters.shared.texts import TEMPLATES
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.values import utc

if TYPE_CHECKING:
    from typst import PDFStandard

_STANDARDS: Final[list[PDFStandard]] = ["a-2a", "ua-1"]
_UNSHOWABLE: Final = "could not be displayed"
"""What Typst says of characters that no font has; PDF/A forbids it to draw boxes instead (ISO 19005-2 § 6.2.11.8)."""


def set_pdf(template: str, data: Mapping[str, str], *, at: datetime, directory: Path | None = None) -> bytes:
    """Give the PDF of `documents/<template>.typ`; that of the host's own `directory`, if it has one.

    `at` is the document's date. Characters that the fonts cannot show are refused, never shown as boxes.

    Raises:
        Rejected: `cannot_compose`: these data cannot be set.
        Unavailable: A template of the host's cannot be set.
    """
    own = directory / "documents" / f"{template}.typ" if directory is not None else None
    source = own if own is not None and own.is_file() else TEMPLATES / "documents" / f"{template}.typ"
    try:
        return typst.compile(
            source,
            root=source.parent,
            ignore_system_fonts=True,  # a document must not depend on the machine that made it
            sys_inputs={"data": json.dumps(dict(data), ensure_ascii=False)},
            pdf_standards=_STANDARDS,
            timestamp=int(utc(at).timestamp()),
        )
    except RuntimeError as error:  # TypstError is one
        # Neither message quotes Typst's: it holds the text that could not be set, which may be a name.
        if _UNSHOWABLE in str(error):
            raise Rejected(
                "the data hold characters that the fonts cannot show",
                reason="cannot_compose",
                mend="give them in the alphabet of the document's machine-readable zone",
            ) from error
        raise Unavailable(
            f"the document template `{template}` cannot be set", mend="correct your own copy of it"
        ) from error
