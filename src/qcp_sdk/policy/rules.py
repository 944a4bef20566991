"""The rules, as data: each with its id, its source, what it can answer, and the function that answers.

A policy says at which level each rule is asked. What a level's name means cannot be left out of it: a rule with a
`mandatory` level is asked from that level up, whatever the policy. `RULES` is in the order in which findings are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from attrs import field, frozen

from qcp_sdk.certificates import Holding, StatusKind
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.policy import checks
from qcp_sdk.policy.checks import Answer, Question
from qcp_sdk.policy.decision import Verdict
from qcp_sdk.policy.evidence import Attestation

PASSED, FAILED, INDETERMINATE = Verdict.PASSED, Verdict.FAILED, Verdict.INDETERMINATE


class Scope(StrEnum):
    """What a rule is about."""

    COLLECTE = "collecte"
    SIGNATORY = "signatory"
    CERTIFICATE = "certificate"
    DEMAND = "demand"
    """How high the level must be; asked of every level, listed in none."""


OfHolding: TypeAlias = Callable[[Question, Holding], Answer]
OfAttestation: TypeAlias = Callable[[Question, Attestation], Answer]


@frozen(kw_only=True)
class Rule:
    """One rule. `holding` answers for a certificate that was seen, `attestation` for one that was not.

    A rule without the one or the other has nothing to say of that kind of evidence.
    """

    id: str
    source: str
    scope: Scope
    outcomes: Mapping[str, Verdict]
    mandatory: SignatureLevel | None = None
    by_level: bool = False
    holding: OfHolding | None = field(default=None, repr=False)
    attestation: OfAttestation | None = field(default=None, repr=False)
    tolerated: tuple[Verdict, ...] = (PASSED,)
    """The verdicts with which a third party still counts as holding the certificate (`level.highest`)."""


_NIVEAU_2, _NIVEAU_3, _NIVEAU_4 = SignatureLevel.NIVEAU_2, SignatureLevel.NIVEAU_3, SignatureLevel.NIVEAU_4

_ALL: Final = (
    Rule(
        id="collecte.open",
        source="guide E2; behaviour § 6",
        scope=Scope.COLLECTE,
        outcomes={"open": PASSED, "over": FAILED},
    ),
    Rule(id="level.open", source="policy: levels", scope=Scope.DEMAND, outcomes={"closed": FAILED}),
    Rule(id="level.floor", source="policy: floors", scope=Scope.DEMAND, outcomes={"reached": PASSED, "below": FAILED}),
    Rule(
        id="level.highest",
        source="existing platform, help article 17818304285724; policy: third_party_highest",
        scope=Scope.DEMAND,
        outcomes={"reached": PASSED, "below": FAILED},
    ),
    Rule(
        id="certificate.held",
        source="eIDAS art. 26; guide E3",
        scope=Scope.SIGNATORY,
        outcomes={"none": FAILED},
        mandatory=_NIVEAU_2,
    ),
    Rule(
        id="attestation.suffices",
        source="behaviour § 1, hosted plan; policy: attestors",
        scope=Scope.CERTIFICATE,
        outcomes={"accepted": PASSED, "not_seen": INDETERMINATE},
        mandatory=_NIVEAU_2,
        by_level=True,
        attestation=checks.attestation_suffices,
    ),
    Rule(
        id="certificate.level",
        source="ETSI EN 319 411-1 § 5.3; ETSI EN 319 411-2 § 5.3",
        scope=Scope.CERTIFICATE,
        outcomes={"enough": PASSED, "lower": FAILED, "none": FAILED},
        mandatory=_NIVEAU_2,
        by_level=True,
        holding=checks.states_level,
        attestation=checks.states_level,
    ),
    Rule(
        id="certificate.qualified",
        source="eIDAS art. 28; ETSI EN 319 412-5 § 4.2.1, § 4.2.3, § 4.2.4",
        scope=Scope.CERTIFICATE,
        outcomes={"stated": PASSED, "not_stated": FAILED, "not_for_signatures": FAILED, "elsewhere": FAILED},
        mandatory=_NIVEAU_3,
        holding=checks.states_qualified,
    ),
    Rule(
        id="certificate.qscd",
        source="eIDAS art. 3(12); ETSI EN 319 412-5 § 4.2.2",
        scope=Scope.CERTIFICATE,
        outcomes={"stated": PASSED, "not_stated": FAILED},
        mandatory=_NIVEAU_4,
        holding=checks.states_qscd,
    ),
    Rule(
        id="certificate.purpose",
        source="ETSI EN 319 412-2 § 4.3.2",
        scope=Scope.CERTIFICATE,
        outcomes={"signatures": PASSED, "authority": FAILED, "other": FAILED},
        holding=checks.is_for_signing,
    ),
    Rule(
        id="issuer.recognised",
        source="eIDAS art. 22; ETSI TS 119 615 § 4.4; policy: issuers, trusted_lists",
        scope=Scope.CERTIFICATE,
        outcomes={"listed": PASSED, "in_trusted_list": PASSED, "unknown": INDETERMINATE, "refused": FAILED},
        mandatory=_NIVEAU_2,
        by_level=True,
        holding=checks.issuer_is_trusted,
    ),
    Rule(
        id="validity.now",
        source="RFC 5280 § 4.1.2.5",
        scope=Scope.CERTIFICATE,
        outcomes={"valid": PASSED, "not_yet": FAILED, "expired": FAILED},
        mandatory=_NIVEAU_2,
        holding=checks.is_valid_now,
    ),
    Rule(
        id="validity.deadline",
        source="behaviour § 5; policy: margins.beyond_deadline",
        scope=Scope.CERTIFICATE,
        outcomes={"covers": PASSED, "too_short": FAILED},
        holding=checks.is_valid_through,
    ),
    Rule(
        id="status.good",
        source="eIDAS art. 24(3), 28(4); policy: margins.status_age",
        scope=Scope.CERTIFICATE,
        outcomes={
            "good": PASSED,
            "revoked": FAILED,
            "unknown": INDETERMINATE,
            "stale": INDETERMINATE,
            "future": INDETERMINATE,
        },
        mandatory=_NIVEAU_2,
        holding=checks.is_not_revoked,
        attestation=lambda q, attestation: checks.is_fresh(q, attestation.at, StatusKind.GOOD),
        tolerated=(PASSED, INDETERMINATE),
    ),
    Rule(
        id="holder.matches",
        source="eIDAS art. 26(b); guide A4; policy: holder",
        scope=Scope.CERTIFICATE,
        outcomes={"equal": PASSED, "close": PASSED, "differs": FAILED, "unstated": INDETERMINATE},
        mandatory=_NIVEAU_2,
        holding=checks.holder_is_signatory,
        attestation=checks.holder_is_attested,
        tolerated=(PASSED, INDETERMINATE, FAILED),
    ),
)

RULES: Final[Mapping[str, Rule]] = {rule.id: rule for rule in _ALL}
LISTABLE: Final = tuple(rule.id for rule in _ALL if rule.scope is not Scope.DEMAND)
"""The rules that a policy may list at a level."""


def mandatory_at(level: SignatureLevel) -> tuple[str, ...]:
    """Give the rules that this level's name cannot do without."""
    return tuple(rule.id for rule in _ALL if rule.mandatory is not None and rule.mandatory <= level)
