"""The platform's electronic seal on a PDF: PAdES with a key at hand (feature D3)."""

from __future__ import annotations

from collections.abc import Callable

from qcp_sdk.adapters.shared.pades_levels import PadesLevel, check_level
from qcp_sdk.adapters.shared.revocation import RevocationSource
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.signer import Credential
from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.values import Key


class PdfSeal:
    """Seals documents of a few megabytes at most with one credential, whose key `signing` holds.

    `signing` turns a SHA-256 digest into the raw signature (for ECDSA: DER of r and s). Thread-safe if `signing` is.
    """

    def __init__(
        self,
        *,
        credential: Credential,
        signing: Callable[[bytes], bytes],
        timestamps: Timestamps | None,
        revocation: RevocationSource | None,
        clock: Clock,
        level: PadesLevel = PadesLevel.B_LT,
    ) -> None:
        """Refuse at once what could only fail at the first seal.

        Raises:
            ConfigurationError: No timestamps for B-T or above, or no revocation source for B-LT or above.
        """
        check_level(level=level, timestamps=timestamps, revocation=revocation)
        self._credential = credential
        self._signing = signing
        self._timestamps = timestamps
        self._revocation = revocation
        self._clock = clock
        self._level = level

    def __repr__(self) -> str:
        return f"PdfSeal({self._level.name})"

    @property
    def simulated(self) -> bool:
        """Whether a part of it is not fit for production."""
        return any(getattr(part, "simulated", False) for part in (self._timestamps, self._revocation))

    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        """Give the sealed PDF, which begins with the very bytes of `pdf`; `reason` is written into the seal.

        Raises:
            Rejected: `unreadable`, `encrypted`, `not_allowed`, `value_refused`, `credential_unusable`,
                `certificate_revoked`, `certificate_expired`.
            Unavailable: No timestamp or no revocation data for the moment.
        """
        from qcp_sdk.adapters.shared import pades

        return pades.sign(
            pdf=pdf,
            name=key,
            signing=self._signing,
            chain=self._credential.chain,
            algorithm=self._credential.algorithm,
            at=self._clock.now(),
            clock=self._clock,
            level=self._level,
            timestamps=self._timestamps,
            revocation=self._revocation,
            reason=reason,
        )
