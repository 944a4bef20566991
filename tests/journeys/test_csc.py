"""A certificate issued and a ceremony signed over the CSC API, on a real wire, by a service that remembers."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from attrs import frozen

from qcp_sdk.adapters.csc import ClientCredentials, CscAuthority, CscClient, CscSigner, CscTimestamps, OAuth
from qcp_sdk.adapters.local_scheme import ListedService, ServiceStatus, ServiceType, publish
from qcp_sdk.adapters.local_scheme import Purpose as Purposes
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.notebook import FileNotebook
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.ceremony.facts import DocumentsConsented
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.certificates import read
from qcp_sdk.collectes import Collecte, Document, Role, Signatory
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.facts import CodeRequested, Fact
from qcp_sdk.host.collectes import CeremonyView
from qcp_sdk.host.saying import Code
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.local import LocalQcp
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account, Cabinet
from qcp_sdk.policy.load import default_policy
from qcp_sdk.policy.shapes import Issuer
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.csc_state import CscRules
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription.facts import ConsentGiven, DetailsConfirmed, IdentityConfirmed, RequestAccepted
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import CONSENTS
from qcp_sdk.testing.scene import hash_of
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    Cents,
    CollecteId,
    DocumentId,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    Secret,
    SignatoryId,
)
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
CABINET = Cabinet(id=CabinetId("freyssinet"), name="Cabinet Freyssinet")
JESSICA = Account(
    id=AccountId("jessica"),
    name=PersonName(given="Jessica", last="Poussart"),
    email=EmailAddress("jessica@cabinet.example"),
    mobile=PhoneNumber("+33639981316"),
    cabinets=(CABINET,),
)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture(scope="module")
def sandbox(clock: ManualClock) -> CscSandbox:
    return CscSandbox(clock=clock, rules=CscRules(login=True))


@pytest.fixture(scope="module")
def address(sandbox: CscSandbox) -> Iterator[str]:
    with make_server("127.0.0.1", 0, sandbox, server_class=Server, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@frozen
class Platform:
    """A host on a folder, whose authority, signer and timestamps are a CSC service."""

    folder: Path
    clock: ManualClock
    sandbox: CscSandbox
    address: str
    local: LocalQcp

    def qcp(self) -> Qcp:
        """Open the installation, as any of its processes does."""
        http = Http(self.address, plain=True)
        oauth = OAuth(http=http, client_id="qcp-sdk", client_secret=Secret("sandbox"))
        scope = "service credential-creation credential-deletion"
        client = CscClient(http, version="v2", access=ClientCredentials(oauth, clock=self.clock, scope=scope))
        ports = self.local.ports
        notebook = FileNotebook(self.folder / "csc.sqlite", keys=ports.keys)
        issuer = Issuer(
            name="Sandbox (TEST)",
            dn=read(self.sandbox.pki.authority).subject,
            levels=frozenset({CertificateLevel.QCP_N}),
        )
        return Qcp(
            store=ports.store, clock=self.clock, ids=ports.ids, keys=ports.keys, accounts=ports.accounts,
            ledger=ports.ledgers, codes=ports.codes, notices=ports.notices, documents=ports.documents,
            identity=ports.identities, lcp=ports.authorities["lcp"],
            policy=default_policy().trusting(issuer),
            offer=Offer(plan=Plan.ASSEMBLED),
            authority=CscAuthority(
                client,
                notebook=notebook,
                clock=self.clock,
                issuer="Sandbox (TEST)",
                client_data=lambda told: f"mobile={told.account.mobile.text}",
            ),
            signer=CscSigner(client, notebook=notebook, clock=self.clock, look=False),
            envelope=PdfEnvelope(
                documents=FileShelf(self.folder / "local" / "documents"),
                timestamps=CscTimestamps(client),
                revocation=self.sandbox.pki,
                clock=self.clock,
                level=PadesLevel.B_LT,
                answers=KeptAnswers(self.folder / "embedded"),
            ),
        )  # fmt: skip

    def code(self, purpose: Purpose) -> Code:
        to = JESSICA.email if purpose is Purpose.OPEN else JESSICA.mobile
        return Code(self.local.mailbox.latest_code(to=to, purpose=purpose))

    def wait(self, minutes: int) -> None:
        for _ in range(minutes):
            self.clock.advance(timedelta(minutes=1))
            self.qcp().run_due()


@pytest.fixture(scope="module")
def platform(
    tmp_path_factory: pytest.TempPathFactory, clock: ManualClock, sandbox: CscSandbox, address: str
) -> Platform:
    tmp_path = tmp_path_factory.mktemp("csc")
    local = Qcp.local(tmp_path / "local", clock=clock)
    local.accounts.put(JESSICA)
    local.centre.enrol(JESSICA)
    local.ledger.credit(key=Key("credit"), cabinet=CABINET.id, amount=Cents(8_220), memo="prepaid credit")
    return Platform(tmp_path, clock, sandbox, address, local)


Judge = Callable[[str], str]


@pytest.fixture(scope="module")
def documents(platform: Platform) -> tuple[bytes, bytes]:
    """Have a certificate issued and two documents signed with one code: the whole journey."""
    return signed(platform)


def test_a_certificate_is_issued_and_two_documents_are_signed_with_one_code(
    platform: Platform, documents: tuple[bytes, bytes]
) -> None:
    for content in documents:
        valid(content, platform.sandbox.pki.root, platform.clock.now())


def test_niveau_3_is_read_from_what_was_signed(
    platform: Platform, documents: tuple[bytes, bytes], tmp_path: Path
) -> None:
    pki, now = platform.sandbox.pki, platform.clock.now()
    granted, operator = ((ServiceStatus.GRANTED, START - timedelta(days=1)),), platform.local.centre.operator()
    services = (
        ListedService(
            name="Sandbox QCP-n (TEST)",
            type=ServiceType.CA_QC,
            certificate=pki.authority,
            history=granted,
            purposes=(Purposes.SIGNATURES,),
        ),
        ListedService(name="Sandbox time (TEST)", type=ServiceType.QTST, certificate=pki.timestamps, history=granted),
    )
    lists = [pki.crl(issuer=issuer) for issuer in (pki.root, pki.authority)]
    publish(
        tmp_path / "trust",
        operator_key=operator.key,
        operator_certificate=operator.certificate,
        services=services,
        now=now,
        next_update=now + timedelta(days=90),
        sequence=1,
        crls=tuple(one for one in lists if one is not None),
    )
    trust = TrustStore.load(tmp_path / "trust")
    for place, content in enumerate(documents):
        (tmp_path / f"{place}.pdf").write_bytes(content)
        report = verify(tmp_path / f"{place}.pdf", trust=trust, now=now)
        assert report.level_reached is SignatureLevel.NIVEAU_3


@pytest.mark.judge("pdfsig")
def test_poppler_finds_both_signatures_valid(documents: tuple[bytes, bytes], judge: Judge, tmp_path: Path) -> None:
    for content in documents:
        (tmp_path / "signed.pdf").write_bytes(content)
        told = subprocess.run(
            [judge("pdfsig"), "-nocert", str(tmp_path / "signed.pdf")], capture_output=True, text=True, check=True
        )
        assert "Signature is Valid." in told.stdout
        assert "Poussart" in told.stdout


def signed(platform: Platform) -> tuple[bytes, bytes]:
    """Subscribe, then sign two documents; give them."""
    id = platform.qcp().subscriptions.open(account=JESSICA.id, cabinet=CABINET.id).id

    def say(what: Fact | Code) -> None:
        platform.qcp().subscriptions.get(id).say(what)

    say(CodeRequested())
    say(platform.code(Purpose.OPEN))
    say(DetailsConfirmed())
    for text in CONSENTS:
        say(ConsentGiven(text=text, version="1", hash=hash_of(text)))
    identity = platform.local.identity
    identity.capture(next(one.id for one in identity.sessions() if one.subscription == id))
    platform.wait(6)
    say(IdentityConfirmed())
    request = platform.qcp().subscriptions.get(id).show.request
    assert request is not None
    say(RequestAccepted(hash=request))
    say(CodeRequested())
    say(platform.code(Purpose.REQUEST))
    platform.wait(1)
    view = platform.qcp().subscriptions.get(id)
    assert view.stage is Stage.ACTIVE
    assert view.show.certificate is not None
    assert view.show.certificate.level == "QCP_N"

    originals = [demo_contract(at=START.replace(year=year)) for year in (2025, 2026)]
    collecte = Collecte(
        id=CollecteId("mission"),
        title="Lettre de mission",
        sender=CABINET.name,
        documents=tuple(
            Document(id=DocumentId(f"d{place}"), name=f"{place}.pdf", content=platform.qcp().collectes.keep(content))
            for place, content in enumerate(originals)
        ),
        signatories=(
            Signatory(
                id=SignatoryId("jessica"),
                name=JESSICA.name,
                email=JESSICA.email,
                mobile=JESSICA.mobile,
                level=SignatureLevel.NIVEAU_3,
                role=Role.MEMBER,
                account=JESSICA.id,
            ),
        ),
        deadline=platform.clock.now() + timedelta(days=15),
    )
    platform.qcp().collectes.start(collecte)

    def now() -> CeremonyView:
        return platform.qcp().collectes.ceremonies(collecte.id)[0]

    now().say(DocumentsConsented(documents=tuple((one.id, one.content) for one in collecte.documents)))
    counts = platform.sandbox.counts
    now().say(CodeRequested())
    (sent,) = platform.sandbox.sent
    assert sent.mobile == JESSICA.mobile.text
    now().say(Code(sent.code))
    done = now()
    assert done.stage is CeremonyStage.SIGNED
    told = ("credentials/create", "credentials/getChallenge", "credentials/authorize", "signatures/signHash")
    assert [counts[method] for method in told] == [1, 1, 1, 1]
    names = [one.signed for one in done.show.documents]
    contents = [platform.qcp().collectes.read(name) for name in names if name is not None]
    assert [one.startswith(before) for one, before in zip(contents, originals, strict=True)] == [True, True]
    return contents[0], contents[1]


def valid(content: bytes, root: bytes, at: datetime) -> None:
    """Have pyHanko validate the signature and its timestamp."""
    import asyncio

    from asn1crypto import x509  # type: ignore[import-untyped]
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    context = ValidationContext(trust_roots=[x509.Certificate.load(root)], moment=at, allow_fetching=False)
    (signature,) = PdfFileReader(BytesIO(content)).embedded_signatures
    status = asyncio.run(async_validate_pdf_signature(signature, context, context))
    assert status.bottom_line
    assert status.timestamp_validity is not None
    assert status.timestamp_validity.valid
