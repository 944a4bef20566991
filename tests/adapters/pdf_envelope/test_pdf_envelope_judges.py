"""Programs that no one here wrote accept what is signed: poppler, qpdf, OpenSSL."""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import cms as asn1_cms  # type: ignore[import-untyped]
from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from qcp_sdk.adapters.pdf_envelope import PadesLevel
from qcp_sdk.adapters.shared.pades_cms import signed_attributes, signed_data
from qcp_sdk.adapters.shelf import FileShelf
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


@pytest.fixture(params=[(level, kind) for level in PadesLevel for kind in KINDS], ids=str)
def signed(
    request: pytest.FixtureRequest,
    pki: Pki,
    shelf: FileShelf,
    pdf: bytes,
    envelope: Make,
    moment: datetime,
    rsa_key: Any,
) -> Path:
    """A contract that two people have signed."""
    level, kind = request.param
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


def test_qpdf_finds_no_error(signed: Path) -> None:
    need("qpdf")
    assert "No syntax or stream encoding errors found" in run("qpdf", "--check", signed)


def test_poppler_finds_both_signatures_valid(signed: Path) -> None:
    need("pdfsig")
    told = run("pdfsig", "-nocert", signed)
    assert told.count("Signature is Valid.") == 2
    assert told.count("ETSI.CAdES.detached") == 2


def test_openssl_verifies_every_signature_as_cades_and_every_timestamp(
    signed: Path, pki: Pki, tmp_path: Path, moment: datetime
) -> None:
    need("openssl")
    root, chain = tmp_path / "root.pem", tmp_path / "ca.pem"
    root.write_bytes(pki.root.public_bytes(Encoding.PEM))
    chain.write_bytes(pki.ca.public_bytes(Encoding.PEM))
    at = str(int(moment.timestamp()))
    found = signatures(signed)
    assert [subfilter for subfilter, _, _ in found].count("ETSI.CAdES.detached") == 2

    for subfilter, cms, content in found:
        (tmp_path / "cms.der").write_bytes(cms)
        (tmp_path / "content").write_bytes(content)
        if subfilter == "ETSI.CAdES.detached":
            run(
                "openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", tmp_path / "cms.der",
                "-content", tmp_path / "content", "-CAfile", root, "-purpose", "any", "-attime", at,
                "-out", tmp_path / "verified",
            )  # fmt: skip
        else:
            run(
                "openssl", "ts", "-verify", "-token_in", "-in", tmp_path / "cms.der", "-data", tmp_path / "content",
                "-CAfile", root, "-untrusted", chain, "-attime", at,
            )  # fmt: skip


def test_openssl_refuses_one_changed_byte(signed: Path, pki: Pki, tmp_path: Path, moment: datetime) -> None:
    need("openssl")
    _, cms, content = signatures(signed)[0]
    (tmp_path / "root.pem").write_bytes(pki.root.public_bytes(Encoding.PEM))
    (tmp_path / "cms.der").write_bytes(cms)
    (tmp_path / "content").write_bytes(content[:100] + b"?" + content[101:])
    done = subprocess.run(
        [
            "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", tmp_path / "cms.der",
            "-content", tmp_path / "content", "-CAfile", tmp_path / "root.pem", "-purpose", "any",
            "-attime", str(int(moment.timestamp())), "-out", tmp_path / "verified",
        ],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode != 0


@pytest.mark.parametrize("size", [2048, 3072])
def test_for_rsa_the_cms_is_pyhankos_byte_for_byte(size: int, pki: Pki, rsa_key: Any) -> None:
    """But for one thing: pyHanko writes NULL parameters for SHA-256, which RFC 5754 § 2 has left out.

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
    null, absent = bytes.fromhex("300d06096086480165030402010500"), bytes.fromhex("300b0609608648016503040201")
    assert theirs.dump().count(null) == 2
    bare = asn1_cms.DigestAlgorithm.load(absent)
    theirs["content"]["digest_algorithms"] = asn1_cms.DigestAlgorithms([bare])
    theirs["content"]["signer_infos"][0]["digest_algorithm"] = bare
    assert theirs.dump(force=True) == mine
