"""The seal on a dossier: a CAdES B-T signature over its manifest (ETSI EN 319 122-1 § 6), made and checked."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from qcp_sdk.adapters.shared import pades_cms
from qcp_sdk.adapters.shared.pdf_errors import translated
from qcp_sdk.adapters.shared.revocation import RevocationSource
from qcp_sdk.errors import CertificateError, EvidenceError, PortError
from qcp_sdk.evidence.container import SIGNATURE
from qcp_sdk.ports.signer import Credential
from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.verification.loops import outside_any_loop

if TYPE_CHECKING:
    from asn1crypto import cms, x509  # type: ignore[import-untyped]

_AGAIN: Final = "ask for the dossier again"
TIMESTAMPS: Final = "META-INF/signature.p7s (timestamp)"


@frozen(kw_only=True)
class EvidenceSeal:
    """What a platform seals its dossiers with: a credential of its own, a time-stamping authority, revocation data.

    `signing` turns a SHA-256 digest into the raw signature (for ECDSA: DER of r and s).
    """

    credential: Credential
    signing: Callable[[bytes], bytes] = field(repr=False)
    timestamps: Timestamps
    revocation: RevocationSource

    def sign(self, manifest: bytes, *, at: datetime) -> bytes:
        """Give the CMS over a manifest.

        Raises:
            Rejected: `credential_unusable`, `value_refused`.
            Unavailable: No timestamp for the moment.
        """
        chain, algorithm = self.credential.chain, self.credential.algorithm
        pades_cms.check_credential(chain=chain, algorithm=algorithm)
        attributes = pades_cms.signed_attributes(
            digest=hashlib.sha256(manifest).digest(), certificate=chain[0], signed_at=at
        )
        digest = hashlib.sha256(attributes).digest()
        value = self.signing(digest)
        pades_cms.check_value(certificate=chain[0], algorithm=algorithm, digest=digest, value=value)
        imprint = hashlib.sha256(value).digest()
        token = self.timestamps.timestamp(digest=imprint)
        pades_cms.check_token(token=token, digest=imprint)
        return pades_cms.signed_data(attributes=attributes, chain=chain, algorithm=algorithm, value=value, token=token)

    def revocation_lists(self) -> tuple[bytes, ...]:
        """Give the present revocation list of each issuer above the seal's certificate, where it publishes one."""
        found = (
            self.revocation.crl(issuer=issuer, certificate=below) for below, issuer in pairwise(self.credential.chain)
        )
        return tuple(dict.fromkeys(one for one in found if one is not None))


@frozen(kw_only=True)
class Sealed:
    """Who sealed a dossier, and when it was there at the latest."""

    signer: str
    at: datetime
    """The time in the timestamp, UTC."""
    revocation_checked: bool
    """Whether revocation lists in the dossier speak for the seal's certificate at that time."""


def anchors(pem: bytes, *, name: str) -> tuple[bytes, ...]:
    """Read the certificates of a PEM file, or the one of a DER file, as DER.

    Raises:
        CertificateError: It holds no certificate.
    """
    from asn1crypto import pem as armour
    from asn1crypto import x509

    with translated("it holds no certificate", where=name, mend="give PEM or DER", error=CertificateError):
        if not armour.detect(pem):
            return (x509.Certificate.load(pem, strict=True).dump(),)
        found = [der for kind, _, der in armour.unarmor(pem, multiple=True) if kind == "CERTIFICATE"]
        return tuple(x509.Certificate.load(der, strict=True).dump() for der in found)


def check(signature: bytes, manifest: bytes, *, anchors: tuple[bytes, ...], crls: tuple[bytes, ...]) -> Sealed:
    """Say who sealed a manifest. `anchors` are the certificates (DER) where the paths of seal and timestamp may end.

    Raises:
        EvidenceError: The seal does not hold, or leads to no anchor.
    """
    try:
        with translated("it cannot be read", where=SIGNATURE, mend=_AGAIN, error=EvidenceError):
            return _checked(signature, manifest, anchors, crls)
    except PortError as refused:
        raise EvidenceError(refused.what, where=SIGNATURE, mend=_AGAIN) from refused


def _checked(signature: bytes, manifest: bytes, anchors: tuple[bytes, ...], crls: tuple[bytes, ...]) -> Sealed:
    from asn1crypto import cms, tsp

    content = cms.ContentInfo.load(signature, strict=True)["content"]
    (signer,) = content["signer_infos"]
    attributes: bytes = signer["signed_attrs"].untag().dump()
    value: bytes = signer["signature"].native
    (stamp,) = (one for one in signer["unsigned_attrs"] if one["type"].native == "signature_time_stamp_token")
    token: bytes = stamp["values"][0].dump()
    chain, certificate = _chain(content, signer)
    algorithm = signer["signature_algorithm"]["algorithm"].native
    (signed_at,) = (one["values"][0].native for one in signer["signed_attrs"] if one["type"].native == "signing_time")

    # Nothing in the signature may be spelled otherwise than we spell it: what no check looks at cannot be changed.
    # Seals from before decision 0032 have no parameters beside SHA-256.
    again = [
        pades_cms.signed_data(
            attributes=attributes, chain=chain, algorithm=algorithm, value=value, token=token, bare=bare
        )
        for bare in (False, True)
    ]
    expected = pades_cms.signed_attributes(
        digest=hashlib.sha256(manifest).digest(), certificate=chain[0], signed_at=signed_at
    )
    if signature not in again or expected != attributes:
        raise EvidenceError("it is not the seal of this manifest", where=SIGNATURE, mend=_AGAIN)
    digest = hashlib.sha256(attributes).digest()
    pades_cms.check_value(certificate=chain[0], algorithm=algorithm, digest=digest, value=value)

    stampers = pades_cms.check_token(token=token, digest=hashlib.sha256(value).digest())
    inner = cms.ContentInfo.load(token, strict=True)["content"]
    _refuse_odd(inner, stampers[0])
    stamped: tsp.TSTInfo = inner["encap_content_info"]["content"].parsed
    at: datetime = stamped["gen_time"].native
    for der in stampers:
        usage = {"time_stamping"} if der == stampers[0] else set()
        _path(der, (*stampers, *chain), anchors, (), at, usage, TIMESTAMPS)
    certificates = [der for der in chain if der not in anchors]
    listed = _path(chain[0], (*certificates, *stampers), anchors, crls, at, set(), SIGNATURE)
    for der in certificates[1:]:
        _path(der, tuple(certificates), anchors, (), at, set(), SIGNATURE)
    return Sealed(signer=certificate.subject.human_friendly, at=at, revocation_checked=listed)


def _refuse_odd(token: cms.SignedData, stamper: bytes) -> None:
    """Look at what the signature of a timestamp does not cover and no path depends on: versions, digest algorithms, and
    how the signer is named (names are compared without regard to case).
    """
    from asn1crypto import x509

    (signer,) = token["signer_infos"]
    by_key = signer["sid"].name == "subject_key_identifier"
    issuer = x509.Certificate.load(stamper).issuer.dump()
    digest = signer["digest_algorithm"]
    holds = (
        token["version"].dump() == bytes.fromhex("020103")  # RFC 5652 § 5.1: what it holds is no plain data
        and signer["version"].dump() == bytes.fromhex("020103" if by_key else "020101")
        and (by_key or signer["sid"].chosen["issuer"].dump() == issuer)
        and [one.dump() for one in token["digest_algorithms"]] == [digest.dump()]
        and digest["parameters"].native is None
        and digest["parameters"].dump() in (b"", bytes.fromhex("0500"))
    )
    if not holds:
        raise EvidenceError("it is not spelled as a timestamp is", where=TIMESTAMPS, mend=_AGAIN)


def _chain(content: cms.SignedData, signer: cms.SignerInfo) -> tuple[tuple[bytes, ...], x509.Certificate]:
    found = [one.chosen for one in content["certificates"]]
    sid = signer["sid"].chosen
    (leaf,) = (
        one
        for one in found
        if one.serial_number == sid["serial_number"].native and one.issuer.dump() == sid["issuer"].dump()
    )
    return (leaf.dump(), *(one.dump() for one in found if one is not leaf)), leaf


def _path(
    der: bytes,
    others: Iterable[bytes],
    anchors: tuple[bytes, ...],
    crls: tuple[bytes, ...],
    at: datetime,
    extended_usage: set[str],
    where: str,
) -> bool:
    """Build the path of a certificate at an instant; say whether revocation lists spoke for it.

    Raises:
        EvidenceError: There is none to any anchor, or it was revoked.
    """
    if crls and _valid(der, others, anchors, crls, at, extended_usage, "hard-fail") is None:
        return True
    wrong = _valid(der, others, anchors, crls, at, extended_usage, "soft-fail")
    if wrong is not None:
        raise EvidenceError(
            f"its certificate leads to no anchor that you gave ({type(wrong).__name__})",
            where=where,
            mend="give the certificates of the authorities that you trust for seals and timestamps",
        ) from wrong
    return False


def _valid(
    der: bytes,
    others: Iterable[bytes],
    anchors: tuple[bytes, ...],
    crls: tuple[bytes, ...],
    at: datetime,
    extended_usage: set[str],
    revocation: str,
) -> Exception | None:
    from asn1crypto import x509
    from pyhanko_certvalidator import CertificateValidator, ValidationContext

    context = ValidationContext(
        trust_roots=[x509.Certificate.load(one) for one in anchors],
        other_certs=[x509.Certificate.load(one) for one in others],
        crls=list(crls),
        moment=at,
        allow_fetching=False,
        revocation_mode=revocation,
    )
    certificate = x509.Certificate.load(der)
    if certificate["signature_value"].contents[:1] != b"\x00":
        # Whole bytes, RFC 3279 § 2.2: the count of unused bits is the one byte of it that nothing else looks at.
        return ValueError()
    validator = CertificateValidator(certificate, validation_context=context)

    async def run() -> Any:
        return await validator.async_validate_usage(set(), extended_usage, extended_optional=not extended_usage)  # type: ignore[no-untyped-call]

    try:
        outside_any_loop(lambda: asyncio.run(run()))
    except Exception as error:  # noqa: BLE001 - whatever the library says, it is no path
        return error
    return None
