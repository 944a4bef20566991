"""What a ceremony asks of the world. Shared effects are in `qcp_sdk.effects`."""

from __future__ import annotations

from datetime import timedelta

from attrs import field, frozen

from qcp_sdk.effects import Effect, Nature
from qcp_sdk.values import (
    CeremonyId,
    ChallengeId,
    CollecteId,
    ContentHash,
    DocumentId,
    Fingerprint,
    SessionId,
)


@frozen(kw_only=True)
class PrepareSignature(Effect):
    """Make a place for the signature in the present revision of one document."""

    kind = "prepare_signature"
    round: int
    document: DocumentId
    validated: ContentHash
    fingerprint: Fingerprint


@frozen(kw_only=True)
class ChallengeSigner(Effect):
    """Have the signer send the signatory a code for these digests."""

    kind = "challenge_signer"
    round: int
    fingerprint: Fingerprint
    digests: tuple[bytes, ...]
    language: str


@frozen(kw_only=True)
class PollSigning(Effect):
    """Ask for answers that the signer promised."""

    kind = "poll_signing"
    after = timedelta(seconds=5)
    challenge: ChallengeId
    handle: str


@frozen(kw_only=True)
class EmbedSignature(Effect):
    """Put a signature value into its document; the value was paid for, so this is repeated until it is done."""

    kind = "embed_signature"
    document: DocumentId
    fingerprint: Fingerprint
    base: ContentHash
    prepared: ContentHash
    digest: bytes
    state: bytes = field(repr=False)
    value: bytes = field(repr=False)


@frozen(kw_only=True)
class PassTurn(Effect):
    """Tell whoever comes next that it is their turn, or everybody that all have signed."""

    kind = "pass_turn"
    collecte: CollecteId


@frozen(kw_only=True)
class EndCollecte(Effect):
    """Tell every other signatory that the collecte has ended."""

    kind = "end_collecte"
    collecte: CollecteId
    cause: str


@frozen(kw_only=True)
class OpenTransaction(Effect):
    """Hosted: have the provider's page sign the present revisions."""

    kind = "open_transaction"
    ceremony: CeremonyId


@frozen(kw_only=True)
class AskTransaction(Effect):
    """Hosted: ask how the transaction stands, until it has ended."""

    kind = "ask_transaction"
    after = timedelta(seconds=30)
    session: SessionId


@frozen(kw_only=True)
class CloseTransaction(Effect):
    """Hosted: end a transaction that is no longer wanted."""

    kind = "close_transaction"
    nature = Nature.REPEATABLE
    session: SessionId
