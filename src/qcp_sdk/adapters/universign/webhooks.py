"""Webhooks: events, signed as a detached JWS (RFC 7515 appendix F) in a header, under keys that Universign publishes.

The scheme is [inferred] from public clients that follow Universign's page (docs/providers/universign.md): PS256,
`X-JWS-Signature`, the body being the payload, keys at `/v1/webhooks/jwks.json`. Which events there are is on that page
[read].
"""

from __future__ import annotations

import base64
from typing import Any, Final

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.jwks import JwkSet
from qcp_sdk.adapters.shared.webhooks import bounded, forged, header, json_object
from qcp_sdk.errors import WebhookRefused
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import SessionId

HEADER: Final = "x-jws-signature"
KEYS: Final = "/v1/webhooks/jwks.json"
ALGORITHMS: Final = ("PS256",)
PARAMETERS: Final = frozenset({"alg", "kid", "typ"})
"""Header parameters that are understood; `crit`, `b64` or a key of its own make a signature another thing."""


class UniversignWebhooks:
    """Believes an event that is signed under one of Universign's keys. Needs the extra `jwt`.

    `keys` is the API's address. What is signed holds no time that could be relied upon, and failed deliveries are
    repeated for days: an old event is believed again, and makes us ask once more, no more. The session is a
    transaction's; of other events there is none.

    Raises:
        ConfigurationError: The extra is not installed.
    """

    def __init__(self, *, keys: Http, clock: Clock) -> None:
        self._keys = JwkSet(keys, path=KEYS, algorithms=ALGORITHMS, clock=clock, where="universign.webhooks")

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        """Give the transaction that the event is about.

        Raises:
            WebhookRefused: `unsigned`, `forged`, `malformed` or `too_large`.
            Unavailable: Universign's keys cannot be had: answer 503, it is sent again.
        """
        body = bounded(delivery.body)
        self._check(header(delivery.headers, HEADER), body)
        named = _transaction(json_object(body))
        return (SessionId(named),) if named else ()

    def _check(self, signature: str, body: bytes) -> None:
        jwt, parts = self._keys.jwt, signature.split(".")
        if len(parts) != 3 or parts[1]:
            raise WebhookRefused("its signature is no detached JWS", reason="malformed")
        payload = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        try:
            whole = f"{parts[0]}.{payload}.{parts[2]}"
            told = jwt.get_unverified_header(whole)
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise WebhookRefused("its signature cannot be read", reason="malformed") from error
        if told.keys() - PARAMETERS:
            raise WebhookRefused("its signature has a parameter that is not understood", reason="malformed")
        key = self._keys.key(told.get("kid"))
        if key is None:
            raise forged()
        try:
            jwt.PyJWS().decode(whole, key, algorithms=list(ALGORITHMS))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise forged() from error


def _transaction(event: dict[str, Any]) -> str:
    """Give the transaction of an event: of its lifecycle, or of a participant's action; "" of any other."""
    payload = event.get("payload")
    told = payload.get("object") if isinstance(payload, dict) else None
    if not isinstance(told, dict):
        return ""
    id = told.get("id") if told.get("object") == "transaction" else told.get("transaction_id")
    return id if isinstance(id, str) else ""
