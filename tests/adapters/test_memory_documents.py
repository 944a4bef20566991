"""Documents, envelope and timestamps in memory keep their ports' promises."""

from __future__ import annotations

from datetime import datetime

import pytest

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.envelope import MemoryEnvelope
from qcp_sdk.adapters.memory.signer import memory_value
from qcp_sdk.adapters.memory.timestamps import MemoryTimestamps
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.envelope import Envelope
from qcp_sdk.ports.signer import Credential
from qcp_sdk.testing.conformance.documents import DocumentsConformance, Shelf
from qcp_sdk.testing.conformance.envelope import EnvelopeConformance
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.timestamps import TimestampsConformance
from qcp_sdk.values import ContentHash, Key


class TestMemoryDocuments(DocumentsConformance):
    def make_documents(self) -> MemoryDocuments:
        return MemoryDocuments()

    def damage(self, shelf: Shelf, document: ContentHash) -> None:
        assert isinstance(shelf, MemoryDocuments)
        shelf.damage(document)


class TestMemoryEnvelope(EnvelopeConformance):
    def make_envelope(self) -> MemoryEnvelope:
        self.documents = MemoryDocuments()
        return MemoryEnvelope(documents=self.documents)

    def keep(self, envelope: Envelope, content: bytes) -> ContentHash:
        return self.documents.keep(content=content)

    def read(self, envelope: Envelope, document: ContentHash) -> bytes:
        return self.documents.read(document=document)

    def document(self, *, other: bool = False) -> bytes:
        return b"another text" if other else b"any bytes will do"

    def credential(self) -> Credential:
        held = MemoryAuthority(clock=self.clock).issue_to(account()).certificate
        return Credential(fingerprint=held.fingerprint, chain=(held.der,), algorithm="sha256_rsa")

    def sign(self, digest: bytes) -> bytes:
        return memory_value(self.credential().fingerprint, digest)

    def test_its_signatures_are_read_back(self) -> None:
        envelope, _, prepared = self._prepared()
        assert [found.value for found in envelope_signatures(self.documents.read(document=prepared.prepared))] == [b""]
        (found,) = envelope_signatures(self.documents.read(document=self._embed(envelope, prepared)))
        assert (found.value, found.at) == (self.sign(prepared.digest), self.clock.now())

    def test_a_document_can_be_refused(self) -> None:
        envelope = self.make_envelope()
        base = self.documents.keep(content=b"%PDF encrypted")
        envelope.refuse(base, "encrypted")
        with pytest.raises(Rejected) as told:
            self._prepare(envelope, base, base)
        assert told.value.reason == "encrypted"

    def test_nothing_but_our_signatures_may_follow(self) -> None:
        envelope, base, prepared = self._prepared()
        signed = self.documents.read(document=self._embed(envelope, prepared))
        with pytest.raises(Rejected) as told:
            self._prepare(envelope, base, self.documents.keep(content=signed + b"more"), key=Key("c/2/0"))
        assert told.value.reason == "document_changed"


envelope_signatures = MemoryEnvelope.signatures


class TestMemoryTimestamps(TimestampsConformance):
    def make_timestamps(self) -> MemoryTimestamps:
        return MemoryTimestamps(clock=self.clock)

    def told(self, token: bytes) -> tuple[bytes, datetime]:
        return MemoryTimestamps.read(token)
