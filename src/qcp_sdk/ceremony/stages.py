"""Stages of a ceremony: one signatory signing one or more documents at a level. Values are stored."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class CeremonyPlan(StrEnum):
    """Where the signatory signs."""

    OURS = "ours"
    """On the host's pages: our envelope, the signer's key."""
    HOSTED = "hosted"
    """On the provider's own page."""


class CeremonyStage(StrEnum):
    """Where a ceremony stands (behaviour § 6)."""

    WAITING_TURN = "waiting_turn"
    CONSENTING = "consenting"
    AWAITING_CODE = "awaiting_code"
    SIGNING = "signing"
    SIGNING_AT_PROVIDER = "signing_at_provider"
    SIGNED = "signed"
    PARTLY_SIGNED = "partly_signed"
    REFUSED = "refused"
    LAPSED = "lapsed"
    FAILED = "failed"


CEREMONY_FINAL: Final = frozenset(
    {
        CeremonyStage.SIGNED,
        CeremonyStage.PARTLY_SIGNED,
        CeremonyStage.REFUSED,
        CeremonyStage.LAPSED,
        CeremonyStage.FAILED,
    }
)
"""Stages that nothing leaves."""
