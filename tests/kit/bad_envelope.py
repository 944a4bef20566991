"""Wrong adapters of the port `envelope`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.envelope import MemoryEnvelope
from qcp_sdk.adapters.memory.signer import memory_value
from qcp_sdk.ports.signer import Credential
from qcp_sdk.testing.conformance.envelope import EnvelopeConformance
from qcp_sdk.testing.conformance.examples import account


class EnvelopeSuite(EnvelopeConformance):
    Adapter: type[MemoryEnvelope] = MemoryEnvelope

    def make_envelope(self) -> MemoryEnvelope:
        self.documents = MemoryDocuments()
        return self.Adapter(documents=self.documents)

    def keep(self, envelope: Any, content: bytes) -> Any:
        return self.documents.keep(content=content)

    def read(self, envelope: Any, document: Any) -> bytes:
        return self.documents.read(document=document)

    def document(self, *, other: bool = False) -> bytes:
        return b"another text" if other else b"any bytes will do"

    def credential(self) -> Credential:
        held = MemoryAuthority(clock=self.clock).issue_to(account()).certificate
        return Credential(fingerprint=held.fingerprint, chain=(held.der,), algorithm="sha256_rsa")

    def sign(self, digest: bytes) -> bytes:
        return memory_value(self.credential().fingerprint, digest)


@pytest.mark.caught_by("test_envelope_7_only_what_was_validated_is_signed")
class SignsWhateverIsThere(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def prepare(self, *, validated, base, **rest):
            return super().prepare(validated=base, base=base, **rest)


@pytest.mark.caught_by("test_envelope_6_a_value_that_does_not_verify_is_refused")
@pytest.mark.caught_by("test_envelope_9_places_are_their_documents_own")
class EmbedsAnyValue(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def embed(self, *, key, prepared, credential, value):
            return self._documents.keep(content=self._read(prepared.base) + value)
