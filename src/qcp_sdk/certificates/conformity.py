"""Whether an issued certificate is the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from qcp_sdk.certificates.shapes import Certificate
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.values import PersonName


def conformity(
    certificate: Certificate,
    *,
    name: PersonName,
    level: CertificateLevel,
    now: datetime,
    same_name: Callable[[PersonName, PersonName], bool],
    skew: timedelta = timedelta(minutes=5),
) -> tuple[str, ...]:
    """Give every reason why this is not a certificate of that level (or above) for that person; none: it conforms.

    Stable words: `is_ca`, `wrong_level`, `not_yet_valid`, `expired`, `key_usage` (EN 319 412-2 § 4.3.2 wants
    nonRepudiation for signatures), `name_missing`, `name_differs`. `same_name` compares the certified name
    with `name`; `skew` forgives an issuer whose clock is ahead.
    """
    reasons = {
        "is_ca": certificate.is_ca,
        "wrong_level": certificate.level is None or certificate.level < level,
        "not_yet_valid": now + skew < certificate.not_before,
        "expired": now > certificate.not_after,
        "key_usage": "non_repudiation" not in certificate.key_usage,
        "name_missing": certificate.name is None,
        "name_differs": certificate.name is not None and not same_name(certificate.name, name),
    }
    return tuple(reason for reason, holds in reasons.items() if holds)
