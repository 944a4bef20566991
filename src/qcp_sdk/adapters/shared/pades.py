"""PAdES baseline signatures (EN 319 142-1) with pyHanko, behind functions that speak paths and bytes.

Three steps, and everything between them can be stored: `prepare` makes a place in a file and says what is to be
signed; somebody signs it (`check_value` says whether they did); `complete` puts the value in and brings the file
to its level. `sign` does all three for a key that is at hand. Files are changed in place, chunk by chunk: a
document is never held in memory whole. Nothing here draws randomness or reads a clock of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from attrs import field, frozen
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import AnnotAppearances
from pyhanko.pdf_utils.form_tools import get_single_field_annot
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import (
    InvisSigSettings,
    SigFieldSpec,
    SigSeedSubFilter,
    enumerate_sig_fields,
)
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigIOSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import (
    DocumentTimestamp,
    PreparedByteRangeDigest,
    SignatureObject,
)
from pyhanko.sign.validation.dss import DocumentSecurityStore

from qcp_sdk.adapters.shared.pades_cms import (
    check_credential,
    check_token,
    check_value,
    room_for,
    signed_attributes,
    signed_data,
)
from qcp_sdk.adapters.shared.pades_levels import PadesLevel, check_level
from qcp_sdk.adapters.shared.pades_proof import Proof, gather
from qcp_sdk.adapters.shared.pades_standing import standing_chains
from qcp_sdk.adapters.shared.pdf_errors import refused
from qcp_sdk.errors import Rejected
from qcp_sdk.pdf_reading import bounded
from qcp_sdk.values import utc

if TYPE_CHECKING:
    from qcp_sdk.adapters.shared.revocation import RevocationSource
    from qcp_sdk.ports.clock import Clock
    from qcp_sdk.ports.timestamps import Timestamps

CHUNK: Final = 1 << 20
"""Bytes held in memory at once. pyHanko's default of 4 KiB doubles the time of a large file."""
TOKEN_SIZE: Final = 10 * 1024
"""Room kept for a signature timestamp whose size nobody knows yet: tokens of public authorities with their
chain are 3 to 8 KiB."""
_GROWTH: Final = 1024
"""How much larger a document timestamp may be than the signature timestamp that was just received."""
_NO_CHANGES: Final = 1
"""/P of a certification or lock that forbids every change (ISO 32000-2 § 12.8.2.2)."""
_STATE_VERSION: Final = 1
# Invisible and outside the page: what PDF/A and PDF/UA together allow for an untagged widget.
_INVISIBLE: Final = InvisSigSettings(set_print_flag=True, set_hidden_flag=False, box_out_of_bounds=True)


@frozen(kw_only=True)
class Place:
    """A place for a signature in a prepared file; small, and safe to store as `dump()`."""

    start: int
    end: int
    """The hole in the byte range, its angle brackets included."""
    attributes: bytes = field(repr=False)
    """The signed attributes, exactly as they are hashed and will be embedded."""
    fingerprint: str
    """SHA-256 of the certificate that the attributes name."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of the signed attributes: what is to be signed."""
        return hashlib.sha256(self.attributes).digest()

    def dump(self) -> bytes:
        """Write it as bytes that `load` reads."""
        return json.dumps(
            [_STATE_VERSION, self.start, self.end, self.fingerprint, base64.b64encode(self.attributes).decode()],
            separators=(",", ":"),
        ).encode()

    @classmethod
    def load(cls, state: bytes) -> Place:
        """Read what `dump` wrote.

        Raises:
            Rejected: `unknown_state`: damaged, or of a version that this one does not know.
        """
        with refused("the state of a prepared signature cannot be read", reason="unknown_state"):
            version, start, end, fingerprint, attributes = json.loads(state)
            if version != _STATE_VERSION or not (isinstance(start, int) and isinstance(end, int)):
                raise ValueError
            return cls(
                start=start,
                end=end,
                fingerprint=str(fingerprint),
                attributes=base64.b64decode(attributes, validate=True),
            )


@frozen(kw_only=True)
class Stamp:
    """What a visible signature looks like: the first page of `pdf`, whose size is that of `box`."""

    page: int
    box: tuple[int, int, int, int]
    pdf: bytes = field(repr=False)


class _Revision(IncrementalPdfFileWriter):
    """One revision appended to a file: the same input gives the same bytes."""

    IO_CHUNK_SIZE = CHUNK

    def __init__(self, stream: BinaryIO, *, seed: bytes) -> None:
        super().__init__(stream)
        second = hashlib.sha256(b"qcp_sdk revision\0" + seed).digest()[:16]
        first = self._document_id[0] if "/ID" in self.prev.trailer else generic.ByteStringObject(second)
        self._document_id = generic.ArrayObject([first, generic.ByteStringObject(second)])

    def _update_meta(self) -> None:
        """Leave /ModDate and XMP as the author wrote them: signing is not an edit, and pyHanko would write `now`."""


def prepare(
    *,
    file: Path,
    name: str,
    chain: tuple[bytes, ...],
    algorithm: str,
    at: datetime,
    reason: str = "",
    token_size: int = 0,
    stamp: Stamp | None = None,
) -> Place:
    """Append a revision with an empty signature to `file`, and say what is to be signed.

    `name` makes the signature field's name: the same name, file and arguments give the same bytes. `chain` is
    DER, the signatory's certificate first; `token_size` is the room for a signature timestamp, 0 for none.

    Raises:
        Rejected: `unreadable`, `encrypted`, `not_allowed` (a certification or lock forbids it, or this name has
            signed already), `credential_unusable`, `appearance_unsupported`.
    """
    check_credential(chain=chain, algorithm=algorithm)
    room = room_for(chain=chain, algorithm=algorithm, token_size=token_size)
    field_name = f"Signature-{hashlib.sha256(name.encode()).hexdigest()[:24]}"
    signature = SignatureObject(
        timestamp=utc(at),
        subfilter=SigSeedSubFilter.PADES,
        reason=reason or None,
        bytes_reserved=2 * room,  # hexadecimal digits
    )
    with (
        file.open("r+b") as stream,
        bounded(),
        refused(
            "the document cannot be read as a PDF",
            reason="unreadable",
            mend="open it and save it again with another program",
        ),
    ):
        writer = _Revision(stream, seed=name.encode())
        _check_signable(writer.prev, field_name)
        _declare_pades(writer)
        spec = SigFieldSpec(
            sig_field_name=field_name,
            on_page=_page(writer.prev, stamp),
            box=None if stamp is None else stamp.box,
            invis_sig_settings=_INVISIBLE,
            readable_field_name="Signature",
        )
        embedding = PdfCMSEmbedder(new_field_spec=spec).write_cms(field_name=field_name, writer=writer)
        signature_field = next(embedding).get_object()
        if stamp is not None:
            _show(writer, get_single_field_annot(signature_field), stamp)
        embedding.send(SigObjSetup(sig_placeholder=signature))
        hole, _ = embedding.send(SigIOSetup(md_algorithm="sha256", in_place=True, chunk_size=CHUNK))
        embedding.close()
    return Place(
        start=hole.reserved_region_start,
        end=hole.reserved_region_end,
        attributes=signed_attributes(digest=hole.document_digest, certificate=chain[0]),
        fingerprint=hashlib.sha256(chain[0]).hexdigest(),
    )


def complete(
    *,
    file: Path,
    place: Place,
    chain: tuple[bytes, ...],
    algorithm: str,
    value: bytes,
    level: PadesLevel,
    timestamps: Timestamps | None,
    revocation: RevocationSource | None,
    clock: Clock,
) -> None:
    """Put the signature value into a prepared `file`, and bring it to `level`.

    On an error the file is left half done: work on a copy.

    Raises:
        Rejected: `value_refused`, `place_too_small`, `certificate_revoked`, `certificate_expired`,
            `credential_unusable`, `unknown_state`: the place is another document's.
        Unavailable: A timestamp or revocation data could not be had: again later, with the same value.
        ConfigurationError: As `check_level`.
    """
    _check_completion(level, timestamps, revocation, place, chain, algorithm, value)
    if signed_attributes(digest=_document_digest(file, place), certificate=chain[0]) != place.attributes:
        # The value is right and the document is another one: embedded here, it would sign nothing.
        raise Rejected("the state belongs to another prepared document", reason="unknown_state")
    _finish(file, place, chain, algorithm, value, level, timestamps, revocation, clock)


def _check_completion(
    level: PadesLevel,
    timestamps: Timestamps | None,
    revocation: RevocationSource | None,
    place: Place,
    chain: tuple[bytes, ...],
    algorithm: str,
    value: bytes,
) -> None:
    check_level(level=level, timestamps=timestamps, revocation=revocation)
    check_credential(chain=chain, algorithm=algorithm)
    if hashlib.sha256(chain[0]).hexdigest() != place.fingerprint:
        raise Rejected("the place was prepared for another certificate", reason="value_refused")
    check_value(certificate=chain[0], algorithm=algorithm, digest=place.digest, value=value)


def _finish(
    file: Path,
    place: Place,
    chain: tuple[bytes, ...],
    algorithm: str,
    value: bytes,
    level: PadesLevel,
    timestamps: Timestamps | None,
    revocation: RevocationSource | None,
    clock: Clock,
) -> None:
    token: bytes | None = None
    authorities: tuple[bytes, ...] = ()
    if level.timestamped and timestamps is not None:
        token, authorities = _timestamp(hashlib.sha256(value).digest(), timestamps)
    contents, beside = _fitting(place, chain, algorithm, value, token)
    _fill(file, place, contents)
    proof = Proof()
    if level.long_term and revocation is not None:
        # After the timestamp, so that what the issuers say is not older than the signature.
        chains = (chain, authorities) if authorities else (chain,)
        proof = gather(chains=chains, revocation=revocation, now=clock.now())
    elif not beside:
        return
    seed = hashlib.sha256(contents).digest()
    if (beside or level >= PadesLevel.B_LTA) and timestamps is not None and token is not None:
        _seal_with_time(file, proof, seed, timestamps, room=len(token) + _GROWTH)
    else:
        _add_proof(file, proof, seed)


def _fitting(
    place: Place, chain: tuple[bytes, ...], algorithm: str, value: bytes, token: bytes | None
) -> tuple[bytes, bool]:
    """Give the CMS that fits into its place, and whether the token must stand beside it.

    The value was bought: a token that is larger than anybody foresaw must not cost it. The proof of time may stand
    over the document as well (EN 319 142-1 § 6.3, a document timestamp in place of the attribute). Nor must a place
    that was made before decision 0032, for four bytes less.
    """
    contents = b""
    for within in dict.fromkeys((token, None)):
        for bare in (False, True):
            contents = signed_data(
                attributes=place.attributes, chain=chain, algorithm=algorithm, value=value, token=within, bare=bare
            )
            if _fits(place, contents):
                return contents, within is not token
    return contents, False


def sign(
    *,
    pdf: bytes,
    name: str,
    signing: Callable[[bytes], bytes],
    chain: tuple[bytes, ...],
    algorithm: str,
    at: datetime,
    clock: Clock,
    level: PadesLevel = PadesLevel.B_B,
    timestamps: Timestamps | None = None,
    revocation: RevocationSource | None = None,
    reason: str = "",
    stamp: Stamp | None = None,
) -> bytes:
    """Sign a small document with a key at hand, for example a seal: `signing` turns a SHA-256 digest into the raw
    signature (`keystore.sign_digest` does). `name`, `chain` and the rest as `prepare`.

    Raises:
        Rejected, Unavailable, ConfigurationError: As `prepare` and `complete`.
    """
    with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
        file = Path(folder) / "document.pdf"
        file.write_bytes(pdf)
        sign_file(
            file=file,
            name=name,
            signing=signing,
            chain=chain,
            algorithm=algorithm,
            at=at,
            clock=clock,
            level=level,
            timestamps=timestamps,
            revocation=revocation,
            reason=reason,
            stamp=stamp,
        )
        return file.read_bytes()


def sign_file(
    *,
    file: Path,
    name: str,
    signing: Callable[[bytes], bytes],
    chain: tuple[bytes, ...],
    algorithm: str,
    at: datetime,
    clock: Clock,
    level: PadesLevel = PadesLevel.B_B,
    timestamps: Timestamps | None = None,
    revocation: RevocationSource | None = None,
    reason: str = "",
    stamp: Stamp | None = None,
) -> None:
    """Sign a document of any size, in place, as `sign`. It is read once: nobody else may write to it meanwhile.

    Raises:
        Rejected, Unavailable, ConfigurationError: As `prepare` and `complete`; the file is then left half done.
    """
    check_level(level=level, timestamps=timestamps, revocation=revocation)
    token_size = TOKEN_SIZE if level.timestamped else 0
    place = prepare(
        file=file,
        name=name,
        chain=chain,
        algorithm=algorithm,
        at=at,
        reason=reason,
        token_size=token_size,
        stamp=stamp,
    )
    value = signing(place.digest)
    _check_completion(level, timestamps, revocation, place, chain, algorithm, value)
    _finish(file, place, chain, algorithm, value, level, timestamps, revocation, clock)


def extend(*, file: Path, timestamps: Timestamps, revocation: RevocationSource, clock: Clock) -> None:
    """Prove again what a signed `file` proves, before its last timestamp ends (EN 319 142-1 § 5.5): revocation data
    for that timestamp (for every signature where there is no document timestamp yet), and a document timestamp over
    everything. What was there stays, byte for byte. On an error the file is left half done: work on a copy.

    Raises:
        Rejected: `unreadable`, `encrypted`, `no_signature`, `signature_broken`: it no longer proves anything;
            `certificate_revoked`, `certificate_expired`, `credential_unusable`: too late, or never good.
        Unavailable: A timestamp or revocation data could not be had: again later.
    """
    with (
        file.open("rb") as stream,
        bounded(),
        refused("the document cannot be read as a PDF", reason="unreadable", mend="give the signed file itself"),
    ):
        reader = PdfFileReader(stream)
        if reader.encrypted:
            raise Rejected("the document is encrypted", reason="encrypted")
        chains = standing_chains(reader)
        stream.seek(0)
        seed = hashlib.file_digest(stream, "sha256").digest()
    proof = gather(chains=chains, revocation=revocation, now=clock.now())
    _seal_with_time(file, proof, seed, timestamps, room=TOKEN_SIZE)


def _check_signable(reader: PdfFileReader, field_name: str) -> None:
    if reader.encrypted:
        raise Rejected(
            "the document is encrypted", reason="encrypted", mend="remove its password, then validate it again"
        )
    if reader.xrefs.hybrid_xrefs_present:
        # Two programs may see two documents in such a file, so what is signed would be in doubt.
        raise Rejected(
            "the document has hybrid cross-references", reason="unreadable", mend="save it as PDF 1.5 or above"
        )
    signatures = [(name, value, reference.get_object()) for name, value, reference in enumerate_sig_fields(reader)]
    if any(name == field_name and value is not None for name, value, _ in signatures):
        raise Rejected("the document holds this very signature already", reason="not_allowed")
    forbidding = [
        holder for _, value, one in signatures if value is not None for holder in _permissions(value.get_object(), one)
    ]
    if "/Perms" in reader.root and "/DocMDP" in reader.root["/Perms"]:
        forbidding += _permissions(reader.root["/Perms"]["/DocMDP"], {})
    if any(holder.get("/P") == _NO_CHANGES for holder in forbidding):
        raise Rejected(
            "an earlier signature of the document forbids any change",
            reason="not_allowed",
            mend="ask its author for a version that may be signed",
        )


def _permissions(signature: Mapping[str, Any], signature_field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every dictionary of a signature and its field that may say what is allowed after it."""
    holders = [reference.get_object().get("/TransformParams") for reference in signature.get("/Reference", ())]
    return [holder for holder in (*holders, signature_field.get("/Lock")) if holder is not None]


def _declare_pades(writer: _Revision) -> None:
    """PDF 1.7 at least, with ETSI's extension declared below PDF 2.0 (EN 319 142-1 § 4.2)."""
    writer.ensure_output_version(version=(1, 7))  # type: ignore[no-untyped-call]
    if writer.output_version < (2, 0):
        writer.register_extension(ESIC_EXTENSION_1)


def _page(reader: PdfFileReader, stamp: Stamp | None) -> int:
    if stamp is None:
        return 0
    pages = int(reader.root["/Pages"]["/Count"])
    if not 0 <= stamp.page < pages:
        raise Rejected(
            f"the document has {pages} pages, and none with index `{stamp.page}`", reason="appearance_unsupported"
        )
    return stamp.page


def _show(writer: _Revision, annotation: generic.DictionaryObject, stamp: Stamp) -> None:
    drawn = writer.import_page_as_xobject(PdfFileReader(BytesIO(stamp.pdf)))
    annotation["/AP"] = AnnotAppearances(normal=drawn).as_pdf_object()


def _document_digest(file: Path, place: Place) -> bytes:
    """Give SHA-256 of the file without the hole: what the signature is over (ISO 32000-2 § 12.8.1)."""
    digest, left = hashlib.sha256(), max(place.start, 0)
    with file.open("rb") as stream:
        while left and (chunk := stream.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
        stream.seek(max(place.end, 0))
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.digest()


def _fits(place: Place, contents: bytes) -> bool:
    return 2 * len(contents) <= place.end - place.start - 2


def _fill(file: Path, place: Place, contents: bytes) -> None:
    if not _fits(place, contents):
        raise Rejected(
            f"the signature takes {len(contents)} bytes, more than were set aside",
            reason="place_too_small",
            mend="prepare the document again for this credential",
        )
    with file.open("r+b") as stream, refused("the prepared document cannot be filled", reason="unknown_state"):
        PreparedByteRangeDigest(
            document_digest=b"", reserved_region_start=place.start, reserved_region_end=place.end
        ).fill_with_cms(stream, contents)


def _timestamp(digest: bytes, timestamps: Timestamps) -> tuple[bytes, tuple[bytes, ...]]:
    token = timestamps.timestamp(digest=digest)
    return token, check_token(token=token, digest=digest)


def _add_proof(file: Path, proof: Proof, seed: bytes) -> None:
    """Append a revision with the document security store. /VRI is left out: EN 319 142-1 § 5.4.2.3 advises so."""
    with file.open("r+b") as stream, bounded(), refused("the signed document cannot be extended", reason="unreadable"):
        writer = _Revision(stream, seed=seed)
        if _supply(writer, proof).modified:
            writer.write_in_place()  # type: ignore[no-untyped-call]


def _seal_with_time(file: Path, proof: Proof, seed: bytes, timestamps: Timestamps, *, room: int) -> None:
    """Append one revision with the security store and a document timestamp over everything (EN 319 142-1 § 5.4.3)."""
    field_name = f"Timestamp-{hashlib.sha256(seed).hexdigest()[:24]}"
    with file.open("r+b") as stream, bounded(), refused("the signed document cannot be extended", reason="unreadable"):
        writer = _Revision(stream, seed=seed)
        if proof.certificates:
            _supply(writer, proof)
        spec = SigFieldSpec(sig_field_name=field_name, invis_sig_settings=_INVISIBLE, readable_field_name="Timestamp")
        placeholder = DocumentTimestamp(bytes_reserved=2 * room)  # type: ignore[no-untyped-call]
        embedding = PdfCMSEmbedder(new_field_spec=spec).write_cms(field_name=field_name, writer=writer)
        next(embedding)
        embedding.send(SigObjSetup(sig_placeholder=placeholder))
        hole, _ = embedding.send(SigIOSetup(md_algorithm="sha256", in_place=True, chunk_size=CHUNK))
        token, _ = _timestamp(hole.document_digest, timestamps)
        if len(token) > room:
            raise Rejected("the document timestamp is larger than the one before", reason="place_too_small")
        embedding.send(token)
        embedding.close()


def _supply(writer: _Revision, proof: Proof) -> DocumentSecurityStore:
    return DocumentSecurityStore.supply_dss_in_writer(
        writer, sig_contents=None, certs=proof.certificates, ocsps=proof.ocsps, crls=proof.crls
    )
