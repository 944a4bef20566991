"""Standard Webhooks, in and out: the package of those who wrote the specification judges both."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.webhooks import Signed, StandardWebhooks, event_id, json_object, text_at
from qcp_sdk.adapters.webhook_notices import WebhookNotices
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, WebhookRefused
from qcp_sdk.notices import IdentityApproved, Recipient
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.testing.conformance.examples import START, account, messages, recipient
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.testing.conformance.webhooks import WebhooksConformance
from qcp_sdk.testing.spoiling import persistent
from qcp_sdk.values import ContentHash, Key, Secret, SessionId

OLD: Final = Secret("whsec_" + base64.b64encode(b"the secret of last year.").decode())
NEW: Final = Secret("whsec_" + base64.b64encode(b"the secret of this year.").decode())


class Receiver:
    """What a host makes of `StandardWebhooks`: the session is in the body."""

    def __init__(self, webhooks: StandardWebhooks) -> None:
        self._webhooks = webhooks

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        return (SessionId(text_at(json_object(self._webhooks.check(delivery).body), "session")),)


class TestStandardWebhooks(WebhooksConformance):
    malformed = 10_000
    private = (NEW.reveal()[6:], OLD.reveal()[6:])

    def make_webhooks(self) -> Receiver:
        return Receiver(StandardWebhooks((NEW, OLD), clock=self.clock))

    def genuine(self, session: SessionId) -> Delivery:
        return self._signed(session, NEW)

    def with_the_other_secret(self, session: SessionId) -> Delivery:
        return self._signed(session, OLD)

    def _signed(self, session: SessionId, secret: Secret) -> Delivery:
        body = json.dumps({"session": session}).encode()
        headers = StandardWebhooks((secret,), clock=self.clock).sign(id="msg_1", body=body)
        return Delivery(headers=headers, body=body)


def now_is(moment: datetime) -> Any:
    """Set the peer's clock: it reads the machine's and nothing else."""
    clock = mock.patch("standardwebhooks.webhooks.datetime", wraps=datetime)
    patched = clock.start()
    patched.now.return_value = moment
    return clock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture(autouse=True)
def _the_peer_s_clock() -> Iterator[None]:
    patched = now_is(START)
    yield
    patched.stop()


def test_the_peer_believes_what_we_sign(clock: ManualClock) -> None:
    for body in (b"{}", '{"name":"Élodie ٣ 𝒳"}'.encode(), b'{"a": [1, 2.5, null]}\n'):
        headers = StandardWebhooks((NEW,), clock=clock).sign(id="msg_1", body=body)
        assert Webhook(NEW.reveal()).verify(body, headers) == json.loads(body)
        with pytest.raises(WebhookVerificationError):
            Webhook(OLD.reveal()).verify(body, headers)


def test_the_peer_believes_either_secret_while_one_is_changed(clock: ManualClock) -> None:
    headers = StandardWebhooks((NEW, OLD), clock=clock).sign(id="msg_1", body=b"{}")
    assert [Webhook(secret.reveal()).verify(b"{}", headers) for secret in (NEW, OLD)] == [{}, {}]


def test_we_believe_what_the_peer_signs(clock: ManualClock) -> None:
    for number, body in enumerate(("{}", '{"name":"Élodie ٣ 𝒳"}', " ")):
        at = START + timedelta(seconds=number)
        signature = Webhook(OLD.reveal()).sign(f"msg_{number}", at, body)
        headers = {
            "Webhook-Id": f"msg_{number}",
            "Webhook-Timestamp": str(int(at.timestamp())),
            "Webhook-Signature": f"v1a,AAAA {signature}",
        }
        told = StandardWebhooks((NEW, OLD), clock=clock).check(Delivery(headers=headers, body=body.encode()))
        assert told == Signed(id=f"msg_{number}", at=at, body=body.encode())
        with pytest.raises(WebhookRefused) as refused:
            StandardWebhooks((NEW,), clock=clock).check(Delivery(headers=headers, body=body.encode()))
        assert refused.value.reason == "forged"


@pytest.mark.parametrize(("minutes", "believed"), [(-6, False), (-5, True), (0, True), (5, True), (6, False)])
def test_the_window_is_five_minutes_either_way(clock: ManualClock, minutes: int, believed: bool) -> None:
    webhooks = StandardWebhooks((NEW,), clock=clock)
    headers = webhooks.sign(id="msg_1", body=b"{}", at=START + timedelta(minutes=minutes))
    if believed:
        webhooks.check(Delivery(headers=headers, body=b"{}"))
    else:
        with pytest.raises(WebhookRefused, match="another time"):
            webhooks.check(Delivery(headers=headers, body=b"{}"))


def test_a_time_with_another_zone_signs_the_same(clock: ManualClock) -> None:
    webhooks = StandardWebhooks((NEW,), clock=clock)
    elsewhere = START.astimezone(ZoneInfo("Pacific/Auckland"))
    assert webhooks.sign(id="m", body=b"", at=elsewhere) == webhooks.sign(id="m", body=b"", at=START)


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_short", "whsec_" + "A" * 16, "whsec_é" * 9, "A" * 2000, "*" * 40]
)
def test_what_is_no_secret_is_refused_unprinted(clock: ManualClock, text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        StandardWebhooks((Secret(text),), clock=clock)
    assert len(text) < 8 or text not in str(refused.value)
    with pytest.raises(ConfigurationError):
        StandardWebhooks((), clock=clock)


def test_a_body_of_any_length_is_refused_before_it_is_read(clock: ManualClock) -> None:
    webhooks = StandardWebhooks((NEW,), clock=clock)
    body = b"x" * ((1 << 20) + 1)
    with pytest.raises(WebhookRefused) as refused:
        webhooks.check(Delivery(headers=webhooks.sign(id="m", body=body), body=body))
    assert refused.value.reason == "too_large"


class Host:
    """A host's webhook address, as a WSGI application that the peer's package guards."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.status = "200 OK"
        self.failing: random.Random | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        event = Webhook(NEW.reveal()).verify(body, headers)
        self.posts += 1
        fails = self.failing.random() if self.failing is not None else 1.0
        if self.status == "200 OK" and fails >= 0.2:
            self.events[headers["webhook-id"]] = event
        start_response(self.status if fails >= 0.4 else "503 Not now", [])
        return [b""]


class TestWebhookNotices(NoticesConformance):
    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_notices(self) -> WebhookNotices:
        self.place, self.host = self.folder / str(next(self.made)), Host()
        self.shelf = MemoryDocuments()
        return self.restarted(None)

    def restarted(self, notices: Notices | None) -> WebhookNotices:
        return WebhookNotices(
            http=Http("https://host.example/hooks", serve=self.host),
            signatures=StandardWebhooks((NEW,), clock=self.clock),
            clock=self.clock,
            documents=self.shelf,
            remember=self.place / "posted",
        )

    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        return self.shelf.keep(content=content)

    def received(self, notices: Notices, by: Recipient) -> int:
        assert self.host.posts == len(self.host.events)
        return sum(event["data"]["recipient"]["email"] == by.email.text for event in self.host.events.values())


class TestWebhookNoticesOverABadNetwork(TestWebhookNotices):
    """The same exam, while the host fails four times in ten, before or after it took the event."""

    def restarted(self, notices: Notices | None) -> WebhookNotices:
        self.host.failing = random.Random(7)
        return persistent(super().restarted(notices))

    def received(self, notices: Notices, by: Recipient) -> int:
        # Some came twice, under one id: the host does once what comes twice.
        return sum(event["data"]["recipient"]["email"] == by.email.text for event in self.host.events.values())


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def notices(host: Host, clock: ManualClock) -> WebhookNotices:
    return WebhookNotices(
        http=Http("https://host.example/hooks", serve=host),
        signatures=StandardWebhooks((NEW,), clock=clock),
        clock=clock,
    )


def test_an_event_says_what_the_notice_says(notices: WebhookNotices, host: Host) -> None:
    notices.send(key=Key("s/1/0"), to=recipient(), notice=messages()[0])
    ((id, event),) = host.events.items()
    assert id == event_id(Key("s/1/0"))
    assert re.fullmatch("msg_[0-9a-f]{40}", id)
    assert event["type"] == f"qcp.{messages()[0].template}"
    assert datetime.fromisoformat(event["timestamp"]) == START
    assert event["data"]["recipient"] == {
        "given": account().name.given,
        "last": account().name.last,
        "email": account().email.text,
        "mobile": account().mobile.text,
        "language": "fr",
    }
    notice = messages()[0]
    assert isinstance(notice, IdentityApproved)
    assert event["data"]["notice"] == {"subscription": notice.subscription}
    assert event["data"]["attachments"] == []


@pytest.mark.parametrize("status", ["500 Oops", "404 Nowhere", "302 Elsewhere", "429 Slowly", "400 No"])
def test_a_host_that_does_not_take_it_is_posted_to_again(notices: WebhookNotices, host: Host, status: str) -> None:
    host.status = status
    with pytest.raises(Unavailable, match=status[:3]):
        notices.send(key=Key("s/1/0"), to=recipient(), notice=messages()[0])
    host.status = "200 OK"
    notices.send(key=Key("s/1/0"), to=recipient(), notice=messages()[0])
    assert list(host.events) == [event_id(Key("s/1/0"))]


def test_a_host_that_is_gone_says_so_once(notices: WebhookNotices, host: Host) -> None:
    host.status = "410 Gone"
    with pytest.raises(Rejected) as refused:
        notices.send(key=Key("s/1/0"), to=recipient(), notice=messages()[0])
    assert refused.value.reason == "undeliverable"
