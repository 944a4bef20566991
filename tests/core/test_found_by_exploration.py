"""What exploration of the worlds found in our own code (docs/faults-found.md), each as one short story."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.ceremony import facts as cf
from qcp_sdk.ceremony.machine import step as ceremony_step
from qcp_sdk.ceremony.stages import CeremonyPlan, CeremonyStage
from qcp_sdk.errors import SubscriptionRefused
from qcp_sdk.facts import CodeRequested, DeadlinePassed
from qcp_sdk.host.subscriptions import Subscriptions
from qcp_sdk.subscription import facts as sf
from qcp_sdk.subscription.effects import AskCertificate, RevokeCertificate
from qcp_sdk.subscription.machine import step
from qcp_sdk.subscription.moves import moved
from qcp_sdk.subscription.stages import Plan, Stage
from qcp_sdk.subscription.state import Request
from qcp_sdk.testing.exploration import ceremony
from qcp_sdk.testing.exploration.subscription import FIRST, NOW, OTHER, SEALED, SHOWN, opening
from qcp_sdk.testing.scene import Scene
from qcp_sdk.values import ChallengeId, SubscriptionId


def test_a_request_that_is_pending_although_an_operator_settled_it_is_followed_to_its_end() -> None:
    """The operator was told that nothing would be issued; the authority's "pending" was still on its way."""
    opened, _ = step(None, opening(Plan.ASSEMBLED), NOW)
    waiting = moved(
        opened, Stage.AWAITING_CERTIFICATE, deadline=None, request=Request(SHOWN, NOW, ChallengeId("c"), NOW, SEALED)
    )
    closed, _ = step(waiting, sf.SettledByOperator(evidence="a letter", by="operator", certificate=None), NOW)
    assert closed.stage is Stage.CLOSED

    late, effects = step(closed, sf.CertificatePending(reference="r-1"), NOW)
    assert (late.stage, effects) == (Stage.CLOSED, (AskCertificate(reference="r-1"),))
    assert step(late, sf.CertificatePending(reference="r-1"), NOW) == (late, ())  # and once is enough
    _, settled = step(late, sf.CertificateIssued(certificate=FIRST), NOW)
    assert isinstance(settled[0], RevokeCertificate)


def test_a_pending_answer_before_anything_was_submitted_means_nothing() -> None:
    opened, _ = step(None, opening(Plan.ASSEMBLED), NOW)
    assert step(opened, sf.CertificatePending(reference="r-1"), NOW) == (opened, ())


def lost(*, and_then: str) -> Any:
    """A ceremony whose first activation was lost, and whose documents were then given back and prepared anew."""
    c, _ = ceremony_step(None, ceremony.opening(CeremonyPlan.OURS, my_turn=True), NOW)
    documents = tuple((one.id, one.content) for one in ceremony.DOCUMENTS)
    c, _ = ceremony_step(c, cf.DocumentsConsented(documents=documents), NOW)
    c = prepared(c, 1)
    challenge = ChallengeId("first")
    c, _ = ceremony_step(c, _challenge(challenge, 1), NOW)
    c, _ = ceremony_step(c, cf.ActivationAsked(challenge=challenge, allowed=True), NOW)
    assert c.lease_until is not None
    later = c.lease_until + timedelta(seconds=1)
    if and_then == "the reservation had ended before":
        c, _ = ceremony_step(c, cf.ActivationLost(challenge=challenge), later)
    else:
        c, _ = ceremony_step(c, cf.ActivationLost(challenge=challenge), NOW)
        c, _ = ceremony_step(c, DeadlinePassed(deadline="lease/1"), later)
    assert c.stage is CeremonyStage.AWAITING_CODE
    return prepared(c, 2, later)


def prepared(c: Any, number: int, now: Any = NOW) -> Any:
    c, _ = ceremony_step(c, CodeRequested(), now)
    for one in ceremony.DOCUMENTS:
        place = cf.DocumentPrepared(
            round=number,
            document=one.id,
            base=one.content,
            prepared=OTHER,
            digest=f"{one.id}/{number}".encode(),
            state=b"",
        )
        c, _ = ceremony_step(c, place, now)
    return c


def _challenge(id: ChallengeId, number: int) -> cf.ChallengeOpened:
    return cf.ChallengeOpened(round=number, challenge=id, not_after=NOW + timedelta(minutes=3), masked="*****1316")


@pytest.mark.parametrize("and_then", ["the reservation had ended before", "the reservation ended afterwards"])
def test_an_activation_that_was_lost_goes_with_what_it_was_to_sign(and_then: str) -> None:
    """ "I will answer later", about digests that nobody waits for any more, led to a wait that nothing ended: the
    answer was to older digests, no poll was left, and the collecte's deadline only waited for it.
    """
    c = lost(and_then=and_then)
    assert ceremony_step(c, cf.SigningDelayed(challenge=ChallengeId("first"), handle="h"), NOW) == (c, ())
    ended, _ = ceremony_step(c, DeadlinePassed(deadline="collecte"), NOW)
    assert ended.stage is CeremonyStage.LAPSED


def test_terms_that_were_decided_before_somebody_else_opened_one_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that was held up for so long that another one came to its certificate, in the slot beside."""
    scene = Scene()
    first = scene.subscribe(scene.jessica)
    read, holdings, calls = Subscriptions._of_account, Subscriptions._holdings, iter(range(100))

    def as_long_ago(self: Subscriptions, tenant: Any, account: Any) -> Any:
        found = read(self, tenant, account)
        return [evolve(one, id=SubscriptionId("ended-since")) for one in found] if next(calls) == 0 else found

    monkeypatch.setattr(Subscriptions, "_of_account", as_long_ago)
    monkeypatch.setattr(
        Subscriptions,
        "_holdings",
        lambda self, account, route: holdings(self, account, route) if route == "lcp" else (),
    )
    with pytest.raises(SubscriptionRefused) as refused:
        scene.open(scene.jessica)
    assert refused.value.reasons == ("already_open",)
    usable = [one for one in read(scene.qcp.subscriptions, "", scene.jessica.id) if one.stage is not Stage.CLOSED]  # type: ignore[arg-type]
    assert [one.id for one in usable] == [first.id]
