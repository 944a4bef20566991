"""What an assessment looks at: certificates seen, certificates attested, and what others say of an issuer."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from attrs import field, frozen

from qcp_sdk.certificates import Holding
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.values import Fingerprint, utc


def _at(moment: datetime) -> datetime:
    return utc(moment, "at")


@frozen(kw_only=True)
class Attestation:
    """A provider's "yes, one exists" about a certificate that nobody here has seen (hosted plan).

    The provider says that the certificate is neither expired nor revoked `at` that instant, and that its holder
    matches in these fields; `name` stands for first and last name together.
    """

    provider: str
    level: CertificateLevel
    matched: tuple[str, ...]
    at: datetime = field(converter=_at)


@frozen(kw_only=True)
class Recognition:
    """What was found out about one certificate by verifying its chain and reading trusted lists.

    An empty one says that somebody looked and found nothing; none at all says that nobody looked.
    """

    authorities: frozenset[Fingerprint] = frozenset()
    """The authorities whose signatures were verified, from the certificate up."""
    levels: frozenset[CertificateLevel] = frozenset()
    """The levels for which a trusted list recognises it now (ETSI TS 119 615 § 4.4)."""


Evidence: TypeAlias = Holding | Attestation
"""What can show that a signatory has a certificate. A `Holding` comes from its issuer's own port: that is why the
policy may know the issuer by its name."""
