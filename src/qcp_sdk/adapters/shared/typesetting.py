"""Setting PDF documents with Typst: PDF/A-2a and PDF/UA-1 in one file, offline, with the fonts of the wheel.

The data reach the template as JSON and are set as text, never read as markup. The same template, data and
instant give the same bytes (of one version of Typst).
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import typst

from qcp_sdk.adapters.shared.texts import TEMPLATES
from qcp_sdk.errors import ConfigurationError, Rejected
from qcp_sdk.values import utc

Data: TypeAlias = "str | bool | list[Data] | dict[str, Data]"
"""What a template may be given."""

_STANDARDS: Final[list[typst.PDFStandard]] = ["a-2a", "ua-1"]


def set_pdf(template: str, data: Mapping[str, Data], *, at: datetime, directory: Path | None = None) -> bytes:
    """Give the PDF of `documents/<template>.typ`, from the host's own `directory` if it stands there.

    `at` is the document's date. Characters that the fonts cannot show are refused, never shown as boxes.

    Raises:
        Rejected: `cannot_compose`: these data cannot be set.
        ConfigurationError: The template itself is wrong.
    """
    folder, source = _find(template, directory)
    try:
        pdf = typst.compile(
            source,
            root=folder,
            ignore_system_fonts=True,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            pdf_standards=_STANDARDS,
            timestamp=int(utc(at).timestamp()),
        )
    except RuntimeError as error:
        if _unshowable(data):
            raise Rejected(
                "the document holds characters that its fonts cannot show",
                reason="cannot_compose",
                mend="give the data in the Latin, Greek or Cyrillic alphabet, as the identity document's machine-readable"
                " zone has them",
            ) from error
        raise ConfigurationError(
            "the document cannot be set", where=f"documents/{template}.typ", mend=_first_line(error)
        ) from error
    assert isinstance(pdf, bytes)
    return pdf
