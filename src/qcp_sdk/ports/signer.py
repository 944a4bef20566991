"""The remote signing service that holds the signatory's key (features E4, F).

The signer, not always we, verifies the code: a challenge names the hashes (SCAL2 pins them), the activation
brings the code, and the answer comes hash by hash, at once or later.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, TypeAlias

from attrs import field, frozen

from qcp_sdk.ports.answers import Pending
from qcp_sdk.values import ChallengeId, Fingerprint, Key, Secret


@frozen(kw_only=True)
class Credential:
    """A signing key behind a service, by its certificate."""

    fingerprint: Fingerprint
    chain: tuple[bytes, ...] = field(repr=False)
    """DER, the signatory's certificate first."""
    algorithm: str
    """`sha256_rsa` or `sha256_ecdsa` (asn1crypto's names)."""
    batch: int = 1
    """The most hashes that one activation signs."""


@frozen(kw_only=True)
class SigningChallenge:
    """A code was sent to the signatory for exactly these hashes."""

    id: ChallengeId
    not_after: datetime
    masked: str
    """Where the code went, as it may be shown: `*****1316`."""


@frozen(kw_only=True)
class HashSigned:
    """`value` is the raw signature (for ECDSA: DER of r and s) over `digest`."""

    digest: bytes
    value: bytes = field(repr=False)


@frozen(kw_only=True)
class HashRefused:
    """The service does not sign this digest; the others are not affected."""

    digest: bytes
    reason: str


HashAnswer: TypeAlias = HashSigned | HashRefused


@frozen(kw_only=True)
class SigningPending(Pending):
    """Accepted, not answered yet: ask with this handle."""

    handle: str


class Signer(Protocol):
    """Signs hashes with a signatory's key, when the signatory activates it."""

    def credential(self, *, fingerprint: Fingerprint) -> Credential:
        """Give what is needed to prepare signatures with this certificate.

        Raises:
            Rejected: `unknown_credential`, `disabled`.
        """

    def challenge(
        self, *, key: Key, fingerprint: Fingerprint, digests: tuple[bytes, ...], language: str
    ) -> SigningChallenge:
        """Send a code to the signatory's mobile of record, for exactly these SHA-256 digests.

        Raises:
            Rejected: `unknown_credential`, `disabled`, `too_many`, `locked`, `too_soon`, `undeliverable`,
                `key_reused`.
        """

    def activate(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...], code: Secret
    ) -> tuple[HashAnswer, ...] | SigningPending:
        """Sign the digests of the challenge, if the code is right. Every digest is answered.

        The same key answers the same without looking at the code again.

        Raises:
            Rejected: `wrong_code`, `expired`, `locked`, `spent`, `hash_not_authorised`, `unknown_challenge`,
                `key_reused`.
        """

    def answered(
        self, *, key: Key, challenge: ChallengeId, digests: tuple[bytes, ...]
    ) -> tuple[HashAnswer, ...] | SigningPending | None:
        """Give what the activation under this key was answered, without a code; None: nothing is known of it.

        It is asked when whoever showed the code has died before the answer was recorded: what was signed is paid for.
        No code is looked at, and nothing counted.

        Raises:
            Rejected: As `activate` was.
        """

    def poll(self, *, handle: str) -> tuple[HashAnswer, ...] | SigningPending:
        """Ask for the answer of an activation that was pending.

        Raises:
            Rejected: `unknown_handle`.
        """
