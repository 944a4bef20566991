"""The certificate request: complete, the same each time, well formed, and sealed once on the evidence of a code."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID

from qcp_sdk.adapters.pdf_envelope import PadesLevel
from qcp_sdk.adapters.pdf_seal import PdfSeal
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.typst_documents import TypstDocuments
from qcp_sdk.demo_documents import SIGNATURE_PAGE, SIGNATURE_PLACES, demo_contract
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.identity import DocumentKind, IdentityEvidence, Proofing, ProvenIdentity
from qcp_sdk.people import Account
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.signer import Credential
from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import (
    AccountId,
    BirthDate,
    ContentHash,
    EmailAddress,
    Fingerprint,
    Key,
    PersonName,
    PhoneNumber,
    SubscriptionId,
)

AT: Final = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
NAME: Final = PersonName(given="Zoé Marie-Ève", last="Œuvrard", birth_name="Łukasiewicz")
APPLICATION: Final = Application(
    subscription=SubscriptionId("sub-71"),
    account=Account(
        id=AccountId("a-1"),
        name=NAME,
        email=EmailAddress("zoe@example.org"),
        mobile=PhoneNumber("+33612341316"),
    ),
    identity=ProvenIdentity(
        name=NAME,
        birth_date=BirthDate(date(1987, 3, 1)),
        document=DocumentKind.RESIDENCE_PERMIT,
        issuing_country="FR",
        valid_until=date(2030, 8, 14),
    ),
    evidence=IdentityEvidence(provider="Vérif", reference="dossier-8842", proofing=Proofing.EXTENDED),
)


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def judged(name: str, *arguments: str) -> str:
    done = subprocess.run([program(name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@frozen
class FixedClock:
    moment: datetime = AT

    def now(self) -> datetime:
        return self.moment


class MarkSeal:
    """A seal that can be seen: it appends what it was told, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        self.calls += 1
        return pdf + f"\n%{self.calls} {reason}".encode()


class RefusingSeal:
    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        raise Rejected("no", reason="credential_unusable", mend="renew it")


class RewritingSeal:
    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        return b"%PDF-1.7 something else"


@pytest.fixture
def seal() -> MarkSeal:
    return MarkSeal()


@pytest.fixture
def documents(tmp_path: Path, seal: MarkSeal) -> TypstDocuments:
    return make(tmp_path, seal)


def make(folder: Path, seal: MarkSeal | RefusingSeal | RewritingSeal | PdfSeal) -> TypstDocuments:
    return TypstDocuments(
        shelf=FileShelf(folder / "shelf"),
        seal=seal,
        answers=folder / "answers",
        platform="Étude & Signature",
        issuer="AC Test Qualifiée",
    )


def compose(
    documents: TypstDocuments, language: str = "fr", key: str = "s/1/0", of: Application = APPLICATION
) -> ContentHash:
    return documents.compose_request(key=Key(key), application=of, language=language, at=AT)


def test_it_is_a_documents_port_and_shelves_what_it_is_given(documents: TypstDocuments) -> None:
    port: Documents = documents
    name = port.keep(content=b"%PDF-1.7")
    assert port.read(document=name) == b"%PDF-1.7" == port.path(document=name).read_bytes()
    with pytest.raises(Rejected) as refused:
        port.read(document=ContentHash("sha256:" + "0" * 64))
    assert refused.value.reason == "unknown_document"


def test_the_same_application_and_instant_give_the_same_bytes(documents: TypstDocuments, tmp_path: Path) -> None:
    first = compose(documents)
    assert compose(documents, key="s/2/0") == first
    assert compose(make(tmp_path / "elsewhere", MarkSeal())) == first
    assert compose(documents, "en", key="s/3/0") != first
    later = documents.compose_request(
        key=Key("s/4/0"), application=APPLICATION, language="fr", at=AT + timedelta(minutes=1)
    )
    assert later != first


def test_a_key_asked_again_answers_the_same_after_a_restart(documents: TypstDocuments, tmp_path: Path) -> None:
    first = compose(documents)
    changed = evolve(APPLICATION, account=evolve(APPLICATION.account, email=EmailAddress("moved@example.org")))
    assert compose(make(tmp_path, MarkSeal()), of=changed) == first


def test_a_key_is_not_answered_with_another_subscriptions_request(documents: TypstDocuments, tmp_path: Path) -> None:
    compose(documents)
    other = evolve(APPLICATION, subscription=SubscriptionId("another"))
    with pytest.raises(Rejected) as refused:
        compose(make(tmp_path, MarkSeal()), of=other)
    assert refused.value.reason == "key_reused"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "fr",
            (
                "Demande de certificat qualifié",
                "1er mars 1987",
                "14 août 2030",
                "24 novembre 2026 à 0 h 30 (heure de Paris)",
                "Titre de séjour",
                "France (FR)",
                "étendu (ETSI TS 119 461, annexe C)",
                "5 ans",
                "avancée basée sur un certificat qualifié",
                "sept ans",
                "Page 1 sur 2",
            ),
        ),
        (
            "en",
            (
                "Request for a qualified certificate",
                "1 March 1987",
                "14 August 2030",
                "24 November 2026 at 00:30 (Paris time)",
                "Residence permit",
                "France (FR)",
                "extended (ETSI TS 119 461, Annex C)",
                "5 years",
                "advanced signature based on a qualified certificate",
                "seven years",
                "Page 1 of 2",
            ),
        ),
    ],
)
@pytest.mark.judge
def test_a_reader_finds_everything_in_it(documents: TypstDocuments, language: str, expected: tuple[str, ...]) -> None:
    path = str(documents.path(document=compose(documents, language)))
    text = " ".join(judged("pdftotext", "-layout", path, "-").replace("\u00a0", " ").replace("\u202f", " ").split())
    for words in (
        *expected,
        "Zoé Marie-Ève",
        "Œuvrard",
        "Łukasiewicz",
        "zoe@example.org",
        "+33612341316",
        "Vérif",
        "dossier-8842",
        "Étude & Signature",
        "AC Test Qualifiée",
        "sub-71",
        "319 411-1",
    ):
        assert words in text, words


@pytest.mark.judge
def test_what_is_not_known_has_no_row(documents: TypstDocuments) -> None:
    bare = evolve(
        APPLICATION,
        identity=evolve(
            APPLICATION.identity, name=PersonName(given="A", last="B"), valid_until=None, issuing_country="XK"
        ),
    )
    text = judged("pdftotext", "-layout", str(documents.path(document=compose(documents, of=bare))), "-")
    assert "Nom de naissance" not in text
    assert "Valable jusqu’au" not in text
    assert "XK" in text


@pytest.mark.judge
@pytest.mark.parametrize("which", ["fr", "en", "contract"])
def test_programs_of_others_find_it_sound_tagged_and_self_contained(
    documents: TypstDocuments, tmp_path: Path, which: str
) -> None:
    path = tmp_path / "document.pdf"
    path.write_bytes(
        demo_contract(at=AT) if which == "contract" else documents.read(document=compose(documents, which))
    )
    judged("qpdf", "--check", str(path))
    fonts = judged("pdffonts", str(path)).splitlines()[2:]
    assert fonts
    assert all(" yes yes yes " in font for font in fonts), fonts  # embedded, subset, with a Unicode map
    about = judged("pdfinfo", str(path))
    assert "Tagged:          yes" in about
    assert "Pages:           2" in about
    assert "JavaScript:      no" in about
    meta = judged("pdfinfo", "-meta", str(path))
    assert "<pdfaid:part>2</pdfaid:part>" in meta
    assert "<pdfaid:conformance>A</pdfaid:conformance>" in meta
    assert "<pdfuaid:part>1</pdfuaid:part>" in meta


def test_data_are_text_and_never_markup(documents: TypstDocuments) -> None:
    sly = PersonName(given='#read("/etc/passwd") *A*', last='$x$ ] #panic("no") \\')
    name = compose(documents, of=evolve(APPLICATION, identity=evolve(APPLICATION.identity, name=sly)))
    text = judged("pdftotext", "-layout", str(documents.path(document=name)), "-")
    assert '#read("/etc/passwd") *A*' in text
    assert '#panic("no")' in text


def test_what_the_fonts_cannot_show_is_refused_and_not_quoted(documents: TypstDocuments) -> None:
    unknown = evolve(APPLICATION, identity=evolve(APPLICATION.identity, name=PersonName(given="東", last="京")))
    with pytest.raises(Rejected) as refused:
        compose(documents, of=unknown)
    assert refused.value.reason == "cannot_compose"
    assert "東" not in str(refused.value)
    with pytest.raises(Rejected) as refused:
        compose(documents, "de")
    assert refused.value.reason == "cannot_compose"


def test_a_host_sets_its_own_request(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "documents"
    folder.mkdir(parents=True)
    own = folder / "certificate_request.fr.typ"
    own.write_text('#set document(title: "T")\n#set text(lang: "fr")\n= Titre\n#json(bytes(sys.inputs.data)).last')
    documents = TypstDocuments(
        shelf=FileShelf(tmp_path / "shelf"),
        seal=MarkSeal(),
        answers=tmp_path / "answers",
        platform="P",
        issuer="I",
        directory=tmp_path / "own",
    )
    assert "Titre" in judged("pdftotext", str(documents.path(document=compose(documents))), "-")
    assert "obligations" in judged("pdftotext", str(documents.path(document=compose(documents, "en", "s/2/0"))), "-")
    own.write_text("#oops")
    with pytest.raises(Unavailable, match=r"certificate_request\.fr"):
        compose(documents, key="s/3/0")


def sealed(
    documents: TypstDocuments, request: ContentHash, key: str = "s/9/0", challenge: str = "s/request/1"
) -> ContentHash:
    return documents.seal_request(
        key=Key(key), document=request, signatory="Zoé Œuvrard", challenge=challenge, verified_at=AT
    )


def test_sealing_keeps_what_was_shown_and_carries_the_evidence(documents: TypstDocuments) -> None:
    request = compose(documents)
    content = documents.read(document=sealed(documents, request))
    assert content.startswith(documents.read(document=request))
    for word in ("Zoé Œuvrard", "s/request/1", "2026-11-23T23:30:00+00:00"):
        assert word.encode() in content


def test_sealing_happens_once_for_a_key_even_after_a_restart(
    documents: TypstDocuments, seal: MarkSeal, tmp_path: Path
) -> None:
    request = compose(documents)
    first = sealed(documents, request)
    assert sealed(documents, request) == first
    assert sealed(make(tmp_path, seal), request) == first
    assert seal.calls == 1
    assert sealed(documents, request, key="s/10/0") != first
    assert seal.calls == 2


def test_a_request_that_is_unknown_or_damaged_is_not_sealed(documents: TypstDocuments, seal: MarkSeal) -> None:
    with pytest.raises(Rejected) as refused:
        sealed(documents, ContentHash("sha256:" + "0" * 64))
    assert refused.value.reason == "unknown_document"
    request = compose(documents)
    documents.path(document=request).write_bytes(b"%PDF-1.7 altered")
    with pytest.raises(Rejected) as refused:
        sealed(documents, request)
    assert refused.value.reason == "cannot_seal"
    assert seal.calls == 0


@pytest.mark.parametrize("seal", [RefusingSeal(), RewritingSeal()])
def test_a_seal_that_refuses_or_rewrites_seals_nothing(tmp_path: Path, seal: RefusingSeal | RewritingSeal) -> None:
    documents = make(tmp_path, seal)
    request = compose(documents)
    with pytest.raises(Rejected) as refused:
        sealed(documents, request)
    assert refused.value.reason == "cannot_seal"
    # Nothing was remembered: a seal that works may still answer this key.
    assert sealed(make(tmp_path, MarkSeal()), request).startswith("sha256:")


def credential() -> tuple[Credential, ec.EllipticCurvePrivateKey]:
    key = ec.derive_private_key(0x5EA1, ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST seal")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(71)
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=365))
        .add_extension(x509.KeyUsage(False, True, False, False, False, False, False, False, False), critical=True)
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return (
        Credential(
            fingerprint=Fingerprint(certificate.fingerprint(hashes.SHA256()).hex()),
            chain=(der,),
            algorithm="sha256_ecdsa",
        ),
        key,
    )


@pytest.mark.judge
def test_a_request_sealed_for_real_is_a_signature_that_others_accept(tmp_path: Path) -> None:
    certificate, key = credential()
    seal = PdfSeal(
        credential=certificate,
        signing=lambda digest: key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()))),
        clock=FixedClock(),
        timestamps=None,
        revocation=None,
        level=PadesLevel.B_B,
    )
    documents = make(tmp_path, seal)
    request = compose(documents)
    result = sealed(documents, request)
    path = documents.path(document=result)
    judged("qpdf", "--check", str(path))
    report = subprocess.run(
        [program("pdfsig"), "-nocert", str(path)], capture_output=True, text=True, check=False
    ).stdout
    assert "Signature is Valid" in report
    assert "Total document signed" in report
    assert "ETSI.CAdES.detached" in report
    assert path.read_bytes().startswith(documents.read(document=request))
    assert sealed(make(tmp_path, MarkSeal()), request) == result


def test_names_that_are_empty_and_zones_that_are_not_are_refused(tmp_path: Path) -> None:
    for change in ({"platform": " "}, {"issuer": ""}, {"zone": "Mars/Olympus"}):
        settings = {"platform": "P", "issuer": "I", "zone": "UTC", **change}
        with pytest.raises(ConfigurationError):
            TypstDocuments(shelf=FileShelf(tmp_path), seal=MarkSeal(), answers=tmp_path, **settings)  # type: ignore[arg-type]


@pytest.mark.judge
def test_the_demonstration_contract_names_its_parties_and_leaves_room_to_sign(tmp_path: Path) -> None:
    path = tmp_path / "contract.pdf"
    path.write_bytes(demo_contract(at=AT, client="Zoé Œuvrard", accountant="Irène Faron"))
    assert demo_contract(at=AT, client="Zoé Œuvrard", accountant="Irène Faron") == path.read_bytes()
    text = judged("pdftotext", "-layout", str(path), "-").replace("\u00a0", " ")
    assert text.count("Zoé Œuvrard") == 2
    assert "24 novembre 2026" in text
    for left, bottom, right, top in SIGNATURE_PLACES:
        # pdftotext counts from the top left corner, in points at 72 dots per inch.
        area = ["-f", str(SIGNATURE_PAGE + 1), "-l", str(SIGNATURE_PAGE + 1), "-x", str(left), "-y", str(842 - top)]
        inside = judged("pdftotext", *area, "-W", str(right - left), "-H", str(top - bottom), str(path), "-")
        assert not inside.strip()
