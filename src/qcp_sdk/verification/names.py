"""Comparing distinguished names once a document, not fifty times.

An authority's name stands in its certificate, in those that it issued, in CMS and in OCSP answers. asn1crypto reads and
prepares (RFC 4518) each anew, letter by letter, whenever two are compared: a third of what a first verification cost.

Within `remembered()`, in this thread or task and nowhere else, what a name compares as is remembered by its bytes. What
is compared is the same (RFC 5280 § 7.1), and nothing outlives the document. Plain ASCII is prepared in one go.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

from attrs import define, field

_SPACES: Final = re.compile(" +")
_INSTALLING: Final = threading.Lock()
"""`lru_cache` calls twice where two threads come first together, and one would wrap the other's."""


@define
class _Seen:
    parts: dict[bytes, tuple[Any, ...]] = field(factory=dict)
    hashables: dict[bytes, str] = field(factory=dict)


_seen: ContextVar[_Seen | None] = ContextVar("qcp_sdk_verification_names", default=None)


@contextmanager
def remembered() -> Iterator[None]:
    """Remember in this block what names compare as."""
    with _INSTALLING:
        _install()
    token = _seen.set(_Seen())
    try:
        yield
    finally:
        _seen.reset(token)


@lru_cache(maxsize=1)
def _install() -> None:
    from asn1crypto import x509  # type: ignore[import-untyped]

    theirs_equal, theirs_hashable = x509.Name.__eq__, x509.Name.hashable.fget

    def equal(self: Any, other: object) -> bool:
        seen = _seen.get()
        if seen is None or not isinstance(other, x509.Name):
            return bool(theirs_equal(self, other))
        try:
            return _parts(seen, self) == _parts(seen, other)
        except ValueError:  # a value that cannot be prepared: theirs may have found a difference before it
            return bool(theirs_equal(self, other))

    def hashable(self: Any) -> str:
        seen = _seen.get()
        if seen is None:
            return str(theirs_hashable(self))
        der = _der(self)
        if der not in seen.hashables:
            seen.hashables[der] = theirs_hashable(self)
        return seen.hashables[der]

    theirs_prepared = x509.NameTypeAndValue._ldap_string_prep

    def prepared(self: Any, string: Any) -> str:
        # asn1crypto hands over bytes of a bit string, and says itself what is wrong with them.
        if _seen.get() is not None and isinstance(string, str) and string.isascii() and string.isprintable():
            # Of all the steps of RFC 4518 two change such letters: case folding, and insignificant spaces.
            return f" {_SPACES.sub('  ', string.lower()).strip()} "
        return str(theirs_prepared(self, string))

    x509.NameTypeAndValue._ldap_string_prep = prepared
    x509.Name.__eq__ = equal
    x509.Name.hashable = property(hashable)


def _der(name: Any) -> bytes:
    # A name that was read keeps its bytes; `dump` would first read it to its leaves.
    return bytes(name.dump() if name._contents is None else name._contents)


def _parts(seen: _Seen, name: Any) -> tuple[Any, ...]:
    """Give what asn1crypto compares: of each relative name, how many attributes, and their prepared values by type."""
    der = _der(name)
    if der not in seen.parts:
        seen.parts[der] = tuple((len(rdn), rdn._get_values(rdn)) for rdn in name.chosen)
    return seen.parts[der]
