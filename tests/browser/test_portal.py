"""`make portal` in a browser: two cabinets, three people, their inbox and phone, the operator's console; a collecte
that is created, signed by two, and verified. axe-core looks at each of its pages on the way.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.looking import look, sideways
from tests.browser.people import PHONE, Browse, heading, text

pytestmark = pytest.mark.browser


@pytest.fixture
def address() -> Iterator[str]:
    command = [sys.executable, "-m", "qcp_sdk.demo.portal", "--port", "0", "--patience", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        found = re.search(r"http://[\d.:]+", running.stdout.readline())
        assert found
        yield found[0]
        running.terminate()


class Visitor:
    """Somebody at the portal, in English."""

    def __init__(self, address: str, page: Any, person: str) -> None:
        self.address, self.page = address, page
        self.go("/")
        page.locator(f"button[name=person][value={person}]").click()
        page.locator("button[name=language][value=en]").click()
        page.get_by_role("heading", level=1, name=text("portal.title")).wait_for()

    def go(self, path: str) -> None:
        self.page.goto(path if path.startswith("http") else f"{self.address}{path}")

    def press(self, selector: str) -> None:
        self.page.locator(selector).first.click()

    def tick(self, selector: str) -> None:
        for box in self.page.locator(selector).all():
            box.check()

    def code(self) -> None:
        """Read the newest code in the inbox, in another tab, and type it."""
        inbox = self.page.context.new_page()
        inbox.goto(f"{self.address}/inbox")
        found = re.search(
            r"@127\.0\.0\.1 #(\d{7})|^\s*([A-Z2-9]{6})\s*$", inbox.locator("main").inner_text(), re.MULTILINE
        )
        assert found
        inbox.close()
        self.page.locator("#qcp-code").fill(found[1] or found[2])
        self.press("form[action$='/enter'] button")


def looked_at(page: Any, axe: str, *paths: str) -> None:
    for path in paths:
        page.goto(path)
        for scheme, width in (("light", 1280), ("dark", 360)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert look(page, axe) == [], (path, scheme)
            assert sideways(page) <= 0, path
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_the_portal_is_walked_by_its_three_people(address: str, browse: Browse, axe: str) -> None:
    jessica = Visitor(address, browse(), "jessica")
    page = jessica.page

    # Paul belongs to the other cabinet alone, whose credit is too small, and holds no certificate.
    paul = Visitor(address, browse(), "paul")
    paul.go("/signature/")
    paul.page.get_by_text(text("certificates_page.lcp_none")).wait_for()
    paul.page.get_by_text(text("certificates_page.none_suffices")).wait_for()
    paul.go("/collectes/new")
    paul.press("button[value=me]")
    assert paul.page.locator("option[value='3'][disabled]").count() == 1

    # Jessica belongs to both: the one that can pay is chosen already.
    jessica.go("/signature/")
    assert page.locator("input[name=cabinet]:disabled").count() == 1
    jessica.press("form[action$='/open'] button")
    heading(page, "email_code.title")
    jessica.press("form[action$='/code'] button")
    jessica.code()
    heading(page, "details.title")
    page.get_by_text("Cabinet Freyssinet & Associés").wait_for()
    jessica.tick("input[name=confirm]")
    jessica.press("button[value=right]")
    heading(page, "consents.title")
    jessica.tick("input[name=agree]")
    jessica.press("form[action$='/consents'] button")
    heading(page, "hand_off.title")

    phone = browse(**PHONE)
    phone.goto(page.locator(".qcp-hash").first.inner_text())
    phone.locator("form[action*='/go/'] button").click()
    phone.get_by_role("radio").first.wait_for()
    assert look(phone, axe) == []
    sessions = phone.url
    phone.get_by_role("radio").first.check()  # verified
    phone.locator("form button").click()
    phone.locator("h1").wait_for()
    heading(phone, "hand_off_done.title", "fr")
    heading(page, "identity.title")  # by itself

    # What an operator sees meanwhile, and every page of the portal's own.
    jessica.press("button[value=right]")
    heading(page, "request.title")
    jessica.tick("input[name=accept]")
    jessica.press("form[action$='/request'] button")
    heading(page, "request_code.title")
    jessica.press("form[action$='/code'] button")
    jessica.code()
    page.get_by_role("heading", level=1).filter(has_text=text("held.title")).wait_for()

    # A collecte of two: Jessica at level 3, and Irène, of the same cabinet, at level 2.
    jessica.go("/collectes/new")
    jessica.press("button[value=me]")
    page.locator("select[name='level-oneself']").select_option("3")
    page.locator("select[name=member]").select_option(label="Irène Faron")
    jessica.press("button[value=member]")
    page.locator("select[name='level-member-irene']").select_option("2")
    jessica.press("button[value=validate]")
    page.get_by_role("link", name=text("portal.sign")).first.wait_for()
    collecte = page.url
    signing = [one.get_attribute("href") for one in page.get_by_role("link", name=text("portal.sign")).all()]

    def signs(visitor: Visitor, path: str | None) -> None:
        visitor.go(str(path))
        visitor.tick("input[name=read]")
        visitor.press("form[action$='/consent'] button")
        heading(visitor.page, "signing.code_title")
        visitor.code()
        heading(visitor.page, "signing.signed")

    signs(jessica, signing[0])
    irene = Visitor(address, browse(), "irene")
    irene.go(str(signing[0]))
    heading(irene.page, "sorry.unknown")  # Jessica's
    signs(irene, signing[1])
    jessica.go(collecte)
    page.get_by_role("heading", name=text("portal.verified")).wait_for()
    said = page.locator("main").inner_text()
    assert "level 3: advanced, based on a qualified certificate" in said
    assert "level 2" in said

    pages = [f"{address}/", f"{address}/inbox", f"{address}/operator", sessions, collecte]
    looked_at(page, axe, *pages)
    jessica.go("/")
    jessica.press("button[name=language][value=fr]")
    looked_at(page, axe, *pages)


def test_the_phone_may_also_say_no(address: str, browse: Browse) -> None:
    """The operator's console leads to a session; what is chosen there comes to the page by itself."""
    irene = Visitor(address, browse(), "irene")
    irene.go("/signature/")
    irene.press("form[action$='/open'] button")
    irene.press("form[action$='/code'] button")
    irene.code()
    heading(irene.page, "details.title")
    irene.tick("input[name=confirm]")
    irene.press("button[value=right]")
    irene.tick("input[name=agree]")
    irene.press("form[action$='/consents'] button")
    heading(irene.page, "hand_off.title")
    operator = irene.page.context.new_page()
    operator.goto(f"{address}/operator")
    operator.get_by_role("link", name=re.compile("Irène Faron")).click()
    operator.get_by_label(text("portal.refuse")).check()
    operator.locator("form button").click()
    operator.close()
    heading(irene.page, "ended.closed")
    irene.page.get_by_text(text("endings.identity_refused")).wait_for()
    irene.page.get_by_text(text("layout.free")).wait_for()


def test_axe_finds_nothing_on_the_pages_of_practice(tmp_path: Path, browse: Browse, axe: str) -> None:
    """`qcp-sdk practice`, which plays the same part beside a host of one's own."""
    from werkzeug.serving import make_server

    from qcp_sdk import Qcp
    from qcp_sdk.demo.portal.world import PEOPLE
    from qcp_sdk.demo.practice import Practice
    from qcp_sdk.values import Key, SubscriptionId

    qcp = Qcp.local(tmp_path / "qcp")
    opened = qcp.identity.open(key=Key("one"), attempt=1, subscription=SubscriptionId("s"), person=PEOPLE[0])
    server = make_server("127.0.0.1", 0, Practice(qcp), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for language in ("fr", "en"):
        looked_at(browse(locale=language).context.pages[0], axe, f"{url}/", f"{url}/phone/{opened.session}")
    server.shutdown()
    server.server_close()
