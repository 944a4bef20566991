"""The policy and its naive twin on every point of a finite lattice: they must agree on all of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from qcp_sdk.collectes import Collecte, Role
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.policy import Policy, assess
from qcp_sdk.testing.naive_policy import disagreements, judge
from qcp_sdk.testing.policy_lattice import DEADLINE, NOW, POLICIES, Point, everybody, pairs, points

ONE_A_ROLE = everybody(levels=[SignatureLevel.NIVEAU_2])
THIRD_PARTY = everybody(roles=[Role.THIRD_PARTY], levels=[SignatureLevel.NIVEAU_1])


def check_agreement(collecte: Collecte, policy: Policy, where: Iterable[Point]) -> int:
    """Compare at each of these points; give how many there were."""
    count = 0
    for name, evidence, known in where:
        holdings = {signatory.id: evidence for signatory in collecte.signatories}
        decision = assess(collecte, holdings, now=NOW, policy=policy, recognitions=known)
        opinions = judge(collecte, holdings, now=NOW, policy=policy, recognitions=known)
        assert disagreements(decision, opinions) == [], name
        count += 1
    return count


def test_by_default_they_agree_on_every_certificate_with_two_things_unusual_at_most() -> None:
    assert check_agreement(ONE_A_ROLE, POLICIES["default"], points(2)) > 1_000


@pytest.mark.parametrize("policy", POLICIES)
def test_they_agree_under_every_policy_for_every_role_and_level(policy: str) -> None:
    assert check_agreement(everybody(), POLICIES[policy], points(1)) > 150


@pytest.mark.parametrize("policy", POLICIES)
def test_they_agree_once_the_collecte_is_over(policy: str) -> None:
    over = everybody(deadline=NOW, levels=[SignatureLevel.NIVEAU_2], kinds=("contract",))
    assert over.deadline < DEADLINE
    assert check_agreement(over, POLICIES[policy], points(1)) > 150


def test_they_agree_on_every_two_certificates_of_a_third_party() -> None:
    assert check_agreement(THIRD_PARTY, POLICIES["default"], pairs()) > 2_000


@pytest.mark.full
@pytest.mark.parametrize("policy", POLICIES)
def test_they_agree_on_every_two_certificates_under_every_policy(policy: str) -> None:
    assert check_agreement(ONE_A_ROLE, POLICIES[policy], pairs()) > 2_000


@pytest.mark.full
def test_they_agree_on_the_whole_lattice() -> None:
    assert check_agreement(ONE_A_ROLE, POLICIES["default"], points()) > 100_000


def test_a_twin_that_is_wrong_is_told_so() -> None:
    """The comparison itself is worth something: another policy's answer is another answer, with its reason."""
    name, evidence, known = next(point for point in points(1) if point[0] == "qcp_n valid revoked trusted same")
    holdings = {signatory.id: evidence for signatory in THIRD_PARTY.signatories}
    decision = assess(THIRD_PARTY, holdings, now=NOW, policy=POLICIES["default"], recognitions=known)
    other = judge(THIRD_PARTY, holdings, now=NOW, policy=POLICIES["all_closed"], recognitions=known)
    found = disagreements(decision, other)
    assert any("NIVEAU_1: available is True, the twin says False" in line for line in found), name
    assert any("NIVEAU_3: reasons is" in line and "status.good" in line for line in found)
    assert any("the verdict is passed, the twin says False" in line for line in found)
