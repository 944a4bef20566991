"""What relying parties ask of the sandbox's authorities: certificates and revocation lists (DER), timestamps."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from asn1crypto import cms, tsp  # type: ignore[import-untyped]

from qcp_sdk.adapters.shared.rfc3161 import TimeStampResp
from qcp_sdk.sandbox.pki import SandboxPki
from qcp_sdk.sandbox.wsgi import Answer, Failed, Provider, Request, route


class PublishedPki(Provider):
    """A provider that publishes what its `pki` makes."""

    pki: SandboxPki

    @route("GET", "/pki/{name}")
    def published(self, request: Request, name: str) -> Answer:  # noqa: ARG002
        """Give `root.crl`, `qcp.crl`, and the certificates `root.crt`, `qcp.crt`, `tsu.crt`."""
        files: dict[str, Callable[[], bytes]] = {
            "root.crl": lambda: self.pki.crl(issuer=self.pki.root) or b"",
            "qcp.crl": lambda: self.pki.crl(issuer=self.pki.authority) or b"",
            "root.crt": lambda: self.pki.root,
            "qcp.crt": lambda: self.pki.authority,
            "tsu.crt": lambda: self.pki.timestamps,
        }
        if name not in files:
            raise Failed(HTTPStatus.NOT_FOUND, "nothing of this name is published")
        kind = "application/pkix-crl" if name.endswith("crl") else "application/pkix-cert"
        return Answer(body=files[name](), type=kind)

    @route("POST", "/tsa")
    def timestamped(self, request: Request) -> Answer:
        """Give a timestamp (RFC 3161 § 3.4) over a SHA-256 digest."""
        try:
            asked = tsp.TimeStampReq.load(request.body, strict=True)
            imprint = asked["message_imprint"]
            algorithm, digest = imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native
            nonce = asked["nonce"].native
        except (ValueError, TypeError, KeyError) as error:
            raise Failed(HTTPStatus.BAD_REQUEST, "it is no TimeStampReq") from error
        if algorithm != "sha256" or len(digest) != 32:
            told = {"status": {"status": "rejection", "fail_info": {"bad_alg"}}}
        else:
            token = cms.ContentInfo.load(self.pki.timestamp(digest, nonce=nonce))
            told = {"status": {"status": "granted"}, "time_stamp_token": token}
        return Answer(body=TimeStampResp(told).dump(), type="application/timestamp-reply")
