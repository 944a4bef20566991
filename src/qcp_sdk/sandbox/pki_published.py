"""What relying parties fetch from the sandbox's authorities: certificates and revocation lists, DER."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

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
