"""Timestamps from a CSC service (`signatures/timestamp`)."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from asn1crypto import cms  # type: ignore[import-untyped]

from qcp_sdk.adapters.csc.client import CscClient
from qcp_sdk.errors import Rejected, Unavailable

DIGEST_LENGTH: Final = 32


class CscTimestamps:
    """Implements the `Timestamps` port. A token over another digest or nonce is not passed on.

    Who signed it is for whoever verifies the document: a service may use any time-stamping authority.
    """

    def __init__(self, client: CscClient) -> None:
        self._client = client

    def timestamp(self, *, digest: bytes) -> bytes:
        """Give a TimeStampToken over this SHA-256 digest.

        Raises:
            Rejected: `bad_digest`: it does not have 32 bytes; or the service refuses.
            Unavailable: Ask again.
        """
        if len(digest) != DIGEST_LENGTH:
            raise Rejected(f"a SHA-256 digest has {DIGEST_LENGTH} bytes, not {len(digest)}", reason="bad_digest")
        nonce = secrets.randbits(63) | 1
        token = self._client.timestamp(digest, nonce=nonce)
        if _stated(token) != (digest, nonce):
            raise Unavailable("the service's token is not over what was asked", mend="ask again later")
        return token

    def probe(self) -> None:
        """Have a timestamp made that nobody needs.

        Raises:
            Unavailable: None is made; the error says what to mend.
        """
        try:
            self.timestamp(digest=hashlib.sha256(b"qcp-sdk doctor").digest())
        except Rejected as refusal:
            raise Unavailable(refusal.what, where=refusal.where, mend="check what this account allows") from refusal


def _stated(token: bytes) -> tuple[bytes, int] | None:
    """Give the imprint and the nonce of a token, or None where it is none."""
    try:
        told = cms.ContentInfo.load(token, strict=True)["content"]["encap_content_info"]["content"].parsed
        imprint = told["message_imprint"]
        if imprint["hash_algorithm"]["algorithm"].native != "sha256":
            return None
        return bytes(imprint["hashed_message"].native), int(told["nonce"].native)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError):
        return None
