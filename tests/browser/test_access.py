"""axe-core finds nothing on any page: in both languages, light and dark, on a desktop and on a phone; no page scrolls
sideways on a phone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.subscription.stages import Stage
from tests.browser.hosts import Host
from tests.browser.looking import look, sideways
from tests.browser.pages import PAGES, open_all
from tests.browser.people import Browse

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(flask_host: Host, browse: Browse, axe: str, name: str) -> None:
    shown = PAGES[name]
    path, page = shown.bring(flask_host.begin(offer=shown.offer())), browse()
    for language in ("fr", "en"):
        page.goto(f"{flask_host.url}/login/jessica/{language}")
        page.goto(f"{flask_host.url}/{path}")
        shown.act(page)
        open_all(page)
        for scheme, width in (("light", 1280), ("dark", 360)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert look(page, axe) == [], (language, scheme, width)
            assert sideways(page) <= 0, f"scrolls sideways at {width}"


def test_every_template_and_every_stage_is_among_the_pages(flask_host: Host) -> None:
    """A new page is looked at, too, and has its picture: which page of a stage is shown is asked of the page itself."""
    from qcp_sdk.adapters.shared.texts import TEMPLATES
    from qcp_sdk.web import signing as of_ceremony
    from qcp_sdk.web import subscriptions

    stages: set[Stage] = set()
    ceremonies: set[CeremonyStage] = set()
    for shown in PAGES.values():
        present = flask_host.begin(offer=shown.offer())
        kind, _, id = shown.bring(present).removeprefix("signature/").partition("/")
        if kind == "s":
            stages.add(present.scene.qcp.subscriptions.get(id.partition("/")[0]).stage)  # type: ignore[arg-type]
        elif kind == "c":
            ceremonies.add(present.scene.qcp.collectes.ceremony(id).stage)  # type: ignore[arg-type]
    assert stages == set(Stage)
    assert ceremonies == set(CeremonyStage)
    files = {path.stem for path in Path(TEMPLATES, "pages").glob("*.html")} - {"layout", "ui", "signing_parts"}
    staged = set(subscriptions.TEMPLATES.values()) | set(of_ceremony.TEMPLATES.values())
    others = {"certificates", "mobile", "hand_off_phone", "hand_off_done", "hand_off_spent", "revocation", "sorry",
              "signatories"}  # fmt: skip
    assert files == staged | others
