"""What the trusted lists say of a service at an instant, and what a certificate under each of its policies would be."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeVar

from attrs import frozen

from qcp_sdk.certificates import QC_TYPE_ESIGN, QcStatements
from qcp_sdk.verification.qualification import assess_statements
from qcp_sdk.verification.report import Qualification
from qcp_sdk.verification.services import (
    Assertion,
    CertificateFacts,
    Criteria,
    Criterion,
    KeyUsage,
    Period,
    Policies,
    Service,
)
from qcp_sdk.verification.trust import TrustStore

T = TypeVar("T", KeyUsage, Policies)


@frozen(kw_only=True)
class UnderPolicies:
    """What the list says of certificates under these policies, all of them."""

    policies: tuple[str, ...]
    qualifiers: tuple[str, ...]
    qualification: Qualification
    """Of a valid signature by a certificate that states QcCompliance, eSign and even a QSCD: the list's word."""

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "policies": list(self.policies),
            "qualifiers": list(self.qualifiers),
            "qualification": self.qualification.value,
        }


@frozen(kw_only=True)
class ServiceShown:
    """One listed service at one instant."""

    territory: str
    provider: str
    name: str
    type: str
    """The end of its URI: `CA/QC`, `TSA/QTST` …"""
    status: str
    """The end of its URI: `granted`, `withdrawn` …; empty where it was not listed then."""
    since: datetime | None
    purposes: tuple[str, ...]
    """`ForeSignatures` …"""
    policies: tuple[UnderPolicies, ...]

    def to_json(self) -> dict[str, object]:
        """Give the JSON form."""
        return {
            "territory": self.territory,
            "provider": self.provider,
            "name": self.name,
            "type": self.type,
            "status": self.status or None,
            "since": self.since.isoformat() if self.since else None,
            "purposes": list(self.purposes),
            "policies": [one.to_json() for one in self.policies],
        }


def shown(trust: TrustStore, words: str, *, at: datetime) -> tuple[ServiceShown, ...]:
    """Give every service whose name or provider's name has these words in it, whatever their case.

    Lists that are stale at `at` say nothing: none of their services is given.
    """
    sought = words.casefold()
    counting = {one.sha256 for one in trust.used(at) if not one.expired}
    return tuple(
        _shown(service, at)
        for one in trust.lists
        if one.sha256 in counting
        for service in one.services
        if sought in service.name.casefold() or sought in service.provider.casefold()
    )


def _shown(service: Service, at: datetime) -> ServiceShown:
    period = service.at(at)
    latest = period or service.periods[0]
    return ServiceShown(
        territory=service.territory,
        provider=service.provider,
        name=service.name,
        type=latest.type.partition("/Svctype/")[2],
        status=period.status_word if period else "",
        since=period.starts if period else None,
        purposes=tuple(sorted(one.rpartition("/")[2] for one in period.purposes)) if period else (),
        policies=tuple(_policies(service, period, at)) if period else (),
    )


def _policies(service: Service, period: Period, at: datetime) -> Iterator[UnderPolicies]:
    for element in period.qualifications:
        usage = frozenset(bit for one in _all(element.criteria, KeyUsage) for bit in one.required)
        for oids in dict.fromkeys(one.oids for one in _all(element.criteria, Policies)):
            facts = CertificateFacts(policies=oids, key_usage=usage | {"non_repudiation"})
            stating = QcStatements(compliance=True, types=(QC_TYPE_ESIGN,), qscd=True)
            answer = assess_statements(stating, facts, (service,), at)
            worth = Qualification.QESIG if answer.qscd else Qualification.ADESIG_QC
            yield UnderPolicies(
                policies=tuple(sorted(oids)),
                qualifiers=tuple(sorted(element.qualifiers)),
                qualification=worth if answer.qualified else Qualification.ADESIG,
            )


def _all(criterion: Criterion, kind: type[T]) -> Iterator[T]:
    if isinstance(criterion, kind):
        yield criterion
    if isinstance(criterion, Criteria) and criterion.assertion is not Assertion.NONE:
        for part in criterion.parts:
            yield from _all(part, kind)
