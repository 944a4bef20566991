"""The laws of behaviour § 5, each over any collecte, any evidence and any policy that means something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random
from typing import TypeVar

import pytest
from attrs import evolve, frozen
from hypothesis import event, given
from hypothesis import strategies as st

from qcp_sdk.certificates import Holding, StatusKind
from qcp_sdk.collectes import Collecte, Document, Order, Role, Signatory
from qcp_sdk.errors import LevelRefused
from qcp_sdk.levels import REQUIRED_CERTIFICATE, CertificateLevel, SignatureLevel
from qcp_sdk.matching import HOLDER_FIELDS, Transformation
from qcp_sdk.people import Account
from qcp_sdk.policy import (
    CLOSED,
    Attestation,
    Attestor,
    Decision,
    Evidence,
    Floor,
    Issuer,
    LevelRules,
    Policy,
    Recognition,
    SignatoryDecision,
    Verdict,
    assess,
    enforce,
    recheck,
)
from qcp_sdk.policy.rules import LISTABLE, RULES, mandatory_at
from qcp_sdk.testing import strategies
from qcp_sdk.testing.naive_policy import disagreements, judge, name
from qcp_sdk.testing.policy_lattice import (
    AGES,
    AUTHORITY,
    DEADLINE,
    EMAIL,
    HOLDERS,
    ISSUERS,
    KINDS,
    MATCHES,
    MOBILE,
    NAME,
    NOW,
    POLICIES,
    STATUSES,
    attested,
    certified,
)
from qcp_sdk.values import AccountId, CollecteId, ContentHash, DocumentId, Fingerprint, PersonName, SignatoryId

T = TypeVar("T")
PASSED, FAILED, INDETERMINATE = Verdict.PASSED, Verdict.FAILED, Verdict.INDETERMINATE
N1, N2, N3, N4 = SignatureLevel
SECOND, MONTH = timedelta(seconds=1), timedelta(days=30)
LEVELS, KINDS_OF_DOCUMENT = st.sampled_from(SignatureLevel), ("other", "accounts", "contract")
SOME_LEVELS = st.frozensets(st.sampled_from(CertificateLevel), min_size=1)
MOMENTS = st.sampled_from(
    [
        middle + around
        for middle in (NOW, DEADLINE, DEADLINE + MONTH)
        for around in (-MONTH, -SECOND, 0 * SECOND, SECOND)
    ]
)


@frozen
class Case:
    """One question to the policy."""

    collecte: Collecte
    holdings: dict[SignatoryId, tuple[Evidence, ...]]
    policy: Policy
    known: dict[Fingerprint, Recognition]

    def decide(self) -> Decision:
        return assess(self.collecte, self.holdings, now=NOW, policy=self.policy, recognitions=self.known)


def usually(usual: str, others: Sequence[str]) -> st.SearchStrategy[str]:
    return st.sampled_from([*[usual] * 3 * len(others), *others])


@st.composite
def certificates(draw: st.DrawFn) -> tuple[Holding, Recognition | None]:
    """Any certificate; most of the time with little wrong with it."""
    holding, known = certified(
        draw(usually("qcp_n", list(KINDS))),
        draw(usually("valid", list(AGES))),
        draw(usually("good", list(STATUSES))),
        draw(usually("trusted", list(ISSUERS))),
        draw(usually("same", list(HOLDERS))),
        number=draw(st.integers(1, 9)),
    )
    if draw(st.integers(0, 3)) == 0:
        begins, ends = draw(MOMENTS), draw(MOMENTS)
        holding = evolve(holding, certificate=evolve(holding.certificate, not_before=begins, not_after=ends))
    if draw(st.integers(0, 3)) == 0:
        found = draw(st.frozensets(st.sampled_from(CertificateLevel)))
        known = Recognition(levels=found, authorities=draw(st.sampled_from([frozenset(), frozenset({AUTHORITY})])))
    return holding, known


ATTESTATIONS = st.builds(
    attested,
    st.sampled_from(CertificateLevel),
    provider=st.sampled_from(["universign", "somebody"]),
    matched=usually("all", list(MATCHES)),
    status=usually("good", list(STATUSES)),
)
ISSUER = st.builds(
    Issuer,
    name=st.just("x"),
    organisation=st.sampled_from(["", "TEST CA", "LESSER CA", "KEY CA", "LISTED CA", "NOBODY"]),
    dn=st.sampled_from(["", "", "CN=TEST", "CN=LESSER", "CN=KEY"]),
    ca=st.sampled_from([None, None, AUTHORITY]),
    levels=SOME_LEVELS,
).filter(lambda issuer: bool(issuer.organisation or issuer.dn or issuer.ca))
FLOORS = st.builds(
    Floor,
    level=LEVELS,
    kind=st.sampled_from([None, *KINDS_OF_DOCUMENT]),
    role=st.sampled_from([None, *Role]),
)
LEAST = st.one_of(st.just(CertificateLevel.LCP), st.sampled_from(CertificateLevel))


@st.composite
def level_rules(draw: st.DrawFn) -> tuple[LevelRules, ...]:
    """Any four levels that are nested: each rule is asked from some level up, and what is asked only grows."""
    bare = draw(st.sampled_from([N1, N2]))  # the first level that looks at certificates
    optional = [rule for rule in LISTABLE if RULES[rule].mandatory is None and rule != "collecte.open"]
    begins = {rule: draw(st.integers(bare, 5)) for rule in optional}
    begins["collecte.open"] = 1 if bare is N2 else draw(st.integers(1, 5))
    for rule in LISTABLE:
        mandatory = RULES[rule].mandatory
        if mandatory is not None:
            begins[rule] = draw(st.integers(bare, mandatory)) if mandatory > N2 else bare
    lowest, believed, levels = CertificateLevel.LCP, draw(st.integers(0, 4)), []
    closed = draw(st.sampled_from([5] * 12 + [4, 3, 2, 1]))
    for level in SignatureLevel:
        if level >= closed:
            levels.append(CLOSED)
            continue
        rules = tuple(draw(st.permutations([rule for rule in LISTABLE if begins[rule] <= level])))
        if level < bare:
            levels.append(LevelRules(rules=rules))
            continue
        lowest = max(lowest, REQUIRED_CERTIFICATE[level] or lowest, draw(LEAST))
        levels.append(LevelRules(rules=rules, certificate=lowest, attestation=level <= believed))
    return tuple(levels)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Any policy that means something."""
    if draw(st.booleans()):
        return POLICIES[draw(usually("default", list(POLICIES)))]
    issuers = draw(st.lists(ISSUER, max_size=3))
    fields = draw(st.sampled_from([HOLDER_FIELDS, HOLDER_FIELDS[:2], HOLDER_FIELDS[:3]]))
    return Policy(
        version="drawn",
        levels=draw(level_rules()),
        issuers=(*issuers, *draw(st.sampled_from([POLICIES["default"].issuers, ()]))),
        trusted_lists=draw(st.frozensets(st.sampled_from(CertificateLevel))),
        attestors=tuple(
            draw(st.lists(st.builds(Attestor, provider=st.just("universign"), levels=SOME_LEVELS), max_size=2))
        ),
        floors=tuple(draw(st.lists(FLOORS, max_size=2))),
        holder_fields=fields,
        holder_close=draw(st.frozensets(st.sampled_from(Transformation))),
        third_party_highest=draw(st.booleans()),
        status_age=draw(st.sampled_from([timedelta(hours=1), timedelta(hours=24), timedelta(days=400)])),
        beyond_deadline=draw(st.sampled_from([timedelta(0), MONTH])),
    )


@st.composite
def cases(draw: st.DrawFn, people: int = 3) -> Case:
    """Any question to the policy."""
    count = draw(st.integers(1, people))
    signatories: list[Signatory] = []
    holdings: dict[SignatoryId, tuple[Evidence, ...]] = {}
    known: dict[Fingerprint, Recognition] = {}
    for at in range(count):
        who = SignatoryId(f"s{at}")
        called = draw(st.sampled_from([NAME, NAME, PersonName(given="Jürgen", last="Schulz")]))
        level, role = draw(LEVELS), draw(st.sampled_from(Role))
        signatories.append(Signatory(id=who, name=called, email=EMAIL, mobile=MOBILE, level=level, role=role))
        one = st.lists(certificates(), max_size=3, unique_by=lambda pair: pair[0].certificate.fingerprint)
        seen = draw(one)
        holdings[who] = (*(holding for holding, _ in seen), *draw(st.lists(ATTESTATIONS, max_size=2)))
        known |= {holding.certificate.fingerprint: found for holding, found in seen if found is not None}
    collecte = Collecte(
        id=CollecteId("c1"),
        title="Accounts",
        sender="Cabinet",
        documents=tuple(
            Document(id=DocumentId(f"d{at}"), name="d.pdf", content=ContentHash(f"sha256:{'0' * 64}"), kind=kind)
            for at, kind in enumerate(draw(st.lists(st.sampled_from(KINDS_OF_DOCUMENT), min_size=1, max_size=2)))
        ),
        signatories=tuple(signatories),
        deadline=draw(st.sampled_from([DEADLINE] * 12 + [NOW + SECOND, NOW])),
        order=draw(st.sampled_from(Order)),
    )
    return Case(collecte, holdings, draw(policies()), known)


def check_no_level_added(before: Decision, after: Decision) -> None:
    for one, other in zip(before, after, strict=True):
        assert set(other.levels_available) <= set(one.levels_available)


def against(one: SignatoryDecision, level: SignatureLevel) -> set[Verdict]:
    return {finding.verdict for finding in one.at(level).findings} - {PASSED}


# --- deterministic; independent of order -----------------------------------------------------------------------------


@given(cases(), st.randoms(use_true_random=False))
def test_law_deterministic_and_independent_of_every_order(case: Case, chance: Random) -> None:
    def shuffled(things: Sequence[T]) -> tuple[T, ...]:
        return tuple(chance.sample(things, len(things)))

    policy, collecte = case.policy, case.collecte
    other = Case(
        evolve(collecte, signatories=shuffled(collecte.signatories), documents=shuffled(collecte.documents)),
        {who: shuffled(evidence) for who, evidence in shuffled(list(case.holdings.items()))},
        evolve(
            policy,
            levels=tuple(evolve(each, rules=shuffled(each.rules)) for each in policy.levels),
            issuers=shuffled(policy.issuers),
            attestors=shuffled(policy.attestors),
            floors=shuffled(policy.floors),
            holder_fields=shuffled(policy.holder_fields),
        ),
        dict(shuffled(list(case.known.items()))),
    )
    first, second, third = case.decide(), case.decide(), other.decide()
    assert first == second == third
    assert first.hash == second.hash == third.hash


@given(cases())
def test_law_what_is_decided_of_one_signatory_does_not_depend_on_the_others(case: Case) -> None:
    together = case.decide()
    for signatory in case.collecte.signatories:
        alone = Case(
            evolve(case.collecte, signatories=(signatory,)),
            {signatory.id: case.holdings[signatory.id]},
            case.policy,
            case.known,
        )
        assert alone.decide().signatories == (together.of(signatory.id),)


# --- levels are nested -----------------------------------------------------------------------------------------------


@given(cases())
def test_law_passing_a_level_passes_every_level_below_it(case: Case) -> None:
    for one in case.decide():
        event(f"available: {len(one.levels_available)}")
        assert one.levels_available == tuple(SignatureLevel)[: len(one.levels_available)]


# --- more evidence, less trust ---------------------------------------------------------------------------------------


@given(cases(), st.one_of(certificates(), ATTESTATIONS))
def test_law_one_more_certificate_never_takes_a_level_away(
    case: Case, more: tuple[Holding, Recognition | None] | Attestation
) -> None:
    known = dict(case.known)
    if isinstance(more, Attestation):
        evidence: Evidence = more
    else:
        number = Fingerprint("e" * 64)  # not one that is already there
        evidence = evolve(more[0], certificate=evolve(more[0].certificate, fingerprint=number))
        known |= {number: more[1]} if more[1] is not None else {}
    who = case.collecte.signatories[0].id
    before = case.decide()
    added = evolve(case, holdings={**case.holdings, who: (*case.holdings[who], evidence)}, known=known).decide()
    check_no_level_added(added, before)
    assert before.of(who).level_required <= added.of(who).level_required  # it may ask for more, and says so
    for one, other in zip(before, added, strict=True):
        if not other.level_required > one.level_required:
            assert set(one.levels_offered) <= set(other.levels_offered)


def _status(holding: Holding, kind: StatusKind) -> Holding:
    return evolve(holding, status=evolve(holding.status, kind=kind))


def _older(holding: Holding) -> Holding:
    return evolve(holding, status=evolve(holding.status, checked_at=holding.status.checked_at - timedelta(days=500)))


def _dated(holding: Holding, *, begins: timedelta = 0 * SECOND, ends: timedelta = 0 * SECOND) -> Holding:
    certificate = holding.certificate
    return evolve(
        holding,
        certificate=evolve(
            certificate, not_before=certificate.not_before + begins, not_after=certificate.not_after + ends
        ),
    )


WORSE: dict[str, Callable[[Holding], Holding]] = {
    "revoked": lambda holding: _status(holding, StatusKind.REVOKED),
    "unknown": lambda holding: _status(holding, StatusKind.UNKNOWN),
    "expired": lambda holding: evolve(holding, certificate=evolve(holding.certificate, not_after=NOW - SECOND)),
    "shorter": lambda holding: _dated(holding, ends=-MONTH),
    "later": lambda holding: _dated(holding, begins=13 * MONTH),
    "unnamed": lambda holding: evolve(holding, certificate=evolve(holding.certificate, name=None)),
    "without_mobile": lambda holding: evolve(holding, mobile=None),
    "without_policy": lambda holding: evolve(holding, certificate=evolve(holding.certificate, policies=())),
}
"""One thing made worse about a certificate."""


@given(cases(), st.randoms(use_true_random=False), st.sampled_from(list(WORSE)))
def test_law_revoking_expiring_or_forgetting_never_adds_a_level(case: Case, chance: Random, how: str) -> None:
    made_worse = {
        who: tuple(
            WORSE[how](each) if isinstance(each, Holding) and chance.random() < 0.7 else each for each in evidence
        )
        for who, evidence in case.holdings.items()
    }
    after = evolve(case, holdings=made_worse).decide()
    check_no_level_added(case.decide(), after)


@given(cases())
def test_law_a_status_that_grows_old_never_adds_a_level(case: Case) -> None:
    good = {
        who: tuple(each for each in evidence if not isinstance(each, Holding) or each.status.checked_at <= NOW)
        for who, evidence in case.holdings.items()
    }  # one from the future would become believable
    old = {
        who: tuple(_older(each) if isinstance(each, Holding) else each for each in evidence)
        for who, evidence in good.items()
    }
    check_no_level_added(evolve(case, holdings=good).decide(), evolve(case, holdings=old).decide())


@given(cases(), st.randoms(use_true_random=False))
def test_law_narrowing_who_is_trusted_never_adds_a_level(case: Case, chance: Random) -> None:
    def fewer(levels: frozenset[CertificateLevel]) -> frozenset[CertificateLevel]:
        return frozenset(level for level in levels if chance.random() < 0.7)

    policy = case.policy
    issuers = [evolve(each, levels=levels) for each in policy.issuers if (levels := fewer(each.levels))]
    attestors = [evolve(each, levels=levels) for each in policy.attestors if (levels := fewer(each.levels))]
    narrow = evolve(
        policy,
        issuers=tuple(each if chance.random() < 0.8 else evolve(each, ca=Fingerprint("d" * 64)) for each in issuers),
        attestors=tuple(attestors),
        trusted_lists=fewer(policy.trusted_lists),
    )
    check_no_level_added(case.decide(), evolve(case, policy=narrow).decide())


@given(cases(), st.sampled_from(["status_age", "beyond_deadline", "holder_close", "holder_fields", "attestation"]))
def test_law_a_stricter_policy_never_adds_a_level(case: Case, what: str) -> None:
    policy = case.policy
    strict = {
        "status_age": lambda: evolve(policy, status_age=policy.status_age / 3),
        "beyond_deadline": lambda: evolve(policy, beyond_deadline=policy.beyond_deadline + MONTH),
        "holder_close": lambda: evolve(policy, holder_close=frozenset()),
        "holder_fields": lambda: evolve(policy, holder_fields=HOLDER_FIELDS),
        "attestation": lambda: evolve(policy, levels=tuple(evolve(each, attestation=False) for each in policy.levels)),
    }[what]()
    check_no_level_added(case.decide(), evolve(case, policy=strict).decide())


# --- a refusal says why ----------------------------------------------------------------------------------------------


@given(cases())
def test_law_every_refusal_has_a_finding_that_is_not_passed(case: Case) -> None:
    decision = case.decide()
    for one in decision:
        event(f"verdict: {one.verdict}")
        for each in one.assessments:
            if each.verdict is PASSED:
                assert not each.demands or (each.offered is not bool(each.reasons))
            else:
                # A failure names something that failed. Ignorance names what is not known, and would have failed if
                # every certificate had.
                assert each.verdict in against(one, each.level)
            assert bool(each.reasons) is not each.offered
            for finding in (*each.findings, *each.demands):
                assert RULES[finding.rule].outcomes[finding.outcome] is finding.verdict
                assert finding.source == RULES[finding.rule].source
                if finding.rule == "holder.matches" and finding.verdict is not PASSED:  # what differs is named
                    assert finding.fields
                    assert set(finding.fields) <= set(case.policy.holder_fields)
                for language in ("fr", "en"):
                    assert finding.message(language)
                    assert bool(finding.remedy(language)) is (finding.verdict is not PASSED)
        assert (one.verdict is PASSED) is not bool(one.findings)
        assert all(finding.verdict is not PASSED for finding in one.findings)
    assert {who for who, _ in decision.findings} == {one.signatory for one in decision.refused}
    assert (decision.verdict is PASSED) is not bool(decision.refused)


# --- ignorance does not pass -----------------------------------------------------------------------------------------


@given(cases())
def test_law_what_is_unknown_is_indeterminate_and_does_not_pass(case: Case) -> None:
    forgotten: dict[SignatoryId, tuple[Evidence, ...]] = {
        who: tuple(_status(each, StatusKind.UNKNOWN) for each in evidence if isinstance(each, Holding))
        for who, evidence in case.holdings.items()
    }
    before, after = case.decide(), evolve(case, holdings=forgotten).decide()
    for one, other in zip(before, after, strict=True):
        for level in SignatureLevel:
            if case.policy.at(level).certificate is None:
                continue
            assert other.at(level).verdict is not PASSED
            chosen = one.at(level).chosen
            if chosen is not None and chosen.certificate is not None:  # the status is all that is not known
                assert other.at(level).verdict is INDETERMINATE
                assert ("status.good", "unknown") in [(f.rule, f.outcome) for f in other.at(level).reasons]


@given(cases())
def test_law_where_nobody_looked_nobody_knows(case: Case) -> None:
    """Without what was found out about issuers nothing is gained, and what is lost is not known: it has not failed."""
    before, after = case.decide(), evolve(case, known={}).decide()
    check_no_level_added(before, after)
    for one, other in zip(before, after, strict=True):
        for level in set(one.levels_available) - set(other.levels_available):
            event("was known by looking")
            assert other.at(level).verdict is INDETERMINATE
            assert ("issuer.recognised", "unknown") in [(f.rule, f.outcome) for f in other.at(level).reasons]


@given(cases(), LEVELS)
def test_law_an_empty_rule_list_does_not_pass(case: Case, first: SignatureLevel) -> None:
    levels = (*case.policy.levels[: first - 1], *[CLOSED] * (5 - first))
    for one in evolve(case, policy=evolve(case.policy, levels=levels)).decide():
        for level in SignatureLevel:
            if level >= first:
                assert one.at(level).verdict is FAILED
                assert [finding.rule for finding in one.at(level).findings] == ["level.open"]
        assert one.requested < first or one.verdict is not PASSED


# --- never lowered in silence ----------------------------------------------------------------------------------------


@given(cases())
def test_law_a_level_is_never_lowered_in_silence(case: Case) -> None:
    for signatory in case.collecte.signatories:
        one = case.decide().of(signatory.id)
        assert one.requested is signatory.level
        assert all(one.level_required <= level for level in one.levels_offered)
        assert one.levels_offered == tuple(level for level in one.levels_available if level >= one.level_required)
        assert (one.verdict is PASSED) is (one.requested in one.levels_offered)
        if one.requested < one.level_required:
            event("below what is required")
            assert one.verdict is FAILED
            assert {"level.floor", "level.highest"} & {finding.rule for finding in one.findings}
        needed = case.policy.at(one.requested).certificate
        if one.verdict is PASSED and needed is not None:
            assert one.chosen is not None
            assert one.chosen.level >= needed
        else:
            assert one.chosen is None


@given(cases())
def test_law_the_choice_of_a_decision_passes_again_on_its_own(case: Case) -> None:
    for one in case.decide():
        if one.chosen is None:
            continue
        again = recheck(
            case.collecte,
            one.signatory,
            case.holdings[one.signatory],
            chosen=one.chosen,
            now=NOW,
            policy=case.policy,
            recognitions=case.known,
        )
        assert again.verdict is PASSED
        assert again.chosen == one.chosen
        assert again.requested is one.requested


# --- enforce raises once, with everything ----------------------------------------------------------------------------


@given(cases())
def test_law_enforce_raises_once_with_everything_or_gives_the_decision(case: Case) -> None:
    decision = case.decide()

    def insist() -> Decision:
        return enforce(case.collecte, case.holdings, now=NOW, policy=case.policy, recognitions=case.known)

    # The snapshot that a host stores: by which policy, when, from which certificates.
    assert (decision.policy_version, decision.policy_hash) == (case.policy.version, case.policy.hash)
    assert (decision.collecte, decision.at) == (case.collecte.id, NOW)
    for one in decision:
        held = {each.certificate.fingerprint for each in case.holdings[one.signatory] if isinstance(each, Holding)}
        assert set(one.certificates) == held
    assert set(decision.certificates) == {
        (one.signatory, one.chosen.certificate) for one in decision if one.chosen and one.chosen.certificate
    }
    if decision.verdict is PASSED:
        assert insist() == decision
        return
    with pytest.raises(LevelRefused) as refused:
        insist()
    assert refused.value.decision == decision
    assert set(refused.value.decision.findings) == {
        (one.signatory, finding) for one in decision if one.verdict is not PASSED for finding in one.findings
    }
    for one in decision:
        assert (f"`{one.signatory}` (" in str(refused.value)) is (one.verdict is not PASSED)


# --- the naive twin, and the cases themselves ------------------------------------------------------------------------


@given(cases())
def test_the_naive_twin_agrees(case: Case) -> None:
    opinions = judge(case.collecte, case.holdings, now=NOW, policy=case.policy, recognitions=case.known)
    assert disagreements(case.decide(), opinions) == []


def test_what_a_level_cannot_do_without_is_known_to_these_tests() -> None:
    """`level_rules` draws from the rules as they are; a new one is drawn too, and this says that it was meant."""
    assert {rule for rule in LISTABLE if rule not in mandatory_at(N4)} == {
        "collecte.open",
        "certificate.purpose",
        "validity.deadline",
    }


@given(st.data())
def test_the_naive_twin_agrees_on_what_the_kits_strategies_draw(data: st.DataObject) -> None:
    """People of any spelling, any certificate and any policy: mostly refusals, which must be the same refusals."""
    collecte = data.draw(strategies.collectes())
    evidence = st.lists(st.one_of(strategies.holdings(), strategies.attestations()), max_size=3)
    holdings: dict[SignatoryId, tuple[Evidence, ...]] = {}
    for signatory in collecte.signatories:
        person = Account(id=AccountId("a"), name=signatory.name, email=signatory.email, mobile=signatory.mobile)
        level = data.draw(st.sampled_from(CertificateLevel))
        usable = st.lists(strategies.usable_holdings(person, level=level), max_size=1)
        given_to = {name(each): each for each in (*data.draw(evidence), *data.draw(usable))}
        holdings[signatory.id] = tuple(given_to.values())
    fingerprints = [name(each) for some in holdings.values() for each in some if isinstance(each, Holding)]
    looked_up = [Fingerprint(each) for each in fingerprints if data.draw(st.booleans())]
    known = {each: data.draw(strategies.recognitions()) for each in looked_up}
    case = Case(collecte, holdings, data.draw(strategies.policies()), known)
    opinions = judge(collecte, holdings, now=NOW, policy=case.policy, recognitions=known)
    assert disagreements(case.decide(), opinions) == []
