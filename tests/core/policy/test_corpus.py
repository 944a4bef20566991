"""The corpus of decisions: ours passes it, it covers every answer of every rule, and it is what its script makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve

from qcp_sdk.policy import RULES, Verdict, enforce
from qcp_sdk.policy.decision import Decision
from qcp_sdk.testing.corpus import Case, cases
from qcp_sdk.testing.naive_policy import disagreements, judge

ROOT = Path(__file__).resolve().parents[3]
CASES = cases()
COVERED = {
    (finding["rule"], finding["outcome"]): finding["verdict"]
    for case in CASES
    for one in case.expected["signatories"].values()
    for finding in one["findings"]
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_policy_decides_as_expected(case: Case) -> None:
    assert case.differences(case.decide()) == []
    enquiry = case.enquiry
    assert enquiry.at is not None
    opinions = judge(
        enquiry.collecte, enquiry.holdings, now=enquiry.at, policy=case.policy, recognitions=enquiry.recognitions
    )
    assert disagreements(case.decide(), opinions) == []


def test_every_answer_of_every_rule_is_in_the_corpus() -> None:
    every = {(rule.id, outcome): verdict.value for rule in RULES.values() for outcome, verdict in rule.outcomes.items()}
    assert every == COVERED


def test_names_say_what_a_case_is_about() -> None:
    assert len(CASES) >= 100
    assert len({case.about for case in CASES}) > 100
    assert all(case.about.endswith(".") and str(case) == case.name == case.enquiry.collecte.id for case in CASES)
    verdicts = {case.expected["verdict"] for case in CASES}
    assert verdicts == {verdict.value for verdict in Verdict}


def test_whoever_decides_otherwise_is_told_where() -> None:
    """A host that forgets the clock, the policy or the evidence: the corpus tells each."""

    def told(wrong: Decision, case: Case) -> bool:
        return bool(case.differences(wrong))

    other_policy = {case.policy_name: case.policy for case in CASES}["floors"]
    nothing = [told(evolve(case, enquiry=evolve(case.enquiry, holdings={})).decide(), case) for case in CASES]
    unlisted = [told(evolve(case, enquiry=evolve(case.enquiry, recognitions={})).decide(), case) for case in CASES]
    floored = [told(evolve(case, policy=other_policy).decide(), case) for case in CASES]
    late = [
        told(evolve(case, enquiry=evolve(case.enquiry, at=case.enquiry.collecte.deadline)).decide(), case)
        for case in CASES
    ]
    assert sum(nothing) > 90
    assert sum(unlisted) >= 5
    assert sum(floored) >= 5
    assert sum(late) > 100
    case = next(case for case in CASES if case.name == "third-party-whose-mobile-differs")
    free = {case.policy_name: case.policy for case in CASES}["third-party-free"]
    assert f"{case}: signatories: s1: verdict is 'passed', not 'failed'" in case.differences(
        evolve(case, policy=free).decide()
    )


def test_a_case_that_passes_can_be_enforced() -> None:
    passing = [case for case in CASES if case.expected["verdict"] == "passed"]
    assert len(passing) > 30
    for case in passing:
        enquiry = case.enquiry
        assert enquiry.at is not None
        decision = enforce(
            enquiry.collecte, enquiry.holdings, now=enquiry.at, policy=case.policy, recognitions=enquiry.recognitions
        )
        assert case.differences(decision) == []


def test_the_corpus_is_what_its_script_makes() -> None:
    """When this fails, behaviour changed: change the row that says otherwise, then `make corpus`."""
    script = ROOT / "scripts" / "make_policy_corpus.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
