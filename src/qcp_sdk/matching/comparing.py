"""Comparing people: which fields are the same, by which listed transformation, and which differ."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from attrs import frozen

from qcp_sdk.matching.letters import chosen, folded, joined, plain, readings_chosen, spells, units
from qcp_sdk.values import EmailAddress, PersonName, PhoneNumber

if TYPE_CHECKING:
    from qcp_sdk.certificates import Holding
    from qcp_sdk.identity import ProvenIdentity
    from qcp_sdk.people import Account

FIRST_NAME: Final = "first_name"
LAST_NAME: Final = "last_name"
BIRTH_NAME: Final = "birth_name"
EMAIL: Final = "email"
MOBILE: Final = "mobile"
HOLDER_FIELDS: Final = (FIRST_NAME, LAST_NAME, EMAIL, MOBILE)
"""What a certificate's holder is compared by, in the order in which differences are named (feature A4)."""


class Verdict(StrEnum):
    """Whether two names are one person's. Values are stored."""

    EXACT = "exact"
    CLOSE = "close"
    NO_MATCH = "no_match"


class Transformation(StrEnum):
    """What had to be allowed for two names to be equal. Values are stored, in journals and in policies.

    Two that are often asked for are left out on purpose. Truncation (a machine-readable line holds 39 characters,
    ICAO 9303-4 § 4.2): a prefix proves nothing. Exchanged given and last names: two people can be each other's
    exchange.
    """

    ICAO_TRANSLITERATION = "icao_transliteration"
    """One side writes a letter as a passport's machine-readable line does: Müller, MUELLER (ICAO 9303-3 § 6)."""
    FEWER_GIVEN_NAMES = "fewer_given_names"
    """The account gives some of the document's given names, in order: any of them may be the one in use (art. 57 of
    the French Code civil)."""
    BIRTH_NAME = "birth_name"
    """The account's last name is the document's name at birth."""
    ACCOUNT_BIRTH_NAME = "account_birth_name"
    """The document shows only what the account calls its name at birth: the name in use is the account's word alone."""


USUALLY_ACCEPTED: Final = frozenset(
    {Transformation.ICAO_TRANSLITERATION, Transformation.FEWER_GIVEN_NAMES, Transformation.BIRTH_NAME}
)
"""For accounts and documents: everything but what the document does not itself prove."""
HOLDER_ACCEPTED: Final = frozenset({Transformation.ICAO_TRANSLITERATION})
"""For certificates: one difference is enough to refuse, and a spelling is none."""


class Reason(StrEnum):
    """Why a field is what it is. Values are stored."""

    SAME = "same"
    TRANSFORMED = "transformed"
    DIFFERENT = "different"
    UNSTATED = "unstated"
    """One side says nothing: nobody knows."""


@frozen(kw_only=True)
class FieldMatch:
    """How one field compares. It holds no personal data."""

    field: str
    reason: Reason
    transformations: tuple[Transformation, ...] = ()

    def accepted(self, close: Collection[str]) -> bool:
        """Say whether the field is equal, for somebody who allows these transformations."""
        return self.reason is Reason.SAME or (
            self.reason is Reason.TRANSFORMED and all(each in close for each in self.transformations)
        )


@frozen(kw_only=True)
class Match:
    """The answer, with its reasons field by field. It holds no personal data and may be kept."""

    fields: tuple[FieldMatch, ...]

    @property
    def verdict(self) -> Verdict:
        """EXACT when every field is the same, CLOSE when some were transformed, else NO_MATCH."""
        reasons = {field.reason for field in self.fields}
        if not reasons <= {Reason.SAME, Reason.TRANSFORMED}:
            return Verdict.NO_MATCH
        return Verdict.CLOSE if Reason.TRANSFORMED in reasons else Verdict.EXACT

    @property
    def transformations(self) -> frozenset[Transformation]:
        """Everything that had to be allowed."""
        return frozenset(each for field in self.fields for each in field.transformations)

    @property
    def differing(self) -> tuple[str, ...]:
        """Names of the fields that no listed transformation makes equal; UNSTATED ones are not among them."""
        return tuple(field.field for field in self.fields if field.reason is Reason.DIFFERENT)

    def accepted(self, close: Collection[str] = USUALLY_ACCEPTED) -> bool:
        """Say whether it is the same person, for somebody who allows these transformations."""
        return all(field.accepted(close) for field in self.fields)


class Person(Protocol):
    """Whoever has a name and addresses: an `Account`, a `Signatory`."""

    @property
    def name(self) -> PersonName: ...
    @property
    def email(self) -> EmailAddress: ...
    @property
    def mobile(self) -> PhoneNumber: ...


def match(*, account: Account, document: ProvenIdentity) -> Match:
    """Compare an account with what was read from an identity document."""
    return match_identity(account.name, document.name)


def match_identity(account: PersonName, document: PersonName) -> Match:
    """Compare an account's names with those of an identity document (behaviour § 4).

    The account's given names must be among the document's, in order. Its last name must be the document's, in use
    or at birth. Where both sides state a name at birth, those must agree as well.
    """
    fields = [_field(FIRST_NAME, _given(account.given, document.given)), _field(LAST_NAME, _last(account, document))]
    if account.birth_name and document.birth_name:
        fields.append(_field(BIRTH_NAME, _text(account.birth_name, document.birth_name)))
    return Match(fields=tuple(fields))


def same_name(one: PersonName, other: PersonName) -> bool:
    """Say whether two names are written alike, but for folding and transliteration. Symmetric."""
    return _text(one.given, other.given) is not None and _text(one.last, other.last) is not None


def compare_holder(person: Person, holding: Holding) -> Match:
    """Compare a person with a certificate's holder: first name, last name, e-mail and mobile (A4).

    The e-mail must agree with the issuer's register and with the certificate, where they state one. What is stated
    nowhere is UNSTATED, which no transformation makes equal.
    """
    name, registered, written = holding.certificate.name, holding.email, holding.certificate.emails
    email = None
    if registered is not None or written:
        email = (registered is None or registered == person.email) and (not written or person.email in written)
    mobile = None if holding.mobile is None else holding.mobile == person.mobile
    return Match(
        fields=(
            _field(FIRST_NAME, _given(person.name.given, name.given)) if name else _stated(FIRST_NAME, None),
            _field(LAST_NAME, _text(person.name.last, name.last)) if name else _stated(LAST_NAME, None),
            _stated(EMAIL, email),
            _stated(MOBILE, mobile),
        )
    )


def differing_fields(person: Person, holding: Holding, *, close: Collection[str] = HOLDER_ACCEPTED) -> tuple[str, ...]:
    """Give the names of the fields that do not match a certificate's holder: different, or stated nowhere.

    Ignorance never passes, so what the issuer does not state is named too; `compare_holder` tells them apart.
    """
    return tuple(field.field for field in compare_holder(person, holding).fields if not field.accepted(close))


def _field(field: str, transformations: tuple[Transformation, ...] | None) -> FieldMatch:
    if transformations is None:
        return FieldMatch(field=field, reason=Reason.DIFFERENT)
    reason = Reason.TRANSFORMED if transformations else Reason.SAME
    return FieldMatch(field=field, reason=reason, transformations=transformations)


def _stated(field: str, same: bool | None) -> FieldMatch:
    reasons = {None: Reason.UNSTATED, True: Reason.SAME, False: Reason.DIFFERENT}
    return FieldMatch(field=field, reason=reasons[same])


def _text(one: str, other: str) -> tuple[Transformation, ...] | None:
    """What makes two texts equal: nothing (), a transliteration, or nothing that is listed (None)."""
    if one == other:
        return ()
    mine, theirs = units(one), units(other)
    if not mine or not theirs:  # another script, or no letters at all: equal to itself only
        return None
    my_folded, their_folded = folded(mine), folded(theirs)
    if my_folded == their_folded:
        return ()
    if spells(joined(mine), their_folded) or spells(joined(theirs), my_folded):
        return (Transformation.ICAO_TRANSLITERATION,)
    return None


def _given(account: str, document: str) -> tuple[Transformation, ...] | None:
    same = _text(account, document)
    if same is not None:
        return same
    mine, theirs = units(account), units(document)
    if len(theirs) < 2:
        return None
    letters = joined(mine)
    if chosen(plain(letters), theirs):
        return (Transformation.FEWER_GIVEN_NAMES,)
    if chosen(letters, theirs) or readings_chosen(folded(mine), theirs):
        return (Transformation.ICAO_TRANSLITERATION, Transformation.FEWER_GIVEN_NAMES)
    return None


def _last(account: PersonName, document: PersonName) -> tuple[Transformation, ...] | None:
    ways = (
        (account.last, document.last, ()),
        (account.last, document.birth_name, (Transformation.BIRTH_NAME,)),
        (account.birth_name, document.last, (Transformation.ACCOUNT_BIRTH_NAME,)),
    )
    for mine, theirs, by in ways:
        same = _text(mine, theirs) if mine and theirs else None
        if same is not None:
            return (*same, *by)
    return None
