"""Is a certificate qualified for electronic signatures, and its key in a QSCD: the trusted lists' answer.

The procedure of ETSI TS 119 615 § 4.4 and § 4.5, at one instant. TS 119 172-4 § 4.4.2 has it run at the best signature
time, and qualified status must also have stood when the certificate was issued: `assess` is called for both.
We run it ourselves because pyHanko's `QualificationAssessor` looks at one instant only, raises on a QcType with two
values or an unknown one, and misses qualifiers behind `urn:oid:` policies.

What is not done: certificates of Directive 1999/93/EC that were qualified by policy alone, without QcCompliance.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from attrs import frozen

from qcp_sdk.certificates import QC_TYPE_ESIGN, Certificate, QcStatements
from qcp_sdk.verification.report import Reason, reason
from qcp_sdk.verification.services import (
    CA_QC,
    EIDAS,
    FOR_SIGNATURES,
    QTST,
    CertificateFacts,
    Period,
    Service,
    holds,
)

_TAKES_AWAY: Final = frozenset({"NotQualified", "QCForLegalPerson", "QCForESeal", "QCForWSA", "QCNoSSCD", "QCNoQSCD"})
"""Qualifiers that make it less: they apply when their criteria hold, and when nobody can tell."""
_OTHER_TYPE: Final = frozenset({"QCForESeal", "QCForWSA", "QCForLegalPerson"})
_IN_DEVICE: Final = frozenset({"QCWithSSCD", "QCWithQSCD", "QCQSCDManagedOnBehalf"})
_NOT_IN_DEVICE: Final = frozenset({"QCNoSSCD", "QCNoQSCD"})


@frozen(kw_only=True)
class Assessment:
    """What the lists say of a certificate at one instant."""

    qualified: bool
    """Qualified for electronic signatures."""
    qscd: bool = False
    """And its key is in a qualified device."""
    service: str = ""
    territory: str = ""
    reasons: tuple[Reason, ...] = ()
    """Why it is not qualified; empty when it is."""


def assess(certificate: Certificate, facts: CertificateFacts, services: Iterable[Service], at: datetime) -> Assessment:
    """Say whether the certificate was qualified for electronic signatures at an instant.

    `services` are those of the lists in force whose certificate stands on the certificate's trust path.
    """
    return assess_statements(certificate.qc, facts, services, at)


def assess_statements(
    qc: QcStatements, facts: CertificateFacts, services: Iterable[Service], at: datetime
) -> Assessment:
    """Say the same of any certificate with these QCStatements, policies and usages."""
    candidates = [service for service in services if any(period.type == CA_QC for period in service.periods)]
    if not candidates:
        return Assessment(qualified=False, reasons=(reason("issuer_not_qualified"),))
    answers = [_by_service(qc, facts, service, at) for service in candidates]
    # A service that was not granted, or serves other purposes, says nothing: another may (§ 4.3.4).
    speaking = [answer for answer in answers if not isinstance(answer, Reason)]
    if not speaking:
        return Assessment(
            qualified=False, reasons=tuple(dict.fromkeys(answer for answer in answers if isinstance(answer, Reason)))
        )
    first = speaking[0]
    if any((other.qualified, other.qscd) != (first.qualified, first.qscd) for other in speaking[1:]):
        return Assessment(qualified=False, reasons=(reason("list_contradicts_itself"),))
    return first


def qualified_timestamps(services: Iterable[Service], at: datetime) -> bool:
    """Say whether a timestamp of that instant is by a qualified service (TSA/QTST, granted)."""
    periods = (service.at(at) for service in services)
    return any(period is not None and period.type == QTST and period.granted(at) for period in periods)


def _by_service(qc: QcStatements, facts: CertificateFacts, service: Service, at: datetime) -> Assessment | Reason:
    period = service.at(at)
    if period is None or period.type != CA_QC:
        return reason("service_not_in_force", date=at.isoformat())
    if not period.granted(at):
        return reason("service_not_granted", service=service.name, status=period.status_word, date=at.isoformat())
    if FOR_SIGNATURES not in period.purposes and not (period.starts < EIDAS or at < EIDAS):
        # Since eIDAS every CA/QC entry says what for (TS 119 612 § 5.5.9.4); one that does not cannot be relied upon.
        return reason("service_not_for_signatures", service=service.name)
    return _concluded(qc, _qualifiers(period, facts), service)


def _qualifiers(period: Period, facts: CertificateFacts) -> frozenset[str]:
    applying: set[str] = set()
    for element in period.qualifications:
        match holds(element.criteria, facts):
            case True:
                applying |= element.qualifiers
            case None:
                applying |= element.qualifiers & _TAKES_AWAY
            case False:
                pass
    return frozenset(applying)


def _concluded(qc: QcStatements, applying: frozenset[str], service: Service) -> Assessment:
    def no(why: str, **details: str) -> Assessment:
        return Assessment(
            qualified=False, service=service.name, territory=service.territory, reasons=(reason(why, **details),)
        )

    if {"NotQualified", "QCStatement"} <= applying or ("QCForESig" in applying and applying & _OTHER_TYPE):
        return no("list_contradicts_itself")
    if "NotQualified" in applying:
        return no("declared_not_qualified", territory=service.territory)
    if applying & _OTHER_TYPE:
        return no("not_for_signatures")
    if "QCStatement" not in applying and not qc.compliance:
        return no("not_declared_qualified")
    if "QCForESig" not in applying:
        # QcCompliance without QcType means eSignature (Regulation 910/2014 art. 51(2), EN 319 412-5 § 4.2.3).
        if len(qc.types) > 1:
            return no("type_ambiguous" if QC_TYPE_ESIGN in qc.types else "not_for_signatures")
        if qc.types not in ((), (QC_TYPE_ESIGN,)):
            return no("not_for_signatures")
    return Assessment(qualified=True, qscd=_in_device(qc, applying), service=service.name, territory=service.territory)


def _in_device(qc: QcStatements, applying: frozenset[str]) -> bool:
    """§ 4.5: the list's word first, "no" before "yes"; otherwise the certificate's."""
    if applying & _NOT_IN_DEVICE:
        return False
    return bool(applying & _IN_DEVICE) or qc.qscd
