"""Signing on Universign's page: the port's exam with real signatures, what is sent, and what is never counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from qcp_sdk.adapters.local_scheme import ServiceType
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.universign import UniversignCertificates, UniversignPages
from qcp_sdk.adapters.universign.pages import LEVELS, REFUSALS
from qcp_sdk.ceremony.facts import TransactionEnded, TransactionOpened, TransactionSigned
from qcp_sdk.collectes import Document, Stamp
from qcp_sdk.errors import ConfigurationError, DocumentError, PortError, Rejected, Unavailable
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.policy.evidence import Attestation
from qcp_sdk.ports.answers import Pending
from qcp_sdk.ports.pages import SigningPages
from qcp_sdk.sandbox.faults import BAD_NETWORK, Fault, FaultKind
from qcp_sdk.sandbox.server import Sandbox
from qcp_sdk.sandbox.universign import API_KEY
from qcp_sdk.testing.conformance.base import rejected
from qcp_sdk.testing.conformance.examples import START, account, collecte
from qcp_sdk.testing.conformance.pages import PagesConformance
from qcp_sdk.testing.spoiling import SpoiltHttp, faults_of, persistent
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Key, Secret, SessionId, SignatoryId
from qcp_sdk.verification import Indication, Report, TrustStore, verify
from tests.adapters.universign.service import BASE, contract, enrol, judge, pages_of, universign_of


class TestUniversignPages(PagesConformance):
    examples = 2

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path) -> None:
        self.folder, self.made = tmp_path, count()

    def make_pages(self) -> SigningPages:
        self.place, self.sandbox = self.folder / str(next(self.made)), Sandbox(base=self.clock, only=["universign"])
        enrol(self.sandbox)
        self.judge = judge(self.sandbox, self.place / "trust")
        return self.restarted(None)

    def restarted(self, pages: SigningPages | None) -> SigningPages:
        return pages_of(self.sandbox, self.place, judge=self.judge)

    def keep(self, pages: SigningPages, content: bytes) -> ContentHash:
        return FileShelf(self.place / "documents").keep(content=content)

    def read(self, pages: SigningPages, document: ContentHash) -> bytes:
        return FileShelf(self.place / "documents").read(document=document)

    def document(self) -> bytes:
        return contract()

    def sign(self, pages: SigningPages, session: SessionId) -> None:
        self._press(session, "sign")

    def decline(self, pages: SigningPages, session: SessionId) -> None:
        self._press(session, "decline")

    def _press(self, session: SessionId, button: str) -> None:
        with httpx.Client(transport=httpx.WSGITransport(app=self.sandbox)) as browser:
            faults, self.sandbox.faults.decide = self.sandbox.faults.decide, None  # a browser is not the subject
            answer = browser.post(f"{BASE}/npds/{session.replace('tx_', 'act_', 1)}", data={"do": button})
            self.sandbox.faults.decide = faults
        if answer.status_code != 200:
            raise Rejected("the page refuses", reason="session_ended")


@pytest.mark.long
class TestUniversignPagesOverABadNetwork(TestUniversignPages):
    """The same exam, while one request in ten fails, each in another way: opening takes seven of them."""

    def make_pages(self) -> SigningPages:
        super().make_pages()
        self.sandbox.faults.unreliable(faults_of(5, BAD_NETWORK, rate=0.1))
        return self.restarted(None)

    def restarted(self, pages: SigningPages | None) -> SigningPages:
        return persistent(super().restarted(pages))


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox(base=ManualClock(START), only=["universign"])
    enrol(made)
    return made


@pytest.fixture
def pages(sandbox: Sandbox, tmp_path: Path) -> UniversignPages:
    return pages_of(sandbox, tmp_path)


def opened(
    pages: UniversignPages,
    tmp_path: Path,
    key: str = "c/3/0",
    *,
    level: SignatureLevel = SignatureLevel.NIVEAU_3,
    content: bytes = b"",
) -> TransactionOpened:
    kept = FileShelf(tmp_path / "documents").keep(content=content or contract())
    made = collecte(kept)
    made = evolve(made, signatories=tuple(evolve(one, level=level) for one in made.signatories))
    return pages.open(
        key=Key(key),
        ceremony=CeremonyId("c"),
        collecte=made,
        signatory=SignatoryId("signatory"),
        documents=((DocumentId("letter"), kept),),
    )


def act(sandbox: Sandbox, session: SessionId, **what: object) -> None:
    universign_of(sandbox).script({"transaction": session, **what})


def test_level_name_and_number_are_asked_for_and_nobody_is_invited(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path
) -> None:
    session = opened(pages, tmp_path).session
    one = universign_of(sandbox).transactions[session]
    assert one.participants == {
        account().email.text: {
            "email": account().email.text,
            "full_name": account().name.full,
            "full_name_type": "prerequisite",
            "phone_number": account().mobile.text,
            "phone_number_type": "prerequisite",
            "min_signature_level": "level3",
        }
    }
    assert [(page.name, page.content) for page in one.pages] == [("lettre.pdf", contract())]
    assert (one.name, one.language, one.duration) == ("Lettre de mission", "fr", 15 * 24 * 60)


def test_what_was_signed_reaches_niveau_3_for_anybody_who_verifies(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path
) -> None:
    session = opened(pages, tmp_path).session
    act(sandbox, session, sign=True)
    told = pages.ask(session=session)
    assert isinstance(told, TransactionSigned)
    signed = FileShelf(tmp_path / "documents").read(document=told.documents[0][1])
    report = verify(signed, trust=TrustStore.load(tmp_path / "trust"), now=sandbox.clock.now())
    assert report.level_reached is SignatureLevel.NIVEAU_3
    assert report.signatures[0].format == "PAdES-B-LT"
    assert account().name.last in report.signatures[0].signer


@pytest.mark.parametrize(("ending", "reason"), [("rewrite", "document_changed"), ("unsigned", "level_not_reached")])
def test_what_is_not_the_document_or_not_signed_does_not_count(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path, ending: str, reason: str
) -> None:
    session = opened(pages, tmp_path).session
    act(sandbox, session, ending=ending, sign=True)
    assert pages.ask(session=session) == TransactionEnded(session=session, reason=reason)


def page_changed(pdf: bytes) -> bytes:
    """Replace what the first page shows, by an update that nobody signed."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    page = writer.find_page_for_modification(0)[0].get_object()  # type: ignore[no-untyped-call]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"BT (I owe a million) Tj ET"))
    writer.update_container(page)
    return saved(writer)


def form_filled_in(pdf: bytes) -> bytes:
    """Fill in the form's one field, `amount`."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    field = writer.root["/AcroForm"]["/Fields"][0]
    field["/V"] = generic.pdf_string("1,000,000")
    writer.update_container(field)
    return saved(writer)


def seen_signature_field(pdf: bytes) -> bytes:
    """Put an empty signature field over the page."""
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    append_signature_field(writer, SigFieldSpec("seen", on_page=0, box=(0, 0, 500, 700)))
    return saved(writer)


def unseen_signature_field(pdf: bytes) -> bytes:
    writer = IncrementalPdfFileWriter(BytesIO(pdf))
    append_signature_field(writer, SigFieldSpec("unseen"))
    return saved(writer)


def other_document_appended(pdf: bytes) -> bytes:
    """Append a whole document, whose cross-references know nothing of the one before it."""
    writer = PdfFileWriter(stream_xrefs=False)  # type: ignore[no-untyped-call]
    content = generic.StreamObject(stream_data=b"BT (another letter) Tj ET")
    writer.insert_page(PageObject(contents=writer.add_object(content), media_box=generic.ArrayObject([0, 0, 9, 9])))  # type: ignore[no-untyped-call]
    whole = BytesIO()
    writer.write(whole)  # type: ignore[no-untyped-call]
    # The same objects, at offsets in the longer file.
    moved = whole.getvalue()
    start = moved.rindex(b"startxref")
    table = moved.rindex(b"xref\n", 0, start)
    entries = re.sub(
        rb"(\d{10}) (\d{5}) n", lambda one: b"%010d %s n" % (int(one[1]) + len(pdf), one[2]), moved[table:start]
    )
    return pdf + moved[:table] + entries + b"startxref\n%d\n%%%%EOF\n" % (table + len(pdf))


def saved(writer: IncrementalPdfFileWriter) -> bytes:
    out = BytesIO()
    writer.write(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


@cache
def form() -> bytes:
    """Give the contract with a text field, `amount`."""
    writer = IncrementalPdfFileWriter(BytesIO(contract()))
    text = {"/FT": "/Tx", "/T": "amount", "/V": "1", "/Type": "/Annot", "/Subtype": "/Widget"}
    field = generic.DictionaryObject(  # type: ignore[no-untyped-call]
        {
            generic.pdf_name(name): generic.pdf_name(value) if value[0] == "/" else generic.pdf_string(value)
            for name, value in text.items()
        }
    )
    fields = generic.ArrayObject([writer.add_object(field)])
    writer.root["/AcroForm"] = writer.add_object(generic.DictionaryObject({generic.pdf_name("/Fields"): fields}))  # type: ignore[no-untyped-call]
    writer.update_root()  # type: ignore[no-untyped-call]
    return saved(writer)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (page_changed, "document_changed"),
        (form_filled_in, "document_changed"),
        (seen_signature_field, "document_changed"),
        (other_document_appended, "document_changed"),
        (unseen_signature_field, ""),
        (bytes, ""),
    ],
)
def test_what_was_altered_before_it_was_signed_does_not_count(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path, change: Callable[[bytes], bytes], reason: str
) -> None:
    """Its signature is good, and it begins with what was sent: but it vouches for something else."""
    session = opened(pages, tmp_path, content=form()).session
    (page,) = universign_of(sandbox).transactions[session].pages
    page.content = change(form())
    assert page.content.startswith(form())
    act(sandbox, session, sign=True)
    told = pages.ask(session=session)
    assert (told.reason if isinstance(told, TransactionEnded) else "") == reason
    assert isinstance(told, TransactionEnded if reason else TransactionSigned)
    assert pages._judge(page.signed).signatures[-1].level_reached is SignatureLevel.NIVEAU_3


@pytest.mark.parametrize(
    ("level", "name", "reason"),
    [
        (SignatureLevel.NIVEAU_3, "Mallory Other", "signer_mismatch"),
        (SignatureLevel.NIVEAU_2, "Mallory Other", "signer_mismatch"),
        (SignatureLevel.NIVEAU_1, "Mallory Other", ""),  # nobody has shown who they are at niveau 1
        (SignatureLevel.NIVEAU_3, "ELODIE LEFEVRE", ""),
    ],
)
def test_somebody_else_s_signature_does_not_count(
    sandbox: Sandbox,
    pages: UniversignPages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    level: SignatureLevel,
    name: str,
    reason: str,
) -> None:
    session = opened(pages, tmp_path, level=level).session
    provider = universign_of(sandbox)
    honest = provider._by
    monkeypatch.setattr(
        provider, "_by", lambda person, content, *, key: honest({**person, "full_name": name}, content, key=key)
    )
    act(sandbox, session, sign=True)
    told = pages.ask(session=session)
    assert (told.reason if isinstance(told, TransactionEnded) else "") == reason
    assert isinstance(told, TransactionEnded if reason else TransactionSigned)


def test_a_lower_level_than_was_asked_for_does_not_count(sandbox: Sandbox, tmp_path: Path) -> None:
    """Universign says `level3`; the trusted list says that its authority issues nothing qualified."""
    lower = judge(sandbox, tmp_path / "trust", authority=ServiceType.CA_PKC)
    pages = pages_of(sandbox, tmp_path, judge=lower)
    session = opened(pages, tmp_path).session
    act(sandbox, session, sign=True)
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="level_not_reached")


def test_ignorance_decides_nothing_until_it_is_mended(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without a list that knows the authority, nobody can say which level it is: no signature is lost for it."""
    ignorant = pages_of(sandbox, tmp_path, judge=lambda pdf: verify(pdf, trust=TrustStore(), now=sandbox.clock.now()))
    session = opened(ignorant, tmp_path).session
    act(sandbox, session, sign=True)
    with pytest.raises(Unavailable, match="trusted lists"):
        ignorant.ask(session=session)
    assert isinstance(pages_of(sandbox, tmp_path).ask(session=session), TransactionSigned)


def test_a_bad_signature_beside_a_good_one_spoils_the_document(sandbox: Sandbox, tmp_path: Path) -> None:
    honest = judge(sandbox, tmp_path / "trust")

    def with_a_bad_one(pdf: bytes) -> Report:
        report = honest(pdf)
        bad = [evolve(one, indication=Indication.FAILED, level_reached=None) for one in report.signatures]
        return evolve(report, signatures=(*report.signatures, *bad))

    pages = pages_of(sandbox, tmp_path, judge=with_a_bad_one)
    session = opened(pages, tmp_path).session
    act(sandbox, session, sign=True)
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="level_not_reached")


def test_what_cannot_be_read_as_a_pdf_decides_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    def strict(pdf: bytes) -> Any:
        raise DocumentError("it is no PDF")

    pages = pages_of(sandbox, tmp_path, judge=strict)
    session = opened(pages, tmp_path).session
    act(sandbox, session, sign=True)
    with pytest.raises(Unavailable, match="cannot be verified"):
        pages.ask(session=session)


def test_only_the_new_signature_counts(sandbox: Sandbox, pages: UniversignPages, tmp_path: Path) -> None:
    """A second signatory's transaction over what the first signed: the first one's signature is not the second's."""
    session = opened(pages, tmp_path).session
    act(sandbox, session, sign=True)
    first = pages.ask(session=session)
    assert isinstance(first, TransactionSigned)
    made, enrolled = collecte(first.documents[0][1]), account(1)
    second = evolve(
        made.signatories[0],
        id=SignatoryId("second"),
        name=enrolled.name,
        email=enrolled.email,
        mobile=enrolled.mobile,
    )
    enrol(sandbox, enrolled)
    told: object = None
    for ending, expected in (("unsigned", "level_not_reached"), ("sign", "")):
        again = pages.open(
            key=Key(f"c/4/{ending}"),
            ceremony=CeremonyId("c-2"),
            collecte=evolve(made, signatories=(*made.signatories, second)),
            signatory=second.id,
            documents=first.documents,
        ).session
        act(sandbox, again, ending=ending, sign=True)
        told = pages.ask(session=again)
        assert (told.reason if isinstance(told, TransactionEnded) else "") == expected
    assert isinstance(told, TransactionSigned)
    content = FileShelf(tmp_path / "documents").read(document=told.documents[0][1])
    assert len(pages._judge(content).signatures) == 2


def test_who_holds_no_certificate_proves_first_who_they_are(tmp_path: Path) -> None:
    sandbox = Sandbox(base=ManualClock(START), only=["universign"])
    pages = pages_of(sandbox, tmp_path)
    session = opened(pages, tmp_path).session
    certificates = UniversignCertificates(Http(BASE, serve=sandbox), api_key=Secret(API_KEY))

    def attested() -> Attestation | None:
        return certificates.attestation(account(), level=CertificateLevel.QCP_N, clock=sandbox.clock)

    assert attested() is None
    act(sandbox, session, sign=True)
    assert isinstance(pages.ask(session=session), Pending)
    sandbox.advance(timedelta(minutes=4))
    assert attested() == Attestation(
        provider="Universign",
        level=CertificateLevel.QCP_N,
        matched=("name", "email", "mobile"),
        at=sandbox.clock.now(),
    )
    act(sandbox, session, sign=True)
    assert isinstance(pages.ask(session=session), TransactionSigned)


@pytest.mark.parametrize("reason", sorted(REFUSALS))
def test_every_refusal_of_the_list_ends_it_there_too(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path, reason: str
) -> None:
    session = opened(pages, tmp_path).session
    one = universign_of(sandbox).transactions[session]
    one.stalled_reason = reason
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="refused")
    assert one.state == "cancelled"


def test_a_refusal_survives_a_lost_cancellation(sandbox: Sandbox, pages: UniversignPages, tmp_path: Path) -> None:
    session = opened(pages, tmp_path).session
    act(sandbox, session, decline=True)
    numbers = count(1)
    sandbox.faults.decide = lambda *_: FaultKind.LOST if next(numbers) == 2 else None  # the cancellation's answer
    with pytest.raises(Unavailable):
        pages.ask(session=session)
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="refused")


def test_an_inactive_signatory_has_not_refused(sandbox: Sandbox, pages: UniversignPages, tmp_path: Path) -> None:
    session = opened(pages, tmp_path).session
    universign_of(sandbox).transactions[session].stalled_reason = "inactivity"
    assert isinstance(pages.ask(session=session), Pending)


@pytest.mark.parametrize("state", ["draft", "paused", "in-review", "é", ""])
def test_a_state_that_nobody_knows_decides_nothing(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path, state: str
) -> None:
    session = opened(pages, tmp_path).session
    universign_of(sandbox).transactions[session].state = state
    assert isinstance(pages.ask(session=session), Pending)


def test_a_lost_start_starts_no_second_transaction(sandbox: Sandbox, pages: UniversignPages, tmp_path: Path) -> None:
    numbers = count(1)
    sandbox.faults.decide = lambda *_: FaultKind.LOST if next(numbers) == 8 else None  # the answer to `start`
    with pytest.raises(Unavailable):
        opened(pages, tmp_path)
    sandbox.faults.clear()
    session = opened(pages, tmp_path).session
    assert {id: one.state for id, one in universign_of(sandbox).transactions.items()} == {session: "started"}


def test_a_draft_that_is_gone_is_made_anew(sandbox: Sandbox, pages: UniversignPages, tmp_path: Path) -> None:
    numbers = count(1)
    sandbox.faults.decide = lambda *_: FaultKind.DOWN if next(numbers) == 8 else None
    with pytest.raises(Unavailable):
        opened(pages, tmp_path)
    universign_of(sandbox).transactions.clear()
    with pytest.raises(Unavailable, match="draft is gone"):
        opened(pages, tmp_path)
    assert opened(pages, tmp_path).session in universign_of(sandbox).transactions


def test_a_transaction_that_ended_unseen_is_not_opened(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path
) -> None:
    numbers = count(1)
    sandbox.faults.decide = lambda *_: FaultKind.LOST if next(numbers) == 8 else None
    with pytest.raises(Unavailable):
        opened(pages, tmp_path)
    sandbox.advance(timedelta(days=16))
    with rejected("session_ended"):
        opened(pages, tmp_path)


def test_a_cancellation_that_does_nothing_is_not_taken_for_one(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path
) -> None:
    session = opened(pages, tmp_path).session
    sandbox.faults.add(Fault(kind=FaultKind.DOWN), times=None)
    with pytest.raises(Unavailable):
        pages.close(key=Key("c/9/0"), session=session)
    sandbox.faults.clear()
    assert isinstance(pages.ask(session=session), Pending)


@pytest.mark.parametrize("level", list(SignatureLevel))
def test_each_niveau_is_asked_for_by_its_name(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path, level: SignatureLevel
) -> None:
    session = opened(pages, tmp_path, level=level).session
    (participant,) = universign_of(sandbox).transactions[session].participants.values()
    assert participant["min_signature_level"] == LEVELS[level] == f"level{int(level)}"


def test_a_visible_signature_is_refused_rather_than_forgotten(pages: UniversignPages, tmp_path: Path) -> None:
    content = FileShelf(tmp_path / "documents").keep(content=contract())
    made = collecte(content)
    stamp = Stamp(document=DocumentId("letter"), page=0, box=(0, 0, 10, 10))
    for changed, reason in (
        ({"signatories": (evolve(made.signatories[0], stamps=(stamp,)),)}, "appearance_unsupported"),
        ({"deadline": START + timedelta(seconds=59)}, "expired"),
    ):
        with rejected(reason):
            pages.open(
                key=Key(reason),
                ceremony=CeremonyId("c"),
                collecte=evolve(made, **changed),
                signatory=SignatoryId("signatory"),
                documents=((DocumentId("letter"), content),),
            )
    with rejected("no_documents"):
        pages.open(
            key=Key("none"),
            ceremony=CeremonyId("c"),
            collecte=made,
            signatory=SignatoryId("signatory"),
            documents=(),
        )


def test_one_of_two_documents_that_does_not_hold_spoils_both(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path
) -> None:
    shelf = FileShelf(tmp_path / "documents")
    content = shelf.keep(content=contract())
    made = collecte(content)
    documents = tuple(Document(id=DocumentId(id), name=f"{id}.pdf", content=content) for id in ("a", "b"))
    session = pages.open(
        key=Key("two"),
        ceremony=CeremonyId("c"),
        collecte=evolve(made, documents=documents),
        signatory=SignatoryId("signatory"),
        documents=tuple((one.id, content) for one in documents),
    ).session
    act(sandbox, session, sign=True)
    one = universign_of(sandbox).transactions[session]
    one.pages[1].signed = contract() + b"% not signed"
    kept = len(list((tmp_path / "documents").rglob("*")))
    assert pages.ask(session=session) == TransactionEnded(session=session, reason="level_not_reached")
    assert len(list((tmp_path / "documents").rglob("*"))) == kept


def test_the_person_comes_back_to_the_host(sandbox: Sandbox, tmp_path: Path) -> None:
    pages = pages_of(sandbox, tmp_path, redirect_url="https://host.example/back?x=1")
    told = opened(pages, tmp_path)
    with httpx.Client(transport=httpx.WSGITransport(app=sandbox)) as browser:
        assert "<form" in browser.get(told.url).text
        assert browser.post(told.url, data={"do": "sign"}).headers["Location"] == "https://host.example/back?x=1"


def test_nothing_personal_lies_in_the_folder(pages: UniversignPages, tmp_path: Path) -> None:
    opened(pages, tmp_path)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file())
    assert account().email.text.encode() not in kept
    assert account().mobile.text[3:].encode() not in kept
    assert account().name.last.encode() not in kept


def test_what_was_kept_of_a_ceremony_is_forgotten_with_it(
    sandbox: Sandbox, pages: UniversignPages, tmp_path: Path
) -> None:
    session = opened(pages, tmp_path).session
    act(sandbox, session, decline=True)
    pages.ask(session=session)
    assert len(list((tmp_path / "kept").glob("[0-9a-f]*"))) == 5  # draft, transaction, opening, refusal, end
    for _ in range(2):
        pages.forget_stream(stream="c")
    assert [path for path in (tmp_path / "kept").rglob("*") if path.is_file()] == []
    with rejected("unknown_session"):
        pages.ask(session=session)


@pytest.mark.parametrize("wrong", [{"api_key": Secret("")}, {"redirect_url": "host.example/back"}])
def test_a_configuration_without_what_it_needs_is_refused(
    sandbox: Sandbox, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="universign"):
        pages_of(sandbox, tmp_path, **wrong)


def test_spoilt_answers_raise_port_errors_only_and_sign_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    http = SpoiltHttp(BASE, serve=sandbox, seed=20261125)
    pages = pages_of(sandbox, tmp_path, http=http)
    session = opened(pages, tmp_path).session
    http.spoiling = True
    calls: tuple[Callable[[int], object], ...] = (
        lambda n: pages.ask(session=session),
        lambda n: pages.close(key=Key("close"), session=session),
        lambda n: opened(pages, tmp_path, key=f"c/{n}/0"),
    )
    raised = 0
    for number in range(600):
        try:
            told = calls[number % 3 if number % 50 else 2](number)
        except PortError:
            raised += 1
        else:
            assert not isinstance(told, TransactionSigned)
    assert raised > 100
