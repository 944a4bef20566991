"""A certificate is followed at its authority: what is revoked there becomes a fact here, by due work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qcp_sdk.certificates import Certificate
from qcp_sdk.engine import schedule
from qcp_sdk.engine.following import OFTENEST, RAREST, interval
from qcp_sdk.errors import Unavailable
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.offers import Offer
from qcp_sdk.subscription.facts import CertificateRevoked, Waits
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import Key

DAY = timedelta(days=1)


def held(scene: Scene) -> tuple[SubscriptionView, Certificate]:
    view = scene.subscribe(scene.jessica)
    certificate = scene.qcp.engine.streams.load(view.id).state.certificate
    return view, certificate


def checks(scene: Scene, view: SubscriptionView) -> int:
    return sum(row.kind == "check_status" for row in scene.world.store.outstanding(stream=view.id))


def test_what_is_revoked_at_the_authority_is_a_fact_here_within_the_interval() -> None:
    scene = Scene()
    view, certificate = held(scene)
    scene.wait(3 * DAY)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.ACTIVE
    scene.world.authority.revoke(key=Key("elsewhere"), fingerprint=certificate.fingerprint, reason="key_compromise")
    revoked_at = scene.world.clock.now()
    scene.wait(1.2 * DAY)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.REVOKED
    fact = scene.qcp.records.history(view.id)[-1].fact
    assert isinstance(fact, CertificateRevoked)
    assert (fact.fingerprint, fact.at, fact.reason) == (certificate.fingerprint, revoked_at, "key_compromise")
    assert checks(scene, view) == 0
    scene.prove(view.id)


def test_asking_leaves_no_trace_on_record_and_ends_with_the_certificate() -> None:
    scene = Scene(offer=Offer(waits=Waits(status=timedelta(days=300))))
    view, certificate = held(scene)
    before = len(scene.qcp.records.history(view.id))
    scene.wait(timedelta(days=700))
    assert len(scene.qcp.records.history(view.id)) == before
    assert checks(scene, view) == 1
    scene.wait(certificate.not_after - scene.world.clock.now() + timedelta(days=361))
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.EXPIRED
    assert checks(scene, view) == 0


def test_an_adopted_certificate_is_followed_at_its_own_authority() -> None:
    scene = Scene()
    (holding,) = scene.world.lcp_authority.holdings(account=scene.jessica)
    fingerprint = holding.certificate.fingerprint
    view = scene.qcp.subscriptions.adopt(account=scene.jessica.id, fingerprint=fingerprint)
    scene.world.lcp_authority.revoke(key=Key("elsewhere"), fingerprint=fingerprint, reason="superseded")
    scene.wait(1.2 * DAY)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.REVOKED


def test_an_authority_that_is_away_is_asked_sooner_and_nobody_is_alarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view, _ = held(scene)
    asked = 0

    def away(**_asked: object) -> None:
        nonlocal asked
        asked += 1
        raise Unavailable("the authority is away")

    monkeypatch.setattr(scene.world.authority, "status", away)
    scene.wait(3 * DAY)
    assert 10 <= asked <= 30, "eight times a day, not every quarter of an hour"
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.ACTIVE
    assert not scene.alerts
    assert scene.qcp.operations.parked() == ()


def test_check_again_asks_for_the_status_now() -> None:
    scene = Scene()
    view, certificate = held(scene)
    scene.world.authority.revoke(key=Key("elsewhere"), fingerprint=certificate.fingerprint, reason="superseded")
    assert scene.qcp.subscriptions.refresh(view.id).stage is Stage.REVOKED


def test_the_interval_is_the_terms_within_bounds() -> None:
    for status, expected in (
        (None, None),
        (timedelta(0), OFTENEST),
        (timedelta(days=9_999), RAREST),
        (timedelta(hours=7), timedelta(hours=7)),
    ):
        scene = Scene(offer=Offer(waits=Waits(status=status)))
        view, _ = held(scene)
        assert interval(scene.qcp.engine.streams.load(view.id).state) == expected
        assert checks(scene, view) == (0 if status is None else 1)


def test_two_certificates_of_one_moment_are_not_asked_about_together() -> None:
    waits = {schedule.spread(DAY, Key(f"s-{n}"), 0) for n in range(20)}
    assert len(waits) > 10
    assert all(0.8 * DAY <= wait <= 1.2 * DAY for wait in waits)
