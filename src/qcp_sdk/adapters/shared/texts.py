"""The words of one language: sentences, dates, hours and levels, by the tables of `templates/texts/<language>.toml`
for messages and `pages.<language>.toml` for pages.

A host's own folder may hold files of the same names: what stands there replaces ours, key by key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.people import LANGUAGES

TEMPLATES: Final = Path(__file__).parents[2] / "templates"
"""The folder of our own templates, in the wheel as in the checkout."""

_FRENCH: Final = (
    (re.compile(r"(?<=\S) (?=[:»])"), "\u00a0"),
    (re.compile(r"(?<=«) (?=\S)"), "\u00a0"),
    (re.compile(r"(?<=\S) (?=[;?]|!(?!=))"), "\u202f"),
    (re.compile(r"(?<=\d) (?=[^\W\d_])|(?<=niveau) (?=\d)"), "\u00a0"),
)
"""Where French typography wants a space that does not break; so that nobody has to type what cannot be seen."""


def typographic(text: str, language: str) -> str:
    """Give the text with the non-breaking spaces that its language asks for."""
    if language == "fr":
        for pattern, space in _FRENCH:
            text = pattern.sub(space, text)
    return text


def read_zone(name: str) -> ZoneInfo:
    """Give the time zone with this name, `Europe/Paris` for example.

    Raises:
        ConfigurationError: There is no such zone on this machine.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError) as error:
        raise ConfigurationError(
            f"there is no time zone `{name}`",
            where="zone",
            mend="use an IANA name, and install tzdata if it is missing",
        ) from error


@frozen
class Texts:
    """One language's tables. Made by `load_texts`."""

    language: str
    zone: ZoneInfo
    tables: Mapping[str, Mapping[str, str]]

    def words(self, table: str) -> Mapping[str, str]:
        """Give a whole table.

        Raises:
            ConfigurationError: There is no such table.
        """
        try:
            return self.tables[table]
        except KeyError as error:
            raise ConfigurationError(f"there is no table `{table}`", where=f"texts/{self.language}.toml") from error

    def phrase(self, table: str, key: str) -> str:
        """Give the sentence for a word of ours or of a provider's; for an unknown word, the table's `other`."""
        words = self.words(table)
        return words.get(key) or words["other"]

    def level(self, level: SignatureLevel) -> str:
        """Name a signature level as a person reads it: `niveau 3 : avancée basée sur un certificat qualifié`."""
        return self.words("levels")[level.name.lower()]

    def day(self, moment: date | datetime) -> str:
        """Write a day: `3 mars 2027`, `3 March 2027`; that of our time zone, when an instant is given."""
        local = self._local(moment) if isinstance(moment, datetime) else moment
        number = "1er" if self.language == "fr" and local.day == 1 else str(local.day)
        return f"{number}\u00a0{self.words('months')[str(local.month)]}\u00a0{local.year}"

    def hour(self, moment: datetime) -> str:
        """Write a time of day: `14 h 32`, `14:32`."""
        local = self._local(moment)
        if self.language == "fr":
            return f"{local.hour}\u00a0h\u00a0{local.minute:02d}"
        return f"{local.hour:02d}:{local.minute:02d}"

    def _local(self, moment: datetime) -> datetime:
        """Give an instant in our zone; the last one of all, which certificates without an end carry (RFC 5280
        § 4.1.2.5), has no hour after it in any zone east of Greenwich, and is written as it is.
        """
        try:
            return moment.astimezone(self.zone)
        except OverflowError:
            return moment

    def moment(self, moment: datetime) -> str:
        """Write a day and a time with its zone: `3 mars 2027 à 14 h 32 (heure de Paris)`."""
        at = self.words("layout")["at"]
        return f"{self.day(moment)} {at} {self.hour(moment)} ({self.zone_name})"

    @property
    def zone_name(self) -> str:
        """The zone as a person names it: `heure de Paris`, `Paris time`, `UTC`."""
        if "/" not in self.zone.key or self.zone.key.startswith("Etc/"):
            return self.city
        return self.words("layout")["zone"].replace("{city}", self.city)

    @property
    def city(self) -> str:
        """The zone in one word, for an SMS: `Paris`, `UTC`."""
        return self.zone.key.rpartition("/")[2].replace("_", " ")

    def country(self, code: str) -> str:
        """Name a country by its ISO 3166-1 code: `France (FR)`; the bare code where we have no name for it."""
        name = self.words("countries").get(code.upper())
        return f"{name}\u00a0({code.upper()})" if name else code.upper()


def load_texts(language: str, zone: ZoneInfo, overrides: Path | None = None) -> Texts:
    """Read one language's tables, and the host's own over them.

    Raises:
        ConfigurationError: No such language, or a file of tables that cannot be read.
    """
    if language not in LANGUAGES:
        raise ConfigurationError(f"`{language}` is not a language we write", where="language", mend="use `fr` or `en`")
    tables: dict[str, dict[str, str]] = {}
    for file in (f"{language}.toml", f"pages.{language}.toml"):
        ours = _read(TEMPLATES / "texts" / file, language)
        own = overrides / "texts" / file if overrides is not None else None
        if own is not None and own.exists():
            for name, words in _read(own, language).items():
                if name not in ours:
                    raise ConfigurationError(
                        f"there is no table `{name}`", where=own.name, mend="see our own file for names"
                    )
                ours[name] = {**ours[name], **words}
        tables |= ours
    return Texts(language, zone, tables)


def _read(path: Path, language: str) -> dict[str, dict[str, str]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError("the table of texts cannot be read", where=path.name, mend=str(error)) from error
    tables: dict[str, dict[str, str]] = {}
    for name, words in content.items():
        if not isinstance(words, dict) or not all(isinstance(value, str) for value in words.values()):
            raise ConfigurationError(f"`{name}` is not a table of sentences", where=path.name)
        tables[name] = {key: typographic(value, language) for key, value in words.items()}
    return tables
