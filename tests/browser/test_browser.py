"""What the walks (`test_walks.py`) and the branches (`test_branches.py`) do not meet: order by hand, another user."""

from __future__ import annotations

import pytest

from qcp_sdk.subscription.stages import Stage
from tests.browser.hosts import Host
from tests.browser.people import PHONE, Browse, heading, send_first, text

pytestmark = pytest.mark.browser


def test_a_level_that_is_refused_is_shown_with_why_and_signatories_are_put_in_order(host: Host, browse: Browse) -> None:
    page = browse()
    page.goto(f"{host.url}/login/jessica/en")
    page.goto(f"{host.url}/collectes/new")
    page.get_by_role("button", name="Add me").click()
    page.get_by_role("button", name="Add this member").click()
    rows = page.locator(".qcp-signatories > li")
    assert rows.count() == 2
    assert page.locator("option[value='3'][disabled]").count() == 2
    page.get_by_role("button", name="Move Irène Faron up").press("Enter")
    page.get_by_role("heading", name="Signatory 1: Irène Faron").wait_for()
    # The second is dragged above the first.
    rows.nth(1).drag_to(rows.nth(0), source_position={"x": 10, "y": 6}, target_position={"x": 10, "y": 6})
    page.get_by_role("heading", name="Signatory 1: Jessica Poussart").wait_for()
    # A drag that was given up, then something else dropped: nothing moves, and nothing goes wrong.
    wrong: list[object] = []
    page.on("pageerror", lambda error: wrong.append(error))
    moved = page.evaluate_handle("() => new DataTransfer()")
    rows.nth(0).dispatch_event("drop", {"dataTransfer": moved})
    rows.nth(0).dispatch_event("dragstart", {"dataTransfer": moved})
    rows.nth(0).dispatch_event("dragend", {"dataTransfer": moved})
    rows.nth(1).dispatch_event("drop", {"dataTransfer": moved})
    page.get_by_role("button", name="Move Irène Faron up").focus()
    assert page.get_by_role("heading", name="Signatory 1: Jessica Poussart").is_visible()
    assert wrong == []


def test_another_user_in_the_same_browser_sees_nothing(host: Host, browse: Browse) -> None:
    page = browse()
    view = host.scene.subscribe(host.scene.jessica, until=Stage.CONFIRMING_DETAILS)
    page.goto(f"{host.url}/login/jessica/en")
    page.goto(f"{host.url}/signature/s/{view.id}")
    heading(page, "details.title")
    where = page.url
    page.goto(f"{host.url}/login/irene/en")
    assert page.goto(where).status == 404
    heading(page, "sorry.unknown")


@pytest.mark.parametrize("scripts", [True, False])
def test_the_link_by_sms_is_sent_once_and_opens_the_providers_page(host: Host, browse: Browse, scripts: bool) -> None:
    """C1, by SMS: one message for a double click, with scripts or without; its link needs nobody to be signed in."""
    from qcp_sdk.notices import IdentityHandOff

    page, phone = browse(java_script_enabled=scripts), browse(provider=True, **PHONE)
    view = host.scene.subscribe(host.scene.jessica, until=Stage.PROVING_IDENTITY)
    page.goto(f"{host.url}/login/jessica/en")
    page.goto(f"{host.url}/signature/s/{view.id}")
    button = "form[action$='/link'] button"
    if scripts:
        page.locator(button).dblclick()
    else:
        send_first(page, button)
        page.locator(button).click()
    page.get_by_text(text("hand_off.links").format(count=2)).wait_for()
    (sent,) = [one for one in host.scene.world.notices.to(host.scene.jessica.email) if isinstance(one, IdentityHandOff)]
    phone.goto(sent.url)
    phone.get_by_role("heading", name="Provider").wait_for()
