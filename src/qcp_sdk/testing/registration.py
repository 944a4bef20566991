"""Hypothesis finds the strategies of `qcp_sdk.testing.strategies` by itself: `st.from_type(Account)` works.

Hypothesis calls `register` when it is imported (its entry point `hypothesis`), so a project does nothing. It costs the
import of the classes, a tenth of a second or two, and no strategy is made before it is asked for. Where entry points
are off (`HYPOTHESIS_NO_PLUGINS`), call it in a conftest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from qcp_sdk import audit, effects, facts, notices, values
from qcp_sdk.ceremony import effects as ce
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.state import Ceremony
from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, QcStatements
from qcp_sdk.collectes import Collecte, Document, Signatory, Stamp
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.identity import IdentityEvidence, ProvenIdentity
from qcp_sdk.offers import Offer
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.policy.evidence import Attestation, Recognition
from qcp_sdk.policy.shapes import Attestor, Floor, Issuer, Policy
from qcp_sdk.subscription import effects as se
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.state import Subscription

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_PLACE: Final = "qcp_sdk.testing.strategies"

_OWN: Final[Mapping[Any, str]] = {
    values.Cents: "amounts.cents",
    values.Secret: "ids.secrets",
    values.PersonName: "names.person_names",
    values.EmailAddress: "emails.email_addresses",
    values.PhoneNumber: "phones.phone_numbers",
    values.BirthDate: "instants.birth_dates",
    values.TenantId: "ids.tenants",
    values.ContentHash: "ids.content_hashes",
    values.Fingerprint: "ids.fingerprints",
    values.Key: "ids.keys",
    Account: "accounts.accounts",
    Cabinet: "accounts.cabinets",
    Certificate: "certificates.certificates",
    QcStatements: "certificates.qc_statements",
    CertificateStatus: "holdings.statuses",
    Holding: "holdings.holdings",
    Attestation: "holdings.attestations",
    Recognition: "holdings.recognitions",
    Document: "collectes.documents",
    Signatory: "collectes.signatories",
    Stamp: "collectes.stamps",
    Collecte: "collectes.collectes",
    Policy: "policies.policies",
    Issuer: "policies.issuers",
    Attestor: "policies.attestors",
    Floor: "policies.floors",
    Offer: "offers.offers",
    Code: "ids.codes",
    Subscription: "histories.subscriptions",
    Ceremony: "histories.ceremonies",
    SubscriptionView: "histories.subscription_views",
    CeremonyView: "histories.ceremony_views",
}
"""What has a strategy of its own, and where that is."""

_IDS: Final[tuple[Any, ...]] = (
    values.AccountId, values.CabinetId, values.SubscriptionId, values.CeremonyId, values.CollecteId, values.SignatoryId,
    values.DocumentId, values.HoldId, values.SessionId, values.ChallengeId,
)  # fmt: skip

_RECORDS: Final = (
    ProvenIdentity, IdentityEvidence, sf.Routes, sf.Waits, cf.CeremonyRoutes, cf.CeremonyWaits, se.Application,
    notices.Recipient, notices.Attachment,
)  # fmt: skip

_FAMILIES: Final[Mapping[str, type]] = {
    "records.facts": facts.Fact, "records.effects": effects.Effect, "records.notices": notices.Notice,
}  # fmt: skip
"""Roots whose every class is built alike."""


def _kinds(root: type, *modules: object) -> list[type]:
    found = [thing for module in modules for thing in vars(module).values() if isinstance(thing, type)]
    return list(dict.fromkeys(kind for kind in found if issubclass(kind, root)))


@cache
def _table() -> Mapping[Any, Callable[[], SearchStrategy[Any]]]:
    found: dict[Any, Callable[[], SearchStrategy[Any]]] = {
        thing: partial(_made, place) for thing, place in _OWN.items()
    }
    found |= {thing: partial(_made, "ids.ids") for thing in _IDS}
    found |= {thing: partial(_made, "records.record", thing) for thing in _RECORDS}
    for place, root in _FAMILIES.items():
        found |= {
            kind: partial(_made, place, kind) for kind in _kinds(root, facts, sf, cf, audit, effects, se, ce, notices)
        }
    return found


def _made(place: str, *arguments: object) -> SearchStrategy[Any]:
    module, _, name = place.partition(".")
    strategy: SearchStrategy[Any] = getattr(import_module(f"{_PLACE}.{module}"), name)(*arguments)
    return strategy


def registered_types() -> tuple[Any, ...]:
    """Give every type for which `st.from_type` gives a strategy of ours."""
    return tuple(_table())


def strategy_of(thing: Any) -> SearchStrategy[Any]:
    """Give the strategy of a type, registered with Hypothesis or not; of a type of others, Hypothesis' own."""
    from hypothesis import strategies as st

    made = _table().get(thing)
    return made() if made is not None else st.from_type(thing)


def register() -> None:
    """Make `st.from_type` know every public value of the SDK. Repeatable."""
    from hypothesis import strategies as st

    for thing, made in _table().items():
        st.register_type_strategy(thing, partial(_for, made))


def _for(made: Callable[[], SearchStrategy[Any]], _thing: object) -> SearchStrategy[Any]:
    return made()
