"""Keeping the proof of signed documents alive (PAdES B-LTA, EN 319 142-1 § 5.5; feature F)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qcp_sdk.errors import DocumentError, Rejected

if TYPE_CHECKING:
    from qcp_sdk.adapters.shared.revocation import RevocationSource
    from qcp_sdk.ports.clock import Clock
    from qcp_sdk.ports.timestamps import Timestamps

_OF_THE_DOCUMENT: Final = frozenset({"unreadable", "encrypted", "no_signature", "signature_broken"})


class PdfArchive:
    """Adds a document timestamp, with what its predecessor's proof needs, to PDFs that anybody signed.

    Do it before the certificate of the last timestamp ends; afterwards nothing can be proven any more. A year ahead
    is usual. Thread-safe; pyHanko is imported at the first use.
    """

    def __init__(self, *, timestamps: Timestamps, revocation: RevocationSource, clock: Clock) -> None:
        self._timestamps, self._revocation, self._clock = timestamps, revocation, clock

    def extend(self, source: Path, target: Path) -> None:
        """Write the document with its proof renewed; it begins with the very bytes of `source`.

        Works from file to file: memory does not grow with the document. `target` appears whole or not at all.

        Raises:
            DocumentError: It cannot be read, is encrypted, holds no signature, or one that no longer holds; or
                `target` is there already, or cannot be written.
            Rejected: `certificate_revoked`, `certificate_expired`, `credential_unusable`: too late, or never good.
            Unavailable: A timestamp or revocation data could not be had: again later.
        """
        from qcp_sdk.adapters.shared import pades

        if target.exists():
            raise DocumentError("there is a file of this name", where=target.name, mend="give another name")
        try:
            with tempfile.TemporaryDirectory(prefix=".qcp-", dir=target.parent) as folder:
                file = Path(folder) / "document.pdf"
                shutil.copyfile(source, file)
                pades.extend(file=file, timestamps=self._timestamps, revocation=self._revocation, clock=self._clock)
                file.replace(target)
        except OSError as error:
            raise DocumentError(
                f"it cannot be copied ({error.strerror})", where=source.name, mend="check names and permissions"
            ) from error
        except Rejected as refusal:
            if refusal.reason in _OF_THE_DOCUMENT:
                raise DocumentError(refusal.what, where=source.name, mend=refusal.mend) from refusal
            raise
