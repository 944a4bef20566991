"""One place where what PDF and X.509 libraries raise becomes an error of ours.

pyHanko and asn1crypto are honest about most bad input (`PdfError` and its children), and let `ValueError`,
`KeyError`, `RecursionError`, `decimal.InvalidOperation` and others through for the rest: measured on 1,800
corrupted files, about one in a hundred. None of them may reach a host.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import InvalidVersion
from pyhanko.pdf_utils.misc import PdfError
from pyhanko_certvalidator.errors import (
    CRLValidationError,
    OCSPValidationError,
    PathError,
    ValidationError,
)

from qcp_sdk.errors import DocumentError, InvalidInput, QcpError, Rejected

FOREIGN: Final[tuple[type[Exception], ...]] = (
    PdfError,
    PathError,  # the four roots of pyhanko-certvalidator have no common one
    ValidationError,
    CRLValidationError,
    OCSPValidationError,
    ValueError,  # also SigningError, SignatureValidationError, CMSExtractionError, UnicodeError, and asn1crypto's
    KeyError,
    IndexError,
    TypeError,
    AttributeError,  # an object of another kind than the format says
    AssertionError,  # pyHanko asserts what it expects of a file
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    EOFError,
    InvalidVersion,  # of a certificate or a list: no ValueError, unlike the rest of what cryptography refuses
    UnsupportedAlgorithm,
    TimeoutError,  # a subclass of OSError; the other OSErrors are the machine's fault, not the document's
    struct.error,
    zlib.error,
)
"""What the libraries raise when a document is to blame."""

_TALKATIVE: Final = ("pyhanko", "pyhanko_certvalidator")


class _Border:
    """What foreign exceptions become when they leave the block; ours pass unchanged."""

    def __init__(self, error: Callable[[], QcpError]) -> None:
        self._error = error

    def __enter__(self) -> None:
        hush()

    def __exit__(
        self, kind: type[BaseException] | None, cause: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(cause, FOREIGN) and not isinstance(cause, QcpError):
            raise self._error() from cause


def translated(what: str, *, where: str = "", mend: str = "", error: type[InvalidInput] = DocumentError) -> _Border:
    """Turn any foreign exception of the block into `error(what)`.

    The foreign text never enters the message (it may quote the document); it stays behind `__cause__`.

    Raises:
        InvalidInput: `error`, from the original.
    """
    return _Border(lambda: error(what, where=where, mend=mend))


def refused(what: str, *, reason: str, mend: str = "") -> _Border:
    """Turn any foreign exception of the block into `Rejected(what)` with this reason.

    Raises:
        Rejected: From the original.
    """
    return _Border(lambda: Rejected(what, reason=reason, mend=mend))


def hush() -> None:
    """Keep pyHanko's loggers quiet: at WARNING they write tracebacks with subject names, which are personal data.

    A host that set a level on them itself (`logging.getLogger("pyhanko").setLevel(…)`) keeps it.
    """
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.CRITICAL)
