"""The signing service in memory keeps the port's promises, and follows its script."""

from __future__ import annotations

from datetime import timedelta

from qcp_sdk.adapters.memory import signer as fake
from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.ports.signer import Credential, HashRefused, HashSigned, Signer, SigningChallenge, SigningPending
from qcp_sdk.testing.conformance.base import rejected
from qcp_sdk.testing.conformance.examples import START, account, digest
from qcp_sdk.testing.conformance.signer import DIGESTS, SignerConformance
from qcp_sdk.values import Fingerprint, Key, Secret


class TestMemorySigner(SignerConformance):
    def make_signer(self, *, takes_time: bool = False) -> tuple[fake.MemorySigner, Fingerprint]:
        self.sent = MemoryCodes()
        self.authority = MemoryAuthority(clock=self.clock)
        signer = fake.MemorySigner(holding_of=self.authority.holding, codes=self.sent, clock=self.clock)
        if takes_time:
            signer.script(None, fake.sign(after=timedelta(minutes=30)))
        return signer, self.authority.issue_to(account()).certificate.fingerprint

    def codes(self, signer: Signer) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sent.outbox)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        return value == fake.memory_value(credential.fingerprint, digest)

    def another(self, signer: Signer) -> Fingerprint:
        return self.authority.issue_to(account(1)).certificate.fingerprint

    def disable(self, signer: Signer, fingerprint: Fingerprint) -> None:
        self.authority.revoke(key=Key("r/1/0"), fingerprint=fingerprint, reason="key_compromise")


def activated(script: fake.SignerScript) -> tuple[object, fake.MemorySigner, ManualClock]:
    clock, codes = ManualClock(START), MemoryCodes()
    authority = MemoryAuthority(clock=clock)
    signer = fake.MemorySigner(holding_of=authority.holding, codes=codes, clock=clock)
    fingerprint = authority.issue_to(account()).certificate.fingerprint
    signer.script(fingerprint, script)
    challenge = signer.challenge(key=Key("c/1/0"), fingerprint=fingerprint, digests=DIGESTS, language="fr")
    code = codes.latest(account().mobile)
    return signer.activate(key=Key("c/2/0"), challenge=challenge.id, digests=DIGESTS, code=code), signer, clock


def test_one_digest_can_be_refused_and_the_other_signed() -> None:
    answers, _, _ = activated(fake.refuse("too_old", only=frozenset({digest("two")})))
    assert isinstance(answers, tuple)
    assert isinstance(answers[0], HashSigned)
    assert answers[1] == HashRefused(digest=digest("two"), reason="too_old")


def test_twenty_wrong_codes_in_a_day_lock_the_credential_for_a_day() -> None:
    clock, codes = ManualClock(START), MemoryCodes()
    authority = MemoryAuthority(clock=clock)
    signer = fake.MemorySigner(holding_of=authority.holding, codes=codes, clock=clock)
    fingerprint = authority.issue_to(account()).certificate.fingerprint

    def challenge(name: str) -> SigningChallenge:
        return signer.challenge(key=Key(name), fingerprint=fingerprint, digests=DIGESTS, language="fr")

    for round_ in range(4):
        clock.advance(timedelta(minutes=20))
        sent = challenge(f"c/{round_}/0")
        for entry in range(5):
            with rejected("wrong_code"):
                signer.activate(
                    key=Key(f"c/{round_}/{entry}/a"), challenge=sent.id, digests=DIGESTS, code=Secret("wrong")
                )
    clock.advance(timedelta(hours=20))
    with rejected("locked"):
        challenge("c/5/0")
    clock.advance(timedelta(hours=4))
    assert challenge("c/6/0").masked


def test_silence_never_answers() -> None:
    answer, signer, clock = activated(fake.silence())
    assert isinstance(answer, SigningPending)
    clock.advance(timedelta(days=400))
    assert signer.poll(handle=answer.handle) == answer
