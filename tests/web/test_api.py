"""The JSON API: the same journey for a script, described by itself, and fuzzed by schemathesis."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings

from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.web.flask import Qcp
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import ADDRESSES, address

ROOT = "/sign/"


class Script:
    """A page's script: asks for JSON, and sends it."""

    def __init__(self, walk: Any, account: Any) -> None:
        self.walk, self.account = walk, account

    def ask(self, method: str, page: str, body: object = None, *, kind: str = "application/json", **ids: str) -> Any:
        request = PageRequest(
            method=method, path=address("", page, **ids), account=self.account.id if self.account else None,
            root=ROOT, csrf=("csrf", "token"), content_type=kind,
            body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        )  # fmt: skip
        answer = self.walk.journey.answer(request)
        assert answer.headers["Content-Type"] == "application/json"
        self.status = answer.status
        return json.loads(answer.body)

    def say(self, id: str, action: str, **body: object) -> Any:
        return self.ask("POST", "api_subscription_actions", {"action": action, **body}, id=id)


def test_a_script_walks_the_whole_subscription(walk: Any) -> None:
    scene, script = walk.scene, Script(walk, walk.scene.jessica)
    page = script.ask("GET", "api_certificates")
    cabinet = page["cabinets"][0]
    assert (page["price"], cabinet["suffices"], page["qcp"]) == (2_000, True, None)
    s = script.ask("POST", "api_subscriptions", {"cabinet": cabinet["cabinet"]["id"]})
    assert (script.status, s["stage"]) == (201, "verifying_email")
    id = s["id"]
    assert "code_requested" in s["can"]
    script.say(id, "code_requested")
    s = script.say(id, "code_entered", code=walk.code(scene.jessica, Purpose.OPEN))
    assert s["show"]["mobile"] == "*****1316"
    s = script.say(id, "details_confirmed")
    for text in s["show"]["consents_needed"]:
        shown = walk.journey.site.consents.of("en", text)
        s = script.say(id, "consent_given", text=text, version=shown.version, hash=shown.hash)
    scene.world.identity.capture(scene.identity_session(scene.qcp.subscriptions.get(id)))
    scene.world.clock.advance(timedelta(minutes=10))
    s = script.say(id, "refresh")
    assert s["stage"] == "confirming_identity"
    s = script.say(id, "identity_confirmed")
    s = script.say(id, "request_accepted", hash=s["show"]["request"])
    script.say(id, "code_requested")
    s = script.say(id, "code_entered", code=walk.code(scene.jessica, Purpose.REQUEST))
    scene.wait(timedelta(hours=1))
    assert script.ask("GET", "api_subscription", id=id)["stage"] == "active"


def test_a_script_signs(walk: Any) -> None:
    walk.scene.subscribe(walk.scene.jessica)
    (view,) = walk.scene.start(walk.scene.collecte(walk.scene.jessica))
    script = Script(walk, walk.scene.jessica)
    c = script.ask("GET", "api_ceremony", id=view.id)
    assert (c["stage"], c["show"]["level"]) == ("consenting", 3)
    documents = {one["id"]: one["validated"] for one in c["show"]["documents"]}
    for body in (
        {"action": "documents_consented", "documents": documents},
        {"action": "code_requested"},
    ):
        c = script.ask("POST", "api_ceremony_actions", body, id=view.id)
    code = walk.code(walk.scene.jessica, Purpose.SIGN)
    c = script.ask("POST", "api_ceremony_actions", {"action": "activation_asked", "code": code}, id=view.id)
    assert c["stage"] == "signed"


def test_refusals_are_told_with_what_to_do(walk: Any) -> None:
    script = Script(walk, walk.scene.jessica)
    view = walk.scene.subscribe(walk.scene.jessica, until=Stage.VERIFYING_EMAIL)
    script.say(view.id, "code_requested")
    told = script.say(view.id, "code_entered", code="AAAAAA")
    assert (script.status, told["reason"], told["tries_left"]) == (409, "wrong", 4)
    told = script.say(view.id, "code_requested")
    assert (script.status, told["reason"]) == (409, "too_soon")
    assert told["until"]
    assert script.say(view.id, "identity_confirmed")["error"] == "fact_refused"
    assert script.ask("POST", "api_subscriptions", {"cabinet": "cabinet"})["reasons"] == ["already_open"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"action": "fraud_reported", "reason": "x", "by": "me"}, "application/json"),
        ({"action": "code_entered"}, "application/json"),
        ({"action": "code_entered", "code": 7}, "application/json"),
        ({"action": "code_entered", "code": "x" * 501}, "application/json"),
        ({"action": "code_requested", "more": 1}, "application/json"),
        ({"action": ["code_requested"]}, "application/json"),
        ([], "application/json"),
        (b"{", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff", "application/json"),
        ({"action": "code_requested"}, "text/plain"),
    ],
)
def test_a_body_that_is_not_as_described_changes_nothing(walk: Any, body: object, kind: str) -> None:
    view = walk.scene.subscribe(walk.scene.jessica, until=Stage.VERIFYING_EMAIL)
    before = walk.scene.qcp.records.journal(view.id)
    script = Script(walk, walk.scene.jessica)
    assert script.ask("POST", "api_subscription_actions", body, kind=kind, id=view.id)["error"] == "invalid"
    assert script.status == 422
    assert walk.scene.qcp.records.journal(view.id) == before


def test_nobody_and_others_learn_nothing(walk: Any) -> None:
    view = walk.scene.subscribe(walk.scene.jessica, until=Stage.CONFIRMING_DETAILS)
    for page, pattern in ADDRESSES.items():
        if not page.startswith("api_") or page.startswith("api_ceremony"):  # those are in test_whose.py
            continue
        method = "POST" if page.endswith(("actions", "subscriptions")) else "GET"
        assert Script(walk, None).ask(method, page, {"action": "cancelled"}, id=view.id)["error"] == "not_signed_in"
        if page.startswith("api_subscription") and "{id}" in pattern:
            irene = Script(walk, walk.scene.irene)
            assert irene.ask(method, page, {"action": "cancelled"}, id=view.id)["error"] == "not_found"
    assert walk.scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_DETAILS


def test_what_is_described_is_what_there_is(walk: Any) -> None:
    told = Script(walk, None).ask("GET", "api")
    described = {path.removeprefix("/") for path in told["paths"]}
    assert described == {pattern for page, pattern in ADDRESSES.items() if page.startswith("api_")}


# --- schemathesis -----------------------------------------------------------------------------------------------


class Fuzzed:
    """A host on which Irène is signed in, whose people are made anew whenever `begin` is called."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.app = Flask(__name__)
        self.app.secret_key = "of a test"
        self.app.config.update(QCP_INSTALLATION=self.scene.qcp, QCP_ACCOUNT=lambda: "irene")
        Qcp(self.app)
        client = self.app.test_client()
        told: Any = client.get("/signature/api/session").json
        cookie = client.get_cookie("session")
        assert cookie is not None
        self.headers, self.cookies = {told["header"]: told["token"]}, {"session": cookie.value}

    def begin(self, stage: Stage) -> dict[str, str]:
        """Bring everybody to a stage; give the ids that paths may hold."""
        scene = Scene()
        view = scene.subscribe(scene.irene, until=stage)
        ids = {"subscriptions": str(view.id), "ceremonies": "none"}
        if stage is Stage.ACTIVE:
            ids["ceremonies"] = str(scene.start(scene.collecte(scene.irene))[0].id)
        state = self.app.extensions["qcp"] = type(self.app.extensions["qcp"])(self.app.config)
        state.__dict__["qcp"] = scene.qcp
        return ids


FUZZED = Fuzzed()
STAGES = cycle(
    (Stage.VERIFYING_EMAIL, Stage.CONFIRMING_DETAILS, Stage.CONSENTING, Stage.PROVING_IDENTITY,
     Stage.CONFIRMING_IDENTITY, Stage.READING_REQUEST, Stage.SIGNING_REQUEST, Stage.ACTIVE)
)  # fmt: skip
schema = schemathesis.openapi.from_wsgi("/signature/api/openapi.json", FUZZED.app)


@schema.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_schemathesis_finds_nothing(case: Any) -> None:
    ids = FUZZED.begin(next(STAGES))
    case.call_and_validate(headers=FUZZED.headers, cookies=FUZZED.cookies)
    for kind, id in ids.items():
        if "{id}" in case.operation.path and kind in case.operation.path:
            case.path_parameters = {"id": id}  # the same, about somebody that there is
            case.call_and_validate(headers=FUZZED.headers, cookies=FUZZED.cookies)
