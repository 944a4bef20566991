"""What programs read in a decision: the names in its JSON, and what each answer of a rule comes with. Both are kept."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from qcp_sdk.levels import SignatureLevel
from qcp_sdk.policy import RULES, Decision
from qcp_sdk.testing.corpus import cases
from qcp_sdk.values import SignatoryId


@cache
def decisions() -> dict[str, Decision]:
    return {case.name: case.decide() for case in cases()}


DETAILS = {
    "attestation.suffices": {("provider",)},
    "certificate.held": {()},
    "certificate.level": {("has", "needs"), ("needs",)},
    "certificate.purpose": {()},
    "certificate.qscd": {()},
    "certificate.qualified": {(), ("countries",)},
    "collecte.open": {("deadline",)},
    "holder.matches": {(), ("allowed",)},
    "issuer.recognised": {("issuer",)},
    "level.floor": {("level",)},
    "level.highest": {("level",)},
    "level.open": {("level",)},
    "status.good": {("checked",), ("revoked",)},
    "validity.deadline": {("ends", "deadline")},
    "validity.now": {("ends",), ("begins",)},
}
FINDING = ["rule", "outcome", "verdict", "source", "certificate", "provider", "fields", "details"]


def data(decision: Decision, *, worded: bool = False) -> dict[str, Any]:
    return cast(dict[str, Any], decision.as_data(worded=worded))


def test_what_each_answer_comes_with() -> None:
    found: dict[str, set[tuple[str, ...]]] = {}
    for decision in decisions().values():
        for one in decision:
            for each in one.assessments:
                for finding in (*each.findings, *each.demands):
                    found.setdefault(finding.rule, set()).add(tuple(name for name, _ in finding.details))
                    assert finding.source == RULES[finding.rule].source
    assert found == DETAILS


def test_the_names_in_a_decisions_json() -> None:
    decision = data(decisions()["third-party-whose-mobile-differs"])
    assert list(decision) == ["collecte", "at", "policy", "verdict", "signatories"]
    assert list(decision["policy"]) == ["version", "hash"]
    (one,) = decision["signatories"]
    assert list(one) == [
        *("signatory", "requested", "verdict", "level_required", "levels_available", "levels_offered"),
        *("chosen", "certificates", "assessments"),
    ]
    for each in one["assessments"]:
        assert list(each) == ["level", "verdict", "offered", "findings", "demands", "chosen"]
        assert all(list(finding) == FINDING for finding in (*each["findings"], *each["demands"]))
    decision = data(decisions()["niveau-3-qcp-n"])
    assert decision["at"] == "2026-11-23T12:00:00+00:00"
    (one,) = decision["signatories"]
    chosen = one["chosen"]
    assert list(chosen) == ["level", "certificate", "provider"]
    assert (chosen["level"], chosen["provider"]) == ("QCP_N", "")
    # What each level would be signed with: nothing is needed for the first, nothing suffices for the last.
    assert [each["chosen"] for each in one["assessments"]] == [None, chosen, chosen, None]
    levels = next(each["details"] for each in one["assessments"][2]["findings"] if each["rule"] == "certificate.level")
    assert levels == {"has": "QCP_N", "needs": "QCP_N"}


def test_wording_is_added_where_asked_for_and_nowhere_else() -> None:
    case = decisions()["niveau-3-revoked"]
    worded = data(case, worded=True)["signatories"][0]["assessments"][2]
    plain = data(case)["signatories"][0]["assessments"][2]
    assert all(list(finding) == [*FINDING, "message", "remedy"] for finding in worded["findings"])
    assert all(list(finding) == FINDING for finding in plain["findings"])
    one = case.of(SignatoryId("s1"))
    alone: Any = (one.as_data(), one.at(SignatureLevel.NIVEAU_3).as_data())
    findings = [finding.as_data() for finding in one.findings]
    assert findings
    assert all(list(each) == FINDING for each in (*findings, *alone[1]["findings"]))
    assert alone == (data(case)["signatories"][0], plain)
    highest = data(decisions()["third-party-whose-mobile-differs"], worded=True)["signatories"][0]
    assert all("message" in finding for each in highest["assessments"] for finding in each["demands"])
    revoked = next(finding for finding in worded["findings"] if finding["rule"] == "status.good")
    assert list(revoked["message"]) == list(revoked["remedy"]) == ["fr", "en"]


def test_of_gives_the_signatory_that_was_asked_for() -> None:
    decision = decisions()["three-signatories-everything-is-said"]
    assert [decision.of(SignatoryId(f"s{at}")).requested for at in (1, 2, 3)] == [3, 2, 1]
    assert [one.signatory for one in decision.refused] == ["s1", "s2", "s3"]
    assert [who for who, _ in decision.findings] == ["s1", "s2", "s3"]
