"""Who may sign at which level, and why: rules as data, a policy in TOML, a decision with every reason.

`assess` answers, `enforce` insists, `recheck` asks again at the moment of signing (behaviour § 5).
"""

from qcp_sdk.policy.assess import Holdings, Recognitions, assess, enforce, recheck
from qcp_sdk.policy.decision import Assessment, Choice, Decision, Finding, SignatoryDecision, Verdict
from qcp_sdk.policy.evidence import Attestation, Evidence, Recognition
from qcp_sdk.policy.load import default_policy, default_text, read_policy
from qcp_sdk.policy.rules import RULES, Rule
from qcp_sdk.policy.shapes import CLOSED, Attestor, Floor, Issuer, LevelRules, Policy

__all__ = [
    "CLOSED",
    "RULES",
    "Assessment",
    "Attestation",
    "Attestor",
    "Choice",
    "Decision",
    "Evidence",
    "Finding",
    "Floor",
    "Holdings",
    "Issuer",
    "LevelRules",
    "Policy",
    "Recognition",
    "Recognitions",
    "Rule",
    "SignatoryDecision",
    "Verdict",
    "assess",
    "default_policy",
    "default_text",
    "enforce",
    "read_policy",
    "recheck",
]
