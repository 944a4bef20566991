"""A time-stamping authority of our own (RFC 3161, EN 319 422), with the trust centre's clock."""

from __future__ import annotations

from typing import ClassVar

from asn1crypto import cms, tsp  # type: ignore[import-untyped]

from qcp_sdk.adapters.local_trust_centre.hierarchy import Hierarchy, instant
from qcp_sdk.adapters.shared.profiles import OUR_TIMESTAMPS
from qcp_sdk.adapters.shared.rfc3161 import TimeStampResp
from qcp_sdk.adapters.shared.timestamp_tokens import DIGEST_LENGTH, token
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.clock import Clock


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
        return self._token(digest, nonce=None)

    def respond(self, request: bytes) -> bytes:
        """Answer a TimeStampReq with a TimeStampResp, as over HTTP (RFC 3161 § 2.4): what is no request over SHA-256
        is refused in its own words.

        Raises:
            Unavailable: The key store does not answer.
        """
        try:
            asked = tsp.TimeStampReq.load(request, strict=True)
            imprint = asked["message_imprint"]
            digest, nonce = imprint["hashed_message"].native, asked["nonce"].native
            known = imprint["hash_algorithm"]["algorithm"].native == "sha256" and len(digest) == DIGEST_LENGTH
        except (ValueError, TypeError, KeyError):
            return _refused("bad_data_format")
        if not known:
            return _refused("bad_alg")
        made = cms.ContentInfo.load(self._token(digest, nonce=nonce))
        return bytes(TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": made}).dump())

    def _token(self, digest: bytes, *, nonce: int | None) -> bytes:
        return token(
            digest=digest,
            key=self._hierarchy.held("tsu").key,
            chain=self._hierarchy.chain("tsu")[:-1],
            policy=OUR_TIMESTAMPS,
            at=instant(self._clock.now()),
            nonce=nonce,
        )


def _refused(why: str) -> bytes:
    return bytes(TimeStampResp({"status": {"status": "rejection", "fail_info": {why}}}).dump())
