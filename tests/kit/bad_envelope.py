"""Wrong adapters of the port `envelope`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.envelope import MemoryEnvelope
from qcp_sdk.adapters.memory.signer import memory_value
from qcp_sdk.ports.signer import Credential
from qcp_sdk.testing.conformance.envelope import EnvelopeConformance
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.values import Key


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


@pytest.mark.caught_by("test_envelope_3_a_key_prepares_once")
@pytest.mark.caught_by("test_envelope_15_any_history_keeps_its_word")
class PreparesAnew(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def prepare(self, *, key, **rest):
            self.times = getattr(self, "times", 0) + 1
            return super().prepare(key=Key(f"{key}#{self.times}"), **rest)


@pytest.mark.caught_by("test_envelope_2_what_is_stored_between_is_small")
class StoresTheDocumentBetween(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def prepare(self, **asked):
            return evolve(super().prepare(**asked), state=bytes(4096))


@pytest.mark.caught_by("test_envelope_4_a_value_is_embedded")
@pytest.mark.caught_by("test_envelope_8_a_second_signature_keeps_the_first")
class RewritesTheDocument(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def embed(self, **asked):
            return self._documents.keep(content=b"%" + self._read(super().embed(**asked)))


@pytest.mark.caught_by("test_envelope_10_what_is_not_kept_is_rejected")
@pytest.mark.caught_by("test_envelope_11_only_port_errors_come_out")
class LeaksKeyErrors(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def _read(self, document):
            return {}[document]

        def embed(self, *, prepared, **rest):
            return super().embed(prepared=evolve(prepared, state=str({}[prepared.state]).encode()), **rest)


@pytest.mark.caught_by("test_envelope_5_a_key_embeds_once")
@pytest.mark.caught_by("test_envelope_15_any_history_keeps_its_word")
class SignsEachTime(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def embed(self, *, key, **rest):
            self.times = getattr(self, "times", 0) + 1
            signed = self._read(super().embed(key=Key(f"{key}#{self.times}"), **rest))
            return self._documents.keep(content=signed + str(self.times).encode())


@pytest.mark.caught_by("test_envelope_12_a_key_embeds_for_one_place")
@pytest.mark.caught_by("test_envelope_15_any_history_keeps_its_word")
class EmbedsByKeyOnly(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def embed(self, *, key, **rest):
            kept = self.__dict__.setdefault("signed", {})
            if key not in kept:
                kept[key] = super().embed(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_envelope_13_another_s_value_is_refused")
class ChecksItsFavourite(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def prepare(self, *, credential, **rest):
            self.credential = credential
            return super().prepare(credential=credential, **rest)

        def embed(self, *, credential, **rest):
            return super().embed(credential=self.credential, **rest)


@pytest.mark.caught_by("test_envelope_14_another_s_state_is_refused")
class SignsAnotherDocument(EnvelopeSuite):
    class Adapter(MemoryEnvelope):
        def embed(self, *, prepared, value, **rest):
            signed = self._read(prepared.prepared).replace(b"0" * 64, value.hex().encode())
            return self._documents.keep(content=signed)
