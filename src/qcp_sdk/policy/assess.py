"""Who may sign at which level: `assess` says it with every reason, `enforce` insists on it.

Pure: the same question has the same answer, whatever the order of signatories, certificates and rules. One
certificate that passes all of a level's rules makes the level available, so one more never takes a level away; each
level asks for all that the level below asks for, so passing one passes those below (`Policy` checks that it is so).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeAlias

from attrs import frozen

from qcp_sdk.certificates import Holding
from qcp_sdk.collectes import Collecte, Role, Signatory
from qcp_sdk.errors import InvalidValue, LevelRefused
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.policy.checks import Answer, Question
from qcp_sdk.policy.decision import (
    SEVERITY,
    Assessment,
    Choice,
    Decision,
    Finding,
    SignatoryDecision,
    Verdict,
    combined,
)
from qcp_sdk.policy.evidence import Attestation, Evidence, Recognition
from qcp_sdk.policy.rules import ORDER, RULES, Rule, Scope
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.values import Fingerprint, SignatoryId, utc

__all__ = ["Decision", "assess", "enforce", "recheck"]

Holdings: TypeAlias = Mapping[SignatoryId, Sequence[Evidence]]
"""What is known of each signatory's certificates. Nobody listed and nothing listed are the same."""
Recognitions: TypeAlias = Mapping[Fingerprint, Recognition]
"""What was found out about each certificate's issuer; a missing one was not looked up."""
_NOBODY_LOOKED: Final[Recognitions] = MappingProxyType({})


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
        raise InvalidValue(f"`{min(strangers)}` is not a signatory of this collecte", where="holdings")
    opened = _answered("collecte.open", Answer("open" if now < collecte.deadline else "over", (), _deadline(collecte)))
    decided = [
        _Case(collecte, signatory, now, policy, recognitions, opened).decided(holdings.get(signatory.id, ()))
        for signatory in collecte.signatories
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
        evidence = [each for each in evidence if _certificate(each) == chosen.certificate]
    elif chosen is not None:
        evidence = [each for each in evidence if isinstance(each, Attestation) and each.provider == chosen.provider]
    decision = assess(collecte, {signatory: evidence}, now=now, policy=policy, recognitions=recognitions)
    return decision.of(signatory)


@frozen
class _Case:
    """One signatory's question."""

    collecte: Collecte
    signatory: Signatory
    now: datetime
    policy: Policy
    recognitions: Recognitions
    opened: Finding

    def decided(self, given: Sequence[Evidence]) -> SignatoryDecision:
        evidence = _settled(given)
        shared: dict[tuple[int, str], Finding] = {}
        assessed, held = [], SignatureLevel.NIVEAU_1
        for level in SignatureLevel:
            assessment, holds = self._assessed(level, evidence, shared)
            assessed.append(assessment)
            if holds:
                held = level
        floor = max(
            (each.level for each in self.policy.floors if each.concerns(self.collecte, self.signatory)),
            default=SignatureLevel.NIVEAU_1,
        )
        bound = self.policy.third_party_highest and self.signatory.role is Role.THIRD_PARTY
        wanted = (("level.floor", floor), ("level.highest", held if bound else SignatureLevel.NIVEAU_1))
        demands = [(rule, least) for rule, least in wanted if least > SignatureLevel.NIVEAU_1]
        return SignatoryDecision(
            signatory=self.signatory.id,
            requested=self.signatory.level,
            level_required=max((least for _, least in demands), default=SignatureLevel.NIVEAU_1),
            assessments=tuple(
                Assessment(
                    level=each.level,
                    verdict=each.verdict,
                    findings=each.findings,
                    demands=tuple(_demanded(rule, least, each.level) for rule, least in demands),
                    chosen=each.chosen,
                )
                for each in assessed
            ),
            certificates=tuple(each.certificate.fingerprint for each in evidence if isinstance(each, Holding)),
        )

    def _assessed(
        self, level: SignatureLevel, evidence: Sequence[Evidence], shared: dict[tuple[int, str], Finding]
    ) -> tuple[Assessment, bool]:
        """One level's assessment, and whether the signatory holds a certificate for it, though it may not pass."""
        asked = self.policy.at(level)
        rules = _ordered(asked.rules)
        if not rules:
            closed = _answered("level.open", Answer("closed", (), (("level", level),)))
            return Assessment(level=level, verdict=Verdict.FAILED, findings=(closed,)), False
        general = [self.opened] if rules[0].scope is Scope.COLLECTE else []
        if asked.certificate is None:
            return Assessment(level=level, verdict=combined(general), findings=tuple(general)), False
        if not evidence:
            general.append(_answered("certificate.held", Answer("none")))
            return Assessment(level=level, verdict=combined(general), findings=tuple(general)), False
        findings, passing, verdicts, holds = list(general), [], [], False
        about = [rule for rule in rules if rule.scope is Scope.CERTIFICATE]
        for at, one in enumerate(evidence):
            found = self._found(about, level, asked.certificate, at, one, shared)
            findings += found
            verdicts.append(combined(found))
            holds |= all(SEVERITY[each.verdict] <= SEVERITY[RULES[each.rule].tolerated] for each in found)
            if verdicts[-1] is Verdict.PASSED:
                passing.append(one)
        best = min(verdicts, key=SEVERITY.__getitem__)
        verdict = max((best, *(each.verdict for each in general)), key=SEVERITY.__getitem__)
        chosen = _choice(min(passing, key=_preference)) if verdict is Verdict.PASSED else None
        assessment = Assessment(level=level, verdict=verdict, findings=tuple(findings), chosen=chosen)
        return assessment, holds

    def _found(
        self,
        rules: Sequence[Rule],
        level: SignatureLevel,
        needed: CertificateLevel,
        at: int,
        one: Evidence,
        shared: dict[tuple[int, str], Finding],
    ) -> list[Finding]:
        recognition = self.recognitions.get(one.certificate.fingerprint) if isinstance(one, Holding) else None
        question = Question(self.collecte, self.signatory, self.now, self.policy, recognition, level, needed)
        found = []
        for rule in rules:
            finding = shared.get((at, rule.id))
            if finding is None:
                if isinstance(one, Holding):
                    if rule.holding is None:
                        continue
                    answer, fingerprint, provider = rule.holding(question, one), one.certificate.fingerprint, ""
                else:
                    if rule.attestation is None:
                        continue
                    answer, fingerprint, provider = rule.attestation(question, one), None, one.provider
                finding = _answered(rule.id, answer, fingerprint, provider)
                if not rule.by_level:
                    shared[at, rule.id] = finding
            found.append(finding)
        return found


def _answered(rule: str, answer: Answer, certificate: Fingerprint | None = None, provider: str = "") -> Finding:
    known = RULES[rule]
    return Finding(
        rule=rule,
        outcome=answer.outcome,
        verdict=known.outcomes[answer.outcome],
        source=known.source,
        certificate=certificate,
        provider=provider,
        fields=answer.fields,
        details=answer.details,
    )


@lru_cache(maxsize=64)
def _ordered(rules: tuple[str, ...]) -> tuple[Rule, ...]:
    return tuple(sorted((RULES[rule] for rule in set(rules)), key=lambda rule: ORDER[rule.id]))


def _demanded(rule: str, least: SignatureLevel, level: SignatureLevel) -> Finding:
    return _answered(rule, Answer("below" if level < least else "reached", (), (("level", least),)))


def _deadline(collecte: Collecte) -> tuple[tuple[str, datetime]]:
    return (("deadline", collecte.deadline),)


def _certificate(evidence: Evidence) -> Fingerprint | None:
    return evidence.certificate.fingerprint if isinstance(evidence, Holding) else None


def _settled(given: Sequence[Evidence]) -> list[Evidence]:
    """The evidence in an order of its own, each once, every instant in a time zone."""
    seen: dict[Fingerprint, Holding] = {}
    attested: set[Attestation] = set()
    for each in given:
        if isinstance(each, Attestation):
            attested.add(each)
            continue
        certificate = each.certificate
        for moment in (certificate.not_before, certificate.not_after, each.status.checked_at, each.status.revoked_at):
            if moment is not None and moment.tzinfo is None:
                utc(moment, "holdings")
        if seen.setdefault(certificate.fingerprint, each) != each:
            raise InvalidValue(
                f"two things are said of the certificate `{certificate.fingerprint}`",
                where="holdings",
                mend="give each certificate once, with the latest word on its status",
            )
    by_name = sorted(attested, key=lambda each: (each.provider, each.level, each.at, each.matched))
    return [*(seen[fingerprint] for fingerprint in sorted(seen)), *by_name]


def _level(evidence: Evidence) -> CertificateLevel:
    level = evidence.certificate.level if isinstance(evidence, Holding) else evidence.level
    assert level is not None  # INVARIANT: it passed `certificate.level`, which every such level asks
    return level


def _preference(evidence: Evidence) -> tuple[bool, CertificateLevel, float, str]:
    """Seen before attested, the least that suffices, the longest valid; then any, but always the same."""
    if isinstance(evidence, Attestation):
        return True, evidence.level, -evidence.at.timestamp(), evidence.provider
    certificate = evidence.certificate
    return False, _level(evidence), -certificate.not_after.timestamp(), certificate.fingerprint


def _choice(evidence: Evidence) -> Choice:
    if isinstance(evidence, Attestation):
        return Choice(level=evidence.level, provider=evidence.provider)
    return Choice(level=_level(evidence), certificate=evidence.certificate.fingerprint)
