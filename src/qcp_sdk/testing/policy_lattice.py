"""Every kind of certificate, age, status, issuer, holder and role that the level policy tells apart, as values.

`points` is the product of all of them: finite, so that what is said of it is said of every point. `certified` builds
one certificate by hand. Nothing here was issued by anybody: certificates are values without a key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from qcp_sdk.certificates import (
    QC_TYPE_ESEAL,
    QC_TYPE_ESIGN,
    Certificate,
    CertificateStatus,
    Holding,
    QcStatements,
    StatusKind,
)
from qcp_sdk.collectes import Collecte, Document, Role, Signatory
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.policy import CLOSED, Attestation, Attestor, Evidence, Floor, Issuer, Policy, Recognition, default_policy
from qcp_sdk.values import (
    CollecteId,
    ContentHash,
    DocumentId,
    EmailAddress,
    Fingerprint,
    PersonName,
    PhoneNumber,
    SignatoryId,
)

NOW: Final = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEADLINE: Final = NOW + timedelta(days=15)
_LCP, _NCP, _QCP, _QSCD = CertificateLevel
_YEAR: Final = timedelta(days=365)
_SECOND: Final = timedelta(seconds=1)
AUTHORITY: Final = Fingerprint("c" * 64)
NAME: Final = PersonName(given="Jürgen", last="Müller")
EMAIL: Final = EmailAddress("jurgen@example.org")
MOBILE: Final = PhoneNumber("+33612345678")


@frozen(kw_only=True)
class Kind:
    """What a certificate says of its own level."""

    policies: tuple[str, ...]
    qc: QcStatements = QcStatements()
    usage: frozenset[str] = frozenset({"non_repudiation"})
    is_ca: bool = False


_QUALIFIED: Final = QcStatements(compliance=True, types=(QC_TYPE_ESIGN,))
_ON_DEVICE: Final = evolve(_QUALIFIED, qscd=True)
_QCP_OID, _QSCD_OID = "0.4.0.194112.1.0", "0.4.0.194112.1.2"
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "lcp": Kind(policies=("0.4.0.2042.1.3",)),
        "ncp": Kind(policies=("0.4.0.2042.1.1",)),
        "ncp_plus": Kind(policies=("0.4.0.2042.1.2",)),
        "qcp_n": Kind(policies=(_QCP_OID,), qc=_QUALIFIED),
        "qcp_n_qscd": Kind(policies=(_QSCD_OID,), qc=_ON_DEVICE),
        "self_made": Kind(policies=("1.2.3.4",)),
        "self_made_but_qualified": Kind(policies=("1.2.3.4",), qc=_ON_DEVICE),
        "no_policy": Kind(policies=()),
        "lcp_stating_qualified": Kind(policies=("0.4.0.2042.1.3",), qc=_ON_DEVICE),
        "without_compliance": Kind(policies=(_QCP_OID,), qc=evolve(_QUALIFIED, compliance=False)),
        "without_type": Kind(policies=(_QCP_OID,), qc=evolve(_QUALIFIED, types=())),
        "for_seals": Kind(policies=(_QCP_OID,), qc=evolve(_QUALIFIED, types=(QC_TYPE_ESEAL,))),
        "elsewhere": Kind(policies=(_QCP_OID,), qc=evolve(_QUALIFIED, legislation=("CH",))),
        "without_device": Kind(policies=(_QSCD_OID,), qc=_QUALIFIED),
        "device_without_policy": Kind(policies=(_QCP_OID,), qc=_ON_DEVICE),
        "two_policies": Kind(policies=("0.4.0.2042.1.3", _QCP_OID), qc=_QUALIFIED),
        "for_authentication": Kind(policies=(_QCP_OID,), qc=_QUALIFIED, usage=frozenset({"digital_signature"})),
        "authority": Kind(policies=(_QCP_OID,), qc=_QUALIFIED, is_ca=True),
    }
)
"""Certificates, from what is in order to what is not."""

AGES: Final[Mapping[str, tuple[datetime, datetime]]] = MappingProxyType(
    {
        "valid": (NOW - _YEAR, NOW + _YEAR),
        "from_now_to_the_deadline": (NOW, DEADLINE),
        "not_yet": (NOW + _SECOND, NOW + _YEAR),
        "ends_before_the_deadline": (NOW - _YEAR, DEADLINE - _SECOND),
        "ends_within_a_month_of_it": (NOW - _YEAR, DEADLINE + timedelta(days=10)),
        "ends_now": (NOW - _YEAR, NOW),
        "expired": (NOW - _YEAR, NOW - _SECOND),
    }
)

_DAY: Final = timedelta(hours=24)
STATUSES: Final[Mapping[str, tuple[StatusKind, datetime]]] = MappingProxyType(
    {
        "good": (StatusKind.GOOD, NOW - timedelta(minutes=10)),
        "good_a_day_ago": (StatusKind.GOOD, NOW - _DAY),
        "good_too_long_ago": (StatusKind.GOOD, NOW - _DAY - _SECOND),
        "good_by_a_clock_ahead": (StatusKind.GOOD, NOW + timedelta(minutes=5)),
        "good_in_the_future": (StatusKind.GOOD, NOW + timedelta(minutes=5) + _SECOND),
        "revoked": (StatusKind.REVOKED, NOW - timedelta(minutes=10)),
        "revoked_long_ago": (StatusKind.REVOKED, NOW - _YEAR),
        "unknown": (StatusKind.UNKNOWN, NOW - timedelta(minutes=10)),
    }
)

_LOOKED: Final = Recognition()
ISSUERS: Final[Mapping[str, tuple[str, str, Recognition | None]]] = MappingProxyType(
    {
        "trusted": ("TEST CA", "CN=TEST", None),
        "trusted_for_less": ("LESSER CA", "CN=LESSER", None),
        "trusted_for_less_and_looked_up": ("LESSER CA", "CN=LESSER", _LOOKED),
        "trusted_by_its_key": ("KEY CA", "CN=KEY", Recognition(authorities=frozenset({AUTHORITY}))),
        "only_named_like_it": ("KEY CA", "CN=KEY", _LOOKED),
        "perhaps_trusted_by_its_key": ("KEY CA", "CN=KEY", None),
        "in_the_trusted_list": ("LISTED CA", "CN=LISTED", Recognition(levels=frozenset({_QCP}))),
        "in_the_list_for_less": ("LISTED CA", "CN=LISTED", Recognition(levels=frozenset({_LCP}))),
        "unknown": ("NOBODY", "CN=NOBODY", None),
        "unknown_and_looked_up": ("NOBODY", "CN=NOBODY", _LOOKED),
    }
)
"""(organisation, distinguished name, what was found out)."""

_ANOTHER: Final = PersonName(given="Jürgen", last="Schulz")
HOLDERS: Final[Mapping[str, tuple[PersonName | None, EmailAddress | None, PhoneNumber | None]]] = MappingProxyType(
    {
        "same": (NAME, EMAIL, MOBILE),
        "close": (PersonName(given="JUERGEN", last="MUELLER"), EMAIL, MOBILE),
        "first_name": (PersonName(given="Jörg", last="Müller"), EMAIL, MOBILE),
        "more_given_names": (PersonName(given="Jürgen Karl", last="Müller"), EMAIL, MOBILE),
        "last_name": (_ANOTHER, EMAIL, MOBILE),
        "email": (NAME, EmailAddress("j.muller@example.org"), MOBILE),
        "mobile": (NAME, EMAIL, PhoneNumber("+33600000000")),
        "no_name": (None, EMAIL, MOBILE),
        "no_email": (NAME, None, MOBILE),
        "no_mobile": (NAME, EMAIL, None),
        "last_name_and_no_mobile": (_ANOTHER, EMAIL, None),
    }
)
"""(name, registered e-mail, registered mobile): the signatory's, or what differs from them."""

MATCHES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "all": ("name", "email", "mobile"),
        "each": ("first_name", "last_name", "email", "mobile"),
        "not_the_mobile": ("name", "email"),
        "nothing": (),
    }
)

_TRUSTED: Final = (
    Issuer(name="test", organisation="TEST CA", levels=frozenset({_LCP, _NCP, _QCP, _QSCD})),
    Issuer(name="lesser", dn="CN=LESSER", levels=frozenset({_LCP})),
    Issuer(name="key", organisation="KEY CA", ca=AUTHORITY, levels=frozenset({_QCP})),
)
_BASE: Final = evolve(default_policy(), issuers=(*default_policy().issuers, *_TRUSTED))


def _closed_from(level: SignatureLevel) -> Policy:
    return evolve(_BASE, levels=(*_BASE.levels[: level - 1], *[CLOSED] * (5 - level)))


def _without(*rules: str) -> Policy:
    kept = (evolve(each, rules=tuple(rule for rule in each.rules if rule not in rules)) for each in _BASE.levels)
    return evolve(_BASE, levels=tuple(kept))


POLICIES: Final[Mapping[str, Policy]] = MappingProxyType(
    {
        "default": _BASE,
        "third_party_free": evolve(_BASE, third_party_highest=False),
        "a_month_beyond": evolve(_BASE, beyond_deadline=timedelta(days=30)),
        "status_within_the_hour": evolve(_BASE, status_age=timedelta(hours=1)),
        "no_spelling": evolve(_BASE, holder_close=frozenset()),
        "names_only": evolve(_BASE, holder_fields=("first_name", "last_name")),
        "no_list": evolve(_BASE, trusted_lists=frozenset[CertificateLevel]()),
        "nobody_trusted": evolve(_BASE, issuers=(), trusted_lists=frozenset[CertificateLevel]()),
        "nobody_believed": evolve(_BASE, attestors=()),
        "everybody_believed": evolve(
            _BASE,
            levels=tuple(evolve(each, attestation=each.certificate is not None) for each in _BASE.levels),
            attestors=(Attestor(provider="universign", levels=frozenset(CertificateLevel)),),
        ),
        "ncp_for_niveau_2": evolve(
            _BASE, levels=(_BASE.levels[0], evolve(_BASE.levels[1], certificate=_NCP), *_BASE.levels[2:])
        ),
        "floors": evolve(
            _BASE,
            floors=(
                Floor(level=SignatureLevel.NIVEAU_2, role=Role.MEMBER),
                Floor(level=SignatureLevel.NIVEAU_3, kind="accounts", role=Role.ONESELF),
                Floor(level=SignatureLevel.NIVEAU_4, kind="contract"),
            ),
        ),
        "least": _without("certificate.purpose", "validity.deadline"),
        "niveau_4_closed": _closed_from(SignatureLevel.NIVEAU_4),
        "niveau_3_closed": _closed_from(SignatureLevel.NIVEAU_3),
        "all_closed": _closed_from(SignatureLevel.NIVEAU_1),
    }
)


def certified(
    kind: str = "qcp_n",
    age: str = "valid",
    status: str = "good",
    issuer: str = "trusted",
    holder: str = "same",
    *,
    number: int = 1,
) -> tuple[Holding, Recognition | None]:
    """Give a certificate of these kinds, with what was found out about its issuer."""
    stated, (begins, ends), (word, checked) = KINDS[kind], AGES[age], STATUSES[status]
    organisation, dn, recognition = ISSUERS[issuer]
    person, email, mobile = HOLDERS[holder]
    certificate = Certificate(
        der=b"",
        fingerprint=Fingerprint(f"{number:064x}"),
        serial=number,
        issuer=dn,
        issuer_organisation=organisation,
        subject="CN=TEST",
        name=person,
        policies=stated.policies,
        qc=stated.qc,
        key_usage=stated.usage,
        not_before=begins,
        not_after=ends,
        is_ca=stated.is_ca,
    )
    held = Holding(
        certificate=certificate,
        status=CertificateStatus(kind=word, checked_at=checked),
        email=email,
        mobile=mobile,
    )
    return held, recognition


def attested(
    level: CertificateLevel = _QCP,
    *,
    provider: str = "universign",
    matched: str = "all",
    status: str = "good",
) -> Attestation:
    """Give a provider's word; `status` only says when it was given."""
    return Attestation(provider=provider, level=level, matched=MATCHES[matched], at=STATUSES[status][1])


def everybody(
    *,
    deadline: datetime = DEADLINE,
    kinds: tuple[str, ...] = ("other", "accounts"),
    roles: Collection[Role] = tuple(Role),
    levels: Collection[SignatureLevel] = tuple(SignatureLevel),
) -> Collecte:
    """Give a collecte in which one person signs in each of these roles at each level, under ids such as `member-3`."""
    return Collecte(
        id=CollecteId("c1"),
        title="Accounts",
        sender="Cabinet",
        documents=tuple(
            Document(id=DocumentId(kind), name="d.pdf", content=ContentHash(f"sha256:{'0' * 64}"), kind=kind)
            for kind in kinds
        ),
        signatories=tuple(
            Signatory(
                id=SignatoryId(f"{role}-{level:d}"), name=NAME, email=EMAIL, mobile=MOBILE, level=level, role=role
            )
            for role, level in product(roles, levels)
        ),
        deadline=deadline,
    )


Point = tuple[str, tuple[Evidence, ...], dict[Fingerprint, Recognition]]
"""A name to find it again, the evidence, and what was found out."""
_AXES: Final = (KINDS, AGES, STATUSES, ISSUERS, HOLDERS)
_IN_ORDER: Final = ("qcp_n", "valid", "good", "trusted", "same")


def points(unusual: int = len(_AXES)) -> Iterator[Point]:
    """Give no evidence, every certificate that is unusual in so many things at most, and every attestation."""
    yield "nothing", (), {}
    for names in _certificates(unusual):
        held, recognition = certified(*names)
        yield " ".join(names), (held,), _known((held, recognition))
    for level, provider, matched, status in product(CertificateLevel, ("universign", "somebody"), MATCHES, STATUSES):
        word = attested(level, provider=provider, matched=matched, status=status)
        yield f"{provider} attests {level.name} {matched} {status}", (word,), {}


def pairs() -> Iterator[Point]:
    """Give every two certificates that are unusual in one thing at most, and each beside a provider's word."""
    for one, two in product(_certificates(1), repeat=2):
        first, second = certified(*one, number=1), certified(*two, number=2)
        yield f"{' '.join(one)} + {' '.join(two)}", (first[0], second[0]), _known(first, second)
    for one, level in product(_certificates(1), CertificateLevel):
        alone = certified(*one)
        yield f"{' '.join(one)} + attested {level.name}", (alone[0], attested(level)), _known(alone)


def _certificates(unusual: int) -> list[tuple[str, ...]]:
    every = product(*_AXES)
    return [names for names in every if sum(map(str.__ne__, names, _IN_ORDER)) <= unusual]


def _known(*certificates: tuple[Holding, Recognition | None]) -> dict[Fingerprint, Recognition]:
    return {held.certificate.fingerprint: found for held, found in certificates if found is not None}
