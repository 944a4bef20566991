"""What `ports.codes.Codes` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.otp import CHANNELS, Channel, Purpose
from qcp_sdk.people import LANGUAGES
from qcp_sdk.ports.codes import Codes
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret

KEY: Final = Key("subscription-0/1/0")
CODE: Final = Secret("R5T4XM7")


class CodesConformance(Timed, ABC):
    """Subclass it, make the sender, and read what people receive."""

    @abstractmethod
    def make_codes(self) -> Codes:
        """Make a sender that has sent nothing."""

    @abstractmethod
    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        """Give the text of every message that this address received, oldest first."""

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
    @given(key=st.text(max_size=60))
    def test_codes_7_only_port_errors_come_out(self, key: str) -> None:
        """codes-7: whatever the key, only one of the three port errors comes out."""
        codes = self.make_codes()
        only_port_errors(lambda: self._send(codes, key=Key(key)))

    def _send(
        self,
        codes: Codes,
        *,
        key: Key = KEY,
        to: EmailAddress | PhoneNumber | None = None,
        purpose: Purpose = Purpose.OPEN,
        language: str = "fr",
    ) -> None:
        codes.send(
            key=key,
            channel=CHANNELS[purpose],
            to=to or account().email,
            code=CODE,
            purpose=purpose,
            language=language,
            not_after=self.clock.now() + timedelta(minutes=3),
        )
