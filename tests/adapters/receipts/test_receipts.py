"""What gateways and mail servers say afterwards comes back as facts: receipts of each, proven or asked for."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from aiosmtpd.controller import Controller
from twilio.base.exceptions import TwilioRestException  # type: ignore[import-untyped]
from twilio.http.response import Response as TwilioResponse  # type: ignore[import-untyped]
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]
from twilio.rest import Client as TwilioClient  # type: ignore[import-untyped]

from qcp_sdk.adapters.mail import MailBounces, Security, SmtpCodes, SmtpServer
from qcp_sdk.adapters.mailbox import MailboxCodes
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.bounces import undelivered_id
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.letters import Sender, message_id
from qcp_sdk.adapters.shared.messages import Links, Renderer
from qcp_sdk.adapters.sms_gateways import (
    BrevoGateway,
    BrevoReceipts,
    SmsCodes,
    SmsGateway,
    TwilioGateway,
    TwilioReceipts,
)
from qcp_sdk.errors import ConfigurationError, Erased, Unavailable, WebhookRefused
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.receipts import undelivered
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.bounces import bounce
from qcp_sdk.sandbox.faults import Fault, FaultKind
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.sms import TOKEN, SmsSandbox
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.scene import Scene
from qcp_sdk.testing.spoiling import spoil_body
from qcp_sdk.values import EmailAddress, Key, Secret

EXAMPLES: Final = Path(__file__).parents[1] / "examples" / "receipts"
SENDER: Final = Sender(address=EmailAddress("signature@host.example"), name="Étude")
RENDERER: Final = Renderer(
    links=Links(
        account="https://host.example/certificates",
        subscription="https://host.example/subscriptions/{subscription}",
        signing="https://host.example/sign/{ceremony}",
        verify="https://host.example/verify",
        sms_host="host.example",
    ),
    platform="Étude",
)
KEY: Final = Key("s/1/0")
CALLBACK: Final = "https://host.example/twilio?tenant=1"
BASE: Final = "https://sandbox.test/sms"


def example(name: str, **filled: str) -> bytes:
    text = (EXAMPLES / name).read_text("utf-8")
    for place, value in filled.items():
        text = text.replace(f"{{{place}}}", value)
    return text.encode()


def sms_of(sandbox: Sandbox) -> SmsSandbox:
    provider = sandbox.providers["sms"]
    assert isinstance(provider, SmsSandbox)
    return provider


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox(base=ManualClock(START), only=["sms"])
    sms_of(made).script({"undelivered": account().mobile.text})
    return made


def twilio(http: Http) -> TwilioGateway:
    return TwilioGateway(http, account="AC1", token=Secret(TOKEN), sender="+15005550006", receipts=CALLBACK)


def brevo(http: Http) -> BrevoGateway:
    return BrevoGateway(http, api_key=Secret(TOKEN), sender="Etude", receipts="https://host.example/brevo")


def sent(sandbox: Sandbox, gateway: SmsGateway, folder: Path, key: Key = KEY) -> Delivery:
    """Send a code, and give what the gateway says of it afterwards."""
    codes = SmsCodes(gateway=gateway, renderer=RENDERER, clock=sandbox.clock, remember=folder)
    codes.send(
        key=key,
        channel=Channel.SMS,
        to=account().mobile,
        code=Secret("1234567"),
        purpose=Purpose.SIGN,
        language="fr",
        not_after=START + timedelta(minutes=3),
    )
    webhook = sandbox.office.webhooks()[-1]
    return Delivery(headers=webhook.headers, body=webhook.body)


# Twilio.


def reference_of(sandbox: Sandbox) -> str:
    return parse_qs(urlsplit(sandbox.office.webhooks()[-1].url).query)["reference"][0]


@pytest.mark.parametrize("secrets", [(TOKEN,), ("new-token", TOKEN)])
def test_twilio_s_callback_names_its_key(sandbox: Sandbox, tmp_path: Path, secrets: tuple[str, ...]) -> None:
    delivery = sent(sandbox, twilio(Http(BASE, serve=sandbox)), tmp_path)
    receipts = TwilioReceipts([Secret(one) for one in secrets], url=CALLBACK, remember=tmp_path)
    assert receipts.undelivered(delivery=delivery, reference=reference_of(sandbox)) == KEY


def test_a_callback_without_our_reference_is_known_by_its_sid(sandbox: Sandbox, tmp_path: Path) -> None:
    """As where the address is set on a messaging service, and not by us."""
    sent(sandbox, twilio(Http(BASE, serve=sandbox)), tmp_path)
    body = example("twilio-undelivered.txt", id=sms_of(sandbox).taken[0].id).strip()
    told = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    signature = RequestValidator(TOKEN).compute_signature(CALLBACK, told)
    receipts = TwilioReceipts([Secret(TOKEN)], url=CALLBACK, remember=tmp_path)
    delivery = Delivery(headers={"X-Twilio-Signature": signature}, body=body)
    assert receipts.undelivered(delivery=delivery) == KEY
    elsewhere = TwilioReceipts([Secret(TOKEN)], url=CALLBACK, remember=tmp_path / "another")
    assert elsewhere.undelivered(delivery=delivery) is None


def test_an_arrived_message_is_no_news(sandbox: Sandbox, tmp_path: Path) -> None:
    sms_of(sandbox).undelivered.clear()
    delivery = sent(sandbox, twilio(Http(BASE, serve=sandbox)), tmp_path)
    receipts = TwilioReceipts([Secret(TOKEN)], url=CALLBACK, remember=tmp_path)
    assert receipts.undelivered(delivery=delivery, reference=reference_of(sandbox)) is None


@pytest.mark.parametrize(
    ("headers", "body", "reference", "reason"),
    [
        ({}, None, None, "unsigned"),
        ({"X-Twilio-Signature": "é"}, None, None, "forged"),
        (None, b"MessageStatus=undelivered&MessageSid=SM1", None, "forged"),
        (None, None, "msg_another", "forged"),
        (None, None, "", "forged"),
        (None, b"\xff\xfe", None, "malformed"),
        (None, b"no form", None, "malformed"),
        (None, b"a=1&" * 200, None, "malformed"),
        (None, b"a=" + b"b" * (1 << 17), None, "too_large"),
    ],
)
def test_what_twilio_did_not_sign_is_refused(
    sandbox: Sandbox,
    tmp_path: Path,
    headers: Mapping[str, str] | None,
    body: bytes | None,
    reference: str | None,
    reason: str,
) -> None:
    genuine = sent(sandbox, twilio(Http(BASE, serve=sandbox)), tmp_path)
    receipts = TwilioReceipts([Secret(TOKEN)], url=CALLBACK, remember=tmp_path)
    delivery = Delivery(
        headers=genuine.headers if headers is None else headers, body=genuine.body if body is None else body
    )
    with pytest.raises(WebhookRefused) as refused:
        receipts.undelivered(delivery=delivery, reference=reference_of(sandbox) if reference is None else reference)
    assert refused.value.reason == reason
    assert account().mobile.text[1:] not in str(refused.value)


def test_twilio_s_library_believes_the_sandbox_and_signs_for_us(sandbox: Sandbox, tmp_path: Path) -> None:
    delivery = sent(sandbox, twilio(Http(BASE, serve=sandbox)), tmp_path)
    told = {name: values[0] for name, values in parse_qs(delivery.body.decode(), keep_blank_values=True).items()}
    theirs = RequestValidator(TOKEN)
    url = sandbox.office.webhooks()[-1].url
    assert theirs.validate(url, told, delivery.headers["x-twilio-signature"])
    receipts = TwilioReceipts([Secret(TOKEN)], url="https://host.example/t", remember=tmp_path)
    for fields in ({"MessageStatus": "sent"}, {"MessageStatus": "failed", "é": "ü &=+", "A": ""}):
        signed = {"X-Twilio-Signature": theirs.compute_signature("https://host.example/t", fields)}
        assert receipts.undelivered(delivery=Delivery(headers=signed, body=urlencode(fields).encode())) is None


class OverTheSandbox:
    """Twilio's client, whose requests go to the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._client = httpx.Client(transport=httpx.WSGITransport(app=sandbox))

    def request(
        self,
        method: str,
        uri: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: Any = None,
        allow_redirects: bool = False,
    ) -> TwilioResponse:
        uri = uri.replace("https://api.twilio.com", BASE)
        answer = self._client.request(method, uri, params=params, data=data, headers=headers, auth=auth)
        return TwilioResponse(answer.status_code, answer.text)


def test_twilio_s_client_sends_through_the_sandbox(sandbox: Sandbox) -> None:
    client = TwilioClient("AC1", TOKEN, http_client=OverTheSandbox(sandbox))
    made = client.messages.create(to="+33639981234", from_="+15005550006", body="x", validity_period=60)
    assert (made.sid, made.status) == (sms_of(sandbox).taken[0].id, "queued")
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to="+15005550001", from_="+15005550006", body="x")
    assert (refused.value.status, refused.value.code) == (400, 21211)


@pytest.mark.parametrize("wrong", [{"tokens": []}, {"tokens": [Secret("")]}, {"url": "host.example/twilio"}])
def test_twilio_receipts_want_a_token_and_an_address(tmp_path: Path, wrong: dict[str, Any]) -> None:
    options: dict[str, Any] = {"tokens": [Secret(TOKEN)], "url": CALLBACK, "remember": tmp_path, **wrong}
    with pytest.raises(ConfigurationError, match="twilio"):
        TwilioReceipts(options.pop("tokens"), **options)


# Brevo.


def brevo_receipts(sandbox: Sandbox, folder: Path) -> BrevoReceipts:
    return BrevoReceipts(Http(BASE, serve=sandbox), api_key=Secret(TOKEN), remember=folder)


def test_brevo_is_asked_and_its_event_is_not_believed(sandbox: Sandbox, tmp_path: Path) -> None:
    delivery = sent(sandbox, brevo(Http(BASE, serve=sandbox)), tmp_path)
    receipts = brevo_receipts(sandbox, tmp_path)
    assert receipts.undelivered(delivery=delivery) == KEY
    sms_of(sandbox).taken.clear()  # now Brevo knows of no bounce
    assert receipts.undelivered(delivery=delivery) is None


def test_brevo_s_own_fields_are_read(tmp_path: Path) -> None:
    """The documented shapes, where the event names no tag: the message is known by its id."""
    tag, id = "msg_1", "1511882900176221"
    (tmp_path / "names").mkdir(parents=True)
    asked: list[str] = []

    def service(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        asked.append(environ["QUERY_STRING"])
        start("200 OK", [("Content-Type", "application/json")])
        return [example("brevo-events.json", id=id, tag=tag)]

    sandbox = Sandbox(base=ManualClock(START), only=["sms"])
    sent(sandbox, brevo(Http(BASE, serve=sandbox)), tmp_path)
    made = sms_of(sandbox).taken[0]
    receipts = BrevoReceipts(Http("https://api.brevo.test", serve=service), api_key=Secret("k"), remember=tmp_path)
    body = example("brevo-hard-bounce.json", id=made.id, tag="somebody's")
    id, tag = made.id, "another"
    assert receipts.undelivered(delivery=Delivery(headers={}, body=body)) == KEY
    id, tag = "7", made.reference
    body = example("brevo-hard-bounce.json", id="8", tag=made.reference)
    assert receipts.undelivered(delivery=Delivery(headers={}, body=body)) == KEY
    assert asked == ["limit=50&sort=desc", f"tags={made.reference}&limit=50"]


def test_nobody_is_asked_about_what_was_not_sent_from_here(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.faults.add(Fault(kind=FaultKind.DOWN), times=None)
    for body in (b"{}", b'{"tag": "msg_forged", "messageId": 7}', b'{"tag": ["a"], "messageId": null}'):
        assert brevo_receipts(sandbox, tmp_path).undelivered(delivery=Delivery(headers={}, body=body)) is None
    for body in (b"", b"[1]", b"\xff"):
        with pytest.raises(WebhookRefused):
            brevo_receipts(sandbox, tmp_path).undelivered(delivery=Delivery(headers={}, body=body))


def test_where_brevo_cannot_be_asked_it_shall_send_again(sandbox: Sandbox, tmp_path: Path) -> None:
    delivery = sent(sandbox, brevo(Http(BASE, serve=sandbox)), tmp_path)
    sandbox.faults.add(Fault(kind=FaultKind.DOWN))
    with pytest.raises(Unavailable):
        brevo_receipts(sandbox, tmp_path).undelivered(delivery=delivery)


# E-mail.


class Post:
    """A real SMTP server that takes messages, or refuses their recipients."""

    def __init__(self) -> None:
        self.refusing, self.letters = False, list[bytes]()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.refusing:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.letters.append(envelope.content)
        return "250 taken"


@contextmanager
def mailing(folder: Path, clock: Clock) -> Iterator[tuple[Post, SmtpCodes]]:
    post = Post()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        sms = MailboxCodes(directory=folder / "sms", sender=SENDER, renderer=RENDERER, clock=clock)
        yield (
            post,
            SmtpCodes(
                server=SmtpServer(host="127.0.0.1", port=port, security=Security.NONE, own_name="sdk.example"),
                sender=SENDER,
                renderer=RENDERER,
                clock=clock,
                sms=sms,
                remember=folder / "mail",
            ),
        )
    finally:
        controller.stop()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def problem(scene: Scene, id: str) -> str:
    return str(scene.qcp.engine.streams.load(id).state.codes.challenge.undeliverable)


def test_a_bounce_becomes_the_fact_that_the_machine_knows(scene: Scene, tmp_path: Path) -> None:
    with mailing(tmp_path, scene.world.clock) as (post, codes):
        scene.world.codes = codes  # type: ignore[assignment]
        qcp = scene.qcp = scene.installation()
        view = scene.open(scene.jessica).say(CodeRequested())
        (letter,) = post.letters
        assert problem(scene, view.id) == ""
        bounces = MailBounces(remember=tmp_path / "mail")
        assert bounces.undelivered(message=bounce(letter, at=START, action="delayed", status="4.4.1")) is None
        key = bounces.undelivered(message=bounce(letter, at=START))
        assert key is not None
        assert undelivered(qcp.engine, key=key)
        assert problem(scene, view.id) == "undeliverable"
        assert "code_undeliverable" in [one.fact.kind for one in qcp.records.history(view.id)]


def test_a_recipient_refused_at_once_is_the_same_fact(scene: Scene, tmp_path: Path) -> None:
    with mailing(tmp_path, scene.world.clock) as (post, codes):
        post.refusing = True
        scene.world.codes = codes  # type: ignore[assignment]
        scene.qcp = scene.installation()
        view = scene.open(scene.jessica).say(CodeRequested())
        assert post.letters == []
        assert problem(scene, view.id) == "undeliverable"


@pytest.mark.parametrize(("name", "failed"), [("failed", True), ("several", True), ("delayed", False)])
def test_the_rfc_s_own_examples_are_read(name: str, failed: bool) -> None:
    id = message_id(KEY, SENDER)
    for ends in (b"\n", b"\r\n"):
        told = example(f"dsn-{name}.eml", id=id).replace(b"\n", ends)
        assert undelivered_id(told) == (id if failed else "")


@pytest.mark.parametrize(
    "mail",
    [
        b"",
        b"Subject: out of office\r\n\r\nI am away. Action: failed",
        b"Content-Type: multipart/report; boundary=b\r\n\r\nno parts",
        b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\nAction: failed\r\n",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\n--b--",
        b"\xff\xfe\x00" * 100,
    ],
)
def test_other_mail_is_no_bounce(mail: bytes, tmp_path: Path) -> None:
    assert MailBounces(remember=tmp_path).undelivered(message=mail) is None


def test_what_is_no_report_says_nothing_whatever_it_quotes() -> None:
    """Somebody forwards a bounce: that is a letter of theirs, and no server's word."""
    inner = example("dsn-failed.eml", id="<a@b>")
    head = b'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: message/rfc822\n\n'
    assert undelivered_id(inner) == "<a@b>"
    assert undelivered_id(head + inner + b"\n--x--\n") == ""
    assert undelivered_id(inner.replace(b"multipart/report; report-type=delivery-status", b"multipart/mixed")) == ""


def test_thousands_of_spoilt_bounces_raise_nothing(tmp_path: Path) -> None:
    id, chance = message_id(KEY, SENDER), random.Random(20261125)
    whole = [example(f"dsn-{name}.eml", id=id) for name in ("failed", "several")]
    told = {undelivered_id(spoil_body(chance.choice(whole), chance)) for _ in range(1_500)}
    assert {"", id} <= told
    assert MailBounces(remember=tmp_path).undelivered(message=b"x" * (5 << 20)) is None


# The host's part.


def test_a_receipt_about_anything_else_changes_nothing(scene: Scene) -> None:
    """Of a notice, of a ceremony, of what was erased since: gateways are late."""
    scene.subscribe(scene.jessica)
    (ceremony,) = scene.start(scene.collecte(scene.jessica))
    scene.ask_code(ceremony)
    for one in scene.qcp.records.history(ceremony.id):
        assert not undelivered(scene.qcp.engine, key=Key(f"{ceremony.id}/{one.sequence}/0"))
    view = scene.open(scene.irene).say(CodeRequested())
    asked = [one.sequence for one in scene.qcp.records.history(view.id)][-1]
    assert not undelivered(scene.qcp.engine, key=Key(f"{view.id}/{asked + 7}/0"))


def test_a_receipt_about_what_was_erased_changes_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    view = scene.open(scene.jessica).say(CodeRequested())
    asked = [one.sequence for one in scene.qcp.records.history(view.id) if isinstance(one.fact, CodeRequested)]

    def erased(_id: str) -> NoReturn:
        raise Erased("it was erased")

    monkeypatch.setattr(scene.qcp.engine.streams, "load", erased)
    assert not undelivered(scene.qcp.engine, key=Key(f"{view.id}/{asked[-1]}/0"))
