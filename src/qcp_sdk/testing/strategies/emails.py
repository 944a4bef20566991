"""E-mail addresses: what people have, and the edges of what is one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from qcp_sdk.values import EmailAddress

_ATOM: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+/=?^_`{|}~-"
_ALPHANUMERIC: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
DOMAINS: Final = (
    "cabinet.example",
    "example.org",
    "Example.COM",
    "mail.expert-comptable.example",
    "xn--caf-dma.example",
)


@st.composite
def _labels(draw: DrawFn) -> str:
    inside = draw(st.text(_ALPHANUMERIC + "-", max_size=8))
    return f"{draw(st.sampled_from(_ALPHANUMERIC))}{inside}{draw(st.sampled_from(_ALPHANUMERIC))}"


_LOCAL: Final = st.sampled_from(("jessica.poussart", "j.p+qcp", "O'Neill", "1", "contact", "x" * 64)) | st.lists(
    st.text(_ATOM, min_size=1, max_size=12), min_size=1, max_size=3
).map(".".join)
_LONGEST: Final = ".".join(("a" * 63, "b" * 63, "c" * (254 - 65 - 128)))
"""With 64 characters before the @: 254."""
_DOMAIN: Final = st.sampled_from((*DOMAINS, _LONGEST)) | st.lists(_labels(), min_size=2, max_size=4).map(".".join)
_CASED: Final[tuple[Callable[[str], str], ...]] = (str, str.upper, str.title)


@st.composite
def written_emails(draw: DrawFn) -> str:
    """An address as somebody writes it: its domain in any case; up to 64 characters before the @, and 254 in all."""
    return f"{draw(_LOCAL)}@{draw(st.sampled_from(_CASED))(draw(_DOMAIN))}"


@cache
def email_addresses() -> SearchStrategy[EmailAddress]:
    """One mailbox, of any form that `EmailAddress` takes."""
    return written_emails().map(EmailAddress)


@st.composite
def same_mailboxes(draw: DrawFn) -> tuple[EmailAddress, EmailAddress]:
    """One mailbox written twice: the domains differ in case at most (RFC 5321 § 2.4)."""
    written = draw(written_emails())
    local, _, domain = written.rpartition("@")
    return EmailAddress(written), EmailAddress(f" {local}@{domain.swapcase()} ")
