"""What the trust centre says of its certificates, in answers, lists and timestamps."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp

from qcp_sdk.certificates import read
from qcp_sdk.errors import CertificateError, Rejected
from qcp_sdk.levels import CertificateLevel
from qcp_sdk.values import Key

if TYPE_CHECKING:
    from tests.adapters.local_trust_centre.conftest import World


def test_ocsp_answers_are_delegated_dated_and_final(world: World) -> None:
    certificate, made = world.issue(), world.centre.certificates()
    first = world.centre.ocsp(certificate=certificate.der, issuer=made.qcp)
    assert first is not None
    good = ocsp.load_der_ocsp_response(first)
    now = world.clock.now().replace(microsecond=0)
    assert (good.produced_at_utc, good.this_update_utc) == (now, now)
    assert good.next_update_utc == now + timedelta(hours=1)
    responder = good.certificates[0]
    assert not responder.extensions.get_extension_for_class(x509.OCSPNoCheck).critical
    assert responder.issuer.public_bytes() == x509.load_der_x509_certificate(made.qcp).subject.public_bytes()
    revoked = world.centre.authority(CertificateLevel.QCP_N).revoke(
        key=Key("r/1"), fingerprint=certificate.fingerprint, reason="cessation_of_operation"
    )
    world.clock.advance(timedelta(hours=2))
    second = world.reopened().centre.ocsp(certificate=certificate.der, issuer=made.qcp)
    assert second is not None
    gone = ocsp.load_der_ocsp_response(second)
    assert gone.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert gone.revocation_time_utc == revoked.at
    assert gone.revocation_reason is x509.ReasonFlags.cessation_of_operation


def test_who_answers_for_whom(world: World) -> None:
    made, certificate = world.centre.certificates(), world.issue()
    assert world.centre.ocsp(certificate=made.qcp, issuer=made.root) is None  # the root publishes lists only
    assert world.centre.ocsp(certificate=certificate.der, issuer=made.lcp) is None
    assert world.centre.ocsp(certificate=certificate.der, issuer=b"somebody") is None
    assert world.centre.crl(issuer=certificate.der) is None
    assert world.centre.issuer(certificate=certificate.der) == made.qcp
    assert world.centre.issuer(certificate=made.qcp) == made.root
    assert world.centre.issuer(certificate=made.timestamps) == made.root
    assert world.centre.issuer(certificate=made.seal) == made.lcp
    assert world.centre.issuer(certificate=made.root) is None
    assert world.centre.issuer(certificate=world.centre.operator().certificate) is None
    with pytest.raises(CertificateError):
        world.centre.issuer(certificate=b"junk")


def test_lists_are_numbered_and_renewed_when_something_is_revoked(world: World) -> None:
    made, certificate = world.centre.certificates(), world.issue()

    def present() -> x509.CertificateRevocationList:
        content = world.reopened().centre.crl(issuer=made.qcp)
        assert content is not None
        return x509.load_der_x509_crl(content)

    def number() -> int:
        return present().extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    assert (number(), number()) == (1, 1)
    world.centre.authority(CertificateLevel.QCP_N).revoke(
        key=Key("r/1"), fingerprint=certificate.fingerprint, reason="unspecified"
    )
    told = present()
    assert number() == 2
    (entry,) = told
    assert entry.serial_number == certificate.serial
    assert len(entry.extensions) == 0
    world.clock.advance(timedelta(minutes=1))
    assert number() == 3
    assert present().next_update_utc == present().last_update_utc + timedelta(hours=24)
    root = world.centre.crl(issuer=made.root)
    assert root is not None
    assert len(x509.load_der_x509_crl(root)) == 0


def test_a_timestamp_is_for_a_digest(world: World) -> None:
    for digest in (b"", b"short", b"x" * 64):
        with pytest.raises(Rejected) as refused:
            world.centre.timestamps().timestamp(digest=digest)
        assert refused.value.reason == "bad_digest"


def test_the_operator_signs_trusted_lists_and_nothing_else(world: World) -> None:
    operator = world.centre.operator()
    certificate = x509.load_der_x509_certificate(operator.certificate)
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [purpose.dotted_string for purpose in purposes] == ["0.4.0.2231.3.0"]
    assert not read(operator.certificate).is_ca
    assert operator.key.public_key().public_numbers() == _numbers(certificate)


def _numbers(certificate: x509.Certificate) -> object:
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return key.public_numbers()
