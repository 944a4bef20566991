"""Writing messages: a notice or a code in, subject, plain text and HTML out, in the reader's language.

Each message is one template, `templates/notices/<language>/<template>.j2`, rendered twice: once with the
building blocks of `layout/*.txt`, once, escaped, with those of `layout/*.html`. A host's own folder is looked
into first: it may replace a layout, a table of sentences, or one message (`….j2`, or `….html.j2` and
`….txt.j2` apart).
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import jinja2
from attrs import field, fields, frozen
from markupsafe import Markup

from qcp_sdk.adapters.shared import gsm
from qcp_sdk.adapters.shared.texts import TEMPLATES, Texts, load_texts, read_zone, typographic
from qcp_sdk.errors import ConfigurationError, Rejected, Unavailable
from qcp_sdk.notices import Notice, Recipient
from qcp_sdk.otp import ALPHABETS, Channel, Purpose
from qcp_sdk.people import LANGUAGES
from qcp_sdk.values import Cents, Secret

FORMATS: Final = ("txt", "html")
WIDTH: Final = 72
"""Characters in a line of plain text (RFC 3676 § 4.2 asks for 78 at most)."""

_HOST: Final = re.compile(
    r"(?=.{1,100}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that opens and never closes
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


@frozen(kw_only=True)
class Links:
    """The host's addresses, as messages give them.

    `subscription` holds `{subscription}` and `signing` holds `{ceremony}` where the id goes. `sms_host` is the
    domain that the last line of an SMS names, so that browsers fill the code in on that site only.

    Raises:
        ConfigurationError: One is not a web address, or lacks its placeholder.
    """

    account: str
    """The certificates page (feature A)."""
    subscription: str
    """Where a subscription goes on."""
    signing: str
    """Where a ceremony is signed."""
    verify: str
    """Where anybody may verify a signed document."""
    sms_host: str = field(validator=lambda _, __, host: _host(host))

    def __attrs_post_init__(self) -> None:
        for name, placeholder in (
            ("account", ""),
            ("subscription", "{subscription}"),
            ("signing", "{ceremony}"),
            ("verify", ""),
        ):
            url = getattr(self, name)
            if not _is_web(url):
                raise ConfigurationError(f"`{url}` is not a web address", where=f"links.{name}", mend="write https://…")
            if placeholder not in url:
                raise ConfigurationError(f"`{url}` lacks `{placeholder}`", where=f"links.{name}")

    def for_notice(self, notice: Notice) -> dict[str, str]:
        """Give the addresses that a message may use: those whose id it carries, and those without one."""
        links = {"account_url": self.account, "verify_url": self.verify}
        for field_name, link, pattern in (
            ("subscription", "subscription_url", self.subscription),
            ("ceremony", "signing_url", self.signing),
        ):
            given = getattr(notice, field_name, None)
            if given is not None:
                links[link] = pattern.replace(f"{{{field_name}}}", quote(given, safe=""))
        return links


def _host(host: str) -> None:
    if not _HOST.fullmatch(host):
        raise ConfigurationError(
            f"`{host}` is not the name of a host",
            where="links.sms_host",
            mend="write it in lower case, without https://",
        )


@frozen(kw_only=True)
class RenderedMessage:
    """A message ready to be sent. `sms` is set where the message may go by SMS; a code by SMS is `sms` alone."""

    subject: str = ""
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    sms: str = field(default="", repr=False)


class Renderer:
    """Writes every message of `qcp_sdk.notices`, and the codes. Safe for many threads.

    `platform` is the host's name as people know it, `zone` the time zone of the dates they read, and
    `directory` the host's own templates, which replace ours file by file.

    Raises:
        ConfigurationError: An unknown zone, a template of the host's that does not compile, or a platform and
            SMS host too long for a code to fit into one SMS.
    """

    def __init__(
        self, *, links: Links, platform: str, zone: str = "Europe/Paris", directory: Path | None = None
    ) -> None:
        self.links, self.platform = links, _line(platform)
        if not self.platform:
            raise ConfigurationError("it is empty", where="platform", mend="give the name that people know you by")
        place = read_zone(zone)
        self._texts = {language: load_texts(language, place, directory) for language in LANGUAGES}
        self._environments = {
            (language, form): _environment(texts, form, directory)
            for language, texts in self._texts.items()
            for form in FORMATS
        }
        if directory is not None:
            self._check_templates(directory)
        self._check_sms(place)

    def render_notice(self, notice: Notice, to: Recipient, *, left_out: Sequence[str] = ()) -> RenderedMessage:
        """Write a message in its reader's language; `left_out` are the files that are too large to go with it.

        Raises:
            Rejected: `undeliverable`: the message holds an address that is not one of the web.
            Unavailable: A template of the host's cannot be rendered.
        """
        values = _values(notice)
        if "url" in values and not _is_web(str(values["url"])):
            raise Rejected("the link in this message is not a web address", reason="undeliverable")
        about = {"to": to.name.full, "platform": self.platform, "left_out": list(left_out)}
        context = {**values, **self.links.for_notice(notice), **about}
        name = f"notices/{to.language}/{notice.template}"
        return RenderedMessage(
            subject=self._subject(name, to.language, context),
            text=self._render(name, to.language, "txt", context),
            html=self._render(name, to.language, "html", context),
            sms=self._sms(name, to.language, context) if notice.by_sms else "",
        )

    def render_code(
        self, *, channel: Channel, code: Secret, purpose: Purpose, language: str, not_after: datetime
    ) -> RenderedMessage:
        """Write the message that brings a code: by SMS `sms` alone, by e-mail the other parts.

        The SMS ends with the line that browsers fill in from (WICG "Origin-bound one-time codes": `@host #code`).

        Raises:
            Unavailable: A template of the host's cannot be rendered.
        """
        context: dict[str, object] = {
            "code": code.reveal(),
            "purpose": purpose.value,
            "not_after": not_after,
            "platform": self.platform,
            "sms_host": self.links.sms_host,
            "to": "",
            "account_url": self.links.account,
        }
        if channel is Channel.SMS:
            return RenderedMessage(sms=self._sms(f"codes/{language}/code", language, context))
        name = f"codes/{language}/code"
        return RenderedMessage(
            subject=self._subject(name, language, context),
            text=self._render(name, language, "txt", context),
            html=self._render(name, language, "html", context),
        )

    def _template(self, name: str, language: str, form: str) -> jinja2.Template:
        return self._environments[language, form].select_template([f"{name}.{form}.j2", f"{name}.j2"])

    def _subject(self, name: str, language: str, context: Mapping[str, object]) -> str:
        def write() -> str:
            template = self._template(name, language, "txt")
            return "".join(template.blocks["subject"](template.new_context(dict(context))))

        return _line(_guarded(name, write))

    def _render(self, name: str, language: str, form: str, context: Mapping[str, object]) -> str:
        written = _guarded(name, lambda: self._template(name, language, form).render(context))
        return re.sub(r"\n{3,}", "\n\n", written).strip() + "\n"

    def _sms(self, name: str, language: str, context: Mapping[str, object]) -> str:
        template = f"{name}.sms.j2"
        written = _guarded(template, lambda: self._environments[language, "txt"].get_template(template).render(context))
        return gsm.fold(written.strip())

    def _check_templates(self, directory: Path) -> None:
        """Compile what the host wrote, so that a slip of the pen shows at start-up and not in a message."""
        for (language, form), environment in self._environments.items():
            for path in (*sorted(directory.glob(f"*/{language}/*.j2")), directory / "layout" / f"message.{form}"):
                if path.is_file():
                    _compiled(environment, path.relative_to(directory).as_posix())

    def _check_sms(self, place: ZoneInfo) -> None:
        longest = Secret("0" * ALPHABETS[Channel.SMS][1])
        widest = datetime(2030, 12, 31, 22, 22, tzinfo=place)
        for language in LANGUAGES:
            for purpose in Purpose:
                sms = self.render_code(
                    channel=Channel.SMS,
                    code=longest,
                    purpose=purpose,
                    language=language,
                    not_after=widest,
                ).sms
                if len(sms) > gsm.ONE_MESSAGE:
                    raise ConfigurationError(
                        f"a code by SMS would take {len(sms)} characters, more than {gsm.ONE_MESSAGE}",
                        where="platform",
                        mend="give a shorter platform name or SMS host",
                    )


def _environment(texts: Texts, form: str, directory: Path | None) -> jinja2.Environment:
    folders = [TEMPLATES] if directory is None else [directory, TEMPLATES]
    environment = jinja2.Environment(
        loader=_Loader(folders, texts.language),
        autoescape=form == "html",  # noqa: S701  # plain text is not escaped
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        auto_reload=False,
    )
    amount: Callable[[Cents], str] = lambda cents: cents.text(texts.language)  # noqa: E731
    environment.filters.update(
        amount=amount,
        day=texts.day,
        hour=texts.hour,
        moment=texts.moment,
        level=texts.level,
        fill=_fill,
        inline=_inline,
    )
    environment.globals.update(
        language=texts.language,
        layout=f"layout/message.{form}",
        words=texts.words("layout"),
        phrase=texts.phrase,
        zone_name=texts.zone_name,
        city=texts.city,
    )
    environment.globals["ui"] = _compiled(environment, f"layout/ui.{form}").module
    return environment


class _Loader(jinja2.FileSystemLoader):
    """Reads templates, and puts non-breaking spaces where the language wants them (not in SMS, not in layouts)."""

    def __init__(self, folders: list[Path], language: str) -> None:
        super().__init__([str(folder) for folder in folders], followlinks=True)
        self._language = language

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, fresh = super().get_source(environment, template)
        if not template.startswith("layout/") and not template.endswith(".sms.j2"):
            source = typographic(source, self._language)
        return source, path, fresh


def _compiled(environment: jinja2.Environment, name: str) -> jinja2.Template:
    try:
        return environment.get_template(name)
    except (jinja2.TemplateError, UnicodeDecodeError) as error:
        line = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise ConfigurationError("the template does not compile", where=f"{name}{line}", mend=str(error)) from error


def _guarded(name: str, write: Callable[[], str]) -> str:
    try:
        return write()
    except (jinja2.TemplateError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        # Ours are tested for every message; so this is a host's template, and mending it lets the message go.
        raise Unavailable(f"the template `{name}` cannot be rendered", mend="correct your own copy of it") from error


def _values(notice: Notice) -> dict[str, object]:
    """Give a notice's fields, each text on one line and without characters that could disguise it."""
    values: dict[str, object] = {}
    for attribute in fields(type(notice)):
        value = getattr(notice, attribute.name)
        if isinstance(value, str):
            value = _line(value)
        elif isinstance(value, tuple):
            value = tuple(_line(item) if isinstance(item, str) else item for item in value)
        values[attribute.name] = value
    return values


def _line(text: str) -> str:
    # Controls (Cc), and format characters (Cf) such as U+202E, which turns what follows around.
    shown = "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"} else c for c in text)
    return _inline(shown)


def _inline(text: str) -> str:
    """Fold ordinary white space to single spaces; non-breaking spaces stay."""
    folded = re.sub(r"[ \t\r\n\f\v]+", " ", text).strip(" ")
    return Markup(folded) if isinstance(text, Markup) else folded  # noqa: S704  # it was escaped when it was made


def _fill(text: str, first: str = "", others: str = "") -> str:
    return textwrap.fill(
        _inline(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
