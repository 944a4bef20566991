"""What was found in a document, before anyone asks what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from attrs import field, frozen

from qcp_sdk.verification.report import Changes, Indication, TimeSource, TimestampKind

Accepts = Callable[[Sequence[bytes], datetime], bool]
"""Whether a path (DER, the certificate first, the listed one last) ends at a service in force at an instant."""


@frozen(kw_only=True)
class Trust:
    """Where trust paths may end, and which of them count at an instant."""

    issuers: tuple[bytes, ...] = field(repr=False)
    stampers: tuple[bytes, ...] = field(repr=False)
    accepts: Accepts = field(repr=False)


@frozen(kw_only=True)
class TimestampFacts:
    """What was found of one timestamp."""

    kind: TimestampKind
    time: datetime
    indication: Indication
    sub_indication: str = ""
    path: tuple[bytes, ...] = field(default=(), repr=False)
    """DER, the time-stamping unit's certificate first; only that one where no path was found."""
    revision: int = 0


@frozen(kw_only=True)
class SignatureFacts:
    """What was found of one signature, before anyone asks what it is worth."""

    field_name: str
    indication: Indication
    sub_indication: str = ""
    certificate: bytes = field(default=b"", repr=False)
    path: tuple[bytes, ...] = field(default=(), repr=False)
    """DER, the signer's certificate first, the listed one last; empty where no path was found."""
    format: str = ""
    proven: datetime | None = None
    """The earliest time at which it is proven to have existed."""
    source: TimeSource = TimeSource.VERIFICATION
    claimed: datetime | None = None
    covers_whole_document: bool = False
    covers_revision: bool = False
    changes: Changes = Changes.UNKNOWN
    allowed: bool = False
    """Whether the changes are of a kind that the document allows after this signature."""
    shown_over: bool = False
    """Whether a later signature shows something on the document's pages."""
    later_revisions: int = 0
    names_certificate: bool = False
    """Whether the signed attributes name the certificate (ESS signing-certificate, RFC 5035)."""
    intact: bool = False
    """Whether digest and signature value hold, whatever is known of the certificate."""
    revoked_at: datetime | None = None
    timestamps: tuple[TimestampFacts, ...] = ()


@frozen(kw_only=True)
class DocumentFacts:
    """What was found in a document."""

    signatures: tuple[SignatureFacts, ...] = ()
    timestamps: tuple[TimestampFacts, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything in it was validated without a doubt."""
        stamps = [*self.timestamps, *(stamp for one in self.signatures for stamp in one.timestamps)]
        found = (*(one.indication for one in self.signatures), *(one.indication for one in stamps))
        return all(one is Indication.PASSED for one in found)
