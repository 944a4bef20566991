"""The small values that everything else is made of: amounts, ids, names, addresses, secrets.

Each refuses what it cannot mean with `InvalidValue`, masks itself in `repr` where it is personal, and is
immutable. Ids are distinct types for the type checker and plain text at run time.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from datetime import UTC, date, datetime
from typing import Final, NewType

from attrs import field, frozen

from qcp_sdk.errors import InvalidValue

AccountId = NewType("AccountId", str)
"""A person's account on the host platform; opaque to us. The same id is the same person in every tenant."""
CabinetId = NewType("CabinetId", str)
"""The firm whose prepaid credit pays."""
TenantId = NewType("TenantId", str)
"""The host's own customer, when one installation serves several; `""` otherwise."""
SubscriptionId = NewType("SubscriptionId", str)
CeremonyId = NewType("CeremonyId", str)
CollecteId = NewType("CollecteId", str)
SignatoryId = NewType("SignatoryId", str)
DocumentId = NewType("DocumentId", str)
"""A document of a collecte, whatever its bytes are at the moment."""
ContentHash = NewType("ContentHash", str)
"""`sha256:` and 64 lower-case hexadecimal digits: the name of some exact bytes."""
HoldId = NewType("HoldId", str)
SessionId = NewType("SessionId", str)
"""An identity or registration session, as its provider names it."""
ChallengeId = NewType("ChallengeId", str)
Fingerprint = NewType("Fingerprint", str)
"""SHA-256 of a certificate's DER, 64 lower-case hexadecimal digits."""
Key = NewType("Key", str)
"""An idempotency key: `<stream>/<sequence>/<n>`, derived, never drawn."""


def joined(*parts: str) -> str:
    """Name several things by one text that no other parts give: each part is preceded by its length."""
    return "".join([f"{len(part)}:{part}" for part in parts])


def utc(moment: datetime, where: str = "moment") -> datetime:
    """Give the instant in UTC.

    Raises:
        InvalidValue: The instant has no time zone: nobody can know when that is.
    """
    if moment.tzinfo is None:
        raise InvalidValue(
            f"`{moment.isoformat()}` has no time zone",
            where=where,
            mend="pass a datetime with tzinfo, for example UTC",
        )
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


class Cents(int):
    """An amount of euro cents; whole, of either sign. `Cents(2_000)` is 20.00 EUR."""

    __slots__ = ()

    def __new__(cls, amount: int) -> Cents:
        if type(amount) is bool or not isinstance(amount, int):
            raise InvalidValue(
                f"`{amount!r}` is not a whole number of cents",
                where="amount",
                mend="20 euros are Cents(2_000)",
            )
        return super().__new__(cls, amount)

    def __add__(self, other: int) -> Cents:
        return Cents(int(self) + int(other))

    def __sub__(self, other: int) -> Cents:
        return Cents(int(self) - int(other))

    def __neg__(self) -> Cents:
        return Cents(-int(self))

    def __repr__(self) -> str:
        return f"Cents({int(self)})"

    def text(self, language: str) -> str:
        """Write the amount as a person reads it: `20,00 €` in French, `€20.00` in English."""
        sign, (euros, cents) = "-" if self < 0 else "", divmod(abs(int(self)), 100)
        if language == "fr":
            grouped = f"{euros:,}".replace(",", "\u202f")
            return f"{sign}{grouped},{cents:02d}\u00a0€"
        return f"{sign}€{euros:,}.{cents:02d}"


class Secret:
    """Text that is never printed, logged, serialised or compared in variable time.

    `reveal()` is the only way to its content, so that a search for it finds every use.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the content, to be passed on and not kept."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would put the secret in a dictionary's order

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret is never serialised: pass it on within the call that received it")


def _clean(text: object, where: str, *, longest: int) -> str:
    if not isinstance(text, str):
        raise InvalidValue(f"`{type(text).__name__}` is not text", where=where, mend="pass a str")
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    if not folded:
        raise InvalidValue("it is empty", where=where, mend="give the value as the identity document shows it")
    if len(folded) > longest:
        raise InvalidValue(f"it has {len(folded)} characters, more than {longest}", where=where, mend="shorten it")
    if any(unicodedata.category(character).startswith("C") for character in folded):
        raise InvalidValue("it holds a control or unassigned character", where=where, mend="remove it")
    return folded


def _given_name(text: str) -> str:
    return _clean(text, "given name", longest=120)


def _last_name(text: str) -> str:
    return _clean(text, "last name", longest=120)


def _birth_name(text: str) -> str:
    return _clean(text, "birth name", longest=120) if text else ""


def mask(text: str, keep: int = 1) -> str:
    """Give the text with all but its first characters hidden: `J…`."""
    return f"{text[:keep]}…" if text else ""


@frozen(kw_only=True, repr=False)
class PersonName:
    """Given names and last name, as registered. Both are kept NFC, with single spaces.

    `birth_name` is the name at birth where it differs from the name in use (`last`).
    """

    given: str = field(converter=_given_name)
    last: str = field(converter=_last_name)
    birth_name: str = field(default="", converter=_birth_name)

    @property
    def full(self) -> str:
        """Given names and last name, for a person to read."""
        return f"{self.given} {self.last}"

    def __repr__(self) -> str:
        return f"PersonName({mask(self.given)} {mask(self.last)})"


_EMAIL: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])"
)
"""The HTML Living Standard's "valid e-mail address", with a dot required in the domain."""


@frozen(repr=False)
class EmailAddress:
    """One mailbox. Equal when the local parts are equal and the domains differ in case at most (RFC 5321 § 2.4)."""

    text: str = field()

    def __init__(self, text: object) -> None:
        stripped = text.strip() if isinstance(text, str) else ""
        if len(stripped) > 254 or not _EMAIL.fullmatch(stripped):
            raise InvalidValue("it is not an e-mail address", where="e-mail", mend="write it as name@example.org")
        local, _, domain = stripped.rpartition("@")
        self.__attrs_init__(f"{local}@{domain.lower()}")  # type: ignore[attr-defined]

    @property
    def masked(self) -> str:
        """What may be shown or logged: `j…@example.org`."""
        local, _, domain = self.text.rpartition("@")
        return f"{mask(local)}@{domain}"

    def __repr__(self) -> str:
        return f"EmailAddress({self.masked})"


_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")


@frozen(repr=False)
class PhoneNumber:
    """A number in E.164 form: `+33612345678`. Spaces, dots, dashes and brackets are taken out."""

    text: str = field()

    def __init__(self, text: object) -> None:
        compact = re.sub(r"[\s.()\-\u00a0\u202f]", "", text) if isinstance(text, str) else ""
        if not _E164.fullmatch(compact):
            raise InvalidValue(
                "it is not an international telephone number",
                where="mobile",
                mend="write it in E.164 form, for example +33612345678",
            )
        self.__attrs_init__(compact)  # type: ignore[attr-defined]

    @property
    def masked(self) -> str:
        """What may be shown or logged: `*****1316` (the guide's form)."""
        return f"*****{self.text[-4:]}"

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked})"


@frozen(repr=False)
class BirthDate:
    """A date of birth; the year is between 1900 and 2100."""

    day: date = field()

    @day.validator
    def _plausible(self, _attribute: object, day: object) -> None:
        if type(day) is not date or not 1900 <= day.year <= 2100:
            raise InvalidValue("it is not a plausible date of birth", where="birth date", mend="pass a datetime.date")

    def __repr__(self) -> str:
        return "BirthDate(…)"


_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


def content_hash(text: str) -> ContentHash:
    """Read the name of some exact bytes.

    Raises:
        InvalidValue: It is not `sha256:` and 64 lower-case hexadecimal digits.
    """
    if not _HASH.fullmatch(text):
        raise InvalidValue("it is not a content hash", where="hash", mend="write sha256: and 64 hexadecimal digits")
    return ContentHash(text)
