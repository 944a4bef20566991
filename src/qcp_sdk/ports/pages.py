"""Hosted signing: a provider whose own page shows the documents, asks for the code and signs."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from qcp_sdk.ceremony.facts import TransactionEnded, TransactionOpened, TransactionSigned
from qcp_sdk.collectes import Collecte
from qcp_sdk.ports.answers import Pending
from qcp_sdk.values import CeremonyId, ContentHash, DocumentId, Key, SessionId, SignatoryId

TransactionResult: TypeAlias = TransactionSigned | TransactionEnded


class SigningPages(Protocol):
    """Opens a signing transaction for one signatory, and says how it ended."""

    def open(
        self,
        *,
        key: Key,
        ceremony: CeremonyId,
        collecte: Collecte,
        signatory: SignatoryId,
        documents: tuple[tuple[DocumentId, ContentHash], ...],
    ) -> TransactionOpened:
        """Open a transaction over these exact bytes; the level of the signatory is the least that is accepted.

        Raises:
            Rejected: The provider opens none; `reason` is its word. `key_reused` for another ceremony or document.
        """

    def ask(self, *, session: SessionId) -> TransactionResult | Pending:
        """Say how the transaction stands; signed documents are kept before this answers.

        Raises:
            Rejected: `unknown_session`.
        """

    def close(self, *, key: Key, session: SessionId) -> None:
        """End the transaction; one that has ended is left as it is."""
