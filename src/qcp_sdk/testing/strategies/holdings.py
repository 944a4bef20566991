"""Certificates that somebody holds, with what their issuer last said of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.certificates import Certificate, CertificateStatus, Holding, StatusKind
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.people import Account
from qcp_sdk.policy.evidence import Attestation, Recognition
from qcp_sdk.testing.strategies.certificates import certificates, conforming_certificates
from qcp_sdk.testing.strategies.emails import email_addresses
from qcp_sdk.testing.strategies.ids import fingerprints
from qcp_sdk.testing.strategies.instants import NOW, instants
from qcp_sdk.testing.strategies.phones import phone_numbers

REASONS = (
    "", "unspecified", "key_compromise", "affiliation_changed", "superseded", "cessation_of_operation",
    "certificate_hold", "privilege_withdrawn", "ca_compromise",
)  # fmt: skip
"""Words of RFC 5280 § 5.3.1."""
PROVIDERS = ("universign", "swisscom", "certinomis")


@st.composite
def statuses(draw: DrawFn, *, now: datetime = NOW) -> CertificateStatus:
    """What an issuer said of a certificate: fresh, stale or, by a clock that is ahead, in the future."""
    kind = draw(st.sampled_from(StatusKind))
    ages = st.sampled_from(
        (timedelta(0), timedelta(hours=24), timedelta(hours=24, microseconds=1), -timedelta(hours=1))
    )
    checked = draw(ages.map(lambda age: now - age) | instants(around=now, within=timedelta(days=30)))
    if kind is not StatusKind.REVOKED:
        return CertificateStatus(kind=kind, checked_at=checked)
    revoked = draw(st.none() | instants(around=checked, within=timedelta(days=900)))
    return CertificateStatus(kind=kind, checked_at=checked, revoked_at=revoked, reason=draw(st.sampled_from(REASONS)))


def holdings(*, given: SearchStrategy[Certificate] | None = None, now: datetime = NOW) -> SearchStrategy[Holding]:
    """Any certificate that somebody holds, of any status, with any address registered or none."""
    return st.builds(
        Holding,
        certificate=given if given is not None else certificates(),
        status=statuses(now=now),
        email=st.none() | email_addresses(),
        mobile=st.none() | phone_numbers(),
    )


@st.composite
def usable_holdings(
    draw: DrawFn, person: Account, *, level: CertificateLevel = CertificateLevel.QCP_N, now: datetime = NOW
) -> Holding:
    """A certificate with which this person can sign at this level now."""
    certificate = draw(
        conforming_certificates(level=level, holder=person.name, now=now).filter(
            lambda one: not one.emails or person.email in one.emails
        )
    )
    status = CertificateStatus(
        kind=StatusKind.GOOD, checked_at=now - draw(st.timedeltas(timedelta(0), timedelta(hours=23)))
    )
    return Holding(certificate=certificate, status=status, email=person.email, mobile=person.mobile)


def attestations(*, now: datetime = NOW) -> SearchStrategy[Attestation]:
    """A provider's word for a certificate that nobody here has seen."""
    return st.builds(
        Attestation,
        provider=st.sampled_from(PROVIDERS),
        level=st.sampled_from(CertificateLevel),
        matched=st.lists(st.sampled_from(("name", "email", "mobile")), unique=True).map(tuple),
        at=instants(around=now, within=timedelta(days=2)),
    )


@cache
def recognitions() -> SearchStrategy[Recognition]:
    """What verifying a chain and reading trusted lists found out, nothing included."""
    return st.builds(
        Recognition,
        authorities=st.frozensets(fingerprints(), max_size=2),
        levels=st.frozensets(st.sampled_from(CertificateLevel)),
    )
