"""Signing and checking webhooks. Every check is total: whatever arrives, it is believed or `WebhookRefused`.

Standard Webhooks 1.0 (standard-webhooks/standard-webhooks, spec/standard-webhooks.md): `webhook-id`,
`webhook-timestamp` (seconds), `webhook-signature` (`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; several
with spaces between them, while a secret is being changed).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from attrs import frozen

from qcp_sdk.errors import ConfigurationError, WebhookRefused
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import Key, Secret

TOLERANCE: Final = timedelta(minutes=5)
"""How far a delivery's time may be from ours, either way (Standard Webhooks, and Stripe's default)."""
LARGEST: Final = 1 << 20
"""Bytes of a delivery that are looked at."""
PREFIX: Final = "whsec_"
MOST_SIGNATURES: Final = 20
"""Signatures of one delivery that are compared: a sender changes one secret at a time."""
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_ID: Final = re.compile(r"[\x21-\x7e]{1,256}")


@frozen(kw_only=True)
class Signed:
    """What a delivery is proven to say."""

    id: str
    """The same when it is delivered again."""
    at: datetime
    body: bytes


class StandardWebhooks:
    """Signs with the first secret of `secrets` and all others, and believes what any of them has signed.

    A secret is `whsec_` and base64, as every implementation writes it. To change one, put the new one first and
    take the old one away when nothing signed with it is on its way any more.

    Raises:
        ConfigurationError: There is no secret, or one that is not 16 to 512 bytes of base64.
    """

    def __init__(self, secrets: Sequence[Secret], *, clock: Clock, tolerance: timedelta = TOLERANCE) -> None:
        self._keys = tuple(_key(secret) for secret in secrets)
        if not self._keys:
            raise ConfigurationError("there is no secret", where="webhooks", mend="give at least one `whsec_…`")
        self._clock, self._tolerance = clock, tolerance

    def sign(self, *, id: str, body: bytes, at: datetime | None = None) -> dict[str, str]:
        """Give the headers that go with a body."""
        seconds = int((at or self._clock.now()).timestamp())
        signatures = " ".join(f"v1,{_mac(key, id, str(seconds), body)}" for key in self._keys)
        return {"webhook-id": id, "webhook-timestamp": str(seconds), "webhook-signature": signatures}

    def check(self, delivery: Delivery) -> Signed:
        """Give what a delivery says, if somebody signed it who knows a secret, and lately.

        Raises:
            WebhookRefused: `unsigned`, `malformed`, `forged`, `stale` or `too_large`.
        """
        body, headers = bounded(delivery.body), delivery.headers
        id, told, signatures = (header(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
        if not _ID.fullmatch(id):
            raise WebhookRefused("its id cannot be read", reason="malformed")
        at = seconds(told)
        given = [text[3:] for text in signatures.split(" ", MOST_SIGNATURES) if text.startswith("v1,")]
        if not any(same(_mac(key, id, told, body), text) for key in self._keys for text in given):
            raise forged()
        fresh(at, self._clock.now(), self._tolerance)
        return Signed(id=id, at=at, body=body)


def event_id(key: Key) -> str:
    """Give the id of a key's event: always the same, and telling nothing about the key."""
    return f"msg_{hashlib.sha256(key.encode(errors='surrogatepass')).hexdigest()[:40]}"


def header(headers: Mapping[str, str], name: str) -> str:
    """Give a header.

    Raises:
        WebhookRefused: `unsigned`: there is none, or it is empty.
    """
    value = headers.get(name, "")
    if not value:
        raise WebhookRefused(f"it has no header `{name}`", reason="unsigned")
    return value


def bounded(body: bytes, largest: int = LARGEST) -> bytes:
    """Give a body.

    Raises:
        WebhookRefused: `too_large`.
    """
    if len(body) > largest:
        raise WebhookRefused(f"it has {len(body)} bytes", reason="too_large", mend=f"{largest} at most")
    return body


def seconds(text: str) -> datetime:
    """Read an instant, in seconds since 1970.

    Raises:
        WebhookRefused: `malformed`.
    """
    if not _SECONDS.fullmatch(text):
        raise WebhookRefused("its time cannot be read", reason="malformed")
    return datetime.fromtimestamp(int(text), UTC)


def fresh(at: datetime, now: datetime, tolerance: timedelta) -> None:
    """Return when an instant is close enough to now. Whoever repeats an old delivery comes too late.

    Raises:
        WebhookRefused: `stale`.
    """
    if abs(now - at) > tolerance:
        raise WebhookRefused(
            "it was sent at another time",
            reason="stale",
            mend="check the clock of this machine; the sender tries again",
        )


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        WebhookRefused: `malformed`: it is something else.
    """
    try:
        told = json.loads(body.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise WebhookRefused("it is not a JSON object", reason="malformed")
    return told


def text_at(told: Mapping[str, Any], *path: str) -> str:
    """Give the text at the end of a path of names.

    Raises:
        WebhookRefused: `malformed`: there is none, or an empty one.
    """
    found: Any = told
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found:
        raise WebhookRefused(f"it says no `{'.'.join(path)}`", reason="malformed")
    return found


def signed_hex(secrets: Iterable[Secret], message: bytes, given: Iterable[str]) -> None:
    """Return when one of the secrets gives one of these hexadecimal HMAC-SHA256 signatures.

    Raises:
        WebhookRefused: `forged`.
    """
    signatures = list(given)[:MOST_SIGNATURES]
    macs = [hmac.new(one.reveal().encode(), message, hashlib.sha256).hexdigest() for one in secrets]
    if not any(same(mac, text) for mac in macs for text in signatures):
        raise forged()


def same(ours: str, given: str) -> bool:
    """Compare in constant time; a text that is not ASCII is never the same."""
    return hmac.compare_digest(ours.encode(), given.encode(errors="replace"))


def forged() -> WebhookRefused:
    """Give the error for a signature that does not hold."""
    return WebhookRefused(
        "its signature does not hold",
        reason="forged",
        mend="check the secret, and that the body is passed on unchanged",
    )


def secrets_given(secrets: Sequence[Secret], where: str) -> tuple[Secret, ...]:
    """Give the secrets.

    Raises:
        ConfigurationError: There is none, or one is empty: anybody could sign.
    """
    if not secrets or not all(secrets):
        raise ConfigurationError("a webhook secret is missing", where=where, mend="give the provider's secret")
    return tuple(secrets)


def _mac(key: Callable[[], bytes], id: str, told: str, body: bytes) -> str:
    message = f"{id}.{told}.".encode() + body
    return base64.b64encode(hmac.new(key(), message, hashlib.sha256).digest()).decode()


def _key(secret: Secret) -> Callable[[], bytes]:
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 16 <= len(key) <= 512:
        raise ConfigurationError(
            "a webhook secret is not one", where="webhooks", mend="write `whsec_` and 24 to 64 random bytes in base64"
        ) from None
    return lambda: key  # in a closure, so that no `repr` prints it


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON (RFC 8259 § 6)")
