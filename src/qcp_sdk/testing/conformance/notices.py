"""What `ports.notices.Notices` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.errors import Rejected
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.people import LANGUAGES
from qcp_sdk.ports.notices import Notices
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import account, messages, name_of, recipient, sms
from qcp_sdk.values import ContentHash, Key

KEY: Final = Key("subscription-0/1/1")


class NoticesConformance(Timed, ABC):
    """Subclass it, make the sender, and count what people receive."""

    @abstractmethod
    def make_notices(self) -> Notices:
        """Make a sender that has sent nothing."""

    @abstractmethod
    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        """Keep a document where the sender looks for attachments."""

    @abstractmethod
    def received(self, notices: Notices, by: Recipient) -> int:
        """Say how many messages this person received, by whichever channel."""

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("notice", messages(), ids=lambda notice: notice.template)
    def test_notices_1_a_message_arrives(self, notice: Notice, language: str) -> None:
        """notices-1: a message reaches its recipient, whatever it is about and in every language."""
        notices, to = self.make_notices(), recipient(language=language)
        notices.send(key=KEY, to=to, notice=notice)
        assert self.received(notices, to) == 1
        assert self.received(notices, recipient(1)) == 0

    def test_notices_2_a_key_sends_once(self) -> None:
        """notices-2: the same key sends one message, however often it is asked; another key another."""
        notices, to = self.make_notices(), recipient()
        at_once(lambda: notices.send(key=KEY, to=to, notice=messages()[0]))
        notices.send(key=KEY, to=to, notice=messages()[0])
        assert self.received(notices, to) == 1
        notices.send(key=Key("subscription-0/2/1"), to=to, notice=messages()[0])
        assert self.received(notices, to) == 2

    def test_notices_3_a_kept_document_goes_with_it(self) -> None:
        """notices-3: a kept document goes with a message."""
        notices, to = self.make_notices(), recipient()
        copy = Attachment(name="lettre.pdf", content=self.keep(notices, b"%PDF-1.7 signed"))
        notices.send(key=KEY, to=to, notice=messages()[2], attachments=(copy,))
        assert self.received(notices, to) == 1

    def test_notices_4_a_missing_attachment_is_rejected(self) -> None:
        """notices-4: a document that is not kept is rejected as `attachment_missing`, and nothing is sent."""
        notices, to = self.make_notices(), recipient()
        missing = Attachment(name="lettre.pdf", content=name_of(b"kept nowhere"))
        with rejected("attachment_missing"):
            notices.send(key=KEY, to=to, notice=messages()[2], attachments=(missing,))
        assert self.received(notices, to) == 0

    def test_notices_5_an_sms_without_a_mobile_is_not_lost(self) -> None:
        """notices-5: a message that goes by SMS reaches a person without a mobile otherwise, or is rejected."""
        notices, person = self.make_notices(), account()
        nobody_s = Recipient(name=person.name, email=person.email)
        told = only_port_errors(lambda: notices.send(key=KEY, to=nobody_s, notice=sms()))
        if isinstance(told, Rejected):
            assert told.reason == "undeliverable"
        else:
            assert self.received(notices, recipient()) == 1

    @PROPERTY
    @given(key=st.text(max_size=60), name=st.text(max_size=60))
    def test_notices_6_only_port_errors_come_out(self, key: str, name: str) -> None:
        """notices-6: whatever the key and the attachment's name, only one of the three port errors comes out."""
        notices = self.make_notices()
        attached = Attachment(name=name, content=self.keep(notices, b"%PDF-1.7 signed"))
        only_port_errors(
            lambda: notices.send(key=Key(key), to=recipient(), notice=messages()[2], attachments=(attached,))
        )
