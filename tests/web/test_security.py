"""What every page must not do, page by page, in both hosts: every route is here, or a test fails.

`test_whose.py` asks the journey itself; here requests come through Flask and through Django, as a browser's do.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import django
import pytest
from flask import Flask, session

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.web.django_host.settings")
django.setup()

from django.test import Client, override_settings  # noqa: E402
from lxml import html  # noqa: E402

from qcp_sdk.otp import Purpose  # noqa: E402
from qcp_sdk.subscription.stages import Stage  # noqa: E402
from qcp_sdk.testing.scene import CABINET, Scene  # noqa: E402
from qcp_sdk.web.flask import Qcp  # noqa: E402
from qcp_sdk.web.journey import ALWAYS, HANDLERS  # noqa: E402
from qcp_sdk.web.limits import Act, Limit  # noqa: E402
from qcp_sdk.web.routes import ADDRESSES, address  # noqa: E402

ROOT = "/signature/"
ANYBODYS = {"static", "hand_off", "hand_off_done", "api"}
"""Pages that nobody has to be signed in for; they tell nothing of anybody."""
ONES_OWN = {"certificates", "open", "adopt", "mobile", "api_session", "api_certificates", "api_subscriptions"}
"""Pages of whoever is signed in: no id in them could be another's, but in a form."""
OF_A_SUBSCRIPTION = {
    "subscription", "code", "enter", "details", "consents", "link", "no_document", "identity", "request", "request_pdf",
    "cancel", "check", "state", "events", "revocation", "revocation_code", "api_subscription",
    "api_subscription_actions",
}  # fmt: skip
OF_A_CEREMONY = {
    "signing", "signing_document", "signing_consent", "signing_code", "signing_enter", "signing_decline",
    "signing_state", "signing_events", "api_ceremony", "api_ceremony_actions",
}  # fmt: skip
POSTS = sorted(page for page, methods in HANDLERS.items() if "POST" in methods)
UNLIMITED = {act.value: Limit(person=10_000, address=10_000) for act in Act}
SECRET_OR_PERSONAL = ("Poussart", "Jessica", "jessica.poussart", "jessica@", "39981316", "39 98 13 16")


class FlaskHost:
    """Flask, where whom a session names is signed in."""

    def __init__(self, scene: Scene) -> None:
        self.app = Flask(__name__)
        self.app.secret_key = "of a test"
        self.app.config.update(
            QCP_INSTALLATION=scene.qcp, QCP_ACCOUNT=lambda: session.get("who"), QCP_LANGUAGE=lambda: "en",
            QCP_LIMITS=UNLIMITED,
        )  # fmt: skip
        Qcp(self.app)

    def browser(self, who: str | None) -> Any:
        client = self.app.test_client()
        if who:
            with client.session_transaction() as kept:
                kept["who"] = who
        return client

    refused = 400
    field = "qcp_csrf"

    def location(self, answer: Any) -> str:
        return str(answer.headers.get("Location", ""))


class DjangoHost:
    """Django, where whom a header names is signed in."""

    def __init__(self, _scene: Scene) -> None:
        pass

    def browser(self, who: str | None) -> Any:
        named = {"X-Who": who} if who else {}
        return Client(enforce_csrf_checks=True, headers={"Accept-Language": "en", **named})

    refused = 403
    field = "csrfmiddlewaretoken"

    def location(self, answer: Any) -> str:
        return str(answer.headers.get("Location", ""))


class World:
    """Jessica, who holds a certificate and is to sign, and Irène: for tests in which it matters not what has moved."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.subscription = self.scene.subscribe(self.scene.jessica).id
        (signing,) = self.scene.start(self.scene.collecte(self.scene.jessica))
        self.ceremony = signing.id

    def ids(self, page: str) -> dict[str, str]:
        """Give the ids of Jessica's for a page."""
        id = self.ceremony if page in OF_A_CEREMONY else self.subscription
        return {"id": id, "token": "none", "name": "qcp.css", "document": "doc-0"}

    def journal(self, page: str) -> Any:
        return self.scene.qcp.records.journal(self.ids(page)["id"])


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module", params=[FlaskHost, DjangoHost], ids=["flask", "django"])
def host(request: pytest.FixtureRequest, world: World) -> Iterator[Any]:
    """A host of `world`."""
    with override_settings(QCP=qcp_of(world.scene)):
        yield request.param(world.scene)


@pytest.fixture(params=[FlaskHost, DjangoHost], ids=["flask", "django"])
def own_host(request: pytest.FixtureRequest, qcp_scene: Scene) -> Iterator[Any]:
    """A host of the test's own scene."""
    with override_settings(QCP=qcp_of(qcp_scene)):
        yield request.param(qcp_scene)


def qcp_of(scene: Scene) -> dict[str, Any]:
    return {"BACKEND": lambda: scene.qcp, "ACCOUNT": lambda asked: asked.headers.get("X-Who"), "LIMITS": UNLIMITED}


def form_of(host: Any, browser: Any) -> dict[str, str]:
    """Give the hidden field by which the host knows its own forms."""
    api = browser.get(f"{ROOT}api/session")
    if api.status_code == 200:
        return {host.field: json.loads(api.text)["token"]}
    return {}


def send(host: Any, browser: Any, method: str, path: str, **fields: str) -> Any:
    """Send a form, or what the API takes, as a page of this host's would."""
    if method == "GET":
        return browser.get(path)
    form = form_of(host, browser)
    token = form.get(host.field, "")
    if f"{ROOT}api/" in path:
        body = json.dumps({"action": "cancelled"}) if path.endswith("actions") else json.dumps({"cabinet": "cabinet"})
        return browser.post(path, data=body, content_type="application/json", headers={"X-CSRFToken": token})
    return browser.post(path, data={**form, **FORM, **fields})


FORM = {
    "code": "AAAAAA", "answer": "wrong", "confirm": "document", "accept": "1", "sure": "1", "reason": "superseded",
    "agree": "personal_data", "cabinet": "cabinet", "stage": "verifying_email", "read": "x", "certificate": "x",
}  # fmt: skip


def test_every_route_is_one_of_these() -> None:
    kinds = [ANYBODYS, ONES_OWN, OF_A_SUBSCRIPTION, OF_A_CEREMONY]
    assert set(ADDRESSES) == set(HANDLERS) == set().union(*kinds)
    assert sum(len(one) for one in kinds) == len(HANDLERS)
    assert {page for page in HANDLERS if "{id}" in ADDRESSES[page]} == OF_A_SUBSCRIPTION | OF_A_CEREMONY


@pytest.mark.parametrize("page", sorted(OF_A_SUBSCRIPTION | OF_A_CEREMONY))
def test_anothers_is_as_unknown_as_what_does_not_exist(host: Any, world: World, page: str) -> None:
    ids = world.ids(page)
    before = world.journal(page)
    irene = host.browser("irene")
    for method in HANDLERS[page]:
        hers = send(host, irene, method, address(ROOT, page, **ids))
        never = send(host, irene, method, address(ROOT, page, **{**ids, "id": "0" * len(ids["id"])}))
        assert (hers.status_code, never.status_code) == (404, 404), method
        assert hers.data == never.data if hasattr(hers, "data") else hers.content == never.content
        assert seen(hers) == seen(never)
    assert world.journal(page) == before


def seen(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("Set-Cookie", "Date")}


@pytest.mark.parametrize("page", sorted(ONES_OWN))
def test_ones_own_pages_tell_nothing_of_another(host: Any, world: World, page: str) -> None:
    def held() -> tuple[Any, ...]:
        shown = world.scene.qcp.subscriptions.page(account=world.scene.jessica.id)
        return shown.lcp, shown.qcp, shown.in_progress, shown.others

    before = held()
    irene = host.browser("irene")
    for method in HANDLERS[page]:
        answer = send(host, irene, method, address(ROOT, page), certificate=before[0].fingerprint)
        for anothers in (world.subscription, before[0].fingerprint, before[1].fingerprint, *SECRET_OR_PERSONAL):
            assert anothers not in answer.text + host.location(answer)
    assert held() == before


@pytest.mark.parametrize("page", POSTS)
def test_a_post_that_is_not_the_hosts_own_changes_nothing(host: Any, world: World, page: str) -> None:
    ids = world.ids(page)
    before = world.journal(page)
    jessica, path = host.browser("jessica"), address(ROOT, page, **ids)
    form_of(host, jessica)  # a session, and its cookie
    for given in (None, "", "wrong"):
        form = {**FORM, **({} if given is None else {host.field: given})}
        assert jessica.post(path, data=form).status_code == host.refused
        body, headers = json.dumps({"action": "cancelled"}), {} if given is None else {"X-CSRFToken": given}
        script = jessica.post(path, data=body, content_type="application/json", headers=headers)
        assert script.status_code == host.refused
    assert world.journal(page) == before


@pytest.mark.parametrize("page", sorted(HANDLERS))
def test_every_answer_has_the_headers_that_protect_it(host: Any, world: World, page: str) -> None:
    ids = world.ids(page)
    path = address(ROOT, page, **ids)
    for who in ("jessica", None):
        browser = host.browser(who)
        answers = [browser.options(path), *(send(host, browser, method, path) for method in ("GET", "POST"))]
        for answer in answers:
            if answer.status_code == 403:  # Django's own page for a forged form: its headers are the project's
                assert isinstance(host, DjangoHost)
                continue
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors" in policy
            for name in ALWAYS:
                assert answer.headers.get(name), (name, answer.status_code)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            shared = page == "static" and answer.status_code == 200
            assert answer.headers["Cache-Control"] == ("public, max-age=3600" if shared else "no-store")


def test_a_webhooks_answer_has_them_too(host: Any) -> None:
    answer = host.browser(None).post(f"{ROOT}hooks/nobody", data=b"{}", content_type="application/json")
    assert answer.status_code == 404
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


ELSEWHERE = ("https://evil.example/", "//evil.example", "/\\evil.example")


@pytest.mark.parametrize("page", sorted(HANDLERS))
def test_nothing_sent_says_where_to_go(host: Any, world: World, page: str) -> None:
    sent = dict(zip(("next", "url", "return", "cabinet", "answer", "certificate"), ELSEWHERE * 2, strict=True))
    path = address(ROOT, page, **world.ids(page)) + "?next={}&url={}&return={}".format(*ELSEWHERE)
    jessica = host.browser("jessica")
    answers = [send(host, jessica, method, path, **sent) for method in HANDLERS[page]]
    for answer in (*answers, host.browser(None).get(path)):
        here(host, answer)


def test_no_address_below_ours_leads_elsewhere(host: Any) -> None:
    for where in ELSEWHERE:
        for who in ("jessica", None):
            here(host, host.browser(who).get(f"{ROOT}{where}"))


def here(host: Any, answer: Any) -> None:
    to = urlsplit(host.location(answer).replace("\\", "/"))
    assert (to.scheme, to.netloc) in (("", ""), ("http", "localhost")), to


# --- sessions ---------------------------------------------------------------------------------------------------


def test_nothing_of_ours_stands_in_djangos_session(world: World) -> None:
    """No page of ours signs anybody in or marks a session: there is nothing that a planted one could gain."""
    with override_settings(QCP=qcp_of(world.scene)):
        host = DjangoHost(world.scene)
        browser = host.browser("jessica")
        for page, methods in HANDLERS.items():
            for method in methods:
                assert send(host, browser, method, address(ROOT, page, **world.ids(page))).status_code < 500
        assert "sessionid" not in browser.cookies


def test_a_token_of_before_the_login_is_worth_nothing_after_it(qcp_scene: Scene) -> None:
    """In Flask the token stands in the session, which a host may keep over its login, and somebody have planted."""
    host = FlaskHost(qcp_scene)
    browser = host.browser(None)
    assert browser.get(f"{ROOT}done").status_code == 200
    with browser.session_transaction() as kept:
        planted = kept["qcp_csrf"][1]
        kept["who"] = "jessica"  # the host's login
    form = {"cabinet": CABINET.id, "qcp_csrf": planted}
    assert browser.post(f"{ROOT}open", data=form).status_code == 400
    fresh = form_of(host, browser)
    assert fresh["qcp_csrf"] != planted
    assert browser.post(f"{ROOT}open", data={**form, **fresh}).status_code == 303
    with browser.session_transaction() as kept:
        kept["who"] = "irene"
    assert browser.post(f"{ROOT}open", data={**form, **fresh}).status_code == 400


# --- addresses and logs ------------------------------------------------------------------------------------------


class Traveller:
    """Walks by the forms of the pages, and notes every address that was asked for or led to."""

    def __init__(self, host: Any, who: str) -> None:
        self.host, self.browser, self.addresses = host, host.browser(who), list[str]()

    def get(self, path: str) -> Any:
        self.addresses.append(path)
        self.answer = self.browser.get(path)
        self.path = path
        if self.answer.status_code == 303:
            return self.get(self.host.location(self.answer))
        return self.answer

    def submit(self, action: str, **values: Any) -> Any:
        tree = html.document_fromstring(self.answer.text)
        form = next(one for one in tree.xpath("//form") if one.get("action").endswith(action))
        sent: dict[str, Any] = {
            one.get("name"): one.get("value")
            for one in form.xpath(".//input")
            if one.get("type") == "hidden" or one.get("checked") is not None
        }
        assert form.get("method") == "post"
        self.addresses.append(form.get("action"))
        answer = self.browser.post(form.get("action"), data={**sent, **values})
        assert answer.status_code == 303, answer.text
        return self.get(self.host.location(answer))


def test_no_secret_and_nothing_personal_is_in_an_address_or_a_log(
    own_host: Any, qcp_scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene, jessica, secrets = qcp_scene, qcp_scene.jessica, list[str]()

    def code(purpose: Purpose) -> str:
        secrets.append(scene.code(jessica, purpose).text.reveal())
        return secrets[-1]

    caplog.set_level(logging.DEBUG)
    her = Traveller(own_host, "jessica")
    her.get(ROOT)
    her.submit("/open", cabinet=CABINET.id)
    id = urlsplit(her.path).path.rpartition("/")[2]
    her.submit("/code")
    wrong = {**form_of(own_host, her.browser), "stage": "verifying_email", "code": "AAAAAA"}
    her.browser.post(f"{her.path}/enter", data=wrong)
    her.submit("/enter", code=code(Purpose.OPEN))
    her.submit("/details", answer="right", confirm=["document", "mobile"])
    her.submit("/consents", agree=["identity_processing", "personal_data"])
    shown = her.answer.text
    scene.world.identity.capture(scene.identity_session(scene.qcp.subscriptions.get(id)))  # type: ignore[arg-type]
    scene.wait(timedelta(minutes=10))
    her.get(f"{ROOT}s/{id}")
    her.submit("/identity", answer="right")
    her.get(f"{ROOT}s/{id}/request.pdf")
    her.get(f"{ROOT}s/{id}")
    her.submit("/request", accept="1")
    her.submit("/code")
    her.submit("/enter", code=code(Purpose.REQUEST))
    scene.wait(timedelta(hours=1))
    (signing,) = scene.start(scene.collecte(jessica))
    her.get(f"{ROOT}c/{signing.id}")
    document = scene.qcp.collectes.ceremony(signing.id).show.documents[0]
    her.get(f"{ROOT}c/{signing.id}/d/{document.id}")
    her.get(f"{ROOT}c/{signing.id}")
    her.submit("/consent", read=document.validated)
    her.submit("/enter", code=code(Purpose.SIGN))
    scene.wait(timedelta(minutes=5))
    her.get(f"{ROOT}s/{id}/revocation")
    her.submit("/revocation/code")
    her.submit("/revocation", code=code(Purpose.REVOKE), reason="superseded", sure="1")
    her.get(f"{ROOT}s/unknown")
    assert scene.qcp.subscriptions.get(id).stage in (Stage.REVOKING, Stage.REVOKED)  # type: ignore[arg-type]
    assert len(set(her.addresses)) >= 17
    logs = "\n".join(f"{one.getMessage()} {one.__dict__}" for one in caplog.records)
    (hand_off,) = re.findall(r"/go/([\w-]+)<", shown)
    token = form_of(own_host, her.browser)[own_host.field]
    assert len(secrets) == 4
    for hidden in (*SECRET_OR_PERSONAL, jessica.email.text, *secrets, hand_off, token):
        assert hidden not in logs, hidden
        assert not [one for one in her.addresses if hidden.lower() in one.lower()], hidden
