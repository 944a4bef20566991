"""JWTs of somebody else's: believed under keys that are fetched, for one issuer and audience, by our clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.errors import ConfigurationError, PortError, Unavailable
from qcp_sdk.ports.clock import Clock

KEYS_LIFE: Final = timedelta(hours=12)
KEYS_PAUSE: Final = timedelta(minutes=1)
"""Between two looks for a key that we do not know: forged ids must not make us ask each time."""
LEEWAY: Final = timedelta(minutes=5)
"""How far from now a token may have been issued, either way."""
MOST_KEYS: Final = 50


class TokenRefused(Exception):
    """A token is not believed; `reason` is `malformed`, `forged` or `stale`. The text quotes nothing of it."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what)
        self.what, self.reason = what, reason


class Tokens:
    """Checks tokens. `keys` and `path` are where the JWKS is; `path` may be known later only. Needs the extra `jwt`.

    `algorithms` is what the issuer uses: never `none` or HMAC, whatever a token says.

    Raises:
        ConfigurationError: The extra is not installed, or issuer or audience is missing.
    """

    def __init__(
        self,
        *,
        keys: Http,
        path: str | Callable[[], str],
        issuer: str,
        audience: str,
        clock: Clock,
        algorithms: tuple[str, ...] = ("RS256",),
        where: str,
    ) -> None:
        try:
            import jwt
        except ModuleNotFoundError as missing:
            raise ConfigurationError("`jwt` is not installed", where=where, mend="install qcp_sdk[jwt]") from missing
        if not issuer or not audience:
            raise ConfigurationError("issuer or audience is missing", where=where, mend="give both")
        self._jwt: Any = jwt
        self._http, self._path, self._clock = keys, path, clock
        self._issuer, self._audience, self._algorithms = issuer, audience, algorithms
        self._lock = threading.Lock()
        self._keys: Mapping[str, Any] = {}
        self._fetched_at: datetime | None = None

    def claims(self, token: str) -> dict[str, Any]:
        """Give what a token says.

        Raises:
            TokenRefused: It is not the issuer's, not for us, or of another time.
            Unavailable: The issuer's keys cannot be had.
        """
        jwt = self._jwt
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenRefused("its JWT cannot be read", "malformed") from error
        # Without a `kid` a token is the only key's (RFC 7515 § 4.1.4, OpenID Connect Core § 10.1).
        key = self._key(kid if isinstance(kid, str) else "")
        if key is None:
            raise TokenRefused("its key is none of the issuer's", "forged")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(self._algorithms),
                issuer=self._issuer,
                audience=self._audience,
                # Times are checked below, by our clock: the library reads the machine's.
                options={"require": ["exp"], "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenRefused("its JWT does not hold", "forged") from error
        now = self._clock.now()
        if now >= _time(claims.get("exp")):
            raise TokenRefused("its JWT has run out", "stale")
        if claims.get("iat") is not None and abs(now - _time(claims["iat"])) > LEEWAY:
            raise TokenRefused("its JWT was issued at another time", "stale")
        return claims

    def _key(self, kid: str) -> Any:
        with self._lock:
            now, last = self._clock.now(), self._fetched_at
            waited = now - last if last is not None else KEYS_LIFE
            if waited >= KEYS_LIFE or (kid and kid not in self._keys and waited >= KEYS_PAUSE):
                self._keys = self._fetched(known=self._keys)
                self._fetched_at = now
            return next(iter(self._keys.values())) if not kid and len(self._keys) == 1 else self._keys.get(kid)

    def _fetched(self, known: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            path = self._path if isinstance(self._path, str) else self._path()
            told = self._http.ask("GET", path, acts=False).json()
        except PortError as error:
            if known:
                return known  # keys live long: those that we have are good until the issuer answers
            raise Unavailable("the issuer's keys cannot be had", where=error.where, mend=error.mend) from error
        listed = told.get("keys") if isinstance(told, dict) else None
        found: dict[str, Any] = {}
        for one in listed if isinstance(listed, list) else ():
            try:
                key = self._jwt.PyJWK(one, algorithm=one.get("alg") or self._algorithms[0])
            except (self._jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
                continue  # a key of another kind is not for us
            if key.algorithm_name in self._algorithms and len(found) < MOST_KEYS:
                found[key.key_id if isinstance(key.key_id, str) else f" {len(found)}"] = key
        return found


def _time(value: object) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        return datetime.fromtimestamp(value, UTC)
    raise TokenRefused("its time cannot be read", "malformed")
