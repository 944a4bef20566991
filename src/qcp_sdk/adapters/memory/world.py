"""A whole world in memory: one of each collaborator, wired together, under one clock and one script of failures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from qcp_sdk.adapters.memory.accounts import MemoryAccounts
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.envelope import MemoryEnvelope
from qcp_sdk.adapters.memory.faults import Faults
from qcp_sdk.adapters.memory.faulty_ledger import FaultyLedger
from qcp_sdk.adapters.memory.identity import MemoryIdentity
from qcp_sdk.adapters.memory.ids import CountingIds
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.memory.ledger import MemoryLedger
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.adapters.memory.pages import MemoryPages, PortsPen
from qcp_sdk.adapters.memory.registration import MemoryRegistration
from qcp_sdk.adapters.memory.signer import MemorySigner
from qcp_sdk.adapters.memory.store import MemoryStore
from qcp_sdk.adapters.memory.timestamps import MemoryTimestamps
from qcp_sdk.certificates import Certificate, Holding, StatusKind
from qcp_sdk.collectes import Signatory
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.values import Fingerprint

BEGINNING: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class MemoryWorld:
    """Every port once, for tests and simulation. `clock` moves when told to; `faults` fails what it is told to fail.

    `books` is the ledger itself, where a test pays credit in; `ledger` is the same with failures. The signer holds a
    key for every certificate of both authorities; the hosted plan issues through `authority`, and its signing page
    signs with the newest usable certificate of the signatory's account.
    """

    def __init__(
        self,
        *,
        accounts: Iterable[Account] = (),
        start: datetime = BEGINNING,
        faults: Faults | None = None,
    ) -> None:
        self.faults = faults if faults is not None else Faults()
        self.clock = ManualClock(start)
        self.ids = CountingIds()
        self.keys = MemoryKeys()
        self.store = MemoryStore()
        told = self.faults
        self.books = MemoryLedger(clock=self.clock)
        self.ledger = FaultyLedger(self.books, faults=told)
        self.accounts = MemoryAccounts(accounts, faults=told)
        self.codes = MemoryCodes(clock=self.clock, faults=told)
        self.documents = MemoryDocuments(faults=told)
        self.notices = MemoryNotices(faults=told)
        self.identity = MemoryIdentity(clock=self.clock, faults=told)
        self.authority = MemoryAuthority(clock=self.clock, faults=told)
        self.lcp_authority = MemoryAuthority(
            clock=self.clock, issuer="Autorité LCP en mémoire", level=CertificateLevel.LCP, faults=told
        )
        self.registration = MemoryRegistration(authority=self.authority, clock=self.clock, faults=told)
        self.signer = MemorySigner(holding_of=self.holding, codes=self.codes, clock=self.clock, faults=told)
        self.timestamps = MemoryTimestamps(clock=self.clock, faults=told)
        self.envelope = MemoryEnvelope(documents=self.documents, faults=told)
        pen = PortsPen(envelope=self.envelope, signer=self.signer, certificate_of=self.certificate_of, clock=self.clock)
        self.pages = MemoryPages(pen=pen, clock=self.clock, faults=told)

    def holding(self, fingerprint: Fingerprint) -> Holding | None:
        """Give what is known of a certificate of either authority."""
        return self.authority.holding(fingerprint) or self.lcp_authority.holding(fingerprint)

    def certificate_of(self, signatory: Signatory) -> Certificate | None:
        """Give the newest usable certificate of this signatory's account, or None."""
        for holding in self.authority.held_by(signatory.account) if signatory.account is not None else ():
            certificate = holding.certificate
            if holding.status.kind is StatusKind.GOOD and self.clock.now() < certificate.not_after:
                return certificate
        return None
