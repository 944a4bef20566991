"""A corpus of decisions: evidence in JSON, and what the level policy answers to it, with every reason.

`cases()` gives them; each is a collecte as `qcp-sdk policy assess` reads it, a policy, and the answer that is expected.
A host runs them against its own wiring, another implementation against itself: the files need no Python. See
docs/policy-corpus.md; `make corpus` writes the files again, on purpose only.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Final, TypedDict

from attrs import frozen

from qcp_sdk.policy import Decision, Policy, SignatoryDecision, assess, read_policy
from qcp_sdk.policy.collecte_json import Enquiry, read_collecte

_FOLDER: Final = files(__name__)


class ExpectedFinding(TypedDict):
    """What one rule says at the level asked for."""

    rule: str
    outcome: str
    verdict: str
    certificate: str | None
    provider: str
    fields: list[str]


class ExpectedSignatory(TypedDict):
    """What is decided of one signatory. Levels and verdicts by name."""

    requested: str
    verdict: str
    level_required: str
    levels_available: list[str]
    levels_offered: list[str]
    chosen: dict[str, object] | None
    reasons: list[str]
    """The ids of the rules that speak against, each as often as it does; empty when it is not refused."""
    findings: list[ExpectedFinding]
    """Every finding at the level asked for, those that passed too."""


class Expected(TypedDict):
    """What is decided of a collecte."""

    verdict: str
    signatories: dict[str, ExpectedSignatory]


class _Answer(TypedDict):
    about: str
    policy: str
    expected: Expected


@frozen(kw_only=True)
class Case:
    """One question to the policy, and its answer."""

    name: str
    """What it is about, in words joined by hyphens: also the name of its file."""
    about: str
    """The same as a sentence."""
    enquiry: Enquiry
    """The collecte and its evidence; `enquiry.at` is the instant to assess at."""
    policy: Policy
    policy_name: str
    expected: Expected

    def __str__(self) -> str:
        return self.name

    def decide(self) -> Decision:
        """Give the answer of the SDK itself."""
        assert self.enquiry.at is not None  # INVARIANT: each file of the corpus fixes its instant
        return assess(
            self.enquiry.collecte,
            self.enquiry.holdings,
            now=self.enquiry.at,
            policy=self.policy,
            recognitions=self.enquiry.recognitions,
        )

    def differences(self, decision: Decision) -> list[str]:
        """Say where a decision is not the expected one, one line each; empty when it is."""
        return _differences(self.name, self.expected, expected(decision))


def cases() -> tuple[Case, ...]:
    """Give every case, by name: made to parametrise a test with, `ids=str`.

    Raises:
        InvalidInput: A file of the corpus was changed and is not a collecte.
        PolicyError: A file of the corpus was changed and is not a policy.
    """
    answers: dict[str, _Answer] = json.loads((_FOLDER / "decisions.json").read_text("utf-8"))
    return tuple(_case(name, answer) for name, answer in sorted(answers.items()))


def _case(name: str, answer: _Answer) -> Case:
    folder = _FOLDER / "collectes"
    content = (folder / f"{name}.json").read_bytes()
    return Case(
        name=name,
        about=answer["about"],
        enquiry=read_collecte(content, files=lambda file: (folder / file).read_bytes(), name=name),
        policy=_policy(answer["policy"]),
        policy_name=answer["policy"],
        expected=answer["expected"],
    )


@cache
def _policy(name: str) -> Policy:
    return read_policy((_FOLDER / "policies" / f"{name}.toml").read_bytes(), name=f"{name}.toml")


def expected(decision: Decision) -> Expected:
    """Put a decision into the form that `decisions.json` keeps."""
    return {
        "verdict": decision.verdict.value,
        "signatories": {str(one.signatory): _signatory(one) for one in decision},
    }


def _signatory(one: SignatoryDecision) -> ExpectedSignatory:
    asked = one.at(one.requested)
    return {
        "requested": one.requested.name,
        "verdict": one.verdict.value,
        "level_required": one.level_required.name,
        "levels_available": [level.name for level in one.levels_available],
        "levels_offered": [level.name for level in one.levels_offered],
        "chosen": one.chosen.as_data() if one.chosen else None,
        "reasons": [finding.rule for finding in one.findings],
        "findings": [
            {
                "rule": finding.rule,
                "outcome": finding.outcome,
                "verdict": finding.verdict.value,
                "certificate": finding.certificate,
                "provider": finding.provider,
                "fields": list(finding.fields),
            }
            for finding in (*asked.demands, *asked.findings)
        ],
    }


def _differences(where: str, wanted: object, given: object) -> list[str]:
    if isinstance(wanted, dict) and isinstance(given, dict):
        keys = dict.fromkeys((*wanted, *given))
        return [line for key in keys for line in _differences(f"{where}: {key}", wanted.get(key), given.get(key))]
    return [] if wanted == given else [f"{where} is {given!r}, not {wanted!r}"]
