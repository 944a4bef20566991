"""One certificate of one signatory, held against the rules; what was found out once serves every level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import Factory, frozen

from qcp_sdk.certificates import Holding
from qcp_sdk.collectes import Collecte, Signatory
from qcp_sdk.errors import InvalidValue
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.policy.checks import Answer, Question
from qcp_sdk.policy.decision import Choice, Finding
from qcp_sdk.policy.evidence import Attestation, Evidence, Recognition
from qcp_sdk.policy.rules import RULES, Rule
from qcp_sdk.policy.shapes import Policy
from qcp_sdk.values import Fingerprint, utc


def answered(rule: Rule, answer: Answer, certificate: Fingerprint | None = None, provider: str = "") -> Finding:
    """Make a rule's answer the finding that is shown and kept."""
    return Finding(
        rule=rule.id,
        outcome=answer.outcome,
        verdict=rule.outcomes[answer.outcome],
        source=rule.source,
        certificate=certificate,
        provider=provider,
        fields=answer.fields,
        details=answer.details,
    )


def said(rule: str, outcome: str, level: SignatureLevel | None = None) -> Finding:
    """Make a finding that is about no certificate."""
    return answered(RULES[rule], Answer(outcome, (), () if level is None else (("level", level),)))


@frozen
class Asked:
    """What is the same for every certificate of one signatory."""

    collecte: Collecte
    signatory: Signatory
    now: datetime
    policy: Policy


@frozen
class Candidate:
    """One piece of evidence. `certificate` is None for an attestation, `provider` empty for a certificate seen."""

    evidence: Evidence
    stated: CertificateLevel | None
    certificate: Fingerprint | None
    provider: str
    recognition: Recognition | None
    found: dict[str, Finding] = Factory(dict)
    """Findings that are the same at every level."""

    def findings(
        self, asked: Asked, rules: Sequence[Rule], level: SignatureLevel, needed: CertificateLevel
    ) -> list[Finding]:
        """Give what each rule says at this level, in the rules' order; a rule may have nothing to say."""
        question, evidence, found = None, self.evidence, []
        for rule in rules:
            finding = self.found.get(rule.id)
            if finding is None:
                question = question or Question(
                    *(asked.collecte, asked.signatory, asked.now, asked.policy),
                    *(self.recognition, self.stated, level, needed),
                )
                if isinstance(evidence, Attestation):
                    answer = rule.attestation(question, evidence) if rule.attestation else None
                else:
                    answer = rule.holding(question, evidence) if rule.holding else None
                if answer is None:
                    continue
                finding = answered(rule, answer, self.certificate, self.provider)
                if not rule.by_level:
                    self.found[rule.id] = finding
            found.append(finding)
        return found

    @property
    def choice(self) -> Choice:
        """The certificate as something to sign with."""
        assert self.stated is not None  # INVARIANT: it passed `certificate.level`, which every such level asks
        return Choice(level=self.stated, certificate=self.certificate, provider=self.provider)

    @property
    def preference(self) -> tuple[bool, int, float, str]:
        """What is chosen first: seen before attested, the least that suffices, the longest valid; else by name."""
        evidence, level = self.evidence, self.choice.level
        if isinstance(evidence, Attestation):
            return True, level, -evidence.at.timestamp(), self.provider
        return False, level, -evidence.certificate.not_after.timestamp(), evidence.certificate.fingerprint


def candidates(given: Sequence[Evidence], recognitions: Mapping[Fingerprint, Recognition]) -> tuple[Candidate, ...]:
    """Put the evidence into an order of its own, each piece once.

    Raises:
        InvalidValue: Two things are said of one certificate, or an instant has no time zone.
    """
    seen: dict[Fingerprint, Holding] = {}
    attested: set[Attestation] = set()
    for each in given:
        if isinstance(each, Attestation):
            attested.add(each)
            continue
        certificate, status = each.certificate, each.status
        for moment in (certificate.not_before, certificate.not_after, status.checked_at, status.revoked_at):
            if moment is not None and moment.tzinfo is None:
                utc(moment, "holdings")
        before = seen.get(certificate.fingerprint)
        if before is not None and before != each:
            raise InvalidValue(
                f"two things are said of the certificate `{certificate.fingerprint}`",
                where="holdings",
                mend="give each certificate once, with the latest word on its status",
            )
        seen[certificate.fingerprint] = each
    by_name = sorted(attested, key=lambda each: (each.provider, each.level, each.at, each.matched))
    return (
        *(
            Candidate(seen[name], seen[name].certificate.level, name, "", recognitions.get(name))
            for name in sorted(seen)
        ),
        *(Candidate(each, each.level, None, each.provider, None) for each in by_name),
    )
