"""The guide from A1 to E4 on both platforms and in both plans; and every step of it disturbed.

However a walk is disturbed, it ends where the undisturbed one does, with one of each effect: one code a request, one
hold, one capture, one certificate, one signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from qcp_sdk.adapters.shared.messages import Renderer
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.web.links import links
from tests.browser.hosts import HOSTS, Host
from tests.browser.people import Browse, heading, send_first, text
from tests.browser.walks import ASSEMBLED, HOSTED, PLANS, Step, Walk, begin, effects

pytestmark = pytest.mark.browser

ONCE: dict[Plan, dict[str, object]] = {
    Plan.ASSEMBLED: {
        "codes": {"open": 1, "request": 1, "sign": 1, "revoke": 1},
        "money": {"credit": 1, "hold": 1, "capture": 1},
        "taken": 2_000,
        "identities": 1,
        "registrations": 0,
        "certificates": 1,
        "notices": {
            "IdentityApproved": 1,
            "RequestSubmitted": 1,
            "CertificateIssued": 1,
            "Invitation": 1,
            "SignedCopy": 1,
            "CertificateRevoked": 1,
        },
        "subscription": "revoked",
        "ceremonies": ["signed"],
    },
}
ONCE[Plan.HOSTED] = {
    **ONCE[Plan.ASSEMBLED],
    "codes": {"open": 1, "sign": 1},
    "identities": 0,
    "registrations": 1,
    "notices": {"CertificateIssued": 1, "Invitation": 1, "SignedCopy": 1},
    "subscription": "active",
}


class Undisturbed:
    """Does what is asked for, and lets the pages move on by themselves."""

    options: Mapping[str, Any] = MappingProxyType({})
    by_itself = True

    def began(self, walk: Walk) -> None:
        """A browser has been opened."""
        if self.by_itself:
            walk.page.clock.install()
        else:
            # A page that moves on while it is being disturbed would make this a test of two things.
            walk.page.context.add_init_script("window.fetch = () => new Promise(() => {})")

    def arrived(self, walk: Walk, step: Step) -> None:
        """The page of a step is shown."""

    def press(self, walk: Walk, step: Step) -> None:
        if step.moves and self.by_itself:
            walk.page.clock.run_for(3_000)  # what the page waits before it asks
        else:
            walk.page.locator(step.press).first.click()

    def left(self, walk: Walk, step: Step, following: Step) -> None:
        """The page of the following step is shown."""


class WithoutScripts(Undisturbed):
    options = MappingProxyType({"java_script_enabled": False})
    by_itself = False


class Reload(Undisturbed):
    by_itself = False

    def arrived(self, walk: Walk, step: Step) -> None:
        if step.remembered:
            walk.page.reload()
            walk.see(step)


class Back(Undisturbed):
    by_itself = False

    def left(self, walk: Walk, step: Step, following: Step) -> None:
        """Goes back, says again what the older page still offers, and comes to the present page."""
        from playwright.sync_api import Error

        present = walk.page.url
        try:
            walk.page.go_back()
        except Error as asked:
            # Behind the signing page lies the signatories' step, which came of a form without a redirect: the browser
            # asks whether to send it again. (docs/web.md, "What is not there")
            assert step.name.startswith("sign"), step.name
            assert "ERR_CACHE_MISS" in asked.message
            walk.page.wait_for_url("chrome-error://**")
        walk.page.wait_for_load_state()
        if walk.page.locator(step.press).count():
            step.fill(walk)
            walk.page.locator(step.press).first.click()
            walk.page.wait_for_load_state()
        if following.remembered:
            walk.page.goto(present)
            walk.see(following)


class DoubleClick(Undisturbed):
    by_itself = False

    def press(self, walk: Walk, step: Step) -> None:
        walk.page.locator(step.press).first.dblclick()


class SentTwice(Undisturbed):
    """The second of two clicks, after the first was sent: its answer is the one that is shown, and nothing in the page
    keeps it from being sent. (Of two clicks within an instant Chromium sends one.)
    """

    options = MappingProxyType({"java_script_enabled": False})
    by_itself = False

    def press(self, walk: Walk, step: Step) -> None:
        send_first(walk.page, step.press)
        walk.page.locator(step.press).first.click()

    def left(self, walk: Walk, step: Step, following: Step) -> None:
        """Nobody is told of a fault of theirs; but for a code that was asked for twice, that one was just sent."""
        said = "".join(walk.page.get_by_role("alert").all_inner_texts())
        asked = step.name in ("email_code", "request_code", "revocation")
        assert not said or (asked and text("problems.too_soon") in said), said


class TwoTabs(Undisturbed):
    """A second tab, filled in before the first moves on, and sent after it."""

    by_itself = False

    def arrived(self, walk: Walk, step: Step) -> None:
        self.tab = walk.page.context.new_page()
        self.tab.goto(walk.page.url)

    def left(self, walk: Walk, step: Step, following: Step) -> None:
        other = Walk(walk.host, walk.browse, self.tab)
        if step.remembered and self.tab.locator(step.press).count():
            step.fill(other)
            self.tab.locator(step.press).first.click()
            if following.remembered:
                heading(self.tab, following.heading)
        self.tab.close()


class Leaving(Undisturbed):
    """At every step the browser is closed; another one comes back by the last e-mail's link, or "resume"."""

    by_itself = False

    def arrived(self, walk: Walk, step: Step) -> None:
        where = walk.page.url
        walk.page.context.close()
        walk.page = walk.browse()
        self.began(walk)
        walk.login()
        if not step.remembered or step.name.startswith(("certificates", "sign", "revo")):
            self._come_back(walk, step, where)
        elif (link := self._mailed(walk)) is not None:
            walk.page.goto(link)
        elif step.name != "held":
            walk.page.get_by_role("link", name=text("certificates_page.resume")).click()
        else:
            walk.page.goto(where)
        walk.see(step)

    def _come_back(self, walk: Walk, step: Step, where: str) -> None:
        walk.page.goto(where)
        if not step.remembered:  # the draft is begun anew
            walk.page.goto(f"{walk.host.url}/collectes/new")
            walk.page.locator("button[value=me]").click()

    def _mailed(self, walk: Walk) -> str | None:
        """Give the address of this subscription in the newest e-mail, if one was sent."""
        sent = walk.scene.world.notices.to(walk.scene.jessica.email)
        if not sent:
            return None
        writer = Renderer(links=links(f"{walk.host.url}/signature/"), platform="Plateforme")
        newest = walk.scene.world.notices.outbox[-1]
        found = re.search(r"http\S+/s/\S+", writer.render_notice(newest.notice, newest.to).text)
        return found[0] if found else None


DISTURBANCES = {
    "straight": Undisturbed,
    "no_scripts": WithoutScripts,
    "reload": Reload,
    "back": Back,
    "double_click": DoubleClick,
    "sent_twice": SentTwice,
    "two_tabs": TwoTabs,
    "leaving": Leaving,
}


WALKS = [
    (host, plan, name)
    for host in HOSTS
    for plan in Plan
    for name in DISTURBANCES
    # A new browser at every step takes as long as all the others together: each plan on one platform.
    if name != "leaving" or (host, plan) in (("django", Plan.ASSEMBLED), ("flask", Plan.HOSTED))
]


@pytest.mark.parametrize(
    ("host", "plan", "name"), WALKS, indirect=["host"], ids=[f"{host}-{plan}-{name}" for host, plan, name in WALKS]
)
def test_the_guide_is_walked_to_the_same_end(host: Host, browse: Browse, plan: Plan, name: str) -> None:
    begin(host, plan)
    disturbed = DISTURBANCES[name]()
    walk = Walk(host, browse, browse(**disturbed.options))
    disturbed.began(walk)
    walk.login()
    if plan is Plan.HOSTED:
        walk.open(f"signature/s/{walk.subscription}")
    before: Step | None = None
    for step in PLANS[plan]:
        if step.address is not None:
            walk.open(step.address(walk))
        walk.see(step)
        if before is not None and before.press:
            disturbed.left(walk, before, step)
        disturbed.arrived(walk, step)
        step.outside(walk)
        step.fill(walk)
        if step.press:
            disturbed.press(walk, step)
        before = step
    assert effects(walk) == ONCE[plan]


def test_every_stage_that_a_right_way_passes_is_a_step_of_the_walk() -> None:
    """A new stage's page is walked and disturbed, or named here."""
    walked = {step.stage for step in (*ASSEMBLED, *HOSTED)}
    # Where nobody presses anything: reached by other tests, which also look at every page with axe.
    ended = {Stage.CLOSED, Stage.EXPIRED}
    assert {one for one in Stage if one not in walked} == ended
    others = {CeremonyStage.WAITING_TURN, CeremonyStage.PARTLY_SIGNED, CeremonyStage.REFUSED, CeremonyStage.LAPSED,
              CeremonyStage.FAILED}  # fmt: skip
    assert {one for one in CeremonyStage if one not in walked} == others
