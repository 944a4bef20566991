"""How this installation makes itself known to a CSC service: nothing, Basic, a token, a login, client credentials.

And the authorization code flow (CSC API 1.0.4.0 § 8.3, 2.0.0.2 § 8.4; RFC 6749, RFC 7636): its token of scope
`service` is an access as any other, its token of scope `credential` stands in for the SAD.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import urlencode

from attrs import field, frozen

from qcp_sdk.adapters.csc.refusals import explain
from qcp_sdk.adapters.shared.fields import Fields
from qcp_sdk.adapters.shared.http import Answer, Http
from qcp_sdk.errors import Rejected
from qcp_sdk.ports.clock import Clock
from qcp_sdk.values import Secret

EARLY: Final = timedelta(seconds=30)
"""A token is replaced so long before its end."""
USUAL_LIFE: Final = 3600
"""Seconds, where a service does not say (CSC API 1.0.4.0 § 8.3.3)."""
CREATION: Final = "https://cloudsignatureconsortium.org/2025/credential-creation"
"""The type of authorization details by which a credential is created (CSC API 2.2 § 8)."""


class Access(Protocol):
    """Gives what goes into `Authorization`."""

    def header(self) -> Secret | None:
        """Give the header's value; None: nothing is sent.

        Raises:
            Unavailable: It cannot be had now.
        """

    def refused(self) -> bool:
        """Hear that the service refused the header; say whether another may be had at once."""


@frozen
class Fixed:
    """One header for ever; `Fixed()` sends none (authType `external` or `TLS`)."""

    value: Secret | None = field(default=None, repr=False)

    @classmethod
    def bearer(cls, token: Secret) -> Fixed:
        """Send this token."""
        return cls(Secret(f"Bearer {token.reveal()}"))

    @classmethod
    def basic(cls, user: str, password: Secret) -> Fixed:
        """Send a user and a password (authType `basic`)."""
        return cls(Secret("Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()))

    def header(self) -> Secret | None:
        """Give the header's value."""
        return self.value

    def refused(self) -> bool:
        """Say no: there is no other."""
        return False


@frozen(kw_only=True)
class Token:
    """What an authorization server gave."""

    access: Secret = field(repr=False)
    refresh: Secret | None = field(default=None, repr=False)
    lifetime: timedelta = timedelta(seconds=USUAL_LIFE)
    credential: str = ""
    """`credentialID`, where the server chose one (2.0.0.2 § 8.4.4)."""


@frozen(kw_only=True)
class OAuth:
    """An authorization server of a CSC service; `http` is at the base of `oauth2/…`."""

    http: Http
    client_id: str
    client_secret: Secret | None = field(default=None, repr=False)
    path: str = "/oauth2"

    def client_token(self, *, scope: str = "service", details: Sequence[Mapping[str, object]] = ()) -> Token:
        """Get a token for this installation itself (grant `client_credentials`).

        Raises:
            Unavailable: The server does not answer, or refuses the client.
            Rejected: It refuses the scope.
        """
        asked: dict[str, str | Secret] = {"grant_type": "client_credentials", "scope": scope}
        if details:
            asked["authorization_details"] = json.dumps(list(details))
        return self._token(asked)

    def location(
        self,
        *,
        redirect_uri: str,
        state: str,
        verifier: Secret,
        scope: str = "service",
        credential: str = "",
        digests: Sequence[bytes] = (),
        description: str = "",
        version: str = "v1",
    ) -> str:
        """Give the path and query, under the authorization server's address, to which the signatory is sent.

        `verifier` is drawn for this one journey and kept until `exchange` (PKCE, S256); `digests` are those that a
        token of scope `credential` will sign.
        """
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.reveal().encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": scope,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if credential:
            asked["credentialID"] = credential
        if digests:
            asked["numSignatures"] = str(len(digests))
            named = "hash" if version == "v1" else "hashes"
            asked[named] = ",".join(base64.urlsafe_b64encode(digest).decode() for digest in digests)
            if version != "v1":
                asked["hashAlgorithmOID"] = "2.16.840.1.101.3.4.2.1"
        if description:
            asked["description"] = description
        return f"{self.path}/authorize?{urlencode(asked)}"

    def exchange(self, *, code: Secret, redirect_uri: str, verifier: Secret) -> Token:
        """Get the token for a code that came back to `redirect_uri`. A code works once.

        Raises:
            Rejected: The code is not accepted.
            Unavailable: The server does not answer, or refuses the client.
            Unconfirmed: The code may be used up: begin the journey again.
        """
        asked: dict[str, str | Secret] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self._token(asked, acts=True)

    def renewed(self, token: Secret) -> Token:
        """Get another token for a refresh token.

        Raises:
            Rejected: It is not accepted any more.
            Unavailable: The server does not answer.
            Unconfirmed: It may be used up.
        """
        return self._token({"grant_type": "refresh_token", "refresh_token": token}, acts=True)

    def revoke(self, token: Secret) -> None:
        """Make a token worthless (RFC 7009)."""
        form = self._client() | {"token": token}
        self.http.ask("POST", f"{self.path}/revoke", acts=False, form=form, explain=explain)

    def _client(self) -> dict[str, str | Secret]:
        client: dict[str, str | Secret] = {"client_id": self.client_id}
        return client | ({"client_secret": self.client_secret} if self.client_secret is not None else {})

    def _token(self, asked: Mapping[str, str | Secret], *, acts: bool = False) -> Token:
        form = {**self._client(), **asked}
        return _told(Fields.of(self.http.ask("POST", f"{self.path}/token", acts=acts, form=form, explain=explain)))


class _Renewed(ABC):
    """Tokens that are got when they are needed, and replaced before they end."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock, self._held = clock, threading.Lock(), None

    _held: tuple[Secret, datetime] | None

    @abstractmethod
    def _token(self) -> Token:
        """Get a new one."""

    def header(self) -> Secret | None:
        """Give the header's value.

        Raises:
            Unavailable: The authorization server gives no token.
        """
        with self._lock:
            now = self._clock.now()
            if self._held is None or now >= self._held[1]:
                token = self._token()
                self._held = Secret(f"Bearer {token.access.reveal()}"), now + max(token.lifetime - EARLY, EARLY)
            return self._held[0]

    def refused(self) -> bool:
        """Forget the token; another may be had."""
        with self._lock:
            had, self._held = self._held is not None, None
        return had


class ClientCredentials(_Renewed):
    """Tokens for this installation itself (OAuth 2.0, grant `client_credentials`)."""

    def __init__(self, oauth: OAuth, *, clock: Clock, scope: str = "service") -> None:
        super().__init__(clock)
        self._oauth, self._scope = oauth, scope

    def _token(self) -> Token:
        return self._oauth.client_token(scope=self._scope)


class Login(_Renewed):
    """Tokens for one user of the service, by name and password (`auth/login`, authType `basic`; 1.0.4.0 § 11.2).

    With `remember` the password is sent once, and what the service gave in its place from then on, as long as it
    accepts that. `http`, `version` and `path` are as the client's.
    """

    def __init__(
        self,
        http: Http,
        *,
        user: str,
        password: Secret,
        clock: Clock,
        remember: bool = False,
        version: str = "v1",
        path: str = "/csc",
    ) -> None:
        super().__init__(clock)
        self._http, self._root, self._remember = http, f"{path}/{version}/auth", remember
        self._basic, self._refresh = Fixed.basic(user, password).value, None

    _refresh: Secret | None

    def leave(self) -> None:
        """Make the tokens of this login worthless (`auth/revoke`, § 11.3); the next call logs in again.

        Raises:
            Unavailable: The service does not answer: they live on until their end.
        """
        with self._lock:
            held, refresh = self._held, self._refresh
            self._held = self._refresh = None
        if held is None:
            return
        access = Secret(held[0].reveal().removeprefix("Bearer "))
        tokens = ((refresh, "refresh_token"), (access, "access_token"))  # the one that asks goes last
        for token, kind in tokens:
            if token is not None:
                asked = {"token": token, "token_type_hint": kind}
                self._ask("revoke", asked, header=held[0])

    def _token(self) -> Token:
        if self._refresh is not None:
            try:
                return self._kept(self._ask("login", {"refresh_token": self._refresh, "rememberMe": True}, header=None))
            except Rejected:  # it ended, or was used: the password is still there
                self._refresh = None
        asked: dict[str, object] = {"rememberMe": True} if self._remember else {}
        return self._kept(self._ask("login", asked, header=self._basic))

    def _kept(self, answer: Answer) -> Token:
        token = _told(Fields.of(answer))
        self._refresh = token.refresh if self._remember else None
        return token

    def _ask(self, method: str, asked: Mapping[str, object], *, header: Secret | None) -> Answer:
        headers = {} if header is None else {"authorization": header}
        return self._http.ask(
            "POST", f"{self._root}/{method}", acts=False, json=asked, headers=headers, explain=explain
        )


def _told(fields: Fields) -> Token:
    seconds = fields.whole("expires_in", USUAL_LIFE)
    if not 0 < seconds < 10**8:
        raise fields.answer.unreadable("`expires_in` makes no sense")
    return Token(
        access=Secret(fields.text("access_token")),
        refresh=Secret(fields.text("refresh_token")) if fields.has("refresh_token") else None,
        lifetime=timedelta(seconds=seconds),
        credential=fields.text("credentialID", ""),
    )
