"""Policies as values: what each flaw is called, what a policy means as data, whom issuers and floors are about."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from qcp_sdk.certificates import read
from qcp_sdk.collectes import Collecte, Document, Role, Signatory
from qcp_sdk.errors import PolicyError
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import FIRST_NAME, HOLDER_FIELDS, LAST_NAME, Transformation
from qcp_sdk.policy import Floor, Issuer, Policy, default_policy
from qcp_sdk.policy.rules import LISTABLE
from qcp_sdk.policy.shapes import Attestor, LevelRules
from qcp_sdk.values import (
    CollecteId,
    DocumentId,
    EmailAddress,
    Fingerprint,
    PersonName,
    PhoneNumber,
    SignatoryId,
    content_hash,
)

DER = (Path(__file__).parents[3] / "docs" / "examples" / "camille.pem").read_bytes()
DEFAULT = default_policy()
LCP, QCP_N = CertificateLevel.LCP, CertificateLevel.QCP_N
OPEN = LevelRules(rules=("collecte.open",))


def at(level: int, **changes: Any) -> tuple[LevelRules, ...]:
    levels = list(DEFAULT.levels)
    levels[level - 1] = evolve(levels[level - 1], **changes)
    return tuple(levels)


def without(level: int, rule: str) -> tuple[LevelRules, ...]:
    return at(level, rules=tuple(one for one in DEFAULT.levels[level - 1].rules if one != rule))


def issued(**named: Any) -> tuple[Issuer, ...]:
    named = {"name": "n", "levels": frozenset({LCP}), **named}
    return Issuer(name="ok", dn="CN=x", levels=frozenset({LCP})), Issuer(**named)


FLAWS: list[tuple[dict[str, Any], str, str]] = [
    ({"version": " "}, "version", "empty"),
    ({"levels": DEFAULT.levels[:3]}, "levels", "there are 3, not 4"),
    ({"levels": at(3, rules=(*DEFAULT.levels[2].rules, "x"))}, "levels.NIVEAU_3.rules", "`x` is not a rule"),
    ({"levels": without(2, "status.good")}, "levels.NIVEAU_2.rules", "`status.good` is missing"),
    ({"levels": at(1, rules=("collecte.open", "status.good"))}, "levels.NIVEAU_1.rules", "is missing"),
    ({"levels": at(2, certificate=None)}, "levels.NIVEAU_2.certificate", "missing"),
    ({"levels": at(1, certificate=LCP)}, "levels.NIVEAU_1.certificate", "no rule looks at it"),
    ({"levels": at(3, certificate=LCP)}, "levels.NIVEAU_3.certificate", "`LCP` is not enough"),
    ({"levels": at(2, rules=())}, "levels.NIVEAU_3.rules", "NIVEAU_2 is closed"),
    ({"levels": at(2, certificate=CertificateLevel.QCP_N_QSCD)}, "levels.NIVEAU_3.certificate", "NIVEAU_2 asks for"),
    ({"attestors": (Attestor(provider="", levels=frozenset({LCP})),)}, "attestors[0]", "lacks"),
    ({"attestors": (Attestor(provider="p", levels=frozenset()),)}, "attestors[0]", "lacks"),
    ({"issuers": issued(dn="CN=y", levels=frozenset())}, "issuers[1].levels", "empty"),
    ({"issuers": issued()}, "issuers[1]", "nothing says which"),
    ({"issuers": issued(ca="AB" * 32)}, "issuers[1].ca", "not a SHA-256"),
    ({"holder_fields": (FIRST_NAME,)}, "holder.fields", f"`{LAST_NAME}`"),
    ({"holder_fields": (*HOLDER_FIELDS, "iban")}, "holder.fields", "nothing but"),
    ({"status_age": timedelta(0)}, "margins.status_age", "ever that fresh"),
    ({"beyond_deadline": timedelta(seconds=-1)}, "margins.beyond_deadline", "negative"),
]
RIGHT: list[dict[str, Any]] = [
    {"status_age": timedelta(seconds=1), "beyond_deadline": timedelta(0)},
    {"holder_fields": (FIRST_NAME, LAST_NAME)},
    {"issuers": issued(organisation="o")},
    {"issuers": issued(dn="CN=y")},
    {"issuers": issued(ca="ab" * 32)},
    {"levels": at(2, certificate=QCP_N)},  # as high as the level above, which is enough
]


@pytest.mark.parametrize(("changes", "where", "what"), FLAWS)
def test_a_policy_that_cannot_mean_what_it_says_is_refused(changes: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(PolicyError) as refused:
        evolve(DEFAULT, **changes)
    assert refused.value.where == where
    assert what in refused.value.what
    assert refused.value.mend


@pytest.mark.parametrize("changes", RIGHT)
def test_what_is_just_right_is_a_policy(changes: dict[str, Any]) -> None:
    changed = evolve(DEFAULT, **changes)
    assert changed.hash != DEFAULT.hash or changed == DEFAULT


def test_the_rules_are_named_where_one_is_none() -> None:
    with pytest.raises(PolicyError) as refused:
        evolve(DEFAULT, levels=at(1, rules=("x",)))
    assert refused.value.mend.endswith(", ".join(f"`{rule}`" for rule in LISTABLE))


def test_a_higher_level_asks_for_no_less() -> None:
    closed_below = (LevelRules(rules=()), *DEFAULT.levels[1:])
    two = evolve(DEFAULT.levels[1], attestation=False)
    three = evolve(DEFAULT.levels[2], attestation=True)
    for levels, where in (
        (closed_below, "levels.NIVEAU_2.rules"),
        ((OPEN, two, three, DEFAULT.levels[3]), "levels.NIVEAU_3.attestation"),
    ):
        with pytest.raises(PolicyError) as refused:
            evolve(DEFAULT, levels=levels)
        assert refused.value.where == where
        assert refused.value.what.startswith(f"NIVEAU_{int(where[14]) - 1} ")


def test_what_a_policy_means_is_written_in_one_way() -> None:
    policy = Policy(
        version="v", levels=(OPEN, *DEFAULT.levels[1:]), trusted_lists=frozenset({QCP_N, LCP}),
        issuers=(
            Issuer(name="B", organisation="o", dn="CN=y", levels=frozenset({QCP_N, LCP})),
            Issuer(name="A", ca=Fingerprint("ab" * 32), levels=frozenset({LCP})),
        ),
        attestors=(Attestor(provider="p", levels=frozenset({QCP_N})),),
        floors=(
            Floor(level=SignatureLevel.NIVEAU_2, kind="deed", role=Role.MEMBER), Floor(level=SignatureLevel.NIVEAU_1),
        ),
        holder_fields=(LAST_NAME, FIRST_NAME), holder_close=frozenset(Transformation), third_party_highest=False,
        status_age=timedelta(hours=2), beyond_deadline=timedelta(days=1),
    )  # fmt: skip
    data = policy.as_data()
    assert data == {
        "version": "v",
        "levels": {
            f"NIVEAU_{number}": {
                "rules": sorted(level.rules),
                "certificate": ["", "LCP", "QCP_N", "QCP_N_QSCD"][number - 1],
                "attestation": level.attestation,
            }
            for number, level in enumerate(policy.levels, 1)
        },
        "issuers": [["", "", "ab" * 32, "LCP"], ["o", "CN=y", "", "LCP", "QCP_N"]],
        "trusted_lists": ["LCP", "QCP_N"],
        "attestors": [["p", "QCP_N"]],
        "floors": [["NIVEAU_1", "", ""], ["NIVEAU_2", "deed", "member"]],
        "holder": {"fields": sorted((FIRST_NAME, LAST_NAME)), "close": sorted(Transformation)},
        "status_age": 7200.0,
        "beyond_deadline": 86400.0,
        "third_party_highest": False,
    }
    # Decisions that were made years ago hold this hash: how it is made may not change.
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    assert policy.hash == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert evolve(policy, issuers=policy.issuers[::-1], floors=policy.floors[::-1]).hash == policy.hash
    twice = evolve(OPEN, rules=("collecte.open",) * 2)
    assert evolve(policy, levels=(twice, *policy.levels[1:])).hash == policy.hash


def test_more_issuers_may_be_trusted() -> None:
    (more,) = issued(dn="CN=y")[1:]
    trusting = DEFAULT.trusting(more)
    assert trusting.issuers == (*DEFAULT.issuers, more)
    assert evolve(trusting, issuers=DEFAULT.issuers) == DEFAULT


def test_an_issuer_is_known_by_all_that_is_stated_of_it() -> None:
    certificate = evolve(read(DER), issuer="CN=One", issuer_organisation="Org")
    for organisation, dn, known in (
        ("Org", "CN=One", True), ("Org", "", True), ("", "CN=One", True), ("", "", True),
        ("Other", "CN=One", False), ("Org", "CN=Two", False), ("Other", "", False), ("", "CN=Two", False),
    ):  # fmt: skip
        issuer = Issuer(name="n", levels=frozenset({LCP}), organisation=organisation, dn=dn)
        assert issuer.names(certificate) is known, (organisation, dn)


@pytest.mark.parametrize(
    ("kind", "role", "concerned"),
    [
        (None, None, True), ("deed", None, True), (None, Role.MEMBER, True), ("deed", Role.MEMBER, True),
        ("other", None, False), (None, Role.ONESELF, False), ("other", Role.MEMBER, False),
        ("deed", Role.ONESELF, False),
    ],
)  # fmt: skip
def test_a_floor_concerns_whom_it_names(kind: str | None, role: Role | None, concerned: bool) -> None:
    member = Signatory(
        id=SignatoryId("s-1"), name=PersonName(given="Camille", last="Martin"), email=EmailAddress("c@example.org"),
        mobile=PhoneNumber("+33612345678"), level=SignatureLevel.NIVEAU_1, role=Role.MEMBER,
    )  # fmt: skip
    collecte = Collecte(
        id=CollecteId("c-1"), title="Accounts", sender="Cabinet", signatories=(member,),
        deadline=datetime(2027, 1, 1, tzinfo=UTC),
        documents=tuple(
            Document(id=DocumentId(named), name=named, kind=named, content=content_hash("sha256:" + "7f" * 32))
            for named in ("minutes", "deed")
        ),
    )  # fmt: skip
    assert Floor(level=SignatureLevel.NIVEAU_2, kind=kind, role=role).concerns(collecte, member) is concerned
