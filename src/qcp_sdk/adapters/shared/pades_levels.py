"""The baseline levels of PAdES (EN 319 142-1 § 6.3), each adding to the one before."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from qcp_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from qcp_sdk.adapters.shared.revocation import RevocationSource
    from qcp_sdk.ports.timestamps import Timestamps


class PadesLevel(IntEnum):
    """How long, and against whom, a signature can be proven. Ordered."""

    B_B = 0
    """The signature alone: its time is only claimed."""
    B_T = 1
    """With a signature timestamp: it existed then."""
    B_LT = 2
    """With certificates and revocation data inside: it can be verified offline, after the certificate's end."""
    B_LTA = 3
    """With a document timestamp over all of that: it outlives the algorithms, by adding another in time."""

    @property
    def timestamped(self) -> bool:
        """Whether a timestamping authority is needed."""
        return self >= PadesLevel.B_T

    @property
    def long_term(self) -> bool:
        """Whether revocation data are needed."""
        return self >= PadesLevel.B_LT


def check_level(*, level: PadesLevel, timestamps: Timestamps | None, revocation: RevocationSource | None) -> None:
    """Make sure that this level can be reached with these collaborators.

    Raises:
        ConfigurationError: No timestamps for B-T or above, or no revocation source for B-LT or above.
    """
    if level.timestamped and timestamps is None:
        raise ConfigurationError(
            f"signatures of level `{level.name}` need a timestamping authority",
            where="timestamps",
            mend="configure one, or choose PadesLevel.B_B",
        )
    if level.long_term and revocation is None:
        raise ConfigurationError(
            f"signatures of level `{level.name}` need a source of revocation data",
            where="revocation",
            mend="configure one, or choose PadesLevel.B_T",
        )
