"""The host's own tests: `qcp` and its companions come from the plugin, accounts from the strategies."""

from __future__ import annotations

from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qcp_sdk import Account, SignatureLevel
from qcp_sdk.testing.scene import Scene


def post(client: Client, scene: Scene, person: Account, niveau: int) -> HttpResponse:
    deadline = scene.world.clock.now() + timedelta(days=15)
    form = {
        "id": "c-1",
        "title": "Lettre de mission",
        "account": person.id,
        "niveau": str(niveau),
        "deadline": deadline.isoformat(),
        "letter": SimpleUploadedFile("letter.pdf", b"%PDF-1.7 a letter"),
    }
    return client.post("/collectes", form)


def test_niveau_3_is_refused_without_a_qualified_certificate(client: Client, qcp_scene: Scene) -> None:
    answer = post(client, qcp_scene, qcp_scene.jessica, 3)
    assert answer.status_code == 422
    assert answer.json()["refused"]["jessica"]


def test_niveau_3_is_accepted_with_one(client: Client, qcp_scene: Scene) -> None:
    qcp_scene.subscribe(qcp_scene.jessica)
    answer = post(client, qcp_scene, qcp_scene.jessica, 3)
    assert answer.status_code == 201
    assert answer.json()["decision"].startswith("sha256:")


def test_it_is_refused_again_once_the_certificate_has_ended(client: Client, qcp_scene: Scene) -> None:
    qcp_scene.subscribe(qcp_scene.jessica)
    qcp_scene.wait(timedelta(days=6 * 365))
    assert post(client, qcp_scene, qcp_scene.jessica, 3).status_code == 422


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(person=st.from_type(Account), niveau=st.sampled_from(SignatureLevel))
def test_whoever_it_is_the_host_answers(person: Account, niveau: SignatureLevel) -> None:
    scene = Scene()  # a world for each example: a fixture would be one for all of them
    scene.world.accounts.put(person)
    with override_settings(QCP={"INSTALLATION": scene.qcp}):
        answer = post(Client(), scene, person, niveau)
    assert answer.status_code == (201 if niveau is SignatureLevel.NIVEAU_1 else 422)
