"""Accounts and cabinets, as the host platform knows them."""

from __future__ import annotations

from attrs import field, frozen

from qcp_sdk.errors import InvalidValue
from qcp_sdk.values import AccountId, CabinetId, EmailAddress, PersonName, PhoneNumber

LANGUAGES = ("fr", "en")
"""Languages in which everything that a person reads exists."""


def check_language(_instance: object, _attribute: object, language: str) -> None:
    """Refuse a language that we do not write."""
    if language not in LANGUAGES:
        raise InvalidValue(f"`{language}` is not a language we write", where="language", mend="use `fr` or `en`")


@frozen(kw_only=True)
class Cabinet:
    """A firm whose prepaid credit can pay."""

    id: CabinetId
    name: str


@frozen(kw_only=True)
class Account:
    """A person's account on the host platform (in the guide, a ComptExpert account)."""

    id: AccountId
    name: PersonName
    email: EmailAddress
    mobile: PhoneNumber
    language: str = field(default="fr", validator=check_language)
    cabinets: tuple[Cabinet, ...] = ()
