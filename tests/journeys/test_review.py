"""One test for each fault that a reader found in the machines, the engine and the host's API."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.authority import issue, silence
from qcp_sdk.adapters.shared.simulation.registration import attest
from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.stages import CeremonyStage
from qcp_sdk.collectes import Order
from qcp_sdk.errors import CodeRefused, FactRefused, InvalidValue, LevelRefused, NotFound, SubscriptionRefused
from qcp_sdk.facts import CodeRequested
from qcp_sdk.offers import Offer
from qcp_sdk.otp import Purpose
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.facts import Routes
from qcp_sdk.subscription.stages import Ending, Plan, Stage
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import AccountId, Fingerprint

DAY = timedelta(days=1)


def test_a_certificate_that_is_being_revoked_signs_nothing_whatever_its_issuer_says() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica)
    scene.world.authority.delay_revocations(5 * DAY)
    order = sf.RevocationOrdered(reason="key_compromise", by="Irène Faron")
    view = scene.qcp.subscriptions.report(view.id, order)
    assert view.stage is Stage.REVOKING
    assert view.show.certificate is not None
    assert view.show.certificate.state == "revoking"
    page = scene.qcp.subscriptions.page(account=scene.jessica.id)
    assert page.qcp is not None
    assert page.qcp.state == "revoking"
    with pytest.raises(LevelRefused):
        scene.qcp.collectes.enforce(scene.collecte(scene.jessica))


def test_an_attested_certificate_is_not_paid_for_twice_and_can_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(offer=Offer(plan=Plan.HOSTED))
    scene.world.registration.script(None, attest())
    view = scene.subscribe(scene.jessica)
    assert view.show.attested_by
    # A provider that attests does not show: the authority's own list knows nothing of it.
    monkeypatch.setattr(scene.world.authority, "holdings", lambda *, account: ())
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    assert "qualified_certificate_held" in refused.value.reasons
    ended = sf.EndReported(revoked=True, at=scene.world.clock.now(), evidence="letter of 4 March", by="Irène Faron")
    assert scene.qcp.subscriptions.report(view.id, ended).stage is Stage.REVOKED
    assert scene.open(scene.jessica).stage is Stage.VERIFYING_EMAIL


def test_a_certificate_for_another_address_is_not_conforming() -> None:
    from qcp_sdk.subscription.machine import step
    from qcp_sdk.values import EmailAddress

    scene = Scene()
    scene.world.authority.script(None, silence())
    view = scene.subscribe(scene.jessica, until=Stage.AWAITING_CERTIFICATE)
    state = scene.qcp.engine.streams.load(view.id).state
    issued = scene.world.authority.issue_to(scene.jessica).certificate
    now = scene.world.clock.now()
    fits, _ = step(state, sf.CertificateIssued(certificate=evolve(issued, emails=(scene.jessica.email,))), now)
    assert fits.stage is Stage.ACTIVE
    other = evolve(issued, emails=(EmailAddress("somebody@else.example"),))
    refused, _ = step(state, sf.CertificateIssued(certificate=other), now)
    assert (refused.stage, refused.ending) == (Stage.REVOKING, Ending.CERTIFICATE_NOT_CONFORMING)


def test_fraud_that_is_reported_during_a_revocation_is_not_forgotten() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica)
    scene.world.authority.delay_revocations(DAY)
    report = scene.qcp.subscriptions.report
    report(view.id, sf.RevocationOrdered(reason="cessation_of_operation", by="Irène Faron"))
    report(view.id, sf.FraudReported(reason="document reported stolen", by="Irène Faron"))
    assert scene.qcp.subscriptions.get(view.id).show.ending == "fraud_suspected"
    assert "fraud_suspected" in [alert.what for alert in scene.alerts]


def test_account_and_lcp_are_looked_at_once_more_before_the_request_is_signed() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.SIGNING_REQUEST)
    view = view.say(CodeRequested())
    scene.world.accounts.put(evolve(scene.jessica, email=scene.irene.email))
    with pytest.raises(CodeRefused):
        view.say(scene.code(scene.jessica, Purpose.REQUEST))
    closed = scene.qcp.subscriptions.get(view.id)
    assert (closed.stage, closed.show.ending) == (Stage.CLOSED, "account_changed")
    assert scene.taken() == 0


def test_nobody_sees_or_moves_anothers() -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica)
    assert scene.qcp.subscriptions.get(view.id, account=scene.jessica.id).id == view.id
    with pytest.raises(NotFound):
        scene.qcp.subscriptions.get(view.id, account=scene.irene.id)
    (ceremony,) = scene.start(scene.collecte(scene.jessica))
    assert scene.qcp.collectes.ceremony(ceremony.id, account=scene.jessica.id).id == ceremony.id
    with pytest.raises(NotFound):
        scene.qcp.collectes.ceremony(ceremony.id, account=AccountId("stranger"))


def test_a_link_to_a_ceremony_cannot_be_computed_by_a_stranger() -> None:
    ids = []
    for seed in ("one", "other"):
        scene = Scene()
        scene.world.keys._root = seed.encode().ljust(32)[:32]  # another installation has other keys
        scene.world.keys._derived.clear()
        scene.subscribe(scene.jessica)
        ids.append(scene.start(scene.collecte(scene.jessica))[0].id)
    assert ids[0] != ids[1]


def test_a_collecte_that_changed_is_not_mixed_with_what_was_started() -> None:
    scene = Scene()
    scene.subscribe(scene.jessica)
    scene.subscribe(scene.irene)
    collecte = scene.collecte(scene.jessica)
    (first,) = scene.start(collecte)
    changed = evolve(collecte, signatories=scene.collecte(scene.jessica, scene.irene).signatories)
    with pytest.raises(InvalidValue, match="other contents"):
        scene.start(changed)
    assert [one.id for one in scene.qcp.collectes.ceremonies(collecte.id)] == [first.id]


def test_a_late_answer_never_drops_the_signature_of_another() -> None:
    """Parallel: an activation is given up, its reservation ends, the other one signs, and then the answer comes."""
    scene = Scene()
    for person in (scene.jessica, scene.irene):
        scene.subscribe(person)
    a, b = scene.start(scene.collecte(scene.jessica, scene.irene, order=Order.PARALLEL))
    a = scene.ask_code(a)
    stream = scene.qcp.engine.streams.load(a.id).state
    challenge, digests = stream.challenge.id, [one.preparation.digest for one in stream.documents]
    record = scene.qcp.engine.record
    record(a.id, cf.ActivationAsked(challenge=challenge, allowed=True))
    record(a.id, cf.ActivationLost(challenge=challenge))
    scene.wait(timedelta(minutes=6))
    b = scene.sign(scene.qcp.collectes.ceremony(b.id), scene.irene)
    assert b.stage is CeremonyStage.SIGNED
    record(a.id, cf.HashesAnswered(challenge=challenge, signed=tuple((digest, b"late") for digest in digests)))
    late = scene.qcp.collectes.ceremony(a.id)
    assert late.stage is CeremonyStage.AWAITING_CODE
    assert scene.sign(late, scene.jessica).stage is CeremonyStage.SIGNED
    final = scene.qcp.collectes.read(scene.qcp.collectes.ceremony(a.id).show.documents[0].signed)  # type: ignore[arg-type]
    assert len(scene.world.envelope.signatures(final)) == 2


def codes_sent(scene: Scene) -> list[str]:
    return [one.code.reveal() for one in scene.world.codes.outbox]


def test_an_older_code_is_never_sent_after_a_newer_one() -> None:
    scene = Scene()
    view = scene.open(scene.jessica)
    scene.world.faults.unavailable("codes", "send")  # the first try of the first code
    view = view.say(CodeRequested())
    assert codes_sent(scene) == []
    scene.world.clock.advance(timedelta(seconds=31))  # and no worker runs meanwhile
    scene.qcp.subscriptions.get(view.id).say(CodeRequested())
    (newest,) = codes_sent(scene)
    scene.wait(timedelta(minutes=1))
    assert codes_sent(scene) == [newest]


def test_the_right_code_cannot_overtake_the_lock_of_the_day() -> None:
    from qcp_sdk.otp import Attempts, attempt_right, attempt_wrong

    now, attempts = Scene().world.clock.now(), Attempts()
    for _ in range(20):
        attempts = attempt_wrong(attempts, now)
    with pytest.raises(CodeRefused) as refused:
        attempt_right(attempts, now)
    assert refused.value.reason == "locked"


def test_consents_name_what_was_shown() -> None:
    with pytest.raises(InvalidValue):
        sf.ConsentGiven(text="personal_data", version="", hash="sha256:" + "0" * 64)
    with pytest.raises(InvalidValue):
        sf.ConsentGiven(text="personal_data", version="1", hash="")


def test_the_lcp_certificate_is_shown_revoked_with_a_code_and_ends_what_rests_on_it() -> None:
    """A1, A5: the same rows as for the qualified certificate."""
    scene = Scene()
    subscription = scene.subscribe(scene.jessica, until=Stage.SIGNING_REQUEST)
    page = scene.qcp.subscriptions.page(account=scene.jessica.id)
    assert page.lcp is not None
    adopt = scene.qcp.subscriptions.adopt
    view = adopt(account=scene.jessica.id, fingerprint=Fingerprint(page.lcp.fingerprint))
    assert view.stage is Stage.ACTIVE
    assert adopt(account=scene.jessica.id, fingerprint=Fingerprint(page.lcp.fingerprint)).id == view.id
    with pytest.raises(FactRefused) as refused:
        view.say(sf.RevocationRequested(reason="affiliation_changed"))
    assert refused.value.reason == "code_needed"
    view = view.say(CodeRequested()).say(scene.code(scene.jessica, Purpose.REVOKE))
    assert view.say(sf.RevocationRequested(reason="affiliation_changed")).stage is Stage.REVOKED
    assert scene.taken() == 0
    scene.wait(timedelta(minutes=1))
    subscription = scene.qcp.subscriptions.get(subscription.id).say(CodeRequested())
    with pytest.raises(CodeRefused):
        subscription.say(scene.code(scene.jessica, Purpose.REQUEST))
    assert scene.qcp.subscriptions.get(subscription.id).show.ending == "lcp_revoked"
    scene.prove(view.id)


def test_a_certificate_that_nobody_holds_is_not_adopted() -> None:
    scene = Scene()
    with pytest.raises(NotFound):
        scene.qcp.subscriptions.adopt(account=scene.jessica.id, fingerprint=Fingerprint("0" * 64))


def test_the_link_is_sent_to_the_mobile_a_few_times_at_most() -> None:
    """C1."""
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    assert sf.LinkRequested in view.can
    for _ in range(3):
        view = view.say(sf.LinkRequested())
    with pytest.raises(FactRefused) as refused:
        view.say(sf.LinkRequested())
    assert refused.value.reason == "too_many_links"
    links = [sent for sent in scene.world.notices.outbox if sent.notice.template == "identity_hand_off"]
    assert len(links) == 3
    assert links[0].notice.url == view.show.identity.url  # type: ignore[union-attr,attr-defined]


def test_a_renewal_at_one_issuer_takes_no_account_of_another() -> None:
    """Two issuers, each with its own two slots: a renewal of the first is issued, recorded and paid for once."""
    world_offer = {"u": Offer(issuer="U"), "o": Offer(issuer="O", routes=Routes())}
    scene = Scene(offer=lambda tenant, _cabinet: world_offer[tenant or "u"])
    first = scene.subscribe(scene.jessica)
    slots = [scene.qcp.engine.streams.load(first.id).state.terms.slot]
    scene.wait(timedelta(days=1_826 - 80))
    scene.world.authority.script(None, issue())
    second = scene.open(scene.jessica)
    slots.append(scene.qcp.engine.streams.load(second.id).state.terms.slot)
    assert slots == [0, 1]
