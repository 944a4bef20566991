"""Keeping documents by their exact bytes, and making and sealing the certificate request (features D1, D3)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Protocol

from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import ContentHash, Key


class Documents(Protocol):
    """A shelf of immutable documents, and the maker of certificate requests."""

    def keep(self, *, content: bytes | Path) -> ContentHash:
        """Keep these bytes and give their name. Keeping them again is free."""

    def read(self, *, document: ContentHash) -> bytes:
        """Give the bytes back, checked against their name.

        Raises:
            Rejected: `unknown_document`, or `damaged`: the bytes no longer have that name.
        """

    def path(self, *, document: ContentHash) -> Path:
        """Give a file that holds these bytes, to be read only; for documents too large to hold in memory.

        Raises:
            Rejected: `unknown_document`.
        """

    def forget(self, *, document: ContentHash) -> None:
        """Take the document from the shelf, for good. One that is not there is forgotten already; what is kept again
        is there again.
        """

    def compose_request(self, *, key: Key, application: Application, language: str, at: datetime) -> ContentHash:
        """Make the certificate request PDF and keep it. The same application and instant give the same bytes.

        Raises:
            Rejected: `cannot_compose`: these data cannot be set. `key_reused` for another application.
        """

    def seal_request(
        self, *, key: Key, document: ContentHash, signatory: str, challenge: str, verified_at: datetime
    ) -> ContentHash:
        """Sign the request electronically with the platform's seal, on the evidence of the code, and keep the result.

        Raises:
            Rejected: `unknown_document`, `cannot_seal`; `key_reused` for another document or challenge.
        """
