"""What is known of one ceremony at one moment. Everything is frozen and hashable."""

from __future__ import annotations

from datetime import datetime

from attrs import evolve, field, frozen

from qcp_sdk.ceremony.facts import CeremonyOpened
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.collectes import Document, Signatory
from qcp_sdk.otp import Codes
from qcp_sdk.values import CeremonyId, ChallengeId, ContentHash, DocumentId, SessionId


@frozen(kw_only=True)
class Preparation:
    """A document with a place for the signature, as the envelope prepared it."""

    base: ContentHash
    prepared: ContentHash
    digest: bytes
    state: bytes = field(repr=False)


@frozen(kw_only=True)
class Progress:
    """How far one document is. `failed` is the reason why it will not be signed; `signed` what it became."""

    document: Document
    preparation: Preparation | None = None
    value: bytes | None = field(default=None, repr=False)
    signed: ContentHash | None = None
    revision: int = 0
    failed: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.signed is not None or bool(self.failed)


@frozen(kw_only=True)
class SignerChallenge:
    """The code that the signer sent, and how often it was answered wrongly."""

    id: ChallengeId
    not_after: datetime
    masked: str
    wrong: int = 0


@frozen(kw_only=True)
class Ceremony:
    """One signatory's ceremony. `round` counts the codes asked for; answers carry it, so that older ones are told."""

    id: CeremonyId
    sequence: int
    stage: CeremonyStage
    opened: CeremonyOpened
    documents: tuple[Progress, ...]
    codes: Codes = Codes()
    round: int = 0
    lease_until: datetime | None = None
    """Until when the documents are reserved for this signatory."""
    challenge: SignerChallenge | None = None
    lost: ChallengeId | None = None
    """The challenge whose activation was given up for lost: what the signer still says of it counts, as long as what it
    was to sign is prepared."""
    handle: str = ""
    session: SessionId | None = None
    url: str = field(default="", repr=False)
    consented_at: datetime | None = None
    problem: str = ""
    """Why the last code or activation did not work, for the page to say."""
    reason: str = ""
    """Why it ended as it did."""
    ended: str = ""
    """The collecte ended while an answer of the signer was out: takes effect when the answer is in."""
    copied: bool = False

    @property
    def signatory(self) -> Signatory:
        """Who signs."""
        return next(one for one in self.opened.collecte.signatories if one.id == self.opened.signatory)

    def progress(self, document: DocumentId) -> Progress | None:
        """Give how far this document is; None for one of another collecte."""
        return next((one for one in self.documents if one.document.id == document), None)

    def with_progress(self, changed: Progress) -> tuple[Progress, ...]:
        """Give the documents with this one replaced."""
        return tuple(changed if one.document.id == changed.document.id else one for one in self.documents)


def unprepared(c: Ceremony) -> tuple[Progress, ...]:
    """Give the documents as they are when nothing is reserved: what was prepared rests on bytes that may change now."""
    return tuple(one if one.settled else evolve(one, preparation=None) for one in c.documents)


def at(c: Ceremony, stage: CeremonyStage, **changes: object) -> Ceremony:
    """Give the record one fact later, at this stage, with these parts replaced.

    `evolve` is fine here: a ceremony takes a dozen steps, each beside a signature that costs a thousand times more.
    """
    return evolve(c, sequence=c.sequence + 1, stage=stage, **changes)  # type: ignore[arg-type]
