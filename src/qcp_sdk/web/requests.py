"""What a page is asked: who is there, which page, what was filled in. A shell makes one of its framework's request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from qcp_sdk.people import check_language
from qcp_sdk.values import AccountId, TenantId

NOTHING: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})


@frozen(kw_only=True)
class PageRequest:
    """One request to one page.

    `account` is who is signed in, as the host says, never as the browser says; None: nobody. `path` is what follows the
    address at which the pages are mounted (`root`, which ends with `/`). `csrf` is the name and value of the hidden
    field by which the host recognises its own forms: a shell has checked it before it comes here with a POST.
    """

    method: str
    path: str
    account: AccountId | None
    tenant: TenantId = TenantId("")
    language: str = field(default="fr", validator=check_language)
    root: str = "/"
    origin: str = ""
    """Scheme and host as people reach them (`https://sign.example`), for links that leave this page."""
    csrf: tuple[str, str] = field(default=("", ""), repr=False)
    form: Mapping[str, Sequence[str]] = field(default=NOTHING, repr=False)
    body: bytes = field(default=b"", repr=False)
    """The body as it came, where it is no form."""
    content_type: str = ""
    seen: str = ""
    """The `If-None-Match` header."""
    caller: str = ""
    """The address that the request comes from, as the host knows it behind its proxies; empty: not known."""
    streams: bool = False
    """Whether the shell can send events as they come (`View.watch`), which takes an event loop."""

    def one(self, name: str) -> str:
        """Give the first value of a field; empty when it was not sent."""
        values = self.form.get(name, ())
        return values[0] if values else ""

    def all(self, name: str) -> tuple[str, ...]:
        """Give every value of a field."""
        return tuple(self.form.get(name, ()))
