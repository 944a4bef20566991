"""PAdES signatures in documents on the shelf (features E4, F): the envelope port on pyHanko."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.pades_levels import PadesLevel, check_level
from qcp_sdk.adapters.shared.revocation import RevocationSource
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.envelope import Appearance, PreparedSignature
from qcp_sdk.ports.signer import Credential
from qcp_sdk.ports.timestamps import Timestamps
from qcp_sdk.values import ContentHash, Key, content_hash

if TYPE_CHECKING:
    from qcp_sdk.adapters.shared.pades import Stamp

__all__ = ["PadesLevel", "PdfEnvelope"]

_CHUNK: Final = 1 << 20


class Shelf(Protocol):
    """The part of `ports.documents.Documents` that is needed here: any implementation of that port will do."""

    def keep(self, *, content: bytes | Path) -> ContentHash:
        """As the port."""

    def path(self, *, document: ContentHash) -> Path:
        """As the port."""


class PdfEnvelope:
    """Puts PAdES signatures of `level` into documents that are kept on the shelf.

    Works from file to file: memory does not grow with the document. Thread-safe; holds no state of its own, so
    `embed` may run in another process than `prepare`, days later. pyHanko is imported at the first use.

    `answers` remembers what each key of `embed` gave, across restarts. Without it, embedding a value again gives
    another document, equally valid, with a later timestamp.
    The room for a signature is computed from its credential; `token_size` is the room for its timestamp, in bytes,
    chain included. Nobody knows a timestamp before there is a signature: one that is larger stands over the document
    instead, in a revision of its own, which is as good (EN 319 142-1 § 6.3). It is part of what is signed over, so
    change it only when nothing is between `prepare` and `embed`.
    """

    def __init__(
        self,
        *,
        documents: Shelf,
        timestamps: Timestamps | None,
        revocation: RevocationSource | None,
        clock: Clock,
        level: PadesLevel = PadesLevel.B_LT,
        answers: KeptAnswers | None = None,
        token_size: int = 10 * 1024,
    ) -> None:
        """Refuse at once what could only fail at the first signature.

        Raises:
            ConfigurationError: No timestamps for B-T or above, or no revocation source for B-LT or above.
        """
        check_level(level=level, timestamps=timestamps, revocation=revocation)
        self._documents = documents
        self._timestamps = timestamps
        self._revocation = revocation
        self._clock = clock
        self._level = level
        self._answers = answers
        self._token_size = token_size if level.timestamped else 0

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return self._timestamps, self._revocation

    def __repr__(self) -> str:
        return f"PdfEnvelope({self._level.name})"

    @property
    def simulated(self) -> bool:
        """Whether a part of it is not fit for production."""
        return any(getattr(part, "simulated", False) for part in (self._timestamps, self._revocation))

    def prepare(
        self,
        *,
        key: Key,
        validated: ContentHash,
        base: ContentHash,
        credential: Credential,
        at: datetime,
        reason: str = "",
        appearance: Appearance | None = None,
    ) -> PreparedSignature:
        """Make a place for a signature in `base`, which must begin with the exact bytes of `validated`.

        The same arguments give the same bytes and the same digest, in any process.

        Raises:
            Rejected: `document_changed`, `unreadable`, `encrypted`, `not_allowed`, `credential_unusable`,
                `appearance_unsupported`; `unknown_document`, `damaged` from the shelf.
            Unavailable: The disk refuses.
        """
        from qcp_sdk.adapters.shared import pades

        _check_fingerprint(credential)
        stamp = None if appearance is None else _drawn(appearance, at)
        with self._working_copy(base, validated=validated) as file:
            place = pades.prepare(
                file=file,
                name=key,
                chain=credential.chain,
                algorithm=credential.algorithm,
                at=at,
                reason=reason,
                token_size=self._token_size,
                stamp=stamp,
            )
            prepared = self._documents.keep(content=file)
        return PreparedSignature(base=base, prepared=prepared, digest=place.digest, state=place.dump())

    def extend(self, *, document: ContentHash) -> ContentHash:
        """Keep the document with its proof renewed (PAdES B-LTA), before the certificate of its last timestamp ends.

        What is kept begins with the bytes of `document`, which stays as it is.

        Raises:
            ConfigurationError: No timestamps or no revocation source are configured.
            Rejected: `unreadable`, `encrypted`, `no_signature`, `signature_broken`, `certificate_revoked`,
                `certificate_expired`, `credential_unusable`; `unknown_document`, `damaged` from the shelf.
            Unavailable: No timestamp or no revocation data for the moment, or the disk refuses.
        """
        from qcp_sdk.adapters.shared import pades

        check_level(level=PadesLevel.B_LTA, timestamps=self._timestamps, revocation=self._revocation)
        assert self._timestamps is not None
        assert self._revocation is not None
        with self._working_copy(document) as file:
            pades.extend(file=file, timestamps=self._timestamps, revocation=self._revocation, clock=self._clock)
            return self._documents.keep(content=file)

    def embed(self, *, key: Key, prepared: PreparedSignature, credential: Credential, value: bytes) -> ContentHash:
        """Put the signature value in, with timestamp and revocation data as configured, and keep the result.

        Raises:
            Rejected: `value_refused`: it does not verify against the certificate; `certificate_revoked`,
                `certificate_expired`: the issuers say so now; `credential_unusable`, `place_too_small`,
                `unknown_state`; `unknown_document`, `damaged` from the shelf; `key_reused` for another place.
            Unavailable: No timestamp or no revocation data for the moment, or the disk refuses.
        """
        from qcp_sdk.adapters.shared import pades

        meant = (prepared.prepared, credential.fingerprint)
        if self._answers is not None and (known := self._answers.get(key=key, meant=meant)) is not None:
            return content_hash(known)
        _check_fingerprint(credential)
        place = pades.Place.load(prepared.state)
        if place.digest != prepared.digest:
            raise Rejected("the state belongs to another prepared signature", reason="unknown_state")
        with self._working_copy(prepared.prepared) as file:
            pades.complete(
                file=file,
                place=place,
                chain=credential.chain,
                algorithm=credential.algorithm,
                value=value,
                level=self._level,
                timestamps=self._timestamps,
                revocation=self._revocation,
                clock=self._clock,
            )
            signed = self._documents.keep(content=file)
        return signed if self._answers is None else content_hash(self._answers.put(key=key, answer=signed, meant=meant))

    @contextmanager
    def _working_copy(self, document: ContentHash, *, validated: ContentHash | None = None) -> Iterator[Path]:
        """Copy a document aside, checking in the same pass that its bytes and those it begins with have their names."""
        source = self._documents.path(document=document)
        prefix = None if validated in (None, document) else self._documents.path(document=validated or document)
        try:
            with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
                file = Path(folder) / "document.pdf"
                beginning = _copy(source, file, document, prefix.stat().st_size if prefix else 0)
                if prefix is not None and beginning != validated:
                    raise Rejected(
                        "the document does not begin with the bytes that were validated",
                        reason="document_changed",
                        mend="validate the collecte again with the document as it is now",
                    )
                yield file
        except OSError as error:
            raise Unavailable("a working copy of the document cannot be made", mend="check the free space") from error


def _copy(source: Path, target: Path, document: ContentHash, length: int) -> ContentHash | None:
    """Copy the file; give the name of its first `length` bytes, None when it is shorter.

    Raises:
        Rejected: `damaged`: the whole no longer has the name `document`.
    """
    digest = hashlib.sha256()
    beginning: ContentHash | None = None
    read = 0
    with source.open("rb") as original, target.open("wb") as copy:
        while True:
            chunk = original.read(min(_CHUNK, length - read) if read < length else _CHUNK)
            if not chunk:
                break
            digest.update(chunk)
            copy.write(chunk)
            read += len(chunk)
            if read == length:
                beginning = ContentHash(f"sha256:{digest.hexdigest()}")
    if f"sha256:{digest.hexdigest()}" != document:
        raise Rejected(
            f"the bytes kept as `{document}` have changed", reason="damaged", mend="restore it from a backup"
        )
    return beginning


def _check_fingerprint(credential: Credential) -> None:
    if not credential.chain or hashlib.sha256(credential.chain[0]).hexdigest() != credential.fingerprint:
        raise Rejected("the credential's chain does not begin with its certificate", reason="credential_unusable")


def _drawn(appearance: Appearance, at: datetime) -> Stamp:
    from qcp_sdk.adapters.shared.pades import Stamp
    from qcp_sdk.adapters.shared.pades_stamp import draw

    left, bottom, right, top = appearance.box
    drawn = draw(
        width=right - left,
        height=top - bottom,
        name=appearance.name,
        level=appearance.level,
        at=at,
        url=appearance.url,
    )
    return Stamp(page=appearance.page, box=appearance.box, pdf=drawn)
