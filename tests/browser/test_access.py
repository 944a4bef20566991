"""axe-core finds nothing on any page: in both languages, light and dark, on a desktop and on a phone; no page scrolls
sideways on a phone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from qcp_sdk.adapters.memory.identity import refuse, retry
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.facts import DetailsContested
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene

pytestmark = pytest.mark.browser

TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def at(stage: Stage) -> Callable[[Scene], str]:
    return lambda scene: f"s/{scene.subscribe(scene.jessica, until=stage).id}"


def waiting(scene: Scene) -> str:
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.capture(scene.identity_session(view))
    scene.qcp.subscriptions.refresh(view.id)
    return f"s/{view.id}"


def decided(verdict: Any) -> Callable[[Scene], str]:
    def bring(scene: Scene) -> str:
        view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
        session = scene.identity_session(view)
        scene.world.identity.script(session, verdict)
        scene.world.identity.capture(session)
        scene.wait(timedelta(minutes=10))
        return f"s/{view.id}"

    return bring


def contested(scene: Scene) -> str:
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
    return f"s/{view.say(DetailsContested()).id}"


def code_sent(stage: Stage) -> Callable[[Scene], str]:
    from qcp_sdk.facts import CodeRequested

    def bring(scene: Scene) -> str:
        view = scene.subscribe(scene.jessica, until=stage)
        scene.qcp.subscriptions.act(view.id, CodeRequested())
        return f"s/{view.id}" + ("/revocation" if stage is Stage.ACTIVE else "")

    return bring


def signing(scene: Scene, *, second: bool = False) -> str:
    for one in (scene.jessica, scene.irene):
        scene.subscribe(one)
    people = (scene.irene, scene.jessica) if second else (scene.jessica, scene.irene)
    views = scene.start(scene.collecte(*people))
    return f"c/{views[1 if second else 0].id}"


def signing_code(scene: Scene) -> str:
    path = signing(scene)
    scene.ask_code(scene.qcp.collectes.ceremony(path.removeprefix("c/")))  # type: ignore[arg-type]
    return path


def signed(scene: Scene) -> str:
    path = signing_code(scene)
    scene.qcp.collectes.ceremony(path.removeprefix("c/")).say(scene.code(scene.jessica, Purpose.SIGN))  # type: ignore[arg-type]
    return path


PAGES: Final[Mapping[str, Callable[[Scene], str]]] = {
    "certificates": lambda _scene: "",
    "certificates-held": lambda scene: at(Stage.ACTIVE)(scene) and "",
    "mobile": lambda _scene: "mobile",
    "email-code": at(Stage.VERIFYING_EMAIL),
    "email-code-sent": code_sent(Stage.VERIFYING_EMAIL),
    "details": at(Stage.CONFIRMING_DETAILS),
    "consents": at(Stage.CONSENTING),
    "hand-off": at(Stage.PROVING_IDENTITY),
    "hand-off-again": decided(retry("glare")),
    "hand-off-done": lambda _scene: "done",
    "hand-off-spent": lambda _scene: "go/x",
    "waiting": waiting,
    "identity": at(Stage.CONFIRMING_IDENTITY),
    "request": at(Stage.READING_REQUEST),
    "request-code": code_sent(Stage.SIGNING_REQUEST),
    "held": at(Stage.ACTIVE),
    "refused": decided(refuse("no")),
    "contested": contested,
    "revocation": code_sent(Stage.ACTIVE),
    "signing": signing,
    "signing-code": signing_code,
    "signing-wait": lambda scene: signing(scene, second=True),
    "signing-end": signed,
    "unknown": lambda _scene: "nowhere",
}


def look(page: Any, axe: str) -> list[str]:
    """Give what axe finds on the page that is shown."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate("tags => axe.run({runOnly: tags})", TAGS)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(host: Any, browse: Any, axe: str, name: str) -> None:
    path, page = PAGES[name](host.scene), browse()
    for language in ("fr", "en"):
        page.goto(f"{host.url}/login/jessica/{language}")
        page.goto(f"{host.url}/signature/{path}")
        for summary in page.locator("summary").all():
            summary.click()
        for scheme, width in (("light", 1280), ("dark", 360)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert look(page, axe) == [], (language, scheme, width)
            sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert sideways <= 0, f"scrolls sideways by {sideways} at {width}"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_axe_finds_nothing_on_the_phones_page_and_the_signatories_step(
    host: Any, browse: Any, axe: str, language: str
) -> None:
    page = browse(color_scheme="dark")
    page.goto(f"{host.url}/login/jessica/{language}")
    page.goto(f"{host.url}/signature/{PAGES['hand-off'](host.scene)}")
    page.goto(page.locator(".qcp-hash").first.inner_text())
    assert look(page, axe) == []
    page.goto(f"{host.url}/collectes/new")
    for button in ("me", "member", "other"):
        page.locator(f"button[value='{button}']").click()
        page.wait_for_load_state()
    page.locator("button[value='validate']").click()
    page.get_by_role("alert").wait_for()
    for summary in page.locator("summary").all():
        summary.click()
    assert look(page, axe) == []


def test_axe_finds_nothing_where_a_code_was_wrong(host: Any, browse: Any, axe: str) -> None:
    page = browse()
    page.goto(f"{host.url}/login/jessica/en")
    page.goto(f"{host.url}/signature/{PAGES['email-code-sent'](host.scene)}")
    page.get_by_label("Code received").fill("AAAAAA")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("alert").wait_for()
    assert look(page, axe) == []


def test_every_template_is_among_the_pages() -> None:
    """A new page is looked at, too: those that need a state of their own are named here."""
    from qcp_sdk.adapters.shared.texts import TEMPLATES
    from qcp_sdk.web import signing as of_ceremony
    from qcp_sdk.web import subscriptions

    files = {path.stem for path in Path(TEMPLATES, "pages").glob("*.html")} - {"layout", "ui", "signing_parts"}
    staged = set(subscriptions.TEMPLATES.values()) | set(of_ceremony.TEMPLATES.values())
    others = {"certificates", "mobile", "hand_off_phone", "hand_off_done", "hand_off_spent", "revocation", "sorry",
              "signatories"}  # fmt: skip
    assert files == staged | others
