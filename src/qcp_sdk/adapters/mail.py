"""Notices and codes by e-mail, over SMTP (RFC 5321), with the standard library alone.

One connection a message: a message sent from here is rare next to what a server takes, and nothing is shared
between threads or across a fork.
"""

from __future__ import annotations

import contextlib
import json
import re
import smtplib
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from typing import Final

from attrs import field, frozen

from qcp_sdk.adapters.shared.answers import KeptAnswers, stream_of
from qcp_sdk.adapters.shared.bounces import LARGEST, undelivered_id
from qcp_sdk.adapters.shared.letters import Sender, fetch, write_letter
from qcp_sdk.adapters.shared.messages import Renderer
from qcp_sdk.adapters.shared.smtp_wire import BoundedSmtp, BoundedSmtpTls
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.documents import Documents
from qcp_sdk.ports.notices import Notices
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret

NAMES: Final = "names"
"""The folder, within that of sent keys, of the Message-IDs under which they went."""


class Security(StrEnum):
    """How the connection to the server is protected."""

    STARTTLS = "starttls"
    """Encrypted by the STARTTLS command (RFC 3207), usually on port 587; a server without it is not used."""
    TLS = "tls"
    """Encrypted from the first byte (RFC 8314 § 3.3), usually on port 465."""
    NONE = "none"
    """In clear: for a server on this very machine."""


@frozen(kw_only=True)
class SmtpServer:
    """Where messages are handed over.

    `tls` replaces the system's trust and settings, for a server with a private authority. `timeout` is for each
    step of the conversation, `total` for the whole of it.

    Raises:
        ConfigurationError: A password would travel in clear.
    """

    host: str
    port: int = 587
    security: Security = Security.STARTTLS
    username: str = ""
    password: Secret | None = None
    timeout: timedelta = timedelta(seconds=20)
    total: timedelta = timedelta(minutes=5)
    own_name: str | None = None
    """What we call ourselves in EHLO; by default this machine's name."""
    tls: ssl.SSLContext | None = field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if bool(self.username) != bool(self.password):
            raise ConfigurationError("user name and password go together", where="smtp", mend="give both, or neither")
        if self.username and self.security is Security.NONE:
            raise ConfigurationError(
                "the password would travel in clear", where="smtp.security", mend="use `starttls` or `tls`"
            )


class SmtpNotices:
    """Sends notices by e-mail.

    `by_sms` takes those notices that are meant for a telephone, when the recipient has a mobile; without it they
    go by e-mail too. `remember` is a folder of sent keys: with it a key is sent once, even after a restart; without
    it a key that is asked again is sent again, under the same Message-ID.
    """

    def __init__(
        self,
        *,
        server: SmtpServer,
        sender: Sender,
        renderer: Renderer,
        clock: Clock,
        documents: Documents | None = None,
        by_sms: Notices | None = None,
        remember: Path | None = None,
    ) -> None:
        self._post = _Post(server, remember)
        self._sender, self._renderer, self._clock = sender, renderer, clock
        self._documents, self._by_sms = documents, by_sms

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return (self._by_sms,)

    def forget_stream(self, *, stream: str) -> None:
        """Forget what was sent for this subscription or ceremony. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._post.forget(stream)

    def probe(self) -> None:
        """Connect to the server and log in; nothing is sent.

        Raises:
            Unavailable: It cannot be used.
        """
        self._post.probe()

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Hand the message over to the server, in the recipient's language. The same key carries the same Message-ID.

        Raises:
            Rejected: `undeliverable`: the server refuses the address or the message; `attachment_missing`;
                `key_reused`: it is remembered for another recipient or message.
            Unavailable: The server was not reached, or said "later".
            Unconfirmed: The connection was lost after the message was handed over.
        """
        meant = (to.email.text, notice.template)
        with self._post.once(key, meant) as first:
            if not first:
                return
            if notice.by_sms and to.mobile is not None and self._by_sms is not None:
                self._by_sms.send(key=key, to=to, notice=notice, attachments=attachments)
                self._post.note(key, meant)
                return
            enclosed = fetch(self._documents, attachments)
            letter = write_letter(
                self._renderer.render_notice(notice, to, left_out=enclosed.left_out),
                key=key,
                sender=self._sender,
                to=to.email.text,
                language=to.language,
                at=self._clock.now(),
                attachments=enclosed.files,
            )
            self._post.send(key, letter, sender=self._sender, to=to.email, meant=meant)


class SmtpCodes:
    """Sends codes: those by e-mail over SMTP, those by SMS through `sms`, another `Codes` adapter."""

    def __init__(
        self,
        *,
        server: SmtpServer,
        sender: Sender,
        renderer: Renderer,
        clock: Clock,
        sms: Codes,
        remember: Path | None = None,
    ) -> None:
        self._post = _Post(server, remember)
        self._sender, self._renderer, self._clock, self._sms = sender, renderer, clock, sms

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return (self._sms,)

    def forget_stream(self, *, stream: str) -> None:
        """Forget what was sent for this subscription or ceremony. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._post.forget(stream)

    def probe(self) -> None:
        """Connect to the server and log in; nothing is sent.

        Raises:
            Unavailable: It cannot be used.
        """
        self._post.probe()

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
            Rejected: `undeliverable`: no such address, or it is not one of this channel; `expired`; `key_reused`: it
                is remembered for another address or purpose.
            Unavailable: The server was not reached, or said "later".
            Unconfirmed: The connection was lost after the message was handed over.
        """
        meant = (to.text, purpose.value)
        with self._post.once(key, meant) as first:
            if not first:
                return
            if channel is Channel.SMS:
                self._sms.send(
                    key=key, channel=channel, to=to, code=code, purpose=purpose, language=language, not_after=not_after
                )
                self._post.note(key, meant)
                return
            if not isinstance(to, EmailAddress):
                raise Rejected("a code by e-mail needs an e-mail address", reason="undeliverable")
            now = self._clock.now()
            if now >= not_after:
                raise Rejected(
                    "the code has expired before it could be sent", reason="expired", mend="ask for a new code"
                )
            message = self._renderer.render_code(
                channel=channel, code=code, purpose=purpose, language=language, not_after=not_after
            )
            letter = write_letter(message, key=key, sender=self._sender, to=to.text, language=language, at=now)
            self._post.send(key, letter, sender=self._sender, to=to, meant=meant)


class MailBounces:
    """Reads what mail servers say later: that a message, which they took, could not be delivered (RFC 3464).

    `remember` is the folder of the adapter that sent. A bounce comes to the sender's address, where anybody may write:
    it names a Message-ID that only the recipient and the servers on the way have seen, and changes nothing but that the
    page says that the code did not arrive.
    """

    def __init__(self, *, remember: Path) -> None:
        self._names = KeptAnswers(remember / NAMES)

    def undelivered(self, *, message: bytes) -> Key | None:
        """Give the key of the message that did not arrive; None for any other mail, whatever it holds.

        Give the key to `qcp_sdk.host.receipts.undelivered`.

        Raises:
            Unavailable: The folder cannot be read.
        """
        id = undelivered_id(message) if len(message) <= LARGEST else ""
        kept = self._names.get(key=Key(id)) if id else None
        return Key(json.loads(kept)) if kept is not None else None


class _Post:
    """One server, and what was handed over to it."""

    def __init__(self, server: SmtpServer, remember: Path | None) -> None:
        self._server = server
        self._sent = KeptAnswers(remember) if remember is not None else None
        self._names = KeptAnswers(remember / NAMES) if remember is not None else None
        # A few locks for all keys: two threads with one key meet at one of them, and other keys rarely wait.
        self._locks = tuple(threading.Lock() for _ in range(64))

    @contextlib.contextmanager
    def once(self, key: Key, meant: tuple[str, ...]) -> Iterator[bool]:
        """Say whether this key is still to be sent, and keep other threads from sending it meanwhile."""
        with self._locks[hash(key) % len(self._locks)]:
            yield self._sent is None or self._sent.get(key=key, meant=meant) is None

    def send(self, key: Key, letter: EmailMessage, *, sender: Sender, to: EmailAddress, meant: tuple[str, ...]) -> None:
        if self._names is not None:  # before it leaves: what comes back may be quick
            self._names.put(key=Key(letter["Message-ID"]), answer=json.dumps(key), of=stream_of(key))
        with self._connected() as server:
            _accepted(server.docmd("MAIL", f"FROM:<{sender.address.text}>"), refused_for_good=Unavailable)
            _accepted(server.docmd("RCPT", f"TO:<{to.text}>"), refused_for_good=Rejected)
            _accepted(server.docmd("DATA"), refused_for_good=Rejected, wanted=3)
            try:
                server.send(re.sub(rb"(?m)^\.", b"..", letter.as_bytes()).rstrip(b"\r\n") + b"\r\n.\r\n")
                answer = server.getreply()
            except (OSError, smtplib.SMTPException) as error:
                # The server may have taken the message before it fell silent (RFC 5321 § 4.5.3.2.6).
                raise Unconfirmed(
                    "the connection was lost while the message was handed over",
                    mend="look for its Message-ID in the server's log",
                ) from error
            _accepted(answer, refused_for_good=Rejected)
        self.note(key, meant)

    def probe(self) -> None:
        """Connect, and say goodbye."""
        with self._connected():
            pass

    def note(self, key: Key, meant: tuple[str, ...]) -> None:
        """Remember that this key has left."""
        if self._sent is not None:
            # Written after the fact: a crash in between sends twice, under one Message-ID, rather than never.
            # The message has left: that we cannot note it must not say otherwise.
            with contextlib.suppress(Unavailable):
                self._sent.put(key=key, answer="sent", meant=meant, of=stream_of(key))

    def forget(self, stream: str) -> None:
        """Forget what has left for this subscription or ceremony."""
        for kept in (self._sent, self._names):
            if kept is not None:
                kept.forget_stream(stream=stream)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """Open a conversation, protected and authenticated; whatever breaks in it, nothing was sent."""
        try:
            server = self._open()
        except (OSError, smtplib.SMTPException) as error:  # ssl errors and timeouts are OSErrors
            raise Unavailable(f"the mail server cannot be used ({type(error).__name__})", mend=_MEND) from error
        alive = False
        try:
            yield server
            alive = True
        except Rejected:
            alive = True
            raise
        except (OSError, smtplib.SMTPException) as error:
            raise Unavailable(f"the mail server broke off ({type(error).__name__})", mend=_MEND) from error
        finally:
            if alive:  # a silent server would make us wait for its goodbye
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    server.quit()
            server.close()

    def _open(self) -> smtplib.SMTP:
        settings = self._server
        bounds = {"timeout": settings.timeout.total_seconds(), "total": settings.total.total_seconds()}
        context = settings.tls or ssl.create_default_context()
        server: smtplib.SMTP
        if settings.security is Security.TLS:
            server = BoundedSmtpTls(settings.host, settings.port, settings.own_name, context=context, **bounds)
        else:
            server = BoundedSmtp(settings.host, settings.port, settings.own_name, **bounds)
        try:
            server.ehlo_or_helo_if_needed()
            if settings.security is Security.STARTTLS:
                server.starttls(context=context)
                server.ehlo()
            if settings.password is not None:
                server.login(settings.username, settings.password.reveal())
        except BaseException:
            server.close()
            raise
        return server


_MEND = "check host, port, security and credentials, or wait until it is back"


def _accepted(
    answer: tuple[int, bytes], *, refused_for_good: type[Rejected] | type[Unavailable], wanted: int = 2
) -> None:
    """Return when the server said yes. 4yz is "later", 5yz "no" (RFC 5321 § 4.2.1); its words may name the
    recipient, so that only the number is kept.
    """
    code = answer[0]
    if code // 100 == wanted:
        return
    if code // 100 == 5 and refused_for_good is Rejected:
        raise Rejected(f"the mail server refuses the message ({code})", reason="undeliverable")
    if code // 100 == 5:
        raise Unavailable(f"the mail server refuses our own address ({code})", mend="check the sender and credentials")
    raise Unavailable(f"the mail server cannot take the message now ({code})", mend="it is tried again later")
