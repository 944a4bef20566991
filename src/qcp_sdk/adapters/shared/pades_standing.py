"""What still stands in a signed document: whose chains its proof hangs on now."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation.generic_cms import extract_tst_data_iter, validate_sig_integrity

from qcp_sdk.errors import Rejected
from qcp_sdk.pdf_changes import since

if TYPE_CHECKING:
    from asn1crypto import cms  # type: ignore[import-untyped]
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

_CONTENT = {"/ETSI.RFC3161": "tst_info"}


def standing_chains(reader: PdfFileReader) -> list[tuple[bytes, ...]]:
    """Give the chains (DER, an end certificate first) on which the document's proof hangs: that of its last document
    timestamp, or those of every signature and signature timestamp where there is none.

    Raises:
        Rejected: `no_signature`; `signature_broken`: one was altered, or the document after it.
    """
    found = list(reader.embedded_signatures)
    if not found:
        raise Rejected("the document holds no signature", reason="no_signature", mend="sign it first")
    for one in found:
        if not _whole(one):
            raise Rejected(
                "a signature or timestamp of the document no longer holds",
                reason="signature_broken",
                mend="extend the file as it was signed",
            )
    stamps = [one for one in found if _is_timestamp(one)]
    if stamps:
        return [_chain(max(stamps, key=lambda one: one.signed_revision).signed_data)]
    return [_chain(signed) for one in found for signed in (one.signed_data, *_tokens(one))]


def _whole(one: EmbeddedPdfSignature) -> bool:
    found = since(one)
    if not (found.covers_revision and found.allowed):
        return False
    digest = one.compute_digest()
    kind = _CONTENT.get(str(one.sig_object.get("/SubFilter")), "data")
    if kind == "tst_info":
        content = one.signed_data["encap_content_info"]["content"]
        if content.parsed["message_imprint"]["hashed_message"].native != digest:
            return False
        algorithm = one.signer_info["digest_algorithm"]["algorithm"].native
        digest = hashlib.new(algorithm, bytes(content)).digest()
    intact, valid = validate_sig_integrity(one.signer_info, one.signer_cert, kind, digest)
    return bool(intact and valid)


def _is_timestamp(one: EmbeddedPdfSignature) -> bool:
    return str(one.sig_object.get("/SubFilter")) in _CONTENT


def _tokens(one: EmbeddedPdfSignature) -> list[cms.SignedData]:
    return list(extract_tst_data_iter(one.signer_info, signed=False))


def _chain(signed: cms.SignedData) -> tuple[bytes, ...]:
    found = extract_certificate_info(signed)
    return (found.signer_cert.dump(), *(other.dump() for other in found.other_certs))
