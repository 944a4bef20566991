"""One installation in one folder: everything that must outlive a process is on disk, and opened anew by each."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol, cast

from attrs import frozen

from qcp_sdk.adapters.file_accounts import FileAccounts
from qcp_sdk.adapters.keyring import KeyRing
from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes, MailboxNotices
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.books import StatementLine, TrialBalance
from qcp_sdk.adapters.shared.letters import Sender
from qcp_sdk.adapters.shared.messages import Links, Renderer
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.simulated_identity import SimulatedIdentity
from qcp_sdk.adapters.simulated_registration import SimulatedRegistration
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.ledger import SqlLedger
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.adapters.system import UuidIds
from qcp_sdk.certificates import read
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.offers import Offer
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.policy.load import default_policy
from qcp_sdk.policy.shapes import Issuer, Policy
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.ledger import Ledger
from qcp_sdk.ports.store import Store
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.stages import Plan
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    Cents,
    ContentHash,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    Secret,
)

START: Final = datetime(2026, 11, 23, 9, tzinfo=UTC)
CABINET: Final = Cabinet(id=CabinetId("cabinet"), name="Cabinet Freyssinet")
CREDIT: Final = Cents(8_220)
PERSON: Final = Account(
    id=AccountId("jessica"),
    name=PersonName(given="Jessica", last="Poussart"),
    email=EmailAddress("jessica@cabinet.example"),
    mobile=PhoneNumber("+33639981316"),
    cabinets=(CABINET,),
)
CONTRACT: Final = "contract.pdf"
"""The host's document, in the folder."""
TRIAL: Final = "trial"
"""A file with a name that no other trial has, for stores that are not in the folder."""
DECISION: Final = timedelta(minutes=1)
"""How long the authority takes, so that its answer is asked for and not given at once."""


class Books(Ledger, Protocol):
    """A ledger that credit can be paid into, and that can prove its books."""

    def credit(self, *, key: Key, cabinet: CabinetId, amount: Cents, memo: str) -> None:
        """Pay credit in."""

    def check(self) -> TrialBalance:
        """Prove the books."""

    def statement(self, *, cabinet: CabinetId) -> tuple[StatementLine, ...]:
        """Give every movement of a cabinet's credit, oldest first."""


StoreMaker = Callable[[Path], Store]
BooksMaker = Callable[[Path, Clock], Books]


def sqlite_store(folder: Path) -> SqlStore:
    """Open our store in this folder."""
    store = SqlStore(sqlite_engine(folder / "store.sqlite"))
    store.create_schema()
    return store


def sqlite_books(folder: Path, clock: Clock) -> SqlLedger:
    """Open our ledger in this folder."""
    ledger = SqlLedger(sqlite_engine(folder / "ledger.sqlite"), clock=clock)
    ledger.create_schema()
    return ledger


def named(place: str) -> Callable[..., object]:
    """Give the function that `package.module:function` names.

    Raises:
        ConfigurationError: There is none.
    """
    module, _, name = place.partition(":")
    try:
        return cast("Callable[..., object]", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"`{place}` is not there", mend="write package.module:function") from error


class KeptClock(ManualClock):
    """A clock that stands still between processes: the instant is kept in a file before it is told."""

    def __init__(self, path: Path) -> None:
        super().__init__(START)
        self._path = path

    def resume(self) -> None:
        """Go on where the process before this one stopped."""
        if self._path.exists():
            self._now = datetime.fromisoformat(self._path.read_text())

    def _move(self, moment: datetime) -> datetime:
        new = self._path.with_suffix(".new")
        new.write_text(moment.isoformat())
        new.replace(self._path)
        return super()._move(moment)


class KeptDocuments(MemoryDocuments):
    """The documents of the memory world on a shelf: the same application gives the same bytes after a restart."""

    def __init__(self, shelf: FileShelf) -> None:
        super().__init__()
        self._shelf = shelf

    def _keep(self, content: bytes | Path) -> ContentHash:
        return self._shelf.keep(content=content)

    def _known(self, document: ContentHash) -> bytes:
        return self._shelf.read(document=document)


@frozen(kw_only=True)
class Warm:
    """What the parent prepares once and every child is born with: keys, letters, the trust centre. Nothing is open.

    A process that starts cold makes the same things from the same files, and takes half a second for it. `store`
    and `books` are only functions here: each child makes its own.
    """

    folder: Path
    plan: Plan
    clock: KeptClock
    keys: KeyRing
    centre: LocalTrustCentre
    renderer: Renderer
    policy: Policy
    store: StoreMaker
    books: BooksMaker


def warm(folder: Path, *, plan: Plan, store: StoreMaker = sqlite_store, books: BooksMaker = sqlite_books) -> Warm:
    """Make the installation of this folder if there is none, and prepare what its processes share."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = KeyRing.from_file(folder / "keys.json", create=True)
    url = "https://signature.example.org"
    links = Links(
        account=f"{url}/certificates", subscription=f"{url}/certificates/{{subscription}}",
        signing=f"{url}/sign/{{ceremony}}", verify=f"{url}/verify", sms_host="signature.example.org",
    )  # fmt: skip
    clock = KeptClock(folder / "clock")
    passphrase = Secret(keys.derive(purpose="trust-centre").hex())
    centre = LocalTrustCentre(folder / "trust-centre", clock=clock, passphrase=passphrase)
    own = centre.certificates()
    issuers = ((own.lcp, CertificateLevel.LCP), (own.qcp, CertificateLevel.QCP_N))
    return Warm(
        folder=folder,
        plan=plan,
        clock=clock,
        keys=keys,
        centre=centre,
        renderer=Renderer(links=links, platform="qcp_sdk"),
        policy=default_policy().trusting(
            *(Issuer(name=level.name, dn=read(der).subject, levels=frozenset({level})) for der, level in issuers)
        ),
        store=store,
        books=books,
    )


class Site:
    """The installation as one process holds it."""

    def __init__(self, shared: Warm) -> None:
        self.folder = folder = shared.folder
        self.clock = clock = shared.clock
        clock.resume()
        self.store, self.books = shared.store(folder), shared.books(folder, clock)
        self.centre = centre = shared.centre
        self.shelf = FileShelf(folder / "documents")
        self.mailbox = Mailbox(folder / "mailbox")
        self.accounts = FileAccounts(folder / "accounts.json")
        self.identity = SimulatedIdentity(folder / "identity.sqlite", clock=clock)
        self.authority = centre.authority(CertificateLevel.QCP_N, decision_after=DECISION)
        self.registration = SimulatedRegistration(folder / "registration.sqlite", authority=self.authority, clock=clock)
        sender = Sender(name="qcp_sdk", address=EmailAddress("no-reply@signature.example.org"))
        documents = KeptDocuments(self.shelf)
        directory, renderer = self.mailbox.directory, shared.renderer
        codes = MailboxCodes(directory=directory, sender=sender, renderer=renderer, clock=clock)
        self.alerts: list[str] = []
        self.qcp = Qcp(
            store=self.store,
            clock=clock,
            ids=UuidIds(clock),
            keys=shared.keys,
            accounts=self.accounts,
            ledger=self.books,
            codes=codes,
            notices=MailboxNotices(
                directory=directory, sender=sender, renderer=renderer, clock=clock, documents=documents
            ),
            documents=documents,
            authority=self.authority,
            lcp=centre.authority(CertificateLevel.LCP),
            policy=shared.policy,
            identity=self.identity,
            registration=self.registration,
            signer=centre.signer(codes=codes, keys=shared.keys),
            envelope=PdfEnvelope(
                documents=self.shelf,
                timestamps=centre.timestamps(),
                revocation=centre,
                clock=clock,
                level=PadesLevel.B_T,
                answers=KeptAnswers(folder / "embedded"),
            ),
            offer=Offer(plan=shared.plan),
            on_alert=lambda alert: self.alerts.append(alert.what),
        )

    def fund(self, *certificates: CertificateLevel) -> None:
        """Make the person known, with these certificates, and pay the cabinet's credit in."""
        self.accounts.put(PERSON)
        for level in certificates:
            self.centre.enrol(PERSON, level=level)
        (self.folder / CONTRACT).write_bytes(demo_contract(at=START))
        self.books.credit(key=Key("credit"), cabinet=CABINET.id, amount=CREDIT, memo="prepaid credit")
