"""People's names as passports and keyboards write them, and pairs of them: the same person, or not.

Letters are from ICAO 9303-3 § 6, Part A. The table here is written from that document and shares nothing with
`qcp_sdk.matching`, so that the one can judge the other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import evolve, field, frozen
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.matching import Transformation
from qcp_sdk.values import PersonName

_READINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Ä": ("A", "AE"), "Å": ("A", "AA"), "Ñ": ("N", "NXX"), "Ö": ("O", "OE"), "Ü": ("U", "UE", "UXX"),
        "Æ": ("AE",), "Ð": ("D",), "Đ": ("D",), "Ħ": ("H",), "Ĳ": ("IJ",), "Ł": ("L",), "Ŋ": ("N",), "Ø": ("OE",),
        "Œ": ("OE",), "ẞ": ("SS",), "Þ": ("TH",), "Ŧ": ("T",),
    }
)  # fmt: skip
"""How a machine-readable line may write a letter; the unmarked way first. Every other letter: without its marks."""

_MARKED: Final = "ÀÂÃĂĀĄĆČÇĎÉÈÊËĚĖĘĞĠĢÎÏİĮĶĻĽŃŇÓÔÕŐŌŔŘŚŞŠȘŢŤȚÚÙÛŰŮŪŲŴÝŶŸŹŻŽ"
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + _MARKED + "".join(_READINGS)
_BETWEEN: Final = ("-", "\u2010", "'", "\u2019", "\u02bc", "")
"""What may stand inside one name, and what somebody else leaves out."""
_LOOKALIKES: Final = dict(zip("ABCEHKMOPTXY", "АВСЕНКМОРТХУ", strict=True))
"""Cyrillic letters that a person cannot tell from Latin ones."""

GIVEN: Final = (
    "Jessica", "Irène", "Jean-Pierre", "Marie Anne Louise", "Jürgen", "Łukasz", "Þórður", "Zoë", "D'Arcy",
    "Anaïs Marie", "Søren", "José María", "Nguyễn Văn", "Bjørn Åge", "M'Baye", "Chloé-Rose", "İrem", "Ælfric",
    "Œdipe", "X",
)  # fmt: skip
LAST: Final = (
    "Poussart", "Müller", "MUELLER", "MULLER", "Weiß", "Łuczak", "de La Tour d'Aigues", "N’Guyen", "van der Berg",
    "O'Neill", "Saint-Exupéry", "El Khatib", "Ibáñez", "Ødegård", "Ångström", "Straßer", "l'Hôpital", "Đorđević",
    "ben-David", "Ó Súilleabháin", "Gonçalves da Silva", "Ng", "Vœux", "Günther-Österreich",
)  # fmt: skip


@frozen(kw_only=True)
class Spelling:
    """One person written twice: as an account has it, and as a document has it."""

    account: PersonName = field(repr=lambda name: repr((name.given, name.last, name.birth_name)))
    document: PersonName = field(repr=lambda name: repr((name.given, name.last, name.birth_name)))
    by: frozenset[Transformation] = frozenset()
    """The listed transformations without which they are not equal; none: equal once folded."""


Stranger: TypeAlias = tuple[PersonName, PersonName]
"""Two people, as an account and a document name them."""


@cache
def words() -> SearchStrategy[str]:
    """One name without spaces: letters of the ICAO table, of any case, with hyphens and apostrophes inside."""
    part = st.text(st.sampled_from(_LETTERS), min_size=1, max_size=8)
    whole = st.lists(st.tuples(part, st.sampled_from(_BETWEEN)), min_size=1, max_size=3).map(_between)
    return st.builds(lambda text, case: case(text), whole, st.sampled_from(_CASED))


_CASED: Final[tuple[Callable[[str], str], ...]] = (str, str.lower, str.title, str.upper)


def _between(parts: list[tuple[str, str]]) -> str:
    return "".join(text + sign for text, sign in parts[:-1]) + parts[-1][0]


@cache
def given_names(*, most: int = 4) -> SearchStrategy[str]:
    """One to `most` given names, spaces between them."""
    known = [name for name in GIVEN if name.count(" ") < most]
    return st.sampled_from(known) | st.lists(words(), min_size=1, max_size=most).map(" ".join)


@cache
def last_names() -> SearchStrategy[str]:
    """A last name, with or without particles."""
    particles = st.sampled_from(("", "", "de ", "d'", "von ", "van den ", "El ", "Mac ", "Ó "))
    return st.sampled_from(LAST) | st.tuples(particles, words()).map("".join)


@st.composite
def person_names(draw: DrawFn, *, birth_names: bool = True) -> PersonName:
    """The name of one person; a name at birth beside it now and then, unless `birth_names` is False."""
    birth = draw(st.just("") | last_names()) if birth_names else ""
    return PersonName(given=draw(given_names()), last=draw(last_names()), birth_name=birth)


# --- the same person ----------------------------------------------------------------------------------------------


@st.composite
def spellings(draw: DrawFn) -> Spelling:
    """The same person, written otherwise: `by` says what has to be allowed."""
    person = draw(person_names(birth_names=False))
    account = document = person
    by: set[Transformation] = set()
    if draw(st.booleans()):
        document, account, used = _fewer(draw, person)
        by |= used
    which = draw(st.sampled_from(("", "", "document", "account", "only the account")))
    if which == "document":
        document = evolve(document, last=draw(_another_last(person.last)), birth_name=person.last)
        by.add(Transformation.BIRTH_NAME)
    elif which == "only the account":
        account = evolve(account, last=draw(_another_last(person.last)), birth_name=person.last)
        by.add(Transformation.ACCOUNT_BIRTH_NAME)
    elif which == "account":  # a name at birth that only one side states decides nothing
        account = evolve(account, birth_name=draw(_another_last(person.last)))
    icao, rewritten = draw(st.booleans()), draw(st.sampled_from(("account", "document")))
    if rewritten == "account":
        account, transliterated = _rewritten(draw, account, icao)
        compared = "birth" if which == "only the account" else "last"
    else:
        document, transliterated = _rewritten(draw, document, icao)
        compared = "birth" if which == "document" else "last"
    if transliterated & {"given", compared}:
        by.add(Transformation.ICAO_TRANSLITERATION)
    return Spelling(account=account, document=document, by=frozenset(by))


def _fewer(draw: DrawFn, person: PersonName) -> tuple[PersonName, PersonName, set[Transformation]]:
    """The document has more given names than the account, which keeps their order.

    None of them is made of letters that a reading adds (Å: AA), or leaving it out would be two things.
    """
    person = evolve(person, given=draw(given_names().filter(lambda text: all(_frame(one) for one in text.split()))))
    names = [*person.given.split(), *draw(st.lists(words().filter(_frame), min_size=1, max_size=2))]
    names = draw(st.permutations(names))
    kept = draw(st.sets(st.integers(0, len(names) - 1), min_size=1, max_size=len(names) - 1))
    some = " ".join(names[place] for place in sorted(kept))
    used = {Transformation.FEWER_GIVEN_NAMES}
    return evolve(person, given=" ".join(names)), evolve(person, given=some), used


def _rewritten(draw: DrawFn, name: PersonName, icao: bool) -> tuple[PersonName, set[str]]:
    parts: dict[str, str] = {}
    transliterated: set[str] = set()
    for part, text in (("given", name.given), ("last", name.last), ("birth", name.birth_name)):
        parts[part], changed = _written_otherwise(draw, text, icao)
        if changed:
            transliterated.add(part)
    return PersonName(given=parts["given"], last=parts["last"], birth_name=parts["birth"]), transliterated


def _written_otherwise(draw: DrawFn, text: str, icao: bool) -> tuple[str, bool]:
    """Write a text as somebody else would; say whether a letter was transliterated on the way."""
    if not text:
        return "", False
    written: list[str] = []
    transliterated = False
    for letter in unicodedata.normalize("NFC", text):
        readings = _READINGS.get(_capital(letter), ())
        if icao and len(readings) > 1 and draw(st.booleans()):
            written.append(draw(st.sampled_from(readings[1:])))
            transliterated = True
        else:
            written.append(draw(st.sampled_from(_plain_ways(letter))))
    changed = draw(st.sampled_from(_CASES))("".join(written))
    return (changed if changed.strip() else text), transliterated


def _capital(letter: str) -> str:
    return "ẞ" if letter == "ß" else letter.upper()


def _plain_ways(letter: str) -> tuple[str, ...]:
    """What a folded comparison does not see."""
    if letter in "-\u2010":
        return letter, "-", "\u2013", " "
    if letter in "'\u2019\u02bc":
        return letter, "'", "\u2019", ""
    bare = unfolded(letter)
    return (letter, bare) if bare else (letter,)


def unfolded(letter: str) -> str:
    """Give the letter without its marks, in A to Z; spaces and signs as they are."""
    readings = _READINGS.get(_capital(letter))
    if readings:
        return readings[0]
    marked = unicodedata.normalize("NFKD", letter)
    return "".join(each for each in marked if not unicodedata.combining(each)).upper()


_CASES: Final[tuple[Callable[[str], str], ...]] = (str, str.upper, str.lower, lambda text: f" {text.title()} ")


def _letters_of(text: str) -> str:
    """The folded letters of a text, for telling two names apart beyond doubt."""
    return "".join(each for each in (unfolded(one) for one in text) if each.isalpha())


def _another_last(last: str) -> SearchStrategy[str]:
    """A last name that nobody takes for this one: it has other consonants, which no reading adds or drops."""
    mine = _frame(last)
    return last_names().filter(lambda other: _frame(other) != mine)


def _frame(text: str) -> str:
    """The folded letters without the vowels that readings add, and without X (of NXX, UXX)."""
    return "".join(each for each in _letters_of(text) if each not in "AEX")


# --- not the same person ------------------------------------------------------------------------------------------

_ORDINARY: Final = st.text(st.sampled_from("BCDFGHIKLMNOPRSTU"), min_size=3, max_size=9).map(str.title)
"""Letters that nothing transliterates to, so that two texts of them are equal only if they are the same text."""


def _one_letter(draw: DrawFn, name: PersonName) -> Stranger:
    part = draw(st.sampled_from(("given", "last")))
    text = getattr(name, part)
    place = draw(st.integers(0, len(text) - 1))
    letter = draw(st.sampled_from([each for each in "BCDFGHIKLMNOPRSTU" if each != text[place].upper()]))
    return name, evolve(name, **{part: text[:place] + letter.lower() + text[place + 1 :]})


def _exchanged(draw: DrawFn, name: PersonName) -> Stranger:
    other = draw(_ORDINARY.filter(lambda text: text != name.given))
    return evolve(name, last=other), PersonName(given=other, last=name.given)


def _cut(draw: DrawFn, name: PersonName) -> Stranger:
    part = draw(st.sampled_from(("given", "last")))
    text = getattr(name, part)
    shorter = evolve(name, **{part: text[: draw(st.integers(1, len(text) - 1))]})
    return draw(st.sampled_from(((name, shorter), (shorter, name))))


def _more_given(draw: DrawFn, name: PersonName) -> Stranger:
    return evolve(name, given=f"{name.given} {draw(_ORDINARY)}"), name


def _out_of_order(draw: DrawFn, name: PersonName) -> Stranger:
    other = draw(_ORDINARY.filter(lambda text: (text + name.given).upper() != (name.given + text).upper()))
    return evolve(name, given=f"{name.given} {other}"), evolve(name, given=f"{other} {name.given}")


def _lookalike(draw: DrawFn, name: PersonName) -> Stranger:
    part = draw(st.sampled_from(("given", "last")))
    text = f"{getattr(name, part)} O".upper()
    places = [place for place, each in enumerate(text) if each in _LOOKALIKES]
    place = draw(st.sampled_from(places))
    return evolve(name, **{part: text}), evolve(
        name, **{part: text[:place] + _LOOKALIKES[text[place]] + text[place + 1 :]}
    )


def _born_otherwise(draw: DrawFn, name: PersonName) -> Stranger:
    one, other = draw(st.lists(_ORDINARY, min_size=2, max_size=2, unique_by=str.upper))
    return evolve(name, birth_name=one), evolve(name, birth_name=other)


def _another_script(draw: DrawFn, name: PersonName) -> Stranger:
    return name, evolve(name, last=draw(st.sampled_from(("Мюллер", "Παπαδόπουλος", "王", "محمد", "2"))))


_STRANGERS: Final = (
    _one_letter, _exchanged, _cut, _more_given, _out_of_order, _lookalike, _born_otherwise, _another_script,
)  # fmt: skip


@st.composite
def strangers(draw: DrawFn) -> Stranger:
    """Not the same person, however alike: one letter, an order, a cut, a lookalike of another script away."""
    name = PersonName(given=draw(_ORDINARY), last=draw(_ORDINARY))
    return draw(st.sampled_from(_STRANGERS))(draw, name)
