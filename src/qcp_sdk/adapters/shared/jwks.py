"""Somebody else's public keys (JWK Set, RFC 7517): fetched, kept, and looked for again when an unknown one is named."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from qcp_sdk.adapters.shared.http import Http
from qcp_sdk.errors import ConfigurationError, PortError, Unavailable
from qcp_sdk.ports.clock import Clock

KEYS_LIFE: Final = timedelta(hours=12)
KEYS_PAUSE: Final = timedelta(minutes=1)
"""Between two looks for a key that we do not know: forged ids must not make us ask each time."""
FAILED_PAUSE: Final = timedelta(seconds=10)
"""After a look that gave nothing: as above, but whoever is genuine is to be believed soon."""
MOST_KEYS: Final = 50
CURVES: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1"}
"""The one curve of each algorithm over elliptic curves (RFC 7518 § 3.4, RFC 8812 § 3.2)."""


class JwkSet:
    """The keys at `path` of `keys` for these algorithms; `path` may be known later only. Needs the extra `jwt`.

    Raises:
        ConfigurationError: The extra is not installed.
    """

    def __init__(
        self,
        keys: Http,
        *,
        path: str | Callable[[], str],
        algorithms: tuple[str, ...],
        clock: Clock,
        where: str,
    ) -> None:
        try:
            import jwt
        except ModuleNotFoundError as missing:
            raise ConfigurationError("`jwt` is not installed", where=where, mend="install qcp_sdk[jwt]") from missing
        self.jwt: Any = jwt
        self._http, self._path, self._algorithms, self._clock = keys, path, algorithms, clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, Any] = {}
        self._fetched_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._where = where

    def key(self, kid: object) -> Any:
        """Give the key of this id, a `jwt.PyJWK`; None where there is none. Without an id, it is the only key.

        Raises:
            Unavailable: The keys cannot be had, and never could be; for ten seconds they are not asked for again.
        """
        kid = kid if isinstance(kid, str) else ""
        with self._lock:
            now, last = self._clock.now(), self._fetched_at
            waited = now - last if last is not None else KEYS_LIFE
            if waited >= KEYS_LIFE or (kid and kid not in self._keys and waited >= KEYS_PAUSE):
                if self._failed_at is not None and abs(now - self._failed_at) < FAILED_PAUSE:
                    raise Unavailable("the issuer's keys cannot be had", where=self._where, mend="asked again soon")
                try:
                    self._keys = self._fetched(known=self._keys)
                except Unavailable:
                    self._failed_at = now
                    raise
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
            key = self._read(one)
            if key is not None and len(found) < MOST_KEYS:
                found[key.key_id if isinstance(key.key_id, str) else f" {len(found)}"] = key
        return found

    def _read(self, one: Any) -> Any:
        """Give a key for the first of our algorithms that it fits; None where it is for none of them.

        A key need not say which it is for (RFC 7517 § 4.4): then its type and its curve do (RFC 7518 § 3.1).
        """
        said = one.get("alg") if isinstance(one, dict) else None
        for algorithm in self._algorithms:
            if said not in (None, algorithm):
                continue
            try:
                key = self.jwt.PyJWK(one, algorithm=algorithm)
            except (self.jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError):
                continue
            if CURVES.get(algorithm, one.get("crv")) == one.get("crv"):
                return key
        return None
