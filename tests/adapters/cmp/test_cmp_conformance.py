"""What stands on CMP sits the same exams as everything else; the authority is the sandbox's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from qcp_sdk.adapters.cmp import CmpAuthority, CmpClient, HeldKeys, HeldKeySigner, SharedSecret
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.notebook import FileNotebook
from qcp_sdk.adapters.shared.noted_authority import page_of
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.signer import Credential, Signer
from qcp_sdk.sandbox.cmp import REFERENCE, SECRET, CmpSandbox
from qcp_sdk.subscription.facts import CertificateIssued
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.testing.conformance.examples import application, name_of
from qcp_sdk.testing.conformance.signer import SignerConformance
from qcp_sdk.values import Fingerprint, Key, Secret


class AtTheSandbox:
    """An authority, a notebook and a folder of keys for each test."""

    clock: ManualClock

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.base, self.number = tmp_path, 0

    def begin(self) -> None:
        self.number += 1
        folder = self.base / str(self.number)
        self.notebook = FileNotebook(folder / "n.sqlite", keys=MemoryKeys())
        self.held = HeldKeys(folder / "keys", Secret("a passphrase"), work=2)
        self.sandbox = CmpSandbox(clock=self.clock)

    def authority(self) -> CmpAuthority:
        pki = self.sandbox.pki
        client = CmpClient(
            Http("https://cmp.example.org", serve=self.sandbox),
            protection=SharedSecret(REFERENCE, Secret(SECRET), iterations=500),
            authority=pki.authority,
            clock=self.clock,
        )
        return CmpAuthority(
            client,
            chain=(pki.authority, pki.root),
            keys=self.held,
            revocation=pki,
            notebook=self.notebook,
            clock=self.clock,
            issuer="QCP SDK sandbox (TEST)",
        )


class TestCmpAuthority(AtTheSandbox, AuthorityConformance):
    examples = 4

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> CmpAuthority:
        self.begin()
        self.sandbox.pending_after = timedelta(minutes=30 if takes_time else 0)
        if refuses:
            self.sandbox.script({"refuse_next": "bad_cert_template"})
        return self.authority()

    def restarted(self, authority: CertificateAuthority) -> CmpAuthority:
        return self.authority()


class TestHeldKeySigner(AtTheSandbox, SignerConformance):
    examples = 3
    waivers: ClassVar[Mapping[str, str]] = {
        "test_signer_17_an_answer_may_take_time": "a folder answers at once: nothing is ever pending"
    }

    def make_signer(self, *, takes_time: bool = False) -> tuple[HeldKeySigner, Fingerprint]:
        self.begin()
        self.sent, self.enrolments = MemoryCodes(clock=self.clock), 0
        return self.signer(), self.enrolled(0)

    def signer(self) -> HeldKeySigner:
        return HeldKeySigner(
            self.held,
            notebook=self.notebook,
            clock=self.clock,
            codes=self.sent,
            keys=MemoryKeys(),
            mobile_of=self.authority().mobile_of,
            batch=3,
        )

    def enrolled(self, number: int) -> Fingerprint:
        self.enrolments += 1
        told = self.authority().submit(
            key=Key(f"enrolled-{self.enrolments}/1/0"), application=application(number), request=name_of(b"request")
        )
        assert isinstance(told, CertificateIssued)
        return told.certificate.fingerprint

    def another(self, signer: Signer) -> Fingerprint:
        return self.enrolled(1)

    def restarted(self, signer: Signer) -> HeldKeySigner:
        return self.signer()

    def codes(self, signer: Signer) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sent.outbox)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        return checked(credential.chain[0], digest, value) == value

    def disable(self, signer: Signer, fingerprint: Fingerprint) -> None:
        with self.notebook.open() as pages:
            page = pages.get(page_of(fingerprint))
        assert page is not None
        from cryptography import x509

        self.sandbox.pki.revoke_serial(x509.load_der_x509_certificate(bytes.fromhex(page["chain"][0])).serial_number)
