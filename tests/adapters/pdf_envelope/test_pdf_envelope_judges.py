"""Programs that no one here wrote accept what is signed: poppler, qpdf, OpenSSL (twice), pyHanko."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import subprocess
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import cms as asn1_cms  # type: ignore[import-untyped]
from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from qcp_sdk.adapters.pdf_envelope import PadesLevel
from qcp_sdk.adapters.shared.pades_cms import signed_attributes, signed_data
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.ports.envelope import Appearance
from qcp_sdk.values import Key

if TYPE_CHECKING:
    from tests.adapters.pdf_envelope.conftest import Make, Pki

pytestmark = pytest.mark.judge
KINDS = ("rsa-2048", "rsa-3072", "p256")


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=list(PadesLevel), ids=lambda level: level.name)
def level(request: pytest.FixtureRequest) -> PadesLevel:
    found: PadesLevel = request.param
    return found


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def signed(
    level: PadesLevel,
    kind: str,
    pki: Pki,
    shelf: FileShelf,
    pdf: bytes,
    envelope: Make,
    moment: datetime,
    rsa_key: Any,
) -> Path:
    """A contract that two people have signed."""
    base = shelf.keep(content=pdf)
    current = base
    for number, name in enumerate(("Zoé Œuvrard", "Łukasz Müller")):
        holder = pki.holder(name, rsa_key(int(kind[4:])) if kind.startswith("rsa-") else None)
        prepared = envelope(level).prepare(
            key=Key(f"s/{number}"), validated=base, base=current, credential=holder.credential, at=moment
        )
        current = envelope(level).embed(
            key=Key(f"s/{number}/e"),
            prepared=prepared,
            credential=holder.credential,
            value=holder.sign(prepared.digest),
        )
    return shelf.path(document=current)


def signatures(file: Path) -> list[tuple[str, bytes, bytes]]:
    """Cut (SubFilter, CMS, signed bytes) out of a document, with regular expressions only."""
    content = file.read_bytes()
    found = []
    for match in re.finditer(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\]", content):
        zero, first, second, rest = map(int, match.groups())
        padded = bytes.fromhex(content[first + 1 : second - 1].decode())
        size = 4 + int.from_bytes(padded[2:4], "big")  # 30 82 xx xx
        subfilter = re.findall(rb"/SubFilter /(\S+)", content[: match.start() + 400])[-1].decode()
        found.append((subfilter, padded[:size], content[zero:first] + content[second : second + rest]))
    return found


def by_qpdf(file: Path) -> bool:
    """Whether it finds the document whole."""
    return "No syntax or stream encoding errors found" in run("qpdf", "--check", file)


def by_pdfsig(file: Path) -> int:
    """Count the PAdES signatures that poppler finds valid."""
    told = run("pdfsig", "-nocert", file)
    assert told.count("ETSI.CAdES.detached") == told.count("Signature is Valid.")
    return told.count("Signature is Valid.")


def by_openssl_cms(file: Path, roots: Path, moment: datetime) -> int:
    """Count the signatures that OpenSSL verifies as CAdES, up to the root."""
    found = [(cms, content) for subfilter, cms, content in signatures(file) if subfilter == "ETSI.CAdES.detached"]
    for cms, content in found:
        (roots / "cms.der").write_bytes(cms)
        (roots / "content").write_bytes(content)
        run(
            "openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", roots / "cms.der",
            "-content", roots / "content", "-CAfile", roots / "root.pem", "-purpose", "any",
            "-attime", str(int(moment.timestamp())), "-out", roots / "verified",
        )  # fmt: skip
    return len(found)


def by_openssl_ts(file: Path, roots: Path, moment: datetime) -> tuple[int, int]:
    """Count the signature timestamps and document timestamps that OpenSSL verifies, up to the root."""
    within: list[tuple[bytes, bytes]] = []
    over: list[tuple[bytes, bytes]] = []
    for subfilter, cms, content in signatures(file):
        if subfilter == "ETSI.RFC3161":
            over.append((cms, content))
            continue
        (signer,) = asn1_cms.ContentInfo.load(cms)["content"]["signer_infos"]
        within.extend(
            (token.dump(), signer["signature"].native)
            for attribute in signer["unsigned_attrs"] or ()
            if attribute["type"].native == "signature_time_stamp_token"
            for token in attribute["values"]
        )
    for token, content in (*within, *over):
        (roots / "token.der").write_bytes(token)
        (roots / "content").write_bytes(content)
        run(
            "openssl", "ts", "-verify", "-token_in", "-in", roots / "token.der", "-data", roots / "content",
            "-CAfile", roots / "root.pem", "-untrusted", roots / "ca.pem", "-attime", str(int(moment.timestamp())),
        )  # fmt: skip
    return len(within), len(over)


def by_pyhanko(file: Path, roots: Path, moment: datetime) -> tuple[int, int, int]:
    """Count the signatures, their timestamps and the document timestamps that pyHanko finds valid, up to the root.

    Where the document brings revocation data, they must be enough by themselves.
    """
    root, ca = (
        asn1_x509.Certificate.load(
            x509.load_pem_x509_certificate((roots / name).read_bytes()).public_bytes(Encoding.DER)
        )
        for name in ("root.pem", "ca.pem")
    )
    content = file.read_bytes()
    settings: dict[str, Any] = {"trust_roots": [root], "moment": moment}
    found, stamped, documents = 0, 0, 0
    for index in range(len(PdfFileReader(BytesIO(content)).embedded_signatures)):
        reader = PdfFileReader(BytesIO(content))
        if "/DSS" in reader.root:
            required = {**settings, "revocation_mode": "require"}
            context = DocumentSecurityStore.read_dss(reader).as_validation_context(required)
        else:
            context = ValidationContext(other_certs=[ca], **settings)
        one = reader.embedded_signatures[index]
        if one.sig_object["/Type"] == "/DocTimeStamp":
            stamp = asyncio.run(async_validate_pdf_timestamp(one, context))
            documents += stamp.intact and stamp.valid and stamp.trusted
            continue
        status = asyncio.run(async_validate_pdf_signature(one, context))
        found += status.bottom_line
        stamped += status.timestamp_validity is not None and status.timestamp_validity.valid
    return found, stamped, documents


@pytest.fixture
def roots(tmp_path: Path, pki: Pki) -> Path:
    """A folder with whom OpenSSL and pyHanko may trust."""
    (tmp_path / "root.pem").write_bytes(pki.root.public_bytes(Encoding.PEM))
    (tmp_path / "ca.pem").write_bytes(pki.ca.public_bytes(Encoding.PEM))
    return tmp_path


def test_five_judges_agree(signed: Path, level: PadesLevel, roots: Path, moment: datetime) -> None:
    """Two signatures, from B-T on a timestamp in each, at B-LTA one over the document after each."""
    for program in ("qpdf", "pdfsig", "openssl"):
        need(program)
    stamped = 2 if level.timestamped else 0
    documents = 2 if level is PadesLevel.B_LTA else 0
    assert by_qpdf(signed)
    assert by_pdfsig(signed) == 2
    assert by_openssl_cms(signed, roots, moment) == 2
    assert by_openssl_ts(signed, roots, moment) == (stamped, documents)
    assert by_pyhanko(signed, roots, moment) == (2, stamped, documents)


def test_openssl_refuses_one_changed_byte(signed: Path, roots: Path, moment: datetime) -> None:
    need("openssl")
    _, cms, content = signatures(signed)[0]
    (roots / "cms.der").write_bytes(cms)
    (roots / "content").write_bytes(content[:100] + b"?" + content[101:])
    done = subprocess.run(
        [
            "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", roots / "cms.der",
            "-content", roots / "content", "-CAfile", roots / "root.pem", "-purpose", "any",
            "-attime", str(int(moment.timestamp())), "-out", roots / "verified",
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0


@pytest.mark.parametrize("size", [2048, 3072])
def test_for_rsa_the_cms_is_pyhankos_byte_for_byte(size: int, pki: Pki, rsa_key: Any) -> None:
    """Every byte, as its `SimpleSigner` comes (docs/decisions/0032).

    ECDSA draws a random number for each signature: there the shape is compared by the other judges.
    """
    holder = pki.holder("Zoé Œuvrard", rsa_key(size))
    digest = hashlib.sha256(b"a document").digest()
    attributes = signed_attributes(digest=digest, certificate=holder.chain[0])
    value = holder.sign(hashlib.sha256(attributes).digest())
    mine = signed_data(attributes=attributes, chain=holder.chain, algorithm="sha256_rsa", value=value, token=None)

    loaded = [asn1_x509.Certificate.load(one) for one in holder.chain]
    key = holder.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    store = SimpleCertificateStore.from_certs(loaded[1:])  # type: ignore[no-untyped-call]
    signer = signers.SimpleSigner(loaded[0], keys.PrivateKeyInfo.load(key), store, embed_roots=False)
    theirs = asyncio.run(signer.async_sign(digest, "sha256", use_pades=True))
    assert theirs.dump() == mine


def test_a_visible_signature_is_read_by_eye_and_by_telephone(
    pki: Pki, shelf: FileShelf, pdf: bytes, envelope: Make, moment: datetime, tmp_path: Path
) -> None:
    for program in ("pdftotext", "pdftoppm", "zbarimg"):
        need(program)
    base, holder = shelf.keep(content=pdf), pki.holder("Žofie")
    name, url = "Žofie Œuvrard-Łódź Ğül Ñandú Øst Þór ẞ Ő Ř Ș Ț", "https://host.example/verify/71"
    shown = Appearance(page=0, box=(50, 60, 310, 130), name=name, level="niveau 3", url=url)
    prepared = envelope(PadesLevel.B_T).prepare(
        key=Key("s/1"), validated=base, base=base, credential=holder.credential, at=moment, appearance=shown
    )
    value = holder.sign(prepared.digest)
    signed = envelope(PadesLevel.B_T).embed(
        key=Key("s/1/e"), prepared=prepared, credential=holder.credential, value=value
    )
    file = shelf.path(document=signed)
    text = run("pdftotext", file, "-")
    assert all(line in text for line in (name, "niveau 3", f"{moment:%Y-%m-%d %H:%M} UTC", url))
    run("pdftoppm", "-r", "300", "-png", "-f", "1", "-l", "1", file, tmp_path / "page")
    (page,) = tmp_path.glob("page*.png")
    assert run("zbarimg", "--quiet", "--raw", page).startswith(url)
