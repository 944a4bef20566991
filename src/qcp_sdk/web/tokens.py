"""Single-use tokens that take the identity check to a smartphone (C1).

A token is what a QR code holds: whoever shows it may go to the provider's page, once, within ten minutes, and may do
nothing else. It is made of the subscription, an instant and a nonce under a key of the installation, so that nothing
is written when one is shown; when it is used, its hash is recorded in the store's inbox, which lets one through. A
token is bound to the session that it was made for: a new attempt makes older ones worthless.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final

from qcp_sdk.errors import Conflict
from qcp_sdk.ports.store import Batch
from qcp_sdk.sdk import Qcp
from qcp_sdk.values import SubscriptionId, joined

LIFETIME: Final = timedelta(minutes=10)
_MAC: Final = 16
_NONCE: Final = 9
_TIME: Final = 5


class HandOffs:
    """The tokens of one installation. Nothing is kept but the hashes of those that were used, until they expire."""

    def __init__(self, qcp: Qcp) -> None:
        self._qcp = qcp

    def make(self, id: SubscriptionId, session_url: str) -> tuple[str, datetime]:
        """Give a token for this subscription's present session, and until when it is good."""
        until = (self._qcp.ports.clock.now() + LIFETIME).replace(microsecond=0)
        head = int(until.timestamp()).to_bytes(_TIME, "big") + secrets.token_bytes(_NONCE)
        body = head + id.encode()
        return _text(self._mac(body, session_url) + body), until

    def read(self, token: str) -> SubscriptionId | None:
        """Say whose a token claims to be. It proves nothing yet: `is_good` does, given the session's address."""
        raw = _bytes(token)
        if raw is None or len(raw) <= _MAC + _TIME + _NONCE:
            return None
        try:
            return SubscriptionId(raw[_MAC + _TIME + _NONCE :].decode("ascii"))
        except UnicodeDecodeError:
            return None

    def is_good(self, token: str, session_url: str) -> bool:
        """Say whether a token was made by us for this session, has time left, and was not used."""
        raw = _bytes(token)
        if raw is None or not session_url:
            return False
        mac, body = raw[:_MAC], raw[_MAC:]
        return (
            hmac.compare_digest(mac, self._mac(body, session_url))
            and self._qcp.ports.clock.now() < _until(body)
            and not self._qcp.ports.store.seen(message=_mark(token))
        )

    def use(self, token: str, session_url: str) -> bool:
        """Use a token up; say whether it was good. Of two who use it at once, one is told so."""
        if not self.is_good(token, session_url):
            return False
        raw = _bytes(token)
        assert raw is not None
        now = self._qcp.ports.clock.now()
        try:
            self._qcp.ports.store.commit(batch=Batch(at=now, inbox=((_mark(token), _until(raw[_MAC:])),)))
        except Conflict:
            return False
        return True

    def _mac(self, body: bytes, session_url: str) -> bytes:
        key = self._qcp.ports.keys.derive(purpose="hand-off")
        about = joined(body.hex(), session_url).encode()
        return hmac.digest(key, about, "sha256")[:_MAC]


def _until(body: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(body[:_TIME], "big"), UTC)


def _mark(token: str) -> str:
    return f"hand-off/{hashlib.sha256(token.encode()).hexdigest()}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(token: str) -> bytes | None:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # One way of writing each: else the spare bits of the last letter would make a used token a fresh one.
    return raw if _text(raw) == token else None
