"""The local adapters, which are real, sit the same exams as the fakes."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from qcp_sdk.adapters import simulated_registration as hosted
from qcp_sdk.adapters.file_accounts import FileAccounts
from qcp_sdk.adapters.local_trust_centre import LocalAuthority, LocalSigner, LocalTimestamps, LocalTrustCentre
from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes, MailboxNotices
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.memory.codes import MemoryCodes
from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.pdf_seal import PdfSeal
from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.keystore import algorithm, sign_digest
from qcp_sdk.adapters.shared.letters import Sender
from qcp_sdk.adapters.shared.messages import Links, Renderer
from qcp_sdk.adapters.shared.simulation.pages import PagesDesk
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.simulated_pages import PortsPen, SimulatedSigningPages
from qcp_sdk.adapters.typst_documents import TypstDocuments
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.notices import Recipient
from qcp_sdk.people import Account
from qcp_sdk.ports.accounts import Accounts
from qcp_sdk.ports.authority import CertificateAuthority
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.envelope import Envelope
from qcp_sdk.ports.notices import Notices
from qcp_sdk.ports.pages import SigningPages
from qcp_sdk.ports.registration import Registration
from qcp_sdk.ports.signer import Credential, Signer
from qcp_sdk.testing.conformance.accounts import AccountsConformance
from qcp_sdk.testing.conformance.authority import AuthorityConformance
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.testing.conformance.documents import DocumentsConformance, Shelf, ShelfConformance
from qcp_sdk.testing.conformance.envelope import EnvelopeConformance
from qcp_sdk.testing.conformance.examples import START, account
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.testing.conformance.pages import PagesConformance
from qcp_sdk.testing.conformance.registration import Ending, RegistrationConformance
from qcp_sdk.testing.conformance.signer import SignerConformance
from qcp_sdk.testing.conformance.timestamps import TimestampsConformance
from qcp_sdk.values import ContentHash, EmailAddress, Fingerprint, Key, PhoneNumber, Secret, SessionId

PASSPHRASE: Final = Secret("a passphrase for tests only")
SENDER: Final = Sender(address=EmailAddress("signature@host.example"), name="Exemple & Signature")
RENDERER: Final = Renderer(
    links=Links(
        account="https://host.example/certificates",
        subscription="https://host.example/subscriptions/{subscription}",
        signing="https://host.example/sign/{ceremony}",
        verify="https://host.example/verify",
        sms_host="host.example",
    ),
    platform="Exemple & Signature",
)


@pytest.fixture(scope="module")
def centre_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a hierarchy; each test opens a copy, which takes a third of the time."""
    folder = tmp_path_factory.mktemp("centre") / "made"
    LocalTrustCentre(folder, clock=ManualClock(START), passphrase=PASSPHRASE)
    return folder


class InAFolder:
    """What every local adapter needs: a folder of its own, and perhaps a trust centre in it."""

    clock: ManualClock

    @pytest.fixture(autouse=True)
    def _in_a_folder(self, tmp_path: Path, centre_made_once: Path) -> None:
        self.made_once, self.base, self.numbers = centre_made_once, tmp_path, count()

    def folder(self) -> Path:
        return self.base / str(next(self.numbers))

    def centre(self) -> LocalTrustCentre:
        self.centre_folder = Path(shutil.copytree(self.made_once, self.folder()))
        return self.reopened_centre()

    def reopened_centre(self) -> LocalTrustCentre:
        """Open the folder of this test's centre again, as another process does."""
        return LocalTrustCentre(self.centre_folder, clock=self.clock, passphrase=PASSPHRASE)


class TestLocalAuthority(InAFolder, AuthorityConformance):
    examples = 4

    def make_authority(self, *, takes_time: bool = False, refuses: bool = False) -> LocalAuthority:
        centre, self.decision_after = self.centre(), timedelta(minutes=30 if takes_time else 0)
        if refuses:
            centre.refuse_next("not_eligible", level=self.level)
        return centre.authority(self.level, decision_after=self.decision_after)

    def restarted(self, authority: CertificateAuthority) -> LocalAuthority:
        return self.reopened_centre().authority(self.level, decision_after=self.decision_after)


class TestLocalLcpAuthority(TestLocalAuthority):
    level = CertificateLevel.LCP


class TestLocalSigner(InAFolder, SignerConformance):
    examples = 4

    def make_signer(self, *, takes_time: bool = False) -> tuple[LocalSigner, Fingerprint]:
        self.trust, self.sent, self.keys = self.centre(), MemoryCodes(clock=self.clock), MemoryKeys()
        holding = self.trust.enrol(account(), level=CertificateLevel.QCP_N)
        signer = self.trust.signer(
            codes=self.sent, keys=self.keys, answer_after=timedelta(minutes=30 if takes_time else 0), batch=3
        )
        return signer, holding.certificate.fingerprint

    def another(self, signer: Signer) -> Fingerprint:
        return self.trust.enrol(account(1), level=CertificateLevel.QCP_N).certificate.fingerprint

    def restarted(self, signer: Signer) -> LocalSigner:
        return self.reopened_centre().signer(codes=self.sent, keys=self.keys, batch=3)

    def codes(self, signer: Signer) -> tuple[Secret, ...]:
        return tuple(sent.code for sent in self.sent.outbox)

    def verifies(self, credential: Credential, digest: bytes, value: bytes) -> bool:
        public = x509.load_der_x509_certificate(credential.chain[0]).public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        try:
            public.verify(value, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        except InvalidSignature:
            return False
        return True

    def disable(self, signer: Signer, fingerprint: Fingerprint) -> None:
        authority: CertificateAuthority = self.trust.authority(CertificateLevel.QCP_N)
        authority.revoke(key=Key("r/1/0"), fingerprint=fingerprint, reason="key_compromise")


class TestLocalTimestamps(InAFolder, TimestampsConformance):
    examples = 4

    def make_timestamps(self) -> LocalTimestamps:
        return self.centre().timestamps()

    def told(self, token: bytes) -> tuple[bytes, datetime]:
        # The signature on it is judged by OpenSSL in the trust centre's own tests.
        told = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"].parsed
        imprint: bytes = told["message_imprint"]["hashed_message"].native
        at: datetime = told["gen_time"].native
        return imprint, at.astimezone(UTC)


class TestFileAccounts(InAFolder, AccountsConformance):
    def make_accounts(self, *people: Account) -> FileAccounts:
        self.file = self.folder() / "accounts.json"
        accounts = FileAccounts(self.file)
        for person in people:
            accounts.put(person)
        return accounts

    def restarted(self, accounts: Accounts) -> FileAccounts:
        return FileAccounts(self.file)

    def change(self, accounts: Accounts, person: Account) -> None:
        assert isinstance(accounts, FileAccounts)
        accounts.put(person)


class TestMailboxCodes(InAFolder, CodesConformance):
    examples = 8

    def make_codes(self) -> MailboxCodes:
        self.box = Mailbox(self.folder())
        return self.restarted()

    def restarted(self, codes: Codes | None = None) -> MailboxCodes:
        return MailboxCodes(directory=self.box.directory, sender=SENDER, renderer=RENDERER, clock=self.clock)

    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        return tuple(mail.text for mail in self.box.messages(to=by))


class TestMailboxNotices(InAFolder, NoticesConformance):
    examples = 8

    def make_notices(self) -> MailboxNotices:
        self.box = Mailbox(self.folder())
        self.shelf = TypstDocuments(
            shelf=FileShelf(self.folder()),
            seal=Marking(),
            answers=self.folder(),
            platform="Exemple",
            issuer="Autorité Exemple",
        )
        return self.restarted()

    def restarted(self, notices: Notices | None = None) -> MailboxNotices:
        return MailboxNotices(
            directory=self.box.directory, sender=SENDER, renderer=RENDERER, clock=self.clock, documents=self.shelf
        )

    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        return self.shelf.keep(content=content)

    def received(self, notices: Notices, by: Recipient) -> int:
        assert by.mobile is not None
        return len(self.box.messages(to=by.email)) + len(self.box.messages(to=by.mobile))


class TestFileShelf(InAFolder, ShelfConformance):
    def make_shelf(self) -> Shelf:
        return FileShelf(self.folder())

    def reopened(self, shelf: Shelf) -> Shelf:
        assert isinstance(shelf, FileShelf)
        return FileShelf(shelf.directory)

    def damage(self, shelf: Shelf, document: ContentHash) -> None:
        file = shelf.path(document=document)
        file.chmod(0o600)
        file.write_bytes(b"something else")


class Marking:
    """A seal that only leaves a mark."""

    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        return pdf + f"\n%{reason}".encode()


class TestTypstDocuments(InAFolder, DocumentsConformance):
    def setup_method(self) -> None:
        self.clock = ManualClock(START)

    examples = 4

    def make_documents(self) -> TypstDocuments:
        centre = self.centre()
        credential, signing = centre.seal_credential()
        self.seal = PdfSeal(
            credential=credential,
            signing=signing,
            timestamps=None,
            revocation=None,
            clock=self.clock,
            level=PadesLevel.B_B,
        )
        return self.documents(self.seal, FileShelf(self.folder()), self.folder())

    def make_shelf(self) -> Shelf:
        return self.documents(Marking(), FileShelf(self.folder()), self.folder())  # these promises need no key

    def restarted(self, documents: Documents) -> TypstDocuments:
        return self.documents(self.seal, self.shelf, self.answers)

    def documents(self, seal: PdfSeal | Marking, shelf: FileShelf, answers: Path) -> TypstDocuments:
        self.shelf, self.answers = shelf, answers
        return TypstDocuments(
            shelf=shelf,
            seal=seal,
            answers=answers,
            platform="Exemple",
            issuer="Autorité Exemple",
        )

    def damage(self, shelf: Shelf, document: ContentHash) -> None:
        TestFileShelf.damage(TestFileShelf(), shelf, document)


@cache
def letter(year: int) -> bytes:
    return demo_contract(at=START.replace(year=year))


@cache
def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def a_certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "TEST")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(a_key().public_key())
        .serial_number(1)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(a_key(), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


class TestPdfEnvelope(InAFolder, EnvelopeConformance):
    """At B-B; timestamps and revocation data are what the envelope's own tests are about."""

    examples = 5

    def make_envelope(self) -> PdfEnvelope:
        self.shelf, self.answers = FileShelf(self.folder()), self.folder()
        return self.restarted()

    def restarted(self, envelope: Envelope | None = None) -> PdfEnvelope:
        return PdfEnvelope(
            documents=self.shelf,
            timestamps=None,
            revocation=None,
            clock=self.clock,
            level=PadesLevel.B_B,
            answers=KeptAnswers(self.answers),
        )

    def keep(self, envelope: Envelope, content: bytes) -> ContentHash:
        return self.shelf.keep(content=content)

    def read(self, envelope: Envelope, document: ContentHash) -> bytes:
        return self.shelf.read(document=document)

    def document(self, *, other: bool = False) -> bytes:
        return letter(2025 if other else 2026)

    def credential(self) -> Credential:
        return Credential(
            fingerprint=Fingerprint(hashlib.sha256(a_certificate()).hexdigest()),
            chain=(a_certificate(),),
            algorithm=algorithm(a_key()),
        )

    def sign(self, digest: bytes) -> bytes:
        return sign_digest(a_key(), digest)


class TestRegistrationAtTheLocalTrustCentre(InAFolder, RegistrationConformance):
    examples = 4

    def make_registration(self) -> hosted.SimulatedRegistration:
        authority, self.place = self.centre().authority(CertificateLevel.QCP_N), self.folder()
        return hosted.SimulatedRegistration(self.place, authority=authority, clock=self.clock)

    def restarted(self, registration: Registration) -> hosted.SimulatedRegistration:
        authority = self.reopened_centre().authority(CertificateLevel.QCP_N)
        return hosted.SimulatedRegistration(self.place, authority=authority, clock=self.clock)

    def complete(self, registration: Registration, session: SessionId) -> None:
        assert isinstance(registration, hosted.SimulatedRegistration)
        registration.complete(session)

    def play(self, registration: Registration, session: SessionId, ending: Ending) -> None:
        assert isinstance(registration, hosted.SimulatedRegistration)
        scripts = {
            Ending.ISSUED: hosted.issue(),
            Ending.ATTESTED: hosted.attest(),
            Ending.REFUSED: hosted.refuse(),
            Ending.EXPIRED: hosted.expire(),
        }
        registration.script(session, scripts[ending])


class TestPagesAtTheLocalTrustCentre(InAFolder, PagesConformance):
    """A hosted page that makes real PAdES signatures with a real remote key."""

    examples = 4

    def make_pages(self) -> SimulatedSigningPages:
        centre, self.sent, self.shelf = self.centre(), MemoryCodes(clock=self.clock), FileShelf(self.folder())
        certificate = centre.enrol(account(), level=CertificateLevel.QCP_N).certificate
        envelope = PdfEnvelope(
            documents=self.shelf,
            timestamps=None,
            revocation=None,
            clock=self.clock,
            level=PadesLevel.B_B,
            answers=KeptAnswers(self.folder()),
        )
        signer = centre.signer(codes=self.sent, keys=MemoryKeys())
        self.pen = PortsPen(envelope=envelope, signer=signer, certificate_of=lambda _: certificate, clock=self.clock)
        self.place = self.folder()
        return SimulatedSigningPages(self.place, pen=self.pen, clock=self.clock)

    def restarted(self, pages: SigningPages) -> SimulatedSigningPages:
        return SimulatedSigningPages(self.place, pen=self.pen, clock=self.clock)

    def keep(self, pages: SigningPages, content: bytes) -> ContentHash:
        return self.shelf.keep(content=content)

    def read(self, pages: SigningPages, document: ContentHash) -> bytes:
        return self.shelf.read(document=document)

    def document(self) -> bytes:
        return letter(2026)

    def sign(self, pages: SigningPages, session: SessionId) -> None:
        assert isinstance(pages, PagesDesk)
        pages.ask_code(session)
        pages.sign(session, self.sent.latest(account().mobile))

    def decline(self, pages: SigningPages, session: SessionId) -> None:
        assert isinstance(pages, PagesDesk)
        pages.decline(session)
