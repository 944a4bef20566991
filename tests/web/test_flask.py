"""The Flask shell: what it must add to the pages, and nothing more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, redirect, session
from flask.testing import FlaskClient

from qcp_sdk.errors import ConfigurationError, WebhookRefused
from qcp_sdk.otp import Purpose
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import SessionId
from qcp_sdk.web import flask as shell
from qcp_sdk.web.flask import Qcp, current, respond


class Provider:
    """A provider whose signature is a word."""

    def __init__(self) -> None:
        self.session = SessionId("")

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        if delivery.headers.get("x-word") != "sesame":
            raise WebhookRefused("no", reason="forged")
        return (self.session,)


def host(scene: Scene, **config: object) -> Flask:
    app = Flask(__name__)
    app.secret_key = "of a test"
    app.config.update(
        QCP_INSTALLATION=lambda: scene.qcp, QCP_ACCOUNT=lambda: session.get("account"), QCP_PLATFORM="Host & Co",
        QCP_LANGUAGE=lambda: "en", **config,
    )  # fmt: skip
    Qcp(app)
    return app


def signed_in(app: Flask, account: str | None = "jessica") -> FlaskClient:
    client = app.test_client()
    with client.session_transaction() as kept:
        if account:
            kept["account"] = account
    return client


def token(text: str) -> str:
    found = re.search(r'name="qcp_csrf" value="([^"]+)"', text)
    assert found
    return found[1]


def test_a_subscription_is_opened_and_its_code_entered(qcp_scene: Scene) -> None:
    client = signed_in(host(qcp_scene))
    page = client.get("/signature/")
    opened = client.post("/signature/open", data={"qcp_csrf": token(page.text), "cabinet": "cabinet"})
    assert opened.status_code == 303
    where = opened.headers["Location"]
    page = client.get(where)
    assert "Check your e-mail" in page.text
    csrf = {"qcp_csrf": token(page.text), "stage": "verifying_email"}
    assert client.post(f"{where}/code", data=csrf).status_code == 303
    code = qcp_scene.code(qcp_scene.jessica, Purpose.OPEN).text.reveal()
    client.post(f"{where}/enter", data={**csrf, "code": code})
    assert "Check your details" in client.get(where).text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("given", [None, "", "wrong", "é"])
def test_a_form_that_is_not_ours_changes_nothing(qcp_scene: Scene, given: str | None) -> None:
    client = signed_in(host(qcp_scene))
    client.get("/signature/")
    form = {"cabinet": "cabinet", **({} if given is None else {"qcp_csrf": given})}
    assert client.post("/signature/open", data=form).status_code == 400
    assert qcp_scene.qcp.subscriptions.page(account=qcp_scene.jessica.id).in_progress is None


def test_whoever_is_not_signed_in_gets_the_hosts_answer(qcp_scene: Scene) -> None:
    assert signed_in(host(qcp_scene), None).get("/signature/").status_code == 401
    app = host(qcp_scene, QCP_LOGIN=lambda: redirect("/login"))
    assert signed_in(app, None).get("/signature/").headers["Location"] == "/login"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whoever_is_not_signed_in_gets_it_in_the_hosts_own_view_too(qcp_scene: Scene, method: str) -> None:
    def answered(app: Flask) -> Any:
        @app.route("/new", methods=["GET", "POST"])
        def new() -> Response:
            return respond(current.signatories(action="/new", members=[], build=lambda *_: None).response)  # type: ignore[arg-type]

        client = signed_in(app, None)
        client.get("/signature/")  # its session has a token, of nobody
        with client.session_transaction() as kept:
            mine = kept.get(shell.TOKEN, ["", ""])[1]
        return client.open("/new", method=method, data={shell.TOKEN: mine} if method == "POST" else None)

    leads = answered(host(qcp_scene, QCP_LOGIN=lambda: redirect("/login")))
    assert (leads.status_code, leads.headers["Location"]) == (302, "/login")
    bare = host(qcp_scene)
    bare.register_error_handler(401, lambda _: ("the host's own 401", 401))
    told = answered(bare)
    assert (told.status_code, told.text) == (401, "the host's own 401")


def test_pages_take_the_hosts_layout_and_static_files_need_nobody(qcp_scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "qcp").mkdir()
    (tmp_path / "qcp" / "page.html").write_text("<h9>{{ page.title }}</h9>{{ page.main }}")
    app = host(qcp_scene)
    app.template_folder = str(tmp_path)
    text = signed_in(app).get("/signature/").text
    assert text.startswith("<h9>My signing certificates</h9>")
    assert "<h1>" in text
    shared = signed_in(app).get("/signature/static/qcp.css")
    assert (shared.status_code, "Set-Cookie" in shared.headers, "Cookie" in shared.headers.get("Vary", "")) == (
        200, False, False,
    )  # fmt: skip


def test_it_works_below_another_prefix_and_beneath_another_application(qcp_scene: Scene) -> None:
    client = signed_in(host(qcp_scene, QCP_URL_PREFIX="/me/sign/"))
    text = client.get("/me/sign/", environ_overrides={"SCRIPT_NAME": "/host"}).text
    assert 'href="/host/me/sign/mobile"' in text


def test_an_address_with_a_line_break_in_it_is_the_journeys_as_well(qcp_scene: Scene) -> None:
    answer = signed_in(host(qcp_scene)).get("/signature/api/subscriptions/%0A")
    assert (answer.status_code, answer.mimetype) == (404, "application/json")


def test_two_applications_in_one_process_do_not_mix(qcp_scene: Scene) -> None:
    first, second = host(qcp_scene), host(Scene())
    with first.app_context():
        assert current.qcp is qcp_scene.qcp
    with second.app_context():
        assert current.qcp is not qcp_scene.qcp


def test_a_provider_posts_and_is_not_believed_but_asked_about(qcp_scene: Scene, monkeypatch: Any) -> None:
    provider = Provider()
    app = host(qcp_scene, QCP_WEBHOOKS={"idp": provider})
    client = app.test_client()
    view = qcp_scene.subscribe(qcp_scene.jessica, until=Stage.PROVING_IDENTITY)
    provider.session = qcp_scene.identity_session(view)
    asked: list[str] = []
    monkeypatch.setattr(qcp_scene.qcp.subscriptions, "hint", asked.append)
    with app.app_context():
        current.webhooks._later = lambda work: work()
    assert client.post("/signature/hooks/idp", data=b"{}").status_code == 400
    assert client.post("/signature/hooks/other", headers={"X-Word": "sesame"}).status_code == 404
    assert asked == []
    for _ in range(2):
        assert client.post("/signature/hooks/idp", data=b"{}", headers={"X-Word": "sesame"}).status_code == 204
    assert asked == [provider.session] * 2
    assert qcp_scene.qcp.subscriptions.get(view.id).stage is Stage.PROVING_IDENTITY


def test_a_webhook_is_answered_before_its_question_is_asked_and_without_fail(
    qcp_scene: Scene, monkeypatch: Any
) -> None:
    import threading

    from qcp_sdk.errors import Unavailable

    provider = Provider()
    app = host(qcp_scene, QCP_WEBHOOKS={"idp": provider})
    go, done = threading.Event(), threading.Event()

    def slow(_session: str) -> None:
        assert go.wait(30)
        done.set()
        raise Unavailable("away")

    monkeypatch.setattr(qcp_scene.qcp.subscriptions, "hint", slow)
    answer = app.test_client().post("/signature/hooks/idp", data=b"{}", headers={"X-Word": "sesame"})
    assert answer.status_code == 204
    assert not done.is_set()
    go.set()
    assert done.wait(30)


def test_a_collecte_is_created_in_the_hosts_own_view(qcp_scene: Scene) -> None:
    app = host(qcp_scene)

    @app.route("/new", methods=["GET", "POST"])
    def new() -> Response | str:
        step = current.signatories(action="/new", members=[], build=lambda who, order: _collecte(qcp_scene, who, order))
        return respond(step.response) if step.collecte is None else f"kept {step.decision and step.decision.hash}"

    client = signed_in(app)
    page = client.get("/new").text
    assert "Add me" in page
    form = {"row": "oneself", "level-oneself": "3", "do": "validate"}
    assert client.post("/new", data=form).status_code == 400  # somebody else's form
    form["qcp_csrf"] = token(page)
    assert client.post("/new", data=form).status_code == 422
    qcp_scene.subscribe(qcp_scene.jessica)
    assert client.post("/new", data=form).text.startswith("kept sha256:")


def _collecte(scene: Scene, who: Any, order: Any) -> Any:
    from attrs import evolve

    return evolve(scene.collecte(scene.jessica), signatories=who, order=order)


def test_the_hosts_own_protection_of_forms_is_used_where_there_is_one(qcp_scene: Scene) -> None:
    flask_wtf = pytest.importorskip("flask_wtf")
    app = Flask(__name__)
    app.secret_key = "of a test"
    app.config.update(QCP_INSTALLATION=qcp_scene.qcp, QCP_ACCOUNT=lambda: "jessica", QCP_WEBHOOKS={"idp": Provider()})
    flask_wtf.CSRFProtect(app)
    Qcp(app)
    client = app.test_client()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/signature/").text)
    assert found
    form = {"cabinet": "cabinet"}
    assert client.post("/signature/open", data=form).status_code == 400
    assert client.post("/signature/open", data={**form, "csrf_token": found[1]}).status_code == 303
    assert client.post("/signature/hooks/idp", headers={"X-Word": "sesame"}).status_code == 204


@pytest.mark.parametrize("lax", ["unchecked", "exempt"])
def test_the_hosts_protection_of_forms_is_asked_where_it_does_not_look_by_itself(qcp_scene: Scene, lax: str) -> None:
    flask_wtf = pytest.importorskip("flask_wtf")
    app = Flask(__name__)
    app.secret_key = "of a test"
    app.config.update(QCP_INSTALLATION=qcp_scene.qcp, QCP_ACCOUNT=lambda: "jessica", QCP_WEBHOOKS={"idp": Provider()})
    app.config["WTF_CSRF_CHECK_DEFAULT"] = lax != "unchecked"
    protection = flask_wtf.CSRFProtect(app)
    Qcp(app)
    if lax == "exempt":
        protection.exempt(app.blueprints["qcp"])

    @app.post("/new")
    def new() -> Response:
        return respond(current.signatories(action="/new", members=[], build=lambda *_: None).response)  # type: ignore[arg-type]

    protection.exempt(new)
    client = app.test_client()
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/signature/").text)
    assert found
    form = {"cabinet": "cabinet"}
    assert client.post("/signature/open", data=form).status_code == 400
    assert client.post("/signature/api/subscriptions", json=form).status_code == 400
    assert client.post("/new").status_code == 400
    assert client.post("/new", data={"csrf_token": found[1]}).status_code == 200
    assert qcp_scene.qcp.subscriptions.page(account=qcp_scene.jessica.id).in_progress is None
    api = client.post("/signature/api/subscriptions", json=form, headers={"X-CSRFToken": found[1]})
    assert api.status_code == 201
    assert client.post("/signature/hooks/idp", headers={"X-Word": "sesame"}).status_code == 204


def test_a_host_may_turn_its_protection_of_forms_off_as_a_whole(qcp_scene: Scene) -> None:
    flask_wtf = pytest.importorskip("flask_wtf")
    app = Flask(__name__)
    app.secret_key = "of a test"
    app.config.update(QCP_INSTALLATION=qcp_scene.qcp, QCP_ACCOUNT=lambda: "jessica", WTF_CSRF_ENABLED=False)
    flask_wtf.CSRFProtect(app)
    Qcp(app)
    assert app.test_client().post("/signature/open", data={"cabinet": "cabinet"}).status_code == 303


def test_the_store_may_stand_on_the_hosts_own_engine(qcp_scene: Scene, tmp_path: Path) -> None:
    """As Flask-SQLAlchemy's `db.engine`: an engine that the host made, with tables of its own beside ours."""
    import sqlalchemy as sa

    from qcp_sdk.adapters.sql.store import SqlStore

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'host.sqlite'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE letters (id INTEGER PRIMARY KEY)"))
    store = SqlStore(engine)
    store.create_schema()
    qcp_scene.world.store = store  # type: ignore[assignment]
    qcp_scene.qcp = qcp_scene.installation()
    client = signed_in(host(qcp_scene))
    page = client.get("/signature/")
    opened = client.post("/signature/open", data={"qcp_csrf": token(page.text), "cabinet": "cabinet"})
    assert "Check your e-mail" in client.get(opened.headers["Location"]).text
    with engine.connect() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        assert connection.execute(sa.text("SELECT count(*) FROM qcp_streams")).scalar() == 1
    assert {"letters", "qcp_streams"} <= tables
    engine.dispose()


@pytest.mark.parametrize("missing", ["QCP_INSTALLATION", "QCP_ACCOUNT"])
def test_what_is_missing_is_said_at_start(missing: str) -> None:
    app = Flask(__name__)
    app.config.update({"QCP_INSTALLATION": "x", "QCP_ACCOUNT": lambda: None})
    del app.config[missing]
    with pytest.raises(ConfigurationError, match=missing):
        Qcp(app)


def test_the_commands(qcp_scene: Scene) -> None:
    view = qcp_scene.subscribe(qcp_scene.jessica, until=Stage.CONSENTING)
    runner = host(qcp_scene).test_cli_runner()
    assert runner.invoke(args=["qcp", "work", "--once"]).output.strip() == "0"
    told = runner.invoke(args=["qcp", "doctor"])
    assert (told.exit_code, "qcp.E001" in told.output) == (1, True)
    intact = runner.invoke(args=["qcp", "verify-journal", view.id])
    assert (intact.exit_code, "intact" in intact.output) == (0, True)
    assert runner.invoke(args=["qcp", "verify-journal", "nobody"]).exit_code == 1
    told = runner.invoke(args=["qcp", "history", view.id, "--language", "en"])
    assert "The person confirmed their details." in told.output
    assert "Poussart" not in told.output
    assert runner.invoke(args=["qcp", "history", "nobody"]).exit_code == 1
    refused = runner.invoke(args=["qcp", "erase", view.id, "--by", "Odile", "--reason", "7"])
    assert (refused.exit_code, "not_final" in refused.output) == (1, True)


def test_a_large_body_is_refused_before_it_is_read(qcp_scene: Scene) -> None:
    client = signed_in(host(qcp_scene))
    answer = client.post("/signature/open", data={"x": "a" * (shell.LARGEST_FORM + 1)})
    assert answer.status_code == 413
