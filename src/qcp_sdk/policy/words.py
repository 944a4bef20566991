"""The words that findings are told with: fields, levels, instants; in French and in English."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Final, TypeAlias

from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import Transformation

Detail: TypeAlias = str | datetime | SignatureLevel | CertificateLevel | tuple[Transformation, ...]
"""What a finding may have to name."""
Details: TypeAlias = Sequence[tuple[str, Detail]]

_SPACES: Final = (
    (" :", "\u00a0:"),
    (" ;", "\u202f;"),
    ("« ", "«\u00a0"),
    (" »", "\u00a0»"),
)
_LONGEST: Final = 200
"""Characters of an issuer's name that a message repeats."""
_FIELDS: Final = {
    "fr": {
        "first_name": "prénom",
        "last_name": "nom",
        "email": "adresse e-mail",
        "mobile": "numéro de mobile",
    },
    "en": {
        "first_name": "first name",
        "last_name": "last name",
        "email": "e-mail address",
        "mobile": "mobile number",
    },
}
_TRANSFORMATIONS: Final = {
    "fr": {
        Transformation.ICAO_TRANSLITERATION: "translittération de l’OACI",
        Transformation.FEWER_GIVEN_NAMES: "une partie des prénoms",
        Transformation.BIRTH_NAME: "nom de naissance",
        Transformation.ACCOUNT_BIRTH_NAME: "nom de naissance déclaré",
    },
    "en": {
        Transformation.ICAO_TRANSLITERATION: "ICAO transliteration",
        Transformation.FEWER_GIVEN_NAMES: "fewer given names",
        Transformation.BIRTH_NAME: "name at birth",
        Transformation.ACCOUNT_BIRTH_NAME: "declared name at birth",
    },
}
_CERTIFICATES: Final = {
    CertificateLevel.LCP: "LCP",
    CertificateLevel.NCP: "NCP",
    CertificateLevel.QCP_N: "QCP-n",
    CertificateLevel.QCP_N_QSCD: "QCP-n-qscd",
}
_MONTHS: Final = {
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
}


def plain(detail: Detail) -> object:
    """Give a detail as JSON can hold it: words for levels, UTC for instants."""
    if isinstance(detail, datetime):
        return detail.astimezone(UTC).isoformat()
    if isinstance(detail, tuple):
        return [each.value for each in detail]
    return detail.name if isinstance(detail, Enum) else detail


def certificate_name(level: CertificateLevel) -> str:
    """Write a certificate level as ETSI does: QCP-n."""
    return _CERTIFICATES[level]


def moment(at: datetime, language: str) -> str:
    """Write an instant for a person, in UTC, which it says."""
    at = at.astimezone(UTC)
    month = _MONTHS[language][at.month - 1]
    if language == "fr":
        day = "1er" if at.day == 1 else str(at.day)
        return f"{day}\u00a0{month} {at.year} à {at.hour}\u00a0h\u00a0{at.minute:02d} (UTC)"
    return f"{at.day} {month} {at.year} at {at.hour:02d}:{at.minute:02d} UTC"


def filled(template: str, fields: Sequence[str], details: Details, language: str) -> str:
    """Fill a text's placeholders with a finding's fields and details, and set French as French is set."""
    words = {key: _word(detail, language) for key, detail in details}
    words["fields"] = ", ".join(_FIELDS[language][field] for field in fields)
    text = template.format_map(words).replace("niveau 3", "niveau\u00a03")
    return _spaced(text) if language == "fr" else text


def _word(detail: Detail, language: str) -> str:
    if isinstance(detail, datetime):
        return moment(detail, language)
    if isinstance(detail, SignatureLevel):
        return f"niveau\u00a0{detail.value}"
    if isinstance(detail, CertificateLevel):
        return _CERTIFICATES[detail]
    if isinstance(detail, tuple):
        return ", ".join(_TRANSFORMATIONS[language][each] for each in detail)
    # It may come from a certificate, which may hold anything, and end on a terminal.
    return "".join(character for character in detail if shows(character))[:_LONGEST]


def shows(character: str) -> bool:
    """Say whether a character may stand on a line: printable, or one of the spaces that typesetters use."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def _spaced(french: str) -> str:
    """French sets non-breaking spaces before : and ; and inside its quotation marks."""
    for typed, typeset in _SPACES:
        french = french.replace(typed, typeset)
    return french
