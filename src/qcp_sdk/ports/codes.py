"""Sending one-time codes (features B1, D2, E4). Deriving and checking them is `qcp_sdk.otp`."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret


class Codes(Protocol):
    """Delivers a code to the address of record. Neither repeatable nor queryable: a lost one is superseded."""

    def send(
        self,
        *,
        key: Key,
        channel: Channel,
        to: EmailAddress | PhoneNumber,
        code: Secret,
        purpose: Purpose,
        language: str,
        not_after: datetime,
    ) -> None:
        """Hand the message over for delivery. The same key sends at most once where the adapter can know.

        Raises:
            Rejected: `undeliverable`: no such address, or the gateway refuses it. `expired`: `not_after` has come.
                `key_reused` for another address or purpose.
        """
