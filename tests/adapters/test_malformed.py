"""Ten thousand malformed webhooks and answers for each provider produce nothing but our errors.

A row of the tables below prepares a provider and gives one call. What comes out of it is an answer or an error of ours:
anything else fails, with the number of the message that did it. Twenty messages a row in `make test`, a thousand in CI
(`long`), ten thousand in `make full`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import itertools
import json
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from qcp_sdk.adapters.cmp import CmpAuthority, CmpClient, HeldKeys, SharedSecret
from qcp_sdk.adapters.cmp.authority import _subject
from qcp_sdk.adapters.cmp.client import Certified
from qcp_sdk.adapters.csc import ClientCredentials, CscAuthority, CscClient, CscSigner, CscTimestamps, OAuth
from qcp_sdk.adapters.csc.client import Version
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.fixed_lists import FixedLists
from qcp_sdk.adapters.http_revocation import HttpRevocation
from qcp_sdk.adapters.http_timestamps import HttpTimestamps
from qcp_sdk.adapters.idnow import IdnowHints, IdnowIdentity
from qcp_sdk.adapters.idnow.platform import IdnowPlatformWebhooks
from qcp_sdk.adapters.mail import MailBounces
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.oidc_accounts import OidcAccounts
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.fetching import Fetcher
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.notebook import MemoryNotebook
from qcp_sdk.adapters.shared.rfc3161 import TimeStampResp
from qcp_sdk.adapters.shared.webhooks import StandardWebhooks
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.sms_gateways import (
    BrevoGateway,
    BrevoReceipts,
    JsonGateway,
    SmsGateway,
    SmsReceipts,
    TwilioGateway,
    TwilioReceipts,
)
from qcp_sdk.adapters.stripe_identity import StripeIdentity, StripeWebhooks
from qcp_sdk.adapters.system import SystemClock
from qcp_sdk.adapters.universign import UniversignCertificates, UniversignRegistration, UniversignWebhooks
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import ConfigurationError, PortError, Unavailable, WebhookRefused
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox import cmp, idnow, sms, stripe, universign
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.testing.conformance.examples import START, account, application, collecte, digest, name_of
from qcp_sdk.testing.malforming import MalformedHttp, Malformer
from qcp_sdk.values import AccountId, CeremonyId, Key, Secret, SubscriptionId, joined
from qcp_sdk.verification.specification import _revoked_by
from tests.adapters.universign.service import BASE, contract, enrol, judge, pages_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FEW, SOME, MANY = 20, 1_000, 10_000
MARKS = {SOME: pytest.mark.long, MANY: pytest.mark.full}
Call = Callable[[int], object]
SECRET: Final = Secret("whsec_" + base64.b64encode(b"thirty-two bytes of a secret ...").decode())
EXAMPLES: Final = Path(__file__).parent / "examples" / "idnow"
SEED: Final = "malformed 20261125"


def run(call: Call, count: int, *, least: int = 25) -> None:
    """Try it so often; one in `least` has to be noticed."""
    refused = 0
    for number in range(count):
        try:
            call(number)
        except (PortError, WebhookRefused):
            refused += 1
        except Exception as error:
            raise AssertionError(f"message {number}: {type(error).__name__}") from error
    assert not least or refused > count / least, "hardly anything was refused: is anything malformed?"


def counts(names: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    both = [(name, count) for count in (FEW, SOME, MANY) for name in names]
    rows = [pytest.param(*one, marks=MARKS.get(one[1], ())) for one in both]
    return pytest.mark.parametrize(("name", "count"), rows)


# --- answers ------------------------------------------------------------------------------------------------------


def asking(name: str, path: str, **more: Any) -> tuple[Sandbox, MalformedHttp]:
    sandbox = Sandbox(base=ManualClock(START), only=[name])
    return sandbox, MalformedHttp(f"https://sandbox.test/{path}", serve=sandbox, seed=f"{SEED}/{name}", **more)


def of_idnow(folder: Path) -> Call:
    sandbox, http = asking("idnow", "idnow")
    identity = IdnowIdentity(
        http=http, go="https://go.test", company="c", api_key=Secret(idnow.API_KEY), clock=sandbox.clock,
        remember=folder,
    )  # fmt: skip
    session = identity.open(key=Key("s/1/0"), attempt=1, subscription=SubscriptionId("s"), person=account()).session
    sandbox.providers["idnow"].script({"transaction": session, "case": "LONGREVIEW", "capture": True})
    identity.ask(session=session)
    http.malforming = True

    def call(number: int) -> object:
        if number % 4:
            return identity.ask(session=session)
        key = Key(f"s{number}/1/0")
        return identity.open(key=key, attempt=1, subscription=SubscriptionId("s"), person=account())

    return call


class Forgetful:
    """Sessions of which nothing was ever told."""

    def opened(self, *, open: Callable[[], Any], **_: Any) -> Any:
        return open()

    def expires(self, _session: Any) -> Any:
        return START + timedelta(days=9)

    def verdict(self, _session: Any) -> None:
        return None

    def settled(self, _session: Any, verdict: Any) -> Any:
        return verdict


def of_stripe(folder: Path) -> Call:
    sandbox, http = asking("stripe", "stripe")
    identity = StripeIdentity(http=http, api_key=Secret(stripe.API_KEY), clock=sandbox.clock, remember=folder)
    session = identity.open(key=Key("s/1/0"), attempt=1, subscription=SubscriptionId("s"), person=account()).session
    sandbox.providers["stripe"].script({"session": session, "capture": True})
    sandbox.advance(timedelta(minutes=5))
    http.malforming = True

    def call(number: int) -> object:
        if number % 4 == 0:
            key = Key(f"s{number}/1/0")
            return identity.open(key=key, attempt=1, subscription=SubscriptionId("s"), person=account())
        # A verdict that was told stays: this session is told none.
        identity._sessions = Forgetful()  # type: ignore[assignment]
        return identity.ask(session=session)

    return call


def of_universign(folder: Path) -> Call:
    sandbox, http = asking("universign", "universign")
    key = Secret(universign.API_KEY)
    registration = UniversignRegistration(
        http=http, api_key=key, keys=MemoryKeys(), clock=sandbox.clock, remember=folder, redirect_url="https://a.test"
    )
    session = registration.open(key=Key("s/1/0"), subscription=SubscriptionId("s"), person=account()).session
    certificates = UniversignCertificates(http, api_key=key)
    registration.ask(session=session)
    http.malforming = True

    def call(number: int) -> object:
        if number % 3 == 0:
            return registration.open(key=Key(f"s{number}/1/0"), subscription=SubscriptionId("s"), person=account())
        if number % 3 == 1:
            return certificates.match(
                email="a@example.org", name="A B", mobile="+33639981316", level=CertificateLevel.QCP_N
            )
        state = registration._state(session)
        assert isinstance(state, str)
        return registration.probe()

    return call


def of_universign_pages(folder: Path) -> Call:
    """A transaction that was signed; a verdict on it that is told is forgotten again."""
    sandbox, http = asking("universign", "universign")
    enrol(sandbox)
    pages = pages_of(sandbox, folder, http=http, judge=judge(sandbox, folder / "trust"))
    content = FileShelf(folder / "documents").keep(content=contract())
    made = collecte(content)
    told = tuple((one.id, one.content) for one in made.documents)
    person = made.signatories[0].id

    def opened(number: int) -> Any:
        key, ceremony = Key(f"c{number}/3/0"), CeremonyId(f"c{number}")
        return pages.open(key=key, ceremony=ceremony, collecte=made, signatory=person, documents=told)

    session = opened(0).session
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as browser:
        browser.post(f"{BASE}/npds/{session.replace('tx_', 'act_', 1)}", data={"do": "sign"})
    pages.ask(session=session)
    http.malforming = True

    def call(number: int) -> object:
        if number % 10 == 0:
            return opened(number + 1)
        for what in ("ended", "refused"):
            pages._kept.forget(key=Key(joined("universign", what, session)))
        return pages.ask(session=session)

    return call


def of_csc(folder: Path, *, version: Version) -> Call:
    sandbox = CscSandbox(clock=ManualClock(START))
    made = sandbox.enrol(given="A", last="B", mobile=account().mobile.text)
    http = MalformedHttp("https://csc.test", serve=sandbox, seed=f"{SEED}/csc/{version}")
    oauth = OAuth(http=http, client_id="qcp-sdk", client_secret=Secret("sandbox"))
    client = CscClient(http, version=version)
    tokens = ClientCredentials(oauth, clock=sandbox.clock)
    signer = CscSigner(client, notebook=MemoryNotebook(), clock=sandbox.clock)
    authority = CscAuthority(client, notebook=MemoryNotebook(), clock=sandbox.clock, issuer="C")
    finger, digests = fingerprint_of(made.held.chain[0]), (digest("one"), digest("two"))
    challenge = signer.challenge(key=Key("c/0/0"), fingerprint=finger, digests=digests, language="fr")
    code = sandbox.sent[-1].code
    signer.activate(key=Key("c/1/0"), challenge=challenge.id, digests=digests, code=code)
    CscTimestamps(client).timestamp(digest=digests[0])
    oauth.client_token()
    http.malforming = True
    page = {"fingerprint": finger, "digests": [one.hex() for one in digests], "wrong": 0, "spent": False}
    page["not_after"] = (START + timedelta(days=1)).isoformat()

    def activated(number: int) -> object:
        with signer._notebook.open() as pages:
            pages.put(f"challenge/{number}", page)
            pages.put(f"newest/{finger}", {"challenge": str(number)})
        return signer.activate(key=Key(f"a{number}/1/0"), challenge=str(number), digests=digests, code=code)  # type: ignore[arg-type]

    calls: tuple[Call, ...] = (
        lambda _: client.info(),
        lambda _: signer.credential(fingerprint=finger),
        lambda n: signer.challenge(key=Key(f"c{n}/1/0"), fingerprint=finger, digests=digests, language="fr"),
        activated,
        lambda _: client.credentials(),
        lambda _: CscTimestamps(client).timestamp(digest=digests[0]),
        lambda _: oauth.client_token(),
        lambda _: tokens.header(),
        lambda n: authority.submit(key=Key(f"s{n}/1/0"), application=application(), request=name_of(b"r")),
        lambda _: authority.status(fingerprint=finger),
        lambda _: client.delete(made.id),
    )
    usable = calls if version == "v2" else (*calls[:6], *calls[6:8])
    return lambda number: usable[number % len(usable)](number)


GATEWAYS: Final[Mapping[str, Callable[[Http], SmsGateway]]] = {
    "json": lambda http: JsonGateway(http, token=Secret(sms.TOKEN)),
    "twilio": lambda http: TwilioGateway(http, account="AC1", token=Secret(sms.TOKEN), sender="MG1"),
    "brevo": lambda http: BrevoGateway(http, api_key=Secret(sms.TOKEN), sender="Etude"),
}


def of_sms(folder: Path, *, gateway: str) -> Call:
    _, http = asking("sms", "sms")
    made = GATEWAYS[gateway](http)
    http.malforming = True

    def call(number: int) -> object:
        if number % 5 == 0 and (probe := getattr(made, "probe", None)) is not None:
            return probe()
        made.hand_over(id="r", to=account().mobile, text="x", seconds=1)
        return None

    return call


def of_oidc(folder: Path) -> Call:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock  # type: ignore[import-untyped]

    app, person = oidc_provider_mock.app(), account()
    browser = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="https://op.example")
    claims = {
        "given_name": person.name.given, "family_name": person.name.last, "email": person.email.text,
        "email_verified": True, "phone_number": person.mobile.text, "locale": "fr",
        "cabinets": [{"id": one.id, "name": one.name} for one in person.cabinets],
    }  # fmt: skip
    browser.put(f"/users/{person.id}", json=claims)
    http = MalformedHttp("https://op.example", serve=app, seed=f"{SEED}/oidc")
    clock = ManualClock(SystemClock().now())
    accounts = OidcAccounts(
        http=http, issuer="https://op.example", client_id="qcp", client_secret=Secret("s"), keys=MemoryKeys(),
        redirect_url="https://host.example/back", clock=clock, remember=folder,
    )  # fmt: skip
    begun = accounts.sign_in()
    back = httpx.URL(browser.post(begun.url, data={"sub": person.id}).headers["Location"]).params
    accounts.signed_in(begun, state=back["state"], code=back["code"])
    accounts.account(id=person.id)
    http.malforming = True

    def call(number: int) -> object:
        if number % 7 == 0:
            accounts._metadata = None
        if number % 3:
            return accounts.account(id=AccountId(person.id))
        return accounts.signed_in(begun, state=begun.state, code="code")

    return call


def of_cmp(folder: Path) -> Call:
    """One client a kind of message: what was answered to the first is what is malformed."""
    sandbox = Sandbox(base=ManualClock(START), only=["cmp"])
    served = sandbox.providers["cmp"]
    assert isinstance(served, cmp.CmpSandbox)
    served.iterations = 1
    transactions = itertools.count()
    https: list[MalformedHttp] = []

    def client() -> CmpClient:
        https.append(MalformedHttp("https://sandbox.test/cmp", serve=sandbox, seed=f"{SEED}/cmp/{len(https)}"))
        return CmpClient(
            https[-1],
            protection=_Believing(cmp.REFERENCE, Secret(cmp.SECRET), iterations=1),
            authority=served.pki.authority,
            clock=sandbox.clock,
            draw=bytes,  # the same nonces always, so that what is repeated still answers
        )

    person = _subject(application())
    held = HeldKeys(folder, Secret("p"), work=2)
    csr, one, two, three, four = held.request("h", person), client(), client(), client(), client()
    certified = one.request(csr, transaction=bytes(16))
    assert isinstance(certified, Certified)
    two.confirm(certified, transaction=bytes(16))
    served.pending_after = timedelta(hours=1)
    four.request(csr, transaction=b"1" * 16)
    four.poll(transaction=b"1" * 16, request=-1, nonce=bytes(16))
    serial = x509.load_der_x509_certificate(certified.certificate).serial_number
    three.revoke(serial_number=serial, reason="superseded")
    authority = CmpAuthority(
        one, chain=(served.pki.authority, served.pki.root), keys=held, revocation=served.pki,
        notebook=MemoryNotebook(), clock=sandbox.clock, issuer="C",
    )  # fmt: skip
    for each in https:
        each.malforming = True
    calls: tuple[Call, ...] = (
        lambda _: one.request(csr, transaction=bytes(16)),
        lambda _: two.confirm(certified, transaction=bytes(16)),
        lambda _: three.revoke(serial_number=serial, reason="superseded"),
        lambda _: four.poll(transaction=b"1" * 16, request=-1, nonce=bytes(16)),
        lambda _: authority.submit(
            key=Key(f"s{next(transactions)}/1/0"), application=application(), request=name_of(b"r")
        ),
    )
    return lambda number: calls[4 if number % 25 == 0 else number % 4](number)  # a submission makes a key


class _Believing(SharedSecret):
    """Believes that every message is protected: what is malformed gets further."""

    def holds(self, algorithm: Any, part: bytes, value: bytes) -> bool:
        super().holds(algorithm, part, value)
        return True


class Lying(Fetcher):
    """Fetches what it is given, malformed."""

    def __init__(self, answer: bytes, seed: str) -> None:
        super().__init__()
        self.answer, self.malformer = answer, Malformer(seed)

    def get(self, address: str, **_: Any) -> bytes:
        return self.malformer.body(self.answer)

    def post(self, address: str, body: bytes, **_: Any) -> bytes:
        return self.malformer.body(self.answer)


def of_timestamps(folder: Path) -> Call:
    from asn1crypto import cms as cms_shapes  # type: ignore[import-untyped]

    token = SandboxPki(clock=ManualClock(START)).timestamp(digest("one"), nonce=1 << 62)
    told = {"status": {"status": "granted"}, "time_stamp_token": cms_shapes.ContentInfo.load(token)}
    made = HttpTimestamps("https://tsa.test", fetcher=Lying(TimeStampResp(told).dump(), f"{SEED}/tsa"))
    return lambda _: made.timestamp(digest=digest("one"))


def of_revocation(folder: Path, *, what: str) -> Call:
    pki = SandboxPki(clock=ManualClock(START))
    held = pki.holder(given="A", last="B")
    answers = {
        "ocsp": pki.ocsp(certificate=held.chain[0], issuer=pki.authority),
        "crl": pki.crl(issuer=pki.authority),
        "issuer": pki.authority,
    }
    made = HttpRevocation(Lying(answers[what] or b"", f"{SEED}/{what}"), keep=timedelta())
    calls: dict[str, Call] = {
        "ocsp": lambda _: made.ocsp(certificate=held.chain[0], issuer=pki.authority),
        "crl": lambda _: made.crl(issuer=pki.authority, certificate=held.chain[0]),
        "issuer": lambda _: made.issuer(certificate=held.chain[0]),
    }
    return calls[what]


ANSWERS: Final[dict[str, Callable[[Path], Call]]] = {
    "idnow": of_idnow,
    "stripe": of_stripe,
    "universign": of_universign,
    "universign-pages": of_universign_pages,
    "csc-v1": functools.partial(of_csc, version="v1"),
    "csc-v2": functools.partial(of_csc, version="v2"),
    **{f"sms-{name}": functools.partial(of_sms, gateway=name) for name in GATEWAYS},
    "oidc": of_oidc,
    "cmp": of_cmp,
    "timestamps": of_timestamps,
    **{f"revocation-{what}": functools.partial(of_revocation, what=what) for what in ("ocsp", "crl", "issuer")},
}


@counts(ANSWERS)
def test_malformed_answers_produce_nothing_but_our_errors(name: str, count: int, tmp_path: Path) -> None:
    run(ANSWERS[name](tmp_path), count)


# --- webhooks -----------------------------------------------------------------------------------------------------


Receive = Callable[[Delivery], object]
Made = tuple[Receive, Delivery, Callable[[bytes], Delivery] | None]
"""A receiver, what is genuine, and how the provider itself would send such a body: signed, and still malformed."""


def idnow_hints(_: Path) -> Made:
    hints = IdnowHints(["192.0.2.7"])
    body = (EXAMPLES / "result-success.json").read_bytes()
    return (lambda one: hints.sessions(delivery=one)), Delivery(headers={}, body=body, source="192.0.2.7"), None


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def idnow_platform(_: Path) -> Made:
    clock = ManualClock(START)
    key = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key())), "kid": "k"}

    def jwks(_environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"keys": [key]}).encode()]

    webhooks = IdnowPlatformWebhooks(keys=Http("https://i.test", serve=jwks), issuer="i", audience="a", clock=clock)
    now = int(START.timestamp())
    claims = {"iss": "i", "aud": "a", "iat": now, "exp": now + 300, "data": {"payload": {"sessionId": "s-0"}}}

    def signed(content: bytes) -> Delivery:
        made = jwt.api_jws.encode(content, rsa_key(), algorithm="RS256", headers={"kid": "k"})
        return Delivery(headers={"Content-Type": "application/jwt"}, body=made.encode())

    return (lambda one: webhooks.sessions(delivery=one)), signed(json.dumps(claims).encode()), signed


def of_stripe_webhooks(_: Path) -> Made:
    clock = ManualClock(START)
    webhooks = StripeWebhooks((Secret(stripe.WEBHOOK_SECRET),), clock=clock)
    body = b'{"type":"identity.verification_session.verified","data":{"object":{"id":"vs_1"}}}'

    def signed(content: bytes) -> Delivery:
        headers = {"Stripe-Signature": stripe.signed(stripe.WEBHOOK_SECRET, START, content)}
        return Delivery(headers=headers, body=content)

    return (lambda one: webhooks.sessions(delivery=one)), signed(body), signed


def standard(_: Path) -> Made:
    webhooks = StandardWebhooks([SECRET], clock=ManualClock(START))
    body = b'{"type":"a.b","data":{"id":"1"}}'
    genuine = Delivery(headers=webhooks.sign(id="m", body=body), body=body)
    return webhooks.check, genuine, None


def sms_receipts(folder: Path) -> Made:
    signatures = StandardWebhooks([SECRET], clock=ManualClock(START))
    receipts = SmsReceipts(signatures=signatures, remember=folder)
    body = b'{"type":"sms.undelivered","data":{"reference":"r-1"}}'

    def signed(content: bytes) -> Delivery:
        return Delivery(headers=signatures.sign(id="m", body=content), body=content)

    return (lambda one: receipts.undelivered(delivery=one)), signed(body), signed


def of_universign_webhooks(_: Path) -> Made:
    key = {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key())), "kid": "k"}

    def jwks(_environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps({"keys": [key]}).encode()]

    webhooks = UniversignWebhooks(keys=Http("https://u.test", serve=jwks), clock=ManualClock(START))
    told = {"object": "event", "id": "evt_1", "type": "transaction.lifecycle.completed"}
    body = json.dumps(told | {"payload": {"object": {"object": "transaction", "id": "tx_1"}}}).encode()

    def signed(content: bytes) -> Delivery:
        head, _, mac = jwt.PyJWS().encode(content, rsa_key(), algorithm="PS256", headers={"kid": "k"}).split(".")
        return Delivery(headers={"X-JWS-Signature": f"{head}..{mac}"}, body=content)

    return (lambda one: webhooks.sessions(delivery=one)), signed(body), signed


def twilio_receipts(folder: Path) -> Made:
    url, token = "https://host.example/hooks/twilio", Secret("a token")
    receipts = TwilioReceipts([token], url=url, remember=folder)

    def signed(content: bytes) -> Delivery:
        fields = sorted(set(parse_qsl(content.decode(errors="replace"), keep_blank_values=True)))
        said = url + "".join(name + value for name, value in fields)
        mac = hmac.new(token.reveal().encode(), said.encode(errors="replace"), hashlib.sha1).digest()
        return Delivery(headers={"X-Twilio-Signature": base64.b64encode(mac).decode()}, body=content)

    genuine = signed(b"MessageSid=SM1&MessageStatus=undelivered")
    return (lambda one: receipts.undelivered(delivery=one)), genuine, signed


def brevo_receipts(folder: Path) -> Made:
    KeptAnswers(folder / "names").put(key=Key("r-1"), answer=json.dumps("s/1/0"))
    told = json.dumps({"events": [{"event": "hardBounces", "tag": "r-1", "messageId": 7}]}).encode()

    def statistics(_environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start("200 OK", [("Content-Type", "application/json")])
        return [told]

    http = MalformedHttp("https://b.test", serve=statistics, seed=f"{SEED}/brevo")
    receipts = BrevoReceipts(http, api_key=Secret("k"), remember=folder)
    genuine = Delivery(headers={}, body=b'{"msg_status":"hard_bounce","tag":"r-1","messageId":7}')
    assert receipts.undelivered(delivery=genuine) == "s/1/0"

    def receive(delivery: Delivery) -> object:
        http.malforming = delivery is not genuine
        return receipts.undelivered(delivery=delivery)

    return receive, genuine, None


def mail_bounces(folder: Path) -> Made:
    bounces = MailBounces(remember=folder)
    body = (
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n"
        b"Final-Recipient: rfc822; a@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n"
        b"Content-Type: message/rfc822\r\n\r\nMessage-ID: <one@host.example>\r\nSubject: x\r\n\r\nx\r\n--b--\r\n"
    )
    return (lambda one: bounces.undelivered(message=one.body)), Delivery(headers={}, body=body), None


TOTAL: Final = {"mail-bounces", "brevo-receipts"}
"""Receivers that take anything: what is none of theirs is any other mail, or about no message."""
WEBHOOKS: Final[dict[str, Callable[[Path], Made]]] = {
    "idnow-gateway": idnow_hints,
    "idnow-platform": idnow_platform,
    "stripe": of_stripe_webhooks,
    "standard": standard,
    "sms-receipts": sms_receipts,
    "universign": of_universign_webhooks,
    "twilio-receipts": twilio_receipts,
    "brevo-receipts": brevo_receipts,
    "mail-bounces": mail_bounces,
}


@counts(WEBHOOKS)
def test_malformed_webhooks_produce_nothing_but_our_errors(name: str, count: int, tmp_path: Path) -> None:
    receive, genuine, signed = WEBHOOKS[name](tmp_path)
    receive(genuine)
    malformer = Malformer(f"{SEED}/{name}")
    inner = _inner(genuine, name)

    def call(number: int) -> object:
        if signed is not None and number % 4 == 0:
            return receive(signed(malformer.body(inner)))
        return receive(malformer.delivery(genuine))

    run(call, count, least=0 if name in TOTAL else 25)


def _inner(genuine: Delivery, name: str) -> bytes:
    """Give what is signed: of a JWT, its claims."""
    if name != "idnow-platform":
        return genuine.body
    payload = genuine.body.split(b".")[1]
    return base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))


def versioned(content: bytes, before: bytes, after: bytes) -> bytes:
    at = content.index(before)
    return content[:at] + after + content[at + len(before) :]


def test_a_version_that_there_is_not_is_no_error_of_the_library() -> None:
    """Found here: `cryptography` raises `InvalidVersion`, which is no `ValueError`."""
    pki = SandboxPki(clock=ManualClock(START))
    held = pki.holder(given="A", last="B")
    crl = versioned(pki.crl(issuer=pki.authority) or b"", b"\x02\x01\x01", b"\x02\x01\x07")
    wrong = versioned(held.chain[0], b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07")
    lying = Lying(crl, "")
    lying.malformer.body = lambda content: content  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        HttpRevocation(lying, keep=timedelta()).crl(issuer=pki.authority, certificate=held.chain[0])
    with pytest.raises(Unavailable):
        HttpRevocation(lying).issuer(certificate=wrong)
    assert checked(wrong, digest("one"), b"value") == b""
    assert not _revoked_by(crl, held.serial, START, None)
    with pytest.raises(ConfigurationError):
        FixedLists([(wrong, None)])
    assert FixedLists([(pki.authority, None)]).issuer(certificate=wrong) is None


def test_the_same_seed_makes_the_same_messages() -> None:
    body = (EXAMPLES / "result-success.json").read_bytes()
    one, other = Malformer(7), Malformer(7)
    made = [one.body(body) for _ in range(500)]
    assert made == [other.body(body) for _ in range(500)]
    assert len({hashlib.sha256(each).digest() for each in made}) > 350
    assert any(len(each) > 100_000 for each in made)
    assert any(b"NaN" in each for each in made)
    assert any(b"\\ud800" in each for each in made)
