"""The envelope over the local trust centre: its credentials, its remote signer, its time, its revocation data."""

from __future__ import annotations

import asyncio
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko.sign.validation.dss import DocumentSecurityStore

from qcp_sdk.adapters.local_trust_centre import LocalTrustCentre
from qcp_sdk.adapters.pdf_envelope import PadesLevel, PdfEnvelope
from qcp_sdk.adapters.pdf_seal import PdfSeal
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.errors import Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.ports.signer import HashSigned
from qcp_sdk.values import AccountId, EmailAddress, Key, PersonName, PhoneNumber, Secret

if TYPE_CHECKING:
    from tests.adapters.pdf_envelope.conftest import StoppedClock


class Overheard:
    """A channel for codes that keeps the last one."""

    code = Secret("")

    def send(self, *, code: Secret, **_: object) -> None:
        self.code = code


class OneKey:
    def derive(self, *, purpose: str) -> bytes:
        return purpose.encode().ljust(32, b".")

    current = "one"

    def new_data_key(self) -> bytes:
        return bytes(32)

    def wrapped_by(self, *, data_key: bytes) -> str:
        return self.current

    def rewrap(self, *, data_key: bytes) -> bytes:
        return data_key

    def seal(self, *, data_key: bytes, place: str, payload: bytes) -> bytes:
        return payload

    def open(self, *, data_key: bytes, place: str, sealed: bytes) -> bytes:
        return sealed


@pytest.fixture
def centre(tmp_path: Path, stopped: StoppedClock) -> LocalTrustCentre:
    return LocalTrustCentre(tmp_path / "centre", clock=stopped, passphrase=Secret("for tests only"))


def _valid(content: bytes, centre: LocalTrustCentre, moment: datetime) -> list[bool]:
    root = asn1_x509.Certificate.load(centre.certificates().root)
    verdicts = []
    for index in range(len(PdfFileReader(BytesIO(content)).embedded_regular_signatures)):
        reader = PdfFileReader(BytesIO(content))
        settings: dict[str, Any] = {"trust_roots": [root], "moment": moment, "revocation_mode": "require"}
        context = DocumentSecurityStore.read_dss(reader).as_validation_context(settings)
        status = asyncio.run(async_validate_pdf_signature(reader.embedded_regular_signatures[index], context))
        verdicts.append(status.bottom_line)
    return verdicts


def _account(given: str) -> Account:
    return Account(
        id=AccountId(given),
        name=PersonName(given=given, last="Œuvrard"),
        email=EmailAddress(f"{given.lower()}@example.org"),
        mobile=PhoneNumber("+33612341316"),
    )


@pytest.mark.parametrize("level", [PadesLevel.B_LT, PadesLevel.B_LTA], ids=lambda level: level.name)
def test_two_holders_sign_one_contract_with_remote_keys(
    level: PadesLevel, centre: LocalTrustCentre, shelf: FileShelf, stopped: StoppedClock, pdf: bytes, moment: datetime
) -> None:
    codes = Overheard()
    signer = centre.signer(codes=codes, keys=OneKey())
    envelope = PdfEnvelope(
        documents=shelf, timestamps=centre.timestamps(), revocation=centre, level=level, clock=stopped
    )
    base = shelf.keep(content=pdf)
    current = base
    for given in ("Zoe", "Anna"):
        holding = centre.enrol(_account(given), level=CertificateLevel.QCP_N)
        credential = signer.credential(fingerprint=holding.certificate.fingerprint)
        prepared = envelope.prepare(
            key=Key(f"{given}/1"), validated=base, base=current, credential=credential, at=moment
        )
        challenge = signer.challenge(
            key=Key(f"{given}/2"), fingerprint=credential.fingerprint, digests=(prepared.digest,), language="fr"
        )
        answers = signer.activate(
            key=Key(f"{given}/3"), challenge=challenge.id, digests=(prepared.digest,), code=codes.code
        )
        assert isinstance(answers, tuple)
        (answer,) = answers
        assert isinstance(answer, HashSigned)
        current = envelope.embed(key=Key(f"{given}/4"), prepared=prepared, credential=credential, value=answer.value)

    assert _valid(shelf.read(document=current), centre, moment) == [True, True]


def test_the_platform_seals_a_request(
    centre: LocalTrustCentre, stopped: StoppedClock, pdf: bytes, moment: datetime
) -> None:
    credential, signing = centre.seal_credential()
    seal = PdfSeal(
        credential=credential, signing=signing, timestamps=centre.timestamps(), revocation=centre, clock=stopped
    )

    sealed = seal.seal(key=Key("s/1/1"), pdf=pdf, reason="Code vérifié")

    assert sealed.startswith(pdf)
    assert _valid(sealed, centre, moment) == [True]
    (signature,) = PdfFileReader(BytesIO(sealed)).embedded_regular_signatures
    assert signature.sig_object["/Reason"] == "Code vérifié"


def test_a_seal_says_why_it_refuses(centre: LocalTrustCentre, stopped: StoppedClock) -> None:
    credential, signing = centre.seal_credential()
    seal = PdfSeal(
        credential=credential,
        signing=signing,
        timestamps=None,
        revocation=None,
        clock=stopped,
        level=PadesLevel.B_B,
    )
    with pytest.raises(Rejected) as caught:
        seal.seal(key=Key("s/1/1"), pdf=b"not a PDF", reason="")
    assert caught.value.reason == "unreadable"
