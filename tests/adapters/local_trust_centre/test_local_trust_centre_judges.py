"""What programs that nobody here wrote say of the trust centre: pkilint of its certificates, OpenSSL of the rest."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from qcp_sdk.levels import CertificateLevel
from qcp_sdk.values import Key

if TYPE_CHECKING:
    from tests.adapters.local_trust_centre.conftest import World


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


@frozen(kw_only=True)
class Papers:
    """Certificates as files, for programs."""

    world: World
    folder: Path
    good: bytes
    revoked: bytes

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    @property
    def at(self) -> str:
        return str(int(self.world.clock.now().timestamp()))


@pytest.fixture(scope="session")
def papers(steady: World, tmp_path_factory: pytest.TempPathFactory) -> Papers:
    good, revoked = steady.issue(1), steady.issue(2)
    steady.centre.authority(CertificateLevel.QCP_N).revoke(
        key=Key("r/2"), fingerprint=revoked.fingerprint, reason="key_compromise"
    )
    found = Papers(world=steady, folder=tmp_path_factory.mktemp("papers"), good=good.der, revoked=revoked.der)
    made = steady.centre.certificates()
    for name, der in (("root", made.root), ("qcp", made.qcp), ("good", good.der), ("revoked", revoked.der)):
        found.file(f"{name}.pem", pem(der))
    lists = []
    for issuer in (made.root, made.qcp):
        content = steady.centre.crl(issuer=issuer)
        assert content is not None
        lists.append(x509.load_der_x509_crl(content).public_bytes(Encoding.PEM))
    found.file("lists.pem", b"".join(lists))
    return found


def lint(kind: str, certificate: Path) -> dict[str, str]:
    """Give what pkilint finds: code to severity. In this process, because loading it takes longer than linting."""
    main = importlib.import_module("pkilint.bin.lint_etsi_cert").main
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        main(["lint", "-t", kind, "-s", "NOTICE", "-f", "JSON", str(certificate)])
    return {
        finding["code"]: finding["severity"]
        for result in json.loads(told.getvalue())["results"]
        for finding in result["finding_descriptions"]
    }


OWN_SCHEME = {"etsi.en_319_412_1.nat-5.1.3.national_identifier_scheme_detected": "NOTICE"}
"""The subject's serial number is of a scheme of its own, rather than of an identity card that we did not see."""


@pytest.mark.judge("pkilint")
def test_pkilint_finds_nothing_wrong_with_a_natural_persons_certificate(papers: Papers) -> None:
    assert lint("NCP-NATURAL-PERSON-CERTIFICATE", papers.folder / "good.pem") == OWN_SCHEME


@pytest.mark.judge("pkilint")
def test_pkilint_misses_only_the_device_in_a_qualified_certificate(papers: Papers) -> None:
    found = lint("QCP-N-QSCD-EIDAS-FINAL-CERTIFICATE", papers.folder / "good.pem")
    assert found == OWN_SCHEME | {
        "etsi.en_319_412_2.qcs-5.2-2.mismatched_policy_identifier_for_certificate_type": "ERROR",
        "etsi.en_319_412_5.qcs-5.01.qc_sscd_qualified_statement_absent": "ERROR",
    }


@pytest.mark.judge("pkilint")
def test_pkilint_finds_nothing_wrong_with_lcp_and_seal(papers: Papers) -> None:
    lcp = papers.world.centre.enrol(papers.world.person(3)).certificate
    found = lint("NCP-NATURAL-PERSON-CERTIFICATE", papers.file("lcp.der", lcp.der))
    assert "ERROR" not in found.values(), found
    seal = papers.file("seal.der", papers.world.centre.certificates().seal)
    found = lint("NCP-LEGAL-PERSON-CERTIFICATE", seal)
    assert "ERROR" not in found.values(), found


@pytest.mark.judge("openssl")
def test_openssl_builds_the_chain_for_the_policy(papers: Papers, openssl: Callable[..., str]) -> None:
    where = papers.folder
    told = openssl(
        *("verify", "-x509_strict", "-attime", papers.at, "-CAfile", where / "root.pem", "-untrusted"),
        *(where / "qcp.pem", "-policy", "0.4.0.194112.1.0", "-explicit_policy", "-crl_check_all"),
        *("-CRLfile", where / "lists.pem", where / "good.pem"),
    )
    assert "good.pem: OK" in told


@pytest.mark.judge("openssl")
def test_openssl_sees_the_revocation_in_the_list(papers: Papers) -> None:
    where = papers.folder
    done = subprocess.run(
        [
            *("openssl", "verify", "-attime", papers.at, "-CAfile", where / "root.pem", "-untrusted"),
            *(where / "qcp.pem", "-crl_check_all", "-CRLfile", where / "lists.pem", where / "revoked.pem"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "certificate revoked" in done.stdout + done.stderr


@pytest.mark.judge("openssl")
@pytest.mark.parametrize(("which", "said"), [("good", ": good"), ("revoked", ": revoked"), ("nobody", ": unknown")])
def test_openssl_accepts_the_ocsp_answers(papers: Papers, openssl: Callable[..., str], which: str, said: str) -> None:
    centre, where = papers.world.centre, papers.folder
    issuer = centre.certificates().qcp
    if which == "nobody":  # with the issuer's name and a serial number that it never gave
        stranger = _never_issued(papers)
        papers.file("nobody.pem", stranger.public_bytes(Encoding.PEM))
        der = stranger.public_bytes(Encoding.DER)
    else:
        der = papers.good if which == "good" else papers.revoked
    answer = centre.ocsp(certificate=der, issuer=issuer)
    assert answer is not None
    told = openssl(
        *("ocsp", "-respin", papers.file(f"{which}.ocsp", answer), "-issuer", where / "qcp.pem"),
        *("-cert", where / f"{which}.pem", "-CAfile", where / "root.pem", "-verify_other", where / "qcp.pem"),
        *("-no_nonce", "-attime", papers.at, "-validity_period", 10**9),
    )
    assert "Response verify OK" in told
    assert f"{which}.pem{said}" in told


def _never_issued(papers: Papers) -> x509.Certificate:
    good, key = x509.load_der_x509_certificate(papers.good), ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(good.subject)
        .issuer_name(good.issuer)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(good.not_valid_before_utc)
        .not_valid_after(good.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    )


@pytest.mark.judge("openssl")
def test_openssl_accepts_the_timestamps(papers: Papers, openssl: Callable[..., str]) -> None:
    digest = hashlib.sha256(b"what is stamped").digest()
    token = papers.file("token.der", papers.world.centre.timestamps().timestamp(digest=digest))
    told = openssl(
        *("ts", "-verify", "-digest", digest.hex(), "-in", token, "-token_in"),
        *("-CAfile", papers.folder / "root.pem", "-attime", papers.at),
    )
    assert "Verification: OK" in told
    text = openssl("ts", "-reply", "-token_in", "-in", token, "-token_out", "-text")
    assert "Time stamp: Mar  2 09:00:00 2026 GMT" in text
    assert "Policy OID: 1.3.6.1.4.1.32473.1.3" in text


@pytest.mark.judge("openssl")
def test_openssl_verifies_the_seal(papers: Papers, openssl: Callable[..., str]) -> None:
    credential, sign = papers.world.centre.seal_credential()
    content = papers.file("content", b"a certificate request")
    value = papers.file("content.sig", sign(hashlib.sha256(content.read_bytes()).digest()))
    key = papers.file("seal.key", public_key(credential.chain[0]))
    assert "Verified OK" in openssl("dgst", "-sha256", "-verify", key, "-signature", value, content)


def public_key(der: bytes) -> bytes:
    return (
        x509.load_der_x509_certificate(der).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
