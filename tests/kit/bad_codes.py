"""Wrong adapters of the port `codes`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.values import Key


class CodesSuite(CodesConformance):
    Adapter: type[MemoryCodes] = MemoryCodes

    def make_codes(self) -> MemoryCodes:
        return self.Adapter()

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
