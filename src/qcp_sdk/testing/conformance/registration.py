"""What `ports.registration.Registration` promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from qcp_sdk.testing.conformance.examples import account
from qcp_sdk.values import Key, SessionId, SubscriptionId


class Ending(StrEnum):
    """How a registration is to end."""

    ISSUED = "issued"
    ATTESTED = "attested"
    REFUSED = "refused"
    EXPIRED = "expired"


_FACTS: Final = {
    Ending.ISSUED: CertificateIssued,
    Ending.ATTESTED: CertificateAttested,
    Ending.REFUSED: RegistrationRefused,
    Ending.EXPIRED: RegistrationExpired,
}

KEY: Final = Key("subscription-0/7/0")
CLOSING: Final = Key("subscription-0/9/0")


class RegistrationConformance(Timed, ABC):
    """Subclass it, make the provider, and play the person at its pages and its operators."""

    verdict_wait: ClassVar[timedelta] = timedelta(hours=1)
    """After this long a completed registration has ended."""

    @abstractmethod
    def make_registration(self) -> Registration:
        """Make a provider that knows no registration."""

    @abstractmethod
    def complete(self, registration: Registration, session: SessionId) -> None:
        """Do all that the person does. A registration that was closed may refuse it, in any way."""

    @abstractmethod
    def play(self, registration: Registration, session: SessionId, ending: Ending) -> None:
        """Let the registration end so, once the person has completed it."""

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
        assert isinstance(ended, _FACTS[ending])
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
        assert isinstance(closed, CertificateIssued)
        assert registration.ask(session=session) == closed

    def test_registration_11_an_unused_one_runs_out(self) -> None:
        """registration-11: a registration that nobody uses has expired at its expiry."""
        registration = self.make_registration()
        opened = _open(registration)
        self.pass_time(opened.expires - self.clock.now() + timedelta(seconds=1))
        assert registration.ask(session=opened.session) == RegistrationExpired(session=opened.session)

    def test_registration_12_the_certificate_is_the_person_s(self) -> None:
        """registration-12: the certificate is in the name that was a prerequisite, and of a qualified level."""
        ended, _ = self._ended(self.make_registration(), Ending.ISSUED)
        assert isinstance(ended, CertificateIssued)
        assert ended.certificate.name == account().name
        assert ended.certificate.level is not None
        assert ended.certificate.level >= CertificateLevel.QCP_N

    @PROPERTY
    @given(text=st.text(max_size=60))
    def test_registration_13_only_port_errors_come_out(self, text: str) -> None:
        """registration-13: whatever is asked, only an answer or one of the three port errors comes out."""
        registration = self._shared()
        only_port_errors(lambda: registration.ask(session=SessionId(text)))
        only_port_errors(lambda: _open(registration, key=Key(text)))
        only_port_errors(
            lambda: registration.close(key=Key(text), opened_by=Key(text), session=SessionId(text) if text else None)
        )

    _made: Registration | None = None

    def _shared(self) -> Registration:
        # One for all examples: making a provider with its authority may take a second.
        if self._made is None:
            self._made = self.make_registration()
        return self._made

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


def _open(registration: Registration, *, key: Key = KEY) -> RegistrationOpened:
    return registration.open(key=key, subscription=SubscriptionId("subscription-0"), person=account())
