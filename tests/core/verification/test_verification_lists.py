"""Trust directories: what is read, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from qcp_sdk.adapters.local_scheme import ServiceStatus
from qcp_sdk.errors import TrustListError
from qcp_sdk.verification import TrustStore
from qcp_sdk.verification.lists import _criteria, _period
from qcp_sdk.verification.services import (
    Assertion,
    CertificateFacts,
    Criteria,
    ExtendedKeyUsage,
    KeyUsage,
    Policies,
    SubjectAttributes,
    Unreadable,
    holds,
)

if TYPE_CHECKING:
    from tests.core.verification.conftest import World

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def the_list(directory: Path) -> Path:
    """Give the one list of a trust directory."""
    (path,) = (directory / "lists").iterdir()
    return path


def test_a_directory_is_read(world: World) -> None:
    trust = TrustStore.load(world.publish())
    (used,) = trust.used(NOW)
    assert (used.territory, used.sequence, used.expired) == ("ZZ", 7, False)
    assert len(trust.lists[0].services) == 3
    assert len(trust.crls) == 1
    assert trust.is_test
    assert not TrustStore().is_test


def test_the_snapshot_names_the_lists_and_nothing_else(world: World) -> None:
    directory = world.publish()
    one, again = TrustStore.load(directory), TrustStore.load(directory)
    assert one == again
    assert one.snapshot == again.snapshot
    assert TrustStore.load(world.publish(next_update=NOW + timedelta(days=9))).snapshot != one.snapshot


def test_history_is_arranged_in_time(world: World) -> None:
    since = [NOW - timedelta(days=days) for days in (300, 200, 100)]
    granted, withdrawn = ServiceStatus.GRANTED, ServiceStatus.WITHDRAWN
    trust = world.trust(history=tuple(zip((granted, withdrawn, granted), since, strict=True)))
    service = trust.lists[0].services[0]
    assert service.at(since[0] - timedelta(seconds=1)) is None
    words = [service.at(moment + timedelta(days=1)) for moment in since]
    assert [period.status_word for period in words if period] == ["granted", "withdrawn", "granted"]
    assert [period.status_word for period in [service.at(since[1])] if period] == ["withdrawn"]


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda text: text.replace(b"Qualified CA", b"Qualified ca"), "does not verify"),
        (lambda text: text.replace(b"recognisedatnationallevel", b"granted"), "does not verify"),
        (lambda text: text[: text.index(b"<ds:Signature")] + b"</TrustServiceStatusList>", "does not verify"),
        (lambda text: text[:-200], "not a trusted list"),
        (lambda _: b"", "not a trusted list"),
        (lambda _: b"<a/>", "not a trusted list"),
        (lambda _: b"\xff\xfe\x00", "not a trusted list"),
        (lambda text: text.replace(b"<Trust", b"<!DOCTYPE a [<!ENTITY b 'c'>]><Trust", 1), "document type"),
        (lambda text: text.replace(b"EUgeneric", b"EUlistofthelists"), "does not verify"),
    ],
    ids=["name", "status", "unsigned", "cut", "empty", "other-xml", "noise", "doctype", "type"],
)
def test_a_list_that_is_not_as_it_was_signed_is_refused(
    world: World, break_it: Callable[[bytes], bytes], expected: str
) -> None:
    directory = world.publish()
    path = the_list(directory)
    path.write_bytes(break_it(path.read_bytes()))
    with pytest.raises(TrustListError, match=expected) as refusal:
        TrustStore.load(directory)
    assert refusal.value.where == path.name
    assert refusal.value.mend


def test_a_list_wrapped_into_another_is_refused(world: World) -> None:
    """XML signature wrapping: the signed list is there, and another one around it."""
    directory = world.publish()
    path = the_list(directory)
    signed = etree.fromstring(path.read_bytes())
    outer = etree.fromstring(path.read_bytes().replace(b"Qualified CA", b"Somebody else"))
    outer.remove(outer[-1])
    outer.append(signed)
    path.write_bytes(etree.tostring(outer))
    with pytest.raises(TrustListError):
        TrustStore.load(directory)


def test_a_list_signed_by_somebody_else_is_refused(world: World) -> None:
    directory = world.publish()
    (pinned,) = (directory / "operators").iterdir()
    from cryptography.hazmat.primitives.serialization import Encoding

    pinned.write_bytes(world.impostor().certificate.public_bytes(Encoding.PEM))
    with pytest.raises(TrustListError, match="does not verify"):
        TrustStore.load(directory)


def test_directories_that_are_incomplete_are_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(TrustListError, match="no such directory"):
        TrustStore.load(tmp_path)
    for name in ("lists", "operators"):
        (tmp_path / name).mkdir()
    with pytest.raises(TrustListError, match="no trusted list"):
        TrustStore.load(tmp_path)
    (tmp_path / "lists" / "a.xml").write_bytes(the_list(world.publish()).read_bytes())
    with pytest.raises(TrustListError, match="no scheme operator"):
        TrustStore.load(tmp_path)
    (tmp_path / "operators" / "a.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(TrustListError, match="not a certificate"):
        TrustStore.load(tmp_path)


def test_two_lists_of_one_territory_are_refused(world: World) -> None:
    directory = world.publish()
    (directory / "lists" / "old.xml").write_bytes(the_list(directory).read_bytes())
    with pytest.raises(TrustListError, match="second list"):
        TrustStore.load(directory)


def test_a_broken_revocation_list_is_refused(world: World) -> None:
    directory = world.publish()
    (directory / "revocation" / "broken.crl").write_bytes(b"nothing")
    with pytest.raises(TrustListError, match="not a revocation list") as refusal:
        TrustStore.load(directory)
    assert refusal.value.where == "broken.crl"


ADA = CertificateFacts(
    policies=frozenset({"1.2.3"}),
    key_usage=frozenset({"non_repudiation"}),
    extended_key_usage=frozenset({"1.3.6.1.5.5.7.3.4"}),
    subject_attributes=frozenset({"2.5.4.42"}),
)
YES, NO, UNKNOWN = Policies(oids=frozenset({"1.2.3"})), Policies(oids=frozenset({"9"})), Unreadable(name="?")


class TestCriteria:
    @pytest.mark.parametrize(
        ("criterion", "expected"),
        [
            (KeyUsage(required=frozenset({"non_repudiation"})), True),
            (KeyUsage(required=frozenset({"digital_signature"})), False),
            (KeyUsage(forbidden=frozenset({"non_repudiation"})), False),
            (ExtendedKeyUsage(oids=frozenset({"1.3.6.1.5.5.7.3.4"})), True),
            (SubjectAttributes(oids=frozenset({"2.5.4.42", "2.5.4.4"})), False),
            (UNKNOWN, None),
            (Criteria(assertion=Assertion.ALL, parts=(YES, YES)), True),
            (Criteria(assertion=Assertion.ALL, parts=(YES, UNKNOWN)), None),
            (Criteria(assertion=Assertion.ALL, parts=(NO, UNKNOWN)), False),
            (Criteria(assertion=Assertion.AT_LEAST_ONE, parts=(NO, YES)), True),
            (Criteria(assertion=Assertion.AT_LEAST_ONE, parts=(UNKNOWN, YES)), True),
            (Criteria(assertion=Assertion.AT_LEAST_ONE, parts=(UNKNOWN, NO)), None),
            (Criteria(assertion=Assertion.NONE, parts=(NO, NO)), True),
            (Criteria(assertion=Assertion.NONE, parts=(NO, YES)), False),
            (Criteria(assertion=Assertion.NONE, parts=(NO, UNKNOWN)), None),
            (Criteria(assertion=Assertion.ALL, parts=()), None),
        ],
    )
    def test_a_criterion_holds_does_not_or_cannot_be_known(
        self, criterion: KeyUsage | Policies | Criteria, expected: bool | None
    ) -> None:
        assert holds(criterion, ADA) is expected

    def test_the_xml_forms_that_real_lists_have(self) -> None:
        text = """
        <s:CriteriaList xmlns:s="http://uri.etsi.org/TrstSvc/SvcInfoExt/eSigDir-1999-93-EC-TrustedList/#"
            xmlns:x="http://uri.etsi.org/01903/v1.3.2#" xmlns:a="http://uri.etsi.org/02231/v2/additionaltypes#"
            assert="all">
          <s:KeyUsage><s:KeyUsageBit name="nonRepudiation">true</s:KeyUsageBit>
            <s:KeyUsageBit name="digitalSignature">false</s:KeyUsageBit></s:KeyUsage>
          <s:PolicySet><s:PolicyIdentifier><x:Identifier Qualifier="OIDAsURN">urn:oid:1.2.3</x:Identifier>
            </s:PolicyIdentifier></s:PolicySet>
          <s:CriteriaList assert="atLeastOne"><s:PolicySet><s:PolicyIdentifier>
            <x:Identifier>1.2.3</x:Identifier></s:PolicyIdentifier></s:PolicySet></s:CriteriaList>
          <s:otherCriteriaList><a:CertSubjectDNAttribute><a:AttributeOID>
            <x:Identifier>urn:oid:2.5.4.42</x:Identifier></a:AttributeOID></a:CertSubjectDNAttribute>
          </s:otherCriteriaList>
          <s:Description>words</s:Description>
        </s:CriteriaList>"""
        criteria = _criteria(etree.fromstring(text))
        assert len(criteria.parts) == 4
        assert holds(criteria, ADA) is True
        unknown = text.replace("a:CertSubjectDNAttribute>", "a:Novelty>")
        assert holds(_criteria(etree.fromstring(unknown)), ADA) is None
        assert holds(_criteria(etree.fromstring(text.replace('assert="all"', 'assert="most"'))), ADA) is None

    def test_an_unknown_critical_extension_silences_its_period(self) -> None:
        text = """
        <ServiceInformation xmlns="http://uri.etsi.org/02231/v2#">
          <ServiceTypeIdentifier>http://uri.etsi.org/TrstSvc/Svctype/CA/QC</ServiceTypeIdentifier>
          <ServiceStatus>http://uri.etsi.org/TrstSvc/TrustedList/Svcstatus/granted</ServiceStatus>
          <ServiceInformationExtensions><Extension Critical="{}"><Novelty/></Extension></ServiceInformationExtensions>
        </ServiceInformation>"""
        critical, other = (
            _period(etree.fromstring(text.format(word)), starts=NOW, ends=None) for word in ("true", "false")
        )
        assert not critical.in_force
        assert other.in_force
