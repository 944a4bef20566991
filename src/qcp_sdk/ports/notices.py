"""Writing to people (features C4, C5, D4, E2). The messages are `qcp_sdk.notices`."""

from __future__ import annotations

from typing import Protocol

from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.values import Key


class Notices(Protocol):
    """Delivers a message to a person."""

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Hand the message over for delivery, in the recipient's language. The same key carries the same Message-ID.

        Raises:
            Rejected: `undeliverable`, `attachment_missing`, or `key_reused` for another person or message.
        """
