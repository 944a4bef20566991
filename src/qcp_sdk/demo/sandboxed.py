"""The demonstration on the sandbox: providers are asked over HTTP, and people act on the providers' own pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import httpx
from attrs import frozen

from qcp_sdk.demo.journey import CONSENT_VERSION, Journey, consent_hash
from qcp_sdk.errors import NotFound
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.local import Parts
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    Cents,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    Secret,
    TenantId,
)

if TYPE_CHECKING:
    from qcp_sdk.adapters.local_scheme import ListedService
    from qcp_sdk.sandbox.server import Sandbox, Served

PROVIDERS: Final = ("csc", "idnow", "sms", "universign")
HOSTED: Final = Cabinet(id=CabinetId("valmont"), name="Cabinet Valmont")
"""A cabinet whose members subscribe on Universign's pages."""
PUBLISHED: Final = {"csc": "csc/csc/pki", "cmp": "cmp/pki"}
"""Where each authority of the sandbox publishes."""
VERDICT_AFTER: Final = timedelta(seconds=3)


def offers(_tenant: TenantId, cabinet: CabinetId) -> Offer:
    """Give each cabinet its plan."""
    return Offer(plan=Plan.HOSTED if cabinet == HOSTED.id else Plan.ASSEMBLED)


@contextmanager
def serving() -> Iterator[Served]:
    """Serve the providers on a port of this machine; they take seconds instead of minutes."""
    from qcp_sdk.sandbox.idnow import IdnowSandbox
    from qcp_sdk.sandbox.server import Sandbox, Served
    from qcp_sdk.sandbox.universign import UniversignSandbox

    sandbox: Sandbox = Sandbox(only=PROVIDERS)
    sandbox.providers["csc"].script({"rules": {"login": True}})  # as a real service: nobody signs without a token
    for provider in sandbox.providers.values():
        if isinstance(provider, IdnowSandbox | UniversignSandbox):
            provider.verdict_after = VERDICT_AFTER
    with Served(sandbox) as served:
        yield served


def replacing(url: str, parts: Parts, *, chosen: str = "") -> Mapping[str, object]:
    """Give the adapters of the sandbox at this address; other settings make them those of the real ones.

    `chosen` are names of providers, with commas; by default IDnow, Universign, CSC, SMS.
    """
    import tomllib

    from qcp_sdk.providers import adapters

    answer = httpx.get(f"{url}/_control/settings.toml", params={"with": chosen}, timeout=10)
    answer.raise_for_status()
    return adapters(tomllib.loads(answer.text), parts)


@frozen
class Published:
    """What the authorities of the sandbox publish for relying parties, over HTTP."""

    url: str
    providers: tuple[str, ...] = ("csc",)

    def file(self, name: str, provider: str = "csc") -> bytes:
        """Fetch one."""
        answer = httpx.get(f"{self.url}/{PUBLISHED[provider]}/{name}", timeout=10)
        answer.raise_for_status()
        return answer.content

    def listed(self) -> tuple[tuple[ListedService, ...], tuple[bytes, ...]]:
        """Give what is to stand on the trusted list: the authorities, the time-stamping units; and their lists."""
        services: list[ListedService] = []
        lists: list[bytes] = []
        for provider in self.providers:
            services += self._services(provider)
            lists += [self.file("qcp.crl", provider), self.file("root.crl", provider)]
        return tuple(services), tuple(lists)

    def _services(self, provider: str) -> tuple[ListedService, ListedService]:
        from qcp_sdk.adapters.local_scheme import ListedService, ServiceStatus, ServiceType
        from qcp_sdk.adapters.local_scheme import Purpose as ListedPurpose
        from qcp_sdk.certificates import read

        granted = ((ServiceStatus.GRANTED, read(self.file("root.crt", provider)).not_before),)
        issuing = ListedService(
            name=f"{provider.upper()} sandbox (TEST)",
            type=ServiceType.CA_QC,
            certificate=self.file("qcp.crt", provider),
            history=granted,
            purposes=(ListedPurpose.SIGNATURES,),
        )
        time = ListedService(
            name=f"{provider.upper()} sandbox time-stamping unit (TEST)",
            type=ServiceType.QTST,
            certificate=self.file("tsu.crt", provider),
            history=granted,
        )
        return issuing, time


@frozen
class SandboxHands:
    """A telephone: opens links and presses the one button there, shows its SMS."""

    url: str

    def capture(self, view: SubscriptionView) -> None:
        """Show a document on IDnow's page."""
        assert view.show.identity is not None
        self._press(view.show.identity.url)

    def register(self, view: SubscriptionView) -> None:
        """Do everything on Universign's page."""
        self._press(view.show.registration_url)

    def sms_code(self, account: Account, purpose: Purpose) -> Code:
        """Read the newest SMS: the code is in its last line. The signing service sends its own.

        Raises:
            NotFound: There is none.
        """
        if purpose is Purpose.SIGN:
            state = httpx.get(f"{self.url}/_control/state", timeout=10).json()
            sent = [one["code"] for one in state["providers"]["csc"]["codes"] if one["mobile"] == account.mobile.text]
            return Code(Secret(sent[-1]))
        received = httpx.get(f"{self.url}/sms/inbox", params={"to": account.mobile.text}, timeout=10).json()
        found = re.search(r"^@\S+ #(\d+)$", received[-1]["text"].strip().splitlines()[-1]) if received else None
        if found is None:
            raise NotFound("no code was sent to this number", mend="ask for one first")
        return Code(Secret(found[1]))

    def _press(self, url: str) -> None:
        httpx.post(url, timeout=10)


class HostedHands(Protocol):
    """What a person does in the hosted plan."""

    def register(self, view: SubscriptionView) -> None:
        """Do everything on the provider's page."""


def camille(language: str) -> Account:
    """Give whoever subscribes in the hosted plan."""
    return Account(
        id=AccountId("camille"),
        name=PersonName(given="Camille", last="Durand"),
        email=EmailAddress("camille.durand@valmont.example"),
        mobile=PhoneNumber("+33 6 39 98 44 05"),
        language=language,
        cabinets=(HOSTED,),
    )


def subscribe_hosted(journey: Journey, hands: HostedHands) -> SubscriptionView:
    """The hosted plan, for one person of another cabinet: Universign does identity, request and issuance."""
    qcp, tell, account = journey.qcp, journey.tell, camille(journey.language)
    qcp.accounts.put(account)
    qcp.centre.enrol(account)
    qcp.ledger.credit(key=Key("demo/credit/hosted"), cabinet=HOSTED.id, amount=Cents(2_000), memo="prepaid credit")
    tell.head("subscribing_hosted", name=account.name.full)
    view = qcp.subscriptions.open(account=account.id, cabinet=HOSTED.id)
    price = view.show.price.text(journey.language)
    tell.say("opened", price=price, cabinet=HOSTED.name)
    view = view.say(CodeRequested())
    view = view.say(Code(qcp.mailbox.latest_code(to=account.email, purpose=Purpose.OPEN)))
    tell.say("email_code", to=account.email.masked)
    view = view.say(DetailsConfirmed())
    for text in CONSENTS:
        view = view.say(ConsentGiven(text=text, version=CONSENT_VERSION, hash=consent_hash(text)))
    tell.say("details")
    hands.register(view)
    tell.say("registered")
    tell.wait("hosted_wait", lambda: qcp.subscriptions.refresh(view.id).stage is Stage.ACTIVE)
    view = qcp.subscriptions.get(view.id)
    tell.say("attested", provider=view.show.attested_by, price=price)
    return view
