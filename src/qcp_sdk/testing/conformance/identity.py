"""What `ports.identity.IdentityVerification` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, assert_never

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from qcp_sdk.identity import Proofing
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.identity import IdentityVerification, Verdict
from qcp_sdk.subscription.facts import (
    CaptureFinished,
    FraudSuspected,
    IdentityAbandoned,
    IdentityApproved,
    IdentityOpened,
    IdentityRefused,
    IdentityRetryable,
)
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, MOMENTS, RESTARTS, answered, run_any_history
from qcp_sdk.values import Key, SessionId, SubscriptionId


class Ending(StrEnum):
    """How a session is to end."""

    APPROVED = "approved"
    RETRYABLE = "retryable"
    REFUSED = "refused"
    FRAUD = "fraud"


_FACTS: Final = {
    Ending.APPROVED: IdentityApproved,
    Ending.RETRYABLE: IdentityRetryable,
    Ending.REFUSED: IdentityRefused,
    Ending.FRAUD: FraudSuspected,
}

KEY: Final = Key("subscription-0/8/0")


class IdentityConformance(Timed, ABC):
    """Subclass it, make the provider, and play the person and the provider's operators."""

    verdict_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a captured session has its verdict."""
    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh provider costs much."""

    @abstractmethod
    def make_identity(self) -> IdentityVerification:
        """Make a provider that knows no session."""

    @abstractmethod
    def capture(self, identity: IdentityVerification, session: SessionId) -> None:
        """Do what the person's phone does. A session that was closed may refuse it, in any way."""

    @abstractmethod
    def play(self, identity: IdentityVerification, session: SessionId, ending: Ending) -> None:
        """Let the session end so, once the person has captured."""

    def restarted(self, identity: IdentityVerification) -> IdentityVerification:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return identity

    def test_identity_1_opening_says_where_and_until_when(self) -> None:
        """identity-1: opening gives a session, where the person goes and until when, and echoes the attempt."""
        opened = _open(self.make_identity(), attempt=3)
        assert opened.attempt == 3
        assert opened.session
        assert opened.url.startswith("https://")
        assert opened.expires > self.clock.now()

    def test_identity_2_a_key_opens_one_session(self) -> None:
        """identity-2: the same key opens one session, however often it is asked and whenever."""
        identity = self.make_identity()
        first = _open(identity)
        self.pass_time(timedelta(minutes=1))
        assert _open(identity) == first
        assert {told.session for told in at_once(lambda: _open(identity))} == {first.session}

    def test_identity_3_another_key_opens_another(self) -> None:
        """identity-3: another key opens another session, for the same person too."""
        identity = self.make_identity()
        assert _open(identity).session != _open(identity, key=Key("subscription-0/12/0"), attempt=2).session

    def test_identity_4_nothing_is_told_before_the_capture(self) -> None:
        """identity-4: before the person has done anything there is no answer."""
        identity = self.make_identity()
        assert isinstance(identity.ask(session=_open(identity).session), Pending)

    def test_identity_5_a_capture_is_told_until_the_verdict(self) -> None:
        """identity-5: after the capture, and until the verdict, the answer is that the capture is finished, or none."""
        identity = self.make_identity()
        session = _open(identity).session
        self.capture(identity, session)
        for _ in range(2):
            answer = identity.ask(session=session)
            assert isinstance(answer, Pending) or answer == CaptureFinished(session=session)

    @pytest.mark.parametrize("ending", list(Ending))
    def test_identity_6_each_ending_is_told(self, ending: Ending) -> None:
        """identity-6: an approval, a refusal, a refusal that allows another try and a suspicion are told apart."""
        verdict, session = self._decided(self.make_identity(), ending)
        assert isinstance(verdict, _FACTS[ending])
        match verdict:
            case IdentityApproved():
                assert verdict.session == session
            case IdentityRetryable() | IdentityRefused():
                assert verdict.session == session
                assert verdict.reason
            case FraudSuspected():
                assert verdict.reason
            case IdentityAbandoned():
                pytest.fail("nobody abandoned the session")
            case _:
                assert_never(verdict)

    @pytest.mark.parametrize("ending", list(Ending))
    def test_identity_7_a_verdict_never_changes(self, ending: Ending) -> None:
        """identity-7: a verdict, once given, is given again unchanged: later, and after a cancellation."""
        identity = self.make_identity()
        verdict, session = self._decided(identity, ending)
        self.pass_time(timedelta(days=8))
        assert identity.ask(session=session) == verdict
        identity.cancel(key=Key("subscription-0/20/0"), session=session)
        assert identity.ask(session=session) == verdict

    def test_identity_8_an_approval_carries_its_evidence(self) -> None:
        """identity-8: an approval says who was proven, by whom, how well, and where the proof is kept."""
        verdict, _ = self._decided(self.make_identity(), Ending.APPROVED)
        assert isinstance(verdict, IdentityApproved)
        assert verdict.identity.name.last
        assert len(verdict.identity.issuing_country) == 2
        assert verdict.evidence.provider
        assert verdict.evidence.reference
        assert verdict.evidence.proofing > Proofing.NONE

    def test_identity_9_an_unknown_session_is_rejected(self) -> None:
        """identity-9: asking about a session that nobody opened is rejected as `unknown_session`."""
        with rejected("unknown_session"):
            self.make_identity().ask(session=SessionId("nobody-opened-this"))

    def test_identity_10_cancelling_is_harmless(self) -> None:
        """identity-10: cancelling an unknown session, or one twice, does nothing and is no error."""
        identity = self.make_identity()
        identity.cancel(key=Key("subscription-0/20/0"), session=SessionId("nobody-opened-this"))
        session = _open(identity).session
        for _ in range(2):
            identity.cancel(key=Key("subscription-0/21/0"), session=session)

    def test_identity_11_a_cancelled_session_proves_nobody(self) -> None:
        """identity-11: a session that was cancelled in time ends as abandoned, whatever the person still does."""
        identity = self.make_identity()
        session = _open(identity).session
        identity.cancel(key=Key("subscription-0/20/0"), session=session)
        only_port_errors(lambda: self.capture(identity, session))
        self.pass_time(self.verdict_wait)
        assert identity.ask(session=session) == IdentityAbandoned(session=session)

    def test_identity_12_an_unused_session_runs_out(self) -> None:
        """identity-12: a session that nobody uses ends as abandoned at its expiry."""
        identity = self.make_identity()
        opened = _open(identity)
        self.pass_time(opened.expires - self.clock.now() + timedelta(seconds=1))
        assert identity.ask(session=opened.session) == IdentityAbandoned(session=opened.session)

    def test_identity_13_sessions_do_not_mix(self) -> None:
        """identity-13: what happens in one session changes no other."""
        identity = self.make_identity()
        other = _open(identity, key=Key("subscription-1/8/0")).session
        self._decided(identity, Ending.REFUSED)
        assert isinstance(identity.ask(session=other), Pending)

    @PROPERTY
    @given(text=ANY_TEXT)
    def test_identity_14_only_port_errors_come_out(self, text: str) -> None:
        """identity-14: whatever is asked, only an answer or one of the three port errors comes out."""
        identity = self._shared()
        only_port_errors(lambda: identity.ask(session=SessionId(text)))
        only_port_errors(lambda: identity.cancel(key=Key(text), session=SessionId(text)))
        only_port_errors(lambda: _open(identity, key=Key(text)))

    def test_identity_15_a_key_is_not_reused(self) -> None:
        """identity-15: a key used again for another person is rejected as `key_reused`, and its session stands."""
        identity = self.make_identity()
        first = _open(identity)
        for _ in range(2):
            with rejected("key_reused"):
                _open(identity, number=1)
        assert _open(identity) == first

    def test_identity_16_sessions_prove_their_own_person(self) -> None:
        """identity-16: of two sessions that end, each verdict names its own, with evidence of its own."""
        identity = self.make_identity()
        sessions = [_open(identity, key=Key(f"subscription-{n}/8/0"), number=n).session for n in range(2)]
        for session in reversed(sessions):
            self.play(identity, session, Ending.APPROVED)
            self.capture(identity, session)
        self.pass_time(self.verdict_wait)
        verdicts = [identity.ask(session=session) for session in sessions]
        approved = [verdict for verdict in verdicts if isinstance(verdict, IdentityApproved)]
        assert [verdict.session for verdict in approved] == sessions
        assert len({verdict.evidence.reference for verdict in approved}) == 2

    def test_identity_17_nobody_is_named_aloud(self) -> None:
        """identity-17: neither the provider nor its refusals print or log who the person is."""
        identity = self.make_identity()
        with unspoken(*personal(account()), *personal(account(1))) as said:
            self._decided(identity, Ending.APPROVED)
            said += [identity, only_port_errors(lambda: _open(identity, number=1))]

    def test_identity_18_any_history_keeps_its_word(self) -> None:
        """identity-18: after any history of openings, lost answers, restarts, captures and cancellations, each session
        stands as its own events say, and no verdict is taken back."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    _made: IdentityVerification | None = None

    def _shared(self) -> IdentityVerification:
        # One for all examples: making a provider may mean opening a file, or a connection.
        if self._made is None:
            self._made = self.make_identity()
        return self._made

    def _decided(self, identity: IdentityVerification, ending: Ending) -> tuple[Verdict, SessionId]:
        session = _open(identity).session
        self.play(identity, session, ending)
        self.capture(identity, session)
        self.pass_time(self.verdict_wait)
        verdict = identity.ask(session=session)
        assert not isinstance(verdict, Pending | CaptureFinished), f"no verdict after {self.verdict_wait}"
        return verdict, session


def _open(identity: IdentityVerification, *, key: Key = KEY, attempt: int = 1, number: int = 0) -> IdentityOpened:
    return identity.open(
        key=key, attempt=attempt, subscription=SubscriptionId(f"subscription-{number}"), person=account(number)
    )


@define
class _Session:
    """What must be true of one session."""

    opened: IdentityOpened
    ending: Ending
    captured_at: datetime | None = None
    cancelled: bool = False
    told: Verdict | None = None


class _History(RuleBasedStateMachine):
    """Any history of a few sessions, each beside a record of what happened in it."""

    restarts = RESTARTS

    numbers = st.integers(0, 2)

    def __init__(self, suite: IdentityConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.identity = suite, suite.make_identity()
        self.sessions: dict[int, _Session] = {}

    @rule(number=numbers, ending=st.sampled_from(Ending), lost=st.booleans())
    def open(self, number: int, ending: Ending, lost: bool) -> None:
        opened = answered(lambda: self.opened(number, number), lost=lost)
        if number in self.sessions:
            assert opened == self.sessions[number].opened, "another answer than at first"
            return
        assert opened.session not in {known.opened.session for known in self.sessions.values()}, "two keys, one session"
        self.sessions[number] = _Session(opened, ending)
        self.suite.play(self.identity, opened.session, ending)

    @precondition(lambda self: self.sessions)
    @rule(number=numbers)
    def reuse(self, number: int) -> None:
        if number in self.sessions:
            with rejected("key_reused"):
                self.opened(number, number + 1)

    @precondition(lambda self: self.sessions)
    @rule(number=numbers)
    def capture(self, number: int) -> None:
        known = self.sessions.get(number)
        if known is None:
            return
        if known.captured_at is None and self.untouched(known):
            self.suite.capture(self.identity, known.opened.session)
            known.captured_at = self.suite.clock.now()
        else:
            only_port_errors(lambda: self.suite.capture(self.identity, known.opened.session))

    @precondition(lambda self: self.sessions)
    @rule(number=numbers, lost=st.booleans())
    def cancel(self, number: int, lost: bool) -> None:
        known = self.sessions.get(number)
        session = known.opened.session if known else SessionId("nobody-opened-this")
        answered(lambda: self.identity.cancel(key=Key(f"subscription-{number}/20/0"), session=session), lost=lost)
        if known is not None and not self.ended(known):
            known.cancelled = True

    @precondition(lambda self: self.sessions)
    @rule()
    def ask(self) -> None:
        for known in self.sessions.values():
            self.compare(known)

    def compare(self, known: _Session) -> None:
        answer = self.identity.ask(session=known.opened.session)
        abandoned = IdentityAbandoned(session=known.opened.session)
        if known.told is not None:
            assert answer == known.told, "a verdict was taken back"
        elif known.captured_at is None:
            assert answer == abandoned or (self.untouched(known) and isinstance(answer, Pending))
            assert answer != abandoned or not self.untouched(known), "abandoned by nobody"
        elif not isinstance(answer, Pending | CaptureFinished):
            assert isinstance(answer, _FACTS[known.ending]) or (known.cancelled and answer == abandoned)
        else:
            assert not self.ended(known), "no verdict in time"
        if not isinstance(answer, FraudSuspected | Pending):
            assert answer.session == known.opened.session, "a verdict of another session"
        if not isinstance(answer, Pending | CaptureFinished):
            known.told = answer

    @rule(by=st.sampled_from((*MOMENTS, timedelta(days=8))))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.identity = self.suite.restarted(self.identity)

    def opened(self, key: int, person: int) -> IdentityOpened:
        return _open(self.identity, key=Key(f"subscription-{key}/8/0"), number=person)

    def untouched(self, known: _Session) -> bool:
        return not known.cancelled and self.suite.clock.now() < known.opened.expires

    def ended(self, known: _Session) -> bool:
        """Say whether the session must have ended by now."""
        if known.told is not None:
            return True
        if known.captured_at is None:
            return not self.untouched(known)
        return self.suite.clock.now() >= known.captured_at + self.suite.verdict_wait
