"""A key management service: wraps small secrets under keys that never leave it.

What is asked of it is little, so that every such service can do it: AWS KMS, Google Cloud KMS, Azure Key Vault, the
transit engine of Vault, a PKCS #11 token. It is asked once for each data key that a process meets.
"""

from __future__ import annotations

from typing import Protocol

from attrs import field, frozen


@frozen(kw_only=True)
class Wrapped:
    """A secret as the service wrapped it: under which of its keys, and the bytes that it gave."""

    key: str
    """Id of the key: 1 to 255 printable ASCII characters."""
    content: bytes = field(repr=False)


class Kms(Protocol):
    """Wraps and unwraps secrets of a few dozen bytes. Safe for many threads; raises `Unavailable` besides."""

    @property
    def current(self) -> str:
        """The id of the key that `wrap` uses now. A key that is rotated has a new id: where the service keeps the
        name and counts versions, the version is part of the id.
        """

    def wrap(self, *, secret: bytes) -> Wrapped:
        """Wrap a secret under the current key. Two wrappings of one secret need not be alike."""

    def unwrap(self, *, wrapped: Wrapped) -> bytes:
        """Give the secret back, under whichever of its keys it was wrapped.

        Raises:
            Rejected: `unknown_key`: it has no such key, or may no longer use it; `not_authentic`: what was wrapped
                has changed, or was wrapped under another key.
        """
