"""What can happen to a ceremony. Facts shared with the subscription are in `qcp_sdk.facts`."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import field, frozen

from qcp_sdk.ceremony.stages import CeremonyPlan
from qcp_sdk.certificates import Certificate
from qcp_sdk.collectes import Collecte
from qcp_sdk.facts import (
    CodeRequested,
    DeadlinePassed,
    Fact,
    Origin,
    ReminderDue,
    SilenceNoted,
)
from qcp_sdk.values import CeremonyId, ChallengeId, ContentHash, DocumentId, SessionId, SignatoryId, utc


@frozen(kw_only=True)
class CeremonyRoutes:
    """Which configured collaborator serves each part, for the ceremony's life."""

    notices: str = "default"
    signer: str = "default"
    envelope: str = "default"
    documents: str = "default"
    pages: str = "default"


@frozen(kw_only=True)
class CeremonyWaits:
    """How long each part may take, besides the collecte's own deadline."""

    lease: timedelta = timedelta(minutes=5)
    """How long documents stay reserved for a signatory who asked for a code."""
    reminder: timedelta = timedelta(days=3)
    """How long before the deadline a signatory is reminded."""


@frozen(kw_only=True)
class CeremonyOpened(Fact):
    """The collecte was validated: what is signed, by whom, at which level, with which certificate."""

    kind = "ceremony_opened"
    origin = Origin.HOST
    id: CeremonyId
    collecte: Collecte
    signatory: SignatoryId
    certificate: Certificate | None
    """The one that the decision chose; None for niveau 1, or where the provider's page signs."""
    decision: str
    """Hash of the policy's decision, which the host stores with the collecte."""
    my_turn: bool
    plan: CeremonyPlan = CeremonyPlan.OURS
    routes: CeremonyRoutes = CeremonyRoutes()
    waits: CeremonyWaits = CeremonyWaits()


@frozen(kw_only=True)
class TurnArrived(Fact):
    """Everybody before has signed."""

    kind = "turn_arrived"


@frozen(kw_only=True)
class DocumentsConsented(Fact):
    """The signatory agrees to sign exactly these bytes, by name and hash."""

    kind = "documents_consented"
    origin = Origin.PERSON
    documents: tuple[tuple[DocumentId, ContentHash], ...]


@frozen(kw_only=True)
class Declined(Fact):
    """The signatory refuses to sign, which ends the collecte."""

    kind = "declined"
    origin = Origin.PERSON
    reason: str = ""


@frozen(kw_only=True)
class CollecteEnded(Fact):
    """The host (or another signatory's refusal) ended the collecte: `cancelled`, `refused`, `expired`."""

    kind = "collecte_ended"
    cause: str


@frozen(kw_only=True)
class DocumentPrepared(Fact):
    """A place for the signature is made in one document; `digest` is what the signer will sign."""

    kind = "document_prepared"
    round: int
    document: DocumentId
    base: ContentHash
    prepared: ContentHash
    digest: bytes
    state: bytes = field(repr=False)


@frozen(kw_only=True)
class DocumentFailed(Fact):
    """One document cannot be signed; the others are not affected."""

    kind = "document_failed"
    round: int
    document: DocumentId
    reason: str


@frozen(kw_only=True)
class ChallengeOpened(Fact):
    """The signer sent the signatory a code for these digests."""

    kind = "challenge_opened"
    round: int
    challenge: ChallengeId
    not_after: datetime = field(converter=utc)
    masked: str


@frozen(kw_only=True)
class ChallengeRefused(Fact):
    """The signer sends no code."""

    kind = "challenge_refused"
    round: int
    reason: str


@frozen(kw_only=True)
class ActivationAsked(Fact):
    """A code was typed and is about to be shown to the signer: counted before it is answered.

    `allowed` is the policy's answer at this instant; `findings` are the ids of the rules that did not pass.
    """

    kind = "activation_asked"
    origin = Origin.PERSON
    challenge: ChallengeId
    allowed: bool
    findings: tuple[str, ...] = ()


@frozen(kw_only=True)
class ActivationRefused(Fact):
    """The signer did not accept the code: `wrong_code`, `expired`, `locked`, `spent` …"""

    kind = "activation_refused"
    challenge: ChallengeId
    reason: str


@frozen(kw_only=True)
class ActivationLost(Fact):
    """Nobody knows whether the signer saw the code: the signatory activates again, with a new one."""

    kind = "activation_lost"
    challenge: ChallengeId


@frozen(kw_only=True)
class SigningDelayed(Fact):
    """The signer accepted the code and will answer later under this handle."""

    kind = "signing_delayed"
    challenge: ChallengeId
    handle: str


@frozen(kw_only=True)
class HashesAnswered(Fact):
    """The signer's answers: for each digest a value, or the reason why there is none."""

    kind = "hashes_answered"
    challenge: ChallengeId
    signed: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    """(digest, value)."""
    refused: tuple[tuple[bytes, str], ...] = ()
    """(digest, reason)."""


@frozen(kw_only=True)
class DocumentSigned(Fact):
    """The signature is in the document; `revision` counts the signatures of the collecte on it."""

    kind = "document_signed"
    document: DocumentId
    content: ContentHash
    revision: int


@frozen(kw_only=True)
class EmbeddingFailed(Fact):
    """The value could not be put into the document."""

    kind = "embedding_failed"
    document: DocumentId
    reason: str


@frozen(kw_only=True)
class TransactionOpened(Fact):
    """Hosted: the provider's page waits at this address."""

    kind = "transaction_opened"
    session: SessionId
    url: str = field(repr=False)
    expires: datetime = field(converter=utc)


@frozen(kw_only=True)
class TransactionRejected(Fact):
    """Hosted: the provider opens no transaction."""

    kind = "transaction_rejected"
    reason: str


@frozen(kw_only=True)
class TransactionSigned(Fact):
    """Hosted: signed on the provider's page; the signed documents are kept."""

    kind = "transaction_signed"
    session: SessionId
    documents: tuple[tuple[DocumentId, ContentHash], ...]
    revisions: tuple[tuple[DocumentId, int], ...] = ()
    """How many signatures of the collecte each document carries with this one; the engine counts them."""


@frozen(kw_only=True)
class TransactionEnded(Fact):
    """Hosted: ended without a signature: `refused`, `expired`, `failed`."""

    kind = "transaction_ended"
    session: SessionId
    reason: str


@frozen(kw_only=True)
class CollecteCompleted(Fact):
    """Everybody has signed; these are the final documents."""

    kind = "collecte_completed"
    documents: tuple[tuple[str, ContentHash], ...]
    """(file name, content)."""


CEREMONY_FACTS: tuple[type[Fact], ...] = (
    CeremonyOpened,
    TurnArrived,
    DocumentsConsented,
    Declined,
    CollecteEnded,
    CodeRequested,
    DocumentPrepared,
    DocumentFailed,
    ChallengeOpened,
    ChallengeRefused,
    ActivationAsked,
    ActivationRefused,
    ActivationLost,
    SigningDelayed,
    HashesAnswered,
    DocumentSigned,
    EmbeddingFailed,
    TransactionOpened,
    TransactionRejected,
    TransactionSigned,
    TransactionEnded,
    CollecteCompleted,
    DeadlinePassed,
    ReminderDue,
    SilenceNoted,
)
"""Every fact of a ceremony."""
