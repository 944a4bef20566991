"""How often: per person and per address, for every process over one store; and every page that costs is counted."""

from __future__ import annotations

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import AccountId
from qcp_sdk.web.flask import Qcp as Shell
from qcp_sdk.web.journey import HANDLERS, Journey
from qcp_sdk.web.limits import ACTS, API_ACTS, API_PAGES, Act, Limit, Limits, act_of, caller, read
from qcp_sdk.web.openapi import description
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import address

FREE = {
    "details", "consents", "no_document", "identity", "request", "cancel", "signing_decline",
}  # fmt: skip
"""Pages that send nothing, check no code and ask nobody: each moves its subscription on, once."""
NARROW = {
    Act.SEND: Limit(person=2, address=3),
    Act.TRY: Limit(person=2, address=3),
    Act.ASK: Limit(person=2, address=3),
    Act.GO: Limit(person=9, address=2),
}
HERE, THERE = "9.9.9.9", "149.112.112.112"


@pytest.fixture
def journey(qcp_scene: Scene) -> Journey:
    return Journey(qcp_scene.qcp, platform="P", limits=NARROW)


def ask(journey: Journey, page: str, *, who: str | None = "jessica", caller: str = HERE, language: str = "en",
        method: str = "POST", body: bytes = b"", form: Any = None, **ids: str) -> Any:  # fmt: skip
    request = PageRequest(
        method=method, path=address("", page, **ids), account=AccountId(who) if who else None, caller=caller,
        language=language, body=body, content_type="application/json", form=form or {},
    )  # fmt: skip
    return journey.answer(request)


def test_every_post_is_counted_or_known_to_cost_nothing() -> None:
    posts = {page for page, methods in HANDLERS.items() if "POST" in methods}
    assert posts == {*ACTS, *API_PAGES, *FREE}
    assert not FREE & set(ACTS)


def test_every_action_of_the_api_that_sends_checks_or_asks_is_counted() -> None:
    from qcp_sdk.web.api import CEREMONY_ACTIONS
    from qcp_sdk.web.openapi import OF_SUBSCRIPTIONS

    free = {
        "details_confirmed", "details_contested", "consent_given", "no_document", "identity_confirmed",
        "identity_contested", "request_accepted", "revocation_requested", "cancelled", "documents_consented",
        "declined",
    }  # fmt: skip
    assert {*OF_SUBSCRIPTIONS, *CEREMONY_ACTIONS} == {*API_ACTS, *free}


@pytest.mark.parametrize("page", sorted(ACTS))
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_page_says_when_it_may_be_done_again(journey: Journey, page: str, language: str) -> None:
    """Whatever there is behind the address: what is counted is asking."""

    def again(**more: Any) -> Any:
        return ask(journey, page, language=language, id="none", token="none", **more)

    assert [again().status for _ in range(3)][:2] != [429, 429]
    told = again()
    assert told.status == 429
    assert 0 < int(told.headers["Retry-After"]) <= 3600
    if page.startswith("api_"):
        described = description("/")["components"]["schemas"]["Error"]["properties"]
        error = json.loads(told.body)
        assert set(error) == set(described)
        assert error["error"] == "too_many"
        assert error["until"].startswith("20")
        return
    text = told.body.decode()
    assert ("Trop souvent" if language == "fr" else "Too often") in text
    assert re.search(r"à partir de \d|from \d", text)
    assert "default-src 'self'" in told.headers["Content-Security-Policy"]


def test_reading_is_not_counted(journey: Journey) -> None:
    for _ in range(6):
        assert ask(journey, "certificates", method="GET").status == 200


def test_people_are_counted_apart_and_addresses_together(journey: Journey) -> None:
    def status(who: str, where: str) -> int:
        return int(ask(journey, "check", who=who, caller=where, id="none").status)

    assert [status("jessica", HERE), status("jessica", HERE), status("jessica", HERE)] == [404, 404, 429]
    assert [status("jessica", THERE), status("irene", HERE), status("irene", THERE)] == [429, 404, 404]
    assert status("yves", HERE) == 429  # three came from there
    assert status("yves", THERE) == 404


def test_acts_are_counted_apart_and_a_new_window_begins(journey: Journey, qcp_scene: Scene) -> None:
    assert [ask(journey, "check", id="none").status for _ in range(3)] == [404, 404, 429]
    assert ask(journey, "enter", id="none").status == 404
    qcp_scene.world.clock.advance(timedelta(hours=1))
    assert ask(journey, "check", id="none").status == 404


@pytest.mark.parametrize(
    ("body", "act"),
    [
        (b'{"action": "code_entered", "code": "x"}', Act.TRY),
        (b'{"action": "activation_asked"}', Act.TRY),
        (b'{"action": "code_requested"}', Act.SEND),
        (b'{"action": "refresh"}', Act.ASK),
        (b'{"action": "cancelled"}', None),
        (b'{"action": ["code_entered"]}', None),
        (b"[" * 100_000, None),
        (b"\xff", None),
    ],
)
def test_actions_of_the_api_count_as_what_they_do(body: bytes, act: Act | None) -> None:
    for page in API_PAGES:
        assert act_of(page, PageRequest(method="POST", path="", account=None, body=body)) is act


def test_a_right_code_that_comes_too_often_is_not_looked_at(journey: Journey, qcp_scene: Scene) -> None:
    view = qcp_scene.subscribe(qcp_scene.jessica, until=Stage.VERIFYING_EMAIL)
    ask(journey, "code", id=view.id, form={"stage": ["verifying_email"]})
    code = qcp_scene.code(qcp_scene.jessica, Purpose.OPEN).text.reveal()
    forms = [{"stage": ["verifying_email"], "code": [one]} for one in ("AAAAAA", "AAAAAA", code)]
    assert [ask(journey, "enter", id=view.id, form=form).status for form in forms] == [422, 422, 429]
    assert qcp_scene.qcp.subscriptions.get(view.id).stage is Stage.VERIFYING_EMAIL


@pytest.mark.parametrize(
    ("given", "counts_as"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("2620:fe::9", "2620:00fe:0000:0000"),
        ("2620:fe::abcd:0:0:9", "2620:00fe:0000:0000"),
        ("10.0.0.7", ""),  # a proxy: it would be everybody
        ("127.0.0.1", ""),
        ("::1", ""),
        ("fd00::1", ""),
        ("unix:", ""),
        ("", ""),
    ],
)
def test_one_line_is_one_caller_and_a_proxy_is_none(given: str, counts_as: str) -> None:
    assert caller(given) == counts_as


@given(most=st.integers(1, 40), tries=st.integers(1, 60))
def test_exactly_as_many_as_may_are_let_through(most: int, tries: int) -> None:
    limits = Limits(Scene().qcp, {Act.ASK: Limit(person=most, address=1_000)})
    request = PageRequest(method="POST", path="s/x/check", account=AccountId("ada"))
    through = sum(limits.over("check", request) is None for _ in range(tries))
    assert through == min(most, tries)


@pytest.mark.parametrize("limit", [{"person": 0, "address": 1}, {"person": 1, "address": -1},
                                   {"person": 1, "address": 1, "window": timedelta(0)}])  # fmt: skip
def test_a_limit_that_lets_nobody_through_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        Limit(**limit)


def test_whoever_has_a_link_is_counted_by_what_it_leads_to(journey: Journey) -> None:
    """Nobody is signed in: two pages of one ceremony count together, whatever address they are asked from."""
    limits = journey.site.limits
    asked = [("signing_code", "one"), ("signing_consent", "one"), ("signing_code", "one"), ("signing_code", "other")]
    over = [limits.over(page, PageRequest(method="POST", path="x", account=None), id) for page, id in asked]
    assert [one is None for one in over] == [True, True, False, True]


def test_an_address_that_is_over_writes_nothing_more(journey: Journey, qcp_scene: Scene) -> None:
    def kept() -> int:
        return repr(vars(qcp_scene.world.store)).count("limit/")

    for n in range(3):
        ask(journey, "check", who=f"somebody-{n}", id="none")
    before = kept()
    for n in range(20):
        assert ask(journey, "check", who=f"another-{n}", id="none").status == 429
    assert kept() == before


@pytest.mark.parametrize("told", [{"sned": Limit(person=1, address=1)}, {"send": 3}])
def test_a_slip_in_a_hosts_own_limits_is_said(told: Any) -> None:
    with pytest.raises(ConfigurationError, match="QCP_LIMITS"):
        read(told, where="QCP_LIMITS")
    assert read({"send": Limit(person=1, address=2)}, where="") == {Act.SEND: Limit(person=1, address=2)}


def test_no_address_stands_in_the_store(journey: Journey, qcp_scene: Scene) -> None:
    ask(journey, "check", id="none")
    kept = repr(vars(qcp_scene.world.store))
    assert "limit/" in kept
    assert HERE not in kept


def test_a_host_behind_a_proxy_says_where_requests_come_from(qcp_scene: Scene) -> None:
    app = Flask(__name__)
    app.secret_key = "of a test"
    app.config.update(
        QCP_INSTALLATION=qcp_scene.qcp, QCP_ACCOUNT=lambda: None, QCP_CALLER=lambda: HERE,
        QCP_LIMITS={"go": Limit(person=9, address=2)},
    )  # fmt: skip
    Shell(app)
    client = app.test_client()
    client.get("/signature/go/x")  # what is spent has no form, and a session all the same
    with client.session_transaction() as kept:
        csrf = kept["qcp_csrf"][1]
    sent = [client.post(f"/signature/go/{n}", data={"qcp_csrf": csrf}).status_code for n in range(3)]
    assert sent == [410, 410, 429]


# --- two processes over one database ---------------------------------------------------------------------------


COUNTING = """
import sys
from datetime import timedelta
from types import SimpleNamespace

from qcp_sdk.adapters.memory.keys import MemoryKeys
from qcp_sdk.adapters.sql.engines import sqlite_engine
from qcp_sdk.adapters.sql.store import SqlStore
from qcp_sdk.adapters.system import SystemClock
from qcp_sdk.values import AccountId
from qcp_sdk.web.limits import Act, Limit, Limits
from qcp_sdk.web.requests import PageRequest

store = SqlStore(sqlite_engine(sys.argv[1]))
ports = SimpleNamespace(store=store, keys=MemoryKeys(), clock=SystemClock())
row = Limit(person=25, address=1_000, window=timedelta(days=20_000))  # no window ends while a test runs
limits = Limits(SimpleNamespace(ports=ports), {Act.TRY: row})
request = PageRequest(method="POST", path="s/x/enter", account=AccountId("ada"), caller="9.9.9.9")
print("ready", flush=True)
sys.stdin.readline()
print(sum(limits.over("enter", request) is None for _ in range(25)))
"""


def test_two_processes_over_one_database_share_the_count(tmp_path: Path) -> None:
    SqlStore(sqlite_engine(tmp_path / "qcp.sqlite")).create_schema()
    both = [
        Popen([sys.executable, "-c", COUNTING, str(tmp_path / "qcp.sqlite")], stdin=PIPE, stdout=PIPE, text=True)
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in both:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    counted = [int(one.communicate(timeout=120)[0]) for one in both]
    assert sum(counted) == 25
