"""The checks that rules are made of: a question and a piece of evidence in, one of the rule's outcomes out."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from qcp_sdk.certificates import QC_TYPE_ESIGN, Holding, StatusKind
from qcp_sdk.collectes import Collecte, Signatory
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import FIRST_NAME, HOLDER_FIELDS, LAST_NAME, Reason, compare_holder
from qcp_sdk.policy.evidence import Attestation, Recognition
from qcp_sdk.policy.words import Detail

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
    stated: CertificateLevel | None
    """The level of the certificate in question: worked out once, asked often."""
    level: SignatureLevel
    needed: CertificateLevel


_SPANS: Final = {
    (low, high): frozenset(level for level in CertificateLevel if low <= level <= high)
    for low in CertificateLevel
    for high in CertificateLevel
}
"""The levels from one to another, both included."""


def states_level(q: Question, _evidence: object) -> Answer:
    """Say whether the certificate's level is at least the one needed."""
    if q.stated is None:
        return Answer("none", (), (("needs", q.needed),))
    return Answer("lower" if q.stated < q.needed else "enough", (), (("has", q.stated), ("needs", q.needed)))


def states_qualified(_q: Question, holding: Holding) -> Answer:
    """Say whether the certificate states that it is qualified, for signatures, in the Union."""
    qc = holding.certificate.qc
    if not qc.compliance:
        return Answer("not_stated")
    if QC_TYPE_ESIGN not in qc.types:
        return Answer("not_for_signatures")
    # QcCClegislation names countries outside the Union; certificates of the Union do not have it (§ 4.2.4).
    return Answer("elsewhere", (), (("countries", ", ".join(qc.legislation)),)) if qc.legislation else Answer("stated")


def states_qscd(_q: Question, holding: Holding) -> Answer:
    """Say whether the certificate states that its key is in a qualified device."""
    return Answer("stated" if holding.certificate.qc.qscd else "not_stated")


def is_for_signing(_q: Question, holding: Holding) -> Answer:
    """Say whether the key is meant for signing documents: nonRepudiation, key usage types A, B and F."""
    if holding.certificate.is_ca:
        return Answer("authority")
    return Answer("signatures" if "non_repudiation" in holding.certificate.key_usage else "other")


def issuer_is_trusted(q: Question, holding: Holding) -> Answer:
    """Say whether the issuer is trusted for a level from the one needed up to the one that the certificate states.

    A certificate that states less than is needed is told so by `certificate.level`, and here judged by what it states.
    """
    certificate, policy, stated = holding.certificate, q.policy, q.stated
    named = (("issuer", certificate.issuer_organisation or certificate.issuer),)
    lowest = q.needed if stated is not None and stated >= q.needed else CertificateLevel.LCP
    span = _SPANS[lowest, CertificateLevel.QCP_N_QSCD if stated is None else stated]
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


def is_valid_now(q: Question, holding: Holding) -> Answer:
    """Say whether the certificate's validity has begun and not ended."""
    certificate = holding.certificate
    if q.now < certificate.not_before:
        return Answer("not_yet", (), (("begins", certificate.not_before),))
    # RFC 5280 § 4.1.2.5: valid through notAfter, inclusive.
    return Answer("expired" if q.now > certificate.not_after else "valid", (), (("ends", certificate.not_after),))


def is_valid_through(q: Question, holding: Holding) -> Answer:
    """Say whether the certificate outlives the collecte, with the policy's margin."""
    ends, deadline = holding.certificate.not_after, q.collecte.deadline
    outcome = "too_short" if ends - deadline < q.policy.beyond_deadline else "covers"
    return Answer(outcome, (), (("ends", ends), ("deadline", deadline)))


def is_fresh(q: Question, at: datetime, kind: StatusKind) -> Answer:
    """Say whether what was said at that instant still counts."""
    if kind is StatusKind.UNKNOWN:
        return Answer("unknown", (), (("checked", at),))
    age = q.now - at
    outcome = "future" if age < -SKEW else "stale" if age > q.policy.status_age else "good"
    return Answer(outcome, (), (("checked", at),))


def is_not_revoked(q: Question, holding: Holding) -> Answer:
    """Say whether the issuer says, and said lately enough, that the certificate is good."""
    status = holding.status
    if status.kind is StatusKind.REVOKED:  # however long ago that was heard: revocation is for good (eIDAS 28(4))
        return Answer("revoked", (), (("revoked", status.revoked_at or status.checked_at),))
    return is_fresh(q, status.checked_at, status.kind)


def holder_is_signatory(q: Question, holding: Holding) -> Answer:
    """Say whether the certificate's holder is the signatory, field by field (A4)."""
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


def holder_is_attested(q: Question, attestation: Attestation) -> Answer:
    """Say whether the provider compared every field that the policy asks for."""
    matched = {*attestation.matched, *(_NAMES if "name" in attestation.matched else ())}
    missing = tuple(name for name in HOLDER_FIELDS if name in q.policy.holder_fields and name not in matched)
    return Answer("unstated", missing) if missing else Answer("equal")


def attestation_suffices(q: Question, attestation: Attestation) -> Answer:
    """Say whether the policy believes this provider for this level."""
    span = _SPANS[q.needed, attestation.level]
    named = attestation.provider.casefold()  # adapters tell a name as people read it: `Universign`
    listed = any(each.provider.casefold() == named and each.levels & span for each in q.policy.attestors)
    accepted = listed and q.policy.at(q.level).attestation
    return Answer("accepted" if accepted else "not_seen", (), (("provider", attestation.provider),))
