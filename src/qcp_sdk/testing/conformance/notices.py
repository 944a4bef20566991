"""What `ports.notices.Notices` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.errors import Rejected
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.people import LANGUAGES
from qcp_sdk.ports.notices import Notices
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import account, messages, name_of, recipient, sms
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, RESTARTS, answered, run_any_history
from qcp_sdk.values import ContentHash, Key

KEY: Final = Key("subscription-0/1/1")


class NoticesConformance(Timed, ABC):
    """Subclass it, make the sender, and count what people receive."""

    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh sender costs much."""

    @abstractmethod
    def make_notices(self) -> Notices:
        """Make a sender that has sent nothing."""

    @abstractmethod
    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        """Keep a document where the sender looks for attachments."""

    @abstractmethod
    def received(self, notices: Notices, by: Recipient) -> int:
        """Say how many messages this person received, by whichever channel."""

    def restarted(self, notices: Notices) -> Notices:
        """Give the sender as a new process makes it, where its memory outlives one; histories restart in between."""
        return notices

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
    @given(key=ANY_TEXT, name=st.text(max_size=60))
    def test_notices_6_only_port_errors_come_out(self, key: str, name: str) -> None:
        """notices-6: whatever the key and the attachment's name, only one of the three port errors comes out."""
        notices = self.make_notices()
        attached = Attachment(name=name, content=self.keep(notices, b"%PDF-1.7 signed"))
        only_port_errors(
            lambda: notices.send(key=Key(key), to=recipient(), notice=messages()[2], attachments=(attached,))
        )

    def test_notices_7_a_key_is_not_reused(self) -> None:
        """notices-7: a key used again for another person or message is rejected as `key_reused`, and sends nothing."""
        notices, to, other = self.make_notices(), recipient(), recipient(1)
        notices.send(key=KEY, to=to, notice=messages()[0])
        with rejected("key_reused"):
            notices.send(key=KEY, to=other, notice=messages()[0])
        with rejected("key_reused"):
            notices.send(key=KEY, to=to, notice=messages()[1])
        assert (self.received(notices, to), self.received(notices, other)) == (1, 0)

    def test_notices_8_nobody_is_named_aloud(self) -> None:
        """notices-8: neither the sender nor its refusals print or log who is written to."""
        notices, to = self.make_notices(), recipient()
        missing = Attachment(name="lettre.pdf", content=name_of(b"kept nowhere"))
        with unspoken(*personal(account()), *personal(account(1))) as said:
            notices.send(key=KEY, to=to, notice=messages()[0])
            said += [notices, only_port_errors(lambda: notices.send(key=KEY, to=recipient(1), notice=messages()[0]))]
            said += [
                only_port_errors(
                    lambda: notices.send(key=Key("k/2/0"), to=to, notice=messages()[2], attachments=(missing,))
                )
            ]

    def test_notices_9_any_history_sends_each_key_once(self) -> None:
        """notices-9: after any history of sends, lost answers and restarts, each person received one message for
        each key, and none that was refused."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)


class _History(RuleBasedStateMachine):
    """Any history of sends, beside what each person must have received."""

    restarts = RESTARTS

    def __init__(self, suite: NoticesConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.notices = suite, suite.make_notices()
        self.copy = Attachment(name="lettre.pdf", content=suite.keep(self.notices, b"%PDF-1.7 signed"))
        self.sent: dict[Key, tuple[int, int]] = {}
        self.refused = 0

    @rule(key=st.integers(0, 3), number=st.integers(0, 1), which=st.integers(0, 3), lost=st.booleans())
    def send(self, key: int, number: int, which: int, lost: bool) -> None:
        asked, attached = Key(f"subscription-{key}/1/1"), (self.copy,) if which == 2 else ()

        def deliver() -> None:
            self.notices.send(key=asked, to=recipient(number), notice=messages()[which], attachments=attached)

        if self.sent.setdefault(asked, (number, which)) != (number, which):
            with rejected("key_reused"):
                deliver()
        else:
            answered(deliver, lost=lost)

    @rule(number=st.integers(0, 1))
    def send_without_its_attachment(self, number: int) -> None:
        self.refused += 1
        missing = Attachment(name="lettre.pdf", content=name_of(b"kept nowhere"))
        with rejected("attachment_missing"):
            self.notices.send(
                key=Key(f"refused-{self.refused}/1/1"),
                to=recipient(number),
                notice=messages()[2],
                attachments=(missing,),
            )

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.notices = self.suite.restarted(self.notices)

    @invariant()
    def each_received_its_own(self) -> None:
        for number in (0, 1):
            expected = sum(to == number for to, _ in self.sent.values())
            assert self.suite.received(self.notices, recipient(number)) == expected
