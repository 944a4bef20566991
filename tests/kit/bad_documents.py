"""Wrong adapters of the port `documents`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.errors import Rejected
from qcp_sdk.testing.conformance.documents import DocumentsConformance
from qcp_sdk.values import Key


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


@pytest.mark.caught_by("test_documents_4_what_is_not_kept_is_rejected")
@pytest.mark.caught_by("test_documents_8_only_port_errors_come_out")
class LeaksKeyErrors(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def read(self, *, document):
            return self._kept[document]


@pytest.mark.caught_by("test_documents_14_what_is_not_kept_is_not_sealed")
class SealsNothing(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def seal_request(self, *, document, **rest):
            try:
                return super().seal_request(document=document, **rest)
            except Rejected:
                return document


@pytest.mark.caught_by("test_documents_18_a_key_is_not_reused")
@pytest.mark.caught_by("test_documents_22_any_history_keeps_its_word")
class SealsByKeyOnly(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def seal_request(self, *, key, **rest):
            kept = self.__dict__.setdefault("sealed", {})
            if key not in kept:
                kept[key] = super().seal_request(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_documents_13_a_key_seals_once")
@pytest.mark.caught_by("test_documents_22_any_history_keeps_its_word")
class SealsEachTime(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def seal_request(self, *, key, challenge, **rest):
            self.times = getattr(self, "times", 0) + 1
            return super().seal_request(key=Key(f"{key}#{self.times}"), challenge=f"{challenge}#{self.times}", **rest)


@pytest.mark.caught_by("test_documents_11_other_data_give_another_document")
@pytest.mark.caught_by("test_documents_22_any_history_keeps_its_word")
class ComposesOneForAll(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def compose_request(self, **asked):
            super().compose_request(**asked)
            return self.keep(content=b"%PDF-1.7 a request")


@pytest.mark.caught_by("test_documents_19_another_code_gives_another_seal")
class SealsOnNoEvidence(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def seal_request(self, *, challenge, **rest):
            return super().seal_request(challenge="", **rest)


@pytest.mark.caught_by("test_documents_20_what_cannot_be_set_is_rejected")
class WritesFrenchInstead(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def compose_request(self, *, language, **rest):
            return super().compose_request(language=language if language == "en" else "fr", **rest)


@pytest.mark.caught_by("test_documents_21_nobody_is_named_aloud")
class PrintsRequests(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def compose_request(self, **asked):
            made = super().compose_request(**asked)
            print(self.read(document=made).decode())
            return made


@pytest.mark.caught_by("test_documents_17_any_history_gives_the_bytes_back")
class KeepsThree(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def keep(self, *, content):
            while len(self._kept) > 2:
                self._kept.pop(next(iter(self._kept)))
            return super().keep(content=content)


@pytest.mark.caught_by("test_documents_23_what_is_forgotten_is_gone")
class RemembersTheForgotten(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def forget(self, *, document):
            self._known(document)


@pytest.mark.caught_by("test_documents_23_what_is_forgotten_is_gone")
class ForgetsEverything(DocumentsSuite):
    class Adapter(MemoryDocuments):
        def forget(self, *, document):
            self._kept.clear()
