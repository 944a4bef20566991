"""Webhooks of IDnow's new platform: signed as a JWT, in a header or as the body (its documentation shows both)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.webhooks import bounded, fresh, text_at
from qcp_sdk.errors import ConfigurationError, PortError, Unavailable, WebhookRefused
from qcp_sdk.ports.clock import Clock
from qcp_sdk.ports.webhooks import Delivery
from qcp_sdk.values import SessionId

HEADER: Final = "x-idnow-signature"
ALGORITHMS: Final = ("RS256",)
"""What its documentation names [read]; `none` and HMAC are not among it, whatever a token says."""
KEYS_LIFE: Final = timedelta(hours=12)
KEYS_PAUSE: Final = timedelta(minutes=1)
"""Between two looks for a key that we do not know: forged ids must not make us ask each time."""
LEEWAY: Final = timedelta(minutes=5)
MOST_KEYS: Final = 50


class IdnowPlatformWebhooks:
    """Believes a delivery whose JWT is signed by a key of IDnow's, for us, and lately. Needs the extra `jwt`.

    `keys` is where the JWKS is (`https://auth.eu.platform.idnow.io/oidc/.well-known/`…), `path` its place there.
    Only signed claims are read: of the body that goes with a token in the header, nothing. The session is the flow's
    `sessionId`, which is not the gateway's transaction: ask about it through the adapter that opened it.

    Raises:
        ConfigurationError: The extra is not installed, or issuer or audience is missing.
    """

    def __init__(self, *, keys: Http, path: str = "/jwks.json", issuer: str, audience: str, clock: Clock) -> None:
        try:
            import jwt
        except ModuleNotFoundError as missing:
            raise ConfigurationError(
                "`jwt` is not installed", where="idnow.platform", mend="install qcp_sdk[jwt]"
            ) from missing
        if not issuer or not audience:
            raise ConfigurationError("issuer or audience is missing", where="idnow.platform", mend="give both")
        self._jwt: Any = jwt
        self._http, self._path, self._clock = keys, path, clock
        self._issuer, self._audience = issuer, audience
        self._lock = threading.Lock()
        self._keys: Mapping[str, Any] = {}
        self._fetched_at: datetime | None = None

    def sessions(self, *, delivery: Delivery) -> tuple[SessionId, ...]:
        """Give the session that the signed claims name.

        Raises:
            WebhookRefused: `unsigned`, `forged`, `stale`, `malformed` or `too_large`.
            Unavailable: IDnow's keys cannot be had: answer 503, it is sent again.
        """
        claims = self._claims(self._token(delivery))
        told = claims.get("data", claims)
        if not isinstance(told, dict):
            raise WebhookRefused("its claims hold no `data`", reason="malformed")
        return (SessionId(text_at(told, "payload", "sessionId")),)

    def _token(self, delivery: Delivery) -> str:
        token = delivery.headers.get(HEADER, "")
        if not token and delivery.headers.get("content-type", "").partition(";")[0].strip() == "application/jwt":
            token = bounded(delivery.body).decode("ascii", errors="replace").strip()
        if not token:
            raise WebhookRefused("it holds no JWT", reason="unsigned")
        return token

    def _claims(self, token: str) -> dict[str, Any]:
        jwt = self._jwt
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise WebhookRefused("its JWT cannot be read", reason="malformed") from error
        key = self._key(kid) if isinstance(kid, str) else None
        if key is None:
            raise WebhookRefused("its key is none of IDnow's", reason="forged")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self._issuer,
                audience=self._audience,
                # Times are checked below, by our clock: the library reads the machine's.
                options={"require": ["exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise WebhookRefused("its JWT does not hold", reason="forged") from error
        self._timely(claims)
        return claims

    def _timely(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now()
        if now >= _time(claims.get("exp")):
            raise WebhookRefused("its JWT has run out", reason="stale", mend="check the clock of this machine")
        if claims.get("iat") is not None:
            fresh(_time(claims["iat"]), now, LEEWAY)

    def _key(self, kid: str) -> Any:
        with self._lock:
            now, last = self._clock.now(), self._fetched_at
            waited = now - last if last is not None else KEYS_LIFE
            if waited >= KEYS_LIFE or (kid not in self._keys and waited >= KEYS_PAUSE):
                self._keys = self._fetched(known=self._keys)
                self._fetched_at = now
            return self._keys.get(kid)

    def _fetched(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            told = self._http.ask("GET", self._path, acts=False).json()
        except PortError as error:
            if known:
                return known  # IDnow's keys live long: those that we have are good until it answers
            raise Unavailable("IDnow's keys cannot be had", where=error.where, mend=error.mend) from error
        found: dict[str, Any] = {}
        for one in (told.get("keys") if isinstance(told, dict) else None) or ():
            try:
                key = self._jwt.PyJWK(one, algorithm="RS256")
            except (self._jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
                continue  # a key of another kind is not for us
            if isinstance(key.key_id, str) and len(found) < MOST_KEYS:
                found[key.key_id] = key
        return found


def _time(value: object) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        return datetime.fromtimestamp(value, UTC)
    raise WebhookRefused("its time cannot be read", reason="malformed")
