"""Reading a signed PDF: who signed, when, at which level, and why (features E4; behaviour § 6)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qcp_sdk.certificates import Certificate
from qcp_sdk.certificates import read as read_certificate
from qcp_sdk.certificates.reading import holder
from qcp_sdk.errors import CertificateError, DocumentError
from qcp_sdk.pdf_reading import bounded
from qcp_sdk.values import content_hash, utc
from qcp_sdk.verification import ades, qualification
from qcp_sdk.verification.errors_border import quiet, translated
from qcp_sdk.verification.facts import SignatureFacts, TimestampFacts, Trust
from qcp_sdk.verification.names import remembered
from qcp_sdk.verification.report import (
    Indication,
    Reason,
    Report,
    SignatureReport,
    TimestampReport,
    reason,
)
from qcp_sdk.verification.revocation import Knowledge, RevocationSource, asked, in_document
from qcp_sdk.verification.services import facts as certificate_facts
from qcp_sdk.verification.texts import BY_SUB_INDICATION
from qcp_sdk.verification.trust import Services, TrustStore
from qcp_sdk.verification.verdict import Standing, verdict

if TYPE_CHECKING:
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a document that is read."""


def verify(
    pdf: bytes | Path, *, trust: TrustStore, revocation: RevocationSource | None = None, now: datetime
) -> Report:
    """Say for every signature which level it reached, and why.

    Opens no connection: revocation data is what the document brings, what the trust directory holds and what
    `revocation`, if given, answers. Works inside a running event loop too (it then waits for a thread).

    Args:
        pdf: The document, or the file that holds it; at most 256 MiB.
        trust: The trusted lists to judge by. `TrustStore()` trusts nobody.
        revocation: Asked once for each certificate that signed or stamped time. Its silence is reported, not raised.
        now: The instant of verification, with a time zone.

    Raises:
        DocumentError: It is not a PDF that can be read. A PDF that can be, and holds no valid signature, is a report.
        InvalidValue: `now` has no time zone.
    """
    moment = utc(now, "now")
    content = _content(pdf)
    with quiet(), bounded(), remembered(), translated():
        reader, lenient = _opened(content)
        signatures = ades.embedded(reader)
        services = trust.services(moment)
        knowledge = _knowledge(reader, signatures, trust, revocation, services)
        found = ades.examine(
            reader,
            signatures,
            trust=Trust(
                issuers=services.issuers,
                stampers=services.stampers,
                accepts=lambda path, at: _in_force(services, path, at),
            ),
            knowledge=knowledge,
            now=moment,
        )
    expired = tuple(
        reason("list_expired", territory=one.territory, sequence=str(one.sequence), date=one.next_update.isoformat())
        for one in (trust.used_list_of_lists(moment), *trust.used(moment))
        if one is not None and one.next_update <= moment  # by itself: what a stale list of lists takes with it, it says
    )
    extra = (*expired, *((reason("revocation_source_silent"),) if knowledge.silent else ()))
    return Report(
        document=content_hash(f"sha256:{hashlib.sha256(content).hexdigest()}"),
        verified_at=moment,
        trust_snapshot=trust.snapshot,
        lists=trust.used(moment),
        list_of_lists=trust.used_list_of_lists(moment),
        signatures=tuple(_signature(one, services, moment, extra) for one in found.signatures),
        timestamps=tuple(_timestamp(one, services) for one in found.timestamps),
        reasons=(
            *((reason("no_signature"),) if not found.signatures else ()),
            *((reason("read_leniently"),) if lenient else ()),
            *((reason("pinned_on_first_use"),) if trust.on_first_use else ()),
            *expired,
        ),
    )


def _content(pdf: bytes | Path) -> bytes:
    mend = "give a complete PDF of at most 256 MiB"
    try:
        size = len(pdf) if isinstance(pdf, bytes) else pdf.stat().st_size
        content = pdf if isinstance(pdf, bytes) else pdf.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        raise DocumentError("the file cannot be read", mend="check its name and permissions") from error
    if size > LARGEST:
        raise DocumentError("it is too large to be verified", mend=mend)
    if not content.strip():
        raise DocumentError("it is empty", mend=mend)
    return content


def _opened(content: bytes) -> tuple[PdfFileReader, bool]:
    """Open strictly; what departs from the standard in a way that others repair too, leniently, and say so."""
    from pyhanko.pdf_utils.misc import PdfStrictReadError
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader, lenient = PdfFileReader(BytesIO(content)), False
        if reader.xrefs.hybrid_xrefs_present:
            reader, lenient = PdfFileReader(BytesIO(content), strict=False), True
    except PdfStrictReadError:
        reader, lenient = PdfFileReader(BytesIO(content), strict=False), True
    if reader.encrypted:
        from pyhanko.pdf_utils.crypt import AuthStatus

        if reader.decrypt("").status is AuthStatus.FAILED:
            raise DocumentError("it is encrypted", mend="verify a copy that opens without a password")
    reader.root["/Pages"]  # a document without pages is none
    return reader, lenient


def _knowledge(
    reader: PdfFileReader,
    signatures: list[tuple[str, EmbeddedPdfSignature | None]],
    trust: TrustStore,
    source: RevocationSource | None,
    services: Services,
) -> Knowledge:
    brought, held = in_document(reader), Knowledge(crls=trust.crls)
    if source is None:
        return held.plus(brought)
    leaves, pool = ades.certificates(signatures, brought, services.issuers)
    # The document's last: what is beyond a limit is left out, and whoever made the document chose how much it brings.
    return asked(source, leaves, pool, (*services.issuers, *services.stampers)).plus(held).plus(brought)


def _in_force(services: Services, path: Sequence[bytes], at: datetime) -> bool:
    periods = (service.at(at) for service in services.on(path))
    return any(period is not None and period.in_force for period in periods)


def _signature(facts: SignatureFacts, services: Services, now: datetime, extra: tuple[Reason, ...]) -> SignatureReport:
    certificate = _certificate(facts.certificate)
    standing = Standing(certificate=certificate)
    if certificate is not None:
        try:
            said = certificate_facts(certificate.der)
        except CertificateError:
            said = None
        if said is not None:
            on_path = services.on(facts.path)
            standing = Standing(
                certificate=certificate,
                subject_attributes=said.subject_attributes,
                services=on_path,
                at_issuance=qualification.assess(certificate, said, on_path, certificate.not_before),
                at_signing=qualification.assess(certificate, said, on_path, facts.proven or now),
            )
    return verdict(
        facts,
        standing,
        timestamps=tuple(_timestamp(one, services) for one in facts.timestamps),
        names=tuple(_name(one) for one in facts.path[1:]),
        now=now,
        extra=extra,
    )


def _timestamp(facts: TimestampFacts, services: Services) -> TimestampReport:
    passed = facts.indication is Indication.PASSED
    qualified = passed and qualification.qualified_timestamps(services.on(facts.path), facts.time)
    why: tuple[Reason, ...] = ()
    if passed and not qualified:
        why = (reason("timestamp_not_qualified"),)
    elif not passed:
        word = BY_SUB_INDICATION.get(facts.sub_indication, "not_passed")
        why = (reason(word, date=facts.time.isoformat(), sub_indication=facts.sub_indication),)
    return TimestampReport(
        kind=facts.kind,
        time=facts.time,
        authority=_name(facts.path[0]) if facts.path else "",
        indication=facts.indication,
        sub_indication=facts.sub_indication,
        qualified=qualified,
        reasons=why,
    )


@lru_cache(maxsize=512)  # issuers and time-stamping units are the same all day
def _certificate(der: bytes) -> Certificate | None:
    try:
        return read_certificate(der) if der else None
    except CertificateError:
        return None


@lru_cache(maxsize=512)
def _name(der: bytes) -> str:
    try:
        return holder(der)
    except CertificateError:
        return ""
