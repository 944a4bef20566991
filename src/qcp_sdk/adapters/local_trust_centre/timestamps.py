"""A time-stamping authority of our own (RFC 3161, EN 319 422), with the trust centre's clock."""

from __future__ import annotations

import hashlib
import secrets
from typing import ClassVar, Final

from asn1crypto import cms, core, tsp  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509

from qcp_sdk.adapters.local_trust_centre.hierarchy import Hierarchy, instant
from qcp_sdk.adapters.local_trust_centre.profiles import OUR_TIMESTAMPS
from qcp_sdk.adapters.shared.keystore import algorithm, sign_digest
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.clock import Clock

DIGEST_LENGTH: Final = 32
SHA256: Final = {"algorithm": "sha256"}


class LocalTimestamps:
    """Implements the `Timestamps` port."""

    simulated: ClassVar[bool] = True
    """Never in production: the engine's guard reads this."""

    def __init__(self, *, hierarchy: Hierarchy, clock: Clock) -> None:
        self._hierarchy, self._clock = hierarchy, clock

    def timestamp(self, *, digest: bytes) -> bytes:
        """Give a TimeStampToken over this SHA-256 digest; its time is the clock's, accurate to a second.

        Raises:
            Rejected: `bad_digest`: it does not have 32 bytes.
            Unavailable: The key store does not answer.
        """
        if len(digest) != DIGEST_LENGTH:
            raise Rejected(f"a SHA-256 digest has {DIGEST_LENGTH} bytes, not {len(digest)}", reason="bad_digest")
        unit = self._hierarchy.held("tsu")
        certificate = asn1_x509.Certificate.load(unit.der)
        told = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": OUR_TIMESTAMPS,
                "message_imprint": {"hash_algorithm": SHA256, "hashed_message": digest},
                "serial_number": secrets.randbits(127) | 1 << 127,
                "gen_time": instant(self._clock.now()),
                "accuracy": {"seconds": 1},
            }
        ).dump()
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(told).digest()]},
                {
                    "type": "signing_certificate_v2",  # RFC 5816
                    "values": [{"certs": [{"cert_hash": hashlib.sha256(unit.der).digest()}]}],
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
                "digest_algorithm": SHA256,
                "signed_attrs": attributes,
                "signature_algorithm": {"algorithm": algorithm(unit.key)},
                "signature": sign_digest(unit.key, hashlib.sha256(attributes.dump()).digest()),
            }
        )
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [SHA256],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(told)},
                "certificates": [asn1_x509.Certificate.load(der) for der in self._hierarchy.chain("tsu")[:-1]],
                "signer_infos": [signer],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())
