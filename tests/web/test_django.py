"""The Django shell: forms, logins, layouts, webhooks, checks, commands, the admin, signals."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import django
import pytest

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.web.django_host.settings")
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core import checks  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.template import Context, Template  # noqa: E402
from django.test import Client, RequestFactory, override_settings  # noqa: E402
from django.utils import translation  # noqa: E402

from qcp_sdk.audit import OperatorActed  # noqa: E402
from qcp_sdk.errors import ConfigurationError, WebhookRefused  # noqa: E402
from qcp_sdk.facts import Cancelled, CodeRequested  # noqa: E402
from qcp_sdk.otp import Purpose  # noqa: E402
from qcp_sdk.ports.webhooks import Delivery  # noqa: E402
from qcp_sdk.subscription.facts import DetailsConfirmed  # noqa: E402
from qcp_sdk.subscription.stages import Stage  # noqa: E402
from qcp_sdk.testing.scene import Scene  # noqa: E402
from qcp_sdk.values import SessionId, TenantId  # noqa: E402
from qcp_sdk.web.django import signals, views  # noqa: E402
from qcp_sdk.web.django.conf import installation  # noqa: E402
from qcp_sdk.web.django.models import Effect, Message, Stream  # noqa: E402
from qcp_sdk.web.django.store import DjangoStore, after_commit  # noqa: E402

scenes: list[Scene] = []
QCP: dict[str, Any] = {
    "BACKEND": lambda: scenes[-1].qcp,
    "ACCOUNT": lambda request: request.user.username if request.user.is_authenticated else None,
    "PLATFORM": "Host & Co",
    "WEBHOOKS": lambda: {"idp": Provider()},
}


class Provider:
    session = SessionId("s-1")

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        if delivery.headers.get("x-word") != "sesame":
            raise WebhookRefused("no", reason="forged")
        return (self.session,)


@pytest.fixture(scope="module", autouse=True)
def _tables() -> None:
    call_command("migrate", verbosity=0)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A scene whose store is the project's database, and whose effects wait for its transactions."""
    made = Scene(after_commit=after_commit)
    made.world.store = DjangoStore()  # type: ignore[assignment]
    made.qcp = made.installation(after_commit=after_commit)
    scenes.append(made)
    User.objects.get_or_create(username="jessica")
    User.objects.get_or_create(username="irene")
    with override_settings(QCP=QCP):
        yield made
    call_command("flush", verbosity=0, interactive=False)


def client(user: str = "jessica", **extra: Any) -> Client:
    made = Client(enforce_csrf_checks=True, headers={"Accept-Language": "en"}, **extra)
    if user:
        made.force_login(User.objects.get(username=user))
    return made


def token(text: str) -> str:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert found
    return found[1]


def test_the_journey_begins_and_its_code_is_entered(scene: Scene) -> None:
    browser = client()
    page = browser.get("/signature/")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
    form = {"csrfmiddlewaretoken": token(page.text), "cabinet": "cabinet"}
    where = browser.post("/signature/open", form).headers["Location"]
    form["stage"] = "verifying_email"
    browser.post(f"{where}/code", form)
    code = scene.code(scene.jessica, Purpose.OPEN).text.reveal()
    assert browser.post(f"{where}/enter", {**form, "code": code}).status_code == 303
    assert "Check your details" in browser.get(where).text
    with translation.override(None):
        assert "Vérifiez vos données" in browser.get(where, headers={"Accept-Language": "fr-CA"}).text
    assert Stream.objects.filter(kind="subscription").count() == 1


def test_a_form_that_is_not_ours_changes_nothing(scene: Scene) -> None:
    browser = client()
    browser.get("/signature/")
    assert browser.post("/signature/open", {"cabinet": "cabinet"}).status_code == 403
    assert Stream.objects.count() == 0


def test_whoever_is_not_signed_in_goes_to_the_login_and_comes_back(scene: Scene) -> None:
    answer = client("").get("/signature/mobile")
    assert answer.headers["Location"] == "/login?next=/signature/mobile"
    assert client("").get("/signature/done").status_code == 200


def test_another_user_sees_nothing_of_it(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
    assert client("jessica").get(f"/signature/s/{view.id}").status_code == 200
    assert client("irene").get(f"/signature/s/{view.id}").status_code == 404


def test_a_wrong_code_is_counted_whatever_the_project_does_with_transactions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    view = scene.subscribe(scene.jessica, until=Stage.VERIFYING_EMAIL)
    scene.qcp.subscriptions.act(view.id, CodeRequested())
    act, within = scene.qcp.subscriptions.act, list[bool]()

    def acted(*args: Any) -> None:
        within.append(connection.in_atomic_block)
        act(*args)

    monkeypatch.setattr(scene.qcp.subscriptions, "act", acted)
    browser = client()
    where = f"/signature/s/{view.id}"
    form = {"csrfmiddlewaretoken": token(browser.get(where).text), "stage": "verifying_email", "code": "AAAAAA"}
    assert browser.post(f"{where}/enter", form).status_code == 422
    shown = scene.qcp.subscriptions.get(view.id).show.code
    assert shown is not None
    assert shown.tries_left == 4
    assert within == [False]  # a page that then failed would have rolled the count back


def test_pages_take_the_projects_layout(scene: Scene, tmp_path: Path) -> None:
    from django.conf import settings

    (tmp_path / "qcp").mkdir()
    (tmp_path / "qcp" / "page.html").write_text("<h9>{{ page.title }}</h9>{{ page.main }}<i>{{ user.username }}</i>")
    with override_settings(TEMPLATES=[{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]):
        text = client().get("/signature/").text
    assert text.startswith("<h9>My signing certificates</h9>")
    assert "<h1>My signing certificates</h1>" in text
    assert text.endswith("<i>jessica</i>")


def test_what_caches_may_share_carries_no_cookie(scene: Scene) -> None:
    shared = client().get("/signature/static/qcp.css")
    assert (shared.status_code, dict(shared.cookies), "Cookie" in shared.headers.get("Vary", "")) == (200, {}, False)


def test_a_provider_posts_and_is_asked_about(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(scene.qcp.subscriptions, "hint", asked.append)
    installation().webhooks._later = lambda work: work()
    post = client("").post
    assert post("/signature/hooks/idp", b"{}", content_type="application/json").status_code == 400
    assert client("").get("/signature/hooks/idp").status_code == 405
    genuine = {"X-Word": "sesame"}
    answer = post("/signature/hooks/idp", b"{}", content_type="application/json", headers=genuine)
    assert answer.status_code == 204
    assert asked == ["s-1"]


@pytest.mark.parametrize("where", [{"CALLER": lambda _request: "9.9.9.9"}, {}])
def test_too_often_is_429_over_the_projects_database(scene: Scene, where: dict[str, Any]) -> None:
    from qcp_sdk.web.limits import Limit

    id = scene.subscribe(scene.jessica, until=Stage.CONSENTING).id
    told = {**QCP, **where, "LIMITS": {"ask": Limit(person=3, address=2)}}
    with override_settings(QCP=told):
        browser = client(REMOTE_ADDR="9.9.9.9" if where else "10.0.0.1")
        form = {"csrfmiddlewaretoken": token(browser.get(f"/signature/s/{id}").text)}
        answers = [browser.post(f"/signature/s/{id}/check", form) for _ in range(4)]
    last = 2 if where else 3  # the address of a proxy counts for nobody
    assert [one.status_code for one in answers] == [303] * last + [429] * (4 - last)
    assert "Too often, for now" in answers[-1].text
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert Message.objects.count() == (2 * last if where else last)  # whoever is over writes nothing


def codes_sent(scene: Scene) -> list[object]:
    return [one for one in scene.world.codes.outbox if one.to == scene.jessica.email]


def test_effects_are_performed_after_the_hosts_commit_and_never_after_its_rollback(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.VERIFYING_EMAIL)
    with pytest.raises(RuntimeError), transaction.atomic():
        scene.qcp.subscriptions.act(view.id, CodeRequested())
        raise RuntimeError
    assert not codes_sent(scene)
    with transaction.atomic():
        scene.qcp.subscriptions.act(view.id, CodeRequested())
        assert not codes_sent(scene)
    assert codes_sent(scene)


def test_the_whole_subscription_runs_on_the_projects_database(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica)
    scene.prove(view.id)
    assert view.stage is Stage.ACTIVE
    assert scene.taken() == 2_000


def test_signals_say_what_moved_after_the_commit_and_a_receiver_that_fails_changes_nothing(scene: Scene) -> None:
    heard: list[tuple[str, tuple[str, ...]]] = []

    def hear(*, id: str, stage: str, facts: tuple[str, ...], **_: object) -> None:
        assert not connection.in_atomic_block
        heard.append((stage, facts))
        raise RuntimeError

    signals.committed.connect(hear)
    try:
        view = scene.subscribe(scene.jessica, until=Stage.CONFIRMING_DETAILS)
        with pytest.raises(RuntimeError), transaction.atomic():
            view.say(DetailsConfirmed())
            raise RuntimeError
    finally:
        signals.committed.disconnect(hear)
    assert ("verifying_email", ("subscription_opened",)) in heard
    assert ("confirming_details", ("funds_held",)) in heard
    assert all("details_confirmed" not in facts for _, facts in heard)


# --- settings and checks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (None, "QCP"),
        ({"OPTIONS": {}}, "QCP"),
        ({"BACKEND": "x.y", "PLATFROM": "typo"}, "PLATFROM"),
    ],
)
def test_settings_that_cannot_be_read_are_an_error_of_the_checks(told: Any, says: str) -> None:
    with override_settings(QCP=told):
        found = [one for one in checks.run_checks(tags=["qcp"]) if one.id == "qcp.E020"]
        assert found
        assert says in str(found[0].msg)


@pytest.mark.parametrize("backend", ["nowhere.at_all", lambda: 3])
def test_a_backend_that_gives_nothing_is_said(backend: Any) -> None:
    with override_settings(QCP={"BACKEND": backend}), pytest.raises(ConfigurationError):
        _ = installation().qcp


def test_options_are_given_to_the_backend_by_name(scene: Scene) -> None:
    given: dict[str, Any] = {}

    def backend(**options: Any) -> Any:
        given.update(options)
        return scene.qcp

    with override_settings(QCP={"BACKEND": backend, "OPTIONS": {"folder": "x"}}):
        assert installation().qcp is scene.qcp
        assert installation().qcp is scene.qcp
    assert given == {"folder": "x"}


def test_what_must_not_go_live_is_said_on_deployment_only(scene: Scene) -> None:
    ids = {one.id for one in checks.run_checks(include_deployment_checks=True)}
    assert "qcp.E001" in ids
    assert "qcp.W001" not in ids  # a webhook is configured
    assert "qcp.E001" not in {one.id for one in checks.run_checks()}
    with override_settings(QCP={**QCP, "WEBHOOKS": {}}):
        assert "qcp.W001" in {one.id for one in checks.run_checks(include_deployment_checks=True)}


def test_no_timestamps_and_weak_keys_must_not_go_live(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from qcp_sdk.adapters.pdf_envelope import PdfEnvelope
    from qcp_sdk.adapters.shared.pades_levels import PadesLevel
    from qcp_sdk.adapters.shelf import FileShelf

    def found() -> set[str]:
        with override_settings(QCP=QCP):
            return {str(one.id) for one in checks.run_checks(include_deployment_checks=True)}

    untimed = PdfEnvelope(
        documents=FileShelf(tmp_path), timestamps=None, revocation=None, clock=scene.world.clock, level=PadesLevel.B_B
    )  # fmt: skip
    assert not {"qcp.E002", "qcp.E003"} & found()
    monkeypatch.setitem(scene.qcp.ports.envelopes, "default", untimed)
    monkeypatch.setattr(scene.world.keys, "derive", lambda *, purpose: b"\0" * 32)
    assert {"qcp.E002", "qcp.E003"} <= found()


def test_no_table_of_ours_leads_to_another() -> None:
    from django.apps import apps

    models = list(apps.get_app_config("qcp").get_models())
    assert len(models) == 7
    assert [str(field) for model in models for field in model._meta.get_fields() if field.is_relation] == []


def test_a_database_that_cannot_hold_the_tables_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from qcp_sdk.web.django.checks import database

    assert database(databases=["default"]) == []
    monkeypatch.setattr(type(connection), "vendor", "mysql", raising=False)
    monkeypatch.setattr(connection._connections["default"], "vendor", "mysql")  # type: ignore[attr-defined]
    assert [one.id for one in database(databases=["default"])] == ["qcp.E021"]


# --- commands and the admin -------------------------------------------------------------------------------------


def run(name: str, *args: str) -> str:
    out = StringIO()
    call_command(name, *args, stdout=out, stderr=out)
    return out.getvalue()


def test_the_worker_does_what_is_due(scene: Scene) -> None:
    from datetime import timedelta

    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.identity.capture(scene.identity_session(view))
    scene.world.clock.advance(timedelta(minutes=10))
    assert int(run("qcp_work", "--once")) > 0
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_IDENTITY


def test_the_worker_goes_on_until_it_is_told_to_stop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import signal

    from qcp_sdk.worker import Beat, work

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    beats: list[Beat] = []

    def told(qcp: Any, *, stop: Any, on_beat: Any) -> int:
        def beat(one: Beat) -> None:
            beats.append(one)
            on_beat(one)
            signal.raise_signal(signal.SIGTERM)  # as a supervisor's

        return work(qcp, stop=stop, on_beat=beat)

    monkeypatch.setattr("qcp_sdk.web.django.management.commands.qcp_work.work", told)
    try:
        assert "store=ok" in run("qcp_work")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert beats


def test_journals_are_verified_and_a_changed_one_is_found(scene: Scene) -> None:
    from qcp_sdk.web.django.models import Entry

    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    assert "all intact" in run("qcp_verify_journal")
    assert "1 journals" in run("qcp_verify_journal", view.id)
    Entry.objects.filter(stream=view.id, sequence=2).update(payload=b"forged")
    with pytest.raises(CommandError, match="1 of"):
        run("qcp_verify_journal")


def test_the_doctor_says_what_is_overdue_and_parked(scene: Scene) -> None:
    from datetime import timedelta

    scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.world.clock.advance(timedelta(hours=3))
    Effect.objects.filter(kind="ask_identity").update(state="parked")
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("qcp_doctor", stdout=out)
    assert "qcp.W010" in out.getvalue() or "qcp.W011" in out.getvalue()
    assert "qcp.E001" in out.getvalue()


def test_erasing_needs_a_name_and_says_what_stands_against_it(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    with pytest.raises(CommandError, match="not_final"):
        run("qcp_erase", view.id, "--by", "Odile", "--reason", "7")
    with pytest.raises(CommandError, match="nobody"):
        run("qcp_erase", "nobody", "--by", "Odile", "--reason", "7")


def test_the_admin_shows_where_things_stand_and_changes_nothing(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    User.objects.create_superuser("admin")
    browser = client("admin")
    row = Stream.objects.get(name=view.id)
    listed = browser.get("/admin/qcp/stream/").text
    assert view.id in listed
    assert "consenting" in listed
    for page in (listed, browser.get(f"/admin/qcp/stream/{row.pk}/change/").text, browser.get("/admin/qcp/entry/").text,
                 browser.get("/admin/qcp/effect/").text):  # fmt: skip
        for personal in ("Poussart", "jessica@", "39981316"):
            assert personal not in page
        assert 'name="_save"' not in page
    for path in ("stream/add/", f"stream/{row.pk}/delete/"):
        assert browser.get(f"/admin/qcp/{path}").status_code == 403
    assert browser.post(f"/admin/qcp/stream/{row.pk}/change/", {}).status_code == 403


def test_template_tags_lead_to_pages_and_name_levels(scene: Scene) -> None:
    text = Template('{% load qcp %}{% qcp_url "subscription" id=id %} {% qcp_url "certificates" %} {{ 3|qcp_level }}')
    with translation.override("en"):
        told = text.render(Context({"id": "a/b"}))
    assert told == "/signature/s/a%2Fb /signature/ level 3: advanced, based on a qualified certificate"


def test_a_collecte_is_created_in_the_projects_own_view(scene: Scene) -> None:
    from attrs import evolve

    scene.subscribe(scene.jessica)
    request: HttpRequest = RequestFactory().post("/new", {"row": "oneself", "level-oneself": "3", "do": "validate"})
    request.user = User.objects.get(username="jessica")
    step = views.signatories(
        request, action="/new", members=[],
        build=lambda who, order: evolve(scene.collecte(scene.jessica), signatories=who, order=order),
    )  # fmt: skip
    assert step.collecte is not None
    assert step.decision is not None


def test_whoever_is_not_signed_in_is_led_to_the_login_from_the_projects_own_view(scene: Scene) -> None:
    from django.contrib.auth.models import AnonymousUser

    request: HttpRequest = RequestFactory().get("/new?of=a%26b")
    request.user = AnonymousUser()
    step = views.signatories(request, action="/new", members=[], build=lambda *_: scene.collecte(scene.jessica))
    answer = views.respond(request, step.response)
    assert step.collecte is None
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/new%3Fof%3Da%2526b")


# --- support ----------------------------------------------------------------------------------------------------


def support(name: str) -> Client:
    User.objects.create_superuser(name)
    return client(name)


def acts(scene: Scene) -> list[OperatorActed]:
    return [one.fact for one in scene.qcp.operations.acts() if isinstance(one.fact, OperatorActed)]


def act(browser: Client, page: str, what: str, **form: str) -> Any:
    csrf = token(browser.get(f"{page}change/").text)
    return browser.post(f"{page}{what}/", {"csrfmiddlewaretoken": csrf, **form})


def test_personal_data_are_revealed_for_a_reason_and_on_record(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    browser = support("odile")
    page = f"/admin/qcp/stream/{Stream.objects.get(name=view.id).pk}/"
    assert "subscription_opened" in browser.get(f"{page}change/").text
    assert act(browser, page, "reveal", reason=" ").status_code == 302
    shown = act(browser, page, "reveal", reason="call 7")
    assert "Poussart" in shown.text
    assert "no-store" in shown.headers["Cache-Control"]
    (recorded,) = acts(scene)
    assert (recorded.what, recorded.about, recorded.by, recorded.reason) == (
        "data_revealed", view.id, "odile", "call 7",
    )  # fmt: skip
    assert browser.get(f"{page}reveal/").status_code == 403


def test_support_finds_an_accounts_subscriptions_and_asks_again(scene: Scene) -> None:
    from datetime import timedelta

    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    scene.subscribe(scene.irene, until=Stage.CONSENTING)
    browser = support("odile")
    found = browser.get("/admin/qcp/stream/?q=jessica").text
    assert view.id in found
    assert "1 subscription or ceremony" in found
    tenants = scene.open(scene.jessica, tenant=TenantId("north"))
    found = browser.get("/admin/qcp/stream/?q=north/jessica").text
    assert tenants.id in found
    assert view.id not in found
    assert "0 subscriptions" in browser.get("/admin/qcp/stream/?q=south/jessica").text
    scene.world.identity.capture(scene.identity_session(view))
    scene.world.clock.advance(timedelta(minutes=10))
    page = f"/admin/qcp/stream/{Stream.objects.get(name=view.id).pk}/"
    act(browser, page, "ask")
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.PROVING_IDENTITY  # nobody said why
    act(browser, page, "ask", reason="call 8")
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.CONFIRMING_IDENTITY
    assert [(one.what, one.by, one.reason) for one in acts(scene)] == [("asked_again", "odile", "call 8")]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("fr", ["La personne a demandé un code.", "La personne a confirmé ses données.", "20,00"]),
        ("en", ["The person asked for a code.", "The person confirmed their details.", "€20.00"]),
    ],
)
def test_support_reads_what_happened_in_words_with_nothing_personal(
    scene: Scene, language: str, told: list[str]
) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    page = f"/admin/qcp/stream/{Stream.objects.get(name=view.id).pk}/"
    browser = support("odile")
    text = browser.get(f"{page}change/", headers={"Accept-Language": language}).text
    for sentence in told:
        assert sentence in text
    for personal in ("Poussart", "Jessica", "jessica@", "39981316", "Freyssinet"):
        assert personal not in text
    assert acts(scene) == []  # nothing was revealed


def test_of_what_was_erased_the_kinds_are_left(scene: Scene) -> None:
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    view = view.say(Cancelled())
    run("qcp_erase", view.id, "--by", "Odile", "--reason", "7", "--despite", "before_retention_end",
        "--despite", "money_unsettled", "--despite", "work_outstanding", "--approved-by", "Yves")  # fmt: skip
    page = f"/admin/qcp/stream/{Stream.objects.get(name=view.id).pk}/"
    text = support("odile").get(f"{page}change/").text
    assert "details_confirmed" in text
    assert "The person" not in text
    assert "all intact" in run("qcp_verify_journal")


def test_a_parked_effect_is_retried_or_settled_by_two(scene: Scene) -> None:
    scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    row = Effect.objects.get(kind="ask_identity", state="waiting")
    page = f"/admin/qcp/effect/{row.pk}/"
    odile, yves = support("odile"), support("yves")

    def state() -> str:
        return Effect.objects.get(pk=row.pk).state

    Effect.objects.filter(pk=row.pk).update(state="parked")
    act(odile, page, "retry", reason="the provider is back")
    assert state() == "waiting"
    Effect.objects.filter(pk=row.pk).update(state="parked")
    act(odile, page, "propose", reason="seen at the provider")
    act(odile, page, "approve", reason="seen at the provider")  # not by oneself
    act(yves, page, "approve", reason="something else")  # not what is proposed
    assert state() == "parked"
    assert "A second person has to approve it" in odile.get(f"{page}change/").text
    for _ in range(2):
        act(yves, page, "approve", reason="seen at the provider")
    assert state() == "done"
    done = acts(scene)
    assert [one.what for one in done] == ["effect_retried", "settlement_proposed", "effect_settled"]
    assert (done[-1].by, done[-1].approved_by) == ("odile", "yves")


def test_a_proposal_is_about_one_parking_and_nobody_replaces_it(scene: Scene) -> None:
    scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    row = Effect.objects.get(kind="ask_identity", state="waiting")
    page = f"/admin/qcp/effect/{row.pk}/"
    odile, yves = support("odile"), support("yves")

    def park(**also: int) -> None:
        Effect.objects.filter(pk=row.pk).update(state="parked", **also)

    def proposed() -> list[tuple[str, str]]:
        return [(one.by, one.reason) for one in acts(scene) if one.what == "settlement_proposed"]

    act(odile, page, "propose", reason="it is not parked")
    assert proposed() == []
    park()
    act(odile, page, "propose", reason=" ")
    act(odile, page, "propose", reason="the first")
    act(yves, page, "propose", reason="the second")
    assert proposed() == [("odile", "the first")]
    for tried_again in (lambda: act(odile, page, "retry", reason="try again"),  # here,
                        lambda: park(token=row.token + 1)):  # or by a command, and leased since  # fmt: skip
        assert "the first" in yves.get(f"{page}change/").text
        tried_again()
        park()
        assert "the first" not in yves.get(f"{page}change/").text
        act(yves, page, "approve", reason="the first")
        assert Effect.objects.get(pk=row.pk).state == "parked"
        act(odile, page, "propose", reason="the first")
    act(yves, page, "approve", reason="the first")
    assert Effect.objects.get(pk=row.pk).state == "done"
    assert proposed() == [("odile", "the first")] * 3


@pytest.mark.parametrize(
    "path", ["stream/999/ask", "stream/999/reveal", "effect/999/retry", "effect/999/propose", "effect/999/approve"]
)
def test_an_act_on_a_row_that_is_not_there_is_not_found_and_told_to_nobody_else(scene: Scene, path: str) -> None:
    support("odile")
    User.objects.create_user("looker", is_staff=True)
    for who, status in (("odile", 404), ("looker", 403)):
        browser = client(who)
        csrf = token(browser.get("/admin/password_change/").text)
        answer = browser.post(f"/admin/qcp/{path}/", {"csrfmiddlewaretoken": csrf, "reason": "x"})
        assert answer.status_code == status


def test_staff_without_the_permission_may_look_and_no_more(scene: Scene) -> None:
    from django.contrib.auth.models import Permission

    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_stream"))
    browser = client("looker")
    page = f"/admin/qcp/stream/{Stream.objects.get(name=view.id).pk}/"
    text = browser.get(f"{page}change/").text
    assert "Reveal" not in text
    assert browser.post(f"{page}reveal/", {"csrfmiddlewaretoken": token(text), "reason": "x"}).status_code == 403
    assert acts(scene) == []


# --- words ------------------------------------------------------------------------------------------------------


def test_every_word_of_the_admin_is_french_as_well() -> None:
    import gettext

    from qcp_sdk.web import django as application

    folder = Path(str(application.__file__)).parent
    with (folder / "locale" / "fr" / "LC_MESSAGES" / "django.mo").open("rb") as compiled:
        french: Any = gettext.GNUTranslations(compiled)._catalog  # type: ignore[attr-defined]
    said: set[str] = set()
    for path in folder.glob("*.py"):
        said |= set(re.findall(r'\b_\(\s*"([^"]+)"', path.read_text("utf-8")))
    for path in (folder / "templates").rglob("*.html"):
        said |= set(re.findall(r'{% translate "([^"]+)" %}', path.read_text("utf-8")))
    assert len(said) > 30
    assert [one for one in sorted(said) if not french.get(one)] == []
