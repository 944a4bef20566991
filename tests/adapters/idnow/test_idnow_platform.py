"""Webhooks of IDnow's new platform: JWTs under keys that are fetched, and all the ways in which a JWT can lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from qcp_sdk.adapters.idnow import IdnowPlatformWebhooks
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.errors import ConfigurationError, Unavailable, WebhookRefused
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.idnow import IdnowSandbox
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.testing.conformance.webhooks import WebhooksConformance
from qcp_sdk.values import SessionId

ISSUER, AUDIENCE = "https://auth.idnow.test/oidc", "our-realm"
KEYS: Final = {
    name: rsa.generate_private_key(public_exponent=65537, key_size=2048) for name in ("old", "new", "foreign")
}


class Jwks:
    """IDnow's keys, as a WSGI application that counts how often they are asked for."""

    def __init__(self, *names: str) -> None:
        self.names, self.asked, self.down = list(names), 0, False

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        self.asked += 1
        start("503 Down" if self.down else "200 OK", [])
        keys = [
            {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEYS[name].public_key())), "kid": name}
            for name in self.names
        ]
        noise = [7, {}, {"kty": "EC"}, {"kty": "RSA", "kid": []}, {"kty": "oct", "k": "AA", "kid": "oct"}]
        return [json.dumps({"keys": [*noise, *keys]}).encode()]


def receiver(jwks: Jwks, clock: Clock) -> IdnowPlatformWebhooks:
    return IdnowPlatformWebhooks(
        keys=Http("https://auth.idnow.test/oidc/.well-known", serve=jwks), issuer=ISSUER, audience=AUDIENCE, clock=clock
    )


def token(clock: Clock, session: str = "session-0", *, key: str = "new", kid: str | None = None, **claims: Any) -> str:
    now = int(clock.now().timestamp())
    told = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 300,
        "data": {"eventId": "e", "payload": {"sessionId": session}},
        **claims,
    }
    told = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(told, KEYS[key], algorithm="RS256", headers={"kid": kid or key})


def as_body(text: str) -> Delivery:
    return Delivery(headers={"Content-Type": "application/jwt; charset=utf-8"}, body=text.encode())


class TestIdnowPlatform(WebhooksConformance):
    def make_webhooks(self) -> IdnowPlatformWebhooks:
        return receiver(Jwks("old", "new"), self.clock)

    def genuine(self, session: SessionId) -> Delivery:
        return as_body(token(self.clock, session))

    def with_the_other_secret(self, session: SessionId) -> Delivery:
        return as_body(token(self.clock, session, key="old"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


def test_a_token_in_the_header_is_read_and_the_body_beside_it_is_not(clock: ManualClock) -> None:
    webhooks = receiver(Jwks("new"), clock)
    body = json.dumps({"payload": {"sessionId": "somebody-else"}}).encode()
    told = webhooks.sessions(delivery=Delivery(headers={"X-Idnow-Signature": token(clock)}, body=body))
    assert told == ("session-0",)


def none_of(text: str) -> str:
    header = jwt.utils.base64url_encode(b'{"alg":"none","kid":"new"}').decode()
    return f"{header}.{text.split('.')[1]}."


def with_the_public_key_as_a_secret(text: str) -> str:
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"new"}').decode()
    return f"{header}.{text.split('.')[1]}.{jwt.utils.base64url_encode(b'x' * 32).decode()}"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda clock: token(clock, key="foreign"), "forged"),
        (lambda clock: token(clock, key="foreign", kid="new"), "forged"),
        (lambda clock: none_of(token(clock)), "forged"),
        (lambda clock: with_the_public_key_as_a_secret(token(clock)), "forged"),
        (lambda clock: token(clock, iss="https://evil.example"), "forged"),
        (lambda clock: token(clock, aud="another-realm"), "forged"),
        (lambda clock: token(clock, exp=None), "forged"),
        (lambda clock: token(clock, exp=int(clock.now().timestamp())), "stale"),
        (lambda clock: token(clock, iat=int(clock.now().timestamp()) + 301), "stale"),
        (lambda clock: token(clock, iat=int(clock.now().timestamp()) - 301), "stale"),
        (lambda clock: token(clock, exp=1e300), "malformed"),
        (lambda clock: token(clock, iat="now"), "malformed"),
        (lambda clock: token(clock, data=[1]), "malformed"),
        (lambda clock: token(clock, data={"payload": {"sessionId": 7}}), "malformed"),
        (lambda clock: token(clock)[:-6] + "AAAAAA", "forged"),
        (lambda clock: token(clock)[:-5], "malformed"),
        (lambda clock: "a.b.c", "malformed"),
        (lambda clock: "", "unsigned"),
    ],
)
def test_a_jwt_that_lies_is_refused(clock: ManualClock, spoil: Callable[[Clock], str], reason: str) -> None:
    with pytest.raises(WebhookRefused) as refused:
        receiver(Jwks("new"), clock).sessions(delivery=as_body(spoil(clock)))
    assert refused.value.reason == reason


def test_keys_are_fetched_once_and_again_for_a_new_one_but_not_for_each_forgery(clock: ManualClock) -> None:
    jwks = Jwks("old")
    webhooks = receiver(jwks, clock)
    for _ in range(3):
        webhooks.sessions(delivery=as_body(token(clock, key="old")))
    assert jwks.asked == 1
    jwks.names.append("new")
    for _ in range(20):
        with pytest.raises(WebhookRefused):
            webhooks.sessions(delivery=as_body(token(clock, key="foreign")))
    assert jwks.asked == 1
    clock.advance(timedelta(minutes=1))
    webhooks.sessions(delivery=as_body(token(clock, key="new")))
    assert jwks.asked == 2


def test_without_idnow_s_keys_nothing_is_believed_and_known_ones_go_on(clock: ManualClock) -> None:
    jwks = Jwks("new")
    jwks.down = True
    webhooks = receiver(jwks, clock)
    with pytest.raises(Unavailable):
        webhooks.sessions(delivery=as_body(token(clock)))
    jwks.down = False
    clock.advance(timedelta(seconds=10))  # they are not asked for again at once
    webhooks.sessions(delivery=as_body(token(clock)))
    jwks.down = True
    clock.advance(timedelta(hours=13))
    assert webhooks.sessions(delivery=as_body(token(clock))) == ("session-0",)


def test_a_key_of_another_kind_is_not_used(clock: ManualClock) -> None:
    text = jwt.encode({"data": {}}, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers={"kid": "new"})
    with pytest.raises(WebhookRefused):
        receiver(Jwks("new"), clock).sessions(delivery=as_body(text))


def test_the_sandbox_signs_what_is_believed(clock: ManualClock) -> None:
    sandbox = IdnowSandbox(clock=clock)
    webhooks = IdnowPlatformWebhooks(
        keys=Http("https://sandbox.test/oidc/.well-known", serve=sandbox),
        issuer=ISSUER,
        audience=AUDIENCE,
        clock=clock,
    )
    headers, body = sandbox.platform_event("session-0", issuer=ISSUER, audience=AUDIENCE)
    assert webhooks.sessions(delivery=Delivery(headers=headers, body=body)) == ("session-0",)


@pytest.mark.parametrize("wrong", [{"issuer": ""}, {"audience": ""}])
def test_without_issuer_or_audience_anybody_s_token_would_do(clock: ManualClock, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        IdnowPlatformWebhooks(
            keys=Http("https://a.test", serve=Jwks()), clock=clock, **{"issuer": "i", "audience": "a", **wrong}
        )
