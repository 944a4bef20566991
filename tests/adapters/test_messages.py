"""Every message, in both languages: complete, escaped, well set, and telling nothing in its subject."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve, fields

from qcp_sdk.adapters.shared import gsm
from qcp_sdk.adapters.shared.messages import WIDTH, Links, RenderedMessage, Renderer
from qcp_sdk.adapters.shared.texts import TEMPLATES, load_texts, typographic
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.identity import DocumentKind, Proofing
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.notices import (
    NOTICES,
    CertificateExpired,
    CertificateExpiring,
    CertificateIssued,
    CertificateRevocationRefused,
    CertificateRevoked,
    IdentityApproved,
    IdentityHandOff,
    IdentityToRetry,
    Invitation,
    Notice,
    Recipient,
    RequestSubmitted,
    SignedCopy,
    SigningFailed,
    SigningLapsed,
    SigningNotice,
    SigningRefused,
    SigningReminder,
    SubscriptionClosed,
    TurnCame,
)
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.people import LANGUAGES
from qcp_sdk.subscription.stages import Ending
from qcp_sdk.values import Cents, CeremonyId, EmailAddress, PersonName, PhoneNumber, Secret, SubscriptionId

LINKS: Final = Links(
    account="https://sign.example/certificates",
    subscription="https://sign.example/subscriptions/{subscription}",
    signing="https://sign.example/sign/{ceremony}?from=mail&v=1",
    verify="https://sign.example/verify",
    sms_host="sign.example",
)
WINTER: Final = datetime(2026, 12, 1, 13, 32, tzinfo=UTC)
SUBSCRIPTION: Final = SubscriptionId("sub-71")
SAMPLES: Final[tuple[Notice, ...]] = (
    IdentityHandOff(subscription=SUBSCRIPTION, url="https://id.example/go?a=1&b=2"),
    IdentityApproved(subscription=SUBSCRIPTION),
    IdentityToRetry(subscription=SUBSCRIPTION, reason="glare", tries_left=2),
    SubscriptionClosed(subscription=SUBSCRIPTION, reason=Ending.IDENTITY_MISMATCH.value),
    RequestSubmitted(subscription=SUBSCRIPTION),
    CertificateIssued(
        subscription=SUBSCRIPTION, holder="Zoé Œuvrard", issuer="AC Test", not_after=WINTER, price=Cents(2_000)
    ),
    CertificateRevoked(subscription=SUBSCRIPTION, revoked_at=WINTER, reason="key_compromise"),
    CertificateRevocationRefused(subscription=SUBSCRIPTION, reason="not_now"),
    CertificateExpiring(subscription=SUBSCRIPTION, not_after=WINTER),
    CertificateExpired(subscription=SUBSCRIPTION, not_after=WINTER),
)
SIGNING: Final = {
    "ceremony": CeremonyId("cer-9"),
    "title": "Comptes d’Anne Bréhat",
    "sender": "Étude Lefèvre",
    "documents": ("Bilan Bréhat.pdf", "Lettre Bréhat.pdf"),
    "level": SignatureLevel.NIVEAU_3,
    "deadline": WINTER,
}


N = TypeVar("N", bound=SigningNotice)


def signing(kind: type[N], **more: object) -> N:
    return kind(**SIGNING, **more)  # type: ignore[arg-type]


ALL: Final[tuple[Notice, ...]] = (
    *SAMPLES,
    signing(Invitation, now=True),
    signing(TurnCame),
    signing(SigningReminder),
    signing(SignedCopy),
    signing(SigningRefused, by="Anne Bréhat", reason="Le montant est faux"),
    signing(SigningLapsed, cause="deadline"),
    signing(SigningFailed, failed=("Lettre Bréhat.pdf",), reason="document_changed"),
)
SPECIAL: Final = (
    signing(Invitation, now=False),
    evolve(signing(Invitation, now=True), documents=("Bilan Bréhat.pdf",)),
    IdentityToRetry(subscription=SUBSCRIPTION, reason="a word of theirs", tries_left=1),
    IdentityToRetry(subscription=SUBSCRIPTION, reason="glare", tries_left=0),
    signing(SigningRefused, by="Jessica Poussart", reason=""),
    signing(SigningLapsed, cause="a word of theirs"),
    signing(SigningFailed, failed=("Bilan Bréhat.pdf", "Lettre Bréhat.pdf"), reason="a word of theirs"),
    CertificateRevoked(subscription=SUBSCRIPTION, revoked_at=WINTER, reason="a word of theirs"),
    *(SubscriptionClosed(subscription=SUBSCRIPTION, reason=ending.value) for ending in Ending),
)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(links=LINKS, platform="Étude & Signature")


def reader(language: str, name: str = "Jessica") -> Recipient:
    return Recipient(
        name=PersonName(given=name, last="Poussart"),
        email=EmailAddress("jessica@example.org"),
        mobile=PhoneNumber("+33612345678"),
        language=language,
    )


class Page(HTMLParser):
    """Reads HTML as a screen reader would: words, links, tags and the language."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.language = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "html":
            self.language = given.get("lang") or ""
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[ \n]+", " ", " ".join(self.words))


def written() -> Iterator[tuple[str, Notice]]:
    for language in LANGUAGES:
        for notice in (*ALL, *SPECIAL):
            yield language, notice


def test_there_is_a_sample_of_every_notice() -> None:
    assert [type(sample) for sample in ALL] == list(NOTICES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("notice", [*ALL, *SPECIAL], ids=lambda notice: notice.template)
def test_every_notice_is_complete_in_both_forms(renderer: Renderer, language: str, notice: Notice) -> None:
    message = renderer.render_notice(notice, reader(language))
    page = Page(message.html)
    assert page.language == language
    assert message.subject and "\n" not in message.subject and len(message.subject) <= 78
    assert "Étude & Signature" in message.text and "Étude & Signature" in page.text
    assert "Jessica Poussart" in message.text and "Jessica Poussart" in page.text
    for rest in ("{{", "{%", "Undefined", "None", "  :", "()", "« »", "datetime"):
        assert rest not in message.text.replace("\n  ", "\n"), rest
        assert rest not in page.text, rest
    flat = re.sub(r"\s*\n[> ]*\s*", " ", message.text)
    for paragraph in re.findall(r'<p(?: class="(?:callout|note)")?>(.*?)</p>', message.html, re.S):
        words = re.sub(r"[ \n]+", " ", Page(f"<p>{paragraph}</p>").text).strip()
        bare = re.sub(r"\s+", "", words)
        if "Nous ne" not in words and "We never" not in words:  # the footer's two sentences stand on two lines
            assert bare in re.sub(r"\s+", "", flat).replace(">", ""), f"only in HTML: {words}"


@pytest.mark.parametrize("notice", [*ALL, *SPECIAL], ids=lambda notice: notice.template)
def test_the_two_languages_differ_and_give_the_same_links(renderer: Renderer, notice: Notice) -> None:
    french, english = (renderer.render_notice(notice, reader(language)) for language in LANGUAGES)
    assert french.subject != english.subject
    assert Page(french.html).links == Page(english.html).links
    links = re.findall(r"^https?://\S+$", french.text, re.M)
    assert links and set(links) <= set(Page(french.html).links) | {"https://sign.example/certificates"}


def test_links_carry_the_ids_and_nothing_from_outside_is_loaded(renderer: Renderer) -> None:
    for language, notice in written():
        message = renderer.render_notice(notice, reader(language))
        page = Page(message.html)
        assert not {"img", "script", "link", "iframe", "object", "form", "video"} & set(page.tags)
        assert "url(" not in message.html and "@import" not in message.html
        assert all(re.match(r"https://(sign|id)\.example/", link) for link in page.links)
    invitation = renderer.render_notice(ALL[10], reader("fr"))
    assert "https://sign.example/sign/cer-9?from=mail&v=1" in invitation.text
    assert "https://sign.example/sign/cer-9?from=mail&v=1" in Page(invitation.html).links
    assert "https://sign.example/subscriptions/sub-71" in renderer.render_notice(ALL[1], reader("en")).text


def test_subjects_tell_nothing_about_anybody(renderer: Renderer) -> None:
    private = (
        "Jessica",
        "Poussart",
        "Bréhat",
        "Zoé",
        "Œuvrard",
        "Lefèvre",
        "montant",
        "sub-71",
        "cer-9",
        "5678",
        ".pdf",
    )
    for language, notice in written():
        message = renderer.render_notice(notice, reader(language))
        preview = re.search(r'<div class="preview">(.*?)</div>', message.html)
        assert preview is not None and preview.group(1)
        for word in private:
            assert word not in message.subject
            assert word not in preview.group(1)


def test_a_hostile_name_stays_text(renderer: Renderer) -> None:
    attack = "<script>alert(1)</script>\"'&"
    for language in LANGUAGES:
        for notice in ALL:
            changes = {
                attribute.name: (attack,) * 2 if attribute.name in {"documents", "failed"} else attack
                for attribute in fields(type(notice))
                if attribute.name
                in {"title", "sender", "by", "reason", "holder", "issuer", "cause", "documents", "failed"}
            }
            message = renderer.render_notice(evolve(notice, **changes), reader(language, name="<b>Eve</b>"))
            page = Page(message.html)  # nothing opened by the attack is left open
            assert "script" not in page.tags and "b" not in page.tags
            assert "<b>Eve</b> Poussart" in page.text
            assert "<b>Eve</b> Poussart" in message.text
            assert "<" not in message.subject


def test_line_breaks_and_reversals_in_a_title_change_no_line(renderer: Renderer) -> None:
    notice = evolve(signing(Invitation, now=True), title="Comptes\r\nBcc: a@example.org\u202e\u2066fdp.", sender="A\nB")
    message = renderer.render_notice(notice, reader("fr"))
    assert "Comptes Bcc: a@example.org fdp." in re.sub(r"\s+", " ", message.text)
    assert "\u202e" not in message.text + message.html and "\u2066" not in message.text + message.html


def test_a_link_that_is_not_of_the_web_is_refused(renderer: Renderer) -> None:
    for url in ("javascript:alert(1)", "", "//id.example", "data:text/html,x", "https://", "https://[x"):
        with pytest.raises(Rejected) as refused:
            renderer.render_notice(IdentityHandOff(subscription=SUBSCRIPTION, url=url), reader("fr"))
        assert refused.value.reason == "undeliverable"


def test_plain_text_lines_are_short_unless_a_link_makes_them_long(renderer: Renderer) -> None:
    for language, notice in written():
        for line in renderer.render_notice(notice, reader(language)).text.splitlines():
            assert len(line) <= WIDTH or "https://" in line
            assert line == "-- " or line == line.rstrip()


def test_accents_and_french_spaces_survive(renderer: Renderer) -> None:
    message = renderer.render_notice(ALL[5], reader("fr"))
    for text in (message.text, Page(message.html).text):
        assert "Zoé Œuvrard" in text
        assert "20,00\u00a0€" in text
        assert "1er\u00a0décembre\u00a02026" in text
    assert "Référence à donner à l’assistance\u00a0: sub-71" in renderer.render_notice(ALL[3], reader("fr")).text
    for notice in (*ALL, *SPECIAL):
        text = renderer.render_notice(notice, reader("fr")).text.replace("https:", "")
        assert not re.search(r" [:;?!»]|« |'", text), notice


def test_amounts_and_dates_read_as_the_language_wants() -> None:
    french, english = (load_texts(language, ZoneInfo("Europe/Paris")) for language in LANGUAGES)
    assert french.moment(WINTER) == "1er\u00a0décembre\u00a02026 à 14\u00a0h\u00a032 (heure de Paris)"
    assert english.moment(WINTER) == "1\u00a0December\u00a02026 at 14:32 (Paris time)"
    summer = datetime(2026, 6, 30, 22, 5, tzinfo=UTC)
    assert french.moment(summer) == "1er\u00a0juillet\u00a02026 à 0\u00a0h\u00a005 (heure de Paris)"
    assert english.day(date(1987, 3, 4)) == "4\u00a0March\u00a01987"
    assert load_texts("en", ZoneInfo("UTC")).moment(WINTER) == "1\u00a0December\u00a02026 at 13:32 (UTC)"
    assert load_texts("fr", ZoneInfo("Indian/Reunion")).hour(WINTER) == "17\u00a0h\u00a032"


def test_levels_are_named_as_they_are() -> None:
    for language, qualified in (("fr", "qualifiée"), ("en", ": qualified")):
        texts = load_texts(language, ZoneInfo("UTC"))
        named = {level: texts.level(level).replace("\u00a0", " ") for level in SignatureLevel}
        assert qualified in named[SignatureLevel.NIVEAU_4]
        assert qualified not in named[SignatureLevel.NIVEAU_3]
    assert load_texts("fr", ZoneInfo("UTC")).level(SignatureLevel.NIVEAU_3) == (
        "niveau\u00a03\u00a0: avancée basée sur un certificat qualifié"
    )


def test_every_ending_has_its_own_words_and_says_what_was_charged(renderer: Renderer) -> None:
    for language, free in (("fr", "Rien n’a été prélevé"), ("en", "Nothing was charged")):
        texts = load_texts(language, ZoneInfo("UTC"))
        for table in ("endings", "endings_mend"):
            words = texts.words(table)
            assert {*(ending.value for ending in Ending), "other"} == set(words)
        assert len(set(texts.words("endings").values())) == len(Ending) + 1
        for ending in Ending:
            notice = SubscriptionClosed(subscription=SUBSCRIPTION, reason=ending.value)
            text = re.sub(r"[\s>]+", " ", renderer.render_notice(notice, reader(language)).text)
            for table in ("endings", "endings_mend"):
                assert re.sub(r"\s+", " ", texts.words(table)[ending.value]) in text
            paid = ending in {Ending.REQUESTED_BY_HOLDER, Ending.ORDERED_BY_HOST, Ending.REVOKED_BY_ISSUER}
            assert (free in text) is not paid


def test_the_two_languages_have_the_same_tables() -> None:
    french, english = (load_texts(language, ZoneInfo("UTC")).tables for language in LANGUAGES)
    assert {table: set(words) for table, words in french.items()} == {
        table: set(words) for table, words in english.items()
    }
    assert set(french["purposes"]) == set(french["purposes_sms"]) == {purpose.value for purpose in Purpose}
    assert set(french["document_kinds"]) == {kind.value for kind in DocumentKind}
    assert set(french["proofing"]) == {proofing.name.lower() for proofing in Proofing}
    for table in ("retries", "lapses", "revocations", "failures"):
        assert french[table]["other"] and english[table]["other"]
    assert all(word for words in (*french.values(), *english.values()) for word in words.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", Purpose)
def test_a_code_by_sms_is_one_message_that_browsers_fill_in(
    renderer: Renderer, language: str, purpose: Purpose
) -> None:
    message = renderer.render_code(
        channel=Channel.SMS, code=Secret("0123456"), purpose=purpose, language=language, not_after=WINTER
    )
    assert set(message.sms) <= gsm.GSM7
    assert len(message.sms) <= gsm.ONE_MESSAGE
    assert message.sms.splitlines()[-1] == "@sign.example #0123456"
    assert message.sms.splitlines()[-2] == ""
    assert "Etude & Signature" in message.sms or "Étude & Signature" in message.sms
    assert message.sms.count("0123456") == 2
    assert not message.text and not message.html and not message.subject


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("purpose", Purpose)
def test_a_code_by_e_mail_stands_alone_on_its_line_and_not_in_the_subject(
    renderer: Renderer, language: str, purpose: Purpose
) -> None:
    message = renderer.render_code(
        channel=Channel.EMAIL, code=Secret("R544XM"), purpose=purpose, language=language, not_after=WINTER
    )
    assert "R544XM" not in message.subject
    assert [line.strip() for line in message.text.splitlines() if "R544XM" in line] == ["R544XM"]
    page = Page(message.html)
    assert page.language == language
    assert message.html.count("R544XM") == 1
    assert ("14\u00a0h\u00a032" if language == "fr" else "14:32") in page.text


def test_the_hand_off_goes_by_sms_too_and_nothing_else_does(renderer: Renderer) -> None:
    for language, notice in written():
        message = renderer.render_notice(notice, reader(language))
        assert bool(message.sms) is isinstance(notice, IdentityHandOff)
        assert set(message.sms) <= gsm.GSM7
    sms = renderer.render_notice(ALL[0], reader("fr")).sms
    assert sms.splitlines()[-1] == "https://id.example/go?a=1&b=2"


def test_codes_do_not_print() -> None:
    message = RenderedMessage(text="R544XM", html="R544XM", sms="R544XM")
    assert "R544XM" not in repr(message)


def test_folding_to_seven_bits_keeps_what_can_be_read() -> None:
    assert gsm.fold("Œuvre «\u00a0reçue\u00a0» à l’été… 20 €") == 'OEuvre "reçue" à l\'été... 20 EUR'.replace("ç", "c")
    assert gsm.fold("Žofie Łódź 東") == "Zofie Lodz ?"


def test_french_typography_leaves_template_code_alone() -> None:
    assert typographic("a : b ; c ? « d » 3 ans {% if x != 1 %}", "fr") == (
        "a\u00a0: b\u202f; c\u202f? «\u00a0d\u00a0» 3\u00a0ans {% if x != 1 %}"
    )
    assert typographic("a : b", "en") == "a : b"


def test_a_host_replaces_a_message_a_layout_or_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notices" / "fr").mkdir(parents=True)
    (tmp_path / "texts").mkdir()
    (tmp_path / "notices" / "fr" / "identity_approved.html.j2").write_text(
        "{% extends layout %}{% block subject %}S{% endblock %}{% block preview %}P{% endblock %}"
        "{% block body %}<p>{{ platform }} : à nous</p>{% endblock %}",
        encoding="utf-8",
    )
    (tmp_path / "texts" / "fr.toml").write_text('[layout]\ngreeting = "Salut"\n', encoding="utf-8")
    renderer = Renderer(links=LINKS, platform="A<B", directory=tmp_path)
    message = renderer.render_notice(ALL[1], reader("fr"))
    assert "<p>A&lt;B\u00a0: à nous</p>" in message.html
    assert message.subject == "Votre pièce d’identité est validée"
    assert message.text.startswith("Salut Jessica")
    assert renderer.render_notice(ALL[2], reader("fr")).html.count("Salut Jessica") == 1


def test_a_host_template_that_is_wrong_is_said_once_and_clearly(tmp_path: Path) -> None:
    folder = tmp_path / "notices" / "en"
    folder.mkdir(parents=True)
    (folder / "turn_came.j2").write_text("{% extends layout %}\n{% block body %}{% if %}{% endblock %}")
    with pytest.raises(ConfigurationError, match=r"turn_came\.j2, line 2"):
        Renderer(links=LINKS, platform="P", directory=tmp_path)
    (folder / "turn_came.j2").write_text(
        "{% extends layout %}{% block subject %}s{% endblock %}{% block preview %}{% endblock %}"
        "{% block body %}{{ absent }}{% endblock %}"
    )
    renderer = Renderer(links=LINKS, platform="P", directory=tmp_path)
    with pytest.raises(Unavailable, match="turn_came"):
        renderer.render_notice(ALL[11], reader("en"))
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.toml").write_text("[layout\n")
    with pytest.raises(ConfigurationError, match=r"en\.toml"):
        Renderer(links=LINKS, platform="P", directory=tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "certificates"},
        {"account": "javascript:alert(1)"},
        {"subscription": "https://sign.example/subscriptions"},
        {"signing": "https://sign.example/{subscription}"},
        {"sms_host": "https://sign.example"},
        {"sms_host": "sign.example #1"},
        {"sms_host": ""},
    ],
)
def test_wrong_addresses_are_refused_at_once(change: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        evolve(LINKS, **change)


def test_what_cannot_work_is_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="zone"):
        Renderer(links=LINKS, platform="P", zone="Europe/Lutetia")
    with pytest.raises(ConfigurationError, match="platform"):
        Renderer(links=LINKS, platform=" \n")
    with pytest.raises(ConfigurationError, match="characters"):
        Renderer(links=LINKS, platform="Groupement des experts-comptables de Bourgogne-Franche-Comté")


def test_ids_cannot_leave_their_place_in_an_address() -> None:
    links = LINKS.for_notice(IdentityApproved(subscription=SubscriptionId("a/../b?c#d")))
    assert links["subscription_url"] == "https://sign.example/subscriptions/a%2F..%2Fb%3Fc%23d"


def test_templates_are_where_the_package_says() -> None:
    assert (TEMPLATES / "layout" / "message.html").is_file()
