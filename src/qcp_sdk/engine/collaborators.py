"""Every collaborator of one installation, by role and route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from attrs import field, frozen

from qcp_sdk.errors import ConfigurationError
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.envelope import Envelope
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.ports.ids import Ids
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.pages import SigningPages
from qcp_sdk.ports.registration import Registration
from qcp_sdk.ports.signer import Signer
from qcp_sdk.ports.store import Store

T = TypeVar("T")
DEFAULT = "default"


@frozen(kw_only=True)
class Collaborators:
    """What the engine may call. A mapping goes from route to adapter, so that several can serve side by side."""

    store: Store
    clock: Clock
    ids: Ids
    keys: Keys = field(repr=False)
    accounts: Accounts
    ledgers: Mapping[str, Ledger]
    codes: Mapping[str, Codes]
    notices: Mapping[str, Notices]
    documents: Mapping[str, Documents]
    identities: Mapping[str, IdentityVerification] = field(factory=dict)
    registrations: Mapping[str, Registration] = field(factory=dict)
    authorities: Mapping[str, CertificateAuthority] = field(factory=dict)
    signers: Mapping[str, Signer] = field(factory=dict)
    envelopes: Mapping[str, Envelope] = field(factory=dict)
    pages: Mapping[str, SigningPages] = field(factory=dict)

    def every(self) -> tuple[tuple[str, object], ...]:
        """Give every adapter with its role, for the guards of production."""
        singles = [(role, getattr(self, role)) for role in ("store", "clock", "ids", "keys", "accounts")]
        routed = (
            "ledgers", "codes", "notices", "documents", "identities", "registrations", "authorities", "signers",
            "envelopes", "pages",
        )  # fmt: skip
        return (
            *singles,
            *((f"{role}[{route}]", adapter) for role in routed for route, adapter in getattr(self, role).items()),
        )


def routed(adapters: Mapping[str, T], route: str, role: str) -> T:
    """Give the adapter of a route.

    Raises:
        ConfigurationError: None is configured under it; a subscription in flight may still need an older one.
    """
    try:
        return adapters[route]
    except KeyError:
        raise ConfigurationError(
            f"no adapter is configured for route `{route}`",
            where=role,
            mend="keep the adapters of every route that a subscription in flight was opened with",
        ) from None
