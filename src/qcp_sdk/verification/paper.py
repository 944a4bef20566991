"""A verification as one page of paper: PDF/A-2a and PDF/UA-1, in French or English; needs the extra `local`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qcp_sdk.errors import ConfigurationError, DocumentError
from qcp_sdk.verification.console import level, moment, qualified
from qcp_sdk.verification.report import Indication, Report, SignatureReport
from qcp_sdk.verification.texts import say

if TYPE_CHECKING:
    from typst import PDFStandard

_TEMPLATE: Final = Path(__file__).parents[1] / "templates" / "documents" / "verification_report.typ"
_STANDARDS: Final[list[PDFStandard]] = ["a-2a", "ua-1"]
_MOST: Final = 4
"""Signatures on the page, where they fit; fewer where they do not."""
_LINES: Final = 30
"""The others, a line each."""
_LONGEST: Final = 500
"""Characters of one text that a certificate or a field says of itself."""


def paper(report: Report, language: str = "fr", *, name: str = "") -> bytes:
    """Give one A4 page that says what the report says; `name` is the document's. The same report, the same bytes.

    Raises:
        ConfigurationError: The extra `local` (typst) is not installed.
        DocumentError: It cannot be set.
    """
    try:
        import typst
    except ImportError as error:
        raise ConfigurationError(
            "a report on paper needs the `typst` package", where="typst", mend="install qcp_sdk[local]"
        ) from error
    for most in range(min(_MOST, len(report.signatures)), -1, -1):
        data = json.dumps(_data(report, language, name, most), ensure_ascii=False)
        try:
            made = typst.compile(
                _TEMPLATE,
                root=_TEMPLATE.parent,
                ignore_system_fonts=True,
                sys_inputs={"data": data},
                pdf_standards=_STANDARDS,
                timestamp=int(report.verified_at.timestamp()),
            )
        except RuntimeError as error:  # its message may quote a name: it stays in the cause
            raise DocumentError("the report cannot be set", mend="take its JSON form") from error
        assert isinstance(made, bytes)
        if _pages(made) == 1:
            return made
    raise DocumentError("the report does not fit a page", mend="take its JSON form")


def _pages(made: bytes) -> int:
    from io import BytesIO

    from pyhanko.pdf_utils.reader import PdfFileReader

    return int(PdfFileReader(BytesIO(made)).root["/Pages"]["/Count"])


def _data(report: Report, language: str, name: str, most: int) -> dict[str, object]:
    def row(label: str, value: str) -> tuple[str, str]:
        return say(label, language), _printable(value)

    above = report.list_of_lists
    lists = [*((above,) if above else ()), *report.lists]
    expired = f" ({say('expired', language)})"
    number = say("number", language)
    named = [f"{one.territory} {number}\u00a0{one.sequence}{expired if one.expired else ''}" for one in lists]
    shown = [_signature(one, number, language, row) for number, one in enumerate(report.signatures[:most], start=1)]
    others = [_line(one, place, language) for place, one in enumerate(report.signatures, start=1)][most:]
    if len(others) > _LINES:
        others = [*others[:_LINES], say("paper_more", language, count=str(len(others) - _LINES))]
    return {
        "language": language,
        "title": say("paper_title", language),
        "note": say("paper_note", language),
        "document": [
            row("document", " – ".join(filter(None, (name, str(report.document))))),
            row("verified_at", moment(report.verified_at.isoformat(), language)),
            row("level", level(report.level_reached, language)),
            row("lists", ", ".join(named[:40]) or say("no_lists", language)),
            row("snapshot", report.trust_snapshot),
        ],
        "signatures": shown,
        "others": others,
        "reasons": [_printable(one.text(language)) for one in report.reasons],
    }


def _line(one: SignatureReport, number: int, language: str) -> str:
    """Say the most important of a signature that has no block of its own."""
    title = f"{say('signature', language, number=str(number))} ({_printable(one.field_name)[:40]})"
    signer = _printable(one.signer or say("unknown_signer", language))[:80]
    return " – ".join((title, signer, level(one.level_reached, language), one.indication.value))


def _signature(
    one: SignatureReport, number: int, language: str, row: Callable[[str, str], tuple[str, str]]
) -> dict[str, object]:
    rows = [
        row("level", level(one.level_reached, language)),
        row("result", f"{one.indication.value}{' / ' if one.sub_indication else ''}{one.sub_indication}"),
        row("qualification", one.qualification.value),
        row("signer", one.signer or say("unknown_signer", language)),
        row("issuer", one.issuer),
        row("at_issuance", qualified(one.at_issuance, language) if one.at_issuance else ""),
        row("at_signing", qualified(one.at_signing, language) if one.at_signing else ""),
        row("format", one.format),
        row("changes", say(f"changes.{one.changes.value}", language)),
    ]
    if one.best_signature_time:
        source = say(f"source.{one.time_source.value}", language)
        rows.insert(-2, row("time", f"{moment(one.best_signature_time.isoformat(), language)} ({source})"))
    return {
        "title": f"{say('signature', language, number=str(number))} ({_printable(one.field_name)})",
        "passed": one.indication is Indication.PASSED,
        "rows": rows,
        "why": [_printable(why.text(language)) for why in one.reasons],
    }


def _printable(text: str) -> str:
    """Give text of a stranger's as it can be set: nothing unprintable, nothing that no font has, and not endless."""
    kept = "".join(character if _known(character) else "\u2022" for character in text)
    return kept if len(kept) <= _LONGEST else f"{kept[:_LONGEST]}…"


def _known(character: str) -> bool:
    """Whether Libertinus Serif has it: Latin, Greek, Cyrillic and usual punctuation."""
    code = ord(character)
    if not character.isprintable():
        return character in "\u00a0\u202f"
    return code < 0x0530 or 0x1E00 <= code < 0x2070 or code in {0x20AC, 0x2116, 0x2122, 0x203A}
