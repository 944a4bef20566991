"""Who is heard about a revocation, and how much of it: answers, lists and sources beside an older good answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.verification import Report, SignatureReport, TrustStore

if TYPE_CHECKING:
    from tests.core.verification.conftest import World

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SIGNED = NOW - timedelta(hours=1)


def only(report: Report) -> SignatureReport:
    """Give the one signature of a report."""
    (signature,) = report.signatures
    return signature


def test_a_young_responder_that_says_revoked_before_is_heard_over_an_old_good_answer(
    world: World, trusted: TrustStore
) -> None:
    """The order of real life: a good answer, the revocation, a signature with the stolen key, a new responder."""
    good = world.ocsp_answer(world.jeanne, world.qc_ca, world.responder, at=SIGNED - timedelta(hours=1))
    young = world.young_responder(since=SIGNED + timedelta(minutes=10))

    def said(revoked: timedelta) -> bytes:
        made = NOW - timedelta(minutes=5)
        return world.ocsp_answer(world.jeanne, world.qc_ca, young, revoked=SIGNED + revoked, at=made)

    signed = world.sign(world.blank(), world.jeanne)
    before = world.augment(signed, ocsps=[good, said(timedelta(minutes=-30))])
    assert only(world.verify(before, trusted)).sub_indication == "REVOKED_NO_POE"
    after = world.augment(signed, ocsps=[good, said(timedelta(minutes=5))])
    assert only(world.verify(after, trusted)).level_reached is SignatureLevel.NIVEAU_3
