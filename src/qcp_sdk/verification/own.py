"""Certificates of documents, read as far as somebody asks, and by one thread only.

asn1crypto reads lazily and in place. That is quick, but who shares such a certificate with another thread may see what
that one has half read: so each thread has its own. What all share is read to its last field (`specification`).
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final

from asn1crypto import x509  # type: ignore[import-untyped]


class _Own(threading.local):
    """What this thread has read: authorities and responders are in every document."""

    def __init__(self) -> None:
        self.certificate = lru_cache(maxsize=128)(x509.Certificate.load)


_own: Final = _Own()


def certificate(der: bytes) -> x509.Certificate:
    """Begin to read a certificate.

    Raises:
        ValueError, TypeError …: Here, or whenever one asks for a part of it that cannot be read.
    """
    return _own.certificate(der)


def forget() -> None:
    """Forget what this thread has read; for measuring."""
    _own.certificate.cache_clear()
