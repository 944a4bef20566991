"""Signatures on arbitrary bytes: a section is appended for each, as a PDF gets a revision for each."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Final

from attrs import field, frozen

from qcp_sdk.adapters.memory.faults import Fake, Faults, keyed
from qcp_sdk.adapters.memory.signer import memory_value
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.envelope import Appearance, PreparedSignature
from qcp_sdk.ports.signer import Credential
from qcp_sdk.values import ContentHash, Fingerprint, Key

_PLACE: Final = b"0" * 64
_SECTION: Final = re.compile(rb"\n%MEMORY-SIGNATURE (\{[^\n]*\}) ([0-9a-f]{64})\n")


@frozen(kw_only=True)
class MarkedSignature:
    """One signature found in a document; `value` is empty while the place waits for one."""

    fingerprint: Fingerprint
    at: datetime
    reason: str
    value: bytes = field(repr=False)


class MemoryEnvelope(Fake):
    """Signs any bytes kept in `documents`; believes the values of `MemorySigner` only."""

    port = "envelope"

    def __init__(self, *, documents: Documents, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._documents = documents
        self._refusals: dict[ContentHash, str] = {}

    @keyed("validated", "base")
    def prepare(
        self,
        *,
        key: Key,
        validated: ContentHash,
        base: ContentHash,
        credential: Credential,
        at: datetime,
        reason: str = "",
        appearance: Appearance | None = None,  # noqa: ARG002  # bytes have no pages
    ) -> PreparedSignature:
        """Make a place for a signature in `base`: `validated`, then nothing but our own sections.

        Raises:
            Rejected: `document_changed`, `unreadable`, or as `refuse` says.
        """
        if base in self._refusals:
            raise Rejected("this document is not signed, as scripted", reason=self._refusals[base])
        agreed, content = self._read(validated), self._read(base)
        if not content.startswith(agreed) or _SECTION.sub(b"", content[len(agreed) :]):
            raise Rejected(
                "the document is not the one that was validated, followed by our signatures",
                reason="document_changed",
                mend="validate the collecte again",
            )
        said = json.dumps(
            {"fingerprint": credential.fingerprint, "at": at.isoformat(), "reason": reason, "key": key},
            sort_keys=True,
        )
        head = content + b"\n%MEMORY-SIGNATURE " + said.encode() + b" "
        return PreparedSignature(
            base=base,
            prepared=self._documents.keep(content=head + _PLACE + b"\n"),
            digest=hashlib.sha256(head).digest(),
            state=str(len(head)).encode(),
        )

    @keyed("prepared")
    def embed(
        self,
        *,
        key: Key,  # noqa: ARG002  # `keyed` reads it
        prepared: PreparedSignature,
        credential: Credential,
        value: bytes,
    ) -> ContentHash:
        """Put the value into its place, and keep the result.

        Raises:
            Rejected: `value_refused`: it is not what this certificate's key gives; `unreadable`.
        """
        content = self._read(prepared.prepared)
        length = int(prepared.state) if prepared.state.isdigit() else 0
        head = content[:length]
        if hashlib.sha256(head).digest() != prepared.digest or value != memory_value(
            credential.fingerprint, prepared.digest
        ):
            raise Rejected("the value does not verify against the certificate", reason="value_refused")
        return self._documents.keep(content=head + value.hex().encode() + content[length + len(_PLACE) :])

    def refuse(self, document: ContentHash, reason: str) -> None:
        """Prepare nothing in this document: `encrypted`, `not_allowed` …"""
        with self._lock:
            self._refusals[document] = reason

    @staticmethod
    def signatures(content: bytes) -> tuple[MarkedSignature, ...]:
        """Read the signatures of a document, in order."""
        found = []
        for section in _SECTION.finditer(content):
            said, value = json.loads(section[1]), section[2]
            found.append(
                MarkedSignature(
                    fingerprint=Fingerprint(said["fingerprint"]),
                    at=datetime.fromisoformat(said["at"]),
                    reason=said["reason"],
                    value=b"" if value == _PLACE else bytes.fromhex(value.decode()),
                )
            )
        return tuple(found)

    def _read(self, document: ContentHash) -> bytes:
        try:
            return self._documents.read(document=document)
        except Rejected as refusal:
            raise Rejected("the document cannot be read", reason="unreadable") from refusal
