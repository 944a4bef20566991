"""What a signature and its verification cost, beside pyHanko's own and endesive's, with the same key and the same file.

Processor time, medians of interleaved rounds; everything in one run. endesive has an environment and a process of its
own (`benchmarks.endesive`), which are made where they are not there yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any, Final

from asn1crypto import keys  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks import endesive
from qcp_sdk.adapters.shared import pades
from qcp_sdk.adapters.shared.keystore import algorithm, sign_digest
from qcp_sdk.adapters.shared.pades_levels import PadesLevel
from qcp_sdk.ports.signer import HashSigned
from qcp_sdk.testing.hostile.kit import plain, stream
from qcp_sdk.values import Fingerprint, Key, Secret
from qcp_sdk.verification import own, services, specification
from qcp_sdk.verification import trust as trust_room
from qcp_sdk.verification.services import CA_QC, FOR_SIGNATURES, GRANTED, QTST, Period, Service, TrustedList
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

NOW: Final = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SMALL: Final = 20_000
LARGE: Final = 50 << 20
ROUNDS: Final = 7
LARGE_ROUNDS: Final = 5
MANY: Final = 100
"""Documents of one batch."""

_VERIFY: Final = importlib.import_module("qcp_sdk.verification.verify")
OF_DOCUMENTS: Final = (
    own.forget, services.facts.cache_clear, trust_room.identity.cache_clear, _VERIFY._certificate.cache_clear,
    _VERIFY._name.cache_clear,
)  # fmt: skip
"""How to forget what verification remembers of the certificates in documents."""
OF_LISTS: Final = (specification._whole.cache_clear, specification._trust_manager.cache_clear)
"""And of those in trusted lists: they are read once, as pyHanko's roots are, which are outside its time here."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@frozen(kw_only=True)
class Goal:
    """One comparison: a figure of ours, and the bound that it must keep."""

    what: str
    figure: float
    bound: float
    least: bool = False
    """Whether the bound is the least that is wanted, and not the most."""
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.figure >= self.bound if self.least else self.figure <= self.bound


@frozen(kw_only=True)
class Signatory:
    key: PrivateKey = field(repr=False)
    certificate: x509.Certificate
    ca: x509.Certificate
    ca_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def chain(self) -> tuple[bytes, ...]:
        return self.certificate.public_bytes(Encoding.DER), self.ca.public_bytes(Encoding.DER)

    @property
    def pkcs8(self) -> bytes:
        return self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class _Clock:
    def now(self) -> datetime:
        return NOW


def signatory(key: PrivateKey) -> Signatory:
    """Issue a certificate for a key, by an authority of its own."""
    ca_key = ec.generate_private_key(ec.SECP256R1())

    def issue(name: str, public: Any, issuer: str, *, ca: bool) -> x509.Certificate:
        usages = ("digital_signature", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                  "decipher_only")  # fmt: skip
        usage = dict.fromkeys(usages, False) | {"key_cert_sign": ca, "crl_sign": ca, "content_commitment": not ca}

        def parts(text: str) -> x509.Name:
            return x509.Name(
                [x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
            )

        return (
            x509.CertificateBuilder()
            .subject_name(parts(name))
            .issuer_name(parts(issuer))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=90))
            .not_valid_after(NOW + timedelta(days=900))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(ca_key, hashes.SHA256())
        )

    ca = issue("TEST CA", ca_key.public_key(), "TEST CA", ca=True)
    return Signatory(
        key=key, certificate=issue("Jeanne Moreau", key.public_key(), "TEST CA", ca=False), ca=ca, ca_key=ca_key
    )


def document(size: int) -> bytes:
    """Make a document of about this size, with content that does not compress."""
    noise = hashlib.shake_256(b"noise").digest(min(size, 1 << 20))
    return plain({9: stream((noise * (size // len(noise) + 1))[: max(size - 1_000, 1)])})


def timed(*works: Callable[[], object], rounds: int) -> list[float]:
    """Give the median processor time of each, in milliseconds; interleaved, each going first in turn.

    Who works in another process gives its own processor time, as a float.
    """
    spent: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        for place in range(len(works)):
            which = (place + number) % len(works)
            begun = process_time()
            elsewhere = works[which]()
            here = (process_time() - begun) * 1_000
            spent[which].append(elsewhere if isinstance(elsewhere, float) else here)
    return [median(one) for one in spent]


def ours(pdf: bytes, who: Signatory) -> Callable[[], object]:
    """Sign a file in place, PAdES B-B."""
    file = Path(tempfile.mkdtemp(prefix="qcp-bench-")) / "document.pdf"
    file.write_bytes(pdf)

    def sign() -> None:
        os.truncate(file, len(pdf))  # a signature is appended: this is the file before it
        pades.sign_file(
            file=file,
            name="one",
            signing=lambda digest: sign_digest(who.key, digest),
            chain=who.chain,
            algorithm=algorithm(who.key),
            at=NOW,
            clock=_Clock(),
        )

    return sign


def pyhanko(pdf: bytes, who: Signatory) -> Callable[[], object]:
    """Sign with pyHanko's `sign_pdf` and `SimpleSigner`, as its documentation does."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import signers
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    signer = signers.SimpleSigner(
        asn1_x509.Certificate.load(who.chain[0]),
        keys.PrivateKeyInfo.load(who.pkcs8),
        SimpleCertificateStore.from_certs([asn1_x509.Certificate.load(who.chain[1])]),  # type: ignore[no-untyped-call]
    )
    metadata = signers.PdfSignatureMetadata(field_name="one")
    return lambda: signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), metadata, signer)


def floor(pdf: bytes, key: PrivateKey) -> Callable[[], object]:
    """Hash the file and use the key: what no signature can cost less than."""

    def sign() -> None:
        digest = hashlib.sha256(pdf).digest()
        if isinstance(key, rsa.RSAPrivateKey):
            key.sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        else:
            key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))

    return sign


def signing() -> Iterator[Goal]:
    """Compare signing."""
    small, large = document(SMALL), document(LARGE)
    rsa_2048 = signatory(rsa.generate_private_key(65537, 2048))
    key = rsa_2048.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate, ca = (one.public_bytes(Encoding.PEM) for one in (rsa_2048.certificate, rsa_2048.ca))
    with endesive.signer(small, key=key, certificate=certificate, ca=ca) as other:
        mine, theirs, others = timed(ours(small, rsa_2048), pyhanko(small, rsa_2048), other, rounds=ROUNDS)
    faster = "20 KB, RSA-2048: times faster than"
    yield Goal(what=f"{faster} pyHanko's `sign_pdf`", figure=theirs / mine, bound=25, least=True)
    yield Goal(what=f"{faster} endesive", figure=others / mine, bound=20, least=True)
    rsa_3072 = signatory(rsa.generate_private_key(65537, 3072))
    mine, least = timed(ours(small, rsa_3072), floor(small, rsa_3072.key), rounds=3 * ROUNDS)
    yield Goal(what="20 KB, RSA-3072: times the key operation and the hash", figure=mine / least, bound=5)
    mine, least = timed(ours(large, rsa_2048), floor(large, rsa_2048.key), rounds=LARGE_ROUNDS)
    yield Goal(what="50 MB, RSA-2048", figure=mine, bound=60, unit=" ms")
    yield Goal(what="50 MB, RSA-2048: times the key operation and the hash", figure=mine / least, bound=60 / 33)


def verifying() -> Iterator[Goal]:
    """Compare verification of a PAdES B-LT signature, with everything that it needs inside."""
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko.sign.validation.dss import DocumentSecurityStore

    from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre

    folder = Path(tempfile.mkdtemp(prefix="qcp-bench-"))
    centre = LocalTrustCentre(folder, clock=_Clock(), passphrase=Secret("for a benchmark"))
    credential, signing = centre.seal_credential()
    pdf = pades.sign(
        pdf=document(SMALL), name="one", signing=signing, chain=credential.chain, algorithm=credential.algorithm,
        at=NOW, clock=_Clock(), level=PadesLevel.B_LT, timestamps=centre.timestamps(), revocation=centre,
    )  # fmt: skip
    made, since = centre.certificates(), NOW - timedelta(days=100)
    listed_services = tuple(
        Service(
            name="T", provider="T", territory="ZZ", identities=(der,),
            periods=(Period(type=kind, status=GRANTED, starts=since, purposes=frozenset({FOR_SIGNATURES})),),
        )
        for kind, der in ((CA_QC, made.lcp), (QTST, made.timestamps))
    )  # fmt: skip
    listed = TrustedList(
        territory="ZZ", type="", operator="T", sequence=1, issued_at=since, sha256="00", services=listed_services,
        next_update=NOW + timedelta(days=9),
    )  # fmt: skip
    trust, later = TrustStore(lists=(listed,)), NOW + timedelta(minutes=1)
    root = asn1_x509.Certificate.load(made.root)

    def plain_cost() -> bool:
        reader = PdfFileReader(BytesIO(pdf))
        settings = {"trust_roots": [root], "moment": later, "revocation_mode": "require"}
        context = DocumentSecurityStore.read_dss(reader).as_validation_context(settings)
        (one,) = reader.embedded_signatures
        return asyncio.run(async_validate_pdf_signature(one, context)).bottom_line

    def mine() -> bool:
        return verify(pdf, trust=trust, now=later).signatures[0].indication.value == "PASSED"

    def strangers() -> bool:
        """With nothing remembered of any certificate in the document, neither the signatory's nor an authority's."""
        for forget in OF_DOCUMENTS:
            forget()
        return mine()

    def nothing() -> bool:
        """With the certificates of the trusted lists read anew as well."""
        for forget in OF_LISTS:
            forget()
        return strangers()

    if not (plain_cost() and mine()):
        raise RuntimeError("the document to be verified is not in order")
    ours_cost, first, anew, theirs = timed(mine, strangers, nothing, plain_cost, rounds=3 * ROUNDS)
    what = "B-LT: share of pyHanko's own `async_validate_pdf_signature`"
    yield Goal(what=what, figure=ours_cost / theirs, bound=0.5)
    yield Goal(what=f"{what}, the first time for every certificate in it", figure=first / theirs, bound=0.5)
    yield Goal(what=f"{what}, and with the trusted lists' certificates read anew", figure=anew / theirs, bound=1)


def batch(per_call: int) -> Iterator[Goal]:
    """Sign a hundred documents with one activation, at a service that takes so many hashes a call (0: any)."""
    from qcp_sdk.adapters.csc import CscClient, CscSigner
    from qcp_sdk.adapters.keyring import KeyRing
    from qcp_sdk.adapters.shared.http import Http
    from qcp_sdk.adapters.shared.notebook import FileNotebook
    from qcp_sdk.sandbox.csc import CscSandbox
    from qcp_sdk.sandbox.csc_state import CscRules

    folder = Path(tempfile.mkdtemp(prefix="qcp-bench-"))
    sandbox = CscSandbox(clock=_Clock(), rules=CscRules(multisign=MANY, per_call=per_call))
    client = CscClient(Http("https://csc.example.org", serve=sandbox), version="v2")
    signer = CscSigner(
        client,
        notebook=FileNotebook(folder / "notebook.sqlite", keys=KeyRing.generate()),
        clock=_Clock(),
        hashes_per_call=per_call,
    )
    chain = sandbox.enrol(given="Jeanne", last="Moreau", mobile="+33639981316").held.chain
    fingerprint, places = Fingerprint(hashlib.sha256(chain[0]).hexdigest()), {}
    for number in range(MANY):
        file = folder / f"{number}.pdf"
        file.write_bytes(document(SMALL + number))
        places[file] = pades.prepare(file=file, name="one", chain=chain, algorithm="sha256_ecdsa", at=NOW)
    digests = tuple(place.digest for place in places.values())
    challenge = signer.challenge(key=Key("c/1/0"), fingerprint=fingerprint, digests=digests, language="fr")
    code = sandbox.latest("+33639981316")
    answers = signer.activate(key=Key("c/2/0"), challenge=challenge.id, digests=digests, code=code)
    values = (
        {one.digest: one.value for one in answers if isinstance(one, HashSigned)} if isinstance(answers, tuple) else {}
    )
    for file, place in places.items():
        pades.complete(
            file=file, place=place, chain=chain, algorithm="sha256_ecdsa", value=values[place.digest],
            level=PadesLevel.B_B, timestamps=None, revocation=None, clock=_Clock(),
        )  # fmt: skip
    takes = f"{per_call} hashes" if per_call else "any number of hashes"
    what = f"{MANY} documents, one code, a service that takes {takes} a call"
    yield Goal(what=f"{what}: authorize", figure=sandbox.counts["credentials/authorize"], bound=1)
    fewest = -(-MANY // per_call) if per_call else 1
    yield Goal(what=f"{what}: signHash", figure=sandbox.counts["signatures/signHash"], bound=fewest)


def main() -> int:
    """Print each figure beside its bound; 1 where one is missed."""
    missed = 0
    print("\nsignatures: processor time")
    for goal in (*signing(), *verifying(), *batch(0), *batch(30)):
        sense = "at least" if goal.least else "at most"
        verdict = "met" if goal.met else "MISSED"
        print(f"  {goal.what}: {goal.figure:.2f}{goal.unit} ({sense} {goal.bound:.2g}{goal.unit}) {verdict}")
        missed |= not goal.met
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
