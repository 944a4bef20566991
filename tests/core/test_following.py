"""A certificate is followed at its authority: what is revoked there becomes a fact here, by due work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from qcp_sdk.adapters.memory.registration import attest
from qcp_sdk.certificates import Certificate
from qcp_sdk.engine import schedule
from qcp_sdk.engine.following import OFTENEST, RAREST, interval
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.host.custody import OBSTACLES
from qcp_sdk.host.subscriptions import SubscriptionView
from qcp_sdk.offers import Offer
from qcp_sdk.ports.store import Batch
from qcp_sdk.subscription.facts import CertificateRevoked, Waits
from qcp_sdk.subscription.stages import Plan, Stage
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


def forgotten(scene: Scene) -> SubscriptionView:
    """Give a subscription whose certificate nobody follows, as releases left it that did not know of following."""
    view, _ = held(scene)
    forget(scene, view)
    return view


def forget(scene: Scene, view: SubscriptionView) -> None:
    store, now = scene.world.store, scene.world.clock.now()
    (check,) = (row for row in store.outstanding(stream=view.id) if row.kind == "check_status")
    leased = store.lease(now=check.due, until=check.due + DAY, limit=99, stream=view.id)
    (token,) = (one.token for one in leased if one.key == check.key)
    store.commit(batch=Batch(at=now, answered=((check.key, token),)))
    assert checks(scene, view) == 0


def test_certificates_that_nobody_follows_are_followed_from_then_on() -> None:
    scene = Scene()
    view = forgotten(scene)
    followed = scene.subscribe(scene.irene)
    found = scene.qcp.operations.follow()
    assert (found.begun, found.before, found.never, found.unreadable) == (1, 1, 0, ())
    assert (checks(scene, view), checks(scene, followed)) == (1, 1)
    again = scene.qcp.operations.follow()
    assert (again.begun, again.before) == (0, 2)
    certificate = scene.qcp.engine.streams.load(view.id).state.certificate
    scene.world.authority.revoke(key=Key("elsewhere"), fingerprint=certificate.fingerprint, reason="key_compromise")
    scene.wait(1.2 * DAY)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.REVOKED
    assert scene.qcp.subscriptions.get(followed.id).stage is Stage.ACTIVE
    scene.prove(view.id)
    assert scene.qcp.operations.follow().before == 1, "what has ended is left alone"


def test_two_who_look_at_once_begin_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = forgotten(scene)
    commit, raced = scene.world.store.commit, list[int]()

    def late(*, batch: Batch) -> None:
        if not raced:
            raced.append(1)
            raced.append(scene.installation().operations.follow().begun)
        commit(batch=batch)

    monkeypatch.setattr(scene.world.store, "commit", late)
    assert scene.qcp.operations.follow().begun == 0
    assert raced == [1, 1]
    assert checks(scene, view) == 1


def test_what_was_settled_by_hand_is_begun_anew() -> None:
    scene = Scene()
    view = forgotten(scene)
    for _ in range(3):
        assert scene.qcp.operations.follow().begun == 1
        forget(scene, view)


def test_what_is_erased_meanwhile_is_asked_nothing_about(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = forgotten(scene)
    commit, raced = scene.world.store.commit, list[int]()

    def late(*, batch: Batch) -> None:
        if not raced:
            raced.append(1)
            scene.qcp.operations.erase(view.id, by="O", reason="r", despite=OBSTACLES, approved_by="S")
        commit(batch=batch)

    monkeypatch.setattr(scene.world.store, "commit", late)
    found = scene.qcp.operations.follow()
    assert (found.begun, found.before, found.never, found.unreadable) == (0, 0, 0, ())
    assert scene.world.store.outstanding(stream=view.id) == ()


def test_an_offer_that_asks_for_no_status_an_attestation_and_an_end_are_left_alone() -> None:
    scene = Scene(offer=Offer(waits=Waits(status=None)))
    held(scene)
    scene.open(scene.irene)
    found = scene.qcp.operations.follow()
    assert (found.begun, found.before, found.never) == (0, 0, 1)
    hosted = Scene(offer=Offer(plan=Plan.HOSTED))
    view = hosted.subscribe(hosted.jessica, until=Stage.REGISTERING)
    hosted.world.registration.script(hosted.registration_session(view), attest())
    hosted.advance(view, Stage.ACTIVE)
    assert hosted.qcp.engine.streams.load(view.id).state.certificate is None
    assert hosted.qcp.operations.follow().never == 1


def test_what_no_key_opens_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    view = forgotten(scene)
    other = scene.installation()

    def closed(**_named: object) -> bytes:
        raise Rejected("it does not open", reason="unreadable")

    monkeypatch.setattr(scene.world.keys, "open", closed)
    found = other.operations.follow()
    assert (found.begun, found.unreadable) == (0, (view.id,))
