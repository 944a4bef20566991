"""Judged by others: our client on Certomancer's service, pyHanko's client on our sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import httpx
import pytest

from qcp_sdk.adapters.csc import Authorization, CscClient, CscTimestamps
from qcp_sdk.adapters.csc.signer import checked
from qcp_sdk.adapters.memory.clock import ManualClock
from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.demo_documents import demo_contract
from qcp_sdk.errors import Rejected
from qcp_sdk.sandbox.csc import CscSandbox
from qcp_sdk.sandbox.csc_state import CscRules
from qcp_sdk.testing.conformance.examples import START, digest


def ours(peer: str) -> CscClient:
    return CscClient(Http(peer, plain=True))


def test_the_peer_says_what_it_is(peer: str) -> None:
    info = ours(peer).info()
    assert (info.specs, info.auth_types) == ("1.0.4.0", ("external",))
    assert info.offers("signatures/signHash")
    assert not info.offers("credentials/sendOTP")
    assert {"peer/rsa", "peer/elliptic"} <= set(ours(peer).credentials())


@pytest.mark.parametrize(("name", "algorithm"), [("rsa", "sha256_rsa"), ("elliptic", "sha256_ecdsa")])
def test_the_peer_signs_what_was_authorised_and_nothing_else(peer: str, name: str, algorithm: str) -> None:
    client = ours(peer)
    credential = client.credential(f"peer/{name}")
    assert (credential.algorithm, credential.pinned, credential.most, credential.enabled) == (algorithm, True, 10, True)
    assert len(credential.certificates) == 2
    digests = [digest("one"), digest("two")]
    told = client.authorize(credential.id, digests=digests, values={})
    assert isinstance(told, Authorization)
    values = client.sign_hash(credential.id, digests=digests, algorithm=credential.algorithm_oid, sad=told.sad)
    assert isinstance(values, tuple)
    for one, value in zip(digests, values, strict=True):
        assert checked(credential.certificates[0], one, value) == value
        assert not checked(credential.certificates[0], digest("three"), value)
    with pytest.raises(Rejected, match="400: Bad Request") as refused:
        client.sign_hash(credential.id, digests=[digest("three")], algorithm=credential.algorithm_oid, sad=told.sad)
    assert told.sad.reveal() not in str(refused.value)


def test_the_peer_s_timestamps_are_over_our_digest(peer: str) -> None:
    assert CscTimestamps(ours(peer)).timestamp(digest=digest("one"))


# pyHanko's client on our sandbox.


class _Session:
    """As much of an aiohttp session as pyHanko uses, over httpx and in process."""

    def __init__(self, sandbox: CscSandbox) -> None:
        self.client = httpx.Client(transport=httpx.WSGITransport(app=sandbox), base_url="https://csc.example.org")

    @asynccontextmanager
    async def post(
        self, url: str, *, headers: Any, json: Any, raise_for_status: bool, timeout: Any
    ) -> AsyncIterator[Any]:
        answer = self.client.post(url, headers=headers, json=json)
        answer.raise_for_status()

        class Told:
            async def json(self) -> Any:
                return answer.json()

        yield Told()


def test_pyhanko_signs_a_batch_on_our_sandbox() -> None:
    from asn1crypto import x509  # type: ignore[import-untyped]
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign import signers
    from pyhanko.sign.fields import SigSeedSubFilter
    from pyhanko.sign.signers import csc_signer
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    clock = ManualClock(START)
    sandbox = CscSandbox(clock=clock, rules=CscRules(multisign=5))
    made = sandbox.enrol(given="Élodie", last="Lefèvre", mobile="+33639980000")
    session: Any = _Session(sandbox)
    where = csc_signer.CSCServiceSessionInfo(service_url="https://csc.example.org", credential_id=made.id)

    class WithACode(csc_signer.CSCAuthorizationManager):
        async def authorize_signature(self, hash_b64s: list[str]) -> csc_signer.CSCAuthorizationInfo:
            at = "https://csc.example.org/csc/v1/credentials"
            session.client.post(f"{at}/sendOTP", json={"credentialID": made.id}).raise_for_status()
            code = sandbox.latest("+33639980000").reveal()
            asked = self.format_csc_auth_request(otp=code, hash_b64s=hash_b64s)
            answer = session.client.post(f"{at}/authorize", json=asked)
            answer.raise_for_status()
            return self.parse_csc_auth_response(answer.json())

    async def sign() -> list[BytesIO]:
        info = await csc_signer.fetch_certs_in_csc_credential(session, where)
        assert info.max_batch_size == 5
        assert info.hash_pinning_required
        signer = csc_signer.CSCSigner(session, WithACode(where, info), batch_size=3)
        metadata = signers.PdfSignatureMetadata(field_name="Signature", subfilter=SigSeedSubFilter.PADES)
        signed: list[BytesIO] = await asyncio.gather(
            *(
                signers.async_sign_pdf(
                    IncrementalPdfFileWriter(BytesIO(demo_contract(at=START.replace(year=2020 + number)))),
                    metadata,
                    signer=signer,
                    bytes_reserved=16_384,
                )
                for number in range(3)
            )
        )
        return signed

    documents = asyncio.run(sign())
    assert (sandbox.counts["credentials/authorize"], sandbox.counts["signatures/signHash"]) == (1, 1)
    context = ValidationContext(
        trust_roots=[x509.Certificate.load(sandbox.pki.root)], moment=START, allow_fetching=False
    )
    for document in documents:
        (signature,) = PdfFileReader(document).embedded_signatures
        status = asyncio.run(async_validate_pdf_signature(signature, context))
        assert status.bottom_line
