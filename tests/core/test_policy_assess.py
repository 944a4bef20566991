"""Who may sign at which level: the default policy on a table of cases. The laws are in policy/test_laws.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypedDict, Unpack

import pytest
from attrs import evolve

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
from qcp_sdk.errors import InvalidValue, LevelRefused, PolicyError
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import HOLDER_FIELDS, Transformation
from qcp_sdk.policy import (
    CLOSED,
    Attestation,
    Attestor,
    Choice,
    Decision,
    Evidence,
    Floor,
    Issuer,
    LevelRules,
    Policy,
    Recognition,
    Verdict,
    assess,
    default_policy,
    enforce,
    recheck,
)
from qcp_sdk.policy.decision import best, worst
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

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DEADLINE = NOW + timedelta(days=15)
YEAR = timedelta(days=365)
PASSED, FAILED, INDETERMINATE = Verdict.PASSED, Verdict.FAILED, Verdict.INDETERMINATE
N1, N2, N3, N4 = SignatureLevel
LCP, NCP, QCP, QSCD = CertificateLevel
OIDS = {LCP: "0.4.0.2042.1.3", NCP: "0.4.0.2042.1.1", QCP: "0.4.0.194112.1.0", QSCD: "0.4.0.194112.1.2"}
NAME = PersonName(given="Jessica", last="Poussart")
EMAIL, MOBILE = EmailAddress("jessica@example.org"), PhoneNumber("+33612345678")
ME = SignatoryId("s1")
ISSUER = Issuer(name="local", organisation="TEST CA", levels=frozenset({LCP, QCP, QSCD}))
POLICY = default_policy().trusting(ISSUER)


def signatory(level: SignatureLevel = N3, *, role: Role = Role.MEMBER, id: str = "s1") -> Signatory:
    return Signatory(id=SignatoryId(id), name=NAME, email=EMAIL, mobile=MOBILE, level=level, role=role)


def collecte(*people: Signatory, deadline: datetime = DEADLINE, kinds: Sequence[str] = ("other",)) -> Collecte:
    return Collecte(
        id=CollecteId("c1"),
        title="Accounts",
        sender="Cabinet",
        documents=tuple(
            Document(id=DocumentId(f"d{at}"), name="d.pdf", content=ContentHash(f"sha256:{'0' * 64}"), kind=kind)
            for at, kind in enumerate(kinds)
        ),
        signatories=people or (signatory(),),
        deadline=deadline,
    )


class Change(TypedDict, total=False):
    id: int
    name: PersonName | None
    organisation: str
    dn: str
    compliance: bool
    qscd: bool
    types: tuple[str, ...]
    legislation: tuple[str, ...]
    policies: tuple[str, ...]
    usage: frozenset[str]
    is_ca: bool
    begins: datetime
    ends: datetime
    kind: StatusKind
    checked: datetime
    email: EmailAddress | None
    mobile: PhoneNumber | None


def held(level: CertificateLevel = QCP, **but: Unpack[Change]) -> Holding:
    """A certificate of this level that is in order, but for what is given."""
    certificate = Certificate(
        der=b"",
        fingerprint=Fingerprint(f"{but.get('id', int(level)):064x}"),
        serial=1,
        issuer=but.get("dn", "CN=TEST,O=TEST CA"),
        issuer_organisation=but.get("organisation", "TEST CA"),
        subject="CN=TEST",
        name=but.get("name", NAME),
        policies=but.get("policies", (OIDS[level],)),
        qc=QcStatements(
            compliance=but.get("compliance", level >= QCP),
            qscd=but.get("qscd", level is QSCD),
            types=but.get("types", (QC_TYPE_ESIGN,) if level >= QCP else ()),
            legislation=but.get("legislation", ()),
        ),
        key_usage=but.get("usage", frozenset({"non_repudiation"})),
        not_before=but.get("begins", NOW - YEAR),
        not_after=but.get("ends", NOW + YEAR),
        is_ca=but.get("is_ca", False),
    )
    kind = but.get("kind", StatusKind.GOOD)
    return Holding(
        certificate=certificate,
        status=CertificateStatus(kind=kind, checked_at=but.get("checked", NOW - timedelta(minutes=10))),
        email=but.get("email", EMAIL),
        mobile=but.get("mobile", MOBILE),
    )


def decide(
    *evidence: Evidence,
    level: SignatureLevel = N3,
    role: Role = Role.MEMBER,
    policy: Policy = POLICY,
    now: datetime = NOW,
) -> Decision:
    return assess(collecte(signatory(level, role=role)), {ME: evidence}, now=now, policy=policy)


# --- the default policy, case by case ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "available"),
    [
        ((), (N1,)),
        ((held(LCP),), (N1, N2)),
        ((held(QCP),), (N1, N2, N3)),
        ((held(QSCD),), (N1, N2, N3, N4)),
        ((held(LCP), held(QSCD)), (N1, N2, N3, N4)),
        ((held(QCP, ends=NOW - YEAR), held(LCP)), (N1, N2)),
    ],
)
def test_what_each_certificate_makes_available(evidence: tuple[Holding, ...], available: tuple[SignatureLevel]) -> None:
    decision = decide(*evidence, level=N1)
    assert decision.of(ME).levels_available == decision.of(ME).levels_offered == available
    assert decision.verdict is PASSED
    assert decision.findings == ()


SEAL = (QC_TYPE_ESEAL,)
STRANGER = PersonName(given="Jessica Marie", last="Martin")
CASES: list[tuple[Holding, Verdict, list[tuple[str, str, tuple[str, ...]]]]] = [
    (held(LCP), FAILED, [("certificate.level", "lower", ()), ("certificate.qualified", "not_stated", ())]),
    (held(policies=("1.2.3",)), FAILED, [("certificate.level", "none", ())]),
    # The policy of a qualified certificate without its statements: worth NCP, says the X.509.
    (held(compliance=False), FAILED, [("certificate.level", "lower", ()), ("certificate.qualified", "not_stated", ())]),
    (
        held(types=SEAL),
        FAILED,
        [("certificate.level", "lower", ()), ("certificate.qualified", "not_for_signatures", ())],
    ),
    (held(legislation=("CH",)), FAILED, [("certificate.qualified", "elsewhere", ())]),
    (held(usage=frozenset({"digital_signature"})), FAILED, [("certificate.purpose", "other", ())]),
    (held(is_ca=True), FAILED, [("certificate.purpose", "authority", ())]),
    (held(begins=NOW + timedelta(1)), FAILED, [("validity.now", "not_yet", ())]),
    (held(ends=NOW - timedelta(1)), FAILED, [("validity.now", "expired", ()), ("validity.deadline", "too_short", ())]),
    (held(ends=DEADLINE - timedelta(1)), FAILED, [("validity.deadline", "too_short", ())]),
    (held(ends=DEADLINE), PASSED, []),
    (held(kind=StatusKind.REVOKED), FAILED, [("status.good", "revoked", ())]),
    (held(kind=StatusKind.REVOKED, checked=NOW - YEAR), FAILED, [("status.good", "revoked", ())]),
    (held(kind=StatusKind.UNKNOWN), INDETERMINATE, [("status.good", "unknown", ())]),
    (held(checked=NOW - timedelta(hours=24)), PASSED, []),
    (held(checked=NOW - timedelta(hours=25)), INDETERMINATE, [("status.good", "stale", ())]),
    (held(checked=NOW + timedelta(minutes=4)), PASSED, []),
    (held(checked=NOW + timedelta(minutes=6)), INDETERMINATE, [("status.good", "future", ())]),
    (held(name=STRANGER), FAILED, [("holder.matches", "differs", ("first_name", "last_name"))]),
    (held(mobile=PhoneNumber("+33600000000")), FAILED, [("holder.matches", "differs", ("mobile",))]),
    (held(email=EmailAddress("j@example.org")), FAILED, [("holder.matches", "differs", ("email",))]),
    (held(mobile=None), INDETERMINATE, [("holder.matches", "unstated", ("mobile",))]),
    (held(name=None), INDETERMINATE, [("holder.matches", "unstated", ("first_name", "last_name"))]),
    (held(organisation="Self-made"), INDETERMINATE, [("issuer.recognised", "unknown", ())]),
]


@pytest.mark.parametrize(("holding", "verdict", "expected"), CASES)
def test_niveau_3_says_what_is_wrong(
    holding: Holding, verdict: Verdict, expected: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    decision = decide(holding)
    assert decision.verdict is verdict
    found = [(finding.rule, finding.outcome, finding.fields) for _, finding in decision.findings]
    assert found == expected
    assert all(finding.certificate == holding.certificate.fingerprint for _, finding in decision.findings)


def test_niveau_4_also_asks_for_a_qualified_device() -> None:
    wrong = [(f.rule, f.outcome) for f in decide(held(QCP), level=N4).of(ME).at(N4).reasons]
    assert wrong == [("certificate.level", "lower"), ("certificate.qscd", "not_stated")]
    # The policy of QCP-n-qscd without QcSSCD is worth QCP-n.
    assert decide(held(QSCD, qscd=False)).of(ME).levels_available == (N1, N2, N3)


def test_after_the_deadline_nobody_may_sign_at_any_level() -> None:
    decision = decide(held(QSCD), level=N1, now=DEADLINE)
    assert decision.of(ME).levels_available == ()
    assert [finding.outcome for _, finding in decision.findings] == ["over"]


def test_a_policy_may_leave_the_deadline_to_its_host() -> None:
    rules = tuple(rule for rule in POLICY.at(N2).rules if rule not in ("collecte.open", "validity.deadline"))
    second = evolve(POLICY.at(N2), rules=rules)
    policy = evolve(POLICY, levels=(second, second, CLOSED, CLOSED))
    one = decide(held(QCP, checked=DEADLINE), level=N2, policy=policy, now=DEADLINE).of(ME)
    assert one.verdict is PASSED
    assert "collecte.open" not in {finding.rule for finding in one.at(N2).findings}


def test_findings_name_the_countries_and_the_instant_of_revocation() -> None:
    def details(holding: Holding, rule: str) -> object:
        return [dict(f.details) for f in decide(holding).of(ME).at(N3).findings if f.rule == rule]

    assert details(held(legislation=("CH", "GB")), "certificate.qualified") == [{"countries": "CH, GB"}]
    revoked = held(kind=StatusKind.REVOKED, checked=NOW)
    assert details(revoked, "status.good") == [{"revoked": NOW}]  # at the latest: its issuer did not say when
    told = evolve(revoked, status=evolve(revoked.status, revoked_at=NOW - YEAR))
    assert details(told, "status.good") == [{"revoked": NOW - YEAR}]


def test_one_spelling_of_a_passport_is_the_same_holder_unless_the_policy_says_no() -> None:
    muller = evolve(signatory(), name=PersonName(given="Jo", last="Müller"))
    holdings = {ME: (held(name=PersonName(given="JO", last="MUELLER")),)}
    strict = evolve(POLICY, holder_close=frozenset[Transformation]())
    assert assess(collecte(muller), holdings, now=NOW, policy=POLICY).verdict is PASSED
    assert assess(collecte(muller), holdings, now=NOW, policy=strict).verdict is FAILED


def test_a_policy_may_compare_fewer_fields_but_always_the_names() -> None:
    lenient = evolve(POLICY, holder_fields=("first_name", "last_name"))
    assert decide(held(mobile=None, email=None), policy=lenient).verdict is PASSED
    with pytest.raises(PolicyError, match=r"holder\.fields"):
        evolve(POLICY, holder_fields=("first_name", "email"))


# --- who is trusted ------------------------------------------------------------------------------------------------

CA = Fingerprint("c" * 64)
BY_NAME = Issuer(name="t", organisation="TEST CA", levels=frozenset({QCP}))
BY_CA = Issuer(name="t", ca=CA, levels=frozenset({QCP}))
LOOKED = Recognition()


@pytest.mark.parametrize(
    ("issuer", "recognition", "outcome"),
    [
        (BY_NAME, None, "listed"),
        (evolve(BY_NAME, organisation="", dn="CN=TEST,O=TEST CA"), None, "listed"),
        (evolve(BY_NAME, dn="CN=TEST"), LOOKED, "refused"),  # what is stated must all hold
        (evolve(BY_NAME, levels=frozenset({LCP})), LOOKED, "refused"),
        (evolve(BY_NAME, levels=frozenset({QSCD})), LOOKED, "refused"),
        (BY_CA, Recognition(authorities=frozenset({CA})), "listed"),
        (BY_CA, LOOKED, "refused"),
        (BY_CA, None, "unknown"),
        (evolve(BY_CA, organisation="Another"), Recognition(authorities=frozenset({CA})), "refused"),
        (None, Recognition(levels=frozenset({QCP})), "in_trusted_list"),
        (None, Recognition(levels=frozenset({LCP, QSCD})), "refused"),
        (None, LOOKED, "refused"),
        (None, None, "unknown"),  # nobody looked: nobody knows
    ],
)
def test_an_issuer_is_trusted_by_name_by_key_or_by_list(
    issuer: Issuer | None, recognition: Recognition | None, outcome: str
) -> None:
    policy = evolve(POLICY, issuers=(issuer,) if issuer else ())
    holding = held(QCP)
    known = {holding.certificate.fingerprint: recognition} if recognition else {}
    decision = assess(collecte(), {ME: (holding,)}, now=NOW, policy=policy, recognitions=known)
    assert [f.outcome for f in decision.of(ME).at(N3).findings if f.rule == "issuer.recognised"] == [outcome]
    assert (decision.verdict is PASSED) is (outcome in ("listed", "in_trusted_list"))


def test_without_lists_an_unlisted_issuer_is_refused_outright() -> None:
    policy = evolve(POLICY, issuers=(), trusted_lists=frozenset[CertificateLevel]())
    assert decide(held(QCP), policy=policy).verdict is FAILED


def test_an_issuer_known_by_its_key_is_unknown_until_somebody_looked_with_or_without_lists() -> None:
    policy = evolve(POLICY, issuers=(BY_CA, BY_CA), trusted_lists=frozenset[CertificateLevel]())
    assert decide(held(QCP), policy=policy).verdict is INDETERMINATE


def test_an_issuer_trusted_for_lcp_is_believed_for_no_more() -> None:
    policy = evolve(POLICY, issuers=(evolve(BY_NAME, levels=frozenset({LCP})),), trusted_lists=frozenset())
    assert decide(held(QCP), policy=policy).of(ME).levels_available == (N1, N2)


# --- attestations --------------------------------------------------------------------------------------------------


def attested(
    level: CertificateLevel = QCP,
    *,
    provider: str = "universign",
    matched: tuple[str, ...] = ("name", "email", "mobile"),
    at: datetime = NOW,
) -> Attestation:
    return Attestation(provider=provider, level=level, matched=matched, at=at)


@pytest.mark.parametrize(
    ("attestation", "available", "wrong"),
    [
        (attested(), (N1, N2, N3), []),
        (attested(matched=HOLDER_FIELDS), (N1, N2, N3), []),
        (attested(LCP), (N1, N2), ["attestation.suffices", "certificate.level"]),
        (attested(QSCD), (N1, N2, N3), []),  # not niveau 4: the default wants to see that certificate
        (attested(provider="Universign"), (N1, N2, N3), []),  # as its adapter writes it
        (attested(provider="somebody"), (N1,), ["attestation.suffices"]),
        (attested(matched=("name", "email")), (N1,), ["holder.matches"]),
        (attested(at=NOW - timedelta(days=2)), (N1,), ["status.good"]),
    ],
)
def test_a_providers_word_suffices_where_the_policy_says_so(
    attestation: Attestation, available: tuple[SignatureLevel, ...], wrong: list[str]
) -> None:
    decision = decide(attestation)
    assert decision.of(ME).levels_available == available
    assert [finding.rule for _, finding in decision.findings] == wrong
    assert all(finding.provider == attestation.provider for _, finding in decision.findings)


def test_no_attestor_no_attestation() -> None:
    assert decide(attested(), policy=evolve(POLICY, attestors=())).verdict is INDETERMINATE


def test_each_level_says_for_itself_whether_a_word_suffices() -> None:
    believed = evolve(POLICY, attestors=(Attestor(provider="universign", levels=frozenset(CertificateLevel)),))
    assert decide(attested(QSCD), policy=believed).of(ME).levels_available == (N1, N2, N3)
    asked = tuple(evolve(each, attestation=True) for each in POLICY.levels)
    assert decide(attested(QSCD), policy=evolve(believed, levels=asked)).of(ME).levels_available == (N1, N2, N3, N4)


def test_what_was_seen_is_chosen_before_what_was_attested() -> None:
    assert decide(attested(), held(QCP)).of(ME).chosen == Choice(level=QCP, certificate=Fingerprint(f"{3:064x}"))
    assert decide(attested()).of(ME).chosen == Choice(level=QCP, provider="universign")
    assert decide(attested()).certificates == ()


# --- what is required ----------------------------------------------------------------------------------------------


def test_the_highest_level_is_required_of_a_third_party_who_holds_the_certificate_for_it() -> None:
    decision = decide(held(LCP), held(QCP), level=N2, role=Role.THIRD_PARTY)
    one = decision.of(ME)
    assert (one.level_required, one.levels_available, one.levels_offered) == (N3, (N1, N2, N3), (N3,))
    assert [(f.rule, f.outcome) for f in one.findings] == [("level.highest", "below")]
    assert decision.verdict is FAILED
    assert decide(held(LCP), held(QCP), level=N3, role=Role.THIRD_PARTY).verdict is PASSED
    # Not of the cabinet's own people, and not where the policy does not say so.
    assert decide(held(QCP), level=N2, role=Role.MEMBER).verdict is PASSED
    relaxed = evolve(POLICY, third_party_highest=False)
    assert decide(held(QCP), level=N2, role=Role.THIRD_PARTY, policy=relaxed).verdict is PASSED


def test_a_third_party_whose_data_differ_is_not_let_through_below() -> None:
    one = decide(held(QCP, mobile=PhoneNumber("+33600000000")), level=N1, role=Role.THIRD_PARTY).of(ME)
    assert (one.level_required, one.levels_offered) == (N3, ())
    assert [(f.rule, f.fields) for f in one.findings] == [("level.highest", ()), ("holder.matches", ("mobile",))]


@pytest.mark.parametrize(
    ("holding", "required"),
    [
        (held(QCP, checked=NOW - YEAR), N3),  # nobody knows that it is revoked: ask, do not lower
        (held(QCP, kind=StatusKind.REVOKED), N1),
        (held(QCP, ends=NOW - timedelta(1)), N1),
        (held(QCP, ends=DEADLINE - timedelta(1)), N1),
        (held(QCP, organisation="Self-made"), N1),
        (held(LCP), N2),
    ],
)
def test_which_certificates_a_third_party_counts_as_holding(holding: Holding, required: SignatureLevel) -> None:
    assert decide(holding, level=N1, role=Role.THIRD_PARTY).of(ME).level_required is required


@pytest.mark.parametrize(
    ("floor", "required"),
    [
        (Floor(level=N2, kind="accounts"), N2),
        (Floor(level=N3, role=Role.MEMBER), N3),
        (Floor(level=N3, role=Role.ONESELF), N1),
        (Floor(level=N2, kind="contract"), N1),
        (Floor(level=N2, kind="accounts", role=Role.MEMBER), N2),
        (Floor(level=N2, kind="accounts", role=Role.ONESELF), N1),
    ],
)
def test_floors_by_kind_of_document_or_role(floor: Floor, required: SignatureLevel) -> None:
    asked = collecte(signatory(N1), kinds=("other", "accounts"))
    policy = evolve(POLICY, floors=(floor, Floor(level=N1, kind="other")))
    one = assess(asked, {ME: (held(QSCD),)}, now=NOW, policy=policy).of(ME)
    assert one.level_required is required
    assert one.verdict is (FAILED if required > N1 else PASSED)
    assert all(level >= required for level in one.levels_offered)
    assert one.levels_available == (N1, N2, N3, N4)


def test_what_is_below_the_level_asked_for_is_not_told_again() -> None:
    """A floor under the level asked for adds nothing: one reason is told once, for the level that was asked."""
    policy = evolve(POLICY, floors=(Floor(level=N2, kind="other"),))
    one = decide(held(policies=("1.2.3",)), policy=policy).of(ME)
    assert one.level_required is N2
    assert [(f.rule, f.details) for f in one.findings] == [("certificate.level", (("needs", QCP),))]


# --- enforce, recheck, the decision --------------------------------------------------------------------------------


def test_enforce_raises_once_with_everything_for_everybody() -> None:
    asked = collecte(signatory(N3, id="s1"), signatory(N3, id="s2"), signatory(N1, id="s3"))
    holdings = {ME: (held(QCP, mobile=None),), SignatoryId("s2"): (held(LCP),)}
    with pytest.raises(LevelRefused) as refused:
        enforce(asked, holdings, now=NOW, policy=POLICY)
    decision = refused.value.decision
    assert [one.signatory for one in decision.refused] == ["s1", "s2"]
    assert [(who, finding.rule) for who, finding in decision.findings] == [
        ("s1", "holder.matches"),
        ("s2", "certificate.level"),
        ("s2", "certificate.qualified"),
    ]
    message = str(refused.value)
    assert "`s1` (NIVEAU_3 indeterminate), `s2` (NIVEAU_3 failed)" in message
    assert not any(secret in message for secret in ("Poussart", "jessica", "+336"))


def test_enforce_gives_the_decision_with_the_certificate_of_each() -> None:
    asked = collecte(signatory(N3, id="s1"), signatory(N1, id="s2"))
    decision = enforce(asked, {ME: (held(QCP), held(LCP))}, now=NOW, policy=POLICY)
    assert decision.certificates == ((ME, Fingerprint(f"{3:064x}")),)
    assert decision.of(SignatoryId("s2")).chosen is None
    assert (decision.policy_version, decision.policy_hash, decision.at) == (POLICY.version, POLICY.hash, NOW)
    assert decision.of(ME).certificates == (Fingerprint(f"{1:064x}"), Fingerprint(f"{3:064x}"))


def test_the_least_sufficient_then_the_longest_valid_certificate_is_chosen() -> None:
    old, new = held(QCP, id=10), held(QCP, id=11, ends=NOW + 2 * YEAR)
    assert decide(held(QSCD), old, new).certificates == ((ME, new.certificate.fingerprint),)
    assert decide(held(QSCD), old, held(LCP), level=N2).certificates == ((ME, Fingerprint(f"{1:064x}")),)


def test_at_the_moment_of_signing_only_the_chosen_certificate_counts() -> None:
    chosen = decide(held(QCP, id=10)).of(ME).chosen
    now = NOW + timedelta(days=1)

    def again(*evidence: Evidence) -> Verdict:
        return recheck(collecte(), ME, evidence, chosen=chosen, now=now, policy=POLICY).verdict

    assert again(held(QCP, id=10, checked=now)) is PASSED
    assert again(held(QCP, id=11, checked=now)) is FAILED
    assert again(held(QCP, id=10, checked=now, kind=StatusKind.REVOKED), held(QCP, id=11, checked=now)) is FAILED
    assert again(held(QCP, id=10)) is INDETERMINATE  # what was known yesterday is too old


def test_an_attestation_is_rechecked_by_its_provider() -> None:
    chosen = decide(attested()).of(ME).chosen
    assert recheck(collecte(), ME, (attested(),), chosen=chosen, now=NOW, policy=POLICY).verdict is PASSED
    assert recheck(collecte(), ME, (held(QCP),), chosen=chosen, now=NOW, policy=POLICY).verdict is FAILED


def test_the_hash_names_the_decision_and_holds_nobodys_data() -> None:
    decision = decide(held(QCP))
    text = json.dumps(decision.as_data(worded=True))
    assert not any(secret in text for secret in ("Poussart", "jessica", "33612345678"))
    assert decision.hash == decide(held(QCP)).hash != decide(held(QCP, ends=NOW + 2 * YEAR)).hash
    assert decision.hash != decide(held(QCP), policy=evolve(POLICY, version="other")).hash


@pytest.mark.parametrize(
    ("holdings", "what"),
    [
        ({SignatoryId("nobody"): (held(QCP),)}, "`nobody` is not a signatory"),
        ({ME: (held(QCP), held(QCP, kind=StatusKind.REVOKED))}, "two things are said"),
        ({ME: (held(QCP, ends=datetime(2030, 1, 1)),)}, "has no time zone"),  # noqa: DTZ001
        ({ME: (held(QCP, checked=datetime(2026, 1, 1)),)}, "has no time zone"),  # noqa: DTZ001
    ],
)
def test_questions_that_cannot_be_meant_are_refused(holdings: dict[SignatoryId, tuple[Holding]], what: str) -> None:
    with pytest.raises(InvalidValue, match=what):
        assess(collecte(), holdings, now=NOW, policy=POLICY)


def test_more_questions_that_cannot_be_meant() -> None:
    with pytest.raises(InvalidValue, match=r"now: .*has no time zone"):
        assess(collecte(), {}, now=datetime(2026, 1, 1), policy=POLICY)  # noqa: DTZ001
    with pytest.raises(InvalidValue, match="`nobody` is not a signatory"):
        decide().of(SignatoryId("nobody"))
    assert decide(held(QCP), held(QCP)) == decide(held(QCP))  # the same thing said twice is said once


# --- a policy that asks for less than its levels mean --------------------------------------------------------------

NIVEAU_3 = POLICY.at(N3)


def levels(**changed: LevelRules) -> tuple[LevelRules, ...]:
    return tuple(changed.get(level.name, POLICY.at(level)) for level in SignatureLevel)


@pytest.mark.parametrize("level", [N2, N3, N4])
def test_what_a_level_means_cannot_be_left_out(level: SignatureLevel) -> None:
    optional = {"collecte.open", "certificate.purpose", "validity.deadline"}
    for rule in POLICY.at(level).rules:
        fewer = evolve(POLICY.at(level), rules=tuple(each for each in POLICY.at(level).rules if each != rule))
        if rule not in optional:
            with pytest.raises(PolicyError, match=rf"levels\.{level.name}\.rules: .*`{rule}`"):
                evolve(POLICY, levels=levels(**{level.name: fewer}))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"NIVEAU_3": evolve(NIVEAU_3, certificate=NCP)}, r"levels\.NIVEAU_3\.certificate"),
        ({"NIVEAU_3": evolve(NIVEAU_3, certificate=None)}, r"levels\.NIVEAU_3\.certificate"),
        ({"NIVEAU_3": evolve(NIVEAU_3, rules=(*NIVEAU_3.rules, "no.such"))}, r"levels\.NIVEAU_3\.rules"),
        ({"NIVEAU_3": evolve(NIVEAU_3, rules=NIVEAU_3.rules[1:])}, r"levels\.NIVEAU_3\.rules"),  # niveau 2 asks it
        ({"NIVEAU_2": CLOSED}, r"levels\.NIVEAU_3\.rules"),
        ({"NIVEAU_2": evolve(POLICY.at(N2), attestation=False)}, r"levels\.NIVEAU_3\.attestation"),
        ({"NIVEAU_2": evolve(POLICY.at(N2), certificate=QSCD)}, r"levels\.NIVEAU_3\.certificate"),
        ({"NIVEAU_1": evolve(POLICY.at(N1), certificate=LCP)}, r"levels\.NIVEAU_1\.certificate"),
        ({"NIVEAU_1": LevelRules(rules=("certificate.purpose",))}, r"levels\.NIVEAU_1"),
    ],
)
def test_levels_are_nested_or_refused(changed: dict[str, LevelRules], where: str) -> None:
    with pytest.raises(PolicyError, match=where):
        evolve(POLICY, levels=levels(**changed))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        (lambda: evolve(POLICY, version=" "), "version"),
        (lambda: evolve(POLICY, levels=()), "levels"),
        (lambda: evolve(POLICY, status_age=timedelta(0)), r"margins\.status_age"),
        (lambda: evolve(POLICY, beyond_deadline=timedelta(-1)), r"margins\.beyond_deadline"),
        (lambda: POLICY.trusting(Issuer(name="x", levels=frozenset({LCP}))), r"issuers\[4\]: "),
        (lambda: POLICY.trusting(evolve(ISSUER, levels=frozenset())), r"issuers\[4\]\.levels"),
        (lambda: POLICY.trusting(evolve(ISSUER, ca=Fingerprint("AB"))), r"issuers\[4\]\.ca"),
        (lambda: evolve(POLICY, attestors=(Attestor(provider="x", levels=frozenset()),)), r"attestors\[0\]"),
    ],
)
def test_a_policy_that_means_nothing_is_refused(changed: Callable[[], Policy], where: str) -> None:
    with pytest.raises(PolicyError, match=where):
        changed()


def test_no_finding_at_all_does_not_pass() -> None:
    assert worst(()) is INDETERMINATE
    assert worst([PASSED, INDETERMINATE, PASSED]) is INDETERMINATE
    assert worst([PASSED, INDETERMINATE, FAILED]) is FAILED
    assert best([FAILED, PASSED]) is PASSED
    assert best([FAILED, INDETERMINATE]) is INDETERMINATE
    assert best([]) is FAILED


def test_a_level_without_rules_passes_nobody() -> None:
    policy = evolve(POLICY, levels=(POLICY.at(N1), POLICY.at(N2), CLOSED, CLOSED))
    one = decide(held(QSCD), policy=policy).of(ME)
    assert one.levels_available == (N1, N2)
    assert [(f.rule, f.outcome) for f in one.findings] == [("level.open", "closed")]
    nothing = evolve(POLICY, levels=(CLOSED,) * 4)
    assert decide(held(QSCD), level=N1, policy=nothing).of(ME).levels_available == ()


def test_the_hash_of_a_policy_is_of_what_it_means() -> None:
    shuffled = evolve(
        POLICY,
        issuers=tuple(evolve(issuer, name="renamed") for issuer in reversed(POLICY.issuers)),
        levels=tuple(evolve(each, rules=each.rules[::-1]) for each in POLICY.levels),
    )
    assert shuffled.hash == POLICY.hash != default_policy().hash


def test_the_order_in_which_a_policy_lists_the_holders_fields_changes_no_decision() -> None:
    backwards = evolve(POLICY, holder_fields=HOLDER_FIELDS[::-1])
    assert backwards.hash == POLICY.hash
    for evidence in (attested(matched=()), held(QCP, name=STRANGER, mobile=None)):
        assert decide(evidence, policy=backwards).hash == decide(evidence).hash


def test_every_spelling_that_was_allowed_is_named_in_an_order_of_its_own() -> None:
    person = evolve(signatory(), name=PersonName(given="Jo", last="Müller"))
    generous = evolve(POLICY, holder_close=frozenset(Transformation))
    holdings = {ME: (held(name=PersonName(given="JO KARL", last="MUELLER")),)}
    one = assess(collecte(person), holdings, now=NOW, policy=generous).of(ME)
    (found,) = [finding for finding in one.at(N3).findings if finding.rule == "holder.matches"]
    allowed = (Transformation.FEWER_GIVEN_NAMES, Transformation.ICAO_TRANSLITERATION)
    assert (found.outcome, found.details) == ("close", (("allowed", allowed),))


def test_an_issuer_without_an_organisation_is_named_by_its_whole_name() -> None:
    for holding, named in ((held(QCP), "TEST CA"), (held(QCP, organisation="", dn="CN=alone"), "CN=alone")):
        (found,) = [f for f in decide(holding).of(ME).at(N3).findings if f.rule == "issuer.recognised"]
        assert found.details == (("issuer", named),)
