"""A hostile service, and hostile clients: nothing but errors of ours comes out, and the sandbox stays up."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from io import BytesIO
from typing import Any

import pytest

from qcp_sdk.adapters.csc import CscAuthority, CscClient, CscSigner, CscTimestamps, OAuth
from qcp_sdk.adapters.csc.client import Version
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http, Limits
from qcp_sdk.adapters.shared.notebook import MemoryNotebook
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import PortError
from qcp_sdk.ports.signer import SigningPending
from qcp_sdk.testing.conformance.base import only_port_errors
from qcp_sdk.testing.conformance.examples import START, account, application, digest, name_of
from qcp_sdk.values import Key, Secret
from tests.adapters.csc.service import BASE, Service

ROUNDS = (60, pytest.param(5_000, marks=pytest.mark.full))
"""Altered answers for each version; every round is a whole journey with one lie in it."""
WHOLE: tuple[tuple[str, str, bytes], ...] = (
    ("200 OK", "text/html", b"<html><body>Welcome</body></html>"),
    ("200 OK", "application/json", b""),
    ("200 OK", "application/json", b"null"),
    ("200 OK", "application/json", b"[]"),
    ("200 OK", "application/json", b"[" * 50_000),
    ("200 OK", "application/json", b'{"SAD": "' + b"x" * 200_000),
    ("200 OK", "application/json", b"\xff\xfe\x00"),
    ("200 OK", "application/json", b'{"SAD": "x", "expiresIn": 1e999}'),
    ("200 OK", "application/json", b'{"expiresIn": ' + b"9" * 5_000 + b"}"),
    ("204 No Content", "application/json", b""),
    ("301 Moved Permanently", "text/html", b"elsewhere"),
    ("401 Unauthorized", "application/json", b'{"error": "invalid_token"}'),
    ("418 I'm a teapot", "text/plain", b"short and stout"),
    ("500 Internal Server Error", "text/html", b"<pre>Traceback</pre>"),
    ("999 What", "application/json", b'{"error": {"a": []}}'),
)
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", "\ud800", "é" * 3_000, "AAAA", "MIIB",
    [], [None], [[]], {}, {"a": {}}, ["x"] * 2_000,
)  # fmt: skip


class Liar:
    """Passes requests on to an honest service, and alters what it answers."""

    def __init__(self, honest: Service, alter: Callable[[str, int, bytes], tuple[str, str, bytes]]) -> None:
        self.honest, self.alter = honest, alter

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        told: list[Any] = []
        body = b"".join(self.honest(environ, lambda status, headers: told.append(status)))
        status, kind, body = self.alter(environ["PATH_INFO"], int(told[0][:3]), body)
        start(status, [("Content-Type", kind), ("Location", "https://elsewhere.example.org/")])
        return [body]


def altered(chance: random.Random, body: bytes) -> bytes:
    """Give JSON with one member of it changed, or its octets changed."""
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    if not isinstance(told, dict) or not told or chance.random() < 0.2:
        if not body:
            return json.dumps(chance.choice(ODD)).encode()
        at = chance.randrange(len(body))
        return chance.choice((body[:at], body[:at] + b"\x00" + body[at:], body[:at] + body[at + 1 :], body * 2))
    place: dict[str, Any] = told
    while place:
        name = chance.choice(list(place))
        if isinstance(place[name], dict) and place[name] and chance.random() < 0.7:
            place = place[name]
            continue
        if isinstance(place[name], list) and place[name] and chance.random() < 0.5:
            place[name] = [*place[name], chance.choice(ODD)]
        elif chance.random() < 0.2:
            del place[name]
        else:
            place[name] = chance.choice(ODD)
        break
    return json.dumps(told).encode()


def lying(
    chance: random.Random, at: int, calls: Iterator[int], _path: str, status: int, body: bytes
) -> tuple[str, str, bytes]:
    """Alter the answer to one of a journey's calls."""
    if next(calls) != at:
        return f"{status} As it was", "application/json", body
    if chance.random() < 0.3:
        return chance.choice(WHOLE)
    return f"{status} As it was", "application/json", altered(chance, body)


def journey(service: Service, liar: Liar, version: Version) -> list[PortError]:
    """Do everything that the adapters do, on what the liar answers; give the errors."""
    clock, failed = service.sandbox.clock, list[PortError]()
    client = CscClient(Http(BASE, serve=liar, limits=Limits(size=100_000)), version=version)
    notebook = MemoryNotebook()
    signer = CscSigner(client, notebook=notebook, clock=clock)
    made = service.enrol()
    fingerprint, digests = fingerprint_of(made.held.chain[0]), (digest("one"), digest("two"))

    def attempt(call: Callable[[], Any]) -> Any:
        told = only_port_errors(call)
        if isinstance(told, PortError):
            failed.append(told)
            return None
        return told

    attempt(client.info)
    attempt(lambda: signer.credential(fingerprint=fingerprint))
    attempt(lambda: CscTimestamps(client).timestamp(digest=digests[0]))
    challenge = attempt(
        lambda: signer.challenge(key=Key("c/1/0"), fingerprint=fingerprint, digests=digests, language="fr")
    )
    if challenge is not None and service.sandbox.sent:
        code = service.sandbox.sent[-1].code
        for _ in range(2):
            answers = attempt(
                lambda: signer.activate(key=Key("c/2/0"), challenge=challenge.id, digests=digests, code=code)
            )
            if isinstance(answers, SigningPending):
                attempt(partial(signer.poll, handle=answers.handle))
    if version == "v2":
        authority = CscAuthority(client, notebook=notebook, clock=clock, issuer="Liar")
        attempt(lambda: authority.submit(key=Key("s/1/0"), application=application(), request=name_of(b"the request")))
        for one in attempt(lambda: authority.holdings(account=account())) or ():
            issued = one.certificate.fingerprint
            attempt(partial(authority.status, fingerprint=issued))
            attempt(partial(authority.revoke, key=Key("r/1/0"), fingerprint=issued, reason="superseded"))
    server = OAuth(http=Http(BASE, serve=liar), client_id="qcp-sdk", client_secret=Secret("sandbox"))
    attempt(server.client_token)
    service.sandbox.credentials.clear()
    return failed


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_service_that_answers_anything_gets_nothing_but_our_errors(version: Version, rounds: int) -> None:
    service, chance, failed = Service(ManualClock(START)), random.Random(27), 0
    for _ in range(rounds):
        at = chance.randrange(8)  # which of the journey's calls is lied about
        calls = iter(range(10_000))
        failed += bool(journey(service, Liar(service, partial(lying, chance, at, calls)), version))
    assert failed > rounds / 4, "the lies were not noticed: is anything lied about?"


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("answer", WHOLE, ids=str)
def test_a_service_that_says_nothing_else(version: Version, answer: tuple[str, str, bytes]) -> None:
    service = Service(ManualClock(START))
    assert journey(service, Liar(service, lambda *_: answer), version)


def test_whatever_is_asked_the_sandbox_answers_in_its_own_words() -> None:
    service, chance = Service(ManualClock(START)), random.Random(28)
    made = service.enrol(pin=Secret("2468"))
    methods = sorted({one.path.pattern for one in type(service.sandbox)._routes})
    names = (
        "credentialID", "numSignatures", "hash", "hashes", "hashAlgo", "hashAlgorithmOID", "SAD", "PIN", "OTP",
        "authData", "signAlgo", "handle", "requestID", "authObjectID", "nonce", "credentialCreationRequest",
        "clientData", "pageToken", "maxResults", "userID", "certificates", "certInfo", "operationMode",
    )  # fmt: skip
    some = (*ODD, made.id, "2.16.840.1.101.3.4.2.1", "OTP", [{"id": "OTP", "value": 1}], {"certificatePolicy": "x"})
    assert len(methods) > 10
    for _ in range(2_000):
        path = (
            chance.choice(methods).replace(r"(?P<version>[^/]+)", chance.choice(("v1", "v2", "v3"))).replace("\\", "")
        )
        told: Any = {name: chance.choice(some) for name in chance.sample(names, 8)} | {"credentialID": made.id}
        body = json.dumps(told if chance.random() < 0.9 else chance.choice(ODD)).encode()
        if chance.random() < 0.1:
            body = body[: chance.randrange(len(body) + 1)]
        said: list[Any] = []
        environ = {
            "REQUEST_METHOD": chance.choice(("POST", "POST", "POST", "GET")),
            "PATH_INFO": path,
            "QUERY_STRING": "client_id=qcp-sdk&redirect_uri=https://[&scope=credential&hash=%ff",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            "wsgi.url_scheme": "https",
        }
        answer = b"".join(service(environ, lambda status, headers: said.append(status)))  # noqa: B023
        assert int(said[0][:3]) < 500
        assert int(said[0][:3]) < 400 or json.loads(answer)["error"]
