"""Switching is configuration: one host, one table of settings, and the whole journey in both plans with every adapter.

`host` is the whole of the host's code. What differs from one row of `SETS` to the next is a file of settings: nothing
(the local adapters), the sandbox's providers over HTTP in several sets, beside real SMTP and OpenID servers.
"""

from __future__ import annotations

import email
import json
import re
import socket
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx
import pytest
from attrs import define, field, frozen
from cryptography import x509

from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.webhooks import StandardWebhooks
from qcp_sdk.adapters.system import SystemClock
from qcp_sdk.certificates import StatusKind
from qcp_sdk.cli.doctor import State, examine
from qcp_sdk.demo import sandboxed
from qcp_sdk.demo.journey import CABINET, Hands, Journey, LocalHands, Teller
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.errors import NotFound
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.custody import OBSTACLES
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.local import LocalQcp
from qcp_sdk.otp import ALPHABETS, Channel, Purpose
from qcp_sdk.people import Account
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.providers import open_from
from qcp_sdk.providers.sections import _GATEWAYS, SECTIONS
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.subscription.facts import RevocationRequested
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.leaks import files, leaks
from qcp_sdk.values import Cents, EmailAddress, Fingerprint, Secret
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
MINUTES: Final = timedelta(minutes=5)
SECRET: Final = "whsec_" + "a" * 43 + "="


def host(settings: Path, clock: ManualClock) -> LocalQcp:
    """Be the host: open the installation that the settings describe. Nothing else is a host's to do."""
    return open_from(settings, clock=clock, offer=sandboxed.offers)


# --- what stands beside the sandbox -------------------------------------------------------------------------------


class Post:
    """A real SMTP server's messages."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, EmailMessage]] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=SMTP_POLICY)
        assert isinstance(message, EmailMessage)
        self.mails += [(to, message) for to in envelope.rcpt_tos]
        return "250 taken"

    def latest_code(self, *, to: EmailAddress, purpose: Purpose | None = None) -> Secret:
        alphabet, length = ALPHABETS[Channel.EMAIL]
        for address, message in reversed(self.mails):
            body = message.get_body(("plain",))
            found = re.search(rf"(?m)^ *([{alphabet}]{{{length}}})\s*$", body.get_content()) if body else None
            if address == to.text and found:
                return Secret(found[1])
        raise NotFound("no code was sent to this address", mend="ask for one first")


@contextmanager
def smtp(_town: Town) -> Iterator[dict[str, Any]]:
    from aiosmtpd.controller import Controller

    post = Post()
    controller = Controller(post, hostname="127.0.0.1", port=free_port())
    controller.start()
    _town.mailbox = post
    try:
        yield {"smtp": {
            "host": "127.0.0.1", "port": controller.port, "security": "none", "sender": "signature@host.example",
        }}  # fmt: skip
    finally:
        controller.stop()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    class Silent(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def events(town: Town) -> Iterator[dict[str, Any]]:
    signatures = StandardWebhooks([Secret(SECRET)], clock=town.clock)

    def listening(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {name[5:].lower().replace("_", "-"): str(value) for name, value in environ.items() if "HTTP_" in name}
        signatures.check(Delivery(headers=headers, body=body))
        town.heard.append(json.loads(body)["type"])
        start("204 No Content", [])
        return [b""]

    with serving(listening) as url:
        yield {"events": {"url": url, "secret": SECRET}}


@contextmanager
def oidc(town: Town) -> Iterator[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock  # type: ignore[import-untyped]

    with serving(oidc_provider_mock.app()) as url:
        told = {"client_id": "qcp", "client_secret": "the client's secret", "redirect_url": "https://host.example/back"}

        def sign_in(person: Account) -> None:
            claims = {
                "given_name": person.name.given,
                "family_name": person.name.last,
                "email": person.email.text,
                "email_verified": True,
                "phone_number": person.mobile.text,
                "locale": person.language,
                "cabinets": [{"id": one.id, "name": one.name} for one in person.cabinets],
            }
            httpx.put(f"{url}/users/{person.id}", json=claims).raise_for_status()
            accounts: Any = town.qcp.ports.accounts
            begun = accounts.sign_in()
            back = parse_qs(urlsplit(httpx.post(begun.url, data={"sub": person.id}).headers["Location"]).query)
            assert accounts.signed_in(begun, state=back["state"][0], code=back["code"][0]) == person

        town.sign_in = sign_in
        yield {"oidc": {"issuer": url, **told}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


# --- the table ----------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Providers:
    """One row: what of the sandbox, what beside it, and which authority's certificates are put on the list."""

    sandbox: tuple[str, ...] = ()
    beside: tuple[Callable[[Town], Any], ...] = ()
    listed: tuple[str, ...] = ()


SETS: Final = {
    "local": Providers(),
    "idnow-csc-sms-smtp": Providers(sandbox=("idnow", "universign", "csc", "sms"), beside=(smtp,), listed=("csc",)),
    "stripe-cmp-twilio-events": Providers(
        sandbox=("stripe", "universign", "cmp", "twilio"), beside=(events,), listed=("cmp",)
    ),
    "idnow-cmp-brevo-oidc": Providers(sandbox=("idnow", "universign", "cmp", "brevo"), beside=(oidc,), listed=("cmp",)),
}
"""Every section of the settings, and every gateway, is in one of them."""
KEPT: Final = (
    "csc.sqlite",
    "cmp.sqlite",
    "holders",
    "idnow",
    "stripe",
    "universign",
    "universign-pages",
    "sms",
    "events",
    "oidc",
)
LONG: Final = SETS.keys() - {"idnow-csc-sms-smtp"}


@define
class Town:
    """A platform, and the sandbox that it asks over a real socket."""

    clock: ManualClock
    served: Served
    qcp: LocalQcp = field(init=False)
    settings: dict[str, Any] = field(factory=dict)
    heard: list[str] = field(factory=list)
    mailbox: Any = None
    who: Any = None
    """Who subscribes now."""
    sign_in: Callable[[Account], None] = lambda _: None

    def journey(self, hands: Hands) -> Journey:
        def wait(_name: str, ready: Callable[[], bool]) -> None:
            self.clock.advance(MINUTES)
            self.served.sandbox.deliver_due()
            self.qcp.run_due()
            assert ready()

        return Journey(
            qcp=self.qcp,
            tell=Teller(say=lambda *_, **__: None, head=lambda *_, **__: None, wait=wait),
            language="fr",
            hands=hands,
        )


class LocalTelephone(LocalHands):
    """The folder's own, for the hosted plan too."""

    def register(self, view: Any) -> None:
        session = next(one for one in reversed(self.qcp.registration.sessions()) if one.subscription == view.id)
        self.qcp.registration.complete(session.id)


def written(path: Path, settings: dict[str, Any]) -> Path:
    lines = ['folder = "installation"']
    for section, members in settings.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in members.items())]
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in SETS])
def test_the_whole_journey_in_both_plans(name: str, tmp_path: Path) -> None:
    row, clock = SETS[name], ManualClock(SystemClock().now())
    with ExitStack() as open_, Served(Sandbox(base=clock)) as served:
        served._stopped.set()  # webhooks are delivered when the test says so
        town = Town(clock, served)
        if row.sandbox:
            asked = httpx.get(f"{served.url}/_control/settings.toml", params={"with": ",".join(row.sandbox)})
            town.settings |= loaded(asked.text)
        for beside in row.beside:
            town.settings |= open_.enter_context(beside(town))
        town.qcp = host(written(tmp_path / "settings.toml", town.settings), clock)
        if row.listed:
            town.qcp.listed = sandboxed.Published(served.url, row.listed).listed
        if town.mailbox is not None:
            town.qcp.mailbox = town.mailbox
        hands: Any = Telephone(served.url, town, row.listed) if row.sandbox else LocalTelephone(town.qcp)
        lived(town, town.journey(hands), hands, tmp_path)
        found = list(examine(town.qcp, trust=town.qcp.trust_directory))
        # This clock was moved, and those of the real servers were not.
        assert [one for one in found if one.state is State.FAULT and not one.check.endswith("clock")] == []
        erased(town, (town.who, sandboxed.camille("fr")), tmp_path / "installation")
    if "events" in town.settings:
        assert {"qcp.certificate_issued", "qcp.signed_copy"} <= set(town.heard)


def lived(town: Town, journey: Journey, hands: Any, folder: Path) -> None:
    """Two people subscribe and sign in the assembled plan, a third subscribes in the hosted one."""
    qcp = town.qcp
    journey.prepare()
    for person in (journey.a, journey.b, sandboxed.camille("fr")):
        town.sign_in(person)
    subscribed = []
    for person in (journey.a, journey.b):
        town.who = person
        subscribed.append(journey.subscribe(person, stumble=person is journey.a))
        assert subscribed[-1].stage is Stage.ACTIVE
    assert qcp.ledger.balance(cabinet=CABINET.id) == Cents(8_220 - 2 * 2_000)
    content = qcp.collectes.keep(demo_contract(at=town.clock.now()))
    path = folder / "signed.pdf"
    path.write_bytes(qcp.collectes.read(journey.sign(journey.collecte("remote", content, "lettre.pdf"))))
    report = verify(path, trust=TrustStore.load(qcp.publish_trust()), now=town.clock.now())
    assert (report.level_reached, len(report.signatures)) == (SignatureLevel.NIVEAU_3, 2)
    ended = revoked(town, subscribed[1].id, hands, journey.b)
    assert (ended.stage, ended.show.certificate.state) == (Stage.REVOKED, "revoked")
    hosted = sandboxed.subscribe_hosted(journey, hands)
    assert hosted.stage is Stage.ACTIVE
    assert qcp.ledger.balance(cabinet=sandboxed.HOSTED.id) == Cents(0)


def revoked(town: Town, id: Any, hands: Any, person: Account) -> Any:
    """Have a holder revoke by a code, and find the certificate on the list that the authority publishes."""
    view = town.qcp.subscriptions.get(id)
    assert view.show.certificate is not None
    fingerprint = Fingerprint(view.show.certificate.fingerprint)
    view = view.say(CodeRequested()).say(hands.sms_code(person, Purpose.REVOKE))
    view = view.say(RevocationRequested(reason="key_compromise"))
    told = town.qcp.ports.authorities["default"].status(fingerprint=fingerprint)
    assert (told.kind, told.reason) == (StatusKind.REVOKED, "key_compromise")
    for name in {"csc", "cmp"} & town.settings.keys():
        content = sandboxed.Published(town.served.url).file("qcp.crl", name)
        assert len(list(x509.load_der_x509_crl(content))) == 1
    return view


def erased(town: Town, people: tuple[Account, ...], folder: Path) -> None:
    """What adapters keep beside the store tells nothing of anybody, and is gone when everybody is erased."""
    qcp, kept = town.qcp, [folder / name for name in KEPT if (folder / name).exists()]
    personal = {text for one in people for text in (one.name.last, one.email.text, one.mobile.text[1:], one.id)}
    assert leaks(personal, lying(kept)) == set()
    for id in streams(folder):
        qcp.operations.erase(id, by="Odile", reason="request 7", despite=OBSTACLES, approved_by="Samir")
    qcp.run_due()
    assert [path for one in kept for path in one.rglob("of/*")] == []
    for path in kept:
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("SELECT count(*) FROM owners").fetchone() == (0,)
        assert list(path.glob("*.pem")) == []
    assert leaks(personal, lying(kept)) == set()


def lying(kept: list[Path]) -> Iterator[bytes]:
    for one in kept:
        yield from files(one) if one.is_dir() else iter([one.read_bytes()])


def streams(folder: Path) -> list[str]:
    """Give the ids of every subscription and ceremony."""
    with closing(sqlite3.connect(folder / "store.sqlite")) as connection:
        told = connection.execute("SELECT id FROM qcp_streams WHERE kind IN ('subscription', 'ceremony')")
        return [id for (id,) in told]


@frozen
class Telephone(sandboxed.SandboxHands):
    """Whoever keeps the keys sends the code for signing: a CSC service its own, any other through the gateway."""

    town: Town
    keepers: tuple[str, ...]

    def capture(self, view: Any) -> None:
        """Show a document that bears one's own name: IDnow is told it beforehand, Stripe's is in the script."""
        stripe = self.town.served.sandbox.providers["stripe"]
        if "stripe" in self.town.settings:
            session = view.show.identity.url.rpartition("/")[2]
            named = {"first_name": self.town.who.name.given, "last_name": self.town.who.name.last}
            stripe.script({"session": session} | named)
        sandboxed.SandboxHands.capture(self, view)

    def sms_code(self, account: Account, purpose: Purpose) -> Any:
        """Read the newest SMS."""
        return sandboxed.SandboxHands.sms_code(self, account, purpose if "csc" in self.keepers else Purpose.REQUEST)


def loaded(text: str) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(text)


def test_every_adapter_is_in_one_of_the_sets() -> None:
    made = {name for row in SETS.values() for name in (*row.sandbox, *(one.__name__ for one in row.beside))}
    gateways = {"sms": "json", "twilio": "twilio", "brevo": "brevo"}
    assert {gateways[one] for one in made & gateways.keys()} == set(_GATEWAYS)
    sections = made - {"twilio", "brevo"} | ({"timestamps"} if "cmp" in made else set())
    assert sections == set(SECTIONS)
