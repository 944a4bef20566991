"""Putting a rendered message into an RFC 5322 e-mail, for whoever sends or files it."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from attrs import frozen

from qcp_sdk.adapters.shared.messages import RenderedMessage
from qcp_sdk.errors import Rejected
from qcp_sdk.notices import Attachment
from qcp_sdk.ports.documents import Documents
from qcp_sdk.values import EmailAddress, Key


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


def fetch(documents: Documents | None, attachments: Sequence[Attachment]) -> tuple[tuple[str, bytes], ...]:
    """Read what goes with a message.

    Raises:
        Rejected: `attachment_missing`.
    """
    found: list[tuple[str, bytes]] = []
    for attachment in attachments:
        if documents is None:
            raise Rejected(
                "there is no shelf to take attachments from",
                reason="attachment_missing",
                mend="construct the adapter with documents=",
            )
        try:
            found.append((attachment.name, documents.read(document=attachment.content)))
        except Rejected as error:
            raise Rejected(
                f"the attachment `{attachment.content}` cannot be read", reason="attachment_missing"
            ) from error
    return tuple(found)


def _file_name(name: str) -> str:
    """Give a name that stays one file wherever it is saved."""
    shown = "".join(" " if unicodedata.category(c).startswith("C") else c for c in name)
    return re.sub(r'[\\/:*?"<>|]+', "-", shown).strip(" .") or "document.pdf"
