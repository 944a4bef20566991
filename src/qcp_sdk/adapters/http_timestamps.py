"""A time-stamping authority over HTTP (RFC 3161 § 3.4)."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from asn1crypto import core, tsp  # type: ignore[import-untyped]

from qcp_sdk.adapters.shared.fetching import ANYWHERE, Fetcher
from qcp_sdk.adapters.shared.rfc3161 import TimeStampResp
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.values import Secret

LARGEST: Final = 100_000
_DIGEST_LENGTH: Final = 32
_UNREADABLE: Final = (ValueError, TypeError, KeyError, IndexError, AttributeError)
_AGAIN: Final = frozenset({"time_not_available", "system_failure"})


class HttpTimestamps:
    """Asks the authority at `url`; implements the `Timestamps` port.

    Whose time counts is for the verifier to say; what is checked here is that the answer is over this very digest
    and to this very question. `authorization` is sent as the header of that name (`Basic …`, `Bearer …`). The
    address is yours, so it may be a private one; give a `fetcher` to have it otherwise.

    Raises:
        ConfigurationError: `url` is no web address.
    """

    def __init__(
        self, url: str, *, policy: str = "", authorization: Secret | None = None, fetcher: Fetcher | None = None
    ) -> None:
        if not url.startswith(("https://", "http://")):
            raise ConfigurationError(f"`{url[:80]}` is no web address", where="url", mend="begin it with https://")
        self._url, self._policy, self._authorization = url, policy, authorization
        self._fetcher = fetcher or Fetcher(allow=ANYWHERE)

    def __repr__(self) -> str:
        return f"HttpTimestamps({self._url!r})"

    def probe(self) -> None:
        """Have a timestamp made that nobody needs.

        Raises:
            Unavailable: None is made; the error says what to mend.
        """
        try:
            self.timestamp(digest=hashlib.sha256(b"qcp-sdk doctor").digest())
        except Rejected as refusal:
            raise Unavailable(refusal.what, where=refusal.where, mend="check what this account allows") from refusal

    def timestamp(self, *, digest: bytes) -> bytes:
        """Give a TimeStampToken over this SHA-256 digest.

        Raises:
            Rejected: `bad_digest`: it does not have 32 bytes. `refused`: the authority refuses.
            Unavailable: It does not answer, or answers something else.
        """
        if len(digest) != _DIGEST_LENGTH:
            raise Rejected(f"a SHA-256 digest has {_DIGEST_LENGTH} bytes, not {len(digest)}", reason="bad_digest")
        nonce = secrets.randbits(63) | 1 << 62
        answer = self._fetcher.post(
            self._url,
            self._request(digest, nonce),
            content_type="application/timestamp-query",
            authorization=self._authorization.reveal() if self._authorization else "",
            most=LARGEST,
        )
        try:
            response = TimeStampResp.load(answer, strict=True)
            status, failure = response["status"]["status"].native, response["status"]["fail_info"].native
            if status in {"granted", "granted_with_mods"}:
                token = response["time_stamp_token"]
                told = token["content"]["encap_content_info"]["content"].parsed
                imprint = told["message_imprint"]
                same = imprint["hashed_message"].native == digest and told["nonce"].native == nonce
                encoded: bytes = token.dump()
            else:
                same, encoded = True, b""
        except _UNREADABLE as error:
            raise Unavailable(
                "the authority's answer cannot be read",
                where=self._url,
                mend="check the address: is it an RFC 3161 one?",
            ) from error
        if not same:
            raise Unavailable("the authority answered another question", where=self._url, mend="ask again")
        if not encoded:
            why = ", ".join(sorted(failure)) if failure else status
            if failure and failure & _AGAIN:
                raise Unavailable(f"the authority has no time to give (`{why}`)", where=self._url, mend="ask again")
            raise Rejected(f"the authority refuses (`{why}`)", reason="refused", where=self._url)
        return encoded

    def _request(self, digest: bytes, nonce: int) -> bytes:
        request = {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
            "nonce": core.Integer(nonce),
            "cert_req": True,
        }
        if self._policy:
            request["req_policy"] = self._policy
        encoded: bytes = tsp.TimeStampReq(request).dump()
        return encoded
