"""A folder that stands for the post: every message, SMS included, is written there as an `.eml` file.

For demonstrations, tests and development: codes lie there for anybody to read, so this is refused in production.
"""

from __future__ import annotations

import contextlib
import email
import os
import re
import tempfile
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from pathlib import Path
from typing import ClassVar

from attrs import field, frozen

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.letters import Enclosed, Sender, fetch, write_letter
from qcp_sdk.adapters.shared.messages import RenderedMessage, Renderer
from qcp_sdk.errors import InvalidInput, NotFound, Rejected, Unavailable
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.otp import ALPHABETS, Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.documents import Documents
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret

_SMS_DOMAIN = "sms.invalid"
"""Stands behind a number in `To:`, because that header takes e-mail addresses only (RFC 2606 § 2)."""
_FILE = re.compile(r"(\d{6,})-([a-z0-9_]+)\.eml")


class MailboxNotices:
    """Writes notices into `directory`. Those for a telephone are written as SMS when the recipient has a mobile."""

    simulated: ClassVar[bool] = True

    def __init__(
        self,
        *,
        directory: Path,
        sender: Sender,
        renderer: Renderer,
        clock: Clock,
        documents: Documents | None = None,
    ) -> None:
        self._folder = _Folder(directory)
        self._sender, self._renderer, self._clock, self._documents = sender, renderer, clock, documents

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Write the message, once for each key.

        Raises:
            Rejected: `undeliverable`, `attachment_missing`; `key_reused` for another recipient or message.
            Unavailable: The folder cannot be written.
        """
        meant = (to.email.text, notice.template)
        if self._folder.holds(key, meant):
            return
        by_sms = notice.by_sms and to.mobile is not None
        enclosed = Enclosed() if by_sms else fetch(self._documents, attachments)
        message = self._renderer.render_notice(notice, to, left_out=enclosed.left_out)
        letter = write_letter(
            RenderedMessage(sms=message.sms) if by_sms else message,
            key=key,
            sender=self._sender,
            to=f"{to.mobile.text}@{_SMS_DOMAIN}" if by_sms and to.mobile is not None else to.email.text,
            language=to.language,
            at=self._clock.now(),
            attachments=enclosed.files,
        )
        letter["X-Qcp-Channel"] = (Channel.SMS if by_sms else Channel.EMAIL).value
        letter["X-Qcp-Kind"] = notice.template
        self._folder.add(key, letter, kind=notice.template, meant=meant)


class MailboxCodes:
    """Writes codes into `directory`, by e-mail and by SMS."""

    simulated: ClassVar[bool] = True

    def __init__(self, *, directory: Path, sender: Sender, renderer: Renderer, clock: Clock) -> None:
        self._folder = _Folder(directory)
        self._sender, self._renderer, self._clock = sender, renderer, clock

    def send(
        self,
        *,
        key: Key,
        channel: Channel,
        to: EmailAddress | PhoneNumber,
        code: Secret,
        purpose: Purpose,
        language: str,
        not_after: datetime,
    ) -> None:
        """Write the code, once for each key.

        Raises:
            Rejected: `undeliverable`: the address is not one of this channel; `expired`; `key_reused` for another
                address or purpose.
            Unavailable: The folder cannot be written.
        """
        meant = (to.text, purpose.value)
        if self._folder.holds(key, meant):
            return
        if isinstance(to, PhoneNumber) is not (channel is Channel.SMS):
            raise Rejected("this address is not one of this channel", reason="undeliverable")
        now = self._clock.now()
        if now >= not_after:
            raise Rejected("the code has expired before it could be sent", reason="expired", mend="ask for a new code")
        letter = write_letter(
            self._renderer.render_code(
                channel=channel, code=code, purpose=purpose, language=language, not_after=not_after
            ),
            key=key,
            sender=self._sender,
            to=f"{to.text}@{_SMS_DOMAIN}" if channel is Channel.SMS else to.text,
            language=language,
            at=now,
        )
        letter["X-Qcp-Channel"] = channel.value
        letter["X-Qcp-Kind"] = "code"
        letter["X-Qcp-Purpose"] = purpose.value
        self._folder.add(key, letter, kind=f"code_{purpose.value}", meant=meant)


@frozen(kw_only=True)
class Mail:
    """One message of the mailbox. `kind` is the notice's template, or `code`."""

    path: Path
    number: int
    """Its place: the first message is 1."""
    kind: str
    channel: Channel
    purpose: Purpose | None
    message_id: str
    """Its `Message-ID`: a message that is sent again has the same, and mail readers show it once."""
    to: str = field(repr=False)
    """The e-mail address, or the number in E.164 form."""
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)
    attachments: tuple[tuple[str, bytes], ...] = field(repr=False)

    @property
    def code(self) -> Secret | None:
        """The code that this message brings, read where a person or a browser reads it."""
        if self.kind != "code":
            return None
        if self.channel is Channel.SMS:
            found = re.search(r"^@\S+ #(\d+)$", self.text.strip().splitlines()[-1])
        else:
            alphabet, length = ALPHABETS[Channel.EMAIL]
            found = re.search(rf"(?m)^ *([{alphabet}]{{{length}}})\s*$", self.text)
        return Secret(found.group(1)) if found else None


class Mailbox:
    """Reads the folder that `MailboxNotices` and `MailboxCodes` write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def messages(self, *, to: EmailAddress | PhoneNumber | None = None, kind: str | None = None) -> tuple[Mail, ...]:
        """Give the messages, oldest first: all, or those to this address, or of this kind.

        Raises:
            InvalidInput: A file of the folder is not one that was written by these adapters.
        """
        if not self.directory.is_dir():
            return ()
        paths = sorted(
            (int(m.group(1)), path) for path in self.directory.iterdir() if (m := _FILE.fullmatch(path.name))
        )
        mails = (_read(number, path) for number, path in paths)
        return tuple(
            mail for mail in mails if (to is None or mail.to == to.text) and (kind is None or mail.kind == kind)
        )

    def latest_code(self, *, to: EmailAddress | PhoneNumber, purpose: Purpose | None = None) -> Secret:
        """Give the code of the newest message to this address (and for this purpose).

        Raises:
            NotFound: No code was sent there.
        """
        for mail in reversed(self.messages(to=to, kind="code")):
            if mail.code is not None and purpose in {None, mail.purpose}:
                return mail.code
        raise NotFound("no code was sent to this address", mend="ask for one first")


class _Folder:
    """The folder as its writers see it: `000007-invitation.eml`, numbered without gaps in sight of personal data."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names = KeptAnswers(directory / ".keys")

    def holds(self, key: Key, meant: tuple[str, ...]) -> bool:
        name = self._names.get(key=key, meant=meant)
        return name is not None and (self._directory / name).exists()

    def add(self, key: Key, letter: EmailMessage, *, kind: str, meant: tuple[str, ...]) -> None:
        """Write the letter under the next number. The name is kept under the key before the file exists, so that
        a crash in between leaves no second file when the key comes again.
        """
        try:
            name = self._names.get(key=key, meant=meant) or self._names.put(
                key=key, answer=f"{self._next():06d}-{kind}.eml", meant=meant
            )
            descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(letter.as_bytes())
                Path(temporary).replace(self._directory / name)
            finally:
                Path(temporary).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("the mailbox cannot be written", mend="check its permissions and free space") from error

    def _next(self) -> int:
        """Take the next number: whoever creates its file first has it, between threads and processes."""
        numbers = self._directory / ".numbers"
        numbers.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = max((int(path.name) for path in numbers.iterdir() if path.name.isdecimal()), default=0) + 1
        while True:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(numbers / f"{number:06d}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                return number
            number += 1


def _read(number: int, path: Path) -> Mail:
    try:
        letter = email.message_from_bytes(path.read_bytes(), policy=SMTP)
        assert isinstance(letter, EmailMessage)
        plain, html = letter.get_body(("plain",)), letter.get_body(("html",))
        purpose = str(letter.get("X-Qcp-Purpose", ""))
        return Mail(
            path=path,
            number=number,
            kind=str(letter["X-Qcp-Kind"]),
            channel=Channel(str(letter["X-Qcp-Channel"])),
            purpose=Purpose(purpose) if purpose else None,
            message_id=str(letter["Message-ID"]),
            to=str(letter["To"].addresses[0].addr_spec).removesuffix(f"@{_SMS_DOMAIN}"),
            subject=str(letter["Subject"]),
            text=_body(plain),
            html=_body(html),
            attachments=tuple(_attachment(part) for part in letter.iter_attachments()),
        )
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise InvalidInput("this is not a message of the mailbox", where=path.name) from error


def _body(part: MIMEPart | None) -> str:
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


def _attachment(part: MIMEPart) -> tuple[str, bytes]:
    content = part.get_payload(decode=True)
    return part.get_filename() or "", content if isinstance(content, bytes) else b""
