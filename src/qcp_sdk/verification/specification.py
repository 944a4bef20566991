"""By which rules pyHanko validates for us: where paths may end, what is known of revocation, and no network at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from qcp_sdk.verification import own
from qcp_sdk.verification.errors_border import foreign
from qcp_sdk.verification.revocation import MOST, Knowledge

if TYPE_CHECKING:
    from asn1crypto import x509  # type: ignore[import-untyped]
    from pyhanko.sign.validation.policy_decl import LocalKnowledge, SignatureValidationSpec

MOST_ENTRIES: Final = 20
"""Certificates that one OCSP answer may speak of; what speaks of more is passed over. One is asked about at a time."""


@lru_cache(maxsize=8)
def _trust_manager(certificates: tuple[bytes, ...], authorities_only: bool) -> Any:
    from pyhanko_certvalidator.authority import AuthorityWithCert, TrustAnchor
    from pyhanko_certvalidator.registry import SimpleTrustManager

    class Listed(AuthorityWithCert):
        """A listed authority, which answers for itself.

        pyHanko looks for the issuer of whoever signed a revocation list, on the path. Where the path ends at a listed
        authority that is not self-signed (most are not) it finds none, and takes no revocation list of it at all.
        """

        def is_potential_issuer_of(self, cert: x509.Certificate) -> bool:
            return bool(cert.sha256 == self.certificate.sha256 or super().is_potential_issuer_of(cert))

    readable = loaded(certificates)
    # A list may name a service by a certificate that is no CA's: then nothing it "issued" is trusted.
    return SimpleTrustManager.build(
        trust_roots=[
            TrustAnchor((Listed if one.ca else AuthorityWithCert)(one))
            for one in readable
            if one.ca or not authorities_only
        ]
    )


def specification(
    issuers: tuple[bytes, ...], stampers: tuple[bytes, ...], knowledge: Knowledge
) -> SignatureValidationSpec:
    from pyhanko.sign.validation.policy_decl import (
        RevinfoOnlineFetchingRule,
        RevocationInfoGatheringSpec,
        SignatureValidationSpec,
    )
    from pyhanko.sign.validation.settings import KeyUsageConstraints
    from pyhanko_certvalidator.context import CertValidationPolicySpec
    from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy

    # Revocation is final under eIDAS art. 28(4): what a later answer calls good was good before. So an answer
    # that was made after the signing time counts for it (EN 319 102-1 § 5.2.5.4: it is fresher than needed).
    revocation = CertRevTrustPolicy(REQUIRE_REVINFO, retroactive_revinfo=True)
    return SignatureValidationSpec(
        cert_validation_policy=CertValidationPolicySpec(
            trust_manager=_trust_manager(issuers, authorities_only=True), revinfo_policy=revocation
        ),
        # A qualified TSU is often listed itself and carries no QcStatements, and pyHanko's own check asks for them.
        ts_cert_validation_policy=CertValidationPolicySpec(
            trust_manager=_trust_manager((*stampers, *issuers), authorities_only=False), revinfo_policy=revocation
        ),
        revinfo_gathering_policy=RevocationInfoGatheringSpec(
            online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY, fetcher_backend=_no_network()
        ),
        local_knowledge=_local(knowledge),
        # EN 319 412-2 § 4.3.2: types A, B, C and F sign; which of them a qualified signature wants is the list's word.
        key_usage_settings=KeyUsageConstraints(
            key_usage={"non_repudiation", "digital_signature"}, match_all_key_usages=False
        ),
    )


@lru_cache(maxsize=1)
def _no_network() -> Any:
    """A fetcher backend without fetchers: pyHanko makes an HTTP session of its own for each validation otherwise."""
    from pyhanko_certvalidator.fetchers import FetcherBackend

    class NoNetwork(FetcherBackend):
        def get_fetchers(self) -> Any:
            raise RuntimeError("verification opens no connection")

        async def close(self) -> None:
            return None

    return NoNetwork()


def _local(knowledge: Knowledge) -> Any:
    from asn1crypto import crl, ocsp
    from pyhanko.sign.validation.policy_decl import LocalKnowledge
    from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

    ocsps: list[Any] = []
    crls = []
    for der in knowledge.ocsps:
        try:
            answer = ocsp.OCSPResponse.load(der)
            body = answer.basic_ocsp_response
            # Every entry is a container of its own, which reads the whole answer again.
            if body is None or len(body["tbs_response_data"]["responses"]) > MOST_ENTRIES:
                continue
            ocsps.extend(OCSPContainer.load_multi(answer)[: MOST - len(ocsps)])
        except foreign():
            continue
    for der in knowledge.crls:
        try:
            revoked = crl.CertificateList.load(der)
            revoked["tbs_cert_list"]["this_update"].native  # noqa: B018
            crls.append(CRLContainer(crl_data=revoked))
        except foreign():
            continue
    return LocalKnowledge(known_ocsps=ocsps, known_crls=crls, known_certs=_begun(knowledge.certificates))


def loaded(ders: Iterable[bytes]) -> list[x509.Certificate]:
    """Read certificates to their last field; a broken one in a document proves nothing, and hinders nothing."""
    return [_whole(der) for der in ders if _legible(der)]


def _legible(der: bytes) -> bool:
    try:
        _whole(der)
    except foreign():
        return False
    return True


def without_broken(knowledge: Knowledge) -> Knowledge:
    """Leave out what cannot be read to its end, certificates whose key nobody here can use, and OCSP answers that
    bring one: they prove nothing, and shall hinder nothing."""
    return evolve(
        knowledge,
        certificates=tuple(der for der in knowledge.certificates if _usable(der)),
        ocsps=tuple(der for der in knowledge.ocsps if _usable_answer(der)),
        crls=tuple(der for der in knowledge.crls if _usable_list(der)),
    )


def _usable(der: bytes) -> bool:
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if not _legible(der):
        return False
    key = _whole(der).public_key
    try:
        load_der_public_key(key.dump())
    except foreign():
        return bool(key.algorithm == "rsassa_pss")  # pyHanko reads these by itself
    return True


_NAMED_BY: Final = frozenset({"sha1", "sha256"})
"""By which hashes pyHanko can find the certificate that an answer is about; it stumbles over others."""


def _usable_answer(der: bytes) -> bool:
    from asn1crypto import ocsp

    try:
        answer = ocsp.OCSPResponse.load(der)
        body = answer.basic_ocsp_response
        answer.native, body.native  # noqa: B018  # read to its end
        brought = [one.dump() for one in body["certs"] or ()]
        named = {one["cert_id"]["hash_algorithm"]["algorithm"].native for one in body["tbs_response_data"]["responses"]}
    except foreign():
        return False
    return named <= _NAMED_BY and all(_usable(one) for one in brought)


def _usable_list(der: bytes) -> bool:
    """All of it but its entries: there may be a hundred thousand, and cryptography finds the one that is sought."""
    from asn1crypto import crl
    from cryptography.x509 import load_der_x509_crl

    try:
        revoked = crl.CertificateList.load(der)
        body = revoked["tbs_cert_list"]
        for name in ("version", "signature", "issuer", "this_update", "next_update", "crl_extensions"):
            body[name].native  # noqa: B018
        revoked["signature_algorithm"].native, revoked["signature"].native, body["issuer"].hashable
        list(load_der_x509_crl(der).extensions)
    except foreign():
        return False
    return True


def _begun(ders: Iterable[bytes]) -> list[x509.Certificate]:
    """Give the certificates of a document, read as far as somebody asks: who calls is ready for broken ones."""
    found = []
    for der in ders:
        try:
            found.append(own.certificate(der))
        except foreign():
            continue
    return found


@lru_cache(maxsize=128)
def _whole(der: bytes) -> x509.Certificate:
    """Read a certificate to its last field, once, for all threads: those at which trust paths end."""
    from asn1crypto import x509

    one = x509.Certificate.load(der)
    one.native, one.subject.hashable, one.issuer.hashable, one.sha256  # noqa: B018
    one.issuer_serial, one.key_identifier, one.ca, one.self_signed, one.ocsp_no_check_value  # noqa: B018
    return one


def timing(at: datetime, *, now: datetime) -> Any:
    from pyhanko_certvalidator.ltv.types import ValidationTimingInfo

    return ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=at != now)


def without_revocation(spec: SignatureValidationSpec) -> SignatureValidationSpec:
    """Give the same rules without any demand for revocation data: to find out whether that was what was missing."""
    from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy

    return _under(spec, CertRevTrustPolicy(NO_REVOCATION))


def of_holder_only(spec: SignatureValidationSpec) -> SignatureValidationSpec:
    """Give the same rules without any demand for data about authorities: to judge one claim about a holder alone."""
    from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule

    rules = RevocationCheckingPolicy(RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.NO_CHECK)
    return _under(spec, CertRevTrustPolicy(rules, retroactive_revinfo=True))


def _under(spec: SignatureValidationSpec, policy: Any) -> SignatureValidationSpec:
    stamping = spec.ts_cert_validation_policy or spec.cert_validation_policy
    return dataclasses.replace(
        spec,
        cert_validation_policy=dataclasses.replace(spec.cert_validation_policy, revinfo_policy=policy),
        ts_cert_validation_policy=dataclasses.replace(stamping, revinfo_policy=policy),
    )


def revocation_claims(
    knowledge: LocalKnowledge,
    certificate: x509.Certificate,
    issuer: x509.Certificate | None,
    by: datetime,
    at: datetime,
    now: datetime,
) -> Iterator[tuple[LocalKnowledge, list[datetime]]]:
    """Give each piece of data that says the certificate was revoked until `by`, with when to judge it.

    What is known of this certificate besides is left out, and what is known of others kept: pyHanko goes from the
    listed authority downwards, and wants to hear that those above are good.

    Nothing is authenticated here. A revocation is final, so one that was said in time still counts when the data
    that says it have grown old: they are judged at the last instant at which they were current. And one that was said
    later counts too: it is judged at `at` and when it was made, until `now`, because neither the signer's certificate
    (it may have ended since) nor the responder's (it may have begun since) need be valid at both.
    """
    serial, name = certificate.serial_number, certificate.issuer.hashable
    about, others = [], []
    for answer in knowledge.known_ocsps:
        single = answer.extract_single_response()
        if single is None or single["cert_id"]["serial_number"].native != serial:
            others.append(answer)
        elif _names(single["cert_id"], certificate, issuer):
            about.append((answer, single))
    lists: list[Any] = []
    besides: list[Any] = []
    for one in knowledge.known_crls:
        (lists if one.crl_data["tbs_cert_list"]["issuer"].hashable == name else besides).append(one)
    for answer, single in about:
        status = single["cert_status"]
        if status.name == "revoked" and _final(
            status.chosen["revocation_time"].native,
            held=status.chosen["revocation_reason"].native == "certificate_hold",
            until=single["next_update"].native,
            by=by,
        ):
            body = answer.ocsp_response_data.basic_ocsp_response["tbs_response_data"]
            made = (body["produced_at"].native, single["this_update"].native)
            alone = dataclasses.replace(knowledge, known_ocsps=[answer, *others], known_crls=besides)
            yield alone, _moments(at, made, single["next_update"].native, now)
    for revoked in lists:
        body = revoked.crl_data["tbs_cert_list"]
        if _revoked_by(revoked.crl_data.dump(), serial, by, body["next_update"].native):
            alone = dataclasses.replace(knowledge, known_ocsps=others, known_crls=[revoked, *besides])
            yield alone, _moments(at, (body["this_update"].native,), body["next_update"].native, now)


def _names(named: Any, certificate: x509.Certificate, issuer: x509.Certificate | None) -> bool:
    """Whether an answer is about this certificate of this issuer (RFC 6960 § 4.1.1)."""
    hashed = named["hash_algorithm"]["algorithm"].native
    if issuer is None or hashed not in _NAMED_BY:
        return issuer is None
    return bool(
        named["issuer_key_hash"].native == getattr(issuer.public_key, hashed)
        and named["issuer_name_hash"].native == getattr(certificate.issuer, hashed)
    )


def _moments(at: datetime, made: tuple[datetime, ...], until: datetime | None, now: datetime) -> list[datetime]:
    return sorted({min(one, until or one) for one in (at, *(max(at, min(one, now)) for one in made))})


def _revoked_by(crl: bytes, serial: int, by: datetime, until: datetime | None) -> bool:
    # cryptography finds one serial among a hundred thousand at once; asn1crypto would read them all, for seconds.
    from cryptography.x509 import CRLReason, ReasonFlags, load_der_x509_crl

    try:
        entry = load_der_x509_crl(crl).get_revoked_certificate_by_serial_number(serial)
        reasons = () if entry is None else [one.value for one in entry.extensions if isinstance(one.value, CRLReason)]
    except foreign():
        return False
    return entry is not None and _final(
        entry.revocation_date_utc.replace(tzinfo=UTC),
        held=any(one.reason is ReasonFlags.certificate_hold for one in reasons),
        until=until,
        by=by,
    )


def _final(revoked: datetime, *, held: bool, until: datetime | None, by: datetime) -> bool:
    """Whether it was revoked by then. A suspension may be lifted (RFC 5280 § 5.3.1): it ends with who says it."""
    return revoked <= by and not (held and until is not None and until < by)
