"""Everything on Universign's pages: subscribed there, attested, then signed there, heard of by signed webhooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from attrs import evolve

from qcp_sdk.adapters.local_scheme import ListedService, Purpose, ServiceStatus, ServiceType
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.universign import UniversignPages, UniversignRegistration, UniversignWebhooks
from qcp_sdk.ceremony.stages import CeremonyPlan, CeremonyStage
from qcp_sdk.collectes import Collecte
from qcp_sdk.demo import sandboxed
from qcp_sdk.demo.journey import Journey, Teller
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.local import LocalQcp, Parts, open_local
from qcp_sdk.sandbox.faults import Fault, FaultKind
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.universign import API_KEY, UniversignSandbox
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.conformance.examples import START
from qcp_sdk.values import AccountId, Secret
from qcp_sdk.verification import TrustStore, verify
from qcp_sdk.web.webhooks import WebhookDesk

BASE = "https://sandbox.test/universign"


def replacing(sandbox: Sandbox, parts: Parts) -> Mapping[str, object]:
    """Give the adapters; on a real platform only addresses and keys differ."""
    http, key = Http(BASE, serve=sandbox), Secret(API_KEY)
    return {
        "registration": UniversignRegistration(
            http=http,
            api_key=key,
            keys=parts.keys,
            clock=parts.clock,
            remember=parts.path / "registrations",
            redirect_url="https://host.example/certificates",
        ),
        "pages": UniversignPages(
            http=http,
            api_key=key,
            documents=FileShelf(parts.path / "documents"),
            judge=lambda pdf: verify(pdf, trust=TrustStore.load(parts.path / "trust"), now=parts.clock.now()),
            keys=parts.keys,
            clock=parts.clock,
            remember=parts.path / "transactions",
        ),
    }


class Town:
    """A platform on a folder, and browsers."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(START)
        self.sandbox = Sandbox(base=self.clock, only=["universign"], deliver=self._deliver)
        provider = self.sandbox.providers["universign"]
        assert isinstance(provider, UniversignSandbox)
        self.universign = provider
        self.universign.script({"webhook": "https://host.example/hooks/universign"})
        self.qcp: LocalQcp = open_local(
            folder, clock=self.clock, offer=sandboxed.offers, replace=partial(replacing, self.sandbox)
        )
        self.qcp.listed = self._listed
        self.qcp.publish_trust()
        receiver = UniversignWebhooks(keys=Http(BASE, serve=self.sandbox), clock=self.clock)
        self.desk = WebhookDesk(self.qcp, {"universign": receiver}, later=lambda work: work())
        self.answered: list[int] = []

    def _listed(self) -> tuple[tuple[ListedService, ...], tuple[bytes, ...]]:
        pki, granted = self.universign.pki, ((ServiceStatus.GRANTED, START - timedelta(days=1)),)
        authority = ListedService(
            name="Sandbox (TEST)",
            type=ServiceType.CA_QC,
            certificate=pki.authority,
            history=granted,
            purposes=(Purpose.SIGNATURES,),
        )
        time = ListedService(name="Time (TEST)", type=ServiceType.QTST, certificate=pki.timestamps, history=granted)
        return (authority, time), tuple(one for one in (pki.crl(issuer=pki.root),) if one is not None)

    def _deliver(self, _url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.answered.append(self.desk.receive("universign", headers=headers, body=body))
        return self.answered[-1]

    def press(self, url: str, **form: str) -> None:
        with httpx.Client(transport=httpx.WSGITransport(app=self.sandbox)) as browser:
            browser.post(url, data=form)

    def register(self, view: object) -> None:
        self.press(re.sub(r"^.*?/universign", BASE, view.show.registration_url))  # type: ignore[attr-defined]

    def subscribe(self) -> AccountId:
        def wait(_name: str, ready: object) -> None:
            self.clock.advance(timedelta(minutes=5))
            self.sandbox.tick()
            assert ready()  # type: ignore[operator]

        teller = Teller(say=lambda *_, **__: None, head=lambda *_, **__: None, wait=wait)
        journey = Journey(qcp=self.qcp, tell=teller, language="fr", hands=self)  # type: ignore[arg-type]
        view = sandboxed.subscribe_hosted(journey, self)
        assert view.stage is Stage.ACTIVE
        return AccountId("camille")

    def collecte(self, id: str, account: AccountId) -> Collecte:
        person = self.qcp.accounts.account(id=account)
        content = self.qcp.collectes.keep(demo_contract(at=START))
        journey = Journey(qcp=self.qcp, tell=None, language="fr", hands=self)  # type: ignore[arg-type]
        made = journey.collecte(id, content, "lettre.pdf")
        signatory = evolve(
            made.signatories[0],
            name=person.name,
            email=person.email,
            mobile=person.mobile,
            account=person.id,
        )
        return evolve(made, signatories=(signatory,))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    return Town(tmp_path_factory.mktemp("universign"))


@pytest.fixture(scope="module")
def subscribed(town: Town) -> AccountId:
    return town.subscribe()


def test_what_is_attested_suffices_and_is_signed_on_the_page(town: Town, subscribed: AccountId) -> None:
    qcp, collecte = town.qcp, town.collecte("signed", subscribed)
    assert SignatureLevel.NIVEAU_3 in qcp.collectes.assess(collecte).of(collecte.signatories[0].id).levels_available
    (view,) = qcp.collectes.start(collecte, plan=CeremonyPlan.HOSTED)
    assert view.stage is CeremonyStage.SIGNING_AT_PROVIDER
    town.answered.clear()
    town.press(view.show.url, do="sign")
    assert town.sandbox.deliver_due() > 0
    assert set(town.answered) == {204}
    (view,) = qcp.collectes.ceremonies(collecte.id)  # nothing was polled: the webhook made us ask
    assert view.stage is CeremonyStage.SIGNED
    signed = view.show.documents[0].signed
    assert signed is not None
    trust = TrustStore.load(qcp.publish_trust())
    report = verify(qcp.collectes.read(signed), trust=trust, now=town.clock.now())
    assert report.level_reached is SignatureLevel.NIVEAU_3


def test_a_refusal_on_the_page_ends_the_collecte(town: Town, subscribed: AccountId) -> None:
    qcp, collecte = town.qcp, town.collecte("refused", subscribed)
    (view,) = qcp.collectes.start(collecte, plan=CeremonyPlan.HOSTED)
    town.press(view.show.url, do="decline")
    town.sandbox.deliver_due()
    assert qcp.collectes.ceremonies(collecte.id)[0].stage is CeremonyStage.REFUSED


def test_a_forged_event_moves_nothing(town: Town, subscribed: AccountId) -> None:
    collecte = town.collecte("forged", subscribed)
    town.qcp.collectes.start(collecte, plan=CeremonyPlan.HOSTED)
    town.sandbox.deliver_due()
    town.sandbox.forge(town.sandbox.office.webhooks()[-1].number)
    town.sandbox.deliver_due()
    assert town.answered[-1] == 400
    assert town.qcp.collectes.ceremonies(collecte.id)[0].stage is CeremonyStage.SIGNING_AT_PROVIDER


def test_without_the_sender_s_keys_a_webhook_is_sent_again(town: Town, subscribed: AccountId) -> None:
    """Neither believed nor refused: 503, and it is repeated."""
    fresh = UniversignWebhooks(keys=Http(BASE, serve=town.sandbox), clock=town.clock)
    desk = WebhookDesk(town.qcp, {"universign": fresh}, later=lambda work: work())
    town.qcp.collectes.start(town.collecte("unheard", subscribed), plan=CeremonyPlan.HOSTED)
    sent = town.sandbox.office.webhooks()[-1]
    town.sandbox.faults.add(Fault(kind=FaultKind.DOWN))
    assert desk.receive("universign", headers=sent.headers, body=sent.body) == 503
    assert desk.receive("nobody", headers=sent.headers, body=sent.body) == 404
