"""The sandbox's Universign as these tests hold it, and a document to sign."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from qcp_sdk.adapters.local_scheme import ServiceType
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.universign import Judge, UniversignPages
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.people import Account
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.trust import publish_trust
from qcp_sdk.sandbox.universign import API_KEY, UniversignSandbox
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.values import Secret
from qcp_sdk.verification import TrustStore, verify

BASE: Final = "https://sandbox.test/universign"


def universign_of(sandbox: Sandbox) -> UniversignSandbox:
    provider = sandbox.providers["universign"]
    assert isinstance(provider, UniversignSandbox)
    return provider


@cache
def contract() -> bytes:
    """Give a real PDF, the same to all tests."""
    return demo_contract(at=datetime(2026, 3, 1, tzinfo=UTC))


def judge(sandbox: Sandbox, folder: Path, *, authority: ServiceType = ServiceType.CA_QC) -> Judge:
    """Verify as a host does, with a trusted list that knows the sandbox's authority."""
    clock = sandbox.clock
    trust = TrustStore.load(publish_trust(universign_of(sandbox).pki, folder, clock=clock, authority=authority))
    return lambda pdf: verify(pdf, trust=trust, now=clock.now())


def pages_of(sandbox: Sandbox, folder: Path, **options: Any) -> UniversignPages:
    """Make the adapter on a folder; again on the same one, it is another process."""
    options.setdefault("http", Http(BASE, serve=sandbox))
    options.setdefault("api_key", Secret(API_KEY))
    options.setdefault("keys", MemoryKeys())
    if "judge" not in options:
        options["judge"] = judge(sandbox, folder / "trust")
    return UniversignPages(
        documents=FileShelf(folder / "documents"), clock=sandbox.clock, remember=folder / "kept", **options
    )


def enrol(sandbox: Sandbox, person: Account | None = None, level: str = "qcp") -> None:
    """Let somebody hold a certificate already."""
    person = person or account()
    universign_of(sandbox).script(
        {
            "enrol": {
                "email": person.email.text,
                "fullname": person.name.full,
                "phone_number": person.mobile.text,
                "level": level,
            }
        }
    )
