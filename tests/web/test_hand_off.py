"""From the computer to the smartphone: a token that works once, soon, for one session, and tells a stranger nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk.adapters.memory.identity import retry
from qcp_sdk.notices import IdentityHandOff
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.conformance.together import together
from qcp_sdk.web.tokens import LIFETIME

ROOT = "/sign/"
ORIGIN = "https://host.example"


def shown(visitor: Any) -> str:
    """The address that the QR code holds, as it is written beside it."""
    (link,) = visitor.tree.xpath("//*[contains(@class, 'qcp-hash') and starts-with(text(), 'http')]/text()")
    assert link.startswith(f"{ORIGIN}{ROOT}go/")
    path: str = link.removeprefix(ORIGIN)
    return path


@pytest.fixture
def hers(walk: Any) -> Any:
    return walk.at(walk.scene.jessica, Stage.PROVING_IDENTITY)


def test_a_phone_that_nobody_signed_in_on_is_led_to_the_provider_once(walk: Any, hers: Any) -> None:
    path, phone = shown(hers), walk.visitor(None)
    url = walk.scene.qcp.subscriptions.get(walk.id(hers)).show.identity.url
    for _ in range(3):  # link previews, and a reload: looking uses nothing up
        assert phone.ask("GET", path).status == 200
    for mine in ("Poussart", "Jessica", "cabinet.example", "1316", walk.id(hers)):
        assert mine not in phone.answer.body.decode()
    assert url.partition("?")[0].split("/")[2] in phone.answer.headers["Content-Security-Policy"]
    answer = phone.submit(path)
    assert (answer.status, answer.headers["Location"]) == (303, url)
    assert phone.ask("POST", path).status == 410
    assert phone.ask("GET", path).status == 410


def test_a_token_is_over_after_ten_minutes(walk: Any, hers: Any) -> None:
    path, phone = shown(hers), walk.visitor(None)
    walk.scene.world.clock.advance(LIFETIME - timedelta(seconds=2))
    assert phone.ask("GET", path).status == 200
    walk.scene.world.clock.advance(timedelta(seconds=2))
    assert phone.ask("GET", path).status == phone.ask("POST", path).status == 410


def test_a_token_is_worth_nothing_once_the_session_is_another(walk: Any, hers: Any) -> None:
    path, phone = shown(hers), walk.visitor(None)
    session = walk.scene.identity_session(walk.scene.qcp.subscriptions.get(walk.id(hers)))
    walk.scene.world.identity.script(session, retry("glare"))
    walk.scene.world.identity.capture(session)
    walk.scene.wait(timedelta(minutes=5))  # the token would have time left
    hers.submit("/check") if hers.tree.xpath("//form[contains(@action, '/check')]") else None
    assert walk.scene.identity_session(walk.scene.qcp.subscriptions.get(walk.id(hers))) != session
    assert phone.ask("POST", path).status == 410
    assert phone.ask("GET", shown(hers)).status == 200


def test_changed_truncated_and_invented_tokens_all_get_the_same_answer(walk: Any, hers: Any) -> None:
    path, phone = shown(hers), walk.visitor(None)
    token = path.rpartition("/")[2]
    answers = set()
    for place in range(0, len(token), 7):
        other = "A" if token[place] != "A" else "B"
        answers.add(phone.ask("POST", f"{ROOT}go/{token[:place]}{other}{token[place + 1 :]}").body)
    for made in ("x", "A" * 80, token[:-1], token + "A", token + "=", "é", "%00"):
        answers.add(phone.ask("POST", f"{ROOT}go/{made}").body)
        assert phone.answer.status == 410
    assert len(answers) == 1
    assert phone.ask("GET", path).status == 200


def test_of_many_who_use_it_at_once_one_is_let_through(walk: Any, hers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    token = shown(hers).rpartition("/")[2]
    url = walk.scene.qcp.subscriptions.get(walk.id(hers)).show.identity.url
    offs = walk.journey.site.hand_offs
    assert sorted(together(8, lambda _: offs.use(token, url))) == [False] * 7 + [True]
    # Whoever looked before it was used, and is a moment too late: the store lets one through.
    monkeypatch.setattr(offs, "is_good", lambda *_: True)
    assert not offs.use(token, url)


def test_only_a_hash_of_a_token_is_ever_kept(walk: Any, hers: Any) -> None:
    token = shown(hers).rpartition("/")[2]
    walk.visitor(None).ask("POST", f"{ROOT}go/{token}")
    assert token not in repr(vars(walk.scene.world.store))


def test_every_page_shows_another_token(hers: Any) -> None:
    first = shown(hers)
    hers.get(hers.path)
    assert shown(hers) != first


def test_the_qr_code_holds_the_address_and_no_style(hers: Any) -> None:
    (svg,) = hers.tree.xpath("//*[local-name() = 'svg']")
    assert svg.getparent().get("role") == "img"
    assert svg.getparent().get("aria-label")
    assert not svg.xpath(".//@style")


def test_the_link_goes_by_sms_three_times_at_most(walk: Any, hers: Any) -> None:
    for left in (2, 1):
        hers.submit("/link")
        assert f"sent {left} time(s)" in hers.text
    hers.submit("/link")
    assert not hers.tree.xpath("//form[contains(@action, '/link')]")
    assert hers.ask("POST", f"{ROOT}s/{walk.id(hers)}/link").status == 422
    sent = [one for one in walk.scene.notices(walk.scene.jessica) if one is IdentityHandOff]
    assert len(sent) == 3


def test_the_phone_is_told_to_go_on_at_the_computer(walk: Any) -> None:
    phone = walk.visitor(None, "fr")
    assert phone.ask("GET", f"{ROOT}done").status == 200
    assert phone.heading == "Continuez sur votre ordinateur"
