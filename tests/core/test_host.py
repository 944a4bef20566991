"""What a host configures and calls: routes, installations, prices, production, codes, and what it may not say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.identity import MemoryIdentity
from qcp_sdk.adapters.memory.world import MemoryWorld
from qcp_sdk.errors import CodeRefused, ConfigurationError, FactRefused, NotFound, SubscriptionRefused
from qcp_sdk.facts import Cancelled, CodeEntered, CodeRequested, DeadlinePassed, Fact
from qcp_sdk.host.saying import Code
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.sdk import Qcp
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.facts import Routes
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.scene import CABINET, Scene, trusting
from qcp_sdk.values import (
    AccountId,
    CabinetId,
    Cents,
    CeremonyId,
    ChallengeId,
    CollecteId,
    Fingerprint,
    HoldId,
    SessionId,
    SubscriptionId,
    TenantId,
)

MINUTES = timedelta(minutes=1)


# --- routes, installations, prices, production -------------------------------------------------------------------


def routed_qcp(world: MemoryWorld, identities: dict[str, MemoryIdentity], route: str, scene: Scene) -> Qcp:
    return Qcp(
        store=world.store, clock=world.clock, ids=world.ids, keys=world.keys, accounts=world.accounts,
        ledger=world.ledger, codes=world.codes, notices=world.notices, documents=world.documents,
        authority=world.authority, lcp=world.lcp_authority, policy=trusting(world), identity=identities,
        offer=Offer(routes=Routes(identity=route)), on_alert=scene.alerts.append,
    )  # fmt: skip


def test_a_new_configuration_redirects_nothing_in_flight() -> None:
    scene = Scene()
    world = scene.world
    old, new = MemoryIdentity(clock=world.clock), MemoryIdentity(clock=world.clock)
    scene.qcp = routed_qcp(world, {"old": old, "new": new}, "old", scene)
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)

    scene.qcp = routed_qcp(world, {"old": old, "new": new}, "new", scene)
    scene.advance(view, Stage.PROVING_IDENTITY)
    assert (len(old.sessions()), len(new.sessions())) == (1, 0)
    scene.subscribe(scene.irene, until=Stage.PROVING_IDENTITY)
    assert (len(old.sessions()), len(new.sessions())) == (1, 1)


def test_a_route_that_is_gone_parks_what_needs_it_until_it_is_back() -> None:
    scene = Scene()
    world = scene.world
    old, new = MemoryIdentity(clock=world.clock), MemoryIdentity(clock=world.clock)
    both = {"old": old, "new": new}
    scene.qcp = routed_qcp(world, both, "old", scene)
    view = scene.subscribe(scene.jessica, until=Stage.CONSENTING)
    scene.qcp = routed_qcp(world, {"new": new}, "new", scene)
    scene.advance(view, Stage.OPENING_IDENTITY)
    scene.wait(timedelta(hours=3))
    (parked,) = world.store.parked()
    assert (parked.kind, parked.reason) == ("open_identity", "ConfigurationError")
    assert "effect_parked" in [alert.what for alert in scene.alerts]

    scene.qcp = routed_qcp(world, both, "new", scene)
    world.store.unpark(key=parked.key, due=world.clock.now())
    scene.wait(MINUTES)
    assert scene.qcp.subscriptions.get(view.id).stage is Stage.PROVING_IDENTITY
    assert (len(old.sessions()), len(new.sessions())) == (1, 0)


def test_a_missing_adapter_is_found_before_anything_starts() -> None:
    scene = Scene()
    world = scene.world
    with pytest.raises(ConfigurationError, match="identity"):
        routed_qcp(world, {"new": MemoryIdentity(clock=world.clock)}, "old", scene)
    with pytest.raises(ConfigurationError, match="registration"):
        Qcp(
            store=world.store, clock=world.clock, ids=world.ids, keys=world.keys, accounts=world.accounts,
            ledger=world.ledger, codes=world.codes, notices=world.notices, documents=world.documents,
            authority=world.authority, lcp=world.lcp_authority, policy=trusting(world),
            offer=Offer(plan=Plan.HOSTED),
        )  # fmt: skip
    scene.qcp = scene.installation(offer=lambda _tenant, _cabinet: Offer(routes=Routes(identity="nowhere")))
    with pytest.raises(ConfigurationError, match="identity"):
        scene.open(scene.jessica)
    scene.qcp = routed_qcp(world, {"default": world.identity}, "default", scene)
    scene.subscribe(scene.jessica)
    with pytest.raises(ConfigurationError, match="signers"):
        scene.start(scene.collecte(scene.jessica))
    assert scene.notices(scene.jessica)[-1].__name__ == "CertificateIssued", "nobody was invited"


def test_two_installations_in_one_process_do_not_mix() -> None:
    one, two = Scene(), Scene(world=MemoryWorld(), offer=Offer(price=Cents(100)))
    first, second = one.subscribe(one.jessica), two.subscribe(two.jessica)
    assert first.id == second.id, "ids are their own"
    assert (one.taken(), two.taken()) == (Cents(2_000), Cents(100))
    view = two.subscribe(two.irene, until=Stage.PROVING_IDENTITY)
    with pytest.raises(NotFound):
        one.qcp.subscriptions.get(view.id)


def test_the_price_is_the_cabinets_and_the_tenants() -> None:
    def offers(tenant: TenantId, cabinet: CabinetId) -> Offer:
        assert cabinet == CABINET.id
        return Offer(price={"": Cents(2_000), "cheap": Cents(500)}[tenant])

    scene = Scene(offer=offers)
    cheap = TenantId("cheap")
    assert scene.qcp.subscriptions.page(account=scene.jessica.id).price == 2_000
    assert scene.qcp.subscriptions.page(account=scene.jessica.id, tenant=cheap).price == 500
    view = scene.open(scene.jessica, tenant=cheap)
    assert view.show.price == 500
    scene.advance(view, Stage.ACTIVE)
    assert scene.taken() == 500
    assert scene.qcp.subscriptions.page(account=scene.irene.id, tenant=cheap).in_progress is None


def test_one_person_may_subscribe_with_two_tenants_and_neither_sees_the_other() -> None:
    scene = Scene()
    here, there = TenantId("a"), TenantId("a/jessica")
    view = scene.open(scene.jessica, tenant=here)
    assert scene.qcp.subscriptions.page(account=scene.jessica.id, tenant=here).in_progress == view.id
    assert scene.qcp.subscriptions.page(account=scene.jessica.id, tenant=there).in_progress is None
    assert scene.open(scene.jessica, tenant=there).id != view.id
    with pytest.raises(SubscriptionRefused):
        scene.open(scene.jessica, tenant=here)


def test_production_refuses_every_simulation_and_names_it() -> None:
    scene = Scene()
    w = scene.world
    with pytest.raises(ConfigurationError) as refused:
        Qcp(
            store=w.store, clock=w.clock, ids=w.ids, keys=w.keys, accounts=w.accounts, ledger={"bank": w.ledger},
            codes=w.codes, notices=w.notices, documents=w.documents, authority=w.authority, lcp=w.lcp_authority,
            policy=trusting(w), identity=w.identity, registration=w.registration, signer=w.signer,
            envelope=w.envelope, pages=w.pages, production=True,
        )  # fmt: skip
    for role in (
        "store", "clock", "ids", "keys", "accounts", "ledgers[bank]", "codes[default]", "notices[default]",
        "documents[default]", "authorities[default]", "authorities[lcp]", "identities[default]",
        "registrations[default]", "signers[default]", "envelopes[default]", "pages[default]",
    ):  # fmt: skip
        assert role in str(refused.value), role


# --- the answer to a code is counted before it is given ----------------------------------------------------------


def test_wrong_codes_are_counted_for_the_person_wherever_they_are_typed() -> None:
    """Twenty wrong ones within a day lock the purpose, over any number of subscriptions (behaviour § 3)."""
    scene = Scene()
    wrong, started = 0, scene.world.clock.now()
    view = scene.open(scene.jessica)
    for turn in range(4):
        view = scene.qcp.subscriptions.get(view.id).say(CodeRequested())
        for left in (4, 3, 2, 1, 0):
            wrong += 1
            with pytest.raises(CodeRefused) as refused:
                view.say(scene.wrong_code(scene.jessica, Purpose.OPEN))
            expected = ("locked", 0) if wrong == 20 else ("wrong", left)
            assert (refused.value.reason, refused.value.tries_left) == expected
        if turn == 1:  # in another subscription from here on
            scene.qcp.subscriptions.get(view.id).say(Cancelled())
            view = scene.open(scene.jessica)
        scene.wait(20 * MINUTES)
    assert wrong == 20
    closed = scene.qcp.subscriptions.get(view.id)
    assert (closed.stage, closed.show.ending) == (Stage.CLOSED, "too_many_codes")

    again = scene.open(scene.jessica)
    with pytest.raises(CodeRefused) as locked:
        again.say(CodeRequested())
    assert locked.value.reason == "locked"
    assert locked.value.until == started + timedelta(days=1)
    scene.wait(timedelta(days=1))
    assert scene.open(scene.jessica).say(CodeRequested()).stage is Stage.VERIFYING_EMAIL


@pytest.mark.parametrize("typed", ["{0}", " {0} ", "{1}", "{2}"], ids=["plain", "spaces", "lower", "dashes"])
def test_typing_is_forgiven(typed: str) -> None:
    scene = Scene()
    view = scene.open(scene.jessica).say(CodeRequested())
    code = scene.code(scene.jessica, Purpose.OPEN).text.reveal()
    text = typed.format(code, code.lower(), "-".join(code))
    assert view.say(Code(text)).stage is Stage.CONFIRMING_DETAILS


# --- what nobody may say, and what is not known ------------------------------------------------------------------


@pytest.mark.parametrize(
    "fact",
    [
        sf.FundsHeld(attempt=1, hold=HoldId("h")),
        CodeEntered(challenge=ChallengeId("c"), matched=True),
        sf.CertificateRefused(reason="r"),
        DeadlinePassed(deadline="opening/1"),
    ],
    ids=lambda fact: fact.kind,
)
def test_a_host_cannot_say_what_only_collaborators_or_the_clock_may(fact: Fact) -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    with pytest.raises(FactRefused) as refused:
        view.say(fact)
    assert refused.value.reason == "not_yours"


def test_unknown_ids_are_not_found() -> None:
    scene = Scene()
    scene.subscribe(scene.jessica)
    (ceremony,) = scene.start(scene.collecte(scene.jessica))
    calls: list[Callable[[], object]] = [
        lambda: scene.qcp.subscriptions.get(SubscriptionId("none")),
        lambda: scene.qcp.subscriptions.get(SubscriptionId(ceremony.id)),
        lambda: scene.qcp.subscriptions.say(SubscriptionId("none"), CodeRequested()),
        lambda: scene.qcp.subscriptions.say(SubscriptionId("none"), Code("1234567")),
        lambda: scene.qcp.subscriptions.refresh(SubscriptionId("none")),
        lambda: scene.qcp.collectes.ceremony(CeremonyId(ceremony.id[:-1])),
        lambda: scene.qcp.records.history("none"),
        lambda: scene.qcp.records.journal("none"),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert scene.qcp.collectes.ceremonies(scene.collecte(scene.jessica, id="other").id) == ()
    scene.qcp.subscriptions.hint(SessionId("nobody's"))


def test_a_slash_in_an_id_opens_no_door_to_another_tenant() -> None:
    """Ids are the host's own text: `a` with `b/c` is not `a/b` with `c`."""
    scene = Scene()
    scene.subscribe(scene.jessica)
    owned = evolve(scene.collecte(scene.jessica), tenant=TenantId("a"), id=CollecteId("b/c"))
    scene.start(owned)
    assert len(scene.qcp.collectes.ceremonies(CollecteId("b/c"), tenant=TenantId("a"))) == 1
    assert scene.qcp.collectes.ceremonies(CollecteId("c"), tenant=TenantId("a/b")) == ()

    person = evolve(scene.irene, id=AccountId("b/c"))
    scene.world.accounts.put(person)
    scene.world.lcp_authority.issue_to(person)
    scene.open(person, tenant=TenantId("a"))
    other = evolve(person, id=AccountId("c"))
    scene.world.accounts.put(other)
    assert scene.qcp.subscriptions.page(account=other.id, tenant=TenantId("a/b")).in_progress is None


def test_every_certificate_that_is_held_can_be_adopted_and_each_once() -> None:
    """However many there are, and however often somebody clicks."""
    scene = Scene()
    held = [scene.world.lcp_authority.issue_to(scene.jessica).certificate.fingerprint for _ in range(3)]

    def adopt(fingerprint: Fingerprint) -> SubscriptionId:
        return scene.qcp.subscriptions.adopt(account=scene.jessica.id, fingerprint=fingerprint).id

    adopted = [adopt(one) for one in held]
    assert len(set(adopted)) == 3
    assert [adopt(one) for one in held] == adopted

    fourth = scene.world.lcp_authority.issue_to(scene.jessica).certificate.fingerprint
    barrier = threading.Barrier(4)

    def click() -> SubscriptionId:
        barrier.wait()
        return adopt(fourth)

    with ThreadPoolExecutor(max_workers=4) as threads:
        clicks = [threads.submit(click) for _ in range(4)]
    assert len({one.result() for one in clicks}) == 1
    for id in (*adopted, clicks[0].result()):
        assert scene.qcp.subscriptions.get(id).stage is Stage.ACTIVE
        scene.prove(id)
