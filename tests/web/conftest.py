"""Somebody who walks through the pages as a browser without scripts does: fills in forms, is redirected."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from lxml import html

from qcp_sdk.otp import Purpose
from qcp_sdk.people import Account
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.web.journey import Journey
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.views import PageResponse

ROOT = "/sign/"
ORIGIN = "https://host.example"


class Visitor:
    """One person with one browser. Every page that comes is checked for what every page must have."""

    def __init__(self, journey: Journey, account: Account | None, *, language: str = "en") -> None:
        self.journey, self.account, self.language = journey, account, language
        self.answer: PageResponse
        self.path = ROOT

    def ask(self, method: str, path: str, form: dict[str, list[str]] | None = None, seen: str = "") -> PageResponse:
        assert path.startswith(ROOT), path
        request = PageRequest(
            method=method, path=path.removeprefix(ROOT), account=self.account.id if self.account else None,
            language=self.language, root=ROOT, origin=ORIGIN, csrf=("csrf", "token"), form=form or {}, seen=seen,
        )  # fmt: skip
        self.answer = self.journey.answer(request)
        self.path = path
        if self.answer.page is not None:
            self._every_page()
        return self.answer

    def get(self, path: str) -> PageResponse:
        """Open a page, following redirects within our pages."""
        answer = self.ask("GET", path)
        while answer.status == 303 and answer.headers["Location"].startswith(ROOT):
            answer = self.ask("GET", answer.headers["Location"])
        return answer

    def submit(self, action: str, **values: str | list[str]) -> PageResponse:
        """Fill in the form of this page that goes there, and send it. Boxes are ticked only if they are named."""
        form = self.form(action)
        sent: dict[str, list[str]] = {}
        for one in form.xpath(".//input"):
            checked = one.get("checked") is not None
            if one.get("type") == "hidden" or (one.get("type") in ("radio", "checkbox") and checked):
                sent.setdefault(one.get("name"), []).append(one.get("value"))
        named = {one.get("name") for one in form.xpath(".//*[@name]")}
        for name, value in values.items():
            assert name in named, f"{name} is no field of {action}: {named}"
            sent[name] = [value] if isinstance(value, str) else value
        assert sent["csrf"] == ["token"]
        answer = self.ask("POST", str(form.get("action")), sent)
        return (
            self.get(answer.headers["Location"])
            if answer.status == 303 and answer.headers["Location"].startswith(ROOT)
            else answer
        )

    def form(self, action: str) -> html.HtmlElement:
        forms = [one for one in self.tree.xpath("//form") if one.get("action").endswith(action)]
        assert forms, (
            f"no form of {self.path} goes to {action}: {[one.get('action') for one in self.tree.xpath('//form')]}"
        )
        buttons: html.HtmlElement = forms[0]
        return buttons

    def form_with(self, action: str, button: str) -> html.HtmlElement:
        found: html.HtmlElement = next(
            one
            for one in self.tree.xpath("//form")
            if one.get("action").endswith(action) and one.xpath(f".//button[@value='{button}']")
        )
        return found

    def press(self, action: str, button: str, **values: str | list[str]) -> PageResponse:
        """Send the form in which this button is."""
        form = self.form_with(action, button)
        sent = {one.get("name"): [one.get("value")] for one in form.xpath(".//input[@type='hidden']")}
        sent["answer"] = [button]
        for name, value in values.items():
            sent[name] = [value] if isinstance(value, str) else value
        answer = self.ask("POST", str(form.get("action")), sent)
        return self.get(answer.headers["Location"]) if answer.status == 303 else answer

    @property
    def tree(self) -> html.HtmlElement:
        return html.document_fromstring(self.answer.body.decode())

    @property
    def heading(self) -> str:
        return " ".join(self.tree.xpath("//h1")[0].text_content().split())

    @property
    def text(self) -> str:
        return " ".join(self.tree.xpath("//main")[0].text_content().split())

    def _every_page(self) -> None:
        page, tree = self.answer.page, self.tree
        assert page is not None
        assert len(tree.xpath("//h1")) == 1, self.path
        assert tree.get("lang") == self.language
        assert page.title, self.path
        ids = tree.xpath("//@id")
        assert len(ids) == len(set(ids)), [one for one in ids if ids.count(one) > 1]
        for label in tree.xpath("//label"):
            assert label.get("for") in ids
        for input in tree.xpath("//input[not(@type='hidden')] | //textarea | //select"):
            assert tree.xpath(f"//label[@for='{input.get('id')}']"), input.attrib
        assert not tree.xpath("//@style | //style | //script[not(@src)] | //@*[starts-with(name(), 'on')]"), self.path
        for source in tree.xpath("//link/@href | //script/@src | //img/@src | //iframe/@src"):
            assert source.startswith(ROOT), source
        for form in tree.xpath("//form"):
            assert form.get("method") == "post"
            assert form.xpath(".//input[@name='csrf']")
            assert form.get("action").startswith(ROOT)
        policy = self.answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert self.answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"[{<]|built-in", self.text), self.text


@pytest.fixture
def journey(qcp_scene: Scene) -> Journey:
    return Journey(qcp_scene.qcp, platform="Plateforme & Co", mobile_help="https://host.example/account")


class Walk:
    """A scene with its pages: does the right thing on each, by what the page shows."""

    def __init__(self, scene: Scene, journey: Journey) -> None:
        self.scene, self.journey = scene, journey

    def visitor(self, account: Account | None, language: str = "en") -> Visitor:
        return Visitor(self.journey, account, language=language)

    def code(self, account: Account, purpose: Purpose) -> str:
        return self.scene.code(account, purpose).text.reveal()

    def at(self, account: Account, stage: Stage, language: str = "en") -> Visitor:
        """Give a visitor on the page of this stage."""
        view = self.scene.subscribe(account, until=stage)
        visitor = self.visitor(account, language)
        visitor.get(f"{ROOT}s/{view.id}")
        return visitor

    def id(self, visitor: Visitor) -> str:
        return urlsplit(visitor.path).path.removeprefix(f"{ROOT}s/").partition("/")[0]


@pytest.fixture
def walk(qcp_scene: Scene, journey: Journey) -> Walk:
    return Walk(qcp_scene, journey)
