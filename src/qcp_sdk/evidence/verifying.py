"""Checking a dossier offline, with nothing but the file and the anchors that one trusts."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from attrs import frozen

from qcp_sdk import journal, journal_file
from qcp_sdk.errors import EvidenceError, JournalError
from qcp_sdk.evidence import container, manifest, sealing
from qcp_sdk.evidence.dossier import JOURNAL, STORY, certificates, document_name
from qcp_sdk.evidence.sealing import Sealed
from qcp_sdk.evidence.story import mentioned, story

_AGAIN = "ask for the dossier again"


@frozen(kw_only=True)
class EvidenceReport:
    """What a dossier proves: everything in it is as it was when it was sealed."""

    stream: str
    """The subscription or ceremony."""
    facts: int
    head: str
    """The journal's last hash, hexadecimal: compare it with the one that the platform noted."""
    documents: tuple[str, ...]
    kept_elsewhere: tuple[str, ...]
    sealed: Sealed

    def to_json(self) -> dict[str, Any]:
        """Give it for a machine to read."""
        return {
            "stream": self.stream,
            "facts": self.facts,
            "head": self.head,
            "documents": list(self.documents),
            "kept_elsewhere": list(self.kept_elsewhere),
            "sealed_by": self.sealed.signer,
            "sealed_at": self.sealed.at.isoformat(),
            "revocation_checked": self.sealed.revocation_checked,
        }


def verify(content: bytes, *, anchors: tuple[bytes, ...]) -> EvidenceReport:
    """Check every byte of a dossier. `anchors` are certificates (DER) of authorities trusted for seals and timestamps.

    What the facts say was sealed payload by payload under a key of the platform's, and is readable here on the word
    of the dossier's seal; that nothing was changed, dropped or added since each was recorded is on the chain.

    Raises:
        EvidenceError: Something does not hold; `where` names it.
    """
    found = container.read(content)
    manifest.check(found.manifest, found.files)
    crls = tuple(der for name, der in found.files.items() if name.startswith("revocation/"))
    sealed = sealing.check(found.signature, found.manifest, anchors=anchors, crls=crls)
    rows, head = _journal(found.files.get(JOURNAL))
    hashes = dict.fromkeys(mentioned(rows))
    kept = frozenset(hash for hash in hashes if document_name(hash) in found.files)
    _expect(found.files.get(STORY) == story(rows, kept=kept).encode(), STORY, "it is not what the facts say")
    for hash in kept:
        name = document_name(hash)
        _expect(f"sha256:{hashlib.sha256(found.files[name]).hexdigest()}" == hash, name, "it is another document")
    for name, pem in certificates(rows).items():
        _expect(found.files.get(name) == pem, name, "it is not the certificate of the facts")
    return EvidenceReport(
        stream=str(rows[0]["stream"]) if rows else "",
        facts=len(rows),
        head=head.hex(),
        documents=tuple(hash for hash in hashes if hash in kept),
        kept_elsewhere=tuple(hash for hash in hashes if hash not in kept),
        sealed=sealed,
    )


def _journal(text: bytes | None) -> tuple[list[Any], bytes]:
    if text is None:
        raise EvidenceError("it is missing", where=JOURNAL, mend=_AGAIN)
    try:
        file = journal_file.read(text)
        head = journal.verify(file.entries, head=file.head)
    except JournalError as broken:
        raise EvidenceError(broken.what, where=f"{JOURNAL}, {broken.where}", mend=_AGAIN) from broken
    rows = json.loads(text)["entries"]
    _expect(all(isinstance(row.get("fact"), dict) for row in rows), JOURNAL, "a fact is not readable")
    return rows, head


def _expect(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise EvidenceError(what, where=where, mend=_AGAIN)
