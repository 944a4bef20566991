"""JWTs of somebody else's: believed under keys that are fetched, for one issuer and audience, by our clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.adapters.shared.jwks import JwkSet
from qcp_sdk.errors import ConfigurationError
from qcp_sdk.ports.clock import Clock

LEEWAY: Final = timedelta(minutes=5)
"""How far from now a token may have been issued, either way."""


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
        self._keys = JwkSet(keys, path=path, algorithms=algorithms, clock=clock, where=where)
        if not issuer or not audience:
            raise ConfigurationError("issuer or audience is missing", where=where, mend="give both")
        self._clock, self._issuer, self._audience, self._algorithms = clock, issuer, audience, algorithms

    def claims(self, token: str) -> dict[str, Any]:
        """Give what a token says.

        Raises:
            TokenRefused: It is not the issuer's, not for us, or of another time.
            Unavailable: The issuer's keys cannot be had.
        """
        jwt = self._keys.jwt
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise TokenRefused("its JWT cannot be read", "malformed") from error
        # Without a `kid` a token is the only key's (RFC 7515 § 4.1.4, OpenID Connect Core § 10.1).
        key = self._keys.key(kid)
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


def _time(value: object) -> datetime:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e11:
        return datetime.fromtimestamp(value, UTC)
    raise TokenRefused("its time cannot be read", "malformed")
