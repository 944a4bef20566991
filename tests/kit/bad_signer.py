"""Wrong adapters of the port `signer`."""

# Each overrides what it gets wrong; the arguments are passed on as they come.
# mypy: disable-error-code="override, no-untyped-def, no-untyped-call"

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk.adapters.memory.authority import MemoryAuthority
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.signer import MemorySigner, memory_value, sign
from qcp_sdk.certificates import Holding
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.signer import Credential, HashSigned
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.signer import SignerConformance
from qcp_sdk.values import Fingerprint, Key, Secret


class SignerSuite(SignerConformance):
    Adapter: type[MemorySigner] = MemorySigner

    def make_signer(self, *, takes_time: bool = False) -> tuple[MemorySigner, Fingerprint]:
        self.sent, self.authority = MemoryCodes(), MemoryAuthority(clock=self.clock)
        signer = self.Adapter(holding_of=self.authority.holding, codes=self.sent, clock=self.clock)
        if takes_time:
            signer.script(None, sign(after=timedelta(minutes=30)))
        return signer, self.authority.issue_to(account()).certificate.fingerprint

    def codes(self, signer: Any) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sent.outbox)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        return value == memory_value(credential.fingerprint, digest)

    def another(self, signer: Any) -> Fingerprint:
        return self.authority.issue_to(account(1)).certificate.fingerprint

    def disable(self, signer: Any, fingerprint: Fingerprint) -> None:
        self.authority.revoke(key=Key("r/1/0"), fingerprint=fingerprint, reason="key_compromise")


@pytest.mark.caught_by("test_signer_7_a_wrong_code_signs_nothing")
@pytest.mark.caught_by("test_signer_10_a_code_is_used_once")
@pytest.mark.caught_by("test_signer_11_a_code_expires")
@pytest.mark.caught_by("test_signer_12_five_wrong_entries_lock")
@pytest.mark.caught_by("test_signer_14_only_the_newest_challenge_counts")
@pytest.mark.caught_by("test_signer_18_a_race_spends_a_code_once")
class ChecksNoCode(SignerSuite):
    class Adapter(MemorySigner):
        def _enter(self, fingerprint, challenge, code):
            pass


@pytest.mark.caught_by("test_signer_8_a_key_activates_once")
@pytest.mark.caught_by("test_signer_9_a_wrong_entry_counts_once")
class LooksAtTheCodeAgain(SignerSuite):
    class Adapter(MemorySigner):
        asked_for = 0

        def activate(self, *, key, **rest):
            self.asked_for += 1
            return super().activate(key=Key(f"{key}#{self.asked_for}"), **rest)


@pytest.mark.caught_by("test_signer_13_the_digests_are_pinned")
class SignsAnyDigest(SignerSuite):
    class Adapter(MemorySigner):
        def activate(self, *, key, challenge, digests, code):
            fingerprint = self._challenges[challenge].fingerprint
            return tuple(HashSigned(digest=one, value=memory_value(fingerprint, one)) for one in digests)


@pytest.mark.caught_by("test_signer_3_a_disabled_credential_signs_nothing")
class SignsAfterRevocation(SignerSuite):
    class Adapter(MemorySigner):
        def _usable(self, fingerprint) -> Holding:
            holding = self._holding_of(fingerprint)
            assert holding is not None
            return holding


@pytest.mark.caught_by("test_signer_5_a_key_challenges_once")
class SendsAgain(SignerSuite):
    class Adapter(MemorySigner):
        asked_for = 0

        def challenge(self, *, key, **rest):
            self.asked_for += 1
            self._states.clear()
            return super().challenge(key=Key(f"{key}#{self.asked_for}"), **rest)


@pytest.mark.caught_by("test_signer_20_a_key_is_not_reused")
@pytest.mark.caught_by("test_signer_24_any_history_signs_what_a_code_allows")
class ActivatesByKeyOnly(SignerSuite):
    class Adapter(MemorySigner):
        def activate(self, *, key, **rest):
            kept = self.__dict__.setdefault("by_key", {})
            if key not in kept:
                kept[key] = super().activate(key=key, **rest)
            return kept[key]


@pytest.mark.caught_by("test_signer_21_signatories_do_not_mix")
class HasOneCodeForAll(SignerSuite):
    class Adapter(MemorySigner):
        def _code(self, fingerprint, challenge):
            return Secret("1234567")


@pytest.mark.caught_by("test_signer_22_a_wrong_entry_locks_nobody_else")
class LocksEverybody(SignerSuite):
    class Adapter(MemorySigner):
        def _check_lock(self, fingerprint, now):
            if sum(len(one.wrong) for one in self._attempts.values()) >= 5:
                raise Rejected("too many wrong codes", reason="locked")


@pytest.mark.caught_by("test_signer_25_what_was_answered_is_told_without_the_code")
class ForgetsWhatItAnswered(SignerSuite):
    class Adapter(MemorySigner):
        def answered(self, **_named):
            return None


@pytest.mark.caught_by("test_signer_23_a_code_is_not_said_aloud")
class LogsEntries(SignerSuite):
    class Adapter(MemorySigner):
        def activate(self, *, code, **rest):
            logging.getLogger(__name__).debug("typed %s", code.reveal())
            return super().activate(code=code, **rest)


@pytest.mark.caught_by("test_signer_14_only_the_newest_challenge_counts")
@pytest.mark.caught_by("test_signer_24_any_history_signs_what_a_code_allows")
class AcceptsAnOldCode(SignerSuite):
    class Adapter(MemorySigner):
        def _enter(self, fingerprint, challenge, code):
            spent = self.__dict__.setdefault("spent", set())
            if challenge in spent:
                raise Rejected("used", reason="spent")
            if code.reveal() != self._code(fingerprint, challenge).reveal():
                raise Rejected("wrong", reason="wrong_code")
            spent.add(challenge)


@pytest.mark.caught_by("test_signer_17_an_answer_may_take_time")
class ForgetsHandles(SignerSuite):
    class Adapter(MemorySigner):
        def poll(self, *, handle):
            told = super().poll(handle=handle)
            self._activations.pop(handle)
            return told
