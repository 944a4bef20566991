"""The subscription's pages, walked as a browser without scripts walks them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from qcp_sdk.adapters.memory.identity import fraud, refuse, retry
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.facts import ConsentGiven
from qcp_sdk.subscription.stages import Ending, Stage
from qcp_sdk.values import Cents
from qcp_sdk.web.journey import HANDLERS
from qcp_sdk.web.routes import ADDRESSES, address, find

ROOT = "/sign/"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_whole_journey_is_walked_through_its_pages(walk: Any, language: str) -> None:
    scene, jessica = walk.scene, walk.scene.jessica
    her = walk.visitor(jessica, language)
    her.get(ROOT)
    assert ("82,20" if language == "fr" else "82.20") in her.text
    her.submit("/open")  # the cabinet that can pay is chosen already
    id = walk.id(her)
    her.submit("/code")
    her.submit("/enter", code=walk.code(jessica, Purpose.OPEN).lower())
    her.press("/details", "right", confirm=["document", "mobile"])
    her.submit("/consents", agree=["identity_processing", "personal_data"])
    scene.world.identity.capture(scene.identity_session(scene.qcp.subscriptions.get(id)))
    her.submit("/check")
    assert "qcp-wait" in her.answer.body.decode()
    scene.wait(timedelta(minutes=10))
    her.submit("/check") if her.tree.xpath("//form[contains(@action, '/check')]") else her.get(her.path)
    her.get(f"{ROOT}s/{id}")
    assert "POUSSART" in her.text.upper()
    her.press("/identity", "right")
    pdf = her.ask("GET", f"{ROOT}s/{id}/request.pdf")
    assert pdf.headers["Content-Type"] == "application/pdf"
    assert pdf.headers["Content-Security-Policy"] == "frame-ancestors 'self'"
    assert pdf.body == scene.qcp.collectes.read(scene.qcp.subscriptions.get(id).show.request)
    her.get(f"{ROOT}s/{id}")
    her.submit("/request", accept="1")
    her.submit("/code")
    her.submit("/enter", code=walk.code(jessica, Purpose.REQUEST))
    scene.wait(timedelta(hours=1))
    her.get(f"{ROOT}s/{id}")
    assert scene.qcp.subscriptions.get(id).stage is Stage.ACTIVE
    assert her.heading == ("Votre certificat est délivré" if language == "fr" else "Your certificate is issued")
    assert scene.taken() == Cents(2_000)
    # Both texts were recorded by the hash of what was shown, in the language in which it was shown.
    given = [one.fact for one in scene.qcp.records.history(id) if isinstance(one.fact, ConsentGiven)]
    for one in given:
        text = walk.journey.site.consents.of(language, one.text)
        assert (one.hash, one.version) == (text.hash, text.version)
    assert len(given) == 2


def test_the_certificates_page_resumes_what_is_in_progress(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.CONSENTING)
    id = walk.id(her)
    her.get(ROOT)
    assert "step 3 of 8" in her.text
    (link,) = her.tree.xpath("//a[contains(@class, 'qcp-button')]/@href")
    assert link == f"{ROOT}s/{id}"
    assert not her.tree.xpath("//form[contains(@action, 'open')]")


def test_a_cabinet_without_credit_is_said_before_anything_starts(walk: Any) -> None:
    from qcp_sdk.testing.scene import CABINET
    from qcp_sdk.values import Key

    ledger = walk.scene.world.books
    hold = ledger.hold(key=Key("other"), cabinet=CABINET.id, amount=Cents(8_000), memo="something else")
    assert hold
    her = walk.visitor(walk.scene.jessica)
    her.get(ROOT)
    assert "not enough credit" in her.text
    assert her.tree.xpath("//input[@name='cabinet']/@disabled")
    forced = her.ask("POST", f"{ROOT}open", {"cabinet": [CABINET.id]})
    assert forced.status == 422
    assert "top it up" in her.text
    assert her.answer.page is not None
    assert her.answer.page.title.startswith("Error: ")


def test_a_cabinet_that_is_not_ones_own_pays_nothing(walk: Any) -> None:
    her = walk.visitor(walk.scene.jessica)
    assert her.ask("POST", f"{ROOT}open", {"cabinet": ["another"]}).status == 422
    assert walk.scene.qcp.subscriptions.page(account=walk.scene.jessica.id).in_progress is None


# --- each refusal says what to correct, where, and what it costs ------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "form", "button", "ending"),
    [
        (Stage.CONFIRMING_DETAILS, "/details", "wrong", Ending.DETAILS_WRONG),
        (Stage.PROVING_IDENTITY, "/no-document", "", Ending.NO_DOCUMENT),
        (Stage.CONFIRMING_IDENTITY, "/identity", "wrong", Ending.IDENTITY_CONTESTED),
        (Stage.VERIFYING_EMAIL, "/cancel", "", Ending.CANCELLED),
        (Stage.CONFIRMING_DETAILS, "/cancel", "", Ending.CANCELLED),
        (Stage.CONSENTING, "/cancel", "", Ending.CANCELLED),
        (Stage.PROVING_IDENTITY, "/cancel", "", Ending.CANCELLED),
        (Stage.READING_REQUEST, "/cancel", "", Ending.CANCELLED),
        (Stage.SIGNING_REQUEST, "/cancel", "", Ending.CANCELLED),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_branch_ends_it_says_why_and_costs_nothing(
    walk: Any, stage: Stage, form: str, button: str, ending: Ending, language: str
) -> None:
    her = walk.at(walk.scene.jessica, stage, language)
    id = walk.id(her)
    her.press(form, button) if button else her.submit(form)
    view = walk.scene.qcp.subscriptions.get(id)
    assert (view.stage, view.show.ending) == (Stage.CLOSED, ending)
    texts = walk.journey.site.renderer.texts[language]
    for sentence in (
        texts.phrase("endings", ending),
        texts.phrase("endings_mend", ending),
        texts.words("layout")["free"],
    ):
        assert " ".join(sentence.split()) in her.text
    walk.scene.wait(timedelta(minutes=5))
    assert walk.scene.balance() == Cents(8_220)


@pytest.mark.parametrize(
    ("verdict", "ending"),
    [(refuse("document_not_accepted"), Ending.IDENTITY_REFUSED), (fraud("forged"), Ending.FRAUD_SUSPECTED)],
)
def test_a_verdict_that_ends_it_is_said_on_the_page(walk: Any, verdict: Any, ending: Ending) -> None:
    her = walk.at(walk.scene.jessica, Stage.PROVING_IDENTITY)
    session = walk.scene.identity_session(walk.scene.qcp.subscriptions.get(walk.id(her)))
    walk.scene.world.identity.script(session, verdict)
    walk.scene.world.identity.capture(session)
    walk.scene.wait(timedelta(minutes=10))
    her.get(her.path)
    assert walk.journey.site.renderer.texts["en"].phrase("endings", ending) in her.text


def test_a_verdict_that_lets_one_try_again_says_why_and_how_often(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.PROVING_IDENTITY)
    session = walk.scene.identity_session(walk.scene.qcp.subscriptions.get(walk.id(her)))
    walk.scene.world.identity.script(session, retry("glare"))
    walk.scene.world.identity.capture(session)
    walk.scene.wait(timedelta(minutes=10))
    her.get(her.path)
    assert walk.journey.site.renderer.texts["en"].phrase("retries", "glare") in her.text
    assert "Tries left: 3" in her.text


# --- codes ------------------------------------------------------------------------------------------------------


def test_a_wrong_code_is_said_with_the_tries_that_are_left(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.VERIFYING_EMAIL)
    her.submit("/code")
    wrong = walk.scene.wrong_code(walk.scene.jessica, Purpose.OPEN).text.reveal()
    answer = her.submit("/enter", code=wrong)
    assert answer.status == 422
    assert "Tries left for this code: 4." in her.text
    (field,) = her.tree.xpath("//input[@name='code']")
    assert field.get("aria-invalid") == "true"
    assert "qcp-problem" in field.get("aria-describedby")
    assert field.get("autocomplete") == "one-time-code"
    assert wrong not in answer.body.decode()


def test_another_code_too_soon_says_when(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.VERIFYING_EMAIL)
    her.submit("/code")
    assert "may be asked for from" in her.text
    assert her.submit("/code").status == 422
    assert "Come back from" in her.text
    walk.scene.wait(timedelta(minutes=4))
    her.get(f"{ROOT}s/{walk.id(her)}")
    assert "no longer good" in her.text


def test_too_many_wrong_codes_end_it_and_the_page_says_so(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.VERIFYING_EMAIL)
    id = walk.id(her)
    for _ in range(4):
        her.get(f"{ROOT}s/{id}")
        her.submit("/code")
        wrong = walk.scene.wrong_code(walk.scene.jessica, Purpose.OPEN).text.reveal()
        for _ in range(5):
            if walk.scene.qcp.subscriptions.get(id).stage is Stage.VERIFYING_EMAIL:
                her.submit("/enter", code=wrong)
        walk.scene.wait(timedelta(minutes=14))
    her.get(f"{ROOT}s/{id}")
    assert walk.journey.site.renderer.texts["en"].phrase("endings", "too_many_codes") in her.text


# --- what is asked for must be given, as it was shown -----------------------------------------------------------


def test_both_statements_are_needed(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.CONFIRMING_DETAILS)
    assert her.press("/details", "right", confirm=["document"]).status == 422
    assert her.tree.xpath("//input[@checked]/@value") == ["document"]  # what was ticked comes back
    assert walk.scene.qcp.subscriptions.get(walk.id(her)).stage is Stage.CONFIRMING_DETAILS
    assert "*****1316" in her.text
    assert "+33639981316" not in her.answer.body.decode()


def test_both_texts_are_needed_and_only_as_they_were_shown(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.CONSENTING)
    id = walk.id(her)
    assert her.submit("/consents", agree=["personal_data"]).status == 422
    assert her.tree.xpath("//input[@checked]/@value") == ["personal_data"]
    other = "sha256:" + "0" * 64
    agree = ["identity_processing", "personal_data"]
    assert her.submit("/consents", agree=agree, hash_personal_data=other).status == 422
    assert not her.tree.xpath("//input[@checked]")  # another text is agreed to anew
    assert not [one for one in walk.scene.qcp.records.history(id) if isinstance(one.fact, ConsentGiven)]
    her.submit("/consents", agree=agree)
    assert walk.scene.qcp.subscriptions.get(id).stage is Stage.PROVING_IDENTITY


def test_the_request_is_accepted_only_as_it_was_shown(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.READING_REQUEST)
    assert her.submit("/request").status == 422
    assert her.submit("/request", accept="1", hash="sha256:" + "0" * 64).status == 422
    assert her.submit("/request", accept="1", hash="garbage").status == 422
    assert walk.scene.qcp.subscriptions.get(walk.id(her)).stage is Stage.READING_REQUEST


# --- double clicks, old tabs, the back button, reloads ----------------------------------------------------------


@pytest.mark.parametrize(
    "stage",
    [
        one
        for one in Stage
        if one.value
        in (
            "verifying_email",
            "confirming_details",
            "consenting",
            "proving_identity",
            "confirming_identity",
            "reading_request",
            "signing_request",
            "active",
        )
    ],
)
def test_whatever_an_old_tab_sends_leads_to_the_present_page(walk: Any, stage: Stage) -> None:
    her = walk.at(walk.scene.jessica, stage)
    id = walk.id(her)
    before = [one.fact.kind for one in walk.scene.qcp.records.history(id)]
    old = {
        Stage.VERIFYING_EMAIL: ("enter", {"code": ["AAAAAA"], "stage": ["verifying_email"]}),
        Stage.CONFIRMING_DETAILS: ("details", {"confirm": ["document", "mobile"]}),
        Stage.CONSENTING: ("consents", {}), Stage.PROVING_IDENTITY: ("link", {}),
        Stage.CONFIRMING_IDENTITY: ("identity", {"answer": ["right"]}), Stage.READING_REQUEST: ("request", {}),
        Stage.ACTIVE: ("revocation/code", {}),
    }  # fmt: skip
    for of, (page, form) in old.items():
        if of is stage:
            continue
        for _ in range(2):
            answer = her.ask("POST", f"{ROOT}s/{id}/{page}", form)
            assert (answer.status, answer.headers.get("Location")) == (303, f"{ROOT}s/{id}"), page
    assert [one.fact.kind for one in walk.scene.qcp.records.history(id)] == before


def test_a_second_click_on_subscribe_opens_one(walk: Any) -> None:
    her = walk.visitor(walk.scene.jessica)
    for _ in range(2):
        answer = her.ask("POST", f"{ROOT}open", {"cabinet": ["cabinet"]})
        assert answer.status == 303
    her.get(ROOT)
    assert "step 1 of 8" in her.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("s/é/enter", "s/%C3%A9"),
        ("s/x/revocation/code", "s/x/revocation"),
        ("c/x/decline", "c/x"),
        ("open", ""),
        ("adopt", ""),
    ],
)
def test_the_address_of_a_form_leads_to_its_page_whoever_asks(walk: Any, method: str, path: str, leads: str) -> None:
    for who in (walk.scene.jessica, None):  # after a refusal, a restored tab; after a login, what it leads back to
        answer = walk.visitor(who).ask(method, ROOT + path)
        assert (answer.status, answer.headers.get("Location")) == (303, ROOT + leads)


def test_no_get_changes_anything(walk: Any) -> None:
    for page, methods in HANDLERS.items():
        if "GET" not in methods:
            answer = walk.visitor(walk.scene.jessica).ask("GET", address(ROOT, page, id="x"))
            assert answer.status == (405 if page.startswith("api_") else 303)
    for stage in (Stage.VERIFYING_EMAIL, Stage.CONSENTING, Stage.PROVING_IDENTITY, Stage.READING_REQUEST, Stage.ACTIVE):
        her = (
            walk.at(walk.scene.jessica, stage)
            if stage is not Stage.VERIFYING_EMAIL
            else walk.at(walk.scene.irene, stage)
        )
        id = walk.id(her)
        before = walk.scene.qcp.records.journal(id)
        for page, methods in HANDLERS.items():
            if "GET" in methods:
                ids = {name: id for name in ("id",) if "{id}" in ADDRESSES[page]}
                her.ask("GET", address(ROOT, page, **ids))
        assert walk.scene.qcp.records.journal(id) == before
        if stage is not Stage.ACTIVE and stage is not Stage.VERIFYING_EMAIL:
            her.get(f"{ROOT}s/{id}")
            her.submit("/cancel")


# --- waiting ----------------------------------------------------------------------------------------------------


def test_a_waiting_page_says_when_one_may_leave_and_its_script_is_told_when_it_moves(walk: Any) -> None:
    her = walk.at(walk.scene.jessica, Stage.PROVING_IDENTITY)
    id = walk.id(her)
    walk.scene.world.identity.capture(walk.scene.identity_session(walk.scene.qcp.subscriptions.get(id)))
    her.submit("/check")
    assert "You may leave this page" in her.text
    (waiting,) = her.tree.xpath("//*[@data-qcp-poll]")
    state, tag = waiting.get("data-qcp-poll"), f'"{waiting.get("data-qcp-mark")}"'
    assert her.ask("GET", state, seen=tag).status == 304
    walk.scene.wait(timedelta(minutes=10))
    moved = her.ask("GET", state, seen=tag)
    assert (moved.status, moved.headers["ETag"] != tag) == (200, True)
    assert id not in moved.body.decode()


@pytest.mark.parametrize(
    "path", ["s/x", "nothing", "s/x/unknown", "static/../texts/fr.toml", "static/layout.html", "c/x"]
)
def test_what_is_not_there_is_a_page_that_says_so(walk: Any, path: str) -> None:
    her = walk.visitor(walk.scene.jessica)
    assert her.ask("GET", ROOT + path).status == 404
    assert her.heading == "Unknown page"


def test_a_service_that_does_not_answer_is_said_and_nothing_is_lost(walk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from qcp_sdk.errors import Unavailable

    her = walk.at(walk.scene.jessica, Stage.CONSENTING)

    def away(**_: object) -> None:
        raise Unavailable("down")

    monkeypatch.setattr(walk.scene.world.store, "load", away)
    answer = her.ask("GET", her.path)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")


def test_every_address_is_found_again_whatever_the_id() -> None:
    for page, pattern in ADDRESSES.items():
        ids = {name: "a b/é" for name in ("id", "token", "name", "document") if f"{{{name}}}" in pattern}
        path = address("/", page, **ids)
        if not ids:
            assert find(path[1:]) == (page, {})
        assert path.count("/") == pattern.count("/") + 1
    assert set(HANDLERS) == set(ADDRESSES)


def test_static_files_are_kept_by_browsers(walk: Any) -> None:
    her = walk.visitor(None)
    for name, kind in (("qcp.css", "text/css"), ("qcp.js", "text/javascript")):
        answer = her.ask("GET", f"{ROOT}static/{name}")
        assert answer.headers["Content-Type"].startswith(kind)
        assert "max-age" in answer.headers["Cache-Control"]
        assert len(answer.body) > 500
