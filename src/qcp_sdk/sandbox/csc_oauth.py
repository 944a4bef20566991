"""The authorization server of the sandbox's CSC service: RFC 6749 with PKCE (RFC 7636) and revocation (RFC 7009).

Scopes `service`, `credential-creation` and `credential-deletion` for a client by itself; `service` and `credential`
for a person, who agrees on a page. A token of scope `credential` is activation data as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import secrets
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode, urlsplit

from qcp_sdk.sandbox.csc_state import (
    AccessToken,
    AuthorizationCode,
    CscRules,
    Grant,
    SandboxCredential,
    refusal,
)
from qcp_sdk.sandbox.wsgi import Answer, Provider, Request, answer_html, answer_json, route
from qcp_sdk.values import Secret

LIFETIME: Final = timedelta(hours=1)
CODE_LIFETIME: Final = timedelta(minutes=5)
ALONE: Final = frozenset({"service", "credential-creation", "credential-deletion"})
"""What a client may ask for by itself."""
_PAGE: Final = """<!doctype html><html lang="en"><title>Sandbox (TEST)</title>
<h1>Sandbox (TEST)</h1><p>{client} asks for: {scope}{what}.</p>
<form method="post">{fields}<button name="decision" value="agree">Agree</button>
<button name="decision" value="refuse">Refuse</button></form></html>"""


class CscOAuth(Provider):
    """The methods under `/oauth2`; `CscSandbox` makes the state."""

    rules: CscRules
    clients: dict[str, Secret]
    tokens: dict[str, AccessToken]
    refreshes: dict[str, AccessToken]
    codes: dict[str, AuthorizationCode]
    grants: dict[str, Grant]
    credentials: dict[str, SandboxCredential]

    @route("GET", "/oauth2/authorize")
    def consent_page(self, request: Request) -> Answer:
        """Show the holder what is asked for."""
        journey = self._journey(request.query)
        fields = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in request.query.items()
        )
        what = f", {journey.grant.left} signature(s)" if journey.grant else ""
        return answer_html(
            _PAGE.format(client=html.escape(journey.client), scope=html.escape(journey.scope), what=what, fields=fields)
        )

    @route("POST", "/oauth2/authorize")
    def consent(self, request: Request) -> Answer:
        """Send the holder back with a code, or with a refusal."""
        asked = request.form()
        journey = self._journey(asked)
        state = {"state": asked["state"]} if "state" in asked else {}
        if asked.get("decision") == "agree":
            code = secrets.token_urlsafe(18)
            self.codes[code] = journey
            told = {"code": code}
        else:
            told = {"error": "access_denied", "error_description": "the user refused"}
        join = "&" if urlsplit(journey.redirect_uri).query else "?"
        location = f"{journey.redirect_uri}{join}{urlencode(told | state)}"
        return Answer(status=HTTPStatus.FOUND, headers=(("Location", location),))

    @route("POST", "/oauth2/token")
    def token(self, request: Request) -> Answer:
        """Give tokens for a client's own secret, for a code, or for a refresh token."""
        asked = request.form()
        client = self._client(asked)
        match asked.get("grant_type"):
            case "client_credentials":
                scope = asked.get("scope", "service")
                if not set(scope.split()) <= ALONE:
                    raise refusal("A client has no such scope by itself", word="invalid_scope")
                return self._issued(client, scope, refresh=False)
            case "authorization_code":
                journey = self.codes.pop(asked.get("code", ""), None)
                if (
                    journey is None
                    or self.clock.now() >= journey.ends
                    or (journey.client, journey.redirect_uri) != (client, asked.get("redirect_uri"))
                    or journey.challenge != _challenge(asked.get("code_verifier", ""))
                ):
                    raise refusal("The code is not accepted", word="invalid_grant")
                return self._issued(client, journey.scope, refresh=journey.scope == "service", grant=journey.grant)
            case "refresh_token":
                known = self.refreshes.pop(asked.get("refresh_token", ""), None)
                if known is None or known.client != client:
                    raise refusal("The refresh token is not accepted", word="invalid_grant")
                return self._issued(client, known.scope, refresh=True)
            case _:
                raise refusal("No such grant", word="unsupported_grant_type")

    @route("POST", "/oauth2/revoke")
    def revoke(self, request: Request) -> Answer:
        """Make a token worthless; one that is unknown is worthless already."""
        asked = request.form()
        self._client(asked)
        token = asked.get("token", "")
        self.tokens.pop(token, None)
        self.refreshes.pop(token, None)
        self.grants.pop(token, None)
        return Answer(status=HTTPStatus.NO_CONTENT)

    def _client(self, asked: Mapping[str, str]) -> str:
        client = asked.get("client_id", "")
        secret = self.clients.get(client)
        if secret is None or not secret == Secret(asked.get("client_secret", "")):
            raise refusal("The client is unknown, or its secret is wrong", word="invalid_client", status=401)
        return client

    def _journey(self, asked: Mapping[str, str]) -> AuthorizationCode:
        client, redirect = asked.get("client_id", ""), asked.get("redirect_uri", "")
        if client not in self.clients or not _web(redirect):
            raise refusal("The client or its redirect_uri is unknown", word="unauthorized_client")
        if asked.get("response_type") != "code":
            raise refusal("Only `code` is answered", word="unsupported_response_type")
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            raise refusal("PKCE with S256 is required")
        scope, grant = asked.get("scope", "service"), None
        if scope == "credential":
            grant = _wanted(asked, self.credentials, self.rules)
            grant.ends = self.clock.now() + self.rules.sad_lifetime
        elif scope != "service":
            raise refusal("No such scope", word="invalid_scope")
        return AuthorizationCode(
            client=client,
            redirect_uri=redirect,
            challenge=asked["code_challenge"],
            scope=scope,
            ends=self.clock.now() + CODE_LIFETIME,
            grant=grant,
        )

    def _issued(self, client: str, scope: str, *, refresh: bool, grant: Grant | None = None) -> Answer:
        token, lifetime = secrets.token_urlsafe(24), LIFETIME if grant is None else self.rules.sad_lifetime
        held = AccessToken(scope=scope, client=client, ends=self.clock.now() + lifetime)
        self.tokens[token] = held
        told: dict[str, object] = {"access_token": token, "token_type": "Bearer"}
        told["expires_in"] = int(lifetime.total_seconds())
        if grant is not None:
            grant.ends = held.ends
            self.grants[token] = grant
            told["credentialID"] = grant.credential
        if refresh:
            told["refresh_token"] = secrets.token_urlsafe(24)
            self.refreshes[str(told["refresh_token"])] = held
        return answer_json(told, headers=(("Cache-Control", "no-store"),))


def _wanted(asked: Mapping[str, str], credentials: Mapping[str, SandboxCredential], rules: CscRules) -> Grant:
    credential = credentials.get(asked.get("credentialID", ""))
    if credential is None or credential.disabled:
        raise refusal("Invalid parameter credentialID")
    count = asked.get("numSignatures", "1")
    if not count.isdecimal() or not 1 <= int(count[:9]) <= rules.multisign:
        raise refusal("Numbers of signatures is too high")
    named = asked.get("hash") or asked.get("hashes") or ""
    try:
        digests = frozenset(base64.urlsafe_b64decode(one + "==") for one in named.split(",") if one)
    except (binascii.Error, ValueError) as error:
        raise refusal("Invalid Base64 hash string parameter") from error
    if any(len(digest) != 32 for digest in digests) or len(digests) > int(count) or (rules.pinned and not digests):
        raise refusal("Invalid digest value length")
    return Grant(credential=credential.id, left=int(count), digests=digests or None, ends=credential.ready_at)


def _web(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode(errors="surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
