"""Ids, idempotency keys, and the names of exact bytes."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from qcp_sdk.host.saying import Code
from qcp_sdk.values import ContentHash, Fingerprint, Key, Secret

PRINTED: Final = (
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ -_.:;,/\\@#%&?!=+*'\"()[]{}<>|~^$`"
    "éàçÜßŁøİ\u0130\u0131\u00a0\u2019\u2026€Жαא漢\u0301\N{GRINNING FACE}"
)
"""What printed texts are drawn from: named one by one, so that a failing example stays readable."""

_ODD: Final = ("0", "a/b/1", "a:b", "1:a", "é", "\N{GRINNING FACE}", "../..", "a b", "'; --", "%00", "null", "x" * 120)
"""Ids that a host may well have, and that whoever joins, splits or quotes them carelessly mixes up."""


@cache
def ids() -> SearchStrategy[str]:
    """An id as hosts and providers make them: UUIDs, numbers, texts. Opaque to us, so any text that is not empty."""
    counted = st.integers(1, 10**6).map(lambda number: f"id-{number}")
    texts = st.text(PRINTED, min_size=1, max_size=40)
    return counted | st.uuids().map(str) | st.sampled_from(_ODD) | texts


@cache
def tenants() -> SearchStrategy[str]:
    """A tenant, or none (`""`)."""
    return st.just("") | ids()


@cache
def keys() -> SearchStrategy[Key]:
    """An idempotency key as the engine derives it: `<stream>/<sequence>/<n>`."""
    return st.builds("{}/{}/{}".format, ids(), st.integers(1, 10_000), st.integers(0, 9)).map(Key)


@cache
def content_hashes() -> SearchStrategy[ContentHash]:
    """The name of some bytes; of the same few now and then."""
    contents = st.binary(max_size=1) | st.binary(max_size=64)
    return contents.map(lambda content: ContentHash(f"sha256:{hashlib.sha256(content).hexdigest()}"))


@cache
def fingerprints() -> SearchStrategy[Fingerprint]:
    """The fingerprint of a certificate that is not at hand."""
    return st.binary(max_size=64).map(lambda content: Fingerprint(hashlib.sha256(content).hexdigest()))


@cache
def secrets() -> SearchStrategy[Secret]:
    """A secret: any text, the empty one too."""
    return st.text(PRINTED, max_size=40).map(Secret)


@cache
def typed_codes() -> SearchStrategy[Secret]:
    """What a person may type for a one-time code: right in form, with spaces and dashes, or nonsense."""
    digits = st.text("0123456789", min_size=7, max_size=7)
    letters = st.text("ABCDEFGHJKMNPQRSTUVWXYZ23456789", min_size=6, max_size=6)
    spaced = st.tuples(digits | letters, st.sampled_from(("", " ", "-", "\u202f"))).map(
        lambda pair: f"{pair[0][:3]}{pair[1]}{pair[0][3:]}".lower()
    )
    return (digits | letters | spaced | st.text(PRINTED, max_size=40)).map(Secret)


@cache
def codes() -> SearchStrategy[Code]:
    """A one-time code as a person says it."""
    return typed_codes().map(Code)
