"""Webhooks of IDnow's new platform: signed as a JWT, in a header or as the body (its documentation shows both)."""

from __future__ import annotations

from typing import Final

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.tokens import TokenRefused, Tokens
from qcp_sdk.adapters.shared.webhooks import bounded, text_at
from qcp_sdk.errors import WebhookRefused
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import SessionId

HEADER: Final = "x-idnow-signature"
ALGORITHMS: Final = ("RS256",)
"""What its documentation names [read]."""


class IdnowPlatformWebhooks:
    """Believes a delivery whose JWT is signed by a key of IDnow's, for us, and lately. Needs the extra `jwt`.

    `keys` is where the JWKS is (`https://auth.eu.platform.idnow.io/oidc/.well-known/`…), `path` its place there.
    Only signed claims are read: of the body that goes with a token in the header, nothing. The session is the flow's
    `sessionId`, which is not the gateway's transaction: ask about it through the adapter that opened it.

    Raises:
        ConfigurationError: The extra is not installed, or issuer or audience is missing.
    """

    def __init__(self, *, keys: Http, path: str = "/jwks.json", issuer: str, audience: str, clock: Clock) -> None:
        self._tokens = Tokens(
            keys=keys,
            path=path,
            issuer=issuer,
            audience=audience,
            clock=clock,
            algorithms=ALGORITHMS,
            where="idnow.platform",
        )

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        """Give the session that the signed claims name.

        Raises:
            WebhookRefused: `unsigned`, `forged`, `stale`, `malformed` or `too_large`.
            Unavailable: IDnow's keys cannot be had: answer 503, it is sent again.
        """
        try:
            claims = self._tokens.claims(_token(delivery))
        except TokenRefused as refused:
            raise WebhookRefused(refused.what, reason=refused.reason, mend="check issuer, audience and clock") from None
        told = claims.get("data", claims)
        if not isinstance(told, dict):
            raise WebhookRefused("its claims hold no `data`", reason="malformed")
        return (SessionId(text_at(told, "payload", "sessionId")),)


def _token(delivery: Delivery) -> str:
    token = delivery.headers.get(HEADER, "")
    if not token and delivery.headers.get("content-type", "").partition(";")[0].strip() == "application/jwt":
        token = bounded(delivery.body).decode("ascii", errors="replace").strip()
    if not token:
        raise WebhookRefused("it holds no JWT", reason="unsigned")
    return token
