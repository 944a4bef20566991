"""How a name is folded and transliterated: the letters of two texts, and whether they are the same letters.

Folding removes case (upper), diacritics (NFKD without marks), hyphens, apostrophes and spaces. Where Unicode sees one
letter and no mark (Ł, Ø, Æ, ß), the letter is read as ICAO 9303-3 § 6, Part A, writes it: a passport knows no other.
Where the Part A gives a letter a reading beside its unmarked one (Ü: U, UE or UXX), that is a transliteration.

A text with anything else in it (another script, a digit) has no letters here, and equals only itself: no Cyrillic
А is ever taken for a Latin A.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

Letter: TypeAlias = tuple[str, ...]
"""The readings of one letter in A to Z; the folded one first."""
Unit: TypeAlias = tuple[Letter, ...]
"""What stands between two spaces: one given name, compound ones (Jean-Pierre) included."""

_APOSTROPHES: Final = "'\u2019\u2018\u02bc\u02bb\u02b9\u02c8\u2032\u00b4`\u201b\uff07."
"""ICAO 9303-3 § 4.6 leaves apostrophes out of a machine-readable line, and full stops with them."""
_HYPHENS: Final = "-\u00ad\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_MIDDLE_DOT: Final = "\u00b7"
"""Of the Catalan Ŀ and l·l; ICAO writes L."""
_LEFT_OUT: Final = frozenset(_APOSTROPHES + _HYPHENS + _MIDDLE_DOT)

_UNMARKED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Æ": "AE",
        "Ð": "D",
        "Đ": "D",
        "Ħ": "H",
        "Ł": "L",
        "Ŋ": "N",
        "Ø": "OE",
        "Œ": "OE",
        "Þ": "TH",
        "Ŧ": "T",
        "ẞ": "SS",
    }
)
"""ICAO 9303-3 § 6, Part A: the letters that Unicode does not decompose. Upper-casing settles ß (SS) and ı (I)."""

_TRANSLITERATED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Ä": ("AE",),
        "Å": ("AA",),
        "Ñ": ("NXX",),
        "Ö": ("OE",),
        "Ü": ("UE", "UXX"),
    }
)
"""ICAO 9303-3 § 6, Part A: the readings that are not the unmarked letter. Every other row is the unmarked letter."""


def units(text: str) -> tuple[Unit, ...]:
    """Read the letters of a name, unit by unit; nothing at all when it is not in Latin letters only."""
    if text.isascii() and text.isalpha():  # most names, and twenty times faster
        return (tuple((letter,) for letter in text.upper()),)
    found: list[Unit] = []
    # Upper-casing can take a letter apart (i̇), so composing comes last; a mark that still stands alone is dropped.
    for word in unicodedata.normalize("NFC", text.upper()).split():
        letters = []
        for character in word:
            if character in _LEFT_OUT or unicodedata.combining(character):
                continue
            letter = _letter(character)
            if letter is None:
                return ()
            letters.append(letter)
        if letters:
            found.append(tuple(letters))
    return tuple(found)


def _letter(character: str) -> Letter | None:
    marked = unicodedata.normalize("NFKD", character)
    bare = "".join(each for each in marked if not unicodedata.combining(each) and each != _MIDDLE_DOT)
    folded = "".join(_UNMARKED.get(each, each) for each in bare)
    if not (folded.isascii() and folded.isalpha()):
        return None
    return (folded.upper(), *_TRANSLITERATED.get(character, ()))


def folded(read: Iterable[Unit]) -> str:
    """Write the folded form: JEANPIERRE."""
    return "".join(letter[0] for unit in read for letter in unit)


def joined(read: Iterable[Unit]) -> Unit:
    """Forget where the spaces were."""
    return tuple(letter for unit in read for letter in unit)


def spells(letters: Unit, text: str) -> bool:
    """Say whether some reading of the letters is exactly this text."""
    return len(letters) in _reached(letters, 0, text)


def _reached(letters: Unit, start: int, text: str) -> set[int]:
    """After which letters the text is used up, having begun at letter `start`.

    Positions, not strings, are carried along: a name of 120 umlauts has 3**120 readings.
    """
    ends: set[int] = set()
    here = {0}
    for index in range(start, len(letters)):
        here = {at + len(r) for at in here for r in letters[index] if text.startswith(r, at)}
        if len(text) in here:
            ends.add(index + 1)
        if not here:
            break
    return ends


def chosen(some: Unit, among: Sequence[Unit]) -> bool:
    """Say whether the letters are those of some of the units, in order, each taken whole and in its folded form."""
    reached = {0}
    for unit in among:
        text = folded((unit,))
        reached |= {end for start in reached for end in _reached(some, start, text)}
    return bool(some) and len(some) in reached


def plain(letters: Unit) -> Unit:
    """Keep the folded reading alone, one character a letter, so that units can be cut anywhere."""
    return tuple((character,) for letter in letters for character in letter[0])


def readings_chosen(text: str, among: Sequence[Unit]) -> bool:
    """Say whether the text is made of some of the units, in order, each taken whole and in any of its readings."""
    reached = {0}
    for unit in among:
        step: set[int] = set()
        for start in reached:
            here = {start}
            for letter in unit:
                here = {at + len(r) for at in here for r in letter if text.startswith(r, at)}
            step |= here
        reached |= step
    return bool(text) and len(text) in reached
