"""The mailbox: what is written can be read, once for each key, in order, without a name in sight."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve, frozen

from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes, MailboxNotices
from qcp_sdk.adapters.memory.documents import MemoryDocuments
from qcp_sdk.adapters.shared import letters
from qcp_sdk.adapters.shared.letters import Sender
from qcp_sdk.adapters.shared.messages import Links, Renderer
from qcp_sdk.errors import InvalidInput, NotFound, Rejected, Unavailable
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.notices import Attachment, IdentityApproved, IdentityHandOff, Notice, Recipient, SignedCopy
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.values import CeremonyId, ContentHash, EmailAddress, Key, PersonName, PhoneNumber, Secret, SubscriptionId

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
MOBILE: Final = PhoneNumber("+33612341316")
ZOE: Final = Recipient(
    name=PersonName(given="Zoé", last="Œuvrard"),
    email=EmailAddress("zoe@example.org"),
    mobile=MOBILE,
)
APPROVED: Final = IdentityApproved(subscription=SubscriptionId("sub-71"))
HAND_OFF: Final = IdentityHandOff(subscription=SubscriptionId("sub-71"), url="https://id.example/go?a=1&b=2")


@frozen
class FixedClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo" / "mailbox"


def notices(folder: Path) -> MailboxNotices:
    return MailboxNotices(directory=folder, sender=SENDER, renderer=RENDERER, clock=FixedClock())


def codes(folder: Path, now: datetime = NOW) -> MailboxCodes:
    return MailboxCodes(directory=folder, sender=SENDER, renderer=RENDERER, clock=FixedClock(now))


def send(port: Notices, key: str = "s/1/0", notice: Notice = APPROVED, to: Recipient = ZOE) -> None:
    port.send(key=Key(key), to=to, notice=notice)


def ask(
    port: Codes,
    code: str,
    *,
    key: str,
    to: EmailAddress | PhoneNumber = MOBILE,
    purpose: Purpose = Purpose.SIGN,
) -> None:
    port.send(
        key=Key(key),
        channel=Channel.SMS if isinstance(to, PhoneNumber) else Channel.EMAIL,
        to=to,
        code=Secret(code),
        purpose=purpose,
        language="fr",
        not_after=NOW + timedelta(minutes=3),
    )


def test_files_sort_in_the_order_of_sending_and_name_nobody(folder: Path) -> None:
    send(notices(folder), "s/1/0", HAND_OFF)
    ask(codes(folder), "R544XM", key="s/2/0", to=ZOE.email, purpose=Purpose.OPEN)
    send(notices(folder), "s/3/0")
    assert sorted(path.name for path in folder.glob("*.eml")) == [
        "000001-identity_hand_off.eml",
        "000002-code_open.eml",
        "000003-identity_approved.eml",
    ]
    assert [mail.number for mail in Mailbox(folder).messages()] == [1, 2, 3]
    for path in folder.rglob("*"):
        assert "zoe" not in path.name.lower() and "336" not in path.name


def test_a_notice_reads_as_it_was_rendered(folder: Path) -> None:
    send(notices(folder))
    (mail,) = Mailbox(folder).messages()
    rendered = RENDERER.render_notice(APPROVED, ZOE)
    assert (mail.subject, mail.text, mail.html) == (rendered.subject, rendered.text, rendered.html)
    assert (mail.kind, mail.channel, mail.to) == ("identity_approved", Channel.EMAIL, "zoe@example.org")
    assert mail.code is None and mail.purpose is None


def test_what_is_for_a_telephone_is_an_sms_when_there_is_one(folder: Path) -> None:
    send(notices(folder), "s/1/0", HAND_OFF)
    send(notices(folder), "s/2/0", HAND_OFF, Recipient(name=ZOE.name, email=ZOE.email))
    sms, mail = Mailbox(folder).messages()
    assert (sms.channel, sms.to, sms.html, sms.subject) == (Channel.SMS, "+33612341316", "", "")
    assert sms.text.strip().splitlines()[-1] == "https://id.example/go?a=1&b=2"
    assert (mail.channel, mail.to) == (Channel.EMAIL, "zoe@example.org")
    assert mail.html


def test_a_key_is_written_once_even_after_a_restart(folder: Path) -> None:
    for _ in range(3):
        send(notices(folder))
        ask(codes(folder), "0123456", key="s/2/0")
    ask(codes(folder, NOW + timedelta(hours=1)), "0123456", key="s/2/0")
    assert len(Mailbox(folder).messages()) == 2


def test_a_key_whose_writer_died_is_written_under_its_first_name(folder: Path) -> None:
    send(notices(folder))
    (folder / "000001-identity_approved.eml").unlink()  # the name was kept, the file never came to be
    send(notices(folder), "s/2/0")
    send(notices(folder))
    assert [path.name for path in sorted(folder.glob("*.eml"))] == [
        "000001-identity_approved.eml",
        "000002-identity_approved.eml",
    ]


def test_the_latest_code_is_found_by_address_and_purpose(folder: Path) -> None:
    ask(codes(folder), "1111111", key="s/1/0", purpose=Purpose.REQUEST)
    ask(codes(folder), "2222222", key="s/2/0", purpose=Purpose.SIGN)
    ask(codes(folder), "3333333", key="s/3/0", purpose=Purpose.SIGN, to=PhoneNumber("+33700000000"))
    ask(codes(folder), "R544XM", key="s/4/0", purpose=Purpose.OPEN, to=ZOE.email)
    send(notices(folder), "s/5/0")
    box = Mailbox(folder)
    assert box.latest_code(to=MOBILE) == Secret("2222222")
    assert box.latest_code(to=MOBILE, purpose=Purpose.REQUEST) == Secret("1111111")
    assert box.latest_code(to=PhoneNumber("+33700000000")) == Secret("3333333")
    assert box.latest_code(to=ZOE.email, purpose=Purpose.OPEN) == Secret("R544XM")
    assert len(box.messages(to=MOBILE)) == 2
    assert len(box.messages(to=ZOE.email, kind="code")) == 1
    for to, purpose in ((ZOE.email, Purpose.SIGN), (EmailAddress("x@example.org"), None)):
        with pytest.raises(NotFound):
            box.latest_code(to=to, purpose=purpose)


def test_an_empty_mailbox_is_empty(folder: Path) -> None:
    assert Mailbox(folder).messages() == ()
    with pytest.raises(NotFound):
        Mailbox(folder).latest_code(to=ZOE.email)


def test_a_code_needs_an_address_of_its_channel_and_time(folder: Path) -> None:
    with pytest.raises(Rejected) as refused:
        codes(folder).send(
            key=Key("k"),
            channel=Channel.SMS,
            to=ZOE.email,
            code=Secret("1"),
            purpose=Purpose.SIGN,
            language="fr",
            not_after=NOW + timedelta(minutes=3),
        )
    assert refused.value.reason == "undeliverable"
    with pytest.raises(Rejected) as refused:
        ask(codes(folder, NOW + timedelta(minutes=3)), "0123456", key="k")
    assert refused.value.reason == "expired"
    assert Mailbox(folder).messages() == ()


def test_an_attachment_without_a_shelf_is_missing(folder: Path) -> None:
    attachment = Attachment(name="a.pdf", content=ContentHash("sha256:" + "0" * 64))
    with pytest.raises(Rejected) as refused:
        notices(folder).send(key=Key("k"), to=ZOE, notice=APPROVED, attachments=(attachment,))
    assert refused.value.reason == "attachment_missing"
    assert Mailbox(folder).messages() == ()


def test_many_writers_take_different_numbers(folder: Path) -> None:
    threads = [threading.Thread(target=send, args=(notices(folder), f"s/{number}/0")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [mail.number for mail in Mailbox(folder).messages()] == list(range(1, 9))


def test_a_foreign_file_is_named_and_a_folder_that_cannot_be_is_unavailable(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "000001-note.eml").write_bytes(b"\xff not a message")
    with pytest.raises(InvalidInput, match="000001-note"):
        Mailbox(folder).messages()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        send(notices(tmp_path / "file" / "mailbox"))


def test_nothing_personal_prints(folder: Path) -> None:
    ask(codes(folder), "0123456", key="s/1/0")
    assert "0123456" not in repr(Mailbox(folder).messages())
    assert "341316" not in repr(Mailbox(folder).messages())


@pytest.mark.parametrize(
    ("language", "alone", "beside"),
    [
        (
            "fr",
            "Trop volumineux pour être joint à un courriel : thèse.pdf. Vous le trouverez auprès de",
            "le reste est joint",
        ),
        ("en", "Too large to be attached to an e-mail: thèse.pdf. You will find it at", "the rest is attached"),
    ],
)
def test_what_is_too_large_for_an_e_mail_stays_on_the_shelf_and_the_message_says_so(
    folder: Path, language: str, alone: str, beside: str
) -> None:
    shelf = MemoryDocuments()
    large, small = shelf.keep(content=b"%PDF-" + bytes(letters.MOST)), shelf.keep(content=b"%PDF-small")
    port = MailboxNotices(directory=folder, sender=SENDER, renderer=RENDERER, clock=FixedClock(), documents=shelf)
    theses = Attachment(name="thèse.pdf", content=large)
    both = (theses, Attachment(name="lettre.pdf", content=small))
    for key, attachments in (("s/1/0", (theses,)), ("s/2/0", both), ("s/3/0", both[1:])):
        names = tuple(one.name for one in attachments)
        notice = SignedCopy(
            ceremony=CeremonyId("c"), title="Lettre", sender="Cabinet", documents=names,
            level=SignatureLevel.NIVEAU_3, deadline=NOW,
        )  # fmt: skip
        port.send(key=Key(key), to=evolve(ZOE, language=language), notice=notice, attachments=attachments)

    without, partly, whole = Mailbox(folder).messages()
    read = [" ".join(mail.text.split()) for mail in (without, partly, whole)]
    assert alone in read[0] and beside not in read[0]
    assert alone in read[1] and beside in read[1]
    assert "thèse" not in read[2]
    assert [[name for name, _ in mail.attachments] for mail in (without, partly, whole)] == [
        [],
        ["lettre.pdf"],
        ["lettre.pdf"],
    ]
