"""Codes and notices by SMS, each key once; and under which names gateways know them."""

from __future__ import annotations

import contextlib
import json
import threading
from datetime import datetime
from math import ceil
from pathlib import Path

from qcp_sdk.adapters.shared.answers import KeptAnswers, stream_of
from qcp_sdk.adapters.shared.messages import Renderer
from qcp_sdk.adapters.shared.webhooks import event_id
from qcp_sdk.adapters.sms_gateways.gateways import SmsGateway
from qcp_sdk.errors import Rejected, Unavailable
from qcp_sdk.notices import Attachment, Notice, Recipient
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.codes import Codes
from qcp_sdk.ports.notices import Notices
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret


class SmsCodes:
    """Sends codes by SMS, and those by e-mail through `otherwise`. `remember` is a folder of sent keys.

    With it a key is sent once, even after a restart, and receipts find their key (`SmsReceipts`).
    """

    def __init__(
        self,
        *,
        gateway: SmsGateway,
        renderer: Renderer,
        clock: Clock,
        remember: Path,
        otherwise: Codes | None = None,
    ) -> None:
        self._once, self._gateway, self._renderer, self._clock = _Once(remember), gateway, renderer, clock
        self._otherwise = otherwise

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
        """Hand the code over, unless it has expired; the gateway is told for how long it is of use.

        Raises:
            Rejected: `undeliverable`: the gateway does not take the number, or it is none; `expired`; `key_reused`.
            Unavailable: The gateway was not reached, or did nothing.
            Unconfirmed: It may have taken the message.
        """
        meant = (to.text, purpose.value)
        with self._once.alone(key):
            if self._once.sent(key, meant):
                return
            if channel is not Channel.SMS and self._otherwise is not None:
                self._otherwise.send(
                    key=key, channel=channel, to=to, code=code, purpose=purpose, language=language, not_after=not_after
                )
                self._once.note(key, meant)
                return
            if channel is not Channel.SMS or not isinstance(to, PhoneNumber):
                raise Rejected("a code by SMS needs a number", reason="undeliverable")
            left = (not_after - self._clock.now()).total_seconds()
            if left <= 0:
                raise Rejected(
                    "the code has expired before it could be sent", reason="expired", mend="ask for a new code"
                )
            message = self._renderer.render_code(
                channel=channel, code=code, purpose=purpose, language=language, not_after=not_after
            )
            told = self._gateway.hand_over(id=self._once.name(key), to=to, text=message.sms, seconds=ceil(left))
            self._once.note(key, meant, told)

    def forget_stream(self, *, stream: str) -> None:
        """Forget what was sent for this subscription or ceremony. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._once.forget(stream)

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return self._gateway, self._otherwise


class SmsNotices:
    """Sends those notices by SMS that are made for a telephone, and the others through `otherwise`."""

    def __init__(self, *, gateway: SmsGateway, renderer: Renderer, otherwise: Notices, remember: Path) -> None:
        self._once, self._gateway, self._renderer, self._otherwise = _Once(remember), gateway, renderer, otherwise

    def send(self, *, key: Key, to: Recipient, notice: Notice, attachments: tuple[Attachment, ...] = ()) -> None:
        """Hand the message over.

        Raises:
            Rejected: `undeliverable`, `key_reused`, or what `otherwise` says.
            Unavailable: The gateway was not reached, or did nothing.
            Unconfirmed: It may have taken the message.
        """
        meant = (to.email.text, notice.template)
        with self._once.alone(key):
            if self._once.sent(key, meant):
                return
            if notice.by_sms and to.mobile is not None:
                text = self._renderer.render_notice(notice, to).sms
                told = self._gateway.hand_over(id=self._once.name(key), to=to.mobile, text=text, seconds=None)
            else:
                self._otherwise.send(key=key, to=to, notice=notice, attachments=attachments)
                told = ""
            self._once.note(key, meant, told)

    def forget_stream(self, *, stream: str) -> None:
        """Forget what was sent for this subscription or ceremony. Repeatable.

        Raises:
            Unavailable: The folder cannot be written.
        """
        self._once.forget(stream)

    @property
    def parts(self) -> tuple[object, ...]:
        """What this is made of, for whoever looks whether all of it works."""
        return self._gateway, self._otherwise


class _Once:
    """Which keys were sent, and the names under which gateways know them."""

    def __init__(self, remember: Path) -> None:
        self._sent, self._names = KeptAnswers(remember / "sent"), KeptAnswers(remember / "names")
        self._locks = tuple(threading.Lock() for _ in range(64))

    def alone(self, key: Key) -> threading.Lock:
        return self._locks[hash(key) % len(self._locks)]

    def sent(self, key: Key, meant: tuple[str, ...]) -> bool:
        return self._sent.get(key=key, meant=meant) is not None

    def name(self, key: Key) -> str:
        name = event_id(key)
        self._names.put(key=Key(name), answer=json.dumps(key), of=stream_of(key))
        return name

    def note(self, key: Key, meant: tuple[str, ...], told: str = "") -> None:
        # The message has left: that we cannot note it must not say otherwise, or it would be sent again.
        if told:
            with contextlib.suppress(Unavailable):
                self._names.put(key=Key(told), answer=json.dumps(key), of=stream_of(key))
        with contextlib.suppress(Unavailable):
            self._sent.put(key=key, answer="sent", meant=meant, of=stream_of(key))

    def forget(self, stream: str) -> None:
        self._sent.forget_stream(stream=stream)
        self._names.forget_stream(stream=stream)
