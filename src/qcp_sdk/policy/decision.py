"""The answer to "who may sign at which level": every finding, and a snapshot that can be kept and named by its hash.

Two things are told apart throughout:

- a level is *available* to a signatory when its rules pass (`Assessment.verdict`). One more certificate never makes a
  level unavailable;
- a level is *required* of a signatory by a floor, or because a third party holds a certificate for it. One more
  certificate may raise what is required.

*Offered* is what is available and not below what is required: the choices to show (feature E1). No decision holds
personal data: people are ids, certificates are fingerprints.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from enum import StrEnum

from attrs import frozen

from qcp_sdk.errors import InvalidValue
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.people import LANGUAGES
from qcp_sdk.policy import texts
from qcp_sdk.policy.words import Detail, plain
from qcp_sdk.values import CollecteId, ContentHash, Fingerprint, SignatoryId


class Verdict(StrEnum):
    """The three answers of ETSI TS 119 102-1 § 5.1. Only PASSED passes."""

    PASSED = "passed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"
    """Nobody knows (yet)."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Give the worst verdict. None at all is ignorance, and does not pass."""
    answer = None
    for verdict in verdicts:
        if verdict is Verdict.FAILED:
            return verdict
        if answer is None or verdict is Verdict.INDETERMINATE:
            answer = verdict
    return answer or Verdict.INDETERMINATE


def best(verdicts: Collection[Verdict]) -> Verdict:
    """Give the best verdict: one certificate is enough."""
    ordered = (Verdict.PASSED, Verdict.INDETERMINATE)
    return next((verdict for verdict in ordered if verdict in verdicts), Verdict.FAILED)


@frozen(kw_only=True)
class Finding:
    """What one rule says, and of what."""

    rule: str
    outcome: str
    """A stable word: which of the rule's answers this is."""
    verdict: Verdict
    source: str
    """Where the rule is written."""
    certificate: Fingerprint | None = None
    """The certificate that it is about; None for the collecte, the person, or an attestation."""
    provider: str = ""
    """The provider whose attestation it is about."""
    fields: tuple[str, ...] = ()
    """Names of the fields that differ, or are not stated."""
    details: tuple[tuple[str, Detail], ...] = ()

    def message(self, language: str) -> str:
        """Say it to a person, in `fr` or `en`."""
        return texts.message(self.rule, self.outcome, self.fields, self.details, language)

    def remedy(self, language: str) -> str:
        """Say what would help, in `fr` or `en`; empty when nothing needs to."""
        return texts.remedy(self.rule, self.outcome, self.fields, self.details, language)

    def as_data(self, *, worded: bool = False) -> dict[str, object]:
        """Give it as JSON can hold it, with its wording where asked for."""
        data: dict[str, object] = {
            "rule": self.rule,
            "outcome": self.outcome,
            "verdict": self.verdict.value,
            "source": self.source,
            "certificate": self.certificate,
            "provider": self.provider,
            "fields": list(self.fields),
            "details": {key: plain(detail) for key, detail in self.details},
        }
        if worded:
            data["message"] = {language: self.message(language) for language in LANGUAGES}
            data["remedy"] = {language: self.remedy(language) for language in LANGUAGES}
        return data


@frozen(kw_only=True)
class Choice:
    """The certificate to sign with; seen, or attested by its provider."""

    level: CertificateLevel
    certificate: Fingerprint | None = None
    provider: str = ""

    def as_data(self) -> dict[str, object]:
        """Give it as JSON can hold it."""
        return {"level": self.level.name, "certificate": self.certificate, "provider": self.provider}


@frozen(kw_only=True)
class Assessment:
    """Whether one signatory may sign at one level."""

    level: SignatureLevel
    verdict: Verdict
    """Whether the level is available. `demands` do not enter."""
    findings: tuple[Finding, ...]
    """Every finding about every certificate; one certificate that passes is enough."""
    demands: tuple[Finding, ...] = ()
    """Whether the level is as high as it must be for this signatory."""
    chosen: Choice | None = None
    """What to sign with, when the level is available and needs a certificate: the least that suffices, then the
    longest valid."""

    @property
    def offered(self) -> bool:
        """Whether the signatory may be given this level: available, and not below what is required."""
        return self.verdict is Verdict.PASSED and all(demand.verdict is Verdict.PASSED for demand in self.demands)

    @property
    def reasons(self) -> tuple[Finding, ...]:
        """Every finding that speaks against it; empty when the level is offered."""
        against = self.findings if self.verdict is not Verdict.PASSED else ()
        return tuple(finding for finding in (*self.demands, *against) if finding.verdict is not Verdict.PASSED)

    def as_data(self, *, worded: bool = False) -> dict[str, object]:
        """Give it as JSON can hold it, with its wording where asked for."""
        return {
            "level": self.level.name,
            "verdict": self.verdict.value,
            "offered": self.offered,
            "findings": [finding.as_data(worded=worded) for finding in self.findings],
            "demands": [finding.as_data(worded=worded) for finding in self.demands],
            "chosen": self.chosen.as_data() if self.chosen else None,
        }


@frozen(kw_only=True)
class SignatoryDecision:
    """What one signatory may do, level by level, and whether the level asked for is among it."""

    signatory: SignatoryId
    requested: SignatureLevel
    level_required: SignatureLevel
    """The lowest level that may be asked of this signatory."""
    assessments: tuple[Assessment, ...]
    """One a level, lowest first."""
    certificates: tuple[Fingerprint, ...] = ()
    """Every certificate that was looked at."""

    def at(self, level: SignatureLevel) -> Assessment:
        """Give the assessment of this level."""
        return self.assessments[level - 1]

    @property
    def verdict(self) -> Verdict:
        """PASSED when the level asked for is available and not below the required one."""
        asked = self.at(self.requested)
        return worst((asked.verdict, *(demand.verdict for demand in asked.demands)))

    @property
    def levels_available(self) -> tuple[SignatureLevel, ...]:
        """The levels whose rules pass."""
        return tuple(each.level for each in self.assessments if each.verdict is Verdict.PASSED)

    @property
    def levels_offered(self) -> tuple[SignatureLevel, ...]:
        """The choices to show: available, and not below the required one. May be empty: then `findings` says why."""
        return tuple(each.level for each in self.assessments if each.offered)

    @property
    def chosen(self) -> Choice | None:
        """What to sign with; None when refused, and where no certificate is needed."""
        return self.at(self.requested).chosen if self.verdict is Verdict.PASSED else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why it is refused, with what stands in the way of the required level; empty when it is not refused."""
        if self.verdict is Verdict.PASSED:
            return ()
        asked = self.at(self.requested).reasons
        above = self.at(self.level_required).reasons if self.level_required > self.requested else ()
        return tuple(dict.fromkeys((*asked, *above)))

    def as_data(self, *, worded: bool = False) -> dict[str, object]:
        """Give it as JSON can hold it, with its wording where asked for."""
        return {
            "signatory": self.signatory,
            "requested": self.requested.name,
            "verdict": self.verdict.value,
            "level_required": self.level_required.name,
            "levels_available": [level.name for level in self.levels_available],
            "levels_offered": [level.name for level in self.levels_offered],
            "chosen": self.chosen.as_data() if self.chosen else None,
            "certificates": list(self.certificates),
            "assessments": [each.as_data(worded=worded) for each in self.assessments],
        }


@frozen(kw_only=True)
class Decision:
    """Everything that was found out about a collecte, by which policy, from which certificates, and when."""

    collecte: CollecteId
    at: datetime
    policy_version: str
    policy_hash: ContentHash
    signatories: tuple[SignatoryDecision, ...]
    """Ordered by id, so that equal questions have equal answers."""

    def __iter__(self) -> Iterator[SignatoryDecision]:
        return iter(self.signatories)

    def of(self, signatory: SignatoryId) -> SignatoryDecision:
        """Give what was decided about this signatory.

        Raises:
            InvalidValue: The decision is not about them.
        """
        for each in self.signatories:
            if each.signatory == signatory:
                return each
        raise InvalidValue(
            f"`{signatory}` is not a signatory of this decision", where="signatory", mend="use the id of one"
        )

    @property
    def verdict(self) -> Verdict:
        """The worst of the signatories' verdicts."""
        return worst(each.verdict for each in self.signatories)

    @property
    def refused(self) -> tuple[SignatoryDecision, ...]:
        """The signatories who may not sign at the level asked of them."""
        return tuple(each for each in self.signatories if each.verdict is not Verdict.PASSED)

    @property
    def findings(self) -> tuple[tuple[SignatoryId, Finding], ...]:
        """Every reason for every refusal, with whom it is about."""
        return tuple((each.signatory, finding) for each in self.refused for finding in each.findings)

    @property
    def certificates(self) -> tuple[tuple[SignatoryId, Fingerprint], ...]:
        """With which certificate each accepted signatory signs, where it was seen."""
        pairs = ((each.signatory, each.chosen) for each in self.signatories)
        return tuple((who, chosen.certificate) for who, chosen in pairs if chosen and chosen.certificate)

    @property
    def hash(self) -> ContentHash:
        """Name this decision: SHA-256 over its canonical JSON. Rewording a message does not change it."""
        text = json.dumps(self.as_data(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return ContentHash(f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}")

    def as_data(self, *, worded: bool = False) -> dict[str, object]:
        """Give it as JSON can hold it, with its wording where asked for. What is hashed is without."""
        return {
            "collecte": self.collecte,
            "at": plain(self.at),
            "policy": {"version": self.policy_version, "hash": self.policy_hash},
            "verdict": self.verdict.value,
            "signatories": [each.as_data(worded=worded) for each in self.signatories],
        }
