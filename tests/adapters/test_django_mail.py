"""Notices and codes through Django's mail sit the exams; each failure of a mail server is told as what it means."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import django
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.web.django_host.settings")
django.setup()

from django.core import mail  # noqa: E402
from django.test import override_settings  # noqa: E402

from qcp_sdk.adapters.mailbox import Mailbox, MailboxCodes  # noqa: E402
from qcp_sdk.adapters.memory.documents import MemoryDocuments  # noqa: E402
from qcp_sdk.adapters.shared.letters import Sender  # noqa: E402
from qcp_sdk.adapters.shared.messages import Renderer  # noqa: E402
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable, Unconfirmed  # noqa: E402
from qcp_sdk.notices import IdentityApproved, Recipient  # noqa: E402
from qcp_sdk.ports.codes import Codes  # noqa: E402
from qcp_sdk.ports.notices import Notices  # noqa: E402
from qcp_sdk.testing.conformance.codes import CodesConformance  # noqa: E402
from qcp_sdk.testing.conformance.notices import NoticesConformance  # noqa: E402
from qcp_sdk.values import ContentHash, EmailAddress, Key, PersonName, PhoneNumber, SubscriptionId  # noqa: E402
from qcp_sdk.web.django.mail import DjangoCodes, DjangoNotices  # noqa: E402
from qcp_sdk.web.links import links  # noqa: E402

SENDER: Final = Sender(address=EmailAddress("signature@host.example"), name="Étude & Signature")
RENDERER: Final = Renderer(links=links("https://host.example/signature/"), platform="Étude & Signature")
LOCMEM: Final = "django.core.mail.backends.locmem.EmailBackend"
TO: Final = Recipient(name=PersonName(given="Zoé", last="Œuvrard"), email=EmailAddress("zoe@example.org"))
APPROVED: Final = IdentityApproved(subscription=SubscriptionId("sub-71"))


@pytest.fixture(autouse=True)
def _outbox() -> Iterator[None]:
    told: dict[str, Any] = (
        {"MAILERS": {"default": {"BACKEND": LOCMEM}}} if hasattr(mail, "mailers") else {"EMAIL_BACKEND": LOCMEM}
    )
    with override_settings(**told):
        mail.outbox = []
        yield


def letters_to(address: EmailAddress) -> list[Any]:
    return [one for one in mail.outbox if one.to == [address.text]]


class Folders:
    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path: Path) -> None:
        self.numbers, self.base = count(), tmp_path

    def folder(self) -> Path:
        mail.outbox = []
        return self.base / str(next(self.numbers))


class TestDjangoNotices(Folders, NoticesConformance):
    examples = 5

    def make_notices(self) -> DjangoNotices:
        self.place, self.shelf = self.folder(), MemoryDocuments()
        return self.restarted()

    def restarted(self, notices: Notices | None = None) -> DjangoNotices:
        return DjangoNotices(sender=SENDER, renderer=RENDERER, documents=self.shelf, remember=self.place / "sent")

    def keep(self, notices: Notices, content: bytes) -> ContentHash:
        return self.shelf.keep(content=content)

    def received(self, notices: Notices, by: Recipient) -> int:
        return len(letters_to(by.email))


class TestDjangoCodes(Folders, CodesConformance):
    examples = 5

    def make_codes(self) -> DjangoCodes:
        self.place = self.folder()
        self.telephone = Mailbox(self.place / "sms")
        return self.restarted()

    def restarted(self, codes: Codes | None = None) -> DjangoCodes:
        sms = MailboxCodes(directory=self.place / "sms", sender=SENDER, renderer=RENDERER, clock=self.clock)
        return DjangoCodes(sender=SENDER, renderer=RENDERER, clock=self.clock, sms=sms, remember=self.place / "sent")

    def received(self, codes: Codes, by: EmailAddress | PhoneNumber) -> tuple[str, ...]:
        if isinstance(by, EmailAddress):
            return tuple(str(one.body) for one in letters_to(by))
        return tuple(one.text for one in self.telephone.messages(to=by))


def test_a_letter_is_what_the_other_adapters_send() -> None:
    DjangoNotices(sender=SENDER, renderer=RENDERER).send(key=Key("k"), to=TO, notice=APPROVED)
    (letter,) = mail.outbox
    sent: Any = letter.message()
    assert sent["Auto-Submitted"] == "auto-generated"
    assert sent["Message-ID"].endswith("@host.example>")
    assert [part.get_content_type() for part in sent.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert "https://host.example/signature/s/sub-71" in letter.body


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (smtplib.SMTPRecipientsRefused({"zoe@example.org": (550, b"no")}), Rejected),
        (smtplib.SMTPRecipientsRefused({"zoe@example.org": (450, b"later")}), Unavailable),
        (smtplib.SMTPDataError(554, b"no"), Rejected),
        (smtplib.SMTPDataError(451, b"later"), Unavailable),
        (smtplib.SMTPServerDisconnected("gone"), Unconfirmed),
        (TimeoutError(), Unconfirmed),
        (smtplib.SMTPAuthenticationError(535, b"no"), Unavailable),
        (ConnectionRefusedError(), Unavailable),
    ],
)
def test_each_failure_is_told_as_what_it_means(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, raised: Exception, told: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    notices = DjangoNotices(sender=SENDER, renderer=RENDERER, remember=tmp_path / "sent")
    with monkeypatch.context() as patched:
        patched.setattr(mail.EmailMultiAlternatives, "send", fail)
        with pytest.raises(told):
            notices.send(key=Key("k"), to=TO, notice=APPROVED)
    notices.send(key=Key("k"), to=TO, notice=APPROVED)
    assert len(mail.outbox) == 1  # nothing was remembered as sent


def test_an_alias_is_used_where_django_has_them() -> None:
    make: Callable[[], DjangoNotices] = lambda: DjangoNotices(sender=SENDER, renderer=RENDERER, mailer="signature")  # noqa: E731
    if not hasattr(mail, "mailers"):
        with pytest.raises(ConfigurationError):
            make()
        return
    with override_settings(MAILERS={"default": {"BACKEND": "nowhere.at_all"}, "signature": {"BACKEND": LOCMEM}}):
        make().send(key=Key("k"), to=TO, notice=APPROVED)
    assert len(mail.outbox) == 1
