"""What `ports.registration.Registration` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from qcp_sdk.errors import Unavailable
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.registration import Ended, Registration
from qcp_sdk.subscription.facts import (
    CertificateAttested,
    CertificateIssued,
    RegistrationExpired,
    RegistrationOpened,
    RegistrationRefused,
)
from qcp_sdk.testing.conformance.base import PROPERTY, Timed, at_once, only_port_errors, rejected
from qcp_sdk.testing.conformance.discretion import personal, unspoken
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.testing.conformance.histories import ANY_TEXT, EXAMPLES, MOMENTS, RESTARTS, answered, run_any_history
from qcp_sdk.testing.conformance.marking import Capability, needs
from qcp_sdk.values import Fingerprint, Key, SessionId, SubscriptionId


class Ending(StrEnum):
    """How a registration is to end."""

    ISSUED = "issued"
    ATTESTED = "attested"
    REFUSED = "refused"
    EXPIRED = "expired"


_FACTS: Final[dict[Ending, type[Ended]]] = {
    Ending.ISSUED: CertificateIssued,
    Ending.ATTESTED: CertificateAttested,
    Ending.REFUSED: RegistrationRefused,
    Ending.EXPIRED: RegistrationExpired,
}

SHOWN: Final = Capability(
    "shown", "the provider shows the certificate that it issued; without it, one is attested unseen"
)

KEY: Final = Key("subscription-0/7/0")
CLOSING: Final = Key("subscription-0/9/0")


class RegistrationConformance(Timed, ABC):
    """Subclass it, make the provider, and play the person at its pages and its operators."""

    verdict_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a completed registration has ended."""
    examples: ClassVar[int] = EXAMPLES
    """How many histories the stateful promise tries; fewer where a fresh provider costs much."""

    @abstractmethod
    def make_registration(self) -> Registration:
        """Make a provider that knows no registration."""

    @abstractmethod
    def complete(self, registration: Registration, session: SessionId) -> None:
        """Do all that the person does. A registration that was closed may refuse it, in any way."""

    @abstractmethod
    def play(self, registration: Registration, session: SessionId, ending: Ending) -> None:
        """Let the registration end so, once the person has completed it."""

    def restarted(self, registration: Registration) -> Registration:
        """Give the adapter as a new process makes it, where its memory outlives one; histories restart in between."""
        return registration

    def test_registration_1_opening_says_where_and_until_when(self) -> None:
        """registration-1: opening gives a session, where the person goes and until when."""
        opened = _open(self.make_registration())
        assert opened.session
        assert opened.url.startswith("https://")
        assert opened.expires > self.clock.now()

    def test_registration_2_a_key_opens_one(self) -> None:
        """registration-2: the same key opens one registration, however often it is asked and whenever."""
        registration = self.make_registration()
        first = _open(registration)
        self.pass_time(timedelta(minutes=1))
        assert _open(registration) == first
        assert {told.session for told in at_once(lambda: _open(registration))} == {first.session}
        assert _open(registration, key=Key("subscription-1/7/0")).session != first.session

    def test_registration_3_nothing_is_told_before_the_end(self) -> None:
        """registration-3: until it has ended there is no answer."""
        registration = self.make_registration()
        assert isinstance(registration.ask(session=_open(registration).session), Pending)

    @pytest.mark.parametrize("ending", list(Ending))
    def test_registration_4_each_ending_is_told(self, ending: Ending) -> None:
        """registration-4: a certificate shown, one attested, a refusal and an end without result are told apart."""
        ended, session = self._ended(self.make_registration(), ending)
        assert isinstance(ended, self._fact(ending))
        if isinstance(ended, RegistrationRefused | RegistrationExpired):
            assert ended.session == session

    @pytest.mark.parametrize("ending", list(Ending))
    def test_registration_5_an_end_never_changes(self, ending: Ending) -> None:
        """registration-5: an end, once told, is told again unchanged: later, and by a close."""
        registration = self.make_registration()
        ended, session = self._ended(registration, ending)
        self.pass_time(timedelta(days=8))
        assert registration.ask(session=session) == ended
        assert registration.close(key=CLOSING, opened_by=KEY, session=session) == ended

    def test_registration_6_an_attestation_says_what_was_compared(self) -> None:
        """registration-6: an attestation names its provider, the level, and that name, e-mail and mobile matched."""
        ended, _ = self._ended(self.make_registration(), Ending.ATTESTED)
        assert isinstance(ended, CertificateAttested)
        assert ended.provider
        assert ended.level >= CertificateLevel.QCP_N
        assert {"name", "email", "mobile"} <= set(ended.matched)
        assert ended.at <= self.clock.now()

    def test_registration_7_an_unknown_session_is_rejected(self) -> None:
        """registration-7: asking about a registration that nobody opened is rejected as `unknown_session`."""
        with rejected("unknown_session"):
            self.make_registration().ask(session=SessionId("nobody-opened-this"))

    def test_registration_8_closing_ends_it(self) -> None:
        """registration-8: a registration closed before its end has expired, and no certificate comes of it."""
        registration = self.make_registration()
        session = _open(registration).session
        expired = RegistrationExpired(session=session)
        for _ in range(2):
            assert registration.close(key=CLOSING, opened_by=KEY, session=session) == expired
        only_port_errors(lambda: self.complete(registration, session))
        self.pass_time(self.verdict_wait)
        assert registration.ask(session=session) == expired

    def test_registration_9_one_never_opened_can_be_closed(self) -> None:
        """registration-9: closing what never arrived is no error, and an opening that arrives later issues nothing."""
        registration = self.make_registration()
        assert isinstance(registration.close(key=CLOSING, opened_by=KEY, session=None), RegistrationExpired)
        late = only_port_errors(lambda: _open(registration))
        if isinstance(late, RegistrationOpened):
            only_port_errors(lambda: self.complete(registration, late.session))
            self.pass_time(self.verdict_wait)
            assert registration.ask(session=late.session) == RegistrationExpired(session=late.session)

    def test_registration_10_a_certificate_before_the_close_wins(self) -> None:
        """registration-10: a certificate issued just before the close is what the close answers."""
        registration = self.make_registration()
        session = self._completed(registration, Ending.ISSUED)
        closed = registration.close(key=CLOSING, opened_by=KEY, session=session)
        assert isinstance(closed, self._fact(Ending.ISSUED))
        assert registration.ask(session=session) == closed

    def test_registration_11_an_unused_one_runs_out(self) -> None:
        """registration-11: a registration that nobody uses has expired at its expiry."""
        registration = self.make_registration()
        opened = _open(registration)
        self.pass_time(opened.expires - self.clock.now() + timedelta(seconds=1))
        assert registration.ask(session=opened.session) == RegistrationExpired(session=opened.session)

    @needs(SHOWN)
    def test_registration_12_the_certificate_is_the_person_s(self) -> None:
        """registration-12: the certificate is in the name that was a prerequisite, and of a qualified level."""
        ended, _ = self._ended(self.make_registration(), Ending.ISSUED)
        assert isinstance(ended, CertificateIssued)
        assert ended.certificate.name == account().name
        assert ended.certificate.level is not None
        assert ended.certificate.level >= CertificateLevel.QCP_N

    @PROPERTY
    @given(text=ANY_TEXT)
    def test_registration_13_only_port_errors_come_out(self, text: str) -> None:
        """registration-13: whatever is asked, only an answer or one of the three port errors comes out."""
        registration = self._shared()
        only_port_errors(lambda: registration.ask(session=SessionId(text)))
        only_port_errors(lambda: _open(registration, key=Key(text)))
        only_port_errors(
            lambda: registration.close(key=Key(text), opened_by=Key(text), session=SessionId(text) if text else None)
        )

    def test_registration_14_a_key_is_not_reused(self) -> None:
        """registration-14: a key used again for another person is rejected as `key_reused`; the first one stands."""
        registration = self.make_registration()
        first = _open(registration)
        for _ in range(2):
            with rejected("key_reused"):
                _open(registration, number=1)
        assert _open(registration) == first

    def test_registration_15_registrations_do_not_mix(self) -> None:
        """registration-15: what ends one registration, a close too, ends no other; each certificate is its person's."""
        registration = self.make_registration()
        sessions = [_open(registration, key=Key(f"subscription-{n}/7/0"), number=n).session for n in range(3)]
        registration.close(key=CLOSING, opened_by=KEY, session=sessions[0])
        for session in sessions[:0:-1]:
            assert isinstance(registration.ask(session=session), Pending)
            self.play(registration, session, Ending.ISSUED)
            self.complete(registration, session)
        self.pass_time(self.verdict_wait)
        told = [registration.ask(session=session) for session in sessions]
        assert told[0] == RegistrationExpired(session=sessions[0])
        assert all(isinstance(one, self._fact(Ending.ISSUED)) for one in told[1:])
        issued = [one.certificate.name for one in told if isinstance(one, CertificateIssued)]
        assert issued == [account(number).name for number in (1, 2) if SHOWN not in self.lacks]

    def test_registration_16_nobody_is_named_aloud(self) -> None:
        """registration-16: neither the provider nor its refusals print or log who the person is."""
        registration = self.make_registration()
        with unspoken(*personal(account()), *personal(account(1))) as said:
            self._ended(registration, Ending.ATTESTED)
            said += [registration, only_port_errors(lambda: _open(registration, number=1))]

    def test_registration_17_any_history_keeps_its_word(self) -> None:
        """registration-17: after any history of openings, lost answers, restarts and closes, each registration stands
        as its own events say, no end is taken back, and no certificate is told of twice."""
        suite = self

        class History(_History):
            def __init__(self) -> None:
                super().__init__(suite)

        run_any_history(History, examples=self.examples)

    _made: Registration | None = None

    def _shared(self) -> Registration:
        # One for all examples: making a provider with its authority may take a second.
        if self._made is None:
            self._made = self.make_registration()
        return self._made

    def _fact(self, ending: Ending) -> type[Ended]:
        unseen = ending is Ending.ISSUED and SHOWN in self.lacks
        return CertificateAttested if unseen else _FACTS[ending]

    def _completed(self, registration: Registration, ending: Ending) -> SessionId:
        session = _open(registration).session
        self.play(registration, session, ending)
        self.complete(registration, session)
        self.pass_time(self.verdict_wait)
        return session

    def _ended(self, registration: Registration, ending: Ending) -> tuple[Ended, SessionId]:
        session = self._completed(registration, ending)
        ended = registration.ask(session=session)
        assert not isinstance(ended, Pending), f"no end after {self.verdict_wait}"
        return ended, session


def _open(registration: Registration, *, key: Key = KEY, number: int = 0) -> RegistrationOpened:
    return registration.open(key=key, subscription=SubscriptionId(f"subscription-{number}"), person=account(number))


@define
class _Opened:
    """What must be true of one registration. `opened` is None for one that was closed before it was opened."""

    opened: RegistrationOpened | None
    ending: Ending
    completed_at: datetime | None = None
    closed: bool = False
    told: Ended | None = None


class _History(RuleBasedStateMachine):
    """Any history of a few registrations, each beside a record of what happened in it."""

    restarts = RESTARTS

    numbers = st.integers(0, 2)

    def __init__(self, suite: RegistrationConformance) -> None:
        super().__init__()
        suite.setup_method()
        self.suite, self.registration = suite, suite.make_registration()
        self.known: dict[int, _Opened] = {}
        self.certificates: dict[Fingerprint, int] = {}

    @rule(number=numbers, ending=st.sampled_from(Ending), lost=st.booleans())
    def open(self, number: int, ending: Ending, lost: bool) -> None:
        known = self.known.get(number)
        if known is not None and known.opened is None:
            late = only_port_errors(lambda: self.opened(number, number))
            if isinstance(late, RegistrationOpened):
                told = self.registration.ask(session=late.session)
                assert isinstance(told, RegistrationExpired), "opened, though it was closed before"
            return
        opened = answered(lambda: self.opened(number, number), lost=lost)
        if known is not None:
            assert opened == known.opened, "another answer than at first"
            return
        assert opened.session not in {one.opened.session for one in self.known.values() if one.opened}
        self.known[number] = _Opened(opened, ending)
        self.suite.play(self.registration, opened.session, ending)

    @precondition(lambda self: self.known)
    @rule(number=numbers)
    def reuse(self, number: int) -> None:
        if number in self.known and self.known[number].opened:
            with rejected("key_reused"):
                self.opened(number, number + 1)

    @precondition(lambda self: self.known)
    @rule(number=numbers)
    def complete(self, number: int) -> None:
        known = self.known.get(number)
        if known is None or known.opened is None:
            return
        session = known.opened.session
        if known.completed_at is None and self.untouched(known):
            self.suite.complete(self.registration, session)
            known.completed_at = self.suite.clock.now()
        else:
            only_port_errors(lambda: self.suite.complete(self.registration, session))

    @precondition(lambda self: self.known)
    @rule()
    def ask(self) -> None:
        for number, known in self.known.items():
            if known.opened is None:
                continue
            answer = self.registration.ask(session=known.opened.session)
            if isinstance(answer, Pending):
                assert not self.ended(known), "no end in time"
            else:
                self.tell(number, known, answer)

    @rule(number=numbers, lost=st.booleans(), unnamed=st.booleans())
    def close(self, number: int, lost: bool, unnamed: bool) -> None:
        known = self.known.setdefault(number, _Opened(None, Ending.EXPIRED))
        session = known.opened.session if known.opened and not unnamed else None
        answer = only_port_errors(lambda: answered(lambda: self.closed(number, session), lost=lost))
        known.closed = known.closed or not self.ended(known)
        if isinstance(answer, Unavailable):
            assert known.completed_at is not None, "nothing to wait for"
            assert not self.ended(known), "no end in time"
            return
        assert not isinstance(answer, Exception), "a close was refused"
        if known.opened is None:
            assert isinstance(answer, RegistrationExpired)
        else:
            self.tell(number, known, answer)

    @rule(by=st.sampled_from((*MOMENTS, timedelta(days=8))))
    def pass_time(self, by: timedelta) -> None:
        self.suite.pass_time(by)

    @precondition(lambda self: self.restarts)
    @rule()
    def restart(self) -> None:
        self.restarts -= 1
        self.registration = self.suite.restarted(self.registration)

    def tell(self, number: int, known: _Opened, answer: Ended) -> None:
        """Compare an end with what may be true, and remember it."""
        assert known.opened is not None
        expired = RegistrationExpired(session=known.opened.session)
        if known.told is not None:
            assert answer == known.told, "an end was taken back"
        elif known.completed_at is None:
            assert answer == expired
            assert not self.untouched(known), "ended by nobody"
        else:
            assert isinstance(answer, self.suite._fact(known.ending)) or (known.closed and answer == expired)
        if isinstance(answer, RegistrationRefused | RegistrationExpired):
            assert answer.session == known.opened.session, "an end of another registration"
        if isinstance(answer, CertificateIssued):
            assert answer.certificate.name == account(number).name, "another person's certificate"
            assert self.certificates.setdefault(answer.certificate.fingerprint, number) == number
        known.told = answer

    def opened(self, key: int, person: int) -> RegistrationOpened:
        return _open(self.registration, key=Key(f"subscription-{key}/7/0"), number=person)

    def closed(self, number: int, session: SessionId | None) -> Ended:
        opened_by = Key(f"subscription-{number}/7/0")
        return self.registration.close(key=Key(f"subscription-{number}/9/0"), opened_by=opened_by, session=session)

    def untouched(self, known: _Opened) -> bool:
        return not known.closed and known.opened is not None and self.suite.clock.now() < known.opened.expires

    def ended(self, known: _Opened) -> bool:
        """Say whether the registration must have ended by now."""
        if known.told is not None or known.completed_at is None:
            return known.told is not None or not self.untouched(known)
        return self.suite.clock.now() >= known.completed_at + self.suite.verdict_wait
