"""Revoking from the pages (A5): a reason, a code, the word that it is meant; of the QCP and of the LCP certificate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Stage

ROOT = "/sign/"


@pytest.fixture
def hers(walk: Any) -> Any:
    visitor = walk.at(walk.scene.jessica, Stage.ACTIVE)
    visitor.get(f"{visitor.path}/revocation")
    return visitor


def test_a_certificate_is_revoked_with_a_reason_and_a_code(walk: Any, hers: Any) -> None:
    id = walk.id(hers)
    hers.submit("/revocation/code")
    hers.submit("/revocation", reason="superseded", sure="1", code=walk.code(walk.scene.jessica, Purpose.REVOKE))
    walk.scene.wait(timedelta(hours=1))
    hers.get(f"{ROOT}s/{id}")
    assert hers.heading == "Certificate revoked"
    hers.get(ROOT)
    assert "revoked" in hers.text


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"reason": "superseded"}, "final"),
        ({"reason": "ca_compromise", "sure": "1"}, "Choose a reason"),
        ({"sure": "1"}, "Choose a reason"),
        ({"reason": "superseded", "sure": "1", "code": "0000000"}, "not the code"),
    ],
)
def test_nothing_is_revoked_unless_all_of_it_is_there(walk: Any, hers: Any, form: dict[str, str], problem: str) -> None:
    hers.submit("/revocation/code")
    sent = {"code": walk.code(walk.scene.jessica, Purpose.REVOKE), **form}
    assert hers.submit("/revocation", **sent).status == 422
    assert problem in hers.text
    assert walk.scene.qcp.subscriptions.get(walk.id(hers)).stage is Stage.ACTIVE


def test_an_older_pages_button_of_a_certificate_that_has_ended_leads_to_the_list(walk: Any) -> None:
    her = walk.visitor(walk.scene.jessica)
    her.get(ROOT)
    lcp = walk.scene.qcp.subscriptions.page(account=walk.scene.jessica.id).lcp
    walk.scene.world.clock.advance(lcp.not_after - walk.scene.world.clock.now() + timedelta(days=1))
    answer = her.ask("POST", f"{ROOT}adopt", {"certificate": [lcp.fingerprint]})
    assert (answer.status, answer.headers.get("Location")) == (303, ROOT)


def test_the_lcp_certificate_is_revoked_from_here_as_well(walk: Any) -> None:
    jessica = walk.scene.jessica
    her = walk.visitor(jessica)
    her.get(ROOT)
    her.submit("/adopt")
    her.submit("/revocation/code")
    her.submit("/revocation", reason="key_compromise", sure="1", code=walk.code(jessica, Purpose.REVOKE))
    walk.scene.wait(timedelta(hours=1))
    page = walk.scene.qcp.subscriptions.page(account=jessica.id)
    assert page.lcp.state == "revoked"


def test_a_certificate_of_somebody_else_is_not_adopted(walk: Any) -> None:
    fingerprint = walk.scene.qcp.subscriptions.page(account=walk.scene.irene.id).lcp.fingerprint
    her = walk.visitor(walk.scene.jessica)
    answer = her.ask("POST", f"{ROOT}adopt", {"certificate": [fingerprint]})
    assert answer.headers["Location"] == ROOT


def test_the_help_on_the_mobile_leads_to_the_platform(walk: Any) -> None:
    her = walk.visitor(walk.scene.jessica)
    her.get(f"{ROOT}mobile")
    assert her.tree.xpath("//a[@href='https://host.example/account']")
