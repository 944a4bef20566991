"""The PDF side of a signature: prepare a place, give the digest to sign, embed the answer (PAdES, EN 319 142-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from qcp_sdk.ports.signer import Credential
from qcp_sdk.values import ContentHash, Key


@frozen(kw_only=True)
class Appearance:
    """What a visible signature shows. `page` counts from 0, `box` is in points from the lower left corner."""

    page: int
    box: tuple[int, int, int, int]
    name: str
    level: str
    url: str = ""


@frozen(kw_only=True)
class PreparedSignature:
    """A document with a place for a signature, waiting for its value; small, and safe to store."""

    base: ContentHash
    """What was to be signed."""
    prepared: ContentHash
    """The same with the place for the signature, kept."""
    digest: bytes
    """SHA-256 of the signed attributes: what the signer signs."""
    state: bytes = field(repr=False)
    """What `embed` needs, opaque; less than 4 KiB."""


class Envelope(Protocol):
    """Puts signatures into PDF documents that are kept on the shelf."""

    def prepare(
        self,
        *,
        key: Key,
        validated: ContentHash,
        base: ContentHash,
        credential: Credential,
        at: datetime,
        reason: str = "",
        appearance: Appearance | None = None,
    ) -> PreparedSignature:
        """Make a place for a signature in `base`, which must begin with the exact bytes of `validated`.

        Raises:
            Rejected: `document_changed`, `unreadable`, `encrypted`, `not_allowed` (a certification forbids it),
                `credential_unusable`, `appearance_unsupported`; `unknown_document`, `damaged` from the shelf.
        """

    def embed(self, *, key: Key, prepared: PreparedSignature, credential: Credential, value: bytes) -> ContentHash:
        """Put the signature value in, with timestamp and revocation data as configured, and keep the result.

        Raises:
            Rejected: `value_refused`: it does not verify against the certificate. `certificate_revoked`,
                `certificate_expired`: its issuer says so by now. `credential_unusable`, `place_too_small`,
                `unknown_state`: another place's, too; `unknown_document`, `damaged` from the shelf; `key_reused` for
                another place.
            Unavailable: No timestamp or no revocation data for the moment: again later, with the same value.
        """
