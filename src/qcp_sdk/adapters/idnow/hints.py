"""Webhooks of the gateway API: no signature, so that only the sender's address is checked, and nothing believed."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from qcp_sdk.adapters.shared.webhooks import bounded, json_object, text_at
from qcp_sdk.errors import ConfigurationError, WebhookRefused
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import SessionId

LIVE_SENDERS: Final = ("62.128.13.228/32", "62.128.13.229/32")
"""[read], in the documentation of 2016: ask IDnow for those of today."""
TEST_SENDERS: Final = ("52.30.27.5/32", "52.48.216.0/32")
LARGEST: Final = 1 << 18


class IdnowHints:
    """Reads which transaction an unsigned webhook names, when it comes from one of `senders` (networks).

    `Delivery.source` has to be the address that connected, or what a proxy of your own says it was. What the webhook
    says besides is dropped: it could be anybody's who can send from these addresses.

    Raises:
        ConfigurationError: `senders` is empty, or holds what is no network.
    """

    def __init__(self, senders: Sequence[str] = LIVE_SENDERS) -> None:
        try:
            self._senders = tuple(ip_network(one) for one in senders)
        except ValueError as error:
            raise ConfigurationError(
                "a sender is no network", where="idnow.senders", mend="write 192.0.2.0/24 or 192.0.2.1"
            ) from error
        if not self._senders:
            raise ConfigurationError("nobody may send", where="idnow.senders", mend="name IDnow's addresses")

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        """Give the transaction that it names.

        Raises:
            WebhookRefused: `source`, `malformed` or `too_large`.
        """
        try:
            address = ip_address(delivery.source.partition("%")[0])
            mapped = getattr(address, "ipv4_mapped", None)
            known = any((mapped or address) in network for network in self._senders)
        except ValueError:
            known = False
        if not known:
            raise WebhookRefused("it comes from elsewhere", reason="source", mend="check senders, and your proxy")
        told = json_object(bounded(delivery.body, LARGEST))
        return (SessionId(text_at(told, "identificationprocess", "transactionnumber")),)
