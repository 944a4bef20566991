"""What a mail server sends back when it gives a message up: a delivery status notification (RFC 3464)."""

from __future__ import annotations

import email
import re
from datetime import datetime
from email import policy
from email.message import EmailMessage, Message, MIMEPart
from email.utils import format_datetime
from typing import Final

SERVER: Final = "mx.sandbox.example"


def bounce(letter: bytes, *, at: datetime, action: str = "failed", status: str = "5.1.1") -> bytes:
    """Give the notification about a letter, as it left here: `failed`, or `delayed`, `delivered`, `relayed`."""
    told = email.message_from_bytes(letter, policy=policy.SMTP)
    recipient = str(told["To"])
    report = EmailMessage(policy=policy.SMTP)
    report["From"] = f"Mail Delivery Subsystem <MAILER-DAEMON@{SERVER}>"
    report["To"] = str(told["From"])
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = format_datetime(at)
    report["Auto-Submitted"] = "auto-replied"
    report["MIME-Version"] = "1.0"
    report["Content-Type"] = 'multipart/report; report-type="delivery-status"'
    words = MIMEPart(policy=policy.SMTP)
    words.set_content("Your message could not be delivered.\n")
    about, each = Message(), Message()
    about["Reporting-MTA"] = f"dns; {SERVER}"
    each["Final-Recipient"] = f"rfc822; {recipient}"
    each["Action"] = action
    each["Status"] = status
    notice = MIMEPart(policy=policy.SMTP)
    notice["Content-Type"] = "message/delivery-status"
    notice.set_payload([about, each])
    header = MIMEPart(policy=policy.SMTP)
    header["Content-Type"] = "text/rfc822-headers"
    header.set_payload(re.split(rb"\r?\n\r?\n", letter, maxsplit=1)[0].decode("ascii", "surrogateescape"))
    report.set_payload([words, notice, header])
    return report.as_bytes()
