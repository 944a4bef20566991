"""The control API over every provider: outcomes, pace, webhooks that lie, outages, and a reset that forgets it all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from qcp_sdk.adapters.idnow import IdnowHints, IdnowIdentity
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.webhooks import StandardWebhooks
from qcp_sdk.adapters.sms_gateways import JsonGateway, SmsCodes, SmsReceipts
from qcp_sdk.adapters.stripe_identity import StripeIdentity, StripeWebhooks
from qcp_sdk.adapters.universign import UniversignRegistration, UniversignWebhooks
from qcp_sdk.errors import Unavailable, WebhookRefused
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.identity import IdentityVerification
from qcp_sdk.ports.registration import Registration
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox import idnow, sms, stripe, universign
from qcp_sdk.sandbox.idnow import CASES
from qcp_sdk.sandbox.providers import PROVIDERS
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.wsgi import Provider
from qcp_sdk.subscription.facts import CaptureFinished
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.values import Key, Secret, SessionId, SubscriptionId

HOOK: Final = "https://host.example/hook"
URL: Final = "https://sandbox.test"


@pytest.fixture
def only() -> tuple[str, ...] | None:
    """The providers that are needed: those with authorities of their own take their time to begin."""
    return "idnow", "sms", "stripe", "universign"


@pytest.fixture
def sandbox(only: tuple[str, ...] | None) -> Sandbox:
    return Sandbox(base=ManualClock(START), deliver=lambda *_: 204, only=only)


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[Callable[..., Any]]:
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url=URL) as client:

        def ask(path: str, told: Mapping[str, object] | None = None) -> Any:
            answer = client.post(f"/_control/{path}", json=dict(told or {}))
            assert answer.status_code == 200, answer.text
            return answer.json()

        yield ask


def http(sandbox: Sandbox, name: str) -> Http:
    return Http(f"{URL}/{name}", serve=sandbox)


def make_idnow(sandbox: Sandbox, folder: Path, **options: Any) -> IdentityVerification:
    return IdnowIdentity(
        http=http(sandbox, "idnow"),
        go=f"{URL}/idnow/go",
        company="c",
        api_key=Secret(idnow.API_KEY),
        clock=sandbox.clock,
        remember=folder / "idnow",
        **options,
    )


def make_stripe(sandbox: Sandbox, folder: Path) -> IdentityVerification:
    return StripeIdentity(
        http=http(sandbox, "stripe"), api_key=Secret(stripe.API_KEY), clock=sandbox.clock, remember=folder / "stripe"
    )


def make_universign(sandbox: Sandbox, folder: Path) -> Registration:
    return UniversignRegistration(
        http=http(sandbox, "universign"),
        api_key=Secret(universign.API_KEY),
        keys=MemoryKeys(),
        clock=sandbox.clock,
        remember=folder / "universign",
        redirect_url="https://host.example/back",
    )


class Case:
    """One provider that takes its time: how it is begun, asked, and told that the person is done."""

    def __init__(self, name: str, named: str, done: str, sandbox: Sandbox, folder: Path) -> None:
        self.name, self.named, self.done = name, named, done
        opened: Any
        if name == "universign":
            self.port: Any = make_universign(sandbox, folder)
            opened = self.port.open(key=Key("k"), subscription=SubscriptionId("s"), person=account())
        else:
            self.port = (make_idnow if name == "idnow" else make_stripe)(sandbox, folder)
            opened = self.port.open(key=Key("k"), attempt=1, subscription=SubscriptionId("s"), person=account())
        self.session: SessionId = opened.session

    def waits(self) -> bool:
        return isinstance(self.port.ask(session=self.session), Pending | CaptureFinished)

    def told(self, **more: object) -> dict[str, object]:
        return {self.named: self.session, **more}


TAKING_TIME: Final = [
    pytest.param("idnow", "transaction", "capture", id="idnow"),
    pytest.param("stripe", "session", "capture", id="stripe"),
    pytest.param("universign", "registration", "complete", id="universign"),
]


@pytest.mark.parametrize(("name", "named", "done"), TAKING_TIME)
@pytest.mark.parametrize("pace", ["time", "now", "hand"])
def test_what_takes_time_takes_it_at_the_pace_that_was_set(
    sandbox: Sandbox, control: Callable[..., Any], tmp_path: Path, name: str, named: str, done: str, pace: str
) -> None:
    control("pace", {"pace": pace, "provider": name})
    case = Case(name, named, done, sandbox, tmp_path)
    control(f"script/{name}", case.told(**{done: True}))
    assert case.waits() is (pace != "now")
    control("clock", {"advance": 3 * 60})
    assert case.waits() is (pace != "now")
    control("clock", {"advance": 60})
    assert case.waits() is (pace == "hand")
    control(f"script/{name}", case.told(decide=True))
    assert not case.waits()


@pytest.mark.parametrize(("name", "named", "done"), TAKING_TIME)
def test_a_pace_that_is_set_later_holds_for_what_waits(
    sandbox: Sandbox, control: Callable[..., Any], tmp_path: Path, name: str, named: str, done: str
) -> None:
    case = Case(name, named, done, sandbox, tmp_path)
    control(f"script/{name}", case.told(**{done: True}))
    assert case.waits()
    control("pace", {"pace": "now"})
    assert not case.waits()


@pytest.mark.parametrize(("name", "named", "done"), TAKING_TIME)
@pytest.mark.parametrize("kind", ["down", "rate_limited"])
def test_one_provider_goes_down_or_limits_and_the_others_go_on(
    sandbox: Sandbox, control: Callable[..., Any], tmp_path: Path, name: str, named: str, done: str, kind: str
) -> None:
    case = Case(name, named, done, sandbox, tmp_path)
    control("faults", {"kind": kind, "provider": name, "times": None, "seconds": 7})
    with pytest.raises(Unavailable, match="7 s" if kind == "rate_limited" else None):
        case.port.ask(session=case.session)
    other = "stripe" if name == "idnow" else "idnow"
    assert Case(other, "", "", sandbox, tmp_path).waits()
    control("faults", {})
    assert case.waits()


FIELDS: Final = ("firstname", "lastname", "custom1", "custom2", "custom3", "custom4", "custom5")


@pytest.mark.parametrize("only", [("idnow",)])
@pytest.mark.parametrize("robot", ["AUTO", "MANUAL"])
@pytest.mark.parametrize("case", list(CASES))
def test_idnow_s_magic_values_work_in_names_and_custom_fields(sandbox: Sandbox, case: str, robot: str) -> None:
    asked = http(sandbox, "idnow")
    for number, name in enumerate(FIELDS):
        told = {"firstname": "Ada", "lastname": "Martin", name: f"X-{robot}TEST-{case}"}
        place = f"/api/v1/c/identifications/tx-{number}/start"
        asked.ask("POST", place, acts=False, json=told, headers={"x-api-key": idnow.API_KEY})
    provider = sandbox.providers["idnow"]
    assert isinstance(provider, idnow.IdnowSandbox)
    assert {one.case for one in provider.identifications.values()} == {CASES[case]}


def test_a_magic_value_that_there_is_not_changes_nothing(sandbox: Sandbox) -> None:
    told = {"firstname": "X-AUTOTEST-NOSUCHCASE", "lastname": "Martin"}
    place = "/api/v1/c/identifications/tx/start"
    http(sandbox, "idnow").ask("POST", place, acts=False, json=told, headers={"x-api-key": idnow.API_KEY})
    provider = sandbox.providers["idnow"]
    assert isinstance(provider, idnow.IdnowSandbox)
    assert provider.identifications["tx"].case == CASES["HAPPYPATH"]


def send_sms(sandbox: Sandbox, folder: Path) -> None:
    from qcp_sdk.adapters.shared.messages import Links, Renderer
    from qcp_sdk.otp import Channel, Purpose

    links = Links(account="https://h/", subscription="https://h/{subscription}", signing="https://h/{ceremony}",
                  verify="https://h/v", sms_host="h")  # fmt: skip
    codes = SmsCodes(
        gateway=JsonGateway(http(sandbox, "sms"), token=Secret(sms.TOKEN)),
        renderer=Renderer(links=links, platform="h"),
        clock=sandbox.clock,
        remember=folder / "sms",
    )
    codes.send(
        key=Key("s/1/0"), channel=Channel.SMS, to=account().mobile, code=Secret("1234567"), purpose=Purpose.SIGN,
        language="fr", not_after=START + timedelta(minutes=3),
    )  # fmt: skip


def receivers(sandbox: Sandbox, folder: Path) -> dict[str, Callable[[Delivery], object]]:
    """Give how a host takes each provider's webhooks."""
    signatures = StandardWebhooks([Secret(sms.WEBHOOK_SECRET)], clock=sandbox.clock)
    hints = IdnowHints(["192.0.2.1"])
    events = UniversignWebhooks(keys=http(sandbox, "universign"), clock=sandbox.clock)
    sessions = StripeWebhooks([Secret(stripe.WEBHOOK_SECRET)], clock=sandbox.clock)
    receipts = SmsReceipts(signatures=signatures, remember=folder / "sms")
    return {
        "idnow": lambda delivery: hints.sessions(delivery=delivery),
        "stripe": lambda delivery: sessions.sessions(delivery=delivery),
        "universign": lambda delivery: events.sessions(delivery=delivery),
        "sms": lambda delivery: receipts.undelivered(delivery=delivery),
    }


def everything(sandbox: Sandbox, control: Callable[..., Any], folder: Path) -> None:
    """Let every provider that sends webhooks send one."""
    for name in ("idnow", "stripe", "universign", "sms"):
        control(f"script/{name}", {"webhook": HOOK})
    control("pace", {"pace": "now"})
    for name, named, done in (("idnow", "transaction", "capture"), ("stripe", "session", "capture")):
        case = Case(name, named, done, sandbox, folder)
        control(f"script/{name}", case.told(**{done: True}))
    Case("universign", "registration", "complete", sandbox, folder)
    key = {"authorization": f"Bearer {universign.API_KEY}"}
    http(sandbox, "universign").ask("POST", "/v1/transactions", acts=False, form={}, headers=key)
    control("script/sms", {"undelivered": account().mobile.text})
    send_sms(sandbox, folder)


@pytest.mark.parametrize("name", ["idnow", "stripe", "universign", "sms"])
def test_genuine_webhooks_are_believed_and_forged_ones_name_nothing_of_ours(
    sandbox: Sandbox, control: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    everything(sandbox, control, tmp_path)
    take = receivers(sandbox, tmp_path)[name]
    genuine = [one for one in sandbox.office.webhooks() if one.provider == name]
    assert genuine
    named = take(Delivery(headers=genuine[-1].headers, body=genuine[-1].body, source="192.0.2.1"))
    assert named
    control("webhooks/forge", {"number": genuine[-1].number})
    forged = sandbox.office.webhooks()[-1]
    delivery = Delivery(headers=forged.headers, body=forged.body, source="192.0.2.1")
    if name == "idnow":  # it has no signature: what comes out is a question about nobody's session
        assert take(delivery) != named
        with pytest.raises(WebhookRefused):
            take(Delivery(headers=forged.headers, body=forged.body, source="203.0.113.9"))
    else:
        with pytest.raises(WebhookRefused):
            take(delivery)


@pytest.mark.parametrize(("mode", "times"), [("deliver", 1), ("duplicate", 2), ("drop", 0), ("hold", 0)])
def test_every_provider_s_webhooks_go_through_the_post_office(
    sandbox: Sandbox, control: Callable[..., Any], tmp_path: Path, mode: str, times: int
) -> None:
    control("webhooks", {"mode": mode})
    everything(sandbox, control, tmp_path)
    sandbox.deliver_due()
    told = sandbox.state()["webhooks"]
    numbers = {
        name: sum(one["provider"] == name and one["fate"] == "delivered" for one in told)
        for name in ("idnow", "stripe", "universign", "sms")
    }
    single = {"idnow": 1, "stripe": 2, "universign": 1, "sms": 1}
    assert numbers == {name: number * times for name, number in single.items()}


def plain(provider: Provider) -> dict[str, str]:
    """Give all that a provider remembers, as far as it can be compared; keys and clocks are as they are."""
    ours = (dict, list, set, str, int, float, bool, type(None))
    return {name: repr(value) for name, value in vars(provider).items() if isinstance(value, ours)}


@pytest.mark.parametrize("only", [None])
def test_a_reset_leaves_nothing_of_any_provider(sandbox: Sandbox, control: Callable[..., Any], tmp_path: Path) -> None:
    fresh = {name: plain(provider) for name, provider in sandbox.providers.items()}
    state = json.dumps(sandbox.state())
    everything(sandbox, control, tmp_path)
    control("script/oidc", {"person": {"sub": "a"}, "rotate": True})
    control("script/csc", {"enrol": {"given": "A", "last": "B", "mobile": "+33639980000"}, "rules": {"multisign": 9}})
    control(
        "script/universign", {"enrol": dict.fromkeys(("email", "fullname", "phone_number"), "x") | {"level": "qcp"}}
    )
    control("faults", {"kind": "down", "times": None, "provider": "csc"})
    control("clock", {"advance": 3600})
    used = {name: plain(provider) for name, provider in sandbox.providers.items()}
    assert [name for name in PROVIDERS if used[name] == fresh[name]] == []
    control("reset")
    assert {name: plain(provider) for name, provider in sandbox.providers.items()} == fresh
    assert json.dumps(sandbox.state()) == state


@pytest.mark.parametrize("only", [None])
def test_the_page_offers_all_of_it_for_every_provider(sandbox: Sandbox) -> None:
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as client:
        page = client.get(f"{URL}/_control/").text
    for path in (
        "reset",
        "clock",
        "pace",
        "faults",
        "webhooks",
        "webhooks/release",
        "webhooks/forge",
        "webhooks/again",
    ):
        assert f'action="{URL}/_control/{path}"' in page
    for name in PROVIDERS:
        assert f'action="{URL}/_control/script/{name}"' in page
    for word in ("slow", "lost", "garbled", "oversized", "duplicated", "rate_limited", "down", "reorder", "hand"):
        assert f'<option value="{word}">' in page
