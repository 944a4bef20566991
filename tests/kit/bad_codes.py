"""Wrong adapters of the port `codes`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.errors import Rejected
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.values import EmailAddress, Key


class CodesSuite(CodesConformance):
    Adapter: type[MemoryCodes] = MemoryCodes

    def make_codes(self) -> MemoryCodes:
        return self.Adapter(clock=self.clock)

    def received(self, codes: Any, by: Any) -> tuple[str, ...]:
        return tuple(sent.code.reveal() for sent in codes.outbox if sent.to == by)


@pytest.mark.caught_by("test_codes_2_a_key_sends_once")
class SendsEachTime(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, key, **rest):
            super().send(key=Key(f"{key}#{len(self.outbox)}"), **rest)


@pytest.mark.caught_by("test_codes_6_the_code_is_not_printed")
class PrintsCodes(CodesSuite):
    class Adapter(MemoryCodes):
        def __repr__(self) -> str:
            return str([sent.code.reveal() for sent in self.outbox])


@pytest.mark.caught_by("test_codes_1_the_code_arrives", purpose=Purpose.OPEN, language="fr")
@pytest.mark.caught_by("test_codes_3_another_key_sends_again")
class SaysSentAndSendsNothing(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, **asked):
            pass


@pytest.mark.caught_by("test_codes_4_nobody_else_receives_it")
class CopiesToTheOperator(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, key, to, **rest):
            super().send(key=key, to=to, **rest)
            super().send(key=Key(f"{key}/copy"), to=account(1).email, **rest)


@pytest.mark.caught_by("test_codes_5_an_address_of_another_channel_is_rejected")
class SendsByAnyChannel(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, channel, to, **rest):
            super().send(channel=Channel.EMAIL if isinstance(to, EmailAddress) else Channel.SMS, to=to, **rest)


@pytest.mark.caught_by("test_codes_8_what_is_over_is_not_sent")
@pytest.mark.caught_by("test_codes_11_any_history_sends_each_key_once")
class SendsLate(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, not_after, **rest):
            super().send(not_after=not_after + timedelta(days=1), **rest)


@pytest.mark.caught_by("test_codes_9_a_key_is_not_reused")
@pytest.mark.caught_by("test_codes_11_any_history_sends_each_key_once")
class AnswersAnyoneWithTheKey(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, key, **rest):
            if key not in {sent.key for sent in self.outbox}:
                super().send(key=key, **rest)


@pytest.mark.caught_by("test_codes_10_a_code_is_not_said_aloud")
class LogsCodes(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, code, **rest):
            logging.getLogger(__name__).debug("sending %s", code.reveal())
            super().send(code=code, **rest)


@pytest.mark.caught_by("test_codes_10_a_code_is_not_said_aloud")
class QuotesTheGateway(CodesSuite):
    class Adapter(MemoryCodes):
        def send(self, *, to, **rest):
            try:
                raise OSError(f"550 no route to {to.text}")
            except OSError as error:
                if rest["channel"] is Channel.EMAIL and not isinstance(to, EmailAddress):
                    raise Rejected("no route", reason="undeliverable") from error
            super().send(to=to, **rest)
