"""The guide's journey in a browser, from A1 to E4, and what people do to it on the way."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk.adapters.memory.identity import refuse, retry
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.values import SubscriptionId

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 780}, "is_mobile": True, "has_touch": True}


def subscription(page: Any) -> str:
    found = re.search(r"/s/([^/]+)", page.url)
    assert found
    return found[1]


def heading(page: Any, text: str) -> None:
    page.get_by_role("heading", level=1, name=text, exact=True).wait_for()


def with_code(host: Any, page: Any, purpose: Purpose, send: str = "Send me a code") -> None:
    page.get_by_role("button", name=send, exact=True).click()
    field = page.get_by_label("Code received")
    field.wait_for()
    field.fill(host.code(host.scene.jessica, purpose))
    page.get_by_role("button", name="Submit").click()


def begun(host: Any, page: Any, until: Stage) -> str:
    view = host.scene.subscribe(host.scene.jessica, until=until)
    page.goto(f"{host.url}/login/jessica/en")
    page.goto(f"{host.url}/signature/s/{view.id}")
    return str(view.id)


@pytest.mark.parametrize("scripts", [True, False])
def test_from_the_certificates_page_to_a_signature(host: Any, browse: Any, scripts: bool) -> None:
    scene = host.scene
    desktop, phone = browse(java_script_enabled=scripts), browse(java_script_enabled=scripts, **PHONE)
    desktop.goto(f"{host.url}/login/jessica/en")
    heading(desktop, "My signing certificates")
    desktop.get_by_role("button", name="Subscribe").click()
    heading(desktop, "Check your e-mail address")
    id = subscription(desktop)
    with_code(host, desktop, Purpose.OPEN)
    heading(desktop, "Check your details")
    for box in desktop.get_by_role("group", name="I confirm that:").get_by_role("checkbox").all():
        box.check()
    desktop.get_by_role("button", name="Confirm and continue").click()
    heading(desktop, "Give your consent")
    for box in desktop.get_by_role("checkbox").all():
        box.check()
    desktop.get_by_role("button", name="Continue", exact=True).click()

    # The phone is another browser, in which nobody is signed in.
    heading(desktop, "Prove your identity")
    phone.goto(desktop.locator(".qcp-hash").first.inner_text())
    heading(phone, "Identity check")
    phone.get_by_role("button", name="Begin").click()
    phone.get_by_role("heading", name="Provider").wait_for()
    host.capture(id)
    scene.wait(timedelta(minutes=2))
    if not scripts:
        desktop.get_by_role("button", name="Check now").click()
    heading(desktop, "Your identity is being checked")
    scene.wait(timedelta(minutes=10))
    if not scripts:
        desktop.get_by_role("button", name="Check now").click()
    heading(desktop, "Confirm your identity")
    desktop.get_by_role("button", name="These details are right").click()
    heading(desktop, "Read your certificate request")
    desktop.get_by_label("I have read this request and accept it.").check()
    desktop.get_by_role("button", name="Accept and continue").click()
    heading(desktop, "Sign your request")
    with_code(host, desktop, Purpose.REQUEST)
    scene.wait(timedelta(hours=1))
    desktop.goto(f"{host.url}/signature/s/{id}")
    heading(desktop, "Your certificate is issued")

    # A collecte at level 3, and its signature.
    desktop.goto(f"{host.url}/collectes/new")
    desktop.get_by_role("button", name="Add me").click()
    desktop.get_by_label("Signature level").select_option("3")
    desktop.get_by_role("button", name="Validate the collection").click()
    heading(desktop, "Read and sign")
    desktop.get_by_role("checkbox", name=re.compile("I have read")).check()
    desktop.get_by_role("button", name="Send me the code that signs").click()
    heading(desktop, "Sign with your code")
    desktop.get_by_label("Code received").fill(host.code(scene.jessica, Purpose.SIGN))
    desktop.get_by_role("button", name="Submit").click()
    heading(desktop, "You have signed")
    assert scene.taken() == 2_000


def test_a_level_that_is_refused_is_shown_with_why_and_signatories_are_put_in_order(host: Any, browse: Any) -> None:
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


@pytest.mark.parametrize(
    ("stage", "summary", "button", "ending"),
    [
        (Stage.CONFIRMING_DETAILS, "There is an error in these details", "Stop and correct", "details_wrong"),
        (Stage.PROVING_IDENTITY, "I have none of these documents", "Stop: I have no document", "no_document"),
        (Stage.CONFIRMING_IDENTITY, "These details are wrong", "Stop: this is wrong", "identity_contested"),
        (Stage.SIGNING_REQUEST, "Give up this subscription", "Give up this subscription", "cancelled"),
    ],
)
def test_each_branch_that_refuses_says_what_to_do(
    host: Any, browse: Any, stage: Stage, summary: str, button: str, ending: str
) -> None:
    page = browse()
    id = begun(host, page, stage)
    page.locator("summary", has_text=summary).click()
    page.get_by_role("button", name=button, exact=True).click()
    heading(page, "Subscription ended without a certificate")
    page.get_by_text("What to do?").wait_for()
    assert host.scene.qcp.subscriptions.get(SubscriptionId(id)).show.ending == ending


@pytest.mark.parametrize(("verdict", "seen"), [(retry("glare"), "Tries left: 3"), (refuse("no"), "ended without")])
def test_verdicts_move_the_page_by_themselves(host: Any, browse: Any, verdict: Any, seen: str) -> None:
    page = browse()
    id = begun(host, page, Stage.PROVING_IDENTITY)
    session = host.scene.identity_session(host.scene.qcp.subscriptions.get(SubscriptionId(id)))
    host.scene.world.identity.script(session, verdict)
    host.capture(id)
    host.scene.wait(timedelta(minutes=10))
    page.get_by_text(seen).first.wait_for()


@pytest.mark.parametrize(
    "stage", [Stage.VERIFYING_EMAIL, Stage.CONFIRMING_DETAILS, Stage.CONSENTING, Stage.CONFIRMING_IDENTITY]
)
def test_reload_back_and_double_click_do_nothing_twice(host: Any, browse: Any, stage: Stage) -> None:
    page = browse()
    id = begun(host, page, stage)

    def facts() -> list[str]:
        return [one.fact.kind for one in host.scene.qcp.records.history(id)]

    if stage is Stage.VERIFYING_EMAIL:
        page.get_by_role("button", name="Send me a code", exact=True).dblclick()
    elif stage is Stage.CONFIRMING_IDENTITY:
        page.get_by_role("button", name="These details are right").dblclick()
    else:
        for box in page.get_by_role("checkbox").all():
            if box.is_visible():
                box.check()
        page.get_by_role("button", name=re.compile("^(Confirm and continue|Continue)$")).dblclick()
    page.wait_for_load_state("networkidle")
    after = facts()
    assert len(set(after)) >= len(after) - 1  # two consents, and nothing else, may stand twice
    before = page.locator("h1").inner_text()
    page.reload()
    assert page.locator("h1").inner_text() == before
    page.go_back()
    page.wait_for_load_state("networkidle")
    # What the older page still offers leads to the present one.
    if stage is Stage.CONFIRMING_IDENTITY and page.get_by_role("button", name="These details are right").count():
        page.get_by_role("button", name="These details are right").click()
        heading(page, before)
    assert facts() == after


def test_two_tabs_end_on_the_same_page(host: Any, browse: Any) -> None:
    first = browse()
    begun(host, first, Stage.CONFIRMING_DETAILS)
    second = first.context.new_page()
    second.goto(first.url)
    for tab in (first, second):
        for box in tab.get_by_role("group", name="I confirm that:").get_by_role("checkbox").all():
            box.check()
        tab.get_by_role("button", name="Confirm and continue").click()
        heading(tab, "Give your consent")


def test_whoever_leaves_resumes_from_the_emails_link(host: Any, browse: Any) -> None:
    page = browse()
    id = begun(host, page, Stage.PROVING_IDENTITY)
    page.close()
    host.capture(id)
    host.scene.wait(timedelta(minutes=10))
    later = browse()
    later.goto(f"{host.url}/login/jessica/en")
    later.get_by_role("link", name="Resume my subscription").click()
    heading(later, "Confirm your identity")


def test_a_refusal_has_the_focus(host: Any, browse: Any) -> None:
    page = browse()
    begun(host, page, Stage.CONSENTING)
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_role("alert").wait_for()
    assert page.evaluate("document.activeElement.id") == "qcp-problem"
    assert page.title().startswith("Error: ")


def test_another_user_in_the_same_browser_sees_nothing(host: Any, browse: Any) -> None:
    page = browse()
    begun(host, page, Stage.CONFIRMING_DETAILS)
    where = page.url
    page.goto(f"{host.url}/login/irene/en")
    assert page.goto(where).status == 404
    heading(page, "Unknown page")
