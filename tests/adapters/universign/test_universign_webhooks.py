"""Universign's events: the exam of webhooks, the ways in which a detached JWS can lie, and what the sandbox sends."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any, Final

import jwt
import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jws
from joserfc.jwk import RSAKey

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.universign import UniversignWebhooks
from qcp_sdk.errors import Unavailable, WebhookRefused
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.testing.conformance.webhooks import ROTATION, WINDOW, WebhooksConformance
from qcp_sdk.values import SessionId
from tests.adapters.universign.service import BASE, contract, universign_of

KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwks(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    assert environ["PATH_INFO"] == "/v1/webhooks/jwks.json"
    start("200 OK", [])
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return [json.dumps({"keys": [{**public, "kid": "scd_1", "use": "sig"}]}).encode()]


def signed(body: bytes, *, key: Any = KEY, algorithm: str = "PS256", **more: object) -> Delivery:
    head, _, mac = jwt.PyJWS().encode(body, key, algorithm=algorithm, headers={"kid": "scd_1", **more}).split(".")
    return Delivery(headers={"X-JWS-Signature": f"{head}..{mac}"}, body=body)


def event(session: str = "session-0", kind: str = "transaction.lifecycle.completed") -> bytes:
    told = {"object": "transaction", "id": session} if kind.startswith("tr") else {"transaction_id": session}
    return json.dumps({"object": "event", "id": "evt_1", "type": kind, "payload": {"object": told}}).encode()


class TestUniversignWebhooks(WebhooksConformance):
    lacks = frozenset({WINDOW, ROTATION})

    def make_webhooks(self) -> UniversignWebhooks:
        return UniversignWebhooks(keys=Http("https://api.universign.test", serve=jwks), clock=self.clock)

    def genuine(self, session: SessionId) -> Delivery:
        return signed(event(session))


@pytest.fixture
def webhooks() -> UniversignWebhooks:
    return UniversignWebhooks(keys=Http("https://api.universign.test", serve=jwks), clock=ManualClock(START))


@pytest.mark.parametrize("kind", ["action.opened", "action.closed", "action.stalled"])
def test_an_action_names_its_transaction(webhooks: UniversignWebhooks, kind: str) -> None:
    assert webhooks.sessions(delivery=signed(event(kind=kind))) == ("session-0",)


@pytest.mark.parametrize("payload", [None, {}, {"object": 7}, {"object": {"object": "apikey", "id": "key_1"}}])
def test_an_event_about_no_transaction_names_none(webhooks: UniversignWebhooks, payload: object) -> None:
    body = json.dumps({"type": "apikey.created", "payload": payload}).encode()
    assert webhooks.sessions(delivery=signed(body)) == ()


def test_other_algorithms_keys_and_parameters_are_refused(webhooks: UniversignWebhooks) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body = event()
    good = signed(body)
    head, _, mac = good.headers["x-jws-signature"].split(".")
    attached = f"{head}.{base64.urlsafe_b64encode(body).rstrip(b'=').decode()}.{mac}"
    lies = {
        "forged": [
            signed(body, key=other),
            signed(body, algorithm="RS256"),
            signed(body, key="a" * 64, algorithm="HS256"),
            signed(body, key=None, algorithm="none"),
            signed(body, kid="scd_2"),
            evolve(good, body=body.replace(b"session-0", b"session-1")),
        ],
        "malformed": [
            signed(body, jku="https://evil.example/jwks.json"),
            signed(body, jwk={}),
            evolve(good, headers={"X-JWS-Signature": attached}),
            evolve(good, headers={"X-JWS-Signature": "a..b..c"}),
        ],
        "unsigned": [evolve(good, headers={})],
    }
    for reason, deliveries in lies.items():
        for delivery in deliveries:
            with pytest.raises(WebhookRefused) as refused:
                webhooks.sessions(delivery=delivery)
            assert refused.value.reason == reason


def test_without_keys_nobody_is_believed_or_refused() -> None:
    def down(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        start("503 Down", [])
        return [b""]

    webhooks = UniversignWebhooks(keys=Http("https://api.universign.test", serve=down), clock=ManualClock(START))
    with pytest.raises(Unavailable):
        webhooks.sessions(delivery=signed(event()))


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox(base=ManualClock(START), only=["universign"])
    universign_of(made).script({"webhook": "https://host.example/universign"})
    return made


def transact(sandbox: Sandbox) -> str:
    """Draft and start a transaction that needs no certificate."""
    http, key = Http(BASE, serve=sandbox), {"authorization": "Bearer sandbox-universign-key"}

    def post(path: str, **form: str) -> Any:
        return http.ask("POST", path, acts=False, form=form, headers=key).json()

    parts = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + contract() + b"\r\n--b--\r\n"
    sent = {**key, "content-type": "multipart/form-data; boundary=b"}
    file = http.ask("POST", "/v1/files", acts=False, content=parts, headers=sent).json()["id"]
    place = f"/v1/transactions/{(id := post('/v1/transactions')['id'])}"
    document = post(f"{place}/documents", document=file)["id"]
    field = post(f"{place}/documents/{document}/fields")["id"]
    post(f"{place}/signatures", signer="a@example.org", field=field)
    post(f"{place}/start")
    return str(id)


def test_the_sandbox_s_events_are_believed_and_forged_ones_refused(sandbox: Sandbox) -> None:
    session = transact(sandbox)
    universign_of(sandbox).script({"transaction": session, "decline": True})
    webhooks = UniversignWebhooks(keys=Http(BASE, serve=sandbox), clock=sandbox.clock)
    sent = sandbox.office.webhooks()
    kinds = [json.loads(one.body)["type"] for one in sent]
    assert kinds == [
        "transaction.lifecycle.created", "transaction.lifecycle.started", "action.opened", "action.stalled",
    ]  # fmt: skip
    for one in sent:
        assert webhooks.sessions(delivery=Delivery(headers=one.headers, body=one.body)) == (session,)
    sandbox.forge(sent[0].number)
    forged = sandbox.office.webhooks()[-1]
    with pytest.raises(WebhookRefused, match="signature"):
        webhooks.sessions(delivery=Delivery(headers=forged.headers, body=forged.body))


def test_another_library_believes_the_sandbox_s_signatures(sandbox: Sandbox) -> None:
    """joserfc, of Authlib's authors: the sandbox's signer and our checker are the same library's."""
    transact(sandbox)
    told = Http(BASE, serve=sandbox).ask("GET", "/v1/webhooks/jwks.json", acts=False).json()
    key = RSAKey.import_key(told["keys"][0])
    sent = sandbox.office.webhooks()[0]
    head, _, mac = sent.headers["X-JWS-Signature"].split(".")
    whole = f"{head}.{base64.urlsafe_b64encode(sent.body).rstrip(b'=').decode()}.{mac}"
    assert jws.deserialize_compact(whole, key, algorithms=["PS256"]).payload == sent.body
