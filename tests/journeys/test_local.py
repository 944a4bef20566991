"""`Qcp.local`: the whole journey on SQLite, real certificates and real PDF signatures, in a folder that is closed and
opened again all along; then the judges."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import define, frozen
from pyhanko.pdf_utils.reader import PdfFileReader

from qcp_sdk import journal, notices
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.ceremony.facts import DocumentsConsented
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.collectes import Collecte, Document, Role, Signatory, Stamp
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.engine.streams import MACHINES
from qcp_sdk.errors import CodeRefused, ConfigurationError, LevelRefused, QcpError
from qcp_sdk.facts import CodeRequested
from qcp_sdk.host.saying import Code
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.local import LocalQcp
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account, Cabinet
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
    ContentHash,
    DocumentId,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    SignatoryId,
    SubscriptionId,
)
from qcp_sdk.verification.report import Report
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
BOX = (330, 60, 550, 120)
VERIFY = "https://platform.example/verify"
CABINET = Cabinet(id=CabinetId("freyssinet"), name="Cabinet Freyssinet")
CREDIT = Cents(8_220)


def person(id: str, given: str, last: str, mobile: str, language: str) -> Account:
    return Account(
        id=AccountId(id),
        name=PersonName(given=given, last=last),
        email=EmailAddress(f"{id}@cabinet.example"),
        mobile=PhoneNumber(mobile),
        language=language,
        cabinets=(CABINET,),
    )


JESSICA = person("jessica", "Jessica", "Poussart", "+33639981316", "fr")
IRENE = person("irene", "Irène", "Faron", "+33639987720", "en")


@define
class Folder:
    """An installation that is opened anew in the middle of everything, as if by another process."""

    path: Path
    clock: ManualClock
    plan: Plan = Plan.ASSEMBLED
    opened: LocalQcp | None = None

    @property
    def qcp(self) -> LocalQcp:
        if self.opened is None:
            self.opened = Qcp.local(
                self.path, clock=self.clock, offer=Offer(plan=self.plan), decision_after=timedelta(minutes=1)
            )
        return self.opened

    def reopen(self) -> None:
        """Forget everything that is not in the folder."""
        self.opened = None

    def prepare(self) -> None:
        qcp = self.qcp
        for account in (JESSICA, IRENE):
            qcp.accounts.put(account)
            qcp.centre.enrol(account)
        qcp.ledger.credit(key=Key("credit"), cabinet=CABINET.id, amount=CREDIT, memo="prepaid credit")

    def wait(self, by: timedelta) -> None:
        """Let time pass, with a worker that comes every minute."""
        qcp = self.qcp
        for _ in range(int(by / timedelta(minutes=1))):
            self.clock.advance(timedelta(minutes=1))
            qcp.run_due()

    def code(self, account: Account, purpose: Purpose) -> Code:
        to = account.email if purpose is Purpose.OPEN else account.mobile
        return Code(self.qcp.mailbox.latest_code(to=to, purpose=purpose))

    def subscription(self, id: SubscriptionId) -> SubscriptionView:
        return self.qcp.subscriptions.get(id)

    def open(self, account: Account) -> SubscriptionId:
        """As far as the identity, or the registration."""
        id = self.qcp.subscriptions.open(account=account.id, cabinet=CABINET.id).id
        self.subscription(id).say(CodeRequested())
        self.reopen()
        with pytest.raises(CodeRefused):
            self.subscription(id).say(Code("AAAAAA"))
        self.subscription(id).say(self.code(account, Purpose.OPEN))
        self.subscription(id).say(DetailsConfirmed())
        for text in CONSENTS:
            self.subscription(id).say(ConsentGiven(text=text, version="1", hash=hash_of(text)))
        return id

    def subscribe(self, account: Account) -> SubscriptionId:
        id = self.open(account)
        identity = self.qcp.identity
        identity.capture(next(one.id for one in identity.sessions() if one.subscription == id))
        self.reopen()
        self.wait(timedelta(minutes=6))
        self.subscription(id).say(IdentityConfirmed())
        request = self.subscription(id).show.request
        assert request is not None
        self.subscription(id).say(RequestAccepted(hash=request))
        self.subscription(id).say(CodeRequested())
        self.reopen()
        self.subscription(id).say(self.code(account, Purpose.REQUEST))
        assert self.subscription(id).stage is Stage.AWAITING_CERTIFICATE
        self.reopen()
        self.wait(timedelta(minutes=3))
        return id

    def collecte(self, content: ContentHash) -> Collecte:
        return Collecte(
            id=CollecteId("mission"),
            title="Lettre de mission",
            sender=CABINET.name,
            documents=(Document(id=DocumentId("letter"), name="lettre.pdf", content=content),),
            signatories=tuple(
                Signatory(
                    id=SignatoryId(one.id),
                    name=one.name,
                    email=one.email,
                    mobile=one.mobile,
                    level=SignatureLevel.NIVEAU_3,
                    role=Role.MEMBER,
                    account=one.id,
                    language=one.language,
                    stamps=(Stamp(document=DocumentId("letter"), page=0, box=BOX, url=VERIFY),) if one is IRENE else (),
                )
                for one in (JESSICA, IRENE)
            ),
            deadline=self.clock.now() + timedelta(days=15),
        )

    def sign(self, collecte: Collecte, place: int, account: Account) -> ContentHash:
        self.qcp.collectes.ceremonies(collecte.id)[place].say(
            DocumentsConsented(documents=tuple((one.id, one.content) for one in collecte.documents))
        )
        self.qcp.collectes.ceremonies(collecte.id)[place].say(CodeRequested())
        self.reopen()
        self.qcp.collectes.ceremonies(collecte.id)[place].say(self.code(account, Purpose.SIGN))
        done = self.qcp.collectes.ceremonies(collecte.id)[place]
        assert done.stage is CeremonyStage.SIGNED
        signed = done.show.documents[0].signed
        assert signed is not None
        return signed


@frozen
class Done:
    """The journey, once it is over."""

    folder: Folder
    subscriptions: tuple[SubscriptionId, SubscriptionId]
    collecte: Collecte
    original: bytes
    contract: Path
    request: Path
    report: Report


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    base = tmp_path_factory.mktemp("local")
    folder = Folder(base / "installation", ManualClock(START))
    folder.prepare()
    original = demo_contract(at=START)
    collecte = folder.collecte(folder.qcp.collectes.keep(original))
    with pytest.raises(LevelRefused) as refused:
        folder.qcp.collectes.start(collecte)
    assert {one.signatory for one in refused.value.decision.refused} == {"jessica", "irene"}
    first, second = folder.subscribe(JESSICA), folder.subscribe(IRENE)
    assert [one.signatory for one in folder.qcp.collectes.start(collecte)] == ["jessica", "irene"]
    folder.sign(collecte, 0, JESSICA)
    contract, request = base / "contract.pdf", base / "request.pdf"
    contract.write_bytes(folder.qcp.collectes.read(folder.sign(collecte, 1, IRENE)))
    sealed = folder.qcp.engine.streams.load(first).state.request.sealed
    request.write_bytes(folder.qcp.collectes.read(sealed))
    trust = TrustStore.load(folder.qcp.publish_trust())
    report = verify(contract, trust=trust, now=folder.clock.now())
    return Done(folder, (first, second), collecte, original, contract, request, report)


def test_both_hold_a_certificate_and_the_price_was_taken_once_for_each(done: Done) -> None:
    qcp = done.folder.qcp
    for id in done.subscriptions:
        view = done.folder.subscription(id)
        assert (view.stage, view.show.money) == (Stage.ACTIVE, "captured")
        assert view.show.certificate is not None
        assert (view.show.certificate.level, view.show.certificate.state) == ("QCP_N", "usable")
        assert view.show.certificate.not_after - START > timedelta(days=5 * 365 - 1)
    assert qcp.ledger.balance(cabinet=CABINET.id) == CREDIT - 4_000
    assert qcp.ledger.check().balanced
    assert (qcp.backlog().due, qcp.backlog().parked) == (0, 0)


def test_a_signature_is_shown_where_the_collecte_says_and_nowhere_else(done: Done) -> None:
    with done.contract.open("rb") as file:
        fields = [one.sig_field for one in PdfFileReader(file).embedded_regular_signatures]
        first, second = (tuple(int(number) for number in each["/Rect"]) for each in fields)
        drawn = fields[1]["/AP"]["/N"].data
    assert (first[0], first[1]) == (first[2], first[3]), "invisible: it has no area"
    assert second == BOX
    assert drawn


def test_the_journal_verifies_and_folds_to_the_state(done: Done) -> None:
    qcp = done.folder.qcp
    ceremonies = [one.id for one in qcp.collectes.ceremonies(done.collecte.id)]
    for id in (*done.subscriptions, *ceremonies):
        stream = qcp.engine.streams.load(id)
        entries, head = qcp.records.journal(id)
        journal.verify(entries, head=head)
        folded = None
        for one in qcp.records.history(id):
            folded, _ = MACHINES[stream.kind].step(folded, one.fact, one.at)
        assert folded == stream.state


def test_no_name_address_or_code_lies_open_in_the_store(done: Done) -> None:
    store = (done.folder.path / "store.sqlite").read_bytes()
    codes = [mail.code.reveal() for mail in done.folder.qcp.mailbox.messages(kind="code") if mail.code]
    assert len(codes) == 6
    for told in ("Poussart", "jessica@", "33639981316", *codes):
        assert told.encode() not in store


def test_every_message_of_the_journey_was_written(done: Done) -> None:
    mailbox = done.folder.qcp.mailbox
    kinds = [mail.kind for mail in mailbox.messages(to=IRENE.email)]
    assert kinds == [
        "code",
        notices.IdentityApproved.template,
        notices.RequestSubmitted.template,
        notices.CertificateIssued.template,
        notices.Invitation.template,
        notices.TurnCame.template,
        notices.SignedCopy.template,
    ]
    for account in (JESSICA, IRENE):
        copy = mailbox.messages(to=account.email, kind=notices.SignedCopy.template)[-1]
        assert copy.attachments == (("lettre.pdf", done.contract.read_bytes()),)
    french, english = (mailbox.messages(to=one.email, kind="certificate_issued")[0] for one in (JESSICA, IRENE))
    assert "certificat" in french.text
    assert "certificate" in english.text


def test_niveau_3_is_read_from_the_pdf_for_both(done: Done) -> None:
    assert done.report.level_reached is SignatureLevel.NIVEAU_3
    told = json.loads(json.dumps(done.report.to_json()))
    assert [(one["level_reached"], one["indication"]) for one in told["signatures"]] == [
        ("NIVEAU_3", "PASSED"),
        ("NIVEAU_3", "PASSED"),
    ]
    assert done.contract.read_bytes().startswith(done.original), "what was agreed to is a prefix of what was signed"


def test_one_changed_byte_reaches_no_level(done: Done, tmp_path: Path) -> None:
    content = bytearray(done.contract.read_bytes())
    content[len(done.original) // 2] ^= 1
    altered = tmp_path / "altered.pdf"
    altered.write_bytes(content)
    trust = TrustStore.load(done.folder.qcp.publish_trust())
    try:
        assert verify(altered, trust=trust, now=done.folder.clock.now()).level_reached is None
    except QcpError as refused:
        assert refused.code == "document_invalid"


# --- judges that no one here wrote ------------------------------------------------------------------------------

Judge = Callable[[str], str]


def run(*command: str | Path) -> str:
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended.stdout + ended.stderr


@pytest.mark.judge("qpdf")
def test_qpdf_finds_no_error(done: Done, judge: Judge) -> None:
    for file in (done.contract, done.request):
        assert "No syntax or stream encoding errors found" in run(judge("qpdf"), "--check", file)


@pytest.mark.judge("pdfsig")
def test_poppler_finds_every_signature_valid(done: Done, judge: Judge) -> None:
    told = run(judge("pdfsig"), "-nocert", done.contract)
    assert told.count("Signature is Valid.") == 2
    assert "Poussart" in told
    assert "Faron" in told
    assert "Signature is Valid." in run(judge("pdfsig"), "-nocert", done.request)


@pytest.mark.judge("openssl")
def test_openssl_accepts_both_signatures_and_their_chain(done: Done, judge: Judge, tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    made = done.folder.qcp.centre.certificates()
    root, qcp = tmp_path / "root.pem", tmp_path / "qcp.pem"
    for path, der in ((root, made.root), (qcp, made.qcp)):
        path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    at = str(int(done.folder.clock.now().timestamp()))
    content = done.contract.read_bytes()
    checked = 0
    for match in re.finditer(rb"/ByteRange ?\[ ?(\d+) (\d+) (\d+) (\d+)", content):
        _, first, second, rest = map(int, match.groups())
        cms = bytes.fromhex(content[first + 1 : second - 1].decode())
        if b"ETSI.CAdES.detached" not in content[match.start() - 20_000 : match.start() + 60_000]:
            continue
        (tmp_path / "cms.der").write_bytes(cms[: 4 + int.from_bytes(cms[2:4], "big")])
        (tmp_path / "content").write_bytes(content[:first] + content[second : second + rest])
        run(
            judge("openssl"), "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", tmp_path / "cms.der",
            "-content", tmp_path / "content", "-CAfile", root, "-certfile", qcp, "-purpose", "any", "-attime", at,
            "-out", tmp_path / "verified",
        )  # fmt: skip
        checked += 1
    assert checked == 2


# --- the folder -------------------------------------------------------------------------------------------------


def test_the_hosted_plan_runs_on_a_folder_too(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "installation", ManualClock(START), Plan.HOSTED)
    folder.prepare()
    id = folder.open(JESSICA)
    assert folder.subscription(id).stage is Stage.REGISTERING
    registration = folder.qcp.registration
    registration.complete(registration.sessions()[0].id)
    folder.reopen()
    folder.wait(timedelta(minutes=10))
    view = folder.subscription(id)
    assert (view.stage, view.show.money) == (Stage.ACTIVE, "captured")
    assert folder.qcp.ledger.balance(cabinet=CABINET.id) == CREDIT - 2_000


def test_production_refuses_the_folder_and_names_what_is_local(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Qcp.local(tmp_path / "installation", production=True)
    for role in (
        "accounts", "codes[default]", "notices[default]", "authorities[default]", "authorities[lcp]",
        "identities[default]", "registrations[default]", "signers[default]", "envelopes[default]",
        "documents[default]",
    ):  # fmt: skip
        assert role in str(refused.value), role


@pytest.mark.parametrize("damaged", ["", "keys.json", "store.sqlite", "accounts.json"])
def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path, damaged: str) -> None:
    path = tmp_path / "installation"
    if not damaged:
        path.write_text("a file")
    else:
        Qcp.local(path)
        (path / damaged).write_bytes(b"\x00 not what it was")
    with pytest.raises(QcpError) as refused:
        qcp = Qcp.local(path)
        qcp.subscriptions.page(account=JESSICA.id)
    assert str(tmp_path) not in str(refused.value)


def test_another_key_ring_opens_nothing(tmp_path: Path) -> None:
    """The folder of one installation with the keys of another: told in our words, and nothing is changed."""
    folder = Folder(tmp_path / "one", ManualClock(START))
    folder.prepare()
    id = folder.qcp.subscriptions.open(account=JESSICA.id, cabinet=CABINET.id).id
    Qcp.local(tmp_path / "two")
    keys = (folder.path / "keys.json").read_bytes()
    (folder.path / "keys.json").write_bytes((tmp_path / "two" / "keys.json").read_bytes())
    folder.reopen()
    with pytest.raises(QcpError):
        folder.qcp.subscriptions.get(id)
    (folder.path / "keys.json").write_bytes(keys)
    folder.reopen()
    assert folder.subscription(id).stage is Stage.VERIFYING_EMAIL
