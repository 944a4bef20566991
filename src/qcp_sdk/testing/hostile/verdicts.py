"""What three verifiers say of a document: ours, pyHanko's own classic validation, and pdfsig (poppler)."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import resource
import subprocess
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Final

from qcp_sdk.errors import DocumentError
from qcp_sdk.testing.hostile.kit import NOW, Kit
from qcp_sdk.verification.report import Indication
from qcp_sdk.verification.trust import TrustStore
from qcp_sdk.verification.verify import verify

_PATIENCE: Final = 30
"""Seconds that the others get."""
_MEMORY: Final = 4 << 30
"""Bytes that pyHanko gets."""


def ours(content: bytes, trust: TrustStore) -> str:
    """Give what `verify` says: of the document, or of its first signature."""
    try:
        report = verify(content, trust=trust, now=NOW)
    except DocumentError as error:
        return error.what
    if not report.signatures:
        return "no signature"
    one = report.signatures[0]
    if one.indication is Indication.PASSED:
        return f"PASSED {one.level_reached.name if one.level_reached else 'none'}"
    return f"{one.indication.value} {one.sub_indication}"


def pyhanko(content: bytes, kit: Kit) -> str:
    """Give what pyHanko's `async_validate_pdf_signature` says of the first signature, trusting the kit's authority.

    It is asked in a process of its own, which is ended where it does not answer.
    """
    forking = multiprocessing.get_context("fork")
    receiving, sending = forking.Pipe(duplex=False)
    asked = forking.Process(target=lambda: sending.send(_pyhanko(content, kit)))
    asked.start()
    sending.close()
    try:
        return str(receiving.recv()) if receiving.poll(_PATIENCE) else f"no answer within {_PATIENCE} s"
    except EOFError:
        return "ended without an answer"
    finally:
        asked.kill()
        asked.join()
        receiving.close()


def _pyhanko(content: bytes, kit: Kit) -> str:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    from asn1crypto import crl, x509  # type: ignore[import-untyped]
    from cryptography.hazmat.primitives.serialization import Encoding
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import async_validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    context = ValidationContext(
        trust_roots=[x509.Certificate.load(kit.ca.public_bytes(Encoding.DER))],
        crls=[crl.CertificateList.load(kit.crl())],
        moment=NOW,
        revocation_mode="require",
        allow_fetching=False,
    )
    try:
        found = list(PdfFileReader(BytesIO(content)).embedded_signatures)
        if not found:
            return "no signature"
        status = asyncio.run(async_validate_pdf_signature(found[0], context))
    except Exception as error:  # noqa: BLE001  # whatever it raises is its answer
        return type(error).__name__
    return "valid" if status.bottom_line else "not valid"


def pdfsig(content: bytes, program: str) -> str:
    """Give what pdfsig says of the first signature's value, and of how much of the file it covers."""
    with tempfile.TemporaryDirectory(prefix="qcp-") as folder:
        path = Path(folder) / "document.pdf"
        path.write_bytes(content)
        try:
            done = subprocess.run(  # noqa: S603  # a program that the caller names
                [program, "-nocert", str(path)], capture_output=True, timeout=_PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no answer within {_PATIENCE} s"
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    said = re.search(r"Signature Validation: (.+?)\.?\n", told)
    if said is None:
        if done.returncode < 0:
            return f"ended by signal {-done.returncode}"
        return "no signature" if "does not contain any signatures" in told else "cannot be read"
    covers = "" if "Total document signed" in told else ", not the whole file"
    return said[1].removeprefix("Signature is ").strip().lower() + covers


def agrees(mine: str, other: str) -> bool:
    """Whether another verifier's answer comes to the same as ours: passed or not."""
    return mine.startswith("PASSED") == other.startswith("valid")
