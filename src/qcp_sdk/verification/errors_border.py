"""The border with pyHanko: whatever a broken document makes it raise becomes one error of ours.

`adapters/shared/` has its own for signing: verification may not import adapters.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Final

from qcp_sdk.errors import DocumentError, QcpError

FOREIGN: Final = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    AssertionError,
    RecursionError,
    ArithmeticError,
    NotImplementedError,
    EOFError,
    OSError,
    struct.error,
    zlib.error,
)
"""What pyHanko and asn1crypto let escape on hostile input, found by fuzzing; what `foreign` imports comes besides."""

_quiet: ContextVar[bool] = ContextVar("qcp_sdk_verification_quiet", default=False)


def foreign() -> tuple[type[Exception], ...]:
    """Give every kind of exception that a broken document may cause. Imports pyHanko."""
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, InvalidVersion
    from pyhanko.pdf_utils.misc import PdfError

    return (PdfError, UnsupportedAlgorithm, InternalError, InvalidVersion, DuplicateExtension, *FOREIGN)


@contextmanager
def translated(what: str = "it is not a PDF that can be read") -> Iterator[None]:
    """Turn what pyHanko raises into `DocumentError`; our own errors pass.

    Raises:
        DocumentError: Anything that the document's bytes made the library raise.
    """
    try:
        yield
    except QcpError:
        raise
    except foreign() as error:
        # The message of the library may quote the document: it stays in the cause.
        raise DocumentError(what, mend="check that the file is complete and not encrypted") from error


class _Hush(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # the interface's argument
        return not _quiet.get()


_HUSH: Final = _Hush()


_LOGGING: Final = ("pyhanko.sign.validation.ades", "pyhanko.sign.diff_analysis", "pyhanko_certvalidator.validate")
"""What pyHanko imports when it validates."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pyHanko's log records of this very verification out of the logs: they hold names of signatories.

    The host's own use of pyHanko, in other threads and tasks, logs as before.
    """
    for module in _LOGGING:
        import_module(module)  # its loggers must be there before they can be filtered
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if name.partition(".")[0] in {"pyhanko", "pyhanko_certvalidator"} and isinstance(logger, logging.Logger):
            logger.addFilter(_HUSH)  # adding it again changes nothing
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)
