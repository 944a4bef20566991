"""`qcp-sdk doctor`: each thing that can be wrong with a configuration is found, and named with what to mend."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qcp_sdk.adapters.idnow import IdnowIdentity
from qcp_sdk.adapters.mail import Security, SmtpCodes, SmtpServer
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.letters import Sender
from qcp_sdk.adapters.sms_gateways import BrevoGateway, SmsCodes, SmsGateway, TwilioGateway
from qcp_sdk.adapters.stripe_identity import StripeIdentity
from qcp_sdk.cli import doctor
from qcp_sdk.cli import main as qcp_sdk
from qcp_sdk.cli.doctor import State, examine
from qcp_sdk.demo import sandboxed
from qcp_sdk.local import LocalQcp, Parts, open_local
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.sandbox.sms import TOKEN
from qcp_sdk.sandbox.stripe import API_KEY
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.values import EmailAddress, Secret


@pytest.fixture(scope="module")
def served() -> Any:
    with Served(Sandbox()) as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, served: Served) -> Path:
    made = tmp_path_factory.mktemp("doctor")
    open_local(made)
    return made


@pytest.fixture(scope="module")
def plain(folder: Path) -> LocalQcp:
    return open_local(folder)


def states(qcp: LocalQcp, **asked: Any) -> dict[str, State]:
    return {one.check: one.state for one in examine(qcp, **asked)}


def test_a_configuration_that_works_is_fine(folder: Path, served: Served) -> None:
    qcp = open_local(folder, replace=partial(sandboxed.replacing, served.url))
    found = states(qcp, trust=qcp.trust_directory)
    assert State.FAULT not in found.values()
    assert found["adapters"] is State.WARNING  # the folder's ledger, accounts … are simulated
    assert found["identities[default]"] is State.FINE
    assert found["identities[default] clock"] is State.FINE
    assert found["registrations[default]"] is State.FINE
    assert found["timestamps"] is found["seal certificate"] is State.FINE


def test_a_provider_that_is_down_or_does_not_know_us_is_named(folder: Path, served: Served) -> None:
    def wrong(parts: Parts) -> dict[str, object]:
        http = Http(f"{served.url}/idnow", plain=True)
        idnow = IdnowIdentity(
            http=http, go=served.url, company="c", api_key=Secret("wrong"), clock=parts.clock, remember=parts.path
        )
        down = SmtpServer(host="127.0.0.1", port=1, security=Security.NONE, timeout=timedelta(seconds=1))
        mail = SmtpCodes(
            server=down,
            sender=Sender(address=EmailAddress("a@example.org"), name="A"),
            renderer=parts.renderer,
            clock=parts.clock,
            sms=parts.codes,
        )
        gateway = TwilioGateway(Http(f"{served.url}/sms", plain=True), account="AC1", token=Secret("no"), sender="MG1")
        codes = SmsCodes(
            gateway=gateway, renderer=parts.renderer, clock=parts.clock, remember=parts.path / "sms", otherwise=mail
        )
        return {"identity": idnow, "codes": codes}

    found = {one.check: one for one in examine(open_local(folder, replace=wrong))}
    for check in ("identities[default]", "codes[default].TwilioGateway", "codes[default].SmtpCodes"):
        assert found[check].state is State.FAULT
        assert found[check].mend
        assert "wrong" not in found[check].what + found[check].mend


def test_gateways_and_stripe_are_asked_something_harmless(folder: Path, served: Served) -> None:
    def right(parts: Parts) -> dict[str, object]:
        stripe = StripeIdentity(
            http=Http(f"{served.url}/stripe", plain=True),
            api_key=Secret(API_KEY),
            clock=parts.clock,
            remember=parts.path / "stripe",
        )
        http = Http(f"{served.url}/sms", plain=True)
        gateways: tuple[SmsGateway, ...] = (
            TwilioGateway(http, account="AC1", token=Secret(TOKEN), sender="MG1"),
            BrevoGateway(http, api_key=Secret(TOKEN), sender="Etude"),
        )
        codes = {
            f"{number}": SmsCodes(gateway=one, renderer=parts.renderer, clock=parts.clock, remember=parts.path / "sms")
            for number, one in enumerate(gateways)
        }
        return {"identity": stripe, "codes": {"default": parts.codes, **codes}}

    found = states(open_local(folder, replace=right))
    for check in ("identities[default]", "codes[0].TwilioGateway", "codes[1].BrevoGateway"):
        assert found[check] is State.FINE


def test_a_clock_that_is_wrong_is_named(folder: Path, served: Served) -> None:
    ahead = ManualClock(datetime.now(UTC) + timedelta(minutes=2))
    found = states(open_local(folder, clock=ahead, replace=partial(sandboxed.replacing, served.url)))
    assert found["identities[default] clock"] is State.FAULT


def test_what_has_run_out_is_named(tmp_path: Path) -> None:
    clock = ManualClock(START)
    qcp = open_local(tmp_path, clock=clock)

    def of_lists(qcp: LocalQcp) -> State:
        found = states(qcp, trust=qcp.trust_directory)
        return next(state for check, state in found.items() if check.startswith("trusted list "))

    clock.advance(timedelta(days=85))
    assert of_lists(qcp) is State.WARNING
    clock.advance(timedelta(days=10))
    assert of_lists(qcp) is State.FAULT
    clock.advance(timedelta(days=365 * 20))
    found = {one.check: one for one in examine(qcp)}
    assert found["seal certificate"].state is State.FAULT
    assert found["timestamps"].state is State.FAULT
    assert "make the folder anew" in found["timestamps"].mend


def test_a_folder_without_lists_is_named(plain: LocalQcp, tmp_path: Path) -> None:
    assert states(plain, trust=tmp_path)["trusted lists"] is State.FAULT


@pytest.mark.parametrize(
    ("answers", "state"),
    [(400, State.FINE), (401, State.FINE), (204, State.FAULT), (404, State.FAULT), (500, State.FAULT)],
)
def test_a_webhook_address_has_to_refuse_what_nobody_signed(plain: LocalQcp, answers: int, state: State) -> None:
    def host(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        start(f"{answers} Answer", [("Content-Length", "0")])
        return [b""]

    sandbox = Sandbox(only=[])
    sandbox.control = host  # type: ignore[assignment]  # any WSGI application will do
    with Served(sandbox) as running:
        url = f"{running.url}/_control/hooks?x=1"
        assert states(plain, webhooks=[url])[url] is state
    assert states(plain, webhooks=[url])[url] is State.FAULT  # nobody there


def test_the_command_says_what_to_mend(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert qcp_sdk(["--language", "en", "doctor", "--installation", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "look\tadapters\tsimulated: " in told
    assert "0 to mend" in told
    bad = ["doctor", "--installation", str(folder), "--webhook", "http://127.0.0.1:1/"]
    assert qcp_sdk(["--language", "fr", *bad]) == 1
    assert "à réparer\thttp://127.0.0.1:1/" in capsys.readouterr().out
    assert qcp_sdk([*bad, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {one["state"] for one in found} <= set(doctor.State)
