"""Wrong adapters of the port `notices`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.memory.notices import MemoryNotices
from qcp_sdk.errors import Rejected
from qcp_sdk.notices import Recipient
from qcp_sdk.testing.conformance.examples import account, messages, recipient
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.values import Key


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


@pytest.mark.caught_by("test_notices_1_a_message_arrives", notice=messages()[0], language="fr")
class SaysSentAndSendsNothing(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, **asked):
            pass


@pytest.mark.caught_by("test_notices_1_a_message_arrives", notice=messages()[0], language="fr")
class CopiesToTheOperator(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, to, **rest):
            super().send(key=key, to=to, **rest)
            super().send(key=Key(f"{key}/copy"), to=recipient(1), **rest)


@pytest.mark.caught_by("test_notices_2_a_key_sends_once")
@pytest.mark.caught_by("test_notices_9_any_history_sends_each_key_once")
class SendsEachTime(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, **rest):
            super().send(key=Key(f"{key}#{len(self.outbox)}"), **rest)


@pytest.mark.caught_by("test_notices_4_a_missing_attachment_is_rejected")
@pytest.mark.caught_by("test_notices_9_any_history_sends_each_key_once")
class SendsFirstAndLooksAfterwards(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, to, notice, attachments=()):
            super().send(key=key, to=to, notice=notice)
            super().send(
                key=Key(f"{key}/whole"),
                to=Recipient(name=to.name, email=account(3).email),
                notice=notice,
                attachments=attachments,
            )


@pytest.mark.caught_by("test_notices_5_an_sms_without_a_mobile_is_not_lost")
class LosesAnSms(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, to, notice, **rest):
            if to.mobile is not None or not notice.by_sms:
                super().send(to=to, notice=notice, **rest)


@pytest.mark.caught_by("test_notices_6_only_port_errors_come_out")
class LeaksEncodingErrors(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, **rest):
            super().send(key=Key(key.encode("ascii").decode()), **rest)


@pytest.mark.caught_by("test_notices_7_a_key_is_not_reused")
@pytest.mark.caught_by("test_notices_9_any_history_sends_each_key_once")
class AnswersAnyoneWithTheKey(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, **rest):
            if key not in {sent.key for sent in self.outbox}:
                super().send(key=key, **rest)


@pytest.mark.caught_by("test_notices_8_nobody_is_named_aloud")
class NamesWhomItRefuses(NoticesSuite):
    class Adapter(MemoryNotices):
        def send(self, *, key, to, **rest):
            try:
                super().send(key=key, to=to, **rest)
            except Rejected as refusal:
                raise Rejected(f"{to.email.text} receives nothing", reason=refusal.reason) from refusal
