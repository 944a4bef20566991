"""Notices and codes through the project's own mail: `MAILERS` (Django 6.1) or the older `EMAIL_…` settings, whichever
there is, and any backend. Messages are the same as those of the other adapters.
"""

from __future__ import annotations

import contextlib
import smtplib
import threading
from collections.abc import Iterator
from datetime import datetime
from email.headerregistry import Address
from pathlib import Path
from typing import Any

from django.core import mail

from qcp_sdk.adapters.shared.answers import KeptAnswers
from qcp_sdk.adapters.shared.letters import Sender, fetch, message_id
from qcp_sdk.adapters.shared.messages import RenderedMessage, Renderer
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.notices import Notices
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret


class DjangoNotices:
    """Sends notices by the project's mail. `mailer` is an alias of `MAILERS`; empty: the default.

    `by_sms` takes those that are meant for a telephone; without it they go by e-mail, too. `remember` is a folder of
    sent keys: with it a key is sent once, without it again under the same Message-ID.

    Raises:
        ConfigurationError: An alias, before Django 6.1.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        renderer: Renderer,
        documents: Documents | None = None,
        by_sms: Notices | None = None,
        remember: Path | None = None,
        mailer: str = "",
    ) -> None:
        self._post = _Post(sender, remember, mailer)
        self._renderer, self._documents, self._by_sms = renderer, documents, by_sms

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Hand the message over to the backend, in the recipient's language.

        Raises:
            Rejected: `undeliverable`, `attachment_missing`, `key_reused`.
            Unavailable: The mail server was not reached, or said "later".
            Unconfirmed: The connection was lost while the message was handed over.
        """
        with self._post.once(key, (to.email.text, notice.template)) as first:
            if not first:
                return
            if notice.by_sms and to.mobile is not None and self._by_sms is not None:
                self._by_sms.send(key=key, to=to, notice=notice, attachments=attachments)
                return
            enclosed = fetch(self._documents, attachments)
            message = self._renderer.render_notice(notice, to, left_out=enclosed.left_out)
            self._post.send(key, message, to.email, to.language, enclosed.files)


class DjangoCodes:
    """Sends codes: those by e-mail with the project's mail, those by SMS through `sms`, another `Codes` adapter."""

    def __init__(
        self,
        *,
        sender: Sender,
        renderer: Renderer,
        clock: Clock,
        sms: Codes,
        remember: Path | None = None,
        mailer: str = "",
    ) -> None:
        self._post = _Post(sender, remember, mailer)
        self._renderer, self._clock, self._sms = renderer, clock, sms

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
        """Hand the code over for delivery, unless it has expired.

        Raises:
            Rejected: `undeliverable`, `expired`, `key_reused`.
            Unavailable: The mail server was not reached, or said "later".
            Unconfirmed: The connection was lost while the message was handed over.
        """
        with self._post.once(key, (to.text, purpose.value)) as first:
            if not first:
                return
            if channel is Channel.SMS:
                self._sms.send(
                    key=key, channel=channel, to=to, code=code, purpose=purpose, language=language, not_after=not_after
                )
                return
            if not isinstance(to, EmailAddress):
                raise Rejected("a code by e-mail needs an e-mail address", reason="undeliverable")
            if self._clock.now() >= not_after:
                raise Rejected(
                    "the code has expired before it could be sent", reason="expired", mend="ask for a new code"
                )
            message = self._renderer.render_code(
                channel=channel, code=code, purpose=purpose, language=language, not_after=not_after
            )
            self._post.send(key, message, to, language)


class _Post:
    """The project's mail, and what was handed over to it."""

    def __init__(self, sender: Sender, remember: Path | None, mailer: str) -> None:
        if mailer and not hasattr(mail, "mailers"):
            raise ConfigurationError("this Django has no `MAILERS`", where="mailer", mend="leave it empty")
        self._sender, self._mailer = sender, mailer
        self._sent = KeptAnswers(remember) if remember is not None else None
        self._locks = tuple(threading.Lock() for _ in range(64))

    @contextlib.contextmanager
    def once(self, key: Key, meant: tuple[str, ...]) -> Iterator[bool]:
        """Say whether this key is still to be sent, keep other threads from sending it, and note that it was."""
        with self._locks[hash(key) % len(self._locks)]:
            first = self._sent is None or self._sent.get(key=key, meant=meant) is None
            yield first
            if first and self._sent is not None:
                # The message has left: that we cannot note it must not say otherwise.
                with contextlib.suppress(Unavailable):
                    self._sent.put(key=key, answer="sent", meant=meant)

    def send(
        self,
        key: Key,
        message: RenderedMessage,
        to: EmailAddress,
        language: str,
        files: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        try:
            sender = str(Address(display_name=self._sender.name, addr_spec=self._sender.address.text))
            letter = mail.EmailMultiAlternatives(
                subject=message.subject,
                body=message.text or message.sms,
                from_email=sender,
                to=[str(Address(addr_spec=to.text))],
                headers={
                    "Message-ID": message_id(key, self._sender),
                    "Auto-Submitted": "auto-generated",
                    "X-Auto-Response-Suppress": "All",
                    "Content-Language": language,
                },
            )
            if message.html:
                letter.attach_alternative(message.html, "text/html")
            for name, content in files:
                letter.attach(name, content, "application/pdf" if content.startswith(b"%PDF-") else None)
            letter.message()  # so that what cannot stand in a header shows before anything is sent
        except (ValueError, LookupError, UnicodeError) as error:
            raise Rejected("the address cannot be written to", reason="undeliverable") from error
        self._hand_over(letter)

    def _hand_over(self, letter: mail.EmailMultiAlternatives) -> None:
        chosen: dict[str, Any] = {"using": self._mailer} if self._mailer else {}
        try:
            letter.send(**chosen)
        except smtplib.SMTPRecipientsRefused as refused:
            if all(code // 100 == 5 for code, _ in refused.recipients.values()):
                raise Rejected("the mail server refuses the address", reason="undeliverable") from refused
            raise Unavailable(
                "the mail server cannot take the message now", mend="it is tried again later"
            ) from refused
        except (smtplib.SMTPServerDisconnected, TimeoutError) as lost:
            raise Unconfirmed(
                "the connection was lost", mend="look for its Message-ID in the mail server's log"
            ) from lost
        except smtplib.SMTPDataError as refused:
            if refused.smtp_code // 100 == 5:
                raise Rejected("the mail server refuses the message", reason="undeliverable") from refused
            raise Unavailable(
                "the mail server cannot take the message now", mend="it is tried again later"
            ) from refused
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable(
                f"the mail cannot be sent ({type(error).__name__})", mend="check the project's mail settings"
            ) from error
