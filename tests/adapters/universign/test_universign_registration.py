"""Universign's registrations, over the sandbox: the port's exam, also while the network fails, and what is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.universign import LEVELS, UniversignCertificates, UniversignRegistration
from qcp_sdk.errors import ConfigurationError, PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.registration import Registration
from qcp_sdk.sandbox.faults import BAD_NETWORK
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.universign import API_KEY
from qcp_sdk.subscription.facts import CertificateAttested, RegistrationExpired, RegistrationRefused
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.registration import SHOWN, Ending, RegistrationConformance
from qcp_sdk.testing.spoiling import SpoiltHttp, faults_of, persistent
from qcp_sdk.values import Key, Secret, SessionId, SubscriptionId
from tests.adapters.universign.service import universign_of

ENDINGS: Final = {
    Ending.ISSUED: "issue",
    Ending.ATTESTED: "issue",
    Ending.REFUSED: "refuse",
    Ending.EXPIRED: "expire",
}


def adapter(sandbox: Sandbox, remember: Path, **options: Any) -> UniversignRegistration:
    options.setdefault("http", Http("https://sandbox.test/universign", serve=sandbox))
    options.setdefault("api_key", Secret(API_KEY))
    options.setdefault("redirect_url", "https://host.example/back")
    return UniversignRegistration(keys=MemoryKeys(), clock=sandbox.clock, remember=remember, **options)


class TestUniversign(RegistrationConformance):
    lacks = frozenset({SHOWN})
    examples = 10

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_registration(self) -> Registration:
        self.place, self.sandbox = self.folder / str(next(self.made)), Sandbox(base=self.clock, only=["universign"])
        return adapter(self.sandbox, self.place)

    def restarted(self, registration: Registration) -> Registration:
        return adapter(self.sandbox, self.place)

    def complete(self, registration: Registration, session: SessionId) -> None:
        universign_of(self.sandbox).script({"registration": session, "complete": True})

    def play(self, registration: Registration, session: SessionId, ending: Ending) -> None:
        universign_of(self.sandbox).script({"registration": session, "ending": ENDINGS[ending]})


class TestUniversignOverABadNetwork(TestUniversign):
    """The same exam, while three requests in ten fail, each in another way."""

    def make_registration(self) -> Registration:
        made = super().make_registration()
        self.sandbox.faults.unreliable(faults_of(11, BAD_NETWORK))
        return persistent(made)

    def restarted(self, registration: Registration) -> Registration:
        return persistent(super().restarted(registration))


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(base=ManualClock(START), only=["universign"])


@pytest.fixture
def registration(sandbox: Sandbox, tmp_path: Path) -> UniversignRegistration:
    return adapter(sandbox, tmp_path)


def opened(registration: Registration, key: str = "s/7/0", number: int = 0) -> SessionId:
    return registration.open(key=Key(key), subscription=SubscriptionId("s"), person=account(number)).session


def test_name_and_mobile_are_prerequisites_in_the_person_s_language(
    sandbox: Sandbox, registration: UniversignRegistration
) -> None:
    opened(registration, number=1)
    (one,) = universign_of(sandbox).registrations.values()
    assert one.given == {
        "applicant": account(1).email.text,
        "level": "qcp",
        "session_type": "standalone",
        "redirect_url": "https://host.example/back",
        "fullname": account(1).name.full,
        "fullname_type": "prerequisite",
        "phone_number": account(1).mobile.text,
        "phone_number_type": "prerequisite",
        "language": "en",
    }


def test_another_name_on_the_document_is_refused(sandbox: Sandbox, registration: UniversignRegistration) -> None:
    session = opened(registration)
    universign_of(sandbox).script({"registration": session, "shown_name": "Somebody Else", "complete": True})
    sandbox.advance(timedelta(minutes=4))
    assert registration.ask(session=session) == RegistrationRefused(session=session, reason="refused")


def test_whoever_holds_a_certificate_is_not_registered_again(
    sandbox: Sandbox, registration: UniversignRegistration
) -> None:
    session = opened(registration)
    universign_of(sandbox).script({"registration": session, "complete": True})
    sandbox.advance(timedelta(minutes=4))
    assert isinstance(registration.ask(session=session), CertificateAttested)
    with pytest.raises(Rejected) as refused:
        opened(registration, key="s/9/0")
    assert refused.value.reason == "certificate_exists"


def test_a_state_that_nobody_knows_decides_nothing(sandbox: Sandbox, registration: UniversignRegistration) -> None:
    session = opened(registration)
    (one,) = universign_of(sandbox).registrations.values()
    for state in ("completed", "pending-id-docs", "", "REFUSED by <b>", "é" * 50):
        one.state = state
        assert isinstance(registration.ask(session=session), Pending)
    one.state = "REFUSED"
    assert isinstance(registration.ask(session=session), RegistrationRefused)


def test_the_person_s_data_lie_sealed_and_only_until_the_end(
    sandbox: Sandbox, registration: UniversignRegistration, tmp_path: Path
) -> None:
    def lying() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    session = opened(registration)
    before = lying()
    assert account().email.text.encode() not in before
    universign_of(sandbox).script({"registration": session, "ending": "refuse", "complete": True})
    sandbox.advance(timedelta(minutes=4))
    registration.ask(session=session)
    assert len([one for one in tmp_path.iterdir() if one.is_file()]) == 3  # the opening, its expiry, its end


def test_a_certificate_that_comes_after_the_close_is_not_told(
    sandbox: Sandbox, registration: UniversignRegistration
) -> None:
    session = opened(registration)
    registration.close(key=Key("s/9/0"), opened_by=Key("s/7/0"), session=session)
    universign_of(sandbox).script({"registration": session, "complete": True})
    sandbox.advance(timedelta(minutes=4))
    assert registration.ask(session=session) == RegistrationExpired(session=session)


def test_a_person_goes_there_and_comes_back(sandbox: Sandbox, registration: UniversignRegistration) -> None:
    told = registration.open(key=Key("k"), subscription=SubscriptionId("s"), person=account())
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as browser:
        assert "<form" in browser.get(told.url).text
        assert browser.post(told.url).headers["Location"] == "https://host.example/back"


@pytest.mark.parametrize("level", list(LEVELS))
def test_a_match_is_for_the_level_and_the_data(sandbox: Sandbox, tmp_path: Path, level: CertificateLevel) -> None:
    http = Http("https://sandbox.test/universign", serve=sandbox)
    made = adapter(sandbox, tmp_path, level=level)
    universign_of(sandbox).script({"registration": opened(made), "complete": True})
    sandbox.advance(timedelta(minutes=4))
    certificates = UniversignCertificates(http, api_key=Secret(API_KEY))
    data = {"email": account().email.text, "name": account().name.full, "mobile": account().mobile.text}
    assert [certificates.match(**data, level=one) for one in LEVELS] == [one <= level for one in LEVELS]
    for name, other in (("email", "x@example.org"), ("name", "Somebody Else"), ("mobile", "+33639980999")):
        assert not certificates.match(**{**data, name: other}, level=level)
    universign_of(sandbox).certificates[0].revoked = True
    assert not certificates.match(**data, level=level)


def test_a_wrong_key_is_our_fault_and_not_said(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="credentials") as refused:
        opened(adapter(sandbox, tmp_path, api_key=Secret("wrong-key")))
    assert "wrong-key" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"api_key": Secret("")}, {"redirect_url": "host.example/back"}])
def test_a_configuration_without_what_it_needs_is_refused(
    sandbox: Sandbox, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="universign"):
        adapter(sandbox, tmp_path, **wrong)


def test_ten_thousand_spoilt_answers_raise_port_errors_only(sandbox: Sandbox, tmp_path: Path) -> None:
    http = SpoiltHttp("https://sandbox.test/universign", serve=sandbox, seed=20261125)
    made = adapter(sandbox, tmp_path, http=http)
    certificates = UniversignCertificates(http, api_key=Secret(API_KEY))
    data = {"email": "a@example.org", "name": "A B", "mobile": "+33639980001"}
    session = opened(made)
    http.spoiling = True
    calls: tuple[Callable[[int], object], ...] = (
        lambda n: certificates.match(**data, level=CertificateLevel.QCP_N),
        lambda n: made._state(session),
        lambda n: made._matches(session),
        lambda n: opened(made, key=f"s/{n}/0"),
    )
    raised, matched = 0, 0
    for number in range(10_000):
        try:
            answer = calls[number % 3 if number % 100 else 3](number)
        except PortError:
            raised += 1
        else:
            matched += answer is True
    assert raised > 1_000
    assert matched < 400  # `true` is among the values that spoil: nothing else may make one


def test_a_registration_that_was_opened_and_cannot_be_noted_is_not_said_to_be_none(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """`Unavailable` would say that none was opened."""
    place = tmp_path / "kept"

    def serve(environ: Any, start: Any) -> Any:
        if environ["PATH_INFO"].endswith("/registrations"):
            place.write_text("no folder")
        return sandbox(environ, start)

    registration = adapter(sandbox, place, http=Http("https://sandbox.test/universign", serve=serve))
    with pytest.raises(Unconfirmed, match="could not be noted"):
        registration.open(key=Key("s/1/0"), subscription=SubscriptionId("s"), person=account())
    assert len(universign_of(sandbox).registrations) == 1
