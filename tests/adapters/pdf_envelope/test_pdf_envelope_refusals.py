"""What cannot be signed is refused with the port's reason, and no foreign exception gets through."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import segno
from attrs import evolve
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm

from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.shared import pades, pades_cms
from qcp_sdk.adapters.shared.pades_stamp import draw
from qcp_sdk.adapters.shared.pdf_errors import FOREIGN, translated
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.errors import ConfigurationError, DocumentError, InvalidInput, Rejected, Unavailable
from qcp_sdk.ports.envelope import Appearance, PreparedSignature
from qcp_sdk.ports.signer import Credential
from qcp_sdk.values import ContentHash, Fingerprint, Key

if TYPE_CHECKING:
    from tests.adapters.pdf_envelope.conftest import Holder, Make, Pki, StoppedClock

Prepare = Callable[..., PreparedSignature]


@pytest.fixture
def holder(pki: Pki) -> Holder:
    return pki.holder("Zoé Œuvrard")


@pytest.fixture
def prepare(envelope: Make, shelf: FileShelf, holder: Holder, moment: datetime) -> Prepare:
    """Prepare a signature in these bytes, which were validated as they are unless said otherwise."""

    def act(content: bytes, *, validated: bytes | None = None, **more: Any) -> PreparedSignature:
        base = shelf.keep(content=content)
        arguments: dict[str, Any] = {
            "key": Key("s/1"),
            "validated": base if validated is None else shelf.keep(content=validated),
            "base": base,
            "credential": holder.credential,
            "at": moment,
        }
        return envelope().prepare(**(arguments | more))

    return act


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as caught:
        act()
    assert "Zoé" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda pdf: b"%" + pdf, id="something before"),
        pytest.param(lambda pdf: pdf[:-1], id="shorter"),
        pytest.param(lambda pdf: pdf[:40] + b"!" + pdf[41:], id="one byte"),
        pytest.param(lambda pdf: pdf[:40] + b"!" + pdf[41:] + pdf, id="longer and changed"),
    ],
)
def test_a_document_that_is_not_the_validated_one_is_refused(
    change: Callable[[bytes], bytes], prepare: Prepare, pdf: bytes
) -> None:
    assert refusal(lambda: prepare(change(pdf), validated=pdf)) == "document_changed"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda pdf: b"", id="empty"),
        pytest.param(lambda pdf: b"not a PDF at all", id="text"),
        pytest.param(lambda pdf: random.Random(1).randbytes(5000), id="noise"),
        pytest.param(lambda pdf: pdf[: len(pdf) // 2], id="truncated"),
        pytest.param(lambda pdf: pdf.replace(b"/Pages", b"/Pagez"), id="no pages"),
        pytest.param(lambda pdf: pdf.replace(b"/Root", b"/Rood"), id="no catalogue"),
        pytest.param(lambda pdf: b"%PDF-1.7\n" + b"[" * 50_000, id="nested"),
    ],
)
def test_a_file_that_is_no_readable_pdf_is_refused(
    damage: Callable[[bytes], bytes], prepare: Prepare, large: Callable[[int], bytes]
) -> None:
    assert refusal(lambda: prepare(damage(large(100)))) == "unreadable"


def test_corruption_of_any_kind_ends_in_a_refusal_or_in_a_place(prepare: Prepare, pdf: bytes) -> None:
    chance = random.Random(2)
    refused = 0
    for _ in range(60):
        corrupted = bytearray(pdf)
        at = chance.randrange(len(pdf) * 3 // 4, len(pdf))  # where the structure is
        match chance.randrange(3):
            case 0:
                corrupted[at] ^= 1 << chance.randrange(8)
            case 1:
                del corrupted[at : at + chance.randrange(1, 200)]
            case _:
                corrupted[at:at] = chance.randbytes(chance.randrange(1, 50))
        try:
            prepare(bytes(corrupted))
        except Rejected as error:
            assert error.reason in {"unreadable", "encrypted"}
            refused += 1
    assert refused


@pytest.mark.judge
@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
@pytest.mark.parametrize("user", ["", "secret"])
def test_an_encrypted_document_is_refused(user: str, prepare: Prepare, pdf: bytes, tmp_path: Path) -> None:
    plain, locked = tmp_path / "plain.pdf", tmp_path / "locked.pdf"
    plain.write_bytes(pdf)
    subprocess.run(["qpdf", "--encrypt", user, "owner", "256", "--", plain, locked], check=True)

    assert refusal(lambda: prepare(locked.read_bytes())) == "encrypted"


def _certified(pdf: bytes, holder: Holder, permission: MDPPerm) -> bytes:
    from asn1crypto import keys, x509  # type: ignore[import-untyped]
    from cryptography.hazmat.primitives import serialization
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    signer = signers.SimpleSigner(
        signing_cert=x509.Certificate.load(holder.chain[0]),
        signing_key=keys.PrivateKeyInfo.load(
            holder.key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        ),
        cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]
    )
    meta = signers.PdfSignatureMetadata(field_name="Author", certify=True, docmdp_permissions=permission)
    certified = asyncio.run(signers.PdfSigner(meta, signer).async_sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf))))
    assert isinstance(certified, BytesIO)
    return certified.getvalue()


def test_a_certification_without_changes_is_respected(prepare: Prepare, pdf: bytes, holder: Holder) -> None:
    assert refusal(lambda: prepare(_certified(pdf, holder, MDPPerm.NO_CHANGES))) == "not_allowed"
    assert prepare(_certified(pdf, holder, MDPPerm.FILL_FORMS)).digest


def test_the_same_signature_is_not_put_in_twice(
    prepare: Prepare, pdf: bytes, holder: Holder, envelope: Make, shelf: FileShelf
) -> None:
    once = prepare(pdf)
    signed = envelope().embed(
        key=Key("s/2"), prepared=once, credential=holder.credential, value=holder.sign(once.digest)
    )

    assert refusal(lambda: prepare(shelf.read(document=signed), validated=pdf)) == "not_allowed"


def test_a_value_that_does_not_verify_is_refused(
    prepare: Prepare, pdf: bytes, holder: Holder, envelope: Make, pki: Pki, rsa_key: Any
) -> None:
    prepared = prepare(pdf)
    other = pki.holder("Łukasz Müller")
    rsa_holder = pki.holder("Zoé Œuvrard", rsa_key(2048))

    for credential, value in (
        (holder.credential, holder.sign(hashlib.sha256(b"another").digest())),
        (holder.credential, other.sign(prepared.digest)),
        (holder.credential, b""),
        (holder.credential, random.Random(3).randbytes(72)),
        (holder.credential, rsa_holder.sign(prepared.digest)),
        (other.credential, other.sign(prepared.digest)),  # verifies, but the place is another's
    ):
        act = lambda credential=credential, value=value: envelope().embed(  # noqa: E731
            key=Key("s/2"), prepared=prepared, credential=credential, value=value
        )
        assert refusal(act) == "value_refused"
    assert pki.tokens == 0  # nothing is bought for a value that is not good


def _credential(holder: Holder, **changes: Any) -> Credential:
    return evolve(holder.credential, **changes)


def test_a_credential_that_cannot_sign_is_refused_before_anything_is_written(
    prepare: Prepare, pdf: bytes, holder: Holder, pki: Pki
) -> None:
    noise = b"0" * 100
    for changes in (
        {"algorithm": "sha256_rsa"},
        {"algorithm": "md5_rsa"},
        {"chain": ()},
        {"chain": holder.chain[1:]},
        {"chain": (noise, *holder.chain[1:]), "fingerprint": Fingerprint(hashlib.sha256(noise).hexdigest())},
        {"chain": (*holder.chain, noise)},
    ):
        act = lambda changes=changes: prepare(pdf, credential=_credential(holder, **changes))  # noqa: E731
        assert refusal(act) == "credential_unusable"


def test_what_the_shelf_no_longer_holds_is_refused(
    prepare: Prepare, pdf: bytes, holder: Holder, envelope: Make, shelf: FileShelf
) -> None:
    unknown = ContentHash("sha256:" + "0" * 64)
    assert refusal(lambda: prepare(pdf, base=unknown)) == "unknown_document"
    assert refusal(lambda: prepare(pdf, validated=b"?", base=unknown)) == "unknown_document"

    prepared = prepare(pdf)
    shelf.path(document=prepared.prepared).write_bytes(pdf)
    value = holder.sign(prepared.digest)
    act = lambda: envelope().embed(key=Key("s/2"), prepared=prepared, credential=holder.credential, value=value)  # noqa: E731
    assert refusal(act) == "damaged"


@pytest.mark.parametrize("state", [b"", b"{}", b"[2,1,2,3,4]", b'[1,1,2,"a","?"]', b"\xff", b'[1,"a","b","c",""]'])
def test_a_state_of_another_make_is_refused(
    state: bytes, prepare: Prepare, pdf: bytes, holder: Holder, envelope: Make
) -> None:
    prepared = evolve(prepare(pdf), state=state)
    act = lambda: envelope().embed(key=Key("s/2"), prepared=prepared, credential=holder.credential, value=b"")  # noqa: E731
    assert refusal(act) == "unknown_state"


def _embed(envelope: PdfEnvelope, prepared: PreparedSignature, holder: Holder) -> ContentHash:
    return envelope.embed(
        key=Key("s/2"), prepared=prepared, credential=holder.credential, value=holder.sign(prepared.digest)
    )


def test_a_certificate_revoked_meanwhile_is_not_embedded(
    prepare: Prepare, pdf: bytes, holder: Holder, envelope: Make, pki: Pki
) -> None:
    from cryptography.x509 import load_der_x509_certificate

    prepared = prepare(pdf)
    pki.revoked.add(load_der_x509_certificate(holder.chain[0]).serial_number)

    assert refusal(lambda: _embed(envelope(), prepared, holder)) == "certificate_revoked"


def test_an_expired_certificate_is_not_embedded(
    prepare: Prepare, pdf: bytes, holder: Holder, pki: Pki, shelf: FileShelf, stopped: StoppedClock
) -> None:
    prepared = prepare(pdf)
    stopped.moment = stopped.moment.replace(year=stopped.moment.year + 2)
    later = PdfEnvelope(documents=shelf, timestamps=pki, revocation=pki, clock=stopped)

    assert refusal(lambda: _embed(later, prepared, holder)) == "certificate_expired"


def test_missing_revocation_data_are_asked_for_again_later(
    prepare: Prepare, pdf: bytes, holder: Holder, envelope: Make, pki: Pki
) -> None:
    prepared = prepare(pdf)
    pki.silent = True
    with pytest.raises(Unavailable):
        _embed(envelope(), prepared, holder)

    pki.silent = False
    assert _embed(envelope(), prepared, holder)


class Forger:
    """A timestamping authority whose answers are changed on their way."""

    def __init__(self, pki: Pki, change: Callable[[bytes], bytes], digest: bytes | None = None) -> None:
        self._pki, self._change, self._digest = pki, change, digest

    def timestamp(self, *, digest: bytes) -> bytes:
        return self._change(self._pki.timestamp(digest=self._digest or digest))


def _flip_last(token: bytes) -> bytes:
    return token[:-1] + bytes((token[-1] ^ 1,))


@pytest.mark.parametrize(
    ("change", "digest"),
    [
        pytest.param(lambda token: b"", None, id="nothing"),
        pytest.param(lambda token: b"<html>", None, id="a page"),
        pytest.param(lambda token: token[:-10], None, id="cut"),
        pytest.param(lambda token: token + b"\0", None, id="more"),
        pytest.param(_flip_last, None, id="broken signature"),
        pytest.param(lambda token: token, bytes(32), id="another digest"),
    ],
)
def test_a_timestamp_that_does_not_hold_never_enters_a_document(
    change: Callable[[bytes], bytes],
    digest: bytes | None,
    prepare: Prepare,
    pdf: bytes,
    holder: Holder,
    pki: Pki,
    shelf: FileShelf,
    stopped: StoppedClock,
) -> None:
    prepared = prepare(pdf)
    forged = PdfEnvelope(
        documents=shelf, timestamps=Forger(pki, change, digest), revocation=pki, clock=stopped, level=PadesLevel.B_T
    )
    with pytest.raises(Unavailable):
        _embed(forged, prepared, holder)


@pytest.mark.parametrize("level", [PadesLevel.B_B, PadesLevel.B_T], ids=lambda level: level.name)
def test_a_place_from_before_the_hash_had_parameters_still_does(
    pdf: bytes, holder: Holder, pki: Pki, shelf: FileShelf, stopped: StoppedClock, moment: datetime, level: PadesLevel,
    rsa_key: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Decision 0032 made the CMS four bytes longer: a signature that was bought for a shorter place is not lost."""
    envelope = PdfEnvelope(documents=shelf, timestamps=pki, revocation=pki, clock=stopped, level=level)
    base, holder = shelf.keep(content=pdf), pki.holder("Zoé", rsa_key(2048))
    with monkeypatch.context() as before:
        before.setattr(pades_cms, "_SHA256", pades_cms._SHA256_BARE)
        prepared = envelope.prepare(key=Key("s/1"), validated=base, base=base, credential=holder.credential, at=moment)
    signed = shelf.read(document=ContentHash(str(_embed(envelope, prepared, holder))))
    (one,) = PdfFileReader(BytesIO(signed)).embedded_regular_signatures
    assert one.compute_integrity_info() is None
    assert one.summarise_integrity_info()["docmdp_ok"]


def test_a_signature_larger_than_its_place_says_so(
    pdf: bytes, holder: Holder, moment: datetime, tmp_path: Path
) -> None:
    file, credential = tmp_path / "document.pdf", holder.credential
    file.write_bytes(pdf)
    place = pades.prepare(file=file, name="one", chain=credential.chain, algorithm=credential.algorithm, at=moment)
    before = file.read_bytes()
    most = (place.end - place.start - 2) // 2
    assert refusal(lambda: pades._fill(file, place, bytes(most + 1))) == "place_too_small"
    assert file.read_bytes() == before
    pades._fill(file, place, bytes(most))


@pytest.mark.parametrize("level", [level for level in PadesLevel if level.timestamped], ids=lambda level: level.name)
def test_a_level_without_its_collaborators_is_refused_at_start_up(
    level: PadesLevel, pki: Pki, shelf: FileShelf, stopped: StoppedClock
) -> None:
    with pytest.raises(ConfigurationError):
        PdfEnvelope(documents=shelf, timestamps=None, revocation=pki, level=level, clock=stopped)
    if level.long_term:
        with pytest.raises(ConfigurationError):
            PdfEnvelope(documents=shelf, timestamps=pki, revocation=None, level=level, clock=stopped)


def test_the_simplest_level_needs_nobody(
    pdf: bytes, holder: Holder, shelf: FileShelf, stopped: StoppedClock, moment: datetime
) -> None:
    alone = PdfEnvelope(documents=shelf, timestamps=None, revocation=None, level=PadesLevel.B_B, clock=stopped)
    base = shelf.keep(content=pdf)
    prepared = alone.prepare(key=Key("s/1"), validated=base, base=base, credential=holder.credential, at=moment)

    assert shelf.read(document=_embed(alone, prepared, holder)).startswith(pdf)


@pytest.mark.parametrize(
    ("page", "box"), [(2, (0, 0, 10, 10)), (-1, (0, 0, 10, 10)), (0, (10, 10, 10, 20)), (0, (10, 20, 30, 10))]
)
def test_an_appearance_that_cannot_be_shown_is_refused(
    page: int, box: tuple[int, int, int, int], prepare: Prepare, pdf: bytes
) -> None:
    shown = Appearance(page=page, box=box, name="Zoé", level="niveau 3")
    assert refusal(lambda: prepare(pdf, appearance=shown)) == "appearance_unsupported"


def test_without_typst_a_visible_signature_is_refused_and_an_invisible_one_is_made(
    prepare: Prepare, pdf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    shown = Appearance(page=0, box=(0, 0, 100, 40), name="Zoé", level="niveau 3")

    assert refusal(lambda: prepare(pdf, appearance=shown)) == "appearance_unsupported"
    assert prepare(pdf).digest


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda kind: kind.__name__)
def test_every_foreign_exception_becomes_one_of_ours(foreign: type[Exception]) -> None:
    raised = foreign.__new__(foreign)
    with pytest.raises(DocumentError) as caught, translated("the file is odd", where="contract.pdf"):
        raise raised
    assert str(caught.value) == "contract.pdf: the file is odd"
    assert caught.value.__cause__ is raised


def test_our_own_errors_pass_the_border_unchanged() -> None:
    ours = InvalidInput("as it was")
    with pytest.raises(InvalidInput) as caught, translated("something else"):
        raise ours
    assert caught.value is ours


def test_what_the_machine_does_is_not_blamed_on_the_document() -> None:
    with pytest.raises(PermissionError), translated("the file is odd"):
        raise PermissionError


@pytest.mark.parametrize("library", ["pyhanko", "pyhanko_certvalidator"])
def test_libraries_that_log_names_are_kept_quiet_unless_the_host_wants_them(
    library: str, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger(library)
    before = logger.level
    try:
        logger.setLevel(logging.NOTSET)
        with translated("anything"):
            logging.getLogger(f"{library}.sign.validation").warning("CN=Zoé Œuvrard")
        assert not caplog.records

        logger.setLevel(logging.WARNING)  # a host that says so itself
        with translated("anything"):
            logging.getLogger(f"{library}.sign.validation").warning("CN=Zoé Œuvrard")
        assert len(caplog.records) == 1
    finally:
        logger.setLevel(before)


def test_a_drawn_appearance_carries_the_given_instant_and_no_other(moment: datetime) -> None:
    drawn = draw(width=200, height=60, name="Zoé Œuvrard", level="niveau 3", at=moment)
    assert set(re.findall(rb"Date\(D:(\d+)Z", drawn)) == {f"{moment:%Y%m%d%H%M%S}".encode()}


URL = "https://host.example/verify/9f3a77"


def _pixels(pdf: bytes, place: Path, program: str) -> list[bytes]:
    """Give the rows of a page in grey, eight pixels a point."""
    (place / "a.pdf").write_bytes(pdf)
    done = subprocess.run([program, "-gray", "-r", "576", place / "a.pdf"], capture_output=True, check=True)
    kind, width, height, _, pixels = done.stdout.split(maxsplit=4)
    assert kind == b"P5"
    return [pixels[row * int(width) : (row + 1) * int(width)] for row in range(int(height))]


@pytest.mark.judge("pdftoppm")
def test_the_code_in_an_appearance_is_the_address(
    moment: datetime, tmp_path: Path, judge: Callable[[str], str]
) -> None:
    """Drawn by poppler, module for module what the standard's other implementation says (zxing-cpp read it by hand)."""
    drawn = draw(width=220, height=60, name="Žofie Œuvrard", level="niveau 3", at=moment, url=URL)
    rows = _pixels(drawn, tmp_path, judge("pdftoppm"))
    dark = [[pixel < 128 for pixel in row[: len(rows)]] for row in rows]
    left = min(row.index(True) for row in dark if any(row))
    top = next(number for number, row in enumerate(dark) if row[left + 3])
    side = dark[top + 3].index(False, left) - left  # of the first corner: seven modules
    module, code = side / 7, segno.make(URL, error="m", micro=False).matrix
    found = [
        [dark[int(top + (y + 0.5) * module)][int(left + (x + 0.5) * module)] for x in range(len(code))]
        for y in range(len(code))
    ]
    assert found == [[bool(one) for one in row] for row in code]


@pytest.mark.parametrize(("width", "height", "url"), [(220, 40, URL), (120, 60, URL), (220, 60, "")])
def test_no_code_that_no_telephone_would_read(width: int, height: int, url: str, moment: datetime) -> None:
    def size(given: str) -> int:
        return len(draw(width=width, height=height, name="Žofie", level="niveau 3", at=moment, url=given))

    assert size(url) < size("") + 2_000  # a code takes some ten thousand bytes
    roomy = draw(width=220, height=60, name="Žofie", level="niveau 3", at=moment, url=URL)
    assert len(roomy) > size("") + 2_000


@pytest.mark.judge("pdftotext")
@pytest.mark.parametrize(
    "name",
    ["Éloïse L’Œuvre-d’Aÿ", "Žofie Łódźńska", "Þór Guðmundsson", "Ğüneş Çağlar İnce", "Ștefan Țîrlea",
     "Ἀθηνᾶ Παπαδοπούλου", "Ђорђе Ћирић"],
)  # fmt: skip
def test_every_letter_of_europe_is_drawn(
    name: str, moment: datetime, tmp_path: Path, judge: Callable[[str], str]
) -> None:
    (tmp_path / "a.pdf").write_bytes(draw(width=220, height=60, name=name, level="niveau 3", at=moment))
    done = subprocess.run([judge("pdftotext"), tmp_path / "a.pdf", "-"], capture_output=True, text=True, check=True)
    assert name in done.stdout
