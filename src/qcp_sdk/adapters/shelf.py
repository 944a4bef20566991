"""A shelf of immutable documents in a folder: each file is named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qcp_sdk.errors import InvalidValue, Rejected, Unavailable
from qcp_sdk.values import ContentHash, content_hash

CHUNK = 1 << 20
"""Bytes held in memory at once while a file is kept."""


class FileShelf:
    """Keeps documents under `directory`, which is made when the first one is kept.

    Files are readable by their owner only, appear whole or not at all, and are never changed: a name always
    means the same bytes, and `read` checks that it does. Safe for many threads and processes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __repr__(self) -> str:
        return f"FileShelf({str(self.directory)!r})"

    def keep(self, *, content: bytes | Path) -> ContentHash:
        """Keep these bytes, or the bytes of this file, and give their name. Keeping them again is free, and
        mends a damaged copy.

        Raises:
            Rejected: `unreadable`: the file to keep cannot be read.
            Unavailable: The folder cannot be written.
        """
        digest = hashlib.sha256()
        for chunk in _chunks(content):
            digest.update(chunk)
        if self._sound(digest.hexdigest()):
            return ContentHash(f"sha256:{digest.hexdigest()}")
        return self._write(content)

    def read(self, *, document: ContentHash) -> bytes:
        """Give the bytes back, checked against their name.

        Raises:
            Rejected: `unknown_document`, or `damaged`: the bytes no longer have that name.
            Unavailable: The folder cannot be read.
        """
        path = self.path(document=document)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Unavailable("the shelf cannot be read", mend="check its permissions") from error
        if hashlib.sha256(content).hexdigest() != path.name:
            raise Rejected(
                f"the bytes kept as `{document}` have changed",
                reason="damaged",
                mend="restore the file from a backup, or keep the original again",
            )
        return content

    def path(self, *, document: ContentHash) -> Path:
        """Give the file that holds these bytes, to be read only. Its bytes are not checked here: `read` does.

        Raises:
            Rejected: `unknown_document`.
        """
        try:
            path = self._place(content_hash(document).removeprefix("sha256:"))
        except InvalidValue as error:
            raise Rejected("this is no name of a document", reason="unknown_document") from error
        if not path.is_file():
            raise Rejected(f"no document is kept as `{document}`", reason="unknown_document")
        return path

    def forget(self, *, document: ContentHash) -> None:
        """Take the document from the shelf, for good; one that is not there is forgotten already.

        Raises:
            Rejected: `unknown_document`: this is no name of a document.
            Unavailable: The folder cannot be written.
        """
        try:
            place = self._place(content_hash(document).removeprefix("sha256:"))
        except InvalidValue as error:
            raise Rejected("this is no name of a document", reason="unknown_document") from error
        try:
            place.unlink(missing_ok=True)
            if place.parent.is_dir():
                _sync_folder(place.parent)
        except OSError as error:
            raise _unwritable() from error

    def _place(self, digits: str) -> Path:
        # Two levels keep each folder small enough to list.
        return self.directory / digits[:2] / digits

    def _sound(self, digits: str) -> bool:
        digest = hashlib.sha256()
        try:
            with self._place(digits).open("rb") as file:
                while chunk := file.read(CHUNK):
                    digest.update(chunk)
        except OSError:
            return False
        return digest.hexdigest() == digits

    def _write(self, content: bytes | Path) -> ContentHash:
        digest = hashlib.sha256()  # again: the file may have changed since it was first read
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.directory, prefix=".new-")  # mode 0600
        except OSError as error:
            raise _unwritable() from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                for chunk in _chunks(content):
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            place = self._place(digest.hexdigest())
            place.parent.mkdir(mode=0o700, exist_ok=True)
            Path(name).replace(place)
            _sync_folder(place.parent)
        except OSError as error:
            raise _unwritable() from error
        finally:
            Path(name).unlink(missing_ok=True)
        return ContentHash(f"sha256:{digest.hexdigest()}")


def _unwritable() -> Unavailable:
    return Unavailable("the shelf cannot be written", mend="check its permissions and the free space")


def _chunks(content: bytes | Path) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    try:
        with content.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise Rejected("the file to keep cannot be read", reason="unreadable", mend="check its path") from error


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system lets a folder be synchronised."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
