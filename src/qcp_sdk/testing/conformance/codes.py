"""What `ports.codes.Codes` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qcp_sdk.otp import CHANNELS, Channel, Purpose
from qcp_sdk.people import LANGUAGES
from qcp_sdk.ports.codes import Codes
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import unspoken
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, MOMENTS, RESTARTS, answered, run_any_history
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret

KEY: Final = Key("subscription-0/1/0")
CODE: Final = Secret("R5T4XM7")


class CodesConformance(Timed, ABC):
    """Subclass it, make the sender, and read what people receive."""

    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh sender costs much."""

    @abstractmethod
    def make_codes(self) -> Codes:
        """Make a sender that has sent nothing."""

    @abstractmethod
    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        """Give the text of every message that this address received, oldest first."""

    def restarted(self, codes: Codes) -> Codes:
        """Give the sender as a new process makes it, where its memory outlives one; histories restart in between."""
        return codes

    @pytest.mark.parametrize("purpose", list(Purpose))
    @pytest.mark.parametrize("language", LANGUAGES)
    def test_codes_1_the_code_arrives(self, purpose: Purpose, language: str) -> None:
        """codes-1: the code reaches the address of record, for every purpose and in every language."""
        codes = self.make_codes()
        to = account().email if CHANNELS[purpose] is Channel.EMAIL else account().mobile
        self._send(codes, to=to, purpose=purpose, language=language)
        (message,) = self.received(codes, to)
        assert CODE.reveal() in message

    def test_codes_2_a_key_sends_once(self) -> None:
        """codes-2: the same key sends one message, however often it is asked."""
        codes = self.make_codes()
        at_once(lambda: self._send(codes))
        self._send(codes)
        assert len(self.received(codes, account().email)) == 1

    def test_codes_3_another_key_sends_again(self) -> None:
        """codes-3: another key sends another message."""
        codes = self.make_codes()
        self._send(codes)
        self._send(codes, key=Key("subscription-0/2/0"))
        assert len(self.received(codes, account().email)) == 2

    def test_codes_4_nobody_else_receives_it(self) -> None:
        """codes-4: nobody but the address of record receives anything."""
        codes = self.make_codes()
        self._send(codes)
        assert self.received(codes, account(1).email) == self.received(codes, account().mobile) == ()

    def test_codes_5_an_address_of_another_channel_is_rejected(self) -> None:
        """codes-5: an address that the channel does not reach is rejected as `undeliverable`, and stays so."""
        codes = self.make_codes()
        for _ in range(2):
            with rejected("undeliverable"):
                self._send(codes, to=account().mobile, purpose=Purpose.OPEN)
        assert self.received(codes, account().mobile) == ()

    def test_codes_6_the_code_is_not_printed(self) -> None:
        """codes-6: neither the adapter nor its errors print a code."""
        codes = self.make_codes()
        self._send(codes)
        told = only_port_errors(lambda: self._send(codes, key=Key("subscription-0/2/0"), to=account().mobile))
        assert CODE.reveal() not in repr(codes) + str(told) + repr(told)

    @PROPERTY
    @given(key=ANY_TEXT)
    def test_codes_7_only_port_errors_come_out(self, key: str) -> None:
        """codes-7: whatever the key, only one of the three port errors comes out."""
        codes = self.make_codes()
        only_port_errors(lambda: self._send(codes, key=Key(key)))

    def test_codes_8_what_is_over_is_not_sent(self) -> None:
        """codes-8: at its end and afterwards a code is not sent, but rejected as `expired`."""
        codes = self.make_codes()
        for number, life in enumerate((timedelta(0), timedelta(minutes=-1))):
            with rejected("expired"):
                self._send(codes, key=Key(f"subscription-0/{number}/0"), life=life)
        assert self.received(codes, account().email) == ()

    def test_codes_9_a_key_is_not_reused(self) -> None:
        """codes-9: a key used again for another address or purpose is rejected as `key_reused`, and sends nothing."""
        codes = self.make_codes()
        self._send(codes)
        for to, purpose in ((account(1).email, Purpose.OPEN), (account().mobile, Purpose.SIGN)):
            with rejected("key_reused"):
                self._send(codes, to=to, purpose=purpose)
            assert self.received(codes, to) == ()
        assert len(self.received(codes, account().email)) == 1

    def test_codes_10_a_code_is_not_said_aloud(self) -> None:
        """codes-10: neither a code nor the address is printed, logged, or told by an error."""
        codes, person, other = self.make_codes(), account(), account(1)
        private = (CODE.reveal(), person.email.text, person.mobile.text, other.email.text)
        with unspoken(*private) as said:
            self._send(codes)
            said += [codes, only_port_errors(lambda: self._send(codes, to=other.email))]
            said += [only_port_errors(lambda: self._send(codes, key=Key("k/2/0"), to=person.mobile))]
            said += [only_port_errors(lambda: self._send(codes, key=Key("k/3/0"), life=timedelta(0)))]

    def test_codes_11_any_history_sends_each_key_once(self) -> None:
        """codes-11: after any history of sends, lost answers and restarts, each address received its own codes, one
        for each key, and none whose time was over."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    def _send(
        self,
        codes: Codes,
        *,
        key: Key = KEY,
        to: EmailAddress | PhoneNumber | None = None,
        purpose: Purpose = Purpose.OPEN,
        language: str = "fr",
        code: Secret = CODE,
        life: timedelta = timedelta(minutes=3),
    ) -> None:
        codes.send(
            key=key,
            channel=CHANNELS[purpose],
            to=to or account().email,
            code=code,
            purpose=purpose,
            language=language,
            not_after=self.clock.now() + life,
        )


class _History(RuleBasedStateMachine):
    """Any history of sends, beside what each address must have received."""

    restarts = RESTARTS

    keys = st.integers(0, 3)

    def __init__(self, suite: CodesConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.codes = suite, suite.make_codes()
        self.sent: dict[Key, tuple[int, Purpose]] = {}
        self.late = 0

    @rule(key=keys, number=st.integers(0, 1), purpose=st.sampled_from([Purpose.OPEN, Purpose.SIGN]), lost=st.booleans())
    def send(self, key: int, number: int, purpose: Purpose, lost: bool) -> None:
        asked = Key(f"subscription-{key}/1/0")
        if self.sent.setdefault(asked, (number, purpose)) != (number, purpose):
            with rejected("key_reused"):
                self.deliver(asked, number, purpose)
        else:
            answered(lambda: self.deliver(asked, number, purpose), lost=lost)

    @rule(number=st.integers(0, 1), purpose=st.sampled_from([Purpose.OPEN, Purpose.SIGN]))
    def send_late(self, number: int, purpose: Purpose) -> None:
        self.late += 1
        with rejected("expired"):
            self.deliver(Key(f"late-{self.late}/1/0"), number, purpose, life=timedelta(0))

    @rule(by=st.sampled_from(MOMENTS))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.codes = self.suite.restarted(self.codes)

    @invariant()
    def each_received_its_own(self) -> None:
        for number in (0, 1):
            for purpose in (Purpose.OPEN, Purpose.SIGN):
                keys = [key for key, sent in self.sent.items() if sent == (number, purpose)]
                messages = self.suite.received(self.codes, self.address(number, purpose))
                assert len(messages) == len(keys)
                assert all(self.code(key).reveal() in text for key, text in zip(keys, messages, strict=True))

    def deliver(self, key: Key, number: int, purpose: Purpose, *, life: timedelta = timedelta(minutes=3)) -> None:
        to = self.address(number, purpose)
        self.suite._send(self.codes, key=key, to=to, purpose=purpose, code=self.code(key), life=life)

    def address(self, number: int, purpose: Purpose) -> EmailAddress | PhoneNumber:
        return account(number).email if CHANNELS[purpose] is Channel.EMAIL else account(number).mobile

    def code(self, key: Key) -> Secret:
        """Give the code of this key: another for every one."""
        return Secret(f"R5T4X{ord(key.partition('/')[0][-1])}")
