"""One-time codes that go nowhere: they are kept, so that a test can type them."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen

from qcp_sdk.adapters.memory.faults import Fake, Faults, keyed
from qcp_sdk.errors import NotFound, Rejected
from qcp_sdk.otp import Channel, Purpose
from qcp_sdk.ports.clock import Clock
from qcp_sdk.values import EmailAddress, Key, PhoneNumber, Secret


@frozen(kw_only=True)
class SentCode:
    """One code that left."""

    key: Key
    channel: Channel
    to: EmailAddress | PhoneNumber
    code: Secret
    purpose: Purpose
    language: str
    not_after: datetime


class MemoryCodes(Fake):
    """Keeps what it is asked to send, in `outbox`; `latest` is what the person finds on their screen.

    With a `clock` it sends no code whose time is over, as every adapter that knows the time.
    """

    port = "codes"

    def __init__(self, *, clock: Clock | None = None, faults: Faults | None = None) -> None:
        self._prepare(faults)
        self._clock = clock
        self._outbox: list[SentCode] = []
        self._unreachable: set[EmailAddress | PhoneNumber] = set()

    @keyed("to", "purpose")
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
        """Put the code into the outbox; the same key does so once.

        Raises:
            Rejected: `undeliverable`: the address is of another channel, or was made unreachable; `expired`.
        """
        if self._clock is not None and self._clock.now() >= not_after:
            raise Rejected("the code has expired before it could be sent", reason="expired", mend="ask for a new code")
        if to in self._unreachable or isinstance(to, EmailAddress) is not (channel is Channel.EMAIL):
            raise Rejected(f"no {channel} reaches this address", reason="undeliverable", mend="check the address")
        self._outbox.append(
            SentCode(
                key=key, channel=channel, to=to, code=code, purpose=purpose, language=language, not_after=not_after
            )
        )

    @property
    def outbox(self) -> tuple[SentCode, ...]:
        """Everything that was sent, oldest first."""
        with self._lock:
            return tuple(self._outbox)

    def latest(self, to: EmailAddress | PhoneNumber, *, purpose: Purpose | None = None) -> Secret:
        """Give the newest code that this address received, for this purpose if one is named.

        Raises:
            NotFound: It received none.
        """
        with self._lock:
            for sent in reversed(self._outbox):
                if sent.to == to and purpose in (None, sent.purpose):
                    return sent.code
        raise NotFound(f"no code was sent to `{to.masked}`", mend="ask for one first")

    def make_unreachable(self, to: EmailAddress | PhoneNumber) -> None:
        """Let nothing reach this address any more."""
        with self._lock:
            self._unreachable.add(to)
