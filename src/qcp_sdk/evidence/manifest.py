"""The ASiCManifest (ETSI EN 319 162-1 annex A.4): every data file by name and SHA-256, in one exact spelling."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Final

from qcp_sdk.errors import EvidenceError
from qcp_sdk.evidence.container import SIGNATURE

MIME_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "pdf": "application/pdf",
    "pem": "application/x-pem-file",
    "crl": "application/pkix-crl",
    "txt": "text/plain; charset=utf-8",
}
"""By what a file's name ends in."""

_HEAD: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n'
    f'<asic:SigReference URI="{SIGNATURE}" MimeType="application/x-pkcs7-signature"/>\n'
)
_ROW: Final = (
    '<asic:DataObjectReference URI="{name}" MimeType="{mime}">'
    '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
    "<ds:DigestValue>{digest}</ds:DigestValue></asic:DataObjectReference>\n"
)
_AGAIN: Final = "ask for the dossier again"
_TAIL: Final = "</asic:ASiCManifest>\n"
_READ: Final = re.compile(r'URI="([^"]+)" MimeType="[^"]*">.*?<ds:DigestValue>([A-Za-z0-9+/=]+)</ds:DigestValue>')


def write(files: Mapping[str, bytes]) -> bytes:
    """Give the manifest of these files, in their order. Names are those that a container takes: none needs escaping."""
    rows = (
        _ROW.format(
            name=name,
            mime=MIME_TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
            digest=_digest(content),
        )
        for name, content in files.items()
    )
    return (_HEAD + "".join(rows) + _TAIL).encode()


def check(manifest: bytes, files: Mapping[str, bytes]) -> None:
    """Return when the manifest is the one of exactly these files.

    Raises:
        EvidenceError: `where` names the file that was changed, added or removed.
    """
    if manifest == write(files):
        return
    named = dict(_READ.findall(manifest.decode("utf-8", "replace")))
    for name, content in files.items():
        if name not in named:
            raise EvidenceError("the manifest does not know it", where=name, mend="it was added later")
        if named[name] != _digest(content):
            raise EvidenceError("its bytes are not those that were signed", where=name, mend=_AGAIN)
    missing = next((name for name in named if name not in files and name != SIGNATURE), "META-INF/ASiCManifest.xml")
    raise EvidenceError("it is missing, or the manifest was changed", where=missing, mend=_AGAIN)


def _digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")
