"""Each branch that does not go on: the page says why, what to correct and where, and what it costs: nothing.

The branches are those of the texts' tables and of the machine: one that is new has its journey here, or fails a test.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from datetime import timedelta
from typing import Final

import pytest

from qcp_sdk.adapters.shared.simulation.identity import IdentityEnding
from qcp_sdk.offers import Offer
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.testing.scene import CREDIT
from tests.browser import branches
from tests.browser.branches import ENDINGS, LAPSES, OPENINGS, PAID, PROBLEMS, SIGNATORIES, Branch
from tests.browser.hosts import HOSTS, Host
from tests.browser.people import Browse, heading, tables, text
from tests.browser.walks import Walk

pytestmark = pytest.mark.browser


def shared_out(rows: Iterable[object], on_both: Container[object] = ()) -> pytest.MarkDecorator:
    """Share rows out between the platforms, which show the same pages: each row on one, those of `on_both` on both."""
    pairs = [
        (name, row)
        for place, row in enumerate(rows)
        for name in (HOSTS if row in on_both else (HOSTS[place % len(HOSTS)],))
    ]
    return pytest.mark.parametrize(
        ("host", "row"), pairs, indirect=["host"], ids=[f"{name}-{row}" for name, row in pairs]
    )


SAID: Final = (Ending.DETAILS_WRONG, Ending.NO_DOCUMENT, Ending.IDENTITY_CONTESTED, Ending.CANCELLED)
"""Endings that a person says on the page."""


def at(host: Host, browse: Browse, stage: Stage | None, *, path: str = "", plan: Plan = Plan.ASSEMBLED) -> Walk:
    """Give somebody signed in, on the page of their subscription; None: on the certificates page."""
    host.begin(offer=Offer(plan=plan))
    walk = Walk(host, browse, browse())
    walk.page.clock.install()
    if stage is not None:
        host.scene.subscribe(host.scene.jessica, until=stage)
    walk.login()
    if stage is not None:
        walk.open(f"signature/s/{walk.subscription}{path}")
    return walk


def says(walk: Walk, *sentences: str) -> None:
    for one in sentences:
        walk.page.get_by_text(one, exact=False).first.wait_for()


@shared_out(Ending, SAID)
def test_an_end_says_why_what_to_correct_and_that_it_costs_nothing(host: Host, browse: Browse, row: Ending) -> None:
    ending = row
    branch: Branch = ENDINGS[ending]
    walk = at(host, browse, branch.stage, plan=branch.plan)
    branch.act(walk)
    walk.page.wait_for_load_state()
    walk.scene.wait(timedelta(hours=2))
    walk.open(f"signature/s/{walk.subscription}")
    heading(walk.page, f"ended.{branch.ends}")
    says(walk, text(f"endings.{ending}"), text(f"endings_mend.{ending}"))
    assert walk.view.show.ending == ending
    if ending in PAID:
        assert not walk.page.get_by_text(text("layout.free")).count()
    else:
        says(walk, text("layout.free"))
        assert walk.scene.taken() == 0
        # What was spent elsewhere is not ours.
        assert walk.scene.balance() == (CREDIT - 7_000 if ending is Ending.INSUFFICIENT_FUNDS else CREDIT)
    walk.page.locator("main a.qcp-button").click()
    heading(walk.page, "certificates_page.title")


@shared_out([IdentityEnding.RETRY, IdentityEnding.REFUSE, IdentityEnding.FRAUD], [IdentityEnding.RETRY])
def test_a_verdict_moves_the_page_by_itself(host: Host, browse: Browse, row: IdentityEnding) -> None:
    from qcp_sdk.adapters.memory import identity

    script = {IdentityEnding.RETRY: identity.retry("glare"), IdentityEnding.REFUSE: identity.refuse(),
              IdentityEnding.FRAUD: identity.fraud()}[row]  # fmt: skip
    walk = at(host, browse, Stage.PROVING_IDENTITY)
    branches.verdict(script)(walk)
    walk.page.clock.run_for(3_000)
    if row is IdentityEnding.RETRY:
        says(walk, text("retries.glare"), text("hand_off.tries").format(count=3))
    else:
        heading(walk.page, "ended.closed")
        says(walk, text("layout.free"))


def test_a_reason_of_the_providers_that_nobody_knows_is_said_in_other_words(flask_host: Host, browse: Browse) -> None:
    from qcp_sdk.adapters.memory import identity

    walk = at(flask_host, browse, Stage.PROVING_IDENTITY)
    branches.verdict(identity.retry("too_purple"))(walk)
    walk.page.reload()
    says(walk, text("retries.other"))
    assert not walk.page.get_by_text("too_purple").count()


@shared_out(OPENINGS)
def test_a_subscription_that_does_not_open_says_what_to_mend(host: Host, browse: Browse, row: str) -> None:
    walk = at(host, browse, None)
    OPENINGS[row](walk)
    walk.page.locator("form[action$='/open'] button").click()
    walk.page.get_by_role("alert").wait_for()
    says(walk, text("certificates_page.refused"))
    assert text(f"openings.{row}") in walk.page.get_by_role("alert").inner_text()
    assert walk.scene.taken() == (2_000 if row == "qualified_certificate_held" else 0)


def test_a_subscription_that_is_open_is_gone_to(flask_host: Host, browse: Browse) -> None:
    walk = at(flask_host, browse, None)
    walk.scene.subscribe(walk.scene.jessica, until=Stage.CONSENTING)
    walk.page.locator("form[action$='/open'] button").click()
    heading(walk.page, "consents.title")


def _signing(host: Host, browse: Browse) -> Walk:
    walk = at(host, browse, None)
    for one in (host.scene.jessica, host.scene.irene):
        host.scene.subscribe(one)
    from qcp_sdk.collectes import Order

    host.set.collecte = host.scene.collecte(host.scene.jessica, host.scene.irene, order=Order.PARALLEL)
    host.scene.start(host.set.collecte)
    walk.open(f"signature/c/{walk.ceremony}")
    return walk


@shared_out(PROBLEMS)
def test_a_slip_is_said_where_it_was_made_and_has_the_focus(host: Host, browse: Browse, row: str) -> None:
    slip = PROBLEMS[row]
    walk = _signing(host, browse) if slip.stage is None else at(host, browse, slip.stage, path=slip.path)
    taken = walk.scene.taken()
    slip.act(walk)
    alert = walk.page.get_by_role("alert")
    alert.wait_for()
    assert text(f"problems.{row}") in alert.inner_text()
    assert walk.page.evaluate("document.activeElement.id") == "qcp-problem"
    assert walk.page.title().startswith(text("page.error"))
    assert walk.scene.taken() == taken


@shared_out(SIGNATORIES)
def test_a_collecte_that_is_not_validated_says_why_for_each_signatory(host: Host, browse: Browse, row: str) -> None:
    walk = at(host, browse, None)
    walk.open("collectes/new")
    SIGNATORIES[row](walk)
    alert = walk.page.get_by_role("alert")
    alert.wait_for()
    assert text(f"signatories_problems.{row}") in alert.inner_text()
    assert walk.scene.qcp.collectes.ceremonies(host.set.collecte.id) == ()


@shared_out(LAPSES)
def test_a_collecte_that_ends_without_ones_signature_says_why(host: Host, browse: Browse, row: str) -> None:
    walk = _signing(host, browse)
    LAPSES[row](walk)
    walk.page.reload()
    heading(walk.page, "signing.lapsed")
    says(walk, text(f"lapses.{row}"))


def test_somebody_refuses_to_sign(host: Host, browse: Browse) -> None:
    walk = _signing(host, browse)
    walk.page.locator("summary", has_text=text("signing.decline")).click()
    walk.page.get_by_role("button", name=text("signing.decline_send")).click()
    assert text("problems.not_sure") in walk.page.get_by_role("alert").inner_text()
    walk.page.locator("#qcp-sure").check()
    walk.page.get_by_role("button", name=text("signing.decline_send")).click()
    heading(walk.page, "signing.refused")


def test_a_signature_that_fails_says_why(flask_host: Host, browse: Browse) -> None:
    from qcp_sdk.adapters.memory.signer import refuse
    from tests.browser.walks import SIGNING

    walk = _signing(flask_host, browse)
    walk.scene.world.signer.script(None, refuse("disabled"))
    for step in SIGNING[:2]:
        walk.see(step)
        step.fill(walk)
        walk.page.locator(step.press).first.click()
    heading(walk.page, "signing.failed")
    says(walk, text("failures.disabled"))


COVERED: Mapping[str, tuple[set[str], set[str]]] = {
    "endings": ({str(one) for one in ENDINGS}, {"other"}),
    "openings": (set(OPENINGS), set(branches.OPENINGS_NOT_SEEN)),
    "problems": (set(PROBLEMS), set(branches.PROBLEMS_NOT_SEEN)),
    "signatories_problems": (set(SIGNATORIES), set(branches.SIGNATORIES_NOT_SEEN)),
    "lapses": (set(LAPSES), set(branches.LAPSES_NOT_SEEN)),
}


@pytest.mark.parametrize("table", COVERED)
def test_every_branch_of_the_texts_has_its_journey(table: str) -> None:
    walked, named = COVERED[table]
    assert walked.isdisjoint(named)
    assert set(tables("en")[table]) == walked | named


def test_every_branch_of_the_machine_has_its_journey() -> None:
    assert set(ENDINGS) == set(Ending)
