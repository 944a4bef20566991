"""The local trust centre's certificates, as data: who issues which, what each may do, and for how long.

Every name says TEST (behaviour § 7.10). Policies of our own lie under 1.3.6.1.4.1.32473, the enterprise number
that RFC 5612 reserves for examples: nobody can take them for a real authority's.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from qcp_sdk.adapters.shared.x509 import OCSP_SIGNING, POLICY_ANY, TIME_STAMPING, TSL_SIGNING, Profile
from qcp_sdk.levels import CertificateLevel

COUNTRY: Final = "FR"
ORGANISATION: Final = "QCP SDK TEST"
ORGANISATION_ID: Final = "NTRFR-000000000"
"""EN 319 412-1 § 5.1.4; no company has this SIREN."""

OUR_LCP: Final = "1.3.6.1.4.1.32473.1.1"
OUR_QCP: Final = "1.3.6.1.4.1.32473.1.2"
OUR_TIMESTAMPS: Final = "1.3.6.1.4.1.32473.1.3"

_ISSUES: Final = frozenset({"key_cert_sign", "crl_sign"})
_SIGNS: Final = frozenset({"digital_signature"})
_COMMITS: Final = frozenset({"content_commitment"})
"""Type A of EN 319 412-2 § 4.3.2, recommended for signatures: nonRepudiation and nothing else."""


@frozen(kw_only=True)
class Role:
    """One certificate of the trust centre itself."""

    common_name: str
    issuer: str
    """The role that issues it; its own: self-signed."""
    profile: Profile
    organisation: str = ORGANISATION


ROLES: Final[Mapping[str, Role]] = MappingProxyType(
    {
        "root": Role(
            common_name="QCP SDK TEST Root CA",
            issuer="root",
            profile=Profile(years=20, usage=_ISSUES, authority=True, path_length=1),
        ),
        "lcp": Role(
            common_name="QCP SDK TEST LCP CA",
            issuer="root",
            profile=Profile(years=15, usage=_ISSUES, authority=True, path_length=0, policies=(POLICY_ANY,)),
        ),
        "qcp": Role(
            common_name="QCP SDK TEST QCP-n CA",
            issuer="root",
            profile=Profile(years=15, usage=_ISSUES, authority=True, path_length=0, policies=(POLICY_ANY,)),
        ),
        # RFC 6960 § 4.2.2.2: a delegated responder is certified by the very authority it answers for. Without
        # a way to revoke it (nocheck) it lives for weeks only, and is renewed by itself.
        "ocsp-lcp": Role(
            common_name="QCP SDK TEST OCSP responder (LCP)",
            issuer="lcp",
            profile=Profile(days=90, usage=_SIGNS, extended_usage=OCSP_SIGNING, no_check=True),
        ),
        "ocsp-qcp": Role(
            common_name="QCP SDK TEST OCSP responder (QCP-n)",
            issuer="qcp",
            profile=Profile(days=90, usage=_SIGNS, extended_usage=OCSP_SIGNING, no_check=True),
        ),
        "tsu": Role(
            common_name="QCP SDK TEST time-stamping unit",
            issuer="root",
            profile=Profile(
                years=10,
                usage=_SIGNS,
                extended_usage=TIME_STAMPING,
                extended_usage_critical=True,  # RFC 3161 § 2.3
                policies=(OUR_TIMESTAMPS,),
            ),
        ),
        "seal": Role(
            common_name="QCP SDK TEST platform seal",
            issuer="lcp",
            profile=Profile(years=3, usage=_COMMITS, policies=("0.4.0.2042.1.3", OUR_LCP)),
        ),
        "operator": Role(
            common_name="QCP SDK TEST trusted list signer",
            organisation="QCP SDK TEST scheme operator",
            issuer="operator",
            profile=Profile(years=10, usage=_SIGNS, extended_usage=TSL_SIGNING),
        ),
    }
)

RESPONDERS: Final[Mapping[str, str]] = MappingProxyType({"lcp": "ocsp-lcp", "qcp": "ocsp-qcp"})
"""Which authority answers OCSP, and by which responder. The root publishes a revocation list only."""

AUTHORITIES: Final = ("root", "lcp", "qcp")


@frozen(kw_only=True)
class HolderProfile:
    """What the certificates of persons are like at one level."""

    issuer: str
    profile: Profile


HOLDERS: Final[Mapping[CertificateLevel, HolderProfile]] = MappingProxyType(
    {
        CertificateLevel.LCP: HolderProfile(
            issuer="lcp",
            profile=Profile(years=3, usage=_COMMITS, policies=("0.4.0.2042.1.3", OUR_LCP)),
        ),
        CertificateLevel.QCP_N: HolderProfile(
            issuer="qcp",
            profile=Profile(years=5, usage=_COMMITS, policies=("0.4.0.194112.1.0", OUR_QCP), qualified=True),
        ),
    }
)
"""Natural persons, EN 319 412-2; five years as the guide's certificates (D4)."""
