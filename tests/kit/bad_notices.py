"""Wrong adapters of the port `notices`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.testing.conformance.notices import NoticesConformance


class NoticesSuite(NoticesConformance):
    Adapter: type[MemoryNotices] = MemoryNotices

    def make_notices(self) -> MemoryNotices:
        self.documents = MemoryDocuments()
        return self.Adapter(documents=self.documents)

    def keep(self, notices: Any, content: bytes) -> Any:
        return self.documents.keep(content=content)

    def received(self, notices: Any, by: Any) -> int:
        return len(notices.to(by.email))


@pytest.mark.caught_by("test_notices_4_a_missing_attachment_is_rejected")
class DropsAttachments(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, to, notice, attachments=()):
            super().send(key=key, to=to, notice=notice)
