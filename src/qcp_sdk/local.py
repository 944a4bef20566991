"""Everything in one folder: SQLite, a local trust centre, a mailbox, a simulated identity provider.

For development, demonstrations and tests. Certificates say TEST, the trusted list is the local scheme's, codes lie in
the mailbox for anybody to read: `production=True` refuses every one of these adapters.

::

    path/
    ├── keys.json           the key ring (seals the store, derives codes)
    ├── store.sqlite        subscriptions, ceremonies, journals, outbox
    ├── ledger.sqlite       the cabinets' credit
    ├── identity.sqlite     sessions of the simulated identity provider
    ├── registration.sqlite sessions of the simulated trust provider (hosted plan)
    ├── accounts.json       people and their cabinets
    ├── trust-centre/       authorities, holders' keys, timestamps
    ├── trust/              the signed trusted list, for verification
    ├── documents/          every document, by its hash
    └── mailbox/            every message, as .eml
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from attrs import frozen

from qcp_sdk.effects import Alert
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.offers import Offer, Offers
from qcp_sdk.policy.shapes import Issuer, Policy
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.keys import Keys
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import EmailAddress, Secret

if TYPE_CHECKING:
    from qcp_sdk.adapters.file_accounts import FileAccounts
    from qcp_sdk.adapters.local_scheme import ListedService
    from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
    from qcp_sdk.adapters.mailbox import Mailbox
    from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
    from qcp_sdk.adapters.shared.messages import Links, Renderer
    from qcp_sdk.adapters.shared.revocation import RevocationSource
    from qcp_sdk.adapters.simulated_identity import SimulatedIdentity
    from qcp_sdk.adapters.simulated_registration import SimulatedRegistration
    from qcp_sdk.adapters.sql.ledger import SqlLedger

KeyType = Literal["p256", "rsa-2048", "rsa-3072"]
LIST_LIFE: Final = timedelta(days=90)
"""How long a published local list is fresh; opening the folder publishes it anew."""


@frozen(kw_only=True)
class Parts:
    """What an installation in a folder is made of, for whoever replaces some of it."""

    path: Path
    clock: Clock
    keys: Keys
    renderer: Renderer
    codes: Codes
    notices: Notices
    documents: Documents
    timestamps: Timestamps
    revocation: RevocationSource
    envelope: Callable[[Timestamps, RevocationSource], PdfEnvelope]
    """Makes the folder's envelope with other timestamps and revocation data."""
    issuers: tuple[Issuer, ...]
    """The local authorities, for a policy of one's own."""


Replace: TypeAlias = Callable[[Parts], Mapping[str, object]]
"""Gives collaborators that take the place of the folder's own, by their name in `Qcp` (`identity`, `codes` …)."""


class LocalQcp(Qcp):
    """A `Qcp` over one folder, with what a demonstration needs at hand."""

    mailbox: Mailbox
    """Every message that was sent."""
    centre: LocalTrustCentre
    """Authorities, signing service, timestamps."""
    identity: SimulatedIdentity
    """`capture(session)` is what the person's phone does; `script` decides its verdicts."""
    registration: SimulatedRegistration
    """The hosted plan's provider."""
    ledger: SqlLedger
    """`credit(key=…, cabinet=…, amount=…, memo=…)` funds a cabinet."""
    accounts: FileAccounts
    """`put(account)` adds a person."""
    trust_directory: Path
    """What `qcp-sdk verify --trust` reads."""
    clock: Clock
    listed: Callable[[], tuple[Sequence[ListedService], Sequence[bytes]]] = staticmethod(lambda: ((), ()))
    """Services beside the centre's that are put on the list, and revocation lists of theirs (DER): where `replace`
    brought an authority of its own."""

    def publish_trust(self) -> Path:
        """Publish the local trusted list and revocation lists as they stand now; give their directory."""
        publish_list(self.centre, self.trust_directory, self.clock, *self.listed())
        return self.trust_directory


def open_local(
    path: Path,
    *,
    clock: Clock | None = None,
    offer: Offer | Offers | None = None,
    policy: Policy | None = None,
    links: Links | None = None,
    platform: str = "qcp_sdk démo",
    level: PadesLevel | None = None,
    key_type: KeyType = "p256",
    verdict_after: timedelta = timedelta(minutes=4),
    decision_after: timedelta = timedelta(0),
    production: bool = False,
    on_alert: Callable[[Alert], None] | None = None,
    replace: Replace | None = None,
    identity_url: str = "https://identity.simulated.invalid",
) -> LocalQcp:
    """Open the installation of this folder, and make it first if there is none.

    `verdict_after` is how long the simulated identity provider takes, `decision_after` how long the local
    authority does. `level` is the PAdES level of signatures (B-LT by default). `identity_url` is where the simulated
    provider's sessions wait, for a host that plays the phone. `replace` puts other adapters in the place of the
    folder's: those of real providers, or of the sandbox.

    Raises:
        ConfigurationError: The folder cannot be used, or the extra `local` is not installed.
    """
    try:
        return _open(
            path, clock, offer, policy, links, platform, level, key_type, verdict_after, decision_after, production,
            on_alert, replace, identity_url,
        )  # fmt: skip
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"`{missing.name}` is not installed", where="Qcp.local", mend="install qcp_sdk[local]"
        ) from missing


def _open(
    path: Path,
    clock: Clock | None,
    offer: Offer | Offers | None,
    policy: Policy | None,
    links: Links | None,
    platform: str,
    level: PadesLevel | None,
    key_type: KeyType,
    verdict_after: timedelta,
    decision_after: timedelta,
    production: bool,
    on_alert: Callable[[Alert], None] | None,
    replace: Replace | None,
    identity_url: str,
) -> LocalQcp:
    from qcp_sdk.adapters.file_accounts import FileAccounts
    from qcp_sdk.adapters.keyring import KeyRing
    from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
    from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes, MailboxNotices
    from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
    from qcp_sdk.adapters.pdf_seal import PdfSeal
    from qcp_sdk.adapters.shared.answers import KeptAnswers
    from qcp_sdk.adapters.shared.letters import Sender
    from qcp_sdk.adapters.shared.messages import Links, Renderer
    from qcp_sdk.adapters.shelf import FileShelf
    from qcp_sdk.adapters.simulated_identity import SimulatedIdentity
    from qcp_sdk.adapters.simulated_registration import SimulatedRegistration
    from qcp_sdk.adapters.sql.engines import sqlite_engine
    from qcp_sdk.adapters.sql.ledger import SqlLedger
    from qcp_sdk.adapters.sql.store import SqlStore
    from qcp_sdk.adapters.system import SystemClock, UuidIds
    from qcp_sdk.adapters.typst_documents import TypstDocuments
    from qcp_sdk.evidence.sealing import EvidenceSeal
    from qcp_sdk.policy.load import default_policy

    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder cannot be made ({error.strerror})", where=path.name, mend="give a folder that may be written"
        ) from error
    clock = clock or SystemClock()
    keys = KeyRing.from_file(path / "keys.json", create=True)
    passphrase = Secret(keys.derive(purpose="trust-centre").hex())
    centre = LocalTrustCentre(path / "trust-centre", clock=clock, passphrase=passphrase, key_type=key_type)
    store = SqlStore(sqlite_engine(path / "store.sqlite"))
    store.create_schema()
    ledger = SqlLedger(sqlite_engine(path / "ledger.sqlite"), clock=clock)
    ledger.create_schema()
    accounts = FileAccounts(path / "accounts.json")
    shelf = FileShelf(path / "documents")
    links = links or Links(
        account="https://signature.example.org/certificates",
        subscription="https://signature.example.org/certificates/{subscription}",
        signing="https://signature.example.org/sign/{ceremony}",
        verify="https://signature.example.org/verify",
        sms_host="signature.example.org",
    )
    folder = path / "mailbox"
    sender = Sender(name=platform, address=EmailAddress("no-reply@signature.example.org"))
    renderer = Renderer(links=links, platform=platform)
    codes = MailboxCodes(directory=folder, sender=sender, renderer=renderer, clock=clock)
    credential, signing = centre.seal_credential()
    timestamps, authority = centre.timestamps(), centre.authority(CertificateLevel.QCP_N, decision_after=decision_after)
    seal = PdfSeal(credential=credential, signing=signing, timestamps=timestamps, revocation=centre, clock=clock)
    documents = TypstDocuments(
        shelf=shelf, seal=seal, answers=path / "documents" / "answers", platform=platform, issuer=authority.issuer
    )
    notices = MailboxNotices(directory=folder, sender=sender, renderer=renderer, clock=clock, documents=documents)
    identity = SimulatedIdentity(
        path / "identity.sqlite", clock=clock, verdict_after=verdict_after, base_url=identity_url
    )
    registration = SimulatedRegistration(
        path / "registration.sqlite", authority=authority, clock=clock, verdict_after=verdict_after
    )

    def envelope(timestamps: Timestamps, revocation: RevocationSource) -> PdfEnvelope:
        return PdfEnvelope(
            documents=shelf,
            timestamps=timestamps,
            revocation=revocation,
            clock=clock,
            level=level or PadesLevel.B_LT,
            answers=KeptAnswers(path / "documents" / "embedded"),
        )

    parts = Parts(
        path=path,
        clock=clock,
        keys=keys,
        renderer=renderer,
        codes=codes,
        notices=notices,
        documents=documents,
        timestamps=timestamps,
        revocation=centre,
        envelope=envelope,
        issuers=_local_issuers(centre),
    )
    replaced = replace(parts) if replace is not None else {}
    sending = cast("Codes", replaced.get("codes", codes))
    own: dict[str, object] = {
        "store": store,
        "clock": clock,
        "ids": UuidIds(clock),
        "keys": keys,
        "accounts": accounts,
        "ledger": ledger,
        "codes": codes,
        "notices": notices,
        "documents": documents,
        "authority": authority,
        "lcp": centre.authority(CertificateLevel.LCP),
        "policy": policy or default_policy().trusting(*_local_issuers(centre)),
        "identity": identity,
        "registration": registration,
        "signer": centre.signer(codes=sending, keys=keys),
        "envelope": envelope(timestamps, centre),
        "offer": offer,
        "evidence": EvidenceSeal(credential=credential, signing=signing, timestamps=timestamps, revocation=centre),
        "production": production,
        "on_alert": on_alert,
    }
    made = LocalQcp(**{**own, **replaced})  # type: ignore[arg-type]  # each under the name that `Qcp` gives it
    made.mailbox, made.centre, made.identity, made.registration = Mailbox(folder), centre, identity, registration
    made.ledger, made.accounts, made.clock, made.trust_directory = ledger, accounts, clock, path / "trust"
    made.publish_trust()
    return made


def _local_issuers(centre: LocalTrustCentre) -> tuple[Issuer, ...]:
    """The local authorities, by name: what they issue comes from their own port."""
    from qcp_sdk.certificates import read

    own = centre.certificates()
    return (
        Issuer(name="local LCP (TEST)", dn=read(own.lcp).subject, levels=frozenset({CertificateLevel.LCP})),
        Issuer(name="local QCP (TEST)", dn=read(own.qcp).subject, levels=frozenset({CertificateLevel.QCP_N})),
    )


def publish_list(
    centre: LocalTrustCentre,
    directory: Path,
    clock: Clock,
    others: Sequence[ListedService] = (),
    other_crls: Sequence[bytes] = (),
) -> None:
    """Publish the trusted list of the local scheme, and the revocation lists of its authorities, as they stand now."""
    from qcp_sdk.adapters.local_scheme import ListedService, Purpose, ServiceStatus, ServiceType, publish
    from qcp_sdk.certificates import read

    own, operator, now = centre.certificates(), centre.operator(), clock.now()
    since = read(own.root).not_before
    granted = ((ServiceStatus.GRANTED, since),)
    national = ((ServiceStatus.RECOGNISED_NATIONALLY, since),)
    services = (
        ListedService(
            name="Local QCP-n authority (TEST)",
            type=ServiceType.CA_QC,
            certificate=own.qcp,
            history=granted,
            purposes=(Purpose.SIGNATURES,),
        ),
        ListedService(
            name="Local LCP authority (TEST)", type=ServiceType.CA_PKC, certificate=own.lcp, history=national
        ),
        ListedService(
            name="Local time-stamping unit (TEST)", type=ServiceType.QTST, certificate=own.timestamps, history=granted
        ),
    )
    crls = tuple(crl for issuer in (own.root, own.lcp, own.qcp) if (crl := centre.crl(issuer=issuer)) is not None)
    publish(
        directory,
        operator_key=operator.key,
        operator_certificate=operator.certificate,
        services=(*services, *others),
        now=now,
        next_update=now + LIST_LIFE,
        sequence=max(1, int(now.timestamp())),
        crls=(*crls, *other_crls),
    )
