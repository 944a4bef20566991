"""The signatories' step and the signing page: who, in which order, at which level; then the signature."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.collectes import Collecte, Order, Signatory
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.otp import Purpose
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.signatories import MOST, Signatories, SignatoriesStep

ROOT = "/sign/"
ACTION = "/sign/collectes/new"
STRANGER = {"given": "Léa", "last": "Brun", "email": "lea@client.example", "mobile": "+33 6 39 98 55 01"}


class Form:
    """The step's form in a browser: what a page shows is what the next request sends."""

    def __init__(self, walk: Any, language: str = "en", least: SignatureLevel | None = None) -> None:
        self.walk, self.step_of = walk, Signatories(walk.journey)
        self.least = {} if least is None else {"least": least}
        self.visitor = walk.visitor(walk.scene.jessica, language)
        self.step: SignatoriesStep
        self.send("GET", {})

    def build(self, signatories: tuple[Signatory, ...], order: Order) -> Collecte:
        collecte: Collecte = self.walk.scene.collecte(self.walk.scene.jessica)
        return evolve(collecte, signatories=signatories, order=order)

    def send(self, method: str, form: dict[str, list[str]]) -> None:
        me = self.walk.scene.jessica
        request = PageRequest(
            method=method, path="", account=me.id, language=self.visitor.language, root=ROOT, csrf=("csrf", "token"),
            form=form,
        )  # fmt: skip
        self.step = self.step_of.answer(
            request, me=me, members=[self.walk.scene.irene], action=ACTION, build=self.build, **self.least
        )
        if self.step.response.page is not None:
            self.visitor.answer = self.step.response
            self.visitor._every_page()

    def press(self, button: str, **values: str) -> None:
        tree = self.visitor.tree
        sent: dict[str, list[str]] = {"do": [button]}
        for one in tree.xpath("//form//input"):
            if one.get("type") not in ("radio", "checkbox") or one.get("checked") is not None:
                sent.setdefault(one.get("name"), []).append(one.get("value") or "")
        for one in tree.xpath("//form//select"):
            options = one.xpath("./option[@selected]/@value") or one.xpath("./option[not(@disabled)]/@value")
            sent[one.get("name")] = options[:1]
        for name, value in values.items():
            sent[name.replace("__", "-")] = [value]
        self.send("POST", sent)

    @property
    def order(self) -> list[str]:
        rows: list[str] = self.visitor.tree.xpath("//input[@name='row']/@value")
        return rows


def test_oneself_members_and_others_are_added_and_put_in_order(walk: Any) -> None:
    form = Form(walk)
    for button in ("me", "member", "other"):
        form.press(button)
    assert form.order == ["oneself", "member-irene", "other-1"]
    assert not form.visitor.tree.xpath("//button[@value='me']")
    form.press("up:other-1")
    form.press("down:oneself")
    assert form.order == ["other-1", "oneself", "member-irene"]
    form.press("remove:oneself")
    form.press("update", order="parallel")
    assert form.order == ["other-1", "member-irene"]
    assert form.visitor.tree.xpath("//input[@value='parallel']/@checked")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_a_button_did_is_said_and_the_focus_goes_there(walk: Any, language: str) -> None:
    """So that the order can be changed by keyboard and by ear: two presses move two places."""
    form = Form(walk, language)
    form.press("me")
    form.press("other")

    def status() -> str:
        return " ".join(form.visitor.tree.xpath("//p[@role='status']")[-1].text_content().split())

    def focused() -> str:
        (one,) = form.visitor.tree.xpath("//*[@autofocus]")
        return str(one.get("name") + "=" + one.get("value"))

    assert focused() == "given-other-1="
    form.press("other")
    form.press("up:other-2")
    assert form.order == ["oneself", "other-2", "other-1"]
    assert ("position 2 sur 3" in status()) if language == "fr" else ("is now number 2 of 3" in status())
    assert focused() == "do=up:other-2"
    form.press("up:other-2")
    assert focused() == "do=down:other-2"  # it is the first: nothing above
    form.press("remove:oneself")
    assert not form.visitor.tree.xpath("//*[@autofocus]")
    assert ("retrait" in status()) if language == "fr" else ("was removed" in status())


def test_a_refused_level_is_shown_with_why_and_what_to_do(walk: Any) -> None:
    form = Form(walk)
    form.press("me")
    assert form.visitor.tree.xpath("//option[@value='3']/@disabled")
    (reasons,) = form.visitor.tree.xpath("//details[.//dt]")
    assert "can subscribe to a certificate" in reasons.text_content()
    form.press("validate", **{"level-oneself": "3"})
    assert form.step.collecte is None
    assert form.step.response.status == 422
    assert "Nothing is lowered in silence" in form.visitor.text


def test_a_collecte_that_holds_comes_with_the_decision_to_keep(walk: Any) -> None:
    walk.scene.subscribe(walk.scene.jessica)
    form = Form(walk)
    form.press("me")
    form.press("validate", **{"level-oneself": "3"})
    assert form.step.collecte is not None
    assert form.step.decision is not None
    (signatory,) = form.step.collecte.signatories
    assert (signatory.level, signatory.account) == (SignatureLevel.NIVEAU_3, walk.scene.jessica.id)
    assert walk.scene.qcp.collectes.start(form.step.collecte)


def test_names_of_members_come_from_the_host_and_never_from_the_browser(walk: Any) -> None:
    form = Form(walk)
    form.send(
        "POST",
        {"do": ["validate"], "row": ["oneself", "member-irene", "member-nobody", "other-x", "oneself"],
         "given-oneself": ["Eve"], "email-member-irene": ["eve@evil.example"], "level-oneself": ["2"],
         "level-member-irene": ["2"]},
    )  # fmt: skip
    assert form.step.collecte is not None
    assert [(one.name, one.email) for one in form.step.collecte.signatories] == [
        (one.name, one.email) for one in (walk.scene.jessica, walk.scene.irene)
    ]


@pytest.mark.parametrize(("field", "value"), [("email", "no"), ("mobile", "12"), ("given", ""), ("last", "")])
def test_what_is_missing_of_a_third_party_is_said_at_its_field(walk: Any, field: str, value: str) -> None:
    form = Form(walk, "fr")
    form.press("other")
    filled = {f"{name}-other-1": text for name, text in {**STRANGER, field: value}.items()}
    form.press("validate", **filled)
    assert form.step.collecte is None
    (bad,) = form.visitor.tree.xpath("//input[@aria-invalid='true']")
    assert bad.get("name") == f"{field}-other-1"
    assert form.visitor.tree.xpath(f"//*[@id='{bad.get('aria-describedby')}']")


@pytest.mark.parametrize("button", ["me", "member"])
def test_what_is_added_and_validated_untouched_can_be_started(walk: Any, button: str) -> None:
    for one in (walk.scene.jessica, walk.scene.irene):
        walk.scene.subscribe(one)
    form = Form(walk)
    form.press(button)
    form.press("validate")
    assert form.step.collecte is not None
    assert walk.scene.qcp.collectes.start(form.step.collecte)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("said", [{}, {"level-other-1": "1"}])  # what is chosen already; what only a forged form says
def test_to_whom_no_level_is_open_is_told_why_and_what_to_do(walk: Any, language: str, said: dict[str, str]) -> None:
    form = Form(walk, language)
    form.press("other")
    form.press("update", **{f"{name}-other-1": text for name, text in STRANGER.items()})
    assert form.visitor.tree.xpath("//option[@value='1']/@disabled")
    form.press("validate", **said)
    assert (form.step.collecte, form.step.response.status) == (None, 422)
    (reasons,) = form.visitor.tree.xpath("//details[@open]")
    told = reasons.text_content()
    assert ("au moins au niveau 2" in told) if language == "fr" else ("takes level 2 and higher" in told)
    assert ("d’autres moyens" in told) if language == "fr" else ("by other means" in told)


def test_a_level_below_the_least_is_refused_to_those_who_have_better(walk: Any) -> None:
    form = Form(walk)
    form.press("me")
    form.press("validate", **{"level-oneself": "1"})
    assert (form.step.collecte, form.step.response.status) == (None, 422)


def test_a_third_party_that_is_complete_is_taken_where_the_host_takes_niveau_1(walk: Any) -> None:
    form = Form(walk, least=SignatureLevel.NIVEAU_1)
    form.press("other")
    filled = {f"{name}-other-1": text for name, text in STRANGER.items()}
    form.press("update", **filled)
    assert form.visitor.tree.xpath("//select[@name='level-other-1']")
    form.press("validate")
    assert form.step.collecte is not None
    assert form.step.collecte.signatories[0].name.full == "Léa Brun"
    assert form.step.collecte.signatories[0].level is SignatureLevel.NIVEAU_1


def test_a_row_of_a_forged_form_is_dropped_however_long_its_number(walk: Any) -> None:
    form = Form(walk)
    form.send("POST", {"do": ["other"], "row": ["other-" + "1" * 5_000]})
    assert form.order == ["other-1"]


def test_nobody_and_too_many(walk: Any) -> None:
    form = Form(walk)
    form.press("validate")
    assert "Add at least one signatory." in form.visitor.text
    form.send("POST", {"do": ["other"], "row": [f"other-{n}" for n in range(50)]})
    assert len(form.order) == MOST


# --- the signing page -------------------------------------------------------------------------------------------


@pytest.fixture
def signing(walk: Any) -> Any:
    walk.scene.subscribe(walk.scene.jessica)
    (view,) = walk.scene.start(
        walk.scene.collecte(walk.scene.jessica, documents={"a.pdf": b"%PDF a", "b.pdf": b"%PDF b"})
    )
    her = walk.visitor(walk.scene.jessica)
    her.get(f"{ROOT}c/{view.id}")
    return her


def ceremony(walk: Any, visitor: Any) -> Any:
    return walk.scene.qcp.collectes.ceremony(visitor.path.removeprefix(f"{ROOT}c/").partition("/")[0])


@pytest.mark.parametrize("language", ["fr", "en"])
def test_documents_are_read_agreed_to_and_signed(walk: Any, signing: Any, language: str) -> None:
    signing.language = language
    signing.get(signing.path)
    view = ceremony(walk, signing)
    for one in view.show.documents:
        assert signing.ask("GET", f"{ROOT}c/{view.id}/d/{one.id}").body.startswith(b"%PDF")
    signing.get(f"{ROOT}c/{view.id}")
    signing.submit("/consent", read=[one.validated for one in view.show.documents])
    signing.submit("/enter", code=walk.code(walk.scene.jessica, Purpose.SIGN))
    walk.scene.wait(timedelta(minutes=5))
    signing.get(f"{ROOT}c/{view.id}")
    assert ceremony(walk, signing).stage is CeremonyStage.SIGNED
    assert len(signing.tree.xpath("//li//a")) == 2
    for page in ("enter", "code"):  # clicked twice
        again = signing.ask("POST", f"{ROOT}c/{view.id}/{page}", {"code": ["1234567"]})
        assert (again.status, again.headers["Location"]) == (303, f"{ROOT}c/{view.id}")


def test_every_document_must_be_read_as_it_is(walk: Any, signing: Any) -> None:
    view = ceremony(walk, signing)
    first = view.show.documents[0].validated
    for read in ([first], [first, "sha256:" + "0" * 64], []):
        assert signing.submit("/consent", read=read).status == 422
    assert ceremony(walk, signing).stage is CeremonyStage.CONSENTING


def test_a_wrong_code_is_said_and_counted(walk: Any, signing: Any) -> None:
    view = ceremony(walk, signing)
    signing.submit("/consent", read=[one.validated for one in view.show.documents])
    wrong = walk.scene.wrong_code(walk.scene.jessica, Purpose.SIGN).text.reveal()
    assert signing.submit("/enter", code=wrong).status == 422
    assert "Tries left for this code: 4." in signing.text


def test_refusing_needs_the_word_that_it_is_meant(walk: Any, signing: Any) -> None:
    assert signing.submit("/decline", reason="not mine: R&amp;D").status == 422
    assert signing.tree.xpath("//textarea")[0].text == "not mine: R&amp;D"  # what was typed comes back
    assert ceremony(walk, signing).stage is CeremonyStage.CONSENTING
    signing.submit("/decline", reason="not mine", sure="1")
    assert ceremony(walk, signing).stage is CeremonyStage.REFUSED
    assert signing.heading == "You have refused to sign"
    assert signing.ask("POST", f"{ROOT}c/{ceremony(walk, signing).id}/consent", {}).status == 303


def test_whose_turn_has_not_come_is_told_so(walk: Any) -> None:
    for one in (walk.scene.jessica, walk.scene.irene):
        walk.scene.subscribe(one)
    _, second = walk.scene.start(walk.scene.collecte(walk.scene.jessica, walk.scene.irene))
    irene = walk.visitor(walk.scene.irene)
    irene.get(f"{ROOT}c/{second.id}")
    assert irene.heading == "Your turn will come"


def test_whoever_has_no_account_is_known_by_the_link_alone(walk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    walk.scene.subscribe(walk.scene.jessica)
    (view,) = walk.scene.start(walk.scene.collecte(walk.scene.jessica))
    # The default policy lets nobody without an account above niveau 1; a host's own may, on a provider's page.
    monkeypatch.setattr(walk.scene.qcp.collectes, "ceremony", lambda _id, **_: evolve(view, account=None))
    for somebody in (None, walk.scene.irene):
        assert walk.visitor(somebody).ask("GET", f"{ROOT}c/{view.id}").status == 200
