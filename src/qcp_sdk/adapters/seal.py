"""The platform's electronic seal on a PDF, as a PAdES signature (EN 319 142-1) with a key at hand or behind a call."""

from __future__ import annotations

from collections.abc import Callable

from qcp_sdk.adapters.shared.pades import sign
from qcp_sdk.adapters.shared.pades_levels import PadesLevel, check_level
from qcp_sdk.adapters.shared.revocation import RevocationSource
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.signer import Credential
from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.values import Key


class PadesSeal:
    """Seals small documents. `signing` turns a SHA-256 digest into the raw signature of `credential`'s key.

    `LocalTrustCentre.seal_credential()` gives both. A level above B-B needs `timestamps`, B-LT `revocation` too.

    Raises:
        ConfigurationError: The level needs a collaborator that is not there.
    """

    def __init__(
        self,
        *,
        credential: Credential,
        signing: Callable[[bytes], bytes],
        clock: Clock,
        level: PadesLevel = PadesLevel.B_B,
        timestamps: Timestamps | None = None,
        revocation: RevocationSource | None = None,
    ) -> None:
        check_level(level=level, timestamps=timestamps, revocation=revocation)
        self._credential, self._signing, self._clock = credential, signing, clock
        self._level, self._timestamps, self._revocation = level, timestamps, revocation

    def __repr__(self) -> str:
        return f"PadesSeal({self._credential.fingerprint}, {self._level.name})"

    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        """Give the sealed PDF: the same bytes, and a revision with the signature after them.

        Raises:
            Rejected: The PDF cannot be sealed, or the credential cannot be used.
            Unavailable, Unconfirmed: As the timestamping authority.
        """
        return sign(
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
