"""How long what proves a certificate or a signature is kept. Pure.

ETSI EN 319 411-1 OVR-6.4.6-01: at least seven years after any certificate based on these records ceases to be valid;
ETSI TS 119 431-1 OVR-6.4.6-01 asks the same of those who sign for others. The end of validity is the expiry, or the
revocation if that came first. Where no certificate came of it no clause asks for anything: a year, to answer for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import field, frozen

from qcp_sdk.ceremony.facts import CeremonyOpened
from qcp_sdk.certificates import Certificate
from qcp_sdk.errors import InvalidValue
from qcp_sdk.host.records import Recorded
from qcp_sdk.subscription.facts import (
    CertificateAdopted,
    CertificateAttested,
    CertificateIssued,
    CertificateRevoked,
    SettledByOperator,
)


def _not_negative(_instance: object, attribute: object, years: int) -> None:
    if years < 0:
        raise InvalidValue("a retention is not negative", where=str(getattr(attribute, "name", "years")))


@frozen(kw_only=True)
class Retention:
    """Years for which records are kept, from the end of the last certificate they speak of, or else from their end."""

    years_after_certificate: int = field(default=7, validator=_not_negative)
    years_without_certificate: int = field(default=1, validator=_not_negative)

    def until(self, history: Sequence[Recorded]) -> datetime:
        """Give the instant from which these records may be erased; `history` is not empty."""
        certificates, attested = _spoken_of(history)
        revoked = {one.fact.fingerprint: one.fact.at for one in history if isinstance(one.fact, CertificateRevoked)}
        ends = [min(one.not_after, revoked.get(one.fingerprint, one.not_after)) for one in certificates]
        last = history[-1].at
        if not ends and not attested:
            return _later(last, self.years_without_certificate)
        return _later(max([*ends, last]), self.years_after_certificate)


def _spoken_of(history: Sequence[Recorded]) -> tuple[list[Certificate], bool]:
    """Give the certificates that were issued or signed with, and whether one was attested that nobody here saw."""
    found: list[Certificate] = []
    attested = False
    for one in history:
        match one.fact:
            case CertificateIssued(certificate=certificate):
                found.append(certificate)
            case CertificateAdopted(holding=holding):
                found.append(holding.certificate)
            case SettledByOperator(certificate=known) | CeremonyOpened(certificate=known) if known is not None:
                found.append(known)
            case CertificateAttested():
                attested = True
            case _:
                pass
    return found, attested


def _later(moment: datetime, years: int) -> datetime:
    """Give the same day so many years later; never earlier, where there is no 29 February."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)
