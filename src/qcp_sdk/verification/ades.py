"""Validating the signatures of a PDF with pyHanko's building blocks of ETSI EN 319 102-1; the only room that knows it.

For each signature, in this order:

1. its place in the document: what it covers, and what was changed since (pyHanko's difference analysis);
2. the document timestamps, last one first, and its own timestamps (§ 5.4): each is validated now and, where it no
   longer passes, at the time that a later document timestamp proves for it (§ 5.6.2, sliding from proof to proof);
3. the signature itself (§ 5.3) at the earliest time that this proves, or now where nothing is proven.

We put the blocks together ourselves for what was found by running pyHanko's: `ades_with_time_validation` passes a
signature whose certificate has expired without any revocation check, and one whose issuer was revoked;
`ades_lta_validation` passes a document whose content was replaced later, reads the computer's clock in its middle,
and does not see the certificates inside a signature timestamp. Each step is a refusal of its own here.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, frozen

from qcp_sdk.pdf_changes import since
from qcp_sdk.pdf_shown import Shown
from qcp_sdk.verification import own
from qcp_sdk.verification.errors_border import foreign
from qcp_sdk.verification.facts import DocumentFacts, SignatureFacts, TimestampFacts, Trust
from qcp_sdk.verification.loops import outside_any_loop
from qcp_sdk.verification.report import Changes, Indication, TimeSource, TimestampKind
from qcp_sdk.verification.revocation import Knowledge
from qcp_sdk.verification.specification import (
    loaded,
    of_holder_only,
    revocation_claims,
    specification,
    timing,
    without_broken,
    without_revocation,
)

if TYPE_CHECKING:
    from asn1crypto import cms, x509  # type: ignore[import-untyped]
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
    from pyhanko.sign.validation.policy_decl import SignatureValidationSpec

MOST_SIGNATURES: Final = 200
MOST_CLAIMS: Final = 50
"""Answers and lists that say "revoked" of one certificate: where there are more, nobody can tell."""
_REVOKED: Final = frozenset({"REVOKED_NO_POE", "REVOKED_CA_NO_POE"})


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
    pool.extend(loaded(knowledge.certificates))
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
    listed = list(signatures)

    def examined(known: Knowledge) -> DocumentFacts:
        examiner = _Examiner(reader, trust=trust, knowledge=known, now=now)
        return outside_any_loop(lambda: asyncio.run(examiner.document(listed)))

    found = examined(knowledge)
    if found.passed:
        return found
    # Certificates are read as far as pyHanko asks, and it may have stumbled over a broken one that somebody put beside
    # the others. Reading each to its end takes longer than all the rest, so it is done only where something is amiss.
    sound = without_broken(knowledge)
    return found if sound == knowledge else examined(sound)


@frozen(kw_only=True)
class Judged:
    """The answer of one building block."""

    indication: Indication
    sub_indication: str = ""
    path: tuple[bytes, ...] = ()
    intact: bool = False
    revoked_at: datetime | None = None

    @classmethod
    def of(cls, result: Any) -> Judged:
        """Read pyHanko's answer; where it leaves one out it is the standard's GENERIC."""
        found, status = result.ades_subindic, result.api_status
        indication = Indication(found.status.name) if found is not None else Indication.INDETERMINATE
        path = getattr(status, "validation_path", None)
        revocation = getattr(status, "revocation_details", None)
        return cls(
            indication=indication,
            sub_indication="" if indication is Indication.PASSED else found.standard_name if found else "GENERIC",
            path=() if path is None else tuple(one.dump() for one in path.iter_certs(include_root=True))[::-1],
            intact=bool(status is not None and status.intact and status.valid),
            revoked_at=None if revocation is None else revocation.revocation_date,
        )


Block = Callable[["SignatureValidationSpec", datetime], Awaitable[Any]]
"""A building block of EN 319 102-1, to be run under a policy at an instant."""


async def _run(block: Block, spec: SignatureValidationSpec, at: datetime) -> Judged:
    """Run a building block; where it comes to a key of a kind that OpenSSL does not know, nobody here can tell."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return Judged.of(await block(spec, at))
    except UnsupportedAlgorithm:
        return Judged(indication=Indication.INDETERMINATE, sub_indication="GENERIC")


class _Examiner:
    """One document, one moment, one trust."""

    def __init__(self, reader: PdfFileReader, *, trust: Trust, knowledge: Knowledge, now: datetime) -> None:
        self._reader, self._trust, self._now = reader, trust, now
        self._spec = specification(trust.issuers, trust.stampers, knowledge)
        self._unchecked = without_revocation(self._spec)
        self._holder_only = of_holder_only(self._spec)

    async def document(self, signatures: list[tuple[str, EmbeddedPdfSignature | None]]) -> DocumentFacts:
        stamps = [(name, one) for name, one in signatures if one is not None and _is_timestamp(one)]
        timestamps: list[TimestampFacts] = []
        found: list[SignatureFacts] = []
        for name, stamp in reversed(stamps):
            try:
                timestamps.insert(0, await self._document_timestamp(stamp, _earliest(timestamps)))
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
        own = [await self._signature_timestamp(one, token, _earliest(later)) for token in _tokens(one)]
        facts = evolve(facts, timestamps=tuple(own), format=_format(one, facts, own, later, self._reader))
        proofs = [(stamp.time, stamp.kind) for stamp in (*own, *later) if stamp.indication is Indication.PASSED]
        if proofs:
            time, kind = min(proofs)
            facts = evolve(facts, proven=time, source=_SOURCES[kind])
        facts = await self._basic(one, facts, [time for time, _ in proofs])
        if facts.indication is Indication.PASSED and own and not _earliest(own):
            # § 5.5.4: a signature timestamp that does not validate is the answer of the process.
            facts = evolve(facts, indication=Indication.INDETERMINATE, sub_indication=own[0].sub_indication)
        return facts

    def _placed(self, name: str, one: EmbeddedPdfSignature) -> SignatureFacts:
        facts = SignatureFacts(
            field_name=name,
            indication=Indication.INDETERMINATE,
            certificate=one.signer_cert.dump(),
            claimed=_claimed(one),
            names_certificate=_names_certificate(one),
            later_revisions=self._reader.xrefs.total_revisions - 1 - one.signed_revision,
        )
        try:
            found = since(one)
            hybrid = _hybrid_since(self._reader, one.signed_revision)
        except foreign():
            return facts
        return evolve(
            facts,
            covers_whole_document=found.covers_file,
            covers_revision=found.covers_revision,
            changes=Changes.CONTENT if found.shown is Shown.COVERED else _changes(found.difference),
            allowed=found.allowed and not hybrid,
            shown_over=found.shown is Shown.SIGNATURES,
        )

    async def _basic(
        self, one: EmbeddedPdfSignature, facts: SignatureFacts, proofs: Iterable[datetime]
    ) -> SignatureFacts:
        from pyhanko.sign.validation.ades import ades_basic_validation

        digest = one.compute_digest()

        async def block(spec: SignatureValidationSpec, at: datetime) -> Any:
            return await ades_basic_validation(
                signed_data=one.signed_data,
                validation_spec=spec,
                timing_info=timing(at, now=self._now),
                raw_digest=digest,
            )

        at = facts.proven or self._now
        judged = await self._judged(block, one.signer_cert, at)
        for moment in sorted({*proofs, self._now} - {at}):
            if judged.sub_indication != "TRY_LATER":
                break
            judged = await self._judged_later(block, one.signer_cert, judged, at, moment)
        facts = evolve(
            facts,
            indication=judged.indication,
            sub_indication=judged.sub_indication,
            path=judged.path,
            intact=judged.intact,
            revoked_at=judged.revoked_at,
        )
        if judged.indication is Indication.PASSED and not self._trust.accepts(facts.path, at):
            return evolve(facts, indication=Indication.INDETERMINATE, sub_indication="CHAIN_CONSTRAINTS_FAILURE")
        return facts

    async def _judged_later(
        self, block: Block, certificate: x509.Certificate, judged: Judged, at: datetime, moment: datetime
    ) -> Judged:
        """Hear at a later instant who could not be heard at `at`; otherwise `judged` stands.

        Whoever answers may have a certificate that is younger than the signature (responders change theirs every few
        weeks). Good at a later instant is good before: a revocation is final. And what was revoked after `at` was not
        revoked at `at` (EN 319 102-1 § 5.5.4, REVOKED_NO_POE: the process goes on where the revocation came later).
        """
        later = await self._judged(block, certificate, moment)
        if later.indication is Indication.PASSED:
            return later
        if later.sub_indication not in _REVOKED or later.revoked_at is None:
            return judged
        if later.revoked_at <= at:
            return later
        if later.sub_indication != "REVOKED_NO_POE":
            return judged
        before = await self._claimed(block, certificate, later.path, at, moment)
        return before or await _run(block, self._unchecked, at)

    async def _claimed(
        self, block: Block, certificate: x509.Certificate, path: tuple[bytes, ...], by: datetime, at: datetime
    ) -> Judged | None:
        """Try each claim of a revocation until `by` by itself; give one that is authentic.

        Claims about the certificate, and about every authority between it and the listed one. At `at`, and when it was
        made where that was later: whoever said it may have a certificate that is younger.
        """
        certificates = [certificate, *map(own.certificate, path[1:])]
        for place, one in enumerate(certificates[: max(1, len(certificates) - 1)]):
            issuer = certificates[place + 1] if place + 1 < len(certificates) else None
            rules = self._spec if place else self._holder_only
            claims = revocation_claims(rules.local_knowledge, one, issuer, by, at, self._now)
            for number, (alone, moments) in enumerate(claims):
                if number >= MOST_CLAIMS:
                    return Judged(indication=Indication.INDETERMINATE, sub_indication="TRY_LATER")
                spec = dataclasses.replace(rules, local_knowledge=alone)
                for moment in moments:
                    claim = await _run(block, spec, moment)
                    if claim.sub_indication in _REVOKED and claim.revoked_at is not None and claim.revoked_at <= by:
                        return claim
        return None

    async def _judged(self, block: Block, certificate: x509.Certificate, at: datetime) -> Judged:
        """Run a building block, and hear the other side.

        pyHanko stops at the first answer that says "good": an older one in the document would silence a newer one
        that says "revoked". So each claim of a revocation until `at` is tried by itself; it counts if it is authentic.
        And where no revocation data was found at all, pyHanko says that the chain is invalid: it is not, it is unknown.
        """
        judged = await _run(block, self._spec, at)
        if judged.indication is Indication.PASSED:
            claim = await self._claimed(block, certificate, judged.path, at, at)
            if claim is not None:
                return claim
        if judged.sub_indication == "CHAIN_CONSTRAINTS_FAILURE" and certificate.self_issued:
            return evolve(judged, sub_indication="NO_CERTIFICATE_CHAIN_FOUND")  # its own issuer: that is no chain
        if judged.sub_indication == "CERTIFICATE_CHAIN_GENERAL_FAILURE":
            lenient = await _run(block, self._unchecked, at)
            if lenient.indication is Indication.PASSED:
                return evolve(judged, sub_indication="TRY_LATER")
        return judged

    async def _signature_timestamp(
        self, one: EmbeddedPdfSignature, token: cms.SignedData, proven: datetime | None
    ) -> TimestampFacts:
        from pyhanko.sign.validation.generic_cms import message_imprint_checker

        imprint = message_imprint_checker(one.signer_info)
        return await self._timestamp(TimestampKind.SIGNATURE, token, imprint, one.signed_revision, proven)

    async def _document_timestamp(self, one: EmbeddedPdfSignature, proven: datetime | None) -> TimestampFacts:
        facts = await self._timestamp(
            TimestampKind.DOCUMENT, one.signed_data, one.compute_digest, one.signed_revision, proven
        )
        placed = self._placed("", one)
        if not (placed.covers_revision and placed.allowed):
            return evolve(facts, indication=Indication.FAILED, sub_indication="FORMAT_FAILURE")
        return facts

    async def _timestamp(
        self,
        kind: TimestampKind,
        token: cms.SignedData,
        imprint: Callable[[str], bytes],
        revision: int,
        proven: datetime | None,
    ) -> TimestampFacts:
        from pyhanko.sign.general import extract_certificate_info
        from pyhanko.sign.validation.ades import ades_timestamp_validation

        async def block(spec: SignatureValidationSpec, at: datetime) -> Any:
            return await ades_timestamp_validation(
                tst_signed_data=token,
                validation_spec=spec,
                expected_tst_imprint=imprint,
                timing_info=timing(at, now=self._now),
            )

        time = token["encap_content_info"]["content"].parsed["gen_time"].native.astimezone(UTC)
        unit = extract_certificate_info(token).signer_cert
        try:
            judged = await self._judged(block, unit, self._now)
            if judged.indication is Indication.INDETERMINATE and proven is not None:
                judged = await self._judged(block, unit, proven)
        except foreign():
            judged = Judged(indication=Indication.FAILED, sub_indication="FORMAT_FAILURE")
        path = judged.path or (unit.dump(),)
        if judged.indication is Indication.PASSED and not self._trust.accepts(path, time):
            judged = Judged(indication=Indication.INDETERMINATE, sub_indication="CHAIN_CONSTRAINTS_FAILURE")
        if judged.indication is Indication.PASSED and time > self._now:
            judged = Judged(indication=Indication.INDETERMINATE, sub_indication="TIMESTAMP_ORDER_FAILURE")
        return TimestampFacts(
            kind=kind,
            time=time,
            indication=judged.indication,
            sub_indication=judged.sub_indication,
            path=path,
            revision=revision,
        )


def _earliest(timestamps: Iterable[TimestampFacts]) -> datetime | None:
    """Give the earliest time that these prove."""
    return min((one.time for one in timestamps if one.indication is Indication.PASSED), default=None)


_SOURCES: Final = {
    TimestampKind.SIGNATURE: TimeSource.SIGNATURE_TIMESTAMP,
    TimestampKind.DOCUMENT: TimeSource.DOCUMENT_TIMESTAMP,
}


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
    if not own and not later:  # § 6.3: either kind of timestamp makes it B-T
        return "PAdES-B-B"
    if "/DSS" not in reader.root:
        return "PAdES-B-T"
    return "PAdES-B-LTA" if later else "PAdES-B-LT"


def _hybrid_since(reader: PdfFileReader, revision: int) -> bool:
    """Whether a later update has a hybrid cross-reference table: two readers would see two documents."""
    return any(section.xref_data.hybrid is not None for section in reader.xrefs._xref_sections[revision + 1 :])


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
