"""The sandbox's CSC service lets users in by password: `auth/login` and `auth/revoke` (1.0.4.0 § 11.2, 11.3).

A user sees the credentials that are theirs, and may not ask for another's.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from qcp_sdk.sandbox.csc_parameters import bearer, known_version, text
from qcp_sdk.sandbox.csc_state import AccessToken, refusal
from qcp_sdk.sandbox.wsgi import Answer, Provider, Request, answer_json, route
from qcp_sdk.values import Secret

LIFETIME: Final = timedelta(hours=1)


class CscLogin(Provider):
    """The methods under `auth/`; `CscSandbox` makes the state."""

    users: dict[str, Secret]
    tokens: dict[str, AccessToken]
    refreshes: dict[str, AccessToken]

    @route("POST", "/{version}/auth/login")
    def login(self, request: Request, version: str) -> Answer:
        """Give a token for a password (HTTP Basic), or for a refresh token of an earlier login."""
        known_version(version)
        asked = request.json()
        if asked.get("refresh_token") is not None:
            remembered = self.refreshes.pop(text(asked, "refresh_token"), None)
            if remembered is None or not remembered.user:
                raise refusal("Invalid refresh_token")
            user = remembered.user
        else:
            user = self._known_user(request)
        held = AccessToken(scope="service", client="", user=user, ends=self.clock.now() + LIFETIME)
        token = secrets.token_urlsafe(24)
        self.tokens[token] = held
        told: dict[str, object] = {"access_token": token, "expires_in": int(LIFETIME.total_seconds())}
        if asked.get("rememberMe") is True:
            told["refresh_token"] = secrets.token_urlsafe(24)
            self.refreshes[str(told["refresh_token"])] = held
        return answer_json(told, headers=(("Cache-Control", "no-store"),))

    @route("POST", "/{version}/auth/revoke")
    def logout(self, request: Request, version: str) -> Answer:
        """Make a token of one's own worthless."""
        known_version(version)
        mine, asked = self.tokens.get(bearer(request)), request.json()
        if mine is None:
            raise refusal("The access token is unknown or has expired", word="invalid_token", status=401)
        if asked.get("token_type_hint") not in (None, "access_token", "refresh_token"):
            raise refusal("Invalid string parameter token_type_hint")
        token = text(asked, "token")
        held = self.tokens.get(token) or self.refreshes.get(token)
        if held is None or held.user != mine.user:
            raise refusal("Invalid string parameter token")
        self.tokens.pop(token, None)
        self.refreshes.pop(token, None)
        return Answer(status=HTTPStatus.NO_CONTENT)

    def _known_user(self, request: Request) -> str:
        kind, _, told = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(told, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            user, password = "", ""
        secret = self.users.get(user)
        if kind.lower() != "basic" or secret is None or not secret == Secret(password):
            raise refusal("An error occurred during authentication process", word="authentication_error")
        return user
