"""The client of the CSC API, method by method, on the sandbox's strict service."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from qcp_sdk.adapters.csc import (
    Authorization,
    AuthorizationPending,
    ClientCredentials,
    CscClient,
    CscTimestamps,
    Factor,
    Fixed,
    Login,
    OAuth,
    SignaturesPending,
)
from qcp_sdk.adapters.csc.client import Version
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.certificates import conformity, read
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.matching import same_name
from qcp_sdk.sandbox.csc_state import CscRules, SandboxCredential
from qcp_sdk.testing.conformance.discretion import unspoken
from qcp_sdk.testing.conformance.examples import START, digest
from qcp_sdk.values import PersonName, Secret
from tests.adapters.csc.service import BASE, Service

DIGESTS = [digest("one"), digest("two"), digest("three")]
BOTH: tuple[Version, ...] = ("v1", "v2")
EACH = pytest.mark.parametrize("version", BOTH)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def service(clock: ManualClock) -> Service:
    return Service(clock)


def code(service: Service, client: CscClient, credential: SandboxCredential) -> Secret:
    if client.version == "v1":
        client.send_otp(credential.id)
    else:
        assert client.get_challenge(credential.id, authentication="OTP") == ""
    return service.sandbox.latest(credential.mobile)


def authorised(
    service: Service, client: CscClient, credential: SandboxCredential, digests: list[bytes] = DIGESTS
) -> Authorization:
    told = client.authorize(credential.id, digests=digests, values={"OTP": code(service, client, credential)})
    assert isinstance(told, Authorization)
    return told


def signed(
    client: CscClient, credential: SandboxCredential, sad: Secret | None, digests: list[bytes]
) -> tuple[bytes, ...]:
    algorithm = client.credential(credential.id).algorithm_oid
    values = client.sign_hash(credential.id, digests=digests, algorithm=algorithm, sad=sad)
    assert isinstance(values, tuple)
    return values


@EACH
def test_what_a_service_and_a_credential_are(service: Service, version: Version) -> None:
    client, made = service.client(version), service.enrol(pin=Secret("2468"))
    info = client.info()
    assert info.offers("credentials/sendOTP") is (version == "v1")
    assert info.offers("credentials/create") is (version == "v2")
    told = client.credential(made.id)
    assert (told.enabled, told.certificate_status, told.algorithm) == (True, "valid", "sha256_ecdsa")
    assert (told.mode, told.pinned, told.most, told.certificates) == ("explicit", True, 100, made.held.chain)
    sent, pin = told.needs(Factor.CODE), told.needs(Factor.PIN)
    assert sent is not None
    assert pin is not None
    assert (sent.id, pin.id, sent.required, "*****1316" in sent.label) == ("OTP", "PIN", True, True)


@EACH
def test_every_page_of_a_list_is_read(service: Service, version: Version) -> None:
    made = [service.enrol(user="one" if number < 3 else "").id for number in range(107)]
    assert service.client(version).credentials() == tuple(made)
    assert service.counts["credentials/list"] == 3
    assert service.client(version).credentials(user="one") == tuple(made[:3])


@EACH
def test_one_authorization_signs_what_it_names_once(service: Service, version: Version) -> None:
    client, made = service.client(version), service.enrol()
    sad = authorised(service, client, made).sad
    with pytest.raises(Rejected, match="not authorized") as refused:
        signed(client, made, sad, [digest("other")])
    assert refused.value.reason == "hash_not_authorised"
    for one, value in zip(DIGESTS, signed(client, made, sad, DIGESTS), strict=True):
        assert checked(made.held.chain[0], one, value) == value
    with pytest.raises(Rejected) as again:
        signed(client, made, sad, DIGESTS)
    assert again.value.reason == "sad_ended"


@EACH
def test_a_transaction_is_extended_between_two_calls(service: Service, version: Version) -> None:
    client, made = service.client(version), service.enrol()
    first = authorised(service, client, made)
    signed(client, made, first.sad, DIGESTS[:1])
    with pytest.raises(Rejected, match="SAD expired"):
        signed(client, made, first.sad, DIGESTS[1:])
    second = client.extend_transaction(made.id, sad=first.sad, digests=DIGESTS[1:])
    assert len(signed(client, made, second.sad, DIGESTS[1:])) == 2
    with pytest.raises(Rejected):
        client.extend_transaction(made.id, sad=second.sad, digests=DIGESTS[:1])


@EACH
def test_activation_data_expire(service: Service, clock: ManualClock, version: Version) -> None:
    client, made = service.client(version), service.enrol()
    told = authorised(service, client, made)
    clock.advance(told.lifetime)
    with pytest.raises(Rejected) as late:
        signed(client, made, told.sad, DIGESTS)
    assert late.value.reason == "sad_ended"


@EACH
def test_refusals_are_told_apart_and_keep_the_service_s_words(
    service: Service, clock: ManualClock, version: Version
) -> None:
    client, made = service.client(version), service.enrol(pin=Secret("2468"))
    service.rules.multisign = 3

    def refused(values: dict[str, Secret], digests: list[bytes] = DIGESTS) -> str:
        with pytest.raises(Rejected) as told:
            client.authorize(made.id, digests=digests, values=values)
        assert "the service says: invalid_" in str(told.value)
        return told.value.reason

    right, pin = code(service, client, made), Secret("2468")
    assert refused({"PIN": pin, "OTP": right}, [*DIGESTS, digest("four")]) == "too_many"
    assert refused({"PIN": pin, "OTP": Secret("nonsense")}) == "wrong_code"
    assert refused({"PIN": Secret("1"), "OTP": right}) == ("wrong_pin" if version == "v1" else "wrong_code")
    clock.advance(timedelta(minutes=5))
    assert refused({"PIN": pin, "OTP": right}) == "expired"
    right = code(service, client, made)
    for _ in range(5):
        assert refused({"PIN": pin, "OTP": Secret("nonsense")}) == "wrong_code"
    assert refused({"PIN": pin, "OTP": right}) == "locked"
    right = code(service, client, made)
    for _ in range(3):
        refused({"PIN": Secret("1"), "OTP": right})
    assert refused({"PIN": pin, "OTP": right}) == "locked"
    service.sandbox.disable(made.id)
    assert refused({}) == "disabled"
    with pytest.raises(Rejected) as unknown:
        client.credential("never")
    assert unknown.value.reason == "unknown_credential"


@EACH
def test_twenty_wrong_codes_in_a_day_lock_the_credential(
    service: Service, clock: ManualClock, version: Version
) -> None:
    client, made = service.client(version), service.enrol()
    for _ in range(4):
        code(service, client, made)
        for _ in range(5):
            with pytest.raises(Rejected):
                client.authorize(made.id, digests=DIGESTS, values={"OTP": Secret("nonsense")})
    with pytest.raises(Rejected) as locked:
        code(service, client, made)
    assert locked.value.reason == "locked"
    clock.advance(timedelta(days=1))
    authorised(service, client, made)


def test_the_holder_may_agree_later(service: Service, clock: ManualClock) -> None:
    service.rules.agrees_after = timedelta(minutes=1)
    client, made = service.client("v2"), service.enrol()
    pending = client.authorize(made.id, digests=DIGESTS, values={"OTP": code(service, client, made)})
    assert isinstance(pending, AuthorizationPending)
    assert client.authorize_check(pending.handle) == pending
    clock.advance(timedelta(minutes=1))
    told = client.authorize_check(pending.handle)
    assert isinstance(told, Authorization)
    assert client.authorize_check(pending.handle) == told
    later = client.sign_hash(made.id, digests=DIGESTS, algorithm="1.2.840.10045.4.3.2", sad=told.sad, later=True)
    assert isinstance(later, SignaturesPending)
    assert client.sign_polling(later.response_id, count=3) == later
    clock.advance(timedelta(minutes=1))
    values = client.sign_polling(later.response_id, count=3)
    assert isinstance(values, tuple)
    assert checked(made.held.chain[0], DIGESTS[0], values[0])
    for call in (client.authorize_check, lambda handle: client.sign_polling(handle, count=1)):
        with pytest.raises(Rejected) as unknown:
            call("never")
        assert unknown.value.reason == "unknown_handle"


def test_a_credential_without_pinning_signs_anything_so_often(service: Service) -> None:
    service.rules.pinned = False
    client, made = service.client(), service.enrol()
    sent = code(service, client, made)
    told = client.authorize(made.id, digests=DIGESTS, values={"OTP": sent}, pinned=False)
    assert isinstance(told, Authorization)
    assert len(signed(client, made, told.sad, [digest("other")])) == 1


@EACH
def test_rsa_keys_sign_too(clock: ManualClock, version: Version) -> None:
    service = Service(clock, CscRules(key_type="rsa-2048"))
    client, made = service.client(version), service.enrol()
    sad = authorised(service, client, made).sad
    assert client.credential(made.id).algorithm == "sha256_rsa"
    assert checked(made.held.chain[0], DIGESTS[0], signed(client, made, sad, DIGESTS)[0])


def test_a_credential_is_created_and_deleted(service: Service) -> None:
    client = service.client("v2")
    name = PersonName(given="Jean-Baptiste", last="N'Guyen")
    made = client.create(
        policy="0.4.0.194112.1.0",
        subject={"givenName": name.given, "surname": name.last, "issuingCountry": "FR"},
        client_data="mobile=+33639981316",
    )
    certificate = read(made.certificates[0])
    told = {"name": name, "level": CertificateLevel.QCP_N, "now": START, "same_name": same_name}
    assert conformity(certificate, **told) == ()  # type: ignore[arg-type]
    client.get_challenge(made.id, authentication="OTP")
    assert service.sandbox.latest("+33639981316")
    client.delete(made.id)
    with pytest.raises(Rejected) as gone:
        client.delete(made.id)
    assert gone.value.reason == "unknown_credential"


def test_a_timestamp_over_something_else_is_not_passed_on(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = CscTimestamps(service.client())
    assert stamps.timestamp(digest=digest("one"))
    others = service.sandbox.pki.timestamp(digest("two"), nonce=1)
    for token in (others, b"", b"0\x00", others[:-9]):
        monkeypatch.setattr(service.sandbox.pki, "timestamp", lambda *_, token=token, **__: token)
        with pytest.raises(Unavailable, match="not over what was asked"):
            stamps.timestamp(digest=digest("one"))


@pytest.mark.parametrize("count", [0, 2, 4])
def test_too_few_or_too_many_signatures_are_no_answer(service: Service, count: int) -> None:
    made = service.enrol()

    def short(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"signatures": ["AAAA"] * count}).encode()]

    with pytest.raises(Unconfirmed, match=f"{count} signatures where 3"):
        CscClient(Http(BASE, serve=short)).sign_hash(made.id, digests=DIGESTS, algorithm="1", sad=Secret("s"))


def test_there_is_no_other_version(service: Service) -> None:
    with pytest.raises(ConfigurationError, match="version"):
        CscClient(service.http(), version="v3")  # type: ignore[arg-type]


# --- who asks ---------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(clock: ManualClock) -> Service:
    return Service(clock, CscRules(login=True))


def oauth(service: Service, secret: str = "sandbox") -> OAuth:
    return OAuth(http=service.http(), client_id="qcp-sdk", client_secret=Secret(secret))


def test_a_service_that_wants_a_token_gets_one_and_another_when_it_ends(guarded: Service, clock: ManualClock) -> None:
    client = guarded.client(access=ClientCredentials(oauth(guarded), clock=clock))
    assert client.info().oauth == BASE
    for _ in range(3):
        client.credentials()
    assert guarded.counts["token"] == 1
    clock.advance(timedelta(hours=1))
    client.credentials()
    assert guarded.counts["token"] == 2
    assert guarded.counts["credentials/list"] == 4, "a token was used after its end"
    guarded.sandbox.tokens.clear()  # the service forgot it, which nobody could foresee
    client.credentials()
    assert guarded.counts["token"] == 3


def test_who_is_not_let_in_has_something_to_mend(guarded: Service, clock: ManualClock) -> None:
    for access in (
        Fixed(),
        Fixed.bearer(Secret("never")),
        Fixed.basic("user", Secret("password")),
        ClientCredentials(oauth(guarded, "wrong"), clock=clock),
    ):
        with pytest.raises(Unavailable, match="credentials of this installation"):
            guarded.client(access=access).credentials()
    with pytest.raises(Unavailable, match="invalid_scope"):
        oauth(guarded).client_token(scope="credential")


def test_creating_credentials_takes_a_scope_of_its_own(guarded: Service, clock: ManualClock) -> None:
    subject = {"givenName": "A", "surname": "B", "issuingCountry": "FR"}
    for scope, allowed in (("service", False), ("service credential-creation", True)):
        client = guarded.client("v2", ClientCredentials(oauth(guarded), clock=clock, scope=scope))
        if allowed:
            assert client.create(policy="0.4.0.194112.1.0", subject=subject).id
        else:
            with pytest.raises(Unavailable, match="invalid_scope"):
                client.create(policy="0.4.0.194112.1.0", subject=subject)


def agreed(service: Service, location: str, decision: str = "agree") -> dict[str, str]:
    """Play the signatory's browser, and give what comes back to the application."""
    with httpx.Client(transport=httpx.WSGITransport(app=service), base_url=BASE) as browser:
        page = browser.get(location)
        assert page.status_code == 200
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text.replace("&amp;", "&")))
        back = browser.post("/oauth2/authorize", data=fields | {"decision": decision})
    assert back.status_code == 302
    return dict(parse_qsl(urlsplit(back.headers["location"]).query))


@EACH
def test_a_signatory_agrees_on_the_service_s_own_page(guarded: Service, clock: ManualClock, version: Version) -> None:
    server, made, verifier = oauth(guarded), guarded.enrol(mode="oauth2code"), Secret("v" * 43)
    journey = {"redirect_uri": "https://host.example/back", "verifier": verifier}
    location = server.location(
        **journey,  # type: ignore[arg-type]
        state="s-1",
        scope="credential",
        credential=made.id,
        digests=DIGESTS,
        version=version,
    )
    back = agreed(guarded, location)
    assert back["state"] == "s-1"
    with pytest.raises(Rejected, match="invalid_grant"):
        server.exchange(code=Secret(back["code"]), redirect_uri="https://host.example/back", verifier=Secret("w" * 43))
    back = agreed(guarded, location)
    token = server.exchange(code=Secret(back["code"]), **journey)  # type: ignore[arg-type]
    assert token.credential == made.id
    with pytest.raises(Rejected, match="invalid_grant"):
        server.exchange(code=Secret(back["code"]), **journey)  # type: ignore[arg-type]
    client = guarded.client(version, Fixed.bearer(token.access))
    sad = token.access if version == "v1" else None
    values = client.sign_hash(made.id, digests=DIGESTS, algorithm="1.2.840.10045.4.3.2", sad=sad)
    assert isinstance(values, tuple)
    assert checked(made.held.chain[0], DIGESTS[2], values[2])
    assert agreed(guarded, location, "refuse")["error"] == "access_denied"


def test_a_token_is_renewed_and_revoked(guarded: Service) -> None:
    server, verifier = oauth(guarded), Secret("v" * 43)
    back = agreed(guarded, server.location(redirect_uri="https://host.example/back", state="s", verifier=verifier))
    token = server.exchange(code=Secret(back["code"]), redirect_uri="https://host.example/back", verifier=verifier)
    assert token.refresh is not None
    renewed = server.renewed(token.refresh)
    with pytest.raises(Rejected):
        server.renewed(token.refresh)
    guarded.client(access=Fixed.bearer(renewed.access)).credentials()
    server.revoke(renewed.access)
    with pytest.raises(Unavailable):
        guarded.client(access=Fixed.bearer(renewed.access)).credentials()


# --- what is not said -------------------------------------------------------------------------------------------


class Echo:
    """A service that says back everything that it was sent."""

    def __init__(self, status: str, body: str = "") -> None:
        self.status, self.body = status, body

    def __call__(self, environ, start):  # type: ignore[no-untyped-def]
        said = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        told = f"{said} {environ.get('HTTP_AUTHORIZATION', '')}"
        start(self.status, [("Content-Type", "application/json")])
        return [json.dumps({"error": "invalid_request", "error_description": told}).encode()]


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "500 Oh", "200 OK", "302 Found"])
def test_no_secret_is_said_aloud(status: str) -> None:
    logging.getLogger("httpx").setLevel(logging.NOTSET)
    secrets = {"pin": "pin-2468", "code": "7654321", "sad": "sad/é+1", "token": "token.abc", "name": "Lefèvre"}
    client = CscClient(Http(BASE, serve=Echo(status)), version="v2", access=Fixed.bearer(Secret(secrets["token"])))
    server = OAuth(http=Http(BASE, serve=Echo(status)), client_id="c", client_secret=Secret(secrets["pin"]))
    pin, code, sad = (Secret(secrets[name]) for name in ("pin", "code", "sad"))
    basic = base64.b64encode(f"user:{pin.reveal()}".encode()).decode()
    other = CscClient(Http(BASE, serve=Echo(status)), access=Fixed.basic("user", pin))
    ask: list[Callable[[], object]] = [
        lambda: client.authorize("c", digests=DIGESTS, values={"PIN": pin, "OTP": code}),
        lambda: client.sign_hash("c", digests=DIGESTS, algorithm="1", sad=sad),
        lambda: client.extend_transaction("c", sad=sad),
        lambda: client.create(policy="p", subject={"givenName": "É", "surname": secrets["name"]}),
        lambda: server.client_token(),
        lambda: server.exchange(code=code, redirect_uri="u", verifier=sad),
        lambda: other.credentials(),
    ]
    with unspoken(*secrets.values(), json.dumps(secrets["sad"])[1:-1], basic) as said:
        said += [client, server]
        for call in ask:
            with pytest.raises((Rejected, Unavailable, Unconfirmed)) as told:
                call()
            said.append(told.value)


def test_what_was_given_does_not_print(service: Service) -> None:
    client, made = service.client(), service.enrol(pin=Secret("2468"))
    told = client.authorize(
        made.id, digests=DIGESTS, values={"PIN": Secret("2468"), "OTP": code(service, client, made)}
    )
    assert isinstance(told, Authorization)
    token = OAuth(http=service.http(), client_id="qcp-sdk", client_secret=Secret("sandbox")).client_token()
    with unspoken(told.sad.reveal(), token.access.reveal(), "2468") as said:
        said += [told, token, client, made, service.sandbox.sent, Fixed.bearer(token.access)]


# --- a user with a password -------------------------------------------------------------------------------------


def login(service: Service, clock: ManualClock, password: str = "sandbox", **more: Any) -> Login:
    return Login(service.http(), user="jessica", password=Secret(password), clock=clock, **more)


@EACH
def test_a_user_logs_in_with_a_password_and_sees_what_is_theirs(
    guarded: Service, clock: ManualClock, version: Version
) -> None:
    mine, other = guarded.enrol(user="jessica"), guarded.enrol(user="paul")
    client = guarded.client(version, login(guarded, clock, version=version))
    assert {"auth/login", "auth/revoke"} <= set(client.info().methods)
    assert client.credentials() == (mine.id,)
    assert other.id not in client.credentials()
    assert guarded.counts["auth/login"] == 1
    with pytest.raises(Rejected, match="userID"):
        client.credentials(user="paul")
    clock.advance(timedelta(hours=1))
    assert client.credentials() == (mine.id,)
    assert guarded.counts["auth/login"] == 2
    guarded.sandbox.tokens.clear()  # the service forgot it
    assert client.credentials() == (mine.id,)


def test_a_login_that_is_remembered_sends_the_password_once(guarded: Service, clock: ManualClock) -> None:
    sent: list[str] = []
    wire = guarded.sandbox.answer

    def listening(request: Any) -> Any:
        if request.path.endswith("auth/login"):
            sent.append(request.headers.get("authorization", ""))
        return wire(request)

    guarded.sandbox.answer = listening  # type: ignore[method-assign]
    client = guarded.client(access=login(guarded, clock, remember=True))
    for _ in range(3):
        client.credentials()
        clock.advance(timedelta(hours=1))
    assert [bool(header) for header in sent] == [True, False, False]
    guarded.sandbox.refreshes.clear()  # it is not remembered any more
    client.credentials()
    assert [bool(header) for header in sent] == [True, False, False, False, True]


@pytest.mark.parametrize("remember", [False, True])
def test_after_leaving_the_tokens_are_worthless(guarded: Service, clock: ManualClock, remember: bool) -> None:
    access = login(guarded, clock, remember=remember)
    access.leave()  # nothing to leave yet
    guarded.client(access=access).credentials()
    assert guarded.sandbox.tokens
    access.leave()
    assert not guarded.sandbox.tokens
    assert not guarded.sandbox.refreshes
    guarded.client(access=access).credentials()
    assert guarded.counts["auth/login"] == 2


def test_a_wrong_password_is_the_installations_to_mend_and_said_nowhere(guarded: Service, clock: ManualClock) -> None:
    basic = base64.b64encode(b"jessica:a wrong password").decode()
    with unspoken("a wrong password", basic) as said:
        access = login(guarded, clock, "a wrong password")
        said.append(access)
        with pytest.raises(Unavailable, match="authentication_error") as refused:
            guarded.client(access=access).credentials()
        said.append(refused.value)


def test_a_login_that_cannot_be_read_is_no_token(clock: ManualClock) -> None:
    for told in ({}, {"access_token": 7}, {"access_token": "a", "expires_in": -1}):

        def liar(environ: dict[str, Any], start: Callable[..., Any], told: object = told) -> list[bytes]:
            start("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(told).encode()]

        with pytest.raises(Unavailable):
            Login(Http(BASE, serve=liar), user="jessica", password=Secret("s"), clock=clock).header()
