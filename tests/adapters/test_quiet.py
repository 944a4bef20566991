"""A service that echoes a person's data in its errors: none of it enters an exception or a log (decision 0030)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from qcp_sdk.adapters.csc import CscClient, Fixed
from qcp_sdk.adapters.idnow import IdnowIdentity
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.oidc_accounts import OidcAccounts
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.sms_gateways import BrevoGateway, JsonGateway, SmsGateway, TwilioGateway
from qcp_sdk.adapters.stripe_identity import StripeIdentity
from qcp_sdk.adapters.universign import UniversignCertificates, UniversignRegistration
from qcp_sdk.errors import PortError
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.values import Key, Secret, SubscriptionId

PERSON: Final = account()
TOLD: Final = (
    f"OTP cannot be sent to {PERSON.name.last.upper()}, {PERSON.name.given}, {PERSON.email.text}, {PERSON.mobile.text}"
)
PIECES: Final = (PERSON.name.last, PERSON.name.given, PERSON.email.text, PERSON.mobile.text.removeprefix("+"))
STATUSES: Final = (200, 302, 400, 401, 403, 404, 405, 409, 412, 422, 429, 500, 503)


class Echo:
    """Answers `first` to paths that end so, and everything else with an error that repeats whoever it is about."""

    def __init__(self, status: int, kind: str, first: dict[str, object]) -> None:
        self.status, self.kind, self.first = status, kind, first
        self.echoed = 0

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        for end, told in self.first.items():
            if environ["PATH_INFO"].endswith(end):
                start("200 OK", [("Content-Type", "application/json")])
                return [json.dumps(told).encode()]
        self.echoed += 1
        start(f"{self.status} X", [("Content-Type", self.kind)])
        if self.kind == "text/plain":
            return [TOLD.encode("latin-1" if self.status == 200 else "utf-8")]
        words = ("error", "error_description", "message", "detail", "title", "reason", "code")
        return [json.dumps(dict.fromkeys(words, TOLD)).encode()]


def idnow(http: Http, folder: Path) -> IdnowIdentity:
    return IdnowIdentity(
        http=http, go="https://go.test", company="c", api_key=Secret("k"), clock=ManualClock(START), remember=folder
    )


def opens_idnow(http: Http, folder: Path) -> None:
    idnow(http, folder).open(key=Key("s/1/0"), attempt=1, subscription=SubscriptionId("s"), person=PERSON)


def asks_idnow(http: Http, folder: Path) -> None:
    identity = idnow(http, folder)
    session = identity.open(key=Key("s/1/0"), attempt=1, subscription=SubscriptionId("s"), person=PERSON).session
    identity.ask(session=session)


def stripe(http: Http, folder: Path) -> StripeIdentity:
    return StripeIdentity(http=http, api_key=Secret("k"), clock=ManualClock(START), remember=folder)


def opens_stripe(http: Http, folder: Path) -> None:
    stripe(http, folder).open(key=Key("s/1/0"), attempt=1, subscription=SubscriptionId("s"), person=PERSON)


def asks_stripe(http: Http, folder: Path) -> None:
    identity = stripe(http, folder)
    session = identity.open(key=Key("s/1/0"), attempt=1, subscription=SubscriptionId("s"), person=PERSON).session
    identity.ask(session=session)


def matches_universign(http: Http, folder: Path) -> None:
    UniversignCertificates(http, api_key=Secret("k")).match(
        email=PERSON.email.text, name=PERSON.name.full, mobile=PERSON.mobile.text, level=CertificateLevel.QCP_N
    )


def registers_universign(http: Http, folder: Path) -> None:
    registration = UniversignRegistration(
        http=http,
        api_key=Secret("k"),
        keys=MemoryKeys(),
        clock=ManualClock(START),
        remember=folder,
        redirect_url="https://host.example/back",
    )
    registration.open(key=Key("s/1/0"), subscription=SubscriptionId("s"), person=PERSON)


def creates_csc(http: Http, folder: Path) -> None:
    subject = {"givenName": PERSON.name.given, "surname": PERSON.name.last, "issuingCountry": "FR"}
    client = CscClient(http, version="v2", access=Fixed(Secret("t")))
    client.create(policy="0.4.0.194112.1.0", subject=subject, client_data=PERSON.mobile.text)


def sends_csc(http: Http, folder: Path) -> None:
    CscClient(http, version="v1", access=Fixed(Secret("t"))).send_otp("c1")


def asks_oidc(http: Http, folder: Path) -> None:
    accounts = OidcAccounts(
        issuer="https://service.test",
        client_id="qcp",
        client_secret=Secret("x"),
        redirect_url="https://host.example/back",
        http=http,
        keys=MemoryKeys(),
        clock=ManualClock(START),
        remember=folder,
    )
    accounts._asked("token", "sub")


def sends(gateway: Callable[[Http], SmsGateway]) -> Callable[[Http, Path], None]:
    def send(http: Http, folder: Path) -> None:
        gateway(http).hand_over(id="i", to=PERSON.mobile, text=f"{PERSON.name.full}: 123456", seconds=180)

    return send


ABOUT: Final = {"issuer": "https://service.test", "userinfo_endpoint": "https://service.test/userinfo"}
SESSION: Final = {"id": "vs_1", "url": "https://verify.test/1"}
CALLS: Final[dict[str, tuple[Callable[[Http, Path], None], dict[str, object]]]] = {
    "idnow opens": (opens_idnow, {}),
    "idnow asks": (asks_idnow, {"/start": {"id": "I"}, "/login": {"authToken": "t"}}),
    "stripe opens": (opens_stripe, {}),
    "stripe asks": (asks_stripe, {"/verification_sessions": SESSION}),
    "universign matches": (matches_universign, {}),
    "universign registers": (registers_universign, {"/match": {"match_found": False}}),
    "csc creates": (creates_csc, {}),
    "csc sends": (sends_csc, {}),
    "oidc asks": (asks_oidc, {"/openid-configuration": ABOUT}),
    "sms json": (sends(lambda http: JsonGateway(http, token=Secret("k"))), {}),
    "sms twilio": (sends(lambda http: TwilioGateway(http, account="A", token=Secret("k"), sender="+15005550006")), {}),
    "sms brevo": (sends(lambda http: BrevoGateway(http, api_key=Secret("k"), sender="E")), {}),
}


@pytest.mark.parametrize("call", list(CALLS))
def test_what_a_service_says_of_a_person_stays_out_of_errors_and_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    ask, first = CALLS[call]
    raised = 0
    caplog.set_level(logging.DEBUG)
    for kind in ("application/json", "text/plain"):
        for status in STATUSES:
            service = Echo(status, kind, first)
            try:
                ask(Http("https://service.test", serve=service), tmp_path / f"{kind.partition('/')[2]}{status}")
            except PortError as error:
                raised += 1
                for text in (*texts(error), caplog.text):
                    assert not [piece for piece in PIECES if piece.lower() in text.lower()], (status, kind, text)
            assert service.echoed, "the call that is meant was not made"
    assert raised > len(STATUSES)


def texts(error: BaseException) -> Iterator[str]:
    """Give what a log or a report of errors shows of an error and of what led to it."""
    each: BaseException | None = error
    while each is not None:
        yield from (str(each), repr(each), repr(each.args), repr(getattr(each, "__notes__", "")))
        each = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
