"""X.509 certificates: real bytes beside what they say, whole ones and broken ones.

A `Certificate` drawn here carries the DER that says it, so that code which reads and code which decides can be given
the same certificate. What it says is worked out from what was asked for, not by reading: `qcp_sdk.certificates.read`
must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.certificates import QC_TYPE_ESEAL, QC_TYPE_ESIGN, Certificate, QcStatements
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.testing.strategies.emails import written_emails
from qcp_sdk.testing.strategies.ids import PRINTED
from qcp_sdk.testing.strategies.instants import NOW
from qcp_sdk.testing.strategies.names import person_names
from qcp_sdk.testing.strategies.x509 import KEY_USAGES, Asked, broken, issued
from qcp_sdk.values import PersonName

POLICIES: Final = {
    CertificateLevel.LCP: "0.4.0.2042.1.3",
    CertificateLevel.NCP: "0.4.0.2042.1.1",
    CertificateLevel.QCP_N: "0.4.0.194112.1.0",
    CertificateLevel.QCP_N_QSCD: "0.4.0.194112.1.2",
}
"""The policy that states each level (EN 319 411-1 § 5.3, EN 319 411-2 § 5.3)."""
_OTHER_POLICIES: Final = ("0.4.0.2042.1.2", "0.4.0.194112.1.1", "0.4.0.194112.1.3", "2.5.29.32.0", "1.2.250.1.1")
"""NCP+, QCP-l, QCP-l-qscd, anyPolicy, somebody's own."""
_WEB: Final = "0.4.0.1862.1.6.3"
_UNREAD: Final = ("0.4.0.1862.1.2", "0.4.0.1862.1.3", "1.3.6.1.5.5.7.11.2", "1.2.3.4", "2.999.1")
"""QcLimitValue, QcRetentionPeriod, pkixQCSyntax-v2, and statements that nobody knows."""
_FOREVER: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No well-defined end (RFC 5280 § 4.1.2.5)."""


@cache
def qc_statements() -> SearchStrategy[QcStatements]:
    """Any statements of EN 319 412-5, none included, with unknown ones among them."""
    languages = st.sampled_from(("fr", "en", "de"))
    addresses = st.sampled_from(
        ("https://ca.example.org/pds_fr.pdf", "https://ca.example.org/pds?x=1&y=2", "http://a.b")
    )
    # None at all is what most certificates have, and what chance alone would hardly ever leave out.
    return st.just(QcStatements()) | st.builds(
        QcStatements,
        compliance=st.booleans(),
        qscd=st.booleans(),
        types=_some((QC_TYPE_ESIGN, QC_TYPE_ESEAL, _WEB, "1.2.3")),
        legislation=_some(("CH", "GB", "FR")),
        disclosure=st.lists(st.tuples(languages, addresses), max_size=3, unique=True).map(tuple),
        others=_some(_UNREAD),
    )


@cache
def _some(among: Sequence[str]) -> SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(among), max_size=len(among), unique=True).map(tuple)


def qualified_statements(*, qscd: bool | None = None) -> SearchStrategy[QcStatements]:
    """Statements of a qualified certificate for eSignature in the Union; the key in a device or not, as `qscd` says."""
    device = st.booleans() if qscd is None else st.just(qscd)
    return st.builds(
        QcStatements, compliance=st.just(True), qscd=device, types=st.just((QC_TYPE_ESIGN,)), others=_some(_UNREAD)
    )


@cache
def _texts() -> SearchStrategy[str]:
    """What may stand in a distinguished name; much of it has to be escaped (RFC 4514 § 2.4)."""
    known = st.sampled_from(("Exemple SA", "a,b+c", '"x"', " #x ", "\\", "<;>", "Éleonore\u2019s", "#", "x" * 64))
    drawn = st.text(PRINTED, min_size=1, max_size=20)
    return (known | drawn).map(_fitting)


def _fitting(text: str) -> str:
    """Cut the text to what fits into an attribute: RFC 5280 counts 64 characters, `cryptography` octets of UTF-8."""
    return text.encode()[:64].decode(errors="ignore")


def _subject(draw: DrawFn, holder: PersonName | None) -> list[tuple[str, str]]:
    found = [("C", draw(st.sampled_from(("FR", "BE", "CH"))))] if draw(st.booleans()) else []
    if holder is not None:
        given = (
            holder.given.split(" ") if draw(st.booleans()) else [holder.given]
        )  # one attribute for each, or one for all
        found += [("givenName", each) for each in given]
        found.append(("SN", holder.last))
        found.append(("CN", _fitting(holder.full)))
    else:  # a company, or a person who is only called something
        found.append(("CN", draw(_texts())))
        lone = draw(st.sampled_from(("", "SN", "givenName", "pseudonym")))
        found += [(lone, draw(_texts()))] if lone else []
    for extra in ("serialNumber", "O", "OU", "organizationIdentifier"):
        if draw(st.booleans()):
            text = draw(st.sampled_from(("IDCFR-0123", "PASFR-99"))) if extra == "serialNumber" else draw(_texts())
            found.append((extra, text))
    in_order = iter([text for short, text in found if short == "givenName"])  # whatever stands between them
    return [(short, next(in_order) if short == "givenName" else text) for short, text in draw(st.permutations(found))]


def _validity(draw: DrawFn) -> tuple[datetime, datetime]:
    seconds = st.integers(-(10**9), 10**9)
    start = draw(st.just(NOW - timedelta(days=30)) | seconds.map(lambda by: NOW + timedelta(seconds=by)))
    turns = (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC), _FOREVER)
    lasting = st.integers(0, 10**9).map(lambda by: start + timedelta(seconds=by))
    end = draw(lasting | st.sampled_from([turn for turn in turns if turn >= start]))
    return start, end


@st.composite
def certificates(
    draw: DrawFn,
    *,
    holders: SearchStrategy[PersonName] | None = None,
    statements: SearchStrategy[QcStatements] | None = None,
    policies: SearchStrategy[tuple[str, ...]] | None = None,
    validities: SearchStrategy[tuple[datetime, datetime]] | None = None,
    usages: SearchStrategy[frozenset[str]] | None = None,
    repeating: bool = False,
) -> Certificate:
    """Any certificate of a person or of nobody, of any level or none, with the DER that says so.

    Each part can be narrowed. `repeating`: a QCStatement may stand twice, its content shared out between the two.
    """
    holder = draw(holders if holders is not None else st.none() | person_names(birth_names=False))
    level = tuple(POLICIES.values())
    start, end = draw(validities) if validities is not None else _validity(draw)
    asked = Asked(
        serial=draw(st.integers(1, 2**159 - 1)),
        issuer=(("C", "FR"), ("O", draw(_texts())), ("CN", draw(_texts()))),
        subject=tuple(_subject(draw, holder)),
        holder=holder,
        emails=tuple(draw(st.lists(written_emails(), max_size=2))),
        policies=draw(policies if policies is not None else _some(level) | _some((*level, *_OTHER_POLICIES))),
        qc=draw(statements if statements is not None else qc_statements() | qualified_statements()),
        key_usage=draw(usages if usages is not None else _usages()),
        not_before=start,
        not_after=end,
        is_ca=draw(st.sampled_from((False, False, False, True))),
    )
    shared = draw(st.integers(0, 3)) if repeating else 0
    return issued(asked, order=draw(st.randoms(use_true_random=False)), shared=shared)


@cache
def _usages() -> SearchStrategy[frozenset[str]]:
    signing = st.just(frozenset({"non_repudiation"}))
    return signing | st.frozensets(st.sampled_from(KEY_USAGES))


def certificates_repeating_statements() -> SearchStrategy[Certificate]:
    """Certificates in which a QCStatement stands twice: what both say counts, once."""
    return certificates(
        statements=qc_statements().filter(lambda qc: bool(qc.types or qc.others or qc.compliance)), repeating=True
    )


@st.composite
def conforming_certificates(
    draw: DrawFn,
    *,
    level: CertificateLevel = CertificateLevel.QCP_N,
    holder: PersonName | None = None,
    now: datetime = NOW,
) -> Certificate:
    """A certificate with which one can sign at this level now: of exactly this level, and of `holder` if given."""
    qualified = level >= CertificateLevel.QCP_N
    end = draw(st.integers(30, 1_800)) if qualified else draw(st.integers(30, 1_000))
    start = now.replace(microsecond=0) - timedelta(days=draw(st.integers(1, 900)))
    return draw(
        certificates(
            holders=st.just(holder) if holder is not None else person_names(birth_names=False),
            statements=qualified_statements(qscd=level is CertificateLevel.QCP_N_QSCD)
            if qualified
            else st.just(QcStatements()),
            policies=st.just((POLICIES[level],)),
            validities=st.just((start, now.replace(microsecond=0) + timedelta(days=end))),
            usages=st.just(frozenset({"non_repudiation"}))
            | st.just(frozenset({"non_repudiation", "digital_signature"})),
        ).filter(lambda certificate: not certificate.is_ca)
    )


def broken_certificates() -> SearchStrategy[bytes]:
    """Bytes that are no certificate, or one with a statement that is malformed: reading them is refused."""
    return st.builds(broken, certificates(holders=person_names(birth_names=False)), st.randoms(use_true_random=False))
