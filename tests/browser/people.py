"""Browsers of somebody's, and the words that they read."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from qcp_sdk.adapters.shared.texts import TEMPLATES

ARGUMENTS: Final = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PROVIDER: Final = "**://*.invalid/**"
PHONE: Final[dict[str, Any]] = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


@contextmanager
def chromium(path: str, *arguments: str) -> Iterator[Any]:
    """Give a running browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        yield browser
        browser.close()


class Browse:
    """Opens browsers that know nothing of each other, and notes what goes wrong in their pages."""

    def __init__(self, chromium: Any) -> None:
        self._chromium, self._made = chromium, []  # type: Any, list[Any]
        self.trouble: list[str] = []

    def __call__(self, *, provider: bool = False, **options: Any) -> Any:
        """Give a page of a new browser. With `provider` the address of a simulated provider shows a page: one whose
        requests are looked at keeps nothing in its cache, so it is for those alone who go there.
        """
        context = self._chromium.new_context(**options)
        context.set_default_timeout(20_000)
        self._made.append(context)
        context.on("page", self._watched)
        if provider:
            context.route(PROVIDER, lambda route: route.fulfill(body="<h1>Provider</h1>", content_type="text/html"))
        return context.new_page()

    def close(self) -> None:
        for one in self._made:
            one.close()

    def _watched(self, page: Any) -> None:
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        page.on(
            "console",
            lambda line: self.trouble.append(line.text) if "Content Security Policy" in line.text else None,
        )


@cache
def tables(language: str) -> dict[str, dict[str, str]]:
    """Give the sentences of the pages and of the messages, by table."""
    found: dict[str, dict[str, str]] = {}
    for name in (f"{language}.toml", f"pages.{language}.toml"):
        found |= tomllib.loads((TEMPLATES / "texts" / name).read_text("utf-8"))
    return found


def text(key: str, language: str = "en") -> str:
    """Give the sentence `table.name`."""
    table, _, name = key.partition(".")
    return tables(language)[table][name]


def heading(page: Any, key: str, language: str = "en") -> None:
    """Wait until the page of this heading is shown."""
    page.get_by_role("heading", level=1, name=text(key, language), exact=True).wait_for()


def send_first(page: Any, button: str) -> None:
    """Send the form of a button, as it is filled in, and drop the answer: a first click. A link sends nothing."""
    found = page.locator(button).first
    if found.evaluate("one => !one.form"):
        return
    action = found.evaluate("one => one.form.action")
    fields = found.evaluate("one => new URLSearchParams(new FormData(one.form, one)).toString()")
    page.context.request.post(
        action,
        data=fields,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        max_redirects=0,
    )
