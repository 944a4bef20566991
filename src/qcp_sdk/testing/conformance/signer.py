"""What `ports.signer.Signer` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import ClassVar, Final

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

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
from qcp_sdk.testing.conformance.discretion import unspoken
from qcp_sdk.testing.conformance.examples import digest
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, RESTARTS, answered, run_any_history
from qcp_sdk.testing.conformance.marking import THREADS, needs
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
    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh service costs much."""

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

    def another(self, signer: Signer) -> Fingerprint | None:  # noqa: ARG002  # a hook
        """Enrol a second signatory, where one can, and name the certificate; `codes` gives the codes of both.

        Without one, two promises about two signatories are skipped.
        """
        return None

    def restarted(self, signer: Signer) -> Signer:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return signer

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

    @needs(THREADS)
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
    @given(octets=st.binary(max_size=40), text=ANY_TEXT)
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

    def test_signer_20_a_key_is_not_reused(self) -> None:
        """signer-20: a key used again for other digests, another challenge or call is rejected as `key_reused`, and
        its answer stands."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        with rejected("key_reused"):
            _challenge(signer, fingerprint, digests=DIGESTS[:1])
        first = _activate(signer, challenge, code)
        with rejected("key_reused"):
            _activate(signer, challenge, code, digests=DIGESTS[:1])
        with rejected("key_reused"):
            _activate(signer, challenge, code, key=KEY)
        assert len(self.codes(signer)) == 1
        assert (_challenge(signer, fingerprint), _activate(signer, challenge, code)) == (challenge, first)

    def test_signer_21_signatories_do_not_mix(self) -> None:
        """signer-21: of two signatories, each signs with the own code and key: another's code is a wrong one."""
        signer, one = self.make_signer()
        two = self._another(signer)
        challenges, codes = [], []
        for number, fingerprint in enumerate((one, two)):
            challenges.append(_challenge(signer, fingerprint, key=Key(f"ceremony-{number}/5/0")))
            codes.append(self.codes(signer)[-1])
        with rejected("wrong_code"):
            _activate(signer, challenges[0], codes[1])
        answers = [
            _activate(signer, challenges[number], codes[number], key=Key(f"ceremony-{number}/7/0")) for number in (0, 1)
        ]
        for fingerprint, other, answer in zip((one, two), (two, one), answers, strict=True):
            assert isinstance(answer, tuple)
            for told in answer:
                assert isinstance(told, HashSigned)
                assert self.verifies(signer.credential(fingerprint=fingerprint), told.digest, told.value)
                assert not self.verifies(signer.credential(fingerprint=other), told.digest, told.value)

    def test_signer_22_a_wrong_entry_locks_nobody_else(self) -> None:
        """signer-22: whoever is locked by wrong entries, another signatory signs."""
        signer, one = self.make_signer()
        two = self._another(signer)
        locked = _challenge(signer, one)
        for number in range(5):
            with rejected("wrong_code"):
                _activate(signer, locked, _wrong(self.codes(signer)[-1]), key=Key(f"ceremony-0/{number}/0"))
        free = _challenge(signer, two, key=Key("ceremony-1/5/0"))
        assert isinstance(_activate(signer, free, self.codes(signer)[-1]), tuple)

    def test_signer_23_a_code_is_not_said_aloud(self) -> None:
        """signer-23: no code, sent or typed, right or wrong, is printed, logged, or told by an answer or error."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        code = self.codes(signer)[-1]
        wrong = _wrong(code)
        with unspoken(code.reveal(), wrong.reveal()) as said:
            said += [signer, challenge, only_port_errors(lambda: _activate(signer, challenge, wrong))]
            said += [_activate(signer, challenge, code, key=Key("ceremony-0/7/0"))]
            said += [only_port_errors(lambda: _activate(signer, challenge, code, key=Key("ceremony-0/8/0")))]

    def test_signer_24_any_history_signs_what_a_code_allows(self) -> None:
        """signer-24: after any history of challenges, entries right and wrong, lost answers and restarts, digests are
        signed only on the newest code, in time, once, and a key has one answer."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    def test_signer_25_what_was_answered_is_told_without_the_code(self) -> None:
        """signer-25: `answered` tells what an activation was answered, without a code; of a key that never came it
        knows nothing, and signs nothing."""
        signer, fingerprint = self.make_signer()
        challenge = _challenge(signer, fingerprint)
        assert signer.answered(key=ACTIVATING, challenge=challenge.id, digests=DIGESTS) is None
        first = _activate(signer, challenge, self.codes(signer)[-1])
        assert signer.answered(key=ACTIVATING, challenge=challenge.id, digests=DIGESTS) == first
        assert signer.answered(key=Key("ceremony-0/9/0"), challenge=challenge.id, digests=DIGESTS) is None

    def _another(self, signer: Signer) -> Fingerprint:
        other = self.another(signer)
        return other if other is not None else pytest.skip("there is one signatory only: `another` enrols nobody")

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


@define
class _Sent:
    """What must be true of one challenge."""

    challenge: SigningChallenge
    digests: tuple[bytes, ...]
    code: Secret
    wrong: int = 0
    spent: bool = False


_Entry = tuple[ChallengeId, tuple[bytes, ...]]


class _History(RuleBasedStateMachine):
    """Any history of one signatory's challenges and entries, beside the rules for a code."""

    restarts = RESTARTS

    keys, which = st.integers(0, 3), st.integers(0, 3)
    digests = st.sampled_from([DIGESTS, DIGESTS[:1], (digest("three"),)])

    def __init__(self, suite: SignerConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite = suite
        self.signer, self.fingerprint = suite.make_signer()
        self.credential = self.signer.credential(fingerprint=self.fingerprint)
        self.asked: dict[Key, tuple[bytes, ...]] = {}
        self.refused: dict[Key, str] = {}
        self.sent: dict[Key, _Sent] = {}
        self.entered: dict[Key, tuple[_Entry, tuple[HashAnswer, ...] | str]] = {}
        self.wrong = 0

    @rule(key=keys, digests=digests, lost=st.booleans())
    def challenge(self, key: int, digests: tuple[bytes, ...], lost: bool) -> None:
        asked, codes = Key(f"ceremony-0/5/{key}"), len(self.suite.codes(self.signer))
        if self.asked.setdefault(asked, digests) != digests:
            with rejected("key_reused"):
                _challenge(self.signer, self.fingerprint, key=asked, digests=digests)
            return

        def challenge() -> SigningChallenge:
            return _challenge(self.signer, self.fingerprint, key=asked, digests=digests)

        try:
            told = challenge()
        except Rejected as refusal:
            assert self.sent or refusal.reason == "", "the first challenge was refused"
            assert refusal.reason in {"too_soon", "locked"}
            assert self.refused.setdefault(asked, refusal.reason) == refusal.reason, "refused otherwise than at first"
            assert len(self.suite.codes(self.signer)) == codes, "refused, and a code was sent"
            return
        assert asked not in self.refused, "a refusal was taken back"
        if lost:
            assert challenge() == told, "another answer than at first"
        known = self.sent.get(asked)
        if known is not None:
            assert told == known.challenge, "another answer than at first"
            assert len(self.suite.codes(self.signer)) == codes, "another code was sent"
            return
        assert told.id not in {one.challenge.id for one in self.sent.values()}, "two keys, one challenge"
        assert len(self.suite.codes(self.signer)) == codes + 1, "not one code for one challenge"
        self.sent[asked] = _Sent(told, digests, self.suite.codes(self.signer)[-1])

    @precondition(lambda self: self.sent)
    @rule(key=keys, which=which, digests=digests, right=st.booleans(), lost=st.booleans())
    def enter(self, key: int, which: int, digests: tuple[bytes, ...], right: bool, lost: bool) -> None:
        asked, known = Key(f"ceremony-0/6/{key}"), list(self.sent.values())[-1 - which % len(self.sent)]
        typed = known.code if right else _wrong(known.code)
        entry = known.challenge.id, digests
        before = self.entered.get(asked)
        got = self.got(asked, known, digests, typed, lost=lost)
        if before is not None:
            assert got == ("key_reused" if before[0] != entry else before[1]), "another answer than at first"
            return
        self.entered[asked] = entry, got
        forbidden, possible = self.objections(known, digests, right=right)
        if isinstance(got, str):
            assert got in forbidden | possible, f"rejected as {got}, which nothing speaks for"
            known.wrong += got == "wrong_code"
            self.wrong += got == "wrong_code"
            return
        assert not forbidden, f"signed, though {forbidden}"
        known.spent = True
        assert [one.digest for one in got] == list(digests), "not every digest is answered"
        for one in got:
            assert isinstance(one, HashSigned)
            assert self.suite.verifies(self.credential, one.digest, one.value)

    @rule(by=st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=13), timedelta(days=1)]))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.signer = self.suite.restarted(self.signer)

    def got(
        self, key: Key, known: _Sent, digests: tuple[bytes, ...], code: Secret, *, lost: bool
    ) -> tuple[HashAnswer, ...] | str:
        """Enter the code, and give what was signed, or why nothing was; asked again, it is the same."""

        def enter() -> tuple[HashAnswer, ...] | str:
            try:
                told = _activate(self.signer, known.challenge, code, key=key, digests=digests)
            except Rejected as refusal:
                return refusal.reason
            assert not isinstance(told, SigningPending), "the service takes time, though it was not asked to"
            return told

        first = enter()
        if lost:
            assert answered(enter, lost=True) == first, "another answer than at first"
        return first

    def objections(self, known: _Sent, digests: tuple[bytes, ...], *, right: bool) -> tuple[set[str], set[str]]:
        """Give why nothing may be signed, and why a service may refuse besides."""
        newest = list(self.sent.values())[-1] is known
        holds = {
            "hash_not_authorised": not set(digests) <= set(known.digests),
            "spent": known.spent,
            "expired": self.suite.clock.now() >= known.challenge.not_after or not newest,
            "superseded": not newest,
            "locked": known.wrong >= 5,
            "wrong_code": not right,
        }
        may = {
            "hash_not_authorised": set(digests) != set(known.digests),  # a service may want all of them at once
            "locked": self.wrong >= 20,  # in a day, or longer: behaviour.md 3
        }
        return {reason for reason, so in holds.items() if so}, {reason for reason, so in may.items() if so}
