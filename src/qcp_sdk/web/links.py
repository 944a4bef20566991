"""The addresses that messages give, made from where the pages are mounted."""

from __future__ import annotations

from urllib.parse import urlsplit

from qcp_sdk.adapters.shared.messages import Links
from qcp_sdk.web.routes import ADDRESSES


def links(base: str, *, verify: str = "") -> Links:
    """Give the links of messages. `base` is where people reach the pages (`https://sign.example/signature/`), `verify`
    where anybody may verify a signed document (the certificates page, if there is no such address).

    Raises:
        ConfigurationError: It is not a web address.
    """
    base = base.rstrip("/") + "/"
    return Links(
        account=base,
        subscription=base + ADDRESSES["subscription"].replace("{id}", "{subscription}"),
        signing=base + ADDRESSES["signing"].replace("{id}", "{ceremony}"),
        verify=verify or base,
        sms_host=urlsplit(base).hostname or "",
    )
