"""Putting a rendered message into an RFC 5322 e-mail, for whoever sends or files it."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from attrs import field, frozen

from qcp_sdk.adapters.shared.messages import RenderedMessage
from qcp_sdk.errors import Rejected
from qcp_sdk.notices import Attachment
from qcp_sdk.ports.documents import Documents
from qcp_sdk.values import EmailAddress, Key

MOST: Final = 7 << 20
"""Bytes of all attachments of one e-mail. On its way they are a third more, and many servers take 10 MB; who reads
50 MB into a message holds 250 MB."""


@frozen(kw_only=True)
class Sender:
    """Who our e-mails come from. `name` is what mail programs show."""

    address: EmailAddress
    name: str


def message_id(key: Key, sender: Sender) -> str:
    """Give the Message-ID of this key: always the same, and telling nothing about the key."""
    domain = sender.address.text.rpartition("@")[2]
    return f"<{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:40]}@{domain}>"


def write_letter(
    message: RenderedMessage,
    *,
    key: Key,
    sender: Sender,
    to: str,
    language: str,
    at: datetime,
    attachments: Sequence[tuple[str, bytes]] = (),
) -> EmailMessage:
    """Give the e-mail: plain text and HTML alternatives, then the attachments.

    It says that a machine wrote it, so that no machine answers it (RFC 3834 § 5). The recipient's name is left
    out of the header: the address is enough, and a name may hold characters that header parsers disagree about.

    Raises:
        Rejected: `undeliverable`: the address cannot stand in a header.
    """
    # Seven bits, so that no server on the way needs 8BITMIME.
    letter = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    try:
        letter["From"] = Address(display_name=sender.name, addr_spec=sender.address.text)
        letter["To"] = Address(addr_spec=to)
    except (ValueError, LookupError) as error:  # HeaderParseError is a ValueError
        raise Rejected("the address cannot be written to", reason="undeliverable") from error
    letter["Subject"] = message.subject
    letter["Date"] = at
    letter["Message-ID"] = message_id(key, sender)
    letter["Auto-Submitted"] = "auto-generated"
    letter["X-Auto-Response-Suppress"] = "All"
    letter.set_content(message.text or message.sms)
    if message.html:
        letter.add_alternative(message.html, subtype="html")
    for name, content in attachments:
        kind = "application/pdf" if content.startswith(b"%PDF-") else mimetypes.guess_type(name)[0]
        main, _, sub = (kind or "application/octet-stream").partition("/")
        letter.add_attachment(content, maintype=main, subtype=sub, filename=_file_name(name))
    letter["Content-Language"] = language  # last: each part that is added takes the Content headers so far
    return letter


@frozen(kw_only=True)
class Enclosed:
    """What goes with an e-mail, and what is too large for one."""

    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()
    """Names of what stays on the shelf: the message says so."""


def fetch(documents: Documents | None, attachments: Sequence[Attachment]) -> Enclosed:
    """Read what goes with a message, as far as an e-mail takes it: `MOST` bytes, the first ones first.

    Raises:
        Rejected: `attachment_missing`.
    """
    files: list[tuple[str, bytes]] = []
    left_out: list[str] = []
    room = MOST
    for attachment in attachments:
        size = size_of(documents, attachment)
        if size > room:
            left_out.append(attachment.name)
            continue
        room -= size
        with _shelf(documents, attachment) as shelf:
            files.append((attachment.name, shelf.read(document=attachment.content)))  # checked against its name
    return Enclosed(files=tuple(files), left_out=tuple(left_out))


def size_of(documents: Documents | None, attachment: Attachment) -> int:
    """Say how many bytes an attachment has, without reading it.

    Raises:
        Rejected: `attachment_missing`.
    """
    with _shelf(documents, attachment) as shelf:
        return shelf.path(document=attachment.content).stat().st_size


@contextmanager
def _shelf(documents: Documents | None, attachment: Attachment) -> Iterator[Documents]:
    if documents is None:
        raise Rejected(
            "there is no shelf to take attachments from",
            reason="attachment_missing",
            mend="construct the adapter with documents=",
        )
    try:
        yield documents
    except Rejected as error:
        raise Rejected(f"the attachment `{attachment.content}` cannot be read", reason="attachment_missing") from error


def _file_name(name: str) -> str:
    """Give a name that stays one file wherever it is saved."""
    shown = "".join(" " if unicodedata.category(c).startswith("C") else c for c in name)
    return re.sub(r'[\\/:*?"<>|]+', "-", shown).strip(" .") or "document.pdf"
