"""The checks that rules are made of: a question and a piece of evidence in, one of the rule's outcomes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from qcp_sdk.certificates import QC_TYPE_ESIGN, Holding, StatusKind
from qcp_sdk.collectes import Collecte, Signatory
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import FIRST_NAME, LAST_NAME, Reason, compare_holder
from qcp_sdk.policy.decision import Detail
from qcp_sdk.policy.evidence import Attestation, Recognition

if TYPE_CHECKING:
    from qcp_sdk.policy.shapes import Policy

SKEW: Final = timedelta(minutes=5)
"""How far ahead an issuer's clock may be."""


@frozen
class Answer:
    """One of a rule's outcomes, with what its message needs."""

    outcome: str
    fields: tuple[str, ...] = ()
    details: tuple[tuple[str, Detail], ...] = ()


@frozen
class Question:
    """Everything that a check may look at. `level` and `needed` are read by the rules marked `by_level` only."""

    collecte: Collecte
    signatory: Signatory
    now: datetime
    policy: Policy
    recognition: Recognition | None
    level: SignatureLevel
    needed: CertificateLevel


def _level(q: Question, stated: CertificateLevel | None) -> Answer:
    if stated is None:
        return Answer("none", (), (("needs", q.needed),))
    return Answer("lower" if stated < q.needed else "enough", (), (("has", stated), ("needs", q.needed)))


def _qualified(_q: Question, holding: Holding) -> Answer:
    qc = holding.certificate.qc
    if not qc.compliance:
        return Answer("not_stated")
    if QC_TYPE_ESIGN not in qc.types:
        return Answer("not_for_signatures")
    # QcCClegislation names countries outside the Union; certificates of the Union do not have it (§ 4.2.4).
    return Answer("elsewhere", (), (("countries", ", ".join(qc.legislation)),)) if qc.legislation else Answer("stated")


def _qscd(_q: Question, holding: Holding) -> Answer:
    return Answer("stated" if holding.certificate.qc.qscd else "not_stated")


def _purpose(_q: Question, holding: Holding) -> Answer:
    if holding.certificate.is_ca:
        return Answer("authority")
    return Answer("signatures" if "non_repudiation" in holding.certificate.key_usage else "other")


def _issuer(q: Question, holding: Holding) -> Answer:
    """Trusted for some level from what is needed up to what the certificate states; any certificate below, none above."""
    certificate, policy = holding.certificate, q.policy
    named = (("issuer", certificate.issuer_organisation or certificate.issuer),)
    if certificate.level is None:
        return Answer("refused", (), named)
    span = frozenset(level for level in CertificateLevel if q.needed <= level <= certificate.level)
    wanting = False  # somebody would have to look before this can be answered
    for issuer in policy.issuers:
        if issuer.levels & span and issuer.names(certificate):
            if issuer.ca is None or (q.recognition and issuer.ca in q.recognition.authorities):
                return Answer("listed", (), named)
            wanting |= q.recognition is None
    listable = policy.trusted_lists & span
    if listable and q.recognition and q.recognition.levels & listable:
        return Answer("in_trusted_list", (), named)
    wanting |= bool(listable) and q.recognition is None
    return Answer("unknown" if wanting else "refused", (), named)


def _valid_now(q: Question, holding: Holding) -> Answer:
    certificate = holding.certificate
    if q.now < certificate.not_before:
        return Answer("not_yet", (), (("begins", certificate.not_before),))
    # RFC 5280 § 4.1.2.5: valid through notAfter, inclusive.
    return Answer("expired" if q.now > certificate.not_after else "valid", (), (("ends", certificate.not_after),))


def _valid_through(q: Question, holding: Holding) -> Answer:
    ends, deadline = holding.certificate.not_after, q.collecte.deadline
    outcome = "too_short" if ends - deadline < q.policy.beyond_deadline else "covers"
    return Answer(outcome, (), (("ends", ends), ("deadline", deadline)))


def _fresh(q: Question, at: datetime, kind: StatusKind) -> Answer:
    if kind is StatusKind.UNKNOWN:
        return Answer("unknown", (), (("checked", at),))
    age = q.now - at
    outcome = "future" if age < -SKEW else "stale" if age > q.policy.status_age else "good"
    return Answer(outcome, (), (("checked", at),))


def _status(q: Question, holding: Holding) -> Answer:
    status = holding.status
    if status.kind is StatusKind.REVOKED:  # however long ago that was heard: revocation is for good (eIDAS 28(4))
        return Answer("revoked", (), (("revoked", status.revoked_at or status.checked_at),))
    return _fresh(q, status.checked_at, status.kind)


def _holder(q: Question, holding: Holding) -> Answer:
    compared = compare_holder(q.signatory, holding)
    asked = [one for one in compared.fields if one.field in q.policy.holder_fields]
    refused = [one for one in asked if not one.accepted(q.policy.holder_close)]
    differing = tuple(one.field for one in refused if one.reason is not Reason.UNSTATED)
    if differing:
        return Answer("differs", differing)
    if refused:
        return Answer("unstated", tuple(one.field for one in refused))
    allowed = tuple(sorted({each for one in asked for each in one.transformations}))
    return Answer("close", (), (("allowed", allowed),)) if allowed else Answer("equal")


_NAMES: Final = (FIRST_NAME, LAST_NAME)


def _holder_attested(q: Question, attestation: Attestation) -> Answer:
    matched = {*attestation.matched, *(_NAMES if "name" in attestation.matched else ())}
    missing = tuple(name for name in q.policy.holder_fields if name not in matched)
    return Answer("unstated", missing) if missing else Answer("equal")


def _attested(q: Question, attestation: Attestation) -> Answer:
    span = {level for level in CertificateLevel if q.needed <= level <= attestation.level}
    listed = any(each.provider == attestation.provider and each.levels & span for each in q.policy.attestors)
    accepted = listed and q.policy.at(q.level).attestation
    return Answer("accepted" if accepted else "not_seen", (), (("provider", attestation.provider),))
