"""The host's own tests: `qcp` and its companions come from the plugin, accounts from the strategies."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest
from flask.testing import FlaskClient
from host import create_app
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from qcp_sdk import Account, Qcp, SignatureLevel
from qcp_sdk.testing.scene import Scene


@pytest.fixture
def client(qcp: Qcp) -> FlaskClient:
    return create_app(qcp).test_client()


def post(client: FlaskClient, scene: Scene, person: Account, niveau: int) -> TestResponse:
    deadline = scene.world.clock.now() + timedelta(days=15)
    form = {
        "id": "c-1",
        "title": "Lettre de mission",
        "account": person.id,
        "niveau": str(niveau),
        "deadline": deadline.isoformat(),
        "letter": (BytesIO(b"%PDF-1.7 a letter"), "letter.pdf"),
    }
    return client.post("/collectes", data=form)


def test_niveau_3_is_refused_without_a_qualified_certificate(client: FlaskClient, qcp_scene: Scene) -> None:
    answer = post(client, qcp_scene, qcp_scene.jessica, 3)
    assert answer.status_code == 422
    assert answer.json["refused"]["jessica"]


def test_niveau_3_is_accepted_with_one(client: FlaskClient, qcp_scene: Scene) -> None:
    qcp_scene.subscribe(qcp_scene.jessica)
    answer = post(client, qcp_scene, qcp_scene.jessica, 3)
    assert answer.status_code == 201
    assert answer.json["decision"].startswith("sha256:")


def test_it_is_refused_again_once_the_certificate_has_ended(client: FlaskClient, qcp_scene: Scene) -> None:
    qcp_scene.subscribe(qcp_scene.jessica)
    qcp_scene.wait(timedelta(days=6 * 365))
    assert post(client, qcp_scene, qcp_scene.jessica, 3).status_code == 422


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(person=st.from_type(Account), niveau=st.sampled_from(SignatureLevel))
def test_whoever_it_is_the_host_answers(person: Account, niveau: SignatureLevel) -> None:
    scene = Scene()  # a world for each example: a fixture would be one for all of them
    scene.world.accounts.put(person)
    answer = post(create_app(scene.qcp).test_client(), scene, person, niveau)
    assert answer.status_code == (201 if niveau is SignatureLevel.NIVEAU_1 else 422)
