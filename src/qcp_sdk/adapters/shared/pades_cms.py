"""The CMS side of a PAdES signature (EN 319 142-1 § 5, EN 319 122-1, RFC 5652), written as DER.

A baseline signature is one fixed shape, so it is written directly instead of through an object model, which
takes ten times as long (asn1crypto re-encodes every level). asn1crypto reads; this module writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from asn1crypto import cms, core, tsp, x509  # type: ignore[import-untyped]
from attrs import frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509 import load_der_x509_certificate

from qcp_sdk.adapters.shared.pdf_errors import FOREIGN, refused
from qcp_sdk.adapters.shared.x509 import UNREADABLE
from qcp_sdk.errors import Rejected, Unavailable

_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_OCTETS: Final = 0x04
_VERSION_1: Final = bytes.fromhex("020101")


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _oid(dotted: str) -> bytes:
    encoded: bytes = core.ObjectIdentifier(dotted).dump()
    return encoded


_DATA: Final = _oid("1.2.840.113549.1.7.1")
_SIGNED_DATA: Final = _oid("1.2.840.113549.1.7.2")
_CONTENT_TYPE: Final = _oid("1.2.840.113549.1.9.3")
_MESSAGE_DIGEST: Final = _oid("1.2.840.113549.1.9.4")
_SIGNING_TIME: Final = _oid("1.2.840.113549.1.9.5")
_SIGNING_CERTIFICATE_V2: Final = _oid("1.2.840.113549.1.9.16.2.47")
_TIMESTAMP_TOKEN: Final = _oid("1.2.840.113549.1.9.16.2.14")
# NULL where RFC 5754 § 2 would have nothing: as pyHanko and most PAdES software (docs/decisions/0032).
_SHA256: Final = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"), bytes.fromhex("0500"))
_SHA256_BARE: Final = _der(_SEQUENCE, _oid("2.16.840.1.101.3.4.2.1"))
_ALGORITHMS: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "sha256_rsa": _der(_SEQUENCE, _oid("1.2.840.113549.1.1.11"), bytes.fromhex("0500")),  # NULL, RFC 4055 § 5
        "sha256_ecdsa": _der(_SEQUENCE, _oid("1.2.840.10045.4.3.2")),  # none, RFC 5758 § 3.2
    }
)
"""The signature algorithms of `ports.signer.Credential`, as AlgorithmIdentifier."""


def load(certificate: bytes) -> x509.Certificate:
    """Read a certificate of a credential.

    Raises:
        Rejected: `credential_unusable`.
    """
    with refused("a certificate of the credential cannot be read", reason="credential_unusable"):
        parsed = x509.Certificate.load(certificate, strict=True)
        _ = parsed.subject.native, parsed.issuer.native, parsed.serial_number, parsed.self_signed
    return parsed


@frozen
class _Read:
    """What the CMS needs of a certificate, as DER."""

    issuer: bytes
    serial: bytes
    self_signed: bool


@lru_cache(maxsize=256)
def _read(certificate: bytes) -> _Read:
    """Read a certificate once: the chain of a credential is needed a dozen times for each signature.

    Raises:
        Rejected: `credential_unusable`.
    """
    parsed = load(certificate)
    return _Read(
        parsed.issuer.dump(), parsed["tbs_certificate"]["serial_number"].dump(), bool(parsed.self_signed != "no")
    )


def check_credential(*, chain: tuple[bytes, ...], algorithm: str) -> None:
    """Make sure that this credential can sign a document: readable, and with an algorithm that fits its key.

    Raises:
        Rejected: `credential_unusable`.
    """
    if not chain:
        raise Rejected("the credential has no certificate", reason="credential_unusable")
    if algorithm not in _ALGORITHMS:
        raise Rejected(
            f"the algorithm `{algorithm}` is not one of {', '.join(f'`{name}`' for name in _ALGORITHMS)}",
            reason="credential_unusable",
        )
    for certificate in chain:
        _read(certificate)
    _signature_size(chain[0], algorithm)


def signed_attributes(*, digest: bytes, certificate: bytes, signed_at: datetime | None = None) -> bytes:
    """Give the DER that is signed: content-type, message-digest and signing-certificate-v2 (EN 319 122-1 § 5.2.2.3).

    CAdES also wants the time of signing (EN 319 122-1 § 5.2.1), PAdES keeps it in the signature dictionary and must
    not have it here (EN 319 142-1 § 6.3): give `signed_at` for the one, and leave it out for the other.

    Raises:
        Rejected: `credential_unusable`.
    """
    read = _read(certificate)
    issuer_serial = _der(
        _SEQUENCE,
        _der(_SEQUENCE, _der(0xA4, read.issuer)),  # GeneralNames with one directoryName
        read.serial,
    )
    # SHA-256 is the default of ESSCertIDv2 and therefore left out (RFC 5035 § 4).
    ess = _der(_SEQUENCE, _der(_OCTETS, hashlib.sha256(certificate).digest()), issuer_serial)
    attributes: tuple[bytes, ...] = (
        _der(_SEQUENCE, _CONTENT_TYPE, _der(_SET, _DATA)),
        _der(_SEQUENCE, _MESSAGE_DIGEST, _der(_SET, _der(_OCTETS, digest))),
        _der(_SEQUENCE, _SIGNING_CERTIFICATE_V2, _der(_SET, _der(_SEQUENCE, _der(_SEQUENCE, ess)))),
    )
    if signed_at is not None:
        time: bytes = cms.Time({"utc_time": signed_at.astimezone(UTC).replace(microsecond=0)}).dump()
        attributes = (*attributes, _der(_SEQUENCE, _SIGNING_TIME, _der(_SET, time)))
    return _der(_SET, *sorted(attributes))  # DER orders a SET OF by its encodings


def signed_data(
    *,
    attributes: bytes,
    chain: tuple[bytes, ...],
    algorithm: str,
    value: bytes,
    token: bytes | None,
    bare: bool = False,
) -> bytes:
    """Give the CMS to put into the document: a detached SignedData with one signer (RFC 5652 § 5).

    Self-signed certificates above the signatory's are left out: whoever verifies brings the anchors. `token`
    becomes the signature timestamp (unsigned attribute, EN 319 122-1 § 5.3). `bare` leaves out SHA-256's parameters,
    as we wrote it before decision 0032: to recognise what is that old.

    Raises:
        Rejected: `credential_unusable`.
    """
    sha256 = _SHA256_BARE if bare else _SHA256
    signatory = _read(chain[0])
    certificates = {chain[0], *(der for der in chain[1:] if not _read(der).self_signed)}
    unsigned = b"" if token is None else _der(0xA1, _der(_SEQUENCE, _TIMESTAMP_TOKEN, _der(_SET, token)))
    signer = _der(
        _SEQUENCE,
        _VERSION_1,
        _der(_SEQUENCE, signatory.issuer, signatory.serial),
        sha256,
        b"\xa0" + attributes[1:],  # the same SET OF under the tag [0] IMPLICIT
        _ALGORITHMS[algorithm],
        _der(_OCTETS, value),
        unsigned,
    )
    content = _der(
        _SEQUENCE,
        _VERSION_1,
        _der(_SET, sha256),
        _der(_SEQUENCE, _DATA),
        _der(0xA0, *sorted(certificates)),
        _der(_SET, signer),
    )
    return _der(_SEQUENCE, _SIGNED_DATA, _der(0xA0, content))


def room_for(*, chain: tuple[bytes, ...], algorithm: str, token_size: int) -> int:
    """Say how many bytes the CMS of this credential may take, with a timestamp token of `token_size` bytes at most.

    Raises:
        Rejected: `credential_unusable`.
    """
    attributes = signed_attributes(digest=bytes(32), certificate=chain[0])
    value = bytes(_signature_size(chain[0], algorithm))
    token = bytes(token_size) if token_size else None
    return len(signed_data(attributes=attributes, chain=chain, algorithm=algorithm, value=value, token=token))


@lru_cache(maxsize=256)
def _public_key(certificate: bytes, algorithm: str) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    with refused("the credential's public key cannot be read", reason="credential_unusable"):
        try:
            key = load_der_x509_certificate(certificate).public_key()
        except UNREADABLE as error:
            raise Rejected("the credential's key is of no known kind", reason="credential_unusable") from error
    if algorithm == "sha256_rsa" and isinstance(key, rsa.RSAPublicKey):
        return key
    if algorithm == "sha256_ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
        return key
    raise Rejected(f"the credential's key does not sign with `{algorithm}`", reason="credential_unusable")


def _signature_size(certificate: bytes, algorithm: str) -> int:
    key = _public_key(certificate, algorithm)
    if isinstance(key, rsa.RSAPublicKey):
        return (key.key_size + 7) // 8
    # SEQUENCE of two INTEGERs, each with a sign byte, tag and length (two length bytes for the longest curve).
    return 2 * ((key.key_size + 7) // 8 + 4) + 4


def check_value(*, certificate: bytes, algorithm: str, digest: bytes, value: bytes) -> None:
    """Make sure that `value` is this certificate's signature over the SHA-256 `digest`.

    Raises:
        Rejected: `value_refused`; `credential_unusable`.
    """
    key = _public_key(certificate, algorithm)
    sha256 = Prehashed(hashes.SHA256())
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, digest, padding.PKCS1v15(), sha256)
        else:
            key.verify(value, digest, ec.ECDSA(sha256))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise Rejected(
            "the signature value does not verify against the certificate",
            reason="value_refused",
            mend="ask the signing service again for this digest",
        ) from error


def check_token(*, token: bytes, digest: bytes) -> tuple[bytes, ...]:
    """Make sure that a timestamp token is over this digest and whole; give its certificates, its signer's first.

    Who may give time is for the verifier to judge; here a token that could never verify is kept out of documents.

    Raises:
        Unavailable: The token cannot be read, is over something else, or its signature does not hold.
    """
    from pyhanko.sign.general import extract_certificate_info
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    try:
        content = cms.ContentInfo.load(token, strict=True)["content"]
        encapsulated = content["encap_content_info"]["content"]
        info: tsp.TSTInfo = encapsulated.parsed
        imprint = info["message_imprint"]
        if imprint["hash_algorithm"]["algorithm"].native != "sha256" or imprint["hashed_message"].native != digest:
            raise Unavailable("the timestamping authority answered for another digest", mend="ask again")
        certificates = extract_certificate_info(content)
        (signer,) = content["signer_infos"]
        hashed = hashlib.new(signer["digest_algorithm"]["algorithm"].native, bytes(encapsulated)).digest()
        intact, valid = validate_sig_integrity(signer, certificates.signer_cert, "tst_info", hashed)
    except FOREIGN as error:
        raise Unavailable(
            "the timestamping authority's answer cannot be used",
            mend="ask it for tokens over SHA-256 that carry their certificate",
        ) from error
    if not (intact and valid):
        raise Unavailable("the signature of the timestamping authority's answer does not hold", mend="ask again")
    return (certificates.signer_cert.dump(), *(other.dump() for other in certificates.other_certs))
