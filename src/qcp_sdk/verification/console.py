"""A verification as plain text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.verification.report import QualifiedAt, Reason, Report, SignatureReport, TimestampReport
from qcp_sdk.verification.texts import day, say

_WIDTH: Final = 100
_LABEL: Final = 20
_COLON: Final = {"fr": "\u00a0:", "en": ":"}


def render(report: Report, language: str = "fr") -> str:
    """Give the report as text, in `fr` or `en`: one block for the document, one for each signature."""
    return "\n".join(_lines(report, language)) + "\n"


def _lines(report: Report, language: str) -> Iterator[str]:
    yield from _row("document", str(report.document), language)
    yield from _row("verified_at", _moment(report.verified_at.isoformat(), language), language)
    sign, expired = say("number", language), f" ({say('expired', language)})"
    lists = [f"{one.territory} {sign}\u00a0{one.sequence}{expired if one.expired else ''}" for one in report.lists]
    above = report.list_of_lists
    if above is not None:
        lists.insert(0, f"{above.territory} {sign}\u00a0{above.sequence}{expired if above.expired else ''}")
    yield from _row("lists", ", ".join(lists) or say("no_lists", language), language)
    yield from _row("snapshot", f"{report.trust_snapshot[:16]}…", language)
    for one in report.reasons:
        yield from _bullet(one.text(language))
    for number, signature in enumerate(report.signatures, start=1):
        yield ""
        yield from _signature(signature, number, language)


def _signature(one: SignatureReport, number: int, language: str) -> Iterator[str]:
    title = f"{say('signature', language, number=str(number))} ({_printable(one.field_name)})"
    yield title
    yield "─" * len(title)
    result = one.indication.value + (f" / {one.sub_indication}" if one.sub_indication else "")
    yield from _row("level", level(one.level_reached, language), language)
    yield from _row("result", f"{result} ({say(f'indication.{one.indication.value}', language)})", language)
    yield from _row("qualification", one.qualification.value, language)
    for label, said in (("at_issuance", one.at_issuance), ("at_signing", one.at_signing)):
        if said is not None:
            yield from _row(label, qualified(said, language), language)
    yield from _row("signer", _printable(one.signer) or say("unknown_signer", language), language)
    if one.issuer:
        yield from _row("issuer", _printable(one.issuer), language)
    if one.certificate:
        yield from _row("certificate", f"{one.certificate[:16]}…", language)
    if one.format:
        yield from _row("format", one.format, language)
    if one.best_signature_time:
        when = _moment(one.best_signature_time.isoformat(), language)
        yield from _row("time", f"{when} ({say(f'source.{one.time_source.value}', language)})", language)
    yield from _row("changes", say(f"changes.{one.changes.value}", language), language)
    if one.trust_path:
        yield from _row("path", " › ".join(_printable(name) for name in one.trust_path), language)
    yield f"{say('reasons', language)}\u00a0:" if language != "en" else f"{say('reasons', language)}:"
    for why in (*one.reasons, *_of_timestamps(one.timestamps)):
        yield from _bullet(why.text(language))


def level(reached: SignatureLevel | None, language: str) -> str:
    """Name a level as a person reads it; « aucun » for none."""
    return say(f"level.{reached.name}" if reached else "level.none", language)


def qualified(said: QualifiedAt, language: str) -> str:
    """Say what the lists say of the certificate at one instant."""
    word = "not_qualified" if not said.qualified else "qualified_qscd" if said.qscd else "qualified"
    return f"{_moment(said.at.isoformat(), language)}{_COLON[language]} {say(word, language)}"


def moment(iso: str, language: str) -> str:
    """Write an instant as a person reads it."""
    return _moment(iso, language)


def _of_timestamps(timestamps: tuple[TimestampReport, ...]) -> tuple[Reason, ...]:
    return tuple(why for one in timestamps for why in one.reasons if why.id != "timestamp_not_qualified")


def _row(label: str, value: str, language: str) -> Iterator[str]:
    lines = wrap(value, _WIDTH - _LABEL, break_on_hyphens=False) or [""]
    yield f"{say(label, language):<{_LABEL}}{lines[0]}"
    for line in lines[1:]:
        yield f"{'':<{_LABEL}}{line}"


def _bullet(text: str) -> Iterator[str]:
    first, *others = wrap(text, _WIDTH - 4) or [""]
    yield f"  • {first}"
    for line in others:
        yield f"    {line}"


def _moment(iso: str, language: str) -> str:
    return f"{day(iso, language)}, {iso[11:16]} UTC"


def _printable(text: str) -> str:
    """What a certificate or a field says of itself, without anything that could steer a terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
