"""The files of a trust directory, and the certificates that are pinned in it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qcp_sdk.errors import TrustListError
from qcp_sdk.verification.signed_xml import LARGEST

MOST_FILES: Final = 1_000


def files(directory: Path, suffix: str) -> list[Path]:
    """Give the files of a directory with this suffix, sorted.

    Raises:
        TrustListError: There is no such directory, or it holds more than `MOST_FILES`.
    """
    try:
        found = sorted(path for path in directory.iterdir() if path.suffix == f".{suffix}" and path.is_file())
    except OSError as error:
        raise TrustListError(
            "there is no such directory that can be read",
            where=str(directory),
            mend="a trust directory has `lists` and `operators`, or what `qcp-sdk trust update` makes",
        ) from error
    if len(found) > MOST_FILES:
        raise TrustListError(f"it holds more than {MOST_FILES} files", where=str(directory), mend="remove what is old")
    return found


def content(path: Path, largest: int = LARGEST) -> bytes:
    """Give what a file holds.

    Raises:
        TrustListError: It cannot be read, or has more than `largest` bytes.
    """
    try:
        if path.stat().st_size > largest:
            raise TrustListError(f"it has more than {largest} bytes", where=path.name, mend="remove it")
        return path.read_bytes()
    except OSError as error:
        raise TrustListError("it cannot be read", where=path.name, mend="check the file's permissions") from error


def certificates(path: Path) -> list[bytes]:
    """Give the certificates (DER) of a PEM file.

    Raises:
        TrustListError: It is not certificates in PEM.
    """
    from asn1crypto import pem, x509  # type: ignore[import-untyped]

    try:
        armoured = pem.unarmor(content(path, 1_000_000), multiple=True)
        found = [bytes(der) for kind, _, der in armoured if kind == "CERTIFICATE"]
        for der in found:
            x509.Certificate.load(der, strict=True).subject.native  # noqa: B018  # read it now: later is too late
    except (ValueError, TypeError, KeyError, IndexError) as error:
        if isinstance(error, TrustListError):
            raise
        raise TrustListError("it is not a certificate in PEM", where=path.name, mend="export it as PEM") from error
    return found
