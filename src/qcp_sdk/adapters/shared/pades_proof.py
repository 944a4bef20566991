"""Gathering what a verifier needs years later: certificates, OCSP answers and CRLs for the DSS (PAdES B-LT).

Everything is fetched through a `RevocationSource` first and then validated without any network, in one fresh
context a document: a context that is reused leaks one signatory's answers into another's document.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeVar

from asn1crypto import crl, ocsp, x509  # type: ignore[import-untyped]
from attrs import field, frozen

from qcp_sdk.adapters.shared.pades_cms import load
from qcp_sdk.adapters.shared.pdf_errors import FOREIGN, hush
from qcp_sdk.errors import Rejected, Unavailable

if TYPE_CHECKING:
    from qcp_sdk.adapters.shared.revocation import RevocationSource

_T = TypeVar("_T")

_LONGEST_CHAIN: Final = 8
_CLOCK_SKEW: Final = timedelta(minutes=1)
"""How far a responder's clock may be ahead of ours."""


@frozen(kw_only=True)
class Proof:
    """What goes into the document security store. Objects of asn1crypto."""

    certificates: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    """Anchors included: long-term validation looks for the issuer of a root's CRL in the document (run: pyHanko's
    `ades_lta_validation` answers NO_POE without it)."""
    ocsps: tuple[ocsp.OCSPResponse, ...] = field(default=(), repr=False)
    crls: tuple[crl.CertificateList, ...] = field(default=(), repr=False)


def run(coroutine: Coroutine[object, object, _T]) -> _T:
    """Give what the coroutine returns, also when the caller is itself inside a running event loop.

    There it runs in a thread of its own: `asyncio.run` refuses to nest, and the caller's loop is not ours to use.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def gather(*, chains: Iterable[tuple[bytes, ...]], revocation: RevocationSource, now: datetime) -> Proof:
    """Fetch revocation data for every certificate of these chains (an end certificate first), and check that a
    verifier who trusts their anchors could do with it.

    A chain is completed with `revocation.issuer`; its last certificate counts as anchor, and whether that anchor
    deserves trust is for the verifier to say.

    Raises:
        Rejected: `certificate_revoked`, `certificate_expired`, `credential_unusable` (the chain does not hold).
        Unavailable: Data are missing or stale: ask again later.
    """
    hush()
    paths = [_completed(chain, revocation) for chain in chains]
    if any(not _valid(certificate, now) for path in paths for certificate in path):
        raise Rejected("a certificate of the signature is not valid now", reason="certificate_expired")
    ocsps: dict[str, ocsp.OCSPResponse] = {}
    crls: dict[str, crl.CertificateList] = {}
    seen: set[str] = set()
    for path in paths:
        for certificate, issuer in pairwise(path):
            if (name := certificate.sha256_fingerprint) not in seen:
                seen.add(name)
                _collect(certificate, issuer, revocation, ocsps, crls)
    _validate(paths, ocsps, crls, now)
    kept = {certificate.sha256_fingerprint: certificate for path in paths for certificate in path}
    return Proof(certificates=tuple(kept.values()), ocsps=tuple(ocsps.values()), crls=tuple(crls.values()))


def _completed(chain: tuple[bytes, ...], revocation: RevocationSource) -> list[x509.Certificate]:
    """Order the chain upwards from its first certificate, and complete it from the source."""
    pool = [load(der) for der in chain]
    path = [pool[0]]
    while path[-1].self_signed == "no" and len(path) < _LONGEST_CHAIN:
        last = path[-1]
        issuer = next((other for other in pool if other is not last and _may_have_issued(other, last)), None)
        if issuer is None:
            der = revocation.issuer(certificate=last.dump())
            if der is None:
                break
            issuer = load(der)
        path.append(issuer)
    return path


def _may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if issuer.subject != certificate.issuer:
        return False
    named, own = certificate.authority_key_identifier, issuer.key_identifier
    return named is None or own is None or bool(named == own)


def _valid(certificate: x509.Certificate, now: datetime) -> bool:
    return bool(certificate.not_valid_before - _CLOCK_SKEW <= now <= certificate.not_valid_after)


def _collect(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    revocation: RevocationSource,
    ocsps: dict[str, ocsp.OCSPResponse],
    crls: dict[str, crl.CertificateList],
) -> None:
    """OCSP first, it is smaller and fresher; a CRL where there is no OCSP, and for a responder that needs one."""
    answer = revocation.ocsp(certificate=certificate.dump(), issuer=issuer.dump())
    if answer is not None:
        parsed = _readable_ocsp(answer)
        ocsps[hashlib.sha256(answer).hexdigest()] = parsed
        if not _responder_needs_status(parsed, issuer):
            return
    listed = revocation.crl(issuer=issuer.dump(), certificate=certificate.dump())
    if listed is not None:
        try:
            crls[hashlib.sha256(listed).hexdigest()] = crl.CertificateList.load(listed, strict=True)
        except FOREIGN as error:
            raise Unavailable("an issuer's CRL cannot be read") from error


def _readable_ocsp(answer: bytes) -> ocsp.OCSPResponse:
    try:
        parsed = ocsp.OCSPResponse.load(answer, strict=True)
        status = parsed["response_status"].native
    except FOREIGN as error:
        raise Unavailable("an issuer's OCSP answer cannot be read") from error
    if status != "successful":
        raise Unavailable(f"an issuer's OCSP responder answers `{status}`")
    return parsed


def _responder_needs_status(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> bool:
    """Whether a delegated responder's certificate is without id-pkix-ocsp-nocheck (RFC 6960 § 4.2.2.2.1)."""
    try:
        certificates = answer.basic_ocsp_response["certs"].native or ()
        delegated = [
            one for one in answer.basic_ocsp_response["certs"] if one.sha256_fingerprint != issuer.sha256_fingerprint
        ]
        return bool(certificates) and any(one.ocsp_no_check_value is None for one in delegated)
    except FOREIGN as error:
        raise Unavailable("an issuer's OCSP answer cannot be read") from error


def _validate(
    paths: list[list[x509.Certificate]],
    ocsps: dict[str, ocsp.OCSPResponse],
    crls: dict[str, crl.CertificateList],
    now: datetime,
) -> None:
    from pyhanko_certvalidator import CertificateValidator, ValidationContext
    from pyhanko_certvalidator.errors import InsufficientRevinfoError, RevokedError

    context = ValidationContext(
        trust_roots=[path[-1] for path in paths],
        other_certs=[certificate for path in paths for certificate in path[:-1]],
        ocsps=list(ocsps.values()),
        crls=list(crls.values()),
        revocation_mode="require",
        allow_fetching=False,
        moment=now,
        time_tolerance=_CLOCK_SKEW,
    )

    async def validate() -> None:
        for path in paths:
            await CertificateValidator(path[0], validation_context=context).async_validate_path()

    try:
        run(validate())
    except RevokedError as error:
        raise Rejected("a certificate of the signature is revoked", reason="certificate_revoked") from error
    except InsufficientRevinfoError as error:
        raise Unavailable(
            "the issuers' answers do not prove that every certificate is good now", mend="ask again later"
        ) from error
    except FOREIGN as error:
        raise Rejected("the chain of certificates does not hold", reason="credential_unusable") from error
