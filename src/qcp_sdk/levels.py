"""Levels of signatures and of certificates, and how they map.

The words are the guide's (niveau 1 to 3; niveau 4 is ours) and ETSI's (LCP, NCP: EN 319 411-1 § 4.2.1;
QCP-n, QCP-n-qscd: EN 319 411-2 § 4.2.2). Niveau 3 is AdESig-QC, never "qualified": only niveau 4 is.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class SignatureLevel(IntEnum):
    """How strongly a signature binds its signatory. Ordered: a higher one satisfies a lower one."""

    NIVEAU_1 = 1
    """Simple: a one-time code."""
    NIVEAU_2 = 2
    """Advanced: a certificate in the signatory's name (LCP, NCP or above)."""
    NIVEAU_3 = 3
    """Advanced, based on a qualified certificate: AdESig-QC."""
    NIVEAU_4 = 4
    """Qualified: a qualified certificate whose key is in a qualified device (QSCD): QESig."""


class CertificateLevel(IntEnum):
    """The certificate policy under which a certificate was issued. Ordered by assurance."""

    LCP = 1
    NCP = 2
    QCP_N = 3
    QCP_N_QSCD = 4


POLICY_OIDS: Final[Mapping[str, CertificateLevel]] = MappingProxyType(
    {
        "0.4.0.2042.1.3": CertificateLevel.LCP,  # EN 319 411-1 § 5.3
        "0.4.0.2042.1.1": CertificateLevel.NCP,  # EN 319 411-1 § 5.3
        "0.4.0.2042.1.2": CertificateLevel.NCP,  # NCP+: NCP with a secure device, no higher niveau here
        "0.4.0.194112.1.0": CertificateLevel.QCP_N,  # EN 319 411-2 § 5.3
        "0.4.0.194112.1.2": CertificateLevel.QCP_N_QSCD,  # EN 319 411-2 § 5.3
    }
)
"""Which policy identifier means which level. Legal-person policies have no row: no person signs with them."""

REQUIRED_CERTIFICATE: Final[Mapping[SignatureLevel, CertificateLevel | None]] = MappingProxyType(
    {
        SignatureLevel.NIVEAU_1: None,
        SignatureLevel.NIVEAU_2: CertificateLevel.LCP,
        SignatureLevel.NIVEAU_3: CertificateLevel.QCP_N,
        SignatureLevel.NIVEAU_4: CertificateLevel.QCP_N_QSCD,
    }
)
"""The lowest certificate level with which each signature level can be reached."""
