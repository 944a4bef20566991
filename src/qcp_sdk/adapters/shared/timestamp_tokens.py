"""Making a TimeStampToken (RFC 3161, RFC 5816, EN 319 422)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final

from asn1crypto import cms, core, tsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509

from qcp_sdk.adapters.shared.keystore import PrivateKey, algorithm, sign_digest

DIGEST_LENGTH: Final = 32
_SHA256: Final = {"algorithm": "sha256"}


def token(
    *, digest: bytes, key: PrivateKey, chain: tuple[bytes, ...], policy: str, at: datetime, nonce: int | None = None
) -> bytes:
    """Give the DER of a token over this SHA-256 digest, accurate to a second.

    `chain` begins with the unit's certificate (DER); all of it goes into the token.
    """
    certificate = asn1_x509.Certificate.load(chain[0])
    stated = {
        "version": "v1",
        "policy": policy,
        "message_imprint": {"hash_algorithm": _SHA256, "hashed_message": digest},
        "serial_number": secrets.randbits(127) | 1 << 127,
        "gen_time": at.replace(microsecond=0),
        "accuracy": {"seconds": 1},
    }
    told = tsp.TSTInfo(stated if nonce is None else stated | {"nonce": nonce}).dump()
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [hashlib.sha256(told).digest()]},
            {
                "type": "signing_certificate_v2",  # RFC 5816
                "values": [{"certs": [{"cert_hash": hashlib.sha256(chain[0]).digest()}]}],
            },
        ]
    )
    signer = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                name="issuer_and_serial_number",
                value={"issuer": certificate.issuer, "serial_number": certificate.serial_number},
            ),
            "digest_algorithm": _SHA256,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": algorithm(key)},
            "signature": sign_digest(key, hashlib.sha256(attributes.dump()).digest()),
        }
    )
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [_SHA256],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(told)},
            "certificates": [asn1_x509.Certificate.load(der) for der in chain],
            "signer_infos": [signer],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())
