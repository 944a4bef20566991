"""Messages that go nowhere: they are kept, so that a test can read them."""

from __future__ import annotations

from attrs import frozen

from qcp_sdk.adapters.memory.faults import Fake, Faults, keyed
from qcp_sdk.errors import Rejected
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.ports.documents import Documents
from qcp_sdk.values import EmailAddress, Key


@frozen(kw_only=True)
class SentNotice:
    """One message that left."""

    key: Key
    to: Recipient
    notice: Notice
    attachments: tuple[Attachment, ...]


class MemoryNotices(Fake):
    """Keeps what it is asked to send, in `outbox`. With `documents`, attachments must be kept there."""

    port = "notices"

    def __init__(self, *, documents: Documents | None = None, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._documents = documents
        self._outbox: list[SentNotice] = []
        self._unreachable: set[EmailAddress] = set()

    @keyed("to", "notice")
    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Put the message into the outbox; the same key does so once.

        Raises:
            Rejected: `undeliverable`: made unreachable; `attachment_missing`.
        """
        if to.email in self._unreachable:
            raise Rejected("the message reaches nobody", reason="undeliverable", mend="check the address")
        if self._documents is not None:
            for attachment in attachments:
                try:
                    self._documents.read(document=attachment.content)
                except Rejected as missing:
                    raise Rejected("an attachment is not kept", reason="attachment_missing") from missing
        self._outbox.append(SentNotice(key=key, to=to, notice=notice, attachments=attachments))

    @property
    def outbox(self) -> tuple[SentNotice, ...]:
        """Everything that was sent, oldest first."""
        with self._lock:
            return tuple(self._outbox)

    def to(self, email: EmailAddress) -> tuple[Notice, ...]:
        """Give the messages that this address received, oldest first."""
        return tuple(sent.notice for sent in self.outbox if sent.to.email == email)

    def make_unreachable(self, email: EmailAddress) -> None:
        """Let nothing reach this address any more."""
        with self._lock:
            self._unreachable.add(email)
