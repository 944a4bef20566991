"""Time, status and issuers over HTTP: the local trust centre behind a web server, asked as any other would be."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
import typst
from asn1crypto import cms, ocsp, tsp  # type: ignore[import-untyped]
from attrs import define, field
from cryptography import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.dss import DocumentSecurityStore

from qcp_sdk.adapters.http_revocation import HttpRevocation
from qcp_sdk.adapters.http_timestamps import HttpTimestamps
from qcp_sdk.adapters.local_scheme import ListedService, ServiceStatus, ServiceType, publish
from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.pdf_archive import PdfArchive
from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.shared.fetching import Fetcher
from qcp_sdk.adapters.shared.rfc3161 import TimeStampResp
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.cli import main
from qcp_sdk.errors import ConfigurationError, DocumentError, Rejected, Unavailable
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.ports.signer import HashSigned
from qcp_sdk.sandbox.faults import BAD_NETWORK
from qcp_sdk.sandbox.server import Sandbox, Served
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.timestamps import TimestampsConformance
from qcp_sdk.testing.spoiling import faults_of, persistent
from qcp_sdk.values import ContentHash, Key, Secret
from qcp_sdk.verification import TrustStore, verify

PASSPHRASE: Final = Secret("a passphrase for tests only")
FETCHER: Final = Fetcher(allow=("127.0.0.0/8",))
ROLES: Final = ("root", "lcp", "qcp")


@define(kw_only=True)
class Web:
    """A web server in front of a trust centre; says what it was asked."""

    folder: Path
    clock: ManualClock
    address: str = ""
    asked: list[str] = field(factory=list)
    opened: tuple[ManualClock, LocalTrustCentre] | None = field(default=None, repr=False)
    broken: Callable[[str], bytes | None] = lambda _path: None
    """What to answer instead, by path."""

    @property
    def centre(self) -> LocalTrustCentre:
        """Opened once for each clock: stretching a passphrase takes its time on purpose."""
        if self.opened is None or self.opened[0] is not self.clock:
            made = LocalTrustCentre(self.folder, clock=self.clock, passphrase=PASSPHRASE, base_url=self.address)
            self.opened = (self.clock, made)
        return self.opened[1]

    def answer(self, path: str, body: bytes) -> bytes | None:
        self.asked.append(path)
        instead = self.broken(path)
        if instead is not None:
            return instead
        made = self.centre.certificates()
        authorities = {role: getattr(made, role) for role in ROLES}
        kind, _, name = path.strip("/").partition("/")
        if kind == "tsa":
            return self.centre.timestamps().respond(body)
        role = name.partition(".")[0]
        if kind == "issuers":
            return bytes(authorities[role])
        if kind == "lists":
            return self.centre.crl(issuer=authorities[role])
        question = ocsp.OCSPRequest.load(body)["tbs_request"]["request_list"][0]["req_cert"]
        serial = question["serial_number"].native
        known = (*self.held, made.timestamps, made.seal, made.qcp, made.lcp)
        (certificate,) = (one for one in known if x509.load_der_x509_certificate(one).serial_number == serial)
        return self.centre.ocsp(certificate=certificate, issuer=authorities[role])

    held: list[bytes] = field(factory=list)
    """Holders' certificates."""


@contextmanager
def serving(web: Web) -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = web.answer(self.path, body)
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        do_GET = do_POST = _do  # noqa: N815  # the standard library's names

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    with serving(Web(folder=tmp_path_factory.mktemp("centre"), clock=ManualClock(START))) as web:
        assert web.centre.certificates().root
        yield web


@pytest.fixture
def web(_served: Web) -> Web:
    _served.broken, _served.clock = lambda _path: None, ManualClock(START)
    _served.asked.clear()
    return _served


@pytest.fixture
def revocation() -> HttpRevocation:
    return HttpRevocation(FETCHER, keep=timedelta())


def stamping(web: Web, authorization: Secret | None = None) -> HttpTimestamps:
    return HttpTimestamps(f"{web.address}/tsa", authorization=authorization)


class TestHttpTimestamps(TimestampsConformance):
    examples = 4

    @pytest.fixture(autouse=True)
    def _over_the_web(self, web: Web) -> None:
        self.web = web

    def make_timestamps(self) -> HttpTimestamps:
        self.web.clock = self.clock
        return stamping(self.web)

    def told(self, token: bytes) -> tuple[bytes, datetime]:
        told = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed
        at: datetime = told["gen_time"].native
        return bytes(told["message_imprint"]["hashed_message"].native), at.astimezone(UTC)


class TestHttpTimestampsOverABadNetwork(TestHttpTimestamps):
    """The same exam at the sandbox's authority, while three requests in ten fail."""

    @pytest.fixture(autouse=True)
    def _served_by_the_sandbox(self) -> Iterator[None]:
        with ExitStack() as self.open:
            yield

    def make_timestamps(self) -> HttpTimestamps:
        sandbox = Sandbox(base=self.clock, only=["cmp"])
        sandbox.faults.unreliable(faults_of(9, BAD_NETWORK))
        served = self.open.enter_context(Served(sandbox))
        return persistent(HttpTimestamps(f"{served.url}/cmp/tsa"))


class TestAuthorityThatMisbehaves:
    def answer(self, web: Web, **changes: object) -> bytes:
        made = {"status": {"status": "granted"}, **changes}
        encoded: bytes = TimeStampResp(made).dump()
        return encoded

    @pytest.mark.parametrize(
        ("fail", "expected"),
        [("bad_alg", Rejected), ("unaccepted_policy", Rejected), ("time_not_available", Unavailable)],
    )
    def test_a_refusal_is_told_in_its_own_words(self, web: Web, fail: str, expected: type[Exception]) -> None:
        answer = self.answer(web, status={"status": "rejection", "fail_info": {fail}})
        web.broken = lambda _path: answer
        with pytest.raises(expected, match=fail):
            stamping(web).timestamp(digest=bytes(32))

    @pytest.mark.parametrize(
        "content", [b"", b"<html>", bytes(100), b"\x30\x80"], ids=["empty", "html", "zeros", "cut"]
    )
    def test_noise_is_unavailable(self, web: Web, content: bytes) -> None:
        web.broken = lambda _path: content
        with pytest.raises(Unavailable):
            stamping(web).timestamp(digest=bytes(32))

    def test_an_answer_to_another_question_is_refused(self, web: Web) -> None:
        """A replayed token has the digest, and another nonce."""
        asked = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
                "nonce": 7,
            }
        )
        replayed = web.centre.timestamps().respond(asked.dump())
        web.broken = lambda _path: replayed
        with pytest.raises(Unavailable, match="another question"):
            stamping(web).timestamp(digest=bytes(32))

    def test_an_answer_over_another_digest_is_refused(self, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(secrets, "randbits", lambda bits: 7)
        asked = tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": b"\x01" * 32},
                "nonce": 7 | 1 << 62,
            }
        )
        other = web.centre.timestamps().respond(asked.dump())
        web.broken = lambda _path: other
        with pytest.raises(Unavailable, match="another question"):
            stamping(web).timestamp(digest=bytes(32))
        assert stamping(web).timestamp(digest=b"\x01" * 32)

    def test_an_address_that_is_none_is_refused_at_once_and_a_login_is_never_shown(self, web: Web) -> None:
        with pytest.raises(ConfigurationError):
            HttpTimestamps("tsa.test")
        assert "hidden" not in repr(stamping(web, authorization=Secret("Basic hidden")))


def signed(web: Web, shelf: FileShelf, revocation: HttpRevocation, number: int, level: PadesLevel) -> ContentHash:
    """A document of its own, signed by a holder of their own, with everything fetched over HTTP."""
    codes, keys = MemoryCodes(clock=web.clock), MemoryKeys()
    signer = web.centre.signer(codes=codes, keys=keys)
    holding = web.centre.enrol(account(number), level=CertificateLevel.QCP_N)
    web.held.append(holding.certificate.der)
    credential = signer.credential(fingerprint=holding.certificate.fingerprint)
    envelope = PdfEnvelope(
        documents=shelf, timestamps=stamping(web), revocation=revocation, level=level, clock=web.clock
    )
    base = shelf.keep(content=typst.compile(f"Contract {number}".encode(), timestamp=0))
    prepared = envelope.prepare(
        key=Key(f"{number}/1"), validated=base, base=base, credential=credential, at=web.clock.now()
    )
    challenge = signer.challenge(
        key=Key(f"{number}/2"), fingerprint=credential.fingerprint, digests=(prepared.digest,), language="fr"
    )
    code = codes.outbox[-1].code
    answers = signer.activate(key=Key(f"{number}/3"), challenge=challenge.id, digests=(prepared.digest,), code=code)
    assert isinstance(answers, tuple)
    assert isinstance(answers[0], HashSigned)
    return envelope.embed(key=Key(f"{number}/4"), prepared=prepared, credential=credential, value=answers[0].value)


def trust(web: Web, directory: Path, *, at: datetime = START) -> TrustStore:
    made, operator, since = web.centre.certificates(), web.centre.operator(), START - timedelta(days=1)
    publish(
        directory,
        operator_key=operator.key,
        operator_certificate=operator.certificate,
        services=[
            ListedService(name=name, type=kind, certificate=der, history=((ServiceStatus.GRANTED, since),))
            for name, kind, der in (
                ("CA", ServiceType.CA_QC, made.qcp),
                ("TSU", ServiceType.QTST, made.timestamps),
            )
        ],
        now=at,
        next_update=at + timedelta(days=30),
        sequence=1,
    )
    return TrustStore.load(directory)


def serials(content: bytes) -> set[int]:
    """Whom the OCSP answers in a document are about."""
    dss = DocumentSecurityStore.read_dss(PdfFileReader(BytesIO(content)))
    return {
        single["cert_id"]["serial_number"].native
        for one in dss.ocsps
        for single in ocsp.OCSPResponse.load(one.get_object().data).response_data["responses"]
    }


class TestSigningAndVerifying:
    def test_a_long_term_signature_is_made_and_verified_over_http(
        self, web: Web, revocation: HttpRevocation, tmp_path: Path
    ) -> None:
        shelf = FileShelf(tmp_path / "shelf")
        content = shelf.read(document=signed(web, shelf, revocation, 1, PadesLevel.B_LTA))
        report = verify(content, trust=trust(web, tmp_path / "trust"), now=START + timedelta(minutes=1))
        (signature,) = report.signatures
        assert signature.level_reached is SignatureLevel.NIVEAU_3
        assert (signature.format, signature.timestamps[0].qualified) == ("PAdES-B-LTA", True)

    def test_what_a_document_does_not_bring_is_fetched(
        self, web: Web, revocation: HttpRevocation, tmp_path: Path
    ) -> None:
        shelf, lists = FileShelf(tmp_path / "shelf"), trust(web, tmp_path / "trust")
        content = shelf.read(document=signed(web, shelf, revocation, 2, PadesLevel.B_T))
        now = START + timedelta(minutes=1)
        web.clock.advance(timedelta(minutes=1))
        (alone,) = verify(content, trust=lists, now=now).signatures
        assert alone.sub_indication == "TRY_LATER"
        (fetched,) = verify(content, trust=lists, now=now, revocation=revocation).signatures
        assert fetched.level_reached is SignatureLevel.NIVEAU_3
        web.broken = lambda path: b"noise"
        (silent,) = verify(content, trust=lists, now=now, revocation=revocation).signatures
        assert silent.sub_indication == "TRY_LATER"
        assert "revocation_source_silent" in {one.id for one in silent.reasons}

    def test_nothing_of_one_document_enters_another(self, web: Web, tmp_path: Path) -> None:
        """pyHanko's fetchers, reused, put the answers about earlier signatories into later documents."""
        shared = HttpRevocation(FETCHER)
        shelf = FileShelf(tmp_path / "shelf")
        found = []
        for number in (3, 4, 5):
            content = shelf.read(document=signed(web, shelf, shared, number, PadesLevel.B_LT))
            others = {x509.load_der_x509_certificate(one).serial_number for one in web.held[:-1]}
            assert not serials(content) & others
            assert x509.load_der_x509_certificate(web.held[-1]).serial_number in serials(content)
            found.append(len(serials(content)))
        assert len(set(found)) == 1

    def test_no_status_no_long_term_signature(self, web: Web, revocation: HttpRevocation, tmp_path: Path) -> None:
        web.broken = lambda path: b"noise" if path.startswith(("/ocsp", "/lists")) else None
        with pytest.raises(Unavailable):
            signed(web, FileShelf(tmp_path), revocation, 6, PadesLevel.B_LT)


class TestHttpRevocation:
    def test_where_nothing_is_named_nothing_is_asked(self, web: Web, revocation: HttpRevocation) -> None:
        root = web.centre.certificates().root
        assert revocation.issuer(certificate=root) is None
        assert revocation.crl(issuer=root) is None
        assert web.asked == []

    def test_the_issuer_is_found_and_checked_by_name(self, web: Web, revocation: HttpRevocation) -> None:
        made = web.centre.certificates()
        assert revocation.issuer(certificate=made.qcp) == made.root
        web.broken = lambda path: made.lcp if path.startswith("/issuers") else None
        with pytest.raises(Unavailable):
            revocation.issuer(certificate=made.qcp)

    def test_lists_are_kept_and_answers_are_not(self, web: Web) -> None:
        made, keeping = web.centre.certificates(), HttpRevocation(Fetcher(allow=("127.0.0.0/8",)))
        lists = [keeping.crl(issuer=made.root, certificate=made.qcp) for _ in range(3)]
        assert len(set(lists)) == 1
        assert len(web.asked) == 1
        web.asked.clear()
        for _ in range(2):
            keeping.ocsp(certificate=made.timestamps, issuer=made.root)
        assert len([path for path in web.asked if path.startswith("/ocsp")]) in {0, 2}  # none where it names none

    @pytest.mark.parametrize("certificate", [b"", b"\x30\x03\x02\x01\x01"], ids=["empty", "short"])
    def test_what_is_no_certificate_is_unavailable(self, revocation: HttpRevocation, certificate: bytes) -> None:
        with pytest.raises(Unavailable):
            revocation.ocsp(certificate=certificate, issuer=certificate)
        with pytest.raises(Unavailable):
            revocation.crl(issuer=certificate, certificate=certificate)
        with pytest.raises(Unavailable):
            revocation.issuer(certificate=certificate)

    def test_private_addresses_in_a_certificate_are_not_asked(self, web: Web) -> None:
        made = web.centre.certificates()
        with pytest.raises(Unavailable):
            HttpRevocation().crl(issuer=made.root, certificate=made.qcp)
        assert web.asked == []


class TestExtending:
    """Archive renewal: a year later, from a document that another process signed."""

    @pytest.fixture
    def archive(self, web: Web, revocation: HttpRevocation) -> PdfArchive:
        return PdfArchive(timestamps=stamping(web), revocation=revocation, clock=web.clock)

    def test_a_year_later_the_proof_is_renewed(self, revocation: HttpRevocation, tmp_path: Path) -> None:
        """By then the responders have new certificates, younger than the signature."""
        later = START + timedelta(days=365)
        with serving(Web(folder=tmp_path / "centre", clock=ManualClock(START))) as web:
            shelf, sources = FileShelf(tmp_path / "shelf"), {}
            for level in (PadesLevel.B_T, PadesLevel.B_LTA):
                sources[level] = shelf.path(document=signed(web, shelf, revocation, level, level))
            web.clock = ManualClock(later)
            archive = PdfArchive(timestamps=stamping(web), revocation=revocation, clock=web.clock)
            lists = trust(web, tmp_path / "trust", at=later)
            for level, source in sources.items():
                before = source.read_bytes()
                archive.extend(source, tmp_path / f"{level.name}.pdf")
                content = (tmp_path / f"{level.name}.pdf").read_bytes()
                assert content.startswith(before)
                assert source.read_bytes() == before
                report = verify(content, trust=lists, now=later + timedelta(minutes=1))
                (signature,) = report.signatures
                assert signature.level_reached is SignatureLevel.NIVEAU_3
                assert signature.format == "PAdES-B-LTA"
                assert [one.time for one in report.timestamps][-1] == later
                assert len(report.timestamps) == (2 if level is PadesLevel.B_LTA else 1)
                assert {one.indication.value for one in report.timestamps} == {"PASSED"}
            (online,) = verify(
                sources[PadesLevel.B_T], trust=lists, now=later + timedelta(minutes=1), revocation=revocation
            ).signatures
            assert online.level_reached is SignatureLevel.NIVEAU_3
            assert online.best_signature_time == START

    def test_the_shelf_keeps_both(self, web: Web, revocation: HttpRevocation, tmp_path: Path) -> None:
        shelf = FileShelf(tmp_path / "shelf")
        document = signed(web, shelf, revocation, 30, PadesLevel.B_LTA)
        envelope = PdfEnvelope(
            documents=shelf, timestamps=stamping(web), revocation=revocation, level=PadesLevel.B_LTA, clock=web.clock
        )
        extended = envelope.extend(document=document)
        assert shelf.read(document=extended).startswith(shelf.read(document=document))
        again = envelope.extend(document=extended)
        assert shelf.read(document=again).startswith(shelf.read(document=extended))
        report = verify(shelf.read(document=again), trust=trust(web, tmp_path / "trust"), now=START)
        assert [one.indication.value for one in report.timestamps] == ["PASSED"] * 3

    def test_what_no_longer_holds_is_not_made_to_look_as_if_it_did(
        self, web: Web, revocation: HttpRevocation, archive: PdfArchive, tmp_path: Path
    ) -> None:
        shelf = FileShelf(tmp_path / "shelf")
        content = shelf.read(document=signed(web, shelf, revocation, 31, PadesLevel.B_LTA))
        place = content.index(b"stream") + 20
        files = {
            "altered": content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :],
            "unsigned": typst.compile(b"Nothing", timestamp=0),
            "noise": b"%PDF-1.7 noise",
            "empty": b"",
        }
        for name, bad in files.items():
            (tmp_path / name).write_bytes(bad)
            with pytest.raises(DocumentError) as refusal:
                archive.extend(tmp_path / name, tmp_path / "never.pdf")
            assert refusal.value.mend, name
        assert not (tmp_path / "never.pdf").exists()
        assert not list(tmp_path.glob(".qcp-*"))

    def test_after_the_last_timestamps_end_it_is_too_late(
        self, web: Web, revocation: HttpRevocation, archive: PdfArchive, tmp_path: Path
    ) -> None:
        shelf = FileShelf(tmp_path / "shelf")
        source = shelf.path(document=signed(web, shelf, revocation, 32, PadesLevel.B_LTA))
        archive._clock = ManualClock(START + timedelta(days=365 * 40))
        with pytest.raises(Rejected) as refusal:
            archive.extend(source, tmp_path / "never.pdf")
        assert refusal.value.reason == "certificate_expired"

    def test_a_file_of_that_name_is_left_alone(self, archive: PdfArchive, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"mine")
        with pytest.raises(DocumentError):
            archive.extend(tmp_path / "b", tmp_path / "a")
        assert (tmp_path / "a").read_bytes() == b"mine"


class TestCommandLine:
    def test_trust_update_show_verify_extend(
        self, web: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def say(*words: str) -> tuple[int, str]:
            code = main(["--language", "en", *words])
            out = capsys.readouterr()
            return code, out.out + out.err

        home = str(tmp_path / "trust")
        assert say("trust", "show") == (2, "qcp-sdk: no trust directory is named; give --trust, or set QCP_TRUST\n")
        code, text = say("trust", "update", "--trust", home, "--lotl", f"{web.address}/lists/root.crl", "--first-use")
        assert (code, "not a public one" in text) == (2, True)
        web.broken = lambda path: b"<noise/>" if path == "/lotl.xml" else None
        code, text = say(
            "trust", "update", "--trust", home, "--lotl", f"{web.address}/lotl.xml", "--allow", "127.0.0.0/8"
        )
        assert (code, "not a trusted list" in text) == (2, True)
        (tmp_path / "plain.pdf").write_bytes(typst.compile(b"Nothing", timestamp=0))
        code, text = say(
            "extend", str(tmp_path / "plain.pdf"), "--tsa", f"{web.address}/tsa", "--output", str(tmp_path / "x")
        )
        assert (code, "no signature" in text) == (2, True)
