"""What a page answers: a template and what it shows, or where to go, or bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from attrs import field, frozen
from markupsafe import Markup

EMPTY: Final[Mapping[str, object]] = MappingProxyType({})
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@frozen(kw_only=True)
class View:
    """What a page decided, before it is rendered. Exactly one of `template`, `redirect` and `content_type` is set."""

    status: int = 200
    template: str = ""
    """Its file in `templates/pages/`, without the ending."""
    context: Mapping[str, object] = field(default=EMPTY, repr=False)
    redirect: str = ""
    """A path of ours: nothing that a browser sent goes in here."""
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = NO_HEADERS
    form_action: str = ""
    """Another origin to which a form of this page may lead."""
    watch: Callable[[], str] | None = None
    """What gives the page's present mark, time and again: the answer is a stream of events (`watching.events`)."""


def redirect(path: str) -> View:
    """Go there with a GET: after a POST, so that a reload repeats nothing."""
    return View(status=303, redirect=path)


@frozen(kw_only=True)
class Page:
    """A rendered page, for a host that puts it into a layout of its own."""

    language: str
    title: str
    main: Markup = field(repr=False)
    root: str
    """Where `static/qcp.css` and `static/qcp.js` lie."""
    platform: str
    document: str = field(repr=False)
    """The whole page in our own layout."""


@frozen(kw_only=True)
class PageResponse:
    """What a shell sends. With `page`, the body is `page.document`, or what the host's layout makes of `page`."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    page: Page | None = None
    watch: Callable[[], str] | None = None
    """As `View.watch`: the body is what `watching.events` makes of it."""
