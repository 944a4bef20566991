"""From what was found to what it is worth: the level that a signature reached, and why. Pure.

The rule of niveau 3: the signature passes EN 319 102-1, *and* the document's integrity holds, *and* its certificate is
qualified for electronic signatures by a trusted list, both when it was issued and at the best signature time
(TS 119 172-4 § 4.4.2). Niveau 4 wants a QSCD besides. What passes and is less is niveau 2; what is intact but of
someone unknown is a simple signature, niveau 1; anything else is worth nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import evolve, field, frozen

from qcp_sdk.certificates import QC_TYPE_ESEAL, QC_TYPE_ESIGN, Certificate
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.verification.facts import SignatureFacts
from qcp_sdk.verification.qualification import Assessment
from qcp_sdk.verification.report import (
    Indication,
    Qualification,
    QualifiedAt,
    Reason,
    SignatureReport,
    TimeSource,
    TimestampReport,
    reason,
)
from qcp_sdk.verification.services import Service
from qcp_sdk.verification.texts import BY_SUB_INDICATION

_ORGANISATION: Final = frozenset({"2.5.4.10", "2.5.4.97"})
_PERSON: Final = frozenset({"2.5.4.4", "2.5.4.42", "2.5.4.65"})
"""surname, givenName, pseudonym: one of them stands in every natural person's certificate (EN 319 412-2 § 4.2.4)."""

_WORTH_NOTHING: Final = frozenset(
    {
        "REVOKED",
        "REVOKED_NO_POE",
        "REVOKED_CA_NO_POE",
        "CRYPTO_CONSTRAINTS_FAILURE",
        "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
    }
)
"""Not even simple: the key may be anybody's by now."""


@frozen(kw_only=True)
class Standing:
    """What is known of the certificate besides the signature."""

    certificate: Certificate | None = None
    subject_attributes: frozenset[str] = frozenset()
    services: tuple[Service, ...] = field(default=(), repr=False)
    """Listed services on the trust path, nearest first."""
    at_issuance: Assessment | None = None
    at_signing: Assessment | None = None

    @property
    def is_seal(self) -> bool:
        """Whether it is an organisation's certificate (EN 319 412-3) and not a person's."""
        if self.certificate is None:
            return False
        types = self.certificate.qc.types
        if QC_TYPE_ESEAL in types and QC_TYPE_ESIGN not in types:
            return True
        return bool(self.subject_attributes & _ORGANISATION) and not self.subject_attributes & _PERSON


def verdict(
    facts: SignatureFacts, standing: Standing, *, timestamps: tuple[TimestampReport, ...], names: tuple[str, ...],
    now: datetime, extra: tuple[Reason, ...] = (),
) -> SignatureReport:  # fmt: skip
    """Say what a signature is worth. `names` are those of the trust path; `extra` reasons stand last."""
    certificate = standing.certificate
    report = SignatureReport(
        field_name=facts.field_name,
        indication=facts.indication,
        sub_indication=facts.sub_indication,
        signer=_signer(certificate),
        certificate=certificate.fingerprint if certificate else None,
        certificate_level=certificate.level if certificate else None,
        issuer=certificate.issuer_organisation or certificate.issuer if certificate else "",
        at_issuance=_at(standing.at_issuance, certificate.not_before) if certificate and facts.path else None,
        at_signing=_at(standing.at_signing, facts.proven or now) if facts.path else None,
        format=facts.format,
        best_signature_time=facts.proven or now,
        time_source=facts.source,
        claimed_time=facts.claimed,
        covers_whole_document=facts.covers_whole_document,
        changes=facts.changes,
        later_revisions=facts.later_revisions,
        trust_path=names,
        timestamps=timestamps,
    )
    indication, sub_indication, broken = _integrity(facts)
    if indication is not Indication.PASSED:
        # Of a signature that failed for good nobody asks when it was made.
        when = () if indication is Indication.FAILED else _about_time(facts, timestamps)
        worthless = bool(broken) or not facts.intact or sub_indication in _WORTH_NOTHING
        return evolve(
            report,
            indication=indication,
            sub_indication=sub_indication,
            level_reached=None if worthless else SignatureLevel.NIVEAU_1,
            reasons=(*(broken or (*_why(facts, standing, facts.proven or now), *_about_pages(facts))), *when, *extra),
        )
    level, qualification, reasons = _worth(standing)
    return evolve(
        report,
        level_reached=level,
        qualification=qualification,
        reasons=(*reasons, *_about_time(facts, timestamps), *_about_pages(facts), *extra),
    )


def _integrity(facts: SignatureFacts) -> tuple[Indication, str, tuple[Reason, ...]]:
    """Take back what passed where the document does not keep what was signed, or the form is not AdES."""
    if facts.indication is Indication.FAILED:
        return facts.indication, facts.sub_indication, ()
    # What someone made of the document later is a failure of its form (as the EU validator has it).
    if not facts.covers_revision:
        return Indication.FAILED, "FORMAT_FAILURE", (reason("coverage_incomplete"),)
    if not facts.allowed:
        return Indication.FAILED, "FORMAT_FAILURE", (reason("content_changed_since"),)
    if facts.indication is Indication.PASSED and not facts.names_certificate:
        return Indication.INDETERMINATE, "SIG_CONSTRAINTS_FAILURE", ()
    return facts.indication, facts.sub_indication, ()


def _why(facts: SignatureFacts, standing: Standing, at: datetime) -> tuple[Reason, ...]:
    if facts.indication is Indication.PASSED:
        return (reason("not_an_ades"),)
    failed = next((one for one in facts.timestamps if one.indication is not Indication.PASSED), None)
    if failed is not None and failed.sub_indication == facts.sub_indication and facts.path:
        return ()  # the timestamp's own reason follows
    date = (facts.revoked_at or at).isoformat()
    why = BY_SUB_INDICATION.get(facts.sub_indication, "not_passed")
    if why == "certificate_revoked" and facts.revoked_at is None:
        why = "not_passed"
    if why == "service_not_in_force" and not facts.path:
        why = "constraints_not_met"  # of the certificate itself, for example its key usage
    if why == "service_not_in_force":
        return _out_of_force(standing, at)
    return (reason(why, date=date, sub_indication=facts.sub_indication),)


def _out_of_force(standing: Standing, at: datetime) -> tuple[Reason, ...]:
    for service in standing.services:
        period = service.at(at)
        if period is not None:
            return (
                reason("service_not_granted", service=service.name, status=period.status_word, date=at.isoformat()),
            )
    return (reason("service_not_in_force", date=at.isoformat()),)


def _worth(standing: Standing) -> tuple[SignatureLevel, Qualification, tuple[Reason, ...]]:
    if standing.is_seal:
        return SignatureLevel.NIVEAU_1, Qualification.NONE, (reason("seal_certificate"),)
    answers = [one for one in (standing.at_issuance, standing.at_signing) if one is not None]
    signing = standing.at_signing
    if len(answers) < 2 or signing is None or not all(one.qualified for one in answers):
        listed = [reason("issuer_listed", service=one.name, territory=one.territory) for one in standing.services[:1]]
        why = dict.fromkeys(why for one in answers for why in one.reasons)
        return SignatureLevel.NIVEAU_2, Qualification.ADESIG, (*listed, *why)
    qualified = reason("qualified_certificate", service=signing.service, territory=signing.territory)
    if signing.qscd:
        return SignatureLevel.NIVEAU_4, Qualification.QESIG, (qualified, reason("key_in_qscd"))
    return SignatureLevel.NIVEAU_3, Qualification.ADESIG_QC, (qualified, reason("key_not_in_qscd"))


def _about_time(facts: SignatureFacts, timestamps: tuple[TimestampReport, ...]) -> tuple[Reason, ...]:
    if facts.source is TimeSource.VERIFICATION:
        return (reason("timestamp_not_trusted" if timestamps else "no_timestamp"),)
    passed = [one for one in timestamps if one.indication is Indication.PASSED]
    if passed and not any(one.qualified for one in passed):
        return (reason("timestamp_not_qualified"),)
    return ()


def _about_pages(facts: SignatureFacts) -> tuple[Reason, ...]:
    return (reason("later_signature_shown"),) if facts.shown_over else ()


def _at(assessed: Assessment | None, at: datetime) -> QualifiedAt | None:
    if assessed is None:
        return None
    return QualifiedAt(
        at=at,
        qualified=assessed.qualified,
        qscd=assessed.qscd,
        service=assessed.service,
        territory=assessed.territory,
        reasons=assessed.reasons,
    )


def _signer(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    return certificate.name.full if certificate.name else certificate.common_name
