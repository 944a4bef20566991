"""Validating the signatures of a PDF with pyHanko's building blocks of ETSI EN 319 102-1; the only room that knows it.

For each signature, in this order:

1. its place in the document: what it covers, and what was changed since (pyHanko's difference analysis);
2. its timestamps, and the document timestamps after it (§ 5.4), which prove when it existed;
3. the signature itself (§ 5.3) at that proven time, or now where nothing is proven;
4. where a timestamp no longer passes by itself and a document timestamp follows: the whole process for long-term
   availability (§ 5.6.3) must pass too.

We put the blocks together ourselves for what was found by running them: `ades_with_time_validation` passes a
signature whose certificate has expired without any revocation check, and one whose issuer was revoked; and
`ades_lta_validation` alone passes a document whose content was replaced later. Each step is a refusal of its own here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from datetime import UTC, datetime
from functools import lru_cache
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import evolve, field, frozen

from qcp_sdk.verification.errors_border import foreign
from qcp_sdk.verification.report import Changes, Indication, TimeSource, TimestampKind
from qcp_sdk.verification.revocation import Knowledge

if TYPE_CHECKING:
    from asn1crypto import cms, x509  # type: ignore[import-untyped]
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
    from pyhanko.sign.validation.policy_decl import SignatureValidationSpec

MOST_SIGNATURES: Final = 200

Accepts = Callable[[Sequence[bytes], datetime], bool]
"""Whether a path (DER, the certificate first, the listed one last) ends at a service in force at an instant."""


@frozen(kw_only=True)
class Trust:
    """Where trust paths may end, and which of them count at an instant."""

    issuers: tuple[bytes, ...] = field(repr=False)
    stampers: tuple[bytes, ...] = field(repr=False)
    accepts: Accepts = field(repr=False)


@frozen(kw_only=True)
class TimestampFacts:
    """What was found of one timestamp."""

    kind: TimestampKind
    time: datetime
    indication: Indication
    sub_indication: str = ""
    path: tuple[bytes, ...] = field(default=(), repr=False)
    """DER, the time-stamping unit's certificate first; only that one where no path was found."""
    revision: int = 0


@frozen(kw_only=True)
class SignatureFacts:
    """What was found of one signature, before anyone asks what it is worth."""

    field_name: str
    indication: Indication
    sub_indication: str = ""
    certificate: bytes = field(default=b"", repr=False)
    path: tuple[bytes, ...] = field(default=(), repr=False)
    """DER, the signer's certificate first, the listed one last; empty where no path was found."""
    format: str = ""
    proven: datetime | None = None
    """The earliest time at which it is proven to have existed."""
    source: TimeSource = TimeSource.VERIFICATION
    claimed: datetime | None = None
    covers_whole_document: bool = False
    covers_revision: bool = False
    changes: Changes = Changes.UNKNOWN
    allowed: bool = False
    """Whether the changes are of a kind that the document allows after this signature."""
    later_revisions: int = 0
    names_certificate: bool = False
    """Whether the signed attributes name the certificate (ESS signing-certificate, RFC 5035)."""
    intact: bool = False
    """Whether digest and signature value hold, whatever is known of the certificate."""
    revoked_at: datetime | None = None
    timestamps: tuple[TimestampFacts, ...] = ()


@frozen(kw_only=True)
class DocumentFacts:
    """What was found in a document."""

    signatures: tuple[SignatureFacts, ...] = ()
    timestamps: tuple[TimestampFacts, ...] = ()


def embedded(reader: PdfFileReader) -> list[tuple[str, EmbeddedPdfSignature | None]]:
    """Give each filled signature field in the order of signing; None where what fills it cannot be read, last."""
    from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

    known = {one.value for one in SigSeedSubFilter}
    found: list[tuple[str, EmbeddedPdfSignature | None]] = []
    for name, value, place in enumerate_sig_fields(reader, filled_status=True):
        signature = None
        try:
            if value.get_object().get("/SubFilter") in known:
                signature = EmbeddedPdfSignature(reader, place, name)
                signature.signer_cert.dump()
        except foreign():
            signature = None
        found.append((str(name), signature))
        if len(found) > MOST_SIGNATURES:
            raise ValueError("too many signatures")
    return sorted(found, key=lambda one: (one[1] is None, one[1].signed_revision if one[1] is not None else 0))


def certificates(
    signatures: Iterable[tuple[str, EmbeddedPdfSignature | None]], knowledge: Knowledge, issuers: Iterable[bytes]
) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """Give the certificates that signed or stamped time, and all others at hand, where their issuers may be."""
    from asn1crypto import x509
    from pyhanko.sign.general import extract_certificate_info

    leaves: dict[bytes, x509.Certificate] = {}
    pool = [x509.Certificate.load(der) for der in issuers]
    for _, one in signatures:
        if one is None:
            continue
        for signed in (one.signed_data, *([] if _is_timestamp(one) else _tokens(one))):
            found = extract_certificate_info(signed)
            leaves[found.signer_cert.dump()] = found.signer_cert
            pool.extend(found.other_certs)
    pool.extend(_loaded(knowledge.certificates))
    return list(leaves.values()), pool


def examine(
    reader: PdfFileReader,
    signatures: Iterable[tuple[str, EmbeddedPdfSignature | None]],
    *,
    trust: Trust,
    knowledge: Knowledge,
    now: datetime,
) -> DocumentFacts:
    """Validate every signature and timestamp. Opens no connection. May be called inside a running event loop."""
    examiner = _Examiner(reader, trust=trust, knowledge=knowledge, now=now)
    return _outside_any_loop(lambda: asyncio.run(examiner.document(list(signatures))))


T = TypeVar("T")


def _outside_any_loop(work: Callable[[], T]) -> T:
    """Do the work here, or in a thread of its own where an event loop is running in this one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    outcome: list[T] = []
    failure: list[BaseException] = []
    context = copy_context()

    def run() -> None:
        try:
            outcome.append(context.run(work))
        except BaseException as error:  # noqa: BLE001  # it is raised again, in the caller's thread
            failure.append(error)

    thread = Thread(target=run, name="qcp-verify")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


class _Examiner:
    """One document, one moment, one trust."""

    def __init__(self, reader: PdfFileReader, *, trust: Trust, knowledge: Knowledge, now: datetime) -> None:
        self._reader, self._trust, self._now = reader, trust, now
        self._spec = _specification(trust.issuers, trust.stampers, knowledge)

    async def document(self, signatures: list[tuple[str, EmbeddedPdfSignature | None]]) -> DocumentFacts:
        stamps = [(name, one) for name, one in signatures if one is not None and _is_timestamp(one)]
        timestamps: list[TimestampFacts] = []
        found: list[SignatureFacts] = []
        for name, stamp in stamps:
            try:
                timestamps.append(await self._document_timestamp(stamp))
            except foreign():
                found.append(_unreadable(name))
        for name, one in signatures:
            if one is None:
                found.append(_unreadable(name))
            elif not _is_timestamp(one):
                try:
                    found.append(await self._signature(name, one, timestamps))
                except foreign():
                    found.append(_unreadable(name))
        return DocumentFacts(signatures=tuple(found), timestamps=tuple(timestamps))

    async def _signature(self, name: str, one: EmbeddedPdfSignature, documents: list[TimestampFacts]) -> SignatureFacts:
        facts = self._placed(name, one)
        later = [stamp for stamp in documents if stamp.revision > one.signed_revision]
        own = [await self._signature_timestamp(one, token) for token in _tokens(one)]
        facts = evolve(facts, timestamps=tuple(own), format=_format(one, facts, own, later, self._reader))
        proofs = [(stamp.time, stamp.kind) for stamp in (*own, *later) if stamp.indication is Indication.PASSED]
        long_term = None
        if own and later and not any(stamp.indication is Indication.PASSED for stamp in own):
            long_term = await self._long_term(one)
            if long_term is not None:
                proofs.append((long_term, TimestampKind.SIGNATURE))
        if proofs:
            time, kind = min(proofs)
            facts = evolve(facts, proven=time, source=_SOURCES[kind])
        facts = await self._basic(one, facts)
        failed = next((stamp for stamp in own if stamp.indication is not Indication.PASSED), None)
        if (
            facts.indication is Indication.PASSED
            and failed
            and not any(kind is TimestampKind.SIGNATURE for _, kind in proofs)
        ):
            # § 5.5.4: a signature timestamp that does not validate is the answer of the process.
            facts = evolve(facts, indication=Indication.INDETERMINATE, sub_indication=failed.sub_indication)
        return facts

    def _placed(self, name: str, one: EmbeddedPdfSignature) -> SignatureFacts:
        from pyhanko.sign.validation.status import SignatureCoverageLevel

        facts = SignatureFacts(
            field_name=name,
            indication=Indication.INDETERMINATE,
            certificate=one.signer_cert.dump(),
            claimed=_claimed(one),
            names_certificate=_names_certificate(one),
            later_revisions=self._reader.xrefs.total_revisions - 1 - one.signed_revision,
        )
        try:
            one.compute_integrity_info()  # type: ignore[no-untyped-call]
            summary = one.summarise_integrity_info()
        except foreign():
            return facts
        coverage = summary["coverage"]
        return evolve(
            facts,
            covers_whole_document=coverage == SignatureCoverageLevel.ENTIRE_FILE,
            covers_revision=coverage >= SignatureCoverageLevel.ENTIRE_REVISION,
            changes=_changes(summary["diff_result"]),
            allowed=summary["docmdp_ok"] is True,
        )

    async def _basic(self, one: EmbeddedPdfSignature, facts: SignatureFacts) -> SignatureFacts:
        from pyhanko.sign.validation.ades import ades_basic_validation

        at = facts.proven or self._now
        result = await ades_basic_validation(
            signed_data=one.signed_data,
            validation_spec=self._spec,
            timing_info=_timing(at, now=self._now),
            raw_digest=one.compute_digest(),
        )
        indication, sub_indication = _read(result.ades_subindic)
        status = result.api_status
        details = getattr(status, "revocation_details", None)
        facts = evolve(
            facts,
            indication=indication,
            sub_indication=sub_indication,
            path=_path(status),
            intact=bool(status is not None and status.intact and status.valid),
            revoked_at=None if details is None else details.revocation_date,
        )
        if indication is Indication.PASSED and not self._trust.accepts(facts.path, at):
            return evolve(facts, indication=Indication.INDETERMINATE, sub_indication="CHAIN_CONSTRAINTS_FAILURE")
        return facts

    async def _signature_timestamp(self, one: EmbeddedPdfSignature, token: cms.SignedData) -> TimestampFacts:
        from pyhanko.sign.validation.generic_cms import message_imprint_checker

        return await self._timestamp(
            TimestampKind.SIGNATURE, token, message_imprint_checker(one.signer_info), one.signed_revision
        )

    async def _document_timestamp(self, one: EmbeddedPdfSignature) -> TimestampFacts:
        facts = await self._timestamp(TimestampKind.DOCUMENT, one.signed_data, one.compute_digest, one.signed_revision)
        placed = self._placed("", one)
        if not (placed.covers_revision and placed.allowed):
            return evolve(facts, indication=Indication.FAILED, sub_indication="FORMAT_FAILURE")
        return facts

    async def _timestamp(
        self, kind: TimestampKind, token: cms.SignedData, imprint: Callable[[str], bytes], revision: int
    ) -> TimestampFacts:
        from pyhanko.sign.general import extract_certificate_info
        from pyhanko.sign.validation.ades import ades_timestamp_validation

        time = token["encap_content_info"]["content"].parsed["gen_time"].native.astimezone(UTC)
        unit = extract_certificate_info(token).signer_cert.dump()
        facts = TimestampFacts(
            kind=kind, time=time, indication=Indication.FAILED, sub_indication="FORMAT_FAILURE", path=(unit,),
            revision=revision,
        )  # fmt: skip
        try:
            result = await ades_timestamp_validation(
                tst_signed_data=token,
                validation_spec=self._spec,
                expected_tst_imprint=imprint,
                timing_info=_timing(self._now, now=self._now),
            )
        except foreign():
            return facts
        indication, sub_indication = _read(result.ades_subindic)
        path = _path(result.api_status) or (unit,)
        if indication is Indication.PASSED and not self._trust.accepts(path, time):
            indication, sub_indication = Indication.INDETERMINATE, "CHAIN_CONSTRAINTS_FAILURE"
        if indication is Indication.PASSED and time > self._now:
            indication, sub_indication = Indication.INDETERMINATE, "TIMESTAMP_ORDER_FAILURE"
        return evolve(facts, indication=indication, sub_indication=sub_indication, path=path)

    async def _long_term(self, one: EmbeddedPdfSignature) -> datetime | None:
        """Give the time that the whole long-term process proves, or None where it does not pass."""
        from pyhanko.sign.validation.ades import ades_lta_validation
        from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec

        try:
            result = await ades_lta_validation(
                one, PdfSignatureValidationSpec(self._spec), timing_info=_timing(self._now, now=self._now)
            )
        except foreign():
            return None
        indication, _ = _read(result.ades_subindic)
        if indication is not Indication.PASSED or result.best_signature_time is None:
            return None
        return result.best_signature_time.astimezone(UTC)


_SOURCES: Final = {
    TimestampKind.SIGNATURE: TimeSource.SIGNATURE_TIMESTAMP,
    TimestampKind.DOCUMENT: TimeSource.DOCUMENT_TIMESTAMP,
}


@lru_cache(maxsize=8)
def _trust_manager(certificates: tuple[bytes, ...], authorities_only: bool) -> Any:
    from asn1crypto import x509
    from pyhanko_certvalidator.registry import SimpleTrustManager

    loaded = [x509.Certificate.load(der) for der in certificates]
    # A list may name a service by a certificate that is no CA's: then nothing it "issued" is trusted.
    return SimpleTrustManager.build(trust_roots=[one for one in loaded if one.ca or not authorities_only])


def _specification(
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
            raise NotImplementedError("verification opens no connection")

        async def close(self) -> None:
            return None

    return NoNetwork()


def _local(knowledge: Knowledge) -> Any:
    from asn1crypto import crl, ocsp
    from pyhanko.sign.validation.policy_decl import LocalKnowledge
    from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

    ocsps, crls = [], []
    for der in knowledge.ocsps:
        try:
            ocsps.extend(OCSPContainer.load_multi(ocsp.OCSPResponse.load(der)))
        except foreign():
            continue
    for der in knowledge.crls:
        try:
            revoked = crl.CertificateList.load(der)
            revoked["tbs_cert_list"]["this_update"].native  # noqa: B018
            crls.append(CRLContainer(crl_data=revoked))
        except foreign():
            continue
    return LocalKnowledge(known_ocsps=ocsps, known_crls=crls, known_certs=_loaded(knowledge.certificates))


def _loaded(ders: Iterable[bytes]) -> list[x509.Certificate]:
    """Read certificates; a broken one in a document proves nothing, and hinders nothing."""
    from asn1crypto import x509

    found = []
    for der in ders:
        try:
            one = x509.Certificate.load(der)
            one.subject.hashable, one.issuer.hashable  # noqa: B018  # read lazily: a broken one shows here
        except foreign():
            continue
        found.append(one)
    return found


def _timing(at: datetime, *, now: datetime) -> Any:
    from pyhanko_certvalidator.ltv.types import ValidationTimingInfo

    return ValidationTimingInfo(validation_time=at, best_signature_time=at, point_in_time_validation=at != now)


def _read(sub_indication: Any) -> tuple[Indication, str]:
    """Read pyHanko's answer; one that it leaves out is the standard's GENERIC."""
    if sub_indication is None:
        return Indication.INDETERMINATE, "GENERIC"
    indication = Indication(sub_indication.status.name)
    return indication, "" if indication is Indication.PASSED else sub_indication.standard_name


def _path(status: Any) -> tuple[bytes, ...]:
    path = getattr(status, "validation_path", None)
    if path is None:
        return ()
    return tuple(one.dump() for one in path.iter_certs(include_root=True))[::-1]


def _changes(diff: Any) -> Changes:
    from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel

    if diff is None:
        return Changes.UNKNOWN
    if not isinstance(diff, DiffResult):
        return Changes.CONTENT
    return {
        ModificationLevel.NONE: Changes.NONE,
        ModificationLevel.LTA_UPDATES: Changes.VALIDATION_DATA,
        ModificationLevel.FORM_FILLING: Changes.SIGNATURES_OR_FORMS,
        ModificationLevel.ANNOTATIONS: Changes.ANNOTATIONS,
    }.get(diff.modification_level, Changes.CONTENT)


def _format(
    one: EmbeddedPdfSignature,
    facts: SignatureFacts,
    own: list[TimestampFacts],
    later: list[TimestampFacts],
    reader: PdfFileReader,
) -> str:
    """Name the level of EN 319 142-1 § 6 by what is there (whether it validates is another question)."""
    if one.sig_object.get("/SubFilter") != "/ETSI.CAdES.detached" or not facts.names_certificate:
        return "CMS"
    if not own:
        return "PAdES-B-B"
    if "/DSS" not in reader.root:
        return "PAdES-B-T"
    return "PAdES-B-LTA" if later else "PAdES-B-LT"


def _is_timestamp(one: EmbeddedPdfSignature) -> bool:
    return one.sig_object.get("/SubFilter") == "/ETSI.RFC3161"


def _tokens(one: EmbeddedPdfSignature) -> list[cms.SignedData]:
    from pyhanko.sign.validation.generic_cms import extract_tst_data_iter

    return list(extract_tst_data_iter(one.signer_info, signed=False))


def _names_certificate(one: EmbeddedPdfSignature) -> bool:
    kinds = {attribute["type"].native for attribute in one.signer_info["signed_attrs"]}
    return bool(kinds & {"signing_certificate_v2", "signing_certificate"})


def _claimed(one: EmbeddedPdfSignature) -> datetime | None:
    try:
        claimed = one.self_reported_timestamp
    except foreign():
        return None
    return claimed if claimed is None or claimed.tzinfo is not None else claimed.replace(tzinfo=UTC)


def _unreadable(name: str) -> SignatureFacts:
    return SignatureFacts(field_name=name, indication=Indication.FAILED, sub_indication="FORMAT_FAILURE")
