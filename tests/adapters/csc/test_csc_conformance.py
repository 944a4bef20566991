"""What stands on a CSC service sits the same exams as everything else; the service is the sandbox's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]

from qcp_sdk.adapters.csc import CscAuthority, CscClient, CscSigner, CscTimestamps
from qcp_sdk.adapters.csc.client import Version
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.notebook import FileNotebook
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.signer import Credential, Signer
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.csc_state import CscRules, SandboxCredential
from qcp_sdk.sandbox.faults import BAD_NETWORK, HARMLESS, FaultKind
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.signer import SignerConformance
from qcp_sdk.testing.conformance.timestamps import TimestampsConformance
from qcp_sdk.testing.spoiling import faults_of, persistent
from qcp_sdk.values import Fingerprint, Secret


class AtTheSandbox:
    """A service and a notebook for each test."""

    clock: ManualClock
    version: ClassVar[Version] = "v1"

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.base, self.number = tmp_path, 0

    faults: ClassVar[tuple[FaultKind, ...]] = ()

    def service(self, rules: CscRules | None = None) -> CscClient:
        self.number += 1
        self.notebook = FileNotebook(self.base / f"{self.number}.sqlite", keys=MemoryKeys())
        self.sandbox = CscSandbox(clock=self.clock, rules=rules)
        self.network = Sandbox(base=self.clock, only=["csc"])
        self.network.providers["csc"] = self.sandbox
        if self.faults:
            self.network.faults.unreliable(faults_of(9, self.faults))
        return self.client()

    def client(self) -> CscClient:
        return CscClient(Http("https://csc.example.org/csc", serve=self.network), version=self.version)


class TestCscSigner(AtTheSandbox, SignerConformance):
    waivers: ClassVar[Mapping[str, str]] = {
        "test_signer_17_an_answer_may_take_time": "v1 of the API answers at once; v2 is examined on it"
    }

    def make_signer(self, *, takes_time: bool = False) -> tuple[CscSigner, Fingerprint]:
        agrees_after = timedelta(minutes=30 if takes_time else 0)
        client = self.service(CscRules(multisign=3, agrees_after=agrees_after))
        return self.signer(client), self.enrolled(0)

    def signer(self, client: CscClient) -> CscSigner:
        return CscSigner(client, notebook=self.notebook, clock=self.clock)

    def enrolled(self, number: int) -> Fingerprint:
        person = account(number)
        made = self.sandbox.enrol(given=person.name.given, last=person.name.last, mobile=person.mobile.text)
        return fingerprint_of(made.held.chain[0])

    def another(self, signer: Signer) -> Fingerprint:
        return self.enrolled(1)

    def restarted(self, signer: Signer) -> CscSigner:
        return self.signer(self.client())

    def codes(self, signer: Signer) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sandbox.sent)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        return checked(credential.chain[0], digest, value) == value

    def disable(self, signer: Signer, fingerprint: Fingerprint) -> None:
        self.sandbox.disable(self.named(lambda one: fingerprint_of(one.held.chain[0]) == fingerprint).id)

    def named(self, wanted: Callable[[SandboxCredential], bool]) -> SandboxCredential:
        return next(one for one in self.sandbox.credentials.values() if wanted(one))


class TestCscSignerV2(TestCscSigner):
    version = "v2"
    waivers: ClassVar[Mapping[str, str]] = {}


class TestCscAuthority(AtTheSandbox, AuthorityConformance):
    version = "v2"
    examples = 8

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> CscAuthority:
        client = self.service(CscRules(issued_after=timedelta(minutes=30 if takes_time else 0)))
        if refuses:
            self.sandbox.refuse_next("not_eligible")
        return self.authority(client)

    def authority(self, client: CscClient) -> CscAuthority:
        return CscAuthority(client, notebook=self.notebook, clock=self.clock, issuer="QCP SDK sandbox (TEST)")

    def restarted(self, authority: CertificateAuthority) -> CscAuthority:
        return self.authority(self.client())


class TestCscTimestamps(AtTheSandbox, TimestampsConformance):
    examples = 4

    def make_timestamps(self) -> CscTimestamps:
        return CscTimestamps(self.service())

    def told(self, token: bytes) -> tuple[bytes, datetime]:
        # The signature on it is judged by OpenSSL in the trust centre's tests: the same code makes both.
        told = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed
        imprint: bytes = told["message_imprint"]["hashed_message"].native
        at: datetime = told["gen_time"].native
        return imprint, at.astimezone(UTC)


@pytest.mark.long
class TestCscSignerOverABadNetwork(TestCscSigner):
    """The same exam, while three requests in ten fail: whoever calls asks again under the same key.

    No request comes twice, and no answer to one that was done is lost: a code that the service has seen is spent, and
    what then may be said is in `test_csc_signer.py`.
    """

    faults = HARMLESS
    examples = 4

    def signer(self, client: CscClient) -> CscSigner:
        return persistent(super().signer(client))


@pytest.mark.long
class TestCscAuthorityOverABadNetwork(TestCscAuthority):
    faults = BAD_NETWORK

    def authority(self, client: CscClient) -> CscAuthority:
        return persistent(super().authority(client))


class TestCscTimestampsOverABadNetwork(TestCscTimestamps):
    faults = BAD_NETWORK

    def make_timestamps(self) -> CscTimestamps:
        return persistent(super().make_timestamps())
