"""Documents to sign, and what the sandbox's Universign is to these tests."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Final

from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.universign import UniversignSandbox

BASE: Final = "https://sandbox.test/universign"


def universign_of(sandbox: Sandbox) -> UniversignSandbox:
    provider = sandbox.providers["universign"]
    assert isinstance(provider, UniversignSandbox)
    return provider


@cache
def contract() -> bytes:
    """Give a real PDF, the same to all tests."""
    return demo_contract(at=datetime(2026, 3, 1, tzinfo=UTC))
