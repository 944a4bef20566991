"""The local trusted list: what is written is a real one, to other people's readers too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]
from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pyhanko.sign.validation.qualified.eutl_parse import trust_list_to_registry

from qcp_sdk.adapters.local_scheme import (
    LONGEST,
    ListedService,
    Purpose,
    Qualifier,
    ServiceStatus,
    ServiceType,
    publish,
)
from qcp_sdk.errors import InvalidValue
from qcp_sdk.verification import TrustStore
from qcp_sdk.verification.services import FOR_SIGNATURES

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def certificate(key: Key, name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=900))
        .not_valid_after(NOW + timedelta(days=900))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


@pytest.fixture(scope="module", params=["P-256", "RSA"])
def operator(request: pytest.FixtureRequest) -> tuple[Key, bytes]:
    key: Key = (
        rsa.generate_private_key(65_537, 2_048) if request.param == "RSA" else ec.generate_private_key(ec.SECP256R1())
    )
    return key, certificate(key, "TEST operator")


@pytest.fixture(scope="module")
def services() -> list[ListedService]:
    def listed(name: str, type: ServiceType, status: ServiceStatus) -> ListedService:
        der = certificate(ec.generate_private_key(ec.SECP256R1()), name)
        return ListedService(name=name, type=type, certificate=der, history=((status, NOW - timedelta(days=30)),))

    return [
        listed("QC CA", ServiceType.CA_QC, ServiceStatus.GRANTED),
        listed("LCP CA", ServiceType.CA_PKC, ServiceStatus.RECOGNISED_NATIONALLY),
        listed("TSU", ServiceType.QTST, ServiceStatus.GRANTED),
    ]


def written(
    directory: Path, operator: tuple[Key, bytes], services: Sequence[ListedService], *, crls: Sequence[bytes] = ()
) -> Path:
    key, der = operator
    return publish(
        directory,
        operator_key=key,
        operator_certificate=der,
        services=services,
        now=NOW,
        next_update=NOW + timedelta(days=90),
        sequence=3,
        crls=crls,
    )


def test_our_reader_reads_back_what_was_published(
    tmp_path: Path, operator: tuple[Key, bytes], services: list[ListedService]
) -> None:
    written(tmp_path, operator, services)
    (one,) = TrustStore.load(tmp_path).lists
    assert (one.territory, one.sequence, one.issued_at) == ("ZZ", 3, NOW)
    assert one.next_update == NOW + timedelta(days=90)
    assert "TEST" in one.operator
    assert [service.name for service in one.services] == ["QC CA", "LCP CA", "TSU"]
    assert [service.identities for service in one.services] == [(service.certificate,) for service in services]
    assert [service.periods[0].type.rpartition("Svctype/")[2] for service in one.services] == [
        "CA/QC",
        "CA/PKC",
        "TSA/QTST",
    ]
    assert one.services[0].periods[0].purposes == frozenset({FOR_SIGNATURES})
    assert one.services[1].periods[0].purposes == frozenset()


def test_pyhankos_own_reader_verifies_and_reads_it(
    tmp_path: Path, operator: tuple[Key, bytes], services: list[ListedService]
) -> None:
    """The judge: a reader of European lists that nobody here wrote."""
    path = written(tmp_path, operator, services)
    registry, errors = trust_list_to_registry(
        path.read_text(encoding="utf-8"), [asn1_x509.Certificate.load(operator[1])]
    )
    assert errors == []
    assert len(list(registry.known_certificate_authorities)) == 1  # it knows CA/QC only
    assert len(list(registry.known_timestamp_authorities)) == 1


def test_history_qualifiers_and_purposes_are_written(
    tmp_path: Path, operator: tuple[Key, bytes], services: list[ListedService]
) -> None:
    listed = evolve(
        services[0],
        history=(
            (ServiceStatus.WITHDRAWN, NOW - timedelta(days=10)),
            (ServiceStatus.GRANTED, NOW - timedelta(days=30)),
        ),
        purposes=(Purpose.SIGNATURES, Purpose.SEALS),
        qualifiers=(Qualifier(word="QCNoQSCD", policies=("urn:oid:1.2.3", "4.5.6")),),
    )
    written(tmp_path, operator, [listed])
    ((service,),) = ([*one.services] for one in TrustStore.load(tmp_path).lists)
    assert [period.status_word for period in service.periods] == ["withdrawn", "granted"]
    for period in service.periods:
        assert len(period.purposes) == 2
        (element,) = period.qualifications
        assert element.qualifiers == {"QCNoQSCD"}
        assert "1.2.3" in str(element.criteria)
        assert "urn" not in str(element.criteria)


def test_publishing_again_replaces_list_and_revocation(
    tmp_path: Path, operator: tuple[Key, bytes], services: list[ListedService]
) -> None:
    def crl(number: int) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        return (
            x509.CertificateRevocationListBuilder()
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA {number}")]))
            .last_update(NOW)
            .next_update(NOW + timedelta(days=1))
            .sign(key, hashes.SHA256())
            .public_bytes(Encoding.DER)
        )

    first = [crl(1), crl(2)]
    written(tmp_path, operator, services, crls=first)
    assert set(TrustStore.load(tmp_path).crls) == set(first)
    second = [crl(3)]
    written(tmp_path, operator, services[:1], crls=second)
    again = TrustStore.load(tmp_path)
    assert again.crls == tuple(second)
    assert len(again.lists[0].services) == 1
    assert sorted(path.suffix for path in tmp_path.rglob("*.*")) == [".crl", ".pem", ".xml"]


def test_lists_that_no_scheme_publishes_are_refused(
    tmp_path: Path, operator: tuple[Key, bytes], services: list[ListedService]
) -> None:
    key, der = operator

    def attempt(listed: Sequence[ListedService] = services, *, lasting: timedelta = LONGEST, sequence: int = 1) -> None:
        publish(
            tmp_path,
            operator_key=key,
            operator_certificate=der,
            services=listed,
            now=NOW,
            next_update=NOW + lasting,
            sequence=sequence,
        )

    with pytest.raises(InvalidValue):
        attempt([])
    with pytest.raises(InvalidValue):
        attempt([evolve(services[0], history=())])
    with pytest.raises(InvalidValue):
        attempt(lasting=LONGEST + timedelta(seconds=1))
    with pytest.raises(InvalidValue):
        attempt(lasting=timedelta(0))
    with pytest.raises(InvalidValue):
        attempt(sequence=0)
    assert list(tmp_path.iterdir()) == []
    attempt()
