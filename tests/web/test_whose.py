"""Nobody sees or does anything on another's pages: page by page, with two users, and with nobody."""

from __future__ import annotations

from typing import Any

import pytest

from qcp_sdk.otp import Purpose
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.values import TenantId
from qcp_sdk.web.journey import HANDLERS
from qcp_sdk.web.requests import PageRequest
from qcp_sdk.web.routes import ADDRESSES, address
from qcp_sdk.web.site import NobodySignedIn

ROOT = "/sign/"
OPEN_TO_ALL = {"static", "hand_off", "hand_off_done", "api"}
FORM = {
    "code": ["AAAAAA"], "answer": ["wrong"], "confirm": ["document", "mobile"], "accept": ["1"], "sure": ["1"],
    "reason": ["superseded"], "agree": ["identity_processing", "personal_data"], "cabinet": ["cabinet"],
}  # fmt: skip
OF_ONE = [
    (page, method)
    for page, methods in HANDLERS.items()
    for method in methods
    if "{id}" in ADDRESSES[page] and page not in OPEN_TO_ALL
]


@pytest.mark.parametrize(
    "stage",
    [Stage.VERIFYING_EMAIL, Stage.CONFIRMING_DETAILS, Stage.PROVING_IDENTITY, Stage.READING_REQUEST, Stage.ACTIVE],
)
def test_anothers_subscription_is_as_unknown_as_one_that_never_was(walk: Any, stage: Stage) -> None:
    hers = walk.at(walk.scene.jessica, stage)
    id = walk.id(hers)
    before = walk.scene.qcp.records.journal(id)
    irene = walk.visitor(walk.scene.irene)
    for page, method in OF_ONE:
        path, never = (address(ROOT, page, id=one, document="d") for one in (id, "0" * len(id)))
        answer = irene.ask(method, path, FORM)
        assert answer.status == 404, (page, method)
        assert answer.body == irene.ask(method, never, FORM).body
    assert walk.scene.qcp.records.journal(id) == before
    irene.get(ROOT)
    assert id not in irene.answer.body.decode()


def test_anothers_ceremony_is_as_unknown(walk: Any) -> None:
    scene = walk.scene
    for one in (scene.jessica, scene.irene):
        scene.subscribe(one)
    ceremonies = scene.start(scene.collecte(scene.jessica, scene.irene))
    irene = walk.visitor(scene.irene)
    for page, method in OF_ONE:
        if page.startswith("signing"):
            path = address(ROOT, page, id=ceremonies[0].id, document="doc-0")
            assert irene.ask(method, path, FORM).status == 404, page
    assert irene.ask("GET", address(ROOT, "signing", id=ceremonies[1].id)).status == 200


def test_the_account_of_another_tenant_is_another_even_under_the_same_id(walk: Any) -> None:
    scene, north = walk.scene, TenantId("north")
    theirs = scene.open(scene.jessica, tenant=north)
    held = scene.subscribe(scene.jessica)
    scene.qcp.subscriptions.get(theirs.id, account=scene.jessica.id, tenant=north)
    (signing,) = scene.start(scene.collecte(scene.jessica))

    def statuses(page: str, id: str, tenant: str) -> list[int]:
        path, asked = address("", page, id=id, document="doc-0"), list[int]()
        for method in HANDLERS[page]:
            request = PageRequest(
                method=method, path=path, account=scene.jessica.id, tenant=TenantId(tenant), form=FORM
            )  # fmt: skip
            asked.append(walk.journey.answer(request).status)
        return asked

    for page, _ in OF_ONE:
        mine, other = (signing.id, "north") if "signing" in page or "ceremony" in page else (theirs.id, "")
        assert set(statuses(page, mine, other)) == {404}, page
    assert statuses("subscription", theirs.id, "north") == [200]
    assert statuses("subscription", held.id, "") == [200]
    assert statuses("signing", signing.id, "") == [200]


@pytest.mark.parametrize("page", [page for page in HANDLERS if page not in OPEN_TO_ALL])
def test_whoever_is_not_signed_in_is_sent_to_the_login(walk: Any, page: str) -> None:
    hers = walk.at(walk.scene.jessica, Stage.ACTIVE)
    ids = {"id": walk.id(hers)}
    if page.startswith("signing"):
        ids = {"id": walk.scene.start(walk.scene.collecte(walk.scene.jessica))[0].id}
    if page.startswith("api_ceremony"):
        ids = {"id": walk.scene.start(walk.scene.collecte(walk.scene.jessica))[0].id}
    for method in HANDLERS[page]:
        path = address(ROOT, page, **ids, document="doc-0")
        if page.startswith("api_"):  # a script is told so
            assert walk.visitor(None).ask(method, path, FORM).status == 401
            continue
        with pytest.raises(NobodySignedIn):
            walk.visitor(None).ask(method, path, FORM)


def test_a_code_for_another_is_worth_nothing(walk: Any) -> None:
    hers = walk.at(walk.scene.jessica, Stage.VERIFYING_EMAIL)
    theirs = walk.at(walk.scene.irene, Stage.VERIFYING_EMAIL)
    hers.submit("/code")
    theirs.submit("/code")
    assert theirs.submit("/enter", code=walk.code(walk.scene.jessica, Purpose.OPEN)).status == 422


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_nothing_that_a_browser_sends_says_where_to_go(walk: Any, where: str) -> None:
    hers = walk.at(walk.scene.jessica, Stage.CONFIRMING_DETAILS)
    form = {**FORM, "next": [where], "url": [where], "return": [where], "answer": ["right"], "cabinet": [where]}
    for page, methods in HANDLERS.items():
        if "POST" in methods and page != "hand_off":
            answer = hers.ask("POST", address(ROOT, page, id=walk.id(hers)), form)
            assert answer.headers.get("Location", ROOT).startswith(ROOT)
            assert not answer.headers.get("Location", ROOT).startswith("//")
    for id in (where, "..", "//"):
        answer = hers.ask("POST", address(ROOT, "cancel", id=id), FORM)
        assert answer.status == 404
