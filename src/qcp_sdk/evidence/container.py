"""An ASiC-E container (ETSI EN 319 162-1 § 4.4) as bytes: one way to write it, and no other way is read.

Members are stored uncompressed, in order, with one date and no extra fields, so that the same members give the same
bytes. Reading writes what was read again and compares: no byte of a container is beside the point.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

from qcp_sdk.errors import EvidenceError

MIME_TYPE: Final = b"application/vnd.etsi.asic-e+zip"
FIRST: Final = "mimetype"
MANIFEST: Final = "META-INF/ASiCManifest.xml"
SIGNATURE: Final = "META-INF/signature.p7s"
LARGEST: Final = 512 * 1024 * 1024
"""Bytes that a container may have."""
MOST_MEMBERS: Final = 2_000

_DATE: Final = (1980, 1, 1, 0, 0, 0)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}")
_FILES: Final = zipfile.ZipFile


@frozen
class Container:
    """What a container holds: the data files by name, and the manifest with its signature."""

    files: Mapping[str, bytes] = field(repr=False)
    manifest: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def write(container: Container) -> bytes:
    """Give the container's bytes.

    Raises:
        EvidenceError: A file's name may not stand in a container, or there is too much.
    """
    for name in container.files:
        if not is_name(name):
            raise EvidenceError(f"`{name}` cannot name a file here", mend="use letters, digits, dot, dash, underscore")
    members = _members(container)
    if len(members) > MOST_MEMBERS or sum(len(content) for _, content in members) > LARGEST:
        raise EvidenceError(
            f"it would hold more than {MOST_MEMBERS} files or {LARGEST} bytes", mend="export fewer documents at once"
        )
    return _zipped(members)


def is_name(name: str) -> bool:
    """Say whether a data file may be named so: a short relative path of plain letters, outside META-INF."""
    return len(name) <= 200 and _NAME.fullmatch(name) is not None and not name.startswith("META-INF/") and name != FIRST


def read(content: bytes) -> Container:
    """Read a container that `write` wrote.

    Raises:
        EvidenceError: It is no such container; `where` names the member at fault.
    """
    if len(content) > LARGEST:
        raise EvidenceError(f"it has more than {LARGEST} bytes", mend="give a dossier that we wrote")
    members = _unzipped(content)
    names = [name for name, _ in members]
    if names[:1] != [FIRST] or names[-2:] != [MANIFEST, SIGNATURE] or members[0][1] != MIME_TYPE:
        raise EvidenceError("it is not an ASiC-E container of ours", where="container", mend=_GIVE)
    container = Container(
        files=dict(members[1:-2]), manifest=dict(members)[MANIFEST], signature=dict(members)[SIGNATURE]
    )
    _refuse_other_bytes(content, members)
    return container


_GIVE: Final = "give the file as it was exported"


def _members(container: Container) -> list[tuple[str, bytes]]:
    return [
        (FIRST, MIME_TYPE),
        *container.files.items(),
        (MANIFEST, container.manifest),
        (SIGNATURE, container.signature),
    ]


def _zipped(members: Iterable[tuple[str, bytes]]) -> bytes:
    written = io.BytesIO()
    with _FILES(written, "w", zipfile.ZIP_STORED) as file:
        for name, content in members:
            told = zipfile.ZipInfo(name, _DATE)
            told.create_system = 3  # whichever system writes it
            file.writestr(told, content)
    return written.getvalue()


def _unzipped(content: bytes) -> list[tuple[str, bytes]]:
    member = "container"
    try:
        with _FILES(io.BytesIO(content)) as file:
            found = file.infolist()
            wrong = _wrong(found)
            members = []
            for one in found if wrong is None else ():
                member = one.filename
                members.append((one.filename, file.read(one)))
    except Exception as error:
        raise EvidenceError("its bytes were changed, or are no container", where=member, mend=_GIVE) from error
    if wrong is not None:
        raise EvidenceError(wrong, where="container", mend=_GIVE)
    return members


def _wrong(found: list[zipfile.ZipInfo]) -> str | None:
    """Say why what a directory lists is not read at all."""
    names = {one.filename for one in found}
    if len(found) > MOST_MEMBERS:
        return f"it holds more than {MOST_MEMBERS} files"
    if len(names) < len(found) or not all(is_name(name) for name in names - {FIRST, MANIFEST, SIGNATURE}):
        return "a file is there twice, or strangely named"
    # Stored, so that a small file cannot become a large one.
    if any(one.compress_type != zipfile.ZIP_STORED or one.flag_bits for one in found):
        return "a file is compressed or encrypted"
    return None


def _refuse_other_bytes(content: bytes, members: list[tuple[str, bytes]]) -> None:
    expected = _zipped(members)
    if content == expected:
        return
    place = next(
        (place for place, (is_, should) in enumerate(zip(content, expected, strict=False)) if is_ != should),
        min(len(content), len(expected)),
    )
    raise EvidenceError(
        "the container was changed outside its files", where=f"{_beside(place, members)}, byte {place}", mend=_GIVE
    )


def _beside(place: int, members: list[tuple[str, bytes]]) -> str:
    """Name the member whose header a byte is in."""
    end = 0
    for name, content in members:
        end += 30 + len(name) + len(content)  # a local file header has 30 bytes and the name
        if place < end:
            return name
    return "directory"
