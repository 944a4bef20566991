"""My certificates: every one that a person holds, where it comes from, and what it allows by the policy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.adapters.memory.registration import attest
from qcp_sdk.certificates import CertificateStatus, Holding, StatusKind
from qcp_sdk.host.allowing import allowed
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.offers import Offer
from qcp_sdk.policy.evidence import Attestation
from qcp_sdk.policy.load import default_policy
from qcp_sdk.policy.shapes import Attestor
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.testing.scene import Scene, trusting
from qcp_sdk.web.journey import Journey
from tests.web.conftest import ROOT, Visitor

LEVELS = SignatureLevel


def shown(scene: Scene) -> Any:
    return scene.qcp.subscriptions.page(account=scene.jessica.id)


def visitor(scene: Scene, language: str = "en") -> Visitor:
    made = Visitor(Journey(scene.qcp, platform="P"), scene.jessica, language=language)
    made.get(ROOT)
    return made


@pytest.fixture
def attested(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Jessica's certificate is attested by the provider of the hosted plan, which does not show it."""
    scene = Scene(offer=Offer(plan=Plan.HOSTED))
    view = scene.subscribe(scene.jessica, until=Stage.REGISTERING)
    scene.world.registration.script(scene.registration_session(view), attest())
    scene.advance(view, Stage.ACTIVE)
    monkeypatch.setattr(scene.world.authority, "holdings", lambda *, account: ())  # the provider's is another
    return scene


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_attested_certificate_is_on_the_page_with_who_says_so_and_what_it_allows(
    attested: Scene, language: str
) -> None:
    page = shown(attested)
    (one,) = page.attested
    assert (page.qcp, page.others, page.held_unseen, one.level) == (None, (), True, "QCP_N")
    text = visitor(attested, language).text
    assert one.provider in text
    assert ("dit que ce certificat existe" if language == "fr" else "says that this certificate exists") in text
    assert one.subscription in visitor(attested).answer.body.decode()
    assert "QCP-N" in text


def test_nobody_is_led_to_subscribe_to_what_they_hold_unseen(attested: Scene) -> None:
    her = visitor(attested)
    assert not her.tree.xpath("//form[contains(@action, 'open')]")
    refused = her.ask("POST", f"{ROOT}open", {"cabinet": ["cabinet"]})
    assert refused.status == 422
    assert "already hold a qualified certificate" in her.text


def test_what_an_attestation_allows_is_the_policys_to_say(attested: Scene) -> None:
    (one,) = shown(attested).attested
    assert one.allows is None  # the policy of this scene believes no provider
    believing = evolve(
        trusting(attested.world), attestors=(Attestor(provider=one.provider, levels=frozenset(CertificateLevel)),)
    )
    now = attested.world.clock.now()

    def says(level: CertificateLevel, age: timedelta = timedelta(0)) -> SignatureLevel | None:
        word = Attestation(provider=one.provider, level=level, matched=one.matched, at=now - age)
        return allowed(attested.jessica, word, now=now, policy=believing)

    assert says(CertificateLevel.QCP_N) is LEVELS.NIVEAU_3
    assert says(CertificateLevel.LCP) is LEVELS.NIVEAU_2
    assert says(CertificateLevel.QCP_N_QSCD) is LEVELS.NIVEAU_3  # for more, it has to be seen
    assert says(CertificateLevel.QCP_N, timedelta(days=365)) is None


def test_lcp_and_qcp_say_where_they_come_from_and_what_they_allow(qcp_scene: Scene) -> None:
    view = qcp_scene.subscribe(qcp_scene.jessica)
    page = shown(qcp_scene)
    assert (page.lcp.origin, page.lcp.allows, page.lcp.subscription) == ("held", LEVELS.NIVEAU_2, "")
    assert (page.qcp.origin, page.qcp.allows, page.qcp.subscription) == ("issued", LEVELS.NIVEAU_3, view.id)
    adopted = qcp_scene.qcp.subscriptions.adopt(account=qcp_scene.jessica.id, fingerprint=page.lcp.fingerprint)
    page = shown(qcp_scene)
    assert (page.lcp.origin, page.lcp.subscription) == ("adopted", adopted.id)
    text = visitor(qcp_scene).text
    for word in ("subscribed to here", "taken into care here", "level 2", "level 3"):
        assert word in text


def test_every_other_certificate_is_shown_and_can_be_revoked(qcp_scene: Scene) -> None:
    scene = qcp_scene
    first = shown(scene).lcp
    scene.world.clock.advance(timedelta(days=1))
    scene.world.lcp_authority.issue_to(scene.jessica)
    page = shown(scene)
    assert [one.fingerprint for one in page.others] == [first.fingerprint]
    assert page.others[0].fingerprint != page.lcp.fingerprint
    her = visitor(scene)
    assert "Another certificate: LCP" in her.text
    forms = [one for one in her.tree.xpath("//form") if one.get("action").endswith("/adopt")]
    assert {one.xpath(".//input[@name='certificate']/@value")[0] for one in forms} == {
        first.fingerprint, page.lcp.fingerprint,
    }  # fmt: skip
    answer = her.ask("POST", f"{ROOT}adopt", {"certificate": [first.fingerprint]})
    assert answer.headers["Location"].endswith("/revocation")


def test_what_is_being_revoked_allows_nothing(qcp_scene: Scene) -> None:
    from qcp_sdk.subscription.facts import RevocationOrdered

    view = qcp_scene.subscribe(qcp_scene.jessica)
    qcp_scene.qcp.subscriptions.report(view.id, RevocationOrdered(reason="superseded", by="Odile"))
    page = shown(qcp_scene)
    assert page.qcp.allows is None
    assert page.qcp.state in (Stage.REVOKING.value, Stage.REVOKED.value)
    assert "no signature at present" in visitor(qcp_scene).text


@pytest.mark.parametrize("kind", [StatusKind.REVOKED, StatusKind.UNKNOWN])
def test_a_certificate_that_is_not_known_to_be_good_allows_nothing(qcp_scene: Scene, kind: StatusKind) -> None:
    scene, now = qcp_scene, qcp_scene.world.clock.now()
    (holding,) = scene.world.lcp_authority.holdings(account=scene.jessica)
    policy = trusting(scene.world)
    assert allowed(scene.jessica, holding, now=now, policy=policy) is LEVELS.NIVEAU_2
    since = now if kind is StatusKind.REVOKED else None
    worse: Holding = evolve(holding, status=CertificateStatus(kind=kind, checked_at=now, revoked_at=since))
    assert allowed(scene.jessica, worse, now=now, policy=policy) is None
    assert allowed(scene.irene, holding, now=now, policy=policy) is None  # another's
    assert allowed(scene.jessica, holding, now=now, policy=default_policy()) is None  # whose issuer it does not know
