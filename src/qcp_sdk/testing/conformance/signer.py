"""What `ports.signer.Signer` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.signer import (
    Credential,
    HashAnswer,
    HashSigned,
    Signer,
    SigningChallenge,
    SigningPending,
)
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.examples import digest
from qcp_sdk.values import ChallengeId, Fingerprint, Key, Secret

KEY: Final = Key("ceremony-0/5/0")
ACTIVATING: Final = Key("ceremony-0/6/0")
DIGESTS: Final = (digest("one"), digest("two"))
NOBODY_S: Final = Fingerprint("0" * 64)


class SignerConformance(Timed, ABC):
    """Subclass it, make the service with one enrolled signatory, and read the codes that the signatory receives."""

    answer_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a pending activation has its answer."""
    pause: ClassVar[timedelta] = timedelta(seconds=31)
    """After this long another code may be asked for."""

    @abstractmethod
    def make_signer(self, *, takes_time: bool = False) -> tuple[Signer, Fingerprint]:
        """Make a service that holds a key, and name its certificate; one whose activations are pending first."""

    @abstractmethod
    def codes(self, signer: Signer) -> tuple[Secret, ...]:
        """Give every code that the signatory received, oldest first."""

    @abstractmethod
    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        """Say whether the value is a signature over this digest by this credential's key."""

    @abstractmethod
    def disable(self, signer: Signer, fingerprint: Fingerprint) -> None:
        """Make the certificate unusable, for example by revoking it."""

    def test_signer_1_a_credential_is_its_certificate_s(self) -> None:
        """signer-1: a credential is what the certificate says, its chain beginning with that very certificate."""
        signer, fingerprint = self.make_signer()
        credential = signer.credential(fingerprint=fingerprint)
        assert credential.fingerprint == fingerprint == fingerprint_of(credential.chain[0])
        assert credential.algorithm in {"sha256_rsa", "sha256_ecdsa"}
        assert credential.batch >= 1

    def test_signer_2_an_unknown_credential_is_rejected(self) -> None:
        """signer-2: a certificate whose key is not held here is rejected as `unknown_credential`."""
        signer, _ = self.make_signer()
        with rejected("unknown_credential"):
            signer.credential(fingerprint=NOBODY_S)
        with rejected("unknown_credential"):
            _challenge(signer, NOBODY_S)

    def test_signer_3_a_disabled_credential_signs_nothing(self) -> None:
        """signer-3: a certificate that is revoked or disabled is rejected, and a code sent before signs nothing."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        self.disable(signer, fingerprint)
        with rejected("disabled"):
            signer.credential(fingerprint=fingerprint)
        self.pass_time(self.pause)
        with rejected("disabled"):
            _challenge(signer, fingerprint, key=Key("ceremony-0/9/0"))
        late = only_port_errors(lambda: _activate(signer, challenge, self.codes(signer)[-1]))
        answers = late if isinstance(late, tuple) else ()
        assert not [answer for answer in answers if isinstance(answer, HashSigned)]

    def test_signer_4_a_challenge_sends_one_code(self) -> None:
        """signer-4: a challenge sends one code, says until when it lives and, masked, where it went."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        assert challenge.not_after > self.clock.now()
        assert "*" in challenge.masked
        assert len(self.codes(signer)) == 1
        assert self.codes(signer)[0].reveal() not in repr(challenge)

    def test_signer_5_a_key_challenges_once(self) -> None:
        """signer-5: the same key opens one challenge and sends one code."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        assert {told.id for told in at_once(lambda: _challenge(signer, fingerprint))} == {challenge.id}
        assert len(self.codes(signer)) == 1

    def test_signer_6_the_right_code_signs_every_digest(self) -> None:
        """signer-6: the right code signs every digest of the challenge, with the key of that certificate."""
        signer, fingerprint = self.make_signer()
        credential = signer.credential(fingerprint=fingerprint)
        answers = self._signed(signer, fingerprint)
        assert [answer.digest for answer in answers] == list(DIGESTS)
        for answer in answers:
            assert isinstance(answer, HashSigned)
            assert self.verifies(credential, answer.digest, answer.value)
            assert not self.verifies(credential, digest("three"), answer.value)

    def test_signer_7_a_wrong_code_signs_nothing(self) -> None:
        """signer-7: a wrong code is rejected as `wrong_code` and signs nothing; the right one still may."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        with rejected("wrong_code"):
            _activate(signer, challenge, _wrong(code))
        assert isinstance(_activate(signer, challenge, code, key=Key("ceremony-0/7/0")), tuple)

    def test_signer_8_a_key_activates_once(self) -> None:
        """signer-8: the same key answers the same signatures again, without looking at the code."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        first = _activate(signer, challenge, code)
        self.pass_time(timedelta(days=1))
        assert _activate(signer, challenge, _wrong(code)) == first

    def test_signer_9_a_wrong_entry_counts_once(self) -> None:
        """signer-9: a wrong entry repeated under its key is rejected again, and counted once."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        for _ in range(10):
            with rejected("wrong_code"):
                _activate(signer, challenge, _wrong(code))
        assert isinstance(_activate(signer, challenge, code, key=Key("ceremony-0/7/0")), tuple)

    def test_signer_10_a_code_is_used_once(self) -> None:
        """signer-10: a code that has signed is spent: under another key it signs nothing more."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        _activate(signer, challenge, code)
        with rejected("spent"):
            _activate(signer, challenge, code, key=Key("ceremony-0/7/0"))

    def test_signer_11_a_code_expires(self) -> None:
        """signer-11: at its end a code is rejected as `expired`, right or wrong."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        self.pass_time(challenge.not_after - self.clock.now())
        for number, typed in enumerate((code, _wrong(code))):
            with rejected("expired"):
                _activate(signer, challenge, typed, key=Key(f"ceremony-0/{number}/0"))

    def test_signer_12_five_wrong_entries_lock(self) -> None:
        """signer-12: after five wrong entries the right code is rejected as `locked`."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        for number in range(5):
            with rejected("wrong_code"):
                _activate(signer, challenge, _wrong(code), key=Key(f"ceremony-0/{number}/0"))
        with rejected("locked"):
            _activate(signer, challenge, code)

    def test_signer_13_the_digests_are_pinned(self) -> None:
        """signer-13: a code activates the digests it was sent for: any other is rejected, and nothing is signed."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        for number, others in enumerate(((digest("three"),), (*DIGESTS, digest("three")))):
            with rejected("hash_not_authorised"):
                _activate(signer, challenge, code, key=Key(f"ceremony-0/{number}/0"), digests=others)

    def test_signer_14_only_the_newest_challenge_counts(self) -> None:
        """signer-14: once a newer code was sent, the older one signs nothing."""
        signer, fingerprint = self.make_signer()
        older = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        self.pass_time(self.pause)
        newer = _challenge(signer, fingerprint, key=Key("ceremony-0/9/0"))
        assert newer.id != older.id
        with rejected():
            _activate(signer, older, code)
        assert isinstance(_activate(signer, newer, self.codes(signer)[-1], key=Key("ceremony-0/10/0")), tuple)

    def test_signer_15_an_unknown_challenge_is_rejected(self) -> None:
        """signer-15: a challenge or handle that never was is rejected as `unknown_challenge` or `unknown_handle`."""
        signer, _ = self.make_signer()
        with rejected("unknown_challenge"):
            signer.activate(key=ACTIVATING, challenge=ChallengeId("never"), digests=DIGESTS, code=Secret("0000000"))
        with rejected("unknown_handle"):
            signer.poll(handle="never")

    def test_signer_16_a_batch_has_an_end(self) -> None:
        """signer-16: more digests than the credential's batch are rejected as `too_many`, and no code is sent."""
        signer, fingerprint = self.make_signer()
        batch = signer.credential(fingerprint=fingerprint).batch
        with rejected("too_many"):
            _challenge(signer, fingerprint, digests=tuple(digest(str(number)) for number in range(batch + 1)))
        assert self.codes(signer) == ()

    def test_signer_17_an_answer_may_take_time(self) -> None:
        """signer-17: a pending activation is answered later under its handle, the code being spent meanwhile."""
        signer, fingerprint = self.make_signer(takes_time=True)
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        pending = _activate(signer, challenge, code)
        assert isinstance(pending, SigningPending)
        assert isinstance(signer.poll(handle=pending.handle), SigningPending)
        with rejected("spent"):
            _activate(signer, challenge, code, key=Key("ceremony-0/7/0"))
        self.pass_time(self.answer_wait)
        answers = signer.poll(handle=pending.handle)
        assert not isinstance(answers, SigningPending)
        assert [answer.digest for answer in answers] == list(DIGESTS)
        assert signer.poll(handle=pending.handle) == answers
        assert _activate(signer, challenge, code) == answers

    def test_signer_18_a_race_spends_a_code_once(self) -> None:
        """signer-18: of several activations at the same moment under different keys, one signs."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        keys = iter([Key(f"ceremony-0/{number}/0") for number in range(4)])

        def activate() -> object:
            key = next(keys)
            return only_port_errors(lambda: _activate(signer, challenge, code, key=key))

        told = at_once(activate)
        assert sum(isinstance(answer, tuple) for answer in told) == 1
        assert all(answer.reason == "spent" for answer in told if isinstance(answer, Rejected))

    @PROPERTY
    @given(octets=st.binary(max_size=40), text=st.text(max_size=40))
    def test_signer_19_only_port_errors_come_out(self, octets: bytes, text: str) -> None:
        """signer-19: whatever is asked, only an answer or one of the three port errors comes out, without the code."""
        signer, fingerprint = self._shared()
        for call in (
            lambda: signer.credential(fingerprint=Fingerprint(text)),
            lambda: signer.poll(handle=text),
            lambda: signer.challenge(key=Key(text), fingerprint=fingerprint, digests=(octets,), language="fr"),
            lambda: signer.activate(
                key=Key(text), challenge=ChallengeId(text), digests=(octets,), code=Secret(f"secret {text}")
            ),
        ):
            assert f"secret {text}" not in str(only_port_errors(call))

    _made: tuple[Signer, Fingerprint] | None = None

    def _shared(self) -> tuple[Signer, Fingerprint]:
        # One for all examples: making a key may take a second.
        if self._made is None:
            self._made = self.make_signer()
        return self._made

    def _signed(self, signer: Signer, fingerprint: Fingerprint) -> tuple[HashAnswer, ...]:
        answer = _activate(signer, _challenge(signer, fingerprint), self.codes(signer)[-1])
        if isinstance(answer, SigningPending):
            pytest.fail("the service takes time, though it was not asked to")
        return answer


def _challenge(
    signer: Signer, fingerprint: Fingerprint, *, key: Key = KEY, digests: tuple[bytes, ...] = DIGESTS
) -> SigningChallenge:
    return signer.challenge(key=key, fingerprint=fingerprint, digests=digests, language="fr")


def _activate(
    signer: Signer,
    challenge: SigningChallenge,
    code: Secret,
    *,
    key: Key = ACTIVATING,
    digests: tuple[bytes, ...] = DIGESTS,
) -> tuple[HashAnswer, ...] | SigningPending:
    return signer.activate(key=key, challenge=challenge.id, digests=digests, code=code)


def _wrong(code: Secret) -> Secret:
    """Give another code of the same form."""
    last = code.reveal()[-1]
    return Secret(code.reveal()[:-1] + ("2" if last != "2" else "3"))
