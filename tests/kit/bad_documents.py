"""Wrong adapters of the port `documents`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.testing.conformance.documents import DocumentsConformance


class DocumentsSuite(DocumentsConformance):
    Adapter: type[MemoryDocuments] = MemoryDocuments

    def make_documents(self) -> MemoryDocuments:
        return self.Adapter()

    def damage(self, shelf: Any, document: Any) -> None:
        shelf.damage(document)


@pytest.mark.caught_by("test_documents_5_damage_is_found")
class GivesDamagedBytes(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def read(self, *, document):
            return self._known(document)


@pytest.mark.caught_by("test_documents_12_a_seal_is_added_to_the_exact_bytes")
class SealsSomethingElse(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def seal_request(self, *, document, **rest):
            return self.keep(content=b"sealed " + self.read(document=document))


@pytest.mark.caught_by("test_documents_10_the_same_data_give_the_same_bytes")
class ComposesByTheClock(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def compose_request(self, **asked):
            return self.keep(content=f"request {len(self._kept)}".encode())
