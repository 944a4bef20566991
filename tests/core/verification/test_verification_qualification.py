"""The trusted lists' answer about one certificate: TS 119 615, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from qcp_sdk.certificates import Certificate as CertificateRead
from qcp_sdk.certificates import QcStatements, read
from qcp_sdk.levels import SignatureLevel
from qcp_sdk.verification import Qualification
from qcp_sdk.verification.qualification import Assessment, assess
from qcp_sdk.verification.services import (
    CA_QC,
    EIDAS,
    FOR_SIGNATURES,
    GRANTED,
    INFORMATION,
    WITHDRAWN,
    Assertion,
    CertificateFacts,
    Criteria,
    Period,
    Policies,
    QualificationElement,
    Service,
    Unreadable,
)

if TYPE_CHECKING:
    from tests.core.verification.conftest import World

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ESIGN, ESEAL, WEB = "0.4.0.1862.1.6.1", "0.4.0.1862.1.6.2", "0.4.0.1862.1.6.3"
FACTS = CertificateFacts(policies=frozenset({"1.2.3"}))
QUALIFIED = QcStatements(compliance=True, types=(ESIGN,))
WORDS = (
    "NotQualified", "QCStatement", "QCWithQSCD", "QCNoQSCD", "QCQSCDManagedOnBehalf", "QCForESig", "QCForESeal",
    "QCForWSA", "QCForLegalPerson", "QCWithSSCD", "QCNoSSCD", "QCQSCDStatusAsInCert", "SomethingNew",
)  # fmt: skip


@pytest.fixture(scope="module")
def certificate(world: World) -> CertificateRead:
    return read(world.jeanne.der)


def service(*qualifiers: str, status: str = GRANTED, known: bool = True, **changes: object) -> Service:
    """A CA/QC service whose qualifiers apply to the certificate, or may apply."""
    part = Policies(oids=frozenset({"1.2.3"})) if known else Unreadable(name="?")
    element = QualificationElement(
        qualifiers=frozenset(qualifiers), criteria=Criteria(assertion=Assertion.ALL, parts=(part,))
    )
    options: dict[str, object] = {
        "type": CA_QC,
        "status": status,
        "starts": AT - timedelta(days=100),
        "purposes": frozenset({FOR_SIGNATURES}),
        "qualifications": (element,) if qualifiers else (),
        **changes,
    }
    period = Period(**options)  # type: ignore[arg-type]
    return Service(name="CA", provider="P", territory="ZZ", identities=(), periods=(period,))


def ask(certificate: CertificateRead, qc: QcStatements, *services: Service) -> Assessment:
    return assess(evolve(certificate, qc=qc), FACTS, services, AT)


@pytest.mark.parametrize(
    ("qc", "qualifiers", "qualified", "why"),
    [
        (QUALIFIED, (), True, None),
        (QcStatements(compliance=True), (), True, None),
        (QcStatements(types=(ESIGN,)), (), False, "not_declared_qualified"),
        (QcStatements(types=(ESIGN,)), ("QCStatement",), True, None),
        (QcStatements(compliance=True, types=(ESEAL,)), (), False, "not_for_signatures"),
        (QcStatements(compliance=True, types=(WEB,)), (), False, "not_for_signatures"),
        (QcStatements(compliance=True, types=("1.2.3.4",)), (), False, "not_for_signatures"),
        (QcStatements(compliance=True, types=(ESIGN, ESEAL)), (), False, "type_ambiguous"),
        (QcStatements(compliance=True, types=(ESIGN, ESEAL)), ("QCForESig",), True, None),
        (QcStatements(compliance=True, types=(ESEAL,)), ("QCForESig",), True, None),
        (QUALIFIED, ("NotQualified",), False, "declared_not_qualified"),
        (QUALIFIED, ("QCForLegalPerson",), False, "not_for_signatures"),
        (QUALIFIED, ("QCForESeal",), False, "not_for_signatures"),
        (QUALIFIED, ("QCForWSA",), False, "not_for_signatures"),
        (QUALIFIED, ("NotQualified", "QCStatement"), False, "list_contradicts_itself"),
        (QUALIFIED, ("QCForESig", "QCForESeal"), False, "list_contradicts_itself"),
        (QUALIFIED, ("SomethingNew",), True, None),
    ],
)
def test_what_the_list_and_the_certificate_say_together(
    certificate: CertificateRead, qc: QcStatements, qualifiers: tuple[str, ...], qualified: bool, why: str | None
) -> None:
    answer = ask(certificate, qc, service(*qualifiers))
    assert answer.qualified is qualified
    assert [one.id for one in answer.reasons] == ([why] if why else [])


@pytest.mark.parametrize(
    ("stated", "qualifiers", "expected"),
    [
        (False, (), False),
        (True, (), True),
        (True, ("QCNoQSCD",), False),
        (True, ("QCNoSSCD",), False),
        (False, ("QCWithQSCD",), True),
        (False, ("QCWithSSCD",), True),
        (False, ("QCQSCDManagedOnBehalf",), True),
        (False, ("QCWithQSCD", "QCNoQSCD"), False),
        (True, ("QCQSCDStatusAsInCert",), True),
        (False, ("QCQSCDStatusAsInCert",), False),
    ],
)
def test_where_the_key_is(
    certificate: CertificateRead, stated: bool, qualifiers: tuple[str, ...], expected: bool
) -> None:
    assert ask(certificate, evolve(QUALIFIED, qscd=stated), service(*qualifiers)).qscd is expected


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (service(status=WITHDRAWN), "service_not_granted"),
        (service(starts=AT + timedelta(days=1)), "service_not_in_force"),
        (service(ends=AT), "service_not_in_force"),
        (service(purposes=frozenset({f"{INFORMATION}ForeSeals"})), "service_not_for_signatures"),
        (service(purposes=frozenset()), "service_not_for_signatures"),
        (service(incomprehensible=True), "service_not_granted"),
        (service(type="http://uri.etsi.org/TrstSvc/Svctype/CA/PKC"), "issuer_not_qualified"),
    ],
)
def test_a_service_that_does_not_count(certificate: CertificateRead, one: Service, why: str) -> None:
    answer = ask(certificate, QUALIFIED, one)
    assert not answer.qualified
    assert [one.id for one in answer.reasons] == [why]


def test_before_eidas_other_statuses_counted(certificate: CertificateRead) -> None:
    old = "http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/undersupervision"
    then = EIDAS - timedelta(days=10)
    listed = service(status=old, starts=then - timedelta(days=10), purposes=frozenset())
    assert assess(evolve(certificate, qc=QUALIFIED), FACTS, [listed], then).qualified
    assert not assess(evolve(certificate, qc=QUALIFIED), FACTS, [listed], EIDAS).qualified


def test_of_two_services_one_that_is_not_granted_is_silent(certificate: CertificateRead) -> None:
    assert ask(certificate, QUALIFIED, service(status=WITHDRAWN), service()).qualified


def test_two_services_that_contradict_one_another_give_nothing(certificate: CertificateRead) -> None:
    answer = ask(certificate, QUALIFIED, service(), service("NotQualified"))
    assert not answer.qualified
    assert [one.id for one in answer.reasons] == ["list_contradicts_itself"]


def test_what_cannot_be_known_takes_away_and_never_gives(certificate: CertificateRead) -> None:
    assert not ask(certificate, QUALIFIED, service("NotQualified", known=False)).qualified
    assert not ask(certificate, QcStatements(), service("QCStatement", known=False)).qualified
    assert not ask(certificate, QUALIFIED, service("QCWithQSCD", known=False)).qscd


@given(words=st.sets(st.sampled_from(WORDS)), more=st.sampled_from(("NotQualified", "QCNoQSCD", "QCForESeal")))
def test_a_qualifier_that_takes_away_never_gives(words: set[str], more: str) -> None:
    plain = _plain(QUALIFIED)
    before = assess(plain, FACTS, [service(*words)], AT)
    after = assess(plain, FACTS, [service(*words, more)], AT)
    assert after.qualified <= before.qualified
    assert after.qscd <= before.qscd


@given(words=st.sets(st.sampled_from(WORDS)), compliance=st.booleans(), qscd=st.booleans())
def test_a_qscd_is_never_said_of_what_is_not_qualified(words: set[str], compliance: bool, qscd: bool) -> None:
    qc = QcStatements(compliance=compliance, types=(ESIGN,), qscd=qscd)
    answer = assess(_plain(qc), FACTS, [service(*words)], AT)
    assert answer.qualified or not answer.qscd
    assert bool(answer.reasons) is not answer.qualified


def _plain(qc: QcStatements) -> CertificateRead:
    return CertificateRead(
        der=b"",
        fingerprint="0" * 64,  # type: ignore[arg-type]
        serial=1,
        issuer="CN=CA",
        subject="CN=Ada",
        qc=qc,
        not_before=AT - timedelta(days=9),
        not_after=AT + timedelta(days=9),
    )


@pytest.mark.parametrize(
    ("types", "expected"),
    [((ESEAL,), SignatureLevel.NIVEAU_1), ((WEB,), SignatureLevel.NIVEAU_2), ((ESIGN, WEB), SignatureLevel.NIVEAU_2)],
)
def test_other_types_in_a_signed_document_are_less(
    world: World, types: tuple[str, ...], expected: SignatureLevel
) -> None:
    """A QcType with two values, or an unknown one, makes pyHanko's own assessor raise."""
    party = world.person(qc=world.statements(types=types))
    (signature,) = world.verify(world.signed(party)).signatures
    assert signature.level_reached is expected
    assert signature.qualification is not Qualification.ADESIG_QC
