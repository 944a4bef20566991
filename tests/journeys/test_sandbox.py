"""The guide's journey over HTTP, in both plans, on the sandbox: with webhooks that repeat, lie and come late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from attrs import define, field
from cryptography import x509

from qcp_sdk.adapters.idnow import IdnowHints
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.certificates import fingerprint
from qcp_sdk.demo import __main__ as demo
from qcp_sdk.demo import sandboxed
from qcp_sdk.demo.journey import CABINET, Journey, Teller
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.errors import WebhookRefused
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.local import LocalQcp, open_local
from qcp_sdk.otp import Purpose
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.idnow import IdnowSandbox
from qcp_sdk.sandbox.post import Mode
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.values import Cents, Key
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

MINUTES: Final = timedelta(minutes=5)


@define
class Town:
    """A platform on a folder, and the sandbox that it asks over a real socket."""

    qcp: LocalQcp
    clock: ManualClock
    served: Served
    heard: list[str] = field(factory=list)

    @property
    def hands(self) -> sandboxed.SandboxHands:
        return sandboxed.SandboxHands(self.served.url)

    def journey(self) -> Journey:
        def wait(_name: str, ready: Callable[[], bool]) -> None:
            self.clock.advance(MINUTES)
            self.served.sandbox.deliver_due()
            assert ready()

        teller = Teller(say=lambda *_, **__: None, head=lambda *_, **__: None, wait=wait)
        return Journey(qcp=self.qcp, tell=teller, language="fr", hands=self.hands)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    clock, hints = ManualClock(START), IdnowHints(["127.0.0.1"])
    towns: list[Town] = []

    def deliver(_url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Be the host's webhook address."""
        try:
            named = hints.sessions(delivery=Delivery(headers=headers, body=body, source="127.0.0.1"))
        except WebhookRefused as refused:
            towns[0].heard.append(refused.reason)
            return 400
        for session in named:
            towns[0].heard.append(session)
            towns[0].qcp.subscriptions.hint(session)
        return 204

    sandbox = Sandbox(base=clock, only=sandboxed.PROVIDERS, deliver=deliver)
    with Served(sandbox) as served:
        served._stopped.set()  # webhooks are delivered when the test says so
        sandbox.providers["csc"].script({"rules": {"login": True}})
        qcp = open_local(
            tmp_path_factory.mktemp("sandbox"),
            clock=clock,
            offer=sandboxed.offers,
            replace=partial(sandboxed.replacing, served.url),
        )
        qcp.listed = sandboxed.Published(served.url).listed
        towns.append(Town(qcp, clock, served))
        yield towns[0]


def test_both_plans_end_with_a_certificate_that_was_paid_once(town: Town) -> None:
    idnow = town.served.sandbox.providers["idnow"]
    assert isinstance(idnow, IdnowSandbox)
    idnow.script({"webhook": "https://host.example/hooks/idnow"})
    town.served.sandbox.office.set(Mode.DUPLICATE, timedelta(0))
    journey = town.journey()
    journey.prepare()
    assembled = journey.subscribe(journey.a, stumble=True)
    hosted = sandboxed.subscribe_hosted(journey, town.hands)
    assert (assembled.stage, hosted.stage) == (Stage.ACTIVE, Stage.ACTIVE)
    assert assembled.show.certificate is not None
    assert hosted.show.attested_by == "Universign"
    assert town.qcp.ledger.balance(cabinet=CABINET.id) == Cents(8_220 - 2_000)
    assert town.qcp.ledger.balance(cabinet=sandboxed.HOSTED.id) == Cents(0)
    assert len(town.heard) == 4  # under review and decided, each twice


def test_a_document_is_signed_at_the_remote_service_and_reaches_niveau_3(town: Town, tmp_path: Path) -> None:
    journey = town.journey()
    journey.subscribe(journey.b, stumble=False)
    content = town.qcp.collectes.keep(demo_contract(at=town.clock.now()))
    signed = journey.sign(journey.collecte("remote", content, "lettre.pdf"))
    path = tmp_path / "signed.pdf"
    path.write_bytes(town.qcp.collectes.read(signed))
    report = verify(path, trust=TrustStore.load(town.qcp.publish_trust()), now=town.clock.now())
    assert report.level_reached is SignatureLevel.NIVEAU_3
    assert len(report.signatures) == 2
    csc = town.served.sandbox.providers["csc"]
    assert isinstance(csc, CscSandbox)
    assert csc.counts["credentials/create"] == csc.counts["signatures/signHash"] == 2


def test_a_credential_that_is_deleted_is_on_the_revocation_list(town: Town) -> None:
    csc = town.served.sandbox.providers["csc"]
    assert isinstance(csc, CscSandbox)
    published = sandboxed.Published(town.served.url)

    def revoked() -> set[int]:
        return {one.serial_number for one in x509.load_der_x509_crl(published.file("qcp.crl"))}

    assert revoked() == set()
    held = next(iter(csc.credentials.values())).held
    town.qcp.ports.authorities["default"].revoke(
        key=Key("s/90/0"), fingerprint=fingerprint(held.chain[0]), reason="key_compromise"
    )
    assert revoked() == {held.serial}


def test_codes_went_by_sms_to_the_gateway_and_not_to_the_mailbox(town: Town) -> None:
    journey = town.journey()
    assert not town.qcp.mailbox.messages(to=journey.a.mobile, kind="code")
    assert len(town.hands.sms_code(journey.a, Purpose.REQUEST).text.reveal()) == 7


def test_a_forged_webhook_decides_nothing(town: Town) -> None:
    journey = town.journey()
    town.served.sandbox.forge(1)
    page = town.qcp.subscriptions.page(account=journey.a.id)
    town.served.sandbox.deliver_due()
    assert town.heard[-1] == "qcp-forged"
    assert town.qcp.subscriptions.page(account=journey.a.id) == page


@pytest.mark.full
@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_demonstration_runs_on_the_sandbox(tmp_path: Path, language: str) -> None:
    with sandboxed.serving() as served:
        assert demo.run(tmp_path / "demo-output", None, language, sandbox=served.url) == 0
