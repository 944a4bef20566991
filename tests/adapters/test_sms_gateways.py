"""SMS over HTTP: the codes' exam through each gateway, refusals, receipts that come back as facts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes, MailboxNotices
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.letters import Sender
from qcp_sdk.adapters.shared.messages import Links, Renderer
from qcp_sdk.adapters.shared.webhooks import StandardWebhooks
from qcp_sdk.adapters.sms_gateways import (
    BrevoGateway,
    JsonGateway,
    SmsCodes,
    SmsGateway,
    SmsNotices,
    SmsReceipts,
    TwilioGateway,
)
from qcp_sdk.errors import PortError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.receipts import undelivered
from qcp_sdk.notices import Recipient
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.faults import BAD_NETWORK, HARMLESS, Fault, FaultKind
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.sms import TOKEN, WEBHOOK_SECRET, SmsSandbox
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.testing.scene import Scene
from qcp_sdk.testing.spoiling import SpoiltHttp, faults_of, persistent
from qcp_sdk.values import ContentHash, EmailAddress, Key, PhoneNumber, Secret

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
GATEWAYS: Final[dict[str, Callable[[Http], SmsGateway]]] = {
    "json": lambda http: JsonGateway(http, token=Secret(TOKEN)),
    "twilio": lambda http: TwilioGateway(http, account="AC1", token=Secret(TOKEN), sender="+15005550006"),
    "brevo": lambda http: BrevoGateway(http, api_key=Secret(TOKEN), sender="Etude"),
}


def sms_of(sandbox: Sandbox) -> SmsSandbox:
    provider = sandbox.providers["sms"]
    assert isinstance(provider, SmsSandbox)
    return provider


def http_of(sandbox: Sandbox) -> Http:
    return Http("https://sandbox.test/sms", serve=sandbox)


class TestJsonGateway(CodesConformance):
    gateway = "json"
    faults: tuple[FaultKind, ...] = ()
    examples = 4

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_codes(self) -> Codes:
        self.place, self.sandbox = self.folder / str(next(self.made)), Sandbox(base=self.clock, only=["sms"])
        if self.faults:
            self.sandbox.faults.unreliable(faults_of(3, self.faults))
        return self.restarted(None)

    def restarted(self, codes: Codes | None) -> Codes:
        mail = MailboxCodes(directory=self.place / "mail", sender=SENDER, renderer=RENDERER, clock=self.clock)
        gateway = GATEWAYS[self.gateway](http_of(self.sandbox))
        made = SmsCodes(
            gateway=gateway, renderer=RENDERER, clock=self.clock, remember=self.place / "sms", otherwise=mail
        )
        return persistent(made)

    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        if isinstance(by, EmailAddress):
            return tuple(mail.text for mail in Mailbox(self.place / "mail").messages(to=by))
        return tuple(sms.text for sms in sms_of(self.sandbox).messages if sms.to == by.text)


class TestJsonGatewayOverABadNetwork(TestJsonGateway):
    faults = BAD_NETWORK


class TestTwilioGateway(TestJsonGateway):
    gateway = "twilio"
    faults = HARMLESS  # neither knows a key: what comes twice is sent twice


class TestBrevoGateway(TestJsonGateway):
    gateway = "brevo"
    faults = HARMLESS  # neither knows a key: what comes twice is sent twice


class TestSmsNotices(NoticesConformance):
    examples = 4
    faults: tuple[FaultKind, ...] = ()

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_notices(self) -> Notices:
        self.place, self.sandbox = self.folder / str(next(self.made)), Sandbox(base=self.clock, only=["sms"])
        self.documents = MemoryDocuments()
        if self.faults:
            self.sandbox.faults.unreliable(faults_of(21, self.faults))
        return self.restarted(None)

    def restarted(self, notices: Notices | None) -> Notices:
        mail = MailboxNotices(
            directory=self.place / "mail",
            sender=SENDER,
            renderer=RENDERER,
            clock=self.clock,
            documents=self.documents,
        )
        gateway = GATEWAYS["json"](http_of(self.sandbox))
        return persistent(SmsNotices(gateway=gateway, renderer=RENDERER, otherwise=mail, remember=self.place / "sms"))

    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        return self.documents.keep(content=content)

    def received(self, notices: Notices, by: Recipient) -> int:
        assert by.mobile is not None
        sms = sum(one.to == by.mobile.text for one in sms_of(self.sandbox).messages)
        return sms + len(Mailbox(self.place / "mail").messages(to=by.email))


class TestSmsNoticesOverABadNetwork(TestSmsNotices):
    faults = BAD_NETWORK


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(base=ManualClock(START), only=["sms"])


def codes_of(sandbox: Sandbox, gateway: SmsGateway, tmp_path: Path) -> SmsCodes:
    return SmsCodes(gateway=gateway, renderer=RENDERER, clock=sandbox.clock, remember=tmp_path)


def send(
    codes: SmsCodes, key: str = "s/1/0", to: PhoneNumber | None = None, life: timedelta = timedelta(minutes=3)
) -> None:
    codes.send(
        key=Key(key),
        channel=Channel.SMS,
        to=to or account().mobile,
        code=Secret("1234567"),
        purpose=Purpose.SIGN,
        language="fr",
        not_after=START + life,
    )


@pytest.mark.parametrize("name", list(GATEWAYS))
def test_a_number_that_is_not_taken_is_undeliverable_and_not_said(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    sms_of(sandbox).script({"refuse": account().mobile.text})
    with pytest.raises(Rejected) as refused:
        send(codes_of(sandbox, GATEWAYS[name](http_of(sandbox)), tmp_path))
    assert refused.value.reason == "undeliverable"
    assert account().mobile.text[1:] not in str(refused.value)


@pytest.mark.parametrize("number", ["+15005550001", "+15005550009"])
def test_twilio_s_magic_numbers_are_undeliverable(sandbox: Sandbox, tmp_path: Path, number: str) -> None:
    with pytest.raises(Rejected) as refused:
        send(codes_of(sandbox, GATEWAYS["twilio"](http_of(sandbox)), tmp_path), to=PhoneNumber(number))
    assert refused.value.reason == "undeliverable"


@pytest.mark.parametrize("name", list(GATEWAYS))
def test_what_is_our_own_fault_is_no_refusal_of_the_number(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    wrong: dict[str, Callable[[Http], SmsGateway]] = {
        "json": lambda http: JsonGateway(http, token=Secret("wrong-token")),
        "twilio": lambda http: TwilioGateway(http, account="AC1", token=Secret(TOKEN), sender=""),
        "brevo": lambda http: BrevoGateway(http, api_key=Secret("wrong-token"), sender="Etude"),
    }
    with pytest.raises(Unavailable) as refused:
        send(codes_of(sandbox, wrong[name](http_of(sandbox)), tmp_path))
    assert "wrong-token" not in str(refused.value)


@pytest.mark.parametrize(("name", "error"), [("json", Unavailable), ("twilio", Unconfirmed), ("brevo", Unconfirmed)])
def test_a_lost_answer_may_be_asked_for_again_where_the_gateway_knows_keys(
    sandbox: Sandbox, tmp_path: Path, name: str, error: type[PortError]
) -> None:
    codes = codes_of(sandbox, GATEWAYS[name](http_of(sandbox)), tmp_path)
    sandbox.faults.add(Fault(kind=FaultKind.LOST))
    with pytest.raises(error):
        send(codes)
    assert len(sms_of(sandbox).messages) == 1
    if name == "json":
        send(codes)
        assert len(sms_of(sandbox).messages) == 1


class GatewayThatSpoilsAFolder:
    """Takes the message; meanwhile the folder of sent keys becomes one that nobody can write to."""

    def __init__(self, place: Path) -> None:
        self.place, self.taken = place, 0

    def hand_over(self, *, id: str, to: PhoneNumber, text: str, seconds: int | None) -> str:
        self.taken += 1
        for name in ("sent", "names"):
            folder = self.place / name
            if folder.is_dir():
                folder.rename(self.place / f"{name}-before")
            folder.write_text("no folder")
        return "SM1"


def test_a_message_that_left_and_cannot_be_noted_has_left(sandbox: Sandbox, tmp_path: Path) -> None:
    """`Unavailable` would say that nothing was done, and the engine would send it again."""
    gateway = GatewayThatSpoilsAFolder(tmp_path)
    send(codes_of(sandbox, gateway, tmp_path))
    assert gateway.taken == 1


@pytest.mark.parametrize(("life", "seconds"), [(timedelta(minutes=3), 180), (timedelta(seconds=0.2), 1)])
@pytest.mark.parametrize("name", ["json", "twilio"])
def test_the_gateway_is_told_how_long_a_code_is_of_use(
    sandbox: Sandbox, tmp_path: Path, name: str, life: timedelta, seconds: int
) -> None:
    send(codes_of(sandbox, GATEWAYS[name](http_of(sandbox)), tmp_path), life=life)
    assert sms_of(sandbox).messages[0].valid_for == seconds


def test_a_messaging_service_sends_for_twilio(sandbox: Sandbox, tmp_path: Path) -> None:
    gateway = TwilioGateway(
        http_of(sandbox), account="AC1", token=Secret(TOKEN), sender="MG7", receipts="https://host.example/twilio"
    )
    send(codes_of(sandbox, gateway, tmp_path))
    assert len(sms_of(sandbox).messages) == 1


def test_a_receipt_finds_its_key(sandbox: Sandbox, tmp_path: Path) -> None:
    codes = codes_of(sandbox, GATEWAYS["json"](http_of(sandbox)), tmp_path)
    sms_of(sandbox).script({"undelivered": account().mobile.text, "webhook": "https://host.example/sms"})
    send(codes)
    (sent,) = sandbox.office.webhooks()
    receipts = SmsReceipts(
        signatures=StandardWebhooks((Secret(WEBHOOK_SECRET),), clock=sandbox.clock), remember=tmp_path
    )
    assert receipts.undelivered(delivery=Delivery(headers=sent.headers, body=sent.body)) == "s/1/0"
    other = json.dumps({"type": "sms.undelivered", "data": {"reference": "unknown"}}).encode()
    signatures = StandardWebhooks((Secret(WEBHOOK_SECRET),), clock=sandbox.clock)
    assert receipts.undelivered(delivery=Delivery(headers=signatures.sign(id="r", body=other), body=other)) is None
    arrived = json.dumps({"type": "sms.delivered", "data": {}}).encode()
    assert receipts.undelivered(delivery=Delivery(headers=signatures.sign(id="r", body=arrived), body=arrived)) is None


@pytest.mark.parametrize("name", list(GATEWAYS))
def test_spoilt_answers_raise_port_errors_only(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    http = SpoiltHttp("https://sandbox.test/sms", serve=sandbox, seed=20261125)
    gateway = GATEWAYS[name](http)
    gateway.hand_over(id="r", to=account().mobile, text="x", seconds=1)
    http.spoiling = True
    raised = 0
    for _ in range(10_000):
        try:
            gateway.hand_over(id="r", to=account().mobile, text="x", seconds=1)
        except PortError:
            raised += 1
    assert raised > 1_000


class TestReceiptsAsFacts:
    """A code that did not arrive is a fact of its subscription, as long as it is the present one."""

    @pytest.fixture
    def scene(self) -> Scene:
        return Scene()

    def test_the_present_code_is_undeliverable(self, scene: Scene) -> None:
        qcp, view = scene.qcp, scene.open(scene.jessica)
        view = view.say(CodeRequested())
        key = self._key(scene, view.id)
        assert undelivered(qcp.engine, key=key)
        challenge = qcp.engine.streams.load(view.id).state.codes.challenge
        assert challenge.undeliverable == "undeliverable"
        scene.world.clock.advance(timedelta(seconds=31))
        qcp.subscriptions.get(view.id).say(CodeRequested())
        assert not undelivered(qcp.engine, key=key)  # superseded
        assert qcp.engine.streams.load(view.id).state.codes.challenge.undeliverable == ""

    @pytest.mark.parametrize("key", ["", "s/1/0", "//", "s/x/0", "a/b"])
    def test_a_key_of_nothing_changes_nothing(self, scene: Scene, key: str) -> None:
        assert not undelivered(scene.qcp.engine, key=Key(key))

    def _key(self, scene: Scene, id: str) -> Key:
        asked = [one for one in scene.qcp.records.history(id) if isinstance(one.fact, CodeRequested)]
        return Key(f"{id}/{asked[-1].sequence}/0")
