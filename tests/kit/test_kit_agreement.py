"""The product, given whatever the strategies draw: it reads what was written, and decides what it must."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qcp_sdk.certificates import Certificate, Holding, StatusKind, conformity, read
from qcp_sdk.collectes import Collecte, Role
from qcp_sdk.errors import CertificateError, Conflict, DocumentError, LevelRefused, PolicyError
from qcp_sdk.facts import Fact
from qcp_sdk.levels import CertificateLevel, SignatureLevel
from qcp_sdk.matching import Verdict as Same
from qcp_sdk.matching import compare_holder, match_identity, same_name
from qcp_sdk.people import Account
from qcp_sdk.policy import Evidence, Policy, Verdict, assess, default_policy, enforce, read_policy
from qcp_sdk.policy.report import as_json, as_text
from qcp_sdk.policy.shapes import Issuer
from qcp_sdk.subscription.facts import CaptureFinished
from qcp_sdk.subscription.stages import Stage
from qcp_sdk.testing import strategies as qst
from qcp_sdk.testing.scene import Scene
from qcp_sdk.testing.strategies import NOW, Spelling, Storm
from qcp_sdk.testing.strategies.names import Stranger
from qcp_sdk.values import EmailAddress, PersonName, PhoneNumber, SessionId
from qcp_sdk.verification import TrustStore, verify

SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])
N1, N2, N3, N4 = SignatureLevel

# --- names, addresses, numbers ---------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(qst.spellings())
def test_the_same_person_written_otherwise_is_recognised(spelling: Spelling) -> None:
    match = match_identity(spelling.account, spelling.document)
    assert match.accepted(spelling.by), match
    assert match.transformations <= spelling.by
    assert match.verdict is (Same.CLOSE if match.transformations else Same.EXACT)


@settings(max_examples=200)
@given(qst.strangers())
def test_somebody_else_is_never_taken_for_the_person(pair: Stranger) -> None:
    account, document = pair
    match = match_identity(account, document)
    assert match.verdict is Same.NO_MATCH
    assert not match.accepted()


@given(qst.person_names(), qst.person_names())
def test_comparing_names_has_no_first_and_second(one: PersonName, other: PersonName) -> None:
    assert same_name(one, other) is same_name(other, one)
    assert same_name(one, one)
    assert match_identity(one, one).verdict is Same.EXACT


@given(qst.same_mailboxes())
def test_one_mailbox_is_one_mailbox(pair: tuple[EmailAddress, EmailAddress]) -> None:
    one, other = pair
    assert one == other
    assert hash(one) == hash(other)
    assert EmailAddress(one.text) == one


@given(st.emails())
def test_what_hypothesis_calls_an_address_is_one(text: str) -> None:
    assert EmailAddress(text).text.lower() == text.lower()


@given(qst.typed_phone_numbers())
def test_a_number_is_the_same_however_it_is_typed(pair: tuple[str, PhoneNumber]) -> None:
    typed, number = pair
    assert PhoneNumber(typed) == number


# --- certificates ----------------------------------------------------------------------------------------------------


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(qst.certificates())
def test_reading_a_certificate_says_what_was_asked_for(certificate: Certificate) -> None:
    assert read(certificate.der) == certificate


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(qst.certificates_repeating_statements())
def test_a_statement_that_stands_twice_is_read_once(certificate: Certificate) -> None:
    assert read(certificate.der) == certificate


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(qst.broken_certificates())
def test_what_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(CertificateError):
        read(content)


@pytest.mark.parametrize("level", CertificateLevel)
def test_a_conforming_certificate_conforms_to_its_level_and_no_higher_one(level: CertificateLevel) -> None:
    @settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
    @given(qst.conforming_certificates(level=level))
    def conforms(certificate: Certificate) -> None:
        assert certificate.level is level
        assert certificate.name is not None
        asked = {"name": certificate.name, "now": NOW, "same_name": same_name}
        assert conformity(certificate, level=level, **asked) == ()  # type: ignore[arg-type]
        for higher in CertificateLevel:
            if higher > level:
                assert conformity(certificate, level=higher, **asked) == ("wrong_level",)  # type: ignore[arg-type]

    conforms()


# --- policies and decisions ------------------------------------------------------------------------------------------


def text(value: str) -> str:
    """A TOML basic string is a JSON string, but for the characters that neither has to escape."""
    return json.dumps(value, ensure_ascii=False)


def names(levels: frozenset[CertificateLevel]) -> str:
    return "[" + ", ".join(text(level.name) for level in sorted(levels)) + "]"


def written(policy: Policy) -> Iterator[str]:
    """Write a policy as somebody would by hand."""
    yield f"version = {text(policy.version)}"
    yield f"third_party_highest = {str(policy.third_party_highest).lower()}"
    yield f"trusted_lists = {names(policy.trusted_lists)}"
    for level in SignatureLevel:
        mine = policy.at(level)
        if not mine.rules:
            continue
        yield f"[levels.{level.name}]"
        yield "rules = [" + ", ".join(text(rule) for rule in mine.rules) + "]"
        yield f"attestation = {str(mine.attestation).lower()}"
        if mine.certificate is not None:
            yield f"certificate = {text(mine.certificate.name)}"
    if all(not policy.at(level).rules for level in SignatureLevel):
        yield "[levels]"
    for issuer in policy.issuers:
        yield f"[[issuers]]\nname = {text(issuer.name)}\nlevels = {names(issuer.levels)}"
        for key, value in (("organisation", issuer.organisation), ("dn", issuer.dn), ("ca", issuer.ca)):
            if value:
                yield f"{key} = {text(value)}"
    for attestor in policy.attestors:
        yield f"[[attestors]]\nprovider = {text(attestor.provider)}\nlevels = {names(attestor.levels)}"
    for floor in policy.floors:
        yield f"[[floors]]\nlevel = {text(floor.level.name)}"
        for key, value in (("kind", floor.kind), ("role", floor.role)):
            if value:
                yield f"{key} = {text(value)}"
    yield "[holder]\nfields = [" + ", ".join(text(one) for one in policy.holder_fields) + "]"
    yield "close = [" + ", ".join(text(one) for one in sorted(policy.holder_close)) + "]"
    yield f'[margins]\nstatus_age = "{policy.status_age // timedelta(minutes=1)}min"'
    yield f'beyond_deadline = "{policy.beyond_deadline // timedelta(days=1)}d"'


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(qst.policies())
def test_a_policy_written_down_and_read_is_the_policy(policy: Policy) -> None:
    minutes = max(1, min(policy.status_age // timedelta(minutes=1), 99_999))
    policy = evolve(
        policy, status_age=timedelta(minutes=minutes), beyond_deadline=timedelta(days=policy.beyond_deadline.days)
    )
    content = "\n".join(written(policy))
    tomllib.loads(content)
    again = read_policy(content.encode())
    assert again == policy
    assert again.hash == policy.hash


@settings(max_examples=100)
@given(qst.policies(), st.sampled_from(SignatureLevel))
def test_a_policy_cannot_drop_what_a_level_means(policy: Policy, level: SignatureLevel) -> None:
    mine = policy.at(level)
    if "certificate.held" not in mine.rules:
        return
    weaker = evolve(mine, rules=tuple(rule for rule in mine.rules if rule != "certificate.held"))
    with pytest.raises(PolicyError):
        evolve(policy, levels=tuple(weaker if each is level else policy.at(each) for each in SignatureLevel))


@st.composite
def enquiries(draw: st.DrawFn) -> tuple[Collecte, dict[str, tuple[Evidence, ...]], Policy]:
    """A collecte, what each signatory may have in hand, and a policy."""
    collecte = draw(qst.collectes())
    evidence: dict[str, tuple[Evidence, ...]] = {}
    for one in collecte.signatories:
        person = Account(id=draw(qst.ids()), name=one.name, email=one.email, mobile=one.mobile)  # type: ignore[arg-type]
        usable = qst.usable_holdings(person, level=draw(st.sampled_from(CertificateLevel)))
        some = draw(st.lists(qst.holdings() | usable | qst.attestations(), max_size=2))
        by_name = {held.certificate.fingerprint if isinstance(held, Holding) else str(held): held for held in some}
        evidence[one.id] = tuple(by_name.values())
    return collecte, evidence, draw(st.just(default_policy()) | qst.policies())


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(enquiries())
def test_a_decision_keeps_the_policy_s_laws(enquiry: tuple[Collecte, dict[str, tuple[Evidence, ...]], Policy]) -> None:
    collecte, evidence, policy = enquiry
    decision = assess(collecte, evidence, now=NOW, policy=policy)  # type: ignore[arg-type]
    shuffled = {one: tuple(reversed(some)) for one, some in reversed(evidence.items())}
    again = assess(collecte, shuffled, now=NOW, policy=policy)  # type: ignore[arg-type]
    assert again == decision
    assert json.loads(as_json(decision))
    for language in ("fr", "en"):
        assert as_text(decision, collecte, language)
    for one in decision:
        available = one.levels_available
        assert (
            available
            == tuple(level for level in SignatureLevel if level <= max(available, default=N1))[: len(available)]
        )
        if one.verdict is not Verdict.PASSED:
            assert one.findings
    try:
        enforce(collecte, evidence, now=NOW, policy=policy)  # type: ignore[arg-type]
    except LevelRefused as refused:
        assert decision.refused
        assert str(refused)
    else:
        assert not decision.refused


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.data(), qst.accounts())
def test_whoever_holds_a_usable_certificate_may_sign_at_its_level(data: st.DataObject, person: Account) -> None:
    holding = data.draw(qst.usable_holdings(person, level=CertificateLevel.QCP_N))
    drawn = data.draw(qst.collectes(people=st.just(person), levels=st.just(N3), open=True))
    soon = evolve(
        drawn,
        deadline=NOW + timedelta(days=15),
        signatories=tuple(evolve(o, role=Role.MEMBER) for o in drawn.signatories),
    )
    trusted = Issuer(name="drawn", dn=holding.certificate.issuer, levels=frozenset({CertificateLevel.QCP_N}))
    policy = default_policy().trusting(trusted)
    evidence = {one.id: (holding,) for one in soon.signatories}
    assert compare_holder(person, holding).verdict is Same.EXACT
    assert enforce(soon, evidence, now=NOW, policy=policy).verdict is Verdict.PASSED
    revoked = evolve(holding, status=evolve(holding.status, kind=StatusKind.REVOKED))
    with pytest.raises(LevelRefused):
        enforce(soon, {one.id: (revoked,) for one in soon.signatories}, now=NOW, policy=policy)


# --- verification ----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200) | qst.damaged_bodies(b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\nstartxref\n0\n%%EOF"))
def test_what_is_no_pdf_is_refused_in_our_words(content: bytes) -> None:
    with pytest.raises(DocumentError):
        verify(content, trust=TrustStore(), now=NOW)


# --- storms of messages ----------------------------------------------------------------------------------------------


def lived_through(storm: Storm[str] | None) -> tuple[Stage, tuple[type[Fact], ...]]:
    """Bring a subscription to its identity check, let the messages of the provider come, and give what came of it."""
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    session = scene.identity_session(view)
    scene.world.identity.capture(session)
    now = timedelta(0)
    for delivery in storm.deliveries if storm is not None else ():
        scene.wait(delivery.after - now)
        now = delivery.after
        about = SessionId(delivery.message.content.replace("SESSION", session))
        scene.qcp.subscriptions.hint(about)  # authenticated or not: nothing is believed
    scene.wait(timedelta(days=4) - now)
    scene.prove(view.id)
    return scene.qcp.subscriptions.get(view.id).stage, tuple(
        type(one.fact) for one in scene.qcp.records.history(view.id)
    )


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(qst.storms(("SESSION", "SESSION"), forgeable=("SESSION", "another", "")))
def test_a_storm_of_hints_changes_nothing(storm: Storm[str]) -> None:
    assert lived_through(storm) == lived_through(None)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(qst.storms(("capture", "capture"), forgeable=()))
def test_a_message_is_recorded_once_by_its_id(storm: Storm[str]) -> None:
    scene = Scene()
    view = scene.subscribe(scene.jessica, until=Stage.PROVING_IDENTITY)
    fact = CaptureFinished(session=scene.identity_session(view))
    remembered = scene.world.clock.now() + timedelta(days=4)
    taken: list[str] = []
    for delivery in storm.deliveries:
        try:
            scene.qcp.engine.record(view.id, fact, message=(delivery.message.id, remembered))
        except Conflict as conflict:
            assert conflict.kind == "message"
            assert delivery.message.id in taken
        else:
            assert delivery.message.id not in taken
            taken.append(delivery.message.id)
    happened = [type(one.fact) for one in scene.qcp.records.history(view.id)]
    assert happened.count(CaptureFinished) == min(1, len(taken))
    assert set(taken) == {one.message.id for one in storm.deliveries}
