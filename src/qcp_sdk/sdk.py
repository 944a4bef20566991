"""`Qcp`: what a host holds and calls.

A host opens subscriptions and ceremonies, shows what their views say, and tells them what the person did; it asks
the policy when a collecte is created, and runs due work. Everything else happens behind the ports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from qcp_sdk.effects import Alert
from qcp_sdk.engine import Collaborators, Engine
from qcp_sdk.engine.collaborators import DEFAULT
from qcp_sdk.engine.core import perform_now
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.evidence.dossier import Dossiers
from qcp_sdk.host.collectes import Collectes
from qcp_sdk.host.operations import Operations
from qcp_sdk.host.records import Records
from qcp_sdk.host.subscriptions import LCP, Subscriptions
from qcp_sdk.offers import Offer, Offers
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.ports.store import Backlog

if TYPE_CHECKING:
    from qcp_sdk.evidence.sealing import EvidenceSeal
    from qcp_sdk.host.retention import Retention
    from qcp_sdk.local import LocalQcp
    from qcp_sdk.ports.accounts import Accounts
    from qcp_sdk.ports.authority import CertificateAuthority
    from qcp_sdk.ports.carriers import Carrier
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


def _by_route(adapters: T | Mapping[str, T] | None) -> Mapping[str, T]:
    if adapters is None:
        return {}
    return cast(Mapping[str, T], adapters) if isinstance(adapters, Mapping) else {DEFAULT: adapters}


class Qcp:
    """One installation of the SDK. Thread-safe; several may live in one process.

    Every collaborator is an adapter, or a mapping from route to adapter where several serve side by side. `offer` is
    the terms of a subscription, or a function that gives them for a tenant's cabinet. `lcp` is the authority of the
    LCP certificates that subscribers already hold. With `production=True`, simulated and local adapters are refused.

    `evidence` seals the dossiers that `qcp.evidence.export` writes; `retention` says how long records are kept before
    `qcp.operations.erase` may destroy them (seven years after the certificate's end).

    `after_commit` runs what follows a commit: at once by default; a host whose store works inside its own
    transaction gives its on-commit hook.

    With `inline=False`, whoever commits performs nothing itself: all of it is left to workers. `carrier` wakes them
    after a commit, where a broker carries (docs/carriers.md); one that joins the store's transaction is given to the
    store instead.

    Raises:
        ConfigurationError: A collaborator is missing for the plan, or not fit for production.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ids: Ids,
        keys: Keys,
        accounts: Accounts,
        ledger: Ledger | Mapping[str, Ledger],
        codes: Codes | Mapping[str, Codes],
        notices: Notices | Mapping[str, Notices],
        documents: Documents | Mapping[str, Documents],
        authority: CertificateAuthority | Mapping[str, CertificateAuthority],
        lcp: CertificateAuthority,
        policy: Policy,
        identity: IdentityVerification | Mapping[str, IdentityVerification] | None = None,
        registration: Registration | Mapping[str, Registration] | None = None,
        signer: Signer | Mapping[str, Signer] | None = None,
        envelope: Envelope | Mapping[str, Envelope] | None = None,
        pages: SigningPages | Mapping[str, SigningPages] | None = None,
        offer: Offer | Offers | None = None,
        evidence: EvidenceSeal | None = None,
        retention: Retention | None = None,
        production: bool = False,
        after_commit: Callable[[Callable[[], None]], None] = perform_now,
        on_alert: Callable[[Alert], None] | None = None,
        carrier: Carrier | None = None,
        inline: bool = True,
    ) -> None:
        self.ports = Collaborators(
            store=store,
            clock=clock,
            ids=ids,
            keys=keys,
            accounts=accounts,
            ledgers=_by_route(ledger),
            codes=_by_route(codes),
            notices=_by_route(notices),
            documents=_by_route(documents),
            authorities={**_by_route(authority), LCP: lcp},
            identities=_by_route(identity),
            registrations=_by_route(registration),
            signers=_by_route(signer),
            envelopes=_by_route(envelope),
            pages=_by_route(pages),
        )
        if production:
            _guard_production(self.ports)
        chosen = offer if offer is not None else Offer()
        offers: Offers = chosen if callable(chosen) else (lambda _tenant, _cabinet: chosen)
        self.engine = Engine(self.ports, after_commit=after_commit, on_alert=on_alert, carrier=carrier, inline=inline)
        self.subscriptions = Subscriptions(self.engine, offers, policy)
        if not callable(chosen):
            self.subscriptions.check(chosen)
        self.collectes = Collectes(self.engine, policy)
        self.records = Records(self.engine)
        self.operations = Operations(self.engine, self.records, retention)
        self.evidence = Dossiers(self.engine, self.records, evidence)

    @classmethod
    def local(cls, path: str | Path, **options: object) -> LocalQcp:
        """Build everything in one folder, with nothing but Python packages: see `qcp_sdk.local.open_local`.

        Raises:
            ConfigurationError: The folder is not ours, or the extra `local` is not installed.
        """
        from qcp_sdk.local import open_local

        return open_local(Path(path), **options)  # type: ignore[arg-type]

    def run_due(self, *, limit: int = 100, stream: str | None = None) -> int:
        """Do what is due now: polls, deadlines, retries; of one stream only, if it is named. For cron or a loop; give
        how many effects were tried.
        """
        return self.engine.run_due(limit=limit, stream=stream)

    def backlog(self) -> Backlog:
        """Say what waits."""
        return self.ports.store.backlog(now=self.ports.clock.now())


def _guard_production(ports: Collaborators) -> None:
    """Refuse to run a simulation as if it were real (behaviour § 7.10)."""
    found = [role for role, adapter in ports.every() if getattr(adapter, "simulated", False)]
    if found:
        raise ConfigurationError(
            "simulated or local adapters may not run in production",
            where=", ".join(found),
            mend="configure real ones, or drop production=True",
        )
