"""Who may sign at which level: `assess` says it with every reason, `enforce` insists on it.

Pure: the same question has the same answer, whatever the order of signatories, certificates and rules. One
certificate that passes all of a level's rules makes the level available, so one more never takes a level away; each
level asks for all that the level below asks for, so passing one passes those below (`Policy` checks that it is so).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from types import MappingProxyType
from typing import Final, TypeAlias

from qcp_sdk.certificates import Holding
from qcp_sdk.collectes import Collecte, Role
from qcp_sdk.errors import InvalidValue, LevelRefused
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.policy.candidates import Asked, Candidate, answered, candidates, said
from qcp_sdk.policy.checks import Answer
from qcp_sdk.policy.decision import Assessment, Choice, Decision, Finding, SignatoryDecision, Verdict, best, worst
from qcp_sdk.policy.evidence import Attestation, Evidence, Recognition
from qcp_sdk.policy.rules import RULES, Rule, Scope
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.values import Fingerprint, SignatoryId, utc

__all__ = ["Decision", "assess", "enforce", "recheck"]

Holdings: TypeAlias = Mapping[SignatoryId, Sequence[Evidence]]
"""What is known of each signatory's certificates. Nobody listed and nothing listed are the same."""
Recognitions: TypeAlias = Mapping[Fingerprint, Recognition]
"""What was found out about each certificate's issuer; a missing one was not looked up."""
_NOBODY_LOOKED: Final[Recognitions] = MappingProxyType({})
_LOWEST: Final = SignatureLevel.NIVEAU_1


def assess(
    collecte: Collecte,
    holdings: Holdings,
    *,
    now: datetime,
    policy: Policy,
    recognitions: Recognitions = _NOBODY_LOOKED,
) -> Decision:
    """Say for every signatory and every level whether it is available, required and offered, with every finding.

    Raises:
        InvalidValue: `holdings` names somebody who is not a signatory or says two things of one certificate, or an
            instant has no time zone.
    """
    now = utc(now, "now")
    strangers = set(holdings) - {signatory.id for signatory in collecte.signatories}
    if strangers:
        raise InvalidValue(
            f"`{min(strangers)}` is not a signatory of this collecte", where="holdings", mend="use the id of one"
        )
    deadline = Answer("open" if now < collecte.deadline else "over", (), (("deadline", collecte.deadline),))
    opened = answered(RULES["collecte.open"], deadline)
    decided = [
        _decided(Asked(collecte, each, now, policy), holdings.get(each.id, ()), recognitions, opened)
        for each in collecte.signatories
    ]
    return Decision(
        collecte=collecte.id,
        at=now,
        policy_version=policy.version,
        policy_hash=policy.hash,
        signatories=tuple(sorted(decided, key=lambda each: each.signatory)),
    )


def enforce(
    collecte: Collecte,
    holdings: Holdings,
    *,
    now: datetime,
    policy: Policy,
    recognitions: Recognitions = _NOBODY_LOOKED,
) -> Decision:
    """Give the decision when every signatory may sign at the level asked of them (feature E3).

    Raises:
        LevelRefused: Once, for everybody; it carries the decision.
        InvalidValue: As for `assess`.
    """
    decision = assess(collecte, holdings, now=now, policy=policy, recognitions=recognitions)
    if decision.verdict is not Verdict.PASSED:
        who = ", ".join(f"`{each.signatory}` ({each.requested.name} {each.verdict})" for each in decision.refused)
        raise LevelRefused(f"the level asked for is refused to {who}", decision)
    return decision


def recheck(
    collecte: Collecte,
    signatory: SignatoryId,
    evidence: Sequence[Evidence],
    *,
    chosen: Choice | None,
    now: datetime,
    policy: Policy,
    recognitions: Recognitions = _NOBODY_LOOKED,
) -> SignatoryDecision:
    """Say, at the moment of signing, whether the choice of an earlier decision still passes (feature E4).

    Only the chosen certificate counts: another one that would pass was not what the collecte was validated with.

    Raises:
        InvalidValue: As for `assess`, and when the collecte has no such signatory.
    """
    if chosen is not None and chosen.certificate is not None:
        evidence = [
            each
            for each in evidence
            if isinstance(each, Holding) and each.certificate.fingerprint == chosen.certificate
        ]
    elif chosen is not None:
        evidence = [each for each in evidence if isinstance(each, Attestation) and each.provider == chosen.provider]
    decision = assess(collecte, {signatory: evidence}, now=now, policy=policy, recognitions=recognitions)
    return decision.of(signatory)


def _decided(asked: Asked, given: Sequence[Evidence], recognitions: Recognitions, opened: Finding) -> SignatoryDecision:
    policy, signatory = asked.policy, asked.signatory
    known = candidates(given, recognitions)
    assessed, held = [], SignatureLevel.NIVEAU_1
    for level in SignatureLevel:
        assessment, holds = _assessed(asked, level, known, opened)
        assessed.append(assessment)
        if holds:
            held = level
    floor = max((each.level for each in policy.floors if each.concerns(asked.collecte, signatory)), default=_LOWEST)
    bound = policy.third_party_highest and signatory.role is Role.THIRD_PARTY
    wanted = (("level.floor", floor), ("level.highest", held if bound else _LOWEST))
    demands = [(rule, least) for rule, least in wanted if least > _LOWEST]
    if demands:
        assessed = [_demanding(each, demands) for each in assessed]
    return SignatoryDecision(
        signatory=signatory.id,
        requested=signatory.level,
        level_required=max((least for _, least in demands), default=_LOWEST),
        assessments=tuple(assessed),
        certificates=tuple(each.certificate for each in known if each.certificate is not None),
    )


def _assessed(
    asked: Asked, level: SignatureLevel, known: Sequence[Candidate], opened: Finding
) -> tuple[Assessment, bool]:
    """One level's assessment, and whether the signatory holds a certificate for it, though it may not pass."""
    wanted = asked.policy.at(level)
    about_collecte, about_certificates = _ordered(wanted.rules)
    if not wanted.rules:
        closed = said("level.open", "closed", level)
        return Assessment(level=level, verdict=Verdict.FAILED, findings=(closed,)), False
    general = [opened] if about_collecte else []
    if wanted.certificate is None or not known:
        if wanted.certificate is not None:
            general.append(said("certificate.held", "none"))
        return Assessment(level=level, verdict=worst(one.verdict for one in general), findings=tuple(general)), False
    found = [candidate.findings(asked, about_certificates, level, wanted.certificate) for candidate in known]
    verdicts = [worst(one.verdict for one in each) for each in found]
    verdict = worst((best(verdicts), *(one.verdict for one in general)))
    passing = [candidate for candidate, each in zip(known, verdicts, strict=True) if each is Verdict.PASSED]
    chosen = min(passing, key=lambda each: each.preference).choice if verdict is Verdict.PASSED else None
    holds = any(all(one.verdict in RULES[one.rule].tolerated for one in each) for each in found)
    findings = (*general, *chain.from_iterable(found))
    return Assessment(level=level, verdict=verdict, findings=findings, chosen=chosen), holds


@lru_cache(maxsize=64)
def _ordered(rules: tuple[str, ...]) -> tuple[tuple[Rule, ...], tuple[Rule, ...]]:
    """A level's rules about the collecte and about certificates, in the order in which findings are shown."""
    ordered = [RULES[rule] for rule in RULES if rule in rules]
    return (
        tuple(rule for rule in ordered if rule.scope is Scope.COLLECTE),
        tuple(rule for rule in ordered if rule.scope is Scope.CERTIFICATE),
    )


def _demanding(each: Assessment, demands: Sequence[tuple[str, SignatureLevel]]) -> Assessment:
    findings = tuple(said(rule, "below" if each.level < least else "reached", least) for rule, least in demands)
    return Assessment(
        level=each.level, verdict=each.verdict, findings=each.findings, demands=findings, chosen=each.chosen
    )
