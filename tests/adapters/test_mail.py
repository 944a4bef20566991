"""E-mail over SMTP, against a real server in a thread: what arrives, how it is protected, how each failure is told."""

from __future__ import annotations

import email
import logging
import re
import socket
import ssl
import threading
import time
from asyncio import WriteTransport
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Final

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from attrs import frozen
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qcp_sdk.adapters.mail import Security, SmtpCodes, SmtpNotices, SmtpServer
from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes
from qcp_sdk.adapters.shared.letters import Sender
from qcp_sdk.adapters.shared.messages import Links, Renderer
from qcp_sdk.adapters.shelf import FileShelf
from qcp_sdk.adapters.typst_documents import TypstDocuments
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.notices import Attachment, IdentityApproved, IdentityHandOff, Notice, Recipient, SignedCopy
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.testing.conformance.codes import CodesConformance
from qcp_sdk.testing.conformance.notices import NoticesConformance
from qcp_sdk.values import (
    CeremonyId,
    ContentHash,
    EmailAddress,
    Key,
    PersonName,
    PhoneNumber,
    Secret,
    SubscriptionId,
)

NOW: Final = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
SENDER: Final = Sender(address=EmailAddress("signature@host.example"), name="Étude & Signature")
RENDERER: Final = Renderer(
    links=Links(
        account="https://host.example/certificates",
        subscription="https://host.example/subscriptions/{subscription}",
        signing="https://host.example/sign/{ceremony}",
        verify="https://host.example/verify",
        sms_host="host.example",
    ),
    platform="Étude & Signature",
)
TO: Final = Recipient(
    name=PersonName(given="Zoé", last="Œuvrard"),
    email=EmailAddress("zoe@example.org"),
    mobile=PhoneNumber("+33612341316"),
)
APPROVED: Final = IdentityApproved(subscription=SubscriptionId("sub-71"))
PASSWORD: Final = Secret("correct horse")


@frozen
class FixedClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


class Post:
    """What the server does: keeps messages, and answers each command as told."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], EmailMessage, bytes]] = []
        self.answers: dict[str, str] = {}
        self.hang_up = False

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=SMTP_POLICY)
        assert isinstance(message, EmailMessage)
        self.mails.append((str(envelope.mail_from), list(envelope.rcpt_tos), message, content))
        if self.hang_up:
            assert isinstance(server.transport, WriteTransport)
            server.transport.abort()
        return self.answers.get("DATA", "250 taken")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def running(post: Post, **options: object) -> Iterator[int]:
    controller = Controller(post, hostname="127.0.0.1", port=free_port(), **options)  # type: ignore[arg-type]
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def plain() -> Iterator[tuple[Post, int]]:
    post = Post()
    with running(post) as port:
        yield post, port


@pytest.fixture
def post(plain: tuple[Post, int]) -> Post:
    plain[0].mails.clear()
    plain[0].answers.clear()
    plain[0].hang_up = False
    return plain[0]


@pytest.fixture
def server(plain: tuple[Post, int]) -> SmtpServer:
    return at(plain[1])


def at(port: int, security: Security = Security.NONE, **more: object) -> SmtpServer:
    settings: dict[str, object] = {"own_name": "sdk.example", "timeout": timedelta(seconds=10), **more}
    return SmtpServer(host="127.0.0.1", port=port, security=security, **settings)  # type: ignore[arg-type]


def notices(server: SmtpServer, **more: object) -> SmtpNotices:
    return SmtpNotices(server=server, sender=SENDER, renderer=RENDERER, clock=FixedClock(), **more)  # type: ignore[arg-type]


def send(
    port: Notices, key: str = "s/1/0", notice: Notice = APPROVED, attachments: tuple[Attachment, ...] = ()
) -> None:
    port.send(key=Key(key), to=TO, notice=notice, attachments=attachments)


def test_a_notice_arrives_whole_in_both_forms(post: Post, server: SmtpServer) -> None:
    send(notices(server))
    ((sender, recipients, message, content),) = post.mails
    assert (sender, recipients) == ("signature@host.example", ["zoe@example.org"])
    assert message["Subject"] == "Votre pièce d’identité est validée"
    assert message["From"].addresses[0].display_name == "Étude & Signature"
    assert message["To"] == "zoe@example.org"
    assert message["Date"].datetime == NOW
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "fr"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None and html is not None
    assert message.get_content_type() == "multipart/alternative"
    assert plain.get_content().replace("\r\n", "\n") == RENDERER.render_notice(APPROVED, TO).text
    assert html.get_content().replace("\r\n", "\n") == RENDERER.render_notice(APPROVED, TO).html
    assert content.isascii()  # no server on the way needs 8BITMIME
    assert max(len(line) for line in content.splitlines()) <= 998  # RFC 5322 § 2.1.1
    assert not re.search(rb"(?<!\r)\n", content)


def test_the_message_id_comes_from_the_key_and_does_not_tell_it(post: Post, server: SmtpServer) -> None:
    send(notices(server), key="sub-71/4/0")
    send(notices(server), key="sub-71/4/0")
    send(notices(server), key="sub-71/5/0")
    first, again, other = (mail[2]["Message-ID"] for mail in post.mails)
    assert first == again != other
    assert re.fullmatch(r"<[0-9a-f]{40}@host\.example>", first)
    assert "sub-71" not in first


def test_a_remembered_key_is_sent_once_even_after_a_restart(post: Post, server: SmtpServer, tmp_path: Path) -> None:
    send(notices(server, remember=tmp_path))
    send(notices(server, remember=tmp_path))
    assert len(post.mails) == 1
    send(notices(server, remember=tmp_path), key="s/2/0")
    assert len(post.mails) == 2


def test_attachments_come_from_the_shelf(post: Post, server: SmtpServer, tmp_path: Path) -> None:
    shelf = FileShelf(tmp_path / "shelf")
    documents = TypstDocuments(shelf=shelf, seal=_NoSeal(), answers=tmp_path / "a", platform="P", issuer="I")
    pdf = b"%PDF-1.7\r\n.\r\n..\n\x00\xff" * 50
    copy = SignedCopy(
        ceremony=CeremonyId("c"),
        title="T",
        sender="S",
        documents=("D",),
        level=SignatureLevel.NIVEAU_3,
        deadline=NOW,
    )
    attached = (
        Attachment(name="Lettre de mission signée/é.pdf", content=shelf.keep(content=pdf)),
        Attachment(name="rapport.json", content=shelf.keep(content=b"{}")),
    )
    send(notices(server, documents=documents), notice=copy, attachments=attached)
    parts = list(post.mails[0][2].iter_attachments())
    assert [part.get_filename() for part in parts] == ["Lettre de mission signée-é.pdf", "rapport.json"]
    assert [part.get_content_type() for part in parts] == ["application/pdf", "application/json"]
    assert parts[0].get_payload(decode=True) == pdf
    missing = Attachment(name="x.pdf", content=ContentHash("sha256:" + "0" * 64))
    for port in (notices(server, documents=documents), notices(server)):
        with pytest.raises(Rejected) as refused:
            send(port, notice=copy, attachments=(missing,))
        assert refused.value.reason == "attachment_missing"
    assert len(post.mails) == 1


class _NoSeal:
    def seal(self, *, key: Key, pdf: bytes, reason: str) -> bytes:
        raise Rejected("there is no seal here", reason="no_seal")


def test_a_line_that_is_a_dot_does_not_end_the_message(post: Post, server: SmtpServer, tmp_path: Path) -> None:
    (tmp_path / "notices" / "fr").mkdir(parents=True)
    (tmp_path / "notices" / "fr" / "identity_approved.txt.j2").write_text(
        "{% extends layout %}{% block subject %}s{% endblock %}{% block body %}avant\n.\n..\naprès{% endblock %}",
        encoding="utf-8",
    )
    renderer = Renderer(links=RENDERER.links, platform="P", directory=tmp_path)
    SmtpNotices(server=server, sender=SENDER, renderer=renderer, clock=FixedClock()).send(
        key=Key("k"), to=TO, notice=APPROVED
    )
    assert b"\r\n.\r\n..\r\n" in post.mails[0][3]
    body = post.mails[0][2].get_body(("plain",))
    assert body is not None
    assert body.get_content().split()[3:7] == ["avant", ".", "..", "après"]


@pytest.mark.parametrize(
    ("command", "answer", "error"),
    [
        ("RCPT", "550 5.1.1 no zoe@example.org here", Rejected),
        ("RCPT", "450 4.2.1 greylisted", Unavailable),
        ("RCPT", "421 4.3.2 closing", Unavailable),
        ("MAIL", "553 5.7.1 not you", Unavailable),
        ("MAIL", "451 4.3.0 later", Unavailable),
        ("DATA", "554 5.7.1 looks like spam to zoe@example.org", Rejected),
        ("DATA", "452 4.3.1 full", Unavailable),
    ],
)
def test_each_answer_of_the_server_has_its_error(
    post: Post, server: SmtpServer, tmp_path: Path, command: str, answer: str, error: type[Exception]
) -> None:
    post.answers[command] = answer
    port = notices(server, remember=tmp_path)
    with pytest.raises(error) as raised:
        send(port)
    assert "zoe" not in str(raised.value)
    if isinstance(raised.value, Rejected):
        assert raised.value.reason == "undeliverable"
    post.answers.clear()
    post.mails.clear()
    send(port)  # nothing was remembered as sent
    assert len(post.mails) == 1


def test_a_connection_lost_after_the_message_is_unconfirmed(post: Post, server: SmtpServer) -> None:
    post.hang_up = True
    with pytest.raises(Unconfirmed):
        send(notices(server))
    assert len(post.mails) == 1


def test_a_server_that_is_not_there_or_says_nothing_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        send(notices(at(free_port())))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unavailable):
        send(notices(at(silent.getsockname()[1], timeout=timedelta(seconds=0.2))))
    with pytest.raises(Unavailable):
        send(notices(SmtpServer(host="mail.invalid", security=Security.NONE)))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, False, False, False), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        pem
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    return serving, ssl.create_default_context(cadata=pem.decode())


def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"host", PASSWORD.reveal().encode())
    return AuthResult(success=right, handled=False)


def test_starttls_and_a_password_are_used_when_asked_for(
    certificate: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    serving, trusting = certificate
    post = Post()
    with running(
        post,
        tls_context=serving,
        require_starttls=True,
        authenticator=authenticate,
        auth_required=True,
    ) as port:
        send(notices(at(port, Security.STARTTLS, tls=trusting, username="host", password=PASSWORD)))
        assert len(post.mails) == 1
        for wrong in (
            at(port, Security.STARTTLS, tls=trusting, username="host", password=Secret("wrong")),
            at(port, Security.STARTTLS, tls=trusting),
            at(port, Security.STARTTLS),  # the system does not trust this certificate
            at(port, Security.NONE),
        ):
            with pytest.raises(Unavailable) as raised:
                send(notices(wrong))
            assert "wrong" not in str(raised.value)
        assert len(post.mails) == 1


def test_tls_from_the_first_byte(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    serving, trusting = certificate
    post = Post()
    with running(post, ssl_context=serving) as port:
        send(notices(at(port, Security.TLS, tls=trusting)))
        with pytest.raises(Unavailable):
            send(notices(at(port, Security.TLS)))
    assert len(post.mails) == 1


def test_a_server_without_starttls_is_not_spoken_to_in_clear(post: Post, plain: tuple[Post, int]) -> None:
    with pytest.raises(Unavailable):
        send(notices(at(plain[1], Security.STARTTLS)))
    assert not post.mails


def test_settings_that_would_leak_a_password_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        at(25, Security.NONE, username="host", password=PASSWORD)
    with pytest.raises(ConfigurationError):
        at(25, Security.TLS, username="host")
    assert "horse" not in repr(at(25, Security.TLS, username="host", password=PASSWORD))


class Elsewhere:
    """Another adapter, of codes or of notices, that notes what it is given."""

    def __init__(self) -> None:
        self.given: list[str] = []


class OtherCodes(Elsewhere):
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
        self.given.append(f"{key} {channel} {to.text} {code.reveal()} {purpose} {language} {not_after:%H:%M}")


class OtherNotices(Elsewhere):
    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        self.given.append(f"{key} {notice.template}")


@pytest.fixture
def codes(server: SmtpServer) -> Callable[..., tuple[SmtpCodes, OtherCodes]]:
    def make(now: datetime = NOW, remember: Path | None = None) -> tuple[SmtpCodes, OtherCodes]:
        sms = OtherCodes()
        made = SmtpCodes(
            server=server, sender=SENDER, renderer=RENDERER, clock=FixedClock(now), sms=sms, remember=remember
        )
        return made, sms

    return make


def ask(
    port: Codes, to: EmailAddress | PhoneNumber = TO.email, channel: Channel = Channel.EMAIL, code: str = "R544XM"
) -> None:
    port.send(
        key=Key("s/1/0"),
        channel=channel,
        to=to,
        code=Secret(code),
        purpose=Purpose.OPEN,
        language="en",
        not_after=NOW + timedelta(minutes=3),
    )


def test_a_code_goes_by_e_mail_and_not_in_its_subject(
    post: Post, codes: Callable[..., tuple[SmtpCodes, OtherCodes]], tmp_path: Path
) -> None:
    port, sms = codes(remember=tmp_path)
    ask(port)
    ask(port)
    ((_, recipients, message, _),) = post.mails
    assert recipients == ["zoe@example.org"]
    assert message["Subject"] == "Your one-time code"
    body = message.get_body(("plain",))
    assert body is not None
    assert "    R544XM\n" in body.get_content().replace("\r\n", "\n")
    assert not sms.given


def test_an_sms_goes_to_the_other_adapter(post: Post, codes: Callable[..., tuple[SmtpCodes, OtherCodes]]) -> None:
    port, sms = codes()
    ask(port, PhoneNumber("+33612341316"), Channel.SMS, "0123456")
    assert sms.given == ["s/1/0 sms +33612341316 0123456 open en 14:33"]
    assert not post.mails


def test_a_code_is_not_sent_to_a_wrong_address_nor_after_its_end(
    post: Post, codes: Callable[..., tuple[SmtpCodes, OtherCodes]]
) -> None:
    with pytest.raises(Rejected) as refused:
        ask(codes()[0], PhoneNumber("+33612341316"))
    assert refused.value.reason == "undeliverable"
    with pytest.raises(Rejected) as refused:
        ask(codes(NOW + timedelta(minutes=3))[0])
    assert refused.value.reason == "expired"
    assert not post.mails


def test_the_hand_off_goes_by_sms_where_somebody_takes_it(post: Post, server: SmtpServer) -> None:
    hand_off = IdentityHandOff(subscription=SubscriptionId("sub-71"), url="https://id.example/go")
    other = OtherNotices()
    send(notices(server, by_sms=other), notice=hand_off)
    assert other.given == ["s/1/0 identity_hand_off"]
    send(notices(server, by_sms=other))
    send(notices(server), notice=hand_off)
    assert [mail[2]["Subject"] for mail in post.mails] == [
        "Votre pièce d’identité est validée",
        "Vérifiez votre identité sur votre smartphone",
    ]


def test_an_address_that_no_header_takes_is_undeliverable(post: Post, server: SmtpServer) -> None:
    odd = Recipient(name=TO.name, email=EmailAddress("..zoe@example.org"))
    with pytest.raises(Rejected) as refused:
        notices(server).send(key=Key("k"), to=odd, notice=APPROVED)
    assert refused.value.reason == "undeliverable"
    assert not post.mails


class OnTheServer:
    """What both exams need: the server with an empty post, and a folder of its own for every adapter."""

    @pytest.fixture(autouse=True)
    def _on_the_server(self, post: Post, server: SmtpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # The server runs in this process and logs every line: that log is the server's, not the adapter's.
        monkeypatch.setattr(logging.getLogger("mail.log"), "disabled", True)
        self.post, self.server, self.base, self.numbers = post, server, tmp_path, count()

    def folder(self) -> Path:
        self.post.mails.clear()
        return self.base / str(next(self.numbers))

    def bodies(self, to: EmailAddress) -> tuple[str, ...]:
        bodies = [mail[2].get_body(("plain",)) for mail in self.post.mails if mail[1] == [to.text]]
        return tuple(str(body.get_content()) for body in bodies if body is not None)


class TestSmtpNotices(OnTheServer, NoticesConformance):
    examples = 5

    def make_notices(self) -> SmtpNotices:
        self.place = folder = self.folder()
        self.shelf = TypstDocuments(
            shelf=FileShelf(folder / "shelf"), seal=_NoSeal(), answers=folder / "a", platform="P", issuer="I"
        )
        return self.restarted()

    def restarted(self, notices: Notices | None = None) -> SmtpNotices:
        return SmtpNotices(
            server=self.server,
            sender=SENDER,
            renderer=RENDERER,
            clock=self.clock,
            documents=self.shelf,
            remember=self.place / "sent",
        )

    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        return self.shelf.keep(content=content)

    def received(self, notices: Notices, by: Recipient) -> int:
        return len(self.bodies(by.email))


class TestSmtpCodes(OnTheServer, CodesConformance):
    examples = 5

    def make_codes(self) -> SmtpCodes:
        self.place = self.folder()
        self.telephone = Mailbox(self.place / "sms")
        return self.restarted()

    def restarted(self, codes: Codes | None = None) -> SmtpCodes:
        folder = self.place
        return SmtpCodes(
            server=self.server,
            sender=SENDER,
            renderer=RENDERER,
            clock=self.clock,
            sms=MailboxCodes(directory=folder / "sms", sender=SENDER, renderer=RENDERER, clock=self.clock),
            remember=folder / "sent",
        )

    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        if isinstance(by, EmailAddress):
            return self.bodies(by)
        return tuple(mail.text for mail in self.telephone.messages(to=by))


@pytest.mark.parametrize("piece", [b"2", b"220-and so on\r\n" * 10_000], ids=["a byte now and then", "without end"])
def test_a_server_that_does_not_come_to_an_end_is_left(tmp_path: Path, piece: bytes) -> None:
    said_all = list[bool]()

    def say(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            for _ in range(100):
                connection.sendall(piece)
                if len(piece) == 1:
                    time.sleep(0.02)
            said_all.append(True)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=say, args=(listening,), daemon=True)
        thread.start()
        server = SmtpServer(
            host="127.0.0.1",
            port=listening.getsockname()[1],
            security=Security.NONE,
            total=timedelta(seconds=0.2 if len(piece) == 1 else 60),
        )
        with pytest.raises(Unavailable):
            SmtpNotices(server=server, sender=SENDER, renderer=RENDERER, clock=FixedClock()).probe()
        thread.join(30)
    assert not said_all, "it was listened to until it had nothing more to say"
