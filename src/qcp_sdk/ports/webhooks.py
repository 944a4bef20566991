"""What providers say by themselves: deliveries to an address of the host's, none of which is believed.

A delivery names sessions, once it is proven to be the provider's; the host then asks how they stand
(`qcp.subscriptions.hint`). So one that is lost, doubled, late or out of order changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from attrs import field, frozen

from qcp_sdk.values import SessionId


def _lower(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


@frozen(kw_only=True)
class Delivery:
    """One request to the host's webhook address, as it came: the body's exact bytes, nothing parsed.

    `source` is the address of whoever connected; behind a proxy, the one that the *trusted* proxy says.
    """

    headers: Mapping[str, str] = field(repr=False, converter=_lower)
    body: bytes = field(repr=False)
    source: str = ""


class Webhooks(Protocol):
    """Says whom a delivery is about, if it is the provider's."""

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        """Give the sessions to look at now; none, when the delivery is genuine and about something else.

        Raises:
            WebhookRefused: It is not proven to be the provider's, or cannot be read; `reason` says which.
        """
