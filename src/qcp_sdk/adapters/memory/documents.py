"""Documents in memory. The requests it makes say what they must, but are no PDF that a reader opens."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import weakref
from datetime import datetime
from pathlib import Path

from qcp_sdk.adapters.memory.faults import Fake, Faults, asked, keyed
from qcp_sdk.errors import Rejected
from qcp_sdk.people import LANGUAGES
from qcp_sdk.subscription.effects import Application
from qcp_sdk.values import ContentHash, Key


class MemoryDocuments(Fake):
    """Keeps documents in a dictionary. `damage` and `refuse` are for whoever writes the script."""

    port = "documents"

    def __init__(self, *, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._kept: dict[ContentHash, bytes] = {}
        self._folder: Path | None = None
        self._refusal = ""

    @asked
    def keep(self, *, content: bytes | Path) -> ContentHash:
        """Keep these bytes, or the bytes of this file, and give their name. Keeping them again is free.

        Raises:
            Rejected: `unreadable`: the file to keep cannot be read.
        """
        return self._keep(content)

    @asked
    def read(self, *, document: ContentHash) -> bytes:
        """Give the bytes back, checked against their name.

        Raises:
            Rejected: `unknown_document`, or `damaged`.
        """
        content = self._known(document)
        if _name(content) != document:
            raise Rejected(f"the bytes kept as `{document}` have changed", reason="damaged")
        return content

    @asked
    def path(self, *, document: ContentHash) -> Path:
        """Give a file that holds these bytes; it goes when this object does.

        Raises:
            Rejected: `unknown_document`.
        """
        content = self._known(document)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="qcp-sdk-"))
            weakref.finalize(self, shutil.rmtree, self._folder, True)
        path = self._folder / document.removeprefix("sha256:")
        path.write_bytes(content)
        return path

    @asked
    def forget(self, *, document: ContentHash) -> None:
        """Take the document from the shelf, for good; one that is not there is forgotten already."""
        self._kept.pop(document, None)
        if self._folder is not None:
            (self._folder / document.removeprefix("sha256:")).unlink(missing_ok=True)

    @keyed("application")
    def compose_request(
        self,
        *,
        key: Key,  # noqa: ARG002  # `keyed` reads it
        application: Application,
        language: str,
        at: datetime,
    ) -> ContentHash:
        """Make the certificate request and keep it. The same application and instant give the same bytes.

        Raises:
            Rejected: `cannot_compose`: a language that we do not write, or as `refuse` says.
        """
        if language not in LANGUAGES or self._refusal:
            raise Rejected("the request cannot be made", reason=self._refusal or "cannot_compose")
        identity, account = application.identity, application.account
        said = {
            "subscription": application.subscription,
            "name": account.name.full,
            "email": account.email.text,
            "mobile": account.mobile.text,
            "document": [identity.name.full, identity.birth_date.day.isoformat(), identity.document.value],
            "country": identity.issuing_country,
            "evidence": [application.evidence.provider, application.evidence.reference],
            "language": language,
            "at": at.isoformat(),
        }
        return self._keep(b"%PDF-1.7 (in memory)\n" + json.dumps(said, ensure_ascii=False).encode() + b"\n%%EOF\n")

    @keyed("document", "challenge")
    def seal_request(
        self,
        *,
        key: Key,  # noqa: ARG002  # `keyed` reads it
        document: ContentHash,
        signatory: str,
        challenge: str,
        verified_at: datetime,
    ) -> ContentHash:
        """Append what stands for the seal, and keep the result.

        Raises:
            Rejected: `unknown_document`, `cannot_seal`, or as `refuse` says.
        """
        content = self._known(document)
        if _name(content) != document:
            raise Rejected("the bytes to seal have changed", reason="cannot_seal")
        if self._refusal:
            raise Rejected("the request cannot be sealed", reason=self._refusal)
        seal = json.dumps([signatory, challenge, verified_at.isoformat()], ensure_ascii=False)
        return self._keep(content + b"%SEAL " + seal.encode() + b"\n")

    # Whoever writes the script.

    def damage(self, document: ContentHash) -> None:
        """Change what is kept under this name, as a failing disk would."""
        with self._lock:
            self._kept[document] = self._known(document)[:-1]

    def refuse(self, reason: str) -> None:
        """Compose and seal nothing from now on, for this reason; `""` goes on."""
        with self._lock:
            self._refusal = reason

    def _keep(self, content: bytes | Path) -> ContentHash:
        if isinstance(content, Path):
            try:
                content = content.read_bytes()
            except OSError as error:
                raise Rejected("the file to keep cannot be read", reason="unreadable") from error
        name = _name(content)
        self._kept[name] = content
        return name

    def _known(self, document: ContentHash) -> bytes:
        content = self._kept.get(document)
        if content is None:
            raise Rejected("no such document is kept", reason="unknown_document")
        return content


def _name(content: bytes) -> ContentHash:
    return ContentHash(f"sha256:{hashlib.sha256(content).hexdigest()}")
