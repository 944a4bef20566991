"""Accounts and cabinets, as a host platform knows them."""

from __future__ import annotations

from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qcp_sdk.people import LANGUAGES, Account, Cabinet
from qcp_sdk.testing.strategies.emails import email_addresses
from qcp_sdk.testing.strategies.ids import ids
from qcp_sdk.testing.strategies.names import person_names
from qcp_sdk.testing.strategies.phones import phone_numbers
from qcp_sdk.values import AccountId, CabinetId, PersonName

FIRMS: Final = (
    "Cabinet Freyssinet",
    "Durand & Associés",
    'L\'Audit "Neuf"',
    "KPMG\u00a0<Lyon>",
    "{{ cabinet }}",
    "a" * 200,
)
"""Names of firms, some of which a template or a log must quote."""


@cache
def languages() -> SearchStrategy[str]:
    """A language in which everything that a person reads exists."""
    return st.sampled_from(LANGUAGES)


@cache
def firms() -> SearchStrategy[str]:
    """The name of a firm."""
    return st.sampled_from(FIRMS)


@cache
def cabinets() -> SearchStrategy[Cabinet]:
    """A cabinet that may pay."""
    return st.builds(Cabinet, id=ids().map(CabinetId), name=firms())


def accounts(*, names: SearchStrategy[PersonName] | None = None) -> SearchStrategy[Account]:
    """A person's account, in any number of cabinets (none too); with a name of `names` if given."""
    return st.builds(
        Account,
        id=ids().map(AccountId),
        name=names if names is not None else person_names(),
        email=email_addresses(),
        mobile=phone_numbers(),
        language=languages(),
        cabinets=st.lists(cabinets(), max_size=3, unique_by=lambda cabinet: cabinet.id).map(tuple),
    )
