"""Hypothesis strategies for every public value: what people, providers and hosts really come up with, and the edges.

    @given(spelling=spellings())
    def test_it_is_still_the_same_person(spelling: Spelling) -> None: …

`st.from_type(Account)` finds them as well (`qcp_sdk.testing.registration`). Needs the extra `testing`.
"""

from qcp_sdk.testing.registration import register, registered_types
from qcp_sdk.testing.strategies.accounts import accounts, cabinets
from qcp_sdk.testing.strategies.amounts import cents, prices
from qcp_sdk.testing.strategies.certificates import (
    broken_certificates,
    certificates,
    certificates_repeating_statements,
    conforming_certificates,
    qc_statements,
    qualified_statements,
)
from qcp_sdk.testing.strategies.collectes import collectes, documents, signatories
from qcp_sdk.testing.strategies.emails import email_addresses, same_mailboxes, written_emails
from qcp_sdk.testing.strategies.histories import (
    History,
    ceremonies,
    ceremony_histories,
    ceremony_views,
    subscription_histories,
    subscription_views,
    subscriptions,
)
from qcp_sdk.testing.strategies.holdings import attestations, holdings, recognitions, statuses, usable_holdings
from qcp_sdk.testing.strategies.ids import (
    codes,
    content_hashes,
    fingerprints,
    ids,
    keys,
    secrets,
    tenants,
    typed_codes,
)
from qcp_sdk.testing.strategies.instants import NOW, birth_dates, days, durations, instants
from qcp_sdk.testing.strategies.names import Spelling, given_names, last_names, person_names, spellings, strangers
from qcp_sdk.testing.strategies.offers import offers
from qcp_sdk.testing.strategies.phones import phone_numbers, typed_phone_numbers
from qcp_sdk.testing.strategies.policies import attestors, floors, issuers, policies
from qcp_sdk.testing.strategies.records import effects, facts, notices, record
from qcp_sdk.testing.strategies.storms import Delivery, Message, Storm, damaged_bodies, storms

__all__ = [
    "NOW",
    "Delivery",
    "History",
    "Message",
    "Spelling",
    "Storm",
    "accounts",
    "attestations",
    "attestors",
    "birth_dates",
    "broken_certificates",
    "cabinets",
    "cents",
    "ceremonies",
    "ceremony_histories",
    "ceremony_views",
    "certificates",
    "certificates_repeating_statements",
    "codes",
    "collectes",
    "conforming_certificates",
    "content_hashes",
    "damaged_bodies",
    "days",
    "documents",
    "durations",
    "effects",
    "email_addresses",
    "facts",
    "fingerprints",
    "floors",
    "given_names",
    "holdings",
    "ids",
    "instants",
    "issuers",
    "keys",
    "last_names",
    "notices",
    "offers",
    "person_names",
    "phone_numbers",
    "policies",
    "prices",
    "qc_statements",
    "qualified_statements",
    "recognitions",
    "record",
    "register",
    "registered_types",
    "same_mailboxes",
    "secrets",
    "signatories",
    "spellings",
    "statuses",
    "storms",
    "strangers",
    "subscription_histories",
    "subscription_views",
    "subscriptions",
    "tenants",
    "typed_codes",
    "typed_phone_numbers",
    "usable_holdings",
    "written_emails",
]
