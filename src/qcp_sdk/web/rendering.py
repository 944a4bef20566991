"""From a view to a page: templates of `templates/pages/`, in the reader's language; a host's own folder comes first."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup, escape

from qcp_sdk.adapters.shared import history
from qcp_sdk.adapters.shared.texts import TEMPLATES, Texts, load_texts, read_zone
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.people import LANGUAGES
from qcp_sdk.values import Cents
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import address
from qcp_sdk.web.views import Page, View

STATIC: Final[Mapping[str, str]] = {"qcp.css": "text/css; charset=utf-8", "qcp.js": "text/javascript; charset=utf-8"}
"""The two files that pages name, and what they are."""


class Renderer:
    """Renders views. Safe for many threads.

    Raises:
        ConfigurationError: An unknown zone, or a template of the host's that does not compile.
    """

    def __init__(self, *, platform: str, zone: str = "Europe/Paris", directory: Path | None = None) -> None:
        self.platform = platform
        self._folders = [TEMPLATES] if directory is None else [directory, TEMPLATES]
        place = read_zone(zone)
        self.texts = {language: load_texts(language, place, directory) for language in LANGUAGES}
        self._environments = {language: self._environment(texts) for language, texts in self.texts.items()}
        if directory is not None:
            self._check(directory)

    def page(self, view: View, request: PageRequest) -> Page:
        """Render a view that has a template."""
        environment = self._environments[request.language]
        name, value = request.csrf
        field = Markup('<input type="hidden" name="{}" value="{}">').format(name, value) if name else Markup()
        url: Callable[..., str] = lambda page, **ids: address(request.root, page, **ids)  # noqa: E731
        context: dict[str, object] = {"problem": "", **view.context, "csrf": field, "url": url, "root": request.root}
        context["live"] = request.streams
        # What was ticked and typed comes back with a refusal; not what was agreed to, if the text is another one.
        context["sent"] = request.form if context["problem"] not in ("", "text_changed") else {}
        template = environment.get_template(f"pages/{view.template}.html")
        state = template.new_context(context)
        title = "".join(template.blocks["title"](state)).strip()
        main = Markup("".join(template.blocks["main"](state)))  # noqa: S704  # rendered with autoescape
        title = str(Markup(title).unescape())  # noqa: S704
        layout = environment.get_template("pages/layout.html")
        document = layout.render(context, title=title, main=main)
        return Page(
            language=request.language,
            title=title,
            main=main,
            root=request.root,
            platform=self.platform,
            document=document,
        )

    def render(self, name: str, language: str, **context: object) -> str:
        """Render a template that is a whole document: a page of practice, not of the journey."""
        return self._environments[language].get_template(f"{name}.html").render(context)

    def static(self, name: str) -> bytes:
        """Give one of `STATIC`, the host's own if it has one."""
        return next(path for one in self._folders if (path := one / "pages" / name).is_file()).read_bytes()

    def _environment(self, texts: Texts) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._folders),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters.update(
            day=texts.day, hour=texts.hour, moment=texts.moment, level=texts.level, fill=_fill, qr=qr_code,
            amount=lambda cents: Cents(cents).text(texts.language), when=lambda at, now: _when(texts, at, now),
        )  # fmt: skip
        environment.globals.update(t=texts.tables, phrase=texts.phrase, language=texts.language, platform=self.platform)
        return environment

    def _check(self, directory: Path) -> None:
        for language, texts in self.texts.items():
            history.check(texts, load_texts(language, texts.zone))
        for environment in self._environments.values():
            for path in sorted((directory / "pages").glob("*.html")):
                try:
                    environment.get_template(f"pages/{path.name}")
                except jinja2.TemplateError as error:
                    raise ConfigurationError(
                        "the template does not compile", where=path.name, mend=str(error)
                    ) from error


def _fill(text: str, **values: object) -> Markup:
    """Put values into a sentence of the tables, escaped: `{{ t.code.sent | fill(to=code.to) }}`."""
    return Markup(escape(text)).format(**values)  # noqa: S704  # just escaped


def _when(texts: Texts, at: datetime, now: datetime) -> str:
    """Write from when something may be done: the hour alone when it is within a day. Whoever comes at the minute that
    is written is not too early, so it is the next whole one.
    """
    at += (timedelta(minutes=1) - timedelta(seconds=at.second, microseconds=at.microsecond)) % timedelta(minutes=1)
    return texts.hour(at) if abs((at - now).total_seconds()) < 12 * 3600 else texts.moment(at)


def qr_code(text: str) -> Markup:
    """Draw a QR code as an inline SVG without any style; white behind it, so that it is read on dark pages too."""
    import segno

    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, scale=1, border=4, omitsize=True, svgclass="qcp-qr", lineclass=None,
        dark="#000", light="#fff",
    )  # fmt: skip
    return Markup(out.getvalue().decode())  # noqa: S704  # made of modules, not of words
