"""Which credential of a CSC service is a certificate's: the service names credentials, our ports certificates."""

from __future__ import annotations

import threading
from typing import Final

from qcp_sdk.adapters.csc.client import CscClient
from qcp_sdk.adapters.csc.shapes import CredentialInfo
from qcp_sdk.adapters.shared.notebook import Notebook
from qcp_sdk.adapters.shared.noted_authority import page_of
from qcp_sdk.certificates import fingerprint as fingerprint_of
from qcp_sdk.errors import Rejected
from qcp_sdk.values import Fingerprint

SCANNED: Final = 1_000
"""Credentials that are looked at, one request each, to find a certificate that nobody wrote down."""
GONE: Final = frozenset({"unknown_credential", "disabled", "refused"})
"""Reasons by which a service says that a credential is not there, or not for us."""


class Credentials:
    """Finds them: those that were issued through us are written down, others are looked for in `credentials/list`.

    What was found stays found: a credential's certificate does not change. `look` turns the looking off, for services
    with many thousands.
    """

    def __init__(self, client: CscClient, notebook: Notebook, *, look: bool = True) -> None:
        self._client, self._notebook, self._look = client, notebook, look
        self._lock, self._seen = threading.Lock(), dict[str, Fingerprint]()

    def find(self, fingerprint: Fingerprint, *, language: str = "") -> CredentialInfo:
        """Give what the service says now of the credential with this certificate.

        Raises:
            Rejected: `unknown_credential`.
            Unavailable: Ask again.
        """
        with self._notebook.open() as pages:
            page = pages.get(page_of(fingerprint))
        credential = page["handle"] if page is not None else self._looked_up(fingerprint)
        if credential:
            told = self._client.credential(credential, language=language)
            if told.certificates and fingerprint_of(told.certificates[0]) == fingerprint:
                return told
        raise Rejected("no credential of the service has this certificate", reason="unknown_credential")

    def _looked_up(self, fingerprint: Fingerprint) -> str:
        if not self._look:
            return ""
        with self._lock:  # one look at a time: it is long
            for credential, held in self._seen.items():
                if held == fingerprint:
                    return credential
            fresh = [each for each in self._client.credentials() if each not in self._seen]
            for credential in fresh[:SCANNED]:
                try:
                    told = self._client.credential(credential)
                except Rejected as gone:
                    if gone.reason not in GONE:
                        raise
                    continue
                if told.certificates:
                    self._seen[credential] = fingerprint_of(told.certificates[0])
            return next((each for each, held in self._seen.items() if held == fingerprint), "")
