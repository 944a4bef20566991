"""Delivery status notifications (RFC 3464), read with the standard library alone."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from email.message import Message
from email.policy import compat32
from typing import Final

LARGEST: Final = 4 << 20
"""Bytes of a notification that are read: servers may return the whole message."""
MOST_PARTS: Final = 50
FAILED: Final = "failed"
"""The only `Action` that says that nothing more will be tried (§ 2.3.3); `delayed` does not."""
_ID: Final = re.compile(r"<[^<>\s]{1,250}>")


def undelivered_id(message: bytes) -> str:
    """Give the Message-ID of the message that a notification says was not delivered; "" for any other mail.

    Total: the parser of the library raises what it likes for what is malformed, and here that is any other mail.
    """
    try:
        return _undelivered(email.message_from_bytes(message, policy=compat32))
    except Exception:  # noqa: BLE001
        return ""


def _undelivered(told: Message) -> str:
    parts = list(_parts(told))
    if not any(_failed(part) for part in parts if part.get_content_type() == "message/delivery-status"):
        return ""
    # The returned message, or its header alone (RFC 6522 § 3), is the part behind the status.
    behind = False
    for part in parts:
        kind = part.get_content_type()
        behind = behind or kind == "message/delivery-status"
        if not behind or kind not in {"message/rfc822", "message/global", "text/rfc822-headers"}:
            continue
        payload = part.get_payload()
        if kind == "text/rfc822-headers":
            content = part.get_payload(decode=True)
            payload = [email.message_from_bytes(content if isinstance(content, bytes) else b"", policy=compat32)]
        for returned in payload if isinstance(payload, list) else ():
            if not isinstance(returned, Message):
                continue
            found = _ID.search(str(returned.get("Message-ID", "")))
            if found:
                return found[0]
    # Some servers return nothing of it, and answer to it.
    found = _ID.search(str(told.get("In-Reply-To", "")))
    return found[0] if found else ""


def _parts(told: Message) -> Iterator[Message]:
    """Give the parts of a report, and not of what it returns. One that is no report has none."""
    if told.get_content_type() != "multipart/report" or not told.is_multipart():
        return
    for number, part in enumerate(told.get_payload()):
        if number < MOST_PARTS and isinstance(part, Message):
            yield part


def _failed(status: Message) -> bool:
    """Say whether delivery to a recipient was given up. The first group is about the message as a whole (§ 2.1)."""
    groups = status.get_payload()
    recipients = groups[1:] if isinstance(groups, list) else ()
    return any(
        isinstance(one, Message) and str(one.get("Action", "")).strip().lower().partition(" ")[0] == FAILED
        for one in recipients
    )
